package intezer

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The vendor's keys come and go, and numbers arrive as floats or strings. The
// types here take what they can use and are empty otherwise; they never fail, so
// that one odd key does not lose a verdict.

// maxText bounds one string of a reply, in bytes: names in it are an attacker's.
const maxText = 2048

// text is a string; anything but a string or a number is "".
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	*t = ""
	var s string
	switch {
	case json.Unmarshal(b, &s) == nil:
		*t = text(clip(s))
	case len(b) > 0 && (b[0] == '-' || b[0] >= '0' && b[0] <= '9'):
		*t = text(clip(string(b)))
	}
	return nil
}

// String gives the text without surrounding space.
func (t text) String() string { return strings.TrimSpace(string(t)) }

// clip cuts s to maxText bytes at a character's edge.
func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	s = s[:maxText]
	for len(s) > 0 && !utf8.ValidString(s[len(s)-min(len(s), utf8.UTFMax):]) {
		s = s[:len(s)-1]
	}
	return s
}

// number is a finite number, from a JSON number or a string of digits.
type number struct {
	value float64
	set   bool // false for null, absent and what is no number
}

func (n *number) UnmarshalJSON(b []byte) error {
	*n = number{}
	s := strings.Trim(string(b), `" `)
	if v, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(v) && !math.IsInf(v, 0) {
		*n = number{value: v, set: true}
	}
	return nil
}

// int64 gives the whole part, within what an int64 holds.
func (n number) int64() int64 {
	return int64(min(max(n.value, math.MinInt64/2), math.MaxInt64/2))
}

// list is an array whose unreadable elements are left out; a lone object is an
// array of one, anything else is empty.
type list[T any] []T

func (l *list[T]) UnmarshalJSON(b []byte) error {
	*l = nil
	var raw []json.RawMessage
	if json.Unmarshal(b, &raw) != nil {
		if b = bytes.TrimSpace(b); len(b) == 0 || b[0] != '{' {
			return nil
		}
		raw = []json.RawMessage{b}
	}
	for _, item := range raw {
		var v T
		if decode(item, &v) == nil {
			*l = append(*l, v)
		}
	}
	return nil
}

// decode is json.Unmarshal that forgives a value of another type than expected:
// the rest of the object has been read then, and is used.
func decode(b []byte, v any) error {
	err := json.Unmarshal(b, v)
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && isObject(b) {
		return nil
	}
	return err
}

// isObject reports whether b starts like a JSON object.
func isObject(b []byte) bool {
	b = bytes.TrimSpace(b)
	return len(b) > 0 && b[0] == '{'
}

// parseTime reads the date formats seen in analyses (contracts 1.6); a text that
// is none of them is the zero time. Without a zone it is UTC.
func parseTime(s string) time.Time {
	for _, layout := range [...]string{
		time.RFC1123, time.RFC1123Z, time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05",
	} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
