package defender

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"edrc/internal/lab/world"
)

// The tenant and the application that clients sign in as.
const (
	TenantID     = "7d1f6f3a-2b94-4f0e-9a53-0c5f6f1f8e21"
	ClientID     = "b1a0f2d4-6c1e-4c57-8a4e-3f2a9d1c7b60"
	ClientSecret = "lab~secret.8Q~of-the-simulated-tenant"
	appName      = "edrc lab"
)

// Vendor is one tenant.
type Vendor struct {
	opt world.Options
	mux *http.ServeMux

	mu        sync.Mutex
	rng       *rand.Rand
	next      int // numbers alerts
	alerts    []*alert
	byID      map[string]*alert
	incidents map[string]*incident
	order     []*incident // oldest first
	machines  []*machine
	byMachine map[string]*machine
	actions   []*action
	tokens    map[string]token
	roles     map[string][]string // by resource
	valid     bool                // the client secret is
	licensed  map[string]bool     // by resource
	retired   map[string]bool     // by resource
	disorder  bool                // $orderby is ignored, and so is the order
	unsorted  bool                // $orderby is refused
	settings  struct{ liveResponse bool }
	fetchTime time.Duration
	downloads int
	calls     map[string]int // by what was called
	onPage    func()         // called after each page of a list, locked
}

var _ world.Vendor = (*Vendor)(nil)

// New makes a tenant with Options.Alerts alerts.
func New(o world.Options) *Vendor {
	if o.Now == nil {
		o.Now = time.Now
	}
	v := &Vendor{
		opt: o, rng: rand.New(rand.NewPCG(o.Seed, 0xdefe)), byID: map[string]*alert{}, incidents: map[string]*incident{},
		byMachine: map[string]*machine{}, tokens: map[string]token{}, valid: true, fetchTime: o.FetchTime, calls: map[string]int{},
		roles: map[string][]string{
			graph: {"SecurityAlert.ReadWrite.All", "SecurityIncident.ReadWrite.All"},
			mde:   {"Machine.Read.All", "Machine.Isolate", "Machine.LiveResponse"},
		},
		licensed: map[string]bool{graph: true, mde: true}, retired: map[string]bool{},
	}
	v.settings.liveResponse = true
	for range 25 {
		v.addMachine(true)
	}
	for i := range max(o.Alerts, 0) {
		v.add(addition{age: time.Duration(i) * 7 * time.Minute})
	}
	v.routes()
	return v
}

// ServeHTTP implements http.Handler.
func (v *Vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", v.opt.Now().UTC().Format(http.TimeFormat))
	v.mux.ServeHTTP(w, r)
}

// Writes reports whether a request changes something: what a lost answer would leave
// in doubt. Asking for a token does not.
func (v *Vendor) Writes(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && !strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token")
}

// Refuse answers with a status that is an error, as Entra or as the APIs say it. A 429 says
// when to come back, by pick.
func (v *Vendor) Refuse(w http.ResponseWriter, r *http.Request, status int, pick uint64) {
	if status == http.StatusTooManyRequests && pick%2 == 0 {
		w.Header().Set("Retry-After", "1")
	}
	if strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token") {
		refuse(w, status, "temporarily_unavailable", 90033, "A transient error has occurred. Please try again.")
		return
	}
	fail(w, status, map[int]string{429: "TooManyRequests", 500: "InternalServerError", 503: "ServiceUnavailable"}[status], http.StatusText(status))
}

// Config implements world.Vendor.
func (v *Vendor) Config(url string) string {
	return fmt.Sprintf("{kind: defender, tenant_id: %s, client_id: %s, client_secret: %q, authority: %q, graph_url: %q, mde_url: %q, settle: 0s, note_settle: %s, rate: 1000}",
		TenantID, ClientID, ClientSecret, url, url, url, v.opt.NoteLag)
}

