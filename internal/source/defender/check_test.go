package defender

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/lab/world"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

func TestCheckNamesWhatIsMissingByCapability(t *testing.T) {
	for name, tc := range map[string]struct {
		verb string
		in   map[string]any
		want map[string]string // capability -> part of what is said
	}{
		"read only": {"roles", map[string]any{"roles": map[string][]string{"graph": {"SecurityAlert.Read.All"}, "mde": {"Machine.Read.All"}}}, map[string]string{
			"notes": "SecurityAlert.ReadWrite.All", "resolve": "SecurityAlert.ReadWrite.All", "incidents": "SecurityIncident.Read.All",
			"tags": "SecurityIncident.ReadWrite.All", "isolate": "Machine.Isolate", "fetch": "Machine.LiveResponse",
		}},
		"nothing of alerts": {"roles", map[string]any{"roles": map[string][]string{"graph": {"SecurityIncident.ReadWrite.All"}}}, map[string]string{
			"alerts": "SecurityAlert.Read.All", "notes": "SecurityAlert.ReadWrite.All", "resolve": "SecurityAlert.ReadWrite.All",
		}},
		"no role at all":    {"roles", map[string]any{"roles": map[string][]string{"mde": {}}}, map[string]string{"hosts": "Machine.Read.All", "isolate": "Machine.Isolate", "fetch": "Machine.LiveResponse"}},
		"no endpoint plan":  {"licence", map[string]any{"resource": "mde", "on": false}, map[string]string{"hosts": "licence", "isolate": "licence", "fetch": "licence"}},
		"no alerts licence": {"licence", map[string]any{"resource": "graph", "on": false}, map[string]string{"alerts": "licence", "notes": "licence", "resolve": "licence"}},
		"retired":           {"retire", map[string]any{"resource": "mde", "on": true}, map[string]string{"hosts": "MC1220762", "isolate": "MC1220762", "fetch": "MC1220762"}},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t, world.Options{Alerts: 1})
			v.Control(t, tc.verb, tc.in)
			h, err := v.client(t, time.Minute).Check(t.Context())
			if err != nil || h.Identity == "" || h.Tenant == "" {
				t.Errorf("%+v, %v", h, err)
			}
			if got, want := slices.Sorted(maps.Keys(h.Missing)), slices.Sorted(maps.Keys(tc.want)); !slices.Equal(got, want) {
				t.Errorf("missing %v, want %v", h.Missing, want)
			}
			for capability, says := range tc.want {
				if !strings.Contains(h.Missing[capability], says) {
					t.Errorf("%s: %q does not say %q", capability, h.Missing[capability], says)
				}
			}
		})
	}
}

func TestEveryCallNamesThePermissionThatItLacks(t *testing.T) {
	v := newVendor(t, world.Options{})
	id := v.AddFile(t, true)
	all := v.client(t, time.Minute)
	host := sourcetest.Host(t, all, "desk-000")
	h := listedHandles(t, all)[0]
	v.Control(t, "roles", map[string]any{"roles": map[string][]string{"graph": {"Other.Read.All"}, "mde": {"Other.Read.All"}}})
	for permission, do := range map[string]func(*Client) error{
		"SecurityAlert.Read.All": func(c *Client) error { _, err := c.Get(t.Context(), h); return err },
		"SecurityAlert.ReadWrite.All": func(c *Client) error {
			rs, err := c.AddNote(t.Context(), "x", h)
			if err != nil || rs[0].Outcome != source.NoteRefused {
				return err
			}
			return rs[0].Err
		},
		"SecurityIncident.Read.All": func(c *Client) error { _, err := c.GetIncident(t.Context(), h.Group); return err },
		"SecurityIncident.ReadWrite.All": func(c *Client) error {
			rs, err := c.AddNote(t.Context(), "x", IncidentHandle(h.Group))
			if err != nil {
				return err
			}
			return rs[0].Err
		},
		"Machine.Read.All": func(c *Client) error { _, err := c.Isolation(t.Context(), host, source.Operation{}); return err },
		"Machine.Isolate":  func(c *Client) error { _, err := c.Release(t.Context(), host); return err },
	} {
		e, ok := errors.AsType[*fault.Error](do(v.client(t, time.Minute)))
		if !ok || e.Kind != fault.Denied || !strings.Contains(e.Hint, permission) {
			t.Errorf("%s: %+v", permission, e)
		}
	}
	v.Control(t, "roles", map[string]any{"roles": map[string][]string{"graph": {"SecurityAlert.Read.All"}, "mde": {"Machine.Read.All"}}})
	c := v.client(t, time.Minute)
	for a, err := range c.List(t.Context(), alert.Query{}) {
		if err != nil || a.ID != id {
			t.Fatalf("%s, %v", a.ID, err)
		}
		_, err = c.StartFetch(t.Context(), source.FetchRequest{Handle: a.Handle, File: a.Files[0], Endpoint: true, Password: "x", Attempt: 1})
		if e, ok := errors.AsType[*fault.Error](err); !ok || e.Kind != fault.Denied || !strings.Contains(e.Hint, "Machine.LiveResponse") {
			t.Errorf("a file: %+v", err)
		}
	}
}

