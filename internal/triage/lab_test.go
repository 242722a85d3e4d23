package triage

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"edrc/internal/httpx"
	"edrc/internal/lab"
	"edrc/internal/scan"
	"edrc/internal/scan/intezer"
	"edrc/internal/source"
	"edrc/internal/source/sentinelone"
	"edrc/internal/store"
)

// labWorld is a lab over real HTTP and a service on it, as the command line makes it.
type labWorld struct {
	*Service
	t     *testing.T
	lab   *lab.Lab
	store *store.Store
	// transport, if set, sees what the clients send.
	transport http.RoundTripper
}

// labConfig is the part of the lab's configuration that matters here.
type labConfig struct {
	Sources map[string]struct {
		Kind                string `yaml:"kind"`
		sentinelone.Options `yaml:",inline"`
	} `yaml:"sources"`
	Scan struct {
		intezer.Options `yaml:",inline"`
		Rest            map[string]any `yaml:",inline"`
	} `yaml:"scan"`
}

func newLabWorld(t *testing.T, o lab.Options, change ...func(*sentinelone.Options)) *labWorld {
	t.Helper()
	l, err := lab.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	st, err := store.Open(store.Options{Path: filepath.Join(t.TempDir(), "edrc.db"), Pause: -1, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	w := &labWorld{t: t, lab: l, store: st}
	w.Service = w.process("host/1/a", st, scan.Policy{}, change...)
	return w
}

// process is an edrc with clients of its own.
func (w *labWorld) process(holder string, st *store.Store, p scan.Policy, change ...func(*sentinelone.Options)) *Service {
	w.t.Helper()
	var cfg labConfig
	if err := yaml.Unmarshal(w.lab.Config(), &cfg); err != nil {
		w.t.Fatal(err)
	}
	sleep := func(ctx context.Context, d time.Duration) error { return nap(ctx, min(d, 2*time.Millisecond)) }
	h := httpx.Config{Attempts: 15, RetryBase: time.Millisecond, RetryMax: 5 * time.Millisecond, Sleep: sleep}
	if w.transport != nil {
		h.Transport = w.transport
	}
	s := &Service{Store: st, Holder: holder, Now: time.Now, Sleep: sleep, Settings: Settings{Wait: 20 * time.Second, NoteRetry: time.Millisecond}}
	zero := time.Duration(0)
	for name, c := range cfg.Sources {
		o := c.Options
		o.NoteSettle, o.Settle, o.Rate = &zero, &zero, 1e6
		for _, f := range change {
			f(&o)
		}
		src, err := sentinelone.New(o, sentinelone.Env{Name: name, HTTP: h})
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(src.Close)
		s.Sources = append(s.Sources, src)
	}
	slices.SortFunc(s.Sources, func(a, b source.Source) int { return bytes.Compare([]byte(a.Name()), []byte(b.Name())) })
	io := cfg.Scan.Options
	io.Rate = 1e6
	e, err := intezer.New(io, intezer.Env{TokenDir: w.t.TempDir(), HTTP: h})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(e.Close)
	p.PollBase, p.PollMax, p.RetryBase = time.Millisecond, 5*time.Millisecond, time.Millisecond
	s.Scanner = scan.New(e, st, p, holder, time.Now, nil)
	return s
}

func nap(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *labWorld) run(s *Service) *Summary {
	w.t.Helper()
	sum, err := s.Sync(context.Background(), SyncOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return sum
}

// control sends a command to the lab.
func (w *labWorld) control(command string, body any) {
	w.t.Helper()
	b, _ := json.Marshal(body)
	resp, err := http.Post(w.lab.ControlURL()+"/_lab/"+command, "application/json", bytes.NewReader(b))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %s", command, resp.Status)
	}
}

// settle syncs until nothing is due any more.
func (w *labWorld) settle(s *Service) *Summary {
	w.t.Helper()
	for range 30 {
		sum := w.run(s)
		if sum.NotesDue == 0 && sum.Waiting[scan.ReasonRunning] == 0 && len(sum.Errors) == 0 && sum.Waiting["submit in doubt"] == 0 &&
			sum.Waiting[scan.ReasonEngine] == 0 && sum.Waiting["not asked yet"] == 0 && sum.Waiting[scan.ReasonOrder] == 0 {
			return sum
		}
	}
	w.t.Fatal("the lab never comes to rest")
	return nil
}

// truth compares what the lab has with what is promised: every alert that should
// have a verdict has one note of ours, and no file was paid for twice.
func (w *labWorld) truth(failsTwice bool) {
	w.t.Helper()
	st := w.lab.State()
	once := map[string]bool{}
	for _, f := range w.lab.Files() {
		once[f.SHA256] = !f.FailsOnce
	}
	for sha, n := range st.Intezer.ScansByFile {
		if n > 1 && (once[sha] || n > 2 || !failsTwice) {
			w.t.Errorf("file %s was paid for %d times", sha, n)
		}
	}
	for source, s := range st.Sources {
		for id, notes := range s.Notes {
			ours := map[string]int{}
			for _, n := range notes {
				for _, m := range markersIn(n) {
					ours[m]++
				}
			}
			if len(ours) > 1 {
				w.t.Errorf("%s:%s tells %d verdicts: %q", source, id, len(ours), notes)
			}
			for m, n := range ours {
				if n > 1 {
					w.t.Errorf("%s:%s has note %s %d times", source, id, m, n)
				}
			}
		}
	}
}

func (w *labWorld) total() (alerts int) {
	for _, s := range w.lab.State().Sources {
		alerts += s.Alerts
	}
	return alerts
}

func TestLabEveryAlertIsSeenEveryFileIsPaidOnceEveryNoteIsWrittenOnce(t *testing.T) {
	for _, surface := range []string{"threats", "unified"} {
		t.Run(surface, func(t *testing.T) {
			w := newLabWorld(t, lab.Options{Alerts: 150, Files: 30, Sources: 2}, func(o *sentinelone.Options) { o.Surface = surface })
			sum := w.settle(w.Service)
			if got := w.remembered(); got != w.total() {
				t.Errorf("%d of %d alerts", got, w.total())
			}
			w.truth(true)
			scans := w.lab.State().Intezer.Scans
			again := w.process("host/2/b", w.store, scan.Policy{}, func(o *sentinelone.Options) { o.Surface = surface })
			if s := w.run(again); s.Notes != 0 || s.ScansSpent != 0 || w.lab.State().Intezer.Scans != scans {
				t.Errorf("the second run: %+v; the first: %+v", s, sum)
			}
			w.truth(true)
		})
	}
}

func (w *labWorld) remembered() int {
	w.t.Helper()
	n := 0
	for _, src := range w.Sources {
		l, err := w.List(context.Background(), ListOptions{Sources: []string{src.Name()}, Offline: true})
		if err != nil {
			w.t.Fatal(err)
		}
		n += l.Total
	}
	return n
}

func TestLabFaultsBeforeAndAfterWritesDoubleNothing(t *testing.T) {
	w := newLabWorld(t, lab.Options{Alerts: 200, Files: 30, Faults: []lab.Fault{{Kind: "reset", Place: "after", Rate: 0.15},
		{Kind: "503", Place: "after", Rate: 0.05}, {Kind: "reset", Place: "before", Rate: 0.05}, {Kind: "429", Rate: 0.03}, {Kind: "truncate", Rate: 0.03}}})
	w.settle(w.Service)
	w.truth(true)
	w.control("faults", map[string]string{"faults": ""})
	if s := w.settle(w.Service); s.Quarantined != 0 {
		t.Errorf("%+v", s)
	}
	w.truth(true)
	if got := w.remembered(); got != w.total() {
		t.Errorf("%d of %d alerts", got, w.total())
	}
}

func TestLabOwnWriteEchoIsNoWork(t *testing.T) {
	w := newLabWorld(t, lab.Options{Alerts: 100, Files: 20, Echo: true})
	w.settle(w.Service)
	before := fmt.Sprint(len(w.lab.State().Sources["s1-lab"].Notes))
	if s := w.run(w.Service); s.Notes != 0 || s.Sources[0].Changed != 0 || s.New != 0 {
		t.Errorf("%+v", s)
	}
	if after := fmt.Sprint(len(w.lab.State().Sources["s1-lab"].Notes)); after != before {
		t.Errorf("%s alerts had notes, now %s", before, after)
	}
}

func TestLabTwoProcessesAtOnceDoubleNothing(t *testing.T) {
	w := newLabWorld(t, lab.Options{Alerts: 300, Files: 30})
	other := w.process("host/2/b", w.store, scan.Policy{})
	done := make(chan *Summary)
	go func() {
		sum, err := other.Sync(context.Background(), SyncOptions{})
		if err != nil {
			t.Error(err)
		}
		done <- sum
	}()
	w.run(w.Service)
	<-done
	w.settle(w.Service)
	w.truth(true)
	if got := w.remembered(); got != w.total() {
		t.Errorf("%d of %d alerts", got, w.total())
	}
}

func TestLabAnExhaustedQuotaParksTheFilesAndGoesOnWhenThereIsMore(t *testing.T) {
	w := newLabWorld(t, lab.Options{Alerts: 300, Files: 60, Quota: 3})
	sum := w.settle(w.Service)
	if !sum.QuotaShort || w.lab.State().Intezer.Scans > 3 {
		t.Errorf("%+v, %d scans", sum, w.lab.State().Intezer.Scans)
	}
	w.control("quota", map[string]int{"quota": 500})
	if sum := w.settle(w.Service); sum.QuotaShort {
		t.Errorf("%+v", sum)
	}
	w.truth(true)
}

func TestLabAnAlertThatTheConsolePurgedIsGone(t *testing.T) {
	w := newLabWorld(t, lab.Options{Alerts: 60, Files: 20})
	w.settle(w.Service)
	l, err := w.List(context.Background(), ListOptions{})
	if err != nil || len(l.Rows) == 0 {
		t.Fatal(err)
	}
	ref := l.Rows[0].Alert.Ref
	w.control("purge", map[string]any{"ids": []string{ref.ID}})
	r, err := w.Reconcile(context.Background(), nil, time.Now().Add(-80*time.Hour))
	if err != nil || len(r.Errors) != 0 || len(r.Differences) != 1 || r.Differences[0].Ref != ref || r.Differences[0].What != "gone" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestLabAManualNoteIsPostedOnceByItsKey(t *testing.T) {
	w := newLabWorld(t, lab.Options{Alerts: 20, Files: 20, Faults: []lab.Fault{{Kind: "reset", Place: "after", Rate: 0.5}}})
	l, err := w.List(context.Background(), ListOptions{Limit: 1})
	if err != nil || len(l.Rows) != 1 {
		t.Fatal(err)
	}
	ref := l.Rows[0].Alert.Ref
	for range 5 {
		if _, err := w.AddNote(context.Background(), ref, "looked at it", "k1"); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for _, text := range w.lab.State().Sources[ref.Source].Notes[ref.ID] {
		if slices.Contains(markersIn(text), markerOfKey("k1")) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d notes", n)
	}
	if ns, _, err := w.Notes(context.Background(), ref); err != nil || len(ns) == 0 {
		t.Error(ns, err)
	}
}
