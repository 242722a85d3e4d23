package intezer

import (
	"net/netip"
	"regexp"
	"strings"

	"edrc/internal/alert"
)

// What a verdict carries of an analysis at most. Reports of packed droppers run
// to thousands of rows; a note and a table do not.
const (
	maxIOCs       = 50
	maxTechniques = 50
)

// indicators gives the distinct indicators of a report, network before files, at
// most maxIOCs. The file itself and files judged trusted are none: what is here
// ends up in block lists.
func indicators(r iocReport, self alert.Hash) []alert.IOC {
	var out []alert.IOC
	seen := make(map[alert.IOC]bool)
	add := func(i alert.IOC) {
		if len(out) < maxIOCs && !seen[i] {
			seen[i] = true
			out = append(out, i)
		}
	}
	for _, n := range r.Result.Network {
		if v := n.Value.String(); v != "" {
			add(alert.IOC{Type: networkType(n.Type.String(), v), Value: v})
		}
	}
	for _, f := range r.Result.Files {
		h, err := alert.ParseHash(f.SHA256.String())
		if err != nil || h.Refused() || h == self || f.Verdict.String() == string(alert.Trusted) {
			continue
		}
		add(alert.IOC{Type: "file", Value: string(h)})
	}
	return out
}

// networkType gives ip, domain or url, by the value when the vendor's word is new.
func networkType(said, value string) string {
	switch said = strings.ToLower(said); said {
	case "ip", "domain", "url":
		return said
	}
	if _, err := netip.ParseAddr(value); err == nil {
		return "ip"
	}
	if strings.ContainsAny(value, "/?") {
		return "url"
	}
	return "domain"
}

// techniques gives the distinct ATT&CK techniques of a report, at most maxTechniques.
func techniques(r ttpReport) []alert.Technique {
	id := regexp.MustCompile(`\bT\d{4}(?:\.\d{3})?\b`)
	var out []alert.Technique
	seen := make(map[string]bool)
	for _, item := range r.Result {
		for _, n := range append(item.New, item.Old...) {
			said := n.Text.String()
			for _, t := range id.FindAllString(said, -1) {
				if seen[t] || len(out) == maxTechniques {
					continue
				}
				seen[t] = true
				tactic, name := splitTTP(said)
				out = append(out, alert.Technique{ID: t, Name: name, Tactic: tactic})
			}
		}
	}
	return out
}

// splitTTP reads "Tactic::Technique [T1573]"; either part may be missing.
func splitTTP(s string) (tactic, name string) {
	s, _, _ = strings.Cut(s, "[")
	tactic, name, ok := strings.Cut(s, "::")
	if !ok {
		return "", strings.TrimSpace(s)
	}
	return strings.TrimSpace(tactic), strings.TrimSpace(name)
}
