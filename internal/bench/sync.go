package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// world is one lab and how edrc is set up against it.
type world struct {
	alerts, files int
	latency       time.Duration
	vendorRate    bool // the product's own limits; else what the lab's configuration allows, 1000/s
	neighbour     bool // a second process uses the store meanwhile
	huge          int  // bytes of one file that must be fetched and uploaded; 0: none is large
	products      bool // every product, with so many alerts each; no file is fetched
}

// The limits of the SentinelOne source and how much of it goes on at once; see
// sentinelone.limits, triage.Settings and the configuration that the lab writes.
const (
	labRate, vendorRate = 1000, 10
	listBurst           = 50
	subRate, subBurst   = 100, 100
	engineRate          = 1000
	senders, engineAt   = 4, 8
)

// result is one sync.
type result struct {
	world
	wall     time.Duration
	cpu      time.Duration
	labCPU   time.Duration
	peak     int // KiB
	chain    time.Duration
	lists    int // requests of the class of lists: pages, and looks for notes
	subs     int // notes
	engine   int
	fetches  int // requests for files: asking, looking, downloading
	scans    int
	needed   int // scans that the files needed
	files    int // distinct files scanned
	said     string
	views    []time.Duration
	updates  []time.Duration
	lookFail int
	by       map[string]*traffic // of each source
}

// bound is the least that the vendor's side of it takes, and what of it that is.
func (r *result) bound() (time.Duration, string) {
	lists := labRate
	if r.vendorRate {
		lists = vendorRate
	}
	perSecond := func(n, burst, rate int) time.Duration {
		return time.Duration(max(0, n-burst)) * time.Second / time.Duration(rate)
	}
	best, why := r.chain, "list chain"
	for _, c := range []struct {
		why string
		d   time.Duration
	}{
		{"latency", max(time.Duration(r.subs)*r.latency/senders, time.Duration(r.engine)*r.latency/engineAt)},
		{"rate limit", max(perSecond(r.lists, listBurst, lists), perSecond(r.subs, subBurst, subRate), perSecond(r.engine, engineAt, engineRate))},
	} {
		if c.d > best {
			best, why = c.d, c.why
		}
	}
	return best, why
}

func (r *result) requests() int { return r.lists + r.subs + r.engine + r.fetches }

func (r *result) name() string {
	rate, limits := "1000/s", "limits lifted"
	if r.vendorRate {
		rate, limits = "10/s", "each vendor's limits"
	}
	if r.products {
		return fmt.Sprintf("%d alerts of each product, %s", r.alerts, limits)
	}
	return fmt.Sprintf("%d alerts, %d ms, lists at %s", r.alerts, r.latency.Milliseconds(), rate)
}

// syncs runs one size with and without latency, under the vendor's limits and under
// the lab's.
func (b *bench) syncs(alerts, files int) error {
	for _, rate := range []bool{false, true} {
		for _, latency := range []time.Duration{0, 50 * time.Millisecond} {
			if b.quick && rate != (latency == 0) || alerts > 10_000 && !rate && latency > 0 {
				continue // the vendor's limit is what the aim is about
			}
			r, err := b.sync(world{alerts: alerts, files: files, latency: latency, vendorRate: rate})
			if err != nil {
				return err
			}
			b.report.sync(r, true)
			b.report.memory(r)
		}
	}
	return nil
}

// wait measures a second process beside a sync of its own: it takes part of the
// sync's time, so the other figures come from runs without it.
func (b *bench) wait() error {
	r, err := b.sync(world{alerts: 10_000, files: 200, neighbour: true})
	if err == nil {
		b.report.waits(r)
	}
	return err
}

