package crowdstrike

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// cloud is one of the vendor's regions.
type cloud struct {
	name    string // as X-Cs-Region has it
	api     string // host
	console string // host, "" where it is not known
}

// clouds lists them. us-3 is in gofalcon and not in falconpy; its console is
// UNCERTAIN, as is that of us-gov-2.
func clouds() []cloud {
	return []cloud{
		{"us-1", "api.crowdstrike.com", "falcon.crowdstrike.com"},
		{"us-2", "api.us-2.crowdstrike.com", "falcon.us-2.crowdstrike.com"},
		{"us-3", "api.us-3.crowdstrike.com", ""},
		{"eu-1", "api.eu-1.crowdstrike.com", "falcon.eu-1.crowdstrike.com"},
		{"us-gov-1", "api.laggar.gcw.crowdstrike.com", "falcon.laggar.gcw.crowdstrike.com"},
		{"us-gov-2", "api.us-gov-2.crowdstrike.mil", ""},
	}
}

func cloudNames() []string {
	var out []string
	for _, c := range clouds() {
		out = append(out, c.name)
	}
	return out
}

func (c cloud) base() string { return "https://" + c.api }

// cloudNamed finds a cloud by its name, with or without dashes; gov1 and gov2 are the
// government's.
func cloudNamed(s string) (cloud, bool) {
	s = strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "").Replace(s))
	if strings.HasPrefix(s, "gov") {
		s = "us" + s
	}
	for _, c := range clouds() {
		if s == strings.ReplaceAll(c.name, "-", "") {
			return c, true
		}
	}
	return cloud{}, false
}

// cloudAt finds a cloud by the address of its API.
func cloudAt(base string) (cloud, bool) {
	for _, c := range clouds() {
		if base == c.base() {
			return c, true
		}
	}
	return cloud{}, false
}

// elsewhere gives the address at which the tenant lives, when a reply says that it is
// not the one that was asked: X-Cs-Region of a token, or a redirect. The secret is sent
// there, so only the vendor's own clouds count; and another port of this machine, where
// this machine was asked.
func elsewhere(base string, status int, h http.Header) (string, bool) {
	here, known := cloudAt(base)
	if region, ok := cloudNamed(h.Get("X-Cs-Region")); ok && known && region != here {
		return region.base(), true
	}
	if status/100 != 3 {
		return "", false
	}
	to, err := url.Parse(h.Get("Location"))
	if err != nil || to.Host == "" || to.User != nil {
		return "", false
	}
	next := to.Scheme + "://" + strings.ToLower(to.Host)
	if _, ok := cloudAt(next); ok && next != base {
		return next, true
	}
	from, err := url.Parse(base)
	return next, err == nil && loopback(from) && loopback(to) && next != base
}

func loopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
