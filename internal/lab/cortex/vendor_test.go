package cortex

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"edrc/internal/lab/world"
)

// user asks the vendor as a client would, without a network.
type user struct {
	t     *testing.T
	v     *Vendor
	nonce int
}

func newUser(t *testing.T, o world.Options) *user { return &user{t: t, v: New(o)} }

// sign sets the headers of an advanced key.
func (u *user) sign(h http.Header, nonce string, at time.Time) {
	ms := strconv.FormatInt(at.UnixMilli(), 10)
	sum := sha256.Sum256([]byte(u.v.key + nonce + ms))
	h.Set("x-xdr-auth-id", u.v.keyID)
	h.Set("x-xdr-nonce", nonce)
	h.Set("x-xdr-timestamp", ms)
	h.Set("Authorization", hex.EncodeToString(sum[:]))
}

func (u *user) ask(path, body string) (status int, raw []byte) {
	u.t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/public_api/"+path, strings.NewReader(body))
	u.nonce++
	u.sign(r.Header, fmt.Sprintf("%064d", u.nonce), u.v.opt.Now())
	w := httptest.NewRecorder()
	u.v.ServeHTTP(w, r)
	if w.Header().Get("Date") == "" {
		u.t.Errorf("%s: no Date", path)
	}
	return w.Code, w.Body.Bytes()
}

// get wants a status and gives what stands under "reply".
func (u *user) get(want int, path, data string) map[string]any {
	u.t.Helper()
	status, raw := u.ask(path, `{"request_data":`+data+`}`)
	if status != want {
		u.t.Fatalf("%s %s: %d %.300s; want %d", path, data, status, raw, want)
	}
	var out struct {
		Reply any `json:"reply"`
	}
	if err := json.Unmarshal(raw, &out); err != nil && len(raw) > 0 {
		u.t.Fatalf("%s: %.300s: %v", path, raw, err)
	}
	o, _ := out.Reply.(map[string]any)
	return o
}

const alertsPath = "v2/alerts/get_alerts_multi_events"

func rows(o map[string]any, name string) []map[string]any {
	var out []map[string]any
	list, _ := o[name].([]any)
	for _, item := range list {
		row, _ := item.(map[string]any)
		out = append(out, row)
	}
	return out
}

