package crowdstrike

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/lab/world"
	"edrc/internal/sample"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

// request asks for the file of an alert of the lab.
func request(t *testing.T, c *Client, id string, endpoint bool) source.FetchRequest {
	t.Helper()
	got, err := c.Get(context.Background(), alert.Handle{ID: id})
	if err != nil || len(got) != 1 || len(got[0].Files) == 0 {
		t.Fatalf("%v, %v", got, err)
	}
	return source.FetchRequest{Handle: got[0].Handle, File: got[0].Files[0], Attempt: 1, Password: "unused", Endpoint: endpoint}
}

func TestACopyInTheCloudComesFirstAndTouchesNoEndpoint(t *testing.T) {
	v := newVendor(t, world.Options{})
	c := v.client(t, time.Minute)
	ctx := context.Background()
	for _, endpoint := range []bool{true, false} {
		r := request(t, c, v.falcon.AddAbout(cloudFile, false), endpoint)
		step, err := c.StartFetch(ctx, r)
		if err != nil || step.State != source.FetchReady {
			t.Fatalf("%+v, %v", step, err)
		}
		if step, err = c.PollFetch(ctx, step.Ticket); err != nil || step.State != source.FetchReady {
			t.Fatalf("%+v, %v", step, err)
		}
		a, err := c.OpenFetch(ctx, step.Ticket, r.Password, sourcetest.Spool(t))
		if err != nil {
			t.Fatal(err)
		}
		contents, err := sample.Inspect(ctx, a, sample.DefaultLimits(), r.File.Hashes)
		if err != nil || contents.Hashes.SHA256 != r.File.SHA256 || a.Format() != sample.Zip {
			t.Errorf("%+v, %v", contents, err)
		}
		_ = a.Close()
		v.Control(t, "sample", map[string]any{"sha256": r.File.SHA256, "held": false})
		if a, err := c.OpenFetch(ctx, step.Ticket, "", sourcetest.Spool(t)); !fault.Is(err, fault.Gone) {
			t.Errorf("a copy that is gone: %v, %v", a, err)
		}
		v.Control(t, "sample", map[string]any{"sha256": r.File.SHA256, "held": true})
	}
	if n := v.falcon.State().Fetches; n > 0 {
		t.Errorf("the endpoint was asked %d times", n)
	}
}

func TestAnEndpointIsOnlyAskedWhereThatIsAllowed(t *testing.T) {
	v := newVendor(t, world.Options{})
	c := v.client(t, time.Minute)
	r := request(t, c, v.falcon.AddAbout(endpointFile, true), false)
	step, err := c.StartFetch(context.Background(), r)
	if err != nil || step.State != source.FetchNone || !strings.Contains(step.Reason, "endpoint") || v.falcon.State().Fetches > 0 {
		t.Errorf("%+v, %v", step, err)
	}
	r.File.Hashes = alert.Hashes{MD5: r.File.MD5}
	if step, err = c.StartFetch(context.Background(), r); err != nil || step.State != source.FetchNone || !strings.Contains(step.Reason, "SHA-256") {
		t.Errorf("%+v, %v", step, err)
	}
}

func TestWhatWasQuarantinedAMomentAgoIsWaitedFor(t *testing.T) {
	v := newVendor(t, world.Options{})
	c := v.client(t, time.Minute)
	r := request(t, c, v.falcon.AddAbout(cloudFile, true), false)
	held := func(yes bool) {
		v.Control(t, "sample", map[string]any{"sha256": r.File.SHA256, "held": yes})
	}
	held(false)
	step, err := c.StartFetch(context.Background(), r)
	for range 2 {
		if err != nil || step.State != source.FetchPending || step.Retry != uploadRetry || step.Ticket.Started.IsZero() {
			t.Fatalf("%+v, %v", step, err)
		}
		if _, err := c.OpenFetch(context.Background(), step.Ticket, "", sourcetest.Spool(t)); err == nil {
			t.Error("opened what is not there")
		}
		step, err = c.PollFetch(context.Background(), step.Ticket)
	}
	held(true)
	if step, err = c.PollFetch(context.Background(), step.Ticket); err != nil || step.State != source.FetchReady {
		t.Errorf("%+v, %v", step, err)
	}
	// Without the scope the quarantine is not asked, and there is no file.
	held(false)
	v.Control(t, "scope", map[string]any{"scope": scopeQuarantine, "missing": true})
	if step, err = c.StartFetch(context.Background(), r); err != nil || step.State != source.FetchNone {
		t.Errorf("%+v, %v", step, err)
	}
}

