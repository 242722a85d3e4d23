package defender

import (
	"bytes"
	"compress/gzip"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/lab/world"
	"edrc/internal/sample"
	"edrc/internal/source"
)

// oneFile is a vendor with one alert about a file, and a request for it.
func oneFile(t *testing.T, i int) (*vendor, *Client, source.FetchRequest) {
	t.Helper()
	v := newVendor(t, world.Options{})
	id := v.lab.AddFile(&v.files[i], true)
	c := v.client(t, time.Minute)
	all, err := c.Get(t.Context(), alert.Handle{ID: id})
	if err != nil || len(all) != 1 || len(all[0].Files) == 0 {
		t.Fatalf("%v, %v", all, err)
	}
	return v, c, source.FetchRequest{Handle: all[0].Handle, File: all[0].Files[0], Attempt: 1, Password: "Infected_1-abcdefgh", Endpoint: true}
}

func spool(t *testing.T) *sample.Spool {
	t.Helper()
	s, err := sample.OpenSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestNothingRunsOnAnEndpointUnlessItIsAllowed(t *testing.T) {
	v, c, r := oneFile(t, 0)
	r.Endpoint = false
	before := len(v.lab.Calls())
	step, err := c.StartFetch(t.Context(), r)
	if err != nil || step.State != source.FetchNone || !strings.Contains(step.Reason, "fetch.endpoint") || len(v.lab.Calls()) != before {
		t.Errorf("%+v, %v", step, err)
	}
}

func TestFilesOfEveryNameAreFetched(t *testing.T) {
	for i, f := range files() {
		_, c, r := oneFile(t, i)
		step, err := c.StartFetch(t.Context(), r)
		if err == nil && step.State == source.FetchPending {
			step, err = c.PollFetch(t.Context(), step.Ticket)
		}
		if err != nil || step.State != source.FetchReady {
			t.Errorf("%q: %+v, %v", f.Name, step, err)
			continue
		}
		a, err := c.OpenFetch(t.Context(), step.Ticket, r.Password, spool(t))
		if err != nil || string(a.Hashes.SHA256) != f.SHA256 {
			t.Errorf("%q: %v, %v", f.Name, a, err)
			continue
		}
		_ = a.Close()
	}
}

func TestAMachineWithAnotherSessionIsWaitedFor(t *testing.T) {
	v, c, r := oneFile(t, 0)
	v.FetchTime(t, time.Hour)
	other := r
	other.Attempt = 7 // somebody else's
	if step, err := c.StartFetch(t.Context(), other); err != nil || step.State != source.FetchPending {
		t.Fatalf("%+v, %v", step, err)
	}
	step, err := c.StartFetch(t.Context(), r)
	if err != nil || step.State != source.FetchUnreachable || !strings.Contains(step.Reason, "busy") {
		t.Fatalf("%+v, %v", step, err)
	}
	if step, err = c.PollFetch(t.Context(), step.Ticket); err != nil || step.State != source.FetchUnreachable {
		t.Errorf("still: %+v, %v", step, err)
	}
	v.FetchTime(t, 0)
	if step, err = c.PollFetch(t.Context(), step.Ticket); err != nil || step.State != source.FetchLost {
		t.Errorf("free: %+v, %v", step, err)
	}
	if step, err = c.StartFetch(t.Context(), r); err != nil || step.State != source.FetchPending {
		t.Errorf("again: %+v, %v", step, err)
	}
}

func TestARepeatedStepStartsNoSecondSession(t *testing.T) {
	v, c, r := oneFile(t, 0)
	v.FetchTime(t, time.Hour)
	first, err := c.StartFetch(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.StartFetch(t.Context(), r)
	if err != nil || string(again.Ticket.Data) != string(first.Ticket.Data) || v.lab.Fetches(r.Handle.ID) != 1 {
		t.Errorf("%+v, %v, %d sessions", again, err, v.lab.Fetches(r.Handle.ID))
	}
}

func TestASessionThatEndsBadlySaysWhy(t *testing.T) {
	for verb, says := range map[string]string{"fail": "The device refused.", "cancel": "cancelled"} {
		v, c, r := oneFile(t, 0)
		v.FetchTime(t, time.Hour)
		step, err := c.StartFetch(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		v.Control(t, verb, map[string]any{"host": r.Handle.ID})
		if step, err = c.PollFetch(t.Context(), step.Ticket); err != nil || step.State != source.FetchNone || !strings.Contains(step.Reason, says) {
			t.Errorf("%s: %+v, %v", verb, step, err)
		}
	}
	v, c, r := oneFile(t, 0)
	r.File.Path = `C:\quarantined.exe`
	step, err := c.StartFetch(t.Context(), r)
	if err == nil {
		step, err = c.PollFetch(t.Context(), step.Ticket)
	}
	if err != nil || step.State != source.FetchNone || !strings.Contains(step.Reason, "not found on the device") {
		t.Errorf("no file: %+v, %v", step, err)
	}
	v.Control(t, "live-response", map[string]any{"on": false})
	r.Attempt = 2
	if _, err := c.StartFetch(t.Context(), r); !fault.Is(err, fault.Denied) || !strings.Contains(hintOf(err), "Plan 2") {
		t.Errorf("switched off: %v", err)
	}
}

func TestWhereThereIsNothingToFetchIsSaid(t *testing.T) {
	alertWith := func(evidence string) map[string]string {
		return map[string]string{"GET /security/alerts_v2/" + one: `200 {"id":"` + one + `","evidence":[` + evidence + `]}`}
	}
	sha := strings.Repeat("ab", 32)
	file := `{"@odata.type":"#microsoft.graph.security.fileEvidence","fileDetails":{"fileName":"a.exe","sha256":"` + sha + `"}}`
	for name, tc := range map[string]struct {
		replies map[string]string
		says    string
	}{
		"no machine": {alertWith(file), "no machine"},
		"no path":    {alertWith(file + `,{"@odata.type":"#microsoft.graph.security.deviceEvidence","mdeDeviceId":"` + hostID + `"}`), "where on the machine"},
	} {
		c, s := scripted(t, tc.replies)
		step, err := c.StartFetch(t.Context(), source.FetchRequest{
			Handle: alert.Handle{ID: one}, File: alert.File{Hashes: alert.NewHashes(sha), Name: "a.exe"}, Attempt: 1, Endpoint: true})
		if err != nil || step.State != source.FetchNone || !strings.Contains(step.Reason, tc.says) || len(s.sent) != 1 {
			t.Errorf("%s: %+v, %v", name, step, err)
		}
	}
}

func TestTheSilenceOfAMachineIsSaid(t *testing.T) {
	c, s := scripted(t, nil)
	ticket := source.Ticket{Handle: alert.Handle{ID: one}, Data: []byte(`{"machine":"` + hostID + `","action":"a1"}`)}
	for status, want := range map[string]source.FetchState{
		"Pending": source.FetchUnreachable, "InProgress": source.FetchPending, "TimeOut": source.FetchLost, "Cancelled": source.FetchNone,
		"Failed": source.FetchNone, "Succeeded": source.FetchReady, "Unheard": source.FetchPending,
	} {
		s.replies = map[string]string{"GET /machineactions/a1": `200 {"id":"a1","status":"` + status + `","creationDateTimeUtc":"2026-11-22T11:00:00Z"}`}
		if step, err := c.PollFetch(t.Context(), ticket); err != nil || step.State != want {
			t.Errorf("%s after an hour: %+v, %v", status, step, err)
		}
	}
	s.replies = nil
	if step, err := c.PollFetch(t.Context(), ticket); err != nil || step.State != source.FetchLost {
		t.Errorf("forgotten: %+v, %v", step, err)
	}
}

// opened downloads a result that another host serves.
func opened(t *testing.T, content []byte, header http.Header, file alert.File) (*sample.Archive, *script, error) {
	t.Helper()
	link := "https://mdeweu.blob.core.windows.net/container/result?se=2026-11-22T16%3A13%3A50Z&sig=abc%2Bdef"
	c, s := scripted(t, map[string]string{
		"GET /machineactions/a1/GetLiveResponseResultDownloadLink(index=2)": `200 {"value":"` + link + `"}`,
		"GET /container/result": "200 " + string(content),
	})
	s.headers = map[string]http.Header{"GET /container/result": header}
	ticket := source.Ticket{Handle: alert.Handle{ID: one}, File: file, Data: []byte(`{"machine":"` + hostID + `","action":"a1","index":2,"ready":true}`)}
	a, err := c.OpenFetch(context.Background(), ticket, "Infected_1-abcdefgh", spool(t))
	if a != nil {
		t.Cleanup(func() { _ = a.Close() })
	}
	return a, s, err
}

func packed(content []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(content)
	_ = w.Close()
	return b.Bytes()
}

func TestTheResultIsUnpackedWhereItIsPacked(t *testing.T) {
	plain := []byte("the file's bytes, quite a few of them")
	hashed := func(b []byte) alert.File {
		a, err := spool(t).Wrap(t.Context(), bytes.NewReader(b), "x", "Infected_1-abcdefgh")
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		return alert.File{Hashes: a.Hashes, Name: "a.exe"}
	}
	page := []byte("<html>sign in</html>")
	for name, tc := range map[string]struct {
		body []byte
		want []byte
		kind fault.Kind
	}{
		"gzip":               {packed(plain), plain, ""},
		"bare":               {plain, plain, ""},
		"a packed gzip":      {packed(packed(plain)), packed(plain), ""},
		"a bare gzip":        {packed(plain), packed(plain), ""},
		"a page that it is":  {page, page, ""},
		"a page that it not": {page, plain, fault.Unavailable},
		"cut off":            {packed(plain)[:20], plain, fault.Unavailable},
		"damaged":            {append(packed(plain)[:len(packed(plain))-8], "12345678"...), plain, fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			a, s, err := opened(t, tc.body, nil, hashed(tc.want))
			if tc.kind != "" {
				if !fault.Is(err, tc.kind) {
					t.Fatalf("%v, want %s", err, tc.kind)
				}
				return
			}
			if err != nil || a.Hashes != hashed(tc.want).Hashes {
				t.Fatalf("%v, %v", a, err)
			}
			if s.last.Header.Get("Authorization") != "" || s.last.URL.RawQuery != "se=2026-11-22T16%3A13%3A50Z&sig=abc%2Bdef" {
				t.Errorf("the storage got %v, %s", s.last.Header, s.last.URL)
			}
		})
	}
	t.Run("wrong bytes are for the caller to find", func(t *testing.T) {
		a, _, err := opened(t, packed([]byte("something else")), nil, hashed(plain))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sample.Inspect(t.Context(), a, sample.DefaultLimits(), hashed(plain).Hashes); sample.ProblemOf(err) != sample.WrongBytes {
			t.Errorf("inspected: %v", err)
		}
	})
	t.Run("text without a name, when no hash is known", func(t *testing.T) {
		if a, _, err := opened(t, page, nil, alert.File{Name: "a.exe"}); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%v, %v", a, err)
		}
		if a, _, err := opened(t, page, http.Header{"Content-Disposition": {"attachment; filename=a.html"}}, alert.File{Name: "a.html"}); err != nil || a.Size != int64(len(page)) {
			t.Errorf("%v, %v", a, err)
		}
	})
}

func TestAResultThatIsNotThereIsGone(t *testing.T) {
	path := "GET /machineactions/a1/GetLiveResponseResultDownloadLink(index=0)"
	ticket := source.Ticket{Data: []byte(`{"machine":"m","action":"a1","ready":true}`)}
	link := `200 {"value":"https://x.blob.core.windows.net/r?sig=s"}`
	for name, tc := range map[string]struct {
		replies map[string]string
		kind    fault.Kind
	}{
		"no action":       {nil, fault.Gone},
		"no blob":         {map[string]string{path: link, "GET /r": `404 <?xml version="1.0"?><Error><Code>BlobNotFound</Code></Error>`}, fault.Gone},
		"link is over":    {map[string]string{path: link, "GET /r": `403 <?xml version="1.0"?><Error><Code>AuthenticationFailed</Code></Error>`}, fault.Gone},
		"no link":         {map[string]string{path: `200 {}`}, fault.Unavailable},
		"a link to http":  {map[string]string{path: `200 {"value":"http://x.blob.core.windows.net/r?sig=s"}`}, fault.Invalid},
		"a link to files": {map[string]string{path: `200 {"value":"file:///etc/passwd"}`}, fault.Unavailable},
		"no permission":   {map[string]string{path: `403 {"error":{"code":"Forbidden","message":"no"}}`}, fault.Denied},
	} {
		c, _ := scripted(t, tc.replies)
		a, err := c.OpenFetch(t.Context(), ticket, "Infected_1-abcdefgh", spool(t))
		if !fault.Is(err, tc.kind) {
			t.Errorf("%s: %v, %v; want %s", name, a, err, tc.kind)
		}
		if a != nil {
			_ = a.Close()
		}
	}
}
