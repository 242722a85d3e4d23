package defender

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

// script is Microsoft in memory, saying what it is told to: the replies that a
// well-behaved simulator never gives.
type script struct {
	replies map[string]string // "METHOD /path" -> "STATUS BODY"
	headers map[string]http.Header
	mu      sync.Mutex
	sent    []string // "METHOD /path BODY"
	last    *http.Request
}

const secretOfTests = "very~secret"

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	body := sourcetest.Body(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	key := r.Method + " " + strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/v1.0"), "/api")
	reply, ok := s.replies[key]
	switch {
	case strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token"):
		key = "token"
		if reply, ok = s.replies[key]; !ok {
			reply, ok = `200 {"access_token":"`+jwt(`{"tid":"T-1","appid":"app","app_displayname":"edrc","roles":["SecurityAlert.Read.All","Machine.Read.All"]}`)+`","expires_in":3599}`, true
		}
	default:
		s.sent = append(s.sent, key+" "+body)
		s.last = r
	}
	if !ok {
		reply = `404 {"error":{"code":"ResourceNotFound","message":"not found"}}`
	}
	resp := sourcetest.Reply(r, reply)
	for k, v := range s.headers[key] {
		resp.Header[k] = v
	}
	return resp, nil
}

// jwt is a token whose signature nobody checks.
func jwt(claims string) string {
	return "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

func scripted(t *testing.T, replies map[string]string) (*Client, *script) {
	t.Helper()
	s := &script{replies: replies}
	c, err := New(Options{TenantID: "contoso.example", ClientID: "app", ClientSecret: httpx.Literal(secretOfTests)},
		Env{Name: "mde-prod", HTTP: httpx.Config{Transport: s, Attempts: 1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, s
}

const (
	one      = "da637551227677560813_-961444813"
	hostID   = "73e7e2de709dff64ef64b1d0c30e67fab63279db"
	notePost = "POST /security/alerts_v2/" + one + "/comments"
)

func TestTheOutcomeOfANoteIsReadFromTheReply(t *testing.T) {
	for name, tc := range map[string]struct {
		reply string
		want  source.NoteOutcome
	}{
		"listed":            {`200 {"value":[{"comment":"older"},{"comment":"text"}]}`, source.NoteDone},
		"other line ends":   {`200 {"value":[{"comment":" text\r\n"}]}`, source.NoteDone},
		"201":               {`201 {"value":[{"comment":"text"}]}`, source.NoteDone},
		"not listed":        {`200 {"value":[{"comment":"older"}]}`, source.NoteUnknown},
		"empty":             {`200 {"value":[]}`, source.NoteUnknown},
		"accepted, no list": {`202 {}`, source.NoteUnknown},
		"no content":        {`204 `, source.NoteUnknown},
		"not JSON":          {`200 nonsense`, source.NoteUnknown},
		"a page":            {`200 <html>login</html>`, source.NoteUnknown},
		"400":               {`400 {"error":{"code":"BadRequest","message":"no"}}`, source.NoteRefused},
		"403":               {`403 {"error":{"code":"Forbidden","message":"no"}}`, source.NoteRefused},
		"404":               {`404 {"error":{"code":"NotFound","message":"no"}}`, source.NoteRefused},
		"401":               {`401 {}`, source.NoteNotSent},
		"429":               {`429 {}`, source.NoteNotSent},
		"408":               {`408 {}`, source.NoteUnknown},
		"409":               {`409 {}`, source.NoteUnknown},
		"500":               {`500 {}`, source.NoteUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := scripted(t, map[string]string{notePost: tc.reply})
			rs, err := c.AddNote(t.Context(), "text", alert.Handle{ID: one, Note: one})
			if err != nil || len(rs) != 1 || rs[0].Outcome != tc.want || (rs[0].Err == nil) != (tc.want == source.NoteDone) {
				t.Errorf("%+v, %v; want %q", rs, err, tc.want)
			}
			want := 1
			if name == "401" { // once more with a new token: it was not processed
				want = 2
			}
			if len(s.sent) != want {
				t.Errorf("sent %d times: %v", len(s.sent), s.sent)
			}
			if !strings.HasSuffix(s.sent[0], `{"@odata.type":"microsoft.graph.security.alertComment","comment":"text"}`) {
				t.Errorf("sent %s", s.sent[0])
			}
		})
	}
}

func TestANoteGoesToWhatTheHandleNames(t *testing.T) {
	c, s := scripted(t, map[string]string{
		"POST /security/incidents/28282/comments": `200 {"value":[{"comment":"text","createdBy":"a","createdTime":"2026-11-22T10:00:00Z"}]}`,
		"GET /security/incidents/28282":           `200 {"id":"28282","comments":[{"comment":"two","createdTime":"2026-11-22T11:00:00Z","createdBy":"b"},{"comment":"one","createdDateTime":"2026-11-22T10:00:00Z","createdByDisplayName":"a"}]}`,
	})
	rs, err := c.AddNote(t.Context(), "text", IncidentHandle("28282"))
	if err != nil || rs[0].Outcome != source.NoteDone {
		t.Fatalf("%+v, %v", rs, err)
	}
	var got []string
	for n, err := range c.Notes(t.Context(), IncidentHandle("28282")) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, n.Text+" by "+n.Author)
	}
	if strings.Join(got, ", ") != "one by a, two by b" {
		t.Errorf("read %q", got)
	}
	for _, h := range []alert.Handle{{ID: "x/../y"}, {ID: "a", Note: "incident/.."}, {ID: "incident/"}} {
		rs, err := c.AddNote(t.Context(), "text", h)
		if err != nil || rs[0].Outcome != source.NoteRefused {
			t.Errorf("%+v: %+v, %v", h, rs, err)
		}
	}
	if len(s.sent) != 2 {
		t.Errorf("sent %v", s.sent)
	}
}

func TestNotesThatAreNotToldAreNotNone(t *testing.T) {
	c, _ := scripted(t, map[string]string{"GET /security/alerts_v2/" + one: `200 {"id":"` + one + `"}`})
	for n, err := range c.Notes(t.Context(), alert.Handle{ID: one}) {
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("%+v, %v", n, err)
		}
	}
}

