package triage

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"edrc/internal/ledger"
)

// stopGrace is how long a run that is to stop lets transfers go on that are nearly
// through; the next run carries on those that are not.
const stopGrace = 10 * time.Second

// carrier moves files beside the judging of others: one large upload must not hold up
// a hundred look-ups.
type carrier struct {
	slots   chan struct{}
	flying  atomic.Int64
	landed  chan error
	ctx     context.Context
	abandon context.CancelFunc
	all     sync.WaitGroup
}

func newCarrier(ctx context.Context, slots int) *carrier {
	ctx, abandon := context.WithCancel(ctx)
	return &carrier{slots: make(chan struct{}, slots), landed: make(chan error, slots), ctx: ctx, abandon: abandon}
}

// take starts a step that moves a file, and reports whether there was room for it.
func (c *carrier) take(step func(context.Context) error) bool {
	select {
	case c.slots <- struct{}{}:
	default:
		return false
	}
	c.flying.Add(1)
	c.all.Go(func() {
		err := step(c.ctx)
		<-c.slots
		c.landed <- err
	})
	return true
}

// wait gives 1 once a transfer has ended, 0 when none is under way. stop is asked
// every now and then; grace later, what is still under way is abandoned.
func (c *carrier) wait(stop func() bool, grace time.Duration) (int, error) {
	var stopped time.Time
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for c.flying.Load() > 0 {
		select {
		case err := <-c.landed:
			c.flying.Add(-1)
			return 1, err
		case now := <-tick.C:
			switch {
			case !stop():
			case stopped.IsZero():
				stopped = now
			case now.Sub(stopped) >= grace:
				c.abandon()
			}
		}
	}
	return 0, nil
}

// close abandons what is under way and waits for its end.
func (c *carrier) close() {
	c.abandon()
	go func() {
		c.all.Wait()
		close(c.landed)
	}()
	for range c.landed {
	}
}

// carry starts a transfer, or puts the job back for a moment when enough are under way.
func (r *syncer) carry(j *ledger.Job) error {
	before := j.State
	started := r.carrier.take(func(ctx context.Context) error {
		err := r.Scanner.Step(ctx, j)
		if ctx.Err() != nil {
			err = nil // abandoned: the next run carries it on
		}
		return r.stepped(j, before, err)
	})
	if started {
		return nil
	}
	return r.Scanner.PutBack(r.carrier.ctx, j, time.Second)
}
