package defender

import (
	"slices"
	"strings"

	"edrc/internal/fault"
)

// cloud is where one of Microsoft's clouds serves what is used here. Audiences are
// the hosts, except that GCC shares the commercial Graph.
type cloud struct {
	name   string
	login  string
	graph  string
	mde    string
	portal string
}

// clouds are the clouds whose Graph has alerts_v2, the default first. China has none
// (nor have Bleu, Delos and the government cloud of Singapore).
func clouds() []cloud {
	return []cloud{
		{"commercial", "https://login.microsoftonline.com", "https://graph.microsoft.com", "https://api.securitycenter.microsoft.com", "https://security.microsoft.com"},
		{"gcc", "https://login.microsoftonline.com", "https://graph.microsoft.com", "https://api-gcc.securitycenter.microsoft.us", "https://security.microsoft.com"},
		{"gcc-high", "https://login.microsoftonline.us", "https://graph.microsoft.us", "https://api-gov.securitycenter.microsoft.us", "https://security.microsoft.us"},
		{"dod", "https://login.microsoftonline.us", "https://dod-graph.microsoft.us", "https://api-gov.securitycenter.microsoft.us", "https://security.apps.mil"},
	}
}

// Clouds are the values of the option cloud, the default first.
func Clouds() []string {
	var names []string
	for _, c := range clouds() {
		names = append(names, c.name)
	}
	return names
}

func findCloud(name string) (cloud, error) {
	all := clouds()
	switch {
	case name == "":
		return all[0], nil
	case strings.EqualFold(name, "china"):
		return cloud{}, fault.Usagef("cloud: Microsoft does not offer these APIs in its cloud of China")
	}
	i := slices.IndexFunc(all, func(c cloud) bool { return strings.EqualFold(c.name, name) })
	if i < 0 {
		return cloud{}, fault.Usagef("cloud: %q is not a cloud (%s)", name, strings.Join(Clouds(), ", "))
	}
	return all[i], nil
}
