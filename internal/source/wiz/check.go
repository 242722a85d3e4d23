package wiz

import (
	"context"
	"net/url"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// nobody is the id of nothing.
const nobody = "00000000-0000-0000-0000-000000000000"

// Check implements source.Source. Missing names the scopes that the service account
// lacks, by capability. A scope to write is tried with a request about an issue that
// cannot be: without the scope it is refused, with it nothing is found. Expires is zero:
// an access token is renewed by itself, and the end of a service account is not told.
func (c *Client) Check(ctx context.Context) (source.Health, error) {
	h := source.Health{Identity: "service account " + c.options.ClientID, Missing: map[string]string{}}
	if u, err := url.Parse(c.options.URL); err == nil {
		h.Tenant = u.Host
	}
	for _, p := range probes("check the service account") {
		_, date, err := c.api.run(ctx, p.operation, p.field)
		if !date.IsZero() && h.Skew == 0 {
			h.Skew = date.Sub(c.now()).Round(time.Second) // the header has whole seconds
		}
		switch fault.KindOf(err) {
		case fault.Denied:
			for capability := range strings.SplitSeq(p.capabilities, ", ") {
				h.Missing[capability] = needs(p.operation)
			}
		case fault.Auth, fault.Interrupted, fault.Usage:
			return h, err
		default:
			if err != nil && !p.blind {
				return h, err
			}
		}
	}
	h.Retiring = c.api.http.Retiring()
	return h, nil
}

// Permissions lists what the service account needs, by capability: its scope, and what
// the subscription must include.
func Permissions() map[string]string {
	out := map[string]string{}
	for _, p := range probes("") {
		for capability := range strings.SplitSeq(p.capabilities, ", ") {
			out[capability] = needs(p.operation)
		}
	}
	return out
}

// needs names the scope, and the licence where one is needed.
func needs(o operation) string {
	if o.licence == "" {
		return o.scope
	}
	return o.scope + ", and " + o.licence + " in the subscription"
}

// probe is a request that tells whether a scope is there.
type probe struct {
	capabilities string
	field        string
	operation    operation
	blind        bool // a write on nothing: how it is answered is not documented
}

func probes(op string) []probe {
	write := func(document, scope string, variables map[string]any) operation {
		return operation{op: op, document: document, variables: variables, class: httpx.Idempotent, scope: scope}
	}
	return []probe{
		{"alerts", "detections", detections(op, idsDocument, filter{}, 1, descending()), false},
		{"incidents, note list", "issues", threats(op, issueNotesDocument, filter{}, 1, descending()), false},
		{"note add", "createIssueNote", write(createNoteDocument, scopeNotes,
			map[string]any{"input": map[string]string{"issueId": nobody, "text": "edrc checks its permissions"}}), true},
		{"note remove", "deleteIssueNote", write(deleteNoteDocument, scopeNotes, map[string]any{"input": map[string]string{"id": nobody}}), true},
		{"resolve", "updateIssue", write(updateIssueDocument, scopeUpdate, map[string]any{"issueId": nobody, "patch": map[string]any{"status": "OPEN"}}), true},
	}
}
