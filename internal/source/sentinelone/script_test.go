package sentinelone

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

// script is a console in memory that says what it is told to: the replies that a
// well-behaved simulator never gives.
type script struct {
	t       *testing.T
	replies map[string]string // "METHOD /path" -> "STATUS BODY"
	mu      sync.Mutex
	sent    []string // "METHOD /path BODY"
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	body := sourcetest.Body(r)
	key := r.Method + " " + strings.TrimPrefix(r.URL.Path, apiPath)
	s.mu.Lock()
	s.sent = append(s.sent, key+" "+body)
	s.mu.Unlock()
	reply, ok := s.replies[key]
	if !ok {
		reply = `404 {"errors":[{"code":4040040,"title":"Not Found","detail":null}]}`
	}
	return sourcetest.Reply(r, reply), nil
}

func scripted(t *testing.T, surface string, replies map[string]string) (*Client, *script) {
	t.Helper()
	s := &script{t: t, replies: replies}
	c, err := New(Options{URL: "https://acme.sentinelone.net", Token: httpx.Literal("token"), Surface: surface},
		Env{Name: "s1-prod", HTTP: httpx.Config{Transport: s, Attempts: 1}})
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

const (
	one = "225494730938493804"
	two = "225494730938493805"
	mid = "019d114e-e4f4-7ad6-82c3-9829b6d0a801"
)

func both() []alert.Handle { return []alert.Handle{{ID: one, Note: one}, {ID: two, Note: two}} }

func TestTheOutcomeOfANoteIsReadFromTheReply(t *testing.T) {
	for name, tc := range map[string]struct {
		reply string
		want  source.NoteOutcome
	}{
		"all":                {`200 {"data":{"affected":2}}`, source.NoteDone},
		"empty errors":       {`200 {"errors":[],"data":{"affected":2}}`, source.NoteDone},
		"one of two":         {`200 {"data":{"affected":1}}`, source.NoteUnknown},
		"none":               {`200 {"data":{"affected":0}}`, source.NoteUnknown},
		"more":               {`200 {"data":{"affected":3}}`, source.NoteUnknown},
		"errors beside data": {`200 {"data":{"affected":2},"errors":[{"title":"Oops"}]}`, source.NoteUnknown},
		"no count":           {`200 {"data":{}}`, source.NoteUnknown},
		"not JSON":           {`200 nonsense`, source.NoteUnknown},
		"a page":             {`200 <html>login</html>`, source.NoteUnknown},
		"400":                {`400 {"errors":[{"code":4000040,"title":"Bad Request","detail":"text"}]}`, source.NoteRefused},
		"403":                {`403 {"errors":[{"code":4030040,"title":"Insufficient permissions","detail":null}]}`, source.NoteRefused},
		"404":                {`404 {}`, source.NoteRefused},
		"401":                {`401 {}`, source.NoteNotSent},
		"429":                {`429 {}`, source.NoteNotSent},
		"408":                {`408 {}`, source.NoteUnknown},
		"409":                {`409 {}`, source.NoteUnknown},
		"500":                {`500 {}`, source.NoteUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := scripted(t, "", map[string]string{"POST /threats/notes": tc.reply})
			rs, err := c.AddNote(context.Background(), "text", both()...)
			if err != nil || len(rs) != 2 {
				t.Fatalf("%v, %v", rs, err)
			}
			for _, r := range rs {
				if r.Outcome != tc.want || (r.Err == nil) != (tc.want == source.NoteDone) {
					t.Errorf("%q (%v), want %q", r.Outcome, r.Err, tc.want)
				}
			}
			if len(s.sent) != 1 {
				t.Errorf("sent %d times", len(s.sent))
			}
		})
	}
}

func TestAFilterOfAWriteIsNeverEmpty(t *testing.T) {
	for _, h := range []alert.Handle{{ID: "x"}, {ID: mid, Note: mid}} {
		c, s := scripted(t, "", map[string]string{"POST /threats/notes": `200 {"data":{"affected":1}}`})
		rs, err := c.AddNote(context.Background(), "text", h)
		if err != nil || rs[0].Outcome != source.NoteRefused || len(s.sent) > 0 {
			t.Errorf("%q: %+v, %v, sent %v", h.ID, rs, err, s.sent)
		}
	}
	if f, err := newIDFilter(); err == nil {
		t.Errorf("an empty filter: %v", f)
	}
}

func TestARefusalSaysWhatToDo(t *testing.T) {
	c, _ := scripted(t, "", map[string]string{"GET /system/info": `401 {"errors":[{"code":4010010,"title":"Authentication Failed"}]}`})
	_, err := c.Streams(context.Background())
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || e.Kind != fault.Auth || !strings.Contains(e.Hint, "Settings > Users > Service Users, then update `token` of source s1-prod") {
		t.Errorf("401: %+v", err)
	}
	c, _ = scripted(t, "", map[string]string{
		"GET /threats":          `403 {"errors":[{"code":4030010,"title":"Insufficient permissions"}]}`,
		"POST /threats/notes":   `403 {}`,
		"GET /system/info":      `200 {"data":{"version":"S-25.1.4"}}`,
		"GET /agents":           `200 {"data":[],"pagination":{"totalItems":0}}`,
		"GET /activities":       `403 {}`,
		"GET /user":             `200 {"data":{"email":"svc@acme.example","scope":"tenant","apiToken":{"expiresAt":"2027-01-02T03:04:05Z"}}}`,
		"POST /no-such-request": `200 {}`,
	})
	for a, err := range c.List(context.Background(), alert.Query{}) {
		if e, ok := errors.AsType[*fault.Error](err); !ok || e.Kind != fault.Denied || !strings.Contains(e.Hint, "Threats.view") {
			t.Errorf("403: %v, %+v", a, err)
		}
	}
	h, err := c.Check(context.Background())
	if err != nil || h.Missing["alerts"] != permThreats || h.Missing["notes"] != permThreats || h.Missing["fetch"] != permActive || h.Missing["hosts"] != "" {
		t.Errorf("health %+v, %v", h, err)
	}
	if h.Identity != "svc@acme.example" || h.Expires.Year() != 2027 || h.Version != "S-25.1.4" || h.Tenant != "acme.sentinelone.net" {
		t.Errorf("health %+v", h)
	}
}

