package triage

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

// The states of a change.
const (
	ChangeSending   = "sending" // written down before anything is sent
	ChangeDone      = source.FieldDone
	ChangeUnchanged = source.FieldUnchanged // it was so already
	ChangePending   = source.FieldPending   // accepted, not visible yet
	ChangeUnknown   = source.FieldUnknown   // sent, and the answer was lost
	ChangeFailed    = "failed"
)

// FieldChange is what becomes of one field of an alert.
type FieldChange struct {
	Before  string `json:"before"` // as the product gives it, so that it can be set again
	After   string `json:"after"`
	Outcome string `json:"outcome,omitempty"`
	// Shown is the product's word for it afterwards, where that may be another than After.
	Shown string `json:"shown,omitempty"`
}

// Change is one alert that an analyst decided about: what it takes to undo it.
type Change struct {
	ID     string                 `json:"id"`           // "C-" and 8 characters
	Of     string                 `json:"of,omitempty"` // the change that this one undoes
	State  string                 `json:"state"`
	Ref    alert.Ref              `json:"ref"`
	Kind   string                 `json:"kind"`
	Handle alert.Handle           `json:"handle"`
	Fields map[string]FieldChange `json:"fields"` // status, verdict, assign, tags
	Reason string                 `json:"reason,omitempty"`
	Error  string                 `json:"error,omitempty"`
}

// Journal keeps a change durably before it returns. It is called before anything is
// sent, and again with what became of it: of one id the last entry holds.
type Journal func(Change) error

// CanResolve asks every ref's product, without talking to it, whether it can express
// the resolution. The error names each source that cannot, and what.
func (s *Service) CanResolve(refs []alert.Ref, r alert.Resolution) error {
	var errs []error
	var asked []string
	for _, ref := range refs {
		if slices.Contains(asked, ref.Source) {
			continue
		}
		asked = append(asked, ref.Source)
		src, err := s.Source(ref.Source)
		if err != nil {
			return err
		}
		resolver, ok := src.(source.Resolver)
		if !ok {
			errs = append(errs, source.Unsupported(src, "resolve alerts"))
			continue
		}
		if err := resolver.Supports(r); err != nil {
			errs = append(errs, fault.At(err, src.Name(), ""))
		}
	}
	return errors.Join(errs...)
}

// PlanResolve reads an alert and says what the resolution would change.
func (s *Service) PlanResolve(ctx context.Context, ref alert.Ref, r alert.Resolution) (*Change, error) {
	src, sid, err := s.locate(ctx, ref)
	if err != nil {
		return nil, err
	}
	a, err := s.read(ctx, src, sid, ref, false)
	if err != nil {
		return nil, err
	}
	a.Handle.Source = sid
	c := &Change{ID: changeID(), Ref: ref, Kind: src.Kind(), Handle: a.Handle, Fields: map[string]FieldChange{}, Reason: r.Reason}
	set := func(name, before, after string) {
		if after != "" {
			c.Fields[name] = FieldChange{Before: before, After: after}
		}
	}
	set("status", string(a.Status), string(r.Status))
	set("verdict", a.Analyst, r.Verdict)
	set("assign", "", r.Assign)
	for _, tag := range r.Tags {
		set("tag "+tag, "", "set")
	}
	return c, nil
}

func changeID() string { return "C-" + rand.Text()[:8] }

// Resolve carries a planned change out. The values before it are in the journal
// before anything is sent; when they cannot be written down, nothing is. The change
// says what became of it, also when there is an error.
func (s *Service) Resolve(ctx context.Context, c *Change, r alert.Resolution, journal Journal) error {
	src, err := s.Source(c.Ref.Source)
	if err != nil {
		return err
	}
	resolver, ok := src.(source.Resolver)
	if !ok {
		return source.Unsupported(src, "resolve alerts")
	}
	c.State = ChangeSending
	if err := journal(*c); err != nil {
		c.State = ChangeFailed
		return fault.At(err, "", "keep the values before the change; nothing was sent")
	}
	applied, err := resolver.Resolve(ctx, c.Handle, r)
	for name, f := range applied.Fields {
		field := c.Fields[name]
		field.Outcome = f.Outcome
		if f.Before != "" {
			field.Before = f.Before
		}
		c.Fields[name] = field
	}
	c.State = stateOf(applied, err)
	if err != nil {
		err = fault.At(err, src.Name(), "resolve "+c.Ref.String())
		c.Error = err.Error()
	} else if f := c.Fields["verdict"]; f.Outcome == ChangeDone {
		f.Shown = s.verdictShown(ctx, c)
		c.Fields["verdict"] = f
	}
	if jerr := journal(*c); jerr != nil {
		err = errors.Join(err, fault.At(jerr, "", "keep what became of "+c.ID))
	}
	return err
}

// stateOf sums the outcomes of the fields up: the least certain one tells.
func stateOf(a source.Applied, err error) string {
	has := func(outcome string) bool {
		for _, f := range a.Fields {
			if f.Outcome == outcome {
				return true
			}
		}
		return false
	}
	switch {
	case has(ChangeUnknown):
		return ChangeUnknown
	case err != nil && !has(ChangeDone):
		return ChangeFailed
	case has(ChangePending):
		return ChangePending
	case has(ChangeDone):
		return ChangeDone
	case len(a.Fields) == 0:
		return ChangeFailed
	}
	return ChangeUnchanged
}
