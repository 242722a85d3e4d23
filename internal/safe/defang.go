package safe

import "strings"

// Defang makes an indicator unclickable: https://a.example/x becomes
// hxxps://a[.]example/x, a@b.example becomes a[at]b[.]example. Only the scheme
// and the host are touched. [Refang] is its inverse.
func Defang(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return defangHost(s)
	}
	host, path := splitHost(rest)
	return defangScheme(scheme) + "://" + defangHost(host) + path
}

// Refang undoes [Defang].
func Refang(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return refangHost(s)
	}
	host, path := splitHost(rest)
	return refangScheme(scheme) + "://" + refangHost(host) + path
}

func splitHost(s string) (host, path string) {
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

func defangScheme(s string) string {
	switch strings.ToLower(s) {
	case "http":
		return "hxxp"
	case "https":
		return "hxxps"
	}
	return s
}

func refangScheme(s string) string {
	switch strings.ToLower(s) {
	case "hxxp":
		return "http"
	case "hxxps":
		return "https"
	}
	return s
}

func defangHost(s string) string {
	return strings.NewReplacer("[.]", "[.]", "[at]", "[at]", ".", "[.]", "@", "[at]").Replace(s)
}

func refangHost(s string) string {
	return strings.NewReplacer("[.]", ".", "[at]", "@").Replace(s)
}