func TestRefusalsSayWhatIsMissing(t *testing.T) {
	list := "GET /security/alerts_v2"
	for name, tc := range map[string]struct {
		call, reply string
		kind        fault.Kind
		says        string // in message or hint
	}{
		"permission":    {"PATCH", `403 {"error":{"code":"Forbidden","message":"Missing application scopes."}}`, fault.Denied, "SecurityAlert.ReadWrite.All"},
		"has it":        {list, `403 {"error":{"code":"Forbidden","message":"no"}}`, fault.Denied, "has the permission SecurityAlert.Read.All"},
		"licence":       {list, `403 {"error":{"code":"Forbidden","message":"Tenant does not have a valid license."}}`, fault.Denied, "no licence"},
		"token":         {list, `401 {"error":{"code":"InvalidAuthenticationToken","message":"Invalid audience."}}`, fault.Auth, "mde-prod"},
		"gone":          {list, `410 {}`, fault.Unsupported, "MC1220762"},
		"segment":       {list, `400 {"error":{"code":"BadRequest","message":"Resource not found for the segment 'alerts_v2'."}}`, fault.Unsupported, "MC1220762"},
		"retired":       {"machine", `403 {"error":{"code":"Forbidden","message":"This API has been retired."}}`, fault.Unsupported, "MC1220762"},
		"404, no code":  {"machine", `404 `, fault.Unsupported, "MC1220762"},
		"404, code":     {"machine", `404 {"error":{"code":"ResourceNotFound","message":"Machine was not found"}}`, fault.NotFound, "Machine was not found"},
		"active":        {"isolate", `400 {"error":{"code":"ActiveRequestAlreadyExists","message":"Action is already in progress"}}`, fault.Conflict, "not accepted"},
		"no permission": {"isolate", `403 {"error":{"code":"Forbidden","message":"no"}}`, fault.Denied, "Machine.Isolate"},
		"platform":      {"isolate", `400 {"error":{"code":"OsPlatformNotSupported","message":"no"}}`, fault.Unsupported, "system"},
		"a page":        {"machine", `404 <html>sign in</html>`, fault.Unavailable, "proxy"},
		"a page, 403":   {list, `403 <html>sign in</html>`, fault.Unavailable, "proxy"},
		"throttled":     {list, `429 {"error":{"code":"TooManyRequests","message":"slow"}}`, fault.RateLimited, "slow"},
		"in doubt":      {"isolate", `500 {}`, fault.InDoubt, "look"},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := scripted(t, map[string]string{
				list: tc.reply, "GET /machines/" + hostID: tc.reply, "POST /machines/" + hostID + "/isolate": tc.reply,
				"GET /security/alerts_v2/" + one: `200 {"id":"` + one + `","status":"new"}`, "PATCH /security/alerts_v2/" + one: tc.reply,
			})
			var err error
			switch tc.call {
			case list:
				_, err = c.Streams(t.Context())
			case "machine":
				_, err = c.machine(t.Context(), "test", hostID)
			case "isolate":
				_, err = c.Isolate(t.Context(), alert.Host{ID: hostID}, source.Containment{})
			case "PATCH":
				_, err = c.Resolve(t.Context(), alert.Handle{ID: one}, alert.Resolution{Status: alert.StatusResolved})
			}
			e, ok := errors.AsType[*fault.Error](err)
			if !ok || e.Kind != tc.kind || !strings.Contains(e.Msg+e.Hint, tc.says) && !strings.Contains(e.Hint+e.Source, tc.says) {
				t.Errorf("%+v; want %s, %q", err, tc.kind, tc.says)
			}
		})
	}
}

