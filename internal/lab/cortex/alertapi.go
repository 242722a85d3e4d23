package cortex

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

func alertColumns() map[string]column[*xdrAlert] {
	return map[string]column[*xdrAlert]{
		"alert_id_list":        {number: func(a *xdrAlert) int64 { return a.id }},
		"severity":             {text: func(a *xdrAlert) string { return a.severity }},
		"creation_time":        {number: func(a *xdrAlert) int64 { return a.detected }},
		"server_creation_time": {number: func(a *xdrAlert) int64 { return a.inserted }},
		"last_modified_ts":     {number: func(a *xdrAlert) int64 { return a.modified }},
		"alert_source":         {text: func(*xdrAlert) string { return "XDR Agent" }},
	}
}

func (v *Vendor) listAlerts(w http.ResponseWriter, q *request, _ string) {
	found, total, ok := find(v, w, q.Data.search, v.alerts, alertColumns())
	if !ok {
		return
	}
	out := []map[string]any{}
	for _, a := range found {
		out = append(out, v.multiEvent(a))
	}
	reply(w, map[string]any{"total_count": total, "result_count": len(out), "alerts": out})
}

// statuses are what may be written, and what is read.
func statuses() map[string]string {
	return map[string]string{
		"new": "STATUS_010_NEW", "under_investigation": "STATUS_020_UNDER_INVESTIGATION", "resolved_known_issue": "STATUS_040_RESOLVED_KNOWN_ISSUE",
		"resolved_duplicate": "STATUS_050_RESOLVED_DUPLICATE", "resolved_false_positive": "STATUS_060_RESOLVED_FALSE_POSITIVE",
		"resolved_other": "STATUS_070_RESOLVED_OTHER", "resolved_true_positive": "STATUS_090_TRUE_POSITIVE",
		"resolved_security_testing": "STATUS_100_SECURITY_TESTING",
	}
}

func (v *Vendor) updateAlerts(w http.ResponseWriter, q *request, _ string) {
	var u struct {
		Severity string `json:"severity"`
		Status   string `json:"status"`
		Comment  string `json:"comment"`
	}
	if json.Unmarshal(q.Data.Update, &u) != nil || len(q.Data.Alerts) == 0 || len(q.Data.Alerts) > 100 {
		fail(w, http.StatusBadRequest, "Bad Request. Got an invalid input.", "alert_id_list must have from 1 to 100 ids")
		return
	}
	if _, ok := statuses()[u.Status]; u.Status != "" && !ok {
		fail(w, http.StatusBadRequest, "Bad Request. Got an invalid input.", "Invalid status: "+u.Status)
		return
	}
	changed := []string{}
	for _, id := range q.Data.Alerts {
		a := v.alert(id)
		if a == nil {
			continue
		}
		if u.Status != "" {
			a.status = u.Status
		}
		if u.Severity != "" {
			a.severity = u.Severity
		}
		if u.Comment != "" {
			a.comment = u.Comment
		}
		a.modified = v.now()
		changed = append(changed, id)
	}
	reply(w, map[string]any{"alerts_ids": changed})
}

func (v *Vendor) incidentColumns() map[string]column[*incident] {
	return map[string]column[*incident]{
		"incident_id_list":  {text: func(in *incident) string { return strconv.FormatInt(in.id, 10) }},
		"creation_time":     {number: func(in *incident) int64 { return in.created }},
		"modification_time": {number: func(in *incident) int64 { return in.modified }},
		"status":            {text: func(in *incident) string { return in.status }},
	}
}

func (v *Vendor) listIncidents(w http.ResponseWriter, q *request, _ string) {
	found, total, ok := find(v, w, q.Data.search, v.cases, v.incidentColumns())
	if !ok {
		return
	}
	out := []map[string]any{}
	for _, in := range found {
		out = append(out, v.incidentJSON(in))
	}
	reply(w, map[string]any{"total_count": total, "result_count": len(out), "incidents": out, "restricted_incident_ids": []string{}})
}

// incident finds the incident that a call names, by a string.
func (v *Vendor) incident(w http.ResponseWriter, raw json.RawMessage) (*incident, bool) {
	var id string
	if json.Unmarshal(raw, &id) != nil {
		fail(w, http.StatusBadRequest, "Bad Request. Got an invalid input.", []map[string]any{{"type": "string_type", "loc": []any{"request_data", "incident_id"}, "msg": "Input should be a valid string"}})
		return nil, false
	}
	n, _ := strconv.ParseInt(id, 10, 64)
	in, ok := v.byCase[n]
	if !ok {
		fail(w, http.StatusNotFound, "Incident was not found", "incident_id "+id)
	}
	return in, ok
}

