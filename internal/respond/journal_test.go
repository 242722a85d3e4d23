package respond

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edrc/internal/fault"
)

func planned(id string) Line {
	return Line{Schema: LineSchema, Action: id, Time: time.Unix(1, 0), Event: Planned,
		Plan: &Plan{Request: Request{Action: id, Verb: IsolateInstance}, Steps: []Step{{Kind: "fake/v1", Data: json.RawMessage(`{}`)}}}}
}

func TestALineCutShortSpoilsNoOther(t *testing.T) {
	f := Files{t.TempDir()}
	const id = "A-ABCDEFGH"
	if err := f.Create(id, planned(id)); err != nil {
		t.Fatal(err)
	}
	tear(t, f.path(id), `{"schema":"edrc.action/v1","event":"int`)
	if l, err := f.Load(id); err != nil || len(l) != 1 {
		t.Fatal(l, err)
	}
	if err := f.Append(id, Line{Schema: LineSchema, Event: Intent, Step: 1}); err != nil {
		t.Fatal(err)
	}
	l, err := f.Load(id)
	if err != nil || len(l) != 2 || l[1].Event != Intent {
		t.Fatal(l, err)
	}
	fi, err := os.Stat(f.path(id))
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Fatal(fi.Mode(), err)
	}
}

func tear(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestADamagedJournalIsToldAndHidesNoOther(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	a := mustIsolate(t, newEngine(dir, w))
	f := Files{filepath.Join(dir, ActionsDir)}
	tear(t, f.path("A-DAMAGED2"), "{\"schema\":\"edrc.action/v9\"}\n")
	tear(t, f.path("A-DAMAGED3"), "rubbish\n")
	tear(t, f.path("A-BEGUNNOT"), `{"sche`)
	tear(t, filepath.Join(f.Dir, "changes.ndjson"), "another journal\n")
	all, errs := newEngine(dir, w).Actions()
	if len(all) != 1 || all[0].ID != a.ID || len(errs) != 2 {
		t.Fatal(all, errs)
	}
	for _, err := range errs {
		wantKind(t, err, fault.Corrupt)
	}
	for id, k := range map[string]fault.Kind{"A-NOSUCHID": fault.NotFound, "../../x": fault.Usage, "A-BEGUNNOT": fault.NotFound} {
		_, err := f.Load(id)
		wantKind(t, err, k)
	}
	if err := f.Create("A-BEGUNNOT", planned("A-BEGUNNOT")); err != nil {
		t.Fatal(err)
	}
	if l, err := f.Load("A-BEGUNNOT"); err != nil || len(l) != 1 {
		t.Fatal(l, err)
	}
	wantKind(t, f.Create("A-BEGUNNOT", planned("A-BEGUNNOT")), fault.Conflict)
}

func TestIDsAreDrawnInTheirForm(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		id := NewID()
		if !ValidID(id) || seen[id] {
			t.Fatal(id)
		}
		seen[id] = true
	}
	for _, bad := range []string{"", "A-", "A-1234567", "a-ABCDEFGH", "A-ABCDEFGH.ndjson", "A-ABCDEFG1"} {
		if ValidID(bad) {
			t.Errorf("%q is taken for an id", bad)
		}
	}
}

func FuzzJournal(f *testing.F) {
	one, _ := json.Marshal(planned("A-ABCDEFGH"))
	f.Add(string(one) + "\n" + `{"schema":"edrc.action/v1","event":"outcome","step":1,"outcome":{"state":"done"}}` + "\n")
	f.Add(string(one) + "\n" + `{"schema":"edrc.act`)
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		lines, err := parseLines([]byte(s))
		if err != nil || len(lines) == 0 {
			return
		}
		a, err := fold("A-ABCDEFGH", lines)
		if err != nil {
			return
		}
		if len(a.Steps) != len(a.Plan.Steps) {
			t.Fatalf("%d steps of %d", len(a.Steps), len(a.Plan.Steps))
		}
		// What was read can be continued: one more line is one more line.
		more, _ := json.Marshal(Line{Schema: LineSchema, Event: Resumed})
		again, err := parseLines([]byte(strings.TrimRight(s, "\n") + "\n" + string(more) + "\n"))
		if err == nil && len(again) != len(lines)+1 && strings.HasSuffix(s, "\n") {
			t.Fatalf("%d lines, then %d", len(lines), len(again))
		}
	})
}

func FuzzAuditLine(f *testing.F) {
	line, _, _ := encodeEntry(AuditEntry{Schema: AuditSchema, Seq: 1, Prev: zeroHash})
	f.Add(string(line))
	f.Add(`{"hash":""}`)
	a := &Audit{}
	f.Fuzz(func(t *testing.T, s string) {
		head, err := a.next(auditHead{Hash: zeroHash}, auditLine{n: 1, text: []byte(s)})
		if err == nil && (head.Seq != 1 || len(head.Hash) != 64) {
			t.Fatalf("%q was taken: %+v", s, head)
		}
	})
}
