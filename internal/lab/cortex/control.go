package cortex

import (
	"fmt"

	"edrc/internal/lab/world"
)

// instruction is what a verb takes; which fields, the verb says.
type instruction struct {
	ID         string     `json:"id"`
	IDs        []string   `json:"ids"`
	Text       string     `json:"text"`
	Host       string     `json:"host"`
	Online     bool       `json:"online"`
	Time       world.Span `json:"time"`
	Permission string     `json:"permission"`
	Missing    bool       `json:"missing"`
	Valid      bool       `json:"valid"`
	Status     string     `json:"status"`
	Version    string     `json:"version"`
	Type       string     `json:"type"`
	Path       string     `json:"path"`
	Inclusive  bool       `json:"inclusive"`
	Silent     bool       `json:"silent"`
	Password   string     `json:"password"`
	Count      int        `json:"count"`
}

// Control implements world.Vendor:
//
//	note {"id","text"}          somebody else's comment on the incident of an alert, visible at once
//	purge {"ids"}               alerts disappear
//	status {"id","status"}      somebody else changes an alert
//	token {"valid"}             the API key is deleted, or restored
//	key {"type"}                the API key is "standard" or "advanced"
//	version {"version"}         the tenant speaks "3" (incidents) or "5" (cases, too)
//	retire {"path"}             calls whose path starts so are gone: "v1/incidents/"
//	permission {"permission","missing"}  what the key's role lacks; "licence": what the tenant does
//	offline {"host","online"}   a host, by name or id
//	fetch {"time"}              how long an endpoint takes: "2s"
//	expire {}                   the action center forgets what it has
//	action {"status"}           what every action has come to: "FAILED", "" as it is
//	archive {"password"}        of what endpoints hand over, "" in clear
//	window {"inclusive"}        search_to belongs to the window
//	comments {"silent"}         incidents come without their comments
//	throttle {"count"}          the next requests are answered with a 429
func (v *Vendor) Control(verb string, body []byte) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var o instruction
	if err := world.Decode(verb, body, &o); err != nil {
		return err
	}
	switch verb {
	case "note", "status":
		return v.touch(verb, o)
	case "purge":
		v.purge(o.IDs)
	case "token":
		v.refused = !o.Valid
	case "key":
		v.standard = o.Type == "standard"
		if !v.standard && o.Type != "advanced" {
			return fmt.Errorf("key: no type %q", o.Type)
		}
	case "version":
		if o.Version != "3" && o.Version != "5" {
			return fmt.Errorf("version: no version %q", o.Version)
		}
		v.version = o.Version
	case "retire":
		v.retired = append(v.retired, o.Path)
	case "permission":
		v.missing[o.Permission] = o.Missing
	case "throttle":
		v.throttled = o.Count
	default:
		return v.obey(verb, o)
	}
	return nil
}

// touch changes an alert, or its incident.
func (v *Vendor) touch(verb string, o instruction) error {
	a := v.alert(o.ID)
	switch {
	case a == nil:
		return fmt.Errorf("%s: no alert %q", verb, o.ID)
	case verb == "status":
		a.status, a.modified = o.Status, v.now()
	case a.incident == nil:
		return fmt.Errorf("note: the alert %s belongs to no incident", o.ID)
	default:
		v.say(a.incident, o.Text, "another tool", 0)
	}
	return nil
}

// obey is for what happens to endpoints.
func (v *Vendor) obey(verb string, o instruction) error {
	switch verb {
	case "offline":
		h := v.byHost[o.Host]
		if h == nil {
			return fmt.Errorf("offline: no host %q", o.Host)
		}
		h.offline = !o.Online
	case "fetch":
		v.fetch = o.Time.Duration
	case "expire":
		clear(v.actions)
	case "action":
		for _, a := range v.actions {
			a.status = o.Status
		}
	case "archive":
		v.archive = o.Password
	case "window":
		v.inclusive = o.Inclusive
	case "comments":
		v.silent = o.Silent
	default:
		return fmt.Errorf("unknown verb %q", verb)
	}
	return nil
}
