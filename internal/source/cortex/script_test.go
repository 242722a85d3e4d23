package cortex

import (
	"context"
	"encoding/json"
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

// script is a tenant in memory that says what it is told to: the replies that a
// well-behaved simulator never gives. A path may have several, one after the other.
type script struct {
	replies map[string][]string // path below /public_api/ -> "STATUS BODY"
	nodate  bool
	mu      sync.Mutex
	sent    []string // "path BODY"
	asked   []*http.Request
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	body := sourcetest.Body(r)
	path := strings.TrimPrefix(r.URL.Path, "/public_api/")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r)
	s.sent = append(s.sent, path+" "+body)
	reply := `404 {"reply":{"err_code":404,"err_msg":"Not found","err_extra":null}}`
	if rs := s.replies[path]; len(rs) > 0 {
		if reply = rs[0]; len(rs) > 1 {
			s.replies[path] = rs[1:]
		}
	}
	resp := sourcetest.Reply(r, reply)
	if s.nodate {
		resp.Header.Del("Date")
	}
	return resp, nil
}

func scripted(t *testing.T, replies map[string][]string) (*Client, *script) {
	t.Helper()
	return scriptedAs(t, Options{Version: version3}, replies)
}

func scriptedAs(t *testing.T, o Options, replies map[string][]string) (*Client, *script) {
	t.Helper()
	s := &script{replies: replies}
	if o.URL == "" {
		o.URL = "acme.xdr.us.paloaltonetworks.com"
	}
	o.KeyID, o.Key = "7", httpx.Literal("the secret key of nobody")
	c, err := New(o, Env{Name: "cortex", HTTP: httpx.Config{Transport: s, Attempts: 1, Sleep: sourcetest.NoSleep}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, s
}

const (
	alertsCall    = "v2/alerts/get_alerts_multi_events"
	extraCall     = "v1/incidents/get_incident_extra_data"
	incidentsCall = "v1/incidents/get_incidents"
	updateCall    = "v1/incidents/update_incident"
	endpointCall  = "v1/endpoints/get_endpoint"
	isolateCall   = "v1/endpoints/isolate"
	statusCall    = "v1/actions/get_action_status"
	aid           = "5c1f0a7be0a94c0e8d6f0c9a1e2b3d4f"
)

func handle() alert.Handle {
	return alert.Handle{ID: "104173821", Note: "893", Group: "893", Locator: locator(surfaceAlert)}
}

func issueHandle() alert.Handle {
	return alert.Handle{ID: "555", Note: "893", Group: "893", Locator: locator(surfaceIssue)}
}

func alertReply(fields string) string {
	return `200 {"reply":{"total_count":1,"result_count":1,"alerts":[{"alert_id":104173821,"case_id":893,"endpoint_id":"` + aid + `","local_insert_ts":1795348800000` + fields + `}]}}`
}

func readyTicket() source.Ticket {
	return source.Ticket{Handle: handle(), Data: json.RawMessage(`{"endpoint":"` + aid + `","action":"123","ready":true}`)}
}

func endpointIs(isolated string) string {
	return `200 {"reply":{"result_count":1,"endpoints":[{"endpoint_id":"` + aid + `","endpoint_name":"WS-1","endpoint_status":"CONNECTED","os_type":"AGENT_OS_WINDOWS","is_isolated":"` + isolated + `"}]}}`
}

func TestTheOutcomeOfANoteIsReadFromTheReply(t *testing.T) {
	for reply, want := range map[string]source.NoteOutcome{
		`200 {"reply":true}`:  source.NoteDone,
		`200 {"reply":false}`: source.NoteUnknown,
		`200 {"reply":null}`:  source.NoteUnknown,
		`200 {}`:              source.NoteUnknown,
		`200 `:                source.NoteUnknown,
		`200 {"reply":{"err_code":403,"err_msg":"x"}}`:         source.NoteRefused,
		`200 {"reply":{"err_code":500,"err_msg":"x"}}`:         source.NoteUnknown,
		`400 {"reply":{"err_code":400,"err_msg":"too long"}}`:  source.NoteRefused,
		`402 {"reply":{"err_code":402,"err_msg":"license"}}`:   source.NoteRefused,
		`403 {"reply":{"err_code":403,"err_msg":"forbidden"}}`: source.NoteRefused,
		`404 {"reply":{"err_code":404,"err_msg":"no such"}}`:   source.NoteRefused,
		`401 {}`: source.NoteNotSent,
		`429 {}`: source.NoteNotSent,
		`409 {}`: source.NoteUnknown,
		`500 {"reply":{"err_code":500,"err_msg":"unified status"}}`: source.NoteUnknown,
		`503 {}`: source.NoteUnknown,
		`307 {}`: source.NoteNotSent,
	} {
		c, s := scripted(t, map[string][]string{updateCall: {reply}})
		rs, err := c.AddNote(context.Background(), "x", handle())
		if err != nil || len(rs) != 1 || rs[0].Outcome != want || (rs[0].Err == nil) != (want == source.NoteDone) {
			t.Errorf("%s: %+v, %v; want %s", reply, rs, err, want)
		}
		if len(s.sent) != 1 {
			t.Errorf("%s: sent %d times", reply, len(s.sent))
		}
	}
}

func TestAnAlertWithoutAnIncidentCannotBeAnnotated(t *testing.T) {
	c, s := scripted(t, nil)
	for _, h := range []alert.Handle{{ID: "1"}, {ID: "1", Note: "../x"}} {
		rs, err := c.AddNote(context.Background(), "x", h)
		if err != nil || rs[0].Outcome != source.NoteRefused || !fault.Is(rs[0].Err, fault.Unsupported) {
			t.Errorf("%+v, %v", rs, err)
		}
	}
	for n, err := range c.Notes(context.Background(), alert.Handle{ID: "1"}) {
		t.Errorf("%v, %v", n, err)
	}
	if len(s.sent) > 0 {
		t.Errorf("sent %v", s.sent)
	}
}

func TestAnAnswerThatIsNoListIsNeverAnEmptyOne(t *testing.T) {
	for reply, want := range map[string]fault.Kind{
		`200 {"reply":[{"total_count":null,"result_count":null,"alerts":[]}]}`: fault.Unavailable,
		`200 {"reply":{"total_count":0}}`:                                      fault.Unavailable,
		`200 {"reply":{"alerts":"none"}}`:                                      fault.Unavailable,
		`200 {"reply":true}`:                                                   fault.Unavailable,
		`200 {}`:                                                               fault.Unavailable,
		`200 []`:                                                               fault.Unavailable,
		`200 not json`:                                                         fault.Unavailable,
		`200 {"reply":{"err_code":"403","err_msg":"no"}}`:                      fault.Denied,
		`200 {"reply":{"err_code":500,"err_msg":"no"}}`:                        fault.Unavailable,
		`200 {"err_code":400,"err_msg":"no"}`:                                  fault.Invalid,
		`200 {"reply":{"total_count":null,"result_count":null,"alerts":[]}}`: "none",
		`200 {"reply":{"total_count":null,"alerts":null}}`:                   "none",
	} {
		c, _ := scripted(t, map[string][]string{alertsCall: {reply}})
		got, err := c.Get(context.Background(), handle())
		if want == "none" && (err != nil || len(got) > 0) || want != "none" && !fault.Is(err, want) {
			t.Errorf("%s: %v, %v; want %s", reply, got, err, want)
		}
	}
}

func TestOurClockIsNoSubstituteForTheTenants(t *testing.T) {
	c, s := scripted(t, map[string][]string{alertsCall: {`200 {"reply":{"alerts":[]}}`}})
	s.nodate = true
	if st, err := c.Streams(context.Background()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v, %v", st, err)
	}
	if _, err := c.Page(context.Background(), source.Stream{Name: "other"}, source.Window{}, ""); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

func TestTheGenerationIsConfiguredOrAskedForOnce(t *testing.T) {
	for reply, want := range map[string]string{
		`200 {"reply":{"TOTAL_COUNT":0,"FILTER_COUNT":0,"DATA":[]}}`: streamIssues,
		`404 {}`: streamAlerts, `403 {}`: streamAlerts, `402 {}`: streamAlerts,
		`500 {}`: "", `401 {}`: "", `200 {"reply":{}}`: "", `200 {"reply":[]}`: "",
	} {
		c, s := scriptedAs(t, Options{}, map[string][]string{"v1/case/search": {reply},
			alertsCall: {`200 {"reply":{"alerts":[]}}`}, "v1/issue/search": {`200 {"reply":{"DATA":[]}}`}})
		for range 2 {
			st, err := c.Streams(context.Background())
			if (err == nil) != (want != "") || err == nil && st[0].Name != want {
				t.Errorf("%s: %v, %v", reply, st, err)
			}
		}
		if want != "" && len(s.sent) != 3 {
			t.Errorf("%s: %d requests", reply, len(s.sent))
		}
	}
	for version, call := range map[string]string{version3: alertsCall, version5: "v1/issue/search"} {
		c, s := scriptedAs(t, Options{Version: version}, nil)
		_, _ = c.Streams(context.Background())
		if len(s.sent) != 1 || !strings.HasPrefix(s.sent[0], call+" ") {
			t.Errorf("%s: %v", version, s.sent)
		}
	}
}

func TestARetiredCallALicenceAndAPermissionAreNamed(t *testing.T) {
	for reply, want := range map[string]struct {
		kind fault.Kind
		hint string
	}{
		`404 {"reply":{"err_code":404,"err_msg":"Not found"}}`: {fault.Unsupported, "version: 3 or 5"},
		`410 {}`: {fault.Unsupported, "version: 3 or 5"},
		`402 {"reply":{"err_code":402,"err_msg":"no license"}}`:         {fault.Denied, "licence"},
		`200 {"reply":{"err_code":402,"err_msg":"no license"}}`:         {fault.Denied, "licence"},
		`403 {"reply":{"err_code":403,"err_msg":"RBAC"}}`:               {fault.Denied, permAlerts},
		`401 {"reply":{"err_code":401,"err_msg":"\tUnauthorized key"}}`: {fault.Auth, "an advanced key"},
	} {
		c, _ := scripted(t, map[string][]string{alertsCall: {reply}})
		_, err := c.Streams(context.Background())
		e, ok := errors.AsType[*fault.Error](err)
		if !ok || e.Kind != want.kind || !strings.Contains(e.Hint, want.hint) {
			t.Errorf("%s: %+v", reply, e)
		}
	}
	c, _ := scripted(t, map[string][]string{endpointCall: {endpointIs("AGENT_UNISOLATED")}, isolateCall: {`402 {}`}})
	_, err := c.Isolate(context.Background(), alert.Host{ID: aid}, source.Containment{})
	if e, ok := errors.AsType[*fault.Error](err); !ok || e.Kind != fault.Denied || !strings.Contains(e.Hint, licenceEndpoint) {
		t.Errorf("%+v", err)
	}
}

func TestErrorsAreReadWhateverTheirForm(t *testing.T) {
	for body, want := range map[string]string{
		`{"reply":{"err_code":401,"err_msg":"no","err_extra":"because"}}`:                                          "no (because)",
		`{"reply":{"err_code":"500","err_msg":"no","err_extra":null}}`:                                             "no",
		`{"reply":{"err_code":400,"err_msg":"no","err_extra":[{"type":"x","loc":["a","b",1],"msg":"bad"},"odd"]}}`: "no (a.b.1: bad; odd)",
		`{"err_code":1,"err_msg":"root","metadata":{}}`:                                                            "root",
		`{"data":{"err_msg":"inside","metadata":[]}}`:                                                              "inside",
		`{"errorCode":"400","message":"gateway","details":"more"}`:                                                 "gateway (more)",
		`{"code":422,"status":"x","message":"unfit","errors":["one"]}`:                                             "unfit (one)",
		`[]`: "", `7`: "", `{"reply":7}`: "", `{"reply":{"err_extra":{}}}`: "",
	} {
		if got := decodeError(400, []byte(body)); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

func TestNotesAreReadAsTheyComeOrNotAtAll(t *testing.T) {
	for incident, want := range map[string][]string{
		`{"incident_id":"893"}`:                  nil,
		`{"incident_id":893,"comments":null}`:    nil,
		`{"incident_id":"893","comments":"odd"}`: nil,
		`{"incident_id":"893","comments":[{"comment_id":"2","value":"b","created_time":2000000000000},{"comment_id":1,"value":"a","created_time":1000000000000},7]}`: {"a", "b"},
	} {
		c, _ := scripted(t, map[string][]string{extraCall: {`200 {"reply":{"incident":` + incident + `}}`}})
		var got []string
		for n, err := range c.Notes(context.Background(), handle()) {
			if err != nil {
				t.Fatalf("%s: %v", incident, err)
			}
			got = append(got, n.Text)
		}
		if strings.Join(got, ",") != strings.Join(want, ",") {
			t.Errorf("%s: %q", incident, got)
		}
	}
	for _, reply := range []string{`200 {"reply":{"incident":null}}`, `200 {"reply":{"incident":{"incident_id":"894"}}}`, `404 {}`} {
		c, _ := scripted(t, map[string][]string{extraCall: {reply}})
		for _, err := range c.Notes(context.Background(), handle()) {
			if !fault.Is(err, fault.NotFound) {
				t.Errorf("%s: %v", reply, err)
			}
		}
	}
}
