package triage

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/source"
)

// chunk is how many alerts one transaction takes in.
const chunk = 400

// maxRestarts bounds how often one window is read again because its token died.
const maxRestarts = 5

// tinyWindow is the shortest window that is still halved.
const tinyWindow = 2 * time.Millisecond

// puller reads one source's feeds into the store.
type puller struct {
	*Service
	src   source.Source
	feed  source.Feeder
	sid   alert.SourceID
	lease *ledger.Lease
	sum   *SourceSummary
	stop  func() bool
	ids   *distinct[string]   // of the alerts that were read
	saw   func(ledger.JobKey) // every file that a new alert names
	part  Environment
	// onPage sees each page before it is taken in; nil: nobody.
	onPage func(context.Context, []alert.Alert) error
}

// pull reads everything new of the source: each stream, by creation and by change.
func (p *puller) pull(ctx context.Context) error {
	feeds := []source.Change{source.Created, source.Updated}
	if p.src.Traits().NoUpdated {
		feeds = feeds[1:]
	}
	return p.each(ctx, func(st source.Stream) error {
		for _, by := range feeds {
			if err := p.follow(ctx, st, by); err != nil || p.stop() {
				return err
			}
		}
		return nil
	})
}

// streamsAtOnce bounds how many streams of a source are read side by side: each has
// two pages in memory.
const streamsAtOnce = 4

// each calls read for every stream, several at once. One that fails does not keep the
// others from being read: what went wrong is a *streamErrors. Only a stop, or the end of
// the context, leaves streams out.
func (p *puller) each(ctx context.Context, read func(source.Stream) error) error {
	streams, err := p.streams(ctx)
	if err != nil {
		return err
	}
	errs := make([]error, len(streams))
	slots := make(chan struct{}, streamsAtOnce)
	var wg sync.WaitGroup
	for i, st := range streams {
		slots <- struct{}{}
		if p.stop() || ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = read(st)
		})
	}
	wg.Wait()
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	switch {
	case ctx.Err() != nil && len(errs) == 0:
		return ctx.Err()
	case len(errs) == 0:
		return nil
	case len(streams) == 1:
		return errs[0]
	}
	return &streamErrors{errs: errs, all: len(errs) == len(streams)}
}

// streams gives those that may have alerts of the environment.
func (p *puller) streams(ctx context.Context) ([]source.Stream, error) {
	if sc, ok := p.feed.(source.Scoper); ok && !p.part.all() {
		return sc.StreamsWithin(ctx, p.part.Scopes)
	}
	return p.feed.Streams(ctx)
}

// streamErrors is what went wrong with some streams of a source.
type streamErrors struct {
	errs []error
	all  bool // no stream could be read
}

func (e *streamErrors) Error() string   { return errors.Join(e.errs...).Error() }
func (e *streamErrors) Unwrap() []error { return e.errs }

// wholly reports whether an error is about a whole source, and not some of its streams.
func wholly(err error) bool {
	e, streams := errors.AsType[*streamErrors](err)
	return err != nil && (!streams || e.all || errors.Is(err, ledger.ErrStale) || fault.Is(err, fault.Interrupted))
}

// apart gives the errors of the streams one by one.
func apart(err error) []error {
	if e, ok := errors.AsType[*streamErrors](err); ok && !errors.Is(err, ledger.ErrStale) {
		return e.errs
	}
	return []error{err}
}

// follow brings one feed up to date: it finishes a pass that a crash cut short,
// then makes a pass of its own.
func (p *puller) follow(ctx context.Context, st source.Stream, by source.Change) error {
	key := ledger.CursorKey{Source: p.sid, Stream: p.part.stream(st.Name), By: string(by)}
	cur, err := p.cursor(ctx, key)
	if err != nil {
		return err
	}
	if cur.Pass != nil {
		if err := p.run(ctx, st, by, cur); err != nil || p.stop() {
			return err
		}
	}
	set := p.Settings.withDefaults()
	tr := p.src.Traits()
	overlap := tr.Overlap
	if set.Overlap > 0 {
		overlap = set.Overlap
	}
	to := st.Now.Add(-tr.Settle)
	from := to.Add(-set.LookBack)
	if !cur.Watermark.IsZero() {
		from = cur.Watermark.Add(-overlap)
	}
	if !from.Before(to) {
		return nil
	}
	cur.Pass = &ledger.Pass{From: from, To: to, Windows: spans(from, to, tr.MaxWindow)}
	return p.run(ctx, st, by, cur)
}

