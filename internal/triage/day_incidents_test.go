package triage

import (
	"context"
	"errors"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
	"edrc/internal/store"
)

var dayNow = time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)

// grouping is a product with incidents of its own; plain is one without.
type grouping struct{ plain }

type plain struct {
	name   string
	alerts []alert.Alert
	fail   error
}

func (p plain) Name() string                                       { return p.name }
func (p plain) Kind() string                                       { return "fake" }
func (p plain) Traits() source.Traits                              { return source.Traits{} }
func (p plain) Check(context.Context) (h source.Health, err error) { return h, nil }
func (p plain) Tenant(context.Context) (string, error)             { return p.name, nil }
func (p plain) List(_ context.Context, _ alert.Query) iter.Seq2[alert.Alert, error] {
	return func(yield func(alert.Alert, error) bool) {
		for _, a := range p.alerts {
			if !yield(a, nil) {
				return
			}
		}
		if p.fail != nil {
			yield(alert.Alert{}, p.fail)
		}
	}
}

func (p plain) Get(_ context.Context, hs ...alert.Handle) (out []alert.Alert, err error) {
	for _, h := range hs {
		for _, a := range p.alerts {
			if a.ID == h.ID {
				out = append(out, a)
			}
		}
	}
	return out, p.fail
}

func (g grouping) ListIncidents(_ context.Context, _ alert.Query) iter.Seq2[alert.Incident, error] {
	return func(yield func(alert.Incident, error) bool) {
		for i, sev := range []alert.Severity{alert.Low, alert.Critical, alert.Medium} {
			in := alert.Incident{Ref: alert.Ref{Source: g.name, Incident: true, ID: string(rune('a' + i))}, Severity: sev,
				Created: dayNow.Add(-time.Duration(i) * time.Hour), Alerts: []alert.Handle{{ID: "1"}, {ID: "2"}}}
			if !yield(in, nil) {
				return
			}
		}
		yield(alert.Incident{}, &source.BadItem{ID: "x", Reason: "odd"})
		yield(alert.Incident{}, g.fail)
	}
}

func (g grouping) GetIncident(_ context.Context, id string) (in alert.Incident, err error) {
	if id != "a" {
		return in, fault.New(fault.NotFound, "no incident %s", id)
	}
	return alert.Incident{ID: id}, nil
}

func newAlertOf(source, id string, sev alert.Severity) alert.Alert {
	return alert.Alert{Handle: alert.Handle{ID: id}, Ref: alert.Ref{Source: source, ID: id}, Severity: sev, Created: dayNow, Title: "t" + id}
}

func dayService(t *testing.T, sources ...source.Source) *Service {
	t.Helper()
	db, err := store.Open(store.Options{Path: filepath.Join(t.TempDir(), "edrc.db"), Pause: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &Service{Sources: sources, Store: db, Holder: "test", Now: func() time.Time { return dayNow }}
}

func TestIncidentsOfProductsWithAndWithoutThemStandInOneList(t *testing.T) {
	own := grouping{plain{name: "own", fail: errors.New("broke off")}}
	none := plain{name: "none", alerts: []alert.Alert{newAlertOf("none", "9", alert.High), newAlertOf("none", "8", alert.Info)}}
	s := dayService(t, own, none)
	l, err := s.Incidents(t.Context(), ListOptions{Query: alert.Query{Since: dayNow.Add(-90 * time.Minute)}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range l.Rows {
		got = append(got, r.Ref.String())
	}
	if want := []string{"own:incident/b", "none:9", "own:incident/a", "none:8"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if len(l.Without) != 1 || l.Without[0].Name() != "none" || len(l.Errors) != 2 || l.Rows[0].Alert != nil || l.Rows[1].Alert == nil {
		t.Errorf("%+v", l)
	}
	if l, err = s.Incidents(t.Context(), ListOptions{Limit: 1}); err != nil || len(l.Rows) != 1 || l.Total != 5 || l.Rows[0].Severity != alert.Critical {
		t.Errorf("%+v %v", l, err)
	}
}

func TestAnIncidentIsAnAlertOnlyWhereTheProductHasNone(t *testing.T) {
	s := dayService(t, grouping{plain{name: "own"}}, plain{name: "none"})
	if in, own, err := s.Incident(t.Context(), alert.Ref{Source: "own", ID: "a"}); err != nil || !own || in.ID != "a" {
		t.Errorf("%v %v %v", in, own, err)
	}
	if _, own, err := s.Incident(t.Context(), alert.Ref{Source: "own", ID: "z"}); !own || !fault.Is(err, fault.NotFound) {
		t.Errorf("%v %v", own, err)
	}
	if _, own, err := s.Incident(t.Context(), alert.Ref{Source: "none", ID: "a"}); own || err != nil {
		t.Errorf("%v %v", own, err)
	}
	if ref, err := s.AsAlert(alert.Ref{Source: "none", Incident: true, ID: "7"}); err != nil || ref.String() != "none:7" {
		t.Errorf("%v %v", ref, err)
	}
	if _, err := s.AsAlert(alert.Ref{Source: "own", Incident: true, ID: "7"}); !fault.Is(err, fault.Usage) {
		t.Errorf("%v", err)
	}
}

func TestAStreamGoesOnAfterOneSourceAndStopsWhenNobodyWants(t *testing.T) {
	var many []alert.Alert
	for i := range 1000 {
		many = append(many, newAlertOf("big", strings.Repeat("i", i+1), alert.Low))
	}
	s := dayService(t, plain{name: "big", alerts: many}, plain{name: "bad", fail: errors.New("no answer")})
	n, failed := 0, 0
	for _, err := range s.Stream(t.Context(), ListOptions{}) {
		if err != nil {
			failed++
		} else {
			n++
		}
	}
	if n != 1000 || failed != 1 {
		t.Errorf("%d alerts, %d errors", n, failed)
	}
	n = 0
	for range s.Stream(t.Context(), ListOptions{}) {
		if n++; n == 3 {
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	failed = 0
	for _, err := range s.Stream(ctx, ListOptions{}) {
		if fault.Is(err, fault.Interrupted) {
			failed++
		}
	}
	if failed == 0 {
		t.Error("a cancelled stream ends as if it were complete")
	}
}

func TestAlertsAreReadByRefInBatchesAndEachThatIsMissingIsNamed(t *testing.T) {
	s := dayService(t, plain{name: "a", alerts: []alert.Alert{newAlertOf("a", "1", alert.Low)}}, plain{name: "b", alerts: []alert.Alert{newAlertOf("b", "1", alert.Low)}})
	var got []string
	for a, err := range s.StreamRefs(t.Context(), []alert.Ref{{Source: "a", ID: "1"}, {Source: "a", ID: "2"}, {Source: "b", ID: "1"}, {Source: "c", ID: "1"}}) {
		if err != nil {
			got = append(got, string(fault.KindOf(err)))
		} else {
			got = append(got, a.Ref.String())
		}
	}
	if want := []string{"a:1", "not_found", "b:1", "not_found"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if err := s.CanResolve([]alert.Ref{{Source: "a", ID: "1"}}, alert.Resolution{Status: alert.StatusResolved}); !fault.Is(err, fault.Unsupported) {
		t.Errorf("%v", err)
	}
}