// rtrScript is an endpoint that does what a test says.
func rtrScript(command, files string) map[string]string {
	return map[string]string{
		entitiesPath:                                                    alertIs(`,"device":{"device_id":"` + aid + `","hostname":"WS-1"}`),
		"GET /devices/entities/online-state/v1":                         `200 {"resources":[{"id":"` + aid + `","state":"online"}]}`,
		"POST /real-time-response/entities/sessions/v1":                 `201 {"resources":[{"session_id":"s1"}]}`,
		"POST /real-time-response/entities/active-responder-command/v1": `201 {"resources":[{"cloud_request_id":"r1"}]}`,
		"POST /real-time-response/entities/refresh-session/v1":          `201 {"resources":[]}`,
		"GET /real-time-response/entities/active-responder-command/v1":  command,
		"GET /real-time-response/entities/file/v2":                      files,
	}
}

const devicePath = `\Device\HarddiskVolume3\Users\a b\x.exe`

func TestTheFateOfACommandIsReadFromTheReply(t *testing.T) {
	sha := strings.Repeat("ab", 32)
	file := func(fields string) string {
		return `200 {"meta":{},"resources":[{"cloud_request_id":"other","sha256":"` + sha + `","complete":true},{"cloud_request_id":"r1","sha256":"` + sha + `"` + fields + `}]}`
	}
	const done = `200 {"resources":[{"complete":true,"stdout":"x","stderr":""}]}`
	for name, tc := range map[string]struct {
		command, files string
		want           source.FetchState
		reason         string
	}{
		"running":         {`200 {"resources":[{"complete":false}]}`, "", source.FetchPending, ""},
		"nothing yet":     {`200 {"resources":[]}`, "", source.FetchPending, ""},
		"uploading":       {done, file(`,"complete":false`), source.FetchPending, ""},
		"not listed":      {done, `200 {"resources":[]}`, source.FetchPending, ""},
		"ready":           {done, file(`,"complete":true,"name":"x.exe"`), source.FetchReady, ""},
		"upload failed":   {done, file(`,"complete":false,"error_message":"disk\u001b[31m full"`), source.FetchNone, "disk"},
		"session is over": {`404 {"errors":[{"code":40401,"message":"no session"}]}`, "", source.FetchLost, "session"},
		"listing is over": {done, `404 {}`, source.FetchLost, "session"},
	} {
		c, _ := scripted(t, rtrScript(tc.command, tc.files))
		r := source.FetchRequest{Handle: both()[0], File: alert.File{Path: "/tmp/x"}, Attempt: 1, Endpoint: true}
		step, err := c.StartFetch(context.Background(), r)
		if err != nil || step.State != source.FetchPending {
			t.Fatalf("%s: %+v, %v", name, step, err)
		}
		step, err = c.PollFetch(context.Background(), step.Ticket)
		if err != nil || step.State != tc.want || !strings.Contains(step.Reason, tc.reason) || strings.Contains(step.Reason, "\x1b") {
			t.Errorf("%s: %+v, %v", name, step, err)
		}
	}
	// What stands at the path now is not what the alert was about.
	c, _ := scripted(t, rtrScript(done, file(`,"complete":true`)))
	r := source.FetchRequest{Handle: both()[0], File: alert.File{Path: "/tmp/x", Hashes: alert.NewHashes(strings.Repeat("cd", 32))}, Endpoint: true}
	step, _ := c.StartFetch(context.Background(), r)
	if step, err := c.PollFetch(context.Background(), step.Ticket); err != nil || step.State != source.FetchNone || !strings.Contains(step.Reason, "another file") {
		t.Errorf("%+v, %v", step, err)
	}
}

func TestAPathIsTriedWithADriveLetterToo(t *testing.T) {
	c, s := scripted(t, rtrScript(`200 {"resources":[{"complete":true,"stderr":"Couldn't find it"}]}`, ""))
	r := source.FetchRequest{Handle: both()[0], File: alert.File{Path: devicePath}, Endpoint: true}
	step, err := c.StartFetch(context.Background(), r)
	for _, want := range []source.FetchState{source.FetchPending, source.FetchNone} {
		if err != nil {
			t.Fatal(err)
		}
		if step, err = c.PollFetch(context.Background(), step.Ticket); err != nil || step.State != want {
			t.Errorf("%+v, %v; want %s", step, err, want)
		}
	}
	var commands []string
	for _, sent := range s.sent {
		if _, body, ok := strings.Cut(sent, "POST /real-time-response/entities/active-responder-command/v1 "); ok {
			var b struct {
				Command string `json:"command_string"`
			}
			if err := json.Unmarshal([]byte(body), &b); err != nil {
				t.Fatal(err)
			}
			commands = append(commands, b.Command)
		}
	}
	if len(commands) != 2 || commands[0] != `get "`+devicePath+`"` || commands[1] != `get "C:\Users\a b\x.exe"` {
		t.Errorf("commands %q", commands)
	}
}

