// Package source says what a detection product can do for edrc. [Source] is the
// least of it; everything more is an interface of its own that a product's type
// has or has not: a caller asserts for it and says plainly when it is missing.
// The comments here are the contract; package sourcetest holds products to it.
package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
)

// Source is one configured product. Its methods never print and never prompt.
type Source interface {
	Name() string // as in the configuration
	Kind() string // "sentinelone"
	// Traits are facts about the product: pure, offline.
	Traits() Traits
	// Check asks the product who we are and what we may do.
	Check(ctx context.Context) (Health, error)
}

// Traits are what triage must know about a product before it talks to it.
type Traits struct {
	// NoteMax is the most characters a note may have; 0 means notes are impossible.
	NoteMax int
	// NoteASCII: the console mangles anything else.
	NoteASCII bool
	// NoteBulk is how many handles one AddNote may carry with proof of each; at least 1.
	NoteBulk int
	// NoteSettle is how long a posted note may take to be visible to a reader.
	NoteSettle time.Duration
	// Overlap is how far behind the watermark a pass starts again.
	Overlap time.Duration
	// Settle is how far behind the vendor's clock a pass ends.
	Settle time.Duration
	// MaxWindow bounds one window of a feed; 0 is unbounded.
	MaxWindow time.Duration
	// NoUpdated: the product has one feed only (GuardDuty).
	NoUpdated bool
	// NoteRepeatable: to write the same note again leaves one (GuardDuty, whose comment
	// is replaced). A note in doubt is sent again without being looked for.
	NoteRepeatable bool
	// Accounts: its alerts tell the cloud account and region of what they are about, as
	// alert.Alert.Resources. Those of any other product are in no environment.
	Accounts bool
	// Repeats are the kinds of products whose findings this one tells again, as
	// alert.Alert.Repeats.
	Repeats []string
}

// Health is the result of Check.
type Health struct {
	Identity string    // who the credential is, as the product calls it
	Tenant   string    // the console or tenant reached
	Version  string    // of the product, "" when it does not tell
	Expires  time.Time // of the credential; zero when unknown
	Skew     time.Duration
	// Missing names scopes by capability: "notes" -> "Threats.view".
	Missing map[string]string
	// Retiring are calls whose end the product announces in its replies, and its words.
	Retiring []string
	// Coverage is of a product that is made of several places which are switched on and
	// permitted one by one: all of them, in the order of the configuration.
	Coverage []Coverage
}

// Coverage is how far a product is seen in one of the places that it is made of: for
// GuardDuty, an account and a region.
type Coverage struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	State   string `json:"state"` // enabled, off, denied, error
	// Detail says more: who reads it, that it is suspended, or what failed.
	Detail string `json:"detail,omitempty"`
}

// Identifier tells the tenant behind a source; its digest is the source's memory
// key. It may need an authenticated call the first time.
type Identifier interface {
	Tenant(ctx context.Context) (string, error)
}

// ID gives the key of a source's memory: a digest of its kind and tenant, so that
// renaming it in the configuration forgets nothing.
func ID(ctx context.Context, s Source) (alert.SourceID, error) {
	id, ok := s.(Identifier)
	if !ok {
		return "", Unsupported(s, "tell its tenant")
	}
	tenant, err := id.Tenant(ctx)
	if err != nil {
		return "", fault.At(err, s.Name(), "identify the tenant")
	}
	sum := sha256.Sum256([]byte(s.Kind() + "\x00" + tenant))
	return alert.SourceID(hex.EncodeToString(sum[:6])), nil
}

// Lister lists alerts: a superset of the query, in any order. A *BadItem error
// belongs to one item and the listing goes on; any other error is the last.
// Stopping early stops paging.
type Lister interface {
	List(ctx context.Context, q alert.Query) iter.Seq2[alert.Alert, error]
}

// Getter reads alerts anew, in batches; ids that the product does not know are absent.
type Getter interface {
	Get(ctx context.Context, hs ...alert.Handle) ([]alert.Alert, error)
}

