package defender

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
)

// The rate classes. Graph takes 150 requests of alerts a minute; the endpoint API 100
// a minute and 1,500 an hour, and 10 a minute that start a live response.
const rateLive = "live-response"

func graphLimits(rate float64) map[string]httpx.Limit {
	if rate > 0 {
		return map[string]httpx.Limit{"": ownLimit(rate)}
	}
	return map[string]httpx.Limit{"": {PerSecond: 2.3, Burst: 12}}
}

func mdeLimits(rate float64) map[string]httpx.Limit {
	if rate > 0 {
		return map[string]httpx.Limit{"": ownLimit(rate), rateLive: ownLimit(rate)}
	}
	return map[string]httpx.Limit{"": {PerSecond: 0.4, Burst: 50}, rateLive: {PerSecond: 0.15, Burst: 1}}
}

// ownLimit is a rate that the options name.
func ownLimit(rate float64) httpx.Limit {
	return httpx.Limit{PerSecond: rate, Burst: max(1, int(rate))}
}

// api is one of the two APIs, with the tokens that it takes.
type api struct {
	source  string // its name in the configuration
	product string // in messages
	apiName string // as Entra lists its permissions
	licence string
	tokens  *tokens
	http    *httpx.Client
	base    *url.URL
	refuses sync.Map // paths of lists that it does not sort
}

func newAPI(a *api, base, key string, limits map[string]httpx.Limit, cfg httpx.Config) (*api, error) {
	cfg.Name, cfg.Base = a.source, base
	cfg.Authorize, cfg.Renew = a.tokens.authorize, a.tokens.renew
	cfg.Limits, cfg.DecodeError = limits, decodeError
	if cfg.RateKey == "" {
		cfg.RateKey = strings.Join([]string{Kind, key, a.apiName}, " ") // limits are of an application in a tenant
	}
	var err error
	if a.http, err = httpx.New(cfg); err != nil {
		return nil, err
	}
	if a.base, err = url.Parse(a.http.Base()); err != nil {
		return nil, fault.Usagef("the url cannot be parsed")
	}
	return a, nil
}

// call is a request and the permission it needs, which a refusal names.
type call struct {
	httpx.Request
	permission permission
}

// do sends a call. Its query is written with %20 for a space: a plus is one only to
// those who decode forms.
func (a *api) do(ctx context.Context, c call) (*httpx.Response, error) {
	r := c.Request
	if len(r.Query) > 0 {
		r.Path += "?" + strings.ReplaceAll(r.Query.Encode(), "+", "%20")
		r.Query = nil
	}
	r.OK = append(slices.Clone(r.OK), refusals...)
	if a.apiName == graphName {
		// Without it, values newer than the version are all "unknownFutureValue".
		r.Header = http.Header{"Prefer": {"include-unknown-enum-members"}}
	}
	resp, err := a.http.Do(ctx, r)
	if err != nil {
		return nil, a.explain(err)
	}
	if resp.Status/100 != 2 && !slices.Contains(c.OK, resp.Status) {
		return nil, a.refusal(resp, c)
	}
	return resp, nil
}

// fault makes an error of this source.
func (a *api) fault(k fault.Kind, op, msg string) *fault.Error {
	return &fault.Error{Kind: k, Source: a.source, Op: op, Msg: clean(msg)}
}

// page is one page of a list, its items still raw.
type page struct {
	items []json.RawMessage
	next  string // the vendor's link, "" at the end
	date  time.Time
}

// list reads one page. A 200 without items is an error, never an empty list: an alert
// that is not seen is worse than a failed read.
func (a *api) list(ctx context.Context, c call) (page, error) {
	resp, err := a.do(ctx, c)
	if err != nil {
		return page{}, err
	}
	var reply struct {
		Value *[]json.RawMessage `json:"value"`
		Next  text               `json:"@odata.nextLink"`
	}
	if json.Unmarshal(resp.Body, &reply) != nil {
		if err := resp.Decode(&reply); err != nil {
			return page{}, err
		}
	}
	if reply.Value == nil {
		return page{}, a.fault(fault.Unavailable, c.Op, "the reply is not a list: it has no value")
	}
	return page{*reply.Value, string(reply.Next), resp.Date}, nil
}

// follow turns a link to the next page into a call, like c. The token goes along, so
// a link to another host is refused.
func (a *api) follow(c call, link string) (call, error) {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != a.base.Scheme || !strings.EqualFold(u.Host, a.base.Host) || u.User != nil {
		return c, a.fault(fault.Invalid, c.Op, "the link to the next page leads to another host")
	}
	c.Path, c.Query = link, nil
	return c, nil
}

// pages walks a list to its end by the vendor's links. maxPages bounds a list that
// never ends.
func (a *api) pages(ctx context.Context, c call, visit func(page) (more bool)) error {
	const maxPages = 10_000
	for range maxPages {
		p, err := a.list(ctx, c)
		if err != nil {
			return err
		}
		if !visit(p) || p.next == "" {
			return nil
		}
		last := c.Path
		if c, err = a.follow(c, p.next); err != nil {
			return err
		}
		if c.Path == last {
			return a.fault(fault.Unavailable, c.Op, "the link to the next page leads to the same page")
		}
	}
	return a.fault(fault.Unavailable, c.Op, "the list does not end")
}

// notFound reports that the vendor does not have a thing.
func notFound(err error) bool {
	e, ok := errors.AsType[*fault.Error](err)
	return ok && e.Kind == fault.NotFound
}
