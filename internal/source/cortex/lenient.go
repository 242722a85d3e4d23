package cortex

import (
	"bytes"
	"encoding/json"

	"edrc/internal/source/lenient"
)

// The fields of replies, in any JSON type.
type (
	text        = lenient.Text
	count       = lenient.Count
	stamp       = lenient.Stamp
	list[T any] = lenient.List[T]
)

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
