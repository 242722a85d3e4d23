package guardduty

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

// located is a finding with the site that lists it.
type located struct {
	at      *site
	raw     json.RawMessage
	finding *finding
}

// Get implements source.Getter, 50 findings a request. A finding that cannot be read is
// a *source.BadItem in the error, and the others are returned nevertheless.
func (c *Client) Get(ctx context.Context, hs ...alert.Handle) ([]alert.Alert, error) {
	found, bad, err := c.find(ctx, hs)
	var as []alert.Alert
	for _, id := range order(hs) {
		l, ok := found[id]
		if !ok {
			continue
		}
		more, scanErr := l.at.shortened(ctx, l.finding)
		if scanErr != nil {
			err = errors.Join(err, scanErr)
			continue
		}
		as = append(as, l.finding.alert(c.name, l.raw, l.at.here(), more))
	}
	if err != nil {
		err = fault.At(err, c.name, "get findings")
	}
	return as, joinBad(err, bad)
}

// order gives the ids of handles, each once.
func order(hs []alert.Handle) []string {
	var ids []string
	for _, h := range hs {
		if !slices.Contains(ids, h.ID) {
			ids = append(ids, h.ID)
		}
	}
	return ids
}

// find reads the findings of handles, by alert id. Each is asked for where it was listed;
// one that nobody says that of, at every site of its region.
func (c *Client) find(ctx context.Context, hs []alert.Handle) (map[string]located, []source.BadItem, error) {
	if len(hs) == 0 {
		return nil, nil, nil
	}
	sites, err := c.known(ctx)
	if err != nil {
		return nil, nil, err
	}
	out := map[string]located{}
	var bad []source.BadItem
	tried := map[*site][]string{}
	for _, h := range hs {
		if s := listedAt(sites, h); s != nil {
			tried[s] = append(tried[s], h.ID)
		}
	}
	for s, ids := range tried {
		more, err := c.findAt(ctx, s, ids, out)
		bad = append(bad, more...)
		if err != nil {
			return out, bad, err
		}
	}
	more, err := c.search(ctx, sites, hs, out)
	return out, append(bad, more...), err
}

// listedAt is the site that a handle's locator names, nil when it names none of them.
func listedAt(sites []*site, h alert.Handle) *site {
	var l locator
	if json.Unmarshal(h.Locator, &l) != nil {
		return nil
	}
	i := slices.IndexFunc(sites, func(s *site) bool { return s.state == StateEnabled && s.here() == l })
	if i < 0 {
		return nil
	}
	return sites[i]
}

// search asks the sites of a region for what has no site of its own.
func (c *Client) search(ctx context.Context, sites []*site, hs []alert.Handle, out map[string]located) (bad []source.BadItem, err error) {
	lost := map[string][]string{} // by region
	for _, h := range hs {
		region, _, ok := splitID(h.ID)
		if _, found := out[h.ID]; ok && !found && listedAt(sites, h) == nil {
			lost[region] = append(lost[region], h.ID)
		}
	}
	if len(lost) == 0 {
		return nil, nil
	}
	todo, dead := open(sites)
	for _, s := range todo {
		ids := slices.DeleteFunc(slices.Clone(lost[s.region]), func(id string) bool { _, found := out[id]; return found })
		more, err := c.findAt(ctx, s, ids, out)
		bad = append(bad, more...)
		if err != nil {
			return bad, err
		}
	}
	for _, s := range dead { // it may be there: that is no "not found"
		for _, id := range lost[s.region] {
			if _, found := out[id]; !found {
				return bad, s.err
			}
		}
	}
	return bad, nil
}

// findAt reads findings at one site.
func (c *Client) findAt(ctx context.Context, s *site, alertIDs []string, out map[string]located) (bad []source.BadItem, err error) {
	var ids []string
	for _, id := range alertIDs {
		region, finding, ok := splitID(id)
		if ok && region == s.region && !slices.Contains(ids, finding) {
			ids = append(ids, finding)
		}
	}
	for chunk := range slices.Chunk(ids, maxIDs) {
		raws, _, err := s.all(ctx, chunk)
		if err != nil {
			return bad, err
		}
		for _, raw := range raws {
			f, err := decodeFinding(raw)
			if err != nil {
				bad = append(bad, *badItem(raw, err))
				continue
			}
			out[alertID(string(f.Region), string(f.ID))] = located{s, raw, f}
		}
	}
	return bad, nil
}

// one reads one finding for a change.
func (c *Client) one(ctx context.Context, h alert.Handle) (located, error) {
	found, bad, err := c.find(ctx, []alert.Handle{h})
	if l, ok := found[h.ID]; ok {
		return l, nil
	}
	if err = joinBad(err, bad); err != nil {
		return located{}, err
	}
	return located{}, &fault.Error{Kind: fault.NotFound, Source: c.name, Msg: "GuardDuty does not know this finding, or keeps it no longer",
		Hint: "findings are kept for 90 days; see what is there: edrc alerts list --source " + c.name}
}
