package carbonblack

import (
	"context"
	"fmt"
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

// none makes small alerts, where there are many.
func none() []world.File { return []world.File{} }

// listed is the ids of a listing, each once.
func listed(t *testing.T, c *Client, q alert.Query) []string {
	t.Helper()
	seen := map[string]bool{}
	var got []string
	for a, err := range c.List(context.Background(), q) {
		if err != nil {
			t.Fatal(err)
		}
		if seen[a.ID] {
			t.Fatalf("alert %s comes twice", a.ID)
		}
		seen[a.ID] = true
		got = append(got, a.ID)
	}
	slices.Sort(got)
	return got
}

// fed is the ids that a feed has in a window, each once.
func fed(t *testing.T, c *Client, w source.Window) []string {
	t.Helper()
	var got []string
	for token := ""; ; {
		p, err := c.Page(context.Background(), source.Stream{Name: streamName}, w, token)
		if err != nil || p.Full || len(p.Bad) > 0 || p.Date.IsZero() {
			t.Fatalf("full %v, bad %v, date %s, %v", p.Full, p.Bad, p.Date, err)
		}
		for _, a := range p.Alerts {
			got = append(got, a.ID)
		}
		if token = p.Next; token == "" {
			break
		}
	}
	slices.Sort(got)
	return got
}

func TestEveryAlertBeyondTheVendorsReachIsSeenOnce(t *testing.T) {
	sourcetest.Large(t)
	for name, tc := range map[string]struct {
		add   func(v *vendor) []string
		feeds []source.Change
	}{
		"at different times": {func(v *vendor) []string {
			return append(v.lab.Add(8300, 3*time.Hour, false), v.lab.Add(2600, time.Hour, true)...)
		}, []source.Change{source.Created}},
		"of one moment": {func(v *vendor) []string {
			return append(v.lab.Add(10_700, time.Hour, true), v.lab.Add(500, time.Hour, false)...)
		}, []source.Change{source.Updated}},
		"of one moment and one type": {func(v *vendor) []string {
			ids := v.lab.Add(20, 2*time.Hour, false)
			for severity := range 10 {
				ids = append(ids, v.lab.AddAlike(1060, time.Hour, "WATCHLIST", severity+1)...)
			}
			return ids
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := time.Now()
			v := newVendor(t, world.Options{Files: none(), Now: func() time.Time { return at }})
			want := tc.add(v)
			slices.Sort(want)
			c := v.client(t, time.Minute)
			if got := listed(t, c, alert.Query{Since: at.Add(-5 * time.Hour)}); !slices.Equal(got, want) {
				t.Errorf("listed %d alerts, want %d", len(got), len(want))
			}
			for _, by := range tc.feeds {
				if got := fed(t, c, source.Window{By: by, From: at.Add(-5 * time.Hour), To: at}); !slices.Equal(got, want) {
					t.Errorf("%s: %d alerts, want %d", by, len(got), len(want))
				}
			}
		})
	}
}

func TestAlertsThatChangeOrGoOnTheWayMoveNoOthers(t *testing.T) {
	for _, by := range []source.Change{source.Created, source.Updated} {
		v := newVendor(t, world.Options{Files: none()})
		ids := v.lab.Add(2500, 2*time.Hour, false) // newest first
		c := v.client(t, time.Minute)
		w := source.Window{By: by, From: time.Now().Add(-4 * time.Hour), To: time.Now().Add(-time.Minute)}
		p, err := c.Page(context.Background(), source.Stream{Name: streamName}, w, "")
		if err != nil || len(p.Alerts) != pageSize {
			t.Fatalf("%d alerts, %v", len(p.Alerts), err)
		}
		seen := map[string]bool{}
		var gone []string
		for i, a := range p.Alerts {
			if seen[a.ID] = true; i%4 == 0 {
				v.Control(t, "touch", map[string]any{"id": a.ID}) // it leaves a window by change
			} else if i%4 == 1 {
				gone = append(gone, a.ID)
			}
		}
		v.Purge(t, gone...)
		for token := p.Next; token != ""; token = p.Next {
			if p, err = c.Page(context.Background(), source.Stream{Name: streamName}, w, token); err != nil {
				t.Fatal(err)
			}
			for _, a := range p.Alerts {
				if seen[a.ID] {
					t.Fatalf("%s: alert %s comes twice", by, a.ID)
				}
				seen[a.ID] = true
			}
		}
		if len(seen) != len(ids) {
			t.Errorf("%s: %d alerts, want %d", by, len(seen), len(ids))
		}
	}
}

func TestMoreOfOneKindAndMomentThanTheCloudGivesIsNotPassedOver(t *testing.T) {
	v := newVendor(t, world.Options{Files: none()})
	v.lab.AddAlike(10_100, time.Hour, "CB_ANALYTICS", 5)
	var err error
	for _, err = range v.client(t, time.Minute).List(context.Background(), alert.Query{Since: time.Now().Add(-2 * time.Hour)}) {
		if err != nil {
			break
		}
	}
	if !fault.Is(err, fault.Partial) || !strings.Contains(err.Error(), "10100") {
		t.Errorf("%v, want partial", err)
	}
}

func TestAlertsOlderThanTheVendorsDefaultAreSeen(t *testing.T) {
	v := newVendor(t, world.Options{})
	want := v.lab.Add(3, 100*24*time.Hour, false)
	slices.Sort(want)
	c := v.client(t, time.Minute)
	if got := listed(t, c, alert.Query{}); !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	hs := []alert.Handle{{ID: want[0]}, {ID: want[1]}, {ID: want[2]}}
	if got, err := c.Get(context.Background(), hs...); err != nil || len(got) != 3 {
		t.Errorf("got %d alerts by id, %v", len(got), err)
	}
	if has, err := c.ProbeNotes(context.Background(), hs...); err != nil || len(has) != 3 {
		t.Errorf("probed %d alerts, %v", len(has), err)
	}
	v.Control(t, "touch", map[string]any{"id": want[1]})
	now := time.Now()
	if got := fed(t, c, source.Window{By: source.Updated, From: now.Add(-time.Hour), To: now.Add(time.Minute)}); !slices.Equal(got, want[1:2]) {
		t.Errorf("an old alert that changed: %v", got)
	}
	a, err := c.Resolve(context.Background(), hs[0], alert.Resolution{Status: alert.StatusResolved})
	if err != nil || a.Fields[source.FieldStatus].Outcome != source.FieldDone {
		t.Errorf("an old alert is resolved: %+v, %v", a, err)
	}
}

func TestManyIDsGoInBatches(t *testing.T) {
	v := newVendor(t, world.Options{})
	var hs []alert.Handle
	for _, id := range v.lab.Add(1300, time.Hour, false) {
		hs = append(hs, alert.Handle{ID: id, Note: id})
	}
	c := v.client(t, time.Minute)
	if got, err := c.Get(context.Background(), append(hs, hs[0])...); err != nil || len(got) != len(hs) {
		t.Errorf("got %d alerts, want %d, %v", len(got), len(hs), err)
	}
	if has, err := c.ProbeNotes(context.Background(), hs...); err != nil || len(has) != len(hs) {
		t.Errorf("probed %d alerts, want %d, %v", len(has), len(hs), err)
	}
}

func TestEveryThreatBeyondTheVendorsReachIsSeenOnce(t *testing.T) {
	sourcetest.Large(t)
	v := newVendor(t, world.Options{Files: none()})
	v.lab.AddThreats(10_401, time.Minute)
	old := v.lab.Add(3, 90*24*time.Hour, false) // one threat
	threats := sourcetest.Once(t, v.client(t, time.Minute).ListIncidents(t.Context(), alert.Query{}), func(in alert.Incident) string { return in.ID })
	for _, in := range threats {
		if len(in.Alerts) != 1 && len(in.Alerts) != len(old) {
			t.Errorf("threat %s has %d alerts", in.ID, len(in.Alerts))
		}
	}
	if len(threats) != 10_402 {
		t.Errorf("%d threats, want 10402", len(threats))
	}
}

func TestEveryDeviceBeyondTheVendorsReachIsSeenOnce(t *testing.T) {
	v := newVendor(t, world.Options{})
	v.lab.AddDevices(10_500)
	c := v.client(t, time.Minute)
	sourcetest.HostsOnce(t, c, 10_500, `LAB\FARM-`)
	for _, name := range []string{"farm-10499", `lab\farm-10499`, `LAB\FARM-10499`} {
		n := 0
		for h, err := range c.FindHosts(context.Background(), name) {
			if n++; err != nil || h.Name != `LAB\FARM-10499` {
				t.Errorf("%s: %v, %v", name, h, err)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d hosts", name, n)
		}
	}
}

func TestHostileWordsFindNothingAndBreakNothing(t *testing.T) {
	v := newVendor(t, world.Options{Alerts: 40})
	c := v.client(t, time.Minute)
	for _, word := range append(hostile(), `*:*`, `" OR type:*`, `\`, "../../devices", "%2e%2e", "a\x00b", "-1", "9223372036854775808", "007", strings.Repeat("x", 5000)) {
		for _, name := range []string{word, word + "*"} {
			for h, err := range c.FindHosts(context.Background(), name) {
				if err == nil || !fault.Is(err, fault.Usage) {
					t.Errorf("hosts by %.20q: %v, %v", name, h, err)
				}
			}
		}
		h := alert.Handle{ID: word, Note: word, Group: word}
		if got, err := c.Get(context.Background(), h); err != nil || len(got) > 0 {
			t.Errorf("get %.20q: %v, %v", word, got, err)
		}
		if _, err := c.GetIncident(context.Background(), word); !fault.Is(err, fault.NotFound) {
			t.Errorf("incident %.20q: %v", word, err)
		}
		if err := c.RemoveNote(context.Background(), h, word); !fault.Is(err, fault.NotFound) {
			t.Errorf("remove a note of %.20q: %v", word, err)
		}
		if a, err := c.Resolve(context.Background(), h, alert.Resolution{Status: alert.StatusResolved}); !fault.Is(err, fault.NotFound) {
			t.Errorf("resolve %.20q: %+v, %v", word, a, err)
		}
		if op, err := c.Isolate(context.Background(), alert.Host{ID: word}, source.Containment{}); !fault.Is(err, fault.Invalid) {
			t.Errorf("isolate %.20q: %v, %v", word, op, err)
		}
	}
	if s := v.lab.State(); v.lab.MassChanges() > 0 || len(s.Isolated) > 0 || len(s.Notes) > 0 {
		t.Errorf("something was changed: %+v", s)
	}
}

func TestNotesOfOneRunAreThereOnceWhateverIsLost(t *testing.T) {
	for _, lag := range []time.Duration{0, time.Hour} {
		t.Run(fmt.Sprint(lag), func(t *testing.T) {
			v := newVendor(t, world.Options{NoteLag: lag, Echo: true})
			id := v.lab.Add(1, time.Hour, false)[0]
			c := v.client(t, time.Minute)
			const marker = "[edrc:5b1f09c2a94e7d10]"
			body := strings.Repeat("é", c.Traits().NoteMax-len(marker)-1) + "\n" + marker
			rs, err := c.AddNote(context.Background(), body, alert.Handle{ID: id, Note: id})
			if err != nil || rs[0].Outcome != source.NoteDone || rs[0].NoteID == "" {
				t.Fatalf("%+v, %v", rs, err)
			}
			if got := v.Notes(t, id); !slices.Equal(got, []string{body}) {
				t.Errorf("the vendor has %d notes", len(got))
			}
			n := 0
			for note, err := range c.Notes(context.Background(), alert.Handle{ID: id, Note: id}) {
				if err != nil || !strings.HasSuffix(note.Text, marker) {
					t.Error(err)
				}
				n++
			}
			if want := map[bool]int{true: 1, false: 0}[lag == 0]; n != want {
				t.Errorf("%d notes are visible, want %d", n, want)
			}
		})
	}
}
