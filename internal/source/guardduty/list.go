package guardduty

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"sync"

	"golang.org/x/sync/errgroup"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

// pageWorkers is how many pages of one account and region are read at once.
const pageWorkers = 3

// List implements source.Lister, account by account and region by region, side by side.
// A place that fails is the last error, and the others are complete: fault.Partial.
func (c *Client) List(ctx context.Context, q alert.Query) iter.Seq2[alert.Alert, error] {
	return func(yield func(alert.Alert, error) bool) {
		err := c.scatter(ctx, q.Scopes, func(ctx context.Context, s *site, send func(alert.Alert, error)) error {
			return c.listSite(ctx, s, q, send)
		}, yield)
		if err != nil {
			yield(alert.Alert{}, fault.At(err, c.name, "list findings"))
		}
	}
}

// scatter calls read for every site that is to be read for some scopes, a few at a time,
// and yields what they send. It returns when all have, what went wrong; nil when yield was
// left.
func (c *Client) scatter(ctx context.Context, scopes []alert.Scope, read func(context.Context, *site, func(alert.Alert, error)) error,
	yield func(alert.Alert, error) bool,
) error {
	sites, err := c.sitesFor(ctx, scopes)
	if err != nil {
		return err
	}
	todo, dead := open(sites)
	var failures []siteError
	for _, s := range dead {
		failures = append(failures, siteError{s, s.err})
	}
	if len(todo) == 0 && len(dead) == 0 {
		return c.nowhere()
	}
	type found struct {
		alert alert.Alert
		err   error
	}
	inner, cancel := context.WithCancel(ctx)
	out := make(chan found, maxIDs)
	send := func(a alert.Alert, err error) {
		select {
		case out <- found{a, err}:
		case <-inner.Done():
		}
	}
	var mu sync.Mutex
	worked := false
	go func() {
		defer close(out)
		each(todo, func(s *site) {
			if inner.Err() != nil {
				return
			}
			err := read(inner, s, send)
			mu.Lock()
			defer mu.Unlock()
			worked = worked || err == nil
			if err != nil && inner.Err() == nil {
				failures = append(failures, siteError{s, err})
			}
		})
	}()
	left := false
	for f := range out {
		if !left && !yield(f.alert, f.err) {
			left = true
			cancel() // and drain: nothing outlives the loop over it
		}
	}
	cancel()
	if left {
		return nil
	}
	return c.sum(ctx, failures, worked)
}

// sitesFor gives the sites that may list findings of some scopes.
func (c *Client) sitesFor(ctx context.Context, scopes []alert.Scope) ([]*site, error) {
	if len(scopes) == 0 {
		return c.known(ctx)
	}
	sites, err := c.surveyWithin(ctx, scopes)
	if err == nil && len(sites) == 0 {
		err = c.outside()
	}
	return sites, err
}

// listSite sends the findings of one site that a query may match.
func (c *Client) listSite(ctx context.Context, s *site, q alert.Query, send func(alert.Alert, error)) error {
	seen := map[string]struct{}{}
	read := func(ls []listing) error {
		for _, l := range ls {
			if err := c.listOne(ctx, s, l, seen, send); err != nil {
				return err
			}
		}
		return nil
	}
	err := read(s.narrowed(listings(q), q))
	if (q.Hash != "" || len(q.Scopes) > 0) && fault.Is(err, fault.Invalid) {
		return read(withoutHash(q))
	}
	return err
}

// listOne walks one list. Pages of findings are read while the next ids are asked for.
func (c *Client) listOne(ctx context.Context, s *site, l listing, seen map[string]struct{}, send func(alert.Alert, error)) error {
	pages, ctx := errgroup.WithContext(ctx)
	pages.SetLimit(pageWorkers)
	walkErr := s.walk(ctx, l, func(p idPage) bool {
		var ids []string
		for _, id := range p.ids {
			if _, known := seen[id]; !known {
				seen[id] = struct{}{}
				ids = append(ids, id)
			}
		}
		if len(ids) == 0 {
			return true
		}
		pages.Go(func() error {
			raws, _, err := s.all(ctx, ids)
			if err != nil {
				return err
			}
			as, bad, err := c.alerts(ctx, s, raws)
			for _, a := range as {
				send(a, nil)
			}
			for i := range bad {
				send(alert.Alert{}, &bad[i])
			}
			return err
		})
		return true
	})
	err := pages.Wait()
	if err != nil { // it is why the walk was cancelled, if it was
		return err
	}
	return walkErr
}

// walk reads a list to its end, page by page; an empty page may have a successor.
func (s *site) walk(ctx context.Context, l listing, page func(idPage) bool) error {
	for token := ""; ; {
		p, err := s.list(ctx, l, token, maxIDs)
		if err != nil || !page(p) {
			return err
		}
		if token = p.next; token == "" {
			return nil
		}
	}
}

// all reads the findings of a page. What is missing is asked for once more: the answer
// may leave ids out without a word.
func (s *site) all(ctx context.Context, ids []string) (raws []json.RawMessage, missing []string, err error) {
	raws, _, err = s.get(ctx, ids)
	if err != nil || len(raws) == len(ids) {
		return raws, nil, err
	}
	missing = absent(ids, raws)
	if len(missing) == 0 {
		return raws, nil, nil
	}
	more, _, err := s.get(ctx, missing)
	return append(raws, more...), absent(missing, more), err
}

// absent gives the ids that no finding has.
func absent(ids []string, raws []json.RawMessage) []string {
	have := map[string]bool{}
	for _, raw := range raws {
		have[idOf(raw)] = true
	}
	var out []string
	for _, id := range ids {
		if !have[id] {
			out = append(out, id)
		}
	}
	return out
}

func idOf(raw json.RawMessage) string {
	var head struct{ ID text }
	_ = json.Unmarshal(raw, &head)
	return string(head.ID)
}

// alerts decodes findings. One that cannot be read is bad, and the others are not.
func (c *Client) alerts(ctx context.Context, s *site, raws []json.RawMessage) (as []alert.Alert, bad []source.BadItem, err error) {
	for _, raw := range raws {
		f, err := decodeFinding(raw)
		if err != nil {
			bad = append(bad, *badItem(raw, err))
			continue
		}
		more, err := s.shortened(ctx, f)
		if err != nil {
			return as, bad, err
		}
		as = append(as, f.alert(c.name, raw, s.here(), more))
	}
	return as, bad, nil
}

// shortened reads the whole malware scan of a finding whose list of files was cut. Every
// read does, so that an alert has the same files however it was read; where AWS does not
// let us, none does.
func (s *site) shortened(ctx context.Context, f *finding) ([]scanThreat, error) {
	scan := f.Service.VolumeScan
	if !scan.Detections.ByName.Shortened || scan.ScanID == "" {
		return nil, nil
	}
	more, err := s.scanThreats(ctx, string(scan.ScanID))
	switch fault.KindOf(err) {
	case fault.Denied, fault.NotFound, fault.Invalid:
		return nil, nil
	}
	return more, err
}

// joinBad adds unreadable items to an error, each a *source.BadItem.
func joinBad(err error, bad []source.BadItem) error {
	for i := range bad {
		err = errors.Join(err, &bad[i])
	}
	return err
}
