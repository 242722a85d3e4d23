package report

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v3"

	"edrc/internal/fault"
	"edrc/internal/safe"
	"edrc/internal/term"
)

// FuzzNothingHostileReachesATerminal puts vendor text everywhere it can stand
// and looks at every byte that comes out.
func FuzzNothingHostileReachesATerminal(f *testing.F) {
	for _, s := range []string{
		"\x1b[2J\x1b]0;t\x07", "exe.\u202efdp", "a\r\nb\tc", "\u009b31m", "\u2028\u2029\x7f", "\xff\xfe", "\U000e0041\ufeff",
		"| `x` |", "=1+1", "yes", "12:30", "- a: &b *c", "\u0085", "\ud7ff👨‍👩‍👧", " lead\n trail ", "#c", "\u00ad", "0x1F", "\x00",
		strings.Repeat("long text ", 30) + "\u202e",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		raw, _ := json.Marshal(map[string]string{s: s})
		raw = []byte(strings.ReplaceAll(string(raw), `\ufffd`, "\xff")) // a vendor's bad UTF-8
		hostile := List[hostileItem]{
			Schema: "x/v1", Next: s, Empty: s,
			Items:  []hostileItem{{Text: s, Raw: raw}},
			Errors: []error{&fault.Error{Source: s, Op: s, Msg: s, Hint: s}, errors.New(s)},
			Columns: []Column[hostileItem]{
				{Name: "text", Value: func(_ View, h hostileItem) string { return h.Text }, Shrink: 1},
				{Name: "next", Value: func(_ View, h hostileItem) string { return h.Text }},
			},
		}
		options := []Options{{JQ: ".. | strings"}, {JQ: "."}, {Template: "{{range .items}}{{.text}}{{json .}}{{end}}"}}
		for _, name := range Formats() {
			options = append(options, Options{Format: name})
		}
		for _, o := range options {
			for _, io := range []*term.IO{screen(40), pipe()} {
				stdout, stderr := run(t, io, o, hostile)
				check(t, o, stdout)
				check(t, o, stderr)
			}
		}
		io := screen(60)
		if err := Card(io, s, s, []Row{{Label: s, Lines: []string{s, s}}}); err != nil {
			t.Fatal(err)
		}
		check(t, Options{Format: "card"}, io.Out.(interface{ String() string }).String())
	})
}

type hostileItem struct {
	Text string          `json:"text"`
	Raw  json.RawMessage `json:"raw"`
}

func check(t *testing.T, o Options, out string) {
	t.Helper()
	if !utf8.ValidString(out) {
		t.Fatalf("%+v: not UTF-8: %q", o, out)
	}
	if got := safe.Text(out); got != out {
		t.Fatalf("%+v: hostile: %q", o, out)
	}
}

func FuzzJSONAndYAMLKeepTheValue(f *testing.F) {
	for _, s := range []string{"plain", "no", "12:30:45", "1_000", "~", "\u202e\U000e0041", "a\n  b\n", "\t", "", " ", "\n", "\n\n x", "é\x1b", "'\"", "<<", "=", "!t", "0o17", ".5", "a\u2028b\nc"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "\ufffd")
		want := map[string]any{"k" + s: s, "list": []any{s, nil, true}, "empty": []any{}, "map": map[string]any{}}
		b, err := pretty(want)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(b, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("json: %v\n%s", err, b)
		}
		if b, err = yamlOf(want); err != nil {
			t.Fatal(err)
		}
		got = nil
		if err := yaml.Unmarshal(b, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("yaml: %v\n%q\n%v", err, b, got)
		}
	})
}

func TestEscapeCoversWhatSafeCallsHostile(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		b, err := marshal(string(r))
		if err != nil {
			t.Fatal(err)
		}
		if safe.Line(string(b)) != string(b) {
			t.Errorf("%U is %q in json", r, b)
		}
		var back string
		if err := json.Unmarshal(b, &back); err != nil || back != string(r) {
			t.Errorf("%U came back as %q, %v", r, back, err)
		}
	}
}
