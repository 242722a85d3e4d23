package respond

import (
	"fmt"
	"slices"
	"time"
)

// Status is where an action stands.
type Status string

// The statuses.
const (
	StatusRunning  Status = "running"   // a process is at it now
	StatusHalfDone Status = "half-done" // begun, and nobody is at it: resume or undo it
	StatusDone     Status = "done"      // and verified
	StatusAccepted Status = "accepted"  // the vendor took it, the host has not done it yet
	StatusPartial  Status = "partial"   // it stopped; some steps are done
	StatusFailed   Status = "failed"    // it stopped before anything was changed
	StatusUndone   Status = "undone"    // by another action
)

// StepRecord is a step and what the journal knows of it.
type StepRecord struct {
	Step
	Intended bool    `json:"intended"` // it may have been sent
	Outcome  Outcome `json:"outcome,omitzero"`
	Error    string  `json:"error,omitempty"`
}

// over reports whether nothing is left to do for the step, as far as the journal knows.
func (s StepRecord) over() bool {
	switch s.Outcome.State {
	case Done, Left, Found:
		return true
	case Failed:
		return s.Optional
	}
	return false
}

// Action is one action as its journal tells it.
type Action struct {
	ID       string       `json:"id"`
	Verb     Verb         `json:"verb"`
	Target   Target       `json:"target"`
	Reason   string       `json:"reason,omitempty"`
	Alert    string       `json:"alert,omitempty"` // the ref that named the target
	Actor    Actor        `json:"actor"`           // who began it
	Started  time.Time    `json:"started"`
	Changed  time.Time    `json:"changed"`
	Status   Status       `json:"status"`
	Error    string       `json:"error,omitempty"`
	Of       string       `json:"of,omitempty"`        // the action that this one undoes
	UndoneBy string       `json:"undone_by,omitempty"` // the action that undid, or began to undo, this one
	Plan     Plan         `json:"plan"`
	Steps    []StepRecord `json:"steps"`
}

// Direction is which way the action's steps go.
func (a *Action) Direction() Direction {
	if a.Verb == Undo {
		return Revert
	}
	return Forward
}

// Open reports whether the action was begun and is neither finished nor given up.
func (a *Action) Open() bool {
	switch a.Status {
	case StatusHalfDone, StatusRunning, StatusPartial, StatusAccepted:
		return true
	}
	return false
}

// touchedAnything reports whether a step may have changed something.
func (a *Action) touchedAnything() bool {
	return slices.ContainsFunc(a.Steps, func(s StepRecord) bool {
		return s.Intended && s.Outcome.State != Failed && s.Outcome.State != Found
	})
}

// fold makes an action of its lines.
func fold(id string, lines []Line) (*Action, error) {
	first := lines[0]
	a := &Action{ID: id, Verb: first.Plan.Request.Verb, Target: first.Plan.Target, Reason: first.Plan.Request.Reason,
		Alert: first.Plan.Request.Alert, Actor: first.Actor, Started: first.Time, Of: first.Plan.Request.Of, Plan: *first.Plan, Status: StatusHalfDone}
	for _, s := range first.Plan.Steps {
		a.Steps = append(a.Steps, StepRecord{Step: s})
	}
	for _, l := range lines[1:] {
		if err := a.add(l); err != nil {
			return nil, err
		}
	}
	a.Changed = lines[len(lines)-1].Time
	return a, nil
}

func (a *Action) add(l Line) error {
	switch l.Event {
	case Resumed:
		a.Status, a.Error = StatusHalfDone, ""
	case Intent, Settled:
		if l.Step < 1 || l.Step > len(a.Steps) {
			return fmt.Errorf("action %s has no step %d", a.ID, l.Step)
		}
		a.Status = StatusHalfDone
		a.Steps[l.Step-1].add(l)
	case Ended:
		a.Status, a.Error = l.Status, l.Error
	}
	return nil
}

func (s *StepRecord) add(l Line) {
	s.Error = l.Error
	if l.Event == Intent {
		s.Intended, s.Outcome = true, Outcome{}
		return
	}
	if l.Outcome == nil {
		return
	}
	s.Outcome = *l.Outcome
	if l.Outcome.Result != nil {
		s.Result = l.Outcome.Result
	}
}
