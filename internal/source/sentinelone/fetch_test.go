package sentinelone

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/lab"
	"edrc/internal/sample"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

const (
	noActivity = `200 {"data":[],"pagination":{"totalItems":0,"nextCursor":null}}`
	uploadPath = "/agents/225494730938493999/uploads/225494730938493111"
)

func uploadedAt(path string) string {
	return `200 {"data":[{"id":"225494730938493111","activityType":86,"threatId":"` + one + `","createdAt":"2026-11-22T12:00:01.000000Z","data":{"downloadUrl":` +
		path + `,"commandId":1000000000000000001}}],"pagination":{"nextCursor":null}}`
}

func threatOn(agent string) string {
	return `200 {"data":[{"id":"` + one + `","agentRealtimeInfo":{"agentComputerName":"LT-ANNA"` + agent + `}}],"pagination":{}}`
}

func request() source.FetchRequest {
	return source.FetchRequest{Handle: both()[0], Attempt: 1, Password: "Infected_1234"}
}

// scriptDate is the time that every scripted reply has.
func scriptDate() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// asked is a ticket of a fetch that was started before the scripted replies.
func asked(before time.Duration, p progress) source.Ticket {
	p.Asked = true
	return p.step(source.FetchPending, source.Ticket{Handle: both()[0], Attempt: 1, Started: scriptDate().Add(-before)}, 0, "").Ticket
}

func TestAFetchIsAskedOnceTheUploadsBeforeAreKnown(t *testing.T) {
	c, s := scripted(t, "", map[string]string{
		"GET /activities":          uploadedAt(`"` + uploadPath + `"`),
		"POST /threats/fetch-file": `200 {"data":{"affected":1}}`,
	})
	step, err := c.StartFetch(context.Background(), request())
	if err != nil || step.State != source.FetchPending || !step.Ticket.Started.Equal(scriptDate()) || step.Retry < 5*time.Second {
		t.Fatalf("%+v, %v", step, err)
	}
	if want := `POST /threats/fetch-file {"data":{"password":"Infected_1234"},"filter":{"ids":["` + one + `"]}}`; len(s.sent) != 2 || s.sent[1] != want {
		t.Errorf("sent %q", s.sent)
	}
	// What was there before has another password.
	step, err = c.PollFetch(context.Background(), step.Ticket)
	if err != nil || step.State != source.FetchPending {
		t.Errorf("the upload from before: %+v, %v", step, err)
	}
	s.replies["GET /activities"] = uploadedAt(`"` + uploadPath + `2"`)
	step, err = c.PollFetch(context.Background(), step.Ticket)
	if err != nil || step.State != source.FetchReady || !strings.Contains(string(step.Ticket.Data), uploadPath+"2") {
		t.Errorf("a new upload: %+v, %v", step, err)
	}
}

func TestUploadsAreAskedForAsTheContractSays(t *testing.T) {
	c, _ := scripted(t, "", nil)
	var asked []string
	c.rest.http = mustClient(t, func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.URL.Path+"?"+r.URL.Query().Encode())
		return answer(r, 200, `{"data":[],"pagination":{}}`, nil), nil
	})
	if _, err := c.lastUpload(context.Background(), one, scriptDate()); err != nil {
		t.Fatal(err)
	}
	want := "/web/api/v2.1/activities?activityTypes=86&createdAt__gte=2026-11-22T12%3A00%3A00.000000Z&limit=1&skipCount=true&sortBy=createdAt&sortOrder=desc&threatIds=" + one
	if len(asked) != 1 || asked[0] != want {
		t.Errorf("asked %q\nwant  %q", asked, want)
	}
}

