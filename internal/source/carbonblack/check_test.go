package carbonblack

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/lab/world"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

func TestEachMissingPermissionIsNamedByCapability(t *testing.T) {
	v := newVendor(t, world.Options{Alerts: 5})
	c := v.client(t, time.Minute)
	for permission, capabilities := range map[string][]string{
		permAlerts: {"alerts", "incidents"}, permNotes: {"notes"}, permNoteAdd: {"note add"}, permNoteRemove: {"note remove"}, permClose: {"resolve"},
		permJobs: {"resolve"}, permDevices: {"hosts"}, permQuarantine: {"isolate"}, permUBSMeta: {"fetch"}, permUBSFile: {"fetch"},
	} {
		v.Control(t, "permission", map[string]any{"permission": permission, "missing": true})
		h, err := c.Check(context.Background())
		if got := slices.Sorted(maps.Keys(h.Missing)); err != nil || !slices.Equal(got, capabilities) {
			t.Errorf("%s: missing %v, %v, want %v", permission, h.Missing, err, capabilities)
		}
		for name, what := range h.Missing {
			if !strings.Contains(what, permission) || !strings.Contains(Permissions()[name], permission) {
				t.Errorf("%s: %s needs %s", permission, name, what)
			}
		}
		v.Control(t, "permission", map[string]any{"permission": permission})
	}
	if s := v.lab.State(); v.lab.MassChanges() > 0 || len(s.Isolated) > 0 || len(s.Notes) > 0 {
		t.Errorf("asking has changed something: %+v", s)
	}
}

func TestEveryCallNamesThePermissionThatItLacks(t *testing.T) {
	v := newVendor(t, world.Options{})
	c := v.client(t, time.Minute)
	ctx := context.Background()
	id := v.AddFile(t, true)
	v.Plant(t, id, "of another tool")
	h, host := alert.Handle{ID: id, Note: id}, sourcetest.Host(t, c, `LAB\DESK-001`)
	for permission, do := range map[string]func() error{
		permAlerts: func() error { _, err := c.Get(ctx, h); return err },
		permNotes: func() error {
			for _, err := range c.Notes(ctx, h) {
				return err
			}
			return nil
		},
		permNoteAdd: func() error {
			rs, err := c.AddNote(ctx, "x", h)
			if err != nil || rs[0].Outcome != source.NoteRefused {
				return err
			}
			return rs[0].Err
		},
		permNoteRemove: func() error { return c.RemoveNote(ctx, h, "1") },
		permClose: func() error {
			_, err := c.Resolve(ctx, h, alert.Resolution{Status: alert.StatusResolved})
			return err
		},
		permDevices:    func() error { _, err := c.Isolation(ctx, host, source.Operation{}); return err },
		permQuarantine: func() error { _, err := c.Isolate(ctx, host, source.Containment{}); return err },
		permUBSMeta: func() error {
			_, err := c.StartFetch(ctx, source.FetchRequest{Handle: h, File: alert.File{Hashes: alert.NewHashes(v.files[0].SHA256)}})
			return err
		},
		permUBSFile: func() error { _, err := c.fileLink(ctx, "fetch", v.files[0].SHA256); return err },
	} {
		v.Control(t, "permission", map[string]any{"permission": permission, "missing": true})
		e, ok := errors.AsType[*fault.Error](do())
		if !ok || e.Kind != fault.Denied || !strings.Contains(e.Hint, permission) || !strings.Contains(e.Hint, "cbc-lab") {
			t.Errorf("%s: %+v", permission, e)
		}
		v.Control(t, "permission", map[string]any{"permission": permission})
	}
}

func TestAMissingLicenceIsNamed(t *testing.T) {
	v := newVendor(t, world.Options{})
	v.Control(t, "permission", map[string]any{"permission": "Enterprise EDR", "missing": true})
	h, err := v.client(t, time.Minute).Check(context.Background())
	if err != nil || len(h.Missing) != 1 || !strings.Contains(h.Missing["fetch"], "Enterprise EDR") || !h.Expires.IsZero() {
		t.Errorf("%+v, %v", h, err)
	}
}

func TestAKeyOfAnotherOrganisationIsSaidToBe(t *testing.T) {
	v := newVendor(t, world.Options{})
	v.options.OrgKey = "OTHERORG"
	c := v.client(t, time.Minute)
	_, err := c.Check(context.Background())
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || e.Kind != fault.Denied || !strings.Contains(e.Hint, "org_key") {
		t.Errorf("%+v", e)
	}
	if _, err := c.Get(context.Background(), alert.Handle{ID: one}); !fault.Is(err, fault.Denied) {
		t.Errorf("get: %v", err)
	}
}

func TestARetiredEndpointIsToldFromAMissingAlert(t *testing.T) {
	v := newVendor(t, world.Options{Alerts: 3})
	c := v.client(t, time.Minute)
	v.Control(t, "retire", map[string]any{"path": "grouped_alerts", "retired": true})
	h, err := c.Check(context.Background())
	if err != nil || len(h.Missing) != 1 || h.Missing["incidents"] == "" {
		t.Errorf("%+v, %v", h, err)
	}
	v.Control(t, "retire", map[string]any{"path": "alerts/v7", "retired": true})
	_, err = c.Page(context.Background(), source.Stream{Name: streamName}, source.Window{By: source.Created, From: noon, To: noon}, "")
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || e.Kind != fault.Unsupported || !strings.Contains(e.Hint, "url") || !strings.Contains(e.Msg, "/alerts/_search") {
		t.Errorf("%+v", e)
	}
	if _, err := c.Check(context.Background()); !fault.Is(err, fault.Unsupported) {
		t.Errorf("check: %v", err)
	}
}

func TestErrorsAreReadInTheVendorsWordsWithoutTheSecret(t *testing.T) {
	for body, want := range map[string]string{
		`{"error_code":"INVALID_ENUM_VALUE","message":"Malformed JSON input: terms.fields[0]","field":"terms.fields[0]","invalid_value":"jager"}`: "INVALID_ENUM_VALUE: Malformed JSON input: terms.fields[0]",
		`{"error_code":"X","message":"bad","field":"rows"}`: "X: bad: field rows", `{"errorMessage":"old words"}`: "old words",
		`{"reason":"query_malformed_syntax"}`: "query_malformed_syntax", `plain text`: "", `[]`: "", ``: "", `{"message":{}}`: "",
		`{"message":"the key ` + secretOfTests + ` is odd"}`: "the key [secret] is odd", `{"message":"the key ` + secretOfTests + `/ABCDEFGHIJ is odd"}`: "the key [secret]/ABCDEFGHIJ is odd",
	} {
		c, _ := scripted(t, map[string]string{"GET " + orgAlerts + "alerts/" + one: "400 " + body})
		_, err := c.Get(context.Background(), handle())
		if err == nil || strings.Contains(err.Error(), secretOfTests) || want != "" && !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestTheTenantIsHostAndOrganisation(t *testing.T) {
	c, s := scripted(t, nil)
	if got, err := c.Tenant(context.Background()); got != "defense.conferdeploy.net/7DESJ9GN" || err != nil || len(s.sent) > 0 {
		t.Errorf("%q, %v, sent %v", got, err, s.sent)
	}
}
