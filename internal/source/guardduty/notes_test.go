package guardduty

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/lab/aws"
	"edrc/internal/lab/world"
	"edrc/internal/source"
)

func TestANewCommentKeepsOurEarlierOnes(t *testing.T) {
	v := newVendor(t, world.Options{}, aws.Options{})
	id := v.lab.Add(aws.Request{Count: 1, Age: time.Hour, Feedback: "NOT_USEFUL"})[0]
	c := v.client(t, time.Second)
	h := alert.Handle{ID: id}
	for _, text := range []string{"first\n[edrc:1]", "second\n[edrc:2]", "second\n[edrc:2]"} {
		rs, err := c.AddNote(t.Context(), text, h)
		if err != nil || rs[0].Outcome != source.NoteDone || rs[0].Err != nil {
			t.Fatalf("%+v, %v", rs, err)
		}
	}
	if got := v.Notes(t, id); len(got) != 1 || got[0] != "first\n[edrc:1]"+between+"second\n[edrc:2]" {
		t.Errorf("GuardDuty has %q", got)
	}
	kept, err := c.NoteCopies(t.Context(), id)
	if err != nil || len(kept) != 2 || kept[0].Text != "first\n[edrc:1]" || kept[1].Author != ownCopy || kept[1].Created.IsZero() {
		t.Errorf("our copies: %+v, %v", kept, err)
	}
	as, err := c.Get(t.Context(), h)
	if err != nil || as[0].Analyst != "not_useful" {
		t.Errorf("what somebody found it is %q now, %v", as[0].Analyst, err)
	}
	if _, err := c.Resolve(t.Context(), h, alert.Resolution{Verdict: "true_positive"}); err != nil {
		t.Fatal(err)
	}
	if got := v.Notes(t, id)[0]; got != "first\n[edrc:1]"+between+"second\n[edrc:2]" {
		t.Errorf("after a verdict GuardDuty has %q", got)
	}
}

func TestTheOldestCommentsGiveWayToTheLimit(t *testing.T) {
	earlier := []alert.Note{{Text: strings.Repeat("ä", 1900)}, {Text: strings.Repeat("b", 1900)}, {Text: "new"}}
	got := merge(earlier, "new")
	if want := earlier[0].Text + between + earlier[1].Text + between + "new"; got != want {
		t.Errorf("%d characters", utf8.RuneCountInString(got))
	}
	if got := merge(earlier, strings.Repeat("n", 300)); !strings.HasPrefix(got, "b") || utf8.RuneCountInString(got) > noteMax || !strings.HasSuffix(got, "n") {
		t.Errorf("%d characters, %.10q", utf8.RuneCountInString(got), got)
	}
	if full := strings.Repeat("n", noteMax); merge(earlier, full) != full {
		t.Error("a note of full length was changed")
	}
}

func TestAFindingThatNobodyJudgedBecomesUseful(t *testing.T) {
	v := newVendor(t, world.Options{}, aws.Options{})
	id := v.lab.Add(aws.Request{Count: 1})[0]
	c := v.client(t, time.Second)
	if rs, err := c.AddNote(t.Context(), "a note", alert.Handle{ID: id}); err != nil || rs[0].Outcome != source.NoteDone {
		t.Fatalf("%+v, %v", rs, err)
	}
	if as, err := c.Get(t.Context(), alert.Handle{ID: id}); err != nil || as[0].Analyst != "useful" {
		t.Errorf("%+v, %v", as, err)
	}
	got, err := c.Resolve(t.Context(), alert.Handle{ID: v.lab.Add(aws.Request{Count: 1})[0]}, alert.Resolution{Verdict: "benign"})
	if f := got.Fields["verdict"]; err != nil || f.Outcome != source.FieldDone || f.Before != noFeedback {
		t.Errorf("%+v, %v", got, err)
	}
	if err := c.Supports(alert.Resolution{Verdict: noFeedback}); !fault.Is(err, fault.Unsupported) {
		t.Errorf("feedback can be taken back? %v", err)
	}
	if err := c.Supports(alert.Resolution{Status: alert.StatusInProgress}); !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), "in_progress") {
		t.Errorf("in progress: %v", err)
	}
}

