package wiz

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The types here take a field in any JSON type, because one odd field must not cost an
// alert. What cannot be read is the zero value.

// decode reads what it can of b into v: a field of another type stays zero. It is false
// when b is not JSON.
func decode(b []byte, v any) bool {
	err := json.Unmarshal(b, v)
	_, odd := errors.AsType[*json.UnmarshalTypeError](err)
	return err == nil || odd
}

// text is a string. A number keeps its digits: AWS accounts come as either.
type text string

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (t *text) UnmarshalJSON(b []byte) error {
	*t = ""
	b = bytes.TrimSpace(b)
	switch {
	case len(b) == 0:
	case len(b) > 1 && b[0] == '"' && bytes.IndexByte(b, '\\') < 0 && utf8.Valid(b):
		*t = text(b[1 : len(b)-1]) // nothing to undo: most fields, and half the time of a page
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

// firstText gives the first text that is not empty.
func firstText(ts ...text) string {
	for _, t := range ts {
		if t != "" {
			return string(t)
		}
	}
	return ""
}

// count is a number of bytes, seconds or things, 0 when absent or negative.
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

// stamp is a moment, as RFC 3339 with any number of digits, or without a zone, which is
// UTC; exports write a space for the T.
type stamp struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (s *stamp) UnmarshalJSON(b []byte) error {
	s.Time = time.Time{}
	var t text
	_ = t.UnmarshalJSON(b)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999"} {
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

// list is an array; an object alone is a list of one, anything else is empty, and null
// within it is left out.
type list[T any] []T

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (l *list[T]) UnmarshalJSON(b []byte) error {
	*l = nil
	var raw []json.RawMessage
	if b = bytes.TrimSpace(b); len(b) > 0 && b[0] == '{' {
		raw = []json.RawMessage{b}
	} else if json.Unmarshal(b, &raw) != nil {
		return nil
	}
	for _, r := range raw {
		var item T
		if string(r) != "null" && decode(r, &item) {
			*l = append(*l, item)
		}
	}
	return nil
}

// field reads one field of a JSON object, whatever the others are like.
func field(raw json.RawMessage, name string) string {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return ""
	}
	var t text
	_ = t.UnmarshalJSON(object[name])
	return string(t)
}
