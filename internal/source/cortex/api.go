package cortex

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/safe"
)

// api is the tenant.
type api struct {
	source  string // its name in the configuration
	keyType string
	http    *httpx.Client
}

func newAPI(o Options, env Env, now func() time.Time) (*api, error) {
	cfg := env.HTTP
	cfg.Name, cfg.Base, cfg.DecodeError = env.Name, o.URL, decodeError
	cfg.Authorize = apiKey{o.KeyID, o.Key, o.KeyType == keyAdvanced, now}.authorize
	cfg.Limits = map[string]httpx.Limit{"": {PerSecond: o.Rate, Burst: max(int(o.Rate), 1)}}
	if cfg.RateKey == "" {
		cfg.RateKey = strings.Join([]string{Kind, o.fqdn()}, " ") // the limit is the tenant's
	}
	client, err := httpx.New(cfg)
	if err != nil {
		return nil, err
	}
	return &api{source: env.Name, keyType: o.KeyType, http: client}, nil
}

// call is a request, and what it needs, which a refusal names.
type call struct {
	httpx.Request
	permission string // of the key's role: "Alerts and Incidents (View)"
	licence    string // what the tenant must have, "" for nothing more
	// whole: no id stands in the path or in the body, so that a 404 is about the
	// endpoint itself.
	whole bool
}

// post is POST /public_api/v1/PATH with {"request_data": data}. It is a read unless its
// Class is set.
func post(op, path, permission string, data any) call {
	return call{permission: permission, Request: httpx.Request{
		Op: op, Method: http.MethodPost, Path: "/public_api/v1/" + path, Class: httpx.Read,
		JSON: map[string]any{"request_data": data},
	}}
}

func (c call) of(class httpx.Class) call  { c.Class = class; return c }
func (c call) licensed(needs string) call { c.licence = needs; return c }
func (c call) withoutIDs() call           { c.whole = true; return c }
func (c call) answeredBy(ok ...int) call  { c.OK = ok; return c }

// do sends a call. Its errors say what to do about a refused key, a missing permission or
// licence, or a retired endpoint.
func (a *api) do(ctx context.Context, c call) (*httpx.Response, error) {
	resp, err := a.http.Do(ctx, c.Request)
	if err != nil {
		return nil, a.explain(err, c)
	}
	return resp, nil
}

// send sends a call and decodes what stands under "reply". A 200 that has an error inside,
// or no reply at all, is an error: never an empty list.
func (a *api) send(ctx context.Context, c call, into any) (date time.Time, err error) {
	resp, err := a.do(ctx, c)
	if err != nil {
		return time.Time{}, err
	}
	var out struct {
		Reply json.RawMessage `json:"reply"`
	}
	// A page has a megabyte, which Decode would copy to keep the numbers of an `any` exact;
	// there is none here. It is still the one to say what is wrong.
	if json.Unmarshal(resp.Body, &out) != nil {
		if err := resp.Decode(&out); err != nil {
			return time.Time{}, err
		}
	}
	if bytes.Contains(resp.Body, []byte(`"err_code"`)) { // also in what an attacker wrote, which is not where errors stand
		if bad := readVendorError(resp.Body); bad.code > 0 {
			return time.Time{}, a.explain(a.inside(c, bad), c)
		}
	}
	if len(out.Reply) == 0 || string(out.Reply) == "null" {
		return time.Time{}, a.unclear(c, "the answer has no reply")
	}
	if err := json.Unmarshal(out.Reply, into); err != nil {
		return time.Time{}, a.unclear(c, "the reply is in an unknown shape")
	}
	return resp.Date, nil
}

// inside makes the error of an answer that came with a good status. A write that must not
// happen twice is in doubt unless it was refused.
func (a *api) inside(c call, bad vendorError) *fault.Error {
	e := a.fault(bad.kind(), c.Op, "the answer is an error: "+bad.String())
	e.Status = bad.code
	if c.Class == httpx.Once && bad.code >= 500 {
		e.Kind = fault.InDoubt
	}
	return e
}

// unclear is an answer that says nothing.
func (a *api) unclear(c call, msg string) *fault.Error {
	if c.Class == httpx.Once {
		return a.fault(fault.InDoubt, c.Op, msg).WithHint("look before trying again")
	}
	return a.fault(fault.Unavailable, c.Op, msg)
}

// fault makes an error of this source. Parts of msg may be the vendor's.
func (a *api) fault(k fault.Kind, op, msg string) *fault.Error {
	return &fault.Error{Kind: k, Source: a.source, Op: op, Msg: safe.Line(msg)}
}
