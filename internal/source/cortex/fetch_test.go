package cortex

import (
	"archive/zip"
	"bytes"
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

// request is about the file of one of the lab's alerts.
func fetchRequest(t *testing.T, c *Client, id string) source.FetchRequest {
	t.Helper()
	as, err := c.Get(context.Background(), alert.Handle{ID: id})
	if err != nil || len(as) != 1 || len(as[0].Files) == 0 {
		t.Fatalf("%+v, %v", as, err)
	}
	return source.FetchRequest{Handle: as[0].Handle, File: as[0].Files[0], Password: "Derived_1", Attempt: 1, Endpoint: true}
}

func TestAnArchiveIsOpenedWhateverItsPassword(t *testing.T) {
	for _, password := range []string{"", "suspicious", "infected", "Derived_1"} {
		v := newVendor(t, world.Options{})
		v.Control(t, "archive", map[string]any{"password": password})
		c, ctx := v.client(t, time.Minute), context.Background()
		r := fetchRequest(t, c, v.AddFile(t, true))
		step, err := c.StartFetch(ctx, r)
		if err == nil && step.State == source.FetchPending {
			step, err = c.PollFetch(ctx, step.Ticket)
		}
		if err != nil || step.State != source.FetchReady {
			t.Fatalf("%q: %+v, %v", password, step, err)
		}
		a, err := c.OpenFetch(ctx, step.Ticket, r.Password, sourcetest.Spool(t))
		if err != nil {
			t.Fatalf("%q: %v", password, err)
		}
		got, err := sample.Inspect(ctx, a, sample.DefaultLimits(), r.File.Hashes)
		if err != nil || got.Hashes.SHA256 != r.File.SHA256 || a.Password() != r.Password {
			t.Errorf("%q: %+v under %q, %v", password, got, a.Password(), err)
		}
		_ = a.Close()
	}
	// One that none opens is handed on, and says so when it is inspected.
	v := newVendor(t, world.Options{})
	v.Control(t, "archive", map[string]any{"password": "of somebody else"})
	c, ctx := v.client(t, time.Minute), context.Background()
	r := fetchRequest(t, c, v.AddFile(t, true))
	step, _ := c.StartFetch(ctx, r)
	step, _ = c.PollFetch(ctx, step.Ticket)
	a, err := c.OpenFetch(ctx, step.Ticket, r.Password, sourcetest.Spool(t))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := sample.Inspect(ctx, a, sample.DefaultLimits(), r.File.Hashes); sample.ProblemOf(err) != sample.WrongPassword {
		t.Errorf("%v", err)
	}
}

func TestNothingRunsOnAnEndpointUnlessItIsAllowed(t *testing.T) {
	c, s := scripted(t, nil)
	step, err := c.StartFetch(context.Background(), source.FetchRequest{Handle: handle(), File: alert.File{Path: "/x"}})
	if err != nil || step.State != source.FetchNone || !strings.Contains(step.Reason, "fetch.endpoint") || len(s.sent) > 0 {
		t.Errorf("%+v, %v, sent %v", step, err, s.sent)
	}
}

func TestAFileThatCannotBeHadIsSaidToBe(t *testing.T) {
	endpointAs := func(status, os string) string {
		return `200 {"reply":{"endpoints":[{"endpoint_id":"` + aid + `","endpoint_status":"` + status + `","os_type":"` + os + `"}]}}`
	}
	for name, tc := range map[string]struct {
		alert, endpoint, retrieval, path string
		want                             source.FetchState
		kind                             fault.Kind
	}{
		"no endpoint":      {alert: `200 {"reply":{"alerts":[{"alert_id":104173821}]}}`, path: "/x", want: source.FetchNone},
		"no path":          {want: source.FetchNone},
		"control in path":  {path: "/x\n/etc/passwd", want: source.FetchNone},
		"endpoint is gone": {endpoint: `200 {"reply":{"endpoints":[]}}`, path: "/x", want: source.FetchNone},
		"uninstalled":      {endpoint: endpointAs("UNINSTALLED", "AGENT_OS_LINUX"), path: "/x", want: source.FetchNone},
		"an android":       {endpoint: endpointAs("CONNECTED", "AGENT_OS_ANDROID"), path: "/x", want: source.FetchNone},
		"offline":          {endpoint: endpointAs("DISCONNECTED", "AGENT_OS_LINUX"), path: "/x", want: source.FetchUnreachable},
		"lost":             {endpoint: endpointAs("LOST", "AGENT_OS_LINUX"), path: "/x", want: source.FetchUnreachable},
		"nothing started":  {retrieval: `200 {"reply":{"action_id":"0","endpoints_count":0}}`, path: "/x", want: source.FetchNone},
		"no action":        {retrieval: `200 {"reply":{"status":1}}`, path: "/x", kind: fault.Unavailable},
		"not allowed":      {retrieval: `403 {}`, path: "/x", kind: fault.Denied},
		"not licensed":     {retrieval: `402 {}`, path: "/x", kind: fault.Denied},
		"started":          {retrieval: `200 {"reply":{"action_id":123,"status":1,"endpoints_count":1}}`, path: "/x", want: source.FetchPending},
	} {
		replies := map[string][]string{alertsCall: {alertReply("")}, endpointCall: {endpointAs("CONNECTED", "AGENT_OS_LINUX")}, "v1/endpoints/file_retrieval": {tc.retrieval}}
		if tc.alert != "" {
			replies[alertsCall] = []string{tc.alert}
		}
		if tc.endpoint != "" {
			replies[endpointCall] = []string{tc.endpoint}
		}
		c, _ := scripted(t, replies)
		step, err := c.StartFetch(context.Background(), source.FetchRequest{Handle: handle(), File: alert.File{Path: tc.path}, Endpoint: true})
		if step.State != tc.want || (tc.kind == "") != (err == nil) || tc.kind != "" && !fault.Is(err, tc.kind) {
			t.Errorf("%s: %+v, %v", name, step, err)
		}
		if e, ok := errors.AsType[*fault.Error](err); ok && tc.kind == fault.Denied && !strings.Contains(e.Hint, licenceEndpoint) {
			t.Errorf("%s: %q", name, e.Hint)
		}
	}
}

func TestARetrievalEndsAsItsActionDoes(t *testing.T) {
	started := func(age time.Duration) source.Ticket {
		return source.Ticket{Handle: handle(), Started: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC).Add(-age), Data: json.RawMessage(`{"endpoint":"` + aid + `","action":"123"}`)}
	}
	status := func(word string) string {
		return `200 {"reply":{"data":{"` + aid + `":"` + word + `"},"errorReasons":{"` + aid + `":{"errorText":"File not found"}}}}`
	}
	link := func(url string) string { return `200 {"reply":{"data":{"` + aid + `":` + url + `}}}` }
	for name, tc := range map[string]struct {
		status, details, endpoint string
		age                       time.Duration
		want                      source.FetchState
	}{
		"new":                  {status: `200 {"reply":{"data":{}}}`, want: source.FetchPending},
		"running":              {status: status("IN_PROGRESS"), want: source.FetchPending},
		"running for long":     {status: status("IN_PROGRESS"), age: time.Hour, endpoint: endpointIs(""), want: source.FetchPending},
		"gone offline":         {status: status("PENDING"), age: time.Hour, endpoint: strings.Replace(endpointIs(""), "CONNECTED", "DISCONNECTED", 1), want: source.FetchUnreachable},
		"the endpoint is gone": {status: status("PENDING"), age: time.Hour, endpoint: `200 {"reply":{"endpoints":[]}}`, want: source.FetchNone},
		"failed":               {status: status("FAILED"), want: source.FetchNone},
		"expired":              {status: status("EXPIRED"), want: source.FetchLost},
		"cancelled":            {status: status("CANCELLED"), want: source.FetchLost},
		"forgotten":            {status: `404 {}`, want: source.FetchLost},
		"done":                 {status: status("COMPLETED_SUCCESSFULLY"), details: link(`"https://api-acme.xdr.us.paloaltonetworks.com/public_api/v1/download/abc"`), want: source.FetchReady},
		"partly done":          {status: status("COMPLETED_PARTIAL"), details: link(`"https://api-acme.xdr.us.paloaltonetworks.com/public_api/v1/download/abc"`), want: source.FetchReady},
		"done, not uploaded":   {status: status("COMPLETED_SUCCESSFULLY"), details: link("null"), want: source.FetchPending},
		"done, nothing":        {status: status("COMPLETED_SUCCESSFULLY"), details: link(`""`), want: source.FetchPending},
	} {
		c, _ := scripted(t, map[string][]string{statusCall: {tc.status}, "v1/actions/file_retrieval_details": {tc.details}, endpointCall: {tc.endpoint}})
		step, err := c.PollFetch(context.Background(), started(tc.age))
		if err != nil || step.State != tc.want {
			t.Errorf("%s: %+v, %v", name, step, err)
		}
		if tc.want == source.FetchNone && name == "failed" && !strings.Contains(step.Reason, "File not found") {
			t.Errorf("%s: %q", name, step.Reason)
		}
	}
}

