//go:build linux

package crash

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"edrc/internal/lab"
)

// containment is a way to contain something, and how a vendor tells what came of it.
type containment struct {
	name    string
	options lab.Options
	// begin gives the command without --yes, and the alert that it names.
	begin func(w *world) (command []string, ref string)
	// stands tells, in the vendor's words, all that the action may change.
	stands func(w *world) string
	// most says how often a request may be sent, whatever way an action takes through a crash.
	most map[string]int
	// step is how many boundaries lie between two that are tried, when not all are.
	step int
}

func containments() []containment {
	aws := lab.Options{Seed: 3, Alerts: 12, Files: 4, Products: []string{"aws"}}
	return []containment{{
		name: "host", options: lab.Options{Seed: 40, Alerts: 8, Files: 4}, begin: onAHost, step: 1,
		stands: func(w *world) string { return strings.Join(w.lab.State().Sources["s1-lab"].Isolated, " ") },
		most:   map[string]int{"POST /web/api/v2.1/agents/actions/disconnect": 1, "POST /web/api/v2.1/agents/actions/connect": 1},
	}, {
		name: "security-group", options: aws, begin: onAnInstance("isolate", "security-group"), stands: (*world).network, step: 5,
		most: map[string]int{"POST / CreateSecurityGroup": 2, "POST / DeleteSecurityGroup": 2},
	}, {
		name: "instance", options: aws, begin: onAnInstance("stop", "instance"), stands: (*world).network, step: 3,
		most: map[string]int{"POST / StopInstances": 1, "POST / StartInstances": 1},
	}}
}

// onAHost isolates the host of an alert, one that is online.
func onAHost(w *world) ([]string, string) {
	w.Helper()
	r := w.must("alerts", "list", "--since", "30d", "--all", "--jq", "[.items[] | select(.host.reachable)][0].ref")
	ref := strings.TrimSpace(r.stdout)
	return []string{"isolate", "host", ref, "--reason", "IR-2231"}, ref
}

// must runs a command that succeeds.
func (w *world) must(args ...string) run {
	w.Helper()
	r := w.edrc(args...)
	if r.exit != 0 {
		w.Fatalf("%s: exit %d\n%s\n%s", r.name, r.exit, r.stdout, r.stderr)
	}
	return r
}

// acted is an action as `edrc actions list` shows it.
type acted struct {
	ID, Verb, Status, Of, Alert string
	UndoneBy                    string `json:"undone_by"`
}

func (w *world) actions() []acted {
	w.Helper()
	var out struct{ Items []acted }
	if err := json.Unmarshal([]byte(w.must("actions", "list", "-o", "json").stdout), &out); err != nil {
		w.Fatal(err)
	}
	return out.Items
}

// tried is one containment in a world of its own.
type tried struct {
	*world
	containment
	command []string
	ref     string
	before  string // what stood before anything was done
	runs    []run
}

func try(t *testing.T, c containment) *tried {
	t.Helper()
	w := newWorld(t, c.options, settings{})
	x := &tried{world: w, containment: c}
	x.command, x.ref = c.begin(w)
	x.command = append(x.command, "--yes")
	x.before = c.stands(w)
	return x
}

// do runs a command to its end; a note that the dead were writing may be written by then.
func (x *tried) do(args ...string) run {
	x.Helper()
	x.later(soon)
	r := x.must(args...)
	x.runs = append(x.runs, r)
	return r
}

// killed runs a command that kills itself at a boundary.
func (x *tried) killed(k int, args ...string) run {
	x.Helper()
	r := x.ending("kill", k, "", args...).wait()
	x.runs = append(x.runs, r)
	if !r.killed {
		x.Fatalf("it was to be killed at boundary %d and was not: exit %d after %d\n%s", k, r.exit, len(r.boundaries), r.stderr)
	}
	return r
}

var markerForm = regexp.MustCompile(`\[edrc:[0-9a-f]{16}\]`)

// notes gives the markers of the notes on the alert: a product may keep all of them in one text.
func (x *tried) notes() []string {
	source, id, _ := strings.Cut(x.ref, ":")
	return markerForm.FindAllString(strings.Join(x.lab.State().Sources[source].Notes[id], "\n"), -1)
}

// proved holds what is true after any way through a crash: nothing is open, nothing was
// sent or told twice, and the audit is whole. The last action is told on the alert; the
// one before it may have been killed before its note, and all have one when whole says so.
func (x *tried) proved(whole bool) {
	x.Helper()
	for _, a := range x.actions() {
		if a.Status != "done" && a.Status != "undone" {
			x.Errorf("action %s (%s) is %s at the end", a.ID, a.Verb, a.Status)
		}
		if a.Alert != x.ref {
			x.Errorf("action %s names the alert %q, want %q", a.ID, a.Alert, x.ref)
		}
	}
	for what, most := range x.most {
		n := 0
		for _, r := range x.runs {
			n += r.count("sent 200 " + what)
		}
		if n > most {
			x.Errorf("%q was done %d times, want at most %d", what, n, most)
		}
	}
	got, acted := x.notes(), len(x.actions())
	slices.Sort(got)
	if n := len(got); n == 0 || n > acted || whole && n < acted || len(slices.Compact(got)) != n {
		x.Errorf("after %d actions the notes on the alert are %q", acted, got)
	}
	x.must("audit", "verify")
}

// boundariesOf gives what a command passes when nobody kills it.
func boundariesOf(t *testing.T, c containment, undo bool) []string {
	t.Helper()
	x := try(t, c)
	r := x.do(x.command...)
	contained := c.stands(x.world)
	if contained == x.before {
		t.Fatalf("%v changed nothing: %q", x.command, x.before)
	}
	if undo {
		r = x.do("undo", x.actions()[0].ID, "--yes")
	}
	if r.count("write ") < 4 || r.count("send ") < 2 {
		t.Fatalf("it proves little: %q", r.boundaries)
	}
	return r.boundaries
}

