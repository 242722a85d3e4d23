package carbonblack

import (
	"net/url"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// Kind is what the configuration calls this product.
const Kind = "carbonblack"

// Options is a source of this kind as it stands in the configuration.
type Options struct {
	// URL is the console's address, which is the API's, too: https://defense.conferdeploy.net
	// or that of another region.
	URL string `yaml:"url"`
	// OrgKey names the organisation: Settings > API Access shows it.
	OrgKey string `yaml:"org_key"`
	// APIID and APISecret are an API key whose access level is of the type Custom.
	APIID     string       `yaml:"api_id"`
	APISecret httpx.Secret `yaml:"api_secret"`

	source.Timing `yaml:",inline"`

	// Rate is how many requests may be sent in a second on average; default 3. The
	// vendor's example of its limit is 1,000 in five minutes, for one address.
	Rate float64 `yaml:"rate"`
}

// The limits of the API.
const (
	// noteMax is the most characters that a note has.
	noteMax = 20_000
	// pageSize is how many alerts are asked for at once.
	pageSize = 1000
	// window is how far a search reaches: start and rows together.
	window = 10_000
	// idsPerRequest is a batch of ids in a search. The vendor names no limit.
	idsPerRequest = 500
	// retention is how long the vendor keeps alerts. A search without a range of time
	// would see the last two weeks only.
	retention = 180 * 24 * time.Hour
	// burst is how many requests may be sent at once, within the average.
	burst = 100
)

// normalise fills in the defaults and says what is missing, all of it at once.
func (o Options) normalise() (Options, error) {
	// People paste the {placeholders} of the vendor's pages along with the key.
	o.OrgKey = strings.Trim(strings.TrimSpace(o.OrgKey), "{}<>")
	o.APIID = strings.Trim(strings.TrimSpace(o.APIID), "{}<>")
	var missing []string
	if strings.TrimSpace(o.URL) == "" {
		missing = append(missing, "url (https://defense.conferdeploy.net, or the console of another region)")
	}
	if o.OrgKey == "" {
		missing = append(missing, "org_key (Settings > API Access)")
	}
	if o.APIID == "" {
		missing = append(missing, "api_id (of an API key of the type Custom)")
	}
	if !o.APISecret.IsSet() {
		missing = append(missing, "api_secret")
	}
	if len(missing) > 0 {
		return o, fault.Usagef("not configured: %s", strings.Join(missing, ", "))
	}
	switch {
	case !isWord(o.OrgKey):
		return o, fault.Usagef("org_key: not of the form A1B2C3D4: letters and digits only")
	case !isWord(o.APIID):
		return o, fault.Usagef("api_id: not of the form A1B2C3D4E5: letters and digits only").WithHint("the secret belongs into api_secret, without a slash")
	case !(o.Rate >= 0): // also refuses NaN
		return o, fault.Usagef("rate: must not be negative")
	case o.Rate == 0:
		o.Rate = 3
	}
	var err error
	o.URL, err = consoleURL(o.URL)
	return o, err
}

// isWord reports letters and digits, at most 64.
func isWord(s string) bool {
	return len(s) > 0 && len(s) <= 64 && strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// consoleURL gives scheme and host of what a user wrote.
func consoleURL(s string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Host == "" {
		return "", fault.Usagef("url: not of the form https://defense.conferdeploy.net")
	}
	if strings.Trim(u.Path, "/") != "" {
		return "", fault.Usagef("url: %s has a path", u.Host).WithHint("write only https://%s", u.Host)
	}
	u.Path, u.RawPath, u.Host = "", "", strings.ToLower(u.Host)
	return u.String(), nil
}

// traits are the facts of the product, as the configuration changes them. The vendor
// says that its backend needs a minute, and that an alert of the type CB_ANALYTICS may
// change for a quarter of an hour. How long a note takes to be visible is UNCERTAIN.
func (o Options) traits() source.Traits {
	t := source.Traits{
		NoteMax: noteMax, NoteBulk: 1, NoteSettle: 90 * time.Second,
		Settle: time.Minute, Overlap: 20 * time.Minute,
	}
	return o.Timing.Of(t)
}
