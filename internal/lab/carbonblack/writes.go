package carbonblack

import (
	"net/http"
	"slices"
	"strconv"
	"unicode/utf8"
)

// maxNote is the most characters of a note.
const maxNote = 20_000

func (v *Vendor) renderNote(n note) object {
	return object{
		"author": n.author, "id": n.id, "note": n.text, "create_timestamp": timeOf(n.at), "last_update_timestamp": timeOf(n.at),
		"source": "CUSTOMER", "parent_id": nil, "read_history": nil, "thread": nil,
	}
}

func (v *Vendor) listNotes(w http.ResponseWriter, r *http.Request) {
	a := v.alertOf(w, r)
	if a == nil {
		return
	}
	results := []object{}
	for _, n := range v.visible(a) {
		results = append(results, v.renderNote(n))
	}
	writeJSON(w, http.StatusOK, object{"num_found": len(results), "num_available": len(results), "results": results})
}

func (v *Vendor) newNote(a *alert, text, author string) note {
	v.noteIDs++
	now := v.opt.Now()
	n := note{id: strconv.Itoa(v.noteIDs), text: text, author: author, at: now, visible: now}
	a.notes = append(a.notes, n)
	return n
}

func (v *Vendor) postNote(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Note string `json:"note"`
	}
	a := v.alertOf(w, r)
	if a == nil || !read(w, r, &body) {
		return
	}
	if n := utf8.RuneCountInString(body.Note); n == 0 || n > maxNote {
		fail(w, http.StatusBadRequest, "INVALID_VALUE", "note must have 1 to 20000 characters")
		return
	}
	n := v.newNote(a, body.Note, APIID)
	a.notes[len(a.notes)-1].visible = n.at.Add(v.opt.NoteLag)
	if v.opt.Echo {
		v.touch(a)
	}
	writeJSON(w, http.StatusOK, v.renderNote(n))
}

func (v *Vendor) deleteNote(w http.ResponseWriter, r *http.Request) {
	a := v.alertOf(w, r)
	if a == nil {
		return
	}
	before := len(a.notes)
	a.notes = slices.DeleteFunc(a.notes, func(n note) bool { return n.id == r.PathValue("note") })
	if len(a.notes) == before {
		fail(w, http.StatusNotFound, "NOT_FOUND", "Note was not found")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// job is a change of the workflow under way.
type job struct {
	id     int
	change change
	alerts []*alert
	polls  int
	status string
}

type change struct {
	search
	Status        string `json:"status"`
	Closure       string `json:"closure_reason"`
	Determination string `json:"determination"`
	Note          string `json:"note"`
}

// postWorkflow starts a job over whatever matches: with empty criteria, that is all.
func (v *Vendor) postWorkflow(w http.ResponseWriter, r *http.Request) {
	var c change
	if !read(w, r, &c) {
		return
	}
	for value, known := range map[string][]string{
		c.Status:        {"", "OPEN", "IN_PROGRESS", "CLOSED"},
		c.Closure:       {"", "NO_REASON", "RESOLVED", "RESOLVED_BENIGN_KNOWN_GOOD", "DUPLICATE_CLEANUP", "OTHER"},
		c.Determination: {"", "TRUE_POSITIVE", "FALSE_POSITIVE", "NONE"},
	} {
		if !slices.Contains(known, value) {
			writeJSON(w, http.StatusBadRequest, object{"error_code": "INVALID_ENUM_VALUE", "message": "Malformed JSON input", "invalid_value": value, "known_values": known[1:]})
			return
		}
	}
	if c.Rows != nil || c.Start != nil {
		fail(w, http.StatusBadRequest, "INVALID_VALUE", "rows and start are not for this")
		return
	}
	found, err := v.matching(c.search)
	if err != nil {
		fail(w, http.StatusBadRequest, "INVALID_VALUE", err.Error())
		return
	}
	if ids := len(c.Criteria["id"]); ids <= len("[]") {
		v.mass++
	}
	j := &job{id: 666_666 + len(v.jobs), change: c, alerts: found, status: "CREATED"}
	v.jobs[j.id] = j
	writeJSON(w, http.StatusOK, object{"request_id": strconv.Itoa(j.id)})
}

// getJob is where a job stands. Right after its start it is not known yet; then it is
// created, under way, and over.
func (v *Vendor) getJob(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.Atoi(r.PathValue("job"))
	j := v.jobs[id]
	if j != nil {
		j.polls++
	}
	switch {
	case j == nil || j.polls == 1:
		fail(w, http.StatusNotFound, "NOT_FOUND", "Job was not found")
		return
	case v.jobMode == "stuck":
		j.status = "IN_PROGRESS"
	case v.jobMode == "fail" && j.polls > 2:
		j.status = "FAILED"
	case j.polls == 3:
		j.status = "IN_PROGRESS"
	case j.polls > 3 && j.status != "COMPLETED":
		j.status = "COMPLETED"
		if v.jobMode != "lie" {
			v.apply(j)
		}
	}
	writeJSON(w, http.StatusOK, object{
		"id": j.id, "type": "user_workflow_update", "job_parameters": object{"job_parameters": object{}}, "connector_id": APIID, "org_key": OrgKey,
		"status": j.status, "progress": object{"num_total": 0, "num_completed": 0, "message": "the job says " + j.status},
		"create_time": timeOf(v.opt.Now()), "last_update_time": timeOf(v.opt.Now()),
	})
}

func (v *Vendor) apply(j *job) {
	for _, a := range j.alerts {
		if j.change.Status != "" {
			a.status, a.closure = j.change.Status, "NO_REASON"
		}
		if j.change.Closure != "" {
			a.closure = j.change.Closure
		}
		if j.change.Determination != "" {
			a.determination = j.change.Determination
		}
		if j.change.Note != "" {
			v.newNote(a, j.change.Note, APIID)
		}
		a.changedBy = APIID
		v.touch(a)
	}
}
