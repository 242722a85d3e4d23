package guardduty

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"edrc/internal/source/lenient"
)

type (
	stamp       = lenient.Stamp
	list[T any] = lenient.List[T]
)

// The types here and in package lenient take a field in any JSON type: the API, EventBridge, S3 exports and the
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
