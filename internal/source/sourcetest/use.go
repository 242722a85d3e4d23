package sourcetest

import (
	"iter"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

// Alerts is what UseAlerts needs of a product.
type Alerts interface {
	source.Source
	source.Feeder
	source.Lister
	source.Getter
	source.Noter
	source.NoteReader
	source.NoteProber
	source.Resolver
}

// UseAlerts calls each method that is about alerts, with every filter, and fails where one
// does not succeed. It is for a [Judge] to look at. Notes and resolutions go to the first
// alert of those that it gives.
func UseAlerts(t *testing.T, s Alerts, severities []alert.Severity, resolutions ...alert.Resolution) []alert.Alert {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	_, err := s.Check(ctx)
	must(err)
	st := stream(t, s)
	all := listAll(t, s, alert.Query{})
	for _, q := range []alert.Query{
		{Since: st.Now.Add(-48 * time.Hour), Until: st.Now}, {Statuses: []alert.Status{alert.StatusResolved}},
		{Severities: severities, Host: all[0].Host.Name}, {Hash: alert.Hash(strings.Repeat("a", 40))},
	} {
		listAll(t, s, q)
	}
	for _, by := range []source.Change{source.Created, source.Updated} {
		walk(t, s, st, wide(by, st.Now))
	}
	h := all[0].Handle
	_, err = s.Get(ctx, h, all[1].Handle)
	must(err)
	_, err = s.AddNote(ctx, "a note\n[edrc:5b1f09c2a94e7d10]", h)
	must(err)
	_, err = s.ProbeNotes(ctx, h)
	must(err)
	for _, err := range s.Notes(ctx, h) {
		must(err)
	}
	for _, r := range resolutions {
		_, err = s.Resolve(ctx, h, r)
		must(err)
	}
	return all
}

// Once reads a listing to its end, and fails when an item comes twice; id tells them apart.
func Once[T any](t *testing.T, items iter.Seq2[T, error], id func(T) string) []T {
	t.Helper()
	var out []T
	seen := map[string]bool{}
	for item, err := range items {
		if err != nil {
			t.Fatal(err)
		}
		if seen[id(item)] {
			t.Fatalf("%s comes twice", id(item))
		}
		seen[id(item)] = true
		out = append(out, item)
	}
	return out
}

// HostsOnce finds n hosts by "farm-*", each once, whose names start so.
func HostsOnce(t *testing.T, f source.HostFinder, n int, start string) {
	t.Helper()
	hosts := Once(t, f.FindHosts(t.Context(), "farm-*"), func(h alert.Host) string { return h.ID })
	for _, h := range hosts {
		if !strings.HasPrefix(h.Name, start) {
			t.Fatalf("host %s %s is another", h.ID, h.Name)
		}
	}
	if len(hosts) != n {
		t.Errorf("%d hosts, want %d", len(hosts), n)
	}
}

// WantUsage fails when an error of a configuration is not one of usage that has all words,
// or when it shows a secret.
func WantUsage(t *testing.T, name string, err error, secret string, words ...string) {
	t.Helper()
	if !fault.Is(err, fault.Usage) {
		t.Errorf("%s: %v, want usage", name, err)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %q does not name %q", name, err, word)
		}
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("%s: %q shows a secret", name, err)
	}
}