func TestNotesOfSeveralPlacesGoToEachOfThem(t *testing.T) {
	v := newVendor(t, world.Options{}, aws.Options{Standalone: true})
	var hs []alert.Handle
	for _, account := range []string{"111122223333", "222233334444"} {
		for _, region := range []string{"us-east-1", "eu-central-1"} {
			for _, id := range v.lab.Add(aws.Request{Count: 2, Account: account, Region: region}) {
				hs = append(hs, alert.Handle{ID: id})
			}
		}
	}
	gone := v.lab.Add(aws.Request{Count: 1})
	v.Purge(t, gone...)
	c := v.client(t, time.Second)
	rs, err := c.AddNote(t.Context(), "everywhere", append(hs, alert.Handle{ID: gone[0]}, alert.Handle{ID: "nonsense"})...)
	if err != nil || len(rs) != 10 {
		t.Fatalf("%+v, %v", rs, err)
	}
	for i, r := range rs {
		if i < 8 && (r.Outcome != source.NoteDone || !slices.Equal(v.Notes(t, r.Handle.ID), []string{"everywhere"})) {
			t.Errorf("%s: %+v", r.Handle.ID, r)
		}
		if i >= 8 && (r.Outcome != source.NoteRefused || !fault.Is(r.Err, fault.NotFound)) {
			t.Errorf("%s: %+v", r.Handle.ID, r)
		}
	}
	if n := v.lab.Requests()["guardduty:UpdateFindingsFeedback"]; n != 4 {
		t.Errorf("%d requests for four places", n)
	}
}

func TestACommentWithoutACopyIsNotSent(t *testing.T) {
	v := newVendor(t, world.Options{}, aws.Options{})
	id := v.lab.Add(aws.Request{Count: 1})[0]
	full := errors.New("the disk is full")
	for name, env := range map[string]Env{
		"not kept": {KeepNote: func(context.Context, string, alert.Note) error { return full }},
		"not read": {Notes: func(context.Context, string) ([]alert.Note, error) { return nil, full }},
	} {
		env.Name, env.HTTP = "aws-lab", httpx.Config{Transport: httpx.NewTransport(), RetryBase: time.Millisecond}
		c, err := New(v.options, env)
		if err != nil {
			t.Fatal(err)
		}
		rs, err := c.AddNote(t.Context(), "text", alert.Handle{ID: id})
		if err != nil || rs[0].Outcome != source.NoteNotSent || !errors.Is(rs[0].Err, full) || len(v.Notes(t, id)) > 0 {
			t.Errorf("%s: %+v, %v", name, rs, err)
		}
		c.Close()
	}
}

func TestARefusedNoteIsRefusedAndALostAnswerIsInDoubt(t *testing.T) {
	v := newVendor(t, world.Options{}, aws.Options{})
	id := v.lab.Add(aws.Request{Count: 1})[0]
	c := v.client(t, time.Second)
	v.Control(t, "deny", map[string]any{"action": "UpdateFindingsFeedback"})
	rs, err := c.AddNote(t.Context(), "text", alert.Handle{ID: id})
	if err != nil || rs[0].Outcome != source.NoteRefused || !strings.Contains(rs[0].Err.Error(), "guardduty:UpdateFindingsFeedback") {
		t.Errorf("%+v, %v", rs, err)
	}
	v.Control(t, "deny", nil)
	v.Faults(t, "reset@after=1")
	rs, err = c.AddNote(t.Context(), "text", alert.Handle{ID: id})
	if err != nil || rs[0].Outcome != source.NoteUnknown || !slices.Equal(v.Notes(t, id), []string{"text"}) {
		t.Errorf("%+v, %v", rs, err)
	}
	applied, err := c.Resolve(t.Context(), alert.Handle{ID: id}, alert.Resolution{Status: alert.StatusResolved})
	if err != nil || applied.Fields["status"].Outcome != source.FieldDone {
		t.Errorf("a lost answer that was looked after: %+v, %v", applied, err)
	}
	v.Faults(t, "500@before=1")
	applied, err = c.Resolve(t.Context(), alert.Handle{ID: id}, alert.Resolution{Status: alert.StatusNew, Verdict: "false_positive"})
	if !fault.Is(err, fault.Unavailable) || applied.Fields["verdict"].Outcome != source.FieldUnknown || applied.Fields["status"].Outcome != source.FieldUnchanged {
		t.Errorf("%+v, %v", applied, err)
	}
}

