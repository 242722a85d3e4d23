package config

import (
	"strings"
	"testing"
)

func TestAMistakeIsToldWithItsLineAndTheNearestName(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"a section", "\noutptu: {}\n", `FILE:2: unknown key "outptu"; did you mean "output"?`},
		{"a key of a section", "http:\n  timeuot: 3s\n", `FILE:2: unknown key "timeuot" in http; did you mean "timeout"?`},
		{"a key of a source", "sources:\n  a:\n    kind: acme\n    tokn: x\n", `FILE:4: unknown key "tokn" in sources.a; did you mean "token"?`},
		{"a key of ours in a source", "sources:\n  a:\n    kind: acme\n    tennant: x\n", `FILE:4: unknown key "tennant" in sources.a; did you mean "tenant"?`},
		{"a key in a list of a source", "sources:\n  a:\n    kind: acme\n    accounts:\n      - ids: x\n", `FILE:5: unknown key "ids" in sources.a.accounts[0]; did you mean "id"?`},
		{"a key of the engine", "scan:\n  engine: judge\n  apikey: x\n", `FILE:3: unknown key "apikey" in scan; did you mean "api_key"?`},
		{"a key of scan", "scan:\n  dayly_budget: 3\n", `FILE:2: unknown key "dayly_budget" in scan; did you mean "daily_budget"?`},
		{"an engine key without an engine", "scan:\n  url: x\n", `FILE:2: scan: key "url" needs scan.engine (one of judge)`},
		{"a class", "scan:\n  life: {malicous: 1d}\n", `FILE:2: unknown key "malicous" in scan.life; did you mean "malicious"?`},
		{"a kind", "sources:\n  a: {kind: acmee}\n", `FILE:2: sources.a: unknown kind "acmee"; did you mean "acme"?`},
		{"a kind like no other", "sources:\n  a: {kind: zebra}\n", `FILE:2: sources.a: unknown kind (known: acme, other)`},
		{"no kind", "sources:\n  a:\n", `FILE:2: sources.a: has no kind (one of acme, other)`},
		{"an engine", "scan: {engine: juge}\n", `FILE:1: scan.engine: unknown engine "juge"; did you mean "judge"?`},
		{"a reference", "sources:\n  a: {kind: acme, token: {kyring: x}}\n", `FILE:2: sources.a.token: unknown reference "kyring"; did you mean "keyring"?`},
		{"a choice", "output: {format: jsno}\n", `FILE:1: output.format: unknown value "jsno"; did you mean "json"?`},
		{"a key like no other", "sync: {zebra: 1}\n", `FILE:1: unknown key "zebra" in sync (known: interval, lease, look_back, overlap, status_filter, wait, workers)`},
	} {
		if got, _ := refused(t, testOptions(t, tc.text)); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.name, got, tc.want)
		}
	}
}

