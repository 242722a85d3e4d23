package wiz

import "slices"

func (v *Vendor) createNote(args map[string]any) (any, error) {
	input, _ := args["input"].(map[string]any)
	id, _ := input["issueId"].(string)
	text, _ := input["text"].(string)
	i := v.byIssue[id]
	switch {
	case i == nil:
		return nil, badInput("issueId must be a valid service issue id")
	case text == "":
		return nil, badInput("text must not be empty")
	}
	n := v.addNote(i, text, "edrc", v.opt.NoteLag)
	v.touch(i)
	return object{"issueNote": renderNote(n)}, nil
}

func (v *Vendor) deleteNote(args map[string]any) (any, error) {
	input, _ := args["input"].(map[string]any)
	id, _ := input["id"].(string)
	for _, i := range v.issues {
		if n := slices.IndexFunc(i.notes, func(n note) bool { return n.id == id }); n >= 0 {
			i.notes = slices.Delete(slices.Clone(i.notes), n, n+1)
			return object{"_stub": "ok"}, nil
		}
	}
	return nil, badInput("id must be a valid note id")
}

// updateIssue is updateIssue, with its rules: only threats are resolved by hand, and each
// closing status has reasons of its own.
func (v *Vendor) updateIssue(args map[string]any) (any, error) {
	input, _ := args["input"].(map[string]any)
	id, _ := input["id"].(string)
	patch, _ := input["patch"].(map[string]any)
	if err := checkInput("UpdateIssuePatch", input["patch"]); err != nil {
		return nil, err
	}
	i := v.byIssue[id]
	if i == nil {
		return nil, badInput("id must be a valid service issue id")
	}
	status, _ := patch["status"].(string)
	reason, _ := patch["resolutionReason"].(string)
	switch {
	case status == "":
	case !slices.Contains([]string{"OPEN", "IN_PROGRESS", "RESOLVED", "REJECTED"}, status):
		return nil, badInput("status must be a valid issue status")
	case status == "RESOLVED" && i.kind != "THREAT_DETECTION":
		return nil, badInput("only threat detection issues can be resolved manually")
	case status == "RESOLVED" && !slices.Contains([]string{"MALICIOUS_THREAT", "NOT_MALICIOUS_THREAT", "SECURITY_TEST_THREAT", "PLANNED_ACTION_THREAT", "INCONCLUSIVE_THREAT"}, reason),
		status == "REJECTED" && !slices.Contains([]string{"FALSE_POSITIVE", "EXCEPTION", "WONT_FIX"}, reason):
		return nil, badInput("resolutionReason %q does not go with status %s", reason, status)
	}
	if status != "" && status != i.status {
		i.status, i.changed = status, v.opt.Now()
	}
	if reason != "" {
		i.reason = reason
	}
	if remark, _ := patch["resolutionNote"].(string); remark != "" {
		i.remark = remark
	}
	if text, _ := patch["note"].(string); text != "" {
		v.addNote(i, text, "edrc", v.opt.NoteLag)
	}
	v.touch(i)
	return object{"issue": v.renderIssue(i)}, nil
}
