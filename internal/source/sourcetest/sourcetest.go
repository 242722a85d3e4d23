// Package sourcetest is the conformance suite that every product passes: what the
// interfaces of package source promise, tried against a simulated vendor.
//
// A product's test gives a [Harness], which starts a fresh [Vendor] for each check,
// and calls [Run]. The suite asserts for the capabilities that the product has, and
// leaves out the checks of those that it has not. It never looks into the product:
// what really happened it learns from the vendor.
package sourcetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/source"
)

// Vendor is one simulated vendor, with the hooks that reach behind its API.
type Vendor interface {
	// Source gives a client. Its waits are short, it tries at least ten times, and
	// one try takes at most timeout.
	Source(t *testing.T, timeout time.Duration) source.Source
	// Add makes n alerts that are visible now and were created age ago, all at the
	// very same time if equal, else at different ones. It gives their ids.
	Add(t *testing.T, n int, age time.Duration, equal bool) []string
	// Plant puts a note by another tool on an alert, visible at once.
	Plant(t *testing.T, id, text string)
	// Notes gives the texts that are on an alert, the oldest first.
	Notes(t *testing.T, id string) []string
	// Purge makes alerts disappear.
	Purge(t *testing.T, ids ...string)
	// Revoke makes the credential invalid.
	Revoke(t *testing.T)
	// Faults sets what goes wrong from now on, as "KIND=SHARE" or "KIND@PLACE=SHARE".
	// KIND is 429, 500, 503, reset, timeout, truncate or html. PLACE is before or
	// after a write is applied; without one, any request may be hit. "" is none.
	Faults(t *testing.T, spec string)
}

// TokenVendor is the Vendor of a product whose credential is exchanged for access tokens.
type TokenVendor interface {
	Vendor
	// EndToken ends the access tokens that are out; the credential stays good.
	EndToken(t *testing.T)
}

// Harness is what the suite must know of a product.
type Harness struct {
	// New starts a vendor without alerts.
	New func(t *testing.T) Vendor
	// Page is the most alerts on one page of a feed, NotePage the most notes on one
	// page, 0 when notes are not paged.
	Page, NotePage int
	// Hostile are pieces of file names that the vendor's alerts have: decoding must
	// keep them. A world of World alerts has each of them.
	Hostile []string
	World   int
}

// Run checks one product.
func Run(t *testing.T, h Harness) {
	for _, c := range []struct {
		name  string
		check func(*testing.T, Harness)
	}{
		{"feed", checkFeed}, {"list", checkList}, {"get", checkGet}, {"decode", checkDecode},
		{"notes", checkNotes}, {"resolve", checkResolve}, {"resolve faults", checkResolveFaults}, {"hosts", checkHosts}, {"health", checkHealth},
		{"cancel", checkCancel}, {"token", checkToken}, {"read faults", checkReadFaults}, {"write faults", checkWriteFaults},
		{"fetch", checkFetch}, {"isolate", checkIsolate}, {"incidents", checkIncidents}, {"hostile words", checkHostile}, {"token's end", checkTokenEnd},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.check(t, h)
		})
	}
}

// patience is the time of one try where nothing is meant to hang.
const patience = 20 * time.Second

// capability gives the source as an interface, or skips the check.
func capability[T any](t *testing.T, s source.Source) T {
	t.Helper()
	c, ok := s.(T)
	if !ok {
		t.Skipf("%s does not have this capability", s.Kind())
	}
	return c
}

// wide is a window around everything that the suite adds.
func wide(by source.Change, now time.Time) source.Window {
	return source.Window{By: by, From: now.Add(-80 * time.Hour), To: now.Add(time.Minute)}
}

// stream gives the first stream of a feed.
func stream(t *testing.T, f source.Feeder) source.Stream {
	t.Helper()
	streams, err := f.Streams(context.Background())
	if err != nil || len(streams) == 0 {
		t.Fatalf("Streams: %v, %v", streams, err)
	}
	return streams[0]
}

// walk reads a window to its end. A repeat within the walk is a failure.
func walk(t *testing.T, f source.Feeder, s source.Stream, w source.Window) []alert.Alert {
	t.Helper()
	var out []alert.Alert
	seen := map[string]bool{}
	for token, pages := "", 0; ; pages++ {
		p, err := f.Page(context.Background(), s, w, token)
		if err != nil {
			t.Fatalf("page %d: %v", pages, err)
		}
		if len(p.Bad) > 0 || p.Full {
			t.Fatalf("page %d: bad %v, full %v", pages, p.Bad, p.Full)
		}
		if p.Date.IsZero() {
			t.Fatalf("page %d has no date", pages)
		}
		for _, a := range p.Alerts {
			if seen[a.ID] {
				t.Fatalf("page %d repeats alert %s", pages, a.ID)
			}
			seen[a.ID] = true
			out = append(out, a)
		}
		if token = p.Next; token == "" {
			return out
		}
		if pages > 10_000 {
			t.Fatal("the feed does not end")
		}
	}
}

// listAll reads a listing to its end.
func listAll(t *testing.T, l source.Lister, q alert.Query) []alert.Alert {
	t.Helper()
	var out []alert.Alert
	for a, err := range l.List(context.Background(), q) {
		if _, bad := errors.AsType[*source.BadItem](err); bad {
			t.Fatalf("an item cannot be read: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}

func ids(as []alert.Alert) []string {
	out := make([]string, len(as))
	for i, a := range as {
		out[i] = a.ID
	}
	slices.Sort(out)
	return out
}

// handles are the handles of alerts that have these ids.
func handles(t *testing.T, s source.Source, want []string) []alert.Handle {
	t.Helper()
	f, ok := s.(source.Feeder)
	if !ok {
		t.Skip("no feed to get handles from")
	}
	st := stream(t, f)
	var out []alert.Handle
	for _, a := range walk(t, f, st, wide(source.Created, st.Now)) {
		if slices.Contains(want, a.ID) {
			out = append(out, a.Handle)
		}
	}
	if len(out) != len(want) {
		t.Fatalf("the feed has %d of %d alerts", len(out), len(want))
	}
	return out
}

// same fails when two sets of ids differ, and says in how much.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("%s: %d ids, want %d; missing %v, extra %v", what, len(got), len(want), less(want, got), less(got, want))
	}
}

// less is what a has and b has not, the first few.
func less(a, b []string) []string {
	in := make(map[string]bool, len(b))
	for _, x := range b {
		in[x] = true
	}
	var out []string
	for _, x := range a {
		if !in[x] && len(out) < 5 {
			out = append(out, x)
		}
	}
	return out
}
