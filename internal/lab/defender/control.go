package defender

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"edrc/internal/lab/world"
)

// Add makes n alerts that were created age ago, all at the very same moment if equal,
// else at different ones, and gives their ids.
func (v *Vendor) Add(n int, age time.Duration, equal bool) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	at := v.opt.Now().Add(-age)
	ids := make([]string, 0, n)
	for i := range n {
		when := at
		if !equal {
			when = at.Add(-time.Duration(i) * 3137 * time.Microsecond)
		}
		ids = append(ids, v.add(addition{at: when}).id)
	}
	return ids
}

// AddFile makes an alert about a file on a machine of its own, which is online or not.
func (v *Vendor) AddFile(f *world.File, online bool) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.add(addition{age: time.Minute, machine: v.addMachine(online), file: f}).id
}

// AddMachines makes n machines more, the last of which is called "farm".
func (v *Vendor) AddMachines(n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range n {
		m := v.addMachine(true)
		if m.name = fmt.Sprintf("farm-%05d.lab.example", i); i == n-1 {
			m.name = "farm.lab.example"
		}
	}
}

// Plant puts a comment of another tool on an alert, or on "incident/" and an id,
// visible at once.
func (v *Vendor) Plant(id, text string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if i := v.incidents[strings.TrimPrefix(id, "incident/")]; i != nil && strings.HasPrefix(id, "incident/") {
		v.note(&i.comments, text, "another tool", 0)
		return nil
	}
	a := v.byID[id]
	if a == nil {
		return fmt.Errorf("alert %q is unknown", id)
	}
	v.note(&a.comments, text, "another tool", 0)
	return nil
}

// Fetches counts the live responses on the machine of an alert.
func (v *Vendor) Fetches(id string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	if a := v.byID[id]; a != nil {
		return a.machine.sessions
	}
	return 0
}

// OnPage sets what is called after each page of alerts, with its number: it may add
// alerts by add. nil ends it.
func (v *Vendor) OnPage(do func(add func(at time.Time) string)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.onPage = nil; do != nil {
		v.onPage = func() { do(func(at time.Time) string { return v.add(addition{at: at}).id }) }
	}
}

// command is the body of any verb; which fields count is the verb's.
type command struct {
	Count    int                 `json:"count"`
	Age      world.Span          `json:"age"`
	Equal    bool                `json:"equal_times"`
	ID       string              `json:"id"`
	IDs      []string            `json:"ids"`
	Text     string              `json:"text"`
	Host     string              `json:"host"` // name or id of a machine; of "online" also an alert
	Offline  bool                `json:"offline"`
	Valid    bool                `json:"valid"`
	Time     world.Span          `json:"time"`
	Status   string              `json:"status"`
	Into     string              `json:"into"`
	Resource string              `json:"resource"` // graph or mde
	On       bool                `json:"on"`
	Roles    map[string][]string `json:"roles"` // by graph and mde
}

// Control implements world.Vendor. The verbs: alerts {count, age, equal_times}, purge
// {ids}, touch {ids, status}, note {id, text}, token {valid}, expire-tokens {}, roles
// {roles}, licence {resource, on}, retire {resource, on}, live-response {on}, disorder
// {on}, unsorted {on}, offline {host, offline}, fetch {time}, expire {id}, cancel {host}, fail {host}, merge {id, into}.
func (v *Vendor) Control(verb string, body []byte) error {
	var c command
	if err := world.Decode(verb, body, &c); err != nil {
		return err
	}
	switch verb {
	case "alerts":
		v.Add(max(c.Count, 1), c.Age.Duration, c.Equal)
		return nil
	case "note":
		return v.Plant(c.ID, c.Text)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if verb == "fetch" {
		v.fetchTime = c.Time.Duration
		return nil
	}
	return v.control(verb, c)
}

func (v *Vendor) control(verb string, c command) error {
	resource := map[string]string{"graph": graph, "mde": mde}[c.Resource]
	switch verb {
	case "purge", "touch":
		for _, id := range c.IDs {
			a := v.byID[id]
			if a == nil {
				return fmt.Errorf("alert %q is unknown", id)
			}
			if verb == "purge" {
				v.purge(id)
				continue
			}
			if c.Status != "" {
				a.status = c.Status
			}
			v.touch(a)
		}
	case "token":
		if v.valid = c.Valid; !c.Valid {
			clear(v.tokens)
		}
	case "expire-tokens":
		clear(v.tokens)
	case "roles":
		for name, roles := range c.Roles {
			v.roles[map[string]string{"graph": graph, "mde": mde}[name]] = append([]string{}, roles...)
		}
		clear(v.tokens)
	case "licence":
		v.licensed[resource] = c.On
	case "retire":
		v.retired[resource] = c.On
	case "live-response":
		v.settings.liveResponse = c.On
	case "disorder":
		v.disorder = c.On
	case "unsorted":
		v.unsorted = c.On
	case "merge":
		from, into := v.incidents[c.ID], v.incidents[c.Into]
		if from == nil || into == nil {
			return fmt.Errorf("incident %q or %q is unknown", c.ID, c.Into)
		}
		from.status, from.redirect = "redirected", into.id
		into.alerts, from.alerts = append(into.alerts, from.alerts...), nil
	default:
		return v.controlMachine(verb, c)
	}
	return nil
}

// controlMachine are the verbs about one machine, named by itself or by an alert.
func (v *Vendor) controlMachine(verb string, c command) error {
	name := c.Host
	if name == "" {
		name = c.ID
	}
	var m *machine
	if a := v.byID[name]; a != nil {
		m = a.machine
	} else if i := slices.IndexFunc(v.machines, func(m *machine) bool { return m.name == name || m.id == name }); i >= 0 {
		m = v.machines[i]
	}
	switch {
	case !slices.Contains([]string{"offline", "expire", "cancel", "fail"}, verb):
		return fmt.Errorf("the verb %q is unknown", verb)
	case m == nil:
		return fmt.Errorf("%q is neither a machine nor an alert", name)
	case verb == "offline":
		if m.health = "Active"; c.Offline {
			m.health = "Inactive"
		}
		return nil
	}
	for _, a := range v.actions {
		if a.machine != m {
			continue
		}
		switch {
		case verb == "expire":
			a.expired = true
		case a.status == "" && verb == "cancel":
			a.status, a.ended = "Cancelled", v.opt.Now()
		case a.status == "" && verb == "fail":
			a.status, a.ended, a.failure = "Failed", v.opt.Now(), "The device refused."
		}
	}
	return nil
}