// ways are those to recover in: each of them for every boundary when EDRC_LONG is set,
// else one after the other.
func ways(k int) []string {
	all := []string{"resume", "undo"}
	if os.Getenv("EDRC_LONG") != "" {
		return all
	}
	return all[k%2 : k%2+1]
}

// TestAContainmentThatIsKilledAnywhereIsCompletedOrUndone: before and after each line
// of its journal, each request and each commit.
func TestAContainmentThatIsKilledAnywhereIsCompletedOrUndone(t *testing.T) {
	t.Parallel()
	for _, c := range containments() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, k := range every(len(boundariesOf(t, c, false)), c.step) {
				for _, how := range ways(k) {
					t.Run(strconv.Itoa(k)+" "+how, func(t *testing.T) {
						t.Parallel()
						killedAt(t, c, k, how)
					})
				}
			}
		})
	}
}

func killedAt(t *testing.T, c containment, k int, how string) {
	x := try(t, c)
	r := x.killed(k, x.command...)
	begun, ended := r.count("written planned") > 0, r.count("written ended") > 0
	all := x.actions()
	if len(all) > 1 || begun && len(all) == 0 {
		t.Fatalf("after %q there are the actions %+v", r.boundaries, all)
	}
	if len(all) == 0 { // nothing was begun
		if now := c.stands(x.world); now != x.before {
			t.Fatalf("something was changed and no action tells it: %q", now)
		}
		x.do(x.command...)
		all = x.actions()
	} else if want := map[bool]string{false: "half-done", true: "done"}[ended]; all[0].Status != want {
		t.Errorf("killed after %q the action is %s, want %s", r.boundaries, all[0].Status, want)
	}
	if how == "resume" {
		x.do("actions", "resume", all[0].ID, "--yes")
		if got := c.stands(x.world); got == x.before {
			t.Errorf("resumed, and nothing is contained: %q", got)
		}
		x.proved(true)
		return
	}
	x.do("undo", all[0].ID, "--yes", "--reason", "false alarm")
	if got := c.stands(x.world); got != x.before {
		t.Errorf("undone, and it stands so: %q, want %q", got, x.before)
	}
	x.proved(false)
}

// TestAnUndoThatIsKilledAnywhereIsCarriedOn: by asking for it again, or by resuming it.
func TestAnUndoThatIsKilledAnywhereIsCarriedOn(t *testing.T) {
	t.Parallel()
	for _, c := range containments() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, k := range every(len(boundariesOf(t, c, true)), c.step) {
				for _, how := range ways(k) {
					t.Run(strconv.Itoa(k)+" "+how, func(t *testing.T) {
						t.Parallel()
						undoKilledAt(t, c, k, how)
					})
				}
			}
		})
	}
}

func undoKilledAt(t *testing.T, c containment, k int, how string) {
	x := try(t, c)
	x.do(x.command...)
	id := x.actions()[0].ID
	r := x.killed(k, "undo", id, "--yes")
	all := x.actions()
	if begun := r.count("written planned") > 0; len(all) > 2 || begun && (len(all) != 2 || all[0].UndoneBy != all[1].ID) {
		t.Fatalf("after %q there are the actions %+v", r.boundaries, all)
	}
	if len(all) == 2 && r.count("written ended") == 0 && all[1].Status != "half-done" {
		t.Errorf("killed after %q the undo is %s", r.boundaries, all[1].Status)
	}
	if how == "resume" && len(all) == 2 {
		x.do("actions", "resume", all[1].ID, "--yes")
	} else {
		x.do("undo", id, "--yes")
	}
	if got := c.stands(x.world); got != x.before {
		t.Errorf("undone, and it stands so: %q, want %q", got, x.before)
	}
	if all = x.actions(); len(all) != 2 || all[0].Status != "undone" || all[1].Of != id {
		t.Errorf("at the end there are the actions %+v", all)
	}
	x.proved(true)
}

// TestTwoProcessesOnOneTargetSerialise: the second waits for the first, wherever that
// stands, and finds that there is nothing left to do.
func TestTwoProcessesOnOneTargetSerialise(t *testing.T) {
	t.Parallel()
	for _, c := range containments() {
		for i, at := range []string{"written intent", "written planned", "write intent", "write outcome", "write ended"} {
			if i%c.step != 0 { // one of them will do
				continue
			}
			t.Run(c.name+", "+at, func(t *testing.T) {
				t.Parallel()
				x := try(t, c)
				first := x.ending("stop", 1, at, x.command...)
				if !first.untilStopped() {
					t.Fatalf("it was not stopped: %+v", first.wait())
				}
				second := x.start(nil, x.command...)
				if all := x.actions(); len(all) != 1 || all[0].Status != "running" {
					t.Errorf("while it is stopped there are the actions %+v", all)
				}
				first.goOn()
				one, two := first.wait(), second.wait()
				if x.runs = append(x.runs, one, two); one.exit != 0 || two.exit != 0 {
					t.Errorf("exit %d and %d\n%s\n%s", one.exit, two.exit, one.stderr, two.stderr)
				}
				if n := two.count("send "); n > 0 || !strings.Contains(two.stdout, "already") {
					t.Errorf("the second one sent %d requests: %s", n, two.stdout)
				}
				if all := x.actions(); len(all) != 1 {
					t.Errorf("there are the actions %+v", all)
				}
				x.proved(true)
			})
		}
	}
}
