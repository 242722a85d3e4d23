package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// envelope is what -o json prints for a list. Consumers rely on its keys being
// there and on items and errors being lists, never null.
type envelope[T any] struct {
	Schema string    `json:"schema"`
	Items  []T       `json:"items"`
	Errors []Failure `json:"errors"`
	Next   string    `json:"next"`
}

func envelopeOf[T any](l List[T]) envelope[T] {
	e := envelope[T]{Schema: l.Schema, Items: l.Items, Errors: []Failure{}, Next: l.Next}
	if e.Items == nil {
		e.Items = []T{}
	}
	for _, err := range l.Errors {
		e.Errors = append(e.Errors, FailureOf(err))
	}
	return e
}

// marshal gives v as one line of JSON that is harmless on a terminal.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // < and & are for people too
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode json: %w", err)
	}
	return escape(bytes.TrimSuffix(buf.Bytes(), []byte("\n"))), nil
}

// pretty gives v as indented JSON with a final newline.
func pretty(v any) ([]byte, error) {
	line, err := marshal(v)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if err := json.Indent(&buf, line, "", "  "); err != nil {
		return nil, fmt.Errorf("indent json: %w", err)
	}
	buf.WriteByte('\n')
	return buf.Bytes(), nil
}

// escape writes as \u what JSON may carry raw but a terminal should not: DEL, C1
// controls, bidirectional and invisible characters. Such runes stand in strings
// only, so the value stays the same. Invalid UTF-8, which a raw message can
// hold, becomes U+FFFD.
func escape(b []byte) []byte {
	first := bytes.IndexFunc(b, veiled)
	if first < 0 && utf8.Valid(b) {
		return b
	}
	out := make([]byte, 0, len(b)+16)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n == 1:
			out = append(out, `\ufffd`...)
		case !veiled(r):
			out = append(out, b[:n]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		b = b[n:]
	}
	return out
}

// veiled reports the runes that package safe neutralises and that a JSON encoder
// lets through; a test holds the two together.
func veiled(r rune) bool {
	switch {
	case r < 0x7f || r == 0x200d: // controls below are escaped by the encoder
		return false
	case r < 0xa0, r == 0x2028, r == 0x2029:
		return true
	}
	return r > 0xff && unicode.Is(unicode.Cf, r)
}

// generic turns v into the types that jq and templates know, by way of JSON:
// handing them our own would make gojq panic. Integers stay exact.
func generic(v any) (any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode json: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var out any
	if err := dec.Decode(&out); err != nil {
		return nil, fmt.Errorf("decode json: %w", err)
	}
	return exact(out), nil
}

// exact replaces each json.Number by int, *big.Int or float64, in place.
func exact(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = exact(v[k])
		}
	case []any:
		for i := range v {
			v[i] = exact(v[i])
		}
	case json.Number:
		return number(v)
	}
	return v
}

func number(n json.Number) any {
	if i, err := strconv.Atoi(n.String()); err == nil {
		return i
	}
	if i, ok := new(big.Int).SetString(n.String(), 10); ok {
		return i
	}
	f, err := n.Float64()
	if err != nil {
		return n.String() // beyond float64: better its digits than infinity
	}
	return f
}
