package sentinelone

import (
	"encoding/json"
	"errors"
	"strings"

	"edrc/internal/fault"
)

// The permissions that calls need, as the console's roles name them (the vendor's
// operations of 2026). The one of agents is UNCERTAIN.
const (
	permThreats = "Threats.view"
	permVerdict = "Threats.updateAnalystVerdict"
	permStatus  = "Threats.updateIncidentStatus"
	permAgents  = "Endpoints.view"
	permActive  = "Activity Page.view"
)

// explain puts a hint on a refused token and on a missing permission.
func (a *api) explain(err error, permission string) error {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	switch e.Kind {
	case fault.Auth:
		return e.WithHint("It may have expired: service-user tokens last as long as was chosen when created. "+
			"Make a new one in Settings > Users > Service Users, then update `token` of source %s", a.source)
	case fault.Denied:
		if permission == "" {
			return e
		}
		return e.WithHint("the token's role lacks the permission %q, or its scope does not reach there; "+
			"the built-in roles Admin, IR Team and SOC have it (Settings > Users > Roles)", permission)
	}
	return e
}

// decodeError takes the vendor's words out of an error body: {"errors":[{"code",
// "title","detail"}]}. The codes are not told apart by anybody, and left out.
func decodeError(_ int, body []byte) string {
	var reply struct {
		Errors vendorErrors `json:"errors"`
	}
	if json.Unmarshal(body, &reply) != nil {
		return ""
	}
	return reply.Errors.String()
}

// vendorErrors is what stands under "errors". Some consoles put null, [] or [{}]
// beside good data: that says nothing.
type vendorErrors list[vendorError]

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (e *vendorErrors) UnmarshalJSON(b []byte) error { return (*list[vendorError])(e).UnmarshalJSON(b) }

// String joins what the errors say, "" when they say nothing.
func (e vendorErrors) String() string {
	var out []string
	for _, item := range e {
		if item.message != "" {
			out = append(out, item.message)
		}
	}
	return strings.Join(out, "; ")
}

// vendorError is one error in the words of REST (title, detail), of GraphQL
// (message, with the field that it is about), or as a bare string.
type vendorError struct {
	message string
	path    []string
}

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (e *vendorError) UnmarshalJSON(b []byte) error {
	var object struct {
		Title, Detail, Message text
		Path                   list[text]
	}
	var plain text
	_ = json.Unmarshal(b, &object)
	_ = json.Unmarshal(b, &plain)
	var parts []string
	for _, t := range []text{plain, object.Title, object.Detail, object.Message} {
		if t != "" {
			parts = append(parts, string(t))
		}
	}
	*e = vendorError{message: strings.Join(parts, ": ")}
	for _, p := range object.Path {
		e.path = append(e.path, string(p))
	}
	return nil
}
