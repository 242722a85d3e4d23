package aws

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// stsActions are the calls of STS.
func stsActions() map[string]action {
	return map[string]action{"GetCallerIdentity": getCaller, "AssumeRole": assumeRole}
}

func getCaller(c *call) (do, *apiError) {
	return reply(el("Arn", c.caller.arn), el("UserId", c.userID), el("Account", c.account))
}

var sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

// assumable finds the role of an ARN when it may be assumed: its trust policy must let
// the caller in, and the caller's own policies must allow it.
func (c *call) assumable(arn string) (*role, string, *apiError) {
	parts := strings.SplitN(arn, ":", 6)
	denied := &apiError{http.StatusForbidden, "AccessDenied", fmt.Sprintf("User: %s is not authorized to perform: sts:AssumeRole on resource: %s", c.caller.arn, arn)}
	if len(parts) != 6 {
		return nil, "", refused("ValidationError", "%s is invalid", arn)
	}
	a := c.accounts[parts[4]]
	if a == nil || a.roles[nameOf(arn)] == nil || a.roles[nameOf(arn)].arn(a.id) != arn {
		return nil, "", denied
	}
	r := a.roles[nameOf(arn)]
	trust, _ := readPolicy(r.trust)
	names := []string{c.account, "arn:aws:iam::" + c.account + ":root", c.caller.arn}
	if c.caller.role != "" {
		if own := c.owner().roles[nameOf(c.caller.role)]; own != nil {
			names = append(names, own.arn(c.account))
		}
	}
	wanted := []string{"sts:AssumeRole"}
	if c.get("SourceIdentity") != "" {
		wanted = append(wanted, "sts:SetSourceIdentity")
	}
	for _, action := range wanted {
		q := question{action, "*", func(key string) []string {
			if id := c.get("ExternalId"); strings.EqualFold(key, "sts:ExternalId") && id != "" {
				return []string{id}
			}
			return nil
		}}
		if !trust.trusts(names, q) || c.permits(c.caller, action, arn, nil) != allowed {
			return nil, "", denied
		}
	}
	return r, a.id, nil
}

func assumeRole(c *call) (do, *apiError) {
	arn, name, source := c.get("RoleArn"), c.get("RoleSessionName"), c.get("SourceIdentity")
	seconds, failed := c.number("DurationSeconds", 3600)
	switch {
	case !sessionName.MatchString(name), source != "" && !sessionName.MatchString(source):
		return nil, refused("ValidationError", "Value at 'roleSessionName' or 'sourceIdentity' failed to satisfy constraint: [\\w+=,.@-]{2,64}")
	case failed != nil || seconds < 900 || seconds > 43200:
		return nil, refused("ValidationError", "Value at 'durationSeconds' failed to satisfy constraint: 900 to 43200")
	case c.caller.token != "" && seconds > 3600:
		return nil, refused("ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	}
	r, account, failed := c.assumable(arn)
	if failed != nil {
		return nil, failed
	}
	return func() []element {
		c.sessions = append(c.sessions, Session{account, arn, name, source})
		id := strings.ToUpper("ASIA" + digest(c.Vendor.secret, account, strconv.Itoa(len(c.sessions)))[:16])
		k := key{account: account, secret: digest(c.Vendor.secret, id)[:40], token: "lab+token/" + digest(id, c.Vendor.secret) + "==", role: r.name,
			arn: "arn:aws:sts::" + account + ":assumed-role/" + r.name + "/" + name, userID: idOf("AROA", arn) + ":" + name,
			until: c.opt.Now().Add(time.Duration(seconds) * time.Second)}
		c.keys[id] = k
		return []element{
			el("Credentials", el("AccessKeyId", id), el("SecretAccessKey", k.secret), el("SessionToken", k.token), el("Expiration", k.until.UTC().Format(time.RFC3339))),
			el("AssumedRoleUser", el("AssumedRoleId", k.userID), el("Arn", k.arn)), some("SourceIdentity", source)}
	}, nil
}