func TestTheVendorsLimitsHold(t *testing.T) {
	u := newUser(t, world.Options{})
	u.v.Control("version", []byte(`{"version":"5"}`))
	u.v.Add(250, time.Hour, true)
	for path, names := range map[string][2]string{alertsPath: {"alerts", "total_count"}, "v1/incidents/get_incidents": {"incidents", "total_count"},
		"v1/case/search": {"DATA", "FILTER_COUNT"}, "v1/issue/search": {"DATA", "FILTER_COUNT"}} {
		for from, want := range map[int]int{0: 100, 100: 100, 200: 50, 300: 0} {
			r := u.get(200, path, fmt.Sprintf(`{"search_from":%d,"search_to":%d}`, from, from+100))
			if got := len(rows(r, names[0])); got != want || r[names[1]] != 250.0 {
				t.Errorf("%s from %d: %d rows of %v", path, from, got, r[names[1]])
			}
		}
		if r := u.get(200, path, `{}`); len(rows(r, names[0])) != 100 {
			t.Errorf("%s: without a window %d rows", path, len(rows(r, names[0])))
		}
		u.get(400, path, `{"search_from":0,"search_to":101}`)
		u.get(500, path, `{"filters":[{"field":"nonsense","operator":"in","value":["x"]}]}`)
		u.get(500, path, `{"filters":[{"field":"creation_time","operator":"like","value":1}]}`)
		u.get(500, path, `{"sort":{"field":"nonsense","keyword":"asc"}}`)
	}
	u.get(500, alertsPath, `{"filters":[{"field":"alert_id_list","operator":"in","value":["1"]}]}`) // numbers are wanted
	u.get(500, "v1/incidents/get_incidents", `{"filters":[{"field":"incident_id_list","operator":"in","value":[893]}]}`)
	u.get(500, "v1/issue/search", `{"filters":[{"field":"case_id","operator":"in","value":[893]}]}`)
	id := u.v.AddIncident(1200, time.Hour)
	r := u.get(200, "v1/incidents/get_incident_extra_data", `{"incident_id":"`+id+`","alerts_limit":1000}`)
	if a, _ := r["alerts"].(map[string]any); len(rows(a, "data")) != 1000 || a["total_count"] != 1200.0 {
		t.Errorf("%d alerts of %v", len(rows(a, "data")), a["total_count"])
	}
	u.get(400, "v1/incidents/get_incident_extra_data", `{"incident_id":"`+id+`","alerts_limit":1001}`)
	u.get(400, "v1/incidents/get_incident_extra_data", `{"incident_id":893}`)
	u.get(404, "v1/incidents/get_incident_extra_data", `{"incident_id":"1"}`)
	many := `"` + strings.Repeat(`1","`, 100) + `1"`
	u.get(400, "v1/alerts/update_alerts", `{"alert_id_list":[`+many+`],"update_data":{"status":"new"}}`)
	u.get(400, "v1/incidents/update_incident", `{"incident_id":"`+id+`","update_data":{"comment":{"comment_action":"add","value":"`+strings.Repeat("x", 2001)+`"}}}`)
	u.get(400, "v1/endpoints/file_retrieval", `{"filters":[{"field":"endpoint_id_list","operator":"in","value":[`+strings.Repeat(`"a",`, 10)+`"a"]}],"files":{"linux":["/x"]}}`)
}

func TestRowsOfOneMomentStandInNoCertainOrder(t *testing.T) {
	u := newUser(t, world.Options{})
	u.v.Add(150, time.Hour, true)
	seen := map[string]bool{}
	for range 10 {
		r := u.get(200, "v1/incidents/get_incidents", `{"search_from":0,"search_to":100,"sort":{"field":"creation_time","keyword":"asc"}}`)
		for _, in := range rows(r, "incidents") {
			seen[fmt.Sprint(in["incident_id"])] = true
		}
	}
	if len(seen) <= 100 {
		t.Errorf("the first page is always the same %d", len(seen))
	}
}