func TestCheckWithATokenThatTellsNothingTriesInstead(t *testing.T) {
	c, _ := scripted(t, map[string]string{
		"token":                   `200 {"access_token":"opaque","expires_in":3599}`,
		"GET /security/alerts_v2": `403 {"error":{"code":"Forbidden","message":"no"}}`,
		"GET /machines/" + nobody: `403 {"error":{"code":"Forbidden","message":"no"}}`,
	})
	h, err := c.Check(t.Context())
	if err != nil || !strings.Contains(h.Missing["alerts"], "SecurityAlert.Read.All") || !strings.Contains(h.Missing["hosts"], "Machine.Read.All") || h.Identity != "app" {
		t.Errorf("%+v, %v", h, err)
	}
	c, _ = scripted(t, map[string]string{"GET /security/alerts_v2": `503 {}`})
	if _, err := c.Check(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("Graph is down: %v", err)
	}
	c, _ = scripted(t, map[string]string{"GET /security/alerts_v2": `200 {"value":[]}`, "GET /machines/" + nobody: `503 {}`})
	if _, err := c.Check(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("the endpoint API is down: %v", err)
	}
}

func TestOptionsThatDoNotFitAreRefusedWithWhatToWrite(t *testing.T) {
	secret := httpx.Literal("s")
	for says, o := range map[string]Options{
		"tenant_id (of the Entra tenant), client_id (of the application), one of client_secret, certificate, managed_identity": {},
		"exclude each other":         {TenantID: "t", ClientID: "c", ClientSecret: secret, ManagedIdentity: true},
		"cloud of China":             {TenantID: "t", ClientID: "c", ClientSecret: secret, Cloud: "China"},
		"commercial, gcc, gcc-high":  {TenantID: "t", ClientID: "c", ClientSecret: secret, Cloud: "moon"},
		"not a GUID":                 {TenantID: "a/../b", ClientID: "c", ClientSecret: secret},
		"there is no certificate":    {TenantID: "t", ClientID: "c", ClientSecret: secret, CertificatePassword: secret},
		"does not start with https":  {TenantID: "t", ClientID: "c", ClientSecret: secret, Authority: "http://login.example"},
		"does not start with https:": {TenantID: "t", ClientID: "c", ClientSecret: secret, GraphURL: "http://graph.example"},
	} {
		if _, err := New(o, Env{Name: "mde"}); !fault.Is(err, fault.Usage) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

func TestEveryCloudHasItsHosts(t *testing.T) {
	want := map[string][3]string{
		"":         {"https://login.microsoftonline.com", "https://graph.microsoft.com", "https://api.securitycenter.microsoft.com"},
		"GCC":      {"https://login.microsoftonline.com", "https://graph.microsoft.com", "https://api-gcc.securitycenter.microsoft.us"},
		"gcc-high": {"https://login.microsoftonline.us", "https://graph.microsoft.us", "https://api-gov.securitycenter.microsoft.us"},
		"dod":      {"https://login.microsoftonline.us", "https://dod-graph.microsoft.us", "https://api-gov.securitycenter.microsoft.us"},
	}
	for name, hosts := range want {
		c, err := New(Options{TenantID: "t", ClientID: "c", ClientSecret: httpx.Literal("s"), Cloud: name}, Env{Name: "mde"})
		if err != nil {
			t.Fatal(err)
		}
		got := [3]string{c.login.Base(), strings.TrimSuffix(c.graph.http.Base(), "/v1.0"), strings.TrimSuffix(c.mde.http.Base(), "/api")}
		if got != hosts || c.graph.tokens.scope != hosts[1]+"/.default" || c.mde.tokens.scope != hosts[2]+"/.default" {
			t.Errorf("%q: %v, scopes %s and %s", name, got, c.graph.tokens.scope, c.mde.tokens.scope)
		}
	}
	if len(want) != len(Clouds()) {
		t.Errorf("clouds %v", Clouds())
	}
}

func TestPermissionsNameEveryCapability(t *testing.T) {
	got := Permissions()
	for _, capability := range []string{"alerts", "notes", "resolve", "incidents", "tags", "hosts", "isolate", "fetch"} {
		if got[capability] == "" {
			t.Errorf("%s has no permission", capability)
		}
	}
	if len(got) != 8 {
		t.Errorf("%v", got)
	}
}

func TestFactsCanBeSetToZero(t *testing.T) {
	zero, hour := time.Duration(0), time.Hour
	c, err := New(Options{TenantID: "t", ClientID: "c", ClientSecret: httpx.Literal("s"), Timing: source.Timing{Settle: &zero, NoteSettle: &hour}}, Env{Name: "mde"})
	if err != nil {
		t.Fatal(err)
	}
	if tr := c.Traits(); tr.Settle != 0 || tr.NoteSettle != hour || tr.Overlap != time.Hour || tr.NoteMax != 1000 || tr.NoteBulk != 1 {
		t.Errorf("%+v", tr)
	}
}
