package defender

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"edrc/internal/lab/world"
)

// tenant is a vendor that is served, with a token for each resource.
type tenant struct {
	*Vendor
	t      *testing.T
	url    string
	tokens map[string]string
}

func serveTenant(t *testing.T, o world.Options) *tenant {
	t.Helper()
	content := []byte("bytes of the lab")
	o.Seed, o.Files = 3, []world.File{{
		Name: "a.exe", SHA256: strings.Repeat("ab", 32), SHA1: strings.Repeat("ab", 20), Size: int64(len(content)),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
	}}
	v := &tenant{Vendor: New(o), t: t, tokens: map[string]string{}}
	srv := httptest.NewServer(v.Vendor)
	t.Cleanup(srv.Close)
	v.url = srv.URL
	for _, resource := range []string{graph, mde} {
		status, body := v.form(TenantID, ClientID, ClientSecret, resource)
		token, _ := body["access_token"].(string)
		if status != 200 || token == "" {
			t.Fatalf("%d %v", status, body)
		}
		v.tokens[resource] = token
	}
	return v
}

func (v *tenant) form(tenant, client, secret, resource string) (int, map[string]any) {
	v.t.Helper()
	resp, err := http.PostForm(v.url+"/"+tenant+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret}, "scope": {resource + "/.default"}})
	if err != nil {
		v.t.Fatal(err)
	}
	return v.read(resp)
}

func (v *tenant) read(resp *http.Response) (int, map[string]any) {
	v.t.Helper()
	defer resp.Body.Close()
	var out map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil && err != io.EOF {
		v.t.Fatal(err)
	}
	return resp.StatusCode, out
}

// call sends a request with the token of its resource.
func (v *tenant) call(method, path, body string) (int, map[string]any) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.url+path, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+v.tokens[graph])
	if strings.HasPrefix(path, "/api/") {
		r.Header.Set("Authorization", "Bearer "+v.tokens[mde])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.read(resp)
}

func (v *tenant) wants(method, path, body string, status int, code string) map[string]any {
	v.t.Helper()
	got, out := v.call(method, path, body)
	e, _ := out["error"].(map[string]any)
	if got != status || code != "" && e["code"] != code {
		v.t.Errorf("%s %s: %d %v, want %d %s", method, path, got, e, status, code)
	}
	return out
}

func TestTokensAreOfOneTenantOneApplicationAndOneResource(t *testing.T) {
	v := serveTenant(t, world.Options{Alerts: 1})
	for want, args := range map[string][4]string{
		"AADSTS900023:":  {"elsewhere", ClientID, ClientSecret, graph},
		"AADSTS700016:":  {TenantID, "other", ClientSecret, graph},
		"AADSTS7000215:": {TenantID, ClientID, "guess", graph},
		"AADSTS500011:":  {TenantID, ClientID, ClientSecret, "https://vault.azure.net"},
	} {
		status, body := v.form(args[0], args[1], args[2], args[3])
		if text, _ := body["error_description"].(string); status/100 != 4 || !strings.HasPrefix(text, want) {
			t.Errorf("%s: %d %v", want, status, body)
		}
	}
	v.tokens[graph], v.tokens[mde] = v.tokens[mde], v.tokens[graph]
	v.wants("GET", "/v1.0/security/alerts_v2", "", 401, "InvalidAuthenticationToken")
	v.wants("GET", "/api/machines", "", 401, "InvalidAuthenticationToken")
}

func TestListsHaveTheLimitsOfTheRealOnes(t *testing.T) {
	v := serveTenant(t, world.Options{})
	v.Add(2_100, time.Hour, false)
	const alerts = "/v1.0/security/alerts_v2"
	v.wants("GET", alerts+"?$top=2001", "", 400, "BadRequest")
	v.wants("GET", "/v1.0/security/incidents?$top=51", "", 400, "BadRequest")
	v.wants("GET", "/api/machines?$top=10001", "", 400, "BadRequest")
	for _, filter := range []string{"title eq 'x'", "severity eq 'high' or severity eq 'low'", "createdDateTime ge 'x", "status eq new", "status like 'x'", "status eq 'new' and"} {
		v.wants("GET", alerts+"?$filter="+url.QueryEscape(filter), "", 400, "BadRequest")
	}
	out := v.wants("GET", alerts+"?$top=2000&$count=true", "", 200, "")
	next, _ := out["@odata.nextLink"].(string)
	if len(out["value"].([]any)) != 2000 || out["@odata.count"] != 2100.0 || !strings.Contains(next, "skip=2000") {
		t.Errorf("%d rows, count %v, next %q", len(out["value"].([]any)), out["@odata.count"], next)
	}
	first := func(out map[string]any, i int) string { return out["value"].([]any)[i].(map[string]any)["id"].(string) }
	before := v.wants("GET", alerts+"?$top=3&$skip=3", "", 200, "")
	v.Add(1, 0, false)
	if after := v.wants("GET", alerts+"?$top=3&$skip=3", "", 200, ""); first(after, 1) != first(before, 0) {
		t.Error("a new row does not shift the next page")
	}
	sorted := v.wants("GET", alerts+"?$top=1&$orderby=createdDateTime%20asc", "", 200, "")
	newest := v.wants("GET", alerts+"?$top=1", "", 200, "")
	if first(sorted, 0) == first(newest, 0) {
		t.Error("the order is not obeyed")
	}
	n := len(v.wants("GET", alerts+"?$filter="+url.QueryEscape("severity ne 'high' and createdDateTime ge 2020-01-01T00:00:00Z"), "", 200, "")["value"].([]any))
	if n == 0 || n == 2000 {
		t.Errorf("%d rows are not high", n)
	}
}

