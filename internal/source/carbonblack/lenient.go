package carbonblack

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The types here take a field in any JSON type: the vendor has fields that are a text
// in one alert and an array in another, and one odd field must not cost an alert. What
// cannot be read is the zero value.

// text is a string. A number keeps its digits: ids exceed 2^53.
type text string

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (t *text) UnmarshalJSON(b []byte) error {
	*t = ""
	b = bytes.TrimSpace(b)
	switch {
	case len(b) == 0:
	case len(b) > 1 && b[0] == '"' && bytes.IndexByte(b, '\\') < 0 && utf8.Valid(b):
		*t = text(b[1 : len(b)-1]) // nothing to undo: most fields
	case b[0] == '"':
		var s string
		if json.Unmarshal(b, &s) == nil {
			*t = text(s)
		}
	case b[0] == '-' || b[0] >= '0' && b[0] <= '9':
		*t = text(b)
	}
	return nil
}

// flag is a boolean that may be absent.
type flag struct{ known, yes bool }

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (f *flag) UnmarshalJSON(b []byte) error {
	switch strings.ToLower(strings.Trim(string(b), `" `)) {
	case "true":
		*f = flag{true, true}
	case "false":
		*f = flag{known: true}
	default:
		*f = flag{}
	}
	return nil
}

// count is a number of things or of bytes, 0 when absent or negative.
type count int64

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (c *count) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseInt(strings.Trim(string(b), `" `), 10, 64)
	if err != nil || n < 0 {
		n = 0
	}
	*c = count(n)
	return nil
}

// stamp is a moment, as RFC 3339 with any number of digits, or without a zone, which
// is UTC.
type stamp struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (s *stamp) UnmarshalJSON(b []byte) error {
	s.Time = time.Time{}
	var t text
	_ = t.UnmarshalJSON(b)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if at, err := time.Parse(layout, string(t)); err == nil {
			s.Time = at.UTC()
			return nil
		}
	}
	return nil
}

// first gives the first moment that is known.
func first(stamps ...stamp) time.Time {
	for _, s := range stamps {
		if !s.IsZero() {
			return s.Time
		}
	}
	return time.Time{}
}

// list is an array; one thing alone is a list of it, and what does not fit is left out.
type list[T any] []T

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (l *list[T]) UnmarshalJSON(b []byte) error {
	*l = nil
	var raw []json.RawMessage
	if json.Unmarshal(b, &raw) != nil {
		raw = []json.RawMessage{b}
	}
	for _, r := range raw {
		var item T
		if string(bytes.TrimSpace(r)) != "null" && json.Unmarshal(r, &item) == nil {
			*l = append(*l, item)
		}
	}
	return nil
}

// object is an object inside another; anything else is its zero value.
type object[T any] struct{ it T }

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (o *object[T]) UnmarshalJSON(b []byte) error {
	var zero T
	o.it = zero
	if json.Unmarshal(b, &o.it) != nil {
		o.it = zero
	}
	return nil
}

func firstText(ts ...text) string {
	for _, t := range ts {
		if t != "" {
			return string(t)
		}
	}
	return ""
}

// field reads one field of a JSON object, whatever the others are like.
func field(raw json.RawMessage, name string) string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return ""
	}
	var t text
	_ = t.UnmarshalJSON(fields[name])
	return string(t)
}
