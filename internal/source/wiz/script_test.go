package wiz

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

// script is an API in memory that says what it is told to: the replies that a
// well-behaved simulator never gives.
type script struct {
	mu      sync.Mutex
	replies map[string][]string // field at the top, or "token" -> "STATUS BODY", one after the other; the last stays
	sent    []sent
	forms   []url.Values
	headers []http.Header
}

// sent is one GraphQL request.
type sent struct {
	field     string
	Query     string         `json:"query"`
	Variables map[string]any `json:"variables"`
}

const goodToken = `200 {"access_token":"jwt","token_type":"Bearer","expires_in":3600}`

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	body := sourcetest.Body(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	key := "token"
	if strings.HasSuffix(r.URL.Path, "/graphql") {
		var one sent
		if err := json.Unmarshal([]byte(body), &one); err != nil {
			return nil, err
		}
		one.field = topField(one.Query)
		s.sent, s.headers = append(s.sent, one), append(s.headers, r.Header.Clone())
		key = one.field
	} else {
		form, _ := url.ParseQuery(body)
		s.forms = append(s.forms, form)
	}
	reply := `200 {"data":{}}`
	if key == "token" {
		reply = goodToken
	}
	if all := s.replies[key]; len(all) > 0 {
		if reply = all[0]; len(all) > 1 {
			s.replies[key] = all[1:]
		}
	}
	return sourcetest.Reply(r, reply), nil
}

// topField is the first field of a document, as it will be called in the reply.
func topField(query string) string {
	_, rest, _ := strings.Cut(query, "{")
	name, _, _ := strings.Cut(strings.TrimSpace(rest), "(")
	name, _, _ = strings.Cut(name, ":")
	return name
}

func (s *script) count(field string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, one := range s.sent {
		if one.field == field {
			n++
		}
	}
	return n
}

