// Package crowdstrike is CrowdStrike Falcon, simulated: the Alerts, Hosts, Cases,
// Quarantine, Sample and Real Time Response endpoints in their wire format. What it
// answers, and where it refuses, follows the vendor's own clients of 2026.
package crowdstrike

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

// Vendor is one tenant and its cloud.
type Vendor struct {
	opt    world.Options
	routes *http.ServeMux

	mu       sync.Mutex
	rng      *rand.Rand
	cid      string
	id       string // of the API client
	secret   string
	members  map[string]bool      // child tenants that a token may be asked for
	tokens   map[string]time.Time // when each ends
	issued   int
	refused  bool // the API client was deleted
	missing  map[string]bool
	retiring string // paths that start so are about to go
	place    place
	slow     throttle
	fetch    time.Duration

	hosts    []*host
	byHost   map[string]*host // by id and by name
	alerts   []*falconAlert   // by creation, then id
	byID     map[string]*falconAlert
	number   int
	cases    []*falconCase // by creation
	samples  map[string]bool
	sessions map[string]*session
	commands map[string]*command
	state    world.State
}

var _ world.Vendor = (*Vendor)(nil)

// place is where the tenant says that it lives: status 201 tells it beside a token, 308
// sends everything elsewhere. Zero is here.
type place struct {
	Region   string `json:"region"`
	Location string `json:"location"`
	Status   int    `json:"status"`
}

// throttle answers the next Count requests with a 429, until now + Wait, in Unit s or ms.
type throttle struct {
	Count int    `json:"count"`
	Unit  string `json:"unit"`
	Wait  int    `json:"wait"` // seconds
}

// New makes a tenant with the alerts that o asks for.
func New(o world.Options) *Vendor {
	if o.Now == nil {
		o.Now = time.Now
	}
	v := &Vendor{
		opt: o, rng: rand.New(rand.NewPCG(o.Seed, 0xfa1c04)), byID: map[string]*falconAlert{}, fetch: o.FetchTime,
		tokens: map[string]time.Time{}, missing: map[string]bool{}, members: map[string]bool{}, samples: map[string]bool{},
		byHost: map[string]*host{}, sessions: map[string]*session{}, commands: map[string]*command{},
	}
	v.cid, v.id, v.secret = v.hex(16), v.hex(16), v.hex(20)
	v.members[v.hex(16)] = true
	for i, f := range o.Files {
		v.samples[f.SHA256] = i%3 == 0 // what sensors quarantined and uploaded
	}
	v.newHosts()
	v.seed(max(o.Alerts, 0))
	v.handle()
	return v
}

// hex gives 2n hex digits.
func (v *Vendor) hex(n int) string { return world.Hex(v.rng, n) }

// Config implements world.Vendor.
func (v *Vendor) Config(url string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return fmt.Sprintf("{kind: crowdstrike, base_url: %q, client_id: %q, client_secret: %q, note_settle: %s, settle: 0s, rate: 1000}",
		url, v.id, v.secret, v.opt.NoteLag)
}

// CID is the tenant's customer id.
func (v *Vendor) CID() string { return v.cid }

// Member is the customer id of a child tenant.
func (v *Vendor) Member() string {
	for cid := range v.members {
		return cid
	}
	return ""
}

