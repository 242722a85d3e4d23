package triage

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"edrc/internal/alert"
	"edrc/internal/ledger"
	"edrc/internal/scan"
)

// VerdictFilter narrows a listing of remembered verdicts; empty fields do not.
type VerdictFilter struct {
	Classes []alert.Class
	Family  string    // case-insensitive, exact or "*"-suffixed
	Since   time.Time // learned since, our clock
	Engine  string    // the engine's scope
}

func (f VerdictFilter) match(v *ledger.VerdictRecord) bool {
	return (len(f.Classes) == 0 || slices.Contains(f.Classes, v.Verdict.Class)) &&
		(f.Family == "" || matchWord(f.Family, v.Verdict.Family)) &&
		(f.Engine == "" || f.Engine == v.Engine) &&
		!v.Learned.Before(f.Since)
}

// matchWord compares without case, exactly or, with a "*" at the end, as a prefix.
func matchWord(pattern, s string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(strings.ToLower(s), strings.ToLower(prefix))
	}
	return strings.EqualFold(pattern, s)
}

// Verdicts gives the remembered verdicts that match, of every engine, by engine,
// then hash. Memory stays flat. An error is the last thing it gives.
func (s *Service) Verdicts(ctx context.Context, f VerdictFilter) iter.Seq2[*ledger.VerdictRecord, error] {
	return wanted(ctx, s, verdictKind(), f.match)
}

// Believed reports whether a remembered verdict is young enough to be believed.
func (s *Service) Believed(v *ledger.VerdictRecord) bool {
	if s.Scanner != nil {
		return s.Scanner.Fresh(v, 0)
	}
	return v.Age(s.Now()) < scan.DefaultLife()[v.Verdict.Class]
}

// Verdict gives what is remembered of a file under any hash known to be its, nil
// when nothing is.
func (s *Service) Verdict(ctx context.Context, h alert.Hash) (*ledger.VerdictRecord, error) {
	var v *ledger.VerdictRecord
	if s.Scanner == nil {
		return nil, nil
	}
	err := s.Store.View(ctx, func(tx ledger.Tx) (err error) {
		v, err = tx.Verdict(s.Scanner.Scope(), h)
		return err
	})
	return v, err
}