func (v *Vendor) extraData(w http.ResponseWriter, q *request, _ string) {
	limit := 1000
	if q.Data.Limit != nil {
		limit = *q.Data.Limit
	}
	if limit < 1 || limit > 1000 {
		fail(w, http.StatusBadRequest, "Bad Request. Got an invalid input.", "alerts_limit must be from 1 to 1000")
		return
	}
	in, ok := v.incident(w, q.Data.IncidentID)
	if !ok {
		return
	}
	rows, files := []map[string]any{}, []map[string]any{}
	for _, a := range in.alerts[:min(limit, len(in.alerts))] {
		rows = append(rows, v.flat(a))
		if f, ok := v.about(a); ok {
			files = append(files, map[string]any{"type": "HASH", "alert_count": 1, "is_manual": false, "is_malicious": f.Malicious, "is_process": true,
				"file_name": f.Name, "file_sha256": f.SHA256, "file_signature_status": "SIGNATURE_UNAVAILABLE", "file_signature_vendor_name": nil, "file_wildfire_verdict": "UNKNOWN"})
		}
	}
	body := v.incidentJSON(in)
	if !v.silent {
		notes := []map[string]any{}
		for _, c := range v.visible(in) {
			notes = append(notes, map[string]any{"comment_id": c.id, "created_by": c.author, "created_time": c.at.UnixMilli(),
				"created_time_str": c.at.UTC().Format("Jan 2 2006 15:04:05"), "value": c.text})
		}
		body["comments"] = notes
	}
	reply(w, map[string]any{"incident": body, "alerts": map[string]any{"total_count": len(in.alerts), "data": rows},
		"file_artifacts": map[string]any{"total_count": len(files), "data": files}, "network_artifacts": map[string]any{"total_count": 0, "data": []any{}}})
}

// maxComment is how long a comment may be here, in characters. The vendor does not tell.
const maxComment = 2000

func (v *Vendor) updateIncident(w http.ResponseWriter, q *request, _ string) {
	var u struct {
		Status   *string `json:"status"`
		Severity *string `json:"manual_severity"`
		Mail     *string `json:"assigned_user_mail"`
		Resolved string  `json:"resolve_comment"`
		Comment  *struct {
			Action string `json:"comment_action"`
			Value  string `json:"value"`
		} `json:"comment"`
	}
	in, ok := v.incident(w, q.Data.IncidentID)
	if !ok {
		return
	}
	bad := func(msg string) { fail(w, http.StatusBadRequest, "Bad Request. Got an invalid input.", msg) }
	known := func(mail string) bool { return mail == "" || mail == "none" || users()[mail] != "" }
	switch {
	case json.Unmarshal(q.Data.Update, &u) != nil:
		bad("update_data is not an object")
		return
	case u.Status == nil && u.Severity == nil && u.Mail == nil && u.Comment == nil:
		bad("update_data is empty")
		return
	case u.Status != nil && statuses()[*u.Status] == "":
		bad("Invalid status: " + *u.Status)
		return
	case u.Mail != nil && !known(*u.Mail):
		bad("User " + *u.Mail + " was not found")
		return
	case u.Comment != nil && (u.Comment.Action != "add" || u.Comment.Value == "" || utf8.RuneCountInString(u.Comment.Value) > maxComment):
		bad("comment must be added, and have from 1 to 2000 characters")
		return
	}
	if u.Status != nil {
		in.status, in.resolveComment = *u.Status, u.Resolved
	}
	if u.Severity != nil {
		in.manual = strings.TrimPrefix(*u.Severity, "none")
	}
	if u.Mail != nil {
		in.assigned = strings.TrimPrefix(*u.Mail, "none")
	}
	if u.Comment != nil {
		v.say(in, u.Comment.Value, "api@lab.example", v.opt.NoteLag)
		if v.opt.Echo {
			for _, a := range in.alerts {
				a.modified = v.now()
			}
		}
	}
	in.modified = v.now()
	reply(w, true)
}

// platformStatus is a status in the words of 5.x, with its reason.
func platformStatus(status string) (progress string, reason any) {
	switch status {
	case "new":
		return "New", nil
	case "under_investigation":
		return "In Progress", nil
	}
	for reason, legacy := range reasons() {
		if legacy == status {
			return "Resolved", reason
		}
	}
	return "Resolved", nil
}

// reasons are those of 5.x with the statuses of 3.x.
func reasons() map[string]string {
	return map[string]string{
		"Resolved - Known Issue": "resolved_known_issue", "Resolved - Duplicate Case": "resolved_duplicate", "Resolved - False Positive": "resolved_false_positive",
		"Resolved - Other": "resolved_other", "Resolved - True Positive": "resolved_true_positive", "Resolved - Security Testing": "resolved_security_testing",
	}
}