func TestEveryOperationNeedsItsRole(t *testing.T) {
	v := serveTenant(t, world.Options{Alerts: 1})
	id := v.alerts[0].id
	m := v.machines[0].id
	v.roles = map[string][]string{graph: {"SecurityAlert.Read.All"}, mde: {"Machine.Read.All"}}
	v.wants("GET", "/v1.0/security/alerts_v2/"+id, "", 200, "")
	v.wants("PATCH", "/v1.0/security/alerts_v2/"+id, `{"status":"resolved"}`, 403, "Forbidden")
	v.wants("GET", "/v1.0/security/incidents", "", 403, "Forbidden")
	v.wants("POST", "/api/machines/"+m+"/isolate", `{"Comment":"x","IsolationType":"Full"}`, 403, "Forbidden")
	if err := v.Control("licence", []byte(`{"resource":"mde","on":false}`)); err != nil {
		t.Fatal(err)
	}
	v.wants("GET", "/api/machines", "", 403, "Forbidden")
	if err := v.Control("retire", []byte(`{"resource":"mde","on":true}`)); err != nil {
		t.Fatal(err)
	}
	v.wants("GET", "/api/machines", "", 404, "")
}

func TestWritesAreStrict(t *testing.T) {
	v := serveTenant(t, world.Options{Alerts: 1})
	a := "/v1.0/security/alerts_v2/" + v.alerts[0].id
	v.wants("PATCH", a, `{"classification":"clean"}`, 400, "BadRequest")
	v.wants("PATCH", a, `{"determination":"compromisedUser"}`, 400, "BadRequest")
	v.wants("PATCH", a, `{"customTags":["x"]}`, 400, "BadRequest")
	v.wants("PATCH", a, `{"title":"x"}`, 400, "BadRequest")
	v.wants("POST", a+"/comments", `{"comment":"x"}`, 400, "BadRequest")
	out := v.wants("POST", a+"/comments", `{"@odata.type":"microsoft.graph.security.alertComment","comment":"x"}`, 200, "")
	if len(out["value"].([]any)) != 1 || len(v.State().Notes[v.alerts[0].id]) != 1 {
		t.Errorf("%v", out)
	}
	v.wants("GET", "/v1.0/security/alerts_v2/none", "", 404, "NotFound")
	v.wants("GET", "/v1.0/nonsense", "", 400, "BadRequest")
}

func TestNotesAreSeenWhenTheirLagIsOver(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	v := serveTenant(t, world.Options{Alerts: 1, NoteLag: time.Minute, Echo: true, Now: func() time.Time { return now }})
	a := "/v1.0/security/alerts_v2/" + v.alerts[0].id
	now = now.Add(time.Second)
	out := v.wants("POST", a+"/comments", `{"@odata.type":"microsoft.graph.security.alertComment","comment":"x"}`, 200, "")
	if len(out["value"].([]any)) != 1 {
		t.Errorf("the answer has %v", out)
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 0}, {59 * time.Second, 0}, {time.Second, 1}} {
		now = now.Add(step.after)
		if got := v.wants("GET", a, "", 200, ""); len(got["comments"].([]any)) != step.want {
			t.Errorf("%s: %v", now, got["comments"])
		}
	}
	if !v.alerts[0].updated.After(v.alerts[0].created) {
		t.Error("a note does not move the updated time")
	}
}

func TestAMachineDoesOneThingAtATime(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	v := serveTenant(t, world.Options{FetchTime: time.Minute, Now: func() time.Time { return now }})
	m := v.machines[0]
	at := "/api/machines/" + m.id
	v.wants("POST", at+"/isolate", `{"IsolationType":"Full"}`, 400, "MissingRequiredParameter")
	v.wants("POST", at+"/isolate", `{"Comment":"x","IsolationType":"full"}`, 400, "InvalidInput")
	v.wants("POST", at+"/isolate", `{"Comment":"x","isolationTypo":"Full"}`, 400, "BadRequest")
	out := v.wants("POST", at+"/isolate", `{"Comment":"x","IsolationType":"Full"}`, 201, "")
	if out["status"] != "Pending" {
		t.Errorf("%v", out)
	}
	v.wants("POST", at+"/unisolate", `{"Comment":"x"}`, 400, "ActiveRequestAlreadyExists")
	if len(v.State().Isolated) > 0 {
		t.Error("isolated before its time")
	}
	now = now.Add(time.Minute)
	if got := v.State().Isolated; len(got) != 1 || got[0] != m.name {
		t.Errorf("isolated: %q", got)
	}
	v.wants("POST", at+"/unisolate", `{"Comment":"x"}`, 201, "")
	m.health = "Inactive"
	now = now.Add(time.Hour)
	if len(v.State().Isolated) != 1 {
		t.Error("a machine that is offline was released")
	}
	m.health = "Active"
	if len(v.State().Isolated) != 0 {
		t.Error("it was not released when it was back")
	}
}

