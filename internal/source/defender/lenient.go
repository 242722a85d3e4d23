package defender

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// The types here take a field in any JSON type. Microsoft adds enum values, sends
// null for lists, and 64-bit numbers now as numbers and now as strings; one odd field
// must not cost an alert. What cannot be read is the zero value.

// text is a string, or a number in its own digits.
type text string

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (t *text) UnmarshalJSON(b []byte) error {
	*t = ""
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return nil
	}
	if c := b[0]; c == '-' || c >= '0' && c <= '9' {
		*t = text(b)
		return nil
	}
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = text(s)
	}
	return nil
}

// count is a number of bytes or of things, 0 when absent or negative.
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

// stamp is a moment: RFC 3339 with any number of digits, or without a zone, which is
// UTC.
type stamp struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (s *stamp) UnmarshalJSON(b []byte) error {
	s.Time = time.Time{}
	var t text
	_ = t.UnmarshalJSON(b)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if at, err := time.Parse(layout, string(t)); err == nil && at.Year() > 1 {
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

// firstText gives the first text that is not empty.
func firstText(ts ...text) string {
	for _, t := range ts {
		if t != "" {
			return string(t)
		}
	}
	return ""
}

// list is an array; anything else is empty, and an element that does not fit is left
// out.
type list[T any] []T

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (l *list[T]) UnmarshalJSON(b []byte) error {
	*l = nil
	var raw []json.RawMessage
	if json.Unmarshal(b, &raw) != nil {
		return nil
	}
	for _, r := range raw {
		var item T
		if json.Unmarshal(r, &item) == nil {
			*l = append(*l, item)
		}
	}
	return nil
}

// maybe is an object; anything else is the zero value.
type maybe[T any] struct{ v T }

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (m *maybe[T]) UnmarshalJSON(b []byte) error {
	m.v = *new(T)
	if json.Unmarshal(b, &m.v) != nil {
		m.v = *new(T)
	}
	return nil
}
