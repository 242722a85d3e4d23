package sentinelone

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/safe"
)

// unified is the GraphQL surface.
type unified struct{ *api }

func (u *unified) name() string { return surfaceUnified }

// operation is one GraphQL request: a document with one operation, and its
// variables.
type operation struct {
	op         string // for errors
	name       string // of the operation, which the console shows in its own log
	document   string
	variables  map[string]any
	class      httpx.Class
	permission string
}

// graphReply is a reply whose status was 200, which says nothing: the errors do.
type graphReply struct {
	Data   map[string]json.RawMessage `json:"data"`
	Errors vendorErrors               `json:"errors"`
}

// run sends an operation and decodes the one field of its reply into v. Errors of
// the console are *fault.Error like those of HTTP: an operation that it refused was
// not carried out, except that of a write of class Once is in doubt if the refusal
// is not plain.
func (u *unified) run(ctx context.Context, o operation, field string, v any) (time.Time, error) {
	resp, err := u.do(ctx, call{httpx.Request{
		Op: o.op, Method: http.MethodPost, Path: "/unifiedalerts/graphql?opname=" + o.name, Class: o.class, Rate: rateGraphQL,
		JSON: map[string]any{"query": o.document, "variables": o.variables, "operationName": o.name},
	}, o.permission})
	if err != nil {
		return time.Time{}, err
	}
	var reply graphReply
	if err := resp.Decode(&reply); err != nil {
		return time.Time{}, err
	}
	raw := reply.Data[field]
	if m := reply.Errors.String(); m != "" {
		return resp.Date, u.graphError(o, field, m, reply.Errors, raw)
	}
	if len(raw) == 0 || string(raw) == "null" {
		return resp.Date, u.broken(o, "the reply has no "+field)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return resp.Date, u.broken(o, "the reply's "+field+" has an unknown shape: "+err.Error())
	}
	return resp.Date, nil
}

// broken is a reply that does not say what happened.
func (u *unified) broken(o operation, msg string) *fault.Error {
	kind := fault.Unavailable
	if o.class == httpx.Once {
		kind = fault.InDoubt
	}
	return u.fault(kind, o.op, msg)
}

// The words by which the console's errors are told apart. GraphQL has no statuses,
// and the texts are not documented.
var (
	authWords      = safe.Pattern(`(?i)unauthenticated|unauthori[sz]ed|authentication|invalid token|token (is |has )?(invalid|expired|revoked)`)
	deniedWords    = safe.Pattern(`(?i)forbidden|permission|access (is )?denied|not allowed|not permitted`)
	missingWords   = safe.Pattern(`(?i)not found|does not exist\b|required value was null`)
	throttledWords = safe.Pattern(`(?i)too many requests|rate limit|throttl`)
	brokenWords    = safe.Pattern(`(?i)internal (server )?error|time(d)? ?out|unavailable|try again`)
	earlyWords     = safe.Pattern(`(?i)mgmt_note_id`)
	plainWords     = safe.Pattern(`(?i)filter api|validation error|invalid syntax|invalid uuid|into a uuid`)
)

// graphError maps what the console says. Data beside an error means that something
// was carried out.
func (u *unified) graphError(o operation, field, msg string, errs vendorErrors, data json.RawMessage) error {
	kind := fault.Invalid
	switch {
	case plainWords().MatchString(msg):
	case authWords().MatchString(msg):
		kind = fault.Auth
	case deniedWords().MatchString(msg):
		kind = fault.Denied
	case earlyWords().MatchString(msg):
		kind = fault.Conflict
	case throttledWords().MatchString(msg):
		kind = fault.RateLimited
	case missingWords().MatchString(msg) && aboutWhole(errs, field):
		kind = fault.NotFound
	case brokenWords().MatchString(msg):
		kind = fault.Unavailable
	}
	done := len(data) > 0 && string(data) != "null"
	plain := kind == fault.Auth || kind == fault.Denied || kind == fault.NotFound || kind == fault.RateLimited ||
		plainWords().MatchString(msg)
	if o.class == httpx.Once && (done || !plain) {
		kind = fault.InDoubt // "Exception while fetching data" may stand for anything
	}
	return u.explain(u.fault(kind, o.op, "the console said: "+clean(msg)), o.permission)
}

// aboutWhole reports that the errors are about the field itself and not about a
// part of what it has.
func aboutWhole(errs vendorErrors, field string) bool {
	return !slices.ContainsFunc(errs, func(e vendorError) bool {
		return len(e.path) > 1 || len(e.path) == 1 && e.path[0] != field
	})
}

// clean makes a message of the console one line of bounded length.
func clean(msg string) string {
	const most = 300
	msg = strings.Join(strings.Fields(msg), " ")
	for i := range msg {
		if i > most {
			return msg[:i] + "…"
		}
	}
	return msg
}
