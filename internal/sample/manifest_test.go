package sample

import (
	"strings"
	"testing"

	"edrc/internal/alert"
)

func TestTheAgentsManifest(t *testing.T) {
	s, _ := newSpool(t)
	data := marked(500)
	mine, other := hashesOf(data), hashesOf([]byte("other"))
	file := made{name: "C/x/bad.exe", data: data, crypt: legacy}
	says := func(sha1, reason string) made {
		return made{name: "manifest.json", crypt: legacy,
			data: []byte(`[{"path":"C:\\x\\bad.exe","sha1":"` + sha1 + `","reason":"` + reason + `"}]`)}
	}
	lone := made{name: "manifest.json", crypt: legacy, data: []byte(`{"manifest_version":3}`)}
	for name, tc := range map[string]struct {
		entries []made
		want    alert.Hashes
		problem Problem
	}{
		"everything was read":                   {[]made{file, says(string(mine.SHA1), "")}, mine, ""},
		"its hash stands in for the alert's":    {[]made{file, says(string(mine.SHA1), "")}, alert.Hashes{}, ""},
		"its hash does not fit":                 {[]made{file, says(string(other.SHA1), "")}, alert.Hashes{}, WrongBytes},
		"the alert's hash counts, not its":      {[]made{file, says(string(other.SHA1), "")}, mine, ""},
		"a reason and no file":                  {[]made{says("", "Access denied")}, mine, Unreadable},
		"a reason and an empty file":            {[]made{{name: "C/x/bad.exe", crypt: legacy}, says("", "locked")}, mine, Unreadable},
		"a reason and the right file":           {[]made{file, says("", "of another file")}, mine, ""},
		"a reason and a file nobody can judge":  {[]made{file, says("", "locked")}, alert.Hashes{}, Unreadable},
		"only a manifest":                       {[]made{says("", "")}, mine, NoFile},
		"the file itself is called so":          {[]made{lone}, hashesOf(lone.data), ""},
		"the file itself is called so, no hash": {[]made{lone}, alert.Hashes{}, ""},
		"the file itself is a manifest":         {[]made{says("", "")}, hashesOf(says("", "").data), ""},
		"one of a folder is a file":             {[]made{{name: "C/manifest.json", data: data, crypt: legacy}, says("", "")}, mine, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := inspectBytes(s, makeZip(t, testPassword, tc.entries...), testPassword, Limits{}, tc.want)
			wantProblem(t, err, tc.problem)
			if tc.problem == Unreadable && !strings.Contains(err.Error(), "agent") {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestAReasonIsMadeHarmless(t *testing.T) {
	m, ok := parseManifest([]byte(`[{"path":"x","reason":"a\u001b[31m\n b\u202e ` + long(500) + `"}]`))
	if r := m.reason(); !ok || strings.ContainsAny(r, "\x1b\n\u202e") || len(r) > maxReason {
		t.Fatalf("got %q", m.reason())
	}
}
