package crowdstrike

import (
	"fmt"
	"slices"
	"strings"

	"edrc/internal/lab/world"
)

// instruction is what a verb takes; which fields, the verb says.
type instruction struct {
	ID      string     `json:"id"`
	IDs     []string   `json:"ids"`
	Text    string     `json:"text"`
	Host    string     `json:"host"`
	Online  bool       `json:"online"`
	Time    world.Span `json:"time"`
	Scope   string     `json:"scope"`
	Missing bool       `json:"missing"`
	SHA256  string     `json:"sha256"`
	Held    bool       `json:"held"`
	Valid   bool       `json:"valid"`
	Status  string     `json:"status"`
	Path    string     `json:"path"`
}

// Control implements world.Vendor:
//
//	note {"id","text"}          another tool's comment, visible at once
//	purge {"ids"}               alerts disappear
//	status {"id","status"}      somebody else changes an alert
//	token {"valid"}             the API client is deleted, or restored
//	expire {}                   access tokens end
//	sessions {}                 sessions with endpoints end
//	offline {"host","online"}   a host, by name or id
//	fetch {"time"}              how long an endpoint takes: "2s"
//	scope {"scope","missing"}   what the API client may not do: "Alerts: Write", or "licence:containment"
//	sample {"sha256","held"}    whether the cloud has a copy of a file
//	retiring {"path"}           replies of paths that start so announce their end; "" is none
//	throttle {"count","unit","wait"}  the next requests are 429; unit "s" or "ms", wait in seconds
//	place {"region","location","status"}  the tenant lives elsewhere; status 201 or 308
func (v *Vendor) Control(verb string, body []byte) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch verb {
	case "throttle":
		return world.Decode(verb, body, &v.slow)
	case "place":
		v.place = place{}
		return world.Decode(verb, body, &v.place)
	}
	var o instruction
	if err := world.Decode(verb, body, &o); err != nil {
		return err
	}
	return v.obey(verb, o)
}

func (v *Vendor) obey(verb string, o instruction) error {
	now := v.opt.Now()
	switch verb {
	case "note", "status":
		a := v.byID[o.ID]
		if a == nil {
			return fmt.Errorf("%s: no alert %q", verb, o.ID)
		}
		if verb == "status" {
			a.status, a.updated = o.Status, now
			return nil
		}
		a.comments = append(a.comments, comment{o.Text, "another tool", now, now})
	case "purge":
		for _, id := range o.IDs {
			delete(v.byID, id)
		}
		v.alerts = slices.DeleteFunc(v.alerts, func(a *falconAlert) bool { return slices.Contains(o.IDs, a.id) })
	case "token":
		if v.refused = !o.Valid; v.refused {
			clear(v.tokens)
		}
	case "expire":
		clear(v.tokens)
	case "sessions":
		clear(v.sessions)
	case "offline":
		h := v.find(o.Host)
		if h == nil {
			return fmt.Errorf("offline: no host %q", o.Host)
		}
		h.offline = !o.Online
	case "fetch":
		v.fetch = o.Time.Duration
	case "scope":
		v.missing[o.Scope] = o.Missing
	case "retiring":
		v.retiring = o.Path
	case "sample":
		v.samples[strings.ToLower(o.SHA256)] = o.Held
	default:
		return fmt.Errorf("unknown verb %q", verb)
	}
	return nil
}
