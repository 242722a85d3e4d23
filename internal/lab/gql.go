package lab

import (
	"encoding/json"
	"fmt"
	"net/http"
	"unicode/utf8"
)

type graphqlRequest struct {
	Query         string         `json:"query"`
	Variables     map[string]any `json:"variables"`
	OperationName string         `json:"operationName"`
}

type graphqlReply struct {
	Errors []graphqlError `json:"errors,omitempty"`
	Data   map[string]any `json:"data"`
}

type graphqlError struct {
	Message string   `json:"message"`
	Path    []string `json:"path,omitempty"`
}

// resolver answers one top-level field. It is called with the console locked.
type resolver func(args map[string]any) (any, error)

// graphql is the unified alerts API. Whatever goes wrong in a query is said in errors, with status 200.
func (s *console) graphql(r *http.Request) (any, error) {
	var req graphqlRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return nil, badRequest("could not parse body: %v", err)
	}
	fields, mutation, err := parseGraphQL(req.Query, req.Variables)
	if err != nil {
		return graphqlReply{Errors: []graphqlError{{Message: err.Error()}}}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	resolvers, kind := s.queries(), "Query"
	if mutation {
		resolvers, kind = s.mutations(), "Mutation"
	}
	reply := graphqlReply{Data: map[string]any{}}
	for _, f := range fields {
		resolve, ok := resolvers[f.name]
		if !ok {
			msg := fmt.Sprintf("Validation error (FieldUndefined@[%s]) : Field '%s' in type '%s' is undefined", f.name, f.name, kind)
			return graphqlReply{Errors: []graphqlError{{Message: msg}}}, nil
		}
		value, err := resolve(f.args)
		if err != nil {
			reply.Errors = append(reply.Errors, graphqlError{Message: err.Error(), Path: []string{f.alias}})
			reply.Data[f.alias] = nil
			continue
		}
		reply.Data[f.alias] = value
	}
	if len(reply.Errors) == len(fields) {
		reply.Data = nil
	}
	return reply, nil
}

func (s *console) queries() map[string]resolver {
	return map[string]resolver{"alerts": s.gqlAlerts, "alert": s.gqlAlert, "alertNotes": s.gqlNotes}
}

func (s *console) mutations() map[string]resolver {
	return map[string]resolver{
		"addAlertNote": s.gqlAddNote, "deleteAlertNote": s.gqlDeleteNote, "alertTriggerActions": s.gqlTrigger,
	}
}

// alertByUUID is the visible threat behind an alert id.
func (s *console) alertByUUID(id string) (*threat, int32, error) {
	n, ok := s.threatID(id)
	if !ok {
		return nil, 0, gqlErrorf("Invalid UUID: %q could not be parsed into a UUID", id)
	}
	slot, ok := s.slots[n]
	if !ok || s.threats[slot].visible > s.now() || s.uuid(&s.threats[slot]) != id {
		return nil, 0, gqlErrorf("Alert with id %s was not found", id)
	}
	return &s.threats[slot], slot, nil
}

func (s *console) gqlAlert(args map[string]any) (any, error) {
	var a struct {
		ID string `json:"id"`
	}
	if err := decodeArgs(args, &a); err != nil {
		return nil, err
	}
	t, _, err := s.alertByUUID(a.ID)
	if err != nil {
		return nil, err
	}
	return s.node(t), nil
}

type gqlNoteList struct {
	Data []gqlNote `json:"data"`
}

type gqlNote struct {
	ID        string    `json:"id"`
	AlertID   string    `json:"alertId"`
	Text      string    `json:"text"`
	Type      string    `json:"type"`
	CreatedAt string    `json:"createdAt"`
	UpdatedAt string    `json:"updatedAt"`
	CreatedBy gqlAuthor `json:"createdBy"`
	Author    gqlAuthor `json:"author"`
}

type gqlAuthor struct {
	Typename string `json:"__typename"`
	UserID   string `json:"userId"`
	Email    string `json:"email"`
	FullName string `json:"fullName"`
}

func (n note) graphql(alertID string) gqlNote {
	by := gqlAuthor{"UserNoteAuthor", userID, userEmail, userName}
	return gqlNote{
		ID: n.id, AlertID: alertID, Text: n.text, Type: n.kind, CreatedAt: milliText(n.created), UpdatedAt: milliText(n.updated),
		CreatedBy: by, Author: by,
	}
}

func (s *console) gqlNotes(args map[string]any) (any, error) {
	var a struct {
		AlertID string `json:"alertId"`
	}
	if err := decodeArgs(args, &a); err != nil {
		return nil, err
	}
	t, _, err := s.alertByUUID(a.AlertID)
	if err != nil {
		return nil, err
	}
	out := gqlNoteList{Data: []gqlNote{}}
	for _, n := range s.shownNotes(t.id) {
		out.Data = append(out.Data, n.graphql(a.AlertID))
	}
	return out, nil
}

func (s *console) gqlAddNote(args map[string]any) (any, error) {
	var a struct {
		AlertID   string `json:"alertId"`
		Text      string `json:"text"`
		PlainText string `json:"plainText"`
		Type      string `json:"type"`
	}
	if err := decodeArgs(args, &a); err != nil {
		return nil, err
	}
	_, slot, err := s.alertByUUID(a.AlertID)
	if err != nil {
		return nil, err
	}
	switch a.Type {
	case "":
		a.Type = "PLAIN_TEXT"
	case "HTML", "MARKDOWN", "PLAIN_TEXT":
	default:
		return nil, gqlErrorf("Validation error: %q is not a valid ContentType", a.Type)
	}
	n, err := s.unifiedNote(slot, a.Text, a.Type)
	if err != nil {
		return nil, err
	}
	return gqlNoteList{Data: []gqlNote{n.graphql(a.AlertID)}}, nil
}

func (s *console) unifiedNote(slot int32, text, kind string) (note, error) {
	if n := utf8.RuneCountInString(text); n == 0 || n > maxNote {
		return note{}, gqlErrorf("Validation error: text must have 1 to %d characters", maxNote)
	}
	return s.addNote(slot, text, kind, s.noteLag), nil
}

// gqlDeleteNote fails for a note that the console has not yet told its other half about.
func (s *console) gqlDeleteNote(args map[string]any) (any, error) {
	var a struct {
		ID string `json:"alertNoteId"`
	}
	if err := decodeArgs(args, &a); err != nil {
		return nil, err
	}
	for threatID := range s.notes {
		n, shown := s.findNote(threatID, a.ID)
		if n == nil {
			continue
		}
		if !shown {
			return nil, gqlErrorf("Note %s does not have mgmt_note_id set", a.ID)
		}
		s.removeNote(threatID, a.ID)
		if s.echo {
			s.touch(s.slots[threatID])
		}
		return gqlNoteList{Data: []gqlNote{}}, nil
	}
	return nil, gqlErrorf("Note %s was not found", a.ID)
}

// gqlProblem is an error in the vendor's words, as they stand in errors[].message.
type gqlProblem string

func (p gqlProblem) Error() string { return string(p) }

func gqlErrorf(format string, args ...any) error { return gqlProblem(fmt.Sprintf(format, args...)) }