func TestAFetchThatCannotStartSaysWhy(t *testing.T) {
	for name, tc := range map[string]struct {
		post, threat string
		want         source.FetchState
		says         string
		posts        int
	}{
		"offline":        {`200 {"data":{"affected":0}}`, threatOn(`,"agentIsActive":false`), source.FetchUnreachable, "LT-ANNA is offline", 1},
		"decommissioned": {`200 {"data":{"affected":0}}`, threatOn(`,"agentIsActive":false,"agentIsDecommissioned":true`), source.FetchUnreachable, "decommissioned", 1},
		"not told":       {`200 {"data":{"affected":0}}`, threatOn(``), source.FetchUnreachable, "does not tell", 1},
		"online":         {`200 {"data":{"affected":0}}`, threatOn(`,"agentIsActive":true`), source.FetchNone, "online", 2},
		"gone":           {`200 {"data":{"affected":0}}`, noActivity, source.FetchNone, "does not have this threat", 2},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := scripted(t, "", map[string]string{"GET /activities": noActivity, "POST /threats/fetch-file": tc.post, "GET /threats": tc.threat})
			step, err := c.StartFetch(context.Background(), request())
			if err != nil || step.State != tc.want || !strings.Contains(step.Reason, tc.says) {
				t.Errorf("%+v, %v", step, err)
			}
			if n := strings.Count(strings.Join(s.sent, "\n"), "POST"); n != tc.posts {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

func TestAReplyToAFetchThatSaysNothingIsNoAnswer(t *testing.T) {
	for name, reply := range map[string]string{
		"no count": `200 {"data":{}}`, "errors": `200 {"data":{"affected":1},"errors":[{"title":"Oops"}]}`, "not JSON": `200 nonsense`,
		"HTML": `200 <html></html>`, "500": `500 {}`,
	} {
		c, _ := scripted(t, "", map[string]string{"GET /activities": noActivity, "POST /threats/fetch-file": reply})
		if step, err := c.StartFetch(context.Background(), request()); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %+v, %v", name, step, err)
		}
	}
}

func TestWhoMayNotSeeUploadsCausesNone(t *testing.T) {
	c, s := scripted(t, "", map[string]string{"GET /activities": `403 {}`, "POST /threats/fetch-file": `200 {"data":{"affected":1}}`})
	_, err := c.StartFetch(context.Background(), request())
	if e, ok := errors.AsType[*fault.Error](err); !ok || e.Kind != fault.Denied || !strings.Contains(e.Hint, permActive) || len(s.sent) != 1 {
		t.Errorf("%v, sent %q", err, s.sent)
	}
	c, _ = scripted(t, "", map[string]string{"GET /activities": noActivity, "POST /threats/fetch-file": `403 {}`})
	_, err = c.StartFetch(context.Background(), request())
	if e, ok := errors.AsType[*fault.Error](err); !ok || e.Kind != fault.Denied || !strings.Contains(e.Hint, permFetch) {
		t.Errorf("%v", err)
	}
}

func TestAnAlertThatIsNoThreatHasNoFile(t *testing.T) {
	for _, h := range []alert.Handle{{ID: mid, Note: mid}, {}, {ID: "../../x"}} {
		c, s := scripted(t, surfaceUnified, nil)
		step, err := c.StartFetch(context.Background(), source.FetchRequest{Handle: h, Password: "Infected_1234"})
		if err != nil || step.State != source.FetchNone || step.Reason == "" || len(s.sent) > 0 {
			t.Errorf("%q: %+v, %v, sent %q", h.ID, step, err, s.sent)
		}
	}
}

func TestOnlyPathsOfUploadsAreAskedFor(t *testing.T) {
	for path, ok := range map[string]bool{
		uploadPath: true, "/agents/0123456789/uploads/0987654321": true, "/agents/a/uploads/b/content.zip": true,
		"": false, "/": false, "/agents/": false, "/agents//uploads/1": false, "agents/1/uploads/2": false,
		"../../fake/1000000000000000001/uploads/1000000000000000001": false, "/agents/../users": false, "/agents/1/../../users": false,
		"/agents/./1": false, "/agents/.../1": false, "/agents/1/%2e%2e/2": false, "/agents/1/uploads/2?x=y": false, "/agents/1/uploads/2#x": false,
		"/agents/1/up loads/2": false, "/agents/1\\..\\2": false, "https://evil.example/agents/1/uploads/2": false, "//evil.example/agents/1": false,
		"/agents/@evil.example/1": false, "/agents/1:2/3": false, "/AGENTS/1/uploads/2": false, "/agents/" + strings.Repeat("1", 600): false, "/agents/1/\n2": false,
	} {
		if isUpload(path) != ok {
			t.Errorf("%q: %v", path, !ok)
		}
		if ok || path == "" {
			continue
		}
		quoted, _ := json.Marshal(path)
		c, s := scripted(t, "", map[string]string{"GET /activities": uploadedAt(string(quoted))})
		if step, err := c.PollFetch(context.Background(), asked(time.Second, progress{})); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: polled as %+v, %v", path, step, err)
		}
		sent := len(s.sent)
		ticket := asked(time.Second, progress{Path: path})
		if a, err := c.OpenFetch(context.Background(), ticket, "Infected_1234", sourcetest.Spool(t)); !fault.Is(err, fault.Invalid) || len(s.sent) != sent {
			t.Errorf("%q: opened %v, %v, sent %q", path, a, err, s.sent[sent:])
		}
	}
}

func TestAnUploadOfAnotherThreatIsNotOurs(t *testing.T) {
	for name, reply := range map[string]string{
		"another threat": strings.Replace(uploadedAt(`"`+uploadPath+`"`), one, two, 1),
		"another type":   strings.Replace(uploadedAt(`"`+uploadPath+`"`), `86`, `4008`, 1),
		"long before":    strings.Replace(uploadedAt(`"`+uploadPath+`"`), "2026-", "2025-", 1),
		"no path":        uploadedAt(`null`),
		"no data":        strings.Replace(uploadedAt(`null`), `"data":{`, `"data":[],"x":{`, 1),
		"failed":         noActivity,
	} {
		c, _ := scripted(t, "", map[string]string{"GET /activities": reply})
		if step, err := c.PollFetch(context.Background(), asked(time.Second, progress{})); err != nil || step.State != source.FetchPending {
			t.Errorf("%s: %+v, %v", name, step, err)
		}
	}
}

func TestAnEndpointThatIsSilentIsLookedAtAfterAWhile(t *testing.T) {
	for name, tc := range map[string]struct {
		after  time.Duration
		threat string
		want   source.FetchState
		retry  time.Duration
		looks  int
	}{
		"soon":           {30 * time.Second, "", source.FetchPending, fetchSoon, 0},
		"later":          {90 * time.Second, "", source.FetchPending, fetchLater, 0},
		"online":         {3 * time.Minute, threatOn(`,"agentIsActive":true`), source.FetchPending, fetchLater, 1},
		"offline":        {3 * time.Minute, threatOn(`,"agentIsActive":false`), source.FetchUnreachable, 0, 1},
		"the clock went": {-time.Hour, "", source.FetchPending, fetchSoon, 0},
	} {
		c, s := scripted(t, "", map[string]string{"GET /activities": noActivity, "GET /threats": tc.threat})
		step, err := c.PollFetch(context.Background(), asked(tc.after, progress{}))
		if err != nil || step.State != tc.want || step.Retry != tc.retry || len(s.sent) != 1+tc.looks {
			t.Errorf("%s: %+v, %v, sent %q", name, step, err, s.sent)
		}
		if step.State == source.FetchUnreachable {
			s.replies["GET /activities"] = uploadedAt(`"` + uploadPath + `"`)
			if step, err = c.PollFetch(context.Background(), step.Ticket); err != nil || step.State != source.FetchReady {
				t.Errorf("%s, then uploaded: %+v, %v", name, step, err)
			}
		}
	}
}

// answer is a reply in memory.
func answer(r *http.Request, status int, body string, header http.Header) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Request: r, Header: header, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func mustClient(t *testing.T, f transport) *httpx.Client {
	t.Helper()
	a, err := newAPI(Options{URL: "https://acme.sentinelone.net", Token: httpx.Literal("token")},
		Env{Name: "s1-prod", HTTP: httpx.Config{Transport: f, Attempts: 1}}, "ApiToken")
	if err != nil {
		t.Fatal(err)
	}
	return a.http
}

func TestADownloadElsewhereDoesNotGetTheToken(t *testing.T) {
	var hosts []string
	c, _ := scripted(t, "", nil)
	c.rest.http = mustClient(t, func(r *http.Request) (*http.Response, error) {
		hosts = append(hosts, r.URL.Host+" "+r.Header.Get("Authorization"))
		if r.URL.Host == "acme.sentinelone.net" {
			return answer(r, 302, "", http.Header{"Location": {"https://bucket.example/x?signature=y"}}), nil
		}
		return answer(r, 200, "PK\x05\x06"+strings.Repeat("\x00", 18), nil), nil
	})
	a, err := c.OpenFetch(context.Background(), asked(0, progress{Path: uploadPath}), "Infected_1234", sourcetest.Spool(t))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if len(hosts) != 2 || hosts[0] != "acme.sentinelone.net ApiToken token" || hosts[1] != "bucket.example " {
		t.Errorf("asked %q", hosts)
	}
}

func TestADownloadThatFailsSaysWhatToDo(t *testing.T) {
	for name, tc := range map[string]struct {
		reply string
		size  int64 // 0: as long as it is
		want  fault.Kind
	}{
		"expired": {`404 {}`, 0, fault.Gone}, "gone": {`410 {}`, 0, fault.Gone}, "forbidden": {`403 {}`, 0, fault.Denied},
		"page": {"200 \r\n<!DOCTYPE html>", 0, fault.Unavailable}, "JSON": {`200 {"errors":[{"title":"Oops"}]}`, 0, fault.Unavailable},
		"cut off": {"200 PK\x03\x04 and a half", 1000, fault.Unavailable}, "cut off at once": {"200 ", 1000, fault.Unavailable},
		"nothing": {"200 ", 0, fault.Corrupt}, "no archive": {"200 MZ\x90\x00", 0, fault.Corrupt},
	} {
		c, _ := scripted(t, "", nil)
		c.rest.http = mustClient(t, func(r *http.Request) (*http.Response, error) {
			status, body, _ := strings.Cut(tc.reply, " ")
			resp := answer(r, int(status[0]-'0')*100+int(status[1]-'0')*10+int(status[2]-'0'), body, nil)
			if tc.size > 0 {
				resp.ContentLength = tc.size
			}
			return resp, nil
		})
		a, err := c.OpenFetch(context.Background(), asked(0, progress{Path: uploadPath}), "Infected_1234", sourcetest.Spool(t))
		if e, ok := errors.AsType[*fault.Error](err); a != nil || !ok || e.Kind != tc.want || e.Source != "s1-prod" {
			t.Errorf("%s: %v, %v, want %s", name, a, err, tc.want)
		}
	}
}

func TestRecordedActivitiesLoseNothing(t *testing.T) {
	n, uploads := 0, 0
	sourcetest.Recorded(t, "sentinelone", func(file string, raw json.RawMessage, o map[string]any) {
		if o["activityType"] == nil {
			return
		}
		n++
		var a activity
		if err := json.Unmarshal(raw, &a); err != nil {
			t.Errorf("%s: %v", file, err)
			return
		}
		kind := sourcetest.Text(o, "activityType") // one recording has the name of the type
		if number, ok := o["activityType"].(json.Number); ok {
			kind = number.String()
		}
		sourcetest.Same(t, file, string(a.Type), kind)
		sourcetest.Same(t, file, string(a.ID), sourcetest.Text(o, "id"))
		sourcetest.Same(t, file, string(a.ThreatID), sourcetest.Text(o, "threatId"))
		sourcetest.Same(t, file, string(a.AgentID), sourcetest.Text(o, "agentId"))
		sourcetest.SameTime(t, file, a.CreatedAt.Time, sourcetest.Text(o, "createdAt"))
		sourcetest.SameTime(t, file, a.UpdatedAt.Time, sourcetest.Text(o, "updatedAt"))
		if url := sourcetest.Text(o, "data.downloadUrl"); url != "" {
			uploads++
			sourcetest.Same(t, file, a.path(), url)
			if isUpload(url) == strings.Contains(file, "invalid_path") {
				t.Errorf("%s: the path %q may be asked for: %v", file, url, isUpload(url))
			}
		}
		if number := sourcetest.Text(o, "data.commandId"); number != "" {
			sourcetest.Same(t, file, lookup(a.Data, []string{"commandId"}), number)
		}
	})
	if n < 17 || uploads < 5 {
		t.Errorf("%d recorded activities, %d of them uploads; want at least 17 and 5", n, uploads)
	}
}

func TestEachUploadOfTheLabIsReadAsWhatItIs(t *testing.T) {
	v := newVendor(t, surfaceThreats, lab.Options{Alerts: -1, FetchTime: -1})
	c, spool := v.client(t, time.Minute), sourcetest.Spool(t)
	for as, want := range map[string]sample.Problem{
		"zipcrypto": "", "aes": "", "wrong": sample.WrongBytes, "unreadable": sample.Unreadable, "corrupt": sample.Damaged,
		"empty": sample.NoFile, "nested": sample.WrongBytes, "hostile": sample.Hostile,
	} {
		a, file := fetched(t, c, v.addServed(t, as, true), spool)
		_, err := sample.Inspect(context.Background(), a, sample.DefaultLimits(), file.Hashes)
		if got := sample.ProblemOf(err); got != want || (err == nil) != (want == "") {
			t.Errorf("%s: %v, want %q", as, err, want)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

// fetched gets the file of an alert to the spool.
func fetched(t *testing.T, c *Client, id string, spool *sample.Spool) (*sample.Archive, alert.File) {
	t.Helper()
	ctx := context.Background()
	as, err := c.Get(ctx, alert.Handle{ID: id})
	if err != nil || len(as) != 1 {
		t.Fatal(as, err)
	}
	r := source.FetchRequest{Handle: as[0].Handle, File: as[0].Files[0], Attempt: 1, Password: "Infected_1234"}
	step, err := c.StartFetch(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	if step, err = c.PollFetch(ctx, step.Ticket); err != nil || step.State != source.FetchReady {
		t.Fatalf("%+v, %v", step, err)
	}
	a, err := c.OpenFetch(ctx, step.Ticket, r.Password, spool)
	if err != nil {
		t.Fatal(err)
	}
	return a, r.File
}

func TestAHugeFileIsNeverInMemory(t *testing.T) {
	const size = 32 << 20
	v := newVendor(t, surfaceThreats, lab.Options{Alerts: -1, FetchTime: -1, Huge: size})
	c, spool := v.client(t, time.Minute), sourcetest.Spool(t)
	id := v.addServed(t, "huge", true)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a, file := fetched(t, c, id, spool)
	defer a.Close()
	if _, err := sample.Inspect(context.Background(), a, sample.DefaultLimits(), file.Hashes); err != nil {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > size/4 {
		t.Errorf("%d bytes were allocated for %d, client and lab together", grown, size)
	}
}

func TestFetchingFollowsTheVendorsSpecification(t *testing.T) {
	j := newJudge(t)
	v := newVendor(t, surfaceThreats, lab.Options{Alerts: -1, FetchTime: -1})
	v.wrap = j.Wrap
	a, _ := fetched(t, v.client(t, time.Minute), v.addServed(t, "aes", true), sourcetest.Spool(t))
	defer a.Close()
	for _, call := range below("POST /threats/fetch-file", "GET /activities", "GET /threats") {
		if !slices.Contains(j.Judged(), call) {
			t.Errorf("%s was not called", call)
		}
	}
	if len(j.Unknown()) != 1 { // the download itself
		t.Errorf("not in the specification: %v", j.Unknown())
	}
}
