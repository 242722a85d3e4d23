package cli

import (
	"errors"
	"slices"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/respond"
	"edrc/internal/respond/aws"
	"edrc/internal/safe"
	"edrc/internal/source"
	"edrc/internal/source/guardduty"
	"edrc/internal/triage"
)

// nextLines are the commands that fit: what judges the file, what contains, what was
// written on the alert.
func nextLines(a *app, d *triage.Detail) []string {
	ref := d.Alert.Ref.String()
	var out []string
	told := d.Record != nil && d.Record.Noted != ""
	switch {
	case firstHash(d.Alert) == "" || d.Verdict != nil && told:
	case d.Alert.Handle.Note != "":
		out = append(out, "edrc scan alert "+ref+" --note")
	case d.Verdict == nil: // the product takes no note on it
		out = append(out, "edrc scan alert "+ref)
	}
	if out = append(out, a.contains(d.Alert)...); d.Alert.URL != "" {
		out = append(out, "edrc alerts open "+ref)
	}
	if d.Alert.Notes != alert.None {
		out = append(out, "edrc note list "+ref)
	}
	for i := range out {
		out[i] = safe.Line(out[i])
	}
	return out
}

// insteadLines says how an alert is contained whose product cannot.
func insteadLines(a *app, al alert.Alert) []string {
	i := slices.IndexFunc(a.sources, func(s source.Source) bool { return s.Name() == al.Ref.Source })
	if i < 0 || al.Status.Closed() {
		return nil
	}
	src := a.sources[i]
	_, can := src.(source.Isolator)
	if _, knows := src.(source.Alternative); can || !knows {
		return nil
	}
	e, _ := errors.AsType[*fault.Error](source.Cannot(src, "isolate hosts", al))
	if e == nil {
		return nil
	}
	return []string{e.Msg + ": " + e.Hint}
}

// contains gives the commands that contain what an alert names, and undo what stands
// of that already.
func (a *app) contains(al alert.Alert) []string {
	ref := al.Ref.String()
	var out []string
	stands := map[respond.Verb]bool{}
	all, _ := a.journals(a.cfg).Actions()
	for _, act := range all {
		onHost := act.Target.Kind == respond.HostKind && act.Target.Source == al.Ref.Source && al.Host.ID != "" && act.Target.ID == al.Host.ID
		if act.Verb == respond.Undo || act.Status == respond.StatusUndone || act.Status == respond.StatusFailed || act.Alert != ref && !onHost {
			continue
		}
		stands[act.Verb] = true
		out = append(out, "edrc undo "+act.ID)
	}
	if al.Status.Closed() {
		return out
	}
	for _, v := range a.containing(al) {
		if !stands[v] {
			out = append(out, "edrc "+string(v)+" "+ref)
		}
	}
	return out
}

// containing gives what can be done about an alert: its host is isolated where the
// product can, of a GuardDuty finding what it names.
func (a *app) containing(al alert.Alert) []respond.Verb {
	i := slices.IndexFunc(a.sources, func(s source.Source) bool { return s.Name() == al.Ref.Source })
	if i < 0 {
		return nil
	}
	src := a.sources[i]
	if _, can := src.(source.Isolator); can && al.Host.ID != "" && al.Host.Isolation != "isolated" && al.Host.Isolation != "isolating" {
		return []respond.Verb{respond.IsolateHost}
	}
	var out []respond.Verb
	if src.Kind() != guardduty.Kind {
		return nil
	}
	for _, v := range []respond.Verb{respond.IsolateRole, respond.IsolateInstance, respond.DisableKey} {
		ts, err := aws.Targets(v, al)
		if err == nil && !slices.ContainsFunc(ts, func(t respond.Target) bool { return t.Sample }) {
			out = append(out, v)
		}
	}
	return out
}
