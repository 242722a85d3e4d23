package config

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zalando/go-keyring"

	"edrc/internal/fault"
)

// source makes a configuration with one source whose token is this YAML.
func source(value string) string {
	return "sources:\n  a:\n    kind: acme\n    token: " + value + "\n"
}

func TestALiteralSecretIsTakenOnlyFromAFileOfOnesOwn(t *testing.T) {
	o := testOptions(t, source("hunter2hunter2"))
	got, err := reveal(t, mustLoad(t, o), token)
	if err != nil || got != "hunter2hunter2" {
		t.Fatalf("0600: %q, %v", got, err)
	}
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o620} {
		if err := os.Chmod(o.Path, mode); err != nil {
			t.Fatal(err)
		}
		msg, hint := refused(t, o)
		if !strings.HasPrefix(msg, "FILE:4: ") || !strings.HasPrefix(hint, "chmod 600 FILE") {
			t.Errorf("%v: %s (%s)", mode, msg, hint)
		}
	}
}

func TestASecretDeepInTheOptionsIsGuardedAndBoundToo(t *testing.T) {
	o := testOptions(t, `
sources:
  a:
    kind: acme
    previous_token: {env: OLD}
    per_site: {x: {env: SITE}}
    accounts: [{id: "1", secret: {env: ACC}}]
`)
	o.Env = environment{"OLD": "1", "SITE": "2", "ACC": "3"}.lookup
	if err := os.Chmod(o.Path, 0o644); err != nil {
		t.Fatal(err)
	}
	c := mustLoad(t, o)
	for want, pick := range map[string]func(*acmeOptions) *fakeSecret{
		"1": func(a *acmeOptions) *fakeSecret { return a.Previous },
		"2": func(a *acmeOptions) *fakeSecret { s := a.PerSite["x"]; return &s },
		"3": func(a *acmeOptions) *fakeSecret { return &a.Accounts[0].Secret },
	} {
		if got, err := reveal(t, c, pick); got != want || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	for _, text := range []string{"per_site: {x: literal}", "previous_token: literal", "accounts: [{secret: literal}]"} {
		o := testOptions(t, "sources:\n  a:\n    kind: acme\n    "+text+"\n")
		if err := os.Chmod(o.Path, 0o644); err != nil {
			t.Fatal(err)
		}
		if msg, _ := refused(t, o); !strings.HasPrefix(msg, "FILE:4: a secret stands in a file") {
			t.Errorf("%s: %s", text, msg)
		}
	}
}

func TestABrokenReferenceOfOneSourceStopsNoOther(t *testing.T) {
	c := mustLoad(t, testOptions(t, `
sources:
  a: {kind: acme, token: {env: NOPE}}
  b: {kind: acme, token: {keyring: b}}
  c: {kind: acme, token: {file: /no/such/file}}
  d: {kind: acme, token: {command: exit 1}}
`))
	for _, s := range c.Sources {
		_, err := s.Options.(*acmeOptions).Token.resolve(t.Context())
		// Auth, so that the exit code of the rest is partial, not usage.
		if !fault.Is(err, fault.Auth) || !strings.HasPrefix(err.Error(), fmt.Sprintf("%s:%d: sources.%s.token: ", c.Path, s.Line, s.Name)) {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}

func TestAVariableIsReadWhenItIsNeeded(t *testing.T) {
	env := environment{}
	o := testOptions(t, source("{env: FALCON_PRODUCTION_SECRET}"))
	o.Env = env.lookup
	c := mustLoad(t, o)
	for _, value := range []string{"missing", ""} {
		if value == "" {
			env["FALCON_PRODUCTION_SECRET"] = ""
		}
		if _, err := reveal(t, c, token); err == nil || !strings.Contains(err.Error(), "FALCON_PRODUCTION_SECRET is not set") {
			t.Errorf("got %v", err)
		}
	}
	env["FALCON_PRODUCTION_SECRET"] = "v"
	if got, err := reveal(t, c, token); got != "v" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestASecretFileIsTrimmedAndMustBeOnesOwn(t *testing.T) {
	o := testOptions(t, source("{file: the secret}"))
	c := mustLoad(t, o)
	path := filepath.Join(filepath.Dir(o.Path), "the secret") // relative to the configuration
	if err := os.WriteFile(path, []byte(" key \r\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := reveal(t, c, token); got != " key " || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	_, err := reveal(t, c, token)
	if e, ok := errors.AsType[*fault.Error](err); !ok || e.Hint != "chmod 600 '"+path+"'" {
		t.Errorf("got %+v", err)
	}
	_ = os.Chmod(path, 0o600)
	for name, text := range map[string]string{"is empty": "\n", "larger than 64 KiB": strings.Repeat("x", maxSecret+1)} {
		_ = os.WriteFile(path, []byte(text), 0o600)
		if _, err := reveal(t, c, token); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheKeyringIsAskedForTheEntryOfEdrc(t *testing.T) {
	o := testOptions(t, source("{keyring: s1-prod}"))
	var answer string
	var failure error
	o.keyring = func(service, user string) (string, error) {
		if service != "edrc" || user != "s1-prod" {
			t.Errorf("asked for %s/%s", service, user)
		}
		return answer, failure
	}
	c := mustLoad(t, o)
	answer = "v"
	if got, err := reveal(t, c, token); got != "v" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	answer, failure = "", keyring.ErrNotFound
	if _, err := reveal(t, c, token); err == nil || !strings.Contains(err.Error(), "no entry s1-prod") {
		t.Errorf("got %v", err)
	}
	failure = errors.New("exec: \"dbus-launch\": not found\n")
	_, err := reveal(t, c, token)
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || !strings.HasSuffix(e.Msg, `the keyring cannot be used: exec: "dbus-launch": not found`) || !strings.Contains(e.Hint, "file:, env: or command:") {
		t.Errorf("got %+v", err)
	}
}

func TestALockedKeyringIsNotWaitedForLongerThanThreeSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testOptions(t, source("{keyring: x}"))
		unlock := make(chan struct{})
		defer close(unlock)
		o.keyring = func(string, string) (string, error) { <-unlock; return "", nil }
		c := mustLoad(t, o)
		start := time.Now()
		_, err := reveal(t, c, token)
		if err == nil || !strings.Contains(err.Error(), "did not answer within 3s") || time.Since(start) != 3*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Sources[0].Options.(*acmeOptions).Token.resolve(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled wait gave %v", err)
		}
	})
}

func TestACommandGivesWhatItPrints(t *testing.T) {
	for _, tc := range []struct{ yaml, want string }{
		{`{command: "echo ' a b ' | tr a c"}`, "c b"},
		{`{command: [echo, "$HOME;x", "y z"]}`, "$HOME;x y z"},
		{`{command: [printf, "%s", "12"]}`, "12"},
		{`{command: "[ 1 = 1 ] && echo bracket"}`, "bracket"},
		{`{command: "echo noise >&2; echo v"}`, "v"},
	} {
		if got, err := reveal(t, mustLoad(t, testOptions(t, source(tc.yaml))), token); got != tc.want || err != nil {
			t.Errorf("%s: %q, %v", tc.yaml, got, err)
		}
	}
}

func TestACommandThatFailsSaysWhyAndNothingElse(t *testing.T) {
	for _, tc := range []struct{ yaml, want string }{
		{`{command: "echo s3cr3t; printf 'vault is\\n\\033[31msealed\\n' >&2; exit 3"}`, "the command failed: exit status 3: vault is [31msealed"},
		{`{command: [no-such-s3cr3t, x]}`, "the command failed: executable file not found in $PATH"},
		{`{command: [/no/such/s3cr3t]}`, "the command failed: no such file or directory"},
		{`{command: "true s3cr3t"}`, "the command printed nothing"},
		{`{command: "head -c 70000 /dev/zero"}`, "the command printed more than 64 KiB: this is not a secret"},
	} {
		o := testOptions(t, source(tc.yaml))
		_, err := reveal(t, mustLoad(t, o), token)
		if err == nil || strings.Contains(err.Error(), "s3cr3t") || err.Error() != o.Path+":4: sources.a.token: "+tc.want {
			t.Errorf("%s:\n got %v\nwant %s", tc.yaml, err, tc.want)
		}
	}
}

func TestACommandThatHangsIsStopped(t *testing.T) {
	ref := reference{arg: "sleep 20; true", where: "x"}
	start := time.Now()
	_, err := fromCommand(t.Context(), ref, 50*time.Millisecond)
	if err == nil || err.Error() != "x: the command did not finish within 50ms" || time.Since(start) > 10*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := fromCommand(ctx, ref, time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled command gave %v", err)
	}
}

func TestAMalformedReferenceIsRefusedWhileLoading(t *testing.T) {
	for yaml, want := range map[string]string{
		`{}`:                         "FILE:4: sources.a.token: want one of keyring, env, file, command, for example {env: NAME}",
		`{env: A, file: B}`:          "FILE:4: sources.a.token: want one of keyring, env, file, command, for example {env: NAME}",
		`[env, A]`:                   "FILE:4: sources.a.token: want one of keyring, env, file, command, for example {env: NAME}",
		`""`:                         "FILE:4: sources.a.token: is empty",
		`{env: }`:                    "FILE:4: sources.a.token.env: want text, got nothing",
		`{env: [A]}`:                 "FILE:4: sources.a.token.env: want text, got a list",
		`{command: []}`:              "FILE:4: sources.a.token.command: the list is empty",
		`{command: [[a]]}`:           "FILE:4: sources.a.token.command: want text, got a list",
		`{command: ["", a]}`:         "FILE:4: sources.a.token.command: is empty",
		`{vault: secret/x}`:          "FILE:4: sources.a.token: unknown reference (known: command, env, file, keyring)",
		`refused-by-the-type-itself`: "FILE:4: sources.a.token: is not a secret or a reference to one",
	} {
		if got, _ := refused(t, testOptions(t, source(yaml))); got != want {
			t.Errorf("%s:\n got %s\nwant %s", yaml, got, want)
		}
	}
}

func TestNoErrorRepeatsASecretWhereverItStands(t *testing.T) {
	// Of the shapes of real ones: a JWT, a UUID, 40 letters, a short one with signs.
	for _, secret := range []string{
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "4f1c8a32-7a55-4a40-9f6f-0b6f0f4f3a11",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMN", "p@ssw0rd/long+enough=", "refused-by-the-type-itself",
	} {
		for _, form := range []string{
			"sources:\n  a: {kind: acme, token: {\"%s\": x}}\n", "sources:\n  a: {kind: acme, token: {%s}}\n",
			"sources:\n  a: {kind: acme, token: [%s]}\n", "sources:\n  a: {kind: acme, token: {env: x, file: \"%s\"}}\n",
			"sources:\n  a: {kind: acme, \"%s\": x}\n", "sources:\n  a: {kind: acme, token: *%s}\n",
			"sources:\n  a: {kind: acme, token: !%s x}\n", "sources:\n  a: {kind: acme, token: &%s x}\n",
			"sources:\n  a: {kind: acme, token: {command: {x: \"%s\"}}}\n", "sources:\n  a: {kind: \"%s\"}\n",
			"sources:\n  a: {kind: acme, wait: \"%s\"}\n", "sources:\n  a: {kind: acme, tags: \"%s\"}\n",
			"sources:\n  a: {kind: acme, regions: [\"%s x\"]}\n", "sources:\n  a: {kind: acme, tags: {\"%s\": [1]}}\n",
			"sources:\n  a: \"%s\"\n", "sources: \"%s\"\n", "sources:\n  \"%s\": {kind: acme}\n", "\"%s\": 1\n",
			"scan: {daily_budget: \"%s\"}\n", "scan: {engine: \"%s\"}\n", "http: {timeout: \"%s\"}\n",
			"output: {format: \"%s\"}\n", "scan: {\"%s\": x}\n", "scan: {engine: judge, \"%s\": x}\n",
			"scan: {life: {\"%s\": 1d}}\n", "%s\n", "a: b\n%s: [\n", "\"%s\": 1\n\"%s\": 2\n", "token: : %s\n",
			"sources:\n  a: {kind: acme, token: refused-by-the-type-itself, url: \"%s\"}\n",
		} {
			o := testOptions(t, strings.ReplaceAll(form, "%s", secret))
			if _, err := Load(o); err != nil {
				e, _ := errors.AsType[*fault.Error](err)
				if strings.Contains(e.Msg+e.Hint, secret) || e.Err != nil && strings.Contains(fmt.Sprint(e.Err), secret) {
					t.Errorf("%q: %s (%s)", form, e.Msg, e.Hint)
				}
			}
		}
	}
}

type opaque struct{ S fakeSecret }

func (*opaque) UnmarshalText([]byte) error { return nil }

func TestATypeThatHidesASecretFromConfigIsABug(t *testing.T) {
	o := testOptions(t, "sources:\n  a: {kind: acme, auth: x}\n")
	o.Kinds["acme"] = func() any {
		return new(struct {
			Auth opaque `yaml:"auth"`
		})
	}
	if got, _ := refused(t, o); !strings.Contains(got, "bug in edrc") {
		t.Errorf("got %s", got)
	}
}
