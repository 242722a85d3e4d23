package respond

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

// fakeEDR is a product with hosts.
type fakeEDR struct {
	name  string
	hosts []alert.Host
	state map[string]source.IsolationState
	by    string
	sent  []string
	slow  bool // accepted, not done
	drop  bool // the answer is lost
}

func (f *fakeEDR) Name() string                                 { return f.name }
func (f *fakeEDR) Kind() string                                 { return "fake" }
func (f *fakeEDR) Traits() source.Traits                        { return source.Traits{} }
func (f *fakeEDR) Check(context.Context) (source.Health, error) { return source.Health{}, nil }

func (f *fakeEDR) FindHosts(_ context.Context, s string) iter.Seq2[alert.Host, error] {
	return func(yield func(alert.Host, error) bool) {
		for _, h := range f.hosts {
			prefix, wild := strings.CutSuffix(strings.ToLower(s), "*")
			begins := wild && strings.HasPrefix(strings.ToLower(h.Name), prefix)
			if (h.ID == s || begins || strings.EqualFold(h.Name, s)) && !yield(h, nil) {
				return
			}
		}
	}
}

func (f *fakeEDR) Isolate(_ context.Context, h alert.Host, c source.Containment) (source.Operation, error) {
	f.sent = append(f.sent, "isolate "+h.ID+" "+c.Mode)
	f.state[h.ID] = source.IsolationIsolated
	if f.slow {
		f.state[h.ID] = source.IsolationIsolating
	}
	if f.drop {
		return source.Operation{}, fault.New(fault.InDoubt, "no answer")
	}
	return source.Operation{ID: "op-1"}, nil
}

func (f *fakeEDR) Release(_ context.Context, h alert.Host) (source.Operation, error) {
	f.sent = append(f.sent, "release "+h.ID)
	f.state[h.ID] = source.IsolationNone
	if f.slow {
		f.state[h.ID] = source.IsolationReleasing
	}
	return source.Operation{ID: "op-2"}, nil
}

// Isolation knows that a host is on its way out only by the operation.
func (f *fakeEDR) Isolation(_ context.Context, h alert.Host, op source.Operation) (source.Isolation, error) {
	if f.state[h.ID] == source.IsolationReleasing && op.ID == "op-1" {
		return source.Isolation{State: source.IsolationIsolated, Reachable: !f.slow, By: f.by, Since: time.Unix(1000, 0)}, nil
	}
	return source.Isolation{State: f.state[h.ID], Reachable: !f.slow, By: f.by, Since: time.Unix(1000, 0)}, nil
}

// onlyFinder can find hosts and no more.
type onlyFinder struct{ *fakeEDR }

func (onlyFinder) Isolate() {}

func newEDR() *fakeEDR {
	return &fakeEDR{name: "falcon", state: map[string]source.IsolationState{"h1": source.IsolationNone, "h2": source.IsolationNone, "h3": source.IsolationNone},
		hosts: []alert.Host{{ID: "h1", Name: "FIN-1"}, {ID: "h2", Name: "TWIN"}, {ID: "h3", Name: "TWIN"}}}
}

func hostEngine(dir string, sources ...source.Source) *Engine {
	e := newEngine(dir, nil)
	e.Drivers = map[Verb]Driver{IsolateHost: Hosts{sources}}
	return e
}

func isolateHost(t *testing.T, e *Engine, name, src string) (Report, error) {
	t.Helper()
	p, err := e.Plan(t.Context(), Request{Verb: IsolateHost, Target: Target{Kind: HostKind, ID: name, Source: src}, Reason: "beacon"})
	if err != nil {
		return Report{}, err
	}
	return e.Apply(t.Context(), p, yes)
}

func TestAHostIsIsolatedVerifiedAndReleased(t *testing.T) {
	f, dir := newEDR(), t.TempDir()
	r, err := isolateHost(t, hostEngine(dir, f), "fin-1", "")
	if err != nil || r.Action.Status != StatusDone || f.sent[0] != "isolate h1 " || r.Action.Target.Label() != "FIN-1 (h1)" {
		t.Fatal(r, err, f.sent)
	}
	if r, err := isolateHost(t, hostEngine(dir, f), "h1", "falcon"); err != nil || !strings.Contains(r.Already, "already isolated") {
		t.Fatal(r, err)
	}
	if s := r.Action.Steps[0].Outcome.State; s != Done {
		t.Errorf("it was read back, and its step is %s", s)
	}
	all, _ := hostEngine(dir, f).Isolated(t.Context())
	if len(all) != 1 || all[0].State != StillIsolated || all[0].Since.Unix() != 1000 {
		t.Fatalf("%+v", all)
	}
	if _, err := hostEngine(dir, f).ReleaseHost(t.Context(), Target{ID: "FIN-1"}, UndoRequest{}, yes); err != nil || f.state["h1"] != source.IsolationNone {
		t.Fatal(err, f.state)
	}
}

