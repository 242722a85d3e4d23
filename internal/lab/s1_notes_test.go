package lab

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// noteOn is the body of POST /threats/notes.
func noteOn(text string, ids ...string) map[string]any {
	return map[string]any{"data": map[string]string{"text": text}, "filter": map[string]any{"ids": ids}}
}

type notePage struct {
	Data []struct {
		ID, Text, CreatorID string
		Edited              bool
	}
	Pagination struct {
		TotalItems int
		NextCursor *string
	}
}

func (w *bench) notes(threat, query string) notePage {
	w.Helper()
	var p notePage
	w.s1(200, "GET", "/threats/"+threat+"/notes?"+query, nil).decode(w.T, &p)
	return p
}

func (w *bench) postNote(text string, ids ...string) int {
	w.Helper()
	var out struct{ Data struct{ Affected int } }
	w.s1(200, "POST", "/threats/notes", noteOn(text, ids...)).decode(w.T, &out)
	return out.Data.Affected
}

// bare are threats without notes.
func (w *bench) bare(n int) []string {
	w.Helper()
	return w.threats(fmt.Sprintf("noteExists=false&limit=%d", n)).ids()
}

func TestBulkNoteCountsOnlyThreatsThatExist(t *testing.T) {
	w := newWorld(t, Options{Alerts: 60})
	ids := w.bare(3)
	if n := w.postNote("hello", ids[0], ids[1], ids[1], "123"); n != 2 {
		t.Errorf("affected %d, want 2", n)
	}
	if p := w.notes(ids[0], ""); len(p.Data) != 1 || p.Data[0].Text != "hello" {
		t.Errorf("notes %+v", p)
	}
	if p := w.notes(ids[2], ""); len(p.Data) != 0 {
		t.Errorf("a threat that was not chosen has notes: %+v", p)
	}
}

func TestNoteIsRefusedWithoutFilterOrText(t *testing.T) {
	w := newWorld(t, Options{Alerts: 60})
	id := w.bare(1)[0]
	for name, body := range map[string]any{
		"empty filter": map[string]any{"data": map[string]string{"text": "x"}, "filter": map[string]any{}},
		"no filter":    map[string]any{"data": map[string]string{"text": "x"}},
		"no ids":       noteOn("x", []string{}...),
		"no text":      noteOn("", id),
		"too long":     noteOn(strings.Repeat("ä", maxNote+1), id),
		"odd filter":   map[string]any{"data": map[string]string{"text": "x"}, "filter": map[string]any{"nonsense": true}},
		"odd field":    map[string]any{"data": map[string]string{"text": "x", "id": "1"}, "filter": map[string]any{"ids": []string{id}}},
		"number ids":   map[string]any{"data": map[string]string{"text": "x"}, "filter": map[string]any{"ids": []int{5}}},
	} {
		t.Log(name)
		w.s1(400, "POST", "/threats/notes", body)
	}
	w.s1(404, "GET", "/threats/123/notes", nil)
	if n := w.postNote(strings.Repeat("ä", maxNote), id); n != 1 {
		t.Error("a note of the maximum length was refused")
	}
}

func TestNotesArePagedByTen(t *testing.T) {
	w := newWorld(t, Options{Alerts: 60, Now: newClock().Now})
	id := w.bare(1)[0]
	for n := range 25 {
		w.postNote(fmt.Sprint("note ", n), id)
	}
	var texts []string
	query := ""
	for range 3 {
		p := w.notes(id, query)
		for _, n := range p.Data {
			texts = append(texts, n.Text)
		}
		if p.Pagination.NextCursor != nil {
			query = "cursor=" + url.QueryEscape(*p.Pagination.NextCursor)
		}
	}
	if len(texts) != 25 || texts[0] != "note 0" || texts[24] != "note 24" {
		t.Errorf("%d notes in three pages: %q", len(texts), texts)
	}
	slices.Sort(texts)
	if len(slices.Compact(texts)) != 25 {
		t.Error("a note came twice")
	}
}

func TestNoteLagHidesANoteFromEveryRead(t *testing.T) {
	c := newClock()
	w := newWorld(t, Options{Alerts: 60, NoteLag: 30 * time.Second, Now: c.Now})
	id := w.bare(1)[0]
	w.postNote("slow", id)
	noteID := w.lab.consoles[0].notes[idNumber(id)][0].id
	visible := func() []bool {
		u := w.lab.consoles[0].uuid(&w.lab.consoles[0].threats[w.lab.consoles[0].slots[idNumber(id)]])
		q := w.graphql("query Q($id: ID!) { alertNotes(alertId: $id) { data { id } } alert(id: $id) { noteExists } }", map[string]any{"id": u}, "")
		return []bool{
			len(w.notes(id, "").Data) == 1, len(w.threats("noteExists=true&ids="+id).Data) == 1,
			strings.Contains(string(q["alertNotes"]), "slow"), strings.Contains(string(q["alert"]), `"noteExists":true`),
		}
	}
	if v := visible(); slices.Contains(v, true) {
		t.Errorf("seen before the lag: %v", v)
	}
	w.s1(404, "DELETE", "/threats/"+id+"/notes/"+noteID, nil)
	w.graphql("mutation { deleteAlertNote(alertNoteId: "+`"`+noteID+`"`+") { data { id } } }", nil, "does not have mgmt_note_id set")
	if got := w.lab.State().Sources["s1-lab"].Notes[id]; len(got) != 1 {
		t.Errorf("the state shows %v", got)
	}
	c.advance(30 * time.Second)
	if v := visible(); slices.Contains(v, false) {
		t.Errorf("not seen after the lag: %v", v)
	}
	w.s1(200, "DELETE", "/threats/"+id+"/notes/"+noteID, nil)
	if v := visible(); slices.Contains(v, true) {
		t.Errorf("seen after it was deleted: %v", v)
	}
}

func TestEchoAloneLetsANoteMoveUpdatedAt(t *testing.T) {
	for _, echo := range []bool{false, true} {
		c := newClock()
		w := newWorld(t, Options{Alerts: 60, Echo: echo, Now: c.Now})
		id := w.bare(1)[0]
		before := w.threats("ids=" + id).Data[0].ThreatInfo.UpdatedAt
		c.advance(time.Minute)
		w.postNote("hello", id)
		after := w.threats("ids=" + id).Data[0].ThreatInfo.UpdatedAt
		if moved := after.After(before); moved != echo {
			t.Errorf("echo %v: updatedAt moved %v", echo, moved)
		}
		changed := w.threats("updatedAt__gte=" + c.Now().Format("2006-01-02T15:04:05.000000Z")).ids()
		if slices.Contains(changed, id) != echo {
			t.Errorf("echo %v: the updated feed has %v", echo, changed)
		}
	}
}

func TestNoteCanBeEdited(t *testing.T) {
	w := newWorld(t, Options{Alerts: 60})
	id := w.bare(1)[0]
	w.postNote("first", id)
	note := w.notes(id, "").Data[0].ID
	w.s1(200, "PUT", "/threats/"+id+"/notes/"+note, map[string]any{"data": map[string]string{"text": "second"}})
	if p := w.notes(id, ""); len(p.Data) != 1 || p.Data[0].Text != "second" || !p.Data[0].Edited {
		t.Errorf("notes %+v", p)
	}
}
