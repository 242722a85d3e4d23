package crowdstrike

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
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
	token string
}

func newUser(t *testing.T, o world.Options) *user {
	t.Helper()
	u := &user{t: t, v: New(o)}
	form := url.Values{"client_id": {u.v.id}, "client_secret": {u.v.secret}}
	status, body, h := u.ask(http.MethodPost, "/oauth2/token", form.Encode())
	var reply struct {
		Token   string `json:"access_token"`
		Type    string `json:"token_type"`
		Expires int    `json:"expires_in"`
	}
	if err := json.Unmarshal(body, &reply); err != nil || status != http.StatusCreated || reply.Type != "bearer" || reply.Expires != tokenLife {
		t.Fatalf("%d %s, %v", status, body, err)
	}
	if h.Get("X-Cs-Region") != "us-1" || h.Get("X-Ratelimit-Limit") != "6000" || h.Get("X-Cs-Traceid") == "" {
		t.Errorf("headers %v", h)
	}
	u.token = reply.Token
	return u
}

func (u *user) ask(method, target, body string) (status int, raw []byte, h http.Header) {
	u.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if strings.HasPrefix(target, "/oauth2/") {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Authorization", "Bearer "+u.token)
	w := httptest.NewRecorder()
	u.v.ServeHTTP(w, r)
	return w.Code, w.Body.Bytes(), w.Result().Header
}

// reply is the envelope as this test reads it.
type envelopeRead struct {
	Meta struct {
		Pagination struct {
			After string `json:"after"`
			Total int    `json:"total"`
		} `json:"pagination"`
		Writes struct {
			Affected int `json:"resources_affected"`
		} `json:"writes"`
	} `json:"meta"`
	Errors []struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"errors"`
	Resources []json.RawMessage `json:"resources"`
}

func (u *user) get(want int, method, target, body string) envelopeRead {
	u.t.Helper()
	status, raw, _ := u.ask(method, target, body)
	var out envelopeRead
	if err := json.Unmarshal(raw, &out); err != nil || status != want {
		u.t.Fatalf("%s %s: %d %.300s, %v; want %d", method, target, status, raw, err, want)
	}
	return out
}

func quoted(ids []string) string {
	raw, _ := json.Marshal(ids)
	return string(raw)
}

func TestTheVendorsLimitsHold(t *testing.T) {
	u := newUser(t, world.Options{})
	ids := u.v.Add(10_500, time.Hour, false)
	n, after := 0, ""
	for pages := 0; ; pages++ {
		r := u.get(200, "POST", "/alerts/combined/alerts/v1", fmt.Sprintf(`{"limit":1000,"sort":"created_timestamp|asc","after":%q}`, after))
		n += len(r.Resources)
		if r.Meta.Pagination.Total != len(ids) {
			t.Errorf("page %d: total %d", pages, r.Meta.Pagination.Total)
		}
		if after = r.Meta.Pagination.After; after == "" {
			break
		}
	}
	if n != len(ids) {
		t.Errorf("combined gives %d alerts, want %d", n, len(ids))
	}
	if r := u.get(200, "GET", "/alerts/queries/alerts/v2?limit=10000&sort=created_timestamp.asc", ""); len(r.Resources) != 10_000 || r.Meta.Pagination.Total != 10_500 {
		t.Errorf("a query gives %d of %d", len(r.Resources), r.Meta.Pagination.Total)
	}
	u.get(400, "GET", "/alerts/queries/alerts/v2?limit=500&offset=9600", "")
	u.get(400, "POST", "/alerts/combined/alerts/v1", `{"limit":1001}`)
	u.get(413, "POST", "/alerts/entities/alerts/v2", `{"composite_ids":`+quoted(ids[:1001])+`}`)
	u.get(413, "PATCH", "/alerts/entities/alerts/v3", `{"composite_ids":`+quoted(ids[:1001])+`,"action_parameters":[{"name":"add_tag","value":"x"}]}`)
	r := u.get(200, "PATCH", "/alerts/entities/alerts/v3", `{"composite_ids":`+quoted(ids[:1000])+`,"action_parameters":[{"name":"add_tag","value":"x"}]}`)
	if r.Meta.Writes.Affected != 1000 {
		t.Errorf("%d affected", r.Meta.Writes.Affected)
	}
	u.v.AddHosts(200)
	hosts := u.get(200, "GET", "/devices/queries/devices/v1?limit=101", "")
	var many []string
	for _, raw := range hosts.Resources {
		many = append(many, strings.Trim(string(raw), `"`))
	}
	u.get(400, "GET", "/devices/entities/online-state/v1?ids="+strings.Join(many, "&ids="), "")
	u.get(400, "GET", "/devices/queries/devices/v1?limit=5001", "")
	u.get(400, "POST", "/devices/entities/devices-actions/v2?action_name=contain", `{"ids":`+quoted(many)+`}`)
	u.get(400, "GET", "/quarantine/queries/quarantined-files/v1?limit=501", "")
}

