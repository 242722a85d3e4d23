package wiz

import (
	"net/url"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// Kind is what the configuration calls this product.
const Kind = "wiz"

// Options is a source of this kind as it stands in the configuration.
type Options struct {
	// URL is the tenant's API endpoint, https://api.us17.app.wiz.io/graphql, with or
	// without the path: Settings > Tenant > API Endpoint URL.
	URL string `yaml:"url"`
	// AuthURL is where tokens come from. It follows from URL where the vendor's hosts are
	// known: https://auth.app.wiz.io/oauth/token and its kind for the government clouds.
	AuthURL string `yaml:"auth_url"`
	// Audience is what the token is asked for. It follows from AuthURL.
	Audience string `yaml:"audience"`

	ClientID     string       `yaml:"client_id"`     // of a service account, type custom integration
	ClientSecret httpx.Secret `yaml:"client_secret"` // of the same
	// TenantID is the tenant's id (Settings > Tenant). With it, a new service account
	// keeps what is remembered; without it, the service account stands for the tenant.
	TenantID string `yaml:"tenant_id"`

	source.Timing `yaml:",inline"`

	// Rate is how many requests may be sent in a second; default 2. The vendor publishes
	// no limit; its partners stay below this.
	Rate float64 `yaml:"rate"`
}

// The limits of the API, and what edrc asks for.
const (
	// noteMax is in characters. The vendor publishes no limit (UNCERTAIN): this is far
	// below what its own clients are seen to send.
	noteMax = 4000
	// pageSize is for detections, which are large; the vendor gives at most 500.
	pageSize = 100
	// issuesPage is the most that the vendor gives of anything at once.
	issuesPage = 500
	// maxWindow is how far the vendor's own feed looks back at once.
	maxWindow = 48 * time.Hour
)

const howToAccount = "Settings > Service Accounts, type custom integration"

// normalise fills in the defaults and says what is missing, all of it at once.
func (o Options) normalise() (Options, error) {
	var missing []string
	if o.URL = strings.TrimSpace(o.URL); o.URL == "" {
		missing = append(missing, "url (Settings > Tenant > API Endpoint URL)")
	}
	if o.ClientID = strings.TrimSpace(o.ClientID); o.ClientID == "" {
		missing = append(missing, "client_id (of a service account: "+howToAccount+")")
	}
	if !o.ClientSecret.IsSet() {
		missing = append(missing, "client_secret")
	}
	if len(missing) > 0 {
		return o, fault.Usagef("not configured: %s", strings.Join(missing, ", "))
	}
	switch {
	case !(o.Rate >= 0): // also refuses NaN
		return o, fault.Usagef("rate: must not be negative")
	case o.Rate == 0:
		o.Rate = 2
	}
	return o.locate()
}

// locate completes the two addresses and the audience.
func (o Options) locate() (Options, error) {
	api, err := address("url", o.URL, "https://api.us17.app.wiz.io/graphql")
	if err != nil {
		return o, err
	}
	if !strings.HasSuffix(api.Path, "/graphql") {
		api.Path += "/graphql"
	}
	o.URL = api.String()
	if o.AuthURL == "" {
		if o.AuthURL = authFor(api.Hostname()); o.AuthURL == "" {
			return o, fault.Usagef("auth_url: it cannot be told from %s", api.Host).
				WithHint("set auth_url to the token URL of the tenant, https://auth.app.wiz.io/oauth/token for commercial ones")
		}
	}
	auth, err := address("auth_url", o.AuthURL, "https://auth.app.wiz.io/oauth/token")
	if err != nil {
		return o, err
	}
	if auth.Path == "" {
		auth.Path = "/oauth/token"
	}
	o.AuthURL = auth.String()
	if o.Audience == "" {
		o.Audience = audienceFor(auth.Hostname())
	}
	return o, nil
}

// address parses an address, and takes the slashes off its end.
func address(name, s, example string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Host == "" {
		return nil, fault.Usagef("%s: not of the form %s", name, example)
	}
	u.Host, u.Path, u.RawPath = strings.ToLower(u.Host), strings.TrimRight(u.Path, "/"), ""
	return u, nil
}

// clouds are the vendor's, by the end of their hosts: where tokens come from, and the
// console's host. Which government host serves which tenant is UNCERTAIN, so auth_url
// can say otherwise.
func clouds() [][3]string {
	return [][3]string{
		{".gov.wiz.io", "https://auth.gov.wiz.io/oauth/token", "gov.wiz.io"},
		{".gov.wiz.us", "https://auth.gov.wiz.us/oauth/token", "gov.wiz.us"},
		{".app.wiz.us", "https://auth.app.wiz.us/oauth/token", "app.wiz.us"},
		{".app.wiz.io", "https://auth.app.wiz.io/oauth/token", "app.wiz.io"},
	}
}

func authFor(host string) string {
	for _, c := range clouds() {
		if strings.HasSuffix(host, c[0]) {
			return c[1]
		}
	}
	return ""
}

// consoleOf gives the console's address for an API's, "" when it is not known.
func consoleOf(api string) string {
	u, err := url.Parse(api)
	if err != nil {
		return ""
	}
	for _, c := range clouds() {
		if strings.HasSuffix(u.Hostname(), c[0]) {
			return "https://" + c[2]
		}
	}
	return ""
}

// audienceFor gives the audience of a token: the legacy provider has its own.
func audienceFor(host string) string {
	switch host {
	case "auth.wiz.io", "auth0.gov.wiz.io":
		return "beyond-api"
	}
	return "wiz-api"
}

// tenant is what stands for the tenant in edrc's memory.
func (o Options) tenant() string {
	u, err := url.Parse(o.URL)
	if err != nil {
		return ""
	}
	if o.TenantID != "" {
		return u.Host + "/" + strings.ToLower(strings.TrimSpace(o.TenantID))
	}
	return u.Host + "/client/" + o.ClientID
}

// traits are the facts of the product, as the configuration changes them. How long a note
// takes to be visible is UNCERTAIN.
func (o Options) traits() source.Traits {
	t := source.Traits{
		NoteMax: noteMax, NoteBulk: 1, NoteSettle: time.Minute,
		Settle: 2 * time.Minute, Overlap: 30 * time.Minute, MaxWindow: maxWindow,
	}
	for _, m := range Origins() {
		t.Repeats = append(t.Repeats, m.Ours)
	}
	return o.Timing.Of(t)
}