func TestAnUnknownHostIsAnsweredWithThoseThatBeginAlike(t *testing.T) {
	f := newEDR()
	for i := range 9 {
		f.hosts = append(f.hosts, alert.Host{ID: fmt.Sprint("x", i), Name: fmt.Sprintf("LAB-%d\x1b[2J", i)})
	}
	for name, words := range map[string][]string{"FIN-2": {"There is FIN-1"}, "fin-workstation": {"There is FIN-1"}, "zz": {"whole name"}, "zz-top": {"whole name"}, "lab-77": {"There is LAB-7"}, "lab-xx": {"LAB-0", "LAB-5"}} {
		_, err := isolateHost(t, hostEngine(t.TempDir(), f), name, "")
		wantKind(t, err, fault.NotFound, append(words, name)...)
		if text := fmt.Sprint(err, err.(*fault.Error).Hint); strings.Contains(text, "LAB-6") || strings.Contains(text, "\x1b") || strings.Contains(text, "edrc ") {
			t.Errorf("%s: %q", name, text)
		}
	}
}

func TestWhatOthersIsolatedIsNeverReleased(t *testing.T) {
	f, dir := newEDR(), t.TempDir()
	f.state["h1"], f.by = source.IsolationIsolated, "bob@console"
	r, err := isolateHost(t, hostEngine(dir, f), "fin-1", "")
	if err != nil || !strings.Contains(r.Already, "bob@console") {
		t.Fatal(r, err)
	}
	_, err = hostEngine(dir, f).ReleaseHost(t.Context(), Target{ID: "fin-1"}, UndoRequest{Force: true}, yes)
	wantKind(t, err, fault.Conflict, "others isolated", "console")
	if len(f.sent) > 0 {
		t.Fatal(f.sent)
	}
}

func TestAnOfflineHostIsAcceptedAndReadAgain(t *testing.T) {
	f, dir := newEDR(), t.TempDir()
	f.slow = true
	e := hostEngine(dir, f)
	r, err := isolateHost(t, e, "h1", "")
	wantKind(t, err, fault.Partial, "accepted", "edrc isolated")
	if r.Action.Status != StatusAccepted || fault.ExitCode(err) != 3 {
		t.Fatal(r.Action.Status, fault.ExitCode(err))
	}
	f.state["h1"], f.slow = source.IsolationIsolated, false
	if done, errs := e.Refresh(t.Context()); len(done) != 1 || len(errs) > 0 {
		t.Fatal(done, errs)
	}
	f.slow = true
	_, err = e.ReleaseHost(t.Context(), Target{ID: "h1"}, UndoRequest{}, yes)
	wantKind(t, err, fault.Partial, "accepted")
	if all, _ := e.Isolated(t.Context()); len(all) != 1 || all[0].State != Releasing {
		t.Fatalf("%+v", all)
	}
	f.state["h1"], f.slow = source.IsolationNone, false
	if _, errs := e.Refresh(t.Context()); len(errs) > 0 {
		t.Fatal(errs)
	}
	if all, _ := e.Isolated(t.Context()); len(all) != 0 || len(f.sent) != 2 {
		t.Fatalf("%+v %v", all, f.sent)
	}
}

func TestALostAnswerOfAProductIsReadBack(t *testing.T) {
	f := newEDR()
	f.drop = true
	r, err := isolateHost(t, hostEngine(t.TempDir(), f), "h1", "")
	if err != nil || r.Action.Status != StatusDone || len(f.sent) != 1 {
		t.Fatal(r, err, f.sent)
	}
}

func TestHostsThatCannotBeIsolatedAreSaidPlainly(t *testing.T) {
	f := newEDR()
	f.state["h2"] = source.IsolationReleasing
	other := newEDR()
	other.name = "guardduty"
	for name, tc := range map[string]struct {
		host, src string
		sources   []source.Source
		kind      fault.Kind
		words     string
	}{
		"unknown host":         {"nobody", "", []source.Source{f}, fault.NotFound, "nobody"},
		"two of one name":      {"twin", "", []source.Source{f}, fault.Usage, "falcon:h3"},
		"unknown source":       {"h1", "nope", []source.Source{f}, fault.NotFound, "nope"},
		"a source that cannot": {"h1", "guardduty", []source.Source{onlyFinder{other}}, fault.Unsupported, "cannot isolate hosts"},
		"no source that can":   {"h1", "", []source.Source{onlyFinder{other}}, fault.Unsupported, "no configured source"},
		"being released":       {"h2", "", []source.Source{f}, fault.Conflict, "being released"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := isolateHost(t, hostEngine(t.TempDir(), tc.sources...), tc.host, tc.src)
			wantKind(t, err, tc.kind, tc.words)
		})
	}
	e := hostEngine(t.TempDir(), f)
	e.Belts.Hosts = []string{"fin-*"}
	_, err := isolateHost(t, e, "h1", "")
	wantKind(t, err, fault.Denied, "protected_hosts")
	if len(f.sent)+len(other.sent) > 0 {
		t.Fatal(f.sent, other.sent)
	}
}
