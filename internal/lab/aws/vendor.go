package aws

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"edrc/internal/lab/world"
)

// Options are this vendor's own. The zero value of a field means its default.
type Options struct {
	// Accounts, 12 digits each, default three. The key belongs to the first one; into
	// each other leads the role "edrc", with the external id that ExternalID gives.
	Accounts []string
	// Regions that have a detector, default us-east-1 and eu-central-1.
	Regions []string
	// Standalone: no account administers another one.
	Standalone bool
	// Bare: the accounts have no instances, users and roles but those that lead in.
	Bare bool
}

// Role is the name of the role that leads into an account.
const Role = "edrc"

// ExternalID is what the role of an account wants to hear.
func ExternalID(account string) string { return "lab-" + account }

// Vendor is the simulated AWS. Its methods may be called from any goroutine.
type Vendor struct {
	opt world.Options
	own Options

	mu        sync.Mutex
	keys      map[string]key // by access key id
	revoked   bool           // no key is accepted
	detectors map[place]*detector
	byID      map[string]*detector
	findings  map[string]*finding
	order     []*finding // as they were made
	troubles  map[place]trouble
	narrow    bool // hash keys are not accepted as criteria
	serial    int
	version   int // counts changes, so that a list is filtered once for all of its pages
	secret    string
	requests  map[string]int // by operation
	sessions  []Session
	services  map[string]service
	accounts  map[string]*account
	regions   map[place]*region
	fleets    map[place][]*host
}

// place is where a detector is.
type place struct{ account, region string }

// trouble is what a place answers instead.
type trouble struct {
	throttled bool
	denied    string // an operation, "*" for each
}

// detector is GuardDuty, switched on in one place.
type detector struct {
	place
	id, status string
	admin      string // account that administers it, "" for none
	cached     cachedList
}

// Session is one assumed role.
type Session struct{ Account, RoleARN, Name, SourceIdentity string }

// New makes the vendor with its findings.
func New(o world.Options, own Options) *Vendor {
	if o.Now == nil {
		o.Now = time.Now
	}
	if len(own.Accounts) == 0 {
		own.Accounts = []string{"111122223333", "222233334444", "333344445555"}
	}
	if len(own.Regions) == 0 {
		own.Regions = []string{"us-east-1", "eu-central-1"}
	}
	v := &Vendor{opt: o, own: own, keys: map[string]key{}, detectors: map[place]*detector{}, byID: map[string]*detector{},
		findings: map[string]*finding{}, troubles: map[place]trouble{}, requests: map[string]int{}, secret: fmt.Sprint("lab-", o.Seed)}
	v.services, v.accounts, v.regions, v.fleets = services(), map[string]*account{}, map[place]*region{}, map[place][]*host{}
	v.open()
	for _, account := range own.Accounts {
		for _, region := range own.Regions {
			v.enable(place{account, region})
			if !own.Bare {
				v.fleet(place{account, region})
			}
		}
	}
	v.populate(o.Alerts)
	return v
}

// open makes the user and the roles that lead into the accounts. They may do everything.
func (v *Vendor) open() {
	home := v.own.Accounts[0]
	u := v.accountOf(home).addUser("edrc-lab", map[string]string{"all": allowAll})
	id, _ := v.Key()
	v.addKey(home, u, id)
	for _, a := range v.own.Accounts {
		trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},`+
			`"Action":["sts:AssumeRole","sts:SetSourceIdentity"],"Condition":{"StringEquals":{"sts:ExternalId":%q}}}}`, home, ExternalID(a))
		v.accountOf(a).addRole(Role, "/", trust).policies["all"] = allowAll
	}
}

const allowAll = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`

// Key is the access key of the configuration: of a user of the first account, who may
// do everything.
func (v *Vendor) Key() (id, secret string) {
	id = "AKIALAB" + v.own.Accounts[0][:9]
	return id, digest(v.secret, id)[:40]
}

// enable switches GuardDuty on.
func (v *Vendor) enable(p place) *detector {
	d := &detector{place: p, id: digest(v.secret, p.account, p.region)[:32], status: "ENABLED"}
	if !v.own.Standalone && p.account != v.own.Accounts[0] {
		d.admin = v.own.Accounts[0]
	}
	v.detectors[p], v.byID[d.id] = d, d
	return d
}

// digest is a number of hex digits that a text decides.
func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}

