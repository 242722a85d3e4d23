package httpx

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"edrc/internal/fault"
)

// maxErrorBody bounds what is read of an answer that is an error, in bytes.
const maxErrorBody = 64 << 10

// errSlow is why an attempt's context ends when the vendor took too long.
var errSlow = errors.New("no answer in time")

// outcome is what one attempt came to: an answer, or an error with what may be
// done about it.
type outcome struct {
	resp *http.Response
	body []byte    // read whole, unless the caller streams
	x    *exchange // kept open when the caller streams

	err       error
	retry     bool          // sending it again does no harm and may help
	stale     bool          // a 401 from Base: a renewed credential may help
	throttled bool          // a 429: the whole rate class should wait
	asked     time.Duration // the wait that the vendor asked for
	named     bool          // it did ask; 0 is "at once"
	renewals  uint64        // the credential that was used, by number
	broken    fault.Kind    // what an answer that cannot be decoded is
}

// exchange is one attempt on the wire, over its redirects.
type exchange struct {
	k       *call
	ctx     context.Context // of this attempt
	cancel  context.CancelCauseFunc
	watch   *time.Timer // ends the attempt when it takes too long
	sent    departure
	try     int
	started time.Time
	secrets []string // values that must not come back in a message
	body    progress
	at      *url.URL // of the present hop
	foreign string   // the other host that is spoken to, after a redirect; "" is Base
}

// attempt sends the request once. Authorize comes before the place on the wire is
// taken: it may need one itself.
func (k *call) attempt(ctx context.Context, try int) *outcome {
	renewals := k.c.renewals.Load() // before Authorize: a renewal in between counts as one
	header, secrets, err := k.header(ctx)
	if err != nil {
		if ctx.Err() != nil {
			err = stopped(ctx)
		}
		return &outcome{err: err}
	}
	if err := k.c.enter(ctx); err != nil {
		return &outcome{err: stopped(ctx)}
	}
	defer k.c.leave()
	x := k.start(ctx, try, secrets)
	resp, err := x.follow(header)
	var o *outcome
	if err != nil {
		o = x.failed(ctx, err)
	} else {
		o = x.judge(ctx, resp)
	}
	o.renewals = renewals
	x.trace(resp, o.err)
	x.noteEnd(resp)
	if k.stream && o.err == nil {
		x.watch.Stop() // from here on Read watches
		o.x = x
		return o
	}
	x.end()
	return o
}

func (k *call) start(ctx context.Context, try int, secrets []string) *exchange {
	x := &exchange{k: k, try: try, at: k.url, secrets: secrets, started: k.c.cfg.Now()}
	x.ctx, x.cancel = context.WithCancelCause(ctx)
	x.ctx = x.sent.watch(x.ctx)
	x.watch = time.AfterFunc(k.timeout(), func() { x.cancel(errSlow) })
	if !sameOrigin(k.c.base, k.url) {
		x.foreign = k.url.Host
	}
	return x
}

// end releases what the attempt holds.
func (x *exchange) end() {
	x.body.over()
	x.watch.Stop()
	x.cancel(nil)
}

// readBody reads an answer, at most limit bytes and one more.
func (k *call) readBody(resp *http.Response, limit int64) ([]byte, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(body)) < min(resp.ContentLength, limit) && k.r.Method != http.MethodHead {
		err = io.ErrUnexpectedEOF // the real transport says so itself; others may not
	}
	return body, err
}

// departure watches whether a request can have left this machine.
type departure struct{ asked, got atomic.Bool }

func (d *departure) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		// The transport asks again only when nothing was written before, or for a GET.
		GetConn: func(string) { d.got.Store(false); d.asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { d.got.Store(true) },
	})
}

// excluded reports that err came before there was a connection to send on. A
// transport that does not tell (one in memory) is believed only a dial error.
func (d *departure) excluded(err error) bool {
	if d.got.Load() {
		return false
	}
	return d.asked.Load() || dialFailure(err)
}
