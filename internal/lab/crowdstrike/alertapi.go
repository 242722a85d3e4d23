package crowdstrike

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"
)

// sorted reads a sort: field|direction, in the queries also field.direction.
func sorted(w http.ResponseWriter, s string) (desc, ok bool) {
	field, direction, _ := strings.Cut(strings.ReplaceAll(s, ".", "|"), "|")
	if s != "" && (field != "created_timestamp" || direction != "asc" && direction != "desc") {
		fail(w, http.StatusBadRequest, "the lab cannot sort by %q", s)
		return false, false
	}
	return direction == "desc", true
}

// afterToken is the place of a page, as the after token holds it.
type afterToken struct {
	Created time.Time `json:"c"`
	ID      string    `json:"i"`
	Filter  string    `json:"f"` // with the sort: a token is good for its own list
	Total   int       `json:"t"`
}

// combined is POST /alerts/combined/alerts/v1: no end to how many, at most 1,000 a page.
func (v *Vendor) combined(w http.ResponseWriter, r *http.Request) {
	body := struct {
		Filter string `json:"filter"`
		Sort   string `json:"sort"`
		After  string `json:"after"`
		Limit  int    `json:"limit"`
	}{Limit: 100}
	if !read(w, r, &body) {
		return
	}
	desc, ok := sorted(w, body.Sort)
	c, err := parseFilter(body.Filter)
	switch {
	case !ok:
		return
	case err != nil:
		fail(w, http.StatusBadRequest, "invalid filter expression supplied: %v", err)
		return
	case body.Limit < 0 || body.Limit > 1000:
		fail(w, http.StatusBadRequest, "limit must be at most 1000")
		return
	}
	key := body.Filter + "\x00" + body.Sort
	from := afterToken{Total: -1}
	if body.After != "" {
		raw, err := base64.RawURLEncoding.DecodeString(body.After)
		if err != nil || json.Unmarshal(raw, &from) != nil || from.ID == "" || from.Filter != key {
			fail(w, http.StatusBadRequest, "invalid after token")
			return
		}
	}
	page, more, total, err := v.page(c, desc, body.Limit, from)
	if err != nil {
		fail(w, http.StatusBadRequest, "invalid filter expression supplied: %v", err)
		return
	}
	p := &pagination{Limit: body.Limit, Total: total}
	out := make([]alertJSON, len(page))
	for i, a := range page {
		out[i] = v.render(a)
	}
	if more {
		last := page[len(page)-1]
		token, _ := json.Marshal(afterToken{last.created, last.id, key, total}) // marshals
		p.After = base64.RawURLEncoding.EncodeToString(token)
	}
	answer(w, http.StatusOK, envelope{Meta: meta{PoweredBy: "detectsapi", Pagination: p, Writes: &writes{}}, Resources: out})
}

// page walks from a place; the total is counted once, on the first page.
func (v *Vendor) page(c condition, desc bool, limit int, from afterToken) (page []*falconAlert, more bool, total int, err error) {
	total = max(from.Total, 0)
	for _, a := range v.rest(desc, from) {
		ok, err := c(v.alertField(a))
		switch {
		case err != nil:
			return nil, false, 0, err
		case !ok:
			continue
		case len(page) < limit:
			page = append(page, a)
		default:
			more = true
		}
		if from.Total < 0 {
			total++
		} else if more {
			break
		}
	}
	return page, more && limit > 0, total, nil
}

// rest are the alerts behind a place, in the order of the list.
func (v *Vendor) rest(desc bool, from afterToken) iter.Seq2[int, *falconAlert] {
	if !desc {
		at := 0
		if from.ID != "" {
			at = v.position(from)
		}
		return slices.All(v.alerts[at:])
	}
	end := len(v.alerts)
	if from.ID != "" {
		end = v.position(from)
		for end > 0 && compareTo(v.alerts[end-1], from) >= 0 {
			end--
		}
	}
	return slices.Backward(v.alerts[:end])
}

// position is where the alerts behind a place start.
func (v *Vendor) position(from afterToken) int {
	i, found := slices.BinarySearchFunc(v.alerts, from, compareTo)
	if found {
		i++
	}
	return i
}

func compareTo(a *falconAlert, at afterToken) int {
	return cmp.Or(a.created.Compare(at.Created), strings.Compare(a.id, at.ID))
}

// query is GET /alerts/queries/alerts/v2: ids, within a window of 10,000.
func (v *Vendor) query(w http.ResponseWriter, r *http.Request) {
	limit, offset, ok := limits(w, r, 10_000, 10_000)
	if !ok {
		return
	}
	desc, ok := sorted(w, r.URL.Query().Get("sort"))
	if !ok {
		return
	}
	ids, ok := match(w, r.URL.Query().Get("filter"), v.alerts, func(a *falconAlert) (string, fields) { return a.id, v.alertField(a) })
	if !ok {
		return
	}
	if desc {
		slices.Reverse(ids)
	}
	answer(w, http.StatusOK, envelope{Meta: meta{PoweredBy: "detectsapi", Pagination: &pagination{Offset: offset, Limit: limit, Total: len(ids)}},
		Resources: cut(ids, limit, offset)})
}

