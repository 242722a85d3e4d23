package crowdstrike

import (
	"context"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/lab/world"
)

func alertIs(fields string) string {
	return `200 {"meta":{},"resources":[{"composite_id":"` + one + `"` + fields + `}]}`
}

func TestAResolutionIsOneRequestOfTheActionsThatAreNeeded(t *testing.T) {
	for name, tc := range map[string]struct {
		is      string
		r       alert.Resolution
		actions string
	}{
		"all": {`,"status":"new","tags":["fc/x"]`, alert.Resolution{Status: alert.StatusResolved, Verdict: "true_positive", Assign: "a@b.example", Tags: []string{"seen"}},
			`{"name":"update_status","value":"closed"},{"name":"add_tag","value":"true_positive"},{"name":"assign_to_user_id","value":"a@b.example"},{"name":"add_tag","value":"seen"}`},
		"another verdict": {`,"status":"closed","tags":["ignored"],"resolution":"ignored"`, alert.Resolution{Status: alert.StatusResolved, Verdict: "false_positive"},
			`{"name":"remove_tag","value":"ignored"},{"name":"add_tag","value":"false_positive"}`},
		"taken back":  {`,"tags":["true_positive"]`, alert.Resolution{Verdict: "undefined"}, `{"name":"remove_tag","value":"true_positive"}`},
		"reopened":    {`,"status":"closed"`, alert.Resolution{Status: "reopened"}, `{"name":"update_status","value":"reopened"}`},
		"in progress": {`,"status":"reopened"`, alert.Resolution{Status: alert.StatusInProgress}, `{"name":"update_status","value":"in_progress"}`},
		"uuid":        {``, alert.Resolution{Assign: "5d0e0f5a-0000-4000-a000-000000000001"}, `{"name":"assign_to_uuid","value":"5d0e0f5a-0000-4000-a000-000000000001"}`},
		"name":        {``, alert.Resolution{Assign: "Ana Lyst"}, `{"name":"assign_to_name","value":"Ana Lyst"}`},
		"unassigned":  {`,"assigned_to_uid":"x@y"`, alert.Resolution{Assign: "unassigned"}, `{"name":"unassign","value":"true"}`},
	} {
		c, s := scripted(t, map[string]string{entitiesPath: alertIs(tc.is), patchPath: "200 " + affected("1", "")})
		if a, err := c.Resolve(context.Background(), both()[0], tc.r); err != nil {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
		want := patchPath + ` {"action_parameters":[` + tc.actions + `],"composite_ids":["` + one + `"]}`
		if len(s.sent) != 2 || s.sent[1] != want {
			t.Errorf("%s: sent %v\nwant %s", name, s.sent, want)
		}
	}
}

func TestWhatIsAlreadyAsWantedIsLeftAlone(t *testing.T) {
	is := `,"status":"reopened","tags":["ignored","x"],"resolution":"ignored","assigned_to_uid":"A@b.example"`
	c, s := scripted(t, map[string]string{entitiesPath: alertIs(is)})
	a, err := c.Resolve(context.Background(), both()[0], alert.Resolution{Status: alert.StatusNew, Verdict: "ignored", Assign: "a@b.example", Tags: []string{"x"}, Reason: "for the note"})
	if err != nil || len(s.sent) != 1 || len(a.Fields) != 4 {
		t.Errorf("%+v, %v, sent %v", a, err, s.sent)
	}
	for field, want := range map[string]string{"status": "reopened", "verdict": "ignored", "assign": "A@b.example", "tags": "ignored,x"} {
		if f := a.Fields[field]; f.Outcome != "unchanged" || f.Before != want {
			t.Errorf("%s: %+v", field, f)
		}
	}
}

func TestResolutionsTellWhatTheCloudDid(t *testing.T) {
	for name, tc := range map[string]struct {
		reply, outcome string
		kind           fault.Kind
	}{
		"done":             {"200 " + affected("1", ""), "done", ""},
		"accepted":         {"202 " + affected("1", ""), "pending", ""},
		"none":             {"200 " + affected("0", ""), "unknown", fault.Conflict},
		"no count":         {`200 {"meta":{}}`, "unknown", fault.Unavailable},
		"empty resources":  {`200 {"meta":{},"resources":[]}`, "unknown", fault.Unavailable},
		"errors beside":    {"200 " + affected("1", `,"errors":[{"code":500,"message":"x"}]`), "unknown", fault.Unavailable},
		"denied in a 200":  {"200 " + affected("0", `,"errors":[{"code":403,"message":"x"}]`), "unchanged", fault.Denied},
		"denied":           {`403 {"errors":[{"code":403,"message":"x"}]}`, "unchanged", fault.Denied},
		"too many":         {`413 {}`, "unchanged", fault.Invalid},
		"the cloud is out": {`503 {}`, "unknown", fault.Unavailable},
	} {
		c, _ := scripted(t, map[string]string{entitiesPath: alertIs(`,"status":"new"`), patchPath: tc.reply})
		a, err := c.Resolve(context.Background(), both()[0], alert.Resolution{Status: alert.StatusResolved})
		if f := a.Fields["status"]; f.Outcome != tc.outcome || f.Before != "new" {
			t.Errorf("%s: %+v", name, f)
		}
		if tc.kind == "" && err != nil || tc.kind != "" && !fault.Is(err, tc.kind) {
			t.Errorf("%s: %v, want %q", name, err, tc.kind)
		}
	}
}

func TestAnAnswerThatWasLostIsFoundByReading(t *testing.T) {
	v := newVendor(t, world.Options{})
	id := v.falcon.Add(1, time.Hour, false)[0]
	c := v.client(t, time.Minute)
	for _, place := range []string{"reset@after=0.7", "500@after=0.7", "truncate@after=0.7"} {
		v.Faults(t, place)
		for _, r := range []alert.Resolution{
			{Status: alert.StatusResolved, Verdict: "ignored", Tags: []string{place}, Assign: "a@b.example"}, {Status: "reopened", Verdict: "undefined", Assign: "unassigned"},
		} {
			a, err := c.Resolve(context.Background(), alert.Handle{ID: id}, r)
			if err != nil || a.Fields["status"].Outcome != "done" || a.Fields["verdict"].Outcome != "done" || a.Fields["assign"].Outcome != "done" {
				t.Errorf("%s: %+v, %v", place, a, err)
			}
		}
		v.Faults(t, "")
	}
}

func TestWhatCannotBeSetIsNamed(t *testing.T) {
	c, s := scripted(t, nil)
	for want, r := range map[string]alert.Resolution{
		"benign": {Verdict: "benign"}, "sleeping": {Status: "sleeping"}, "tag": {Tags: []string{""}},
	} {
		if err := c.Supports(r); !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", r, err)
		}
		if _, err := c.Resolve(context.Background(), both()[0], r); err == nil {
			t.Errorf("%v was sent", r)
		}
	}
	if len(s.sent) > 0 {
		t.Errorf("sent %v", s.sent)
	}
	for _, m := range append(Statuses(), Mapping{"", "resolved"}) {
		if err := c.Supports(alert.Resolution{Status: alert.Status(m.Ours)}); err != nil {
			t.Errorf("%v: %v", m, err)
		}
	}
	for _, m := range Verdicts() {
		if err := c.Supports(alert.Resolution{Verdict: m.Ours}); err != nil {
			t.Errorf("%v: %v", m, err)
		}
	}
}
