package aws

import (
	"context"
	"slices"
	"strings"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

// everyInterface sees that an instance has no other interface that is open: one may be
// attached between the plan and its end, or later. It changes nothing, and is not reversed.
type everyInterface struct {
	Instance string `json:"instance"`
	// Except are those that have a step of their own, and those that a service manages and
	// that stay open, as the plan says.
	Except []string `json:"except"`
}

func (s *session) everyStep(instance string, all, changed []nic) respond.Step {
	x := &everyInterface{Instance: instance}
	for _, n := range all {
		if n.managed || slices.ContainsFunc(changed, func(c nic) bool { return c.id == n.id }) {
			x.Except = append(x.Except, n.id)
		}
	}
	st := s.newStep(kindEvery, "see that no other interface of "+instance+" is open", x)
	st.Keep, st.Shared = true, true
	return st
}

func (x *everyInterface) about() string { return "instance " + x.Instance }

// open gives the interfaces that are not in the empty group of their VPC alone.
func (x *everyInterface) open(ctx context.Context, s *session) ([]string, error) {
	all, err := s.nics(ctx, x.Instance)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, n := range all {
		if slices.Contains(x.Except, n.id) {
			continue
		}
		in, err := group{VPC: n.vpc, Name: isolationGroup, Purpose: forIsolation}.alone(ctx, s, n.groups)
		if err != nil {
			return nil, err
		}
		if !in {
			out = append(out, n.id+" is in "+strings.Join(n.groups, ", "))
		}
	}
	return out, nil
}

// apply looks again for a while: what was just changed may not be seen at once.
func (x *everyInterface) apply(ctx context.Context, s *session) (respond.Outcome, error) {
	for wait := s.d.pause(1); ; wait *= 2 {
		open, err := x.open(ctx, s)
		switch {
		case err != nil:
			return respond.Outcome{}, err
		case len(open) == 0:
			return done("")
		case wait > s.d.pause(8):
			return respond.Outcome{}, fault.New(fault.Conflict, "the instance is not isolated: %s", strings.Join(open, "; ")).
				WithHint("an interface may have been attached meanwhile: isolate the instance once more")
		}
		if err := s.d.Sleep(ctx, wait); err != nil {
			return respond.Outcome{}, err
		}
	}
}

func (x *everyInterface) revert(context.Context, *session) (respond.Outcome, error) { return done("") }

func (x *everyInterface) read(ctx context.Context, s *session) (respond.Reading, error) {
	open, err := x.open(ctx, s)
	switch {
	case err != nil:
		return respond.Reading{State: respond.Unknown}, err
	case len(open) > 0: // not an other state: it is looked at, and nothing is overwritten
		return respond.Reading{State: respond.Prior, Detail: strings.Join(open, "; ") + ": isolate the instance once more"}, nil
	}
	return respond.Reading{State: respond.Applied, Detail: "no other interface is open"}, nil
}
