package triage

import (
	"context"
	"slices"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/source"
)

// Some products tell again what another one has found (source.Traits.Repeats). When the
// other one is configured too, the two alerts are one finding: they are linked by the
// product's kind and its id, a list shows the direct one, and the verdict is told there.

// findingKey is where the index of who wants what keeps the alerts that name a finding:
// those that repeat it, and the one itself where that is by its second id.
func findingKey(f alert.Finding) ledger.JobKey {
	return ledger.JobKey{Engine: "finding of " + f.Kind, Hash: alert.Hash(f.ID)}
}

// findingsOf gives the findings by which the index knows an alert.
func findingsOf(rec *ledger.Alert) []alert.Finding {
	var out []alert.Finding
	if rec.Repeats.ID != "" {
		out = append(out, rec.Repeats)
	}
	if rec.OtherID != "" && rec.OtherID != rec.ID {
		out = append(out, alert.Finding{Kind: rec.Kind, ID: rec.OtherID})
	}
	return out
}

func indexFindings(tx ledger.Tx, rec *ledger.Alert) error {
	for _, f := range findingsOf(rec) {
		if err := tx.Want(findingKey(f), rec.Key()); err != nil {
			return err
		}
	}
	return nil
}

func unindexFindings(tx ledger.Tx, rec *ledger.Alert) error {
	for _, f := range findingsOf(rec) {
		if err := tx.Unwant(findingKey(f), rec.Key()); err != nil {
			return err
		}
	}
	return nil
}

// sourceID is SourceID, and remembers the answer for those who cannot ask.
func (s *Service) sourceID(ctx context.Context, src source.Source) (alert.SourceID, error) {
	sid, err := SourceID(ctx, src)
	if err == nil {
		s.sids.Store(src.Name(), sid)
	}
	return sid, err
}

// sameMax bounds how many alerts are linked to one.
const sameMax = 20

// same gives the remembered alerts of other sources that are the same finding as a: what
// it repeats, or what repeats it. Sources that have not told who they are yet are left out.
func (s *Service) same(tx ledger.Tx, a alert.Alert) ([]*ledger.Alert, error) {
	var out []*ledger.Alert
	add := func(rec *ledger.Alert) {
		if rec != nil && rec.State != ledger.AlertGone && (rec.Handle.Source != a.Handle.Source || rec.ID != a.ID) &&
			!slices.ContainsFunc(out, func(o *ledger.Alert) bool { return o.Key() == rec.Key() }) {
			out = append(out, rec)
		}
	}
	finding := a.Repeats
	if finding.ID != "" {
		for _, src := range s.Sources {
			sid, known := s.sids.Load(src.Name())
			if !known || src.Kind() != finding.Kind {
				continue
			}
			rec, err := tx.Alert(sid.(alert.SourceID), finding.ID)
			if err != nil {
				return nil, err
			}
			add(rec)
		}
	}
	for _, f := range []alert.Finding{finding, {Kind: a.Kind, ID: a.ID}, {Kind: a.Kind, ID: a.OtherID}} {
		if f.ID == "" {
			continue
		}
		keys, err := tx.Wanting(findingKey(f), ledger.AlertKey{}, sameMax)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			rec, err := tx.AlertAt(k)
			if err != nil {
				return nil, err
			}
			// A damaged index may name an alert of something else.
			if rec != nil && slices.Contains(append(findingsOf(rec), alert.Finding{Kind: rec.Kind, ID: rec.ID}), f) {
				add(rec)
			}
		}
	}
	return out, nil
}

// teller gives the alert on which the verdict of rec is told in its place: the finding
// that rec repeats, when a source reads that directly, sync works on it, and it names
// every file that rec does. nil: rec is told its verdict itself.
func (s *Service) teller(tx ledger.Tx, rec *ledger.Alert) (*ledger.Alert, error) {
	if rec.Repeats.ID == "" || rec.Noted != "" {
		return nil, nil
	}
	all, err := s.same(tx, recall(rec, rec.Name))
	if err != nil {
		return nil, err
	}
	for _, direct := range all {
		works := direct.State == ledger.AlertOpen || direct.Noted != ""
		if direct.Kind != rec.Repeats.Kind || !works || direct.Note == "" {
			continue
		}
		covers, err := s.covers(tx, direct, rec)
		if err != nil || covers {
			return direct, err
		}
	}
	return nil, nil
}

// covers reports whether one alert names every file that another does, by any hash that
// is known to be the file's.
func (s *Service) covers(tx ledger.Tx, by, rec *ledger.Alert) (bool, error) {
	for _, f := range rec.Files {
		if f.Best() == "" {
			continue
		}
		known := f.All()
		if v, err := tx.Verdict(s.Scanner.Scope(), f.Best()); err != nil {
			return false, err
		} else if v != nil {
			known = append(known, v.Verdict.All()...)
		}
		if !slices.ContainsFunc(by.Files, func(g alert.File) bool { return slices.ContainsFunc(known, g.Has) }) {
			return false, nil
		}
	}
	return true, nil
}

// refsOf gives the refs of records, in order.
func refsOf(recs []*ledger.Alert) []alert.Ref {
	var out []alert.Ref
	for _, rec := range recs {
		out = append(out, rec.Ref())
	}
	sortRefs(out)
	return out
}

func sortRefs(refs []alert.Ref) {
	slices.SortFunc(refs, func(a, b alert.Ref) int { return strings.Compare(a.String(), b.String()) })
}

// Same gives the alerts of other sources that are the same finding as a: those that are
// remembered, and, unless offline, the one that it repeats, as its product knows it now.
// A product that does not answer is left out.
func (s *Service) Same(ctx context.Context, a alert.Alert, offline bool) ([]alert.Ref, error) {
	var direct []source.Source
	for _, src := range s.Sources {
		if a.Repeats.ID != "" && src.Kind() == a.Repeats.Kind {
			_, err := s.sourceID(ctx, src)
			if fault.Is(err, fault.Interrupted) {
				return nil, err
			}
			direct = append(direct, src)
		}
	}
	var recs []*ledger.Alert
	err := s.Store.View(ctx, func(tx ledger.Tx) (err error) {
		recs, err = s.same(tx, a)
		return err
	})
	out := refsOf(recs)
	if err != nil || offline || slices.ContainsFunc(recs, func(r *ledger.Alert) bool { return r.Kind == a.Repeats.Kind }) {
		return out, err
	}
	for _, src := range direct {
		g, ok := src.(source.Getter)
		if !ok {
			continue
		}
		found, err := g.Get(ctx, alert.Handle{ID: a.Repeats.ID, Note: a.Repeats.ID})
		if fault.Is(err, fault.Interrupted) {
			return out, err
		}
		for _, f := range found {
			out = append(out, alert.Ref{Source: src.Name(), ID: f.ID})
		}
	}
	sortRefs(out)
	return out, nil
}
