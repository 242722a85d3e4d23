package triage

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
)

// verdictShown reads the product's word for the verdict that was just set: undoing
// the change later tells by it whether it still stands. "" when it cannot be read.
func (s *Service) verdictShown(ctx context.Context, c *Change) string {
	src, sid, err := s.locate(ctx, c.Ref)
	if err != nil {
		return ""
	}
	now, err := s.read(ctx, src, sid, c.Ref, false)
	if err != nil || sameWord(now.Analyst, c.Fields["verdict"].Before) { // not visible yet
		return ""
	}
	return now.Analyst
}

// PlanUndo reads the alert of a change and gives the change that sets it back: status,
// verdict and assignee as they stood before. Tags stay. A field that stands so again
// is left out; without any there is nothing to do. What somebody changed meanwhile is
// fault.Conflict, unless forced; what the product cannot set again is fault.Unsupported.
func (s *Service) PlanUndo(ctx context.Context, c Change, force bool) (*Change, alert.Resolution, error) {
	src, sid, err := s.locate(ctx, c.Ref)
	if err != nil {
		return nil, alert.Resolution{}, err
	}
	now, err := s.read(ctx, src, sid, c.Ref, false)
	if err != nil {
		return nil, alert.Resolution{}, err
	}
	now.Handle.Source = sid
	u := &Change{ID: changeID(), Of: c.ID, Ref: c.Ref, Kind: c.Kind, Handle: now.Handle, Fields: map[string]FieldChange{}}
	var r alert.Resolution
	var moved []string
	for _, name := range slices.Sorted(maps.Keys(c.Fields)) {
		back, how := setBack(name, c.Fields[name], now)
		switch {
		case back.After == "" && how != "":
			return nil, r, fault.New(fault.Unsupported, "%s cannot be undone: %s", c.ID, how).WithHint("nothing was changed; set it in the product's console")
		case back.After == "":
			continue
		}
		if how != "" {
			moved = append(moved, how)
		}
		u.Fields[name] = back
		switch name {
		case "status":
			r.Status = alert.Status(back.After)
		case "verdict":
			r.Verdict = back.After
		case "assign":
			r.Assign = back.After
		}
	}
	if len(moved) > 0 && !force {
		return nil, r, fault.New(fault.Conflict, "%s is not as %s left it: %s", c.Ref, c.ID, strings.Join(moved, "; ")).
			WithHint("set it back all the same: edrc undo %s --force", c.ID)
	}
	if len(u.Fields) == 0 {
		return u, r, nil
	}
	if err := s.CanResolve([]alert.Ref{c.Ref}, r); err != nil {
		return nil, r, fault.New(fault.Unsupported, "%s cannot be undone, there is no way back: %w", c.ID, err).
			WithHint("nothing was changed; set what can be set: edrc alerts resolve %s", c.Ref)
	}
	return u, r, nil
}

// setBack gives what sets one field back, with an empty After when nothing does or has
// to; how says in what it is not as it was left.
func setBack(name string, f FieldChange, now *alert.Alert) (back FieldChange, how string) {
	if f.Outcome == ChangeUnchanged || f.Outcome == ChangeFailed {
		return back, ""
	}
	var is string
	left := []string{f.After, f.Shown}
	switch name {
	case "status":
		is = string(now.Status)
	case "verdict":
		is = now.Analyst
		f.Before = cmp.Or(f.Before, "undefined")
	case "assign": // no product shows it in its alerts
		if f.Before == "" {
			return back, "whom it was assigned to before is not known"
		}
		return FieldChange{After: f.Before}, "whom it is assigned to now cannot be read"
	default:
		return back, ""
	}
	if sameWord(is, f.Before) {
		return back, ""
	}
	if !slices.ContainsFunc(left, func(w string) bool { return w != "" && sameWord(is, w) }) {
		how = fmt.Sprintf("its %s is %s, not %s", name, cmp.Or(is, "undefined"), cmp.Or(f.Shown, f.After))
	}
	return FieldChange{Before: is, After: f.Before}, how
}

// sameWord compares two words for one state. No verdict has several.
func sameWord(a, b string) bool {
	none := func(w string) bool {
		return w == "" || strings.EqualFold(w, "undefined") || strings.EqualFold(w, "none")
	}
	return strings.EqualFold(a, b) || none(a) && none(b)
}
