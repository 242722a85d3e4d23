package cortex

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"edrc/internal/lab/world"
)

// xdrAlert is one alert, or issue; small because there may be many. Times are epoch
// milliseconds. What it does not hold is derived from its file and its host.
type xdrAlert struct {
	id                           int64
	detected, inserted, modified int64
	file                         int // -1: an alert without one
	host                         *host
	severity                     string
	status                       string // in the words of incidents
	comment                      string
	incident                     *incident // nil: it belongs to none
	judged                       bool      // the file itself was judged
}

// incident is one incident, or case.
type incident struct {
	id                int64
	created, modified int64
	alerts            []*xdrAlert
	status            string
	severity, manual  string
	assigned          string
	resolveComment    string
	comments          []comment
}

type comment struct {
	id      string
	text    string
	author  string
	at      time.Time
	visible time.Time
}

func (v *Vendor) now() int64 { return v.opt.Now().UnixMilli() }

// seed draws the alerts and incidents that a tenant starts with, over the last three days.
func (v *Vendor) seed(n int) {
	now := v.opt.Now()
	block := now.Add(-31 * time.Hour).Add(time.Duration(v.rng.Int64N(int64(time.Hour)))).UnixMilli()
	var open *incident
	for i := range n {
		at := now.Add(-time.Minute - time.Duration(v.rng.Int64N(int64(70*time.Hour)))).UnixMilli()
		if i < min(24, n/4) {
			at = block // a broker that was offline reports
		}
		a := v.draw(at)
		a.modified = min(at+v.rng.Int64N(10*60_000), v.now())
		switch k := v.rng.IntN(100); {
		case k < 4:
			a.status = []string{"resolved_true_positive", "resolved_false_positive", "resolved_auto"}[k%3]
		case k < 9:
			a.status = "under_investigation"
		}
		switch {
		case a.severity == "low":
		case open == nil || i%4 == 0:
			open = v.group(a)
		default:
			v.join(open, a)
		}
	}
}

// draw makes one alert, of no incident yet.
func (v *Vendor) draw(at int64) *xdrAlert {
	v.number++
	a := &xdrAlert{id: 50_023_290_000 + v.number, inserted: at, modified: at, detected: at - 500 - v.rng.Int64N(30_000), status: "new", file: -1,
		host: v.hosts[v.rng.IntN(len(v.hosts))], severity: []string{"critical", "high", "high", "medium", "medium", "medium", "low", "low"}[v.rng.IntN(8)],
		judged: v.rng.IntN(2) == 0}
	if n := len(v.opt.Files); n > 0 {
		// Few files make most of the noise.
		a.file = min(v.rng.IntN(n), v.rng.IntN(n))
	}
	v.alerts = append(v.alerts, a)
	v.byID[a.id] = a
	return a
}

// group makes an incident of an alert.
func (v *Vendor) group(a *xdrAlert) *incident {
	in := &incident{id: 893 + int64(len(v.byCase)), created: a.inserted + 200, modified: a.inserted + 200, status: "new", severity: a.severity}
	v.cases = append(v.cases, in)
	v.byCase[in.id] = in
	v.join(in, a)
	return in
}

func (v *Vendor) join(in *incident, a *xdrAlert) {
	in.alerts = append(in.alerts, a)
	in.created, in.modified = min(in.created, a.inserted+200), max(in.modified, a.inserted+200)
	a.incident = in
}

// Add makes n alerts that came age ago, all at one moment if equal, else a few
// milliseconds apart, each with an incident of its own. It gives their ids.
func (v *Vendor) Add(n int, age time.Duration, equal bool) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	ids, at := make([]string, n), v.opt.Now().Add(-age).UnixMilli()
	for i := range ids {
		if !equal {
			at += 7
		}
		a := v.draw(at)
		v.group(a)
		ids[i] = strconv.FormatInt(a.id, 10)
	}
	return ids
}

// AddIncident makes one incident of n alerts that came a second apart, the last one age
// ago. It gives its id.
func (v *Vendor) AddIncident(n int, age time.Duration) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var in *incident
	for i := range n {
		a := v.draw(v.opt.Now().Add(-age - time.Duration(n-i)*time.Second).UnixMilli())
		if in == nil {
			in = v.group(a)
			continue
		}
		v.join(in, a)
	}
	return strconv.FormatInt(in.id, 10)
}

// AddAbout makes one alert about a file on a Windows host that is online, or offline. It
// gives its id.
func (v *Vendor) AddAbout(file int, online bool) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	a := v.draw(v.opt.Now().Add(-time.Minute).UnixMilli())
	v.group(a)
	for _, h := range v.hosts {
		if h.os == "windows" {
			a.host = h
		}
	}
	a.host.offline, a.file, a.judged = !online, file, true
	return strconv.FormatInt(a.id, 10)
}

// AddLoose makes an alert that belongs to no incident.
func (v *Vendor) AddLoose(age time.Duration) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return strconv.FormatInt(v.draw(v.opt.Now().Add(-age).UnixMilli()).id, 10)
}

// IncidentOf gives the incident of an alert, "" when it has none.
func (v *Vendor) IncidentOf(alert string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if a := v.alert(alert); a != nil && a.incident != nil {
		return strconv.FormatInt(a.incident.id, 10)
	}
	return ""
}

// HostOf gives the endpoint of an alert.
func (v *Vendor) HostOf(alert string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if a := v.alert(alert); a != nil {
		return a.host.id
	}
	return ""
}

func (v *Vendor) alert(id string) *xdrAlert {
	n, _ := strconv.ParseInt(id, 10, 64)
	return v.byID[n]
}

// purge forgets alerts.
func (v *Vendor) purge(ids []string) {
	for _, id := range ids {
		if a := v.alert(id); a != nil {
			delete(v.byID, a.id)
			v.alerts = slices.DeleteFunc(v.alerts, func(o *xdrAlert) bool { return o == a })
		}
	}
}

// about is the file of an alert; ok is false when it has none.
func (v *Vendor) about(a *xdrAlert) (f world.File, ok bool) {
	if a.file < 0 || a.file >= len(v.opt.Files) {
		return f, false
	}
	return v.opt.Files[a.file], true
}

// path is where a file stands on a host.
func (h *host) path(f world.File) string {
	switch h.os {
	case "windows":
		return `C:\Users\` + h.user + `\Downloads\` + f.Name
	case "macos":
		return "/Users/" + h.user + "/Downloads/" + f.Name
	}
	return "/home/" + h.user + "/Downloads/" + f.Name
}

// visible are the comments that a reader sees now.
func (v *Vendor) visible(in *incident) []comment {
	var out []comment
	for _, c := range in.comments {
		if !c.visible.After(v.opt.Now()) {
			out = append(out, c)
		}
	}
	return out
}

// say puts a comment on an incident.
func (v *Vendor) say(in *incident, text, author string, lag time.Duration) {
	now := v.opt.Now()
	in.comments = append(in.comments, comment{fmt.Sprintf("%d_%d", in.id, len(in.comments)+1), text, author, now, now.Add(lag)})
	in.modified = v.now()
}

// users are the people of the tenant, by email address.
func users() map[string]string {
	return map[string]string{"ana@lab.example": "Ana Lyst", "ben@lab.example": "Ben Dover", "api@lab.example": "API key"}
}