func TestAnAfterTokenIsGoodForItsOwnListOnly(t *testing.T) {
	u := newUser(t, world.Options{})
	u.v.Add(30, time.Hour, true)
	first := u.get(200, "POST", "/alerts/combined/alerts/v1", `{"limit":10,"sort":"created_timestamp|asc"}`)
	after := first.Meta.Pagination.After
	for _, body := range []string{
		fmt.Sprintf(`{"limit":10,"sort":"created_timestamp|desc","after":%q}`, after),
		fmt.Sprintf(`{"limit":10,"sort":"created_timestamp|asc","filter":"status:'new'","after":%q}`, after),
		`{"limit":10,"sort":"created_timestamp|asc","after":"garbage"}`,
	} {
		u.get(400, "POST", "/alerts/combined/alerts/v1", body)
	}
	seen := map[string]bool{}
	for _, raw := range first.Resources {
		seen[string(raw)] = true
	}
	for after != "" {
		r := u.get(200, "POST", "/alerts/combined/alerts/v1", fmt.Sprintf(`{"limit":10,"sort":"created_timestamp|asc","after":%q}`, after))
		for _, raw := range r.Resources {
			if seen[string(raw)] {
				t.Error("an alert comes twice")
			}
			seen[string(raw)] = true
		}
		after = r.Meta.Pagination.After
	}
	if len(seen) != 30 {
		t.Errorf("%d alerts of one moment, want 30", len(seen))
	}
}

func TestRefusalsComeInTheVendorsShape(t *testing.T) {
	u := newUser(t, world.Options{})
	id := u.v.Add(1, time.Hour, false)[0]
	for _, dead := range []string{"/detects/queries/detects/v1", "/incidents/queries/incidents/v1", "/alerts/queries/alerts/v1", "/nothing"} {
		if r := u.get(404, "GET", dead, ""); len(r.Errors) != 1 || r.Errors[0].Code != 404 {
			t.Errorf("%s: %+v", dead, r)
		}
	}
	patch := func(want int, name, value string) envelopeRead {
		return u.get(want, "PATCH", "/alerts/entities/alerts/v3", `{"composite_ids":["`+id+`","gone"],"action_parameters":[{"name":"`+name+`","value":`+value+`}]}`)
	}
	patch(400, "update_status", `"postponed"`)
	patch(400, "set_verdict", `"x"`)
	patch(400, "show_in_ui", `true`) // every value is a string
	patch(400, "append_comment", `"`+strings.Repeat("x", 1024)+`"`)
	if r := patch(200, "append_comment", `"`+strings.Repeat("x", 1023)+`"`); r.Meta.Writes.Affected != 1 || len(r.Errors) != 1 || r.Errors[0].Code != 404 {
		t.Errorf("%+v", r)
	}
	u.get(400, "POST", "/alerts/combined/alerts/v1", `{"filter":"nosuchfield:'x'"}`)
	u.v.missing[alertsRead] = true
	if r := u.get(403, "POST", "/alerts/combined/alerts/v1", `{}`); r.Errors[0].Message != "access denied, authorization failed" {
		t.Errorf("%+v", r)
	}
	u.token = "stale"
	if r := u.get(401, "POST", "/alerts/combined/alerts/v1", `{}`); r.Errors[0].Message != "access denied, invalid bearer token" {
		t.Errorf("%+v", r)
	}
	for status, body := range map[int]string{400: "x=y", 403: "client_id=x&client_secret=y"} {
		u.get(status, "POST", "/oauth2/token", body)
	}
}