// sync runs one sync against a lab of its own.
func (b *bench) sync(w world) (*result, error) {
	dir, err := os.MkdirTemp(b.dir, "run-")
	if err != nil {
		return nil, err
	}
	l, err := b.startLab(dir, w)
	if err != nil {
		return nil, err
	}
	defer l.stop()
	r := &result{world: w, by: map[string]*traffic{}}
	args := []string{"--config", l.config, "--trace", "sync"}
	if w.products {
		args = append(args, "--since", "7d", "-o", "json")
	} else if r.chain, err = l.chain(); err != nil {
		return nil, err
	}
	// What follows is the product; nothing of the above counts.
	labBefore := l.cpu()
	c := exec.Command(b.edrc, args...)
	c.Env = append(b.env(""), "EDRC_STATE_DIR="+filepath.Join(dir, "state"))
	var said strings.Builder
	c.Stdout = &said
	trace, err := c.StderrPipe()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := c.Start(); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { r.peak = watchPeak(c.Process.Pid, done) })
	if w.neighbour {
		wg.Go(func() { r.useStore(strings.TrimSuffix(l.config, ".yaml")+".db", done) })
	}
	last := r.count(trace, start)
	err = c.Wait()
	r.wall = time.Since(start)
	close(done)
	wg.Wait()
	if err != nil {
		return nil, fmt.Errorf("edrc sync: %w: %s", err, last)
	}
	r.cpu, r.labCPU, r.said = c.ProcessState.UserTime()+c.ProcessState.SystemTime(), l.cpu()-labBefore, said.String()
	fmt.Fprintf(os.Stderr, "  %s: %.1f s\n", r.name(), r.wall.Seconds())
	if w.products {
		if err := r.sideBySide(r.said, l); err != nil {
			return nil, err
		}
	}
	return r, l.settle(r)
}

// count reads the trace of edrc as it comes: one line a request.
func (r *result) count(trace io.Reader, start time.Time) (last string) {
	sc := bufio.NewScanner(trace)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		line := sc.Text()
		f := strings.Fields(line)
		if len(f) < 4 || !slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, f[1]) {
			last = line
			continue
		}
		_, path, _ := strings.Cut(f[2], "/")
		path, _, _ = strings.Cut(path, "?")
		before := r.lists
		switch {
		case f[0] == "intezer":
			r.engine++
			continue
		case strings.Contains(path, "/fetch-file"), strings.Contains(path, "/activities"), strings.Contains(path, "/agents/"):
			r.fetches++
		case strings.Contains(path, "/threats/"):
			r.subs++
		default:
			r.lists++
		}
		t := r.by[f[0]]
		if t == nil {
			t = &traffic{}
			r.by[f[0]] = t
		}
		t.requests++
		t.lists += r.lists - before
		t.last = time.Since(start)
	}
	return last
}

// watchPeak follows VmHWM: rusage would count what this process had before exec.
func watchPeak(pid int, done <-chan struct{}) int {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	peak := 0
	for {
		select {
		case <-done:
			return peak
		case <-tick.C:
		}
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for line := range strings.Lines(string(text)) {
			var kb int
			if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kb); err == nil {
				peak = max(peak, kb)
			}
		}
	}
}

// lab is `edrc lab up` in a process of its own.
type lab struct {
	cmd     *exec.Cmd
	control string
	config  string
}

