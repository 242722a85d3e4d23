package triage

import (
	"context"
	"slices"

	"edrc/internal/alert"
	"edrc/internal/ledger"
)

// annotate re-checks every filter and adds what is remembered.
func (s *Service) annotate(ctx context.Context, sid alert.SourceID, as []alert.Alert, o ListOptions) ([]Row, error) {
	var rows []Row
	err := s.Store.View(ctx, func(tx ledger.Tx) error {
		rows = rows[:0]
		for _, a := range as {
			if !o.Query.Match(a) {
				continue
			}
			a.Handle.Source = sid
			r, err := s.row(tx, a)
			if err != nil {
				return err
			}
			if len(o.Verdicts) == 0 || r.Verdict != nil && slices.Contains(o.Verdicts, r.Verdict.Class) {
				rows = append(rows, r)
			}
		}
		return nil
	})
	return rows, err
}

// row adds what is remembered of an alert and its files.
func (s *Service) row(tx ledger.Tx, a alert.Alert) (Row, error) {
	r := Row{Alert: a}
	rec, err := tx.Alert(a.Handle.Source, a.ID)
	if err != nil {
		return r, err
	}
	r.Record = rec
	files, err := s.files(tx, &ledger.Alert{Files: a.Files})
	if err != nil {
		return r, err
	}
	if w, _ := worst(files); w != nil {
		v := w.Verdict.Verdict
		r.Verdict = &v
		return r, nil
	}
	r.Scan = s.whyNoVerdict(a, rec, files)
	return r, nil
}

func (s *Service) whyNoVerdict(a alert.Alert, rec *ledger.Alert, files []fileState) string {
	if len(a.Files) == 0 {
		return SkipNoFile
	}
	views := fileViews(files)
	if text := WaitsFor(views, s.Now()); text != "" {
		return text
	}
	if rec != nil && rec.Reason != "" {
		return rec.Reason
	}
	for _, f := range files {
		if f.File.Best() != "" {
			return ""
		}
	}
	return SkipNoHash
}