// State implements world.Vendor. Notes of an incident stand under "incident/" and its
// id.
func (v *Vendor) State() world.State {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := world.State{Alerts: len(v.alerts), Notes: map[string][]string{}, Downloads: v.downloads}
	put := func(id string, cs []comment) {
		for _, c := range cs {
			s.Notes[id] = append(s.Notes[id], c.text)
		}
	}
	for _, a := range v.alerts {
		put(a.id, a.comments)
	}
	for _, i := range v.order {
		put("incident/"+i.id, i.comments)
	}
	for _, m := range v.machines {
		s.Fetches += m.sessions
		if v.isolated(m) {
			s.Isolated = append(s.Isolated, m.name)
		}
	}
	slices.Sort(s.Isolated)
	return s
}

// Calls gives how often each operation was called, such as "GET alerts_v2".
func (v *Vendor) Calls() map[string]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.calls)
}

// routes are the paths of all APIs.
func (v *Vendor) routes() {
	v.mux = http.NewServeMux()
	v.mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", v.postToken)
	v.mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", v.getOpenID)
	v.mux.HandleFunc("GET /storage/{action}/{index}", v.getBlob)
	const security = "/v1.0/security/"
	for pattern, h := range map[string]handler{
		"GET " + security + "alerts_v2":                {graph, "SecurityAlert.Read", v.listAlerts},
		"GET " + security + "alerts_v2/{id}":           {graph, "SecurityAlert.Read", v.getAlert},
		"PATCH " + security + "alerts_v2/{id}":         {graph, "SecurityAlert.ReadWrite", v.patchAlert},
		"POST " + security + "alerts_v2/{id}/comments": {graph, "SecurityAlert.ReadWrite", v.commentAlert},
		"GET " + security + "incidents":                {graph, "SecurityIncident.Read", v.listIncidents},
		"GET " + security + "incidents/{id}":           {graph, "SecurityIncident.Read", v.getIncident},
		"PATCH " + security + "incidents/{id}":         {graph, "SecurityIncident.ReadWrite", v.patchIncident},
		"POST " + security + "incidents/{id}/comments": {graph, "SecurityIncident.ReadWrite", v.commentIncident},
		"GET /api/machines":                            {mde, "Machine.Read", v.listMachines},
		"GET /api/machines/{id}":                       {mde, "Machine.Read", v.getMachine},
		"POST /api/machines/{id}/isolate":              {mde, "Machine.Isolate", v.postIsolate},
		"POST /api/machines/{id}/unisolate":            {mde, "Machine.Isolate", v.postUnisolate},
		"POST /api/machines/{id}/runliveresponse":      {mde, "Machine.LiveResponse", v.postLive},
		"GET /api/machineactions":                      {mde, "Machine.Read", v.listActions},
		"GET /api/machineactions/{id}":                 {mde, "Machine.Read", v.getAction},
		"GET /api/machineactions/{id}/{result}":        {mde, "Machine.Read", v.getResult},
	} {
		v.mux.Handle(pattern, v.guard(pattern, h))
	}
	v.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusBadRequest, "BadRequest", "Resource not found for the segment '"+r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]+"'.")
	})
}

// handler is one operation, what it belongs to and what it needs.
type handler struct {
	resource string
	role     string // a role that starts with it is enough; ReadWrite includes Read
	serve    func(http.ResponseWriter, *http.Request)
}

// guard checks what every operation checks, and serves it locked.
func (v *Vendor) guard(pattern string, h handler) http.Handler {
	method, path, _ := strings.Cut(pattern, " ")
	path = strings.TrimPrefix(strings.TrimPrefix(path, "/v1.0/security/"), "/api/")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.calls[method+" "+path]++
		switch {
		case v.retired[h.resource]:
			w.WriteHeader(http.StatusNotFound)
		case !v.authorised(r, h.resource):
			fail(w, http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token has expired or is not yet valid, or is for another audience.")
		case !v.licensed[h.resource]:
			fail(w, http.StatusForbidden, "Forbidden", "The tenant has no license for this product.")
		case !v.has(h.resource, h.role):
			fail(w, http.StatusForbidden, "Forbidden", "The application does not have any of the required application permissions ("+h.role+".All) to access the resource.")
		default:
			h.serve(w, r)
		}
	})
}

func (v *Vendor) has(resource, role string) bool {
	return slices.ContainsFunc(v.roles[resource], func(granted string) bool { return strings.HasPrefix(granted, role) })
}
