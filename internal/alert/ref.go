package alert

import (
	"fmt"
	"regexp"
	"strings"
)

// SourceID (the sid) names a product's tenant for edrc's memory: a digest of the
// kind and the vendor's own tenant, never the name that the configuration gives
// it. Two configurations of one console share a memory; renaming one loses none.
type SourceID string

// Ref is how a user names an alert or an incident: "source:ID" or
// "source:incident/ID". It is split at the first colon, so an ID may hold more.
type Ref struct {
	Source   string
	Incident bool
	ID       string
}

var sourceName = regexp.MustCompile(`^[a-z0-9-]+$`)

// ValidSourceName reports whether s may name a source in the configuration.
func ValidSourceName(s string) bool { return sourceName.MatchString(s) }

// ParseRef reads a [Ref]. Its error says what a ref looks like.
func ParseRef(s string) (Ref, error) {
	source, id, ok := strings.Cut(s, ":")
	if !ok || id == "" || !ValidSourceName(source) {
		return Ref{}, fmt.Errorf("%q is not a REF: write source:ID or source:incident/ID, as `edrc alerts list` prints it", s)
	}
	r := Ref{Source: source, ID: id}
	if rest, ok := strings.CutPrefix(id, "incident/"); ok {
		if rest == "" {
			return Ref{}, fmt.Errorf("%q names no incident: write source:incident/ID", s)
		}
		r.Incident, r.ID = true, rest
	}
	return r, nil
}

// String gives the whole ref, as [ParseRef] reads it.
func (r Ref) String() string {
	if r.Incident {
		return r.Source + ":incident/" + r.ID
	}
	return r.Source + ":" + r.ID
}

// Short gives the ref with the middle of its ID cut out, for the eye only.
func (r Ref) Short() string {
	const keep = 5
	id := r.ID
	if len(id) > keep+4 {
		id = "…" + id[len(id)-keep:]
	}
	if r.Incident {
		id = "incident/" + id
	}
	return r.Source + ":" + id
}

// MarshalText makes a ref one string in JSON and YAML.
func (r Ref) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (r *Ref) UnmarshalText(b []byte) (err error) {
	*r, err = ParseRef(string(b))
	return err
}