// State implements world.Vendor.
func (v *Vendor) State() world.State {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := v.state
	out.Alerts, out.Notes, out.Isolated = len(v.alerts), map[string][]string{}, []string{}
	for _, a := range v.alerts {
		for _, c := range a.comments {
			out.Notes[a.id] = append(out.Notes[a.id], c.text)
		}
	}
	for _, h := range v.hosts {
		if v.status(h) == "contained" {
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
	h := w.Header()
	h.Set("Date", v.opt.Now().UTC().Format(http.TimeFormat))
	h.Set("X-Ratelimit-Limit", "6000")
	h.Set("X-Ratelimit-Remaining", "5990")
	h.Set("X-Cs-Traceid", v.trace())
	h.Set("X-Cs-Region", v.region())
	if v.retiring != "" && strings.HasPrefix(r.URL.Path, v.retiring) {
		h.Set("X-Api-Deprecation-Date", "2027-03-31")
	}
	switch {
	case v.slow.Count > 0:
		v.slow.Count--
		v.refuseUntil(w, v.slow)
	case v.place.Status == http.StatusPermanentRedirect:
		h.Set("Location", v.place.Location+r.URL.RequestURI())
		h.Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusPermanentRedirect)
		_, _ = w.Write([]byte("<html><head><title>308 Permanent Redirect</title></head></html>"))
	default:
		v.routes.ServeHTTP(w, r)
	}
}

func (v *Vendor) region() string {
	if v.place.Region != "" {
		return v.place.Region
	}
	return "us-1"
}

func (v *Vendor) trace() string { return stable(v.rng.Uint64(), v.rng.Uint64()) }

// stable is a UUID of two numbers.
func stable(a, b uint64) string {
	s := fmt.Sprintf("%016x%016x", a, b)
	return s[:8] + "-" + s[8:12] + "-4" + s[13:16] + "-a" + s[17:20] + "-" + s[20:]
}

// Writes reports whether a request changes something at the vendor.
func (v *Vendor) Writes(r *http.Request) bool {
	switch r.Method {
	case http.MethodPatch, http.MethodPut, http.MethodDelete:
		return true
	case http.MethodPost:
		return strings.Contains(r.URL.Path, "devices-actions") || strings.HasPrefix(r.URL.Path, "/real-time-response/")
	}
	return false
}

// Refuse answers with a status that is an error. A 429 names a moment, in seconds or in
// milliseconds by pick, or nothing.
func (v *Vendor) Refuse(w http.ResponseWriter, _ *http.Request, status int, pick uint64) {
	if status == http.StatusTooManyRequests && pick%3 != 0 {
		v.refuseUntil(w, throttle{Unit: map[bool]string{true: "s", false: "ms"}[pick%2 == 0]})
		return
	}
	fail(w, status, "%s", http.StatusText(status))
}

func (v *Vendor) refuseUntil(w http.ResponseWriter, t throttle) {
	at := v.opt.Now().Add(time.Duration(t.Wait) * time.Second)
	until := at.Unix()
	if t.Unit == "ms" {
		until = at.UnixMilli()
	}
	w.Header().Set("X-Ratelimit-Retryafter", strconv.FormatInt(until, 10))
	fail(w, http.StatusTooManyRequests, "API rate limit exceeded.")
}

// oops is an entry of "errors".
type oops struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	ID      string `json:"id,omitempty"`
}

type pagination struct {
	Offset any    `json:"offset,omitempty"`
	After  string `json:"after,omitempty"`
	Limit  int    `json:"limit"`
	Total  int    `json:"total"`
}

type writes struct {
	Affected int `json:"resources_affected"`
}

type meta struct {
	QueryTime  float64     `json:"query_time"`
	Pagination *pagination `json:"pagination,omitempty"`
	Writes     *writes     `json:"writes,omitempty"`
	PoweredBy  string      `json:"powered_by"`
	TraceID    string      `json:"trace_id"`
}

type envelope struct {
	Meta      meta   `json:"meta"`
	Errors    []oops `json:"errors"`
	Resources any    `json:"resources"`
}

// answer sends an envelope.
func answer(w http.ResponseWriter, status int, e envelope) {
	e.Meta.QueryTime, e.Meta.TraceID = 0.017724698, w.Header().Get("X-Cs-Traceid")
	if e.Meta.PoweredBy == "" {
		e.Meta.PoweredBy = "lab"
	}
	if e.Errors == nil {
		e.Errors = []oops{}
	}
	body, err := json.Marshal(e)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// fail answers with an error alone.
func fail(w http.ResponseWriter, status int, format string, args ...any) {
	answer(w, status, envelope{Errors: []oops{{Code: status, Message: fmt.Sprintf(format, args...)}}})
}

// read decodes a JSON body; it answers and gives false when it is none.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		fail(w, http.StatusBadRequest, "Failed to unmarshal request body: %v", err)
		return false
	}
	return true
}
