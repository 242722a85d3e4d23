package carbonblack

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reach is how far a search goes.
const reach = 10_000

// span is a range of time: from start to end, or as long back as range says.
type span struct {
	Start string `json:"start"`
	End   string `json:"end"`
	Range string `json:"range"`
}

// search is the body of a search.
type search struct {
	TimeRange  *span                      `json:"time_range"`
	Criteria   map[string]json.RawMessage `json:"criteria"`
	Exclusions map[string]json.RawMessage `json:"exclusions"`
	Query      string                     `json:"query"`
	Sort       []struct {
		Field string `json:"field"`
		Order string `json:"order"`
	} `json:"sort"`
	Start   *int `json:"start"`
	Rows    *int `json:"rows"`
	GroupBy *struct {
		Field string `json:"field"`
	} `json:"group_by"`
}

// bounds reads a range; both ends belong to it.
func (v *Vendor) bounds(s span) (from, to time.Time, err error) {
	now := v.opt.Now()
	if s.Range != "" {
		if s.Start != "" || s.End != "" {
			return from, to, errors.New("range excludes start and end")
		}
		digits := strings.TrimLeft(strings.TrimPrefix(s.Range, "-"), "0")
		n, err := strconv.Atoi(digits[:max(len(digits)-1, 0)])
		unit := map[byte]time.Duration{'M': 30 * 24 * time.Hour, 'w': 7 * 24 * time.Hour, 'd': 24 * time.Hour, 'h': time.Hour, 'm': time.Minute, 's': time.Second}[s.Range[len(s.Range)-1]]
		if err != nil || unit == 0 || s.Range[0] != '-' {
			return from, to, fmt.Errorf("the range %q cannot be read", s.Range)
		}
		return now.Add(-time.Duration(n) * unit), now, nil
	}
	if from, err = time.Parse(time.RFC3339Nano, s.Start); err == nil {
		to, err = time.Parse(time.RFC3339Nano, s.End)
	}
	if err == nil && from.After(to) {
		err = errors.New("start is after end")
	}
	return from, to, err
}

// test is one condition on an alert.
type test func(*alert) bool

// conditions are the tests of a search. Without a range of time it sees two weeks.
func (v *Vendor) conditions(s search) ([]test, error) {
	if s.TimeRange == nil {
		s.TimeRange = &span{Range: "-2w"}
	}
	during, err := v.during(*s.TimeRange, "backend_timestamp")
	if err != nil {
		return nil, err
	}
	out := []test{during}
	for name, raw := range s.Criteria {
		t, err := v.criterion(name, raw)
		if err != nil {
			return nil, err
		}
		if t != nil {
			out = append(out, t)
		}
	}
	for name, raw := range s.Exclusions {
		t, err := v.criterion(name, raw)
		if err != nil {
			return nil, err
		}
		if t != nil {
			out = append(out, func(a *alert) bool { return !t(a) })
		}
	}
	return v.words(s.Query, out)
}

// words reads a query of FIELD:VALUE pairs.
func (v *Vendor) words(query string, out []test) ([]test, error) {
	for _, word := range strings.Fields(query) {
		name, want, ok := strings.Cut(word, ":")
		if !ok {
			return nil, fmt.Errorf("the query %q cannot be read", query)
		}
		out = append(out, func(a *alert) bool { return value(a, name) == want })
	}
	return out, nil
}

func (v *Vendor) during(s span, field string) (test, error) {
	from, to, err := v.bounds(s)
	if err != nil {
		return nil, err
	}
	return func(a *alert) bool {
		at := a.created
		if field == "backend_update_timestamp" {
			at = a.updated
		}
		return !at.Before(from) && !at.After(to)
	}, nil
}