func TestIncidentsAreAttackSequencesWithTheirTargetsAndFindings(t *testing.T) {
	v := newVendor(t, world.Options{Alerts: 30}, aws.Options{})
	v.Control(t, "sequence", map[string]any{"account": "222233334444", "count": 2})
	c := v.client(t, time.Second)
	var all []alert.Incident
	for in, err := range c.ListIncidents(t.Context(), alert.Query{Severities: []alert.Severity{alert.Critical}}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, in)
	}
	if len(all) != 2 {
		t.Fatalf("%d incidents", len(all))
	}
	in, err := c.GetIncident(t.Context(), all[0].ID)
	if err != nil || in.ID != all[0].ID || !in.Ref.Incident || in.Severity != alert.Critical || len(in.Alerts) != 4 || in.Alerts[0].ID != in.ID {
		t.Fatalf("%+v, %v", in, err)
	}
	if !strings.HasSuffix(in.Title, "(3 ec2 instances, 1 iam instance profile)") {
		t.Errorf("title %q", in.Title)
	}
	as, err := c.Get(t.Context(), in.Alerts...)
	if err != nil || len(as) != 4 {
		t.Fatalf("its findings: %d, %v", len(as), err)
	}
	for _, a := range as {
		if a.Group != in.ID {
			t.Errorf("%s belongs to %q", a.ID, a.Group)
		}
	}
	if as[0].Attack == nil || as[0].Attack[0].ID != "T1059.004" || len(as[0].Files) != 1 || as[0].Files[0].Role != alert.RoleImage {
		t.Errorf("the sequence as an alert: %+v", as[0])
	}
	targets := Targets(in.Raw)
	if len(targets) != 4 || targets[0].Type != "EC2_INSTANCE" || targets[0].ID != as[1].Host.ID || targets[0].Account != "222233334444" ||
		!strings.Contains(targets[0].Profile, "instance-profile/app/web") || targets[3].Type != "IAM_INSTANCE_PROFILE" {
		t.Errorf("targets %+v of %+v", targets, as[1].Host)
	}
	_, err = c.GetIncident(t.Context(), as[1].ID)
	if !fault.Is(err, fault.NotFound) || Targets(as[1].Raw) != nil {
		t.Errorf("a finding that is none: %v", err)
	}
	for range c.ListIncidents(t.Context(), alert.Query{}) {
		break // leaving early must not hang
	}
}

func TestAnAlertIsFoundWithoutItsLocator(t *testing.T) {
	v := newVendor(t, world.Options{}, aws.Options{Standalone: true})
	id := v.lab.Add(aws.Request{Count: 1, Account: "333344445555", Region: "eu-central-1"})[0]
	c := v.client(t, time.Second)
	for name, locator := range map[string]string{"none": ``, "nonsense": `7`, "another configuration's": `{"account":"9","region":"x","detector":"y"}`} {
		as, err := c.Get(t.Context(), alert.Handle{ID: id, Locator: json.RawMessage(locator)})
		if err != nil || len(as) != 1 || !strings.Contains(string(as[0].Locator), "333344445555") {
			t.Errorf("%s: %+v, %v", name, as, err)
		}
	}
	v.Control(t, "deny", map[string]any{"account": "333344445555", "region": "eu-central-1", "action": "*"})
	if _, err := v.client(t, time.Second).Get(t.Context(), alert.Handle{ID: id}); !fault.Is(err, fault.Denied) {
		t.Errorf("where it may be cannot be read: %v", err)
	}
}

func TestClientsMayBeUsedByManyGoroutines(t *testing.T) {
	v := newVendor(t, world.Options{Alerts: 60}, aws.Options{})
	c := v.client(t, 5*time.Second)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if n := len(listAll(t, c, alert.Query{})); n != 60 {
				t.Errorf("%d findings", n)
			}
			if _, err := c.Streams(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := c.Check(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
