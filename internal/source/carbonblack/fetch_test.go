package carbonblack

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/lab/world"
	"edrc/internal/sample"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

const metaPath = "GET " + orgUBS + "sha256/" + aHash + "/metadata"

// asked is a request for the file of the tests.
func asked() source.FetchRequest {
	return source.FetchRequest{Handle: handle(), File: alert.File{Hashes: alert.NewHashes(aHash)}, Attempt: 1, Password: "Infected_1"}
}

func TestWhatBecomesOfAFileIsReadFromTheStoreAndTheDevice(t *testing.T) {
	device := func(contact time.Duration) string {
		return `200 {"id":6612391,"last_contact_time":"` + noon.Add(contact).Format(time.RFC3339) + `"}`
	}
	old := strings.Replace(anAlert, "2026-11-22T11:59", "2026-11-01T11:59", 1)
	for name, tc := range map[string]struct {
		alert, meta, device string
		want                source.FetchState
		reason              string
	}{
		"there":                       {anAlert, `200 {"file_available":true,"available_file_size":9,"file_size":9}`, "", source.FetchReady, ""},
		"cut off":                     {anAlert, `200 {"file_available":true,"available_file_size":26214400,"file_size":26214401}`, "", source.FetchNone, "25 MB"},
		"not yet":                     {anAlert, `404 {"error_code":"NOT_FOUND"}`, device(-time.Minute), source.FetchPending, ""},
		"known, not there yet":        {anAlert, `200 {"file_available":false}`, device(-time.Minute), source.FetchPending, ""},
		"offline":                     {anAlert, `404 {}`, device(-time.Hour), source.FetchUnreachable, "sensor"},
		"never came":                  {old, `404 {}`, device(-time.Minute), source.FetchNone, "Windows"},
		"never came, and offline now": {old, `404 {}`, device(-24 * time.Hour), source.FetchNone, "Enterprise EDR"},
		"offline ever since":          {old, `404 {}`, device(-21 * 24 * time.Hour), source.FetchUnreachable, "sensor"},
		"no device any more":          {anAlert, `404 {}`, `404 {}`, source.FetchPending, ""},
		"devices may not be seen":     {anAlert, `404 {}`, `403 {}`, source.FetchPending, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := scripted(t, map[string]string{"GET " + orgAlerts + "alerts/" + one: "200 " + tc.alert, metaPath: tc.meta, "GET " + orgOther + "devices/6612391": tc.device})
			step, err := c.StartFetch(context.Background(), asked())
			if err != nil || step.State != tc.want || !strings.Contains(step.Reason, tc.reason) || strings.Contains(string(step.Ticket.Data), "Infected") {
				t.Errorf("%+v, %v, want %s", step, err, tc.want)
			}
		})
	}
}

func TestWaitingForAnUploadEnds(t *testing.T) {
	c, s := scripted(t, map[string]string{"GET " + orgOther + "devices/6612391": `200 {"id":6612391,"last_contact_time":"2026-11-22T11:59:00Z"}`})
	for way, since := range map[string]time.Duration{wayUpload: -time.Hour, wayStore: -time.Minute} {
		step := ticket{Way: way, SHA256: aHash, Device: "6612391"}.step(source.FetchPending, source.Ticket{Handle: handle(), Started: noon.Add(since)}, 0, "")
		got, err := c.PollFetch(context.Background(), step.Ticket)
		want := map[string]source.FetchState{wayUpload: source.FetchNone, wayStore: source.FetchLost}[way]
		if err != nil || got.State != want {
			t.Errorf("%s: %+v, %v", way, got, err)
		}
	}
	step := ticket{Way: wayOffline, SHA256: aHash, Device: "6612391"}.step(source.FetchUnreachable, source.Ticket{Handle: handle()}, 0, "")
	got, err := c.PollFetch(context.Background(), step.Ticket)
	if err != nil || got.State != source.FetchPending || !got.Ticket.Started.Equal(noon) {
		t.Errorf("a device that came back: %+v, %v", got, err)
	}
	if len(s.sent) != 5 {
		t.Errorf("sent %v", s.sent)
	}
}

