package wiz

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/safe"
)

// Resource is where a detection's resource is in its cloud.
type Resource struct {
	Platform string `json:"platform,omitempty"` // AWS, GCP, Azure
	Account  string `json:"account,omitempty"`  // the cloud's own id of it
	Region   string `json:"region,omitempty"`
	ID       string `json:"id,omitempty"`  // of an EC2 instance i-…
	ARN      string `json:"arn,omitempty"` // or what the cloud has in its place
	Type     string `json:"type,omitempty"`
}

// locator is what a handle keeps.
type locator struct {
	Type     string    `json:"type,omitempty"`
	Resource *Resource `json:"resource,omitempty"`
}

// maxLocator is what a handle may keep, in bytes.
const maxLocator = 1024

// ResourceOf gives the resource of an alert of this source; false when it names none.
func ResourceOf(h alert.Handle) (Resource, bool) {
	if l := readLocator(h); l.Resource != nil {
		return *l.Resource, true
	}
	return Resource{}, false
}

func readLocator(h alert.Handle) locator {
	var l locator
	if json.Unmarshal(h.Locator, &l) != nil {
		return locator{}
	}
	return l
}

// locator makes what a handle keeps; what does not fit is left out.
func (d detection) locator() json.RawMessage {
	r := d.resource()
	l := locator{Type: short(d.Type)}
	res := Resource{
		Platform: short(r.Account.Provider), Account: short(r.Account.External), Region: short(r.Region),
		ID: short(r.External), ARN: short(r.Unique), Type: short(r.Type),
	}
	if res != (Resource{}) {
		l.Resource = &res
	}
	for {
		raw, err := json.Marshal(l)
		switch {
		case err != nil:
			return nil
		case len(raw) <= maxLocator:
			return raw
		case l.Resource != nil:
			l.Resource = nil
		default:
			l.Type = ""
		}
	}
}

// short leaves out what is too long to be an id.
func short(t text) string {
	if len(t) > 256 {
		return ""
	}
	return string(t)
}

// repeats names the finding of the first origin that edrc can read itself, where its id
// is told. An id that another tenant could have, too, is none.
func (d detection) repeats() alert.Finding {
	for _, origin := range d.Origins {
		for _, m := range Origins() {
			if string(origin) != m.Vendor {
				continue
			}
			for _, e := range append(d.First.Nodes, d.Events.Nodes...) {
				if id := e.nativeID(m.Ours); id != "" {
					return alert.Finding{Kind: m.Ours, ID: id}
				}
			}
			return alert.Finding{}
		}
	}
	return alert.Finding{}
}

// nativeID finds the id that the product gave to its finding: region/findingId of
// GuardDuty, the composite id of Falcon, which has the customer's id in it, the threat id
// of SentinelOne, the system alert id of Defender for Cloud, which Microsoft's own alerts
// carry as providerAlertId. How the raw record is built is not documented for any origin
// (UNCERTAIN): it is searched for what only the id can be.
func (e event) nativeID(kind string) string {
	record := e.record()
	switch kind {
	case "guardduty":
		return e.guardDutyID(record)
	case "defender":
		return match(systemAlert(), find(record, 0, "systemalertid", "provideralertid"))
	case "crowdstrike":
		return match(compositeID(), find(record, 0, "composite_id", "compositeid"))
	case "sentinelone":
		return match(threatForm(), find(record, 0, "threatid", "threat_id"))
	}
	return ""
}

// record is the raw record, which may come as JSON in a string.
func (e event) record() any {
	var v any
	if json.Unmarshal(e.Record, &v) != nil {
		return nil
	}
	if s, ok := v.(string); ok {
		v = nil
		_ = json.Unmarshal([]byte(s), &v)
	}
	return v
}

var (
	findingARN = safe.Pattern(`^arn:aws[a-z-]*:guardduty:([a-z0-9-]{5,30}):\d{12}:detector/[0-9a-zA-Z]{1,64}/finding/([0-9a-zA-Z]{1,64})$`)
	findingID  = safe.Pattern(`^[0-9a-f]{32}$`)
	regionForm = safe.Pattern(`^[a-z]{2}(-[a-z]+)+-\d{1,2}$`)
	// Forms that are long enough to be nobody else's.
	systemAlert = safe.Pattern(`^[0-9A-Za-z_-]{16,128}$`)
	compositeID = safe.Pattern(`^[0-9a-f]{32}:[0-9A-Za-z:._-]{8,200}$`)
	threatForm  = safe.Pattern(`^\d{15,20}$`)
)

// guardDutyID gives region/findingId: of the finding's ARN, of its id and region, or of
// the link to its page in the console.
func (e event) guardDutyID(record any) string {
	if m := findingARN().FindStringSubmatch(find(record, 0, "arn")); m != nil {
		return m[1] + "/" + m[2]
	}
	id, region := match(findingID(), find(record, 0, "id")), match(regionForm(), find(record, 0, "region"))
	if id == "" {
		id = match(findingID(), string(e.External))
	}
	if u, err := url.Parse(string(e.Link)); err == nil && (id == "" || region == "") {
		_, inside, _ := strings.Cut(u.Fragment, "?")
		q, _ := url.ParseQuery(inside)
		if id == "" {
			id = match(findingID(), q.Get("fId"))
		}
		if region == "" {
			region = match(regionForm(), u.Query().Get("region"))
		}
	}
	if id == "" || region == "" {
		return ""
	}
	return region + "/" + id
}

func match(form *regexp.Regexp, s string) string {
	if form.MatchString(s) {
		return s
	}
	return ""
}

// find looks for a text under one of some keys, in lower case, the nearest first: a
// record may stand inside an envelope ("detail"), or in the one element of a list.
func find(v any, depth int, keys ...string) string {
	const deepest = 3
	var inner []any
	switch v := v.(type) {
	case map[string]any:
		for _, key := range keys {
			for name, value := range v {
				if s, ok := value.(string); ok && strings.EqualFold(name, key) && s != "" {
					return s
				}
			}
		}
		for _, name := range []string{"detail", "Detail", "finding", "Finding", "threatInfo", "properties", "alert", "data", "service", "resource"} {
			inner = append(inner, v[name])
		}
	case []any:
		if len(v) == 1 {
			inner = v
		}
	}
	if depth == deepest {
		return ""
	}
	for _, value := range inner {
		if s := find(value, depth+1, keys...); s != "" {
			return s
		}
	}
	return ""
}