func TestAValueOfTheWrongTypeIsToldWithItsLine(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"a number", "scan:\n  daily_budget: many\n", "FILE:2: scan.daily_budget: want a whole number, got text"},
		{"a bool", "notes:\n  enabled: 3\n", "FILE:2: notes.enabled: want true or false, got a number"},
		{"a duration", "http:\n  timeout: 5 minutes\n", "FILE:2: http.timeout: want a duration such as 300ms, 2m, 72h, 3d or 1w"},
		{"a duration without a unit", "http: {timeout: 30}\n", "FILE:1: http.timeout: want a duration such as 300ms, 2m, 72h, 3d or 1w"},
		{"a life", "scan: {life: {trusted: soon}}\n", "FILE:1: scan.life.trusted: want a duration such as 300ms, 2m, 72h, 3d or 1w"},
		{"text", "store:\n  path: [a]\n", "FILE:2: store.path: want text, got a list"},
		{"a section", "http: fast\n", "FILE:1: http: want a mapping, got text"},
		{"sources", "sources: [a]\n", "FILE:1: sources: want a mapping, got a list"},
		{"a source", "sources: {a: acme}\n", "FILE:1: sources.a: want a mapping, got text"},
		{"a list of a source", "sources:\n  a: {kind: acme, regions: x}\n", "FILE:2: sources.a.regions: want a list, got text"},
		{"a number of a source", "sources:\n  a: {kind: acme, wait: x}\n", "FILE:2: sources.a.wait: want a whole number, got text"},
		{"an inlined field", "sources:\n  a: {kind: acme, ratio: x}\n", "FILE:2: sources.a.ratio: want a number, got text"},
		{"a type that reads itself", "sources:\n  a: {kind: acme, regions: [eu west]}\n", `FILE:2: sources.a.regions[0]: "…" is not a region`},
		{"too few", "sync: {workers: 0}\n", "FILE:1: sync.workers: must be more than 0"},
		{"too many", "scan: {reserve: 101}\n", "FILE:1: scan.reserve: must be at most 100"},
		{"negative", "scan: {daily_budget: -1}\n", "FILE:1: scan.daily_budget: must not be negative"},
		{"the whole file", "- a\n", "FILE:1: want settings (name: value), got a list"},
	} {
		if got, _ := refused(t, testOptions(t, tc.text)); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.name, got, tc.want)
		}
	}
}

func TestAKeyThatStandsTwiceIsToldWithBothLines(t *testing.T) {
	for text, want := range map[string]string{
		"http: {}\nsync: {}\nhttp: {}\n":                               `FILE:3: key "http" is already set in line 1`,
		"sources:\n  a: {kind: acme}\n  a: {kind: acme}\n":             `FILE:3: key "a" is already set in line 2`,
		"sources:\n  a:\n    kind: acme\n    url: x\n    \"url\": y\n": `FILE:5: key "url" is already set in line 4`,
	} {
		if got, _ := refused(t, testOptions(t, text)); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
}

func TestASourceNameIsOneThatARefCanStartWith(t *testing.T) {
	for _, name := range []string{"S1", "eu.prod", "a_b", "a:b", `""`, "é"} {
		got, _ := refused(t, testOptions(t, "sources:\n  "+name+": {kind: acme}\n"))
		if !strings.Contains(got, "FILE:2: source name ") || !strings.Contains(got, "only a-z, 0-9 and - are allowed") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestSeveralMistakesAreToldAtOnceInTheOrderOfTheFile(t *testing.T) {
	text := "sources:\n  b: {kind: acme, x: 1}\n  a: {kind: nope}\nhttp:\n  timeout: x\n  y: 1\nz: 1\nzz: 2\nzzz: 3\n"
	got, _ := refused(t, testOptions(t, text))
	lines := strings.Split(got, "\n")
	if len(lines) != 6 || lines[5] != "and 2 more" {
		t.Fatalf("want five mistakes and the count of the rest:\n%s", got)
	}
	for i, at := range []string{"FILE:2: ", "FILE:3: ", "FILE:5: ", "FILE:6: ", "FILE:7: "} {
		if !strings.HasPrefix(lines[i], at) {
			t.Errorf("line %d is %q, want it to start with %s", i, lines[i], at)
		}
	}
}

func TestWhatUnfoldsOrHidesIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"http: &h {timeout: 3s}\n":                      "FILE:1: anchors and aliases (& and *) are not supported",
		"sources:\n  a: {kind: acme, url: *x}\n":        "FILE:2: not valid YAML: a value that starts with * must stand between quotes",
		"http:\n  <<: {timeout: 3s}\n":                  "FILE:2: merge keys (<<) are not supported",
		"sources:\n  a: {kind: acme, url: !secret x}\n": "FILE:2: tags (!) are not supported",
		"http: {}\n---\nsync: {}\n":                     "FILE:2: a second document starts here: one file is one configuration",
		"? [a]\n: b\n":                                  "FILE:1: a key must be a word, not a list",
	} {
		if got, _ := refused(t, testOptions(t, text)); got != want {
			t.Errorf("%q:\n got %s\nwant %s", text, got, want)
		}
	}
}
