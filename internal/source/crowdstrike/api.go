package crowdstrike

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/safe"
	"edrc/internal/source"
)

const rateToken = "token"

// api is the tenant's cloud, wherever that is.
type api struct {
	source string // its name in the configuration
	tokens *tokens
	config func(base string) httpx.Config

	mu      sync.Mutex
	clients map[string]*httpx.Client // by address: a credential belongs to one
}

func newAPI(o Options, env Env) *api {
	cfg := env.HTTP
	cfg.Name, cfg.DecodeError = env.Name, decodeError
	cfg.Limits = map[string]httpx.Limit{"": {PerSecond: o.Rate, Burst: max(int(o.Rate), 1)}, rateToken: {PerSecond: 2, Burst: 5}}
	if cfg.RateKey == "" {
		cfg.RateKey = strings.Join([]string{Kind, o.ClientID}, " ")
	}
	a := &api{source: env.Name, clients: map[string]*httpx.Client{}}
	a.tokens = &tokens{
		api: a, id: o.ClientID, secret: o.ClientSecret, member: o.MemberCID, now: source.Clock(cfg.Now), turn: make(chan struct{}, 1), base: o.BaseURL,
	}
	a.config = func(base string) httpx.Config {
		c := cfg
		c.Base, c.Authorize, c.Renew = base, a.tokens.authorizer(base), a.tokens.renewer(base)
		return c
	}
	return a
}

// at gives the client for an address.
func (a *api) at(base string) (*httpx.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c, ok := a.clients[base]; ok {
		return c, nil
	}
	c, err := httpx.New(a.config(base))
	if err == nil {
		a.clients[base] = c
	}
	return c, err
}

// retiring lists the calls whose end the cloud has announced (X-Api-Deprecation…).
func (a *api) retiring() (out []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.clients {
		out = append(out, c.Retiring()...)
	}
	return out
}

func (a *api) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.clients {
		c.Close()
	}
}

// call is a request, and what it needs, which a refusal names.
type call struct {
	httpx.Request
	scope   string // of the API client: "Alerts: Read"
	licence string // what the subscription must include, "" for nothing more
	// whole: no id stands in the path or in the query, so that a 404 is about the
	// endpoint itself.
	whole bool
}

// do sends a call to where the tenant lives. Its errors say what to do about a refused
// client, a missing scope or a retired endpoint.
func (a *api) do(ctx context.Context, c call) (resp *httpx.Response, err error) {
	err = a.roam(ctx, c, func(h *httpx.Client, r httpx.Request) (*httpx.Response, error) {
		resp, err = h.Do(ctx, r)
		return resp, err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// open is do for a download. The caller closes the stream.
func (a *api) open(ctx context.Context, c call) (s *httpx.Stream, err error) {
	err = a.roam(ctx, c, func(h *httpx.Client, r httpx.Request) (*httpx.Response, error) {
		s, err = h.Open(ctx, r)
		if err != nil {
			return nil, err
		}
		if s.Status/100 == 3 {
			_ = s.Close()
		}
		return &httpx.Response{Status: s.Status, Header: s.Header}, nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// roam asks at the place that is known, and again where a redirect leads. 307 and 308
// say that the request was not processed, so this holds for writes, too.
func (a *api) roam(ctx context.Context, c call, ask func(*httpx.Client, httpx.Request) (*httpx.Response, error)) error {
	c.OK = append(slices.Clone(c.OK), http.StatusTemporaryRedirect, http.StatusPermanentRedirect)
	for moves := 0; ; moves++ {
		_, base, err := a.tokens.get(ctx, false)
		if err != nil {
			return fault.At(err, a.source, c.Op)
		}
		client, err := a.at(base)
		if err != nil {
			return err
		}
		resp, err := ask(client, c.Request)
		switch {
		case errors.Is(err, errMoved) && moves < maxMoves:
			continue
		case err != nil:
			return a.explain(err, c)
		case resp.Status/100 != 3:
			return nil
		}
		next, ok := elsewhere(base, resp.Status, resp.Header)
		if !ok || moves >= maxMoves {
			return fault.At(strayed(c.Op, resp), a.source, "")
		}
		if err := a.tokens.move(ctx, next); err != nil {
			return fault.At(err, a.source, c.Op)
		}
	}
}

// reply is what every answer has around its items.
type reply struct {
	Meta *struct {
		Pagination struct {
			After  text  `json:"after"`
			Offset text  `json:"offset"`
			Total  count `json:"total"`
		} `json:"pagination"`
		Writes *struct {
			Affected *count `json:"resources_affected"`
		} `json:"writes"`
	} `json:"meta"`
	Resources *[]json.RawMessage `json:"resources"`
	Errors    vendorErrors       `json:"errors"`

	status int
	date   time.Time
}

// items are the resources; null is none.
func (r *reply) items() []json.RawMessage {
	if r.Resources == nil {
		return nil
	}
	return *r.Resources
}

// send sends a call and decodes what comes. Errors beside data are the caller's.
func (a *api) send(ctx context.Context, c call) (*reply, error) {
	resp, err := a.do(ctx, c)
	if err != nil {
		return nil, err
	}
	out := &reply{status: resp.Status, date: resp.Date}
	// A page has megabytes, which Decode would copy to keep the numbers of an `any`
	// exact; there is none here. It is still the one to say what is wrong.
	if json.Unmarshal(resp.Body, out) != nil {
		*out = reply{status: resp.Status, date: resp.Date}
		if err := resp.Decode(out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// read is send for what changes nothing: an error beside data is one, except that
// something is not there. A 200 that is no reply is never an empty list: an alert that
// is not seen is worse than a failed read.
func (a *api) read(ctx context.Context, c call) (*reply, error) {
	r, err := a.send(ctx, c)
	if err != nil {
		return nil, err
	}
	if e := r.Errors.worst(); e != nil {
		return nil, a.explain(a.fault(e.kind(), c.Op, "the reply has errors: "+r.Errors.String()), c)
	}
	if r.Meta == nil && r.Resources == nil {
		return nil, a.fault(fault.Unavailable, c.Op, "the reply has no resources")
	}
	return r, nil
}

// fault makes an error of this source. Parts of msg may be the vendor's.
func (a *api) fault(k fault.Kind, op, msg string) *fault.Error {
	return &fault.Error{Kind: k, Source: a.source, Op: op, Msg: safe.Line(msg)}
}
