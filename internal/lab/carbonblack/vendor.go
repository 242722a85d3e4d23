package carbonblack

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"edrc/internal/lab/world"
)

// The organisation and the key that clients use.
const (
	OrgKey    = "7LABORG9"
	APIID     = "LABAPIID42"
	APISecret = "LABSECRETLABSECRET123456"
)

// Vendor is one organisation and its cloud.
type Vendor struct {
	opt world.Options
	mux *http.ServeMux

	mu       sync.Mutex
	rng      *rand.Rand
	alerts   []*alert
	byID     map[string]*alert
	number   int // of alerts so far
	devices  []*device
	byDevice map[int64]*device
	jobs     map[int]*job
	copies   map[string]*stored // by SHA-256
	links    map[string]link    // by signature
	refused  bool               // the key was deleted
	missing  map[string]bool    // permissions and licences
	retired  map[string]bool    // parts of paths
	fetch    time.Duration
	faulty   int // how many more links fail
	jobMode  string
	calls    map[string]int
	requests int // orders alerts of equal times anew each time
	leaks    int // of the key to the storage
	mass     int // changes of everything
	noteIDs  int
	redirect string
	state    world.State
}

var _ world.Vendor = (*Vendor)(nil)

// New makes an organisation with the alerts that o asks for.
func New(o world.Options) *Vendor {
	if o.Now == nil {
		o.Now = time.Now
	}
	v := &Vendor{
		opt: o, rng: rand.New(rand.NewPCG(o.Seed, 0xcbc)), byID: map[string]*alert{}, byDevice: map[int64]*device{}, jobs: map[int]*job{},
		copies: map[string]*stored{}, links: map[string]link{}, missing: map[string]bool{}, retired: map[string]bool{}, fetch: o.FetchTime,
		calls: map[string]int{},
	}
	for range 24 {
		v.addDevice()
	}
	for i, f := range o.Files {
		if i%3 != 2 { // sensors do not upload everything
			v.copies[f.SHA256] = &stored{there: true}
		}
	}
	for i := range max(o.Alerts, 0) {
		v.seed(i, o.Alerts)
	}
	v.handle()
	return v
}

// ServeHTTP implements world.Vendor.
func (v *Vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", v.opt.Now().UTC().Format(http.TimeFormat))
	v.mux.ServeHTTP(w, r)
}

// Config implements world.Vendor.
func (v *Vendor) Config(url string) string {
	return fmt.Sprintf("{kind: carbonblack, url: %q, org_key: %s, api_id: %s, api_secret: %q, note_settle: %s, settle: 0s, rate: 1000}",
		url, OrgKey, APIID, APISecret, v.opt.NoteLag)
}

// State implements world.Vendor.
func (v *Vendor) State() world.State {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := v.state
	out.Alerts, out.Notes, out.Isolated = len(v.alerts), map[string][]string{}, []string{}
	for _, a := range v.alerts {
		for _, n := range a.notes {
			out.Notes[a.id] = append(out.Notes[a.id], n.text)
		}
	}
	for _, d := range v.devices {
		if v.settle(d); d.quarantined {
			out.Isolated = append(out.Isolated, d.name)
		}
	}
	slices.Sort(out.Isolated)
	for _, c := range v.copies {
		out.Fetches += c.uploads
	}
	return out
}

// Calls gives how often each operation was called, by "METHOD pattern".
func (v *Vendor) Calls(operation string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.calls[operation]
}

// Leaks counts the requests that brought the key to the storage; MassChanges those that
// changed all alerts there are.
func (v *Vendor) Leaks() int { v.mu.Lock(); defer v.mu.Unlock(); return v.leaks }

// MassChanges is what no client should ever do.
func (v *Vendor) MassChanges() int { v.mu.Lock(); defer v.mu.Unlock(); return v.mass }

// Writes reports whether a request changes something: what a lost answer would leave in
// doubt.
func (v *Vendor) Writes(r *http.Request) bool {
	if r.Method == http.MethodDelete {
		return true
	}
	path := r.URL.Path
	return r.Method == http.MethodPost && (strings.HasSuffix(path, "/notes") || strings.HasSuffix(path, "/workflow") || strings.HasSuffix(path, "/device_actions"))
}

