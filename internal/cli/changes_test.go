package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"edrc/internal/lab"
)

// change gives the id of the newest change.
func (d *day) change() string {
	d.Helper()
	lines := d.journal()
	return lines[len(lines)-1]["id"].(string)
}

// stands is how an alert stands in the product.
func (d *day) stands(ref string) string {
	d.Helper()
	return strings.TrimSpace(d.ok("alerts", "get", ref, "--jq", `.item.status + " " + (.item.analyst_verdict // "-")`))
}

func TestWhatWasResolvedIsUndoneById(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 60, Files: 10}, false)
	ref := d.ref("new")
	before := d.stands(ref)
	d.ok("alerts", "resolve", ref, "--as", "true-positive", "--status", "resolved", "--reason", "IR-2231")
	id, after := d.change(), d.stands(ref)
	if list := d.ok("actions", "list"); !strings.Contains(list, id) || !strings.Contains(list, "resolve alert") || !strings.Contains(list, ref) {
		t.Errorf("the actions are\n%s", list)
	}
	for _, want := range []string{"Resolve alert", ref, "status new → resolved: done", "IR-2231", "edrc undo " + id} {
		if card := d.ok("actions", "show", strings.ToLower(id)); !strings.Contains(card, want) {
			t.Errorf("the card lacks %q:\n%s", want, card)
		}
	}
	if dry := d.ok("undo", id, "--dry-run"); !strings.Contains(dry, "status resolved → new") || d.stands(ref) != after || len(d.journal()) != 2 {
		t.Errorf("dry run: %s, %s", dry, d.stands(ref))
	}
	out := d.ok("undo", id, "--reason", "wrong alert")
	if now := d.stands(ref); now != before || !strings.Contains(out, "undid "+id) {
		t.Errorf("it was %s and is %s: %s", before, now, out)
	}
	undo := d.change()
	if again := d.ok("undo", id); !strings.Contains(again, "was undone by "+undo) || len(d.journal()) != 4 {
		t.Errorf("again: %s", again)
	}
	if got := d.ok("actions", "list", "--jq", "[.items[].status] | join(\" \")"); strings.TrimSpace(got) != "undone done" {
		t.Errorf("the actions are %s", got)
	}
	d.refused(2, "is itself the undo of "+id, "undo", undo)
	d.refused(2, "not planned and applied later", "plan", "undo", id)
	d.refused(2, "is not carried on", "actions", "resume", id, "--yes")
	d.refused(5, "no change C-AAAAAAAA", "undo", "C-AAAAAAAA")
	d.everyFormat("actions", "list")
}

func TestAnUndoneResolutionDoesNotOverwriteWhatOthersDecided(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 60, Files: 10}, false)
	ref := d.ref("new")
	before := d.stands(ref)
	d.ok("alerts", "resolve", ref, "--as", "true-positive", "--status", "resolved")
	id := d.change()
	d.ok("alerts", "resolve", ref, "--as", "false-positive")
	d.refused(1, "its verdict is false_positive, not true_positive", "undo", id)
	if len(d.journal()) != 4 {
		t.Errorf("something was written: %v", d.journal())
	}
	d.ok("undo", id, "--force")
	if now := d.stands(ref); now != before {
		t.Errorf("it was %s and is %s", before, now)
	}
}

// TestAChangeThatWasCutOffIsClosedByUndo: its journal has the intent alone.
func TestAChangeThatWasCutOffIsClosedByUndo(t *testing.T) {
	for name, sent := range map[string]bool{"before it was sent": false, "after it was sent": true} {
		t.Run(name, func(t *testing.T) {
			d := newDay(t, lab.Options{Alerts: 60, Files: 10}, false)
			ref := d.ref("new")
			before := d.stands(ref)
			d.ok("alerts", "resolve", ref, "--as", "true-positive", "--status", "resolved")
			id := d.change()
			if !sent { // it stands as if it had never been
				d.ok("undo", id)
			}
			path := filepath.Join(d.stateDir(), "actions", "changes.ndjson")
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			first, rest, _ := strings.Cut(string(b), "\n")
			d.write(path, first+"\n"+rest[:200]) // its second line was cut short
			if got := d.ok("actions", "list", "--open"); !strings.Contains(got, id) || !strings.Contains(got, "half-done") {
				t.Errorf("the actions are\n%s", got)
			}
			d.ok("undo", id)
			if now := d.stands(ref); now != before {
				t.Errorf("it was %s and is %s", before, now)
			}
			if got := d.edrc("actions", "list", "--open"); strings.Contains(got.out, id) {
				t.Errorf("it is still open:\n%s", got.out)
			}
		})
	}
}

