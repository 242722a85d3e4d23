package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"edrc/internal/fault"
	"edrc/internal/term"
)

func TestEnvelopeHasItemsErrorsAndNext(t *testing.T) {
	l := alerts()
	l.Items, l.Errors, l.Next = l.Items[1:2], failures(), "p2"
	stdout, stderr := run(t, pipe(), Options{Format: JSON}, l)
	golden(t, "envelope", stdout)
	if stderr != "" {
		t.Errorf("the errors are told twice: %q", stderr)
	}
}

func TestAnEmptyEnvelopeHasListsNotNull(t *testing.T) {
	stdout, stderr := run(t, pipe(), Options{Format: JSON}, List[row]{Schema: "edrc.alerts/v1", Empty: "no alerts"})
	want := "{\n  \"schema\": \"edrc.alerts/v1\",\n  \"items\": [],\n  \"errors\": [],\n  \"next\": \"\"\n}\n"
	if stdout != want || stderr != "" {
		t.Fatalf("stdout %s, stderr %q", stdout, stderr)
	}
}

func TestNDJSONIsALineForEachItemAndErrorsOnStderr(t *testing.T) {
	l := alerts()
	l.Errors = failures()
	stdout, stderr := run(t, pipe(), Options{Format: NDJSON}, l)
	if n := strings.Count(stdout, "\n"); n != len(l.Items) {
		t.Fatalf("%d lines:\n%s", n, stdout)
	}
	want := `{"error":{"kind":"auth","source":"wiz","op":"list issues","message":"the token was refused (401)","hint":"edrc auth login wiz","exit":4}}` + "\n"
	if stderr != want {
		t.Fatalf("stderr %s", stderr)
	}
}

func TestYAMLKeepsOrderAndTypes(t *testing.T) {
	l := alerts()
	l.Items = l.Items[1:2]
	l.Items[0].What, l.Items[0].File, l.Items[0].Tags = "no", "1698", []string{"12:30", "exe.\u202efdp", "two\nlines", ""}
	stdout, _ := run(t, pipe(), Options{Format: YAML}, l)
	golden(t, "yaml", stdout)
}

func TestCSVGuardsFormulasAndControls(t *testing.T) {
	l := alerts()
	l.Items = l.Items[:1]
	l.Items[0].What, l.Items[0].File, l.Items[0].Host = `=cmd|' /C calc'!A0`, "a\r\nb\x1b[2J", `x,"y"`
	stdout, _ := run(t, pipe(), Options{Format: CSV, Columns: []string{"what", "file", "host"}}, l)
	want := "what,file,host\n'=cmd|' /C calc'!A0,a\\r\\nb\\x1b[2J,\"x,\"\"y\"\"\"\n"
	if stdout != want {
		t.Fatalf("got %q\nwant %q", stdout, want)
	}
	l.Items = nil
	if stdout, _ := run(t, pipe(), Options{Format: CSV, Columns: []string{"what"}}, l); stdout != "what\n" {
		t.Fatalf("empty: %q", stdout)
	}
}

func TestMarkdownStaysATable(t *testing.T) {
	l := alerts()
	l.Items = l.Items[:1]
	l.Items[0].What, l.Items[0].File = "a|b\nc", `C:\x_y![p](http://e)<b>`
	stdout, _ := run(t, pipe(), Options{Format: MD, Columns: []string{"severity", "age", "what", "file"}}, l)
	want := "| SEVERITY | AGE | WHAT | FILE |\n| --- | ---: | --- | --- |\n" +
		"| critical | 2026-11-22T14:31:00Z | a\\|b\\\\nc | C:\\\\x_y!\\[p\\](http://e)\\<b\\> |\n"
	if stdout != want {
		t.Fatalf("got\n%s\nwant\n%s", stdout, want)
	}
}

