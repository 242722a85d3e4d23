package aws

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

func (d *Driver) planKey(ctx context.Context, r respond.Request) (respond.Plan, error) {
	key := r.Target.ID
	if strings.HasPrefix(key, "ASIA") {
		return respond.Plan{}, fault.New(fault.Unsupported, "%s is the key of a temporary session: it cannot be disabled", key).
			WithHint("isolate the role that the session belongs to: edrc isolate role")
	}
	var user string
	at, err := d.search(ctx, r.Target, true, func(s *session) (bool, error) {
		u, err := s.keyOwner(ctx, key)
		if u != "" {
			user = u
		}
		return u != "", err
	})
	if err != nil {
		return respond.Plan{}, err
	}
	s := at[0]
	status, used, err := s.keyState(ctx, user, key)
	if err != nil {
		return respond.Plan{}, err
	}
	if err := s.ownKey(ctx, key); err != nil {
		return respond.Plan{}, err
	}
	p := respond.Plan{Severe: true, Undo: "the key is made active again: edrc undo " + r.Action,
		Target: respond.Target{Kind: respond.Key, ID: key, Account: s.account, Region: s.region},
		Prior:  []respond.Fact{{What: "key", Value: string(status)}},
		Blast:  []respond.Fact{{What: "user", Value: user}, {What: "last used", Value: used}},
		Warnings: []string{"whatever uses the key stops working",
			"not stopped: the user's other keys and password, and sessions that were made with the key (sts:GetSessionToken, assumed roles)"}}
	if status != types.StatusTypeActive {
		p.Already = "key " + key + " of user " + user + " is " + string(status) + " already"
		return p, nil
	}
	p.Steps = []respond.Step{s.newStep(kindKey, "make key "+key+" of user "+user+" inactive", &keyStatus{User: user, Key: key})}
	return p, nil
}

// keyOwner gives the user that a key belongs to, "" when it is of another account.
// AWS answers for a key of another account with AccessDenied, and for an unknown one
// with NoSuchEntity or an empty name.
func (s *session) keyOwner(ctx context.Context, key string) (string, error) {
	out, err := s.iam.getAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &key})
	switch {
	case is(err, "NoSuchEntity"):
		return "", nil
	case err != nil:
		return "", s.fail(err)
	}
	return aws.ToString(out.UserName), nil
}

// keyState gives the status of a user's key, and when it was last used.
func (s *session) keyState(ctx context.Context, user, key string) (types.StatusType, string, error) {
	s = s.of("user " + user)
	in := &iam.ListAccessKeysInput{UserName: &user}
	for page, err := range pages(ctx, s, s.iam.listAccessKeys, in, &in.Marker, func(o *iam.ListAccessKeysOutput) *string { return o.Marker }) {
		if err != nil {
			return "", "", err
		}
		for _, k := range page.AccessKeyMetadata {
			if aws.ToString(k.AccessKeyId) == key {
				return k.Status, s.keyUsed(ctx, key), nil
			}
		}
	}
	return "", "", fault.New(fault.NotFound, "%s: user %s has no key %s any more", s.account, user, key)
}

func (s *session) keyUsed(ctx context.Context, key string) string {
	out, err := s.iam.getAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &key})
	if err != nil || out.AccessKeyLastUsed == nil || out.AccessKeyLastUsed.LastUsedDate == nil {
		return "never, or not known"
	}
	u := out.AccessKeyLastUsed
	return u.LastUsedDate.UTC().Format("2006-01-02 15:04 UTC") + " for " + aws.ToString(u.ServiceName) + " in " + aws.ToString(u.Region)
}

// ownKey refuses the key that edrc works with, here and before it assumed a role.
func (s *session) ownKey(ctx context.Context, key string) error {
	for _, account := range []string{s.account, ""} {
		cfg, err := s.d.Conn.For(ctx, account, s.region)
		if err != nil {
			continue
		}
		c, err := cfg.Credentials.Retrieve(ctx)
		if err == nil && c.AccessKeyID == key {
			return fault.New(fault.Denied, "edrc itself works with key %s: disabling it would lock edrc out, undo included", key).
				WithHint("use the credentials of a role")
		}
	}
	return nil
}

// keyStatus makes an active key inactive.
type keyStatus struct {
	User string `json:"user"`
	Key  string `json:"key"`
}

func (k *keyStatus) about() string { return "key " + k.Key + " of user " + k.User }

func (k *keyStatus) set(ctx context.Context, s *session, to types.StatusType) (respond.Outcome, error) {
	_, err := s.iam.updateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: &k.User, AccessKeyId: &k.Key, Status: to})
	if err != nil {
		return respond.Outcome{}, s.failWrite(err)
	}
	return done("")
}

func (k *keyStatus) apply(ctx context.Context, s *session) (respond.Outcome, error) {
	return k.set(ctx, s, types.StatusTypeInactive)
}

func (k *keyStatus) revert(ctx context.Context, s *session) (respond.Outcome, error) {
	return k.set(ctx, s, types.StatusTypeActive)
}

func (k *keyStatus) read(ctx context.Context, s *session) (respond.Reading, error) {
	status, _, err := s.keyState(ctx, k.User, k.Key)
	switch {
	case fault.Is(err, fault.NotFound):
		return respond.Reading{State: respond.Prior, Detail: "the key was deleted"}, nil
	case err != nil:
		return respond.Reading{State: respond.Unknown}, err
	case status == types.StatusTypeInactive:
		return respond.Reading{State: respond.Applied, Detail: "the key is inactive"}, nil
	case status == types.StatusTypeActive:
		return respond.Reading{State: respond.Prior, Detail: "the key is active"}, nil
	}
	return respond.Reading{State: respond.Other, Detail: "the key is " + string(status)}, nil
}
