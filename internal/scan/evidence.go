package scan

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/sample"
	"edrc/internal/source"
)

// CollectOptions say how a file is collected as evidence; all of them must be set.
type CollectOptions struct {
	// Wait is how long the product may take; 0 asks it and looks once.
	Wait time.Duration
	// Password is that of the archive that comes of it.
	Password string
	// Now and Sleep are the clock.
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
	// Tell is told where it stands, in a few words.
	Tell func(string)
}

// Collect gets one file of an alert from its product, compares its bytes with the
// alert's hashes, and packs it anew on the spool: an AES-256 zip of one entry with
// o.Password, under a name that every system can unpack. Close the archive. h names
// the source by its memory's key; no engine is asked, and nothing is remembered.
//
// An archive that cannot be opened, or is gone again, is asked for anew under another
// password, a few times. Errors: fault.Unsupported when the source is no
// source.Fetcher, fault.Unavailable when the endpoint is offline or the wait is over,
// fault.NotFound when the product has no such file, fault.Corrupt for other bytes
// than the alert's.
func (f Fetching) Collect(ctx context.Context, src source.Source, h alert.Handle, file alert.File, o CollectOptions) (*sample.Archive, sample.Contents, error) {
	from, ok := src.(source.Fetcher)
	if !ok {
		return nil, sample.Contents{}, source.Cannot(src, "fetch files", alert.Alert{Handle: h})
	}
	secret, err := f.Secret()
	if err != nil {
		return nil, sample.Contents{}, err
	}
	spool, err := f.Spool(true)
	if err != nil {
		return nil, sample.Contents{}, err
	}
	c := collection{Fetching: f, CollectOptions: o, src: src, from: from, spool: spool, deadline: o.Now().Add(o.Wait)}
	for attempt := 1; ; attempt++ {
		r := source.FetchRequest{Handle: h, File: file, Attempt: attempt, Endpoint: f.Endpoint,
			Password: sample.Password(secret, string(h.Source), h.ID, attempt)}
		a, got, err := c.once(ctx, r)
		if err == nil || attempt == maxBad || !anew(err) {
			return a, got, fault.At(err, src.Name(), "fetch a file")
		}
		c.Tell("again, " + err.Error())
	}
}

// anew reports whether another archive may be better than this one.
func anew(err error) bool {
	p := sample.ProblemOf(err)
	return p == sample.Damaged || p == sample.WrongPassword || fault.Is(err, fault.Gone)
}

// collection is one file that is being collected.
type collection struct {
	Fetching
	CollectOptions
	src      source.Source
	from     source.Fetcher
	spool    *sample.Spool
	deadline time.Time
}

// once asks for the file, waits for it, takes it and packs it.
func (c *collection) once(ctx context.Context, r source.FetchRequest) (*sample.Archive, sample.Contents, error) {
	t, err := c.ready(ctx, r)
	if err != nil {
		return nil, sample.Contents{}, err
	}
	a, err := c.from.OpenFetch(ctx, t, r.Password, c.spool)
	if err != nil {
		return nil, sample.Contents{}, err
	}
	defer a.Close()
	got, err := sample.Inspect(ctx, a, sample.Limits{}, r.File.Hashes)
	if err != nil {
		return nil, sample.Contents{}, err
	}
	out, err := c.pack(ctx, a, got)
	return out, got, err
}

// ready waits until the file can be taken. When the wait ends it looks once more.
func (c *collection) ready(ctx context.Context, r source.FetchRequest) (source.Ticket, error) {
	c.Tell(ReasonFetching + ": " + c.src.Name())
	step, err := c.from.StartFetch(ctx, r)
	for err == nil {
		switch step.State {
		case source.FetchReady:
			return step.Ticket, nil
		case source.FetchUnreachable:
			return source.Ticket{}, fault.New(fault.Unavailable, "%s: %s", ReasonOffline, step.Reason)
		case source.FetchNone:
			return source.Ticket{}, fault.New(fault.NotFound, "%s: %s", NoFile, step.Reason)
		case source.FetchLost:
			return source.Ticket{}, fault.New(fault.Gone, "%s: %s", NoFile, step.Reason)
		case source.FetchPending:
		default:
			return source.Ticket{}, fault.New(fault.Unavailable, "the fetch is in a state that is not known: %q", step.State)
		}
		left := c.deadline.Sub(c.Now())
		if left <= 0 {
			return source.Ticket{}, fault.New(fault.Unavailable, "%s within %v", NoFile, c.Wait)
		}
		if err = c.Sleep(ctx, min(c.pause(step), left)); err == nil {
			step, err = c.from.PollFetch(ctx, step.Ticket)
		}
	}
	return source.Ticket{}, err
}

// pause is the wait between two looks.
func (c *collection) pause(step source.FetchStep) time.Duration {
	switch {
	case c.Poll > 0:
		return c.Poll
	case step.Retry > 0:
		return step.Retry
	}
	return defaultPoll
}

// pack encrypts the file anew, while it streams out of the product's archive.
func (c *collection) pack(ctx context.Context, a *sample.Archive, got sample.Contents) (*sample.Archive, error) {
	r, err := sample.OpenFile(ctx, a, sample.Limits{}, got)
	if err != nil {
		return nil, err
	}
	out, err := c.spool.Wrap(ctx, r, plainName(got.Name), c.Password)
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = sample.Compare(out.Hashes, got.Hashes) // it was read twice
	}
	if err != nil && out != nil {
		return nil, errors.Join(err, out.Close())
	}
	return out, err
}

// plainName makes a file's name one that any system can unpack, and that no terminal
// obeys. An attacker chose it.
func plainName(name string) string {
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || strings.ContainsRune(`<>:"/\|?*`, r) {
			return '_'
		}
		return r
	}, name)
	if name = strings.TrimRight(name, ". "); name == "" {
		return "sample"
	}
	return name
}
