package carbonblack

import (
	"encoding/json"
	"errors"
	"strings"

	"edrc/internal/fault"
)

// The permissions of an API key that calls need, as the console's access levels name
// them (Settings > API Access > Access Levels).
const (
	permAlerts     = "org.alerts READ"
	permNotes      = "org.alerts.notes READ"
	permNoteAdd    = "org.alerts.notes CREATE"
	permNoteRemove = "org.alerts.notes DELETE"
	permClose      = "org.alerts.close EXECUTE"
	permJobs       = "jobs.status READ"
	permDevices    = "device READ"
	permQuarantine = "device.quarantine EXECUTE"
	permUBSMeta    = "ubs.org.sha256 READ"
	permUBSFile    = "ubs.org.file READ"
)

// licenceUBS is what the Unified Binary Store belongs to.
const licenceUBS = "Enterprise EDR"

// explain puts a hint on a refused key, a missing permission and a retired endpoint.
func (a *api) explain(err error, c call) error {
	e, ok := errors.AsType[*fault.Error](fault.At(err, a.source, c.Op))
	if !ok {
		return err
	}
	switch e.Kind {
	case fault.Auth:
		return e.WithHint("check api_id and api_secret of source %s, that the key's access level is of the type Custom, and that `url` is the console's (Settings > API Access)", a.source)
	case fault.Denied:
		return e.WithHint("%s", deniedHint(a.source, c))
	case fault.NotFound, fault.Gone:
		if c.whole {
			gone := *e
			gone.Kind = fault.Unsupported
			gone.Msg = "the cloud does not offer " + strings.ReplaceAll(c.Path, a.org, "{org_key}") + ": " + e.Msg
			return gone.WithHint("check `url` and `org_key` of source %s; the vendor also retires its endpoints: look for a newer edrc", a.source)
		}
	}
	return e
}

// deniedHint names all that a 403 may be about: the reply does not tell them apart.
func deniedHint(source string, c call) string {
	hint := "the API key of source " + source + " needs "
	if c.permission == "" {
		hint += "a permission that it does not have"
	} else {
		hint += "the permission \"" + c.permission + "\""
	}
	hint += " (Settings > API Access > Access Levels)"
	if c.licence != "" {
		hint += ", and the organisation needs " + c.licence
	}
	return hint + "; a wrong org_key is refused in the same way"
}

// decodeError takes the vendor's words out of an error body.
func decodeError(body []byte) string {
	var r struct {
		Code    text `json:"error_code"`
		Message text `json:"message"`
		Field   text `json:"field"`
		Legacy  text `json:"errorMessage"` // of older services
		Reason  text `json:"reason"`       // of searches
	}
	if json.Unmarshal(body, &r) != nil {
		return ""
	}
	var parts []string
	for _, t := range []text{r.Code, r.Message, r.Legacy, r.Reason} {
		if t != "" {
			parts = append(parts, string(t))
		}
	}
	if r.Field != "" && !strings.Contains(string(r.Message), string(r.Field)) {
		parts = append(parts, "field "+string(r.Field))
	}
	return strings.Join(parts, ": ")
}