func TestAKeyIsGoodOnlyAsItsTypeSays(t *testing.T) {
	u := newUser(t, world.Options{})
	try := func(want int, set func(http.Header)) {
		t.Helper()
		r := httptest.NewRequest(http.MethodPost, "/public_api/"+alertsPath, strings.NewReader(`{"request_data":{}}`))
		set(r.Header)
		w := httptest.NewRecorder()
		if u.v.ServeHTTP(w, r); w.Code != want {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if want == 401 && !strings.Contains(w.Body.String(), `"err_code":401`) {
			t.Errorf("%s", w.Body)
		}
	}
	now, nonce := time.Now(), strings.Repeat("aZ09", 16)
	good := func(h http.Header) { u.sign(h, nonce, now) }
	plain := func(h http.Header) { h.Set("x-xdr-auth-id", u.v.keyID); h.Set("Authorization", u.v.key) }
	try(200, good)
	try(401, good) // the nonce was used
	try(401, plain)
	try(401, func(http.Header) {})
	try(401, func(h http.Header) { u.sign(h, strings.Repeat("b", 63), now) })
	try(401, func(h http.Header) { u.sign(h, strings.Repeat("-", 64), now) })
	try(401, func(h http.Header) { u.sign(h, strings.Repeat("b", 64), now.Add(-6*time.Minute)) })
	try(401, func(h http.Header) { u.sign(h, strings.Repeat("c", 64), now); h.Set("x-xdr-auth-id", "0") })
	try(401, func(h http.Header) { u.sign(h, strings.Repeat("d", 64), now); h.Set("Authorization", "00") })
	if err := u.v.Control("key", []byte(`{"type":"standard"}`)); err != nil {
		t.Fatal(err)
	}
	try(200, plain)
	try(200, plain)
	try(401, func(h http.Header) { u.sign(h, strings.Repeat("e", 64), now) })
	if err := u.v.Control("token", []byte(`{"valid":false}`)); err != nil {
		t.Fatal(err)
	}
	try(401, plain)
	if !strings.Contains(u.v.Config("http://x"), "key_type: standard") {
		t.Error(u.v.Config("http://x"))
	}
}

func TestTheGenerationsAndRefusalsAreThoseOfTheVendor(t *testing.T) {
	u := newUser(t, world.Options{Alerts: 20})
	for _, path := range []string{"v1/case/search", "v1/issue/search", "v1/nothing", "v3/x", "v1/issue/1/2"} {
		if r := u.get(404, path, `{}`); r["err_code"] != 404.0 {
			t.Errorf("%s: %v", path, r)
		}
	}
	u.v.Control("version", []byte(`{"version":"5"}`))
	u.get(200, "v1/case/search/", `{}`) // the slash is optional
	id := fmt.Sprint(u.v.alerts[0].id)
	for want, body := range map[int]string{204: `{"status":"Resolved","status_resolution_reason":"Resolved - Other"}`, 422: `{"status":"Resolved"}`, 400: `{}`} {
		u.get(want, "v1/issue/"+id, `{"update_data":`+body+`}`)
	}
	u.get(422, "v1/issue/"+id, `{"update_data":{"status":"New","status_resolution_reason":"Resolved - Other"}}`)
	u.get(404, "v1/issue/7", `{"update_data":{"status":"New"}}`)
	u.v.Control("permission", []byte(`{"permission":"`+viewAlerts+`","missing":true}`))
	u.get(403, alertsPath, `{}`)
	u.v.Control("permission", []byte(`{"permission":"licence","missing":true}`))
	u.get(402, "v1/endpoints/isolate", `{"endpoint_id":"x"}`)
	u.v.Control("retire", []byte(`{"path":"v1/incidents/"}`))
	u.get(404, "v1/incidents/get_incidents", `{}`)
	if status, _ := u.ask("v1/endpoints/get_endpoint", `nonsense`); status != 400 {
		t.Errorf("nonsense is %d", status)
	}
	u.v.Control("throttle", []byte(`{"count":1}`))
	u.get(429, "v1/endpoints/get_endpoint", `{}`)
	u.get(200, "v1/endpoints/get_endpoint", `{}`)
}

func TestANoteIsVisibleAfterItsLagAndMayMoveTheAlert(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	u := newUser(t, world.Options{Now: func() time.Time { return now }, NoteLag: time.Minute, Echo: true})
	in := u.v.IncidentOf(u.v.Add(1, time.Hour, false)[0])
	u.get(200, "v1/incidents/update_incident", `{"incident_id":"`+in+`","update_data":{"comment":{"comment_action":"add","value":"hi"}}}`)
	if got := u.v.State().Notes[in]; !slices.Equal(got, []string{"hi"}) {
		t.Errorf("notes %q", got)
	}
	read := func() []map[string]any {
		r := u.get(200, "v1/incidents/get_incident_extra_data", `{"incident_id":"`+in+`"}`)
		body, _ := r["incident"].(map[string]any)
		return rows(body, "comments")
	}
	if got := read(); len(got) != 0 || u.v.alerts[0].modified != now.UnixMilli() {
		t.Errorf("%v, modified %d", got, u.v.alerts[0].modified)
	}
	now = now.Add(time.Minute)
	if got := read(); len(got) != 1 || got[0]["value"] != "hi" || got[0]["comment_id"] == "" || got[0]["created_by"] == "" {
		t.Errorf("%v", got)
	}
	u.v.Control("comments", []byte(`{"silent":true}`))
	if got := read(); got != nil {
		t.Errorf("%v", got)
	}
}

func TestAnEndpointTakesItsTime(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	file := world.File{Name: "x.exe", SHA256: strings.Repeat("ab", 32), Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("inert")), nil }}
	u := newUser(t, world.Options{Now: func() time.Time { return now }, FetchTime: 10 * time.Second, Files: []world.File{{Name: "y"}, file}})
	h := u.v.alert(u.v.AddAbout(1, true)).host
	path, _ := json.Marshal(h.path(file))
	one := `"filters":[{"field":"endpoint_id_list","operator":"in","value":["` + h.id + `"]}]`
	id := fmt.Sprint(u.get(200, "v1/endpoints/file_retrieval", `{`+one+`,"files":{"windows":[`+string(path)+`]},"incident_id":"893"}`)["action_id"])
	status := func() map[string]any {
		data, _ := u.get(200, "v1/actions/get_action_status", `{"group_action_id":`+id+`}`)["data"].(map[string]any)
		return data
	}
	link := func() any {
		data, _ := u.get(200, "v1/actions/file_retrieval_details", `{"group_action_id":`+id+`}`)["data"].(map[string]any)
		return data[h.id]
	}
	if got := status(); len(got) > 0 || link() != nil {
		t.Errorf("at once: %v", got)
	}
	if got := status(); got[h.id] != "PENDING" {
		t.Errorf("the second time: %v", got)
	}
	now = now.Add(10 * time.Second)
	if got := status(); got[h.id] != "COMPLETED_SUCCESSFULLY" {
		t.Errorf("%v", got)
	}
	_, at, _ := strings.Cut(fmt.Sprint(link()), "/public_api/")
	if code, body := u.ask(at, ""); code != 200 || !strings.HasPrefix(string(body), "PK") {
		t.Errorf("%d %.20q", code, body)
	}
	if s := u.v.State(); s.Fetches != 1 || s.Downloads != 1 {
		t.Errorf("%+v", s)
	}
	u.get(400, "v1/actions/get_action_status", `{"group_action_id":"`+id+`"}`)
	u.v.Control("expire", nil)
	u.get(404, "v1/actions/get_action_status", `{"group_action_id":`+id+`}`)
	if code, _ := u.ask(at, ""); code != 404 {
		t.Errorf("expired: %d", code)
	}
	id = fmt.Sprint(u.get(200, "v1/endpoints/file_retrieval", `{`+one+`,"files":{"windows":["C:\\nowhere"]}}`)["action_id"])
	now = now.Add(time.Minute)
	if got := status(); got[h.id] != "FAILED" {
		t.Errorf("no such file: %v", got)
	}
	u.get(400, "v1/endpoints/file_retrieval", `{`+one+`,"files":{"generic":["x"]}}`)
	u.get(400, "v1/endpoints/file_retrieval", `{`+one+`,"files":{"linux":["/x"]}}`)
}

