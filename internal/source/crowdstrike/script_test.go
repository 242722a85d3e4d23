package crowdstrike

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

// script is a cloud in memory that says what it is told to: the replies that a
// well-behaved simulator never gives.
type script struct {
	replies map[string]string // "METHOD /path" -> "STATUS BODY"; with a host before the path, of that host alone
	header  map[string]http.Header
	mu      sync.Mutex
	sent    []string // "METHOD /path BODY", without the token's
	forms   []string // "HOST FORM" of the token's
	asked   []*http.Request
}

const goodToken = `201 {"access_token":"jwt","token_type":"bearer","expires_in":1799}`

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	body := sourcetest.Body(r)
	key := r.Method + " " + r.URL.Path
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r)
	if r.URL.Path == "/oauth2/token" {
		s.forms = append(s.forms, r.URL.Host+" "+body)
	} else {
		s.sent = append(s.sent, strings.TrimSpace(key+" "+body))
	}
	reply, ok := s.replies[r.Method+" "+r.URL.Host+r.URL.Path]
	if ok {
		key = r.Method + " " + r.URL.Host + r.URL.Path
	} else if reply, ok = s.replies[key]; !ok {
		reply = `404 {"meta":{},"errors":[{"code":404,"message":"Not Found"}]}`
		if r.URL.Path == "/oauth2/token" {
			reply = goodToken
		}
	}
	resp := sourcetest.Reply(r, reply)
	for name, values := range s.header[key] {
		resp.Header[name] = values
	}
	return resp, nil
}

func scripted(t *testing.T, replies map[string]string) (*Client, *script) {
	t.Helper()
	return scriptedWith(t, Options{}, replies)
}