func TestTheCredentialGoesToTheTenantAlone(t *testing.T) {
	var body bytes.Buffer
	z := zip.NewWriter(&body)
	w, err := z.Create("x")
	if err == nil {
		_, err = w.Write([]byte("inert"))
	}
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	for link, want := range map[string]bool{
		"https://api-acme.xdr.us.paloaltonetworks.com/public_api/v1/download/abc": true, "https://storage.example/public_api/v1/download/abc": false,
	} {
		c, s := scripted(t, map[string][]string{"v1/actions/file_retrieval_details": {`200 {"reply":{"data":{"` + aid + `":"` + link + `"}}}`},
			"v1/download/abc": {"200 " + body.String()}})
		a, err := c.OpenFetch(context.Background(), readyTicket(), "Derived_1", sourcetest.Spool(t))
		if err != nil {
			t.Fatal(err)
		}
		_ = a.Close()
		if sent := s.asked[1].Header.Get("Authorization") != ""; sent != want || (s.asked[1].Header.Get("x-xdr-auth-id") != "") != want {
			t.Errorf("%s: %v", link, s.asked[1].Header)
		}
	}
	for _, link := range []string{"http://api-acme.xdr.us.paloaltonetworks.com/x", "file:///etc/passwd", "http://127.0.0.1/x"} {
		c, s := scripted(t, map[string][]string{"v1/actions/file_retrieval_details": {`200 {"reply":{"data":{"` + aid + `":"` + link + `"}}}`}})
		if a, err := c.OpenFetch(context.Background(), readyTicket(), "x", sourcetest.Spool(t)); err == nil || len(s.asked) > 1 {
			t.Errorf("%q was followed: %v, %v", link, a, err)
		}
	}
}

func TestADownloadThatIsNoArchiveIsTriedAgain(t *testing.T) {
	details := []string{`200 {"reply":{"data":{"` + aid + `":"https://api-acme.xdr.us.paloaltonetworks.com/public_api/v1/download/abc"}}}`}
	for body, want := range map[string]fault.Kind{
		"200 <html>login</html>": fault.Unavailable, `200 {"reply":{}}`: fault.Unavailable, "404 {}": fault.Gone, "410 {}": fault.Gone, "403 {}": fault.Denied, "200 MZ": fault.Corrupt,
	} {
		c, _ := scripted(t, map[string][]string{"v1/actions/file_retrieval_details": details, "v1/download/abc": {body}})
		if a, err := c.OpenFetch(context.Background(), readyTicket(), "x", sourcetest.Spool(t)); !fault.Is(err, want) {
			t.Errorf("%s: %v, %v", body, a, err)
		}
	}
}
