package crowdstrike

import (
	"net/url"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/safe"
	"edrc/internal/source"
)

// Kind is what the configuration calls this product.
const Kind = "crowdstrike"

// Options is a source of this kind as it stands in the configuration.
type Options struct {
	// Cloud is where the tenant lives: us-1 (the default), us-2, us-3, eu-1, us-gov-1 or
	// us-gov-2. From us-1 the commercial clouds are found by themselves; a government
	// cloud is not.
	Cloud string `yaml:"cloud"`
	// BaseURL replaces Cloud by an address: https://HOST.
	BaseURL string `yaml:"base_url"`

	ClientID     string       `yaml:"client_id"`     // of an API client
	ClientSecret httpx.Secret `yaml:"client_secret"` // of the same
	// MemberCID is the child tenant that the token is asked for, of an API client of a
	// parent (Flight Control).
	MemberCID string `yaml:"member_cid"`
	// CID is the tenant's customer id. It is asked for when it is not set; a parent that
	// sees several tenants must set it, or MemberCID.
	CID string `yaml:"cid"`

	source.Timing `yaml:",inline"`

	// Rate is how many requests may be sent in a second; default 50. The vendor's limit
	// is 6,000 a minute for all clients of a tenant together.
	Rate float64 `yaml:"rate"`
}

// The limits of the API.
const (
	// noteMax is below the 1,024 characters from which the vendor refuses the value of
	// an action.
	noteMax = 1000
	// bulkMax is how many alerts one note may be for. The vendor takes 1,000 ids.
	bulkMax = 100
	// pageSize is the most that combined/alerts gives at once.
	pageSize = 1000
	// idsPerRequest is a batch of entities; the vendor takes 1,000 and answers 413 above.
	idsPerRequest = 500
)

// normalise fills in the defaults and says what is missing, all of it at once.
func (o Options) normalise() (Options, error) {
	var missing []string
	if o.ClientID = strings.TrimSpace(o.ClientID); o.ClientID == "" {
		missing = append(missing, "client_id (of an API client: Support and resources > API clients and keys)")
	}
	if !o.ClientSecret.IsSet() {
		missing = append(missing, "client_secret")
	}
	if len(missing) > 0 {
		return o, fault.Usagef("not configured: %s", strings.Join(missing, ", "))
	}
	for name, cid := range map[string]*string{"cid": &o.CID, "member_cid": &o.MemberCID} {
		bare, ok := parseCID(*cid)
		if *cid != "" && !ok {
			return o, fault.Usagef("%s: not a customer id: 32 hex digits, with or without the checksum behind a dash", name)
		}
		*cid = bare
	}
	switch {
	case !(o.Rate >= 0): // also refuses NaN
		return o, fault.Usagef("rate: must not be negative")
	case o.Rate == 0:
		o.Rate = 50
	}
	return o.locate()
}

// locate makes BaseURL the address to start from.
func (o Options) locate() (Options, error) {
	if o.BaseURL != "" {
		if o.Cloud != "" {
			return o, fault.Usagef("cloud and base_url exclude each other")
		}
		u, err := url.Parse(strings.TrimSpace(o.BaseURL))
		if err != nil || u.Host == "" {
			return o, fault.Usagef("base_url: not of the form https://api.crowdstrike.com")
		}
		if strings.Trim(u.Path, "/") != "" {
			return o, fault.Usagef("base_url: %s has a path", u.Host).WithHint("write only https://%s", u.Host)
		}
		u.Path, u.RawPath, u.Host = "", "", strings.ToLower(u.Host)
		o.BaseURL = u.String()
		return o, nil
	}
	if o.Cloud == "" {
		o.Cloud = "us-1"
	}
	c, ok := cloudNamed(o.Cloud)
	if !ok {
		return o, fault.Usagef("cloud: %q is not a cloud (%s)", o.Cloud, strings.Join(cloudNames(), ", "))
	}
	o.Cloud, o.BaseURL = c.name, c.base()
	return o, nil
}

// traits are the facts of the product, as the configuration changes them. How long a
// comment takes to be visible is UNCERTAIN: alerts are read from an index.
func (o Options) traits() source.Traits {
	t := source.Traits{
		NoteMax: noteMax, NoteBulk: bulkMax, NoteSettle: 90 * time.Second,
		Settle: time.Minute, Overlap: 15 * time.Minute,
	}
	return o.Timing.Of(t)
}

var cidForm = safe.Pattern(`^[0-9a-f]{32}(-[0-9a-f]{2})?$`)

// parseCID gives a customer id in lower case and without its checksum.
func parseCID(s string) (string, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	if !cidForm().MatchString(s) {
		return "", false
	}
	return s[:32], true
}

var hostForm = safe.Pattern(`^[0-9a-fA-F]{32}$`)

// isHostID reports whether s can be an agent id.
func isHostID(s string) bool { return hostForm().MatchString(s) }
