package triage

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

// Stream gives the alerts that match as they come, from all sources at once, in no
// order and in little memory. An error is about one source or one alert, and the
// rest goes on. Stopping early stops the reading.
func (s *Service) Stream(ctx context.Context, o ListOptions) iter.Seq2[alert.Alert, error] {
	return func(yield func(alert.Alert, error) bool) {
		picked, err := s.pickWithin(o.Sources, o.Query.Scopes)
		if err != nil {
			yield(alert.Alert{}, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		type found struct {
			alert alert.Alert
			err   error
		}
		out := make(chan found)
		send := func(f found) {
			select {
			case out <- f:
			case <-ctx.Done():
			}
		}
		var wg sync.WaitGroup
		for _, src := range picked {
			wg.Go(func() {
				err := s.listOne(ctx, src, o, func(r Row) { send(found{alert: r.Alert}) },
					func(err error) { send(found{err: fault.At(err, src.Name(), "list alerts")}) })
				if err != nil {
					send(found{err: fault.At(err, src.Name(), "")})
				}
			})
		}
		go func() { wg.Wait(); close(out) }()
		defer wg.Wait() // nothing outlives the loop over it
		defer cancel()
		var outside []error
		for f := range out {
			if errors.Is(f.err, source.ErrOutside) { // told when it is so of all
				outside = append(outside, f.err)
				continue
			}
			if !yield(f.alert, f.err) {
				return
			}
		}
		switch err := ctx.Err(); {
		case err != nil:
			yield(alert.Alert{}, err)
		case len(outside) == len(picked) && len(outside) > 0:
			yield(alert.Alert{}, outside[0])
		}
	}
}

// getBatch is how many alerts are read by id in one request.
const getBatch = 100

// StreamRefs reads alerts by ref, source by source and in batches. An error is about
// one source or one alert: a ref that its product does not know is fault.NotFound.
func (s *Service) StreamRefs(ctx context.Context, refs []alert.Ref) iter.Seq2[alert.Alert, error] {
	return func(yield func(alert.Alert, error) bool) {
		for len(refs) > 0 {
			name := refs[0].Source
			n := slices.IndexFunc(refs, func(r alert.Ref) bool { return r.Source != name })
			if n < 0 {
				n = len(refs)
			}
			batch := refs[:min(n, getBatch)]
			refs = refs[len(batch):]
			found, errs := s.getRefs(ctx, batch)
			for _, a := range found {
				if !yield(a, nil) {
					return
				}
			}
			for _, err := range errs {
				if !yield(alert.Alert{}, err) || fault.Is(err, fault.Interrupted) {
					return
				}
			}
		}
	}
}

// getRefs reads alerts of one source.
func (s *Service) getRefs(ctx context.Context, refs []alert.Ref) (found []alert.Alert, errs []error) {
	src, sid, err := s.locate(ctx, refs[0])
	if err != nil {
		return nil, []error{err}
	}
	g, ok := src.(source.Getter)
	if !ok {
		return nil, []error{source.Unsupported(src, "read one alert")}
	}
	handles := make([]alert.Handle, len(refs))
	for i, ref := range refs {
		if handles[i], _, err = s.handle(ctx, sid, ref); err != nil {
			return nil, []error{err}
		}
	}
	found, err = g.Get(ctx, handles...)
	bad := map[string]bool{}
	if err != nil {
		if b, ok := errors.AsType[*source.BadItem](err); ok {
			bad[b.ID] = true
		}
		errs = append(errs, fault.At(err, src.Name(), "get alert"))
		if len(found) == 0 && len(bad) == 0 { // it says nothing about what is there
			return nil, errs
		}
	}
	for _, ref := range refs {
		if !bad[ref.ID] && !slices.ContainsFunc(found, func(a alert.Alert) bool { return a.ID == ref.ID }) {
			errs = append(errs, &fault.Error{Kind: fault.NotFound, Source: src.Name(), Msg: "no alert " + ref.ID,
				Hint: "it may have been purged, or belong to another console; list what there is: edrc alerts list --source " + src.Name()})
		}
	}
	return found, errs
}
