package cortex

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source/lenient"
)

// The permissions of a key's role that calls need, as the console's role editor groups
// them. The vendor's reference does not tie calls to them (UNCERTAIN).
const (
	permAlerts     = "Alerts and Incidents (View)"
	permAlertsEdit = "Alerts and Incidents (View/Edit)"
	permEndpoints  = "Endpoint Administration (View)"
	permIsolate    = "Response Actions: Isolate"
	permRetrieve   = "Response Actions: File Retrieval"
)

// licenceEndpoint is what containment and file retrieval need.
const licenceEndpoint = "Cortex XDR Prevent or Cortex XDR Pro per Endpoint"

// explain puts a hint on a refused key, a missing permission or licence, and a retired
// endpoint.
func (a *api) explain(err error, c call) error {
	e, ok := errors.AsType[*fault.Error](fault.At(err, a.source, c.Op))
	if !ok {
		return err
	}
	switch {
	case e.Kind == fault.Auth && e.Status == http.StatusUnauthorized:
		return e.WithHint("check key, key_id and key_type of source %s: it signs as for %s key (Settings > Configurations > "+
			"Integrations > API Keys). A key that has expired, and a clock of this machine that is wrong, are refused in the same way",
			a.source, map[string]string{keyAdvanced: "an advanced", keyStandard: "a standard"}[a.keyType])
	case e.Status == http.StatusPaymentRequired:
		// The number is UNCERTAIN; the vendor lists "does not have the required license type"
		// as an answer of its own.
		d := *e
		d.Kind = fault.Denied
		return d.WithHint("the tenant's licence does not include this: it needs %s", orElse(c.licence, "a licence of Cortex XDR that does"))
	case e.Kind == fault.Denied:
		hint := "the role of the API key of source " + a.source + " needs the permission \"" + c.permission + "\" (Settings > Configurations > Access Management > Roles)"
		if c.licence != "" {
			hint += ", and the tenant the licence " + c.licence
		}
		return e.WithHint("%s", hint)
	case c.whole && (e.Kind == fault.NotFound || e.Kind == fault.Gone):
		gone := *e
		gone.Kind = fault.Unsupported
		gone.Msg = "the tenant does not offer " + c.Path + ": " + e.Msg
		return gone.WithHint("this generation of the API may be retired, or never was on this tenant: try the other one (version: 3 or 5), or a newer edrc")
	}
	return e
}

func orElse(s, other string) string {
	if s != "" {
		return s
	}
	return other
}

// decodeError takes the vendor's words out of an error body.
func decodeError(_ int, body []byte) string { return readVendorError(body).String() }

// vendorError is an error as the tenant writes it.
type vendorError struct {
	code    int
	message string
	extra   string
}

// readVendorError reads the forms that are known: under "reply", under "data", at the
// root, and those of gateways. It never fails.
func readVendorError(body []byte) vendorError {
	type form struct {
		Code    text            `json:"err_code"`
		Message text            `json:"err_msg"`
		Extra   json.RawMessage `json:"err_extra"`
		// Of gateways:
		ErrorCode text            `json:"errorCode"`
		Plain     text            `json:"message"`
		Details   json.RawMessage `json:"details"`
		Errors    json.RawMessage `json:"errors"`
	}
	var root form
	var nested struct {
		Reply json.RawMessage `json:"reply"`
		Data  json.RawMessage `json:"data"`
	}
	_ = json.Unmarshal(body, &root)
	_ = json.Unmarshal(body, &nested)
	for _, inner := range []json.RawMessage{nested.Reply, nested.Data} {
		var f form
		if json.Unmarshal(inner, &f) == nil && (f.Code != "" || f.Message != "") {
			root = f
		}
	}
	var e vendorError
	for _, code := range []text{root.Code, root.ErrorCode} {
		if n, err := strconv.Atoi(string(code)); err == nil && n > 0 && n < 1000 && e.code == 0 {
			e.code = n
		}
	}
	e.message = strings.TrimSpace(lenient.FirstText(root.Message, root.Plain))
	for _, more := range []json.RawMessage{root.Extra, root.Details, root.Errors} {
		if e.extra == "" {
			e.extra = strings.Join(sayings(more), "; ")
		}
	}
	return e
}

// sayings are the texts of err_extra: a string, or a list of validation errors
// {"type","loc","msg"}.
func sayings(raw json.RawMessage) []string {
	var plain text
	if _ = plain.UnmarshalJSON(raw); plain != "" {
		return []string{string(plain)}
	}
	var items list[json.RawMessage]
	_ = items.UnmarshalJSON(raw)
	var out []string
	for _, item := range items {
		var one struct {
			Loc     many `json:"loc"`
			Msg     text `json:"msg"`
			Message text `json:"message"`
		}
		_ = plain.UnmarshalJSON(item)
		_ = json.Unmarshal(item, &one)
		if s := lenient.FirstText(plain, one.Msg, one.Message); s != "" {
			out = append(out, strings.TrimPrefix(strings.Join(one.Loc, ".")+": "+s, ": "))
		}
	}
	return out
}

func (e vendorError) String() string {
	if e.message != "" && e.extra != "" && e.extra != e.message {
		return e.message + " (" + e.extra + ")"
	}
	return orElse(e.message, e.extra)
}

// kind maps an error inside a reply as its code would be mapped as a status.
func (e vendorError) kind() fault.Kind {
	switch {
	case e.code < http.StatusBadRequest:
		return fault.Unavailable
	case e.code == http.StatusPaymentRequired:
		return fault.Denied
	}
	return httpx.KindOf(e.code)
}
