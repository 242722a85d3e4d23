package guardduty

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"edrc/internal/alert"
	"edrc/internal/awsconn"
	"edrc/internal/fault"
)

// The states of an account and region.
const (
	StateEnabled = "enabled"
	StateOff     = "off"    // GuardDuty is not switched on there
	StateDenied  = "denied" // we may not ask
	StateError   = "error"
)

// site is one account and region, and what was found there. One whose region is
// awsconn.All stands for what could not be found out, and is an error.
type site struct {
	account, region string
	conn            *awsconn.Conn
	api             calls
	state           string
	detector        string
	admin           string // account that administers this one; "" none, or not asked
	covered         bool   // admin's own site lists these findings
	suspended       bool
	now             time.Time
	err             error // why it is denied or in error
}

func (s *site) String() string { return s.account + "/" + s.region }

// here is the locator of a finding that this site lists.
func (s *site) here() locator { return locator{s.account, s.region, s.detector} }

const (
	// siteWorkers is how many accounts and regions are worked on at once.
	siteWorkers = 8
	// surveyLife is how long a survey is believed.
	surveyLife = 5 * time.Minute
)

// survey looks at every account and region, side by side. It fails only when it was
// interrupted, or could not even learn where to look: what is wrong with one place stands
// in its site.
func (c *Client) survey(ctx context.Context) ([]*site, error) { return c.surveyWithin(ctx, nil) }

// surveyWithin is survey of the places that may list findings of some scopes: those of
// the scopes, then those that may administer them.
func (c *Client) surveyWithin(ctx context.Context, scopes []alert.Scope) ([]*site, error) {
	sites, others, err := c.places(ctx)
	if err != nil {
		return nil, err
	}
	look := func(s *site) { s.look(ctx, others) }
	in, out := inside(sites, scopes)
	each(in, look)
	if len(scopes) > 0 {
		more := administering(out, in, scopes)
		each(more, look)
		in = append(in, slices.DeleteFunc(more, func(s *site) bool { return outsider(s, scopes) })...)
	}
	if ctx.Err() != nil {
		return nil, c.conn.Explain(ctx.Err(), "", "")
	}
	cover(in)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sites, c.surveyed, c.partly = in, c.now(), len(scopes) > 0
	return in, nil
}

// places gives a site for each account and region, and whether there are several accounts.
func (c *Client) places(ctx context.Context) (sites []*site, others bool, err error) {
	places, err := c.conn.Places(ctx)
	if err != nil {
		return nil, false, err
	}
	for _, p := range places {
		s := &site{account: p.Account, region: p.Region, conn: c.conn}
		if p.Err != nil {
			s.fail(p.Err)
		}
		others = others || p.Account != places[0].Account
		sites = append(sites, s)
	}
	return sites, others, nil
}

// known gives the sites of the last survey of everything, or surveys.
func (c *Client) known(ctx context.Context) ([]*site, error) {
	if sites := c.last(false); sites != nil {
		return sites, nil
	}
	return c.survey(ctx)
}

// last gives the sites of the last survey if it is still believed, also of one within
// scopes when that will do.
func (c *Client) last(partly bool) []*site {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now().Sub(c.surveyed) > surveyLife || c.partly && !partly {
		return nil
	}
	return c.sites
}

// each calls do for every site, a few at a time.
func each(sites []*site, do func(*site)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, siteWorkers)
	for _, s := range sites {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			do(s)
		})
	}
	wg.Wait()
}

// look finds out what there is at a site. Who administers it matters only beside other
// accounts.
func (s *site) look(ctx context.Context, others bool) {
	if s.err != nil {
		return
	}
	cfg, err := s.conn.For(ctx, s.account, s.region)
	if err != nil {
		s.fail(err)
		return
	}
	s.api = newCalls(cfg)
	ids, now, err := s.detectors(ctx)
	switch {
	case err != nil:
		s.fail(err)
		return
	case len(ids) == 0:
		s.state = StateOff
		return
	}
	s.state, s.detector, s.now = StateEnabled, ids[0], now
	if others {
		// One that may not be asked counts as its own: it may be listed twice, not missed.
		s.admin, _ = s.administrator(ctx)
	}
}

func (s *site) fail(err error) {
	s.state, s.err = StateError, err
	if fault.Is(err, fault.Denied) {
		s.state = StateDenied
	}
}

// cover marks the members whose administrator is configured and works in their region:
// its lists have their findings.
func cover(sites []*site) {
	for _, s := range sites {
		s.covered = s.state == StateEnabled && s.admin != "" && slices.ContainsFunc(sites, func(a *site) bool {
			return a.account == s.admin && a.region == s.region && a.state == StateEnabled
		})
	}
}

// open gives the sites that are to be read, and those that failed.
func open(sites []*site) (read, failed []*site) {
	for _, s := range sites {
		switch {
		case s.err != nil:
			failed = append(failed, s)
		case s.state == StateEnabled && !s.covered:
			read = append(read, s)
		}
	}
	return read, failed
}

// siteError is what went wrong at one site.
type siteError struct {
	at  *site
	err error
}

// shownSites is how many failed sites an error names.
const shownSites = 5

// sum gives one error for the failures of some of the sites: partial when others worked,
// else the most telling one. nil when there is none.
func (c *Client) sum(ctx context.Context, failures []siteError, worked bool) error {
	if ctx.Err() != nil {
		return c.conn.Explain(ctx.Err(), "", "")
	}
	if len(failures) == 0 {
		return nil
	}
	slices.SortFunc(failures, func(a, b siteError) int { return strings.Compare(a.at.String(), b.at.String()) })
	if !worked {
		return c.worst(failures)
	}
	var errs []error
	var shown []string
	for i, f := range failures {
		errs = append(errs, f.err)
		if i < shownSites {
			shown = append(shown, message(f.err))
		}
	}
	text := strings.Join(shown, "; ")
	if more := len(failures) - len(shown); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return &fault.Error{Kind: fault.Partial, Source: c.name, Msg: fmt.Sprintf("%d accounts and regions could not be read: %s", len(failures), text),
		Hint: "everything else is complete; see the coverage: edrc sources check " + c.name, Err: errors.Join(errs...)}
}

// message is what an error says, without the source's name before it.
func message(err error) string {
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Msg != "" {
		return e.Msg
	}
	return err.Error()
}

func (c *Client) worst(failures []siteError) error {
	for _, kind := range []fault.Kind{fault.Auth, fault.Usage, fault.Denied} {
		for _, f := range failures {
			if fault.Is(f.err, kind) {
				return fault.At(f.err, c.name, "")
			}
		}
	}
	return fault.At(failures[0].err, c.name, "")
}

// nowhere is the error for a source whose every place is switched off.
func (c *Client) nowhere() error {
	return &fault.Error{Kind: fault.NotFound, Source: c.name, Msg: "GuardDuty is switched on in none of the configured accounts and regions",
		Hint: "check `accounts` and `regions`; see the coverage: edrc sources check " + c.name}
}
