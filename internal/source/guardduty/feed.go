package guardduty

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

const (
	// feedPage is how many findings a page has: eight requests, side by side.
	feedPage = 8 * maxIDs
	// maxWalk is how many ids a window may have before it is halved.
	maxWalk = 20_000
	// maxRounds bounds how often a window's ids are listed until nothing new comes.
	maxRounds = 6
)

// walk is the ids of one window, listed to the end. Pages are cut from it, so that they
// neither overlap nor leave out anything while findings are updated. It lives in this
// process alone: in another one its tokens are source.ErrToken.
type walk struct {
	window source.Window
	nonce  string
	ids    []string
	date   time.Time
	full   bool // there are more, and half the window has fewer
}

// Streams implements source.Feeder: one stream for each account and region that is to be
// read, named ACCOUNT/REGION. A place that failed is a stream, too, whose pages give its
// error; it is an error here when no other works.
func (c *Client) Streams(ctx context.Context) ([]source.Stream, error) {
	return c.StreamsWithin(ctx, nil)
}

// StreamsWithin implements source.Scoper. The stream of an administrator has findings of
// accounts outside the scopes, too.
func (c *Client) StreamsWithin(ctx context.Context, scopes []alert.Scope) ([]source.Stream, error) {
	sites, err := c.surveyWithin(ctx, scopes)
	if err != nil {
		return nil, err
	}
	if len(sites) == 0 {
		return nil, c.outside()
	}
	todo, dead := open(sites)
	if len(todo) == 0 {
		var failures []siteError
		for _, s := range dead {
			failures = append(failures, siteError{s, s.err})
		}
		if len(failures) == 0 {
			return nil, c.nowhere()
		}
		return nil, c.sum(ctx, failures, false)
	}
	now := todo[0].now
	if now.IsZero() {
		// Our own clock is no substitute: a pass would end in the vendor's future.
		return nil, &fault.Error{Kind: fault.Unavailable, Source: c.name, Op: "read AWS's clock", Msg: "the reply has no Date header; a proxy may have removed it"}
	}
	var out []source.Stream
	for _, s := range append(todo, dead...) {
		st := source.Stream{Name: s.String(), Now: s.now}
		if st.Now.IsZero() {
			st.Now = now
		}
		out = append(out, st)
	}
	return out, nil
}

// Page implements source.Feeder. Both feeds are windows of updatedAt, the one attribute
// that lists can be narrowed by; of the created one what was created elsewhen is left out.
func (c *Client) Page(ctx context.Context, st source.Stream, w source.Window, token string) (source.Page, error) {
	const op = "sync"
	s, err := c.site(ctx, st.Name)
	if err != nil {
		return source.Page{}, fault.At(err, c.name, op)
	}
	if s.err != nil {
		return source.Page{}, fault.At(s.err, c.name, op)
	}
	wk, start, err := c.walked(ctx, s, w, token)
	if err != nil {
		return source.Page{}, fault.At(err, c.name, op)
	}
	if wk.full {
		return source.Page{Full: true, Date: wk.date}, nil
	}
	end := min(start+feedPage, len(wk.ids))
	as, bad, err := c.read(ctx, s, wk.ids[start:end])
	if err != nil {
		return source.Page{}, fault.At(err, c.name, op)
	}
	if w.By == source.Created {
		as = slices.DeleteFunc(as, func(a alert.Alert) bool {
			return a.Created.Before(w.From.Truncate(time.Millisecond)) || a.Created.After(ceil(w.To))
		})
	}
	p := source.Page{Alerts: as, Bad: bad, Date: wk.date}
	if end < len(wk.ids) {
		p.Next = wk.nonce + "." + strconv.Itoa(end)
		return p, nil
	}
	c.forget(s, wk)
	return p, nil
}

// walked gives the walk that a token belongs to, and where its page starts; a new walk
// for no token.
func (c *Client) walked(ctx context.Context, s *site, w source.Window, token string) (*walk, int, error) {
	c.mu.Lock()
	old := c.walks[s.String()]
	c.mu.Unlock()
	if token != "" {
		nonce, number, _ := strings.Cut(token, ".")
		start, err := strconv.Atoi(number)
		if old == nil || err != nil || nonce != old.nonce || start <= 0 || start >= len(old.ids) || !sameWindow(old.window, w) {
			return nil, 0, fault.New(fault.Gone, "%s: the ids of this window are not known any more: %w", s.String(), source.ErrToken)
		}
		return old, start, nil
	}
	wk, err := s.listAll(ctx, w)
	if err != nil {
		return nil, 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.walks[s.String()] = wk
	return wk, 0, nil
}

// forget lets go of a walk that was read to its end.
func (c *Client) forget(s *site, wk *walk) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.walks[s.String()] == wk {
		delete(c.walks, s.String())
	}
}

func sameWindow(a, b source.Window) bool {
	return a.By == b.By && a.From.Equal(b.From) && a.To.Equal(b.To)
}

// listAll lists the ids of a window until a whole round brings nothing new. A finding
// that is updated meanwhile leaves the window, where the next one has it, and may shift
// another one over the edge of a page; one page alone has no edge.
func (s *site) listAll(ctx context.Context, w source.Window) (*walk, error) {
	wk := &walk{window: w, nonce: rand.Text()}
	// Of creation the list knows no end, so that half a window is as long as the whole.
	halves := w.By == source.Updated && w.To.Sub(w.From) > time.Second
	seen := map[string]struct{}{}
	for round := 1; ; round++ {
		pages, fresh := 0, 0
		err := s.walk(ctx, window(w), func(p idPage) bool {
			pages++
			if wk.date.IsZero() {
				wk.date = p.date
			}
			for _, id := range p.ids {
				if _, known := seen[id]; !known {
					seen[id] = struct{}{}
					wk.ids = append(wk.ids, id)
					fresh++
				}
			}
			wk.full = halves && len(wk.ids) > maxWalk
			return !wk.full
		})
		if err != nil {
			return nil, err
		}
		if pages <= 1 || round > 1 && fresh == 0 || round == maxRounds || wk.full {
			return wk, nil
		}
	}
}

// read gets findings in requests of 50, several at once.
func (c *Client) read(ctx context.Context, s *site, ids []string) (as []alert.Alert, bad []source.BadItem, err error) {
	chunks := slices.Collect(slices.Chunk(ids, maxIDs))
	raws := make([][]json.RawMessage, len(chunks))
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(pageWorkers)
	for i, chunk := range chunks {
		g.Go(func() (err error) {
			raws[i], _, err = s.all(inner, chunk)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	return c.alerts(ctx, s, slices.Concat(raws...))
}

// site gives the site of a stream.
func (c *Client) site(ctx context.Context, name string) (*site, error) {
	sites := c.last(true)
	if sites == nil {
		var err error
		if sites, err = c.known(ctx); err != nil {
			return nil, err
		}
	}
	for _, s := range sites {
		if s.String() == name && (s.err != nil || s.state == StateEnabled) {
			return s, nil
		}
	}
	return nil, fault.New(fault.Invalid, "there is no stream %q: its account or region is not configured any more, or GuardDuty is off", name)
}
