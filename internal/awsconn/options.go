package awsconn

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/safe"
)

// Options say which AWS is meant, as they stand in the configuration. All of them may
// be left out: then the standard AWS environment decides.
type Options struct {
	// Profile is a profile of ~/.aws/config; default AWS_PROFILE.
	Profile string `yaml:"profile"`
	// Regions to work in; default the region of the environment or the profile.
	Regions Regions `yaml:"regions"`
	// Accounts to work in; default the credential's own.
	Accounts Accounts `yaml:"accounts"`
	// RoleName is the role of accounts that have no role_arn, with its path; ExternalID
	// goes with it.
	RoleName   string `yaml:"role_name"`
	ExternalID string `yaml:"external_id"`
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

// Regions are names of regions. All is every enabled one, and what stands beside it is
// worked in also where they cannot be found out.
type Regions []string

// OneWord is the word that may stand in place of the list.
func (Regions) OneWord() string { return All }

func (r Regions) all() bool { return slices.Contains(r, All) }

// named are the regions that stand there by name.
func (r Regions) named() []string {
	return slices.DeleteFunc(slices.Clone([]string(r)), func(s string) bool { return s == All })
}

// first is the first one that stands there by name, "" for none.
func (r Regions) first() string {
	for _, s := range r {
		if s != All {
			return s
		}
	}
	return ""
}

// Accounts are accounts to work in. All is every active one of the organisation, and
// what stands beside it is worked in also where they cannot be found out.
type Accounts []Account

// OneWord is the word that may stand in place of the list.
func (Accounts) OneWord() string { return All }

func (as Accounts) all() bool {
	return slices.ContainsFunc(as, func(a Account) bool { return a.ID == All })
}

// named are the ids that stand there.
func (as Accounts) named() []string {
	var out []string
	for _, a := range as {
		if a.ID != All {
			out = append(out, a.ID)
		}
	}
	return out
}

// Account is one account to work in. Without a role it is entered by role_name, or is
// the credential's own.
type Account struct {
	ID         string `yaml:"id"`
	RoleARN    string `yaml:"role_arn"`
	ExternalID string `yaml:"external_id"`
}

// UnmarshalText reads an account that is written as its id alone, or all.
func (a *Account) UnmarshalText(b []byte) error {
	*a = Account{ID: string(b)}
	return nil
}

var (
	regionName = safe.Pattern(`^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`)
	accountID  = safe.Pattern(`^[0-9]{12}$`)
	roleARN    = safe.Pattern(`^arn:(aws[a-z-]*):iam::([0-9]{12}):role/[\x21-\x7e]{1,512}$`)
	roleName   = safe.Pattern(`^[\w+=,.@/-]{1,512}$`) // with its path
	// The patterns of STS AssumeRole.
	externalID = safe.Pattern(`^[\w+=,.@:/-]+$`) // 2 to 1224 of them
	identity   = safe.Pattern(`^[\w+=,.@-]{2,64}$`)
)

// check says what is wrong, as fault.Usage.
func (o Options) check() error {
	first := o.Regions.first()
	for i, r := range o.Regions {
		switch {
		case r == All && !slices.Contains(o.Regions[:i], All):
		case !regionName().MatchString(r):
			return fault.Usagef("regions: %q is not a region", r).WithHint("write them as us-east-1")
		case slices.Contains(o.Regions[:i], r):
			return fault.Usagef("regions: %s stands there twice", r)
		case Partition(r) != Partition(first):
			return fault.Usagef("regions: %s and %s are in different partitions of AWS", first, r).
				WithHint("each partition has credentials of its own: make it a source of its own")
		}
	}
	for i, a := range o.Accounts {
		if slices.ContainsFunc(o.Accounts[:i], func(b Account) bool { return a.ID == b.ID }) {
			return fault.Usagef("accounts: %s stands there twice", a.ID)
		}
		if err := a.check(first); err != nil {
			return err
		}
	}
	if err := o.checkRole(); err != nil {
		return err
	}
	if o.SourceIdentity != "" && !identity().MatchString(o.SourceIdentity) {
		return fault.Usagef("source_identity: 2 to 64 letters, digits and _+=,.@- are allowed")
	}
	return o.checkAccess()
}

// checkRole looks at the role that accounts without one of their own have.
func (o Options) checkRole() error {
	switch {
	case o.RoleName == "" && o.Accounts.all():
		return fault.Usagef("accounts: all needs role_name: the role that is assumed in each account").
			WithHint("for example role_name: edrc, with the external_id that the roles ask for")
	case o.RoleName == "" && o.ExternalID != "":
		return fault.Usagef("external_id goes with role_name, or stands beside a role_arn in accounts")
	case o.RoleName != "" && (!roleName().MatchString(o.RoleName) || strings.Trim(o.RoleName, "/") != o.RoleName):
		return fault.Usagef("role_name: %q is not the name of a role", o.RoleName).WithHint("write it as edrc or path/edrc, and an ARN as role_arn in accounts")
	case badExternalID(o.ExternalID):
		return fault.Usagef("external_id has characters that STS does not take")
	}
	return nil
}

// badExternalID reports an external id that STS would refuse; none is fine.
func badExternalID(s string) bool {
	return s != "" && (len(s) < 2 || len(s) > 1224 || !externalID().MatchString(s))
}

// check looks at one account; region is one to work in, "" when none is named.
func (a Account) check(region string) error {
	if a.ID == All {
		if a.RoleARN != "" || a.ExternalID != "" {
			return fault.Usagef("accounts: all has no role_arn: they differ from account to account").WithHint("set role_name and external_id beside accounts")
		}
		return nil
	}
	if !accountID().MatchString(a.ID) {
		return fault.Usagef("accounts: %q is not an account id", a.ID).WithHint(`an id has 12 digits; quote it: id: "012345678901"`)
	}
	if badExternalID(a.ExternalID) {
		return fault.Usagef("accounts: the external_id of %s has characters that STS does not take", a.ID)
	}
	if a.RoleARN == "" {
		if a.ExternalID != "" {
			return fault.Usagef("accounts: %s has an external_id and no role_arn", a.ID)
		}
		return nil
	}
	m := roleARN().FindStringSubmatch(a.RoleARN)
	switch {
	case m == nil:
		return fault.Usagef("accounts: the role_arn of %s is not one", a.ID).WithHint("write it as arn:aws:iam::%s:role/NAME", a.ID)
	case m[2] != a.ID:
		return fault.Usagef("accounts: the role_arn of %s belongs to account %s", a.ID, m[2])
	case region != "" && m[1] != Partition(region):
		return fault.Usagef("accounts: the role_arn of %s is of partition %s, and %s is of %s", a.ID, m[1], region, Partition(region))
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
