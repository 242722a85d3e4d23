package triage

import (
	"context"
	"errors"
	"slices"
	"sync"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

// IncidentRow is one incident: the product's own, or an alert of a product that has
// none, which is then its own incident.
type IncidentRow struct {
	alert.Incident
	Alert *Row // of an alert that is its own incident; nil for the product's own
}

// IncidentListing is the result of Incidents.
type IncidentListing struct {
	Rows    []IncidentRow // worst first
	Total   int           // that matched, before the limit
	Sources int
	// Without names the sources that have no incidents of their own, and their kind.
	Without []source.Source
	Errors  []SourceError
}

// Incidents lists the incidents that match from all sources at once, worst first.
// A source without incidents gives its alerts instead, and is named in Without.
func (s *Service) Incidents(ctx context.Context, o ListOptions) (*IncidentListing, error) {
	picked, err := s.Pick(o.Sources)
	if err != nil {
		return nil, err
	}
	out := &IncidentListing{Sources: len(picked)}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var names []string
	for _, src := range picked {
		own, ok := src.(source.Incidents)
		if !ok {
			out.Without = append(out.Without, src)
			names = append(names, src.Name())
			continue
		}
		wg.Go(func() {
			rows, errs := incidentsOf(ctx, src, own, o)
			mu.Lock()
			defer mu.Unlock()
			out.Rows = append(out.Rows, rows...)
			out.Total += len(rows)
			out.Errors = append(out.Errors, errs...)
		})
	}
	var alerts *Listing
	if len(names) > 0 {
		rest := o // the others are reading o
		rest.Sources = names
		alerts, err = s.List(ctx, rest)
	}
	wg.Wait()
	if err != nil {
		return nil, err
	}
	if alerts != nil {
		out.Total += alerts.Total
		out.Errors = append(append(out.Errors, alerts.Errors...), alerts.Bad...)
		for i := range alerts.Rows {
			out.Rows = append(out.Rows, asIncident(&alerts.Rows[i]))
		}
	}
	slices.SortFunc(out.Rows, worseIncident)
	if o.Limit > 0 && len(out.Rows) > o.Limit {
		out.Rows = out.Rows[:o.Limit]
	}
	return out, ctx.Err()
}

// incidentsOf reads one product's own incidents and checks every filter again.
func incidentsOf(ctx context.Context, src source.Source, own source.Incidents, o ListOptions) (rows []IncidentRow, errs []SourceError) {
	for in, err := range own.ListIncidents(ctx, o.Query) {
		if err != nil {
			errs = append(errs, SourceError{src.Name(), fault.At(err, src.Name(), "list incidents")})
			if _, bad := errors.AsType[*source.BadItem](err); bad {
				continue
			}
			return rows, errs
		}
		// What an incident does not have, such as a host, cannot rule it out.
		q := alert.Query{Since: o.Query.Since, Until: o.Query.Until, Severities: o.Query.Severities, Statuses: o.Query.Statuses}
		if q.Match(alert.Alert{Created: in.Created, Severity: in.Severity, Status: in.Status}) {
			rows = append(rows, IncidentRow{Incident: in})
		}
	}
	return rows, errs
}

func asIncident(r *Row) IncidentRow {
	a := r.Alert
	return IncidentRow{Alert: r, Incident: alert.Incident{Ref: a.Ref, ID: a.ID, Title: a.Title, Severity: a.Severity, Status: a.Status,
		Created: a.Created, Updated: a.Updated, Alerts: []alert.Handle{a.Handle}, URL: a.URL, Raw: a.Raw}}
}

func worseIncident(a, b IncidentRow) int {
	if a.Severity != b.Severity {
		return int(b.Severity) - int(a.Severity)
	}
	return b.Created.Compare(a.Created)
}

// Incident reads one of a product's own incidents. own is false for a product
// without incidents: then the ref names an alert.
func (s *Service) Incident(ctx context.Context, ref alert.Ref) (in *alert.Incident, own bool, err error) {
	src, err := s.Source(ref.Source)
	if err != nil {
		return nil, false, err
	}
	reader, ok := src.(source.Incidents)
	if !ok {
		return nil, false, nil
	}
	found, err := reader.GetIncident(ctx, ref.ID)
	if err != nil {
		return nil, true, fault.At(err, src.Name(), "get incident")
	}
	return &found, true, nil
}

// AsAlert gives the alert that a ref names: where the product has no incidents, an
// incident is its alert.
func (s *Service) AsAlert(ref alert.Ref) (alert.Ref, error) {
	if !ref.Incident {
		return ref, nil
	}
	src, err := s.Source(ref.Source)
	if err != nil {
		return ref, err
	}
	if _, own := src.(source.Incidents); own {
		return ref, fault.Usagef("%s is an incident of several alerts", ref).WithHint("name its alerts; list them: edrc incidents get %s", ref)
	}
	ref.Incident = false
	return ref, nil
}