func TestAnIsolationIsPendingUntilTheHostTakesIt(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	u := newUser(t, world.Options{Now: func() time.Time { return now }, FetchTime: time.Second})
	h := u.v.hosts[0]
	one := `{"endpoint_id":"` + h.id + `"}`
	is := func(want string) {
		t.Helper()
		r := u.get(200, "v1/endpoints/get_endpoint", `{"filters":[{"field":"endpoint_id_list","operator":"in","value":["`+h.id+`"]}]}`)
		if e := rows(r, "endpoints"); len(e) != 1 || e[0]["is_isolated"] != want || (e[0]["isolated_date"] != nil) != (want == "AGENT_ISOLATED") {
			t.Errorf("%v, want %s", e, want)
		}
	}
	u.get(500, "v1/endpoints/unisolate", one)
	if r := u.get(200, "v1/endpoints/isolate", one); r["endpoints_count"] != 1.0 || r["action_id"] == nil {
		t.Errorf("%v", r)
	}
	u.get(500, "v1/endpoints/isolate", one)
	is("AGENT_PENDING_ISOLATION")
	h.offline, now = true, now.Add(10*time.Minute)
	is("AGENT_PENDING_ISOLATION")
	h.offline = false
	is("AGENT_ISOLATED")
	if got := u.v.State().Isolated; !slices.Equal(got, []string{h.name}) {
		t.Errorf("%v", got)
	}
	u.get(200, "v1/endpoints/unisolate", `{"filters":[{"field":"endpoint_id_list","operator":"in","value":["`+h.id+`"]}]}`)
	is("AGENT_PENDING_ISOLATION_CANCELLATION")
	now = now.Add(time.Second)
	is("AGENT_UNISOLATED")
	u.get(500, "v1/endpoints/isolate", `{"endpoint_id":"`+h.id+`","filters":[{"field":"endpoint_id_list","operator":"in","value":["`+h.id+`"]}]}`)
	u.get(500, "v1/endpoints/isolate", `{"endpoint_id":"nobody"}`)
}

