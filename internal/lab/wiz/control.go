package wiz

import (
	"fmt"
	"slices"

	"edrc/internal/lab/world"
)

// instruction is what a verb takes; which fields, the verb says.
type instruction struct {
	ID      string     `json:"id"`
	IDs     []string   `json:"ids"`
	Text    string     `json:"text"`
	Valid   bool       `json:"valid"`
	Scope   string     `json:"scope"`
	Missing bool       `json:"missing"`
	Field   string     `json:"field"`
	On      bool       `json:"on"`
	Status  string     `json:"status"`
	Reason  string     `json:"reason"`
	Count   int        `json:"count"`
	Age     world.Span `json:"age"`
	Equal   bool       `json:"equal_times"`
}

// Control implements world.Vendor. An id is a detection's or its threat's:
//
//	alerts {"count","age","equal_times"}  more of them
//	note {"id","text"}          another tool's note, visible at once
//	purge {"ids"}               detections disappear, and threats that have no others
//	status {"id","status","reason"}  somebody else changes a threat
//	token {"valid"}             the service account is deleted, or restored
//	expire {}                   access tokens end
//	scope {"scope","missing"}   what the service account may not do: "read:issues", or "licence:Wiz Defend"
//	retire {"field","on"}       a field of the schema is gone
//	moved {"on"}                there is no API here
//	throttle {"count"}          the next requests are too many
//	form {"http","auth"}        how refusals are told
func (v *Vendor) Control(verb string, body []byte) error {
	if verb == "form" {
		v.mu.Lock()
		defer v.mu.Unlock()
		return world.Decode(verb, body, &v.how)
	}
	var o instruction
	if err := world.Decode(verb, body, &o); err != nil {
		return err
	}
	if verb == "alerts" {
		v.Add(max(o.Count, 1), o.Age.Duration, o.Equal)
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.obey(verb, o)
}

func (v *Vendor) obey(verb string, o instruction) error {
	switch verb {
	case "note", "status":
		i := v.byIssue[o.ID]
		if d := v.byID[o.ID]; d != nil {
			i = d.issue
		}
		if i == nil {
			return fmt.Errorf("%s: %q is no threat, and has none", verb, o.ID)
		}
		if verb == "note" {
			v.addNote(i, o.Text, "another tool", 0)
			return nil
		}
		now := v.opt.Now()
		i.status, i.reason, i.changed, i.updated = o.Status, o.Reason, now, now
	case "purge":
		v.purge(o.IDs)
	case "token":
		if v.refused = !o.Valid; v.refused {
			clear(v.tokens)
		}
	case "expire":
		clear(v.tokens)
	case "scope":
		v.missing[o.Scope] = o.Missing
	case "retire":
		v.retired[o.Field] = o.On
	case "moved":
		v.moved = o.On
	case "throttle":
		v.slow = o.Count
	default:
		return fmt.Errorf("unknown verb %q", verb)
	}
	return nil
}

func (v *Vendor) purge(ids []string) {
	gone := func(d *detection) bool { return slices.Contains(ids, d.id) }
	v.detections = slices.DeleteFunc(v.detections, gone)
	for _, id := range ids {
		d := v.byID[id]
		delete(v.byID, id)
		if d == nil || d.issue == nil {
			continue
		}
		if d.issue.detections = slices.DeleteFunc(d.issue.detections, gone); len(d.issue.detections) == 0 {
			delete(v.byIssue, d.issue.id)
			v.issues = slices.DeleteFunc(v.issues, func(i *issue) bool { return i == d.issue })
		}
	}
}
