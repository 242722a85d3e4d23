package wiz

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/safe"
)

// api is the tenant's GraphQL endpoint.
type api struct {
	source string // its name in the configuration
	http   *httpx.Client
	tokens *tokens
}

func newAPI(o Options, env Env, now func() time.Time) (*api, error) {
	cfg := env.HTTP
	cfg.Name, cfg.DecodeError = env.Name, decodeError
	if cfg.RateKey == "" {
		cfg.RateKey = Kind + " " + o.ClientID
	}
	if cfg.Transport == nil {
		cfg.Transport = httpx.NewTransport()
	}
	auth := cfg
	auth.Base, auth.RateKey = o.AuthURL, cfg.RateKey+" token"
	auth.Limits = map[string]httpx.Limit{"": {PerSecond: 2, Burst: 5}}
	http, err := httpx.New(auth)
	if err != nil {
		return nil, err
	}
	a := &api{source: env.Name, tokens: &tokens{
		source: env.Name, http: http, audience: o.Audience, id: o.ClientID, secret: o.ClientSecret, now: now, turn: make(chan struct{}, 1),
	}}
	cfg.Base, cfg.Authorize, cfg.Renew = o.URL, a.tokens.authorize, a.tokens.renew
	cfg.Limits = map[string]httpx.Limit{"": {PerSecond: o.Rate, Burst: max(int(o.Rate), 4)}}
	cfg.Transport = statuses{cfg.Transport}
	a.http, err = httpx.New(cfg)
	return a, err
}

func (a *api) close() {
	a.http.Close()
	a.tokens.http.Close()
}

// operation is one GraphQL request: a document with one operation, and its variables.
type operation struct {
	op        string // for errors
	document  string
	variables map[string]any
	class     httpx.Class
	scope     string // of the service account, as far as it is known
	licence   string // what the subscription must include, "" for nothing more
}

// graphReply is a reply whose status was 200, which says nothing: the errors do.
type graphReply struct {
	Data   map[string]json.RawMessage `json:"data"`
	Errors vendorErrors               `json:"errors"`
}

// run sends an operation and gives the one field of its reply, and the vendor's clock.
// Errors beside data are errors. Of a write of class Once, anything but a plain refusal
// is fault.InDoubt.
func (a *api) run(ctx context.Context, o operation, field string) (json.RawMessage, time.Time, error) {
	resp, err := a.http.Do(ctx, httpx.Request{
		Op: o.op, Method: http.MethodPost, Class: o.class,
		JSON: map[string]any{"query": o.document, "variables": o.variables},
	})
	if err != nil {
		return nil, time.Time{}, a.explain(err, o)
	}
	var reply graphReply
	if json.Unmarshal(resp.Body, &reply) != nil { // without the copy that Decode makes
		reply = graphReply{}
		if err := resp.Decode(&reply); err != nil {
			return nil, time.Time{}, err
		}
	}
	raw := reply.Data[field]
	if isNull(raw) {
		raw = nil
	}
	if len(reply.Errors) > 0 {
		return nil, resp.Date, a.explain(a.graphError(o, reply.Errors, raw != nil), o)
	}
	if raw == nil && o.class == httpx.Once {
		return nil, resp.Date, a.doubt(o.op, "the reply has no "+field)
	}
	return raw, resp.Date, nil
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// fault makes an error of this source. Parts of msg may be the vendor's.
func (a *api) fault(k fault.Kind, op, msg string) *fault.Error {
	return &fault.Error{Kind: k, Source: a.source, Op: op, Msg: safe.Line(msg)}
}

// doubt is a reply to a write that does not say what happened.
func (a *api) doubt(op, msg string) *fault.Error {
	e := a.fault(fault.InDoubt, op, msg+"; it may have been carried out")
	e.Status = http.StatusOK
	return e.WithHint("look before trying again")
}

// connection is one page of a list, as every list comes.
type connection struct {
	Nodes    []json.RawMessage `json:"nodes"`
	PageInfo *struct {
		More bool `json:"hasNextPage"`
		End  text `json:"endCursor"`
	} `json:"pageInfo"`
}

// page reads one page of a list, from a cursor on. A 200 that is no list is never an
// empty one: an alert that is not seen is worse than a failed read.
func (a *api) page(ctx context.Context, o operation, field, after string) (nodes []json.RawMessage, next string, date time.Time, err error) {
	if after != "" {
		o.variables["after"] = after
	}
	raw, date, err := a.run(ctx, o, field)
	if err != nil {
		return nil, "", date, err
	}
	var c connection
	switch {
	case raw == nil || json.Unmarshal(raw, &c) != nil || c.Nodes == nil || c.PageInfo == nil:
		err = a.fault(fault.Unavailable, o.op, "the reply has no "+field)
	case !c.PageInfo.More:
		return c.Nodes, "", date, nil
	case c.PageInfo.End == "":
		err = a.fault(fault.Unavailable, o.op, "the reply does not say where the next page starts")
	case string(c.PageInfo.End) == after:
		err = a.fault(fault.Unavailable, o.op, "the same page came twice")
	default:
		return c.Nodes, string(c.PageInfo.End), date, nil
	}
	return nil, "", date, err
}

// walk reads every page of a list. make gives the operation anew for each page. each is
// false when no more is wanted.
func (a *api) walk(ctx context.Context, make func() operation, field string, each func(json.RawMessage) bool) error {
	for after := ""; ; {
		nodes, next, _, err := a.page(ctx, make(), field, after)
		if err != nil {
			return err
		}
		for _, raw := range nodes {
			if !each(raw) {
				return nil
			}
		}
		if after = next; after == "" {
			return nil
		}
	}
}
