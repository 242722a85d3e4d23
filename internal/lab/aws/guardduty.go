package aws

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// maxIDs is how many ids or results one request may have.
const maxIDs = 50

// apiError is an answer that is no success.
type apiError struct {
	status        int
	code, message string
}

func badRequest(format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, "BadRequestException", "The request is rejected because " + fmt.Sprintf(format, args...)}
}

// operation is one call of the API, by method and path below /detector/{id}.
type operation struct {
	name string
	do   func(v *Vendor, d *detector, body []byte) (any, *apiError)
}

func operations() map[string]operation {
	return map[string]operation{
		"GET ":                        {"GetDetector", (*Vendor).getDetector},
		"POST findings":               {"ListFindings", (*Vendor).listFindings},
		"POST findings/get":           {"GetFindings", (*Vendor).getFindings},
		"POST findings/archive":       {"ArchiveFindings", archive(true)},
		"POST findings/unarchive":     {"UnarchiveFindings", archive(false)},
		"POST findings/feedback":      {"UpdateFindingsFeedback", (*Vendor).feedback},
		"GET administrator":           {"GetAdministratorAccount", (*Vendor).administrator},
		"GET member":                  {"ListMembers", (*Vendor).members},
		"POST findings/statistics":    {"GetFindingsStatistics", nil},
		"POST findings/create":        {"CreateSampleFindings", nil},
		"POST malware-scans/describe": {"DescribeMalwareScans", nil},
	}
}

