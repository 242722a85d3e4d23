package cortex

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

func TestCheckNamesTheMissingPermissionOfEachCapability(t *testing.T) {
	versions(t, func(t *testing.T, v *vendor) {
		v.lab.Add(3, time.Hour, false)
		licence := "licence: " + licenceEndpoint
		for lacks, want := range map[string]map[string]string{
			"":             {},
			permAlerts:     {"alerts": permAlerts, "incidents": permAlerts},
			permAlertsEdit: {"notes": permAlertsEdit, "resolve": permAlertsEdit},
			permEndpoints:  {"hosts": permEndpoints},
			permIsolate:    {"isolate": permIsolate},
			permRetrieve:   {"fetch from the endpoint": permRetrieve},
			"licence":      {"isolate": licence, "fetch from the endpoint": licence},
		} {
			v.Control(t, "permission", map[string]any{"permission": lacks, "missing": true})
			h, err := v.client(t, time.Minute).Check(context.Background())
			if err != nil || !maps.Equal(h.Missing, want) || h.Tenant == "" || !strings.Contains(h.Identity, v.options.KeyID) {
				t.Errorf("without %q: %+v, %v", lacks, h, err)
			}
			for capability, what := range want {
				if lacks != "licence" && Permissions()[capability] != what {
					t.Errorf("%s: the table has %q, and not %q", capability, Permissions()[capability], what)
				}
			}
			if s := v.lab.State(); len(s.Notes)+len(s.Isolated)+s.Fetches > 0 {
				t.Errorf("the check changed something: %+v", s)
			}
			v.Control(t, "permission", map[string]any{"permission": lacks, "missing": false})
		}
		h, err := v.client(t, time.Minute).Check(context.Background())
		if want := strings.TrimPrefix(t.Name()[strings.LastIndex(t.Name(), "/"):], "/"); err != nil || h.Version != want {
			t.Errorf("version %q, want %q: %v", h.Version, want, err)
		}
	})
}

func TestEveryCallNamesThePermissionThatItLacks(t *testing.T) {
	versions(t, func(t *testing.T, v *vendor) {
		c := v.client(t, time.Minute)
		ctx := context.Background()
		id := v.AddFile(t, true)
		r := fetchRequest(t, c, id)
		host := sourcetest.Host(t, c, "win-anna")
		for lacks, do := range map[string]func() error{
			permAlerts: func() error { _, err := c.Get(ctx, r.Handle); return err },
			permAlertsEdit: func() error {
				rs, err := c.AddNote(ctx, "x", r.Handle)
				if err != nil || rs[0].Outcome != source.NoteRefused {
					return err
				}
				return rs[0].Err
			},
			permEndpoints: func() error { _, err := c.Isolation(ctx, host, source.Operation{}); return err },
			permIsolate:   func() error { _, err := c.Isolate(ctx, host, source.Containment{}); return err },
			permRetrieve:  func() error { _, err := c.StartFetch(ctx, r); return err },
		} {
			v.Control(t, "permission", map[string]any{"permission": lacks, "missing": true})
			e, ok := errors.AsType[*fault.Error](do())
			if !ok || e.Kind != fault.Denied || !strings.Contains(e.Hint, lacks) || !strings.Contains(e.Hint, "cortex-lab") {
				t.Errorf("%s: %+v", lacks, e)
			}
			v.Control(t, "permission", map[string]any{"permission": lacks, "missing": false})
		}
	})
}

func TestARetiredCallOfTheLabIsNamed(t *testing.T) {
	versions(t, func(t *testing.T, v *vendor) {
		v.Control(t, "retire", map[string]any{"path": "v2/alerts/"})
		v.Control(t, "retire", map[string]any{"path": "v1/issue/"})
		c := v.client(t, time.Minute)
		for a, err := range c.List(context.Background(), alert.Query{}) {
			if !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), "does not offer") {
				t.Errorf("%v, %v", a, err)
			}
		}
	})
}

func TestATenantThatIsOutFailsTheCheck(t *testing.T) {
	c, s := scripted(t, map[string][]string{"v1/system/get_tenant_info": {`500 {}`}, alertsCall: {`503 {}`}})
	if h, err := c.Check(context.Background()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("%+v, %v", h, err)
	}
	s.replies["v1/system/get_tenant_info"] = []string{`401 {}`}
	if h, err := c.Check(context.Background()); !fault.Is(err, fault.Auth) {
		t.Errorf("%+v, %v", h, err)
	}
	// A tenant that does not know a probe does not lack a permission.
	list := func(rows string) []string { return []string{`200 {"reply":{"` + rows + `":[]}}`} }
	c, _ = scripted(t, map[string][]string{alertsCall: list("alerts"), incidentsCall: list("incidents"), endpointCall: list("endpoints")})
	if h, err := c.Check(context.Background()); err != nil || len(h.Missing) > 0 {
		t.Errorf("%+v, %v", h, err)
	}
}
