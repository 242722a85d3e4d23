package cortex

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The types here take a field in any JSON type, because the calls of this API disagree:
// an id is a string or a number, a column of an alert one value or one for each event.
// What cannot be read is the zero value: one odd field must not cost an alert.

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

// many is one value or a list of them. A null in a list keeps its place: the columns of
// an alert belong together by their place.
type many []string

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (m *many) UnmarshalJSON(b []byte) error {
	*m = nil
	if b = bytes.TrimSpace(b); len(b) > 0 && b[0] == '[' {
		var items []text
		_ = json.Unmarshal(b, &items)
		for _, t := range items {
			*m = append(*m, string(t))
		}
		return nil
	}
	var one text
	_ = one.UnmarshalJSON(b)
	if one != "" {
		*m = many{string(one)}
	}
	return nil
}

// at gives the i-th value, "" beyond the last.
func (m many) at(i int) string {
	if i < len(m) {
		return m[i]
	}
	return ""
}

// first gives the first value that is not empty.
func (m many) first() string {
	for _, s := range m {
		if s != "" {
			return s
		}
	}
	return ""
}

// count is a number of things, 0 when absent or negative.
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

// stamp is a moment in epoch milliseconds; seconds are understood, too.
type stamp struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (s *stamp) UnmarshalJSON(b []byte) error {
	s.Time = time.Time{}
	v, err := strconv.ParseFloat(strings.Trim(string(b), `" `), 64)
	switch {
	case err != nil:
		if at, err := time.Parse(time.RFC3339Nano, strings.Trim(string(b), `" `)); err == nil {
			s.Time = at.UTC()
		}
	case v >= 1e11 && v < 1e14: // 1973 to 5138
		s.Time = time.UnixMilli(int64(v)).UTC()
	case v > 0 && v < 1e11:
		s.Time = time.Unix(int64(v), 0).UTC()
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

// list is an array; anything else is empty, and an element that does not fit is
// left out.
type list[T any] []T

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (l *list[T]) UnmarshalJSON(b []byte) error {
	*l = nil
	if json.Unmarshal(b, (*[]T)(l)) == nil {
		return nil
	}
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

func firstText(ts ...text) string {
	for _, t := range ts {
		if t != "" {
			return string(t)
		}
	}
	return ""
}

// member gives one member of a JSON object as it is, nil when there is none.
func member(raw json.RawMessage, name string) json.RawMessage {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return nil
	}
	return object[name]
}

// field reads one field of a JSON object as a text, whatever the others are like.
func field(raw json.RawMessage, name string) string {
	var t text
	_ = t.UnmarshalJSON(member(raw, name))
	return string(t)
}
