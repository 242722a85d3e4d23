package wiz

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"edrc/internal/lab/world"
)

// Vendor is one tenant, its token endpoint and its API.
type Vendor struct {
	opt   world.Options
	types map[string]map[string]fieldType

	mu         sync.Mutex
	rng        *rand.Rand
	id, secret string               // of the service account
	tokens     map[string]time.Time // when each ends
	issued     int
	refused    bool            // the service account was deleted
	missing    map[string]bool // scopes, and "licence:Wiz Defend"
	retired    map[string]bool // fields that are gone
	moved      bool            // there is no API at this address
	how        form
	slow       int // how many requests are refused as too many

	findings   []world.Finding // of others, not told yet
	machines   []*machine
	detections []*detection // by creation, then id
	issues     []*issue     // the same
	byID       map[string]*detection
	byIssue    map[string]*issue
	number     int
}

// form says how refusals are told, which is not documented: by the status, or in a 200.
type form struct {
	HTTP bool `json:"http"` // a missing scope is a 403
	Auth bool `json:"auth"` // a bad token and a throttle are errors in a 200
}

var _ world.Vendor = (*Vendor)(nil)

// New makes a tenant with the alerts that o asks for.
func New(o world.Options) *Vendor {
	if o.Now == nil {
		o.Now = time.Now
	}
	v := &Vendor{
		opt: o, types: types(), rng: rand.New(rand.NewPCG(o.Seed, 0x0312)), tokens: map[string]time.Time{}, missing: map[string]bool{},
		retired: map[string]bool{}, byID: map[string]*detection{}, byIssue: map[string]*issue{},
	}
	v.findings = slices.Clone(o.Findings)
	v.id, v.secret = strings.ReplaceAll(v.uuid(), "-", ""), strings.ReplaceAll(v.uuid()+v.uuid(), "-", "")
	for i := range 24 {
		v.machines = append(v.machines, v.newMachine(i))
	}
	v.seed(max(o.Alerts, 0))
	return v
}

func (v *Vendor) uuid() string {
	s := fmt.Sprintf("%016x%016x", v.rng.Uint64(), v.rng.Uint64())
	return s[:8] + "-" + s[8:12] + "-4" + s[13:16] + "-a" + s[17:20] + "-" + s[20:]
}

// Config implements world.Vendor.
func (v *Vendor) Config(url string) string {
	return fmt.Sprintf("{kind: wiz, url: %q, auth_url: %q, client_id: %q, client_secret: %q, note_settle: %s, settle: 0s, rate: 1000}",
		url+"/graphql", url+"/oauth/token", v.id, v.secret, v.opt.NoteLag)
}

// State implements world.Vendor. Notes stand under the id of their threat.
func (v *Vendor) State() world.State {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := world.State{Alerts: len(v.detections), Notes: map[string][]string{}, Isolated: []string{}}
	for _, i := range v.issues {
		for _, n := range i.notes {
			out.Notes[i.id] = append(out.Notes[i.id], n.text)
		}
	}
	return out
}

// ServeHTTP implements world.Vendor.
func (v *Vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	w.Header().Set("Date", v.opt.Now().UTC().Format(http.TimeFormat))
	switch {
	case v.moved || r.Method != http.MethodPost:
		http.Error(w, "404 page not found", http.StatusNotFound)
	case r.URL.Path == "/oauth/token":
		v.token(w, r)
	case r.URL.Path == "/graphql":
		v.graphql(w, r)
	default:
		http.Error(w, "404 page not found", http.StatusNotFound)
	}
}

// tokenLife is in seconds.
const tokenLife = 3600

