package wiz

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	lab "edrc/internal/lab/wiz"
	"edrc/internal/lab/world"
	"edrc/internal/source"
)

func TestCheckNamesTheMissingScopeOfEachCapability(t *testing.T) {
	const defend = scopeDetections + ", and " + licenceDefend + " in the subscription"
	for scope, want := range map[string]map[string]string{
		"":              {},
		scopeDetections: {"alerts": defend},
		lab.Defend:      {"alerts": defend},
		scopeIssues:     {"incidents": scopeIssues, "note list": scopeIssues},
		scopeNotes:      {"note add": scopeNotes, "note remove": scopeNotes},
		scopeUpdate:     {"resolve": scopeUpdate},
	} {
		for _, byStatus := range []bool{false, true} {
			v := newVendor(t, world.Options{Alerts: 20})
			v.Control(t, "scope", map[string]any{"scope": scope, "missing": true})
			v.Control(t, "form", map[string]any{"http": byStatus})
			h, err := v.client(t, time.Minute).Check(context.Background())
			if err != nil || !maps.Equal(h.Missing, want) || !strings.Contains(h.Identity, v.options.ClientID) || !strings.HasPrefix(h.Tenant, "127.0.0.1:") {
				t.Errorf("without %q: %+v, %v", scope, h, err)
			}
			for capability, lacks := range h.Missing {
				if Permissions()[capability] != lacks {
					t.Errorf("%s: the table has %q, and not %q", capability, Permissions()[capability], lacks)
				}
			}
			if !h.Expires.IsZero() {
				t.Errorf("the check invents an end: %s", h.Expires)
			}
			if n := len(v.wiz.State().Notes); n > 0 {
				t.Errorf("the check wrote %d notes", n)
			}
		}
	}
}

func TestEveryCallNamesTheScopeThatItLacks(t *testing.T) {
	ctx := context.Background()
	for scope, calls := range map[string][]func(*Client, alert.Handle) error{
		scopeDetections: {
			func(c *Client, h alert.Handle) error { _, err := c.Get(ctx, h); return err },
			func(c *Client, _ alert.Handle) error { _, err := c.Streams(ctx); return err },
		},
		scopeIssues: {
			func(c *Client, h alert.Handle) error { _, err := c.GetIncident(ctx, h.Note); return err },
			func(c *Client, h alert.Handle) error { _, err := c.ProbeNotes(ctx, h); return err },
			func(c *Client, h alert.Handle) error {
				for _, err := range c.Notes(ctx, h) {
					return err
				}
				return nil
			},
		},
		scopeNotes: {
			func(c *Client, h alert.Handle) error {
				rs, err := c.AddNote(ctx, "x", h)
				if err != nil || rs[0].Outcome != source.NoteRefused {
					return err
				}
				return rs[0].Err
			},
			func(c *Client, h alert.Handle) error { return c.RemoveNote(ctx, h, nobody) },
		},
		scopeUpdate: {func(c *Client, h alert.Handle) error {
			_, err := c.Resolve(ctx, h, alert.Resolution{Status: alert.StatusInProgress})
			return err
		}},
	} {
		for i, do := range calls {
			v := newVendor(t, world.Options{})
			id := v.wiz.Add(1, time.Hour, false)[0]
			v.Control(t, "scope", map[string]any{"scope": scope, "missing": true})
			err := do(v.client(t, time.Minute), alert.Handle{ID: id, Note: v.wiz.ThreatOf(id)})
			e, ok := err.(*fault.Error)
			if !ok || e.Kind != fault.Denied || !strings.Contains(e.Hint, scope) || !strings.Contains(e.Hint, "wiz-lab") || !strings.Contains(e.Msg, "["+scope+"]") {
				t.Errorf("%s, call %d: %+v", scope, i, err)
			}
		}
	}
}

func TestATokenThatEndsInMidRunIsRenewed(t *testing.T) {
	for _, within := range []bool{false, true} {
		v := newVendor(t, world.Options{})
		want := v.wiz.Add(350, time.Hour, false)
		v.Control(t, "form", map[string]any{"auth": within})
		c := v.client(t, time.Minute)
		var got []string
		for a, err := range c.List(context.Background(), alert.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, a.ID); len(got)%70 == 0 {
				v.Control(t, "expire", nil)
			}
			if len(got)%90 == 0 {
				v.Control(t, "throttle", map[string]any{"count": 2})
			}
		}
		slices.Sort(want)
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%d detections, want %d", len(got), len(want))
		}
		v.Control(t, "expire", nil)
		rs, err := c.AddNote(context.Background(), "after the end", alert.Handle{ID: want[0], Note: v.wiz.ThreatOf(want[0])})
		if err != nil || rs[0].Outcome != source.NoteDone || len(v.Notes(t, want[0])) != 1 {
			t.Errorf("a note: %+v, %v", rs, err)
		}
	}
}

func TestACursorOfAnotherListOrOfNoneRestartsTheWindow(t *testing.T) {
	v := newVendor(t, world.Options{})
	v.wiz.Add(150, time.Hour, false)
	c := v.client(t, time.Minute)
	st, err := c.Streams(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	w := source.Window{By: source.Created, From: st[0].Now.Add(-5 * time.Hour), To: st[0].Now}
	p, err := c.Page(context.Background(), st[0], w, "")
	if err != nil || p.Next == "" {
		t.Fatalf("%q, %v", p.Next, err)
	}
	other := w
	other.From = w.From.Add(time.Hour)
	for token, at := range map[string]source.Window{p.Next: other, "garbage": w} {
		if _, err := c.Page(context.Background(), st[0], at, token); err == nil || !strings.Contains(err.Error(), source.ErrToken.Error()) {
			t.Errorf("%q: %v", token, err)
		}
		if _, err := c.Page(context.Background(), st[1], source.Window{By: source.Updated, From: at.From, To: at.To}, token); err == nil || !strings.Contains(err.Error(), source.ErrToken.Error()) {
			t.Errorf("the second stream, %q: %v", token, err)
		}
	}
	v.Control(t, "retire", map[string]any{"field": "origins", "on": true})
	if _, err := c.Page(context.Background(), st[0], w, ""); !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), "origins") {
		t.Errorf("a retired field: %v", err)
	}
	v.Control(t, "moved", map[string]any{"on": true})
	if _, err := c.Page(context.Background(), st[0], w, ""); !fault.Is(err, fault.Unsupported) {
		t.Errorf("a retired endpoint: %v", err)
	}
}