// criterion is one entry of criteria, nil for an empty list: that is a wildcard.
func (v *Vendor) criterion(name string, raw json.RawMessage) (test, error) {
	switch name {
	case "backend_update_timestamp", "backend_timestamp":
		var s span
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, err
		}
		return v.during(s, name)
	case "minimum_severity":
		var n int
		if err := json.Unmarshal(raw, &n); err != nil || n < 1 || n > 10 {
			return nil, errors.New("minimum_severity is not from 1 to 10")
		}
		return func(a *alert) bool { return a.severity >= n }, nil
	case "id", "threat_id", "type", "workflow_status", "device_id", "device_name":
		var list []any
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, fmt.Errorf("%s is not a list", name)
		}
		want := map[string]bool{}
		for _, item := range list {
			want[fmt.Sprint(item)] = true
		}
		if len(want) == 0 {
			return nil, nil
		}
		return func(a *alert) bool { return want[value(a, name)] }, nil
	}
	return nil, fmt.Errorf("the criterion %q is not known", name)
}

// value is that of one field of an alert.
func value(a *alert, name string) string {
	switch name {
	case "id":
		return a.id
	case "threat_id":
		return a.threat
	case "type":
		return a.kind
	case "workflow_status":
		return a.status
	case "device_id":
		return strconv.FormatInt(a.device.id, 10)
	case "device_name":
		return a.device.name
	case "severity":
		return strconv.Itoa(a.severity)
	}
	return ""
}

// matching are the alerts that a search finds, in its order. That of equal ones is open,
// and another each time.
func (v *Vendor) matching(s search) ([]*alert, error) {
	tests, err := v.conditions(s)
	if err != nil {
		return nil, err
	}
	var out []*alert
	for _, a := range v.alerts {
		if !slices.ContainsFunc(tests, func(t test) bool { return !t(a) }) {
			out = append(out, a)
		}
	}
	by, desc := "backend_timestamp", true
	if len(s.Sort) > 0 {
		by, desc = s.Sort[0].Field, s.Sort[0].Order != "ASC"
	}
	key := map[string]func(*alert) time.Time{
		"backend_timestamp": func(a *alert) time.Time { return a.created }, "backend_update_timestamp": func(a *alert) time.Time { return a.updated },
	}[by]
	if key == nil || len(s.Sort) > 1 {
		return nil, fmt.Errorf("cannot be sorted by %q", by)
	}
	rng := rand.New(rand.NewPCG(v.opt.Seed, uint64(v.requests)))
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	slices.SortStableFunc(out, func(a, b *alert) int {
		if desc {
			a, b = b, a
		}
		return key(a).Compare(key(b))
	})
	return out, nil
}

// window cuts a page out of n things. A page beyond the reach is an error of the server.
func window(w http.ResponseWriter, start, rows *int, n int) (from, to int, ok bool) {
	first, many := 1, 100
	if start != nil {
		first = *start
	}
	if rows != nil {
		many = *rows
	}
	switch {
	case first < 1 || many < 0 || many > reach:
		fail(w, http.StatusBadRequest, "INVALID_VALUE", "start or rows are out of range")
		return 0, 0, false
	case first-1+many > reach:
		fail(w, http.StatusInternalServerError, "INTERNAL_ERROR", "Result window is too large")
		return 0, 0, false
	}
	return min(first-1, n), min(first-1+many, n), true
}

func (v *Vendor) searchAlerts(w http.ResponseWriter, r *http.Request) {
	var s search
	if !read(w, r, &s) {
		return
	}
	found, err := v.matching(s)
	if err != nil || s.GroupBy != nil {
		fail(w, http.StatusBadRequest, "INVALID_VALUE", fmt.Sprint("The search cannot be read: ", err))
		return
	}
	from, to, ok := window(w, s.Start, s.Rows, len(found))
	if !ok {
		return
	}
	results := make([]json.RawMessage, 0, to-from)
	for _, a := range found[from:to] {
		results = append(results, v.render(a))
	}
	writeJSON(w, http.StatusOK, object{"results": results, "num_found": len(found), "num_available": min(len(found), reach)})
}

func (v *Vendor) getAlert(w http.ResponseWriter, r *http.Request) {
	if a := v.alertOf(w, r); a != nil {
		writeJSON(w, http.StatusOK, v.render(a))
	}
}

func (v *Vendor) alertOf(w http.ResponseWriter, r *http.Request) *alert {
	a := v.byID[r.PathValue("id")]
	if a == nil {
		fail(w, http.StatusNotFound, "NOT_FOUND", "Alert was not found")
	}
	return a
}
