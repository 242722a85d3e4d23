package guardduty

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/safe"
)

// sequence is an attack sequence: what Extended Threat Detection saw as one attack.
type sequence struct {
	Actors list[struct {
		Process struct {
			Path   text `json:"path"`
			Sha256 text `json:"sha256"`
		} `json:"process"`
	}] `json:"actors"`
	Resources  list[sequenceResource] `json:"resources"`
	Signals    list[signal]           `json:"signals"`
	Indicators list[indicator]        `json:"sequenceIndicators"`
}

type sequenceResource struct {
	UID     text      `json:"uid"`
	Name    text      `json:"name"`
	Account text      `json:"accountId"`
	Region  text      `json:"region"`
	Type    text      `json:"resourceType"`
	Tags    list[tag] `json:"tags"`
	Data    struct {
		Instance struct {
			Profile struct {
				ARN text `json:"arn"`
			} `json:"IamInstanceProfile"` // a capital I on the wire, here alone
		} `json:"ec2Instance"`
	} `json:"data"`
}

type signal struct {
	UID        text            `json:"uid"`
	Type       text            `json:"type"`
	Indicators list[indicator] `json:"signalIndicators"`
}

type indicator struct {
	Key    text       `json:"key"`
	Values list[text] `json:"values"`
}

func (f *finding) isSequence() bool { return strings.HasPrefix(string(f.Type), sequencePrefix) }

const sequencePrefix = "AttackSequence:"

// sequenceTypes are the attack sequences of today, for the criterion on type, which
// knows no prefix.
func sequenceTypes() []string {
	return []string{"AttackSequence:EC2/CompromisedInstanceGroup", "AttackSequence:ECS/CompromisedCluster",
		"AttackSequence:EKS/CompromisedCluster", "AttackSequence:IAM/CompromisedCredentials", "AttackSequence:S3/CompromisedData"}
}

// Target is one resource that an attack sequence is about. A response asks for each.
type Target struct {
	// Type is EC2_INSTANCE, IAM_INSTANCE_PROFILE, ACCESS_KEY, S3_BUCKET, EKS_CLUSTER and
	// so on, as GuardDuty names it.
	Type    string `json:"type"`
	ID      string `json:"id"` // i-0123…; the last element where GuardDuty gives an ARN
	Name    string `json:"name,omitempty"`
	Account string `json:"account,omitempty"`
	Region  string `json:"region,omitempty"`
	Profile string `json:"instance_profile_arn,omitempty"` // of an EC2_INSTANCE
}

// Targets gives the resources of an attack sequence, from an alert's or an incident's
// raw object; none of any other finding.
func Targets(raw json.RawMessage) []Target {
	f, err := decodeFinding(raw)
	if err != nil {
		return nil
	}
	var out []Target
	for _, r := range f.Service.Detection.Sequence.Resources {
		uid := string(r.UID)
		out = append(out, Target{Type: string(r.Type), ID: uid[strings.LastIndexAny(uid, "/:")+1:], Name: string(r.Name),
			Account: cmp.Or(string(r.Account), string(f.AccountID)), Region: cmp.Or(string(r.Region), string(f.Region)),
			Profile: string(r.Data.Instance.Profile.ARN)})
	}
	return out
}

// summary counts the resources by type: "2 ec2 instances, 1 iam instance profile".
func (s sequence) summary() string {
	var types []string
	count := map[string]int{}
	for _, r := range s.Resources {
		t := strings.ToLower(strings.ReplaceAll(string(r.Type), "_", " "))
		if count[t]++; count[t] == 1 {
			types = append(types, t)
		}
	}
	for i, t := range types {
		plural := ""
		if count[t] != 1 {
			plural = "s"
		}
		types[i] = fmt.Sprintf("%d %s%s", count[t], t, plural)
	}
	return strings.Join(types, ", ")
}

var techniqueID = safe.Pattern(`\bT[0-9]{4}(\.[0-9]{3})?\b`)

// techniques are the MITRE techniques among the indicators of the sequence and of its
// signals.
func (s sequence) techniques() []alert.Technique {
	var ids []string
	read := func(is []indicator) {
		for _, i := range is {
			if i.Key != "ATTACK_TECHNIQUE" {
				continue
			}
			for _, v := range i.Values {
				ids = append(ids, techniqueID().FindString(string(v)))
			}
		}
	}
	read(s.Indicators)
	for _, sig := range s.Signals {
		read(sig.Indicators)
	}
	slices.Sort(ids)
	var out []alert.Technique
	for _, id := range slices.Compact(ids) {
		if id != "" {
			out = append(out, alert.Technique{ID: id})
		}
	}
	return out
}

// incident gives a sequence with its alerts: itself, because its actors name files, and
// the findings among its signals. A signal's uid is the finding's id or its ARN.
func (f *finding) incident(a alert.Alert) alert.Incident {
	in := alert.Incident{Ref: alert.Ref{Source: a.Ref.Source, Incident: true, ID: a.ID}, ID: a.ID, Title: a.Title, Severity: a.Severity,
		Status: a.Status, Created: a.Created, Updated: a.Updated, Alerts: []alert.Handle{a.Handle}, URL: a.URL, Raw: a.Raw}
	if what := f.Service.Detection.Sequence.summary(); what != "" {
		in.Title += " (" + what + ")"
	}
	for _, s := range f.Service.Detection.Sequence.Signals {
		if s.Type != "FINDING" || s.UID == "" {
			continue
		}
		uid := string(s.UID)
		id := alertID(string(f.Region), uid[strings.LastIndexAny(uid, "/:")+1:])
		in.Alerts = append(in.Alerts, alert.Handle{ID: id, Note: id, Group: a.ID, Locator: a.Locator})
	}
	return in
}
