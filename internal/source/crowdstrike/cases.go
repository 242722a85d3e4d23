package crowdstrike

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

// falconCase is the part of a case that edrc reads. Cases replace the incidents of old,
// whose endpoints are gone since March 2026.
type falconCase struct {
	ID          text   `json:"id"`
	Name        text   `json:"name"`
	Description text   `json:"description"`
	Status      text   `json:"status"`
	Severity    number `json:"severity"`
	Info        struct {
		Level text `json:"level"`
	} `json:"severity_info"`
	Created  stamp `json:"created_timestamp"`
	Start    stamp `json:"start_timestamp"`
	Updated  stamp `json:"updated_timestamp"`
	Evidence struct {
		Alerts list[struct {
			ID text `json:"id"`
		}] `json:"alerts"`
	} `json:"evidence"`
}

const (
	// casesWindow is how far offset and limit reach together; beyond it the vendor
	// answers nothing, and the list goes on by time.
	casesWindow = 10_000
	casesPage   = 500
)

const licenceCases = "Case Management"

// ListIncidents implements source.Incidents: cases, newest first.
func (c *Client) ListIncidents(ctx context.Context, q alert.Query) iter.Seq2[alert.Incident, error] {
	return func(yield func(alert.Incident, error) bool) {
		seen := map[string]bool{}
		for until := q.Until; ; {
			oldest, more, ok := c.caseWindow(ctx, between("created_timestamp", q.Since, until), seen, yield)
			if !ok || !more {
				return
			}
			if oldest.IsZero() || oldest.Equal(until) {
				yield(alert.Incident{}, c.api.fault(fault.Partial, "list cases", "more than 10,000 cases of one moment: the rest cannot be asked for"))
				return
			}
			until = oldest // inclusive: those of the same moment come again, and are known
		}
	}
}

// caseWindow gives the cases of a filter, as far as offsets reach. more says that there
// are others, at or before oldest; ok that the caller wants them.
func (c *Client) caseWindow(ctx context.Context, filter string, seen map[string]bool, yield func(alert.Incident, error) bool) (oldest time.Time, more, ok bool) {
	for offset := 0; offset < casesWindow; {
		ids, err := c.caseIDs(ctx, filter, offset)
		if err != nil {
			yield(alert.Incident{}, err)
			return oldest, false, false
		}
		if len(ids) == 0 {
			return oldest, false, true
		}
		offset += len(ids)
		found, err := c.cases(ctx, ids)
		for _, in := range found {
			if oldest.IsZero() || in.Created.Before(oldest) {
				oldest = in.Created
			}
			if seen[in.ID] {
				continue
			}
			seen[in.ID] = true
			if !yield(in, nil) {
				return oldest, false, false
			}
		}
		if err != nil && (!yield(alert.Incident{}, err) || !isBadItem(err)) {
			return oldest, false, false
		}
	}
	return oldest, true, true
}

func (c *Client) caseIDs(ctx context.Context, filter string, offset int) ([]string, error) {
	q := url.Values{"limit": {strconv.Itoa(casesPage)}, "offset": {strconv.Itoa(offset)}, "sort": {"created_timestamp|desc"}}
	if filter != "" {
		q.Set("filter", filter)
	}
	return c.ids(ctx, call{Request: httpx.Request{Op: "list cases", Path: "/cases/queries/cases/v1", Query: q},
		scope: scopeCases, licence: licenceCases, whole: true})
}

// ids reads a query whose resources are ids.
func (c *Client) ids(ctx context.Context, query call) ([]string, error) {
	r, err := c.api.read(ctx, query)
	if err != nil {
		return nil, err
	}
	return idsIn(r), nil
}

func idsIn(r *reply) []string {
	var out []string
	for _, raw := range r.items() {
		var id text
		_ = id.UnmarshalJSON(raw)
		if id != "" {
			out = append(out, string(id))
		}
	}
	return out
}

// cases reads cases by id, in the order of the ids: newest first.
func (c *Client) cases(ctx context.Context, ids []string) ([]alert.Incident, error) {
	r, err := c.api.read(ctx, call{Request: httpx.Request{
		Op: "get cases", Method: http.MethodPost, Path: "/cases/entities/cases/v2", Class: httpx.Read, JSON: map[string]any{"ids": ids},
	}, scope: scopeCases, licence: licenceCases, whole: true})
	if err != nil {
		return nil, err
	}
	var out []alert.Incident
	var bad error
	for _, raw := range r.items() {
		in, b := c.decodeCase(raw)
		if b != nil {
			bad = errors.Join(bad, b)
			continue
		}
		out = append(out, in)
	}
	slices.SortStableFunc(out, func(a, b alert.Incident) int { return slices.Index(ids, a.ID) - slices.Index(ids, b.ID) })
	return out, bad
}

func isBadItem(err error) bool {
	_, ok := errors.AsType[*source.BadItem](err)
	return ok
}

// decodeCase maps one case. An alert of a case is its evidence.
func (c *Client) decodeCase(raw json.RawMessage) (alert.Incident, *source.BadItem) {
	var f falconCase
	err := json.Unmarshal(raw, &f)
	if err != nil || f.ID == "" {
		reason := "it has no id"
		if err != nil {
			reason = err.Error()
		}
		return alert.Incident{}, source.Unreadable(lenient.Field(raw, "id"), reason, raw)
	}
	id := string(f.ID)
	in := alert.Incident{
		Ref: alert.Ref{Source: c.name, Incident: true, ID: id}, ID: id, Title: lenient.FirstText(f.Name, f.Description, f.ID),
		Severity: severityOf(f.Severity, string(f.Info.Level)), Status: statusOf(string(f.Status)),
		Created: lenient.First(f.Created, f.Start, f.Updated), Updated: f.Updated.Time, Raw: raw,
	}
	for _, a := range f.Evidence.Alerts {
		if a.ID != "" {
			in.Alerts = append(in.Alerts, alert.Handle{ID: string(a.ID), Note: string(a.ID), Group: id})
		}
	}
	return in, nil
}

// GetIncident implements source.Incidents.
func (c *Client) GetIncident(ctx context.Context, id string) (alert.Incident, error) {
	const op = "get a case"
	if id == "" {
		return alert.Incident{}, c.api.fault(fault.NotFound, op, "a case needs an id")
	}
	found, err := c.cases(ctx, []string{id})
	if err != nil {
		return alert.Incident{}, fault.At(err, c.name, op)
	}
	for _, in := range found {
		if in.ID == id {
			return in, nil
		}
	}
	return alert.Incident{}, c.api.fault(fault.NotFound, op, "the cloud does not know this case, or the API client does not see it")
}
