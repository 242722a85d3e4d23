package crowdstrike

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The scopes of API clients, as the console names them.
const (
	alertsRead  = "Alerts: Read"
	alertsWrite = "Alerts: Write"
	hostsRead   = "Hosts: Read"
	hostsWrite  = "Hosts: Write"
	casesRead   = "Cases: Read"
	quarantine  = "Quarantined Files: Read"
	samplesRead = "Sample Uploads: Read"
	rtrWrite    = "Real time response: Write"
	sensorsRead = "Sensor Download: Read"
)

func (v *Vendor) handle() {
	v.routes = http.NewServeMux()
	v.routes.HandleFunc("POST /oauth2/token", v.token)
	for route, at := range map[string]struct {
		scope string
		serve http.HandlerFunc
	}{
		"POST /alerts/combined/alerts/v1":                               {alertsRead, v.combined},
		"GET /alerts/queries/alerts/v2":                                 {alertsRead, v.query},
		"POST /alerts/entities/alerts/v2":                               {alertsRead, v.entities},
		"PATCH /alerts/entities/alerts/v3":                              {alertsWrite, v.patch},
		"GET /cases/queries/cases/v1":                                   {casesRead, v.queryCases},
		"POST /cases/entities/cases/v2":                                 {casesRead, v.entityCases},
		"GET /devices/queries/devices/v1":                               {hostsRead, v.queryHosts},
		"GET /devices/queries/devices-scroll/v1":                        {hostsRead, v.scrollHosts},
		"GET /devices/entities/devices/v2":                              {hostsRead, v.getHosts},
		"POST /devices/entities/devices/v2":                             {hostsRead, v.postHosts},
		"GET /devices/entities/online-state/v1":                         {hostsRead, v.onlineState},
		"POST /devices/entities/devices-actions/v2":                     {hostsWrite, v.act},
		"PATCH /devices/entities/devices/tags/v1":                       {hostsWrite, v.tag},
		"GET /quarantine/queries/quarantined-files/v1":                  {quarantine, v.queryQuarantine},
		"POST /quarantine/entities/quarantined-files/GET/v1":            {quarantine, v.entityQuarantine},
		"GET /samples/entities/samples/v3":                              {samplesRead, v.sample},
		"POST /real-time-response/entities/sessions/v1":                 {rtrWrite, v.openSession},
		"DELETE /real-time-response/entities/sessions/v1":               {rtrWrite, v.closeSession},
		"POST /real-time-response/entities/refresh-session/v1":          {rtrWrite, v.refreshSession},
		"POST /real-time-response/entities/active-responder-command/v1": {rtrWrite, v.runCommand},
		"GET /real-time-response/entities/active-responder-command/v1":  {rtrWrite, v.pollCommand},
		"GET /real-time-response/entities/file/v2":                      {rtrWrite, v.listFiles},
		"GET /real-time-response/entities/extracted-file-contents/v1":   {rtrWrite, v.extracted},
		"GET /sensors/queries/installers/ccid/v1":                       {sensorsRead, v.ccid},
	} {
		v.routes.HandleFunc(route, v.guard(at.scope, at.serve))
	}
	for _, retired := range []string{"/detects/", "/incidents/", "/alerts/queries/alerts/v1", "/alerts/entities/alerts/v1"} {
		v.routes.HandleFunc(retired, func(w http.ResponseWriter, r *http.Request) {
			fail(w, http.StatusNotFound, "%s has been decommissioned", r.URL.Path)
		})
	}
	v.routes.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fail(w, http.StatusNotFound, "404: Page Not Found") })
}

// guard lets through who has a token that lives, and the scope.
func (v *Vendor) guard(scope string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch until, known := v.tokens[token]; {
		case !known || !v.opt.Now().Before(until):
			fail(w, http.StatusUnauthorized, "access denied, invalid bearer token")
		case v.missing[scope]:
			fail(w, http.StatusForbidden, "access denied, authorization failed")
		default:
			next(w, r)
		}
	}
}

// tokenLife is in seconds.
const tokenLife = 1799

// token is POST /oauth2/token: a form, answered with 201.
func (v *Vendor) token(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil || r.PostForm.Get("client_id") == "" {
		fail(w, http.StatusBadRequest, "invalid form")
		return
	}
	member := r.PostForm.Get("member_cid")
	if v.refused || r.PostForm.Get("client_id") != v.id || r.PostForm.Get("client_secret") != v.secret || member != "" && !v.members[member] {
		fail(w, http.StatusForbidden, "access denied, authorization failed")
		return
	}
	v.issued++
	token := fmt.Sprintf("lab.%s.%d", v.hex(16), v.issued)
	v.tokens[token] = v.opt.Now().Add(tokenLife * time.Second)
	body := fmt.Sprintf(`{"access_token":%q,"token_type":"bearer","expires_in":%d}`, token, tokenLife)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write([]byte(body))
}

// ccid is the customer id with a checksum, in capitals.
func (v *Vendor) ccid(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, envelope{Resources: []string{strings.ToUpper(v.cid) + "-A7"}})
}

// limit reads limit and offset of a query, and refuses what lies beyond the window.
func limits(w http.ResponseWriter, r *http.Request, most, window int) (limit, offset int, ok bool) {
	limit = 100
	for name, into := range map[string]*int{"limit": &limit, "offset": &offset} {
		s := r.URL.Query().Get(name)
		if s == "" {
			continue
		}
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			fail(w, http.StatusBadRequest, "%s must be a number, not %q", name, s)
			return 0, 0, false
		}
		*into = n
	}
	if limit > most {
		fail(w, http.StatusBadRequest, "limit must be at most %d", most)
		return 0, 0, false
	}
	if offset+limit > window {
		fail(w, http.StatusBadRequest, "offset + limit must be at most %d", window)
		return 0, 0, false
	}
	return limit, offset, true
}

// cut is one page of a list.
func cut[T any](list []T, limit, offset int) []T {
	offset = min(offset, len(list))
	return list[offset:min(offset+limit, len(list))]
}
