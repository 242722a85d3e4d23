package crowdstrike

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"edrc/internal/fault"
	"edrc/internal/httpx"
)

// The scopes of an API client that calls need, as the console names them.
const (
	scopeAlertsRead  = "Alerts: Read"
	scopeAlertsWrite = "Alerts: Write"
	scopeHostsRead   = "Hosts: Read"
	scopeHostsWrite  = "Hosts: Write"
	scopeCases       = "Cases: Read"
	scopeQuarantine  = "Quarantined Files: Read"
	scopeSamples     = "Sample Uploads: Read"
	scopeRTR         = "Real time response: Write"
	scopeSensors     = "Sensor Download: Read"
)

// explain puts a hint on a refused client, a missing scope and a retired endpoint.
func (a *api) explain(err error, c call) error {
	e, ok := errors.AsType[*fault.Error](fault.At(err, a.source, c.Op))
	if !ok {
		return err
	}
	switch e.Kind {
	case fault.Auth:
		if e.Hint != "" && strings.Contains(e.Hint, a.source) {
			return e
		}
		return e.WithHint("check client_id and client_secret of source %s (Support and resources > API clients and keys)", a.source)
	case fault.Denied:
		return e.WithHint("%s", deniedHint(a.source, c))
	case fault.NotFound, fault.Gone:
		if c.whole {
			gone := *e
			gone.Kind = fault.Unsupported
			gone.Msg = "the cloud does not offer " + c.Path + ": " + e.Msg
			return gone.WithHint("the vendor retires its endpoints, or this cloud never had it: look for a newer edrc, or see `edrc sources`")
		}
	}
	return e
}

// deniedHint names all that a 403 may be about: the reply does not tell them apart.
func deniedHint(source string, c call) string {
	needs := "a scope that it does not have"
	if c.scope != "" {
		needs = "the scope \"" + c.scope + "\""
	}
	hint := "the API client of source " + source + " needs " + needs + " (Support and resources > API clients and keys)"
	if c.licence != "" {
		hint += ", and the subscription must include " + c.licence
	}
	return hint + "; a list of allowed addresses, or the wrong cloud, is refused in the same way"
}

// decodeError takes the vendor's words out of an error body.
func decodeError(_ int, body []byte) string {
	var r struct {
		Errors  vendorErrors `json:"errors"`
		Message text         `json:"message"` // of the gateway
	}
	if json.Unmarshal(body, &r) != nil {
		return ""
	}
	if m := r.Errors.String(); m != "" {
		return m
	}
	return string(r.Message)
}

// vendorErrors is what stands under "errors": null, [], or [{"code","message","id"}].
type vendorErrors list[vendorError]

// UnmarshalJSON implements json.Unmarshaler. It never fails: one error alone, or a
// bare text, is a list of one.
func (e *vendorErrors) UnmarshalJSON(b []byte) error {
	if err := (*list[vendorError])(e).UnmarshalJSON(b); err != nil || len(*e) > 0 {
		return err
	}
	var one vendorError
	_ = one.UnmarshalJSON(b)
	if one.message != "" || one.code != 0 {
		*e = vendorErrors{one}
	}
	return nil
}

// String joins what the errors say, "" when there are none.
func (e vendorErrors) String() string {
	var out []string
	for _, item := range e {
		if s := item.String(); s != "" {
			out = append(out, s)
		}
	}
	return strings.Join(out, "; ")
}

// worst gives the first error that is not about something missing, nil when there is none.
func (e vendorErrors) worst() *vendorError {
	for i := range e {
		if e[i].code != http.StatusNotFound && e[i].String() != "" {
			return &e[i]
		}
	}
	return nil
}

// refusals reports that there are errors, and that each of them says no to the request:
// trying it again as it is changes nothing, and nothing was done.
func (e vendorErrors) refusals() bool {
	for _, item := range e {
		if item.code/100 != 4 || item.code == http.StatusRequestTimeout || item.code == http.StatusTooManyRequests || item.code == http.StatusConflict {
			return false
		}
	}
	return len(e) > 0
}

// vendorError is one error: an object, or a bare text.
type vendorError struct {
	code    int // like an HTTP status; RTR has longer ones, 40401
	message string
	id      string
}

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (e *vendorError) UnmarshalJSON(b []byte) error {
	var object struct {
		Code    count `json:"code"`
		Message text  `json:"message"`
		ID      text  `json:"id"`
	}
	var plain text
	_ = json.Unmarshal(b, &object)
	_ = json.Unmarshal(b, &plain)
	*e = vendorError{code: int(object.Code), message: string(object.Message), id: string(object.ID)}
	for e.code > 999 {
		e.code /= 10
	}
	if e.message == "" {
		e.message = string(plain)
	}
	return nil
}

func (e vendorError) String() string {
	switch {
	case e.code == 0:
		return e.message
	case e.message == "":
		return strconv.Itoa(e.code)
	}
	return strconv.Itoa(e.code) + " " + e.message
}

// kind maps an error inside a reply as its code would be mapped as a status.
func (e vendorError) kind() fault.Kind {
	if e.code < http.StatusBadRequest {
		return fault.Unavailable
	}
	return httpx.KindOf(e.code)
}