// since reads one more window by creation and moves no watermark.
func (p *puller) since(ctx context.Context, from time.Time) error {
	return p.each(ctx, func(st source.Stream) error {
		if !from.Before(st.Now) {
			return nil
		}
		cur := &ledger.Cursor{Pass: &ledger.Pass{From: from, To: st.Now, Windows: spans(from, st.Now, p.src.Traits().MaxWindow)}}
		return p.run(ctx, st, source.Created, cur)
	})
}

// spans cuts [from, to] into windows that the product accepts.
func spans(from, to time.Time, limit time.Duration) []ledger.Span {
	var out []ledger.Span
	for limit > 0 && to.Sub(from) > limit {
		mid := from.Add(limit)
		out = append(out, ledger.Span{From: from, To: mid})
		from = mid // inclusive on both sides: seen twice is harmless, missed is not
	}
	return append(out, ledger.Span{From: from, To: to})
}

func (p *puller) cursor(ctx context.Context, key ledger.CursorKey) (*ledger.Cursor, error) {
	var cur *ledger.Cursor
	err := p.Store.View(ctx, func(tx ledger.Tx) (err error) {
		cur, err = tx.Cursor(key)
		return err
	})
	if cur == nil {
		cur = &ledger.Cursor{CursorKey: key}
	}
	return cur, err
}

// reply is a page on its way.
type reply struct {
	page source.Page
	err  error
}

// run reads a pass to its end. While a page is being committed the next one is
// already asked for.
func (p *puller) run(ctx context.Context, st source.Stream, by source.Change, cur *ledger.Cursor) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ask := func(w ledger.Span, token string) <-chan reply {
		ch := make(chan reply, 1) // buffered: an abandoned answer is dropped, not leaked
		go func() {
			pg, err := p.feed.Page(ctx, st, source.Window{By: by, From: w.From, To: w.To}, token)
			pg.Alerts = p.part.keeps(pg.Alerts)
			for i := range pg.Alerts {
				pg.Alerts[i].Raw = nil // nothing of it is stored, and a thousand of them are megabytes
			}
			ch <- reply{pg, err}
		}()
		return ch
	}
	restarts := 0
	pass := cur.Pass
	next := ask(pass.Windows[0], pass.Token)
	for {
		r := <-next
		switch {
		case errors.Is(r.err, source.ErrToken) && pass.Token != "" && restarts < maxRestarts:
			restarts++
			pass.Token = ""
			next = ask(pass.Windows[0], "")
			continue
		case r.err != nil:
			return r.err
		}
		over, err := advance(pass, r.page)
		if err != nil {
			return fault.At(err, p.src.Name(), "read alerts")
		}
		stop := p.stop()
		if !over && !stop {
			next = ask(pass.Windows[0], pass.Token)
		}
		if over {
			cur.Watermark, cur.Pass = pass.To, nil
		}
		if err := p.commit(ctx, r.page, cur); err != nil {
			cancel()
			return err
		}
		if over || stop {
			return nil
		}
	}
}

// advance moves a pass past a page: to the next page, the halves of a window that
// came back full, or the next window. It reports whether the pass is over.
func advance(pass *ledger.Pass, pg source.Page) (bool, error) {
	pass.Alerts += len(pg.Alerts)
	w := pass.Windows[0]
	switch {
	case pg.Full:
		half := w.To.Sub(w.From) / 2
		if half < tinyWindow/2 {
			return false, fault.New(fault.Unavailable, "more alerts at %s than the product lists at one time", w.From.Format(time.RFC3339Nano))
		}
		mid := w.From.Add(half)
		pass.Windows = append([]ledger.Span{{From: w.From, To: mid}, {From: mid, To: w.To}}, pass.Windows[1:]...)
		pass.Token = ""
		return false, nil
	case pg.Next != "":
		pass.Token = pg.Next
		return false, nil
	}
	pass.Windows, pass.Token = pass.Windows[1:], ""
	return len(pass.Windows) == 0, nil
}
