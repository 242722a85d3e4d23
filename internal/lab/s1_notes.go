package lab

import (
	"net/http"
	"unicode/utf8"
)

type noteJSON struct {
	ID        string `json:"id"`
	Text      string `json:"text"`
	Creator   string `json:"creator"`
	CreatorID string `json:"creatorId"`
	CreatedAt string `json:"createdAt"`
	UpdatedAt string `json:"updatedAt"`
	Edited    bool   `json:"edited"`
}

// The one service user that the lab's token belongs to.
const (
	userName  = "edrc lab service user"
	userID    = "1300000000000000001"
	userEmail = "service-user@lab.example"
)

func (n note) json() noteJSON {
	return noteJSON{
		ID: n.id, Text: n.text, Creator: userName, CreatorID: userID,
		CreatedAt: timeText(n.created), UpdatedAt: timeText(n.updated), Edited: n.edited,
	}
}

// listNotes is GET /threats/{id}/notes. The default page is ten notes, as in every list.
func (s *console) listNotes(r *http.Request) (any, error) {
	params, err := s.knownOnly(r, nameSet("creator__like creatorId"))
	if err != nil {
		return nil, err
	}
	p, err := newPage(params, []string{"createdAt", "updatedAt"}, s.clock())
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, _, ok := s.find(r.PathValue("id"))
	if !ok {
		return nil, notFound("threat %s", r.PathValue("id"))
	}
	notes, pages := slicePage(p, s.shownNotes(t.id), func(n note) (int64, int64) {
		return n.created, idNumber(n.id)
	}, s.clock())
	out := make([]noteJSON, len(notes))
	for i, n := range notes {
		out[i] = n.json()
	}
	return list{Data: out, Pagination: pages}, nil
}

type noteData struct {
	Text string `json:"text"`
}

func (d noteData) check() error {
	switch n := utf8.RuneCountInString(d.Text); {
	case n == 0:
		return badRequest("data.text: Missing data for required field.")
	case n > maxNote:
		return badRequest("data.text: Longer than maximum length %d.", maxNote)
	}
	return nil
}

// postNotes is POST /threats/notes: one text on every threat that the filter selects.
func (s *console) postNotes(r *http.Request) (any, error) {
	data, filter, err := readBulk[noteData](r)
	if err == nil {
		err = data.check()
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	slots, err := s.chosen(filter)
	if err != nil {
		return nil, err
	}
	for _, slot := range slots {
		s.addNote(slot, data.Text, "PLAIN_TEXT", s.noteLag)
	}
	return affected(len(slots)), nil
}

// noteOf is the shown note that the path names. A note that is not shown yet is not there for the API either.
func (s *console) noteOf(r *http.Request) (t *threat, slot int32, n *note, err error) {
	t, slot, ok := s.find(r.PathValue("id"))
	if !ok {
		return nil, 0, nil, notFound("threat %s", r.PathValue("id"))
	}
	n, shown := s.findNote(t.id, r.PathValue("note"))
	if n == nil || !shown {
		return nil, 0, nil, notFound("note %s", r.PathValue("note"))
	}
	return t, slot, n, nil
}

// putNote is PUT /threats/{id}/notes/{note}.
func (s *console) putNote(r *http.Request) (any, error) {
	var body struct {
		Data noteData `json:"data"`
	}
	err := readStrict(r, &body)
	if err == nil {
		err = body.Data.check()
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, slot, n, err := s.noteOf(r)
	if err != nil {
		return nil, err
	}
	n.text, n.updated, n.edited = body.Data.Text, s.now(), true
	if s.echo {
		s.touch(slot)
	}
	return map[string]noteJSON{"data": n.json()}, nil
}

// deleteNote is DELETE /threats/{id}/notes/{note}.
func (s *console) deleteNote(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, slot, n, err := s.noteOf(r)
	if err != nil {
		return nil, err
	}
	s.removeNote(t.id, n.id)
	if s.echo {
		s.touch(slot)
	}
	return map[string]any{"data": map[string]bool{"success": true}}, nil
}

// affected is the reply of a bulk write.
func affected(n int) any {
	return map[string]any{"data": map[string]int{"affected": n}}
}