func TestAReplyThatQuotesTheTokenDoesNotShowIt(t *testing.T) {
	token := jwt(`{"tid":"T-1","appid":"app"}`)
	c, _ := scripted(t, map[string]string{
		"token":                   `200 {"access_token":"` + token + `","expires_in":3599}`,
		"GET /security/alerts_v2": `403 {"error":{"code":"Forbidden","message":"Bearer ` + token + ` is not enough\u001b[31m"}}`,
	})
	_, err := c.Streams(t.Context())
	if err == nil || strings.Contains(err.Error(), token) || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("%v", err)
	}
}

func TestAPageIsNeverSilentlyShort(t *testing.T) {
	for name, reply := range map[string]string{
		"no value": `200 {"@odata.nextLink":"https://graph.microsoft.com/v1.0/x"}`, "null value": `200 {"value":null}`,
		"an error": `200 {"error":{"code":"x","message":"y"}}`, "empty body": `200 `, "not JSON": `200 [`,
	} {
		c, _ := scripted(t, map[string]string{"GET /security/alerts_v2": reply})
		if p, err := c.Page(t.Context(), source.Stream{Name: streamName}, source.Window{}, ""); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func TestOneBadAlertCostsOnlyItself(t *testing.T) {
	c, s := scripted(t, map[string]string{"GET /security/alerts_v2": `200 {"value":[{"id":"` + one + `","evidence":[7,{"@odata.type":"x"}]},7,{"title":"x"},[]]}`})
	p, err := c.Page(t.Context(), source.Stream{Name: streamName}, source.Window{}, "")
	if err != nil || len(p.Alerts) != 1 || len(p.Bad) != 3 || p.Next != "" {
		t.Fatalf("%+v, %v", p, err)
	}
	if s.last.Header.Get("Prefer") != "include-unknown-enum-members" || strings.Contains(s.last.URL.RawQuery, "+") {
		t.Errorf("headers %v, query %s", s.last.Header, s.last.URL.RawQuery)
	}
	if _, err := c.Page(t.Context(), source.Stream{Name: "other"}, source.Window{}, ""); !fault.Is(err, fault.Invalid) {
		t.Errorf("another stream: %v", err)
	}
}

func TestALinkToAnotherHostIsRefused(t *testing.T) {
	for _, link := range []string{
		"https://evil.example/v1.0/x", "http://graph.microsoft.com/v1.0/x", "https://graph.microsoft.com.evil.example/x", "https://u@graph.microsoft.com/x", "/v1.0/x", "::",
	} {
		c, s := scripted(t, map[string]string{"GET /machines": `200 {"value":[],"@odata.nextLink":` + strconv.Quote(link) + `}`})
		for h, err := range c.FindHosts(t.Context(), "desk*") {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: %v, %v", link, h, err)
			}
		}
		if len(s.sent) != 1 {
			t.Errorf("%s: sent %v", link, s.sent)
		}
	}
}

func TestAListThatLeadsToItselfEnds(t *testing.T) {
	link := "https://api.securitycenter.microsoft.com/api/machines?$skip=1"
	c, s := scripted(t, map[string]string{"GET /machines": `200 {"value":[],"@odata.nextLink":"` + link + `"}`})
	for h, err := range c.FindHosts(t.Context(), "desk*") {
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("%v, %v", h, err)
		}
	}
	if len(s.sent) != 2 {
		t.Errorf("sent %v", s.sent)
	}
}

