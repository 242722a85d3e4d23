package sourcetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/sample"
	"edrc/internal/source"
)

// FetchVendor is the Vendor of a product that is a source.Fetcher.
type FetchVendor interface {
	Vendor
	// AddFile makes an alert about a file that the product has, on an endpoint that is
	// online or not. It gives the alert's id.
	AddFile(t *testing.T, online bool) string
	// Online takes the endpoint of an alert offline, or brings it back.
	Online(t *testing.T, id string, online bool)
	// FetchTime sets how long the product takes to have a file ready, for those under
	// way too.
	FetchTime(t *testing.T, d time.Duration)
	// Expire ends what is ready for an alert: it cannot be opened any more.
	Expire(t *testing.T, id string)
	// Fetches gives how often the product was made to get the file of an alert.
	Fetches(t *testing.T, id string) int
}

// checkFetch: a file comes, under the password that was asked for, whatever happens
// on the way; and a ticket is all that another process needs.
func checkFetch(t *testing.T, h Harness) {
	capability[source.Fetcher](t, h.New(t).Source(t, patience))
	for _, c := range []struct {
		name  string
		check func(*testing.T, *fetching)
	}{
		{"ready", checkFetchReady}, {"carried on by other processes", checkFetchCarried},
		{"unreachable, then online", checkFetchUnreachable}, {"lost", checkFetchLost}, {"none", checkFetchNone},
		{"other tickets", checkFetchTickets}, {"cancel", checkFetchCancel}, {"token", checkFetchToken},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.check(t, newFetching(t, h, patience))
		})
	}
	for _, kind := range []string{"429=0.2", "500=0.3", "503=0.3", "reset=0.3", "truncate=0.3", "html=0.3", "timeout=0.1", "reset@after=0.5", "500@after=0.5"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			timeout := patience
			if strings.HasPrefix(kind, "timeout") {
				timeout = 2 * time.Second
			}
			f := newFetching(t, h, timeout)
			r := f.request(t, f.v.AddFile(t, true))
			f.v.Faults(t, kind)
			f.open(t, f.await(t, f.start(t, r)), r)
		})
	}
}

// fetching is one vendor, a client of it, and a spool.
type fetching struct {
	v       FetchVendor
	s       source.Source
	f       source.Fetcher
	spool   *sample.Spool
	timeout time.Duration
}

func newFetching(t *testing.T, h Harness, timeout time.Duration) *fetching {
	t.Helper()
	v, ok := h.New(t).(FetchVendor)
	if !ok {
		t.Fatal("the product is a Fetcher, and its vendor is no FetchVendor")
	}
	spool, err := sample.OpenSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = spool.Close() })
	f := &fetching{v: v, spool: spool, timeout: timeout}
	f.restart(t)
	return f
}

// restart is another process: nothing of the client before is left.
func (f *fetching) restart(t *testing.T) {
	t.Helper()
	f.s = f.v.Source(t, f.timeout)
	f.f = capability[source.Fetcher](t, f.s)
}

// request asks for the file of an alert, the first time.
func (f *fetching) request(t *testing.T, id string) source.FetchRequest {
	t.Helper()
	for _, a := range listAll(t, capability[source.Lister](t, f.s), alert.Query{}) {
		if a.ID == id && len(a.Files) > 0 {
			return f.attempt(source.FetchRequest{Handle: a.Handle, File: a.Files[0], Endpoint: true}, 1)
		}
	}
	t.Fatalf("the alert %s has no file", id)
	return source.FetchRequest{}
}

// attempt gives a request the password of an attempt.
func (f *fetching) attempt(r source.FetchRequest, n int) source.FetchRequest {
	r.Attempt, r.Password = n, fmt.Sprintf("Infected_%d-%.8s", n, r.Handle.ID)
	return r
}

// again repeats a step as its contract allows: after a fault of the product.
func again[T any](t *testing.T, step func() (T, error)) T {
	t.Helper()
	for try := 1; ; try++ {
		out, err := step()
		if err == nil {
			return out
		}
		if k := fault.KindOf(err); try == 60 || k != fault.Unavailable && k != fault.RateLimited {
			t.Fatalf("try %d: %v", try, err)
		}
	}
}

func (f *fetching) start(t *testing.T, r source.FetchRequest) source.FetchStep {
	t.Helper()
	step := again(t, func() (source.FetchStep, error) { return f.f.StartFetch(context.Background(), r) })
	f.sound(t, step, r)
	return step
}

