// Package world is what the simulated vendors of the lab have in common: the files
// that their alerts are about, the clock, and how badly they behave. Each vendor is
// a package of its own below internal/lab, and speaks nothing but its wire format.
package world

import (
	"io"
	"net/http"
	"time"
)

// File is one file that alerts are about. Its bytes are harmless, whatever its name says.
type File struct {
	Name              string // as an attacker chose it; may be hostile
	SHA256, SHA1, MD5 string // lower-case hex
	Size              int64
	Malicious         bool // as the engine will say
	Open              func() (io.ReadCloser, error)
}

// Options are given to every vendor.
type Options struct {
	Name   string // of the source in the written configuration: "falcon-lab"
	Seed   uint64
	Alerts int
	Files  []File
	Now    func() time.Time // the vendor's clock
	// NoteLag is how long a posted note stays invisible to every read.
	NoteLag time.Duration
	// Echo lets an own write move the alert's updated time.
	Echo bool
	// FetchTime is how long an endpoint takes to hand over a file, or to isolate.
	FetchTime time.Duration
	// Findings are what other vendors of the lab have found, for one that tells it again.
	Findings []Finding
	// Zip writes an archive with one file, encrypted with the password; Seven the same as 7z.
	Zip, Seven func(w io.Writer, f File, password string) error
}

// Finding is an open alert of one vendor, as another vendor knows it.
type Finding struct {
	Product  string // the lab's word for the vendor: aws, falcon, s1
	ID       string // as the vendor's own API has it
	Title    string
	Severity string // critical, high, medium, low or info
	Created  time.Time
	File     int // in Options.Files; -1 for none
	Host     string
	User     string
	// Where AWS has the host; "" of other vendors.
	Account, Region, Instance string
}

// Teller is a Vendor that says what others may tell again.
type Teller interface{ Findings() []Finding }

// Vendor is one simulated product, served by [http.Handler] on a loopback port of its own. The lab adds latency and
// faults before and after the handler: a vendor need not.
type Vendor interface {
	http.Handler
	// Config gives the lines of the configuration below the source's name, without
	// the name: "{kind: crowdstrike, base_url: …}", for the URL that it is served under.
	Config(url string) string
	// State is the ground truth for tests.
	State() State
	// Control changes what a test needs changed: "offline" {"host":…}, "expire" {} and
	// so on; what the verb takes is the vendor's. An unknown verb is an error.
	Control(verb string, body []byte) error
	// Writes reports whether a request changes something: what a lost answer would leave
	// in doubt. Asking for a token does not.
	Writes(r *http.Request) bool
	// Refuse answers with a status that is no fault of the request, 429, 500 or 503, as the
	// vendor words it; pick varies the dialect.
	Refuse(w http.ResponseWriter, r *http.Request, status int, pick uint64)
}

// State is what a vendor has and was asked for.
type State struct {
	// Alerts is the number of alerts that a client can see now.
	Alerts int `json:"alerts"`
	// Notes are the texts by the id of what they stand on, oldest first, with those not shown yet.
	Notes map[string][]string `json:"notes"`
	// Fetches and Downloads count requests for a file, and files that were handed over whole.
	Fetches   int `json:"fetches"`
	Downloads int `json:"downloads"`
	// Isolated are the names of the hosts that are isolated. An AWS lists all that is
	// contained: stopped instances, denied roles and inactive keys, too.
	Isolated []string `json:"isolated"`
}
