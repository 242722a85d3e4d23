package triage

import (
	"context"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
)

// Quarantine lists what was set aside for a person.
func (s *Service) Quarantine(ctx context.Context) ([]*ledger.Quarantined, error) {
	var out []*ledger.Quarantined
	err := s.Store.View(ctx, func(tx ledger.Tx) error {
		out = nil
		for q, err := range tx.Quarantine() {
			if err != nil {
				return err
			}
			out = append(out, q)
		}
		return nil
	})
	return out, err
}

// Retry takes items out of quarantine and tries them again; Drop forgets them.
// Both give the items they found; an id that is not there is fault.NotFound.
func (s *Service) Retry(ctx context.Context, ids []string) ([]*ledger.Quarantined, error) {
	return s.takeOut(ctx, ids, func(tx ledger.Tx, q *ledger.Quarantined) error { return s.retry(tx, q) })
}

// Drop forgets items in quarantine; the alerts themselves are not touched.
func (s *Service) Drop(ctx context.Context, ids []string) ([]*ledger.Quarantined, error) {
	return s.takeOut(ctx, ids, func(ledger.Tx, *ledger.Quarantined) error { return nil })
}

func (s *Service) takeOut(ctx context.Context, ids []string, then func(ledger.Tx, *ledger.Quarantined) error) ([]*ledger.Quarantined, error) {
	all, err := s.Quarantine(ctx)
	if err != nil {
		return nil, err
	}
	byID := map[string]*ledger.Quarantined{}
	for _, q := range all {
		byID[q.ID] = q
	}
	var out []*ledger.Quarantined
	for _, id := range ids {
		q := byID[strings.ToUpper(id)]
		if q == nil {
			return out, fault.New(fault.NotFound, "nothing in quarantine is called %q", id).WithHint("list it: edrc quarantine list")
		}
		err := s.Store.Update(ctx, 3, func(tx ledger.Tx) error {
			if err := tx.DeleteQuarantined(q.ID); err != nil {
				return err
			}
			return then(tx, q)
		})
		if err != nil {
			return out, err
		}
		out = append(out, q)
	}
	return out, nil
}

// retry re-opens a quarantined note's alert. An alert that could not be read has
// no record: the daily comparison reads it again.
func (s *Service) retry(tx ledger.Tx, q *ledger.Quarantined) error {
	rec, err := tx.Alert(q.Source, q.Alert)
	if err != nil || rec == nil || rec.State != ledger.AlertQuarantined {
		return err
	}
	e, err := tx.Effect(ledger.EffectKey{Source: q.Source, Container: rec.Note, Marker: rec.Marker})
	if err != nil {
		return err
	}
	if e != nil { // a fresh set of attempts, beginning with a read
		e.Attempt, e.Checks = 1, 0
		if err := tx.PutEffect(e); err != nil {
			return err
		}
	}
	if err := rec.Move(ledger.AlertOpen, ""); err != nil {
		return err
	}
	return s.judgeFiles(tx, rec, nil)
}

// Explanation is everything remembered about one file.
type Explanation struct {
	Hash    alert.Hash            `json:"hash"`
	Job     *ledger.Job           `json:"job,omitempty"`
	Verdict *ledger.VerdictRecord `json:"verdict,omitempty"`
	Fresh   bool                  `json:"fresh"`
	Alerts  []alert.Ref           `json:"alerts"`
}

// maxExplained bounds the alerts that an explanation lists.
const maxExplained = 50

// Explain tells what is remembered of a file and which alerts wanted it.
func (s *Service) Explain(ctx context.Context, h alert.Hash) (*Explanation, error) {
	out := &Explanation{Hash: h, Alerts: []alert.Ref{}}
	if s.Scanner == nil {
		return out, nil
	}
	err := s.Store.View(ctx, func(tx ledger.Tx) error {
		hs := alert.NewHashes(string(h))
		st, err := s.fileState(tx, alert.File{Hashes: hs})
		if err != nil {
			return err
		}
		out.Job, out.Verdict = st.Job, st.Verdict
		out.Fresh = s.Scanner.Fresh(st.Verdict, 0)
		if st.Job == nil {
			return nil
		}
		keys, err := tx.Wanting(st.Job.Key, ledger.AlertKey{}, maxExplained)
		if err != nil {
			return err
		}
		out.Alerts = out.Alerts[:0]
		for _, k := range keys {
			rec, err := tx.AlertAt(k)
			if err != nil {
				return err
			}
			if rec != nil {
				out.Alerts = append(out.Alerts, rec.Ref())
			}
		}
		return nil
	})
	return out, err
}