// Config implements world.Vendor. It holds the lab's key.
func (v *Vendor) Config(url string) string {
	home := v.own.Accounts[0]
	id, secret := v.Key()
	accounts := []string{fmt.Sprintf("{id: %q}", home)}
	for _, a := range v.own.Accounts[1:] {
		accounts = append(accounts, fmt.Sprintf("{id: %q, role_arn: %q, external_id: %q}", a, roleARN(a), ExternalID(a)))
	}
	return fmt.Sprintf("{kind: guardduty, endpoint_url: %q, access_key_id: %q, secret_access_key: %q, settle: 0s, regions: [%s], accounts: [%s]}",
		url, id, secret, strings.Join(v.own.Regions, ", "), strings.Join(accounts, ", "))
}

func roleARN(account string) string { return "arn:aws:iam::" + account + ":role/" + Role }

// State implements world.Vendor. The keys of Notes are region/findingId. Isolated is
// everything that is contained: see contained.
func (v *Vendor) State() world.State {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := world.State{Alerts: len(v.findings), Notes: map[string][]string{}, Isolated: v.contained()}
	for _, f := range v.findings {
		if f.comment != "" {
			s.Notes[f.region+"/"+f.id] = []string{f.comment} // one: feedback replaces the one before
		}
	}
	return s
}

// Requests gives how often each operation was asked for, those refused too.
func (v *Vendor) Requests() map[string]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := map[string]int{}
	for op, n := range v.requests {
		out[op] = n
	}
	return out
}

// Sessions are the roles that were assumed, the oldest first.
func (v *Vendor) Sessions() []Session {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.sessions)
}

// maxBody bounds a request, in bytes.
const maxBody = 1 << 20

// ServeHTTP implements http.Handler.
func (v *Vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		v.refuseJSON(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "the request is too large")
		return
	}
	if w.Header().Get("Date") == "" {
		w.Header().Set("Date", v.opt.Now().UTC().Format(http.TimeFormat))
	}
	w.Header().Set("X-Amzn-Requestid", digest(r.URL.Path, string(body), r.Header.Get("X-Amz-Date"))[:32])
	v.mu.Lock()
	defer v.mu.Unlock()
	who, bad := v.authenticate(r, body)
	_, query := v.services[who.service]
	switch {
	case isREST(r) && bad != nil:
		v.refuseJSON(w, http.StatusForbidden, bad.rest, bad.message)
	case isREST(r):
		v.guardduty(w, r, body, who)
	case bad != nil && who.service == "ec2":
		v.refuse(w, who.service, &apiError{http.StatusUnauthorized, bad.ec2, bad.message})
	case bad != nil:
		v.refuse(w, who.service, &apiError{http.StatusForbidden, bad.query, bad.message})
	case !query:
		v.refuse(w, who.service, refused("InvalidAction", "Could not find operation for service %s", who.service))
	default:
		v.query(w, r, body, who)
	}
}

// Writes says whether a request changes something.
func (v *Vendor) Writes(r *http.Request) bool {
	path := r.URL.Path
	if !isREST(r) {
		return writes(r)
	}
	return r.Method == http.MethodPost && (path == "/detector" || strings.HasSuffix(path, "/findings/archive") ||
		strings.HasSuffix(path, "/findings/unarchive") || strings.HasSuffix(path, "/findings/feedback"))
}

// Refuse writes AWS's error for a status that is not about the request, 429, 500 or 503,
// in the protocol of the request. pick varies the dialect: many services say 400 for a
// throttled request, and the code alone tells.
func (v *Vendor) Refuse(w http.ResponseWriter, r *http.Request, status int, pick uint64) {
	if !isREST(r) {
		service := serviceOf(r)
		e := &apiError{status, map[int]string{500: "InternalFailure", 503: "ServiceUnavailable"}[status], "The server is busy"}
		if status == http.StatusTooManyRequests {
			e = throttled(service)
		}
		v.refuse(w, service, e)
		return
	}
	code := map[int]string{429: "TooManyRequestsException", 500: "InternalServerErrorException", 503: "ServiceUnavailableException"}[status]
	if status == http.StatusTooManyRequests && pick%2 == 0 {
		status, code = http.StatusBadRequest, "ThrottlingException"
	}
	v.refuseJSON(w, status, code, "Rate exceeded or server busy")
}

// isREST tells GuardDuty's requests from those of the query API.
func isREST(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/detector") || strings.HasPrefix(r.URL.Path, "/malware-scan/")
}

// IDs gives the findings of one account and region as region/findingId.
func (v *Vendor) IDs(account, region string) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []string
	for _, f := range v.order {
		if f.account == account && f.region == region {
			out = append(out, f.region+"/"+f.id)
		}
	}
	return out
}
