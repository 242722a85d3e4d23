package lab

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cursorLife is how long a cursor can be used.
const cursorLife = 10 * time.Minute

// page is the part of a list that a request wants.
type page struct {
	limit, skip          int
	sortBy               string
	desc                 bool
	skipCount, countOnly bool
	after                *cursor
	filters              uint64 // digest of all that a cursor must be repeated with
}

// cursor is the place of the last item of a page. To the client it is opaque.
type cursor struct {
	SortBy  string `json:"sort_by_column"`
	Value   int64  `json:"sort_by_value"`
	ID      int64  `json:"id_value,string"`
	Desc    bool   `json:"desc"`
	Filters uint64 `json:"filters,string"`
	Issued  int64  `json:"issued"`
}

// singleParams is a query as name and value: the vendor takes arrays as CSV in one parameter, never repeated.
func singleParams(r *http.Request) (map[string]string, error) {
	out := map[string]string{}
	for name, values := range r.URL.Query() {
		if len(values) > 1 {
			return nil, badRequest("%s: given more than once; arrays are one comma-separated value", name)
		}
		out[name] = values[0]
	}
	return out, nil
}

// newPage reads the list parameters. sorts are the allowed values of sortBy, the first of them the default.
func newPage(params map[string]string, sorts []string, now time.Time) (page, error) {
	p := page{limit: 10, sortBy: sorts[0], filters: digest(params)}
	err := errsOf(
		intParam(params, "limit", 1, 1000, &p.limit),
		intParam(params, "skip", 0, 1000, &p.skip),
		boolParam(params, "skipCount", &p.skipCount),
		boolParam(params, "countOnly", &p.countOnly),
	)
	if err != nil {
		return p, err
	}
	if by, ok := params["sortBy"]; ok {
		if p.sortBy = by; !slices.Contains(sorts, by) {
			return p, badRequest("sortBy: %q is not one of %s", by, strings.Join(sorts, ", "))
		}
	}
	switch order := params["sortOrder"]; order {
	case "", "asc":
	case "desc":
		p.desc = true
	default:
		return p, badRequest("sortOrder: %q is not asc or desc", order)
	}
	if text, ok := params["cursor"]; ok {
		p.after, err = p.parseCursor(text, now)
	}
	return p, err
}

func (p *page) parseCursor(text string, now time.Time) (*cursor, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, badRequest("cursor: invalid")
	}
	c := new(cursor)
	if err := json.Unmarshal(raw, c); err != nil || c.SortBy == "" {
		return nil, badRequest("cursor: invalid")
	}
	if age := now.Sub(time.UnixMicro(c.Issued)); age >= cursorLife || age < -time.Minute {
		return nil, badRequest("cursor: expired")
	}
	if c.Filters != p.filters || c.SortBy != p.sortBy || c.Desc != p.desc {
		return nil, badRequest("cursor: filters and sort must be the same as in the first request")
	}
	return c, nil
}

// next is the cursor behind an item.
func (p *page) next(value, id int64, now time.Time) *string {
	raw, _ := json.Marshal(cursor{p.sortBy, value, id, p.desc, p.filters, now.UnixMicro()})
	text := base64.StdEncoding.EncodeToString(raw)
	return &text
}

// digest covers the parameters that belong to the list and not to one page of it.
func digest(params map[string]string) uint64 {
	h := fnv.New64a()
	for _, name := range slices.Sorted(maps.Keys(params)) {
		switch name {
		case "cursor", "limit", "skip", "skipCount", "countOnly":
			continue
		}
		fmt.Fprintf(h, "%q=%q;", name, params[name])
	}
	return h.Sum64()
}

func intParam(params map[string]string, name string, low, high int, to *int) error {
	text, ok := params[name]
	if !ok {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return badRequest("%s: %q must be a number from %d to %d", name, text, low, high)
	}
	*to = n
	return nil
}

func boolParam(params map[string]string, name string, to *bool) error {
	text, ok := params[name]
	if !ok {
		return nil
	}
	var err error
	if *to, err = parseBool(text); err != nil {
		return badRequest("%s: %q is not a boolean", name, text)
	}
	return nil
}

// errsOf is the first error.
func errsOf(errs ...error) error { return cmp.Or(errs...) }

// pagination is what every list says about itself.
type pagination struct {
	TotalItems int     `json:"totalItems"`
	NextCursor *string `json:"nextCursor"`
}

// list is the envelope of every list.
type list struct {
	Data       any        `json:"data"`
	Pagination pagination `json:"pagination"`
}

// slicePage pages over items in memory. keyOf gives the sort key and the id of an item; items come in ascending order of both.
func slicePage[T any](p page, items []T, keyOf func(T) (key, id int64), now time.Time) ([]T, pagination) {
	total := len(items)
	if p.desc {
		items = slices.Clone(items)
		slices.Reverse(items)
	}
	if p.after != nil {
		items = slices.DeleteFunc(slices.Clone(items), func(it T) bool { return !p.behind(keyOf(it)) })
	}
	items = items[min(p.skip, len(items)):]
	if p.countOnly {
		return []T{}, pagination{TotalItems: total}
	}
	out := pagination{TotalItems: total}
	if len(items) > p.limit {
		items = items[:p.limit]
		key, id := keyOf(items[p.limit-1])
		out.NextCursor = p.next(key, id, now)
	}
	return items, out
}

// behind says whether an item comes after the cursor.
func (p *page) behind(key, id int64) bool {
	if p.after == nil {
		return true
	}
	c := cmp.Or(cmp.Compare(key, p.after.Value), cmp.Compare(id, p.after.ID))
	return c > 0 != p.desc && c != 0
}
