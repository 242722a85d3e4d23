package sentinelone

import (
	"context"
	"encoding/json"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"edrc/internal/alert"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// threats is the REST surface.
type threats struct{ *api }

// listLimit is the vendor's largest page.
const listLimit = 1000

func (s *threats) name() string { return surfaceThreats }

func threatList(op string, q url.Values) call {
	return call{httpx.Request{Op: op, Path: "/threats", Query: q, Rate: rateThreats}, permThreats}
}

func (s *threats) probe(ctx context.Context) error {
	_, err := s.api.list(ctx, threatList("list threats", s.scoped(1)), "")
	return err
}

// page implements the feed. Both fields are the console's own clock; the agent's
// identifiedAt may be hours off and is never used. Ties are safe: the cursor holds
// the id beside the time.
func (s *threats) page(ctx context.Context, w source.Window, token string) (source.Page, error) {
	field := fieldOf(w.By)
	q := s.scoped(listLimit)
	q.Set(field+"__gte", timeText(w.From.Truncate(time.Microsecond)))
	q.Set(field+"__lte", timeText(ceil(w.To, time.Microsecond)))
	q.Set("sortBy", field)
	q.Set("sortOrder", "asc")
	p, err := s.api.list(ctx, threatList("sync threats", q), token)
	if err != nil {
		return source.Page{}, tokenError(err, token)
	}
	out := source.Page{Next: p.next, Date: p.date}
	out.Alerts, out.Bad = decodeAll(p.items, s.decode)
	return out, nil
}

// list implements the listing. The filters exclude what is known not to be wanted
// rather than ask for what is: a status or a confidence that this program has
// never heard of stays in.
func (s *threats) list(ctx context.Context, q alert.Query) iter.Seq2[alert.Alert, error] {
	v := s.scoped(listLimit)
	v.Set("sortBy", "createdAt")
	v.Set("sortOrder", "desc")
	if !q.Since.IsZero() {
		v.Set("createdAt__gte", timeText(q.Since.Truncate(time.Microsecond)))
	}
	if !q.Until.IsZero() {
		v.Set("createdAt__lte", timeText(ceil(q.Until, time.Microsecond)))
	}
	exclude(v, "incidentStatusesNin", unwanted(restStatuses(), q.Statuses, statusOf))
	exclude(v, "confidenceLevelsNin", unwanted(confidences(), q.Severities, severityOfConfidence))
	if q.Hash.Algo() == alert.SHA1 {
		v.Set("contentHashes", string(q.Hash)) // the console's index knows no other hash
	}
	if name := strings.TrimSuffix(q.Host, "*"); searchable(name) {
		v.Set("computerName__contains", name)
	}
	return func(yield func(alert.Alert, error) bool) {
		for p, err := range s.pages(ctx, threatList("list threats", v)) {
			if err != nil {
				yield(alert.Alert{}, err)
				return
			}
			for _, raw := range p.items {
				if !yieldItem(yield, raw, s.decode) {
					return
				}
			}
		}
	}
}

// pages walks a REST list to its end.
func (a *api) pages(ctx context.Context, c call) iter.Seq2[page, error] {
	return func(yield func(page, error) bool) {
		for cursor := ""; ; {
			p, err := a.list(ctx, c, cursor)
			if !yield(p, err) || err != nil || p.next == "" {
				return
			}
			cursor = p.next
		}
	}
}

func (s *threats) get(ctx context.Context, hs []alert.Handle) ([]alert.Alert, error) {
	var out []alert.Alert
	var unreadable error
	for chunk := range slices.Chunk(threatIDs(hs), idsPerRequest) {
		q := url.Values{"ids": {strings.Join(chunk, ",")}, "limit": {strconv.Itoa(listLimit)}, "skipCount": {"true"}}
		for p, err := range s.pages(ctx, threatList("get threats", q)) {
			if err != nil {
				return out, err
			}
			alerts, bad := decodeAll(p.items, s.decode)
			unreadable = joinBad(unreadable, bad)
			out = append(out, alerts...)
		}
	}
	return out, unreadable
}

// threatIDs are the distinct ids that the console can know.
func threatIDs(hs []alert.Handle) []string {
	var ids []string
	for _, h := range hs {
		if isID(h.ID) && !slices.Contains(ids, h.ID) {
			ids = append(ids, h.ID)
		}
	}
	return ids
}

// searchable reports whether a computer name can be searched for: one value of at
// least two characters, and not a number, which may be an agent's id.
func searchable(name string) bool {
	return len(name) >= 2 && !strings.Contains(name, ",") && strings.Trim(name, "0123456789") != ""
}

// decoder maps one item of a page.
type decoder func(json.RawMessage) (alert.Alert, *source.BadItem)

func decodeAll(items []json.RawMessage, decode decoder) (alerts []alert.Alert, bad []source.BadItem) {
	for _, raw := range items {
		if a, b := decode(raw); b != nil {
			bad = append(bad, *b)
		} else {
			alerts = append(alerts, a)
		}
	}
	return alerts, bad
}

func yieldItem(yield func(alert.Alert, error) bool, raw json.RawMessage, decode decoder) bool {
	a, bad := decode(raw)
	if bad != nil {
		return yield(alert.Alert{}, bad)
	}
	return yield(a, nil)
}

// unwanted are the vendor's words that map to nothing wanted; none when all are.
func unwanted[T comparable](words []string, wanted []T, of func(string) T) []string {
	if len(wanted) == 0 {
		return nil
	}
	return slices.DeleteFunc(words, func(w string) bool { return slices.Contains(wanted, of(w)) })
}

func exclude(v url.Values, name string, words []string) {
	if len(words) > 0 {
		v.Set(name, strings.Join(words, ","))
	}
}
