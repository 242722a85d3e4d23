package cortex

import (
	"context"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/lab/world"
)

func TestAVerdictIsAWayOfBeingResolved(t *testing.T) {
	c, s := scripted(t, nil)
	for _, r := range []alert.Resolution{
		{Status: "resolved"}, {Status: "resolved", Verdict: "true_positive"}, {Status: "resolved_duplicate"}, {Status: "resolved_duplicate", Verdict: "duplicate"},
		{Status: "new", Verdict: "undefined"}, {Status: "in_progress"}, {Status: "under_investigation"}, {Status: "resolved", Verdict: "undefined"},
		{Assign: "a@b.example"}, {Assign: "unassigned"}, {Reason: "for the note"},
	} {
		if err := c.Supports(r); err != nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
	for want, r := range map[string]alert.Resolution{
		"benign": {Status: "resolved", Verdict: "benign"}, "sleeping": {Status: "sleeping"}, "tags": {Tags: []string{"a"}}, "assign": {Assign: "Ana Lyst"},
		"false_positive": {Verdict: "false_positive"}, "true_positive": {Status: "in_progress", Verdict: "true_positive"}, "undefined": {Verdict: "undefined"},
		"together": {Status: "resolved_duplicate", Verdict: "true_positive"}, "resolved_auto": {Status: "resolved_auto"},
	} {
		if err := c.Supports(r); !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", r, err)
		}
		if _, err := c.Resolve(context.Background(), handle(), r); err == nil {
			t.Errorf("%+v was sent", r)
		}
	}
	if len(s.sent) > 0 {
		t.Errorf("sent %v", s.sent)
	}
	for _, m := range Verdicts() {
		if err := c.Supports(alert.Resolution{Status: alert.StatusResolved, Verdict: m.Ours}); err != nil {
			t.Errorf("%v: %v", m, err)
		}
	}
}

func TestAResolutionIsCarriedOutAndCanBeUndone(t *testing.T) {
	versions(t, func(t *testing.T, v *vendor) {
		id := v.lab.Add(1, time.Hour, false)[0]
		c := v.client(t, time.Minute)
		ctx := context.Background()
		for _, faults := range []string{"", "reset@after=0.6", "500@after=0.6", "truncate@after=0.6"} {
			for _, m := range verdicts() {
				v.Faults(t, faults)
				a, err := c.Resolve(ctx, alert.Handle{ID: id}, alert.Resolution{Status: "resolved", Verdict: m.ours, Assign: "ana@lab.example", Reason: "seen"})
				if f := a.Fields; err != nil || f["status"].Outcome != "done" || f["status"].Before != "new" || f["verdict"].Before != "undefined" || f["assign"].Outcome != "done" || f["assign"].Before != "unassigned" {
					t.Fatalf("%s %s: %+v, %v", faults, m.ours, a, err)
				}
				a, err = c.Resolve(ctx, alert.Handle{ID: id}, alert.Resolution{Status: "resolved", Verdict: m.ours, Assign: "Ana@lab.example"})
				if f := a.Fields; err != nil || f["status"].Outcome != "unchanged" || f["verdict"].Outcome != "unchanged" || f["assign"].Outcome != "unchanged" {
					t.Errorf("again: %+v, %v", a, err)
				}
				a, err = c.Resolve(ctx, alert.Handle{ID: id}, alert.Resolution{Status: "new", Verdict: "undefined", Assign: unassigned})
				if f := a.Fields; err != nil || f["status"].Outcome != "done" || f["verdict"].Before != m.ours || f["assign"].Before != "ana@lab.example" {
					t.Errorf("undone: %+v, %v", a, err)
				}
				v.Faults(t, "")
			}
		}
		if a, err := c.Resolve(ctx, alert.Handle{ID: id}, alert.Resolution{Assign: "nobody@lab.example"}); !fault.Is(err, fault.Invalid) || a.Fields["assign"].Outcome != "unchanged" {
			t.Errorf("%+v, %v", a, err)
		}
		loose := v.lab.AddLoose(time.Hour)
		if _, err := c.Resolve(ctx, alert.Handle{ID: loose}, alert.Resolution{Assign: "ana@lab.example"}); !fault.Is(err, fault.Unsupported) {
			t.Errorf("%v", err)
		}
		if a, err := c.Resolve(ctx, alert.Handle{ID: loose}, alert.Resolution{Status: "in_progress"}); err != nil || a.Fields["status"].Outcome != "done" {
			t.Errorf("%+v, %v", a, err)
		}
	})
}

