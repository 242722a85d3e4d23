package crowdstrike

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

func TestEveryAlertBeyondTheVendorsLimitsIsSeenOnce(t *testing.T) {
	sourcetest.Large(t)
	v := newVendor(t, world.Options{})
	want := append(v.falcon.Add(8000, 3*time.Hour, false), v.falcon.Add(2600, time.Hour, true)...)
	slices.Sort(want)
	c := v.client(t, time.Minute)
	var got []string
	for a, err := range c.List(context.Background(), alert.Query{Since: time.Now().Add(-5 * time.Hour)}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, a.ID)
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Fatalf("listed %d alerts, want %d", len(got), len(want))
	}
	var hs []alert.Handle
	for _, id := range want {
		hs = append(hs, alert.Handle{ID: id, Note: id})
	}
	found, err := c.Get(context.Background(), hs...)
	if err != nil || len(found) != len(want) {
		t.Errorf("got %d alerts by id, want %d, %v", len(found), len(want), err)
	}
	has, err := c.ProbeNotes(context.Background(), hs...)
	if err != nil || len(has) != len(want) {
		t.Errorf("probed %d alerts, want %d, %v", len(has), len(want), err)
	}
	if rs, err := c.AddNote(context.Background(), "to too many", hs[:c.Traits().NoteBulk+1]...); !fault.Is(err, fault.Usage) {
		t.Errorf("%d results, %v", len(rs), err)
	}
	for from := 0; from < 1100; from += c.Traits().NoteBulk {
		rs, err := c.AddNote(context.Background(), "to many", hs[from:from+c.Traits().NoteBulk]...)
		if err != nil || rs[0].Outcome != source.NoteDone {
			t.Fatalf("%+v, %v", rs[0], err)
		}
	}
	if n := len(v.falcon.State().Notes); n != 1100 {
		t.Errorf("%d alerts have a note, want 1100", n)
	}
}

func TestEveryCaseBeyondTheVendorsWindowIsSeenOnce(t *testing.T) {
	v := newVendor(t, world.Options{})
	v.falcon.AddCases(10_700, time.Minute)
	cases := sourcetest.Once(t, v.client(t, time.Minute).ListIncidents(t.Context(), alert.Query{}), func(in alert.Incident) string { return in.ID })
	if len(cases) != 10_700 {
		t.Errorf("%d cases, want 10700", len(cases))
	}
}

func TestEveryHostBeyondTheVendorsWindowIsSeenOnce(t *testing.T) {
	v := newVendor(t, world.Options{})
	v.falcon.AddHosts(10_500)
	sourcetest.HostsOnce(t, v.client(t, time.Minute), 10_500, "FARM-")
}

func TestValuesInAFilterCannotLeaveTheirQuotes(t *testing.T) {
	v := newVendor(t, world.Options{Alerts: 40})
	c := v.client(t, time.Minute)
	for _, name := range append(hostile(), `x'+status:!'nonsense`, `'),(status:'new'`, `\`, `\'`, `*`, `a'b*`, "[']", "%27", "a+b,c") {
		for _, query := range []string{name, name + "*"} {
			for h, err := range c.FindHosts(context.Background(), query) {
				if err != nil && !fault.Is(err, fault.Usage) || err == nil {
					t.Errorf("hosts by %q: %v, %v", query, h, err)
				}
			}
		}
		n := 0
		for a, err := range c.List(context.Background(), alert.Query{Host: name}) {
			if err != nil {
				t.Errorf("alerts of host %q: %v", name, err)
			} else if (alert.Query{Host: name}).Match(a) {
				n++
			}
		}
		if n > 0 && name != "*" {
			t.Errorf("host %q has %d alerts", name, n)
		}
	}
}

func TestQuotedValuesAreReadBackAsTheyWere(t *testing.T) {
	for value, want := range map[string]string{
		"plain": `'plain'`, "it's": `'it\'s'`, `a\`: `'a\\'`, `\'`: `'\\\''`, "": `''`,
	} {
		if got := quote(value); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

func TestNotesOfOneRunAreThereOnceWhateverIsLost(t *testing.T) {
	for _, lag := range []time.Duration{0, time.Hour} {
		t.Run(fmt.Sprint(lag), func(t *testing.T) {
			v := newVendor(t, world.Options{NoteLag: lag, Echo: true})
			id := v.falcon.Add(1, time.Hour, false)[0]
			c := v.client(t, time.Minute)
			h := alert.Handle{ID: id, Note: id}
			const marker = "[edrc:5b1f09c2a94e7d10]"
			body := strings.Repeat("é", c.Traits().NoteMax-len(marker)-1) + "\n" + marker
			rs, err := c.AddNote(context.Background(), body, h)
			if err != nil || rs[0].Outcome != source.NoteDone {
				t.Fatalf("%+v, %v", rs, err)
			}
			if got := v.Notes(t, id); !slices.Equal(got, []string{body}) {
				t.Errorf("the vendor has %d notes", len(got))
			}
			n := 0
			for note, err := range c.Notes(context.Background(), h) {
				if err != nil || !strings.HasSuffix(note.Text, marker) {
					t.Errorf("%v", err)
				}
				n++
			}
			if want := map[bool]int{true: 1, false: 0}[lag == 0]; n != want {
				t.Errorf("%d notes are visible, want %d", n, want)
			}
		})
	}
}