func scriptedWith(t *testing.T, o Options, replies map[string]string) (*Client, *script) {
	t.Helper()
	s := &script{replies: replies, header: map[string]http.Header{}}
	o.ClientID, o.ClientSecret = "client", httpx.Literal("the secret")
	c, err := New(o, Env{Name: "falcon", HTTP: httpx.Config{Transport: s, Attempts: 1, Sleep: sourcetest.NoSleep}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, s
}

const (
	one = "92012896127c4a948236ba7601b886b0:ind:2ce412d17b334ad4adc8c1c54dbfec4b:399748687993-5761-42627600"
	two = "92012896127c4a948236ba7601b886b0:ind:2ce412d17b334ad4adc8c1c54dbfec4b:399748687994-5761-42627601"
	aid = "2ce412d17b334ad4adc8c1c54dbfec4b"

	combinedPath = "POST /alerts/combined/alerts/v1"
	entitiesPath = "POST /alerts/entities/alerts/v2"
	patchPath    = "PATCH /alerts/entities/alerts/v3"
	devicesPath  = "POST /devices/entities/devices/v2"
	actionsPath  = "POST /devices/entities/devices-actions/v2"
)

func both() []alert.Handle { return []alert.Handle{{ID: one, Note: one}, {ID: two, Note: two}} }

func affected(n string, more string) string {
	return `{"meta":{"writes":{"resources_affected":` + n + `}}` + more + `}`
}

func TestTheOutcomeOfANoteIsReadFromTheReply(t *testing.T) {
	for name, tc := range map[string]struct {
		reply string
		want  source.NoteOutcome
	}{
		"all":                {"200 " + affected("2", `,"errors":[],"resources":[]`), source.NoteDone},
		"null errors":        {"200 " + affected("2", `,"errors":null`), source.NoteDone},
		"202":                {"202 " + affected("2", ""), source.NoteDone},
		"one of two":         {"200 " + affected("1", ""), source.NoteUnknown},
		"none, no reason":    {"200 " + affected("0", ""), source.NoteUnknown},
		"more":               {"200 " + affected("3", ""), source.NoteUnknown},
		"errors beside data": {"200 " + affected("2", `,"errors":[{"code":500,"message":"Oops"}]`), source.NoteUnknown},
		"one is missing":     {"200 " + affected("1", `,"errors":[{"code":404,"message":"alert not found"}]`), source.NoteUnknown},
		"all are missing":    {"200 " + affected("0", `,"errors":[{"code":404,"message":"alert not found"}]`), source.NoteRefused},
		"forbidden in a 200": {"200 " + affected("0", `,"errors":[{"code":403,"message":"access denied"}]`), source.NoteRefused},
		"error in a 200":     {"200 " + affected("0", `,"errors":[{"code":500,"message":"internal"}]`), source.NoteUnknown},
		"resources, empty":   {`200 {"meta":{},"resources":[]}`, source.NoteUnknown},
		"no count":           {`200 {"meta":{"writes":{}}}`, source.NoteUnknown},
		"not JSON":           {`200 nonsense`, source.NoteUnknown},
		"a page":             {`200 <html>login</html>`, source.NoteUnknown},
		"400":                {`400 {"errors":[{"code":400,"message":"invalid action value specified. must be less than 1024"}]}`, source.NoteRefused},
		"403":                {`403 {"errors":[{"code":403,"message":"access denied, authorization failed"}]}`, source.NoteRefused},
		"413":                {`413 {}`, source.NoteRefused},
		"401":                {`401 {"errors":[{"code":401,"message":"access denied, invalid bearer token"}]}`, source.NoteNotSent},
		"429":                {`429 {}`, source.NoteNotSent},
		"308":                {`308 {}`, source.NoteNotSent},
		"408":                {`408 {}`, source.NoteUnknown},
		"409":                {`409 {}`, source.NoteUnknown},
		"500":                {`500 {}`, source.NoteUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := scripted(t, map[string]string{patchPath: tc.reply})
			rs, err := c.AddNote(context.Background(), "text", both()...)
			if err != nil || len(rs) != 2 {
				t.Fatalf("%v, %v", rs, err)
			}
			for _, r := range rs {
				if r.Outcome != tc.want || (r.Err == nil) != (tc.want == source.NoteDone) {
					t.Errorf("%q (%v), want %q", r.Outcome, r.Err, tc.want)
				}
			}
			if most := map[bool]int{true: 2, false: 1}[name == "401"]; len(s.sent) > most {
				t.Errorf("sent %d times", len(s.sent))
			}
			want := patchPath + ` {"action_parameters":[{"name":"append_comment","value":"text"}],"composite_ids":["` + one + `","` + two + `"]}`
			if s.sent[0] != want {
				t.Errorf("sent %s\nwant %s", s.sent[0], want)
			}
		})
	}
}

func TestANoteThatHasNoTokenWasNotSent(t *testing.T) {
	for _, reply := range []string{
		`403 {"errors":[{"code":403,"message":"access denied, authorization failed"}]}`, `500 {"errors":[{"code":400,"message":"x"}]}`, `503 {}`, `400 {}`, `201 {}`,
	} {
		c, s := scripted(t, map[string]string{"POST /oauth2/token": reply})
		rs, err := c.AddNote(context.Background(), "text", both()...)
		if err != nil || rs[0].Outcome != source.NoteNotSent || len(s.sent) > 0 {
			t.Errorf("%s: %+v, %v, sent %v", reply, rs, err, s.sent)
		}
	}
}

func TestARefusedAPIClientIsNotTriedAgainAndItsSecretIsNotShown(t *testing.T) {
	c, s := scripted(t, map[string]string{"POST /oauth2/token": `403 {"errors":[{"code":403,"message":"no such client the secret"}]}`})
	for range 3 {
		_, err := c.Streams(context.Background())
		if !fault.Is(err, fault.Auth) || strings.Contains(err.Error(), "the secret") || !strings.Contains(err.Error(), "no such client") {
			t.Fatalf("%v", err)
		}
	}
	if len(s.forms) != 1 {
		t.Errorf("asked %d times for a token", len(s.forms))
	}
}

func TestOneTokenServesManyRequestsAndTheMemberIsNamed(t *testing.T) {
	member := strings.Repeat("ab", 16)
	c, s := scriptedWith(t, Options{MemberCID: strings.ToUpper(member) + "-0F"}, map[string]string{combinedPath: `200 {"meta":{"pagination":{}},"resources":[]}`})
	for range 3 {
		if _, err := c.Streams(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.forms) != 1 {
		t.Fatalf("%d tokens", len(s.forms))
	}
	_, form, _ := strings.Cut(s.forms[0], " ")
	q, err := url.ParseQuery(form)
	if err != nil || q.Get("member_cid") != member || q.Get("client_id") != "client" || q.Get("client_secret") != "the secret" {
		t.Errorf("form %v, %v", q, err)
	}
	if got, err := c.Tenant(context.Background()); got != member || err != nil {
		t.Errorf("tenant %q, %v", got, err)
	}
}

func TestA200ThatIsNoListIsNeverAnEmptyList(t *testing.T) {
	for name, reply := range map[string]string{
		"nothing": `200 {}`, "no meta": `200 {"resources":[]}`, "errors": `200 {"meta":{},"resources":[],"errors":[{"code":500,"message":"shard failed"}]}`,
		"not JSON": `200 x`, "a page": `200 <html></html>`, "errors alone": `200 {"meta":{},"resources":null,"errors":["boom"]}`,
		"the same page": `200 {"meta":{"pagination":{"after":"abc"}},"resources":[]}`,
	} {
		c, _ := scripted(t, map[string]string{combinedPath: reply})
		p, err := c.Page(context.Background(), source.Stream{Name: streamName}, source.Window{}, "abc")
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func TestOneBadAlertCostsOnlyItself(t *testing.T) {
	items := `{"composite_id":"` + one + `"},{"composite_id":"` + two + `","sha256":{"x":1}},7,{"id":"x","name":"y"},{"composite_id":"","id":"z"}`
	c, _ := scripted(t, map[string]string{combinedPath: `200 {"meta":{"pagination":{"after":"n"}},"errors":null,"resources":[` + items + `]}`})
	p, err := c.Page(context.Background(), source.Stream{Name: streamName}, source.Window{}, "")
	if err != nil || len(p.Alerts) != 2 || len(p.Bad) != 3 || p.Bad[1].ID != "x" || p.Next != "n" {
		t.Fatalf("%+v, %v", p, err)
	}
}

func TestAPageAsksForClosedWindowsInWholeMilliseconds(t *testing.T) {
	c, s := scripted(t, map[string]string{combinedPath: `200 {"meta":{"pagination":{}},"resources":null}`})
	from := stampOf(t, "2026-11-22T10:00:00.123456789Z")
	for _, by := range []source.Change{source.Created, source.Updated} {
		if _, err := c.Page(context.Background(), source.Stream{Name: streamName}, source.Window{By: by, From: from, To: from}, ""); err != nil {
			t.Fatal(err)
		}
	}
	for i, field := range []string{"created_timestamp", "updated_timestamp"} {
		want := combinedPath + ` {"filter":"` + field + `:\u003e='2026-11-22T10:00:00.123Z'+` + field + `:\u003c='2026-11-22T10:00:00.124Z'","limit":1000,"sort":"created_timestamp|asc"}`
		if s.sent[i] != want {
			t.Errorf("sent %s\nwant %s", s.sent[i], want)
		}
	}
}

func TestARetiredEndpointAndAMissingScopeAreNamed(t *testing.T) {
	for reply, want := range map[string]struct {
		kind fault.Kind
		hint string
	}{
		`404 {"errors":[{"code":404,"message":"decommissioned"}]}`: {fault.Unsupported, "retires"},
		`410 {}`: {fault.Unsupported, "retires"},
		`403 {"errors":[{"code":403,"message":"access denied, authorization failed"}]}`:           {fault.Denied, scopeAlertsRead},
		`200 {"meta":{},"errors":[{"code":403,"message":"access denied, authorization failed"}]}`: {fault.Denied, scopeAlertsRead},
	} {
		c, _ := scripted(t, map[string]string{combinedPath: reply})
		_, err := c.Streams(context.Background())
		e, ok := err.(*fault.Error)
		if !ok || e.Kind != want.kind || !strings.Contains(e.Hint, want.hint) {
			t.Errorf("%s: %+v", reply, e)
		}
	}
	// Alerts are not gone because an endpoint is.
	c, _ := scripted(t, map[string]string{})
	if got, err := c.Get(context.Background(), both()...); !fault.Is(err, fault.Unsupported) {
		t.Errorf("%v, %v", got, err)
	}
}
