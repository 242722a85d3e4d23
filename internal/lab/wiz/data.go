package wiz

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"edrc/internal/lab/world"
)

// machine is a cloud resource that detections are about.
type machine struct {
	id, name, instance, account, region, user string
}

// detection is one detection, small because there may be many. What it does not hold is
// derived when it is rendered.
type detection struct {
	id               string
	created, updated time.Time
	severity, origin string
	native           string // the finding's id at its origin
	title            string // and its title there, "" when it is nobody's
	file             int    // -1: an alert without one
	known            bool   // the sensor's rules know the file by its hashes
	events           int
	machine          *machine
	issue            *issue // nil: it only matched
}

// issue is one issue; of type THREAT_DETECTION it is a threat.
type issue struct {
	id, kind, status, severity, reason, remark string
	created, updated, changed                  time.Time
	notes                                      []note
	detections                                 []*detection
}

type note struct {
	id, text, author string
	at, visible      time.Time
}

func (v *Vendor) newMachine(i int) *machine {
	return &machine{
		id: v.uuid(), name: fmt.Sprintf("%s-%02d", []string{"web-prod", "build", "db-replica", "k8s-node"}[i%4], i),
		instance: fmt.Sprintf("i-%017x", v.rng.Uint64()>>1), account: fmt.Sprintf("1000000000%02d", i%3), region: []string{"us-east-1", "eu-west-1"}[i%2],
		user: []string{"ec2-user", "deploy", "root"}[i%3],
	}
}

// seed draws what a tenant starts with, over the last three days: threats of one to four
// detections, and detections that only matched.
func (v *Vendor) seed(n int) {
	for left := n; left > 0; {
		at := v.opt.Now().Add(-time.Minute - time.Duration(v.rng.Int64N(int64(70*time.Hour))))
		if v.rng.IntN(4) == 0 {
			v.draw(at, nil)
			left--
			continue
		}
		i := v.newIssue(at)
		for k := range min(left, 1+v.rng.IntN(4)) {
			v.draw(at.Add(time.Duration(k)*time.Second), i)
			left--
		}
		switch v.rng.IntN(8) {
		case 0:
			i.status, i.changed = "IN_PROGRESS", i.changed.Add(time.Minute)
		case 1:
			i.status, i.reason, i.changed = "RESOLVED", "MALICIOUS_THREAT", i.changed.Add(time.Minute)
		}
	}
	v.sort()
}

func (v *Vendor) newIssue(at time.Time) *issue {
	i := &issue{id: v.uuid(), kind: "THREAT_DETECTION", status: "OPEN", severity: "INFORMATIONAL", created: at, updated: at, changed: at}
	v.byIssue[i.id] = i
	v.issues = append(v.issues, i)
	return i
}

// draw makes one detection.
func (v *Vendor) draw(at time.Time, of *issue) *detection {
	v.number++
	d := &detection{id: v.uuid(), created: at, updated: at, file: -1, events: 1, machine: v.machines[v.rng.IntN(len(v.machines))], issue: of,
		severity: []string{"CRITICAL", "HIGH", "HIGH", "MEDIUM", "MEDIUM", "LOW", "INFORMATIONAL"}[v.rng.IntN(7)],
		origin:   []string{"WIZ_SENSOR", "WIZ_SENSOR", "WIZ_SENSOR", "WIZ_SENSOR", "WIZ_SENSOR", "AWS_GUARD_DUTY", "AWS_CLOUDTRAIL"}[v.rng.IntN(7)],
	}
	switch d.origin {
	case "AWS_GUARD_DUTY":
		d.native = strings.ReplaceAll(v.uuid(), "-", "")
	case "WIZ_SENSOR":
		if n := len(v.opt.Files); n > 0 {
			d.file = min(v.rng.IntN(n), v.rng.IntN(n)) // few files make most of the noise
			d.known = v.rng.IntN(2) == 0
		}
	}
	v.retell(d)
	v.byID[d.id] = d
	v.detections = append(v.detections, d)
	if of != nil {
		of.detections = append(of.detections, d)
		if rank(d.severity) > rank(of.severity) {
			of.severity = d.severity
		}
	}
	return d
}

func rank(severity string) int {
	return slices.Index([]string{"INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL"}, severity)
}

func (v *Vendor) sort() {
	slices.SortFunc(v.detections, func(a, b *detection) int { return cmp.Or(a.created.Compare(b.created), strings.Compare(a.id, b.id)) })
	slices.SortFunc(v.issues, func(a, b *issue) int { return cmp.Or(a.created.Compare(b.created), strings.Compare(a.id, b.id)) })
}

// Add makes n threats of one detection each that were created age ago, all at one moment
// if equal, else at different ones. It gives the ids of the detections.
func (v *Vendor) Add(n int, age time.Duration, equal bool) []string {
	return v.add(n, age, equal, func(at time.Time, _ int) *issue { return v.newIssue(at) })
}

// AddMatches is Add for detections that belong to no threat.
func (v *Vendor) AddMatches(n int, age time.Duration, equal bool) []string {
	return v.add(n, age, equal, func(time.Time, int) *issue { return nil })
}

// AddThreat makes one threat of n detections. It gives its id, and theirs.
func (v *Vendor) AddThreat(n int, age time.Duration) (threat string, ids []string) {
	var one *issue
	ids = v.add(n, age, false, func(at time.Time, i int) *issue {
		if i == 0 {
			one = v.newIssue(at)
		}
		return one
	})
	return one.id, ids
}

// AddIssue makes an issue that is no threat, of a type. It gives its id.
func (v *Vendor) AddIssue(kind string, age time.Duration) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	i := v.newIssue(v.opt.Now().Add(-age))
	i.kind = kind
	v.sort()
	return i.id
}

func (v *Vendor) add(n int, age time.Duration, equal bool, of func(time.Time, int) *issue) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	ids, at := make([]string, n), v.opt.Now().Add(-age)
	for i := range ids {
		if !equal {
			at = at.Add(7*time.Millisecond + 891*time.Nanosecond)
		}
		ids[i] = v.draw(at, of(at, i)).id
	}
	v.sort()
	return ids
}

// Shape sets what a test needs of one detection: its origin with the id there, and how
// many events it rests on; the file is of the last. native or origin "" is left alone.
func (v *Vendor) Shape(id, origin, native string, file, events int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	d := v.byID[id]
	if origin != "" {
		d.origin, d.native = origin, native
	}
	d.file, d.events = file, events
}

// ThreatOf gives the threat of a detection, "" when it has none.
func (v *Vendor) ThreatOf(id string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if d := v.byID[id]; d != nil && d.issue != nil {
		return d.issue.id
	}
	return ""
}

// about is the file of a detection; ok is false when it has none.
func (v *Vendor) about(d *detection) (f world.File, ok bool) {
	if d.file < 0 || d.file >= len(v.opt.Files) {
		return f, false
	}
	return v.opt.Files[d.file], true
}

// visible are the notes that a reader sees now.
func (v *Vendor) visible(i *issue) []note {
	var out []note
	now := v.opt.Now()
	for _, n := range i.notes {
		if !n.visible.After(now) {
			out = append(out, n)
		}
	}
	return out
}

func (v *Vendor) addNote(i *issue, text, author string, lag time.Duration) note {
	now := v.opt.Now()
	n := note{v.uuid(), text, author, now, now.Add(lag)}
	i.notes = append(i.notes, n)
	return n
}

// touch is what an own write moves.
func (v *Vendor) touch(i *issue) {
	i.updated = v.opt.Now()
	if v.opt.Echo {
		for _, d := range i.detections {
			d.updated = i.updated
		}
	}
}