func scripted(t *testing.T, replies map[string]string) (*Client, *script) {
	t.Helper()
	s := &script{replies: map[string][]string{}}
	for key, reply := range replies {
		s.replies[key] = strings.Split(reply, "\n")
	}
	o := Options{URL: "https://api.us1.app.wiz.io", ClientID: "client", ClientSecret: httpx.Literal("the secret")}
	c, err := New(o, Env{Name: "wiz", HTTP: httpx.Config{Transport: s, Attempts: 1, Sleep: sourcetest.NoSleep}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, s
}

const (
	threatID = "fff9cffd-64a7-412c-9535-cf837f4b0b40"
	matchID  = "edb74e2d-e1bd-49a6-bcd7-ec6b2f5e4980"
	noteID   = "a52184e4-4f61-418b-924e-3e144cd9cd32"
)

func onThreat() alert.Handle { return alert.Handle{ID: matchID, Note: threatID, Group: threatID} }

func failed(code, message string) string {
	return fmt.Sprintf(`200 {"data":null,"errors":[{"message":%q,"extensions":{"code":%q}}]}`, message, code)
}

const denied = "access denied, at least one of the following is required: [x]"

func TestTheOutcomeOfANoteIsReadFromTheReply(t *testing.T) {
	const written = `"data":{"createIssueNote":{"issueNote":{"createdAt":"2025-08-01T11:13:46.433236812Z","id":"` + noteID + `","text":"text"}}}`
	for name, tc := range map[string]struct {
		reply string
		want  source.NoteOutcome
		kind  fault.Kind
	}{
		"written":            {"200 {" + written + "}", source.NoteDone, ""},
		"null errors":        {"200 {" + written + `,"errors":null}`, source.NoteDone, ""},
		"errors beside data": {"200 {" + written + `,"errors":[{"message":"boom"}]}`, source.NoteUnknown, fault.InDoubt},
		"refused, and data":  {"200 {" + written + `,"errors":[{"message":"` + denied + `","extensions":{"code":"FORBIDDEN"}}]}`, source.NoteUnknown, fault.InDoubt},
		"null":               {`200 {"data":{"createIssueNote":null}}`, source.NoteUnknown, fault.InDoubt},
		"no id":              {`200 {"data":{"createIssueNote":{"issueNote":{"text":"text"}}}}`, source.NoteUnknown, fault.InDoubt},
		"odd":                {`200 {"data":{"createIssueNote":7}}`, source.NoteUnknown, fault.InDoubt},
		"empty":              {`200 {}`, source.NoteUnknown, fault.InDoubt},
		"not JSON":           {`200 nonsense`, source.NoteUnknown, fault.InDoubt},
		"a page":             {`200 <html>login</html>`, source.NoteUnknown, fault.InDoubt},
		"no such issue":      {failed("BAD_USER_INPUT", "issueId must be a valid service issue id"), source.NoteRefused, fault.NotFound},
		"bad input":          {failed("BAD_USER_INPUT", "text is too long"), source.NoteRefused, fault.Invalid},
		"forbidden":          {failed("FORBIDDEN", denied), source.NoteRefused, fault.Denied},
		"unauthorized scope": {failed("UNAUTHORIZED", denied), source.NoteRefused, fault.Denied},
		"schema":             {failed("GRAPHQL_VALIDATION_FAILED", `Cannot query field "createIssueNote" on type "Mutation".`), source.NoteRefused, fault.Unsupported},
		"internal":           {failed("INTERNAL_SERVER_ERROR", "oops"), source.NoteUnknown, fault.InDoubt},
		"unknown code":       {failed("WHATEVER", "oops"), source.NoteUnknown, fault.InDoubt},
		"no code":            {`200 {"errors":["boom"]}`, source.NoteUnknown, fault.InDoubt},
		"unauthenticated":    {failed("UNAUTHENTICATED", "no"), source.NoteNotSent, fault.Auth},
		"throttled":          {failed("RATE_LIMIT_EXCEEDED", "slow down"), source.NoteNotSent, fault.RateLimited},
		"401":                {`401 {}`, source.NoteNotSent, fault.Auth},
		"429":                {`429 {}`, source.NoteNotSent, fault.RateLimited},
		"308":                {`308 {}`, source.NoteNotSent, ""},
		"400":                {`400 {"errors":[{"message":"bad"}]}`, source.NoteRefused, fault.Invalid},
		"403":                {`403 {"errors":[{"message":"` + denied + `"}]}`, source.NoteRefused, fault.Denied},
		"404":                {`404 not found`, source.NoteRefused, fault.Unsupported},
		"408":                {`408 {}`, source.NoteUnknown, ""},
		"409":                {`409 {}`, source.NoteUnknown, ""},
		"500":                {`500 {}`, source.NoteUnknown, fault.InDoubt},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := scripted(t, map[string]string{"createIssueNote": tc.reply})
			rs, err := c.AddNote(context.Background(), "text", onThreat())
			if err != nil || len(rs) != 1 {
				t.Fatalf("%v, %v", rs, err)
			}
			r := rs[0]
			if r.Outcome != tc.want || (r.Err == nil) != (tc.want == source.NoteDone) || tc.kind != "" && !fault.Is(r.Err, tc.kind) {
				t.Errorf("%q (%v), want %q", r.Outcome, r.Err, tc.want)
			}
			if tc.want == source.NoteDone && r.NoteID != noteID {
				t.Errorf("note id %q", r.NoteID)
			}
			most := 1
			if name == "401" || name == "unauthenticated" {
				most = 2 // once more with a new token
			}
			if n := s.count("createIssueNote"); n != most {
				t.Errorf("sent %d times, want %d", n, most)
			}
		})
	}
}

func TestANoteThatHasNoTokenWasNotSent(t *testing.T) {
	for _, reply := range []string{`401 {"error":"access_denied"}`, `500 {}`, `503 {}`, `400 {}`, `200 {}`, `404 {}`, `200 {"access_token":"a b"}`} {
		c, s := scripted(t, map[string]string{"token": reply})
		rs, err := c.AddNote(context.Background(), "text", onThreat())
		if err != nil || rs[0].Outcome != source.NoteNotSent || len(s.sent) > 0 {
			t.Errorf("%s: %+v, %v, sent %v", reply, rs, err, s.sent)
		}
	}
}

func TestADetectionWithoutAThreatIsNeitherAnnotatedNorClosed(t *testing.T) {
	c, s := scripted(t, nil)
	h := alert.Handle{ID: matchID}
	rs, err := c.AddNote(context.Background(), "text", h)
	if err != nil || rs[0].Outcome != source.NoteRefused || !fault.Is(rs[0].Err, fault.Unsupported) {
		t.Errorf("%+v, %v", rs, err)
	}
	for _, err := range c.Notes(context.Background(), h) {
		if !fault.Is(err, fault.Unsupported) {
			t.Errorf("notes: %v", err)
		}
	}
	if _, err := c.Resolve(context.Background(), h, alert.Resolution{Status: alert.StatusNew}); !fault.Is(err, fault.Unsupported) {
		t.Errorf("resolve: %v", err)
	}
	if has, err := c.ProbeNotes(context.Background(), h); err != nil || len(has) > 0 {
		t.Errorf("probe: %v, %v", has, err)
	}
	if len(s.sent) > 0 {
		t.Errorf("sent %v", s.sent)
	}
}