func TestAPathThatCouldEndItsQuotesIsNeverSent(t *testing.T) {
	for _, path := range []string{"", `a"b`, "a\nb", "it's", "`x`", `C:\dir\`, "a\x00b", strings.Repeat("x", 3000)} {
		c, s := scripted(t, rtrScript("", ""))
		step, err := c.StartFetch(context.Background(), source.FetchRequest{Handle: both()[0], File: alert.File{Path: path}, Endpoint: true})
		if err != nil || step.State != source.FetchNone || step.Reason == "" || len(s.sent) != 1 {
			t.Errorf("%.20q: %+v, %v, sent %v", path, step, err, s.sent)
		}
	}
}

func TestAnEndpointThatCannotBeReachedIsSaidToBe(t *testing.T) {
	for name, tc := range map[string]struct {
		at, reply string
		want      source.FetchState
		kind      fault.Kind
	}{
		"offline":        {"GET /devices/entities/online-state/v1", `200 {"resources":[{"id":"` + aid + `","state":"offline"}]}`, source.FetchUnreachable, ""},
		"40401":          {"POST /real-time-response/entities/sessions/v1", `404 {"errors":[{"code":40401,"message":"host offline"}]}`, source.FetchUnreachable, ""},
		"40401 in a 201": {"POST /real-time-response/entities/sessions/v1", `201 {"resources":[],"errors":[{"code":40401,"message":"host offline"}]}`, source.FetchUnreachable, ""},
		"not allowed":    {"POST /real-time-response/entities/sessions/v1", `403 {"errors":[{"code":403,"message":"x"}]}`, "", fault.Denied},
		"no session":     {"POST /real-time-response/entities/sessions/v1", `201 {"resources":[]}`, "", fault.Unavailable},
		"no command":     {"POST /real-time-response/entities/active-responder-command/v1", `201 {"resources":[]}`, "", fault.Unavailable},
		"session over":   {"POST /real-time-response/entities/active-responder-command/v1", `404 {}`, source.FetchLost, ""},
		"no host":        {entitiesPath, alertIs(""), source.FetchNone, ""},
	} {
		replies := rtrScript("", "")
		replies[tc.at] = tc.reply
		c, _ := scripted(t, replies)
		step, err := c.StartFetch(context.Background(), source.FetchRequest{Handle: both()[0], File: alert.File{Path: "/tmp/x"}, Endpoint: true})
		if step.State != tc.want || (tc.kind == "") != (err == nil) || tc.kind != "" && !fault.Is(err, tc.kind) {
			t.Errorf("%s: %+v, %v", name, step, err)
		}
		if e, ok := errors.AsType[*fault.Error](err); ok && tc.kind == fault.Denied && !strings.Contains(e.Hint, scopeRTR) {
			t.Errorf("%s: %q", name, e.Hint)
		}
	}
}

func TestAnEndpointThatGoesOfflineOnTheWayIsFoundOut(t *testing.T) {
	replies := rtrScript(`200 {"resources":[{"complete":false}]}`, "")
	c, s := scripted(t, replies)
	step, err := c.StartFetch(context.Background(), source.FetchRequest{Handle: both()[0], File: alert.File{Path: "/tmp/x"}, Endpoint: true})
	if err != nil {
		t.Fatal(err)
	}
	step.Ticket.Started = step.Ticket.Started.Add(-3 * time.Minute)
	s.replies["GET /devices/entities/online-state/v1"] = `200 {"resources":[{"id":"` + aid + `","state":"offline"}]}`
	if step, err = c.PollFetch(context.Background(), step.Ticket); err != nil || step.State != source.FetchUnreachable {
		t.Fatalf("%+v, %v", step, err)
	}
	s.replies["GET /devices/entities/online-state/v1"] = `200 {"resources":[{"id":"` + aid + `","state":"online"}]}`
	if step, err = c.PollFetch(context.Background(), step.Ticket); err != nil || step.State != source.FetchLost {
		t.Errorf("%+v, %v", step, err)
	}
}
