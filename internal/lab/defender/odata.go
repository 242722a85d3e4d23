package defender

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// condition is one comparison of a filter.
type condition struct{ field, op, value string }

// parseFilter reads comparisons joined by "and", and startswith. Anything else, "or"
// above all, is refused.
func parseFilter(s string, fields []string) ([]condition, error) {
	var out []condition
	for s = strings.TrimSpace(s); s != ""; {
		var c condition
		var rest string
		if inner, ok := strings.CutPrefix(s, "startswith("); ok {
			field, value, ok := strings.Cut(inner, ",")
			if !ok {
				return nil, errors.New("startswith takes two arguments")
			}
			text, after, err := quoted(strings.TrimSpace(value))
			if err != nil || !strings.HasPrefix(after, ")") {
				return nil, errors.New("startswith is not closed")
			}
			c, rest = condition{strings.TrimSpace(field), "startswith", text}, after[1:]
		} else {
			words := strings.SplitN(s, " ", 3)
			if len(words) < 3 || !slices.Contains([]string{"eq", "ne", "ge", "gt", "le", "lt"}, words[1]) {
				return nil, fmt.Errorf("the comparison %q is not supported", s)
			}
			c.field, c.op = words[0], words[1]
			if strings.HasPrefix(words[2], "'") {
				var err error
				if c.value, rest, err = quoted(words[2]); err != nil {
					return nil, err
				}
			} else {
				c.value, rest, _ = strings.Cut(words[2], " ")
				if rest != "" {
					rest = " " + rest
				}
				if _, err := time.Parse(time.RFC3339Nano, c.value); err != nil {
					return nil, fmt.Errorf("the literal %q is neither quoted nor a time", c.value)
				}
			}
		}
		if !slices.Contains(fields, c.field) {
			return nil, fmt.Errorf("the property %q cannot be filtered by", c.field)
		}
		out = append(out, c)
		if rest = strings.TrimLeft(rest, " "); rest == "" {
			return out, nil
		}
		after, ok := strings.CutPrefix(rest, "and ")
		if !ok {
			return nil, fmt.Errorf("%q is not supported after a comparison", rest)
		}
		s = after
	}
	return out, nil
}

// quoted takes a quoted text off the front of s.
func quoted(s string) (text, rest string, err error) {
	if !strings.HasPrefix(s, "'") {
		return "", "", errors.New("a quoted text is missing")
	}
	for i := 1; i < len(s); i++ {
		if s[i] != '\'' {
			continue
		}
		if i+1 < len(s) && s[i+1] == '\'' {
			i++
			continue
		}
		return strings.ReplaceAll(s[1:i], "''", "'"), s[i+1:], nil
	}
	return "", "", errors.New("a quoted text is not closed")
}

// holds compares with what a thing has in the field: a text, or a time.
func (c condition) holds(has any) bool {
	var order int
	switch has := has.(type) {
	case time.Time:
		at, err := time.Parse(time.RFC3339Nano, c.value)
		if err != nil {
			return false
		}
		order = has.Compare(at)
	case string:
		if c.op == "startswith" {
			return strings.HasPrefix(strings.ToLower(has), strings.ToLower(c.value))
		}
		order = strings.Compare(has, c.value)
	}
	switch c.op {
	case "eq":
		return order == 0
	case "ne":
		return order != 0
	case "ge":
		return order >= 0
	case "gt":
		return order > 0
	case "le":
		return order <= 0
	}
	return order < 0
}

// table is a list that can be asked for.
type table[T any] struct {
	rows   []T
	fields []string // that can be filtered by
	get    func(T, string) any
	top    int // the most on one page, and how many come unasked
	render func(T) object
	mixed  bool // in no order
	plain  bool // cannot be sorted
}

// serve answers a list request: filter, order, page. Rows are counted, so a new one
// shifts what stands on the next page.
func serve[T any](w http.ResponseWriter, r *http.Request, t table[T]) {
	q := r.URL.Query()
	conditions, err := parseFilter(q.Get("$filter"), t.fields)
	top, skip := t.top, 0
	if s := q.Get("$top"); s != "" && err == nil {
		if top, err = strconv.Atoi(s); err == nil && (top < 1 || top > t.top) {
			err = fmt.Errorf("the limit of '%d' for $top is exceeded: %d", t.top, top)
		}
	}
	if s := q.Get("$skip"); s != "" && err == nil {
		skip, err = strconv.Atoi(s)
	}
	field, way, _ := strings.Cut(cmp.Or(q.Get("$orderby"), t.fields[0]+" desc"), " ")
	var chosen []string
	if s := q.Get("$select"); s != "" {
		chosen = strings.Split(s, ",")
	}
	if err == nil && (!slices.Contains(t.fields, field) || t.plain && q.Has("$orderby")) {
		err = fmt.Errorf("the property %q cannot be sorted by", field)
	}
	if err != nil || skip < 0 {
		fail(w, http.StatusBadRequest, "BadRequest", fmt.Sprint("Invalid query: ", err))
		return
	}
	rows := slices.DeleteFunc(slices.Clone(t.rows), func(row T) bool {
		return slices.ContainsFunc(conditions, func(c condition) bool { return !c.holds(t.get(row, c.field)) })
	})
	slices.SortStableFunc(rows, func(a, b T) int {
		order := compare(t.get(a, field), t.get(b, field))
		if way == "desc" {
			order = -order
		}
		return order
	})
	if t.mixed {
		shuffle(rows)
	}
	total := len(rows)
	rows = rows[min(skip, total):min(skip+top, total)]
	items := make([]object, 0, len(rows))
	for _, row := range rows {
		item := t.render(row)
		if len(chosen) > 0 {
			maps.DeleteFunc(item, func(name string, _ any) bool { return !slices.Contains(chosen, name) })
		}
		items = append(items, item)
	}
	reply := object{"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#list", "value": items}
	if q.Get("$count") == "true" {
		reply["@odata.count"] = total
	}
	if skip+top < total {
		reply["@odata.nextLink"] = nextLink(r, q, skip+top)
	}
	writeJSON(w, http.StatusOK, reply)
}

func nextLink(r *http.Request, q url.Values, skip int) string {
	q.Set("$skip", strconv.Itoa(skip))
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + r.URL.Path + "?" + q.Encode()
}

func compare(a, b any) int {
	if at, ok := a.(time.Time); ok {
		bt, _ := b.(time.Time)
		return at.Compare(bt)
	}
	return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

// shuffle puts every other row in front, the same way each time.
func shuffle[T any](rows []T) {
	var even, odd []T
	for i, r := range rows {
		if i%2 == 0 {
			even = append(even, r)
		} else {
			odd = append(odd, r)
		}
	}
	copy(rows, append(odd, even...))
}
