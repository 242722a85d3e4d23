package cortex

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// search is the body of every list.
type search struct {
	Filters []filter `json:"filters"`
	From    int      `json:"search_from"`
	To      *int     `json:"search_to"`
	Sort    *struct {
		Field   string `json:"field"`
		Keyword string `json:"keyword"`
	} `json:"sort"`
}

type filter struct {
	Field    string          `json:"field"`
	Operator string          `json:"operator"`
	Value    json.RawMessage `json:"value"`
}

// column is one field that a list can be filtered or sorted by: a number, or a text. A
// list of numbers takes no texts in a filter, and the other way round.
type column[T any] struct {
	number func(T) int64
	text   func(T) string
}

// maxWindow is the most rows of one reply.
const maxWindow = 100

// find filters and sorts rows and cuts the window out. Rows that sort alike come in another
// order each time. It answers itself when the request is refused: then ok is false.
func find[T any](v *Vendor, w http.ResponseWriter, q search, rows []T, columns map[string]column[T]) (window []T, total int, ok bool) {
	found := slices.Clone(rows)
	for _, f := range q.Filters {
		col, known := columns[f.Field]
		if !known {
			fail(w, http.StatusInternalServerError, "An error occurred while processing XDR public API", "Invalid filter field: "+f.Field)
			return nil, 0, false
		}
		match, err := col.match(f)
		if err != nil {
			fail(w, http.StatusInternalServerError, "An error occurred while processing XDR public API", err.Error())
			return nil, 0, false
		}
		found = slices.DeleteFunc(found, func(row T) bool { return !match(row) })
	}
	if q.Sort != nil {
		col, known := columns[q.Sort.Field]
		if !known {
			fail(w, http.StatusInternalServerError, "An error occurred while processing XDR public API", "Invalid sort field: "+q.Sort.Field)
			return nil, 0, false
		}
		v.rng.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
		slices.SortStableFunc(found, col.compare)
		if q.Sort.Keyword == "desc" {
			slices.Reverse(found)
		}
	}
	to := maxWindow
	if q.To != nil {
		to = *q.To
	} else {
		to += q.From
	}
	if q.From < 0 || to < q.From || to-q.From > maxWindow {
		fail(w, http.StatusBadRequest, "Bad Request. Got an invalid input.",
			[]map[string]any{{"type": "value_error", "loc": []any{"request_data", "search_to"}, "msg": "search_to - search_from must be at most 100", "input": to}})
		return nil, 0, false
	}
	if v.inclusive {
		to++
	}
	from := min(q.From, len(found))
	return found[from:max(from, min(to, len(found)))], len(found), true
}

func (c column[T]) compare(a, b T) int {
	if c.number != nil {
		return cmp.Compare(c.number(a), c.number(b))
	}
	return strings.Compare(c.text(a), c.text(b))
}

func (c column[T]) match(f filter) (func(T) bool, error) {
	wrong := fmt.Errorf("invalid value for filter %s %s: %s", f.Field, f.Operator, f.Value)
	switch f.Operator {
	case "gte", "lte":
		n, err := strconv.ParseInt(string(f.Value), 10, 64)
		if err != nil || c.number == nil {
			return nil, wrong
		}
		if f.Operator == "gte" {
			return func(row T) bool { return c.number(row) >= n }, nil
		}
		return func(row T) bool { return c.number(row) <= n }, nil
	case "in":
		var numbers []int64
		var texts []string
		switch {
		case c.number != nil && json.Unmarshal(f.Value, &numbers) == nil && len(numbers) > 0:
			return func(row T) bool { return slices.Contains(numbers, c.number(row)) }, nil
		case c.text != nil && json.Unmarshal(f.Value, &texts) == nil && len(texts) > 0:
			return func(row T) bool { return slices.Contains(texts, c.text(row)) }, nil
		}
		return nil, wrong
	}
	return nil, fmt.Errorf("invalid operator %q for filter %s", f.Operator, f.Field)
}
