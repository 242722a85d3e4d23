// Package cortex is Palo Alto Networks Cortex XDR, simulated: alerts and incidents (3.x),
// cases and issues (5.x), endpoints, isolation and file retrieval in their wire format.
// What it answers, and where it refuses, follows the vendor's REST reference of 2026.
package cortex

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"edrc/internal/lab/world"
)

// Vendor is one tenant.
type Vendor struct {
	opt world.Options

	mu        sync.Mutex
	rng       *rand.Rand
	keyID     string
	key       string
	standard  bool // the key is one, else an advanced one
	refused   bool // the key was deleted
	nonces    map[string]bool
	missing   map[string]bool // permissions, and "licence"
	retired   []string        // calls that are gone, by the start of their path
	version   string          // "3" or "5"
	inclusive bool            // search_to belongs to the window
	silent    bool            // incidents come without their comments
	archive   string          // password of what an endpoint hands over, "" in clear
	fetch     time.Duration
	throttled int // so many requests are answered with a 429

	hosts   []*host
	byHost  map[string]*host
	alerts  []*xdrAlert
	byID    map[int64]*xdrAlert
	cases   []*incident
	byCase  map[int64]*incident
	actions map[int64]*action
	number  int64 // of the last alert
	last    int64 // of the last action
	state   world.State
}

var _ world.Vendor = (*Vendor)(nil)

// New makes a tenant with the alerts that o asks for.
func New(o world.Options) *Vendor {
	if o.Now == nil {
		o.Now = time.Now
	}
	v := &Vendor{
		opt: o, rng: rand.New(rand.NewPCG(o.Seed, 0xc0e7e8)), nonces: map[string]bool{}, missing: map[string]bool{}, version: "3", fetch: o.FetchTime,
		byHost: map[string]*host{}, byID: map[int64]*xdrAlert{}, byCase: map[int64]*incident{}, actions: map[int64]*action{},
	}
	v.keyID, v.key = strconv.Itoa(10+v.rng.IntN(90)), v.hex(64)
	v.newHosts()
	v.seed(max(o.Alerts, 0))
	return v
}

// New5 makes a tenant of Cortex XDR 5, which has cases and issues, too.
func New5(o world.Options) *Vendor {
	v := New(o)
	v.version = "5"
	return v
}

// hex gives 2n hex digits.
func (v *Vendor) hex(n int) string { return world.Hex(v.rng, n) }

// Config implements world.Vendor.
func (v *Vendor) Config(url string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	kind := map[bool]string{true: "standard", false: "advanced"}[v.standard]
	return fmt.Sprintf("{kind: cortex, url: %q, key_id: %s, key: %q, key_type: %s, note_settle: %s, settle: 0s, rate: 1000}",
		url, v.keyID, v.key, kind, v.opt.NoteLag)
}

// State implements world.Vendor. Notes stand on incidents.
func (v *Vendor) State() world.State {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := v.state
	out.Alerts, out.Notes, out.Isolated = len(v.alerts), map[string][]string{}, []string{}
	for _, in := range v.cases {
		for _, c := range in.comments {
			id := strconv.FormatInt(in.id, 10)
			out.Notes[id] = append(out.Notes[id], c.text)
		}
	}
	for _, h := range v.hosts {
		if v.isolation(h) == "AGENT_ISOLATED" {
			out.Isolated = append(out.Isolated, h.name)
		}
	}
	slices.Sort(out.Isolated)
	return out
}

// ServeHTTP implements world.Vendor.
func (v *Vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	w.Header().Set("Date", v.opt.Now().UTC().Format(http.TimeFormat))
	if v.throttled > 0 {
		v.throttled--
		v.Refuse(w, r, http.StatusTooManyRequests, 0)
		return
	}
	if problem := v.strange(r); problem != "" {
		fail(w, http.StatusUnauthorized, "Unauthorized access. An issue occurred during authentication. "+
			"This can indicate an incorrect key, id, or other invalid authentication parameters.", problem)
		return
	}
	v.route(w, r)
}

// request is the body of a call.
type request struct {
	Data struct {
		search
		EndpointID string              `json:"endpoint_id"`
		IncidentID json.RawMessage     `json:"incident_id"`
		Limit      *int                `json:"alerts_limit"`
		Action     json.RawMessage     `json:"group_action_id"`
		Alerts     []string            `json:"alert_id_list"`
		Update     json.RawMessage     `json:"update_data"`
		Files      map[string][]string `json:"files"`
	} `json:"request_data"`
}

// call is one endpoint of the API: what its key needs, and what it does.
type call struct {
	permission string
	platform   bool // of 5.x alone
	licensed   bool
	serve      func(w http.ResponseWriter, q *request, rest string)
}

// The permissions of a key's role.
const (
	viewAlerts    = "Alerts and Incidents (View)"
	editAlerts    = "Alerts and Incidents (View/Edit)"
	viewEndpoints = "Endpoint Administration (View)"
	mayIsolate    = "Response Actions: Isolate"
	mayRetrieve   = "Response Actions: File Retrieval"
)

