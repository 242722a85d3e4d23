package respond

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"edrc/internal/fault"
)

// load gives one action as its own journal tells it.
func (e *Engine) load(id string) (*Action, error) {
	lines, err := e.journal().Load(id)
	if err != nil {
		return nil, err
	}
	a, err := fold(id, lines)
	if err != nil {
		return nil, fault.New(fault.Corrupt, "%s: %w", id, err)
	}
	return a, nil
}

// Action gives one action, with what the journals of others say about it.
func (e *Engine) Action(id string) (*Action, error) {
	a, err := e.load(id)
	if err != nil {
		return nil, err
	}
	return a, e.joinUndo(a)
}

// joinUndo fills in whether another action undid a.
func (e *Engine) joinUndo(a *Action) error {
	all, errs := e.Actions()
	for _, o := range all {
		if o.ID == a.ID {
			a.UndoneBy, a.Status = o.UndoneBy, o.Status
			return nil
		}
	}
	if len(errs) > 0 {
		return errs[0]
	}
	return nil
}

// Actions gives every action, oldest first. A journal that cannot be read is an
// error beside the others.
func (e *Engine) Actions() ([]*Action, []error) {
	ids, err := e.journal().IDs()
	if err != nil {
		return nil, []error{err}
	}
	var out []*Action
	var errs []error
	for _, id := range ids {
		a, err := e.load(id)
		switch {
		case fault.Is(err, fault.NotFound): // never begun
		case err != nil:
			errs = append(errs, err)
		default:
			if a.Status == StatusHalfDone && e.busy(a.Target) {
				a.Status = StatusRunning
			}
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b *Action) int {
		if c := a.Started.Compare(b.Started); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	joinUndone(out)
	return out, errs
}

func joinUndone(all []*Action) {
	byID := map[string]*Action{}
	for _, a := range all {
		byID[a.ID] = a
	}
	for _, u := range all {
		of := byID[u.Of]
		if u.Verb != Undo || of == nil || u.Status == StatusFailed || of.Status == StatusUndone {
			continue
		}
		of.UndoneBy = u.ID
		if u.Status == StatusDone {
			of.Status = StatusUndone
		}
	}
	for _, u := range all { // begun before the one that did it: nothing is left to carry on
		if of := byID[u.Of]; u.Verb == Undo && of != nil && of.Status == StatusUndone && of.UndoneBy != u.ID {
			u.UndoneBy = of.UndoneBy
		}
	}
}

// StandingState is how a containment stands in reality.
type StandingState string

// The states of a containment.
const (
	StillIsolated StandingState = "isolated"
	Isolating     StandingState = "isolating" // accepted, the host has not done it yet
	Releasing     StandingState = "releasing"
	Drifted       StandingState = "drifted"  // part of it, or something else, is there
	Released      StandingState = "released" // nothing of it is left, and edrc did not undo it
	NotKnown      StandingState = "unknown"  // it could not be read, for Err
)

// Standing is one containment that edrc made and has not undone, as the vendor says
// it stands now. Who, why and when are the action's.
type Standing struct {
	Action *Action       `json:"action"`
	State  StandingState `json:"state"`
	Since  time.Time     `json:"since"`        // as the vendor says, else the action's
	By     string        `json:"by,omitempty"` // as the vendor says
	// Drift is each step that does not stand as it was left, and what is there.
	Drift []string `json:"drift,omitempty"`
	Err   error    `json:"-"`
}

// Isolated reads, for every action that contains something and was not undone, how
// each of its steps stands at the vendor now.
func (e *Engine) Isolated(ctx context.Context) ([]Standing, []error) {
	all, errs := e.Actions()
	var out []Standing
	for _, a := range all {
		a.withUndo(all)
		if a.Verb == Undo || a.Status == StatusUndone || a.Status == StatusFailed || !a.touchedAnything() {
			continue
		}
		out = append(out, e.standing(ctx, a))
	}
	return out, errs
}

// withUndo takes over what an undo that is under way learned: a product may know its
// operation by that alone.
func (a *Action) withUndo(all []*Action) {
	i := slices.IndexFunc(all, func(u *Action) bool { return u.ID == a.UndoneBy && u.Verb == Undo })
	if i < 0 {
		return
	}
	for _, u := range all[i].Steps {
		for k := range a.Steps {
			if u.Outcome.Result != nil && bytes.Equal(u.Data, a.Steps[k].Data) {
				a.Steps[k].Result = u.Result
			}
		}
	}
}

func (e *Engine) standing(ctx context.Context, a *Action) Standing {
	st := Standing{Action: a, Since: a.Started}
	d, err := e.driver(a.Verb)
	if err != nil {
		st.State, st.Err = NotKnown, err
		return st
	}
	applied, pending, total := 0, 0, 0
	for _, s := range a.Steps {
		if s.Transient || s.Optional || s.Keep && !s.Shared { // what others share is opened by others
			continue
		}
		total++
		r, err := d.Read(ctx, s.Step)
		if err != nil || r.State == Unknown {
			st.State, st.Err = NotKnown, err
			return st
		}
		if !r.Since.IsZero() {
			st.Since = r.Since
		}
		st.By = orWord(r.By, st.By)
		if r.Pending {
			pending++
		}
		if r.State == Applied {
			applied++
			continue
		}
		st.Drift = append(st.Drift, fmt.Sprintf("%s: %s", s.Title, orWord(r.Detail, string(r.State))))
	}
	st.State = standingState(applied, pending, total)
	if st.State == Drifted && a.Open() && a.Status != StatusAccepted {
		st.Drift = append(st.Drift, fmt.Sprintf("the action is %s: carry on with edrc actions resume %s, or edrc undo %s", a.Status, a.ID, a.ID))
	}
	return st
}

func standingState(applied, pending, total int) StandingState {
	switch {
	case total == 0:
		return Drifted
	case applied == total && pending > 0:
		return Isolating
	case applied == total:
		return StillIsolated
	case applied == 0 && pending > 0:
		return Releasing
	case applied == 0:
		return Released
	}
	return Drifted
}

// Refresh reads the actions that a vendor had accepted and not done, and ends those
// that are done now. It changes nothing at the vendor, and leaves alone what another
// process is at. It gives the ended ones.
func (e *Engine) Refresh(ctx context.Context) ([]*Action, []error) {
	all, errs := e.Actions()
	var out []*Action
	for _, a := range all {
		if a.Status != StatusAccepted || a.UndoneBy != "" || e.busy(a.Target) {
			continue
		}
		done, err := e.refresh(ctx, a.ID)
		if err != nil {
			errs = append(errs, err)
		}
		if done != nil {
			out = append(out, done)
		}
	}
	return out, errs
}

func (e *Engine) refresh(ctx context.Context, id string) (*Action, error) {
	a, err := e.load(id)
	if err != nil {
		return nil, err
	}
	unlock, err := e.lockTarget(ctx, a.Target)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if a, err = e.load(id); err != nil || a.Status != StatusAccepted {
		return nil, err
	}
	d, err := e.driver(a.driverVerb())
	if err != nil {
		return nil, err
	}
	w := worker{Engine: e, a: a, d: d}
	end, _ := w.want()
	for i, s := range a.Steps {
		if s.Outcome.State != Pending {
			continue
		}
		r, err := d.Read(ctx, s.Step)
		if err != nil || r.State != end || r.Pending {
			return nil, err
		}
		if err := w.settled(i, Outcome{State: Done, Note: r.Detail}, nil); err != nil {
			return nil, err
		}
	}
	report, err := w.end(ctx, -1, nil)
	return report.Action, err
}
