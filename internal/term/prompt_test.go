package term

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestConfirmTakesOnlyAClearYes(t *testing.T) {
	for typed, want := range map[string]bool{
		"y\n": true, "YES\r\n": true, " y \n": true,
		"\n": false, "n\n": false, "yep\n": false,
		"": false, "y": false, // end of file; an answer without Enter
	} {
		io, _, _ := Test("y\n")
		asked := io.Answer(typed)
		got, err := io.Confirm(t.Context(), "isolate?")
		if err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", typed, got, err, want)
		}
		if !strings.HasPrefix(asked.String(), "isolate? [y/N] ") {
			t.Errorf("asked %q", asked)
		}
	}
}

func TestAPipedYesIsNoAnswer(t *testing.T) {
	io, out, stderr := Test("y\n")
	if _, err := io.Confirm(t.Context(), "isolate?"); !errors.Is(err, ErrNoTerminal) {
		t.Fatalf("got %v", err)
	}
	if _, err := io.TypeName(t.Context(), "name:", "x"); !errors.Is(err, ErrNoTerminal) {
		t.Fatalf("got %v", err)
	}
	if out.Len()+stderr.Len() > 0 {
		t.Fatalf("wrote %q %q", out, stderr)
	}
}

func TestTypeNameWantsTheWholeName(t *testing.T) {
	for _, tc := range []struct {
		typed, want string
		ok          bool
	}{
		{"web-prod\n", "web-prod", true},
		{"web-pro\n", "web-prod", false},
		{"WEB-PROD\n", "web-prod", false},
		{"y\n", "web-prod", false},
		{"\n", "", false},
		{"", "web-prod", false},
		{"exe.\\u202efdp\n", "exe.\u202efdp", true}, // as it was shown
	} {
		io, _, _ := Test("")
		io.Answer(tc.typed)
		if ok, err := io.TypeName(t.Context(), "name:", tc.want); ok != tc.ok || err != nil {
			t.Errorf("%q for %q: got %v, %v", tc.typed, tc.want, ok, err)
		}
	}
}

func TestQuestionsAreMadeSafe(t *testing.T) {
	io, _, _ := Test("")
	asked := io.Answer("y\n")
	_, _ = io.Confirm(t.Context(), "isolate \x1b[2J?")
	if strings.Contains(asked.String(), "\x1b") {
		t.Fatalf("asked %q", asked)
	}
}

func TestTwoPromptsReadTwoLines(t *testing.T) {
	io, _, _ := Test("")
	io.Answer("s3cret\ny\n")
	if pw, err := io.Password(t.Context(), "key:"); pw != "s3cret" || err != nil {
		t.Fatalf("got %q, %v", pw, err)
	}
	if ok, _ := io.Confirm(t.Context(), "store it?"); !ok {
		t.Fatal("the second line was lost")
	}
}

func TestEndOfFileIsNoPassword(t *testing.T) {
	tio, _, _ := Test("")
	tio.Answer("")
	if pw, err := tio.Password(t.Context(), "key:"); !errors.Is(err, io.EOF) || pw != "" {
		t.Fatalf("got %q, %v", pw, err)
	}
}

// silent is a terminal whose user never answers.
type silent struct{ *io.PipeReader }

func (silent) Write(b []byte) (int, error) { return len(b), nil }

func TestInterruptEndsAPrompt(t *testing.T) {
	tio, _, _ := Test("")
	r, _ := io.Pipe()
	tio.OpenTTY = func() (io.ReadWriteCloser, error) { return silent{r}, nil }
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if ok, err := tio.Confirm(ctx, "isolate?"); ok || !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, %v", ok, err)
	}
}

func TestAnEndlessAnswerIsRefused(t *testing.T) {
	tio, _, _ := Test("")
	tio.Answer(strings.Repeat("y", 2*maxAnswer) + "\n")
	if ok, err := tio.Confirm(t.Context(), "isolate?"); ok || err == nil {
		t.Fatalf("got %v, %v", ok, err)
	}
}
