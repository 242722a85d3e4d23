package report

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"edrc/internal/fault"
	"edrc/internal/term"
)

func TestJQSeesTheEnvelope(t *testing.T) {
	l := alerts()
	l.Items[0].File = "two\nlines \x1b[2J"
	l.Items[2].Big = 1234567890123456789
	for expr, want := range map[string]string{
		`.items[1].ref`:            "s1-prod:1698000000000088213\n", // raw
		`.items[0].file`:           "two\nlines \\x1b[2J\n",         // and safe
		`.items[1:3][] | .big`:     "9007199254740993\n1234567890123456789\n",
		`.items[1] | {ref, tags}`:  `{"ref":"s1-prod:1698000000000088213","tags":["a","b"]}` + "\n",
		`.items | length, .nope`:   "4\n", // and an error, see below
		`.items[] | select(false)`: "",
		`1, halt, 2`:               "1\n",
		`$ENV | length`:            "0\n",
	} {
		io, out, _ := term.Test("")
		err := Print(t.Context(), io, Options{JQ: expr}, l)
		if strings.Contains(expr, "nope") {
			mustFail(t, err, fault.Usage, "--jq: expected an object but got: array ("+`[{"big":1,"file":"two\nli ...]`+")")
			err = nil
		}
		if err != nil || out.String() != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", expr, err, out, want)
		}
	}
}

func TestJQErrorsSayWhere(t *testing.T) {
	for expr, want := range map[string]string{
		`.items[`:      `--jq: unexpected EOF at character 8`,
		`.items | )`:   `--jq: unexpected token ")" at character 10`,
		`"é" | ] | .x`: `--jq: unexpected token "]" at character 7`,
		`.items | foo`: `--jq: function not defined: foo/0`,
	} {
		mustFail(t, Options{JQ: expr}.Validate(nil), fault.Usage, want)
	}
	e, _ := errors.AsType[*fault.Error](Options{JQ: `.a | )`}.Validate(nil))
	if e.Hint != ".a | )\n     ^" {
		t.Errorf("hint %q", e.Hint)
	}
}

func TestAnEndlessJQProgramCanBeInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	io, _, _ := term.Test("")
	err := Print(ctx, io, Options{JQ: `last(repeat(1))`}, alerts())
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

func TestTemplateSeesTheEnvelope(t *testing.T) {
	l := alerts()
	for text, want := range map[string]string{
		`{{range .items}}{{.host}} {{age .seen}}{{"\n"}}{{end}}`:                     "FIN-WS-014 12m\nFIN-WS-014 41m\ni-0a12f3e4 1h\n開発-MAC-07 3h\n",
		`{{with index .items 1}}{{.big}} {{.tags | join "+"}} {{json .tags}}{{end}}`: `9007199254740993 a+b ["a","b"]` + "\n",
		`{{"Http://A.b/c" | lower | defang}} {{upper "x"}}`:                          "hxxp://a[.]b/c X\n",
		`{{"\x1b[2J"}}`: `\x1b[2J` + "\n",
		``:              "",
	} {
		if text == "" {
			continue
		}
		if got, _ := run(t, pipe(), Options{Template: text}, l); got != want {
			t.Errorf("%s gave %q, want %q", text, got, want)
		}
	}
	mustFail(t, Options{Template: "{{.x"}.Validate(nil), fault.Usage, "--template: line:1: unclosed action")
	io, _, _ := term.Test("")
	mustFail(t, Print(t.Context(), io, Options{Template: "{{age 1}}"}, l), fault.Usage,
		"--template: line:1:6: executing \"line\" at <1>: expected string; found 1")
}

func TestFiltersTellFailuresOnStderr(t *testing.T) {
	l := alerts()
	l.Errors = failures()
	stdout, stderr := run(t, pipe(), Options{JQ: ".items[0].severity"}, l)
	if stdout != "3\n" || !strings.HasPrefix(stderr, `{"error":{"kind":"auth"`) {
		t.Fatalf("stdout %q, stderr %q", stdout, stderr)
	}
}
