package sentinelone

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/safe"
)

const apiPath = "/web/api/v2.1"

// The rate classes, by what the vendor counts separately (its rate-limit table, as
// s1buildpartners/sentinelone-go-sdk has it): lists of threats, all below
// /threats/, agents, activities, and what the table does not name.
const (
	rateThreats    = "threats"
	rateThreatsSub = "threats-sub"
	rateAgents     = "agents"
	rateActivities = "activities"
	rateGraphQL    = "graphql"
)

func limits(threatsPerSecond float64) map[string]httpx.Limit {
	return map[string]httpx.Limit{
		rateThreats:    {PerSecond: threatsPerSecond, Burst: 50},
		rateThreatsSub: {PerSecond: 100, Burst: 100},
		rateAgents:     {PerSecond: 25, Burst: 1},
		rateActivities: {PerSecond: 10, Burst: 30},
		rateGraphQL:    {PerSecond: threatsPerSecond, Burst: 10}, // not in the table: as slow as the slowest
		"":             {PerSecond: 10, Burst: 10},
	}
}

// api is the console with one way to authenticate: REST wants "ApiToken", GraphQL
// wants "Bearer", before the same token.
type api struct {
	source  string // its name in the configuration
	console string // https://host
	scope   Options
	http    *httpx.Client
}

func newAPI(o Options, env Env, scheme string) (*api, error) {
	cfg := env.HTTP
	cfg.Name, cfg.Base = env.Name, o.URL+apiPath
	cfg.Limits, cfg.DecodeError = limits(o.Rate), decodeError
	if cfg.RateKey == "" {
		// The vendor limits each token. Two literal ones of a console share a budget.
		scheme, arg := o.Token.Reference()
		cfg.RateKey = strings.Join([]string{Kind, tenantOf(o.URL), scheme, arg}, " ")
	}
	cfg.Authorize = func(ctx context.Context, h http.Header) error {
		token, err := o.Token.Reveal(ctx)
		if err != nil {
			return err
		}
		h.Set("Authorization", scheme+" "+strings.TrimSpace(token))
		return nil
	}
	client, err := httpx.New(cfg)
	if err != nil {
		return nil, err
	}
	return &api{source: env.Name, console: o.URL, scope: o, http: client}, nil
}

// call is a request and the permission it needs, which a refusal names.
type call struct {
	httpx.Request
	permission string
}

// do sends a call. Its errors say what to do about a refused token or a missing
// permission.
func (a *api) do(ctx context.Context, c call) (*httpx.Response, error) {
	resp, err := a.http.Do(ctx, c.Request)
	if err != nil {
		return nil, a.explain(err, c.permission)
	}
	return resp, nil
}

// page is one page of a REST list, its items still raw.
type page struct {
	items []json.RawMessage
	next  string // "" at the end
	date  time.Time
}

// envelope is what every list reply has around its items.
type envelope struct {
	Data       *[]json.RawMessage `json:"data"`
	Pagination *struct {
		NextCursor text `json:"nextCursor"`
	} `json:"pagination"`
	Errors vendorErrors `json:"errors"`
}

// list reads one page. A 200 without items or pagination is an error, never an
// empty list: an alert that is not seen is worse than a failed read.
func (a *api) list(ctx context.Context, c call, cursor string) (page, error) {
	c.Query = cloneValues(c.Query)
	if cursor != "" {
		c.Query.Set("cursor", cursor)
	}
	resp, err := a.do(ctx, c)
	if err != nil {
		return page{}, err
	}
	var env envelope
	// A page has megabytes, which Decode would copy to keep the numbers of an `any`
	// exact; there is none here. It is still the one to say what is wrong.
	if json.Unmarshal(resp.Body, &env) != nil {
		env = envelope{}
		if err := resp.Decode(&env); err != nil {
			return page{}, err
		}
	}
	next := ""
	if env.Pagination != nil {
		next = string(env.Pagination.NextCursor)
	}
	switch {
	case env.Errors.String() != "":
		err = a.fault(fault.Unavailable, c.Op, "the reply has errors: "+env.Errors.String())
	case env.Data == nil || env.Pagination == nil:
		err = a.fault(fault.Unavailable, c.Op, "the reply is not a list: it has no data or no pagination")
	case next != "" && next == cursor:
		err = a.fault(fault.Unavailable, c.Op, "the console gave the same cursor twice")
	}
	if err != nil {
		return page{}, err
	}
	return page{items: *env.Data, next: next, date: resp.Date}, nil
}

// fault makes an error of this source. Parts of msg may be the console's.
func (a *api) fault(k fault.Kind, op, msg string) *fault.Error {
	return &fault.Error{Kind: k, Source: a.source, Op: op, Msg: safe.Line(msg)}
}

// scoped are list parameters with the configured scope in them. Arrays are one
// comma-separated value in this API, never repeated.
func (a *api) scoped(limit int) url.Values {
	v := url.Values{"limit": {strconv.Itoa(limit)}, "skipCount": {"true"}}
	for name, ids := range map[string][]string{
		"accountIds": a.scope.Accounts, "siteIds": a.scope.Sites, "groupIds": a.scope.Groups,
	} {
		if len(ids) > 0 {
			v.Set(name, strings.Join(ids, ","))
		}
	}
	return v
}

func cloneValues(v url.Values) url.Values {
	out := make(url.Values, len(v)+1)
	for name, values := range v {
		out[name] = values
	}
	return out
}

// timeText is the vendor's form of a time: UTC with microseconds.
func timeText(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }
