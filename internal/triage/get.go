package triage

import (
	"context"
	"strings"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/source"
)

// Detail is one alert with everything that is known of it.
type Detail struct {
	Row
	Files  []FileView
	Effect *ledger.Effect // the newest note of ours, nil when none was ever due
}

// Get reads alerts by ref: from the product, or from the store when offline. A
// ref that the product does not know is fault.NotFound.
func (s *Service) Get(ctx context.Context, ref alert.Ref, offline bool) (*Detail, error) {
	src, sid, err := s.locate(ctx, ref)
	if err != nil {
		return nil, err
	}
	a, err := s.read(ctx, src, sid, ref, offline)
	if err != nil {
		return nil, err
	}
	a.Handle.Source = sid
	d := &Detail{}
	err = s.Store.View(ctx, func(tx ledger.Tx) error {
		var err error
		if d.Row, err = s.row(tx, *a); err != nil {
			return err
		}
		files, err := s.files(tx, &ledger.Alert{Files: a.Files})
		if err != nil {
			return err
		}
		d.Files = fileViews(files)
		if rec := d.Record; rec != nil && rec.Marker != "" {
			d.Effect, err = tx.Effect(ledger.EffectKey{Source: sid, Container: rec.Note, Marker: rec.Marker})
		}
		return err
	})
	return d, err
}

// locate finds the source of a ref and its memory key.
func (s *Service) locate(ctx context.Context, ref alert.Ref) (source.Source, alert.SourceID, error) {
	src, err := s.Source(ref.Source)
	if err != nil {
		return nil, "", err
	}
	sid, err := s.sourceID(ctx, src)
	return src, sid, err
}

// handle gives what to ask the product with: as remembered when it is, else made
// from the ref.
func (s *Service) handle(ctx context.Context, sid alert.SourceID, ref alert.Ref) (alert.Handle, *ledger.Alert, error) {
	var rec *ledger.Alert
	err := s.Store.View(ctx, func(tx ledger.Tx) (err error) {
		rec, err = tx.Alert(sid, ref.ID)
		return err
	})
	if err != nil || rec == nil {
		return alert.Handle{Source: sid, ID: ref.ID, Note: ref.ID}, nil, err
	}
	return rec.Handle, rec, nil
}

func (s *Service) read(ctx context.Context, src source.Source, sid alert.SourceID, ref alert.Ref, offline bool) (*alert.Alert, error) {
	h, rec, err := s.handle(ctx, sid, ref)
	if err != nil {
		return nil, err
	}
	if offline {
		if rec == nil {
			return nil, fault.New(fault.NotFound, "%s is not remembered", ref).WithHint("leave out --offline to ask %s", src.Name())
		}
		a := recall(rec, src.Name())
		return &a, nil
	}
	g, ok := src.(source.Getter)
	if !ok {
		return nil, source.Unsupported(src, "read one alert")
	}
	found, err := g.Get(ctx, h)
	if err != nil {
		return nil, fault.At(err, src.Name(), "get alert")
	}
	if len(found) == 0 {
		return nil, &fault.Error{Kind: fault.NotFound, Source: src.Name(), Msg: "no alert " + ref.ID,
			Hint: "it may have been purged, or belong to another console; list what there is: edrc alerts list --source " + src.Name()}
	}
	return &found[0], nil
}

// Expand completes a ref that was shortened for the eye ("s1-prod:…88213") when
// exactly one remembered alert fits.
func (s *Service) Expand(ctx context.Context, text string) (alert.Ref, error) {
	ref, err := alert.ParseRef(text)
	if err != nil {
		return ref, fault.Usagef("%v", err)
	}
	tail, ok := strings.CutPrefix(ref.ID, "…")
	if !ok {
		tail, ok = strings.CutPrefix(ref.ID, "...")
	}
	if !ok {
		return ref, nil
	}
	_, sid, err := s.locate(ctx, ref)
	if err != nil {
		return ref, err
	}
	matches, err := s.endingIn(ctx, sid, tail)
	switch {
	case err != nil:
		return ref, err
	case len(matches) == 0:
		return ref, fault.New(fault.NotFound, "no remembered alert of %s ends in %q", ref.Source, tail).
			WithHint("only alerts that sync has seen can be shortened; pipe `edrc alerts list` to see whole refs")
	case len(matches) > 1:
		return ref, fault.Usagef("%d alerts of %s end in %q", len(matches), ref.Source, tail).
			WithHint("give more of it, for example %s:…%s", ref.Source, matches[0][max(0, len(matches[0])-len(tail)-3):])
	}
	ref.ID = matches[0]
	return ref, nil
}

func (s *Service) endingIn(ctx context.Context, sid alert.SourceID, tail string) ([]string, error) {
	var out []string
	err := s.Store.View(ctx, func(tx ledger.Tx) error {
		out = out[:0]
		for rec, err := range tx.Alerts(sid, time.Time{}, time.Time{}) {
			if err != nil {
				return err
			}
			if strings.HasSuffix(rec.ID, tail) {
				out = append(out, rec.ID)
			}
		}
		return nil
	})
	return out, err
}
