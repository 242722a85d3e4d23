package guardduty

import (
	"context"
	"encoding/json"
	"iter"

	"github.com/aws/aws-sdk-go-v2/service/guardduty/types"

	"edrc/internal/alert"
	"edrc/internal/fault"
)

// ListIncidents implements source.Incidents: the attack sequences. A sequence of a type
// that is newer than edrc is listed among the alerts alone.
func (c *Client) ListIncidents(ctx context.Context, q alert.Query) iter.Seq2[alert.Incident, error] {
	return func(yield func(alert.Incident, error) bool) {
		q.Host, q.Hash = "", "" // of its alerts, and not of a sequence
		read := func(ctx context.Context, s *site, send func(alert.Alert, error)) error {
			seen := map[string]struct{}{}
			for _, l := range s.narrowed(listings(q), q) {
				l.criterion["type"] = types.Condition{Equals: sequenceTypes()}
				if err := c.listOne(ctx, s, l, seen, send); err != nil {
					return err
				}
			}
			return nil
		}
		err := c.scatter(ctx, q.Scopes, read, func(a alert.Alert, err error) bool {
			if err != nil {
				return yield(alert.Incident{}, err)
			}
			return yield(incidentOf(a), nil)
		})
		if err != nil {
			yield(alert.Incident{}, fault.At(err, c.name, "list attack sequences"))
		}
	}
}

// GetIncident implements source.Incidents: an attack sequence with its targets and its
// findings, by the id of the sequence, REGION/FINDING.
func (c *Client) GetIncident(ctx context.Context, id string) (alert.Incident, error) {
	const op = "get an attack sequence"
	l, err := c.one(ctx, alert.Handle{ID: id})
	if err != nil {
		return alert.Incident{}, fault.At(err, c.name, op)
	}
	if !l.finding.isSequence() {
		return alert.Incident{}, &fault.Error{Kind: fault.NotFound, Source: c.name, Op: op, Msg: "this finding is no attack sequence",
			Hint: "read it as an alert: edrc alerts get " + alert.Ref{Source: c.name, ID: id}.String()}
	}
	return incidentOf(l.finding.alert(c.name, l.raw, l.at.here(), nil)), nil
}

// incidentOf makes the alert of a sequence its incident.
func incidentOf(a alert.Alert) alert.Incident {
	f := &finding{}
	_ = json.Unmarshal(a.Raw, f) // it was decoded a moment ago
	return f.incident(a)
}
