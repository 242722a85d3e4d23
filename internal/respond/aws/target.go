package aws

import (
	"encoding/json"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/respond"
	"edrc/internal/safe"
)

var (
	instanceID = safe.Pattern(`^i-[0-9a-f]{8,17}$`)
	// keyID is an access key: AKIA is long-term, ASIA is of a session.
	keyID    = safe.Pattern(`^(AKIA|ASIA)[A-Z0-9]{12,124}$`)
	roleName = safe.Pattern(`^[\w+=,.@-]{1,64}$`)
	profile  = safe.Pattern(`^[\w+=,.@-]{1,128}$`)
	account  = safe.Pattern(`^[0-9]{12}$`)
	region   = safe.Pattern(`^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`)
)

// sampleInstance is what GuardDuty's sample findings name.
const sampleInstance = "i-99999999"

// reservedSample reports whether an id stands only in sample findings.
func reservedSample(id string) bool {
	return id == sampleInstance || strings.HasPrefix(id, "GeneratedFinding")
}

// ParseTarget reads what a person typed for a verb: an id, a role's name or an ARN.
// The error is fault.Usage and says what is taken.
func ParseTarget(v respond.Verb, s string) (respond.Target, error) {
	t, ok := parseARN(s)
	if !ok {
		t, ok = parseID(v, s)
	}
	if ok && takes(v, t.Kind) {
		return t, nil
	}
	return respond.Target{}, fault.Usagef("%q is nothing to %s", s, v).WithHint("%s", wants(v))
}

func takes(v respond.Verb, k respond.TargetKind) bool {
	switch v {
	case respond.StopInstance, respond.IsolateInstance:
		return k == respond.Instance
	case respond.IsolateRole:
		return k == respond.Role || k == respond.Instance || k == respond.Profile
	case respond.DisableKey:
		return k == respond.Key
	}
	return false
}

func wants(v respond.Verb) string {
	switch v {
	case respond.IsolateRole:
		return "give a role's name or ARN, an instance id, the ARN of an instance profile, or the REF of an alert"
	case respond.DisableKey:
		return "give a long-term access key (AKIA…), or the REF of an alert"
	}
	return "give an instance id (i-…) or ARN, or the REF of an alert"
}

func parseID(v respond.Verb, s string) (respond.Target, bool) {
	switch {
	case instanceID().MatchString(s):
		return respond.Target{Kind: respond.Instance, ID: s}, true
	case keyID().MatchString(s):
		return respond.Target{Kind: respond.Key, ID: s}, true
	case v == respond.IsolateRole && roleName().MatchString(s):
		return respond.Target{Kind: respond.Role, ID: s}, true
	}
	return respond.Target{}, false
}

// parseARN reads arn:partition:service:region:account:resource of an instance, a role,
// the session of a role or an instance profile.
func parseARN(s string) (respond.Target, bool) {
	p := strings.SplitN(s, ":", 6)
	if len(p) != 6 || p[0] != "arn" || !account().MatchString(p[4]) {
		return respond.Target{}, false
	}
	kind, rest, _ := strings.Cut(p[5], "/")
	t := respond.Target{Account: p[4]}
	switch p[2] + ":" + kind {
	case "ec2:instance":
		t.Kind, t.ID, t.Region = respond.Instance, rest, p[3]
		return t, instanceID().MatchString(rest) && region().MatchString(p[3])
	case "iam:role":
		t.Kind, t.ID = respond.Role, rest[strings.LastIndexByte(rest, '/')+1:]
		return t, roleName().MatchString(t.ID)
	case "iam:instance-profile":
		t.Kind, t.ID = respond.Profile, rest[strings.LastIndexByte(rest, '/')+1:]
		return t, profile().MatchString(t.ID)
	case "sts:assumed-role":
		t.Kind = respond.Role
		t.ID, _, _ = strings.Cut(rest, "/")
		return t, roleName().MatchString(t.ID)
	}
	return respond.Target{}, false
}

// finding is the part of a GuardDuty finding that names what can be contained. Its
// keys are matched without regard to case, so the forms of the API and of the command
// line tool both fit.
type finding struct {
	AccountID string `json:"accountId"`
	Region    string `json:"region"`
	Title     string `json:"title"`
	Resource  struct {
		InstanceDetails struct {
			InstanceID string `json:"instanceId"`
		} `json:"instanceDetails"`
		AccessKeyDetails struct {
			AccessKeyID string `json:"accessKeyId"`
			UserName    string `json:"userName"`
			UserType    string `json:"userType"`
		} `json:"accessKeyDetails"`
		LambdaDetails struct {
			Role string `json:"role"`
		} `json:"lambdaDetails"`
	} `json:"resource"`
	Service struct {
		AdditionalInfo json.RawMessage `json:"additionalInfo"`
		Detection      struct {
			Sequence struct {
				Resources []sequenceResource `json:"resources"`
			} `json:"sequence"`
		} `json:"detection"`
	} `json:"service"`
}

