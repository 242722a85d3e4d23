package cortex

import (
	"net"
	"net/url"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/safe"
	"edrc/internal/source"
)

// Kind is what the configuration calls this product.
const Kind = "cortex"

// The types of API keys.
const (
	keyAdvanced = "advanced"
	keyStandard = "standard"
)

// The generations of the API.
const (
	version3 = "3" // alerts and incidents
	version5 = "5" // issues and cases
)

// Options is a source of this kind as it stands in the configuration.
type Options struct {
	// URL is the tenant: acme.xdr.us.paloaltonetworks.com, as a name or as https://NAME,
	// with api- before it or without.
	URL string `yaml:"url"`

	KeyID string       `yaml:"key_id"` // a number, in the column ID of the console's API keys
	Key   httpx.Secret `yaml:"key"`
	// KeyType is "advanced" (the default: requests are signed) or "standard", as the key
	// was made.
	KeyType string `yaml:"key_type"`

	// Version is "3" (alerts and incidents) or "5" (issues and cases). "" asks the tenant,
	// once a run; a tenant that is being migrated should have it set, because an alert has
	// another id in each.
	Version string `yaml:"version"`

	source.Timing `yaml:",inline"`

	// Rate is how many requests may be sent in a second; default 5. The vendor's limit is
	// 10 a second for all keys of a tenant together.
	Rate float64 `yaml:"rate"`
}

// The limits of the API.
const (
	// noteMax is the most characters of a comment. The vendor does not say what it takes
	// (UNCERTAIN): a marker that is cut off would be worse than a short note.
	noteMax = 2000
	// pageSize is the most rows that one request gives.
	pageSize = 100
	// alertsOfIncident is the most alerts that come with an incident.
	alertsOfIncident = 1000
)

// normalise fills in the defaults and says what is missing, all of it at once.
func (o Options) normalise() (Options, error) {
	var missing []string
	if o.URL = strings.TrimSpace(o.URL); o.URL == "" {
		missing = append(missing, "url (the tenant: NAME.xdr.REGION.paloaltonetworks.com)")
	}
	if o.KeyID = strings.TrimSpace(o.KeyID); o.KeyID == "" {
		missing = append(missing, "key_id (Settings > Configurations > Integrations > API Keys, column ID)")
	}
	if !o.Key.IsSet() {
		missing = append(missing, "key")
	}
	if len(missing) > 0 {
		return o, fault.Usagef("not configured: %s", strings.Join(missing, ", "))
	}
	if strings.ContainsFunc(o.KeyID, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return o, fault.Usagef("key_id: not the id of an API key, which is a number")
	}
	switch o.KeyType = strings.ToLower(strings.TrimSpace(o.KeyType)); o.KeyType {
	case "":
		o.KeyType = keyAdvanced
	case keyAdvanced, keyStandard:
	default:
		return o, fault.Usagef("key_type: %q is not a type of API key (%s, %s)", o.KeyType, keyAdvanced, keyStandard)
	}
	if o.Version != "" && o.Version != version3 && o.Version != version5 {
		return o, fault.Usagef("version: %q is not a generation of the API (%s, %s)", o.Version, version3, version5).
			WithHint("leave it out to have the tenant asked")
	}
	switch {
	case !(o.Rate >= 0): // also refuses NaN
		return o, fault.Usagef("rate: must not be negative")
	case o.Rate == 0:
		o.Rate = 5
	}
	var err error
	o.URL, err = apiURL(o.URL)
	return o, err
}

const vendorDomain = ".paloaltonetworks.com"

// apiURL gives https://api-FQDN for what people paste: the bare name, the console's
// address, the API's with a path. A host that is not the vendor's and comes with a scheme
// is taken as it is: a gateway, or the lab.
func apiURL(s string) (string, error) {
	written := strings.Contains(s, "://")
	if !written {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Opaque != "" {
		return "", fault.Usagef("url: not of the form NAME.xdr.REGION.paloaltonetworks.com")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fault.Usagef("url: %s has a user, a query or a fragment", u.Host).WithHint("write only the tenant's name")
	}
	path, _, _ := strings.Cut(strings.Trim(u.Path, "/"), "public_api")
	if strings.Trim(path, "/") != "" {
		return "", fault.Usagef("url: %s has a path", u.Host).WithHint("write only the tenant's name")
	}
	host := strings.ToLower(u.Host)
	bare := net.ParseIP(strings.Trim(u.Hostname(), "[]")) != nil || u.Hostname() == "localhost"
	if !strings.HasPrefix(host, "api-") && !bare && (!written || strings.HasSuffix(host, vendorDomain)) {
		host = "api-" + host
	}
	return (&url.URL{Scheme: u.Scheme, Host: host}).String(), nil
}

// fqdn is the tenant's name: the host without api-.
func (o Options) fqdn() string {
	_, host, _ := strings.Cut(o.URL, "://")
	return strings.TrimPrefix(host, "api-")
}

// console is the address of the web console, "" for a host that has none, such as the lab.
func (o Options) console() string {
	if strings.HasPrefix(o.URL, "https://api-") {
		return "https://" + o.fqdn()
	}
	return ""
}

// traits are the facts of the product, as the configuration changes them. How long a
// comment takes to be visible is UNCERTAIN.
func (o Options) traits() source.Traits {
	t := source.Traits{
		NoteMax: noteMax, NoteBulk: 1, NoteSettle: 90 * time.Second,
		Settle: 2 * time.Minute, Overlap: 15 * time.Minute,
	}
	return o.Timing.Of(t)
}

var numberForm = safe.Pattern(`^[0-9]{1,18}$`)

// isNumber reports whether s can be the id of an alert, an issue, an incident or a case.
func isNumber(s string) bool { return numberForm().MatchString(s) }

var endpointForm = safe.Pattern(`^[0-9A-Za-z_-]{1,64}$`)

// isEndpointID reports whether s can be the id of an endpoint: 32 hex digits, as far as
// is known.
func isEndpointID(s string) bool { return endpointForm().MatchString(s) }
