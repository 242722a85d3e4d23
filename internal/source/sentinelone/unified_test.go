package sentinelone

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

const graphPath = "POST /unifiedalerts/graphql"

func here() alert.Handle {
	return alert.Handle{ID: "2440104020909548527", Note: "2440104020909548527", Locator: []byte(`{"uuid":"` + mid + `"}`)}
}

func TestAnErrorInsideA200IsAnError(t *testing.T) {
	for msg, want := range map[string]fault.Kind{
		"Unauthorized: token expired":                                         fault.Auth,
		"Token validation failed, unauthenticated":                            fault.Auth,
		"Permission denied":                                                   fault.Denied,
		"Too many requests":                                                   fault.RateLimited,
		"Internal Server Error(s) while executing query":                      fault.Unavailable,
		"Field \\\"x\\\" does not exist or not supported for FILTER API call": fault.Invalid,
		"Validation error (FieldUndefined@[alerts/edges]) : Field 'x' in type 'UnifiedAlert' is undefined": fault.Invalid,
		"something new": fault.Invalid,
	} {
		for _, data := range []string{"null", `{"alerts":null}`} {
			c, _ := scripted(t, surfaceUnified, map[string]string{graphPath: `200 {"errors":[{"message":"` + msg + `"}],"data":` + data + `}`})
			_, err := c.Page(context.Background(), source.Stream{Name: surfaceUnified}, source.Window{}, "")
			if !fault.Is(err, want) {
				t.Errorf("%s: %v, want %s", msg, err, want)
			}
			if e, ok := errors.AsType[*fault.Error](err); ok && want == fault.Auth && !strings.Contains(e.Hint, "Service Users") {
				t.Errorf("%s: hint %q", msg, e.Hint)
			}
		}
	}
}

func TestAMissingAlertIsAbsentAndNoError(t *testing.T) {
	for _, reply := range []string{
		`{"errors":[{"message":"Exception while fetching data (/alert) : Required value was null.","path":["alert"]}],"data":null}`,
		`{"errors":[{"message":"Alert with id x was not found","path":["alert"]}],"data":null}`,
	} {
		c, _ := scripted(t, surfaceUnified, map[string]string{graphPath: "200 " + reply})
		if got, err := c.Get(context.Background(), here()); err != nil || len(got) > 0 {
			t.Errorf("%s: %v, %v", reply, got, err)
		}
	}
	partly := `{"errors":[{"message":"Required value was null.","path":["alert","status"]}],"data":{"alert":null}}`
	c, _ := scripted(t, surfaceUnified, map[string]string{graphPath: "200 " + partly})
	if got, err := c.Get(context.Background(), here()); err == nil {
		t.Errorf("an alert that could not be read counts as absent: %v", got)
	}
}

func TestTheOutcomeOfAUnifiedNoteIsReadFromTheReply(t *testing.T) {
	for name, tc := range map[string]struct {
		reply string
		want  source.NoteOutcome
	}{
		"the note":           {`{"data":{"addAlertNote":{"data":[{"id":"1","text":"old"},{"id":"2","text":"text"}]}}}`, source.NoteDone},
		"another text":       {`{"data":{"addAlertNote":{"data":[{"id":"1","text":"<p>text</p>"}]}}}`, source.NoteUnknown},
		"nothing":            {`{"data":{"addAlertNote":{"data":[]}}}`, source.NoteUnknown},
		"null":               {`{"data":{"addAlertNote":null}}`, source.NoteUnknown},
		"errors beside data": {`{"data":{"addAlertNote":{"data":[{"id":"2","text":"text"}]}},"errors":[{"message":"Permission denied"}]}`, source.NoteUnknown},
		"denied":             {`{"data":null,"errors":[{"message":"Permission denied"}]}`, source.NoteRefused},
		"no such alert":      {`{"data":null,"errors":[{"message":"Alert was not found","path":["addAlertNote"]}]}`, source.NoteRefused},
		"not valid":          {`{"data":null,"errors":[{"message":"Validation error: text"}]}`, source.NoteRefused},
		"token":              {`{"data":null,"errors":[{"message":"Unauthorized"}]}`, source.NoteNotSent},
		"an exception":       {`{"data":null,"errors":[{"message":"Exception while fetching data (/addAlertNote) : upstream"}]}`, source.NoteUnknown},
		"a timeout":          {`{"data":null,"errors":[{"message":"Request timed out"}]}`, source.NoteUnknown},
	} {
		c, s := scripted(t, surfaceUnified, map[string]string{graphPath: "200 " + tc.reply})
		rs, err := c.AddNote(context.Background(), "text", here())
		if err != nil || rs[0].Outcome != tc.want || (rs[0].Err == nil) != (tc.want == source.NoteDone) || len(s.sent) != 1 {
			t.Errorf("%s: %+v, %v, sent %d; want %q", name, rs, err, len(s.sent), tc.want)
		}
		if tc.want == source.NoteDone && rs[0].NoteID != "2" {
			t.Errorf("%s: note id %q", name, rs[0].NoteID)
		}
	}
}

