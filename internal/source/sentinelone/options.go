package sentinelone

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// Kind is what the configuration calls this product.
const Kind = "sentinelone"

// The surfaces of a console.
const (
	surfaceThreats = "threats"
	surfaceUnified = "unified"
)

// Options is a source of this kind as it stands in the configuration.
type Options struct {
	URL   string       `yaml:"url"`   // https://CONSOLE, also with a pasted /web/api/v2.1
	Token httpx.Secret `yaml:"token"` // of a service user, or of a console user

	// Surface is "threats" (the default) or "unified".
	Surface string `yaml:"surface"`

	// Accounts, Sites and Groups are ids that narrow what the token may see anyway.
	// The unified surface takes one of the three.
	Accounts []string `yaml:"accounts"`
	Sites    []string `yaml:"sites"`
	Groups   []string `yaml:"groups"`

	source.Timing `yaml:",inline"`

	// Rate is how many lists of threats, or GraphQL requests, may be sent in a second;
	// default 10, the vendor's limit of a token.
	Rate float64 `yaml:"rate"`
}

// noteMax is the most characters a note may have, on both surfaces ([SPEC24]
// threats.schemas_ThreatsNoteCreateSchema); noteMin is the least.
const (
	noteMin = 2
	noteMax = 10_000
)

// idsPerRequest keeps the URL of a batch near 2 KB. The vendor takes 5,000 ids,
// proxies do not.
const idsPerRequest = 100

// normalise fills in the defaults and says what is missing, all of it at once.
func (o Options) normalise() (Options, error) {
	var missing []string
	if strings.TrimSpace(o.URL) == "" {
		missing = append(missing, "url (https://CONSOLE.sentinelone.net)")
	}
	if !o.Token.IsSet() {
		missing = append(missing, "token (of a service user)")
	}
	if len(missing) > 0 {
		return o, fault.Usagef("not configured: %s", strings.Join(missing, ", "))
	}
	var err error
	if o.URL, err = consoleURL(o.URL); err != nil {
		return o, err
	}
	if o.Surface == "" {
		o.Surface = surfaceThreats
	}
	switch {
	case o.Surface != surfaceThreats && o.Surface != surfaceUnified:
		return o, fault.Usagef("surface: %q is not a surface (%s, %s)", o.Surface, surfaceThreats, surfaceUnified)
	case !(o.Rate >= 0): // also refuses NaN
		return o, fault.Usagef("rate: must not be negative")
	case o.Rate == 0:
		o.Rate = 10
	}
	return o, o.checkScope()
}

func (o Options) checkScope() error {
	kinds := 0
	for name, ids := range map[string][]string{"accounts": o.Accounts, "sites": o.Sites, "groups": o.Groups} {
		if len(ids) > 0 {
			kinds++
		}
		if i := slices.IndexFunc(ids, func(id string) bool { return !isID(id) }); i >= 0 {
			return fault.Usagef("%s: %q is not an id: the console shows it as a number of 17 digits or more", name, ids[i])
		}
	}
	if o.Surface == surfaceUnified && kinds > 1 {
		return fault.Usagef("the unified surface can be narrowed by one of accounts, sites and groups, not by several")
	}
	return nil
}

// consoleURL gives scheme and host of what a user wrote. People paste the address
// of the API, with the path that every request has anyway.
func consoleURL(s string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Host == "" {
		return "", fault.Usagef("url: not of the form https://CONSOLE.sentinelone.net")
	}
	path := strings.TrimRight(u.Path, "/")
	for _, version := range []string{"/web/api/v2.1", "/web/api/v2.0", "/web/api"} {
		path = strings.TrimSuffix(path, version)
	}
	if path != "" {
		return "", fault.Usagef("url: %s has a path", u.Host).WithHint("write only https://%s", u.Host)
	}
	u.Path, u.RawPath = "", ""
	return u.String(), nil
}

// traits are the facts of a surface, as the configuration changes them.
func (o Options) traits() source.Traits {
	t := source.Traits{
		NoteMax: noteMax, NoteBulk: idsPerRequest,
		NoteSettle: 30 * time.Second, Settle: 30 * time.Second, Overlap: 15 * time.Minute,
	}
	if o.Surface == surfaceUnified {
		// A note becomes visible, and can be removed, 30 to 90 s after it was posted.
		t.NoteBulk, t.NoteSettle, t.Settle = 1, 2*time.Minute, time.Minute
	}
	return o.Timing.Of(t)
}

// isID reports whether s can be an id of the console: a decimal number that the
// vendor's specification bounds below by 10^17, within 63 bits. Anything else would
// fail the whole batch that it is in.
func isID(s string) bool {
	if len(s) < 18 || len(s) > 19 || strings.Trim(s, "0123456789") != "" || s[0] == '0' {
		return false
	}
	return len(s) < 19 || s <= "9223372036854775807"
}
