package crowdstrike

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The Falcon Query Language, as far as it is documented: field:[op]value, + is AND, a
// comma is OR and binds less, brackets group, ['a','b'] is any of a list. Values are
// compared with their case; ~ ignores case and punctuation.

// fields gives the values of a field of one object as text; ok is false for a field that
// cannot be filtered by. Times are in RFC 3339.
type fields func(name string) (values []string, ok bool)

// condition tells whether an object matches. Its error is about the field.
type condition func(fields) (bool, error)

func parseFilter(s string) (condition, error) {
	if strings.TrimSpace(s) == "" {
		return func(fields) (bool, error) { return true, nil }, nil
	}
	p := &parser{s: s}
	c, err := p.either()
	if err == nil && p.at < len(p.s) {
		err = fmt.Errorf("unexpected %q at %d", p.s[p.at], p.at)
	}
	return c, err
}

type parser struct {
	s  string
	at int
}

func (p *parser) take(token string) bool {
	if strings.HasPrefix(p.s[p.at:], token) {
		p.at += len(token)
		return true
	}
	return false
}

func (p *parser) either() (condition, error) { return p.chain(",", true, p.both) }
func (p *parser) both() (condition, error)   { return p.chain("+", false, p.term) }

// chain reads parts joined by a sign; any of them decides when it comes out as decisive.
func (p *parser) chain(by string, decisive bool, part func() (condition, error)) (condition, error) {
	var parts []condition
	for {
		c, err := part()
		if err != nil {
			return nil, err
		}
		if parts = append(parts, c); !p.take(by) {
			break
		}
	}
	return func(f fields) (bool, error) {
		for _, c := range parts {
			if ok, err := c(f); err != nil || ok == decisive {
				return ok, err
			}
		}
		return !decisive, nil
	}, nil
}

func (p *parser) term() (condition, error) {
	if p.take("(") {
		c, err := p.either()
		if err == nil && !p.take(")") {
			err = fmt.Errorf("missing ) at %d", p.at)
		}
		return c, err
	}
	end := strings.IndexByte(p.s[p.at:], ':')
	if end <= 0 {
		return nil, fmt.Errorf("missing : after %d", p.at)
	}
	name := p.s[p.at : p.at+end]
	p.at += end + 1
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_.") != "" {
		return nil, fmt.Errorf("%q is not a field", name)
	}
	op := ""
	for _, o := range []string{">=", "<=", "!~", ">", "<", "!", "~"} {
		if p.take(o) {
			op = o
			break
		}
	}
	values, err := p.values()
	if err != nil {
		return nil, err
	}
	return func(f fields) (bool, error) {
		have, ok := f(name)
		if !ok {
			return false, fmt.Errorf("%q is not a property that can be filtered by", name)
		}
		return compare(have, op, values)
	}, nil
}

func (p *parser) values() ([]string, error) {
	if !p.take("[") {
		v, err := p.value()
		return []string{v}, err
	}
	var out []string
	for {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		if p.take("]") {
			return out, nil
		}
		if !p.take(",") {
			return nil, fmt.Errorf("missing ] at %d", p.at)
		}
	}
}

func (p *parser) value() (string, error) {
	if !p.take("'") {
		start := p.at
		for p.at < len(p.s) && strings.IndexByte("+,)]", p.s[p.at]) < 0 {
			p.at++
		}
		if _, err := strconv.ParseFloat(p.s[start:p.at], 64); err != nil {
			return "", fmt.Errorf("%q is neither a number nor in quotes", p.s[start:p.at])
		}
		return p.s[start:p.at], nil
	}
	var b strings.Builder
	for ; p.at < len(p.s); p.at++ {
		switch c := p.s[p.at]; {
		case c == '\\' && p.at+1 < len(p.s):
			p.at++
			b.WriteByte(p.s[p.at])
		case c == '\'':
			p.at++
			return b.String(), nil
		default:
			b.WriteByte(c)
		}
	}
	return "", fmt.Errorf("a value has no end")
}

func compare(have []string, op string, want []string) (bool, error) {
	switch op {
	case "":
		return any2(have, want, equal), nil
	case "!":
		return !any2(have, want, equal), nil
	case "~":
		return any2(have, want, like), nil
	case "!~":
		return !any2(have, want, like), nil
	}
	for _, h := range have {
		n, err := order(h, want[0])
		if err != nil {
			return false, err
		}
		if n < 0 && op[0] == '<' || n > 0 && op[0] == '>' || n == 0 && strings.HasSuffix(op, "=") {
			return true, nil
		}
	}
	return false, nil
}

func any2(have, want []string, same func(have, want string) bool) bool {
	for _, h := range have {
		for _, w := range want {
			if same(h, w) {
				return true
			}
		}
	}
	return false
}

// equal compares with case; a star at an end of want stands for any text.
func equal(have, want string) bool {
	switch {
	case want == "*":
		return have != ""
	case strings.HasPrefix(want, "*") && strings.HasSuffix(want, "*"):
		return strings.Contains(have, strings.Trim(want, "*"))
	case strings.HasSuffix(want, "*"):
		return strings.HasPrefix(have, strings.TrimSuffix(want, "*"))
	case strings.HasPrefix(want, "*"):
		return strings.HasSuffix(have, strings.TrimPrefix(want, "*"))
	}
	return have == want
}

// like ignores case and punctuation.
func like(have, want string) bool { return strings.Contains(plain(have), plain(want)) }

func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -_./\\:", r) {
			return -1
		}
		return r
	}, strings.ToLower(s))
}

// order compares times, to the millisecond as the index keeps them, or numbers.
func order(have, want string) (int, error) {
	if t, err := time.Parse(time.RFC3339Nano, have); err == nil {
		u, err := time.Parse(time.RFC3339Nano, want)
		if err != nil {
			return 0, fmt.Errorf("%q is not a time", want)
		}
		return t.Truncate(time.Millisecond).Compare(u.Truncate(time.Millisecond)), nil
	}
	a, errA := strconv.ParseFloat(have, 64)
	b, errB := strconv.ParseFloat(want, 64)
	if errA != nil || errB != nil {
		return 0, fmt.Errorf("%q and %q cannot be compared", have, want)
	}
	switch {
	case a < b:
		return -1, nil
	case a > b:
		return 1, nil
	}
	return 0, nil
}
