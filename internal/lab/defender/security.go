package defender

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// decode reads the JSON body of a request, strictly: Graph refuses what it does not know.
func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		fail(w, http.StatusBadRequest, "BadRequest", "The body cannot be read: "+err.Error())
		return false
	}
	return true
}

func (v *Vendor) listAlerts(w http.ResponseWriter, r *http.Request) {
	serve(w, r, table[*alert]{
		rows: v.alerts, top: 2000, mixed: v.disorder, plain: v.unsorted, render: v.renderAlert,
		fields: []string{"createdDateTime", "lastUpdateDateTime", "assignedTo", "classification", "determination", "severity", "serviceSource", "status"},
		get: func(a *alert, field string) any {
			switch field {
			case "createdDateTime":
				return a.created
			case "lastUpdateDateTime":
				return a.updated
			}
			return map[string]string{
				"assignedTo": a.assigned, "classification": a.classification, "determination": a.determination,
				"severity": a.severity, "status": a.status, "serviceSource": "microsoftDefenderForEndpoint",
			}[field]
		},
	})
	if v.onPage != nil {
		v.onPage()
	}
}

func (v *Vendor) alertOf(w http.ResponseWriter, r *http.Request) *alert {
	a := v.byID[r.PathValue("id")]
	if a == nil {
		fail(w, http.StatusNotFound, "NotFound", "The alert was not found.")
	}
	return a
}

func (v *Vendor) getAlert(w http.ResponseWriter, r *http.Request) {
	if a := v.alertOf(w, r); a != nil {
		writeJSON(w, http.StatusOK, v.renderAlert(a))
	}
}

// change is the body of a PATCH.
type change struct {
	Status         *string   `json:"status"`
	Classification *string   `json:"classification"`
	Determination  *string   `json:"determination"`
	AssignedTo     *string   `json:"assignedTo"`
	CustomTags     *[]string `json:"customTags"`
}

// valid checks the words, by the names of the metadata.
func (c change) valid(statuses []string) bool {
	in := func(s *string, words ...string) bool { return s == nil || slices.Contains(words, *s) }
	return in(c.Status, statuses...) && in(c.Classification, "unknown", "falsePositive", "truePositive", "informationalExpectedActivity") &&
		in(c.Determination, "unknown", "apt", "malware", "securityPersonnel", "securityTesting", "unwantedSoftware", "other", "multiStagedAttack",
			"compromisedAccount", "phishing", "maliciousUserActivity", "notMalicious", "notEnoughDataToValidate", "confirmedActivity", "lineOfBusinessApplication")
}

func set(to, from *string) {
	if from != nil {
		*to = *from
	}
}

func (v *Vendor) patchAlert(w http.ResponseWriter, r *http.Request) {
	var c change
	a := v.alertOf(w, r)
	if a == nil || !decode(w, r, &c) {
		return
	}
	if c.CustomTags != nil || !c.valid([]string{"new", "inProgress", "resolved"}) {
		fail(w, http.StatusBadRequest, "BadRequest", "A value of the change is not valid.")
		return
	}
	set(&a.status, c.Status)
	set(&a.classification, c.Classification)
	set(&a.determination, c.Determination)
	set(&a.assigned, c.AssignedTo)
	v.touch(a)
	writeJSON(w, http.StatusOK, v.renderAlert(a))
}

// commentBody is the body of a new comment.
type commentBody struct {
	Type    string `json:"@odata.type"`
	Comment string `json:"comment"`
}

func (v *Vendor) comment(w http.ResponseWriter, r *http.Request, on *[]comment) bool {
	var c commentBody
	if !decode(w, r, &c) {
		return false
	}
	if !strings.HasSuffix(c.Type, "microsoft.graph.security.alertComment") || c.Comment == "" {
		fail(w, http.StatusBadRequest, "BadRequest", "The comment is not valid.")
		return false
	}
	v.note(on, c.Comment, appName, v.opt.NoteLag)
	writeJSON(w, http.StatusOK, object{"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#comments", "value": v.renderComments(*on, true)})
	return true
}

func (v *Vendor) commentAlert(w http.ResponseWriter, r *http.Request) {
	if a := v.alertOf(w, r); a != nil && v.comment(w, r, &a.comments) && v.opt.Echo {
		v.touch(a)
	}
}

func (v *Vendor) listIncidents(w http.ResponseWriter, r *http.Request) {
	expand := r.URL.Query().Get("$expand") == "alerts"
	serve(w, r, table[*incident]{
		rows: v.order, top: 50, mixed: v.disorder, plain: v.unsorted, render: func(i *incident) object { return v.renderIncident(i, expand) },
		fields: []string{"createdDateTime", "lastUpdateDateTime", "assignedTo", "classification", "determination", "severity", "status"},
		get: func(i *incident, field string) any {
			switch field {
			case "createdDateTime":
				return i.created
			case "lastUpdateDateTime":
				return i.updated
			}
			return map[string]string{
				"assignedTo": i.assigned, "classification": i.classification, "determination": i.determination, "severity": i.severity, "status": i.status,
			}[field]
		},
	})
}

func (v *Vendor) incidentOf(w http.ResponseWriter, r *http.Request) *incident {
	i := v.incidents[r.PathValue("id")]
	if i == nil {
		fail(w, http.StatusNotFound, "NotFound", "The incident was not found.")
	}
	return i
}

func (v *Vendor) getIncident(w http.ResponseWriter, r *http.Request) {
	if i := v.incidentOf(w, r); i != nil {
		writeJSON(w, http.StatusOK, v.renderIncident(i, r.URL.Query().Get("$expand") == "alerts"))
	}
}

func (v *Vendor) patchIncident(w http.ResponseWriter, r *http.Request) {
	var c change
	i := v.incidentOf(w, r)
	if i == nil || !decode(w, r, &c) {
		return
	}
	if !c.valid([]string{"active", "inProgress", "resolved"}) {
		fail(w, http.StatusBadRequest, "BadRequest", "A value of the change is not valid.")
		return
	}
	set(&i.status, c.Status)
	set(&i.classification, c.Classification)
	set(&i.determination, c.Determination)
	set(&i.assigned, c.AssignedTo)
	if c.CustomTags != nil {
		i.tags = *c.CustomTags // the whole list, whatever was in it
	}
	i.updated = v.opt.Now().UTC().Truncate(tick)
	w.WriteHeader(http.StatusNoContent) // as the metadata says; alerts answer with themselves, as the reference shows
}

func (v *Vendor) commentIncident(w http.ResponseWriter, r *http.Request) {
	if i := v.incidentOf(w, r); i != nil {
		v.comment(w, r, &i.comments)
	}
}