func TestTheSameSeedIsTheSameTenant(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	o := world.Options{Seed: 7, Alerts: 50, Now: func() time.Time { return now }}
	a, b := New(o), New(o)
	if a.Config("http://127.0.0.1:1") != b.Config("http://127.0.0.1:1") || a.alerts[20].inserted != b.alerts[20].inserted || len(a.cases) == 0 || len(a.cases) >= 50 {
		t.Errorf("two tenants of one seed differ, or have %d incidents", len(a.cases))
	}
	o.Seed = 8
	if New(o).key == a.key {
		t.Error("two seeds make the same tenant")
	}
	if got := a.State().Alerts; got != 50 {
		t.Errorf("%d alerts", got)
	}
}

func TestAControlThatIsUnknownIsAnError(t *testing.T) {
	v := New(world.Options{})
	for verb, body := range map[string]string{"explode": "", "note": `{"id":"x"}`, "offline": `{"host":"x"}`, "fetch": `{"time":"soon"}`, "purge": `nonsense`, "version": `{"version":"4"}`, "key": `{}`} {
		if err := v.Control(verb, []byte(body)); err == nil {
			t.Errorf("%s %s is obeyed", verb, body)
		}
	}
	loose := v.AddLoose(time.Hour)
	if err := v.Control("note", []byte(`{"id":"`+loose+`","text":"x"}`)); err == nil || v.IncidentOf(loose) != "" || v.HostOf(loose) == "" {
		t.Errorf("%v", err)
	}
	for verb, body := range map[string]string{"expire": "", "action": `{"status":"FAILED"}`, "archive": `{"password":"x"}`, "window": `{"inclusive":true}`, "status": `{"id":"` + loose + `","status":"new"}`} {
		if err := v.Control(verb, []byte(body)); err != nil {
			t.Errorf("%s: %v", verb, err)
		}
	}
}

func TestWritesAndRefusalsAreToldApart(t *testing.T) {
	v := New(world.Options{})
	for path, want := range map[string]bool{
		"v1/incidents/update_incident": true, "v1/alerts/update_alerts": true, "v1/case/update/7": true, "v1/issue/7": true, "v1/endpoints/isolate": true,
		"v1/endpoints/unisolate/": true, "v1/endpoints/file_retrieval": true, "v1/issue/search": false, "v1/case/search": false, alertsPath: false,
		"v1/incidents/get_incident_extra_data": false, "v1/actions/get_action_status": false, "v1/download/x": false,
	} {
		if got := v.Writes(httptest.NewRequest(http.MethodPost, "/public_api/"+path, nil)); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
	for pick, want := range map[uint64]string{0: "", 1: "0"} {
		w := httptest.NewRecorder()
		if v.Refuse(w, nil, 429, pick); w.Code != 429 || w.Header().Get("Retry-After") != want || !strings.Contains(w.Body.String(), `"err_code":429`) {
			t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
		}
	}
}
