package crowdstrike

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/lab/world"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

func TestCheckNamesTheMissingScopeOfEachCapability(t *testing.T) {
	for scope, want := range map[string]map[string]string{
		scopeAlertsRead:  {"alerts": scopeAlertsRead},
		scopeAlertsWrite: {"notes": scopeAlertsWrite, "resolve": scopeAlertsWrite},
		scopeHostsRead:   {"hosts": scopeHostsRead},
		scopeHostsWrite:  {"isolate": scopeHostsWrite},
		scopeCases:       {"incidents": scopeCases},
		scopeSamples:     {"fetch": scopeSamples},
		scopeQuarantine:  {"fetch": scopeQuarantine},
		scopeRTR:         {"fetch from the endpoint": scopeRTR},
		scopeSensors:     {},
	} {
		v := newVendor(t, world.Options{Alerts: 20})
		v.Control(t, "scope", map[string]any{"scope": scope, "missing": true})
		before := v.falcon.State()
		h, err := v.client(t, time.Minute).Check(context.Background())
		if err != nil || !maps.Equal(h.Missing, want) || h.Tenant != v.falcon.CID() || !strings.Contains(h.Identity, v.options.ClientID) {
			t.Errorf("without %s: %+v, %v", scope, h, err)
		}
		for capability, lacks := range h.Missing {
			if !strings.Contains(Permissions()[capability], lacks) {
				t.Errorf("%s: the table has %q, and not %q", capability, Permissions()[capability], lacks)
			}
		}
		if after := v.falcon.State(); len(after.Notes) != len(before.Notes) || len(after.Isolated) > 0 || after.Fetches > 0 {
			t.Errorf("the check changed something: %+v", after)
		}
	}
}

func TestEveryCallNamesTheScopeThatItLacks(t *testing.T) {
	for scope, do := range map[string]func(context.Context, *Client, alert.Handle, alert.Host) error{
		scopeAlertsRead: func(ctx context.Context, c *Client, h alert.Handle, _ alert.Host) error {
			_, err := c.Get(ctx, h)
			return err
		},
		scopeAlertsWrite: func(ctx context.Context, c *Client, h alert.Handle, _ alert.Host) error {
			rs, err := c.AddNote(ctx, "x", h)
			if err != nil || rs[0].Outcome != source.NoteRefused {
				return err
			}
			return rs[0].Err
		},
		scopeHostsRead: func(ctx context.Context, c *Client, _ alert.Handle, h alert.Host) error {
			_, err := c.Isolation(ctx, h, source.Operation{})
			return err
		},
		scopeHostsWrite: func(ctx context.Context, c *Client, _ alert.Handle, h alert.Host) error {
			_, err := c.Release(ctx, h)
			return err
		},
		scopeCases: func(ctx context.Context, c *Client, _ alert.Handle, _ alert.Host) error {
			_, err := c.GetIncident(ctx, "x")
			return err
		},
		scopeSamples: func(ctx context.Context, c *Client, h alert.Handle, _ alert.Host) error {
			_, err := c.StartFetch(ctx, source.FetchRequest{Handle: h, File: alert.File{Hashes: alert.NewHashes(strings.Repeat("ab", 32))}})
			return err
		},
		scopeRTR: func(ctx context.Context, c *Client, h alert.Handle, _ alert.Host) error {
			_, err := c.StartFetch(ctx, source.FetchRequest{Handle: h, File: alert.File{Path: "/x"}, Endpoint: true})
			return err
		},
	} {
		v := newVendor(t, world.Options{})
		c := v.client(t, time.Minute)
		host := sourcetest.Host(t, c, "win-anna")
		id := v.AddFile(t, true)
		v.Control(t, "scope", map[string]any{"scope": scope, "missing": true})
		err := do(context.Background(), c, alert.Handle{ID: id}, host)
		e, ok := err.(*fault.Error)
		if !ok || e.Kind != fault.Denied || !strings.Contains(e.Hint, scope) || !strings.Contains(e.Hint, "falcon-lab") {
			t.Errorf("%s: %+v", scope, err)
		}
	}
}

func TestTheTenantIsTheCIDHoweverItIsLearned(t *testing.T) {
	for _, tc := range []struct {
		lacks  []string
		alerts int
	}{
		{nil, 0}, {[]string{scopeSensors}, 10}, {[]string{scopeSensors}, 0}, {[]string{scopeSensors, scopeAlertsRead}, 10}, {[]string{scopeSensors, scopeHostsRead}, 10},
	} {
		v := newVendor(t, world.Options{Alerts: tc.alerts})
		for _, scope := range tc.lacks {
			v.Control(t, "scope", map[string]any{"scope": scope, "missing": true})
		}
		if got, err := v.client(t, time.Minute).Tenant(context.Background()); got != v.falcon.CID() || err != nil {
			t.Errorf("without %v: %q, %v", tc.lacks, got, err)
		}
	}
}

func TestAParentThatSeesSeveralTenantsMustSayWhichIsMeant(t *testing.T) {
	a, b := strings.Repeat("a", 32), strings.Repeat("b", 32)
	replies := map[string]string{combinedPath: `200 {"meta":{},"resources":[{"cid":"` + a + `"},{"cid":"` + b + `"}]}`}
	c, _ := scripted(t, replies)
	if got, err := c.Tenant(context.Background()); !fault.Is(err, fault.Usage) {
		t.Errorf("%q, %v", got, err)
	}
	c, s := scriptedWith(t, Options{CID: b}, replies)
	if got, err := c.Tenant(context.Background()); got != b || err != nil || len(s.asked) > 0 {
		t.Errorf("%q, %v", got, err)
	}
	// A tenant that shows nothing yet has no memory to be mixed up.
	c, _ = scripted(t, map[string]string{combinedPath: emptyPage, "GET /devices/queries/devices/v1": `200 {"meta":{},"resources":[]}`})
	if got, err := c.Tenant(context.Background()); !fault.Is(err, fault.Usage) || !strings.Contains(err.(*fault.Error).Hint, "cid") {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAProbeThatTheVendorCannotAnswerDoesNotFailTheCheck(t *testing.T) {
	replies := map[string]string{combinedPath: `200 {"meta":{"pagination":{}},"resources":[{"cid":"` + strings.Repeat("a", 32) + `"}]}`}
	for _, path := range []string{patchPath, "PATCH /devices/entities/devices/tags/v1", "POST /real-time-response/entities/active-responder-command/v1"} {
		replies[path] = `500 {}`
	}
	c, s := scripted(t, replies)
	h, err := c.Check(context.Background())
	if err != nil || len(h.Missing) > 0 || h.Tenant != strings.Repeat("a", 32) {
		t.Errorf("%+v, %v", h, err)
	}
	s.replies["GET /cases/queries/cases/v1"] = `503 {}`
	if _, err := c.Check(context.Background()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a cloud that is out: %v", err)
	}
}

func TestCheckTellsWhichEndpointsTheCloudRetires(t *testing.T) {
	v := newVendor(t, world.Options{Alerts: 5})
	v.Control(t, "retiring", map[string]any{"path": "/cases/"})
	h, err := v.client(t, time.Minute).Check(context.Background())
	if err != nil || len(h.Retiring) != 1 || h.Retiring[0] != "GET /cases/queries/cases/v1: x-api-deprecation-date=2027-03-31" {
		t.Errorf("%q, %v", h.Retiring, err)
	}
}