// handle sets up the operations, with the permission that each needs.
func (v *Vendor) handle() {
	v.mux = http.NewServeMux()
	const alerts, devices, ubs = "/api/alerts/v7/orgs/{org}/", "/appservices/v6/orgs/{org}/", "/ubs/v1/orgs/{org}/"
	for pattern, o := range map[string]operation{
		"POST " + alerts + "alerts/_search":             {"org.alerts READ", v.searchAlerts},
		"GET " + alerts + "alerts/{id}":                 {"org.alerts READ", v.getAlert},
		"POST " + alerts + "grouped_alerts/_search":     {"org.alerts READ", v.searchGroups},
		"GET " + alerts + "alerts/{id}/notes":           {"org.alerts.notes READ", v.listNotes},
		"POST " + alerts + "alerts/{id}/notes":          {"org.alerts.notes CREATE", v.postNote},
		"DELETE " + alerts + "alerts/{id}/notes/{note}": {"org.alerts.notes DELETE", v.deleteNote},
		"POST " + alerts + "alerts/workflow":            {"org.alerts.close EXECUTE", v.postWorkflow},
		"GET /jobs/v1/orgs/{org}/jobs/{job}":            {"jobs.status READ", v.getJob},
		"POST " + devices + "devices/_search":           {"device READ", v.searchDevices},
		"POST " + devices + "devices/_scroll":           {"device READ", v.scrollDevices},
		"GET " + devices + "devices/{device}":           {"device READ", v.getDevice},
		"POST " + devices + "device_actions":            {"device.quarantine EXECUTE", v.postAction},
		"GET " + ubs + "sha256/{sha256}/metadata":       {"ubs.org.sha256 READ", v.getMetadata},
		"POST " + ubs + "file/_download":                {"ubs.org.file READ", v.postDownload},
	} {
		v.mux.Handle(pattern, v.guard(pattern, o))
	}
	v.mux.HandleFunc("GET /storage/{file}", v.getStorage)
	v.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, "NOT_FOUND", "No route for "+r.Method)
	})
}

// operation is one call of the API and what it needs.
type operation struct {
	permission string
	serve      func(http.ResponseWriter, *http.Request)
}

// guard checks what every operation checks, and serves it locked.
func (v *Vendor) guard(pattern string, o operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.calls[pattern]++
		v.requests++
		switch {
		case v.redirect != "":
			http.Redirect(w, r, v.redirect, http.StatusFound)
		case v.refused || r.Header.Get("X-Auth-Token") != APISecret+"/"+APIID:
			w.WriteHeader(http.StatusUnauthorized)
		case r.PathValue("org") != OrgKey, v.missing[o.permission], strings.HasPrefix(o.permission, "ubs.") && v.missing["Enterprise EDR"]:
			fail(w, http.StatusForbidden, "FORBIDDEN", "User is not authorized to perform this operation")
		case v.isRetired(r.URL.Path):
			fail(w, http.StatusNotFound, "NOT_FOUND", "No route for "+r.Method)
		default:
			o.serve(w, r)
		}
	})
}

func (v *Vendor) isRetired(path string) bool {
	for part := range v.retired {
		if strings.Contains(path, part) {
			return true
		}
	}
	return false
}

// object is one JSON object.
type object = map[string]any

// fail is an error of the API.
func fail(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, object{"error_code": code, "message": message})
}

// Refuse answers with an error of the gateway: pick varies its dialect.
func (v *Vendor) Refuse(w http.ResponseWriter, _ *http.Request, status int, pick uint64) {
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	if pick%2 == 0 {
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(status)
		_, _ = w.Write([]byte("upstream says " + http.StatusText(status)))
		return
	}
	writeJSON(w, status, object{"errorMessage": http.StatusText(status)})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // a mistake of this package
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// read decodes a request, strictly.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		fail(w, http.StatusBadRequest, "BAD_REQUEST", "Malformed JSON input: "+err.Error())
		return false
	}
	return true
}

// timeOf is a time as the API writes it.
func timeOf(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