func TestA200ThatIsNoListIsNeverAnEmptyList(t *testing.T) {
	for name, reply := range map[string]string{
		"nothing": `200 {}`, "null": `200 {"data":{"detections":null}}`, "no nodes": `200 {"data":{"detections":{"pageInfo":{"hasNextPage":false}}}}`,
		"no pageInfo": `200 {"data":{"detections":{"nodes":[]}}}`, "errors alone": `200 {"errors":[{"message":"x"}]}`,
		"errors beside data": `200 {"data":{"detections":{"nodes":[],"pageInfo":{"hasNextPage":false}}},"errors":[{"message":"shard failed"}]}`,
		"odd errors":         `200 {"data":{"detections":{"nodes":[],"pageInfo":{"hasNextPage":false}}},"errors":"boom"}`,
		"no cursor":          `200 {"data":{"detections":{"nodes":[],"pageInfo":{"hasNextPage":true,"endCursor":null}}}}`,
		"the same page":      `200 {"data":{"detections":{"nodes":[],"pageInfo":{"hasNextPage":true,"endCursor":"abc"}}}}`,
		"nodes":              `200 {"data":{"detections":{"nodes":7,"pageInfo":{"hasNextPage":false}}}}`, "not JSON": `200 x`, "a page": `200 <html></html>`,
	} {
		c, _ := scripted(t, map[string]string{"detections": reply})
		var got error
		for _, err := range c.List(context.Background(), alert.Query{}) {
			got = err
		}
		if !fault.Is(got, fault.Unavailable) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestOneNodeThatCannotBeReadCostsOnlyItself(t *testing.T) {
	c, _ := scripted(t, map[string]string{"detections": `200 {"data":{"detections":{"nodes":[null,{"id":""},7,{"id":"` + matchID + `","severity":{}}],"pageInfo":{"hasNextPage":false}}}}`})
	p, err := c.Page(context.Background(), source.Stream{Name: streamDetections}, source.Window{By: source.Created, From: time.Unix(1e9, 0), To: time.Unix(2e9, 0)}, "")
	if err != nil || len(p.Alerts) != 1 || len(p.Bad) != 3 || p.Alerts[0].ID != matchID {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestWhatTheAPIDoesNotOfferIsSaidWithAWayOut(t *testing.T) {
	for name, tc := range map[string]struct {
		replies map[string]string
		kind    fault.Kind
		words   []string
	}{
		"a retired field":          {map[string]string{"detections": failed("GRAPHQL_VALIDATION_FAILED", `Cannot query field "origins" on type "Detection".`)}, fault.Unsupported, []string{"origins", "newer edrc"}},
		"a retired endpoint":       {map[string]string{"detections": `404 gone`}, fault.Unsupported, []string{"/graphql"}},
		"a retired token endpoint": {map[string]string{"token": `404 gone`}, fault.Unsupported, []string{"auth_url", "auth.app.wiz.io"}},
		"a scope, 403":             {map[string]string{"detections": `403 {"errors":[{"message":"` + denied + `"}]}`}, fault.Denied, []string{scopeDetections, licenceDefend, "[x]", "source wiz"}},
		"a scope, in a 200":        {map[string]string{"detections": failed("FORBIDDEN", denied)}, fault.Denied, []string{scopeDetections, licenceDefend, "[x]"}},
		"a licence":                {map[string]string{"detections": failed("FORBIDDEN", "this feature is not enabled by your license")}, fault.Denied, []string{licenceDefend, "license"}},
		"hostile words":            {map[string]string{"detections": `400 {"errors":[{"message":"a\u001b[31mb\u202ec"}]}`}, fault.Invalid, []string{"a"}},
	} {
		c, _ := scripted(t, tc.replies)
		_, err := c.Streams(context.Background())
		e, ok := err.(*fault.Error)
		if !ok || e.Kind != tc.kind || strings.ContainsAny(e.Error()+e.Hint, "\x1b\u202e") {
			t.Errorf("%s: %+v", name, err)
			continue
		}
		for _, word := range tc.words {
			if !strings.Contains(e.Error()+" "+e.Hint, word) {
				t.Errorf("%s: %q, %q do not say %q", name, e.Error(), e.Hint, word)
			}
		}
	}
}
