package httpx

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"edrc/internal/fault"
)

func TestASecretNeverPrints(t *testing.T) {
	s := Literal("s3cr3t")
	type options struct {
		Token Secret
		inner Secret
		ptr   *Secret
	}
	o := options{s, s, &s}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p"} {
		for _, v := range []any{s, &s, o, &o, []Secret{s}, map[string]Secret{"a": s}} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	fmt.Fprintln(&out, s, o, errors.New(s.String()))
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "s", s, "o", o)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "s", s, "o", o)
	raw, err := json.Marshal(o)
	if err != nil || string(raw) != `{"Token":"[secret]"}` {
		t.Errorf("%s %v", raw, err)
	}
	text, _ := s.MarshalText()
	yaml, _ := s.MarshalYAML()
	fmt.Fprint(&out, string(text), yaml)
	for _, leak := range []string{"s3cr3t", fmt.Sprintf("%x", "s3cr3t"), fmt.Sprintf("%X", "s3cr3t")} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("printed:\n%s", out.String())
		}
	}
	if got := fmt.Sprintf("%s %v %q", s, s, Secret{}); got != "[secret] [secret] [secret]" {
		t.Errorf("got %s", got)
	}
}

// yamlOf imitates a yaml decoder for one value, given as JSON.
func yamlOf(s string) func(any) error {
	return func(v any) error { return json.Unmarshal([]byte(s), v) }
}

func TestASecretIsReadAsLiteralOrReference(t *testing.T) {
	for in, want := range map[string]string{
		`"abc"`: "literal:", `{"keyring":"s1"}`: "keyring:s1", `{"env":"X"}`: "env:X",
		`{"file":"/x"}`: "file:/x", `{"command":"pass show s1"}`: "command:pass show s1", `""`: ":",
	} {
		var s Secret
		err := s.UnmarshalYAML(yamlOf(in))
		scheme, arg := s.Reference()
		if got := scheme + ":" + arg; err != nil || got != want || s.IsSet() != (want != ":") {
			t.Errorf("%s: %s %v, set %v", in, got, err, s.IsSet())
		}
	}
	for _, in := range []string{`{"s3cr3t":"x"}`, `{"env":"a","file":"s3cr3t"}`, `{}`, `["s3cr3t"]`, `{"env":""}`} {
		var s Secret
		err := s.UnmarshalYAML(yamlOf(in))
		wantKind(t, err, fault.Usage)
		if s.IsSet() || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestAReferenceIsResolvedOnceForAllCopies(t *testing.T) {
	var s Secret
	if err := s.UnmarshalYAML(yamlOf(`{"keyring":"s1"}`)); err != nil {
		t.Fatal(err)
	}
	early := s
	n := 0
	s.Bind(func(context.Context) (string, error) {
		if n++; n == 1 {
			return "", fault.New(fault.Locked, "the keyring is locked")
		}
		return "abc", nil
	})
	_, err := s.Reveal(t.Context())
	wantKind(t, err, fault.Locked)
	for _, c := range []Secret{s, early, s} {
		if v, err := c.Reveal(t.Context()); v != "abc" || err != nil {
			t.Fatal(v, err)
		}
	}
	if n != 2 {
		t.Fatalf("resolved %d times", n)
	}
}

func TestASecretWithoutAValueIsAUsageError(t *testing.T) {
	empty := reference("env", "X")
	empty.Bind(func(context.Context) (string, error) { return "", nil })
	for _, s := range []Secret{{}, Literal(""), reference("env", "X"), empty} {
		_, err := s.Reveal(t.Context())
		wantKind(t, err, fault.Usage)
	}
	if v, err := Literal("abc").Reveal(t.Context()); v != "abc" || err != nil {
		t.Fatal(v, err)
	}
}