func (f *fetching) poll(t *testing.T, ticket source.Ticket, r source.FetchRequest) source.FetchStep {
	t.Helper()
	step := again(t, func() (source.FetchStep, error) { return f.f.PollFetch(context.Background(), ticket) })
	f.sound(t, step, r)
	return step
}

// sound checks what holds of every step.
func (f *fetching) sound(t *testing.T, step source.FetchStep, r source.FetchRequest) {
	t.Helper()
	raw, err := json.Marshal(step.Ticket)
	switch {
	case err != nil || len(step.Ticket.Data) > 4<<10:
		t.Errorf("the ticket has %d bytes of its own, %v", len(step.Ticket.Data), err)
	case strings.Contains(string(raw), r.Password):
		t.Error("the ticket has the password")
	case step.Ticket.Handle.ID != r.Handle.ID || step.Ticket.Attempt != r.Attempt || step.Ticket.File != r.File:
		t.Errorf("the ticket is about something else: %s", raw)
	case step.State == source.FetchPending && (step.Ticket.Started.IsZero() || step.Retry <= 0):
		t.Errorf("pending since %s, next step after %s", step.Ticket.Started, step.Retry)
	case (step.State == source.FetchUnreachable || step.State == source.FetchNone) && step.Reason == "":
		t.Errorf("%s without a reason", step.State)
	}
}

// await polls until the file is ready.
func (f *fetching) await(t *testing.T, step source.FetchStep) source.Ticket {
	t.Helper()
	r := source.FetchRequest{Handle: step.Ticket.Handle, File: step.Ticket.File, Attempt: step.Ticket.Attempt, Password: "no ticket has this"}
	for deadline := time.Now().Add(time.Minute); step.State == source.FetchPending; step = f.poll(t, step.Ticket, r) {
		if time.Now().After(deadline) {
			t.Fatal("the file does not come")
		}
		time.Sleep(min(step.Retry, 20*time.Millisecond)) // the vendor's time is real
	}
	if step.State != source.FetchReady {
		t.Fatalf("%s: %s", step.State, step.Reason)
	}
	return step.Ticket
}

// open downloads the archive and looks for the alert's file in it.
func (f *fetching) open(t *testing.T, ticket source.Ticket, r source.FetchRequest) {
	t.Helper()
	ctx := context.Background()
	a := again(t, func() (*sample.Archive, error) { return f.f.OpenFetch(ctx, ticket, r.Password, f.spool) })
	defer a.Close()
	if a.Password() != r.Password {
		t.Errorf("the archive opens under %q; another process will ask for %q", a.Password(), r.Password)
	}
	c, err := sample.Inspect(ctx, a, sample.DefaultLimits(), r.File.Hashes)
	if err != nil || !c.Hashes.Has(r.File.Best()) {
		t.Errorf("the archive has %s %q, not the file: %v", c.Hashes.Best(), c.Name, err)
	}
}

// carry is what another process gets of a ticket.
func carry(t *testing.T, ticket source.Ticket) source.Ticket {
	t.Helper()
	raw, err := json.Marshal(ticket)
	var out source.Ticket
	if err = errors.Join(err, json.Unmarshal(raw, &out)); err != nil {
		t.Fatal(err)
	}
	return out
}

func checkFetchReady(t *testing.T, f *fetching) {
	id := f.v.AddFile(t, true)
	r := f.request(t, id)
	f.open(t, f.await(t, f.start(t, r)), r)
	if n := f.v.Fetches(t, id); n != 1 {
		t.Errorf("the product got the file %d times", n)
	}
	// The same attempt again, and the next one right behind it: each has its own password.
	f.open(t, f.await(t, f.start(t, r)), r)
	next := f.attempt(r, 2)
	f.open(t, f.await(t, f.start(t, next)), next)
}

func checkFetchCarried(t *testing.T, f *fetching) {
	id := f.v.AddFile(t, true)
	r := f.request(t, id)
	f.v.FetchTime(t, time.Hour)
	ticket := carry(t, f.start(t, r).Ticket)
	for range 3 {
		f.restart(t)
		step := f.poll(t, ticket, r)
		if step.State != source.FetchPending {
			t.Fatalf("%s: %s", step.State, step.Reason)
		}
		ticket = carry(t, step.Ticket)
	}
	f.v.FetchTime(t, 0)
	f.restart(t)
	step := f.poll(t, ticket, r)
	if step.State != source.FetchReady {
		t.Fatalf("%s: %s", step.State, step.Reason)
	}
	f.restart(t)
	f.open(t, carry(t, step.Ticket), r)
	f.open(t, carry(t, step.Ticket), r) // as after a crash
	if n := f.v.Fetches(t, id); n != 1 {
		t.Errorf("the product got the file %d times", n)
	}
}

