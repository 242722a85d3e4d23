package alert

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	sha256Of = Hash("63c5cdfc617fb8fe93888e68674717590957a25b5e08219b1a61c3f031f88ee6")
	sha1Of   = Hash("a9993e364706816aba3e25717850c26c9cd0d89d")
	md5Of    = Hash("900150983cd24fb0d6963f7d28e17f72")
)

func TestAHashIsHexOfALengthThatIsKnown(t *testing.T) {
	for s, want := range map[string]Hash{
		" " + strings.ToUpper(string(sha256Of)) + "\n": sha256Of, string(sha1Of): sha1Of, string(md5Of): md5Of,
		"": "", "abc": "", strings.Repeat("g", 32): "", string(md5Of) + "0": "",
	} {
		if got, err := ParseHash(s); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	}
}

func TestHashesOfNoFileAreDroppedAndTheOthersKept(t *testing.T) {
	got := NewHashes(strings.Repeat("0", 40), string(sha256Of), "d41d8cd98f00b204e9800998ecf8427e", "junk", "")
	if got != (Hashes{SHA256: sha256Of}) || got.Best() != sha256Of {
		t.Errorf("%+v", got)
	}
	for _, h := range []Hash{"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "da39a3ee5e6b4b0d3255bfef95601890afd80709",
		"d41d8cd98f00b204e9800998ecf8427e", Hash(strings.Repeat("0", 64)), Hash(strings.Repeat("0", 32)), ""} {
		if !h.Refused() {
			t.Errorf("%q identifies a file?", h)
		}
	}
}

func TestHashesMayComeInAnyOrderAndInTheWrongField(t *testing.T) {
	want := Hashes{sha256Of, sha1Of, md5Of}
	if got := NewHashes(string(md5Of), string(sha256Of), string(sha1Of)); got != want {
		t.Errorf("%+v", got)
	}
	if !slices.Equal(want.All(), []Hash{sha256Of, sha1Of, md5Of}) || !want.Has(md5Of) || want.Has("") || (Hashes{}).Best() != "" {
		t.Error(want.All())
	}
}

func TestARefSurvivesBeingPrinted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Ref{Source: rapid.StringMatching(`[a-z0-9-]+`).Draw(t, "source"), Incident: rapid.Bool().Draw(t, "incident"),
			ID: rapid.StringMatching(`[^/].*`).Draw(t, "id")}
		if !r.Incident && strings.HasPrefix(r.ID, "incident/") {
			t.Skip()
		}
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var got Ref
		if err := json.Unmarshal(b, &got); err != nil || got != r {
			t.Fatalf("%+v became %s became %+v, %v", r, b, got, err)
		}
	})
}

func TestWhatIsNoRefSaysHowOneIsWritten(t *testing.T) {
	for _, s := range []string{"", "x", ":", "x:", ":1", "S1:1", "a b:1", "x:incident/"} {
		if r, err := ParseRef(s); err == nil || !strings.Contains(err.Error(), "source:") {
			t.Errorf("%q: %+v, %v", s, r, err)
		}
	}
	if r, err := ParseRef("x:a:b:c"); err != nil || r.ID != "a:b:c" {
		t.Errorf("%+v, %v: split at the first colon", r, err)
	}
}

