package aws

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"edrc/internal/respond"
)

// roleBlast adds who uses a role: instances by its instance profiles, whoever its trust
// policy lets in, and when it was last used.
func (s *session) roleBlast(ctx context.Context, role *types.Role, p *respond.Plan) error {
	var shared []string
	if others := s.trustBlast(decoded(aws.ToString(role.AssumeRolePolicyDocument)), p); len(others) > 0 {
		shared = append(shared, "it may be used by "+strings.Join(others, ", "))
	}
	last := "never, or longer ago than AWS remembers"
	if role.RoleLastUsed != nil && role.RoleLastUsed.LastUsedDate != nil {
		last = role.RoleLastUsed.LastUsedDate.UTC().Format("2006-01-02 15:04 UTC") + " in " + aws.ToString(role.RoleLastUsed.Region) + " (AWS tells hours late)"
	}
	p.Blast = append(p.Blast, respond.Fact{What: "last used", Value: last})
	profiles, err := s.profiles(ctx, aws.ToString(role.RoleName))
	if err != nil {
		return err
	}
	var names []string
	for _, arn := range profiles {
		names = append(names, arn[strings.LastIndexByte(arn, '/')+1:])
	}
	p.Blast = append(p.Blast, respond.Fact{What: "instance profiles", Value: firstOf(strings.Join(names, ", "), "none")})
	n, err := s.usedByInstances(ctx, profiles, p)
	if err != nil {
		return err
	}
	if n > 1 {
		shared = append([]string{fmt.Sprintf("%d instances use it", n)}, shared...)
	}
	p.SharedBy = strings.Join(append(shared, unknownUsers(p)...), "; ")
	if p.SharedBy != "" {
		p.SharedBy = "role " + p.Target.ID + " is used by others, too: " + p.SharedBy
	}
	return nil
}

// unread begins the warning about a region whose instances could not be read.
const unread = "which instances use the role is not known"

func unknownUsers(p *respond.Plan) (out []string) {
	for _, w := range p.Warnings {
		if strings.HasPrefix(w, unread) {
			out = append(out, w)
		}
	}
	return out
}

// profiles gives the ARNs of the instance profiles that hold a role.
func (s *session) profiles(ctx context.Context, role string) ([]string, error) {
	var out []string
	in := &iam.ListInstanceProfilesForRoleInput{RoleName: &role}
	for page, err := range pages(ctx, s, s.iam.listInstanceProfilesForRole, in, &in.Marker,
		func(o *iam.ListInstanceProfilesForRoleOutput) *string { return o.Marker }) {
		if err != nil {
			return nil, err
		}
		for _, p := range page.InstanceProfiles {
			out = append(out, aws.ToString(p.Arn))
		}
	}
	return out, nil
}

// usedByInstances adds, for every configured region, the instances with one of the
// profiles, and counts them.
func (s *session) usedByInstances(ctx context.Context, profiles []string, p *respond.Plan) (int, error) {
	if len(profiles) == 0 {
		return 0, nil
	}
	regions, err := s.d.Conn.Regions(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, region := range regions {
		at, err := s.d.at(ctx, s.account, region)
		if err == nil {
			var more int
			more, err = at.instancesWith(ctx, profiles, p)
			n += more
		}
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return n, err
		}
		// One region that cannot be read must not keep the role's sessions alive.
		p.Warnings = append(p.Warnings, unread+" in "+region+": "+err.Error())
	}
	p.Warnings = append(p.Warnings, "only instances of "+strings.Join(regions, ", ")+" were looked for")
	return n, nil
}

// instancesWith pages through the instances that are not terminated. They are compared
// here: one pass serves every profile.
func (s *session) instancesWith(ctx context.Context, profiles []string, p *respond.Plan) (int, error) {
	n := 0
	in := &ec2.DescribeInstancesInput{MaxResults: aws.Int32(1000),
		Filters: []ec2types.Filter{{Name: aws.String("instance-state-name"), Values: []string{"pending", "running", "stopping", "stopped"}}}}
	for page, err := range pages(ctx, s, s.ec2.describeInstances, in, &in.NextToken, func(o *ec2.DescribeInstancesOutput) *string { return o.NextToken }) {
		if err != nil {
			return n, err
		}
		for _, r := range page.Reservations {
			for _, i := range r.Instances {
				if i.IamInstanceProfile == nil || !slices.Contains(profiles, aws.ToString(i.IamInstanceProfile.Arn)) {
					continue
				}
				n++
				s.instanceBlast(i, p)
			}
		}
	}
	return n, nil
}

// instanceBlast adds an instance, and what starts more of them: Auto Scaling and launch
// templates leave tags on the instances that they start.
func (s *session) instanceBlast(i ec2types.Instance, p *respond.Plan) {
	id, tag := aws.ToString(i.InstanceId), tagMap(i.Tags)
	p.Touched = append(p.Touched, respond.Touched{Kind: respond.Instance, ID: id, Name: tag["Name"], Account: s.account, Tags: tag})
	words := []string{s.region, id, tag["Name"], "(" + string(stateOf(i)) + ")"}
	p.Blast = append(p.Blast, respond.Fact{What: "instance", Value: strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")})
	for _, starter := range []struct{ what, tag string }{
		{"Auto Scaling group", "aws:autoscaling:groupName"}, {"launch template", "aws:ec2launchtemplate:id"},
	} {
		f := respond.Fact{What: starter.what, Value: s.region + " " + tag[starter.tag] + ": the instances that it starts get the role, too"}
		if tag[starter.tag] != "" && !slices.Contains(p.Blast, f) {
			p.Blast = append(p.Blast, f)
		}
	}
}