// entities is POST /alerts/entities/alerts/v2: in an order of its own, without those
// that are not there.
func (v *Vendor) entities(w http.ResponseWriter, r *http.Request) {
	var body struct {
		IDs []string `json:"composite_ids"`
	}
	if !read(w, r, &body) || !v.count(w, body.IDs) {
		return
	}
	out := []alertJSON{}
	for _, id := range slices.Backward(body.IDs) {
		if a := v.byID[id]; a != nil {
			out = append(out, v.render(a))
		}
	}
	answer(w, http.StatusOK, envelope{Meta: meta{PoweredBy: "detectsapi", Writes: &writes{}}, Resources: out})
}

// count holds a batch to its limits.
func (v *Vendor) count(w http.ResponseWriter, ids []string) bool {
	switch {
	case len(ids) == 0:
		fail(w, http.StatusBadRequest, "composite_ids must be provided")
	case len(ids) > 1000:
		fail(w, http.StatusRequestEntityTooLarge, "too many composite_ids: at most 1000")
	default:
		return true
	}
	return false
}

type parameter struct {
	Name  string `json:"name"`
	Value string `json:"value"` // a boolean does not fit, and is refused
}

// patch is PATCH /alerts/entities/alerts/v3.
func (v *Vendor) patch(w http.ResponseWriter, r *http.Request) {
	var body struct {
		IDs     []string    `json:"composite_ids"`
		Actions []parameter `json:"action_parameters"`
	}
	if !read(w, r, &body) || !v.count(w, body.IDs) {
		return
	}
	for _, p := range body.Actions {
		if why := invalid(p); why != "" {
			fail(w, http.StatusBadRequest, "%s", why)
			return
		}
	}
	if len(body.Actions) == 0 {
		fail(w, http.StatusBadRequest, "action_parameters must be provided")
		return
	}
	n := 0
	var errs []oops
	for _, id := range body.IDs {
		a := v.byID[id]
		if a == nil {
			errs = append(errs, oops{404, "alert not found", id})
			continue
		}
		n++
		for _, removing := range []bool{true, false} { // removes run before adds
			for _, p := range body.Actions {
				if strings.HasPrefix(p.Name, "remove_") == removing {
					v.apply(a, p)
				}
			}
		}
		if v.opt.Echo {
			a.updated = v.opt.Now()
		}
	}
	answer(w, http.StatusOK, envelope{Meta: meta{PoweredBy: "detectsapi", Writes: &writes{n}}, Resources: []string{}, Errors: errs})
}

func invalid(p parameter) string {
	switch p.Name {
	case "update_status":
		if !slices.Contains([]string{"new", "in_progress", "reopened", "closed"}, p.Value) {
			return "invalid status " + p.Value
		}
	case "append_comment", "add_tag", "remove_tag", "remove_tags_by_prefix", "assign_to_uuid", "assign_to_user_id", "assign_to_name", "unassign", "show_in_ui":
	default:
		return "invalid action name " + p.Name
	}
	if len(p.Value) == 0 || len([]rune(p.Value)) >= 1024 {
		return "invalid action value specified. must be less than 1024"
	}
	return ""
}

func (v *Vendor) apply(a *falconAlert, p parameter) {
	switch p.Name {
	case "update_status":
		a.status = p.Value
	case "append_comment":
		now := v.opt.Now()
		a.comments = append(a.comments, comment{p.Value, "api-client-id:" + v.id, now, now.Add(v.opt.NoteLag)})
	case "add_tag":
		if !slices.Contains(a.tags, p.Value) {
			a.tags = append(slices.Clone(a.tags), p.Value)
		}
	case "remove_tag", "remove_tags_by_prefix":
		a.tags = slices.DeleteFunc(slices.Clone(a.tags), func(t string) bool {
			return t == p.Value || p.Name == "remove_tags_by_prefix" && strings.HasPrefix(t, p.Value)
		})
	case "assign_to_uuid":
		a.uuid, a.email, a.user = p.Value, "analyst@lab.example", "Lab Analyst"
	case "assign_to_user_id":
		a.uuid, a.email, a.user = "5d0e0f5a-0000-4000-a000-000000000001", p.Value, "Lab Analyst"
	case "assign_to_name":
		a.uuid, a.email, a.user = "5d0e0f5a-0000-4000-a000-000000000001", "analyst@lab.example", p.Value
	case "unassign":
		a.uuid, a.email, a.user = "", "", ""
	}
}
