package respond

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"edrc/internal/fault"
)

// fakeData is a step on the fake world: object from prior to want.
type fakeData struct{ Object, Prior, Want string }

// fakeWorld is a vendor with named values, and the driver for it. Do fails, loses
// answers or panics where a test says so.
type fakeWorld struct {
	mu     sync.Mutex
	values map[string]string
	writes []string
	busy   int
	clash  bool // two writes at once

	refuse   map[string]error // by object: not done
	loseOf   map[string]bool  // done, answer lost
	lostOf   map[string]bool  // not done, answer lost
	pendOf   map[string]bool
	panicAt  int // before the n-th write; negative: after
	optional map[string]bool
	shared   string
	blast    []Touched
	onDo     func(Step)
	reads    int
}

func newWorld() *fakeWorld {
	return &fakeWorld{values: map[string]string{"a": "1", "b": "2", "c": "3"}, refuse: map[string]error{},
		loseOf: map[string]bool{}, lostOf: map[string]bool{}, pendOf: map[string]bool{}, optional: map[string]bool{}}
}

func (w *fakeWorld) snapshot() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.values)
}

func (w *fakeWorld) Plan(_ context.Context, r Request) (Plan, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := Plan{Target: Target{Kind: Instance, ID: r.Target.ID, Account: "111122223333"}, Severe: true, SharedBy: w.shared, Touched: w.blast, Undo: "put back"}
	for _, o := range slices.Sorted(maps.Keys(w.values)) {
		p.Prior = append(p.Prior, Fact{o, w.values[o]})
		if w.values[o] == "shut" {
			continue
		}
		b, _ := json.Marshal(fakeData{o, w.values[o], "shut"})
		p.Steps = append(p.Steps, Step{Kind: "fake/v1", Title: "shut " + o, Data: b, Optional: w.optional[o]})
	}
	if len(p.Steps) == 0 {
		p.Already = "already shut"
	}
	return p, nil
}

func (w *fakeWorld) Do(_ context.Context, s Step, d Direction) (Outcome, error) {
	var x fakeData
	if err := json.Unmarshal(s.Data, &x); err != nil {
		return Outcome{}, err
	}
	if w.onDo != nil {
		w.onDo(s)
	}
	w.mu.Lock()
	w.busy++
	w.clash = w.clash || w.busy > 1
	w.mu.Unlock()
	time.Sleep(time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy--
	if err := w.refuse[x.Object]; err != nil {
		return Outcome{}, err
	}
	w.writes = append(w.writes, string(d)+" "+x.Object)
	if w.panicAt == len(w.writes) {
		panic("killed before the write")
	}
	if w.lostOf[x.Object] {
		return Outcome{}, fault.New(fault.InDoubt, "no answer")
	}
	w.values[x.Object] = x.Want
	if d == Revert {
		w.values[x.Object] = x.Prior
	}
	if w.panicAt == -len(w.writes) {
		panic("killed after the write")
	}
	if w.loseOf[x.Object] {
		return Outcome{}, fault.New(fault.InDoubt, "no answer")
	}
	if w.pendOf[x.Object] {
		return Outcome{State: Pending}, nil
	}
	return Outcome{State: Done, Result: json.RawMessage(`{"Seen":true}`)}, nil
}

func (w *fakeWorld) Read(_ context.Context, s Step) (Reading, error) {
	var x fakeData
	if err := json.Unmarshal(s.Data, &x); err != nil {
		return Reading{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	r := Reading{State: Other, Detail: x.Object + " is " + w.values[x.Object], Pending: w.pendOf[x.Object]}
	switch w.values[x.Object] {
	case x.Prior:
		r.State = Prior
	case x.Want:
		r.State = Applied
	}
	return r, nil
}

// newEngine is an engine in a new process: nothing is shared but the directory.
func newEngine(dir string, w *fakeWorld) *Engine {
	return &Engine{StateDir: dir, Drivers: map[Verb]Driver{StopInstance: w, IsolateInstance: w, IsolateRole: w},
		Actor: Actor{User: "anna", UID: "1000", Host: "soc-1", PID: 1}, Now: time.Now,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
}

var yes = Approval{Yes: true}

func request(id string) Request {
	return Request{Verb: IsolateInstance, Target: Target{Kind: Instance, ID: id}, Reason: "case 7"}
}

// isolate plans and applies.
func isolate(t *testing.T, e *Engine, id string) (Report, error) {
	t.Helper()
	p, err := e.Plan(t.Context(), request(id))
	if err != nil {
		t.Fatal(err)
	}
	return e.Apply(t.Context(), p, yes)
}

func mustIsolate(t *testing.T, e *Engine) *Action {
	t.Helper()
	r, err := isolate(t, e, "i-1")
	if err != nil {
		t.Fatal(err)
	}
	return r.Action
}

func wantKind(t *testing.T, err error, k fault.Kind, words ...string) {
	t.Helper()
	if !fault.Is(err, k) {
		t.Fatalf("the error is %v (%s), want %s", err, fault.KindOf(err), k)
	}
	text := err.Error()
	if f, ok := errors.AsType[*fault.Error](err); ok {
		text += " / " + f.Hint
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("the error does not say %q: %s", w, text)
		}
	}
}

func allShut(m map[string]string) bool {
	return m["a"] == "shut" && m["b"] == "shut" && m["c"] == "shut"
}

var initial = map[string]string{"a": "1", "b": "2", "c": "3"}

// errKilled ends a process in the tests.
var errKilled = errors.New("killed")

// crashJournal ends the process at the k-th boundary: before or after a line is on disk.
type crashJournal struct {
	Journal
	at, seen int
}

func (j *crashJournal) boundary() error {
	j.seen++
	if j.seen >= j.at && j.at > 0 { // and after it: a dead process writes no more
		return errKilled
	}
	return nil
}

func (j *crashJournal) Create(id string, l Line) error {
	return j.around(func() error { return j.Journal.Create(id, l) })
}

func (j *crashJournal) Append(id string, l Line) error {
	return j.around(func() error { return j.Journal.Append(id, l) })
}

func (j *crashJournal) around(write func() error) error {
	if err := j.boundary(); err != nil {
		return err
	}
	if err := write(); err != nil {
		return err
	}
	return j.boundary()
}

func (w *fakeWorld) String() string { return fmt.Sprint(w.snapshot(), w.writes) }
