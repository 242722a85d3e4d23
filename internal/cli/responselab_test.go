package cli_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"edrc/internal/lab"
)

// finding gives a real finding of the lab's AWS that a jq condition picks, and what
// another expression says of it.
func (w *world) finding(condition, of string) (ref, value string) {
	w.t.Helper()
	out := w.must("alerts", "list", "--since", "30d", "--all", "--jq", `[.items[] | select((.title | contains("SAMPLE") | not) and `+condition+`)][0] | .ref + " " + (`+of+`)`).out
	ref, value, ok := strings.Cut(strings.TrimSpace(out), " ")
	if !ok || !strings.HasPrefix(ref, "aws-lab:") {
		w.t.Fatalf("no finding fits %s: %q", condition, out)
	}
	return ref, value
}

// contained is what the lab's AWS says is contained.
func (w *world) contained() []string { return w.lab.State().Sources["aws-lab"].Isolated }

// sends are the operations that may have changed something.
func (s said) sends() []string {
	var out []string
	for _, w := range s.writes {
		if strings.HasPrefix(w, "POST / ") && !slices.ContainsFunc([]string{"Describe", "Get", "List", "AssumeRole", "Simulate", "DryRun"},
			func(p string) bool { return strings.HasPrefix(w, "POST / "+p) }) {
			out = append(out, w)
		}
	}
	return out
}

func TestAnInstanceIsStoppedAndAKeyIsDisabledAndBothComeBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Seed: 7, Alerts: 60, Files: 5, Products: []string{"aws"}})
	for name, tc := range map[string]struct {
		command   []string
		condition string
		target    string // of the finding, in jq
		typed     string // what is asked for
		does      string
	}{
		"stop instance": {[]string{"stop", "instance"}, `.raw.resource.instanceDetails.tags[0].value[0:5] == "build"`,
			".raw.resource.instanceDetails.instanceId", "Type the instance's id to stop it:", "stop instance i-"},
		"disable key": {[]string{"disable", "key"}, `(.raw.resource.accessKeyDetails.accessKeyId // "")[0:4] == "AKIA"`,
			".raw.resource.accessKeyDetails.accessKeyId", "Type the key's id to disable it:", "AKIA"},
	} {
		t.Run(name, func(t *testing.T) {
			ref, target := w.finding(tc.condition, tc.target)
			before := w.contained()
			command := append(slices.Clone(tc.command), ref)
			next := w.must("alerts", "get", ref).out
			if name == "disable key" && !strings.Contains(next, "edrc disable key "+ref) || name != "disable key" && !strings.Contains(next, "edrc isolate role "+ref) {
				t.Errorf("the alert offers\n%s", next)
			}
			for _, harmless := range [][]string{append(slices.Clone(command), "--dry-run"), append([]string{"plan"}, append(command, "-o", "json")...)} {
				r := w.typing("", harmless...)
				if r.want(t, 0, tc.does, target); len(r.sends()) > 0 {
					t.Errorf("%v sent %q", harmless, r.sends())
				}
			}
			command = append(command, "--reason", "IR-2231 in a public repository")
			for _, typed := range []string{"", "y\n"} {
				r := w.typing(typed, command...)
				if r.want(t, 8, map[bool]string{true: "--yes", false: tc.typed}[typed == ""]); len(r.sends()) > 0 {
					t.Errorf("unconfirmed was sent %q", r.sends())
				}
			}
			if now := w.contained(); !slices.Equal(now, before) {
				t.Fatalf("unconfirmed, and contained are %q", now)
			}
			w.typing(target+"\n", command...).want(t, 0, "done and read back", "note posted to "+ref)
			if now := w.contained(); len(now) != len(before)+1 {
				t.Errorf("contained are %q", now)
			}
			w.typing("", append(command, "--yes")...).want(t, 0, "already")
			var got struct {
				Items []struct{ Action, State, Reason string }
			}
			if err := json.Unmarshal([]byte(w.must("isolated", "-o", "json").out), &got); err != nil || len(got.Items) != 1 || got.Items[0].State != "isolated" {
				t.Fatalf("%v: %+v", err, got)
			}
			w.typing("", "undo", got.Items[0].Action).want(t, 8, "--yes")
			w.typing("", "undo", got.Items[0].Action, "--yes", "--reason", "rotated").want(t, 0, "undid", "note posted to "+ref)
			if now := w.contained(); !slices.Equal(now, before) {
				t.Errorf("undone, and contained are %q", now)
			}
			_, id, _ := strings.Cut(ref, ":")
			told := strings.Join(w.lab.State().Sources["aws-lab"].Notes[id], "\n")
			for _, part := range []string{"IR-2231 in a public repository", "Undo of " + got.Items[0].Action, "Reason: rotated"} {
				if !strings.Contains(told, part) {
					t.Errorf("the note has no %q:\n%s", part, told)
				}
			}
			w.must("audit", "verify")
		})
	}
}