func TestADamagedLineOfTheChangesHidesNoOther(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 60, Files: 10}, false)
	ref := d.ref("new")
	d.ok("alerts", "resolve", ref, "--status", "in_progress")
	path := filepath.Join(d.stateDir(), "actions", "changes.ndjson")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d.write(path, "{rubbish}\n"+string(b))
	r := d.edrc("actions", "list")
	if r.exit != 3 || !strings.Contains(r.out, d.ref("in_progress")) || !strings.Contains(r.err, "line 1") {
		t.Errorf("%+v", r)
	}
}

// TestAResolutionIsUndoneInOtherProducts: each has words of its own for what stood
// before; one that has no way back says so, and nothing is sent.
func TestAResolutionIsUndoneInOtherProducts(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 25, Files: 8, Products: []string{"falcon", "mde", "wiz", "aws"}}, false)
	for _, source := range []string{"falcon-lab", "mde-lab", "wiz-lab"} {
		ref := strings.TrimSpace(d.ok("alerts", "list", "--since", "4d", "--source", source, "--status", "new",
			"--jq", `[.items[] | select(.raw | tostring | contains("MATCH_ONLY") | not)][0].ref`)) // Wiz: of a threat
		before := d.stands(ref)
		d.ok("alerts", "resolve", ref, "--as", "true-positive", "--status", "resolved", "--reason", "IR-2231")
		after := d.stands(ref)
		if after == before {
			t.Fatalf("%s: nothing was changed: %s", ref, after)
		}
		d.ok("undo", d.change())
		if now := d.stands(ref); now != before {
			t.Errorf("%s was %s, then %s, and is %s", ref, before, after, now)
		}
	}
	ref := strings.TrimSpace(d.ok("alerts", "list", "--since", "4d", "--source", "aws-lab", "--status", "new", "--jq", ".items[0].ref"))
	d.ok("alerts", "resolve", ref, "--as", "false-positive", "--status", "resolved")
	after, lines := d.stands(ref), len(d.journal())
	d.refused(6, "cannot be undone, there is no way back", "undo", d.change())
	if now := d.stands(ref); now != after || len(d.journal()) != lines {
		t.Errorf("%s was %s and is %s", ref, after, now)
	}
	d.ok("alerts", "resolve", ref, "--status", "new")
	d.ok("undo", d.change())
	if now := d.stands(ref); now != after {
		t.Errorf("%s was %s and is %s", ref, after, now)
	}
}

func TestAnAssigneeIsSetBackOnlyByForce(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 25, Files: 8, Products: []string{"falcon"}}, false)
	ref := strings.TrimSpace(d.ok("alerts", "list", "--since", "4d", "--status", "new", "--jq", ".items[0].ref"))
	d.ok("alerts", "resolve", ref, "--assign", "ana@example.com", "--tag", "IR-2231")
	id := d.change()
	d.refused(1, "whom it is assigned to now cannot be read", "undo", id)
	if r := d.edrc("undo", id, "--force"); r.exit != 0 || !strings.Contains(r.err, "tags that were added stay") {
		t.Errorf("%+v", r)
	}
	lines := d.journal()
	if last := mustText(t, lines[len(lines)-1]); !strings.Contains(last, `"after":"unassigned"`) || !strings.Contains(last, `"state":"done"`) {
		t.Errorf("the journal ends in %s", last)
	}
}
