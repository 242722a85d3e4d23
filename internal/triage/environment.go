package triage

import (
	"errors"
	"slices"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/source"
)

// Environment narrows a sync to a part of a cloud. The zero value is everything.
//
// Such a sync has watermarks of its own, named by Key. It takes in what is in the
// environment and leaves no trace of the rest: a sync of everything, or of another
// environment, reads from its own watermarks and misses nothing. So Key must name what
// the environment says now, and not only its name: one that grew is read anew.
type Environment struct {
	Key    string // "" is everything
	Scopes []alert.Scope
}

func (e Environment) all() bool { return e.Key == "" }

// stream is the name of a stream in a cursor.
func (e Environment) stream(name string) string {
	if e.all() {
		return name
	}
	return name + "#" + e.Key
}

// keeps gives the alerts that are in it.
func (e Environment) keeps(as []alert.Alert) []alert.Alert {
	if e.all() {
		return as
	}
	return slices.DeleteFunc(as, func(a alert.Alert) bool { return !a.Within(e.Scopes) })
}

// remembers reports whether a remembered alert is in it.
func (e Environment) remembers(rec *ledger.Alert) bool {
	return e.all() || alert.Alert{Resources: rec.Resources}.Within(e.Scopes)
}

// pickWithin is Pick of the sources that may have alerts in some scopes: those whose
// alerts tell their account. No scope is everywhere.
func (s *Service) pickWithin(names []string, scopes []alert.Scope) ([]source.Source, error) {
	picked, err := s.Pick(names)
	if err != nil || len(scopes) == 0 {
		return picked, err
	}
	var out []source.Source
	for _, src := range picked {
		switch {
		case src.Traits().Accounts:
			out = append(out, src)
		case len(names) > 0:
			return nil, fault.Usagef("%s is in no environment: the alerts of %s tell no AWS account", src.Name(), src.Kind()).
				WithHint("leave out --environment or --source")
		}
	}
	if len(out) == 0 {
		return nil, fault.Usagef("no source is configured whose alerts tell their AWS account: environments are parts of AWS").
			WithHint("leave out --environment, or add a source of kind guardduty")
	}
	return out, nil
}

// elsewhere leaves out the errors of sources that have nothing to do with an environment,
// if another source has.
func elsewhere(errs []SourceError, sources int) []SourceError {
	outside := func(e SourceError) bool { return errors.Is(e.Err, source.ErrOutside) }
	n := 0
	for _, e := range errs {
		if outside(e) {
			n++
		}
	}
	if n == sources {
		return errs
	}
	return slices.DeleteFunc(errs, outside)
}
