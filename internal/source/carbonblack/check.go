package carbonblack

import (
	"context"
	"net/http"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// nobody is the id of no alert.
const nobody = "00000000-0000-0000-0000-000000000000"

// need is a capability, what it needs of the API key, and a request that tells whether
// that is there: without it, the answer is a 403.
type need struct {
	capability string
	call       call
}

// Permissions lists what to grant the API key, by capability, as the console's access
// levels name it. The key's access level must be of the type Custom.
func Permissions() map[string]string {
	out := map[string]string{}
	for _, n := range needs(&api{org: "org"}, "") {
		also(out, n.capability, n.call.permission)
	}
	return out
}

// also adds to what stands under a name.
func also(m map[string]string, name, value string) {
	if m[name] != "" {
		value = m[name] + ", " + value
	}
	m[name] = value
}

// needs are harmless whatever the answer: a write names an alert, a note or a device
// that cannot be, and is malformed where it could start anything.
func needs(a *api, op string) []need {
	get := func(permission, path string) call {
		return call{Request: httpx.Request{Op: op, Path: path}, permission: permission}
	}
	post := func(permission, path string, body any) call {
		return call{Request: httpx.Request{Op: op, Method: http.MethodPost, Path: path, Class: httpx.Read, JSON: body}, permission: permission}
	}
	noAlert := map[string]any{"id": []string{nobody}}
	search := post(permAlerts, a.path(alertsPath, "alerts", "_search"), map[string]any{"rows": 1, "time_range": map[string]any{"range": "-1d"}})
	groups := search
	groups.Path = a.path(alertsPath, "grouped_alerts", "_search")
	groups.JSON = map[string]any{"group_by": map[string]string{"field": "THREAT_ID"}, "rows": 1, "time_range": map[string]any{"range": "-1d"}}
	search.whole, groups.whole = true, true
	remove := post(permNoteRemove, a.path(alertsPath, "alerts", nobody, "notes", nobody), nil)
	remove.Method = http.MethodDelete
	file := post(permUBSFile, a.path(ubsPath, "file", "_download"), map[string]any{"sha256": []string{strings.Repeat("0", 64)}, "expiration_seconds": linkLife})
	file.licence = licenceUBS
	meta := get(permUBSMeta, a.path(ubsPath, "sha256", strings.Repeat("0", 64), "metadata"))
	meta.licence = licenceUBS
	release := quarantineCall(a, op, 0, toggleOff)
	release.Class = httpx.Read
	return []need{
		{"alerts", search},
		{"incidents", groups},
		{"notes", get(permNotes, a.path(alertsPath, "alerts", nobody, "notes"))},
		{"note add", post(permNoteAdd, a.path(alertsPath, "alerts", nobody, "notes"), map[string]any{})},
		{"note remove", remove},
		{"resolve", post(permClose, a.path(alertsPath, "alerts", "workflow"), map[string]any{"criteria": noAlert, "status": "edrc asks what it may do"})},
		{"resolve", get(permJobs, a.path(jobsPath, "jobs", "0"))},
		{"hosts", post(permDevices, a.path(devicesPath, "devices", "_search"), map[string]any{"rows": 1})},
		{"isolate", release},
		{"fetch", meta},
		{"fetch", file},
	}
}

// Check implements source.Source. Missing names the permissions that the API key lacks,
// by capability, and the licence where the permission may not be all. Keys do not
// expire.
func (c *Client) Check(ctx context.Context) (source.Health, error) {
	const op = "check the API key"
	h := source.Health{Identity: "API key " + c.options.APIID, Missing: map[string]string{}}
	h.Tenant, _ = c.Tenant(ctx)
	all := needs(c.api, op)
	for i, n := range all {
		resp, err := c.api.do(ctx, n.call)
		switch k := fault.KindOf(err); {
		case err == nil:
			if h.Skew == 0 && !resp.Date.IsZero() {
				h.Skew = resp.Date.Sub(c.now()).Round(time.Second) // the header has whole seconds
			}
		case k == fault.Denied:
			what := n.call.permission
			if n.call.licence != "" {
				what += " (and " + n.call.licence + ")"
			}
			also(h.Missing, n.capability, what)
		case k == fault.Unsupported && i > 0:
			also(h.Missing, n.capability, "an endpoint that this cloud does not offer")
		case k == fault.NotFound, k == fault.Invalid && i > 1, k == fault.Conflict:
			// It was let in: there is only nothing to read or to do.
		default:
			return h, err
		}
	}
	h.Retiring = c.api.http.Retiring()
	if len(h.Missing) == len(Permissions()) {
		return h, c.api.fault(fault.Denied, op, "the API key may do nothing here").
			WithHint("check that `org_key` of source %s is that of the key, and the key's access level (Settings > API Access)", c.name)
	}
	return h, nil
}