type sequenceResource struct {
	UID          string `json:"uid"`
	Name         string `json:"name"`
	AccountID    string `json:"accountId"`
	Region       string `json:"region"`
	ResourceType string `json:"resourceType"`
	Data         struct {
		AccessKey struct {
			UserName string `json:"userName"`
			UserType string `json:"userType"`
		} `json:"accessKey"`
	} `json:"data"`
}

// sample reports whether GuardDuty made the finding up: additionalInfo says so, as
// JSON or as JSON inside a string.
func (f finding) sample() bool {
	info := strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(string(f.Service.AdditionalInfo)), `\`, ""), " ", "")
	return strings.HasPrefix(f.Title, "[SAMPLE]") || strings.Contains(info, `"sample":true`) || strings.Contains(info, `"sample":"true"`)
}

// Targets gives what a verb can act on in a GuardDuty finding: several when it is an
// attack sequence. Samples are marked. An empty result is fault.NotFound.
func Targets(v respond.Verb, a alert.Alert) ([]respond.Target, error) {
	var f finding
	if err := json.Unmarshal(a.Raw, &f); err != nil {
		return nil, fault.New(fault.Invalid, "%s is not a GuardDuty finding that can be read: %w", a.Ref, err)
	}
	var out []respond.Target
	add := func(t respond.Target, ok bool) {
		t.Sample = f.sample() || reservedSample(t.ID)
		if t.Account == "" {
			t.Account = f.AccountID
		}
		if t.Kind == respond.Instance && t.Region == "" {
			t.Region = f.Region
		}
		if !ok || !takes(v, t.Kind) || !account().MatchString(t.Account) || t.Region != "" && !region().MatchString(t.Region) {
			return
		}
		for _, o := range out {
			if o == t {
				return
			}
		}
		out = append(out, t)
	}
	key := f.Resource.AccessKeyDetails
	add(roleOf(key.UserName, key.UserType))
	add(respond.Target{Kind: respond.Key, ID: key.AccessKeyID}, strings.HasPrefix(key.AccessKeyID, "AKIA") && keyID().MatchString(key.AccessKeyID))
	role, ok := parseARN(f.Resource.LambdaDetails.Role)
	add(role, ok)
	id := f.Resource.InstanceDetails.InstanceID
	add(respond.Target{Kind: respond.Instance, ID: id}, instanceID().MatchString(id))
	for _, r := range f.Service.Detection.Sequence.Resources {
		add(r.target())
		if t, ok := roleOf(r.Data.AccessKey.UserName, r.Data.AccessKey.UserType); ok {
			t.Account = r.AccountID
			add(t, ok)
		}
	}
	if len(out) == 0 {
		return nil, fault.New(fault.NotFound, "%s names nothing to %s", a.Ref, v).WithHint("%s", wants(v))
	}
	return out, nil
}

// roleOf gives the role whose session a key belongs to: its user's name is the role's then.
func roleOf(user, kind string) (respond.Target, bool) {
	return respond.Target{Kind: respond.Role, ID: user}, (kind == "AssumedRole" || kind == "Role") && roleName().MatchString(user)
}

// target reads one resource of an attack sequence; its uid is an ARN or an id.
func (r sequenceResource) target() (respond.Target, bool) {
	t, ok := parseARN(r.UID)
	if !ok {
		id := r.UID[strings.LastIndexAny(r.UID, "/:")+1:]
		switch {
		case instanceID().MatchString(id):
			t, ok = respond.Target{Kind: respond.Instance, ID: id, Account: r.AccountID, Region: r.Region}, true
		case strings.HasPrefix(id, "AKIA") && keyID().MatchString(id):
			t, ok = respond.Target{Kind: respond.Key, ID: id, Account: r.AccountID}, true
		case r.ResourceType == "IAM_INSTANCE_PROFILE":
			t, ok = respond.Target{Kind: respond.Profile, ID: id, Account: r.AccountID}, profile().MatchString(id)
		}
	}
	return t, ok
}
