package config

import (
	"strings"
	"testing"
)

func TestNoteTemplatesAreReadAsTheyStand(t *testing.T) {
	c := mustLoad(t, testOptions(t, "notes:\n  templates:\n    Reimaged: \"{{.Host}}: done\"\n    long: |\n      one\n      two {{.Ref}}\n"))
	if c.Notes.Templates["Reimaged"] != "{{.Host}}: done" || c.Notes.Templates["long"] != "one\ntwo {{.Ref}}\n" || !c.Notes.Enabled {
		t.Errorf("%+v", c.Notes)
	}
	if c := mustLoad(t, testOptions(t, "notes: {templates: }\n")); c.Notes.Templates != nil {
		t.Errorf("%+v", c.Notes)
	}
}

func TestAMistakeInNoteTemplatesIsMetWithItsLine(t *testing.T) {
	for text, want := range map[string]string{
		"notes:\n  templatse: {a: b}\n":         `FILE:2: unknown key "templatse" in notes; did you mean "templates"?`,
		"notes:\n  templates: [a]\n":            "FILE:2: notes.templates: want a mapping, got",
		"notes:\n  templates: {a: {b: c}}\n":    "FILE:2: notes.templates.a: want text, got",
		"notes:\n  templates: {\"a b\": c}\n":   "FILE:2: notes.templates: a name is made of",
		"notes:\n  templates: {a: b, a: c}\n":   "FILE:2",
		"notes: {templates: {a: b}, enable: 1}": `unknown key "enable"`,
	} {
		if msg, _ := refused(t, testOptions(t, text)); !strings.Contains(msg, want) {
			t.Errorf("%q: %q, want %q", text, msg, want)
		}
	}
}
