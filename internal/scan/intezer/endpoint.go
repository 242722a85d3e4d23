package intezer

import (
	"net/url"
	"strings"

	"edrc/internal/fault"
)

const (
	cloudURL = "https://analyze.intezer.com"
	cloudUS  = "https://us.app.intezer.com"
	apiPath  = "/api/v2-0"
)

// siteRoot gives the root of the web site from what a user may write: nothing
// (the cloud), "us", a host, or a URL with or without a trailing slash, /api and
// /api/v2-0. The API root is the site root and apiPath (contracts 1.1).
func siteRoot(s string) (string, error) {
	s = strings.TrimSpace(s)
	switch strings.ToLower(s) {
	case "", "eu", "cloud":
		return cloudURL, nil
	case "us":
		return cloudUS, nil
	}
	if !strings.Contains(s, "://") {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Hostname() == "" ||
		u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		// The text is not repeated: somebody may have put a credential into it.
		return "", fault.Usagef("scan.url is not the address of an Intezer server").
			WithHint("leave it out for %s, or write us, or https://host of your own server", cloudURL)
	}
	p := strings.TrimRight(u.Path, "/")
	for _, tail := range []string{"/v2-0", "/api"} {
		p = strings.TrimRight(strings.TrimSuffix(p, tail), "/")
	}
	host := strings.ToLower(u.Host)
	if u.Scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	}
	return u.Scheme + "://" + host + p, nil
}

// canonicalKey gives an API key as the vendor documents it, a UUID with dashes,
// from one without, in capitals or in braces; ok is false when it is no UUID.
// What is no UUID is sent as it stands: the server knows best.
func canonicalKey(s string) (key string, ok bool) {
	s = strings.TrimSpace(s)
	hex := strings.ToLower(strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(s, "{"), "}"), "-", ""))
	if len(hex) != 32 || strings.Trim(hex, "0123456789abcdef") != "" {
		return s, false
	}
	return hex[:8] + "-" + hex[8:12] + "-" + hex[12:16] + "-" + hex[16:20] + "-" + hex[20:], true
}