func (v *Vendor) calls() map[string]call {
	return map[string]call{
		"v1/system/get_tenant_info":            {viewAlerts, false, false, v.tenantInfo},
		"v2/alerts/get_alerts_multi_events":    {viewAlerts, false, false, v.listAlerts},
		"v1/alerts/update_alerts":              {editAlerts, false, false, v.updateAlerts},
		"v1/incidents/get_incidents":           {viewAlerts, false, false, v.listIncidents},
		"v1/incidents/get_incident_extra_data": {viewAlerts, false, false, v.extraData},
		"v1/incidents/update_incident":         {editAlerts, false, false, v.updateIncident},
		"v1/case/search":                       {viewAlerts, true, false, v.searchCases},
		"v1/case/update":                       {editAlerts, true, false, v.updateCase},
		"v1/issue/search":                      {viewAlerts, true, false, v.searchIssues},
		"v1/issue":                             {editAlerts, true, false, v.updateIssue},
		"v1/endpoints/get_endpoints":           {viewEndpoints, false, false, v.shortList},
		"v1/endpoints/get_endpoint":            {viewEndpoints, false, false, v.listEndpoints},
		"v1/endpoints/isolate":                 {mayIsolate, false, true, func(w http.ResponseWriter, q *request, _ string) { v.contain(w, q, true) }},
		"v1/endpoints/unisolate":               {mayIsolate, false, true, func(w http.ResponseWriter, q *request, _ string) { v.contain(w, q, false) }},
		"v1/endpoints/file_retrieval":          {mayRetrieve, false, true, v.retrieve},
		"v1/actions/get_action_status":         {viewEndpoints, false, false, v.actionStatus},
		"v1/actions/file_retrieval_details":    {mayRetrieve, false, false, nil}, // it needs the request's host
		"v1/download":                          {mayRetrieve, false, false, v.download},
	}
}

// route finds the call of a path; a last element may be an id.
func (v *Vendor) route(w http.ResponseWriter, r *http.Request) {
	path := strings.Trim(strings.TrimPrefix(r.URL.Path, "/public_api/"), "/")
	if r.Method == http.MethodGet && path == "v1/healthcheck" {
		answer(w, http.StatusOK, map[string]string{"status": "available"})
		return
	}
	c, ok := v.calls()[path]
	rest := ""
	if i := strings.LastIndexByte(path, '/'); !ok && i > 0 {
		c, ok = v.calls()[path[:i]]
		rest = path[i+1:]
		ok = ok && (path[:i] == "v1/case/update" || path[:i] == "v1/issue" || path[:i] == "v1/download")
	}
	gone := slices.ContainsFunc(v.retired, func(p string) bool { return strings.HasPrefix(path, p) })
	switch {
	case !ok || gone || r.Method != http.MethodPost || !strings.HasPrefix(r.URL.Path, "/public_api/") || c.platform && v.version != "5":
		fail(w, http.StatusNotFound, "Not found", nil)
		return
	case v.missing[c.permission]:
		fail(w, http.StatusForbidden, "Forbidden. The provided API Key does not have the required RBAC permissions to run this API.", nil)
		return
	case c.licensed && v.missing["licence"]:
		fail(w, http.StatusPaymentRequired, "Forbidden. User does not have the required license type to run this API.", nil)
		return
	}
	var q request
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil && path != "v1/download/"+rest {
		fail(w, http.StatusBadRequest, "Bad Request. Got an invalid JSON.", err.Error())
		return
	}
	if c.serve == nil {
		v.retrievalDetails(w, &q, r.Host)
		return
	}
	c.serve(w, &q, rest)
}

func (v *Vendor) tenantInfo(w http.ResponseWriter, _ *request, _ string) {
	reply(w, map[string]any{"pro_per_endpoint_expiration": v.opt.Now().Add(300 * 24 * time.Hour).UnixMilli(), "installed_pro_endpoint": len(v.hosts)})
}

// Writes reports whether a request changes something at the vendor.
func (v *Vendor) Writes(r *http.Request) bool {
	path := strings.Trim(strings.TrimPrefix(r.URL.Path, "/public_api/v1/"), "/")
	switch path {
	case "alerts/update_alerts", "incidents/update_incident", "endpoints/isolate", "endpoints/unisolate", "endpoints/file_retrieval":
		return true
	}
	return strings.HasPrefix(path, "case/update/") || strings.HasPrefix(path, "issue/") && path != "issue/search"
}

// Refuse answers with a status that is an error. A 429 says when to come back, by pick.
func (v *Vendor) Refuse(w http.ResponseWriter, _ *http.Request, status int, pick uint64) {
	if status == http.StatusTooManyRequests && pick%2 == 1 {
		w.Header().Set("Retry-After", "0")
	}
	fail(w, status, http.StatusText(status), nil)
}

// reply answers with what stands under "reply".
func reply(w http.ResponseWriter, body any) { answer(w, http.StatusOK, map[string]any{"reply": body}) }

// fail answers with the usual form of an error.
func fail(w http.ResponseWriter, status int, msg string, extra any) {
	answer(w, status, map[string]any{"reply": map[string]any{"err_code": status, "err_msg": msg, "err_extra": extra}})
}

func answer(w http.ResponseWriter, status int, body any) {
	raw, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}
