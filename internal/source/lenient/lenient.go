// Package lenient has types that take a field of a product's reply in any JSON type.
// Consoles of different versions disagree on types, enums grow, and 64-bit numbers come
// as numbers or as strings; one odd field must not cost an alert. What cannot be read is
// the zero value, and UnmarshalJSON never fails.
package lenient

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Text is a string. A number keeps its digits: ids exceed 2^53.
type Text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *Text) UnmarshalJSON(b []byte) error {
	*t = ""
	b = bytes.TrimSpace(b)
	switch {
	case len(b) == 0:
	case len(b) > 1 && b[0] == '"' && bytes.IndexByte(b, '\\') < 0 && utf8.Valid(b):
		*t = Text(b[1 : len(b)-1]) // nothing to undo: most fields, and half the time of a page
	case b[0] == '"':
		var s string
		if json.Unmarshal(b, &s) == nil {
			*t = Text(s)
		}
	case b[0] == '-' || b[0] >= '0' && b[0] <= '9':
		*t = Text(b)
	}
	return nil
}

// FirstText gives the first text that is not empty.
func FirstText(ts ...Text) string {
	for _, t := range ts {
		if t != "" {
			return string(t)
		}
	}
	return ""
}

// Flag is a boolean that may be absent.
type Flag struct{ Known, Yes bool }

// UnmarshalJSON implements json.Unmarshaler.
func (f *Flag) UnmarshalJSON(b []byte) error {
	switch strings.ToLower(bare(b)) {
	case "true":
		*f = Flag{true, true}
	case "false":
		*f = Flag{Known: true}
	default:
		*f = Flag{}
	}
	return nil
}

// Pointer gives nil for unknown.
func (f Flag) Pointer() *bool {
	if !f.Known {
		return nil
	}
	return &f.Yes
}

// Count is a number of bytes, seconds or things, 0 when absent or negative.
type Count int64

// UnmarshalJSON implements json.Unmarshaler.
func (c *Count) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseInt(bare(b), 10, 64)
	if err != nil || n < 0 {
		n = 0
	}
	*c = Count(n)
	return nil
}

// Stamp is a moment: RFC 3339 with any number of digits, the same without a zone, which
// is UTC, or as databases print it, or seconds or milliseconds since 1970, as a number
// or a text.
type Stamp struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (s *Stamp) UnmarshalJSON(b []byte) error {
	s.Time = time.Time{}
	var t Text
	_ = t.UnmarshalJSON(b)
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05-0700"} {
		if at, err := time.Parse(layout, string(t)); err == nil {
			if at.Year() > 1 { // the year 1 is some vendors' word for never
				s.Time = at.UTC()
			}
			return nil
		}
	}
	v, err := strconv.ParseFloat(string(t), 64)
	switch {
	case err != nil || !(v > 0) || v > 1e14: // beyond the year 5100 in milliseconds
	case v >= 1e11: // beyond the year 5100 in seconds: milliseconds
		s.Time = time.UnixMilli(int64(v)).UTC()
	default:
		s.Time = time.UnixMilli(int64(v * 1000)).UTC()
	}
	return nil
}

// First gives the first moment that is known.
func First(stamps ...Stamp) time.Time {
	for _, s := range stamps {
		if !s.IsZero() {
			return s.Time
		}
	}
	return time.Time{}
}

// List is an array. One thing alone is an array of it; null, and an element of another
// kind, are left out. An object with odd fields keeps the others.
type List[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (l *List[T]) UnmarshalJSON(b []byte) error {
	*l = nil
	var raw []json.RawMessage
	if json.Unmarshal(b, &raw) != nil {
		raw = []json.RawMessage{b}
	}
	for _, r := range raw {
		var item T
		if string(bytes.TrimSpace(r)) != "null" && Decode(r, &item) {
			*l = append(*l, item)
		}
	}
	return nil
}

// Object is an object inside another; anything else is its zero value.
type Object[T any] struct{ V T }

// UnmarshalJSON implements json.Unmarshaler.
func (o *Object[T]) UnmarshalJSON(b []byte) error {
	var v T
	if Decode(b, &v) {
		o.V = v
	} else {
		o.V = *new(T)
	}
	return nil
}

// Decode reads what it can of b into v: of an object, a field of another type stays
// zero. It is false when b is no JSON or of another kind than v.
func Decode(b []byte, v any) bool {
	err := json.Unmarshal(b, v)
	if err == nil {
		return true
	}
	_, odd := errors.AsType[*json.UnmarshalTypeError](err)
	b = bytes.TrimSpace(b)
	return odd && len(b) > 0 && b[0] == '{'
}

// Member gives one member of a JSON object as it is, nil when there is none.
func Member(raw json.RawMessage, name string) json.RawMessage {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return nil
	}
	return object[name]
}

// Field reads one field of a JSON object as a text, whatever the others are like.
func Field(raw json.RawMessage, name string) string {
	var t Text
	_ = t.UnmarshalJSON(Member(raw, name))
	return string(t)
}

// bare is a scalar without the quotes that some replies put around it.
func bare(b []byte) string { return strings.Trim(string(b), `" `) }
