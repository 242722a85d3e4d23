package triage

import (
	"context"
	"slices"
	"sync"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/source"
)

// Difference is one thing that the store and a product did not agree on.
type Difference struct {
	Ref  alert.Ref `json:"ref"`
	What string    `json:"what"` // "missed", "changed", "gone", "note missing", "note doubled"
	Did  string    `json:"did"`  // what reconcile did about it
}

// Reconciliation is the result of Reconcile.
type Reconciliation struct {
	Checked     int           `json:"checked"` // alerts compared
	Differences []Difference  `json:"differences"`
	Errors      []SourceError `json:"-"`
}

// Reconcile compares what the products list since a time with what is remembered,
// and takes in what was missed. Sync does the same once a day.
func (s *Service) Reconcile(ctx context.Context, names []string, since time.Time) (*Reconciliation, error) {
	picked, err := s.Pick(names)
	if err != nil {
		return nil, err
	}
	out := &Reconciliation{Differences: []Difference{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, src := range picked {
		wg.Go(func() {
			n, diffs, err := s.reconcileOne(ctx, src, since)
			mu.Lock()
			defer mu.Unlock()
			out.Checked += n
			out.Differences = append(out.Differences, diffs...)
			if err != nil {
				for _, err := range apart(err) {
					out.Errors = append(out.Errors, SourceError{src.Name(), fault.At(err, src.Name(), "reconcile")})
				}
			}
		})
	}
	wg.Wait()
	return out, ctx.Err()
}

func (s *Service) reconcileOne(ctx context.Context, src source.Source, since time.Time) (int, []Difference, error) {
	feed, ok := src.(source.Feeder)
	if !ok {
		return 0, nil, source.Unsupported(src, "be synced")
	}
	sid, err := SourceID(ctx, src)
	if err != nil {
		return 0, nil, err
	}
	lease, err := s.acquire(ctx, sid)
	if err != nil {
		return 0, nil, err
	}
	defer s.release(lease)
	rec := &reconciler{seen: map[string]bool{}}
	p := &puller{Service: s, src: src, feed: feed, sid: sid, lease: lease, sum: newSourceSummary(src.Name()),
		stop: func() bool { return false }, ids: newDistinct[string](), onPage: rec.compare}
	rec.puller = p
	if err := p.since(ctx, since); err != nil { // what a stream would have listed is not absent
		return p.sum.Alerts, rec.diffs, stale(err)
	}
	if err := rec.absent(ctx, since); err != nil {
		return p.sum.Alerts, rec.diffs, err
	}
	return p.sum.Alerts, rec.diffs, nil
}

// reconciler collects the differences of one source.
type reconciler struct {
	*puller
	mu    sync.Mutex      // streams are read side by side
	seen  map[string]bool // ids that the product listed
	diffs []Difference
}

// compare notes what a page shows that the store does not know yet; the page is
// taken in right after.
func (r *reconciler) compare(ctx context.Context, as []alert.Alert) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Store.View(ctx, func(tx ledger.Tx) error {
		for i := range as {
			a := &as[i]
			if r.seen[a.ID] {
				continue
			}
			r.seen[a.ID] = true
			old, err := tx.Alert(r.sid, a.ID)
			if err != nil {
				return err
			}
			ref := alert.Ref{Source: r.src.Name(), ID: a.ID}
			switch {
			case old == nil:
				r.diffs = append(r.diffs, Difference{ref, "missed", "taken in; the next sync judges it"})
			case old.Digest != a.Digest():
				r.diffs = append(r.diffs, Difference{ref, "changed", "taken in"})
			}
		}
		return nil
	})
}

// absent finds what is remembered and the product no longer lists, and notes of
// ours that are not there.
func (r *reconciler) absent(ctx context.Context, since time.Time) error {
	var missing, noted []*ledger.Alert
	err := r.Store.View(ctx, func(tx ledger.Tx) error {
		missing, noted = nil, nil
		for a, err := range tx.Alerts(r.sid, since, time.Time{}) {
			if err != nil {
				return err
			}
			switch {
			case !r.seen[a.ID] && a.State != ledger.AlertGone:
				missing = append(missing, a)
			case a.Noted != "" && r.seen[a.ID]:
				noted = append(noted, a)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := r.markGone(ctx, missing); err != nil {
		return err
	}
	return r.probe(ctx, noted)
}

// markGone asks for each missing alert by id before it is called gone: a window's
// edge is no proof.
func (r *reconciler) markGone(ctx context.Context, missing []*ledger.Alert) error {
	getter, ok := r.src.(source.Getter)
	if !ok {
		return nil
	}
	for len(missing) > 0 {
		part := missing[:min(chunk, len(missing))]
		missing = missing[len(part):]
		hs := make([]alert.Handle, len(part))
		for i, a := range part {
			hs[i] = a.Handle
		}
		there, err := getter.Get(ctx, hs...)
		if err != nil {
			return err
		}
		found := map[string]bool{}
		for _, a := range there {
			found[a.ID] = true
		}
		err = r.Store.Update(ctx, len(part), func(tx ledger.Tx) error {
			for _, old := range part {
				if found[old.ID] {
					continue
				}
				rec, err := tx.AlertAt(old.Key())
				if err != nil || rec == nil || rec.State == ledger.AlertGone {
					return err
				}
				if err := rec.Move(ledger.AlertGone, "the product no longer has it"); err != nil {
					return err
				}
				if err := tx.PutAlert(rec); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, old := range part {
			if !found[old.ID] {
				r.diffs = append(r.diffs, Difference{alert.Ref{Source: r.src.Name(), ID: old.ID}, "gone", "marked gone"})
			}
		}
	}
	return nil
}

// probe reports alerts whose note of ours has been removed from the product.
func (r *reconciler) probe(ctx context.Context, noted []*ledger.Alert) error {
	prober, ok := r.src.(source.NoteProber)
	if !ok {
		return nil
	}
	for len(noted) > 0 {
		part := noted[:min(chunk/2, len(noted))]
		noted = noted[len(part):]
		hs := make([]alert.Handle, len(part))
		for i, a := range part {
			hs[i] = a.Handle
		}
		has, err := prober.ProbeNotes(ctx, hs...)
		if err != nil {
			return err
		}
		for _, a := range part {
			if has[a.ID] == alert.None {
				r.diffs = append(r.diffs, Difference{alert.Ref{Source: r.src.Name(), ID: a.ID}, "note missing",
					"left alone: somebody may have removed it; post it again with `edrc scan alert REF --note`"})
			} else if err := r.double(ctx, a); err != nil {
				return err
			}
		}
	}
	return nil
}

// double repairs a note that two stores wrote at the same moment: neither of them
// looks at it again by itself.
func (r *reconciler) double(ctx context.Context, a *ledger.Alert) error {
	reader, ok := r.src.(source.NoteReader)
	if !ok || a.Marker == "" {
		return nil
	}
	ours := 0
	for n, err := range reader.Notes(ctx, a.Handle) {
		if err != nil {
			return err
		}
		if slices.Contains(markersIn(n.Text), a.Marker) {
			ours++
		}
	}
	if ours < 2 {
		return nil
	}
	d := &deliverer{Service: r.Service, src: r.src, sid: r.sid, sum: newSourceSummary(r.src.Name())}
	if _, err := d.findNote(ctx, reader, &item{out: &ledger.Outgoing{Marker: a.Marker}, rec: a}); err != nil {
		return err
	}
	did := "left alone: it cannot be removed"
	if d.sum.Repaired > 0 {
		did = "the younger one was removed"
	}
	r.diffs = append(r.diffs, Difference{alert.Ref{Source: r.src.Name(), ID: a.ID}, "note doubled", did})
	return nil
}