func TestResolutionsTellWhatTheTenantDid(t *testing.T) {
	fresh, closed := alertReply(`,"resolution_status":"STATUS_010_NEW"`), alertReply(`,"resolution_status":"STATUS_070_RESOLVED_OTHER"`)
	for name, tc := range map[string]struct {
		reply, after, outcome string
		kind                  fault.Kind
	}{
		"done":                  {`200 {"reply":{"alerts_ids":["104173821"]}}`, closed, "done", ""},
		"in another shape":      {`200 {"reply":true}`, closed, "done", ""},
		"without a body":        {`204 `, closed, "done", ""},
		"not seen yet":          {`200 {"reply":true}`, fresh, "pending", ""},
		"read fails":            {`200 {"reply":true}`, `503 {}`, "unknown", fault.Unavailable},
		"denied":                {`403 {}`, fresh, "unchanged", fault.Denied},
		"no licence":            {`402 {}`, fresh, "unchanged", fault.Denied},
		"invalid":               {`400 {}`, fresh, "unchanged", fault.Invalid},
		"the tenant is out":     {`503 {}`, fresh, "unknown", fault.Unavailable},
		"out, and done already": {`503 {}`, closed, "done", ""},
	} {
		c, _ := scripted(t, map[string][]string{alertsCall: {fresh, tc.after}, "v1/alerts/update_alerts": {tc.reply}})
		a, err := c.Resolve(context.Background(), handle(), alert.Resolution{Status: alert.StatusResolved})
		if f := a.Fields["status"]; f.Outcome != tc.outcome || f.Before != "new" {
			t.Errorf("%s: %+v", name, f)
		}
		if tc.kind == "" && err != nil || tc.kind != "" && !fault.Is(err, tc.kind) {
			t.Errorf("%s: %v, want %q", name, err, tc.kind)
		}
	}
}

func TestNotesCarryTheirMarkerAtTheirLongest(t *testing.T) {
	for lag, visible := range map[time.Duration]int{0: 1, time.Hour: 0} {
		v := newVendor(t, world.Options{NoteLag: lag, Echo: true})
		id := v.lab.Add(1, time.Hour, false)[0]
		c := v.client(t, time.Minute)
		ctx := context.Background()
		before, err := c.Get(ctx, alert.Handle{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		h := before[0].Handle
		const marker = "[edrc:5b1f09c2a94e7d10]"
		body := strings.Repeat("é", c.Traits().NoteMax-len(marker)-1) + "\n" + marker
		if rs, err := c.AddNote(ctx, body, h); err != nil || rs[0].Err != nil {
			t.Fatalf("%+v, %v", rs, err)
		}
		n := 0
		for note, err := range c.Notes(ctx, h) {
			if err != nil || note.Text != body || note.ID == "" || note.Author == "" {
				t.Errorf("%+v, %v", note, err)
			}
			n++
		}
		if n != visible || len(v.Notes(t, id)) != 1 {
			t.Errorf("%d notes are visible after %s", n, lag)
		}
		after, err := c.Get(ctx, h)
		if err != nil || !after[0].Updated.After(before[0].Updated) || after[0].Digest() != before[0].Digest() {
			t.Errorf("the note did not move the alert, or changed its facts: %v", err)
		}
	}
}