func (v *Vendor) searchCases(w http.ResponseWriter, q *request, _ string) {
	found, total, ok := find(v, w, q.Data.search, v.cases, map[string]column[*incident]{
		"case_id":          {number: func(in *incident) int64 { return in.id }},
		"creation_time":    {number: func(in *incident) int64 { return in.created }},
		"last_update_time": {number: func(in *incident) int64 { return in.modified }},
		"status_progress":  {text: func(in *incident) string { s, _ := platformStatus(in.status); return s }},
		"severity":         {text: func(in *incident) string { return in.severity }},
	})
	if !ok {
		return
	}
	out := []map[string]any{}
	for _, in := range found {
		out = append(out, v.caseJSON(in))
	}
	reply(w, map[string]any{"TOTAL_COUNT": len(v.cases), "FILTER_COUNT": total, "DATA": out})
}

func (v *Vendor) searchIssues(w http.ResponseWriter, q *request, _ string) {
	found, total, ok := find(v, w, q.Data.search, v.alerts, map[string]column[*xdrAlert]{
		"id":               {number: func(a *xdrAlert) int64 { return a.id }},
		"issue_id":         {number: func(a *xdrAlert) int64 { return a.id }},
		"severity":         {text: func(a *xdrAlert) string { return strings.ToUpper(a.severity) }},
		"_insert_time":     {number: func(a *xdrAlert) int64 { return a.inserted }},
		"last_modified":    {number: func(a *xdrAlert) int64 { return a.modified }},
		"observation_time": {number: func(a *xdrAlert) int64 { return a.detected }},
		"status.progress":  {text: func(a *xdrAlert) string { s, _ := platformStatus(a.status); return s }},
	})
	if !ok {
		return
	}
	out := []map[string]any{}
	for _, a := range found {
		out = append(out, v.issueJSON(a))
	}
	reply(w, map[string]any{"TOTAL_COUNT": len(v.alerts), "FILTER_COUNT": total, "DATA": out})
}

// change checks a status with its reason, and gives the status in the words of 3.x.
func change(w http.ResponseWriter, progress, reason, comment string) (string, bool) {
	legacy := map[string]string{"New": "new", "In Progress": "under_investigation", "Resolved": reasons()[reason]}[progress]
	if legacy == "" || progress != "Resolved" && reason+comment != "" {
		answer(w, http.StatusUnprocessableEntity, map[string]any{"code": 422, "status": "Unprocessable Entity",
			"message": "status and resolve reason do not go together", "errors": []string{progress + " " + reason}})
		return "", false
	}
	return legacy, true
}

func (v *Vendor) updateCase(w http.ResponseWriter, q *request, id string) {
	n, _ := strconv.ParseInt(id, 10, 64)
	in, ok := v.byCase[n]
	var u struct {
		Progress *string `json:"status_progress"`
		Reason   string  `json:"resolve_reason"`
		Comment  string  `json:"resolve_comment"`
		User     *string `json:"assigned_user"`
	}
	switch {
	case !ok:
		fail(w, http.StatusNotFound, "Case was not found", id)
		return
	case json.Unmarshal(q.Data.Update, &u) != nil, u.Progress == nil && u.User == nil:
		fail(w, http.StatusBadRequest, "Bad Request. Got an invalid input.", "update_data must have at least one field")
		return
	case u.User != nil && *u.User != "" && users()[*u.User] == "":
		fail(w, http.StatusBadRequest, "Bad Request. Got an invalid input.", "User "+*u.User+" was not found")
		return
	}
	if u.Progress != nil {
		status, ok := change(w, *u.Progress, u.Reason, u.Comment)
		if !ok {
			return
		}
		in.status = status
	}
	if u.User != nil {
		in.assigned = *u.User
	}
	in.modified = v.now()
	w.WriteHeader(http.StatusNoContent)
}

func (v *Vendor) updateIssue(w http.ResponseWriter, q *request, id string) {
	a := v.alert(id)
	var u struct {
		Severity string `json:"severity"`
		Status   string `json:"status"`
		Reason   string `json:"status_resolution_reason"`
		Comment  string `json:"status_resolution_comment"`
	}
	severities := []string{"", "INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL"}
	switch {
	case a == nil:
		fail(w, http.StatusNotFound, "Issue was not found", id)
		return
	case json.Unmarshal(q.Data.Update, &u) != nil, u.Severity+u.Status == "", !slices.Contains(severities, u.Severity):
		fail(w, http.StatusBadRequest, "Bad Request. Got an invalid input.", "severity or status is required")
		return
	}
	if u.Status != "" {
		status, ok := change(w, u.Status, u.Reason, u.Comment)
		if !ok {
			return
		}
		a.status, a.comment = status, u.Comment
	}
	if u.Severity != "" {
		a.severity = strings.ToLower(u.Severity)
	}
	a.modified = v.now()
	w.WriteHeader(http.StatusNoContent)
}