// token is POST /oauth/token: a form.
func (v *Vendor) token(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil || r.PostForm.Get("grant_type") != "client_credentials" || r.PostForm.Get("audience") != "wiz-api" {
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_request", "error_description": "Unknown grant type or audience"})
		return
	}
	if v.refused || r.PostForm.Get("client_id") != v.id || r.PostForm.Get("client_secret") != v.secret {
		answer(w, http.StatusUnauthorized, map[string]any{"error": "access_denied", "error_description": "Unauthorized"})
		return
	}
	v.issued++
	token := fmt.Sprintf("lab.%s.%d", strings.ReplaceAll(v.uuid(), "-", ""), v.issued)
	v.tokens[token] = v.opt.Now().Add(tokenLife * time.Second)
	answer(w, http.StatusOK, map[string]any{"access_token": token, "refresh_token": nil, "expires_in": tokenLife, "token_type": "Bearer"})
}

// graphql is POST /graphql.
func (v *Vendor) graphql(w http.ResponseWriter, r *http.Request) {
	if until, known := v.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]; !known || !v.opt.Now().Before(until) {
		v.refuse(w, http.StatusUnauthorized, v.how.Auth, &oops{"UNAUTHENTICATED", "Unauthenticated: the token is invalid or has expired"})
		return
	}
	if v.slow > 0 {
		v.slow--
		v.refuse(w, http.StatusTooManyRequests, v.how.Auth, &oops{"RATE_LIMIT_EXCEEDED", "Rate limit exceeded"})
		return
	}
	var body struct {
		Query     string         `json:"query"`
		Variables map[string]any `json:"variables"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Query == "" {
		answer(w, http.StatusBadRequest, map[string]any{"errors": []any{map[string]any{"message": "POST body missing, invalid Content-Type, or JSON object has no keys."}}})
		return
	}
	d, err := parse(body.Query, body.Variables)
	root := map[bool]string{true: "Mutation", false: "Query"}[d.mutation]
	if err == nil {
		err = v.validate(d, root, d.fields)
	}
	if err != nil {
		v.refuse(w, http.StatusBadRequest, true, err)
		return
	}
	data := map[string]any{}
	var failures []any
	for _, s := range d.fields {
		value, err := v.field(s)
		if err == nil {
			value, err = project(value, s.inner)
		}
		if err != nil {
			if o, ok := err.(*oops); ok && o.code == "FORBIDDEN" && v.how.HTTP {
				v.refuse(w, http.StatusForbidden, false, err)
				return
			}
			value = nil
			failures = append(failures, failure(err, s.alias))
		}
		data[s.alias] = value
	}
	reply := map[string]any{"data": data}
	if len(failures) > 0 {
		reply["errors"] = failures
	}
	answer(w, http.StatusOK, reply)
}

func failure(err error, path string) map[string]any {
	o, ok := errors.AsType[*oops](err)
	if !ok {
		o = &oops{"INTERNAL_SERVER_ERROR", err.Error()}
	}
	out := map[string]any{"message": o.message, "extensions": map[string]any{"code": o.code, "exception": map[string]any{"message": o.message, "path": []string{path}}}}
	if path != "" {
		out["path"] = []string{path}
	}
	return out
}

// refuse answers with an error alone: by its status, or in a 200.
func (v *Vendor) refuse(w http.ResponseWriter, status int, within bool, err error) {
	if within {
		status = http.StatusOK
	}
	answer(w, status, map[string]any{"data": nil, "errors": []any{failure(err, "")}})
}

// Writes reports whether a request changes something at the vendor. It leaves the body
// to be read again.
func (v *Vendor) Writes(r *http.Request) bool {
	if r.URL.Path != "/graphql" || r.Body == nil {
		return false
	}
	raw, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	r.Body = io.NopCloser(bytes.NewReader(raw))
	var body struct {
		Query string `json:"query"`
	}
	return err == nil && json.Unmarshal(raw, &body) == nil && strings.HasPrefix(strings.TrimSpace(body.Query), "mutation")
}

// Refuse answers with a status that is an error. A 429 names a time to wait, or none, by
// pick.
func (v *Vendor) Refuse(w http.ResponseWriter, _ *http.Request, status int, pick uint64) {
	if status == http.StatusTooManyRequests && pick%2 == 0 {
		w.Header().Set("Retry-After", "0")
	}
	answer(w, status, map[string]any{"errors": []any{map[string]any{"message": http.StatusText(status)}}})
}

func answer(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
