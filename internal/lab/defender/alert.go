package defender

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"edrc/internal/lab/world"
)

// alert is one alert; what a reply shows of it is made in render.go.
type alert struct {
	id, title, severity, category string
	status                        string
	classification, determination string // "" is null
	assigned                      string
	incident                      *incident
	machine                       *machine
	file                          *world.File
	process                       bool // the file ran
	technique                     string
	created, updated              time.Time
	comments                      []comment
	evidence                      json.RawMessage // as it was rendered when the machine had this health
	health                        string
}

type incident struct {
	id, title, severity, status   string
	classification, determination string
	assigned, redirect            string
	tags                          []string
	created, updated              time.Time
	comments                      []comment
	alerts                        []*alert
}

type comment struct {
	text, by string
	at       time.Time
	from     time.Time // when it can be seen
}

type machine struct {
	id, name, os, version, health string
	sessions                      int // live responses so far
}

// addition says what alert is to be made.
type addition struct {
	age     time.Duration
	at      time.Time // if set, instead of age
	machine *machine
	file    *world.File
}

// tick is the vendor's resolution of time.
const tick = 100 * time.Nanosecond

func (v *Vendor) add(a addition) *alert {
	n := v.next
	v.next++
	at := a.at
	if at.IsZero() {
		at = v.opt.Now().Add(-a.age)
	}
	at = at.UTC().Truncate(tick)
	kinds := []struct{ title, category, technique string }{
		{"Suspicious execution of hidden file", "DefenseEvasion", "T1564.001"}, {"Malware was prevented", "Malware", ""},
		{"Suspicious PowerShell command line", "Execution", "T1059.001"}, {"Credential dumping activity observed", "CredentialAccess", "T1003.001"},
	}
	kind := kinds[n%len(kinds)]
	out := &alert{
		id:    fmt.Sprintf("da%018d_%d", 638_000_000_000_000_000+int64(n)*977, v.rng.IntN(2_000_000_000)-1_000_000_000),
		title: kind.title, category: kind.category, technique: kind.technique,
		severity: []string{"low", "medium", "high", "informational"}[v.rng.IntN(4)], status: "new",
		machine: a.machine, file: a.file, process: n%3 == 0, created: at, updated: at,
	}
	if out.machine == nil {
		out.machine = v.machines[v.rng.IntN(len(v.machines))]
	}
	if out.file == nil && len(v.opt.Files) > 0 {
		out.file = &v.opt.Files[n%len(v.opt.Files)]
	}
	v.join(out)
	v.alerts = append(v.alerts, out)
	v.byID[out.id] = out
	return out
}

// join puts an alert into an incident: three follow each other into one.
func (v *Vendor) join(a *alert) {
	var i *incident
	if len(v.order) > 0 {
		i = v.order[len(v.order)-1]
	}
	if i == nil || len(i.alerts) >= 3 {
		i = &incident{
			id: strconv.Itoa(28000 + len(v.order)), title: "Multi-stage incident on " + a.machine.name, severity: a.severity,
			status: "active", created: a.created, updated: a.updated,
		}
		v.order = append(v.order, i)
		v.incidents[i.id] = i
	}
	i.alerts = append(i.alerts, a)
	a.incident = i
}

func (v *Vendor) addMachine(online bool) *machine {
	n := len(v.machines)
	m := &machine{
		id: fmt.Sprintf("%040x", 0x51ab+uint64(n)*0x9e3779b97f4a7c15), name: fmt.Sprintf("desk-%03d.lab.example", n), os: "Windows11", version: "23H2", health: "Active",
	}
	switch n % 5 {
	case 3:
		m.name, m.os, m.version = fmt.Sprintf("srv-%03d.lab.example", n), "WindowsServer2022", "21H2"
	case 4:
		m.name, m.os, m.version = fmt.Sprintf("build-%03d.lab.example", n), "Ubuntu", "22.04"
	}
	if !online {
		m.health = "Inactive"
	}
	v.machines = append(v.machines, m)
	v.byMachine[m.id] = m
	return m
}

// purge takes an alert away, as its age does.
func (v *Vendor) purge(id string) bool {
	a := v.byID[id]
	if a == nil {
		return false
	}
	delete(v.byID, id)
	is := func(o *alert) bool { return o == a }
	v.alerts = slices.DeleteFunc(v.alerts, is)
	a.incident.alerts = slices.DeleteFunc(a.incident.alerts, is)
	return true
}

// touch moves an alert's updated time.
func (v *Vendor) touch(a *alert) { a.updated = v.opt.Now().UTC().Truncate(tick) }

// note adds a comment that can be seen after a while.
func (v *Vendor) note(to *[]comment, text, by string, lag time.Duration) {
	now := v.opt.Now().UTC().Truncate(tick)
	*to = append(*to, comment{text, by, now, now.Add(lag)})
}