// guardduty answers the REST API.
func (v *Vendor) guardduty(w http.ResponseWriter, r *http.Request, body []byte, who caller) {
	if who.service != "guardduty" {
		v.refuseJSON(w, http.StatusForbidden, "InvalidSignatureException", "Credential should be scoped to correct service: 'guardduty'.")
		return
	}
	name, answer := v.route(r, body, who)
	v.requests["guardduty:"+name]++
	t := v.troubles[place{who.account, who.region}]
	switch {
	case t.throttled:
		v.refuseJSON(w, http.StatusTooManyRequests, "TooManyRequestsException", "Rate exceeded")
		return
	case t.denied == name || t.denied == "*":
		v.denyJSON(w, who, name)
		return
	case v.permits(who, "guardduty:"+name, "*", nil) != allowed:
		v.denyJSON(w, who, name)
		return
	}
	reply, failed := answer()
	if failed != nil {
		v.refuseJSON(w, failed.status, failed.code, failed.message)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(reply)
}

// route finds the operation of a request and what answers it.
func (v *Vendor) route(r *http.Request, body []byte, who caller) (string, func() (any, *apiError)) {
	here := place{who.account, who.region}
	path := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/detector"), "/")
	if id, ok := strings.CutPrefix(r.URL.Path, "/malware-scan/"); ok && r.Method == http.MethodGet {
		return "GetMalwareScan", func() (any, *apiError) { return v.malwareScan(here, id) }
	}
	switch {
	case path == "" && r.Method == http.MethodGet:
		return "ListDetectors", func() (any, *apiError) { return v.listDetectors(here) }
	case path == "" && r.Method == http.MethodPost:
		return "CreateDetector", func() (any, *apiError) { return v.createDetector(here, body) }
	}
	id, rest, _ := strings.Cut(path, "/")
	op, known := operations()[r.Method+" "+rest]
	if !known || op.do == nil {
		return cmpOr(op.name, "UnknownOperation"), func() (any, *apiError) {
			return nil, &apiError{http.StatusNotFound, "UnknownOperationException", "the lab does not have this operation"}
		}
	}
	return op.name, func() (any, *apiError) {
		d := v.byID[id]
		if d == nil || d.place != here {
			return nil, badRequest("the input detectorId is not owned by the current account.")
		}
		return op.do(v, d, body)
	}
}

func cmpOr(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

func (v *Vendor) listDetectors(p place) (any, *apiError) {
	ids := []string{}
	if d := v.detectors[p]; d != nil {
		ids = append(ids, d.id)
	}
	return map[string]any{"detectorIds": ids}, nil
}

func (v *Vendor) createDetector(p place, body []byte) (any, *apiError) {
	var in struct {
		Enable bool `json:"enable"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, badRequest("the body is invalid: %v", err)
	}
	if v.detectors[p] != nil {
		return nil, badRequest("a detector already exists for the current account.")
	}
	d := v.enable(p)
	if !in.Enable {
		d.status = "DISABLED"
	}
	return map[string]string{"detectorId": d.id}, nil
}

func (v *Vendor) getDetector(d *detector, _ []byte) (any, *apiError) {
	return map[string]any{"status": d.status, "findingPublishingFrequency": "FIFTEEN_MINUTES",
		"serviceRole": "arn:aws:iam::" + d.account + ":role/aws-service-role/guardduty.amazonaws.com/AWSServiceRoleForAmazonGuardDuty",
		"createdAt":   "2024-01-01T00:00:00.000Z", "updatedAt": "2024-01-01T00:00:00.000Z", "tags": map[string]string{},
		"features": []map[string]string{{"name": "EBS_MALWARE_PROTECTION", "status": "ENABLED"}, {"name": "RUNTIME_MONITORING", "status": "ENABLED"}}}, nil
}

func (v *Vendor) administrator(d *detector, _ []byte) (any, *apiError) {
	if d.admin == "" {
		return map[string]any{"administrator": nil}, nil
	}
	return map[string]any{"administrator": map[string]string{"accountId": d.admin, "invitationId": digest(d.id)[:32],
		"relationshipStatus": "Enabled", "invitedAt": "2024-01-01T00:00:00.000Z"}}, nil
}

func (v *Vendor) members(d *detector, _ []byte) (any, *apiError) {
	list := []map[string]string{}
	for _, m := range v.own.Accounts {
		if other := v.detectors[place{m, d.region}]; other != nil && other.admin == d.account {
			list = append(list, map[string]string{"accountId": m, "detectorId": other.id, "masterId": d.account, "administratorId": d.account,
				"email": "root@" + m + ".example", "relationshipStatus": "Enabled", "updatedAt": "2024-01-01T00:00:00.000Z"})
		}
	}
	return map[string]any{"members": list}, nil
}

// idsRequest is what the operations on findings by id have in common.
type idsRequest struct {
	FindingIDs []string `json:"findingIds"`
	Feedback   string   `json:"feedback"`
	Comments   string   `json:"comments"`
}

func readIDs(body []byte) (idsRequest, *apiError) {
	var in idsRequest
	if err := json.Unmarshal(body, &in); err != nil {
		return in, badRequest("the body is invalid: %v", err)
	}
	if len(in.FindingIDs) == 0 || len(in.FindingIDs) > maxIDs {
		return in, badRequest("the number of findingIds must be 1 to %d.", maxIDs)
	}
	return in, nil
}

// visible gives the findings that a detector shows; unknown ids are left out.
func (v *Vendor) visible(d *detector, ids []string) []*finding {
	var out []*finding
	for _, id := range ids {
		if f := v.findings[id]; f != nil && !slices.Contains(out, f) && d.shows(f) {
			out = append(out, f)
		}
	}
	return out
}

func (d *detector) shows(f *finding) bool {
	return f.region == d.region && (f.account == d.account || f.admin == d.account)
}

// getFindings answers in another order than it was asked, as the API may.
func (v *Vendor) getFindings(d *detector, body []byte) (any, *apiError) {
	in, failed := readIDs(body)
	if failed != nil {
		return nil, failed
	}
	list := []map[string]any{}
	for _, f := range v.visible(d, in.FindingIDs) {
		list = append(list, v.render(f))
	}
	slices.Reverse(list)
	return map[string]any{"findings": list}, nil
}

// archive is for administrators and accounts that have none.
func archive(to bool) func(*Vendor, *detector, []byte) (any, *apiError) {
	return func(v *Vendor, d *detector, body []byte) (any, *apiError) {
		in, failed := readIDs(body)
		if failed != nil {
			return nil, failed
		}
		if d.admin != "" {
			return nil, badRequest("the current account is a member and cannot archive or unarchive findings.")
		}
		for _, f := range v.visible(d, in.FindingIDs) {
			f.archived = to
			v.version++
			if v.opt.Echo {
				v.touch(f)
			}
		}
		return struct{}{}, nil
	}
}

// feedback keeps the last comment alone, and shows it to nobody.
func (v *Vendor) feedback(d *detector, body []byte) (any, *apiError) {
	in, failed := readIDs(body)
	if failed != nil {
		return nil, failed
	}
	if in.Feedback != "USEFUL" && in.Feedback != "NOT_USEFUL" {
		return nil, badRequest("the value of feedback is invalid.")
	}
	for _, f := range v.visible(d, in.FindingIDs) {
		f.feedback, f.comment = in.Feedback, in.Comments
		v.version++
		if v.opt.Echo {
			v.touch(f)
		}
	}
	return struct{}{}, nil
}

func (v *Vendor) malwareScan(p place, id string) (any, *apiError) {
	for _, f := range v.findings {
		if d := v.detectors[p]; d != nil && d.shows(f) && f.scanID() == id {
			return v.renderScan(f), nil
		}
	}
	return nil, &apiError{http.StatusNotFound, "ResourceNotFoundException", "The scan does not exist"}
}

func (v *Vendor) denyJSON(w http.ResponseWriter, who caller, name string) {
	v.refuseJSON(w, http.StatusForbidden, "AccessDeniedException", fmt.Sprintf("User: %s is not authorized to perform: guardduty:%s", who.arn, name))
}

func (v *Vendor) refuseJSON(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Errortype", code)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": "InvalidInputException", "message": message}) // the header wins
}
