package crowdstrike

import (
	"strconv"
	"strings"

	"edrc/internal/source/lenient"
)

// The fields of replies, in any JSON type.
type (
	text        = lenient.Text
	flag        = lenient.Flag
	count       = lenient.Count
	stamp       = lenient.Stamp
	list[T any] = lenient.List[T]
)

// number is any number that may be absent.
type number struct {
	known bool
	value float64
}

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (n *number) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseFloat(strings.Trim(string(b), `" `), 64)
	*n = number{err == nil && v >= 0 && v <= 1e15, v}
	return nil
}