func TestAMissingPermissionAndLicenceAreNamed(t *testing.T) {
	c, _ := scripted(t, map[string]string{"GET " + orgAlerts + "alerts/" + one: "200 " + anAlert, metaPath: `403 {"error_code":"FORBIDDEN","message":"no"}`, "POST " + orgUBS + "file/_download": `403 {}`})
	_, err := c.StartFetch(context.Background(), asked())
	e, _ := errors.AsType[*fault.Error](err)
	if e == nil || e.Kind != fault.Denied || !strings.Contains(e.Hint, permUBSMeta) || !strings.Contains(e.Hint, licenceUBS) {
		t.Errorf("%+v", e)
	}
	ready := ticket{Way: wayStore, SHA256: aHash}.step(source.FetchReady, source.Ticket{Handle: handle()}, 0, "")
	_, err = c.OpenFetch(context.Background(), ready.Ticket, "p", sourcetest.Spool(t))
	if e, _ = errors.AsType[*fault.Error](err); e == nil || !strings.Contains(e.Hint, permUBSFile) || !strings.Contains(e.Hint, licenceUBS) {
		t.Errorf("%+v", e)
	}
}

func TestALinkLeadsOnlyToTheVendorsStorage(t *testing.T) {
	c, s := scripted(t, nil)
	for _, link := range []string{
		"https://cdc-file-storage-production-us-east-1.s3.amazonaws.com/00/a1.zip?X-Amz-Expires=3600", "https://bucket.s3-eu-central-1.amazonaws.com/x",
		"https://x.s3.cn-north-1.amazonaws.com.cn/x", "https://S3.AMAZONAWS.COM:443/x",
	} {
		if err := c.trusted("open", link); err != nil {
			t.Errorf("%s: %v", link, err)
		}
	}
	for _, link := range []string{
		"", "x", "http://bucket.s3.amazonaws.com/x", "https://bucket.s3.amazonaws.com:8443/x", "https://user@bucket.s3.amazonaws.com/x", "https://amazonaws.com/x",
		"https://169.254.169.254/latest/meta-data", "http://127.0.0.1/x", "https://localhost/x", "https://s3.amazonaws.com.evil.example/x", "https://ec2.us-east-1.amazonaws.com/x",
		"https://evilamazonaws.com/s3", "file:///etc/passwd", "//s3.amazonaws.com/x", "https://[::1]/x", "https://defense.conferdeploy.net/x", "https://s3evil.amazonaws.com/x",
	} {
		if err := c.trusted("open", link); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q is trusted: %v", link, err)
		}
		if _, err := c.download(context.Background(), "open", link); err == nil {
			t.Errorf("%q was opened", link)
		}
	}
	if len(s.sent) > 0 {
		t.Errorf("sent %v", s.sent)
	}
}

// storage answers for S3 and passes the rest on.
type storage struct {
	script *script
	reply  *http.Response
	seen   []*http.Request
}

func (s *storage) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Host, "amazonaws.com") {
		return s.script.RoundTrip(r)
	}
	s.seen = append(s.seen, r)
	out := *s.reply
	out.Request, out.Body = r, http.NoBody
	return &out, nil
}

