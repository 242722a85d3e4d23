package crowdstrike

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// falconCase is a case of Case Management.
type falconCase struct {
	id       string
	created  time.Time
	severity int
	status   string
	alerts   []string
}

func (v *Vendor) addCase(at time.Time, alerts ...*falconAlert) {
	c := &falconCase{id: v.hex(16), created: at, severity: 30, status: "new"}
	for _, a := range alerts {
		c.severity = max(c.severity, a.severity)
		c.alerts = append(c.alerts, a.id)
		a.cases = append(a.cases, c.id)
	}
	v.cases = append(v.cases, c)
	slices.SortStableFunc(v.cases, func(a, b *falconCase) int { return a.created.Compare(b.created) })
}

// AddCases makes n cases without alerts, a second apart, the last one age ago.
func (v *Vendor) AddCases(n int, age time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	last := v.opt.Now().Add(-age)
	for i := range n {
		v.cases = append(v.cases, &falconCase{id: v.hex(16), created: last.Add(-time.Duration(i) * time.Second), severity: 50, status: "new"})
	}
	slices.SortStableFunc(v.cases, func(a, b *falconCase) int { return a.created.Compare(b.created) })
}

func (c *falconCase) field(name string) ([]string, bool) {
	switch name {
	case "id":
		return []string{c.id}, true
	case "status":
		return []string{c.status}, true
	case "severity":
		return []string{strconv.Itoa(c.severity)}, true
	case "created_timestamp":
		return []string{stamp(c.created)}, true
	}
	return nil, false
}

func (v *Vendor) queryCases(w http.ResponseWriter, r *http.Request) {
	limit, offset, ok := limits(w, r, 10_000, 10_000)
	if !ok {
		return
	}
	desc, ok := sorted(w, r.URL.Query().Get("sort"))
	if !ok {
		return
	}
	ids, ok := match(w, r.URL.Query().Get("filter"), v.cases, func(c *falconCase) (string, fields) { return c.id, c.field })
	if !ok {
		return
	}
	if desc {
		slices.Reverse(ids)
	}
	answer(w, http.StatusOK, envelope{Meta: meta{PoweredBy: "casemanagement", Pagination: &pagination{Offset: offset, Limit: limit, Total: len(ids)}},
		Resources: cut(ids, limit, offset)})
}

type evidenceRef struct {
	ID string `json:"id"`
}

type caseJSON struct {
	ID          string `json:"id"`
	CID         string `json:"cid"`
	Reference   string `json:"reference_id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Status      string `json:"status"`
	Severity    int    `json:"severity"`
	Info        struct {
		Level string `json:"level"`
	} `json:"severity_info"`
	Created  string `json:"created_timestamp"`
	Updated  string `json:"updated_timestamp"`
	Evidence struct {
		Alerts []evidenceRef `json:"alerts"`
		Events []any         `json:"events"`
		Leads  []any         `json:"leads"`
	} `json:"evidence"`
	Tags []string `json:"tags"`
}

func (v *Vendor) entityCases(w http.ResponseWriter, r *http.Request) {
	var body struct {
		IDs []string `json:"ids"`
	}
	if !read(w, r, &body) {
		return
	}
	if len(body.IDs) == 0 || len(body.IDs) > 1000 {
		fail(w, http.StatusBadRequest, "ids must be from 1 to 1000")
		return
	}
	wanted := map[string]bool{}
	for _, id := range body.IDs {
		wanted[id] = true
	}
	out := []caseJSON{}
	for i, c := range v.cases {
		if !wanted[c.id] {
			continue
		}
		j := caseJSON{ID: c.id, CID: v.cid, Reference: fmt.Sprintf("CASE-%d", i), Name: fmt.Sprintf("Case %d of the lab", i), Status: c.status,
			Severity: c.severity, Created: stamp(c.created), Updated: stamp(c.created), Tags: []string{}}
		j.Info.Level = severityName(c.severity)
		j.Evidence.Alerts = []evidenceRef{}
		for _, id := range c.alerts {
			j.Evidence.Alerts = append(j.Evidence.Alerts, evidenceRef{id})
		}
		out = append(out, j)
	}
	answer(w, http.StatusOK, envelope{Meta: meta{PoweredBy: "casemanagement"}, Resources: out})
}
