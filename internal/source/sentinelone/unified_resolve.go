package sentinelone

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

const triggerDocument = `mutation EdrcTrigger($actions: [TriggerActionInput!], $filter: OrFilterSelectionInput!, $scope: ScopeSelectorInput) {
 alertTriggerActions(actions: $actions, filter: $filter, scope: $scope, viewType: ALL) { __typename
 ... on ActionsTriggered { actions { actionId success { id } failure { id errorType errorMessage } skip { id skipType skipMessage } } }
 ... on TriggerActionsError { errors { errorMessage } }
 ... on TriggerActionsScheduled { executionId } } }`

// The ids of the actions that are triggered here.
const (
	actionStatus  = "S1/alert/statusUpdate"
	actionVerdict = "S1/alert/analystVerdictUpdate"
)

// verdict gives the console's word: one of twenty, among which there is no plain
// true_positive.
func (u *unified) verdict(v string) (string, bool) {
	switch v {
	case "":
		return "", true
	case "true_positive":
		return "TRUE_POSITIVE_UNDEFINED", true
	case "false_positive":
		return "FALSE_POSITIVE_UNDEFINED", true
	case "benign":
		return "TRUE_POSITIVE_BENIGN", true
	}
	v = strings.ToUpper(v)
	return v, slices.Contains(unifiedVerdicts(), v)
}

// unifiedVerdicts are the values of the schema's enum AnalystVerdict.
func unifiedVerdicts() []string {
	all := []string{"UNDEFINED"}
	for _, kind := range []string{
		"MALWARE", "RANSOMWARE", "PHISHING_ATTACK", "DATA_EXFILTRATION", "INSIDER_THREAT", "UNAUTHORIZED_ACCESS",
		"ADVANCED_PERSISTENT_THREAT", "DENIAL_OF_SERVICE", "POLICY_VIOLATION", "EXPLOITATION_TOOLS", "PUA_ADWARE",
		"BENIGN", "BENIGN_BUT_SUSPICIOUS", "UNDEFINED",
	} {
		all = append(all, "TRUE_POSITIVE_"+kind)
	}
	for _, kind := range []string{"BENIGN", "BENIGN_BUT_SUSPICIOUS", "SYSTEM_ERROR", "USER_ERROR", "UNDEFINED"} {
		all = append(all, "FALSE_POSITIVE_"+kind)
	}
	return all
}

func unifiedStatus(s alert.Status) string { return strings.ToUpper(string(s)) }

// orFilter selects alerts of a mutation. null selects every alert there is, so it is
// a type that cannot be null, made for one alert.
type orFilter struct {
	Or []struct {
		And []filter `json:"and"`
	} `json:"or"`
}

func onlyAlert(uuid string) orFilter {
	var f orFilter
	f.Or = append(f.Or, struct {
		And []filter `json:"and"`
	}{[]filter{{FieldID: "id", StringIn: &values{[]string{uuid}}}}})
	return f
}

type action struct {
	ID      string         `json:"id"`
	Payload map[string]any `json:"payload"`
}

// triggered is the union TriggerActionsResult.
type triggered struct {
	Typename    text            `json:"__typename"`
	Actions     []triggeredItem `json:"actions"`
	ExecutionID text            `json:"executionId"`
	Errors      list[struct {
		Message text `json:"errorMessage"`
	}] `json:"errors"`
}

type triggeredItem struct {
	ActionID text                `json:"actionId"`
	Success  list[actionOutcome] `json:"success"`
	Failure  list[actionOutcome] `json:"failure"`
	Skip     list[actionOutcome] `json:"skip"`
}

type actionOutcome struct {
	ID           text `json:"id"`
	ErrorMessage text `json:"errorMessage"`
	SkipMessage  text `json:"skipMessage"`
	SkipType     text `json:"skipType"`
}

// resolve triggers the actions. The reply has the shape of success also when
// nothing happened: only an id under success counts.
func (u *unified) resolve(ctx context.Context, h alert.Handle, r alert.Resolution) (source.Applied, error) {
	const op = "resolve"
	uuid, err := u.uuid(ctx, op, h)
	if err != nil {
		return setFields(r, source.FieldUnchanged), err
	}
	var actions []action
	if r.Verdict != "" { // first: a console may want it before it closes an alert
		actions = append(actions, action{actionVerdict, map[string]any{"analystVerdict": map[string]string{"value": r.Verdict}}})
	}
	if r.Status != "" {
		actions = append(actions, action{actionStatus, map[string]any{"status": map[string]string{"value": unifiedStatus(r.Status)}}})
	}
	permission := permVerdict
	if r.Status != "" {
		permission = permStatus
	}
	var raw json.RawMessage
	_, err = u.run(ctx, operation{
		op: op, name: "EdrcTrigger", document: triggerDocument, class: httpx.Idempotent, permission: permission,
		variables: map[string]any{"actions": actions, "filter": onlyAlert(uuid), "scope": u.selector()},
	}, "alertTriggerActions", &raw)
	if err != nil {
		return setFields(r, unclear(err)), err
	}
	var reply triggered
	if err := json.Unmarshal(raw, &reply); err != nil {
		return setFields(r, source.FieldUnknown), u.fault(fault.Unavailable, op, "the reply has an unknown shape")
	}
	return u.applied(uuid, r, reply)
}

func (u *unified) applied(uuid string, r alert.Resolution, reply triggered) (source.Applied, error) {
	const op = "resolve"
	if reply.ExecutionID != "" {
		return setFields(r, source.FieldPending), nil
	}
	for _, e := range reply.Errors {
		return setFields(r, source.FieldUnchanged), u.fault(fault.Conflict, op, "the console said: "+clean(string(e.Message)))
	}
	out := setFields(r, source.FieldUnknown)
	var failed error
	for field, id := range map[string]string{source.FieldStatus: actionStatus, source.FieldVerdict: actionVerdict} {
		if _, wanted := out.Fields[field]; !wanted {
			continue
		}
		outcome, why := outcomeOn(uuid, id, reply.Actions)
		out.Fields[field] = source.FieldResult{Outcome: outcome}
		if outcome != source.FieldDone {
			failed = u.fault(fault.Conflict, op, "the console did not set the "+field+": "+why)
		}
	}
	return out, failed
}

// outcomeOn finds what an action did to one alert. An action that the console does
// not know is left out of its reply without a word.
func outcomeOn(uuid, actionID string, items []triggeredItem) (outcome, why string) {
	is := func(o actionOutcome) bool { return string(o.ID) == uuid }
	for _, item := range items {
		if string(item.ActionID) != actionID {
			continue
		}
		if slices.ContainsFunc(item.Success, is) {
			return source.FieldDone, ""
		}
		for _, o := range append(slices.Clone(item.Failure), item.Skip...) {
			if is(o) {
				why = lenient.FirstText(o.ErrorMessage, o.SkipMessage, o.SkipType)
				return source.FieldUnchanged, clean(lenient.FirstText(text(why), "it gives no reason"))
			}
		}
	}
	return source.FieldUnknown, "it does not say what became of it"
}
