package lab

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
)

type gqlAlertsArgs struct {
	First    *int        `json:"first"`
	After    *string     `json:"after"`
	Scope    *gqlScope   `json:"scope"`
	ViewType string      `json:"viewType"`
	Filters  []gqlFilter `json:"filters"`
	OrFilter *gqlOr      `json:"orFilter"`
	Sorts    []gqlSort   `json:"sorts"`
	Sort     *gqlSort    `json:"sort"`
}

type gqlSort struct {
	By    string `json:"by"`
	Order string `json:"order"`
}

type gqlConnection struct {
	TotalCount int         `json:"totalCount"`
	PageInfo   gqlPageInfo `json:"pageInfo"`
	Edges      []gqlEdge   `json:"edges"`
}

type gqlPageInfo struct {
	HasNextPage     bool    `json:"hasNextPage"`
	HasPreviousPage bool    `json:"hasPreviousPage"`
	StartCursor     *string `json:"startCursor"`
	EndCursor       *string `json:"endCursor"`
}

type gqlEdge struct {
	Cursor string         `json:"cursor"`
	Node   map[string]any `json:"node"`
}

// gqlAlerts is the list. Sorting is by an indexed time; ties are in the order of the ids.
func (s *console) gqlAlerts(args map[string]any) (any, error) {
	var a gqlAlertsArgs
	if err := decodeArgs(args, &a); err != nil {
		return nil, err
	}
	p, err := s.unifiedPage(&a)
	if err != nil {
		return nil, err
	}
	sel, err := s.unifiedSelection(a.Filters, a.OrFilter, a.Scope)
	if err != nil {
		return nil, err
	}
	s.drift()
	slots, total, next := s.pageOf(sel, p)
	x := s.indexBy(p.sortBy)
	out := gqlConnection{TotalCount: total, Edges: []gqlEdge{}, PageInfo: gqlPageInfo{HasNextPage: next != nil}}
	for _, slot := range slots {
		t := &s.threats[slot]
		out.Edges = append(out.Edges, gqlEdge{Cursor: *p.next(x.key(t), t.id, s.clock()), Node: s.node(t)})
	}
	if n := len(out.Edges); n > 0 {
		out.PageInfo.StartCursor, out.PageInfo.EndCursor = &out.Edges[0].Cursor, &out.Edges[n-1].Cursor
	}
	return out, nil
}

func (s *console) unifiedPage(a *gqlAlertsArgs) (page, error) {
	limit, err := clampFirst(a.First)
	if err != nil {
		return page{}, err
	}
	if a.Sort != nil {
		a.Sorts = append(a.Sorts, *a.Sort)
	}
	p := page{limit: limit, sortBy: "createdAt", desc: true}
	if len(a.Sorts) > 0 {
		by, ok := unifiedSortKeys()[a.Sorts[0].By]
		if !ok {
			return p, gqlErrorf("Field %q does not exist or not supported for SORT API call", a.Sorts[0].By)
		}
		p.sortBy, p.desc = by, strings.EqualFold(a.Sorts[0].Order, "DESC")
	}
	h := fnv.New64a()
	_ = json.NewEncoder(h).Encode([]any{a.Scope, a.Filters, a.OrFilter})
	p.filters = h.Sum64()
	if a.After != nil && *a.After != "" {
		if p.after, err = p.parseCursor(*a.After, s.clock()); err != nil {
			return p, gqlErrorf("Invalid cursor: %q", *a.After)
		}
	}
	return p, nil
}

// unifiedSortKeys are the fields that the lab sorts by, and the index that serves them.
func unifiedSortKeys() map[string]string {
	return map[string]string{
		"createdAt": "createdAt", "detectedAt": "createdAt", "firstSeenAt": "createdAt",
		"updatedAt": "updatedAt", "lastSeenAt": "updatedAt", "id": "id", "externalId": "id",
	}
}

