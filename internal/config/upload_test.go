package config

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// uploadOptions knows the types and the name that edrc knows.
func uploadOptions(t *testing.T, text string) Options {
	t.Helper()
	o := testOptions(t, text)
	o.FileTypes = []string{"executable", "script", "archive", "document", "other"}
	o.UploadNames = []string{"file"}
	return o
}

func TestUploadRulesAreReadInGeneralAndForEachSource(t *testing.T) {
	c := mustLoad(t, uploadOptions(t, `
scan:
  engine: judge
  url: https://judge.example
  upload:
    types: [executable, script]
    max_size: 20MB
    sources:
      s1-prod: {types: [executable, document], max_size: 1GiB}
      quiet: {types: []}
      file: {max_size: 500KB}
sources:
  s1-prod: {kind: acme}
  quiet: {kind: other}
`))
	u := c.Scan.Upload
	if !slices.Equal(u.Types, []string{"executable", "script"}) || u.MaxSize != 20_000_000 {
		t.Errorf("the general rule: %+v", u.UploadRule)
	}
	if got := slices.Sorted(maps.Keys(u.Sources)); !slices.Equal(got, []string{"file", "quiet", "s1-prod"}) {
		t.Fatalf("sources: %v", got)
	}
	if s := u.Sources["s1-prod"]; !slices.Equal(s.Types, []string{"executable", "document"}) || s.MaxSize != 1<<30 {
		t.Errorf("s1-prod: %+v", s)
	}
	if q := u.Sources["quiet"]; q.Types == nil || len(q.Types) != 0 {
		t.Errorf("an empty list is nothing at all, and not the default: %#v", q)
	}
	if f := u.Sources["file"]; f.Types != nil || f.MaxSize != 500_000 {
		t.Errorf("what is not said is the default: %#v", f)
	}
	if e := c.Scan.Options.(*engineOptions); e.URL != "https://judge.example" {
		t.Errorf("the engine's own keys: %+v", e)
	}
}

func TestWithoutUploadRulesEverythingIsTheDefault(t *testing.T) {
	for _, text := range []string{"", "scan:\n", "scan: {upload: }\n", "scan: {upload: {}}\n", "scan: {upload: {types: , sources: }}\n"} {
		if u := mustLoad(t, uploadOptions(t, text)).Scan.Upload; u.Types != nil || u.MaxSize != 0 || len(u.Sources) != 0 {
			t.Errorf("%q: %+v", text, u)
		}
	}
}

func TestAMistakeInUploadRulesIsMetWithItsLine(t *testing.T) {
	const size = "want a size such as 500KB, 150MB or 1GiB"
	for _, c := range []struct{ name, text, want string }{
		{"a type", "scan:\n  upload:\n    types:\n      - script\n      - exectuable\n", `FILE:5: scan.upload.types: unknown type "exectuable"; did you mean "executable"?`},
		{"a type of a source", "scan:\n  upload:\n    sources:\n      a: {types: [documents]}\nsources:\n  a: {kind: acme}\n", `FILE:4: scan.upload.sources.a.types: unknown type "documents"; did you mean "document"?`},
		{"a type that is no word", "scan:\n  upload: {types: [[script]]}\n", "FILE:2: scan.upload.types[0]: want text, got a list"},
		{"one type, not in a list", "scan:\n  upload: {types: script}\n", "FILE:2: scan.upload.types: want a list, got text"},
		{"a source", "scan:\n  upload:\n    sources:\n      s1-prd: {types: []}\nsources:\n  s1-prod: {kind: acme}\n", `FILE:4: unknown key "s1-prd" in scan.upload.sources; did you mean "s1-prod"?`},
		{"local files", "scan:\n  upload:\n    sources:\n      files: {types: []}\n", `FILE:4: unknown key "files" in scan.upload.sources; did you mean "file"?`},
		{"a key", "scan:\n  upload: {tpyes: []}\n", `FILE:2: unknown key "tpyes" in scan.upload; did you mean "types"?`},
		{"a key of a source", "scan:\n  upload:\n    sources: {file: {maxsize: 1}}\n", `FILE:3: unknown key "maxsize" in scan.upload.sources.file; did you mean "max_size"?`},
		{"a size", "scan:\n  upload: {max_size: 20 megs}\n", "FILE:2: scan.upload.max_size: " + size},
		{"a negative size", "scan:\n  upload: {max_size: -1}\n", "FILE:2: scan.upload.max_size: " + size},
		{"a size of a source", "scan:\n  upload:\n    sources:\n      file:\n        max_size: big\n", "FILE:5: scan.upload.sources.file.max_size: " + size},
		{"a size that is a list", "scan:\n  upload: {max_size: [1]}\n", "FILE:2: scan.upload.max_size: is not valid"},
		{"no mapping", "scan:\n  upload: all\n", "FILE:2: scan.upload: want a mapping, got text"},
		{"sources that are no mapping", "scan:\n  upload: {sources: [file]}\n", "FILE:2: scan.upload.sources: want a mapping, got a list"},
	} {
		if got, _ := refused(t, uploadOptions(t, c.text)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestSizesAreNumbersWithAUnit(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "1048576": 1 << 20, "1B": 1, "500KB": 500_000, "500kB": 500_000, "1.5MB": 1_500_000, "150 MB": 150_000_000,
		"1KiB": 1024, "2 MiB": 2 << 20, "1GiB": 1 << 30, "1GB": 1_000_000_000,
	} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q = %d, %v, want %d", text, s, err, want)
		}
		var again Size
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%q is written as %q, which is read as %d, %v", text, s, again, err)
		}
	}
	for _, text := range []string{"", "MB", "-1", "-1MB", "1mb", "1TB", "1K", "1M", "1 i", "1MBB", "1KMB", "NaN", "Inf", "1e300", "99999999GiB", "1,5MB", "one"} {
		s := Size(7)
		if err := s.UnmarshalText([]byte(text)); err == nil || s != 7 {
			t.Errorf("%q = %d, want an error and the size as it was", text, s)
		}
	}
}

