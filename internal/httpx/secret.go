package httpx

import (
	"context"
	"fmt"
	"log/slog"

	"edrc/internal/fault"
)

// shownSecret is what every formatting of a Secret gives.
const shownSecret = "[secret]"

// Secret is a credential, or a reference to one that is resolved at first use. No
// way of printing it shows it: fmt with any verb, JSON, YAML, text and slog give
// "[secret]". Copies share the resolved value. The zero value is unset.
type Secret struct {
	s *secret // a pointer keeps Secret comparable, and copies sharing
}

type secret struct {
	scheme, arg string
	turn        chan struct{} // holds one: who resolves; a mutex would not see ctx
	resolve     func(context.Context) (string, error)
	// value is nil until resolved. fmt calls no methods on unexported fields, and
	// follows a pointer where the verb does not fit: only a function stops it.
	value func() string
}

func reference(scheme, arg string) Secret {
	return Secret{&secret{scheme: scheme, arg: arg, turn: make(chan struct{}, 1)}}
}

// Literal makes a Secret of its value; "" makes it unset.
func Literal(value string) Secret {
	if value == "" {
		return Secret{}
	}
	s := reference("literal", "")
	s.s.value = func() string { return value }
	return s
}

// IsSet reports whether there is a value or a reference. It resolves nothing.
func (s Secret) IsSet() bool { return s.s != nil }

// Reference says where the value comes from: "literal" with no argument, or
// "keyring", "env", "file", "command" with theirs. Both are "" when unset.
func (s Secret) Reference() (scheme, arg string) {
	if s.s == nil {
		return "", ""
	}
	return s.s.scheme, s.s.arg
}

// Bind sets how a reference is resolved, for all copies. It does nothing to a
// literal, and must come before the first Reveal.
func (s *Secret) Bind(resolve func(ctx context.Context) (string, error)) {
	if s.s != nil {
		s.s.resolve = resolve
	}
}

// Reveal gives the value. A reference is resolved by the first caller while others
// wait; a success is kept, a failure is not. Unset, unbound or empty is
// fault.Usage.
func (s Secret) Reveal(ctx context.Context) (string, error) {
	if s.s == nil {
		return "", fault.Usagef("a credential has no value").WithHint("set it in the configuration")
	}
	select {
	case s.s.turn <- struct{}{}:
		defer func() { <-s.s.turn }()
	case <-ctx.Done():
		return "", stopped(ctx)
	}
	if s.s.value != nil {
		return s.s.value(), nil
	}
	if s.s.resolve == nil {
		return "", fault.Usagef("the credential %s:%s cannot be resolved here", s.s.scheme, s.s.arg)
	}
	value, err := s.s.resolve(ctx)
	if err != nil {
		return "", err
	}
	if value == "" {
		return "", fault.Usagef("the credential %s:%s is empty", s.s.scheme, s.s.arg)
	}
	s.s.value = func() string { return value }
	return value, nil
}

// UnmarshalYAML reads a scalar as a literal, and a mapping of exactly one of
// keyring, env, file, command as a reference. Its errors never quote the input.
func (s *Secret) UnmarshalYAML(unmarshal func(any) error) error {
	var literal string
	if unmarshal(&literal) == nil {
		*s = Literal(literal)
		return nil
	}
	var named map[string]string
	if unmarshal(&named) == nil && len(named) == 1 {
		for scheme, arg := range named {
			switch scheme {
			case "keyring", "env", "file", "command":
				if arg != "" {
					*s = reference(scheme, arg)
					return nil
				}
			}
		}
	}
	return fault.Usagef("a credential is a string, or one of keyring:, env:, file:, command: with its name")
}

// Format implements fmt.Formatter: every verb gives "[secret]".
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(shownSecret)) }

// String implements fmt.Stringer.
func (s Secret) String() string { return shownSecret }

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return shownSecret }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(shownSecret), nil }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + shownSecret + `"`), nil }

// MarshalYAML implements yaml.Marshaler.
func (s Secret) MarshalYAML() (any, error) { return shownSecret, nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(shownSecret) }
