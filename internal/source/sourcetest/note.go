package sourcetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/source"
)

const marker = "[edrc:5b1f09c2a94e7d10]"

// texts are notes that a product must carry unchanged.
func texts(tr source.Traits) []string {
	out := []string{
		"one line",
		"Intezer verdict: malicious, LockBit\n\nTTPs: T1486\n" + marker,
		`quotes " ' \ and <b>tags</b> & $variables {braces}` + "\n" + marker,
		strings.Repeat("x", tr.NoteMax-len(marker)-1) + "\n" + marker,
	}
	if !tr.NoteASCII {
		out = append(out, "Grüße, ключ, 判定, 🧨 and e\u0301\n"+marker)
	}
	return out
}

// checkNotes: what is posted is read back, once, with the marker as its last line.
func checkNotes(t *testing.T, h Harness) {
	v := h.New(t)
	s := v.Source(t, patience)
	noter := capability[source.Noter](t, s)
	all := v.Add(t, 120, 5*time.Hour, false)
	hs := handles(t, s, all)
	for i, text := range texts(s.Traits()) {
		add(t, noter, text, hs[i])
		if got := v.Notes(t, hs[i].ID); !slices.Equal(got, []string{text}) {
			t.Errorf("text %d: the vendor has %.80q", i, got)
		}
		if r, ok := s.(source.NoteReader); ok {
			if got := readNotes(t, r, hs[i]); len(got) != 1 || got[0].Text != text || got[0].Created.IsZero() {
				t.Errorf("text %d: read back %.200q", i, fmt.Sprint(got))
			}
		}
	}
	t.Run("bulk", func(t *testing.T) { checkBulk(t, v, s, noter, hs[10:]) })
	t.Run("misuse", func(t *testing.T) { checkMisuse(t, v, s, noter, hs[9]) })
	t.Run("past one page", func(t *testing.T) { checkNotePages(t, v, s, h, hs[8]) })
	t.Run("probe", func(t *testing.T) { checkProbe(t, v, s, hs) })
	t.Run("remove", func(t *testing.T) { checkRemove(t, v, s, hs[7]) })
}

// add posts a note and wants it proved.
func add(t *testing.T, n source.Noter, text string, to ...alert.Handle) []source.NoteResult {
	t.Helper()
	rs, err := n.AddNote(context.Background(), text, to...)
	if err != nil || len(rs) != len(to) {
		t.Fatalf("AddNote: %d results of %d, %v", len(rs), len(to), err)
	}
	for i, r := range rs {
		if r.Outcome != source.NoteDone || r.Err != nil || r.Handle.ID != to[i].ID {
			t.Fatalf("result %d: %+v", i, r)
		}
	}
	return rs
}

func readNotes(t *testing.T, r source.NoteReader, h alert.Handle) []alert.Note {
	t.Helper()
	var out []alert.Note
	for n, err := range r.Notes(context.Background(), h) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, n)
	}
	return out
}

func checkBulk(t *testing.T, v Vendor, s source.Source, n source.Noter, hs []alert.Handle) {
	hs = hs[:min(len(hs), max(s.Traits().NoteBulk, 1))]
	add(t, n, "bulk\n"+marker, hs...)
	for _, h := range hs {
		if got := v.Notes(t, h.ID); len(got) != 1 {
			t.Fatalf("alert %s has %d notes after one bulk note", h.ID, len(got))
		}
	}
}

// checkMisuse: nothing is sent that could write more, or other, than was meant.
func checkMisuse(t *testing.T, v Vendor, s source.Source, n source.Noter, h alert.Handle) {
	if rs, err := n.AddNote(context.Background(), "to nobody"); err == nil {
		t.Errorf("a note on no alert: %v", rs)
	}
	if rs, err := n.AddNote(context.Background(), strings.Repeat("x", s.Traits().NoteMax+1), h); err == nil {
		t.Errorf("a note that is too long: %v", rs)
	}
	if got := v.Notes(t, h.ID); len(got) > 0 {
		t.Errorf("misuse wrote %d notes", len(got))
	}
}

func checkNotePages(t *testing.T, v Vendor, s source.Source, h Harness, on alert.Handle) {
	r := capability[source.NoteReader](t, s)
	var want []string
	for i := range 2*h.NotePage + 3 {
		want = append(want, fmt.Sprintf("note %d of another tool", i))
		v.Plant(t, on.ID, want[i])
	}
	var got []string
	for _, n := range readNotes(t, r, on) {
		got = append(got, n.Text)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d notes in order, want %d", len(got), len(want))
	}
	for range r.Notes(context.Background(), on) {
		break // leaving early must not hang
	}
}

// checkProbe: a probe never says None of an alert that has a note.
func checkProbe(t *testing.T, v Vendor, s source.Source, hs []alert.Handle) {
	p := capability[source.NoteProber](t, s)
	got, err := p.ProbeNotes(context.Background(), append(slices.Clone(hs), alert.Handle{ID: "no such alert"})...)
	if err != nil {
		t.Fatal(err)
	}
	none := 0
	for _, h := range hs {
		switch has := len(v.Notes(t, h.ID)) > 0; {
		case has && got[h.ID] != alert.Some:
			t.Errorf("alert %s has notes, the probe says %d", h.ID, got[h.ID])
		case !has && got[h.ID] == alert.Some:
			t.Errorf("alert %s has no note, the probe says it has", h.ID)
		case !has && got[h.ID] == alert.None:
			none++
		}
	}
	if none == 0 {
		t.Error("the probe clears no alert")
	}
	if _, told := got["no such alert"]; told {
		t.Error("the probe tells about an alert that cannot be")
	}
}

func checkRemove(t *testing.T, v Vendor, s source.Source, h alert.Handle) {
	rm := capability[source.NoteRemover](t, s)
	r := capability[source.NoteReader](t, s)
	v.Plant(t, h.ID, "stays")
	v.Plant(t, h.ID, "goes")
	for _, n := range readNotes(t, r, h) {
		if n.Text != "goes" {
			continue
		}
		if err := rm.RemoveNote(context.Background(), h, n.ID); err != nil {
			t.Fatal(err)
		}
		if err := rm.RemoveNote(context.Background(), h, n.ID); err == nil {
			t.Error("removing a note twice is no error")
		}
	}
	if got := v.Notes(t, h.ID); !slices.Equal(got, []string{"stays"}) {
		t.Errorf("left: %q", got)
	}
}