func TestResolutionsAreVerified(t *testing.T) {
	const path = "/security/alerts_v2/" + one
	alertIs := func(status, class, det, who string) string {
		b, _ := json.Marshal(map[string]any{"id": one, "status": status, "classification": class, "determination": det, "assignedTo": who})
		return string(b)
	}
	all := alert.Resolution{Status: alert.StatusResolved, Verdict: "truePositive/malware", Assign: "ann@contoso.example"}
	for name, tc := range map[string]struct {
		patch, after string
		want         string // status verdict assign
		kind         fault.Kind
	}{
		"shown":       {"200 " + alertIs("resolved", "truePositive", "malware", "ann@contoso.example"), "", "done done done", ""},
		"no content":  {"204 ", alertIs("resolved", "truePositive", "malware", "Ann@contoso.example"), "done done done", ""},
		"half":        {"200 " + alertIs("resolved", "unknown", "unknown", "ann@contoso.example"), "", "done unknown done", fault.Conflict},
		"nothing":     {"204 ", alertIs("new", "", "", ""), "unknown unknown unknown", fault.Conflict},
		"lost answer": {"500 {}", alertIs("resolved", "truePositive", "malware", "ann@contoso.example"), "done done done", ""},
		"really lost": {"500 {}", alertIs("new", "", "", ""), "unknown unknown unknown", fault.Unavailable},
		"refused":     {`400 {"error":{"code":"BadRequest","message":"no"}}`, "", "unchanged unchanged unchanged", fault.Invalid},
		"denied":      {`403 {"error":{"code":"Forbidden","message":"no"}}`, "", "unchanged unchanged unchanged", fault.Denied},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := scripted(t, map[string]string{"GET " + path: "200 " + alertIs("new", "unknown", "unknown", ""), "PATCH " + path: tc.patch})
			if tc.after != "" {
				s.replies["GET "+path] = "200 " + alertIs("new", "unknown", "unknown", "")
				c.graph.http.Close()
				first := true
				wrapped := roundTrip(func(r *http.Request) (*http.Response, error) {
					if r.Method == http.MethodGet && !first {
						s.replies["GET "+path] = "200 " + tc.after
					}
					first = first && r.Method != http.MethodGet
					return s.RoundTrip(r)
				})
				c, _ = New(c.options, Env{Name: "mde-prod", HTTP: httpx.Config{Transport: wrapped, Attempts: 1}})
			}
			a, err := c.Resolve(t.Context(), alert.Handle{ID: one}, all)
			got := a.Fields[source.FieldStatus].Outcome + " " + a.Fields[source.FieldVerdict].Outcome + " " + a.Fields[source.FieldAssign].Outcome
			if got != tc.want || a.Fields[source.FieldStatus].Before != "new" || a.Fields[source.FieldVerdict].Before != "undefined" {
				t.Errorf("%s: %+v", got, a)
			}
			if tc.kind == "" && err != nil || tc.kind != "" && !fault.Is(err, tc.kind) {
				t.Errorf("%v, want %s", err, tc.kind)
			}
			want := `PATCH ` + path + ` {"assignedTo":"ann@contoso.example","classification":"truePositive","determination":"malware","status":"resolved"}`
			if s.sent[1] != want {
				t.Errorf("sent %s\nwant %s", s.sent[1], want)
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAnAlertWithoutAnIncidentTakesNoTags(t *testing.T) {
	c, s := scripted(t, map[string]string{"GET /security/alerts_v2/" + one: `200 {"id":"` + one + `","status":"new"}`})
	a, err := c.Resolve(context.Background(), alert.Handle{ID: one}, alert.Resolution{Tags: []string{"x"}})
	if !fault.Is(err, fault.Unsupported) || len(a.Fields) > 0 || len(s.sent) != 1 {
		t.Errorf("%+v, %v, sent %v", a, err, s.sent)
	}
}