func TestANoteThatIsTooNewToRemoveIsAConflict(t *testing.T) {
	c, _ := scripted(t, surfaceUnified, map[string]string{
		graphPath: `200 {"data":null,"errors":[{"message":"Note 7 does not have mgmt_note_id set"}]}`})
	err := c.RemoveNote(context.Background(), here(), "7")
	if e, ok := errors.AsType[*fault.Error](err); !ok || e.Kind != fault.Conflict || !strings.Contains(e.Hint, "again") {
		t.Errorf("%+v", err)
	}
}

func TestUnifiedWindowsAreRoundedOutwards(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 519_988_000, time.UTC)
	f := between("createdAt", at, at)
	if start, end := *f[0].Range.Start, *f[0].Range.End; start != at.UnixMilli() || end != at.UnixMilli()+1 {
		t.Errorf("%d to %d around %d", start, end, at.UnixMilli())
	}
	if f := between("createdAt", time.Time{}, time.Time{}); f != nil {
		t.Errorf("an open window filters: %v", f)
	}
}

func TestUnifiedVerdictsAreTheSchemasOwn(t *testing.T) {
	u := &unified{}
	for in, want := range map[string]string{
		"": "", "true_positive": "TRUE_POSITIVE_UNDEFINED", "false_positive": "FALSE_POSITIVE_UNDEFINED", "benign": "TRUE_POSITIVE_BENIGN",
		"undefined": "UNDEFINED", "true_positive_malware": "TRUE_POSITIVE_MALWARE",
	} {
		if got, ok := u.verdict(in); !ok || got != want {
			t.Errorf("%q: %q, %v", in, got, ok)
		}
	}
	for _, in := range []string{"suspicious", "malicious"} {
		if got, ok := u.verdict(in); ok {
			t.Errorf("%q: %q", in, got)
		}
	}
	if all := unifiedVerdicts(); len(all) != 20 || len(slices.Compact(slices.Sorted(slices.Values(all)))) != 20 {
		t.Errorf("%d verdicts, the schema has 20", len(all))
	}
}

func TestUnifiedResolutionsCountOnlyWhatSucceeded(t *testing.T) {
	detail := `"alert":{"id":"` + mid + `","externalId":"2440104020909548527","status":"NEW","analystVerdict":"UNDEFINED"}`
	for name, tc := range map[string]struct {
		result  string
		outcome string
		says    string
	}{
		"success":   {`{"actions":[{"actionId":"S1/alert/statusUpdate","success":[{"id":"` + mid + `"}]}]}`, "done", ""},
		"another":   {`{"actions":[{"actionId":"S1/alert/statusUpdate","success":[{"id":"x"}]}]}`, "unknown", "does not say"},
		"silence":   {`{"actions":[]}`, "unknown", "does not say"},
		"failure":   {`{"actions":[{"actionId":"S1/alert/statusUpdate","success":[],"failure":[{"id":"` + mid + `","errorMessage":"locked"}]}]}`, "unchanged", "locked"},
		"skip":      {`{"actions":[{"actionId":"S1/alert/statusUpdate","skip":[{"id":"` + mid + `","skipMessage":"not yours"}]}]}`, "unchanged", "not yours"},
		"scheduled": {`{"executionId":"e-1"}`, "pending", ""},
		"error":     {`{"errors":[{"errorMessage":"limit exceeded"}]}`, "unchanged", "limit exceeded"},
	} {
		c, s := scripted(t, surfaceUnified, map[string]string{graphPath: `200 {"data":{` + detail + `,"alertTriggerActions":` + tc.result + `}}`})
		a, err := c.Resolve(context.Background(), here(), alert.Resolution{Status: alert.StatusResolved})
		if a.Fields["status"].Outcome != tc.outcome || (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
		if !strings.Contains(s.sent[1], `"filter":{"or":[{"and":[{"fieldId":"id","stringIn":{"values":["`+mid+`"]}}]}]}`) {
			t.Errorf("%s: the filter is not this one alert: %s", name, s.sent[1])
		}
	}
}
