package cortex

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

// versions runs a check against both generations of the tenant.
func versions(t *testing.T, check func(t *testing.T, v *vendor)) {
	for _, version := range []string{version3, version5} {
		t.Run(version+".x", func(t *testing.T) {
			v := newVendor(t, world.Options{})
			v.Control(t, "version", map[string]any{"version": version})
			check(t, v)
		})
	}
}

func TestEveryAlertBeyondTheVendorsWindowIsSeenOnce(t *testing.T) {
	sourcetest.Large(t)
	versions(t, func(t *testing.T, v *vendor) {
		// A stretch, a moment with more than a reply holds, and years of nothing.
		want := slices.Concat(v.lab.Add(2300, 30*time.Hour, false), v.lab.Add(740, 5*time.Hour, true), v.lab.Add(130, 700*24*time.Hour, false))
		slices.Sort(want)
		c := v.client(t, time.Minute)
		ctx := context.Background()
		var listed []string
		for a, err := range c.List(ctx, alert.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			listed = append(listed, a.ID)
		}
		if slices.Sort(listed); !slices.Equal(listed, want) {
			t.Errorf("listed %d alerts, want %d", len(listed), len(want))
		}
		st, err := c.Streams(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, by := range []source.Change{source.Created, source.Updated} {
			var fed []string
			before := len(v.Asked())
			for token := ""; ; {
				p, err := c.Page(ctx, st[0], source.Window{By: by, From: st[0].Now.Add(-800 * 24 * time.Hour), To: st[0].Now}, token)
				if err != nil || p.Full || len(p.Bad) > 0 {
					t.Fatalf("%+v, %v", p, err)
				}
				for _, a := range p.Alerts {
					fed = append(fed, a.ID)
				}
				if token = p.Next; token == "" {
					break
				}
			}
			if slices.Sort(fed); !slices.Equal(fed, want) {
				t.Errorf("%s: fed %d alerts, want %d", by, len(fed), len(want))
			}
			if asked := len(v.Asked()) - before; asked > len(want)/10 {
				t.Errorf("%s: %d requests for %d alerts", by, asked, len(want))
			}
		}
		var hs []alert.Handle
		for _, id := range want {
			hs = append(hs, alert.Handle{ID: id})
		}
		if found, err := c.Get(ctx, hs...); err != nil || len(found) != len(want) {
			t.Errorf("got %d alerts by id, want %d, %v", len(found), len(want), err)
		}
		if rs, err := c.AddNote(ctx, "to too many", hs[:2]...); !fault.Is(err, fault.Usage) {
			t.Errorf("%d results, %v", len(rs), err)
		}
	})
}

func TestAWindowWhoseEndBelongsToItRepeatsNothing(t *testing.T) {
	v := newVendor(t, world.Options{})
	v.Control(t, "window", map[string]any{"inclusive": true})
	want := append(v.lab.Add(250, 3*time.Hour, false), v.lab.Add(310, time.Hour, true)...)
	seen := map[string]bool{}
	for a, err := range v.client(t, time.Minute).List(context.Background(), alert.Query{}) {
		if err != nil || seen[a.ID] {
			t.Fatalf("%s comes twice, %v", a.ID, err)
		}
		seen[a.ID] = true
	}
	if len(seen) != len(want) {
		t.Errorf("%d alerts, want %d", len(seen), len(want))
	}
}

func TestAlertsThatChangeWhileTheyAreReadHideNoOther(t *testing.T) {
	v := newVendor(t, world.Options{})
	ids := v.lab.Add(600, 5*time.Hour, false)
	c := v.client(t, time.Minute)
	ctx := context.Background()
	st, err := c.Streams(ctx)
	if err != nil {
		t.Fatal(err)
	}
	w := source.Window{By: source.Updated, From: st[0].Now.Add(-10 * time.Hour), To: st[0].Now.Add(-time.Hour)}
	seen, changed := map[string]bool{}, map[string]bool{}
	for token, i := "", 0; ; {
		p, err := c.Page(ctx, st[0], w, token)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range p.Alerts {
			seen[a.ID] = true
		}
		for range 40 { // they leave the window: the next pass sees them
			if id := ids[i%len(ids)]; !seen[id] {
				changed[id] = true
				v.Control(t, "status", map[string]any{"id": id, "status": "under_investigation"})
			}
			i += 7
		}
		if token = p.Next; token == "" {
			break
		}
	}
	for _, id := range ids {
		if !seen[id] && !changed[id] {
			t.Errorf("alert %s was missed", id)
		}
	}
	if len(changed) == 0 {
		t.Error("nothing changed")
	}
}

func TestATotalThatCountsWhatIsNotShownEndsNothing(t *testing.T) {
	row := `{"alert_id":1,"local_insert_ts":1705912960118}`
	c, s := scripted(t, map[string][]string{alertsCall: {
		`200 {"reply":{"total_count":1000,"result_count":1,"alerts":[` + row + `]}}`, `200 {"reply":{"total_count":1000,"result_count":0,"alerts":[]}}`,
	}})
	p, err := c.Page(context.Background(), source.Stream{Name: streamAlerts}, source.Window{From: time.UnixMilli(0), To: time.UnixMilli(2e12)}, "")
	if err != nil || len(p.Alerts) != 1 || p.Next != "" || len(s.sent) != 2 {
		t.Errorf("%+v, %v, %d requests", p, err, len(s.sent))
	}
}

func TestATenantThatRepeatsItselfIsNotReadForever(t *testing.T) {
	var rows []string
	for i := range 100 {
		rows = append(rows, fmt.Sprintf(`{"alert_id":%d,"local_insert_ts":1705912960118}`, i))
	}
	c, s := scripted(t, map[string][]string{alertsCall: {`200 {"reply":{"total_count":500,"alerts":[` + strings.Join(rows, ",") + `]}}`}})
	at := time.UnixMilli(1705912960118)
	p, err := c.Page(context.Background(), source.Stream{Name: streamAlerts}, source.Window{From: at, To: at}, "")
	if err != nil || len(p.Alerts) != 100 || p.Next != "" || len(s.sent) > 100 {
		t.Errorf("%d alerts of %d requests, %v", len(p.Alerts), len(s.sent), err)
	}
}

func TestATokenIsGoodForItsOwnWindowOnly(t *testing.T) {
	s := span{10, 100}
	w := walk{span: s, progress: progress{5, 10, 20, 30}}
	if p, ok := readToken(w.token(), s); !ok || p != w.progress {
		t.Errorf("%+v, %v", p, ok)
	}
	for _, token := range []string{"", "x", w.token() + ".1", "2.10.100.5.10.20.30", "1.11.100.5.10.20.30", "1.10.101.5.10.20.30", "1.10.100.91.10.20.30",
		"1.10.100.5.0.20.30", "1.10.100.-5.10.20.30", "1.10.100.5.10.200.30", "1.10.100.5.10.20.99999999999999999999"} {
		if p, ok := readToken(token, s); ok {
			t.Errorf("%q is believed: %+v", token, p)
		}
	}
}

func TestAWalkCoversItsSpanWithoutAGapOrAnOverlap(t *testing.T) {
	for _, newest := range []bool{false, true} {
		w := walk{span: span{1000, 2_000_000}, newest: newest}
		next := w.span.from
		if newest {
			next = w.span.to
		}
		for i := 0; !w.over(); i++ {
			p := w.piece()
			if !newest && p.from != next || newest && p.to != next || p.from > p.to || i > 1_000_000 {
				t.Fatalf("piece %d is %+v, want to go on at %d", i, p, next)
			}
			if i%3 == 0 && w.Width > 1 {
				w.shrink(100+i*i, []int64{w.Pos + w.Width*int64(i%5)/5, w.Pos + w.Width - 1, w.Pos + w.Width*int64(i%7)/7}[:i%4%4])
				continue
			}
			if next = p.to + 1; newest {
				next = p.from - 1
			}
			w.pass(i % 101)
		}
		if end := map[bool]int64{false: w.span.to + 1, true: w.span.from - 1}[newest]; next != end {
			t.Errorf("ended at %d, want %d", next, end)
		}
	}
}

func TestEveryHostBeyondTheVendorsWindowIsSeenOnce(t *testing.T) {
	v := newVendor(t, world.Options{})
	v.lab.AddHosts(1050)
	sourcetest.HostsOnce(t, v.client(t, time.Minute), 1050, "FARM-")
	for _, name := range append(hostile(), "", "*", "x", "x*") {
		for h, err := range v.client(t, time.Minute).FindHosts(context.Background(), name) {
			if !fault.Is(err, fault.Usage) {
				t.Errorf("%q: %v, %v", name, h, err)
			}
		}
	}
}
