package awsconn

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"edrc/internal/fault"
)

// Identity is who a credential is, as STS tells.
type Identity struct {
	Account string
	ARN     string    // arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION, or of a user
	UserID  string    // AROA…:SESSION, AIDA…
	Expires time.Time // of the credential; zero when it does not
	At      time.Time // AWS's clock, in whole seconds, when it told
}

// failureLife is how long a refused account is not tried again: its regions all ask.
const failureLife = 15 * time.Second

// access is how an account is entered, and who we are there.
type access struct {
	credentials *aws.CredentialsCache
	who         Identity
}

// account is one account's access as far as it is known. turn guards the rest.
type account struct {
	turn gate
	access
	known  bool // who is checked
	failed error
	until  time.Time // of failed
}

// Caller tells who we are in an account; "" is the credential's own. Roles are assumed
// for it, and what STS says is remembered.
func (c *Conn) Caller(ctx context.Context, account string) (Identity, error) {
	base, err := c.config(ctx)
	if err != nil {
		return Identity{}, err
	}
	a, err := c.enter(ctx, base, account)
	if err != nil {
		return Identity{}, err
	}
	return a.who, nil
}

// enter gives the access to an account, with credentials that are known to be its own.
func (c *Conn) enter(ctx context.Context, base *aws.Config, id string) (access, error) {
	role, configured := c.configured(id)
	if id != "" && role.RoleARN == "" {
		own, err := c.enter(ctx, base, "")
		if err != nil || own.who.Account == id {
			return own, err
		}
		if role, err = c.templated(ctx, base, id, configured, own.who); err != nil {
			return access{}, fault.At(err, c.name, "")
		}
	}
	a := c.account(id)
	if err := a.turn.enter(ctx); err != nil {
		return access{}, c.Explain(err, id, "")
	}
	defer a.turn.leave()
	if a.failed != nil && c.now().Before(a.until) {
		return access{}, a.failed
	}
	if a.credentials == nil {
		a.credentials = c.provider(base, role)
	}
	err := c.verify(ctx, base, a, role)
	a.failed = nil
	if err != nil && !fault.Is(err, fault.Interrupted) && ctx.Err() == nil {
		a.failed, a.until = err, c.now().Add(failureLife)
	}
	return a.access, err
}

func (c *Conn) account(id string) *account {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.accounts[id]
	if a == nil {
		a = &account{turn: newGate()}
		c.accounts[id] = a
	}
	return a
}

func (c *Conn) configured(id string) (Account, bool) {
	i := slices.IndexFunc(c.opt.Accounts, func(a Account) bool { return a.ID == id })
	if i < 0 {
		return Account{}, false
	}
	return c.opt.Accounts[i], true
}

// templated gives the role that role_name means in an account: one that is configured,
// or one that was found out.
func (c *Conn) templated(ctx context.Context, base *aws.Config, id string, configured bool, own Identity) (Account, error) {
	if c.opt.RoleName == "" || !configured && !c.opt.Accounts.all() {
		return Account{}, c.foreign(id, own, configured)
	}
	if !configured {
		ids, err := c.members(ctx)
		if err != nil {
			return Account{}, err
		}
		if !slices.Contains(ids, id) {
			return Account{}, c.foreign(id, own, false)
		}
	}
	arn := "arn:" + Partition(base.Region) + ":iam::" + id + ":role/" + c.opt.RoleName
	return Account{ID: id, RoleARN: arn, ExternalID: c.opt.ExternalID}, nil
}

// provider gives the credentials of the environment, or of a role assumed with them.
func (c *Conn) provider(base *aws.Config, role Account) *aws.CredentialsCache {
	if role.RoleARN == "" {
		if cache, ok := base.Credentials.(*aws.CredentialsCache); ok {
			return cache
		}
		return aws.NewCredentialsCache(base.Credentials)
	}
	client := sts.NewFromConfig(*base) // regional: tokens of the global endpoint are not valid everywhere
	return aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(client, role.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = "edrc"
		if c.opt.SourceIdentity != "" {
			o.SourceIdentity = aws.String(c.opt.SourceIdentity)
			o.RoleSessionName = clip("edrc-"+c.opt.SourceIdentity, 64)
		}
		if role.ExternalID != "" {
			o.ExternalID = aws.String(role.ExternalID)
		}
	}), func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = time.Minute })
}

// verify retrieves the credentials, and asks once whose they are.
func (c *Conn) verify(ctx context.Context, base *aws.Config, a *account, role Account) error {
	keys, err := a.credentials.Retrieve(ctx)
	if err != nil {
		return c.credentialError(err, role)
	}
	if keys.CanExpire {
		a.who.Expires = keys.Expires
	}
	if a.known {
		return nil
	}
	cfg := base.Copy()
	cfg.Credentials = a.credentials
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return c.Explain(err, role.ID, base.Region)
	}
	a.who.Account, a.who.ARN, a.who.UserID = aws.ToString(out.Account), aws.ToString(out.Arn), aws.ToString(out.UserId)
	a.who.At, _ = middleware.GetServerTime(out.ResultMetadata)
	switch {
	case a.who.Account == "":
		return c.fault(fault.Unavailable, "STS did not say which account this is")
	case role.ID != "" && a.who.Account != role.ID:
		return c.fault(fault.Denied, "assuming "+role.RoleARN+" led into account "+a.who.Account).
			WithHint("nothing is done in another account than the one that was meant; check role_arn and endpoint_url")
	}
	a.known = true
	return nil
}

// foreign is the error for an account that no role leads into.
func (c *Conn) foreign(id string, own Identity, configured bool) *fault.Error {
	if !configured && c.opt.Accounts.all() {
		return fault.Usagef("account %s is no active account of the organisation of account %s", id, own.Account).
			WithHint("add it to `accounts` of source %s, with the role_arn of a role that may be assumed", c.name)
	}
	e := fault.Usagef("account %s: the credential belongs to account %s, and no role leads into %s", id, own.Account, id)
	if !configured {
		return e.WithHint("add it to `accounts` of source %s, with the role_arn of a role that may be assumed", c.name)
	}
	return e.WithHint("give it a role_arn in `accounts` of source %s", c.name)
}