func TestANoteIsVisibleAfterItsLagAndMayMoveTheAlert(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	u := newUser(t, world.Options{Now: func() time.Time { return now }, NoteLag: time.Minute, Echo: true})
	id := u.v.Add(1, time.Hour, false)[0]
	u.get(200, "PATCH", "/alerts/entities/alerts/v3", `{"composite_ids":["`+id+`"],"action_parameters":[{"name":"append_comment","value":"hi"}]}`)
	if got := u.v.State().Notes[id]; !slices.Equal(got, []string{"hi"}) {
		t.Errorf("notes %q", got)
	}
	read := func() (a alertJSON) {
		r := u.get(200, "POST", "/alerts/entities/alerts/v2", `{"composite_ids":["`+id+`"]}`)
		if err := json.Unmarshal(r.Resources[0], &a); err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := read(); len(a.Comments) != 0 || a.Updated != stamp(now) {
		t.Errorf("%d comments, updated %s", len(a.Comments), a.Updated)
	}
	now = now.Add(time.Minute)
	if a := read(); len(a.Comments) != 1 || a.Comments[0].Value != "hi" || a.Comments[0].User == "" {
		t.Errorf("%+v", a.Comments)
	}
}

func TestAnEndpointTakesItsTimeAndASessionEnds(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	file := world.File{Name: "x.exe", SHA256: strings.Repeat("ab", 32), MD5: strings.Repeat("cd", 16)}
	u := newUser(t, world.Options{Now: func() time.Time { return now }, FetchTime: 10 * time.Second, Files: []world.File{{Name: "y"}, file},
		Seven: func(w io.Writer, f world.File, password string) error {
			_, err := io.WriteString(w, "7z "+f.Name+" "+password)
			return err
		}})
	u.v.AddAbout(1, true)
	host := u.v.alerts[0].host
	text := func(r envelopeRead, name string) string {
		var o map[string]any
		if len(r.Resources) == 0 || json.Unmarshal(r.Resources[0], &o) != nil {
			t.Fatalf("%+v", r)
		}
		return fmt.Sprint(o[name])
	}
	const rtr = "/real-time-response/entities/"
	session := text(u.get(201, "POST", rtr+"sessions/v1", `{"device_id":"`+host.id+`"}`), "session_id")
	path, _ := json.Marshal(`get "` + u.v.path(u.v.alerts[0]) + `"`)
	command := text(u.get(201, "POST", rtr+"active-responder-command/v1", `{"session_id":"`+session+`","base_command":"get","command_string":`+string(path)+`}`), "cloud_request_id")
	poll := rtr + "active-responder-command/v1?sequence_id=0&cloud_request_id=" + command
	download := rtr + "extracted-file-contents/v1?session_id=" + session + "&sha256=" + file.SHA256
	if got := text(u.get(200, "GET", poll, ""), "complete"); got != "false" {
		t.Errorf("complete at once: %s", got)
	}
	u.get(404, "GET", download, "")
	now = now.Add(10 * time.Second)
	if got := text(u.get(200, "GET", poll, ""), "complete"); got != "true" {
		t.Errorf("not complete: %s", got)
	}
	if got := text(u.get(200, "GET", rtr+"file/v2?session_id="+session, ""), "cloud_request_id"); got != command {
		t.Errorf("file of %s", got)
	}
	if status, body, h := u.ask("GET", download, ""); status != 200 || string(body) != "7z x.exe infected" || h.Get("Content-Type") != "application/x-7z-compressed" {
		t.Errorf("%d %s", status, body)
	}
	if s := u.v.State(); s.Fetches != 1 || s.Downloads != 1 {
		t.Errorf("%+v", s)
	}
	now = now.Add(11 * time.Minute)
	u.get(404, "GET", poll, "")
	u.get(404, "GET", download, "")
	host.offline = true
	if r := u.get(404, "POST", rtr+"sessions/v1", `{"device_id":"`+host.id+`"}`); r.Errors[0].Code != 40401 {
		t.Errorf("%+v", r.Errors)
	}
}

func TestContainmentIsPendingUntilTheHostTakesIt(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	u := newUser(t, world.Options{Now: func() time.Time { return now }, FetchTime: time.Second})
	h := u.v.hosts[0]
	act := func(want int, name string) {
		u.get(want, "POST", "/devices/entities/devices-actions/v2?action_name="+name, `{"ids":["`+h.id+`"]}`)
	}
	is := func(want string) {
		t.Helper()
		if got := u.v.status(h); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	act(409, "lift_containment")
	act(202, "contain")
	act(409, "contain")
	is("containment_pending")
	h.offline = true
	now = now.Add(10 * time.Minute)
	is("containment_pending")
	h.offline = false
	is("contained")
	act(202, "lift_containment")
	is("lift_containment_pending")
	now = now.Add(time.Second)
	is("normal")
	u.get(404, "POST", "/devices/entities/devices-actions/v2?action_name=contain", `{"ids":["nobody"]}`)
	u.get(400, "POST", "/devices/entities/devices-actions/v2?action_name=explode", `{"ids":["`+h.id+`"]}`)
}

func TestAThrottledRequestNamesAMomentInEitherUnit(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	u := newUser(t, world.Options{Now: func() time.Time { return now }})
	for unit, want := range map[string]int64{"s": now.Unix() + 30, "ms": (now.Unix() + 30) * 1000} {
		if err := u.v.Control("throttle", []byte(`{"count":1,"wait":30,"unit":"`+unit+`"}`)); err != nil {
			t.Fatal(err)
		}
		status, _, h := u.ask("POST", "/alerts/combined/alerts/v1", `{}`)
		if status != 429 || h.Get("X-Ratelimit-Retryafter") != strconv.FormatInt(want, 10) {
			t.Errorf("%s: %d, %q", unit, status, h.Get("X-Ratelimit-Retryafter"))
		}
		u.get(200, "POST", "/alerts/combined/alerts/v1", `{}`)
	}
}

func TestTheSameSeedIsTheSameTenant(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	o := world.Options{Seed: 7, Alerts: 50, Now: func() time.Time { return now }}
	a, b := New(o), New(o)
	if a.Config("http://127.0.0.1:1") != b.Config("http://127.0.0.1:1") || a.alerts[20].id != b.alerts[20].id || len(a.cases) != 3 {
		t.Error("two tenants of one seed differ")
	}
	o.Seed = 8
	if New(o).id == a.id {
		t.Error("two seeds make the same tenant")
	}
	if got := a.State().Alerts; got != 50 {
		t.Errorf("%d alerts", got)
	}
}

func TestAControlThatIsUnknownIsAnError(t *testing.T) {
	v := New(world.Options{})
	for verb, body := range map[string]string{"explode": "", "note": `{"id":"x"}`, "offline": `{"host":"x"}`, "fetch": `{"time":"soon"}`, "purge": `nonsense`} {
		if err := v.Control(verb, []byte(body)); err == nil {
			t.Errorf("%s %s is obeyed", verb, body)
		}
	}
	if err := v.Control("expire", nil); err != nil {
		t.Error(err)
	}
}