func TestFetchSettingsAreReadAndBounded(t *testing.T) {
	c := mustLoad(t, testOptions(t, ""))
	if f := c.Fetch; f.Endpoint || f.GiveUp != 14*24*time.Hour || f.Retry != 5*time.Minute || f.Poll != 0 || f.SpoolMax != 2<<30 || !strings.HasSuffix(f.Spool, "/spool") || !strings.HasPrefix(f.Spool, c.StateDir) {
		t.Errorf("defaults: %+v", f)
	}
	o := testOptions(t, "fetch: {endpoint: true, give_up: 2d, retry: 1m, poll: 3s, spool: sp, spool_max: 1GiB}\n")
	if f := mustLoad(t, o).Fetch; !f.Endpoint || f.GiveUp != 48*time.Hour || f.Retry != time.Minute || f.Poll != 3*time.Second || f.SpoolMax != 1<<30 || !strings.HasSuffix(f.Spool, "/sp") || f.Spool == "sp" {
		t.Errorf("from the file: %+v", f)
	}
	o = testOptions(t, "fetch: {spool_max: 1GiB}\n")
	o.Env = environment{"EDRC_FETCH_SPOOL_MAX": "5MB", "EDRC_FETCH_ENDPOINT": "true", "EDRC_STATE_DIR": "/s"}.lookup
	if f := mustLoad(t, o).Fetch; f.SpoolMax != 5_000_000 || !f.Endpoint || f.Spool != "/s/spool" {
		t.Errorf("from variables: %+v", f)
	}
	for text, want := range map[string]string{
		"fetch: {give_up: 0}\n":        "FILE:1: fetch.give_up: must be more than 0",
		"fetch:\n  retry: 0s\n":        "FILE:2: fetch.retry: must be more than 0",
		"fetch: {poll: -1s}\n":         "FILE:1: fetch.poll: want a duration such as 300ms, 2m, 72h, 3d or 1w",
		"fetch: {spool_max: 0}\n":      "FILE:1: fetch.spool_max: must be more than 0",
		"fetch: {spool_max: lots}\n":   "FILE:1: fetch.spool_max: want a size such as 500KB, 150MB or 1GiB",
		"fetch: {endpoint: maybe}\n":   "FILE:1: fetch.endpoint: want true or false, got text",
		"fetch:\n  giveup: 1d\n":       `FILE:2: unknown key "giveup" in fetch; did you mean "give_up"?`,
		"fetch: {spool: [a]}\n":        "FILE:1: fetch.spool: want text, got a list",
		"fetch: {retry: 5, poll: x}\n": "FILE:1: fetch.retry: want a duration such as 300ms, 2m, 72h, 3d or 1w\nFILE:1: fetch.poll: want a duration such as 300ms, 2m, 72h, 3d or 1w",
	} {
		if got, _ := refused(t, testOptions(t, text)); got != want {
			t.Errorf("%q:\n got %s\nwant %s", text, got, want)
		}
	}
}
