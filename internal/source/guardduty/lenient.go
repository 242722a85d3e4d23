package guardduty

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// The types here take a field in any JSON type: the API, EventBridge, S3 exports and the
// aws command spell the same finding in different ways, and one odd field must not cost
// an alert. What cannot be read is the zero value.

// text is a string. A number keeps its digits.
type text string

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (t *text) UnmarshalJSON(b []byte) error {
	*t = ""
	b = bytes.TrimSpace(b)
	switch {
	case len(b) == 0:
	case b[0] == '"':
		var s string
		if json.Unmarshal(b, &s) == nil {
			*t = text(s)
		}
	case b[0] == '-' || b[0] >= '0' && b[0] <= '9' || b[0] == 't' || b[0] == 'f':
		*t = text(b)
	}
	return nil
}

// flag is true only if it says so.
type flag bool

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (f *flag) UnmarshalJSON(b []byte) error {
	*f = flag(strings.EqualFold(strings.Trim(string(b), `" `), "true"))
	return nil
}

// number is a finite number, 0 when absent.
type number float64

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (n *number) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseFloat(strings.Trim(string(b), `" `), 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		v = 0
	}
	*n = number(v)
	return nil
}

// stamp is a moment: RFC 3339, the same without a zone or as databases print it, or seconds or milliseconds since 1970, as number or text.
type stamp struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (s *stamp) UnmarshalJSON(b []byte) error {
	s.Time = time.Time{}
	var t text
	_ = t.UnmarshalJSON(b)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05-0700"} {
		if at, err := time.Parse(layout, string(t)); err == nil {
			s.Time = at.UTC()
			return nil
		}
	}
	v, err := strconv.ParseFloat(string(t), 64)
	switch {
	case err != nil || !(v > 0) || v > 1e15:
	case v > 1e11: // beyond the year 5000 in seconds: milliseconds
		s.Time = time.UnixMilli(int64(v)).UTC()
	default:
		s.Time = time.UnixMilli(int64(v * 1000)).UTC()
	}
	return nil
}

// list is an array; one object in its place is an array of one, anything else is empty.
// An element that does not fit is as empty as it has to be.
type list[T any] []T

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (l *list[T]) UnmarshalJSON(b []byte) error {
	*l = nil
	b = bytes.TrimSpace(b)
	if len(b) > 0 && b[0] == '{' {
		b = append(append([]byte{'['}, b...), ']')
	}
	var raw []json.RawMessage
	if json.Unmarshal(b, &raw) != nil {
		return nil
	}
	for _, r := range raw {
		var item T
		_ = json.Unmarshal(r, &item) // a field of another type is left out, the rest is read
		*l = append(*l, item)
	}
	return nil
}
