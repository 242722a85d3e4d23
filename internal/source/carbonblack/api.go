package carbonblack

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/safe"
)

// rateStorage is the class of downloads, which are not the API's to count.
const rateStorage = "storage"

// api is the organisation's cloud.
type api struct {
	source string // its name in the configuration
	org    string // its key, which stands in every path
	http   *httpx.Client
}

func newAPI(o Options, env Env) (*api, error) {
	cfg := env.HTTP
	cfg.Name, cfg.Base = env.Name, o.URL
	cfg.DecodeError = func(_ int, body []byte) string {
		m := decodeError(body)
		if secret, err := o.APISecret.Reveal(context.Background()); err == nil { // it is known by now
			m = strings.ReplaceAll(m, secret, "[secret]") // httpx knows it only together with the id
		}
		return m
	}
	cfg.Limits = map[string]httpx.Limit{"": {PerSecond: o.Rate, Burst: max(burst, int(o.Rate))}, rateStorage: {}}
	if cfg.RateKey == "" {
		cfg.RateKey = Kind + " " + o.URL // the vendor counts by address, whatever the key
	}
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = 256 << 20 // 10,000 alerts, see moment
	}
	cfg.Authorize = func(ctx context.Context, h http.Header) error {
		secret, err := o.APISecret.Reveal(ctx)
		if err != nil {
			return err
		}
		// Other programs want both in one: SECRET/ID.
		h.Set("X-Auth-Token", strings.TrimSuffix(secret, "/"+o.APIID)+"/"+o.APIID)
		return nil
	}
	client, err := httpx.New(cfg)
	if err != nil {
		return nil, err
	}
	return &api{source: env.Name, org: o.OrgKey, http: client}, nil
}

// moved are the redirects that a GET would be sent on by. None is followed: the key
// belongs to the API, and storage has no reason to send a download elsewhere.
func moved() []int {
	return []int{http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect}
}

// The paths of services, before the organisation's key.
const (
	alertsPath  = "/api/alerts/v7/orgs/"
	jobsPath    = "/jobs/v1/orgs/"
	ubsPath     = "/ubs/v1/orgs/"
	devicesPath = "/appservices/v6/orgs/"
)

// path puts a path of a service together, every part escaped.
func (a *api) path(service string, parts ...string) string {
	out := service + url.PathEscape(a.org)
	for _, p := range parts {
		out += "/" + url.PathEscape(p)
	}
	return out
}

// call is a request, and what it needs, which a refusal names.
type call struct {
	httpx.Request
	permission string // of the API key: "org.alerts READ"
	licence    string // what the organisation must have bought, "" for nothing more
	// whole: no id stands in the path, so that a 404 is about the endpoint itself.
	whole bool
}

// do sends a call. Its errors say what to do about a refused key, a missing permission
// or a retired endpoint.
func (a *api) do(ctx context.Context, c call) (*httpx.Response, error) {
	get := c.Method == "" || c.Method == http.MethodGet
	if get {
		c.OK = append(slices.Clone(c.OK), moved()...)
	}
	resp, err := a.http.Do(ctx, c.Request)
	if err != nil {
		return nil, a.explain(err, c)
	}
	if resp.Status/100 == 3 {
		return nil, a.strayed(c, resp)
	}
	if m := refusal(resp.Body); m != "" {
		return nil, a.fault(fault.Invalid, c.Op, "the cloud refused the request: "+m)
	}
	return resp, nil
}

// strayed is the error of a redirect.
func (a *api) strayed(c call, resp *httpx.Response) error {
	e := a.fault(fault.Invalid, c.Op, "answered with a redirect, which is not followed")
	e.Status = resp.Status
	if u, err := url.Parse(resp.Header.Get("Location")); err == nil && u.Host != "" {
		return e.WithHint("it points to %s; if that is the right host, set it as `url` of source %s", safe.Line(u.Host), a.source)
	}
	return e.WithHint("check `url` of source %s", a.source)
}

// refusal is what a success says that is none: older services answer 200 with
// {"errorMessage"}.
func refusal(body []byte) string {
	if len(body) > 64<<10 || !strings.Contains(string(body), "errorMessage") {
		return ""
	}
	var r struct {
		Message text `json:"errorMessage"`
	}
	_ = json.Unmarshal(body, &r)
	return string(r.Message)
}

// read sends a call and decodes what comes.
func (a *api) read(ctx context.Context, c call, into any) (*httpx.Response, error) {
	resp, err := a.do(ctx, c)
	if err != nil {
		return nil, err
	}
	// A page has megabytes, which Decode would copy to keep the numbers of an `any`
	// exact; there is none here. It is still the one to say what is wrong.
	if json.Unmarshal(resp.Body, into) != nil {
		if err := resp.Decode(into); err != nil {
			return nil, err
		}
	}
	return resp, nil
}

// fault makes an error of this source. Parts of msg may be the vendor's.
func (a *api) fault(k fault.Kind, op, msg string) *fault.Error {
	return &fault.Error{Kind: k, Source: a.source, Op: op, Msg: safe.Line(msg)}
}
