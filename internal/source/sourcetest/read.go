package sourcetest

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/source"
)

// checkFeed: pages give every alert once, also those of one time that stand on both
// sides of a page's edge, in both feeds; windows are closed; a token that is none is
// ErrToken.
func checkFeed(t *testing.T, h Harness) {
	v := h.New(t)
	s := v.Source(t, patience)
	f := capability[source.Feeder](t, s)
	block := v.Add(t, h.Page+h.Page/2, 30*time.Hour, true)
	all := append(v.Add(t, h.Page/2+7, 50*time.Hour, false), block...)
	all = append(all, v.Add(t, h.Page/3, time.Hour, false)...)
	st := stream(t, f)
	if st.Name == "" || st.Now.IsZero() {
		t.Fatalf("stream %+v has no name or no time", st)
	}
	changes := []source.Change{source.Created, source.Updated}
	if s.Traits().NoUpdated {
		changes = changes[:1]
	}
	for _, by := range changes {
		t.Run(string(by), func(t *testing.T) {
			got := walk(t, f, st, wide(by, st.Now))
			same(t, "the whole", ids(got), all)
			for _, a := range got {
				if a.ID == block[0] {
					checkInstant(t, f, st, by, a, block)
				}
			}
		})
	}
	t.Run("a garbage token is ErrToken", func(t *testing.T) {
		for _, token := range []string{"garbage", "eyJub3QiOiJhIGN1cnNvciJ9"} {
			if _, err := f.Page(context.Background(), st, wide(source.Created, st.Now), token); !errors.Is(err, source.ErrToken) {
				t.Errorf("token %q: %v, want ErrToken", token, err)
			}
		}
	})
}

// checkInstant reads the window of one moment: its edges belong to it. It may hold
// more where the vendor's filter is coarser than its times.
func checkInstant(t *testing.T, f source.Feeder, st source.Stream, by source.Change, a alert.Alert, block []string) {
	t.Helper()
	at := a.Created
	if by == source.Updated {
		at = a.Updated
	}
	got := walk(t, f, st, source.Window{By: by, From: at, To: at})
	if missing := less(block, ids(got)); len(missing) > 0 {
		t.Errorf("the window of one moment lacks %v", missing)
	}
	for _, b := range got {
		if b.Created.Sub(a.Created).Abs() > time.Second {
			t.Fatalf("the window of one moment has an alert of %s", b.Created)
		}
	}
}

// checkList: a listing is a superset of what the query matches, and may be left.
func checkList(t *testing.T, h Harness) {
	v := h.New(t)
	s := v.Source(t, patience)
	l := capability[source.Lister](t, s)
	want := v.Add(t, h.Page+50, 20*time.Hour, false)
	want = append(want, v.Add(t, 20, time.Hour, false)...)
	all := listAll(t, l, alert.Query{})
	same(t, "everything", ids(all), want)
	for name, q := range queries(all) {
		t.Run(name, func(t *testing.T) {
			var match []string
			for _, a := range all {
				if q.Match(a) {
					match = append(match, a.ID)
				}
			}
			got := listAll(t, l, q)
			if missing := less(match, ids(got)); len(match) == 0 || len(missing) > 0 {
				t.Errorf("%d match, %d came, missing %v", len(match), len(got), missing)
			}
		})
	}
	t.Run("stopping early", func(t *testing.T) {
		n := 0
		for _, err := range l.List(context.Background(), alert.Query{}) {
			if n++; err != nil || n == 3 {
				break
			}
		}
		if n != 3 {
			t.Errorf("stopped after %d", n)
		}
	})
}

// queries are filters that some of the alerts match.
func queries(all []alert.Alert) map[string]alert.Query {
	a := all[len(all)/2]
	qs := map[string]alert.Query{
		"since":      {Since: time.Now().Add(-10 * time.Hour)},
		"an instant": {Since: a.Created, Until: a.Created},
		"severity":   {Severities: []alert.Severity{a.Severity}},
		"status":     {Statuses: []alert.Status{a.Status}},
		"open":       {Statuses: []alert.Status{alert.StatusNew, alert.StatusInProgress}},
		"host":       {Host: strings.ToLower(a.Host.Name)},
		"host id":    {Host: a.Host.ID},
		"hosts":      {Host: a.Host.Name[:len(a.Host.Name)-1] + "*"},
	}
	for _, a := range all {
		for _, f := range a.Files {
			for _, hash := range f.All() {
				qs[string(hash.Algo())] = alert.Query{Hash: hash}
			}
		}
	}
	return qs
}

// checkGet: any number of alerts in batches; what the vendor does not know is
// absent, and no error.
func checkGet(t *testing.T, h Harness) {
	v := h.New(t)
	s := v.Source(t, patience)
	g := capability[source.Getter](t, s)
	all := v.Add(t, 250, 5*time.Hour, false)
	hs := handles(t, s, all)
	v.Purge(t, hs[0].ID, hs[137].ID)
	hs = append(hs, hs[3], alert.Handle{ID: "no such alert"}, alert.Handle{})
	got, err := g.Get(context.Background(), hs...)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, id := range all {
		if id != hs[0].ID && id != hs[137].ID {
			left = append(left, id)
		}
	}
	same(t, "250 less 2 purged", ids(got), left)
	for name, one := range map[string][]alert.Handle{"purged": {hs[0]}, "no handle": nil} {
		if got, err := g.Get(context.Background(), one...); err != nil || len(got) > 0 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	one, err := g.Get(context.Background(), hs[5])
	if err != nil || len(one) != 1 || one[0].ID != hs[5].ID {
		t.Fatalf("one alone: %v, %v", ids(one), err)
	}
	for _, a := range got {
		if a.ID == one[0].ID && a.Digest() != one[0].Digest() {
			t.Error("an alert has other facts when it is asked for alone")
		}
	}
}

// checkDecode: what an attacker chose arrives unchanged, whole, and named.
func checkDecode(t *testing.T, h Harness) {
	v := h.New(t)
	s := v.Source(t, patience)
	l := capability[source.Lister](t, s)
	v.Add(t, h.World, 5*time.Hour, false)
	var names strings.Builder
	for _, a := range listAll(t, l, alert.Query{}) {
		switch {
		case a.ID == "" || a.Kind != s.Kind() || a.Ref.ID != a.ID || a.Ref.Source != s.Name():
			t.Fatalf("alert %q: kind %q, ref %s", a.ID, a.Kind, a.Ref)
		case a.Created.IsZero() || a.Status == "" || a.Title == "" || a.Host.Name == "":
			t.Fatalf("alert %s is not complete: %+v", a.ID, a)
		case !json.Valid(a.Raw):
			t.Fatalf("alert %s: raw is not the vendor's object", a.ID)
		case len(a.Locator) > 1024:
			t.Fatalf("alert %s: a locator of %d bytes", a.ID, len(a.Locator))
		}
		for _, f := range a.Files {
			names.WriteString(f.Name + "\n")
		}
	}
	for _, piece := range h.Hostile {
		if !strings.Contains(names.String(), piece) {
			t.Errorf("no file name has %q any more", piece)
		}
	}
}
