package report

import (
	"context"
	"errors"
	"strings"
	"testing"

	"edrc/internal/term"
)

func TestACardOnANarrowTerminalKeepsWhatIsToBeCopied(t *testing.T) {
	io, out, _ := term.Test("")
	io.OutTTY, io.Width, io.Color = true, 40, term.Never
	err := Card(io, "title", "", []Row{
		{Label: "file", Lines: []string{`C:\Users\somebody\Downloads\invoice.exe`}, Tail: true},
		{Label: "command", Lines: []string{strings.Repeat("x", 60)}},
		{Label: "note", Lines: []string{"one two three four five six seven eight"}, Whole: true},
		{Label: "hash", Lines: []string{strings.Repeat("a", 40)}, Whole: true},
	})
	want := `title
  file      …ebody\Downloads\invoice.exe
  command   xxxxxxxxxxxxxxxxxxxxxxxxxxx…
  note      one two three four five six
            seven eight
  hash      aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
`
	if err != nil || out.String() != want {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestTheSameTroubleIsToldOnce(t *testing.T) {
	io, _, errout := term.Test("")
	Error(io, Table, errors.Join(errors.New("the disk is full"), errors.New("another"), errors.New("the disk is full")))
	if want := "edrc: the disk is full\nedrc: another\n"; errout.String() != want {
		t.Errorf("it says %q", errout)
	}
}

func TestJSONOfAnotherShapeIsSortedByTheColumns(t *testing.T) {
	io, out, _ := term.Test("")
	l := List[string]{Schema: "x/v1", Items: []string{"b", "a"}, Columns: []Column[string]{{Name: "name", Value: func(_ View, s string) string { return s }}}}
	err := PrintAs(context.Background(), io, Options{Format: NDJSON, Sort: "name"}, l, func(s string) map[string]string { return map[string]string{"is": s} })
	if want := "{\"is\":\"a\"}\n{\"is\":\"b\"}\n"; err != nil || out.String() != want {
		t.Errorf("%v %q", err, out)
	}
}
