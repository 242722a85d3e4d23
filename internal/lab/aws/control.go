package aws

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// command is the body of every verb of Control; a verb reads the fields that it needs.
type command struct {
	IDs      []string `json:"ids"` // region/findingId
	ID       string   `json:"id"`
	Text     string   `json:"text"`
	Count    int      `json:"count"`
	Age      string   `json:"age"`
	Kind     *int     `json:"kind"`
	Account  string   `json:"account"`
	Region   string   `json:"region"`
	Action   string   `json:"action"`
	Archived *bool    `json:"archived"`
	On       *bool    `json:"on"`
}

// Control implements world.Vendor. The verbs:
//
//	alerts    {count, age, kind, account, region, archived}  add findings
//	touch     {ids, archived}      the activity went on; a suppression rule archived them
//	purge     {ids}                they are past their 90 days
//	note      {id, text}           another tool gave feedback with this comment
//	revoke    {on}                 no key is accepted
//	throttle  {account, region, on}
//	deny      {account, region, action}  an operation, "*" for each, "" for none
//	off       {account, region}    GuardDuty is switched off there
//	narrow    {on}                 hash attributes are not accepted as criteria
//	sequence  {account, region, count}   an attack sequence over new findings
func (v *Vendor) Control(verb string, body []byte) error {
	var c command
	if len(bytes.TrimSpace(body)) > 0 {
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		if err := d.Decode(&c); err != nil {
			return fmt.Errorf("aws: %s: %w", verb, err)
		}
	}
	if verb == "alerts" {
		return v.addByCommand(c)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	at := place{cmpOr(c.Account, v.own.Accounts[0]), cmpOr(c.Region, v.own.Regions[0])}
	on := c.On == nil || *c.On
	switch verb {
	case "touch":
		return v.each(c.IDs, func(f *finding) {
			v.touch(f)
			if c.Archived != nil {
				f.archived = *c.Archived
			}
		})
	case "purge":
		return v.each(c.IDs, v.purge)
	case "note":
		return v.each([]string{c.ID}, func(f *finding) { f.comment, f.feedback = c.Text, cmpOr(f.feedback, "USEFUL") })
	case "revoke":
		v.revoked = on
	case "throttle":
		v.troubles[at] = trouble{throttled: on}
	case "deny":
		v.troubles[at] = trouble{denied: c.Action}
	case "off":
		if d := v.detectors[at]; d != nil {
			delete(v.byID, d.id)
			delete(v.detectors, at)
		}
	case "narrow":
		v.narrow = on
	case "sequence":
		v.addSequence(at, c.Count)
	default:
		return fmt.Errorf("aws: there is no command %q", verb)
	}
	return nil
}

func (v *Vendor) addByCommand(c command) error {
	r := Request{Count: max(c.Count, 1), Account: c.Account, Region: c.Region, Archived: c.Archived != nil && *c.Archived}
	if c.Age != "" {
		age, err := time.ParseDuration(c.Age)
		if err != nil {
			return fmt.Errorf("aws: alerts: %w", err)
		}
		r.Age = age
	}
	if c.Kind != nil {
		if *c.Kind < 0 || *c.Kind >= kinds {
			return fmt.Errorf("aws: alerts: there is no kind %d", *c.Kind)
		}
		r.Kinds = []kind{kind(*c.Kind)}
	}
	v.Add(r)
	return nil
}

func (v *Vendor) addSequence(at place, count int) {
	now := v.opt.Now()
	for range max(count, 1) {
		for _, k := range []kind{KindVolume, KindRuntime, KindDNS} {
			v.make(k, at, now.Add(-time.Hour))
		}
		v.link(v.make(KindSequence, at, now.Add(-time.Minute)))
	}
}

func (v *Vendor) each(ids []string, do func(*finding)) error {
	for _, id := range ids {
		f := v.findings[id[strings.LastIndexByte(id, '/')+1:]]
		if f == nil {
			return fmt.Errorf("aws: there is no finding %q", id)
		}
		do(f)
	}
	v.version++
	return nil
}

func (v *Vendor) purge(f *finding) {
	delete(v.findings, f.id)
	for i, o := range v.order {
		if o == f {
			v.order = append(v.order[:i:i], v.order[i+1:]...)
			return
		}
	}
}
