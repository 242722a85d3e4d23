package crowdstrike

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"edrc/internal/lab/world"
)

// falconAlert is one alert, small because there may be many. What it does not hold is
// derived from its file and its host when it is rendered.
type falconAlert struct {
	id                string
	created, updated  time.Time
	file              int // -1: an alert without one
	host              *host
	severity          int
	status            string
	tags              []string
	uuid, email, user string // who it is assigned to
	comments          []comment
	cases             []string
	quarantined       bool // the sensor took the file away
	hashless          bool
	model             bool // judged by machine learning
}

type comment struct {
	text    string
	author  string
	at      time.Time // when it was written
	visible time.Time
}

// seed draws the alerts and cases that a tenant starts with, over the last three days.
func (v *Vendor) seed(n int) {
	now := v.opt.Now()
	block := now.Add(-31 * time.Hour).Add(time.Duration(v.rng.Int64N(int64(time.Hour))))
	for i := range n {
		at := now.Add(-time.Minute - time.Duration(v.rng.Int64N(int64(70*time.Hour))))
		if i < min(24, n/4) {
			at = block // a sensor that was offline reports
		}
		a := v.draw(at)
		a.updated = at.Add(min(time.Duration(v.rng.Int64N(int64(10*time.Minute))), now.Sub(at)))
		switch k := v.rng.IntN(100); {
		case k < 4:
			a.status, a.tags = "closed", append(a.tags, []string{"true_positive", "false_positive"}[k%2])
		case k < 9:
			a.status = "in_progress"
		case k < 10:
			a.status = "reopened"
		}
		v.alerts = append(v.alerts, a)
	}
	v.sort()
	for i := 0; i+3 < n; i += 20 {
		v.addCase(v.alerts[i].created.Add(time.Minute), v.alerts[i:i+3]...)
	}
}

// draw makes one alert. It is not in the list yet.
func (v *Vendor) draw(at time.Time) *falconAlert {
	v.number++
	a := &falconAlert{created: at, updated: at, status: "new", file: -1, host: v.hosts[v.rng.IntN(len(v.hosts))],
		severity: []int{90, 85, 70, 70, 65, 60, 50, 40, 30, 10}[v.rng.IntN(10)], tags: []string{"fc/offering/lab"}}
	if len(v.opt.Files) > 0 {
		// Few files make most of the noise.
		n := len(v.opt.Files)
		a.file = min(v.rng.IntN(n), v.rng.IntN(n))
		a.quarantined = v.samples[v.opt.Files[a.file].SHA256]
	}
	a.hashless, a.model = v.rng.IntN(50) == 0, v.rng.IntN(3) == 0
	a.id = fmt.Sprintf("%s:ind:%s:%d-%d-%d", v.cid, a.host.id, 163208931778+v.number, 5000+v.rng.IntN(4000), v.rng.Uint32())
	v.byID[a.id] = a
	return a
}

func (v *Vendor) sort() {
	slices.SortFunc(v.alerts, func(a, b *falconAlert) int { return cmp.Or(a.created.Compare(b.created), strings.Compare(a.id, b.id)) })
}

// Add makes n alerts that were created age ago, all at one moment if equal, else a
// second apart. It gives their ids.
func (v *Vendor) Add(n int, age time.Duration, equal bool) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	ids, at := make([]string, n), v.opt.Now().Add(-age)
	for i := range ids {
		if !equal {
			at = at.Add(7*time.Millisecond + 891*time.Nanosecond)
		}
		a := v.draw(at)
		v.alerts, ids[i] = append(v.alerts, a), a.id
	}
	v.sort()
	return ids
}

// AddAbout makes one alert about a file on a host of its platform that is online, or
// offline. It gives its id.
func (v *Vendor) AddAbout(file int, online bool) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	a := v.draw(v.opt.Now().Add(-time.Minute))
	delete(v.byID, a.id)
	for _, h := range v.hosts {
		if h.platform == "Windows" {
			a.host = h
		}
	}
	a.host.offline = !online
	a.file, a.hashless, a.quarantined = file, false, v.samples[v.opt.Files[file].SHA256]
	a.id = fmt.Sprintf("%s:ind:%s:%d-5761-1", v.cid, a.host.id, 163208931778+v.number)
	v.byID[a.id] = a
	v.alerts = append(v.alerts, a)
	v.sort()
	return a.id
}

// about is the file of an alert; ok is false when it has none.
func (v *Vendor) about(a *falconAlert) (f world.File, ok bool) {
	if a.file < 0 || a.file >= len(v.opt.Files) {
		return f, false
	}
	return v.opt.Files[a.file], true
}

// path is where the sensor says that the file is.
func (v *Vendor) path(a *falconAlert) string {
	f, ok := v.about(a)
	switch {
	case !ok:
		return ""
	case a.host.platform == "Windows":
		return `\Device\HarddiskVolume3\Users\` + a.host.user + `\Downloads\` + f.Name
	}
	return "/home/" + a.host.user + "/Downloads/" + f.Name
}

// visible are the comments that a reader sees now.
func (v *Vendor) visible(a *falconAlert) []comment {
	var out []comment
	now := v.opt.Now()
	for _, c := range a.comments {
		if !c.visible.After(now) {
			out = append(out, c)
		}
	}
	return out
}

// resolution is the tag that says how an alert ended.
func (a *falconAlert) resolution() string {
	for _, t := range []string{"true_positive", "false_positive", "ignored"} {
		if slices.Contains(a.tags, t) {
			return t
		}
	}
	return ""
}

func severityName(n int) string {
	switch {
	case n >= 80:
		return "Critical"
	case n >= 60:
		return "High"
	case n >= 40:
		return "Medium"
	case n >= 20:
		return "Low"
	}
	return "Informational"
}

func (v *Vendor) alertField(a *falconAlert) fields {
	return func(name string) ([]string, bool) {
		f, hasFile := v.about(a)
		hasFile = hasFile && !a.hashless
		switch name {
		case "composite_id":
			return []string{a.id}, true
		case "cid":
			return []string{v.cid}, true
		case "agent_id", "device.device_id":
			return []string{a.host.id}, true
		case "device.hostname":
			return []string{a.host.name}, true
		case "status":
			return []string{a.status}, true
		case "severity":
			return []string{strconv.Itoa(a.severity)}, true
		case "severity_name":
			return []string{severityName(a.severity)}, true
		case "created_timestamp", "timestamp":
			return []string{stamp(a.created)}, true
		case "updated_timestamp":
			return []string{stamp(a.updated)}, true
		case "product":
			return []string{"epp"}, true
		case "tags":
			return a.tags, true
		case "sha256", "md5":
			if !hasFile {
				return nil, true
			}
			return []string{map[string]string{"sha256": f.SHA256, "md5": f.MD5}[name]}, true
		}
		return nil, false
	}
}
