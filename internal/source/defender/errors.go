package defender

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// permission are application permissions of Entra, any of which is enough. The first
// is the one to grant.
type permission []string

// The permissions that calls need, as Entra names them.
var (
	permAlerts         = permission{"SecurityAlert.Read.All", "SecurityAlert.ReadWrite.All"}
	permAlertsWrite    = permission{"SecurityAlert.ReadWrite.All"}
	permIncidents      = permission{"SecurityIncident.Read.All", "SecurityIncident.ReadWrite.All"}
	permIncidentsWrite = permission{"SecurityIncident.ReadWrite.All"}
	permMachines       = permission{"Machine.Read.All", "Machine.ReadWrite.All"}
	permIsolate        = permission{"Machine.Isolate"}
	permLive           = permission{"Machine.LiveResponse"}
)

// String names the permission to grant.
func (p permission) String() string {
	if len(p) == 0 {
		return ""
	}
	return p[0]
}

// vendorCode is the code of an error of Microsoft, in the chain of the faults made
// of it: "ActiveRequestAlreadyExists".
type vendorCode string

// Error implements error.
func (c vendorCode) Error() string { return string(c) }

func codeOf(err error) vendorCode {
	c, _ := errors.AsType[vendorCode](err)
	return c
}

// The codes that mean something here.
const (
	codeActive   vendorCode = "ActiveRequestAlreadyExists"
	codeDisabled vendorCode = "DisabledFeature"
)

// refusals are the statuses whose body says more than the status does.
var refusals = []int{http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusGone}

// readError takes code and message out of an error body, the same in both APIs.
func readError(body []byte) (code, message string) {
	var reply struct {
		Error maybe[struct {
			Code    text `json:"code"`
			Message text `json:"message"`
		}] `json:"error"`
	}
	_ = json.Unmarshal(body, &reply)
	return string(reply.Error.V.Code), string(reply.Error.V.Message)
}

// decodeError words an error body for httpx.
func decodeError(_ int, body []byte) string {
	code, message := readError(body)
	switch {
	case code == "" || message == "":
		return code + message
	case strings.HasPrefix(message, code):
		return message
	}
	return code + ": " + message
}

// refusal makes a fault of an answer that is one of refusals.
func (a *api) refusal(resp *httpx.Response, c call) *fault.Error {
	code, message := readError(resp.Body)
	e := &fault.Error{Source: a.source, Op: c.Op, Status: resp.Status, Kind: map[int]fault.Kind{
		http.StatusForbidden: fault.Denied, http.StatusNotFound: fault.NotFound, http.StatusConflict: fault.Conflict, http.StatusGone: fault.Gone,
	}[resp.Status]}
	if e.Kind == "" {
		e.Kind = fault.Invalid
	}
	if code != "" {
		e.Err = vendorCode(clean(code))
	}
	e.Msg = fmt.Sprintf("%s answered %d", a.product, resp.Status)
	if said := clean(a.tokens.mask(decodeError(resp.Status, resp.Body))); said != "" {
		e.Msg += ": " + said
	}
	switch {
	case code == "" && source.IsText(resp.Body[:min(len(resp.Body), 64)]) && resp.Body[0] != '{':
		e.Kind = fault.Unavailable
		e.Msg = fmt.Sprintf("%s answered %d with a page (a proxy or login page?)", a.product, resp.Status)
		e.Hint = "check the url and the proxy settings"
	case a.retired(resp, code, message):
		e.Kind = fault.Unsupported
		e.Msg = fmt.Sprintf("this API of %s is not there any more: Microsoft has retired it, or this cloud does not have it (%d)", a.product, resp.Status)
		e.Hint = "see notice MC1220762 in the Microsoft 365 message center, and whether there is a newer edrc"
	case vendorCode(code) == codeActive:
		e.Kind = fault.Conflict
		e.Msg = "another action of this kind is still under way on the host, this one was not accepted (" + code + ")"
		e.Hint = "look at the host's state, and try again when the other action has ended"
	case vendorCode(code) == codeDisabled:
		e.Kind = fault.Denied
		e.Hint = "turn it on in the portal (Settings > Endpoints > Advanced features: Live Response); it needs Defender for Endpoint Plan 2"
	case slices.Contains([]string{"OsPlatformNotSupported", "ClientVersionNotSupported", "DisallowedOperation"}, code):
		e.Kind = fault.Unsupported
		e.Hint = "the host's system or its Defender version cannot do this"
	case e.Kind == fault.Denied:
		e.Hint = a.deniedHint(message, c.permission)
	}
	return e
}

// retired reports that it is the API that is missing, not a thing in it. The endpoint
// API names what it does not find; Graph says so for a path that it does not know.
func (a *api) retired(resp *httpx.Response, code, message string) bool {
	m := strings.ToLower(message)
	switch {
	case resp.Status == http.StatusGone,
		strings.Contains(m, "resource not found for the segment"):
		return true
	case strings.Contains(m, "retired"), strings.Contains(m, "deprecated"), strings.Contains(m, "no longer supported"):
		return true
	}
	return resp.Status == http.StatusNotFound && code == ""
}

// deniedHint says which permission, role or licence is missing.
func (a *api) deniedHint(message string, need permission) string {
	m := strings.ToLower(message)
	if strings.Contains(m, "licen") || strings.Contains(m, "not provisioned") || strings.Contains(m, "not onboarded") {
		return "the tenant has no licence for this; it needs " + a.licence
	}
	if len(need) == 0 {
		return ""
	}
	if has := a.tokens.present(); has.known && has.allows(need) {
		return fmt.Sprintf("the application has the permission %s: the tenant's licence (%s), or a role or device group of the portal, keeps it out", need, a.licence)
	}
	return fmt.Sprintf("the application lacks the permission %s of %q: add it and grant admin consent (Entra > App registrations > API permissions)", need, a.apiName)
}

// explain puts a hint on a refused token.
func (a *api) explain(err error) error {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || e.Kind != fault.Auth || e.Op == opToken {
		return err
	}
	return e.WithHint("%s does not take the token of source %s: check cloud, and that the url and mde_scope belong together", a.product, a.source)
}