func TestOptionsAreMetWithTheFix(t *testing.T) {
	known := []string{"ref", "severity", "host"}
	for _, tc := range []struct {
		o    Options
		want string
	}{
		{Options{Format: "jsn"}, `-o: "jsn" is not a format; did you mean "json"? (table, wide, json, ndjson, yaml, csv, md)`},
		{Options{Columns: []string{"hsot"}}, `--columns: "hsot" is not a column; did you mean "host"? (ref, severity, host)`},
		{Options{Columns: []string{"zzz"}}, `--columns: "zzz" is not a column (ref, severity, host)`},
		{Options{Sort: "-sev"}, `--sort: "sev" is not a column; did you mean "severity"? (ref, severity, host)`},
		{Options{Format: JSON, Columns: []string{"host"}}, `--columns goes with -o table, wide, csv or md, not with -o json`},
		{Options{JQ: ".", Columns: []string{"host"}}, `--columns goes with -o table, wide, csv or md, not with --jq`},
		{Options{JQ: ".", Template: "x"}, `--jq and --template exclude each other`},
		{Options{JQ: ".", Format: CSV}, `--jq and --template read the json envelope: they do not go with -o csv`},
	} {
		mustFail(t, tc.o.Validate(known), fault.Usage, tc.want)
	}
	mustFail(t, Options{Sort: "host"}.Validate(nil), fault.Usage, "--columns and --sort go with lists; this is not one")
	if err := (Options{Format: Wide, Columns: []string{"HOST"}, Sort: "-severity"}).Validate(known); err != nil {
		t.Error(err)
	}
}

func TestObjectHasItsSchema(t *testing.T) {
	thing := map[string]any{"ref": "s1:1", "n": json.Number("9007199254740993")}
	for _, tc := range []struct {
		o    Options
		want string
	}{
		{Options{}, "{\n  \"schema\": \"edrc.alert/v1\",\n  \"item\": {\n    \"n\": 9007199254740993,\n    \"ref\": \"s1:1\"\n  }\n}\n"},
		{Options{Format: YAML}, "schema: edrc.alert/v1\nitem:\n  \"n\": 9007199254740993\n  ref: s1:1\n"},
		{Options{Format: NDJSON}, `{"n":9007199254740993,"ref":"s1:1"}` + "\n"},
		{Options{JQ: ".item.n + 1"}, "9007199254740994\n"},
		{Options{Template: "{{.schema}}"}, "edrc.alert/v1\n"},
	} {
		io, out, _ := term.Test("")
		if err := Object(t.Context(), io, tc.o, "edrc.alert/v1", thing); err != nil || out.String() != tc.want {
			t.Errorf("%+v: %v\n%s", tc.o, err, out)
		}
	}
	io, _, _ := term.Test("")
	mustFail(t, Object(t.Context(), io, Options{Format: CSV}, "x", 1), fault.Usage,
		"-o csv is for lists; this is one thing: json, yaml or ndjson")
}

func TestWhatCannotBeEncodedWritesNothing(t *testing.T) {
	io, out, _ := term.Test("")
	bad := List[json.RawMessage]{Items: []json.RawMessage{json.RawMessage("1"), json.RawMessage("{")}}
	for _, f := range []string{JSON, NDJSON, YAML} {
		if err := Print(t.Context(), io, Options{Format: f}, bad); err == nil || out.Len() > 0 {
			t.Errorf("%s: %v, wrote %q", f, err, out)
		}
	}
}

func TestCardIsAlignedAndCut(t *testing.T) {
	rows := []Row{
		{Label: "host", Lines: []string{"FIN-WS-014 (Windows 11, online, not isolated) · user FIN\\a.meyer"}},
		{Label: "file", Lines: []string{`C:\Users\a.meyer\Downloads\invoice_0922.exe · 412 KiB`, "sha256 3f0c…9a (edrc scan hash 3f0c…)"}},
		{Label: "also", Lines: []string{""}},
		{Label: "next", Lines: []string{"edrc alerts open s1-prod:…88213 \x1b[2J"}},
	}
	for _, width := range []int{120, 60, 0} {
		io := pipe()
		if width > 0 {
			io = screen(width)
		}
		if err := Card(io, "Malware detected on write", "high · new · 41 minutes ago (14:02 UTC)", rows); err != nil {
			t.Fatal(err)
		}
		golden(t, fmt.Sprintf("card%d", width), io.Out.(*bytes.Buffer).String())
	}
}