func TestAShortRefKeepsTheEndOfALongID(t *testing.T) {
	for r, want := range map[Ref]string{
		{Source: "s1", ID: "1698000000000088213"}:          "s1:…88213",
		{Source: "s1", ID: "123456789"}:                    "s1:123456789",
		{Source: "s1", Incident: true, ID: "000000000099"}: "s1:incident/…00099",
	} {
		if got := r.Short(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestTheDigestIsOfTheFactsAndOfNothingElse(t *testing.T) {
	base := Alert{Severity: Low, Status: StatusNew, Host: Host{ID: "h"}, Files: []File{{Hashes: Hashes{SHA256: sha256Of}, Role: RoleThreat}, {Path: "/x", Role: RoleImage}}}
	for name, change := range map[string]func(*Alert){
		"severity": func(a *Alert) { a.Severity = Critical },
		"updated":  func(a *Alert) { a.Updated = time.Now() },
		"progress": func(a *Alert) { a.Status = StatusInProgress },
		"order":    func(a *Alert) { a.Files = []File{a.Files[1], a.Files[0]} },
		"title":    func(a *Alert) { a.Title = "x" },
	} {
		a := base
		if change(&a); a.Digest() != base.Digest() {
			t.Errorf("%s changes the digest", name)
		}
	}
	for name, change := range map[string]func(*Alert){
		"closed": func(a *Alert) { a.Status = StatusResolved },
		"host":   func(a *Alert) { a.Host.ID = "g" },
		"file":   func(a *Alert) { a.Files = a.Files[:1] },
		"role":   func(a *Alert) { a.Files = []File{{Hashes: Hashes{SHA256: sha256Of}, Role: RoleModule}, a.Files[1]} },
		"path":   func(a *Alert) { a.Files = []File{a.Files[0], {Path: "/y", Role: RoleImage}} },
	} {
		a := base
		if change(&a); a.Digest() == base.Digest() {
			t.Errorf("%s does not change the digest", name)
		}
	}
}

func TestAQueryMatchesWhatPassesEachOfItsFilters(t *testing.T) {
	now := time.Now()
	a := Alert{Severity: High, Status: StatusNew, Created: now, Host: Host{ID: "id-1", Name: "WS-01"}, Files: []File{{Hashes: Hashes{SHA1: sha1Of}}}}
	for name, tc := range map[string]struct {
		q    Query
		want bool
	}{
		"all":       {Query{}, true},
		"since":     {Query{Since: now}, true},
		"too old":   {Query{Since: now.Add(1)}, false},
		"until":     {Query{Until: now}, true},
		"too young": {Query{Until: now.Add(-1)}, false},
		"severity":  {Query{Severities: []Severity{Critical, High}}, true},
		"not that":  {Query{Severities: []Severity{Low}}, false},
		"status":    {Query{Statuses: []Status{StatusResolved}}, false},
		"host":      {Query{Host: "ws-01"}, true},
		"host id":   {Query{Host: "id-1"}, true},
		"prefix":    {Query{Host: "Ws-*"}, true},
		"no host":   {Query{Host: "WS"}, false},
		"hash":      {Query{Hash: sha1Of}, true},
		"no hash":   {Query{Hash: sha256Of}, false},
	} {
		if got := tc.q.Match(a); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestSeveritiesAreReadAsTheyAreWritten(t *testing.T) {
	for s := Unrated; s <= Critical; s++ {
		b, err := s.MarshalText()
		var got Severity
		if err != nil || got.UnmarshalText([]byte(strings.ToUpper(string(b)))) != nil || got != s {
			t.Errorf("%d: %s, %d", s, b, got)
		}
	}
	if _, err := ParseSeverity("nasty"); err == nil || !strings.Contains(err.Error(), "critical") {
		t.Error(err)
	}
	if Severity(99).String() != "unrated" || Severity(-1).String() != "unrated" {
		t.Error("out of range")
	}
}

func TestAWordThatIsNotKnownIsUnknownAndNeverTrusted(t *testing.T) {
	for _, s := range []string{"", "known_trusted", "TRUSTED", "clean"} {
		if c := ParseClass(s); c != Unknown {
			t.Errorf("%q: %s", s, c)
		}
	}
	for _, c := range Classes() {
		if ParseClass(string(c)) != c {
			t.Error(c)
		}
	}
}

func TestWorseIsAStrictOrderWithMaliciousOnTop(t *testing.T) {
	all := Classes()
	for i, a := range all {
		if !a.WorseThan("") || Class("").WorseThan(a) {
			t.Errorf("%s and nothing", a)
		}
		for j, b := range all {
			if a.WorseThan(b) != (i < j) {
				t.Errorf("%s, %s", a, b)
			}
		}
	}
	if Class("").WorseThan("") {
		t.Error("nothing is worse than nothing")
	}
}
