package wiz

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"edrc/internal/fault"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

// The scopes of a service account that calls need. Only read:issues is documented; the
// other names are UNCERTAIN, and a refusal shows the vendor's own words beside them.
const (
	scopeDetections = "read:detections"
	scopeIssues     = "read:issues"
	scopeNotes      = "write:issue_comments"
	scopeUpdate     = "update:issues"
)

// licenceDefend is what a tenant has detections with.
const licenceDefend = "Wiz Defend"

// explain puts a hint on a refused service account, a missing scope and an endpoint or a
// field that is gone.
func (a *api) explain(err error, o operation) error {
	e, ok := errors.AsType[*fault.Error](fault.At(err, a.source, o.op))
	if !ok {
		return err
	}
	switch e.Kind {
	case fault.Auth:
		if strings.Contains(e.Hint, a.source) {
			return e
		}
		return e.WithHint("check client_id and client_secret of source %s (%s), and that url is the API of the same tenant", a.source, howToAccount)
	case fault.Denied:
		if e.Op == opToken {
			return e
		}
		return e.WithHint("%s", deniedHint(a.source, o))
	case fault.NotFound, fault.Gone:
		if e.Op == opToken || e.Status == http.StatusOK {
			return e
		}
		return gone(e, "there is no GraphQL API at the url of source "+a.source+": it ends in /graphql, see Settings > Tenant > API Endpoint URL")
	case fault.Unsupported:
		if e.Op == opToken {
			return e
		}
		return gone(e, "the vendor changed its API, or this tenant's does not have it: look for a newer edrc")
	}
	return e
}

// gone is what the API does not offer, or not any more.
func gone(e *fault.Error, hint string) error {
	out := *e
	out.Kind = fault.Unsupported
	return out.WithHint("%s", hint)
}

// deniedHint names all that a refusal may be about: the reply does not tell them apart.
func deniedHint(source string, o operation) string {
	hint := "the service account of source " + source + " needs the scope " + o.scope + ", or what the message names in its place (" + howToAccount + ")"
	if o.licence != "" {
		hint += ", and the subscription must include " + o.licence
	}
	return hint
}

// decodeError takes the vendor's words out of an error body: GraphQL's, and those of the
// token endpoints.
func decodeError(_ int, body []byte) string {
	var r struct {
		Errors      vendorErrors `json:"errors"`
		Message     text         `json:"message"`
		Detail      text         `json:"detail"`
		Description text         `json:"error_description"`
		Error       text         `json:"error"`
	}
	if !lenient.Decode(body, &r) {
		return ""
	}
	if len(r.Errors) > 0 {
		return r.Errors.String()
	}
	return lenient.FirstText(r.Message, r.Detail, r.Description, r.Error)
}

// outcomeOf is source.NoteOutcomeOf, for a request that may not have left for want of a
// token, and for the refusals that come with a 200.
func outcomeOf(err error) source.NoteOutcome {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		switch {
		case e.Op == opToken:
			return source.NoteNotSent
		case e.Status == http.StatusOK && slices.Contains([]fault.Kind{fault.Denied, fault.Invalid, fault.NotFound, fault.Unsupported}, e.Kind):
			return source.NoteRefused
		}
	}
	return source.NoteOutcomeOf(err)
}

// bad is an item that cannot be read.
func bad(raw json.RawMessage, reason string) *source.BadItem {
	return source.Unreadable(lenient.Field(raw, "id"), reason, raw)
}