func checkFetchUnreachable(t *testing.T, f *fetching) {
	id := f.v.AddFile(t, false)
	r := f.request(t, id)
	step := f.start(t, r)
	for range 2 {
		if step.State != source.FetchUnreachable || f.v.Fetches(t, id) > 0 {
			t.Fatalf("%s: %s; %d fetches", step.State, step.Reason, f.v.Fetches(t, id))
		}
		f.restart(t)
		step = f.poll(t, carry(t, step.Ticket), r)
	}
	f.v.Online(t, id, true)
	if step = f.poll(t, carry(t, step.Ticket), r); step.State == source.FetchLost {
		step = f.start(t, r)
	}
	f.open(t, f.await(t, step), r)
}

func checkFetchLost(t *testing.T, f *fetching) {
	id := f.v.AddFile(t, true)
	r := f.request(t, id)
	ticket := f.await(t, f.start(t, r))
	f.v.Expire(t, id)
	if a, err := f.f.OpenFetch(context.Background(), ticket, r.Password, f.spool); !fault.Is(err, fault.Gone) {
		t.Fatalf("opened %v, %v; want gone", a, err)
	}
	next := f.attempt(r, 2)
	f.open(t, f.await(t, f.start(t, next)), next)
}

func checkFetchNone(t *testing.T, f *fetching) {
	id := f.v.AddFile(t, true)
	r := f.request(t, id)
	f.v.Purge(t, id)
	if step := f.start(t, r); step.State != source.FetchNone {
		t.Errorf("an alert that is gone: %s, %s", step.State, step.Reason)
	}
	r.Handle = alert.Handle{ID: "no such alert"}
	if step := f.start(t, r); step.State != source.FetchNone {
		t.Errorf("an alert that cannot be: %s, %s", step.State, step.Reason)
	}
	r.Handle = alert.Handle{}
	if step := f.start(t, r); step.State != source.FetchNone {
		t.Errorf("no alert: %s, %s", step.State, step.Reason)
	}
}

// checkFetchTickets: a ticket that is damaged, or that somebody wrote by hand, is
// refused or lost; it leads nowhere.
func checkFetchTickets(t *testing.T, f *fetching) {
	r := f.request(t, f.v.AddFile(t, true))
	good := f.await(t, f.start(t, r))
	for _, data := range []string{``, `null`, `7`, `[]`, `"text"`, `{}`, `{"path":7}`} {
		bad := good
		bad.Data = json.RawMessage(data)
		if step, err := f.f.PollFetch(context.Background(), bad); err == nil && step.State != source.FetchLost {
			t.Errorf("%s: polled as %s", data, step.State)
		}
		if a, err := f.f.OpenFetch(context.Background(), bad, r.Password, f.spool); err == nil {
			t.Errorf("%s: opened as %v", data, a)
		}
	}
	f.open(t, good, r)
}

// steps are the three calls, on a file that is ready.
func (f *fetching) steps(r source.FetchRequest, ready, pending source.Ticket) []attempt {
	return []attempt{
		{"start", func(ctx context.Context) error { _, err := f.f.StartFetch(ctx, r); return err }},
		{"poll", func(ctx context.Context) error { _, err := f.f.PollFetch(ctx, pending); return err }},
		{"open", func(ctx context.Context) error { _, err := f.f.OpenFetch(ctx, ready, r.Password, f.spool); return err }},
	}
}

func checkFetchCancel(t *testing.T, f *fetching) {
	r := f.request(t, f.v.AddFile(t, true))
	pending := f.start(t, r)
	ready := f.await(t, pending)
	f.v.Faults(t, "timeout=1")
	for _, step := range f.steps(r, ready, pending.Ticket) {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(50*time.Millisecond, cancel)
		started := time.Now()
		if err := step.do(ctx); !fault.Is(err, fault.Interrupted) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want an interruption", step.name, err)
		}
		if took := time.Since(started); took > 10*time.Second {
			t.Errorf("%s took %s", step.name, took)
		}
	}
}

func checkFetchToken(t *testing.T, f *fetching) {
	r := f.request(t, f.v.AddFile(t, true))
	pending := f.start(t, r)
	ready := f.await(t, pending)
	f.v.Revoke(t)
	for _, step := range f.steps(r, ready, pending.Ticket) {
		if err := step.do(context.Background()); !fault.Is(err, fault.Auth) {
			t.Errorf("%s: %v, want auth", step.name, err)
		}
	}
}