func TestATokenTellsItsOwnEndWhenTheConsoleDoesNot(t *testing.T) {
	// {"sub":"service-user@acme","exp":1798761600}
	who := readJWT("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzZXJ2aWNlLXVzZXJAYWNtZSIsImV4cCI6MTc5ODc2MTYwMH0.sig")
	if who.name != "service-user@acme" || who.expires.Unix() != 1798761600 {
		t.Errorf("%+v", who)
	}
	for _, token := range []string{"", "a.b", "a.!.c", "a.bnVsbA.c"} {
		if who := readJWT(token); who != (identity{}) {
			t.Errorf("%q: %+v", token, who)
		}
	}
}

func TestAPageIsNeverSilentlyShort(t *testing.T) {
	stream := source.Stream{Name: surfaceThreats}
	for name, reply := range map[string]string{
		"no data":       `200 {"pagination":{"nextCursor":null}}`,
		"null data":     `200 {"data":null,"pagination":{"nextCursor":null}}`,
		"no pagination": `200 {"data":[]}`,
		"errors":        `200 {"data":[],"pagination":{},"errors":[{"title":"Timeout"}]}`,
		"same cursor":   `200 {"data":[],"pagination":{"nextCursor":"abc"}}`,
		"empty body":    `200 `,
	} {
		c, _ := scripted(t, "", map[string]string{"GET /threats": reply})
		if p, err := c.Page(context.Background(), stream, source.Window{}, "abc"); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func TestOneBadThreatCostsOnlyItself(t *testing.T) {
	items := `{"id":"` + one + `"},{"id":"` + two + `","threatInfo":"gone"},7,{"threatInfo":{"threatName":"x"}}`
	c, _ := scripted(t, "", map[string]string{"GET /threats": `200 {"data":[` + items + `],"errors":[{}],"pagination":{"nextCursor":"n"}}`})
	p, err := c.Page(context.Background(), source.Stream{Name: surfaceThreats}, source.Window{}, "")
	if err != nil || len(p.Alerts) != 1 || len(p.Bad) != 3 || p.Bad[0].ID != two || p.Next != "n" {
		t.Fatalf("%+v, %v", p, err)
	}
	c, _ = scripted(t, "", map[string]string{"GET /threats": `200 {"data":[` + items + `],"pagination":{}}`})
	got, err := c.Get(context.Background(), both()...)
	if bad, ok := errors.AsType[*source.BadItem](err); !ok || bad.ID != two || len(got) == 0 {
		t.Errorf("get: %v, %v", got, err)
	}
}

func TestThreatResolutionsTellWhatTheConsoleDid(t *testing.T) {
	read := `200 {"data":[{"id":"` + one + `","threatInfo":{"incidentStatus":"unresolved","analystVerdict":"undefined"}}],"pagination":{}}`
	for name, tc := range map[string]struct {
		details         string
		status, verdict string
		kind            fault.Kind
		says            string
	}{
		"updated":     {`"affected":1,"details":[{"threatId":"` + one + `","result":"updated","analystVerdict":"updated"}]`, "done", "done", "", ""},
		"no details":  {`"affected":1`, "done", "done", "", ""},
		"none":        {`"affected":0`, "unknown", "unknown", fault.Conflict, "changed nothing"},
		"conditions":  {`"affected":0,"details":[{"threatId":"` + one + `","result":"conditions_not_met","analystVerdict":"updated"}]`, "unchanged", "done", fault.Conflict, "conditions"},
		"permissions": {`"affected":0,"details":[{"threatId":"` + one + `","result":"missing_permissions","analystVerdict":"updated"}]`, "unchanged", "done", fault.Denied, "may not"},
		"new word":    {`"affected":0,"details":[{"threatId":"` + one + `","result":"postponed","analystVerdict":"updated"}]`, "unknown", "done", fault.Conflict, "did not set the status"},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := scripted(t, "", map[string]string{"GET /threats": read, "POST /threats/incident": `200 {"data":{` + tc.details + `}}`})
			a, err := c.Resolve(context.Background(), both()[0], alert.Resolution{Status: alert.StatusResolved, Verdict: "true_positive"})
			if a.Fields["status"].Outcome != tc.status || a.Fields["verdict"].Outcome != tc.verdict || a.Fields["status"].Before != "new" {
				t.Errorf("%+v", a)
			}
			if tc.kind == "" && err != nil || tc.kind != "" && (!fault.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.says)) {
				t.Errorf("%v, want %s %q", err, tc.kind, tc.says)
			}
			want := `POST /threats/incident {"data":{"analystVerdict":"true_positive","incidentStatus":"resolved"},"filter":{"ids":["` + one + `"]}}`
			if s.sent[1] != want {
				t.Errorf("sent %s\nwant %s", s.sent[1], want)
			}
		})
	}
}
