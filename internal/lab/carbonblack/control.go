package carbonblack

import (
	"fmt"
	"slices"
	"strings"

	"edrc/internal/lab/world"
)

// command is the body of any verb; which fields count is the verb's.
type command struct {
	Count      int        `json:"count"`
	Age        world.Span `json:"age"`
	Equal      bool       `json:"equal_times"`
	ID         string     `json:"id"`
	IDs        []string   `json:"ids"`
	Text       string     `json:"text"`
	Host       string     `json:"host"` // name or id of a device, or the id of an alert
	Online     bool       `json:"online"`
	Time       world.Span `json:"time"`
	Valid      bool       `json:"valid"`
	Status     string     `json:"status"`
	Permission string     `json:"permission"`
	Missing    bool       `json:"missing"`
	Path       string     `json:"path"`
	Retired    bool       `json:"retired"`
	SHA256     string     `json:"sha256"`
	Held       bool       `json:"held"`
	Cut        bool       `json:"cut"`
	Mode       string     `json:"mode"`
	URL        string     `json:"url"`
}

// Control implements world.Vendor:
//
//	alerts {"count","age","equal_times"}  new alerts
//	note {"id","text"}               another tool's note, visible at once
//	purge {"ids"}                    alerts disappear
//	touch {"id","status"}            somebody else changes an alert
//	token {"valid"}                  the key is deleted, or restored
//	permission {"permission","missing"}  what the key may not do: "org.alerts READ", or "Enterprise EDR", a licence
//	retire {"path","retired"}        endpoints whose path has this in it are gone
//	offline {"host","online"}        a device, by name, id, or one of its alerts
//	fetch {"time"}                   how long a sensor takes to upload, or to go into quarantine: "2s"
//	file {"sha256","held","cut"}     what the store has of a file
//	expire {"id"}                    the store loses the file of an alert
//	links {"count"}                  the next so many links fail
//	jobs {"mode"}                    "stuck", "fail", "lie" (over, and nothing done) or ""
//	redirect {"url"}                 everything leads elsewhere; "" is none
func (v *Vendor) Control(verb string, body []byte) error {
	var c command
	if err := world.Decode(verb, body, &c); err != nil {
		return err
	}
	if verb == "alerts" {
		v.Add(max(c.Count, 1), c.Age.Duration, c.Equal)
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch verb {
	case "note", "touch", "expire":
		return v.controlAlert(verb, c)
	case "purge":
		v.purge(c.IDs)
	case "token":
		v.refused = !c.Valid
	case "permission":
		v.missing[c.Permission] = c.Missing
	case "retire":
		if delete(v.retired, c.Path); c.Retired {
			v.retired[c.Path] = true
		}
	case "offline":
		d := v.deviceNamed(c.Host)
		if d == nil {
			return fmt.Errorf("offline: no device %q", c.Host)
		}
		v.setOnline(d, c.Online)
	case "fetch":
		v.fetch = c.Time.Duration
	case "file":
		v.copies[strings.ToLower(c.SHA256)] = &stored{there: c.Held, cut: c.Cut}
	case "links":
		v.faulty = c.Count
	case "jobs":
		v.jobMode = c.Mode
	case "redirect":
		v.redirect = c.URL
	default:
		return fmt.Errorf("unknown verb %q", verb)
	}
	return nil
}

func (v *Vendor) controlAlert(verb string, c command) error {
	a := v.byID[c.ID]
	if a == nil {
		return fmt.Errorf("%s: no alert %q", verb, c.ID)
	}
	switch verb {
	case "note":
		v.newNote(a, c.Text, "another tool")
	case "touch":
		if c.Status != "" {
			a.status = c.Status
		}
		v.touch(a)
	case "expire":
		f := v.about(a)
		if f == nil || v.copies[f.SHA256] == nil {
			return fmt.Errorf("expire: the store has no file of alert %q", c.ID)
		}
		v.copies[f.SHA256].there, v.copies[f.SHA256].lost = false, true
	}
	return nil
}

func (v *Vendor) deviceNamed(s string) *device {
	if a := v.byID[s]; a != nil {
		return a.device
	}
	if i := slices.IndexFunc(v.devices, func(d *device) bool { return d.name == s || fmt.Sprint(d.id) == s }); i >= 0 {
		return v.devices[i]
	}
	return nil
}

// Uploads counts how often a sensor uploaded the file of an alert.
func (v *Vendor) Uploads(id string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	a := v.byID[id]
	if a == nil || v.about(a) == nil || v.copies[v.about(a).SHA256] == nil {
		return 0
	}
	return v.copies[v.about(a).SHA256].uploads
}