type gqlTriggerArgs struct {
	Actions []struct {
		ID      string `json:"id"`
		Payload struct {
			Status         *gqlString `json:"status"`
			AnalystVerdict *gqlString `json:"analystVerdict"`
			Note           *gqlString `json:"note"`
		} `json:"payload"`
	} `json:"actions"`
	Filter   *gqlOr    `json:"filter"`
	Scope    *gqlScope `json:"scope"`
	ViewType string    `json:"viewType"`
}

type gqlTriggered struct {
	Typename string         `json:"__typename"`
	Actions  []gqlTriggerOf `json:"actions"`
}

type gqlTriggerOf struct {
	ActionID string       `json:"actionId"`
	Success  []gqlSuccess `json:"success"`
	Failure  []any        `json:"failure"`
	Skip     []gqlSkip    `json:"skip"`
}

type gqlSuccess struct {
	ID string `json:"id"`
}

type gqlSkip struct {
	ID          string `json:"id"`
	SkipType    string `json:"skipType"`
	SkipMessage string `json:"skipMessage"`
}

// gqlTrigger is alertTriggerActions. A missing filter would mean every alert; the lab refuses it.
func (s *console) gqlTrigger(args map[string]any) (any, error) {
	var a gqlTriggerArgs
	if err := decodeArgs(args, &a); err != nil {
		return nil, err
	}
	if a.Filter == nil || len(a.Filter.Or) == 0 {
		return gqlTriggerError("filter is empty: this would act on every alert, which the lab refuses"), nil
	}
	sel, err := s.unifiedSelection(nil, a.Filter, a.Scope)
	if err != nil {
		return nil, err
	}
	now := s.now()
	slots := slices.DeleteFunc(slices.Clone(sel.candidates(s, &s.byID)), func(slot int32) bool { return !sel.takes(s, &s.threats[slot], now) })
	out := gqlTriggered{Typename: "ActionsTriggered", Actions: []gqlTriggerOf{}}
	for _, action := range a.Actions {
		apply, err := s.unifiedAction(action.ID, action.Payload.Status, action.Payload.AnalystVerdict, action.Payload.Note)
		if err != nil {
			return gqlTriggerError(err.Error()), nil
		}
		done := gqlTriggerOf{ActionID: action.ID, Success: []gqlSuccess{}, Failure: []any{}, Skip: []gqlSkip{}}
		for _, slot := range slots {
			id := s.uuid(&s.threats[slot])
			if apply(slot) {
				done.Success = append(done.Success, gqlSuccess{id})
			} else {
				done.Skip = append(done.Skip, gqlSkip{id, "ALREADY_SET", "the alert has this value already"})
			}
		}
		out.Actions = append(out.Actions, done)
	}
	return out, nil
}

func gqlTriggerError(msg string) any {
	return map[string]any{"__typename": "TriggerActionsError", "errors": []any{map[string]any{"errorMessage": msg, "errorPayload": nil}}}
}

// unifiedAction is what an action does to one threat; it reports whether anything changed.
func (s *console) unifiedAction(id string, status, verdict, text *gqlString) (func(slot int32) bool, error) {
	switch {
	case id == "S1/alert/statusUpdate" && status != nil:
		n := slices.Index(unifiedStatuses(), status.Value)
		if n < 0 {
			return nil, fmt.Errorf("status %s is not valid", strconv.Quote(status.Value))
		}
		return func(slot int32) bool { return s.setStatus(slot, uint8(n)) == "updated" }, nil
	case id == "S1/alert/analystVerdictUpdate" && verdict != nil:
		n := slices.Index(verdicts()[:verdictSuspicious], verdict.Value)
		if n < 0 {
			return nil, fmt.Errorf("analystVerdict %s is not valid", strconv.Quote(verdict.Value))
		}
		return func(slot int32) bool {
			if s.threats[slot].verdict == uint8(n) {
				return false
			}
			s.threats[slot].verdict = uint8(n)
			s.touch(slot)
			return true
		}, nil
	case id == "S1/alert/addNote" && text != nil:
		return func(slot int32) bool {
			_, err := s.unifiedNote(slot, text.Value, "PLAIN_TEXT")
			return err == nil
		}, nil
	}
	return nil, fmt.Errorf("action %s is unknown, or its payload is missing", strconv.Quote(id))
}
