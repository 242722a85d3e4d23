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

// findRole gives the role that a target means: by its name, or by the instance or the
// instance profile that has it.
func (d *Driver) findRole(ctx context.Context, t respond.Target) (*session, *types.Role, string, error) {
	switch t.Kind {
	case respond.Instance:
		return d.roleOfInstance(ctx, t)
	case respond.Profile:
		return d.roleOfProfile(ctx, t)
	}
	var found *types.Role
	at, err := d.search(ctx, t, true, func(s *session) (bool, error) {
		r, err := s.role(ctx, t.ID)
		if r != nil {
			found = r
		}
		return r != nil, err
	})
	if err != nil {
		return nil, nil, "", err
	}
	return at[0], found, "", nil
}

// role reads a role, nil when there is none of that name.
func (s *session) role(ctx context.Context, name string) (*types.Role, error) {
	out, err := s.iam.getRole(ctx, &iam.GetRoleInput{RoleName: &name})
	switch {
	case is(err, "NoSuchEntity"):
		return nil, nil
	case err != nil:
		return nil, s.fail(err)
	}
	return out.Role, nil
}

// roleOfInstance follows instance, instance profile, role.
func (d *Driver) roleOfInstance(ctx context.Context, t respond.Target) (*session, *types.Role, string, error) {
	s, i, err := d.findInstance(ctx, t)
	if err != nil {
		return nil, nil, "", err
	}
	if i.IamInstanceProfile == nil {
		return nil, nil, "", fault.New(fault.NotFound, "instance %s has no instance profile: there is no role to isolate", t.ID)
	}
	arn := aws.ToString(i.IamInstanceProfile.Arn)
	name := arn[strings.LastIndexByte(arn, '/')+1:] // the path is not part of it
	role, err := s.roleIn(ctx, name, " of "+t.ID)
	if err != nil {
		return nil, nil, "", err
	}
	if role == "" {
		return nil, nil, "", fault.New(fault.NotFound, "the instance profile %s of %s was deleted: which role it held cannot be read", name, t.ID).
			WithHint("the instance may hold credentials for some hours yet: name the role, or isolate the instance")
	}
	s, r, err := s.named(ctx, role)
	return s, r, "of instance " + t.ID + ", by instance profile " + name, err
}

// roleOfProfile follows instance profile, role.
func (d *Driver) roleOfProfile(ctx context.Context, t respond.Target) (*session, *types.Role, string, error) {
	var role string
	at, err := d.search(ctx, t, true, func(s *session) (bool, error) {
		name, err := s.roleIn(ctx, t.ID, "")
		if name != "" {
			role = name
		}
		return name != "", err
	})
	if err != nil {
		return nil, nil, "", err
	}
	s, r, err := at[0].named(ctx, role)
	return s, r, "of instance profile " + t.ID, err
}

// roleIn gives the role that an instance profile holds, "" when there is no such profile.
// of says whose profile it is, for a message.
func (s *session) roleIn(ctx context.Context, profile, of string) (string, error) {
	s = s.of("instance profile " + profile)
	out, err := s.iam.getInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: &profile})
	switch {
	case is(err, "NoSuchEntity"):
		return "", nil
	case err != nil:
		return "", s.fail(err)
	case out.InstanceProfile == nil || len(out.InstanceProfile.Roles) == 0:
		return "", fault.New(fault.NotFound, "the instance profile %s%s holds no role: there is nothing to isolate", profile, of)
	}
	return aws.ToString(out.InstanceProfile.Roles[0].RoleName), nil
}

// named gives a role that must be there, and the session for calls about it.
func (s *session) named(ctx context.Context, role string) (*session, *types.Role, error) {
	s = s.of("role " + role)
	r, err := s.role(ctx, role)
	if err == nil && r == nil {
		err = roleGone(s, role)
	}
	return s, r, err
}

// ownRole refuses the role that edrc runs as, here and before it assumed another.
func (s *session) ownRole(ctx context.Context, name string) error {
	callers := []string{s.who.ARN}
	if own, err := s.d.Conn.Caller(ctx, ""); err == nil && own.Account == s.account {
		callers = append(callers, own.ARN)
	}
	for _, arn := range callers {
		if t, ok := parseARN(arn); ok && t.Kind == respond.Role && strings.EqualFold(t.ID, name) {
			return fault.New(fault.Denied, "edrc itself runs as role %s: isolating it would lock edrc out, undo included", name).
				WithHint("use the credentials of another role")
		}
	}
	return nil
}

// owned refuses roles that only AWS can change.
func owned(r *types.Role) error {
	name, path := aws.ToString(r.RoleName), aws.ToString(r.Path)
	switch {
	case strings.HasPrefix(path, "/aws-service-role/"):
		return fault.New(fault.Denied, "%s is a service-linked role: only AWS can change it, and its sessions cannot be revoked", name).
			WithHint("contain what uses it, or deny it with a service control policy")
	case strings.HasPrefix(path, "/aws-reserved/"):
		return fault.New(fault.Denied, "%s is a role of IAM Identity Center: only AWS can change it", name).
			WithHint("put the deny into the permission set's inline policy, or remove the account assignment")
	}
	return nil
}
