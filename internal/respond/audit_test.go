package respond

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"edrc/internal/fault"
)

func newAudit(t *testing.T, lines int) *Audit {
	t.Helper()
	a := &Audit{Path: filepath.Join(t.TempDir(), "audit.ndjson"), Now: time.Now}
	for i := range lines {
		if err := a.Append(t.Context(), AuditEntry{Event: AuditBegun, Action: fmt.Sprintf("A-%08d", i), Reason: `<a> "hash":"`}); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

func TestTheAuditDetectsWhatWasDoneToIt(t *testing.T) {
	for name, harm := range map[string]func(lines []string) []string{
		"one letter changed":         func(l []string) []string { l[2] = strings.Replace(l[2], "A-0000", "A-1000", 1); return l },
		"a line removed":             func(l []string) []string { return slices.Delete(l, 2, 3) },
		"the first removed":          func(l []string) []string { return l[1:] },
		"the last removed":           func(l []string) []string { return l[:len(l)-1] },
		"all removed":                func([]string) []string { return nil },
		"two lines exchanged":        func(l []string) []string { l[1], l[2] = l[2], l[1]; return l },
		"a line doubled":             func(l []string) []string { return slices.Insert(l, 2, l[2]) },
		"rubbish between":            func(l []string) []string { return slices.Insert(l, 2, "{}") },
		"the hash taken out":         func(l []string) []string { l[3] = strings.Replace(l[3], `,"hash":"`, `,"hsh":"`, 1); return l },
		"white space added":          func(l []string) []string { l[3] = " " + l[3]; return l },
		"the last with its own hash": func(l []string) []string { return append(l[:len(l)-1], forged(l[len(l)-1])) },
	} {
		t.Run(name, func(t *testing.T) {
			a := newAudit(t, 5)
			if n, err := a.Verify(t.Context()); n != 5 || err != nil {
				t.Fatalf("before: %d %v", n, err)
			}
			b, err := os.ReadFile(a.Path)
			if err != nil {
				t.Fatal(err)
			}
			lines := harm(strings.Split(strings.TrimSuffix(string(b), "\n"), "\n"))
			text := strings.Join(lines, "\n") + "\n"
			if len(lines) == 0 {
				text = ""
			}
			if err := os.WriteFile(a.Path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = a.Verify(t.Context())
			wantKind(t, err, fault.Corrupt)
			_ = a.Append(t.Context(), AuditEntry{Event: AuditEnded}) // a later line does not hide it
			_, err = a.Verify(t.Context())
			wantKind(t, err, fault.Corrupt)
		})
	}
}

// forged changes a line and gives it the hash that fits.
func forged(line string) string {
	body, _, _ := splitEntry([]byte(line))
	body = bytes.Replace(body, []byte("A-0000"), []byte("A-2000"), 1)
	return string(body) + hashPrefix + hashOf(body) + `"}`
}

func TestALineThatACrashCutShortIsTakenOffAndSaid(t *testing.T) {
	a := newAudit(t, 3)
	f, err := os.OpenFile(a.Path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.WriteString(`{"schema":"edrc.aud`)
	_ = f.Close()
	if n, err := a.Verify(t.Context()); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	if err := a.Append(t.Context(), AuditEntry{Event: AuditEnded}); err != nil {
		t.Fatal(err)
	}
	var events []AuditEvent
	for e, err := range a.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e.Event)
	}
	if n, err := a.Verify(t.Context()); n != 5 || err != nil || events[3] != AuditRepaired {
		t.Fatal(n, err, events)
	}
}

func TestAHeadThatACrashLeftBehindIsNoDamage(t *testing.T) {
	a := newAudit(t, 2)
	old, err := os.ReadFile(a.headPath())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Append(t.Context(), AuditEntry{}, AuditEntry{}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.headPath(), old, 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := a.Verify(t.Context()); n != 4 || err != nil {
		t.Fatal(n, err)
	}
	if err := os.Remove(a.headPath()); err != nil {
		t.Fatal(err)
	}
	_, err = a.Verify(t.Context())
	wantKind(t, err, fault.Corrupt, "where the audit ends")
}

func TestManyWritersKeepTheChain(t *testing.T) {
	a := newAudit(t, 0)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				b := &Audit{Path: a.Path, Now: time.Now} // as another process
				if err := b.Append(t.Context(), AuditEntry{Event: AuditBegun}, AuditEntry{Event: AuditEnded}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n, err := a.Verify(t.Context()); n != 40 || err != nil {
		t.Fatal(n, err)
	}
}

func TestALongLineIsReadWhole(t *testing.T) {
	a := newAudit(t, 1)
	if err := a.Append(t.Context(), AuditEntry{Detail: strings.Repeat("x", 300<<10)}); err != nil {
		t.Fatal(err)
	}
	if err := a.Append(t.Context(), AuditEntry{}); err != nil {
		t.Fatal(err)
	}
	if n, err := a.Verify(t.Context()); n != 3 || err != nil {
		t.Fatal(n, err)
	}
}

func TestAnActionStandsInTheAuditBeforeAndAfter(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	e := newEngine(dir, w)
	w.onDo = func(Step) {
		if n, err := e.Audit().Verify(t.Context()); n != 1 || err != nil {
			t.Errorf("before the first step: %d %v", n, err)
		}
	}
	a := mustIsolate(t, e)
	var got []string
	for l, err := range e.Audit().Entries() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(l.Event, l.Action, l.Reason, l.Actor.User, l.Status, len(l.Steps)))
	}
	want := []string{fmt.Sprint(AuditBegun, a.ID, "case 7", "anna", "", 3), fmt.Sprint(AuditEnded, a.ID, "case 7", "anna", "done", 0)}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestWithoutTheAuditNothingIsDone(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	e := newEngine(dir, w)
	p, err := e.Plan(t.Context(), request("i-1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, AuditFile), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Apply(t.Context(), p, yes); err == nil || len(w.writes) > 0 {
		t.Fatal(err, w)
	}
}
