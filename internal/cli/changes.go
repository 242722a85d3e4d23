package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"edrc/internal/fault"
	"edrc/internal/respond"
	"edrc/internal/safe"
	"edrc/internal/triage"
)

// changeSchema names the lines of actions/changes.ndjson. A change has two: one
// before anything is sent, one with what became of it. Of one id the last holds.
const changeSchema = "edrc.change/v1"

// changeLine is one line of the journal of changes.
type changeLine struct {
	Schema string    `json:"schema"`
	Time   time.Time `json:"time"`
	Actor  actor     `json:"actor"`
	triage.Change
}

// changes is the journal of what analysts changed: <state_dir>/actions/changes.ndjson.
// `edrc undo` reads it.
func (a *app) changes(stateDir string) triage.Journal {
	who := a.actor()
	path := filepath.Join(stateDir, "actions", "changes.ndjson")
	return func(c triage.Change) error {
		line, err := json.Marshal(changeLine{changeSchema, a.Now().UTC(), who, c})
		if err != nil {
			return err
		}
		return fileError("write", path, appendLine(path, line, true))
	}
}

// resolveAlert is what `edrc alerts resolve` did to one alert, among the actions.
const (
	resolveAlert respond.Verb       = "resolve alert"
	alertTarget  respond.TargetKind = "alert" // its id is the ref
)

// change is what became of one alert, as the journal of changes tells it.
type change struct {
	triage.Change
	Actor          actor
	Begun, Changed time.Time
	UndoneBy       string // the id of the change that undid it
}

var changeForm = safe.Pattern(`^C-[A-Z2-7]{8}$`)

// isChange reports whether an id is that of a change.
func isChange(id string) bool { return changeForm().MatchString(id) }

// readChanges gives what was changed, oldest first. A line that cannot be read is an
// error beside the others; one that a crash cut short was never acknowledged.
func readChanges(stateDir string) (out []change, errs []error) {
	path := filepath.Join(stateDir, respond.ActionsDir, "changes.ndjson")
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, []error{fileError("read", path, err)}
	}
	at := map[string]int{}
	n := 0
	for raw := range bytes.Lines(b) {
		n++
		raw = bytes.TrimSuffix(raw, []byte{'\n'})
		if !bytes.HasSuffix(raw, []byte{'}'}) {
			continue
		}
		var l changeLine
		if err := json.Unmarshal(raw, &l); err != nil || l.Schema != changeSchema {
			errs = append(errs, fault.New(fault.Corrupt, "%s: line %d is no line of the journal of changes", path, n))
			continue
		}
		i, ok := at[l.ID]
		if !ok {
			i, at[l.ID] = len(out), len(out)
			out = append(out, change{Actor: l.Actor, Begun: l.Time})
		}
		out[i].Change, out[i].Changed = l.Change, l.Time
	}
	joinUndone(out, at)
	return out, errs
}

// joinUndone notes which change undid which.
func joinUndone(all []change, at map[string]int) {
	for _, u := range all {
		if i, ok := at[u.Of]; ok && u.over() && u.State != triage.ChangeFailed {
			all[i].UndoneBy = u.ID
		}
	}
	for i, u := range all { // begun before the one that did it
		if k, ok := at[u.Of]; ok && !u.over() {
			all[i].UndoneBy = all[k].UndoneBy
		}
	}
}

// over reports whether it is known what became of the change.
func (c change) over() bool {
	return c.State != triage.ChangeSending && c.State != triage.ChangeUnknown
}

// findChange gives one change.
func findChange(stateDir, id string) (change, error) {
	all, errs := readChanges(stateDir)
	i := slices.IndexFunc(all, func(c change) bool { return c.ID == id })
	switch {
	case i >= 0:
		return all[i], nil
	case len(errs) > 0:
		return change{}, errs[0]
	}
	return change{}, fault.New(fault.NotFound, "there is no change %s", id).WithHint("list them: edrc actions list")
}

func (c change) target() respond.Target {
	return respond.Target{Kind: alertTarget, ID: c.Ref.String()}
}

// action shows a change among the actions.
func (c change) action() *respond.Action {
	a := &respond.Action{ID: c.ID, Verb: resolveAlert, Target: c.target(), Reason: c.Reason, Alert: c.Ref.String(), Started: c.Begun, Changed: c.Changed,
		Actor:  respond.Actor{User: c.Actor.User, UID: c.Actor.UID, Host: c.Actor.Host, PID: c.Actor.PID},
		Status: c.status(), Error: c.Error, Of: c.Of, UndoneBy: c.UndoneBy}
	if c.Of != "" {
		a.Verb, a.Plan.Request.OfVerb = respond.Undo, resolveAlert
	}
	for _, name := range slices.Sorted(maps.Keys(c.Fields)) {
		f := c.Fields[name]
		a.Steps = append(a.Steps, respond.StepRecord{Step: respond.Step{Kind: changeSchema, Title: fieldText(name, f)}, Intended: true,
			Outcome: respond.Outcome{State: respond.OutcomeState(f.Outcome)}})
	}
	return a
}

func (c change) status() respond.Status {
	switch {
	case c.State == triage.ChangeFailed:
		return respond.StatusFailed
	case c.UndoneBy != "":
		return respond.StatusUndone
	case !c.over():
		return respond.StatusHalfDone
	case c.State == triage.ChangePending:
		return respond.StatusAccepted
	case c.Error != "":
		return respond.StatusPartial
	}
	return respond.StatusDone
}

// withChanges is the actions and the changes, oldest first.
func withChanges(actions []*respond.Action, stateDir string) ([]*respond.Action, []error) {
	changes, errs := readChanges(stateDir)
	for _, c := range changes {
		actions = append(actions, c.action())
	}
	slices.SortStableFunc(actions, func(a, b *respond.Action) int { return a.Started.Compare(b.Started) })
	return actions, errs
}

// appendLine adds a line to a private file, in one write. A line that a crash cut
// short is ended first, so that it spoils no other. durable waits until it is on disk.
func appendLine(path string, line []byte, durable bool) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if size, serr := f.Seek(0, io.SeekEnd); serr == nil && size > 0 {
		last := make([]byte, 1)
		if _, rerr := f.ReadAt(last, size-1); rerr == nil && last[0] != '\n' {
			line = append([]byte{'\n'}, line...)
		}
	}
	_, err = f.Write(append(line, '\n'))
	if err == nil && durable {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