func (b *bench) startLab(dir string, w world) (*lab, error) {
	l := &lab{config: filepath.Join(dir, "lab.yaml")}
	ready := filepath.Join(dir, "ready.json")
	products := "s1"
	if w.products {
		products = "all"
	}
	l.cmd = exec.Command(b.edrc, "lab", "up", "--products", products, "--alerts", fmt.Sprint(w.alerts), "--files", fmt.Sprint(w.files),
		"--latency", w.latency.String(), "--quota", "1000000", "--huge", fmt.Sprint(w.huge), "--write-config", l.config, "--ready-file", ready)
	l.cmd.Env = b.env("EDRC_BENCH_PROFILE=")
	if err := l.cmd.Start(); err != nil {
		return nil, err
	}
	for range 600 {
		var r struct{ Control string }
		if text, err := os.ReadFile(ready); err == nil && json.Unmarshal(text, &r) == nil {
			l.control = r.Control
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if l.control == "" {
		l.stop()
		return nil, errors.New("the lab does not come up")
	}
	return l, l.configure(w)
}

// configure changes the configuration that the lab wrote to what the world wants.
func (l *lab) configure(w world) error {
	text, err := os.ReadFile(l.config)
	if err != nil {
		return err
	}
	sources, rest, _ := strings.Cut(string(text), "\nscan: {")
	if w.vendorRate {
		sources = strings.ReplaceAll(sources, ", rate: 1000", "")
	}
	if w.products {
		rest = "upload: {types: []}, " + rest
	}
	return os.WriteFile(l.config, []byte(sources+"\nscan: {"+rest), 0o600)
}

func (l *lab) stop() {
	_ = l.cmd.Process.Signal(os.Interrupt)
	kill := time.AfterFunc(10*time.Second, func() { _ = l.cmd.Process.Kill() })
	defer kill.Stop()
	_ = l.cmd.Wait()
}

// cpu is what the lab has used so far.
func (l *lab) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", l.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(rest)
	var user, system int64
	if len(f) > 12 {
		_, _ = fmt.Sscan(f[11]+" "+f[12], &user, &system)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

var (
	consoleURL = regexp.MustCompile(`kind: sentinelone, url: "([^"]+)", token: "([^"]+)"`)
	nextCursor = regexp.MustCompile(`"nextCursor":\s*"([^"]+)"`)
)

// chain is how long the list of alerts takes to read for a client that does nothing
// with it: each page has the cursor of the next. A sync reads it twice, by creation
// and by change.
func (l *lab) chain() (time.Duration, error) {
	text, err := os.ReadFile(l.config)
	if err != nil {
		return 0, err
	}
	m := consoleURL.FindSubmatch(text)
	if m == nil {
		return 0, errors.New("the lab's configuration is not as expected")
	}
	since := time.Now().Add(-72 * time.Hour).UTC().Format("2006-01-02T15:04:05.000000Z")
	q := url.Values{"limit": {"1000"}, "skipCount": {"true"}, "sortBy": {"createdAt"}, "sortOrder": {"asc"}, "createdAt__gte": {since}}
	start := time.Now()
	for {
		req, err := http.NewRequest(http.MethodGet, string(m[1])+"/web/api/v2.1/threats?"+q.Encode(), nil)
		if err != nil {
			return 0, err
		}
		req.Header.Set("Authorization", "ApiToken "+string(m[2]))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		page, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("list: %s, %w", resp.Status, err)
		}
		next := nextCursor.FindSubmatch(page[max(0, len(page)-1000):])
		if next == nil {
			next = nextCursor.FindSubmatch(page)
		}
		if next == nil {
			return 2 * time.Since(start), nil
		}
		q.Set("cursor", string(next[1]))
	}
}

// settle compares what was paid with what was needed: a scan for each file that was
// scanned, and one more where the engine's first analysis failed.
func (l *lab) settle(r *result) error {
	var state struct {
		Intezer struct {
			Scans   int            `json:"scans"`
			PerFile map[string]int `json:"scans_by_file"`
		} `json:"intezer"`
	}
	var files []struct {
		SHA256 string `json:"sha256"`
		Fails  bool   `json:"fails_once"`
	}
	if err := l.get("/_lab/state", &state); err != nil {
		return err
	}
	if err := l.get("/_lab/files", &files); err != nil {
		return err
	}
	r.scans, r.files, r.needed = state.Intezer.Scans, len(state.Intezer.PerFile), len(state.Intezer.PerFile)
	for _, f := range files {
		if f.Fails && state.Intezer.PerFile[f.SHA256] > 0 {
			r.needed++
		}
	}
	return nil
}

func (l *lab) get(path string, v any) error {
	resp, err := http.Get(l.control + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(v)
}
