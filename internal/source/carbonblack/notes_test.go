package carbonblack

import (
	"context"
	"errors"
	"testing"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

func TestTheOutcomeOfANoteIsReadFromTheReply(t *testing.T) {
	for name, tc := range map[string]struct {
		reply string
		want  source.NoteOutcome
	}{
		"the note":         {`200 {"id":"3gsgsfds","note":"text"}`, source.NoteDone},
		"created":          {`201 {"id":2,"note":"text"}`, source.NoteDone},
		"no id":            {`200 {"note":"text"}`, source.NoteUnknown},
		"accepted, no id":  {`202 {}`, source.NoteUnknown},
		"no content":       {`204 `, source.NoteUnknown},
		"null":             {`200 null`, source.NoteUnknown},
		"not JSON":         {`200 nonsense`, source.NoteUnknown},
		"a page":           {`200 <html>login</html>`, source.NoteUnknown},
		"200 that says no": {`200 {"errorMessage":"no"}`, source.NoteRefused},
		"a redirect":       {`302 -> https://elsewhere.example/`, source.NoteUnknown},
		"not taken there":  {`308 -> https://elsewhere.example/`, source.NoteNotSent},
		"400":              {`400 {"error_code":"INVALID","message":"no"}`, source.NoteRefused},
		"403":              {`403 {"error_code":"FORBIDDEN","message":"no"}`, source.NoteRefused},
		"404":              {`404 {"error_code":"NOT_FOUND","message":"no"}`, source.NoteRefused},
		"401":              {`401 {}`, source.NoteNotSent},
		"429":              {`429 {}`, source.NoteNotSent},
		"408":              {`408 {}`, source.NoteUnknown},
		"409":              {`409 {}`, source.NoteUnknown},
		"500":              {`500 {}`, source.NoteUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := scripted(t, map[string]string{"POST " + orgAlerts + "alerts/" + one + "/notes": tc.reply})
			rs, err := c.AddNote(context.Background(), "text", handle())
			if err != nil || len(rs) != 1 || rs[0].Outcome != tc.want || (rs[0].Err == nil) != (tc.want == source.NoteDone) {
				t.Errorf("%+v, %v, want %s", rs, err, tc.want)
			}
			if len(s.sent) != 1 {
				t.Errorf("sent %d times", len(s.sent))
			}
		})
	}
}

func TestNotesThatAreNotAllShownAreNotTakenForAll(t *testing.T) {
	c, _ := scripted(t, map[string]string{"GET " + orgAlerts + "alerts/" + one + "/notes": `200 {"num_found":3,"results":[{"id":"1","note":"first","create_timestamp":"2026-01-01T00:00:00.000Z"}]}`})
	n, last := 0, error(nil)
	for _, err := range c.Notes(context.Background(), handle()) {
		n++
		last = err
	}
	if n != 2 || !fault.Is(last, fault.Partial) {
		t.Errorf("%d entries, the last %v", n, last)
	}
	for _, reply := range []string{`200 {}`, `200 []`, `200 null`, `200 {"results":null}`} {
		c, _ := scripted(t, map[string]string{"GET " + orgAlerts + "alerts/" + one + "/notes": reply})
		for n, err := range c.Notes(context.Background(), handle()) {
			if !fault.Is(err, fault.Unavailable) {
				t.Errorf("%s: %+v, %v", reply, n, err)
			}
		}
	}
}

func TestAnAlertThatDoesNotSayWhetherItHasNotesIsNotProbed(t *testing.T) {
	two := "52dbd1b6-539b-a3f7-34bd-f6eb13a99b81"
	c, _ := scripted(t, map[string]string{"POST " + orgAlerts + "alerts/_search": `200 {"results":[{"id":"` + one + `"},{"id":"` + two + `","alert_notes_present":"false"},{"id":"other","alert_notes_present":true}],"num_found":3}`})
	has, err := c.ProbeNotes(context.Background(), handle(), alert.Handle{ID: two})
	if err != nil || len(has) != 1 || has[two] != alert.None {
		t.Errorf("%v, %v", has, err)
	}
}

func TestAReplyThatIsNoneIsNeverAnEmptyList(t *testing.T) {
	for _, reply := range []string{`200 {}`, `200 null`, `200 []`, `200 {"results":null,"num_found":0}`, `200 {"results":{}}`, `200 "x"`, `200 `, `204 `, `200 <html>x</html>`} {
		c, _ := scripted(t, map[string]string{"POST " + orgAlerts + "alerts/_search": reply, "POST " + orgAlerts + "grouped_alerts/_search": reply})
		_, err := c.Page(context.Background(), source.Stream{Name: streamName}, source.Window{By: source.Created, From: noon, To: noon}, "")
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("a page from %q: %v", reply, err)
		}
		for _, err := range c.ListIncidents(context.Background(), alert.Query{Since: noon, Until: noon}) {
			if !fault.Is(err, fault.Unavailable) {
				t.Errorf("incidents from %q: %v", reply, err)
			}
		}
		if _, err := c.Get(context.Background(), handle(), alert.Handle{ID: "two"}); !fault.Is(err, fault.Unavailable) {
			t.Errorf("get from %q: %v", reply, err)
		}
	}
}

func TestAListThatCannotBePagedIsAnErrorAndNotShort(t *testing.T) {
	row := func(id, at string) string { return `{"id":"` + id + `","backend_timestamp":"` + at + `"}` }
	for name, results := range map[string]string{
		"in disorder":   row("a", "2026-11-22T11:00:00.000Z") + "," + row("b", "2026-11-22T10:00:00.000Z"),
		"without times": `{"id":"a"},{"id":"b"}`,
	} {
		c, _ := scripted(t, map[string]string{"POST " + orgAlerts + "alerts/_search": `200 {"results":[` + results + `],"num_found":5}`})
		_, err := c.Page(context.Background(), source.Stream{Name: streamName}, source.Window{By: source.Created, From: noon.AddDate(0, 0, -1), To: noon}, "")
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	same := `200 {"results":[` + row("a", "2026-11-22T11:00:00.000Z") + `],"num_found":5}`
	c, _ := scripted(t, map[string]string{"POST " + orgAlerts + "alerts/_search": same})
	n := 0
	for _, err := range c.List(context.Background(), alert.Query{Since: noon.AddDate(0, 0, -1), Until: noon}) {
		if n++; err != nil && !fault.Is(err, fault.Unavailable) || n > 2 {
			t.Fatalf("%d: %v", n, err)
		}
	}
	if n != 2 {
		t.Errorf("the same page for ever gives %d entries, want one and an error", n)
	}
}

func TestAnAlertThatCannotBeReadIsSetAside(t *testing.T) {
	c, _ := scripted(t, map[string]string{"POST " + orgAlerts + "alerts/_search": `200 {"results":[{"id":null},` + anAlert + `,7,{"id":"../x"}],"num_found":4}`})
	p, err := c.Page(context.Background(), source.Stream{Name: streamName}, source.Window{By: source.Created, From: noon, To: noon}, "")
	if err != nil || len(p.Alerts) != 1 || len(p.Bad) != 3 || p.Next != "" {
		t.Errorf("%d alerts, bad %v, next %q, %v", len(p.Alerts), p.Bad, p.Next, err)
	}
	alerts, err := c.Get(context.Background(), handle(), alert.Handle{ID: "two"})
	if _, bad := errors.AsType[*source.BadItem](err); bad || len(alerts) != 1 {
		t.Errorf("%d alerts, %v", len(alerts), err)
	}
}