// Change is what a feed is windowed by.
type Change string

// The feeds.
const (
	Created Change = "created"
	Updated Change = "updated"
)

// Stream is one feed of a source: most products have one, GuardDuty one for each
// account and region.
type Stream struct {
	Name string    // stable: part of the cursor's key
	Now  time.Time // the vendor's clock as Streams read it
}

// Window is a closed interval of the vendor's time.
type Window struct {
	By       Change
	From, To time.Time
}

// Page is one page of a window.
type Page struct {
	Alerts []alert.Alert
	Bad    []BadItem
	Next   string // "" when the window is complete
	// Full: a vendor limit cut the window; what came is valid, but the window must
	// be halved and read again.
	Full bool
	Date time.Time // of the reply, vendor clock
}

// ErrToken is returned by Page when a page token is no longer accepted: the
// window must be read again from its start.
var ErrToken = errors.New("the page token is no longer valid")

// Feeder is what sync reads. Triage owns the cursor: pages carry no state.
type Feeder interface {
	Streams(ctx context.Context) ([]Stream, error)
	Page(ctx context.Context, s Stream, w Window, token string) (Page, error)
}

// ErrOutside is why a source has nothing to list or to stream within some scopes: none
// of what it reads is in them.
var ErrOutside = errors.New("nothing that is read is within the scopes")

// Scoper is a Feeder that knows which of its streams may have alerts of some scopes.
type Scoper interface {
	// StreamsWithin is Streams, without those that have no alert within the scopes.
	StreamsWithin(ctx context.Context, scopes []alert.Scope) ([]Stream, error)
}

// Incidents reads the product's own grouping.
type Incidents interface {
	ListIncidents(ctx context.Context, q alert.Query) iter.Seq2[alert.Incident, error]
	GetIncident(ctx context.Context, id string) (alert.Incident, error)
}

// HostFinder finds hosts by name or id.
type HostFinder interface {
	FindHosts(ctx context.Context, nameOrID string) iter.Seq2[alert.Host, error]
}

// Capability is one row of the matrix that `edrc sources` shows.
type Capability struct {
	Name string
	Has  bool
}

// Capabilities derives the matrix from the interfaces that s has.
func Capabilities(s Source) []Capability {
	_, list := s.(Lister)
	_, get := s.(Getter)
	_, feed := s.(Feeder)
	_, incidents := s.(Incidents)
	_, note := s.(Noter)
	_, notes := s.(NoteReader)
	_, remove := s.(NoteRemover)
	_, resolve := s.(Resolver)
	_, fetch := s.(Fetcher)
	_, hosts := s.(HostFinder)
	_, isolate := s.(Isolator)
	return []Capability{
		{"list", list}, {"get", get}, {"sync", feed}, {"incidents", incidents},
		{"note add", note}, {"note list", notes}, {"note remove", remove},
		{"resolve", resolve}, {"fetch", fetch}, {"hosts", hosts},
		{"isolate", isolate},
	}
}

// Alternative is a product that knows what to do in place of what it cannot.
type Alternative interface {
	// Instead is the error, fault.Unsupported, for what the product cannot do: what goes
	// on from "cannot", as in "isolate hosts". Its hint names what can be done about an
	// alert, of which as little as the handle or the host may be known.
	Instead(what string, about alert.Alert) error
}

// Cannot is the error for a capability that a product has not. It says what can be done
// instead where the product knows.
func Cannot(s Source, what string, about alert.Alert) error {
	if a, ok := s.(Alternative); ok {
		return a.Instead(what, about)
	}
	return Unsupported(s, what)
}

// Unsupported is the error for a capability that a product has not.
func Unsupported(s Source, what string) error {
	return &fault.Error{Kind: fault.Unsupported, Source: s.Name(),
		Msg:  fmt.Sprintf("%s cannot %s", s.Kind(), what),
		Hint: "see what each product can do: edrc sources"}
}
