package cortex

import (
	"context"
	"encoding/json"
	"iter"
	"strings"
	"time"

	"edrc/internal/alert"
	"edrc/internal/source"
)

// List implements source.Lister, newest first. Time and severity are asked for; the
// product filters alerts by nothing else that a query has.
func (c *Client) List(ctx context.Context, q alert.Query) iter.Seq2[alert.Alert, error] {
	return func(yield func(alert.Alert, error) bool) {
		platform, err := c.platform(ctx)
		if err != nil {
			yield(alert.Alert{}, err)
			return
		}
		l := alertList("list alerts", platform, source.Created, "desc", severityFilter(platform, q.Severities)...)
		for raw, err := range c.newestFirst(ctx, l, q) {
			if err != nil {
				yield(alert.Alert{}, err)
				return
			}
			a, bad := c.decode(platform, raw)
			if bad != nil && !yield(alert.Alert{}, bad) || bad == nil && !yield(a, nil) {
				return
			}
		}
	}
}

// firstReach is the first piece of a list without a beginning.
const firstReach = 30 * 24 * time.Hour

// newestFirst walks a list backwards, from the query's end or from now.
func (c *Client) newestFirst(ctx context.Context, l listing, q alert.Query) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		since, until := q.Since, q.Until
		if since.IsZero() {
			since = time.UnixMilli(0)
		}
		if until.IsZero() {
			now, err := c.clock(ctx, l)
			if err != nil {
				yield(nil, err)
				return
			}
			until = now.Add(time.Hour) // what comes while this reads
		}
		w := walk{list: l, span: between(since, until), newest: true}
		if q.Since.IsZero() {
			w.Width = firstReach.Milliseconds() // most of the years before have nothing
		}
		for !w.over() {
			rows, _, err := c.step(ctx, &w)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, raw := range rows {
				if !yield(raw, nil) {
					return
				}
			}
		}
	}
}

// severityFilter asks for severities where each has one word that the filter is known to
// take.
func severityFilter(platform bool, want []alert.Severity) []filter {
	var words []string
	for _, s := range want {
		if s < alert.Low {
			return nil
		}
		word := s.String()
		if platform {
			word = strings.ToUpper(word)
		}
		words = append(words, word)
	}
	if len(words) == 0 {
		return nil
	}
	return []filter{{"severity", "in", words}}
}
