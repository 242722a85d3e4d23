package awsconn

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"edrc/internal/fault"
	"edrc/internal/httpx"
)

// Options say which AWS is meant, as they stand in the configuration. All of them may
// be left out: then the standard AWS environment decides.
type Options struct {
	// Profile is a profile of ~/.aws/config; default AWS_PROFILE.
	Profile string `yaml:"profile"`
	// Regions to work in; default the region of the environment or the profile.
	Regions []string `yaml:"regions"`
	// Accounts to work in; default the credential's own.
	Accounts []Account `yaml:"accounts"`
	// SourceIdentity is set on every assumed role and shows in CloudTrail. It needs
	// sts:SetSourceIdentity in both policies.
	SourceIdentity string `yaml:"source_identity"`

	// EndpointURL replaces the endpoint of every service: a proxy, or the lab.
	EndpointURL string `yaml:"endpoint_url"`
	// A key pair, instead of what the AWS environment has.
	AccessKeyID     string       `yaml:"access_key_id"`
	SecretAccessKey httpx.Secret `yaml:"secret_access_key"`
	SessionToken    httpx.Secret `yaml:"session_token"`
}

// Account is one account to work in. Without a role it is the credential's own.
type Account struct {
	ID         string `yaml:"id"`
	RoleARN    string `yaml:"role_arn"`
	ExternalID string `yaml:"external_id"`
}

var (
	regionName = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`)
	accountID  = regexp.MustCompile(`^[0-9]{12}$`)
	roleARN    = regexp.MustCompile(`^arn:(aws[a-z-]*):iam::([0-9]{12}):role/[\x21-\x7e]{1,512}$`)
	// The patterns of STS AssumeRole.
	externalID = regexp.MustCompile(`^[\w+=,.@:/-]+$`) // 2 to 1224 of them
	identity   = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
)

// check says what is wrong, as fault.Usage.
func (o Options) check() error {
	for i, r := range o.Regions {
		switch {
		case !regionName.MatchString(r):
			return fault.Usagef("regions: %q is not a region", r).WithHint("write them as us-east-1")
		case slices.Contains(o.Regions[:i], r):
			return fault.Usagef("regions: %s stands there twice", r)
		case Partition(r) != Partition(o.Regions[0]):
			return fault.Usagef("regions: %s and %s are in different partitions of AWS", o.Regions[0], r).
				WithHint("each partition has credentials of its own: make it a source of its own")
		}
	}
	for i, a := range o.Accounts {
		if slices.ContainsFunc(o.Accounts[:i], func(b Account) bool { return a.ID == b.ID }) {
			return fault.Usagef("accounts: %s stands there twice", a.ID)
		}
		if err := a.check(o.Regions); err != nil {
			return err
		}
	}
	if o.SourceIdentity != "" && !identity.MatchString(o.SourceIdentity) {
		return fault.Usagef("source_identity: 2 to 64 letters, digits and _+=,.@- are allowed")
	}
	return o.checkAccess()
}

func (a Account) check(regions []string) error {
	if !accountID.MatchString(a.ID) {
		return fault.Usagef("accounts: %q is not an account id", a.ID).WithHint(`an id has 12 digits; quote it: id: "012345678901"`)
	}
	if n := len(a.ExternalID); n > 0 && (n < 2 || n > 1224 || !externalID.MatchString(a.ExternalID)) {
		return fault.Usagef("accounts: the external_id of %s has characters that STS does not take", a.ID)
	}
	if a.RoleARN == "" {
		if a.ExternalID != "" {
			return fault.Usagef("accounts: %s has an external_id and no role_arn", a.ID)
		}
		return nil
	}
	m := roleARN.FindStringSubmatch(a.RoleARN)
	switch {
	case m == nil:
		return fault.Usagef("accounts: the role_arn of %s is not one", a.ID).WithHint("write it as arn:aws:iam::%s:role/NAME", a.ID)
	case m[2] != a.ID:
		return fault.Usagef("accounts: the role_arn of %s belongs to account %s", a.ID, m[2])
	case len(regions) > 0 && m[1] != Partition(regions[0]):
		return fault.Usagef("accounts: the role_arn of %s is of partition %s, and %s is of %s", a.ID, m[1], regions[0], Partition(regions[0]))
	}
	return nil
}

func (o Options) checkAccess() error {
	switch {
	case (o.AccessKeyID == "") != !o.SecretAccessKey.IsSet():
		return fault.Usagef("access_key_id and secret_access_key go together")
	case o.SessionToken.IsSet() && o.AccessKeyID == "":
		return fault.Usagef("session_token needs access_key_id and secret_access_key")
	case o.AccessKeyID != "" && o.Profile != "":
		return fault.Usagef("profile and access_key_id exclude each other")
	case o.EndpointURL == "":
		return nil
	}
	u, err := url.Parse(o.EndpointURL)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fault.Usagef("endpoint_url is not of the form https://host")
	case !secure(u):
		return fault.Usagef("endpoint_url: %s does not start with https://", u.Host).WithHint("plain http is accepted for this machine alone (127.0.0.1)")
	}
	return nil
}

// secure reports whether credentials may go to u.
func secure(u *url.URL) bool { return u.Scheme == "https" || u.Scheme == "http" && loopback(u) }

// loopback reports whether u points at this machine.
func loopback(u *url.URL) bool {
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.IsLoopback() || strings.EqualFold(u.Hostname(), "localhost")
}

// Partition gives the partition of a region: aws, aws-cn, aws-us-gov and so on.
func Partition(region string) string {
	for _, p := range [...]struct{ prefix, partition string }{
		{"cn-", "aws-cn"}, {"us-gov-", "aws-us-gov"}, {"us-isob-", "aws-iso-b"}, {"us-isof-", "aws-iso-f"},
		{"us-iso-", "aws-iso"}, {"eu-isoe-", "aws-iso-e"}, {"eusc-", "aws-eusc"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p.partition
		}
	}
	return "aws"
}