func TestTheKeyNeverReachesTheStorageAndNoRedirectIsFollowed(t *testing.T) {
	for name, tc := range map[string]struct {
		reply http.Response
		kind  fault.Kind
	}{
		"redirect":     {http.Response{StatusCode: 302, Header: http.Header{"Location": {"https://other.s3.amazonaws.com/y"}}}, fault.Invalid},
		"link is over": {http.Response{StatusCode: 403, Header: http.Header{}}, fault.Unavailable},
		"no such file": {http.Response{StatusCode: 404, Header: http.Header{}}, fault.Gone},
	} {
		t.Run(name, func(t *testing.T) {
			s := &storage{reply: &tc.reply, script: &script{replies: map[string]string{
				"POST " + orgUBS + "file/_download": `200 {"found":[{"sha256":"` + aHash + `","url":"https://x.s3.amazonaws.com/a.zip?X-Amz-Signature=1"}]}`}}}
			c, err := New(Options{URL: "https://defense.conferdeploy.net", OrgKey: "7DESJ9GN", APIID: "ABCDEFGHIJ", APISecret: httpx.Literal(secretOfTests)},
				Env{Name: "cbc-prod", HTTP: httpx.Config{Transport: s, Attempts: 1, Sleep: sourcetest.NoSleep}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			ready := ticket{Way: wayStore, SHA256: aHash}.step(source.FetchReady, source.Ticket{Handle: handle()}, 0, "")
			if _, err := c.OpenFetch(context.Background(), ready.Ticket, "p", sourcetest.Spool(t)); !fault.Is(err, tc.kind) {
				t.Errorf("%v, want %s", err, tc.kind)
			}
			if len(s.seen) != 1 || len(s.seen[0].Header["X-Auth-Token"]) > 0 || s.seen[0].URL.RawQuery != "X-Amz-Signature=1" {
				t.Errorf("the storage saw %d requests, the first with %v", len(s.seen), s.seen)
			}
		})
	}
}

func TestTheKeyStaysWhereItBelongs(t *testing.T) {
	for _, status := range []string{"301", "302", "303", "307", "308"} {
		to := status + " -> https://elsewhere.example/api"
		c, s := scripted(t, map[string]string{"GET " + orgAlerts + "alerts/" + one: to, "POST " + orgAlerts + "alerts/_search": to})
		for _, hs := range [][]alert.Handle{{handle()}, {handle(), {ID: "two"}}} {
			_, err := c.Get(context.Background(), hs...)
			e, ok := errors.AsType[*fault.Error](err)
			if !ok || e.Kind != fault.Invalid || !strings.Contains(e.Hint, "elsewhere.example") {
				t.Errorf("%s: %+v", status, e)
			}
		}
		if len(s.sent) != 2 {
			t.Errorf("%s was followed: %v", status, s.sent)
		}
	}
}

func TestTheLabsStorageNeverSeesTheKey(t *testing.T) {
	v := newVendor(t, world.Options{})
	c := v.client(t, time.Minute)
	id := v.lab.AddFile(3, true)
	v.Control(t, "links", map[string]any{"count": linkTries - 1}) // the store fails now and then
	f := alert.File{Hashes: alert.NewHashes(v.files[3].SHA256)}
	step, err := c.StartFetch(context.Background(), source.FetchRequest{Handle: alert.Handle{ID: id}, File: f, Attempt: 1})
	if err != nil || step.State != source.FetchReady {
		t.Fatalf("%+v, %v", step, err)
	}
	a, err := c.OpenFetch(context.Background(), step.Ticket, "Infected_1", sourcetest.Spool(t))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	in, err := sample.Inspect(context.Background(), a, sample.DefaultLimits(), f.Hashes)
	if err != nil || !in.Encrypted || a.Password() != "Infected_1" {
		t.Errorf("%+v, %v", in, err)
	}
	if n := v.lab.Leaks(); n > 0 || v.lab.State().Downloads != 1 {
		t.Errorf("%d leaks, %d downloads", n, v.lab.State().Downloads)
	}
	v.Control(t, "links", map[string]any{"count": linkTries})
	if _, err := c.OpenFetch(context.Background(), step.Ticket, "Infected_1", sourcetest.Spool(t)); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a store that fails on: %v", err)
	}
	v.Control(t, "file", map[string]any{"sha256": v.files[3].SHA256, "held": true, "cut": true})
	if step, err := c.StartFetch(context.Background(), source.FetchRequest{Handle: alert.Handle{ID: id}, File: f, Attempt: 2}); err != nil || step.State != source.FetchNone {
		t.Errorf("a file that was cut off: %+v, %v", step, err)
	}
}
