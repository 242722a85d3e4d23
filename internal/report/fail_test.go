package report

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"edrc/internal/fault"
	"edrc/internal/term"
)

var ioClosed = io.ErrClosedPipe

func TestErrorsEndInWhatToDo(t *testing.T) {
	refused := (&fault.Error{Kind: fault.Auth, Source: "s1", Op: "list threats", Msg: "the token was refused (401)"}).WithHint("Make a new one, then:\nedrc auth login s1")
	for _, tc := range []struct {
		name, text, json string
		err              error
	}{
		{"whole", "edrc: s1: list threats: the token was refused (401)\n      Make a new one, then:\n      edrc auth login s1\n",
			`{"error":{"kind":"auth","source":"s1","op":"list threats","message":"the token was refused (401)","hint":"Make a new one, then:\nedrc auth login s1","exit":4}}` + "\n", refused},
		{"wrapped", "edrc: sync: s1: list threats: the token was refused (401)\n      Make a new one, then:\n      edrc auth login s1\n",
			`{"error":{"kind":"auth","source":"s1","op":"list threats","message":"sync: s1: list threats: the token was refused (401)","hint":"Make a new one, then:\nedrc auth login s1","exit":4}}` + "\n", fmt.Errorf("sync: %w", refused)},
		{"plain and hostile", "edrc: no \\x1b[2J \\u202ex\n", `{"error":{"kind":"other","source":"","op":"","message":"no \u001b[2J \u202ex","hint":"","exit":1}}` + "\n", errors.New("no \x1b[2J \u202ex")},
		{"joined", "edrc: a\nedrc: b\n", `{"error":{"kind":"other","source":"","op":"","message":"a","hint":"","exit":1}}` + "\n" + `{"error":{"kind":"usage","source":"","op":"","message":"b","hint":"","exit":2}}` + "\n",
			errors.Join(errors.New("a"), fault.Usagef("b"))},
		{"cancelled", "edrc: interrupted\n", `{"error":{"kind":"interrupted","source":"","op":"","message":"interrupted","hint":"","exit":130}}` + "\n", context.Canceled},
		{"late", "edrc: timed out\n", `{"error":{"kind":"unavailable","source":"","op":"","message":"timed out","hint":"","exit":1}}` + "\n", context.DeadlineExceeded},
		{"two in one sentence", "edrc: a after b\n", `{"error":{"kind":"other","source":"","op":"","message":"a after b","hint":"","exit":1}}` + "\n",
			fmt.Errorf("%w after %w", errors.New("a"), errors.New("b"))},
		{"none", "", "", nil},
		{"closed pipe", "", "", fmt.Errorf("x: %w", ioClosed)},
	} {
		for format, want := range map[string]string{Table: tc.text, JSON: tc.json, NDJSON: tc.json} {
			tio, out, errs := term.Test("")
			if Error(tio, format, tc.err); errs.String() != want || out.Len() > 0 {
				t.Errorf("%s, %s: %s\nwant %s", tc.name, format, errs, want)
			}
		}
	}
}

func TestNearestIsWhatWasMeant(t *testing.T) {
	severities := []string{"info", "low", "medium", "high", "critical"}
	for word, want := range map[string]string{
		"hi": "high", "HIHG": "high", "critcal": "critical", "mediuum": "medium", "inof": "info",
		"": "", "xyz": "", "zz": "", "lo": "low", "severe": "",
	} {
		if got := Nearest(word, severities); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
