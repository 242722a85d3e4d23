package sentinelone

import (
	"context"
	"net/http"
	"slices"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// verdict gives the console's word ([SPEC24] enum analystVerdict). It has none for
// a true positive that is harmless.
func (s *threats) verdict(v string) (string, bool) {
	return v, v == "" || slices.Contains([]string{"true_positive", "false_positive", "suspicious", "undefined"}, v)
}

func restStatus(s alert.Status) string {
	if s == alert.StatusNew {
		return "unresolved"
	}
	return string(s)
}

// changeReply is the reply to a change of status or verdict; AnalystVerdict is what
// became of a verdict that came with a status.
type changeReply struct {
	Data struct {
		Affected count `json:"affected"`
		Details  list[struct {
			ThreatID       text `json:"threatId"`
			Result         text `json:"result"`
			AnalystVerdict text `json:"analystVerdict"`
		}] `json:"details"`
	} `json:"data"`
	Errors vendorErrors `json:"errors"`
}

// resolve sets a status, a verdict, or both in one request. Setting a value twice
// is setting it once, so the request may be repeated.
func (s *threats) resolve(ctx context.Context, h alert.Handle, r alert.Resolution) (source.Applied, error) {
	const op = "resolve"
	filter, err := newIDFilter(h.ID)
	if err != nil {
		return setFields(r, source.FieldUnchanged), s.fault(fault.Invalid, op, err.Error())
	}
	path, permission, data := "/threats/analyst-verdict", permVerdict, map[string]string{}
	if r.Verdict != "" {
		data["analystVerdict"] = r.Verdict
	}
	if r.Status != "" {
		path, permission = "/threats/incident", permStatus
		data["incidentStatus"] = restStatus(r.Status)
	}
	resp, err := s.do(ctx, call{httpx.Request{
		Op: op, Method: http.MethodPost, Path: path, Class: httpx.Idempotent, Rate: rateThreatsSub, JSON: bulk{data, filter},
	}, permission})
	if err != nil {
		return setFields(r, unclear(err)), err
	}
	var reply changeReply
	if err := resp.Decode(&reply); err != nil {
		return setFields(r, source.FieldUnknown), err
	}
	if m := reply.Errors.String(); m != "" {
		return setFields(r, source.FieldUnknown), s.fault(fault.Unavailable, op, "the reply has errors: "+m)
	}
	return s.applied(h.ID, r, reply)
}

// applied reads the details. Without them a count of one is proof, and none is not:
// the console gives 0 for "already so" as well as for "not allowed".
func (s *threats) applied(id string, r alert.Resolution, reply changeReply) (source.Applied, error) {
	for _, d := range reply.Data.Details {
		if string(d.ThreatID) != id {
			continue
		}
		status, verdict := d.Result, d.AnalystVerdict
		if r.Status == "" {
			verdict = d.Result
		}
		out := source.Applied{Fields: map[string]source.FieldResult{}}
		var failed error
		for field, result := range map[string]text{source.FieldStatus: status, source.FieldVerdict: verdict} {
			if field == source.FieldStatus && r.Status == "" || field == source.FieldVerdict && r.Verdict == "" {
				continue
			}
			outcome, err := s.changed(field, string(result), reply.Data.Affected > 0)
			out.Fields[field] = source.FieldResult{Outcome: outcome}
			if err != nil {
				failed = err
			}
		}
		return out, failed
	}
	if reply.Data.Affected > 0 {
		return setFields(r, source.FieldDone), nil
	}
	return setFields(r, source.FieldUnknown), s.fault(fault.Conflict, "resolve",
		"the console changed nothing and does not say why (no such alert, no permission, or already so)")
}

// changed maps the vendor's result of one field.
func (s *threats) changed(field, result string, affected bool) (string, error) {
	const op = "resolve"
	switch result {
	case "updated":
		return source.FieldDone, nil
	case "already_set": // it was not a moment ago: a lost answer, or somebody else
		return source.FieldDone, nil
	case "not_changed":
		return source.FieldUnchanged, nil
	case "":
		if affected {
			return source.FieldDone, nil
		}
	case "conditions_not_met":
		return source.FieldUnchanged, s.fault(fault.Conflict, op, "the console did not set the "+field+": its conditions are not met").
			WithHint("many consoles resolve a threat only with an analyst verdict: give both")
	case "missing_permissions":
		permission := map[string]string{source.FieldStatus: permStatus, source.FieldVerdict: permVerdict}[field]
		return source.FieldUnchanged, s.explain(s.fault(fault.Denied, op, "the token may not set the "+field), permission)
	}
	return source.FieldUnknown, s.fault(fault.Conflict, op, "the console did not set the "+field)
}