func TestTheStorageTakesTheLinkAlone(t *testing.T) {
	v := serveTenant(t, world.Options{})
	id := v.AddFile(&v.opt.Files[0], true)
	a := v.byID[id]
	body, _ := json.Marshal(map[string]any{"Comment": "x", "Commands": []any{map[string]any{"type": "GetFile", "params": []any{map[string]string{"key": "Path", "value": a.path()}}}}})
	out := v.wants("POST", "/api/machines/"+a.machine.id+"/runliveresponse", string(body), 201, "")
	action := fmt.Sprint(out["id"])
	link, _ := v.wants("GET", "/api/machineactions/"+action+"/GetLiveResponseResultDownloadLink(index=0)", "", 200, "")["value"].(string)
	get := func(link, auth string) (int, []byte) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
		if err != nil {
			t.Fatal(err)
		}
		if auth != "" {
			r.Header.Set("Authorization", auth)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, b
	}
	status, packed := get(link, "")
	unzip, err := gzip.NewReader(bytes.NewReader(packed))
	if status != 200 || err != nil {
		t.Fatalf("%d, %v", status, err)
	}
	if plain, _ := io.ReadAll(unzip); string(plain) != "bytes of the lab" {
		t.Errorf("%q", plain)
	}
	if status, _ := get(link, "Bearer x"); status != 400 {
		t.Errorf("with a credential: %d", status)
	}
	if status, _ := get(link[:strings.IndexByte(link, '?')], ""); status != 403 {
		t.Errorf("without the signature: %d", status)
	}
	if err := v.Control("expire", []byte(`{"host":"`+id+`"}`)); err != nil {
		t.Fatal(err)
	}
	if status, _ := get(link, ""); status != 404 {
		t.Errorf("expired: %d", status)
	}
	if s := v.State(); s.Fetches != 1 || s.Downloads != 1 || v.Fetches(id) != 1 {
		t.Errorf("%+v", s)
	}
}

func TestAnUnknownVerbIsAnError(t *testing.T) {
	v := New(world.Options{Alerts: 2})
	for verb, body := range map[string]string{"sleep": "{}", "purge": `{"ids":["x"]}`, "offline": `{"host":"x"}`, "alerts": "{", "fetch": `{"time":"soon"}`, "note": `{"id":"x"}`, "merge": "{}"} {
		if err := v.Control(verb, []byte(body)); err == nil {
			t.Errorf("%s %s is no error", verb, body)
		}
	}
	if err := v.Control("alerts", []byte(`{"count":3,"age":"1h"}`)); err != nil || v.State().Alerts != 5 {
		t.Errorf("%v, %d alerts", err, v.State().Alerts)
	}
	id := v.alerts[0].id
	if err := v.Control("touch", []byte(`{"ids":["`+id+`"],"status":"resolved"}`)); err != nil || v.alerts[0].status != "resolved" {
		t.Errorf("%v, %s", err, v.alerts[0].status)
	}
}

func TestTheSameSeedMakesTheSameTenant(t *testing.T) {
	now := func() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }
	a, b := New(world.Options{Alerts: 50, Seed: 9, Now: now}), New(world.Options{Alerts: 50, Seed: 9, Now: now})
	for i := range a.alerts {
		x, _ := json.Marshal(a.renderAlert(a.alerts[i]))
		y, _ := json.Marshal(b.renderAlert(b.alerts[i]))
		if !bytes.Equal(x, y) {
			t.Fatalf("alert %d differs:\n%s\n%s", i, x, y)
		}
	}
	if c := New(world.Options{Alerts: 50, Seed: 10, Now: now}); c.alerts[0].id == a.alerts[0].id {
		t.Error("another seed makes the same ids")
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{"status eq 'new'", "startswith(status,'a''b')", "createdDateTime ge 2026-01-01T00:00:00Z and status ne 'x'", "startswith(status,'", "status eq '"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		conditions, err := parseFilter(s, []string{"status", "createdDateTime"})
		if err != nil {
			return
		}
		for _, c := range conditions {
			if c.field != "status" && c.field != "createdDateTime" {
				t.Fatalf("%q filters by %q", s, c.field)
			}
			_ = c.holds("x")
			_ = c.holds(time.Now())
		}
	})
}
