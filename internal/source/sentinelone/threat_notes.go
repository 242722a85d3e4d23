package sentinelone

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// addNote writes on all threats in one request. The reply counts the threats it
// wrote on and does not name them: all is proof of each, less is proof of none.
func (s *threats) addNote(ctx context.Context, body string, to []alert.Handle) []source.NoteResult {
	const op = "add a note"
	ids := source.Distinct(to, container)
	filter, err := newIDFilter(ids...)
	if err != nil {
		return source.NoteResults(to, source.NoteRefused, s.fault(fault.Invalid, op, err.Error()))
	}
	resp, err := s.do(ctx, call{httpx.Request{
		Op: op, Method: http.MethodPost, Path: "/threats/notes", Class: httpx.Once, Rate: rateThreatsSub,
		JSON: bulk{map[string]string{"text": body}, filter},
	}, permThreats})
	if err != nil {
		return source.NoteResults(to, source.NoteOutcomeOf(err), err)
	}
	n, err := affected(resp)
	if err == nil && n != len(ids) {
		err = s.fault(fault.InDoubt, op, fmt.Sprintf("the console wrote on %d of %d alerts and does not say on which", n, len(ids)))
	}
	if err != nil {
		return source.NoteResults(to, source.NoteUnknown, err)
	}
	return source.NoteResults(to, source.NoteDone, nil)
}

// affected reads the count of a bulk write. Errors beside it are doubt.
func affected(resp *httpx.Response) (int, error) {
	var reply struct {
		Data struct {
			Affected *count `json:"affected"`
		} `json:"data"`
		Errors vendorErrors `json:"errors"`
	}
	if err := resp.Decode(&reply); err != nil {
		return 0, err
	}
	if m := reply.Errors.String(); m != "" {
		return 0, fault.New(fault.InDoubt, "the reply has errors: %s", m)
	}
	if reply.Data.Affected == nil {
		return 0, fault.New(fault.InDoubt, "the reply does not say how many alerts it is about")
	}
	return int(*reply.Data.Affected), nil
}

// notesPerPage is small beside the vendor's 1,000: nearly every alert has fewer,
// and a note may have 10,000 characters.
const notesPerPage = 100

func (s *threats) notes(ctx context.Context, h alert.Handle) iter.Seq2[alert.Note, error] {
	return func(yield func(alert.Note, error) bool) {
		id := container(h)
		c := call{httpx.Request{
			Op: "read notes", Path: "/threats/" + url.PathEscape(id) + "/notes", Rate: rateThreatsSub,
			Query: url.Values{"limit": {strconv.Itoa(notesPerPage)}, "sortBy": {"createdAt"}, "sortOrder": {"asc"}},
		}, permThreats}
		if !isID(id) {
			yield(alert.Note{}, s.fault(fault.NotFound, c.Op, "there is no threat of this id"))
			return
		}
		for p, err := range s.pages(ctx, c) {
			if err != nil {
				yield(alert.Note{}, err)
				return
			}
			for _, raw := range p.items {
				n, err := decodeNote(raw)
				if err != nil {
					err = s.fault(fault.Unavailable, c.Op, "a note cannot be read: "+err.Error())
				}
				if !yield(n, err) || err != nil {
					return
				}
			}
		}
	}
}

func (s *threats) probeNotes(ctx context.Context, hs []alert.Handle) (map[string]alert.Has, error) {
	out := map[string]alert.Has{}
	for chunk := range slices.Chunk(threatIDs(hs), idsPerRequest) {
		q := url.Values{
			"ids": {strings.Join(chunk, ",")}, "noteExists": {"true"}, "limit": {strconv.Itoa(listLimit)}, "skipCount": {"true"},
		}
		some := map[string]bool{}
		for p, err := range s.pages(ctx, threatList("look for notes", q)) {
			if err != nil {
				return nil, err
			}
			for _, raw := range p.items {
				some[lookup(raw, []string{"id"})] = true
			}
		}
		for _, id := range chunk {
			out[id] = alert.None
			if some[id] {
				out[id] = alert.Some
			}
		}
	}
	return out, nil
}

func (s *threats) removeNote(ctx context.Context, h alert.Handle, noteID string) error {
	const op = "remove a note"
	id := container(h)
	if !isID(id) || noteID == "" {
		return s.fault(fault.NotFound, op, "there is no such note")
	}
	resp, err := s.do(ctx, call{httpx.Request{
		Op: op, Method: http.MethodDelete, Class: httpx.Idempotent, Rate: rateThreatsSub,
		Path: "/threats/" + url.PathEscape(id) + "/notes/" + url.PathEscape(noteID),
	}, permThreats})
	if err != nil {
		return err
	}
	var reply struct {
		Data struct {
			Success flag `json:"success"`
		} `json:"data"`
	}
	if err := resp.Decode(&reply); err != nil {
		return err
	}
	if !reply.Data.Success.Yes {
		return s.fault(fault.Unavailable, op, "the console did not confirm it")
	}
	return nil
}

// note is one note of a threat ([SPEC24] threats.schemas_ThreatNoteSchema).
type note struct {
	ID        text  `json:"id"`
	Text      text  `json:"text"`
	Creator   text  `json:"creator"`
	CreatedAt stamp `json:"createdAt"`
}

func decodeNote(raw json.RawMessage) (alert.Note, error) {
	var n note
	if err := json.Unmarshal(raw, &n); err != nil {
		return alert.Note{}, err
	}
	return alert.Note{ID: string(n.ID), Text: string(n.Text), Author: string(n.Creator), Created: n.CreatedAt.Time}, nil
}
