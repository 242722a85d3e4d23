package term

import "testing"

func TestColourFollowsFlagThenEnvironmentThenStream(t *testing.T) {
	type env map[string]string
	for _, tc := range []struct {
		name string
		mode Color
		env  env
		tty  bool
		want bool
	}{
		{"terminal", Auto, nil, true, true},
		{"pipe", Auto, nil, false, false},
		{"never on a terminal", Never, env{"FORCE_COLOR": "1"}, true, false},
		{"always in a pipe", Always, env{"NO_COLOR": "1"}, false, true},
		{"NO_COLOR", Auto, env{"NO_COLOR": "1"}, true, false},
		{"empty NO_COLOR does not count", Auto, env{"NO_COLOR": ""}, true, true},
		{"NO_COLOR beats FORCE_COLOR", Auto, env{"NO_COLOR": "1", "FORCE_COLOR": "1"}, true, false},
		{"FORCE_COLOR in a pipe", Auto, env{"FORCE_COLOR": "1"}, false, true},
		{"CLICOLOR_FORCE in a pipe", Auto, env{"CLICOLOR_FORCE": "1"}, false, true},
		{"CLICOLOR_FORCE=0 forces nothing", Auto, env{"CLICOLOR_FORCE": "0"}, false, false},
		{"FORCE_COLOR=0 refuses", Auto, env{"FORCE_COLOR": "0"}, true, false},
		{"CLICOLOR=0", Auto, env{"CLICOLOR": "0"}, true, false},
		{"dumb terminal", Auto, env{"TERM": "dumb"}, true, false},
		{"dumb terminal, forced", Auto, env{"TERM": "dumb", "FORCE_COLOR": "1"}, true, true},
	} {
		io, _, _ := Test("")
		io.Color, io.OutTTY = tc.mode, tc.tty
		io.Getenv = func(k string) string { return tc.env[k] }
		if got := io.OutStyle().On(); got != tc.want {
			t.Errorf("%s: colour %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestEachStreamDecidesForItself(t *testing.T) {
	io, _, _ := Test("")
	io.ErrTTY = true
	if io.OutStyle().On() || !io.ErrStyle().On() {
		t.Fatal("a piped stdout and a terminal on stderr must differ")
	}
}

func TestStyleWithoutColourChangesNothing(t *testing.T) {
	var zero Style
	if got := zero.Red(zero.Bold("x")); got != "x" {
		t.Fatalf("got %q", got)
	}
	if got := NewStyle(true).Red("x"); got != "\x1b[31mx\x1b[0m" {
		t.Fatalf("got %q", got)
	}
}

func TestParseColorNamesTheModes(t *testing.T) {
	if c, err := ParseColor("ALWAYS"); c != Always || err != nil {
		t.Fatalf("got %q, %v", c, err)
	}
	_, err := ParseColor("blue")
	if want := `"blue" is not a colour mode (auto, always, never)`; err == nil || err.Error() != want {
		t.Fatalf("got %v", err)
	}
}
