package aws_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	sdkaws "github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"edrc/internal/lab/aws"
	"edrc/internal/lab/world"
)

func (s *server) ec2() *ec2.Client { return ec2.NewFromConfig(s.cfg) }
func (s *server) iam() *iam.Client { return iam.NewFromConfig(s.cfg) }

// in is the same lab, seen from another account or region.
func (s *server) in(t *testing.T, account, region string) *server {
	t.Helper()
	out := *s
	out.cfg.Region = region
	if account == home {
		return &out
	}
	c := must(sts.NewFromConfig(s.cfg).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: sdkaws.String("arn:aws:iam::" + account + ":role/" + aws.Role),
		RoleSessionName: sdkaws.String("test"), ExternalId: sdkaws.String(aws.ExternalID(account))}))(t).Credentials
	out.cfg.Credentials = static(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
	return &out
}

// as is the same lab, seen by a user with one policy.
func (s *server) as(t *testing.T, policy string) *server {
	t.Helper()
	name := fmt.Sprintf("user-%d", len(policy))
	must(s.iam().CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name}))(t)
	must(s.iam().PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: &name, PolicyName: sdkaws.String("p"), PolicyDocument: &policy}))(t)
	k := must(s.iam().CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: &name}))(t).AccessKey
	out := *s
	out.cfg.Credentials = static(*k.AccessKeyId, *k.SecretAccessKey, "")
	return &out
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// status is the HTTP status of AWS's answer.
func status(err error) int {
	if e, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return e.HTTPStatusCode()
	}
	return 0
}

func (s *server) instances(t *testing.T) []types.Instance {
	t.Helper()
	var out []types.Instance
	for _, r := range must(s.ec2().DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{}))(t).Reservations {
		out = append(out, r.Instances...)
	}
	return out
}

// named finds the first host of a kind that the test accepts.
func (s *server) named(t *testing.T, begin string, ok func(types.Instance) bool) types.Instance {
	t.Helper()
	all := s.instances(t)
	i := slices.IndexFunc(all, func(i types.Instance) bool {
		return slices.ContainsFunc(i.Tags, func(x types.Tag) bool { return *x.Key == "Name" && strings.HasPrefix(*x.Value, begin) }) && ok(i)
	})
	if i < 0 {
		t.Fatalf("there is no such %s among %d instances", begin, len(all))
	}
	return all[i]
}

func anyOf(types.Instance) bool { return true }

func TestFindingsAreAboutWhatIsThere(t *testing.T) {
	s := start(t, world.Options{Alerts: 300}, aws.Options{})
	type finding struct {
		AccountID, Region string
		Resource          struct {
			InstanceDetails struct {
				InstanceID         string
				IamInstanceProfile struct{ Arn, ID string }
				NetworkInterfaces  []struct {
					NetworkInterfaceID, VpcID, SubnetID string
					SecurityGroups                      []struct{ GroupID, GroupName string }
				}
			}
			AccessKeyDetails struct{ AccessKeyID, UserType, UserName string }
		}
	}
	places := map[string]*server{}
	seen := map[string]int{}
	for _, raw := range append(s.Export("us-east-1"), s.Export("eu-central-1")...) {
		var f finding
		if err := json.Unmarshal(raw, &f); err != nil {
			t.Fatal(err)
		}
		at := places[f.AccountID+f.Region]
		if at == nil {
			at = s.in(t, f.AccountID, f.Region)
			places[f.AccountID+f.Region] = at
		}
		if i := f.Resource.InstanceDetails; i.InstanceID != "" && i.InstanceID != "i-99999999" {
			seen["instance"]++
			got := must(at.ec2().DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{i.InstanceID}}))(t).Reservations[0].Instances[0]
			if *got.IamInstanceProfile.Arn != i.IamInstanceProfile.Arn || *got.IamInstanceProfile.Id != i.IamInstanceProfile.ID || len(got.NetworkInterfaces) != len(i.NetworkInterfaces) {
				t.Fatalf("%+v is not %+v", got, i)
			}
			for n, nic := range i.NetworkInterfaces {
				if *got.NetworkInterfaces[n].NetworkInterfaceId != nic.NetworkInterfaceID || *got.NetworkInterfaces[n].VpcId != nic.VpcID ||
					*got.NetworkInterfaces[n].Groups[0].GroupId != nic.SecurityGroups[0].GroupID {
					t.Errorf("%+v is not %+v", got.NetworkInterfaces[n], nic)
				}
			}
			name := i.IamInstanceProfile.Arn[strings.LastIndexByte(i.IamInstanceProfile.Arn, '/')+1:]
			p := must(at.iam().GetInstanceProfile(t.Context(), &iam.GetInstanceProfileInput{InstanceProfileName: &name}))(t)
			if len(p.InstanceProfile.Roles) != 1 || *p.InstanceProfile.Arn != i.IamInstanceProfile.Arn {
				t.Errorf("%+v", p.InstanceProfile)
			}
		}
		switch k := f.Resource.AccessKeyDetails; k.UserType {
		case "AssumedRole":
			seen["role"]++
			must(at.iam().GetRole(t.Context(), &iam.GetRoleInput{RoleName: &k.UserName}))(t)
		case "IAMUser":
			seen["key"]++
			if u := must(at.iam().GetAccessKeyLastUsed(t.Context(), &iam.GetAccessKeyLastUsedInput{AccessKeyId: &k.AccessKeyID}))(t); *u.UserName != k.UserName {
				t.Errorf("%+v", u)
			}
		}
	}
	if seen["instance"] < 100 || seen["role"] == 0 || seen["key"] == 0 || len(places) != 6 {
		t.Errorf("%v in %d places", seen, len(places))
	}
}

func TestEveryPlaceHasWhatAResponseMeets(t *testing.T) {
	s := start(t, world.Options{}, aws.Options{}).in(t, "333344445555", "eu-central-1")
	for name, ok := range map[string]func(types.Instance) bool{
		"web": func(i types.Instance) bool {
			return len(i.NetworkInterfaces) == 3 && len(i.NetworkInterfaces[2].Ipv6Addresses) == 1
		},
		"db": func(i types.Instance) bool {
			return slices.ContainsFunc(i.Tags, func(x types.Tag) bool { return *x.Key == "edrc:protected" })
		},
		"batch": func(i types.Instance) bool { return i.InstanceLifecycle == types.InstanceLifecycleTypeSpot },
		"build": func(i types.Instance) bool { return *i.HibernationOptions.Configured },
	} {
		s.named(t, name, ok)
	}
	vpcs := map[string]bool{}
	for _, n := range s.named(t, "web", func(i types.Instance) bool { return len(i.NetworkInterfaces) == 3 }).NetworkInterfaces {
		vpcs[*n.VpcId] = true
	}
	if len(vpcs) != 2 {
		t.Errorf("%v", vpcs)
	}
}

func TestADryRunSaysWhatWouldHappenAndDoesNothing(t *testing.T) {
	s := start(t, world.Options{}, aws.Options{})
	web, dry := s.named(t, "web", anyOf), sdkaws.Bool(true)
	nic, group := web.NetworkInterfaces[0], web.SecurityGroups[0].GroupId
	before, _ := json.Marshal(s.instances(t))
	ids := []string{*web.InstanceId}
	readOnly := s.as(t, `{"Statement":{"Effect":"Allow","Action":"ec2:Describe*","Resource":"*"}}`)
	for name, call := range map[string]func(*ec2.Client) error{
		"stop": func(c *ec2.Client) error {
			_, err := c.StopInstances(t.Context(), &ec2.StopInstancesInput{InstanceIds: ids, DryRun: dry})
			return err
		},
		"terminate": func(c *ec2.Client) error {
			_, err := c.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: ids, DryRun: dry})
			return err
		},
		"tag": func(c *ec2.Client) error {
			_, err := c.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: ids, DryRun: dry, Tags: []types.Tag{{Key: sdkaws.String("k"), Value: sdkaws.String("v")}}})
			return err
		},
		"groups": func(c *ec2.Client) error {
			_, err := c.ModifyNetworkInterfaceAttribute(t.Context(), &ec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: nic.NetworkInterfaceId, Groups: []string{*group}, DryRun: dry})
			return err
		},
		"metadata": func(c *ec2.Client) error {
			_, err := c.ModifyInstanceMetadataOptions(t.Context(), &ec2.ModifyInstanceMetadataOptionsInput{InstanceId: &ids[0], HttpEndpoint: "disabled", DryRun: dry})
			return err
		},
		"group": func(c *ec2.Client) error {
			_, err := c.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: sdkaws.String("g"), Description: sdkaws.String("d"), VpcId: web.VpcId, DryRun: dry})
			return err
		},
	} {
		if err := call(s.ec2()); code(err) != "DryRunOperation" || status(err) != http.StatusPreconditionFailed {
			t.Errorf("%s: %v", name, err)
		}
		if err := call(readOnly.ec2()); code(err) != "UnauthorizedOperation" || status(err) != http.StatusForbidden {
			t.Errorf("%s without the permission: %v", name, err)
		}
	}
	if after, _ := json.Marshal(s.instances(t)); string(after) != string(before) || len(s.State().Isolated) > 0 {
		t.Errorf("something changed: %s", after)
	}
}

func TestAnIdentityGetsOnlyWhatItsPoliciesAllow(t *testing.T) {
	s := start(t, world.Options{}, aws.Options{})
	web, db := s.named(t, "web", anyOf), s.named(t, "db", anyOf) // db is protected by a tag
	u := s.as(t, `{"Statement":[{"Effect":"Allow","Action":["ec2:StopInstances","ec2:StartInstances"],"Resource":"arn:aws:ec2:*:`+home+`:instance/*",
		"Condition":{"StringNotEquals":{"aws:ResourceTag/edrc:protected":"true"}}},
		{"Effect":"Allow","Action":"iam:Get*","Resource":"arn:aws:iam::`+home+`:role/workload/*"}]}`)
	stop := func(i types.Instance) error {
		_, err := u.ec2().StopInstances(t.Context(), &ec2.StopInstancesInput{InstanceIds: []string{*i.InstanceId}})
		return err
	}
	if err := stop(web); err != nil {
		t.Error(err)
	}
	if err := stop(db); code(err) != "UnauthorizedOperation" {
		t.Errorf("a protected instance: %v", err)
	}
	_, err1 := u.iam().GetRole(t.Context(), &iam.GetRoleInput{RoleName: sdkaws.String("shop-web")})
	_, err2 := u.iam().GetRole(t.Context(), &iam.GetRoleInput{RoleName: sdkaws.String(aws.Role)})
	_, err3 := u.guardduty().ListDetectors(t.Context(), nil)
	if err1 != nil || code(err2) != "AccessDenied" || status(err2) != http.StatusForbidden || code(err3) != "AccessDeniedException" {
		t.Errorf("%v; %v; %v", err1, err2, err3)
	}
	if _, err := sts.NewFromConfig(u.cfg).GetCallerIdentity(t.Context(), nil); err != nil {
		t.Errorf("who I am needs no permission: %v", err)
	}
}

func TestADeniedRoleLosesItsSessionsAndAnInactiveKeyIsNoKey(t *testing.T) {
	const other = "222233334444"
	s := start(t, world.Options{}, aws.Options{})
	session, rescue := s.in(t, other, "us-east-1"), s.in(t, other, "us-east-1")
	put := func(c *server, policy string) error {
		_, err := c.iam().PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: sdkaws.String(aws.Role), PolicyName: sdkaws.String("cut"), PolicyDocument: &policy})
		return err
	}
	if err := put(session, `{"Statement":{"Effect":"Deny","Action":"ec2:*","Resource":"*"}}`); err != nil {
		t.Fatal(err)
	}
	if _, err := session.ec2().DescribeInstances(t.Context(), nil); code(err) != "UnauthorizedOperation" {
		t.Errorf("a live session: %v", err)
	}
	sim := must(rescue.iam().SimulatePrincipalPolicy(t.Context(), &iam.SimulatePrincipalPolicyInput{PolicySourceArn: sdkaws.String("arn:aws:iam::" + other + ":role/" + aws.Role),
		ActionNames: []string{"ec2:StopInstances", "iam:GetRole"}}))(t).EvaluationResults
	if len(sim) != 2 || sim[0].EvalDecision != iamtypes.PolicyEvaluationDecisionTypeExplicitDeny || sim[1].EvalDecision != iamtypes.PolicyEvaluationDecisionTypeAllowed {
		t.Errorf("%+v", sim)
	}
	if err := put(session, `{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`); err != nil {
		t.Fatal(err)
	}
	if err := put(rescue, `{}`); code(err) != "AccessDenied" {
		t.Errorf("another session of the role: %v", err)
	}
	u := s.as(t, `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
	keys := must(u.cfg.Credentials.Retrieve(t.Context()))(t)
	user := must(s.iam().GetAccessKeyLastUsed(t.Context(), &iam.GetAccessKeyLastUsedInput{AccessKeyId: &keys.AccessKeyID}))(t).UserName
	must(s.iam().UpdateAccessKey(t.Context(), &iam.UpdateAccessKeyInput{UserName: user, AccessKeyId: &keys.AccessKeyID, Status: "Inactive"}))(t)
	_, err1 := u.ec2().DescribeInstances(t.Context(), nil)
	_, err2 := u.iam().GetRole(t.Context(), &iam.GetRoleInput{RoleName: sdkaws.String(aws.Role)})
	if code(err1) != "AuthFailure" || code(err2) != "InvalidClientTokenId" {
		t.Errorf("%v; %v", err1, err2)
	}
	want := []string{"denied: role edrc of " + other, "inactive: key " + keys.AccessKeyID + " of " + home}
	if got := s.State().Isolated; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestErrorsAreThoseOfAWS: codes, and in the form that AWS's own client reads.
func TestErrorsAreThoseOfAWS(t *testing.T) {
	s := start(t, world.Options{}, aws.Options{})
	ctx, str := context.WithoutCancel(t.Context()), sdkaws.String
	web, spot := s.named(t, "web", anyOf), s.named(t, "batch", anyOf)
	protected := s.instances(t)[4]
	group := must(s.ec2().CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{GroupName: str("Alone"), Description: str("d"), VpcId: web.VpcId}))(t).GroupId
	must(s.iam().CreateRole(ctx, &iam.CreateRoleInput{RoleName: str("AWSServiceRoleForX"), Path: str("/aws-service-role/x/"), AssumeRolePolicyDocument: str(`{"Statement":{"Effect":"Allow"}}`)}))(t)
	tags := make([]types.Tag, 51)
	for i := range tags {
		tags[i] = types.Tag{Key: str(fmt.Sprint("k", i)), Value: str("")}
	}
	put := func(role, doc string) error {
		_, err := s.iam().PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: str("p"), PolicyDocument: &doc})
		return err
	}
	stop := func(id string) error {
		_, err := s.ec2().StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: []string{id}})
		return err
	}
	e := func(_ any, err error) error { return err }
	nic := web.NetworkInterfaces[0].NetworkInterfaceId
	for want, err := range map[string]error{
		"InvalidInstanceID.NotFound":              stop("i-0aaaaaaaaaaaaaaaa"),
		"InvalidInstanceID.Malformed":             stop("i-x"),
		"OperationNotPermitted":                   stop(*protected.InstanceId),
		"UnsupportedOperation":                    stop(*spot.InstanceId),
		"InvalidGroup.Duplicate":                  e(s.ec2().CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{GroupName: str("alone"), Description: str("d"), VpcId: web.VpcId})),
		"DependencyViolation":                     e(s.ec2().DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: web.SecurityGroups[0].GroupId})),
		"InvalidGroup.NotFound":                   e(s.ec2().ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: nic, Groups: []string{"sg-0aaaaaaaaaaaaaaaa"}})),
		"SecurityGroupsPerInterfaceLimitExceeded": e(s.ec2().ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: nic, Groups: slices.Repeat([]string{*group}, 17)})),
		"InvalidNetworkInterfaceID.NotFound":      e(s.ec2().DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{"eni-0aaaaaaaaaaaaaaaa"}})),
		"InvalidPermission.Duplicate": e(s.ec2().AuthorizeSecurityGroupEgress(ctx, &ec2.AuthorizeSecurityGroupEgressInput{GroupId: group, IpPermissions: []types.IpPermission{
			{IpProtocol: str("-1"), IpRanges: []types.IpRange{{CidrIp: str("0.0.0.0/0")}}}}})),
		"InvalidSecurityGroupRuleId.NotFound": e(s.ec2().RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: group, SecurityGroupRuleIds: []string{"sgr-0aaaaaaaaaaaaaaaa"}})),
		"InvalidNetworkAclID.NotFound":        e(s.ec2().DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{"acl-0aaaaaaaaaaaaaaaa"}})),
		"TagLimitExceeded":                    e(s.ec2().CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{*group}, Tags: tags})),
		"InvalidParameterValue":               e(s.ec2().DescribeInstances(ctx, &ec2.DescribeInstancesInput{Filters: []types.Filter{{Name: str("colour"), Values: []string{"red"}}}})),
		"NoSuchEntity":                        put("nobody", `{}`),
		"MalformedPolicyDocument":             put("shop-web", `{"Statement":[{"Effect":"Perhaps"}]}`),
		"UnmodifiableEntity":                  put("AWSServiceRoleForX", `{"Statement":{"Effect":"Deny"}}`),
		"LimitExceeded":                       put("shop-web", `{"Statement":{"Effect":"Deny","Action":"`+strings.Repeat("a", 10240)+`"}}`),
		"DeleteConflict":                      e(s.iam().DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: str("shop-web")})),
		"EntityAlreadyExists":                 e(s.iam().CreateUser(ctx, &iam.CreateUserInput{UserName: str("Deploy")})),
	} {
		if code(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestListsHavePagesAndFilters(t *testing.T) {
	s := start(t, world.Options{}, aws.Options{})
	pages := ec2.NewDescribeInstancesPaginator(s.ec2(), &ec2.DescribeInstancesInput{MaxResults: sdkaws.Int32(3)})
	seen := map[string]bool{}
	n := 0
	for ; pages.HasMorePages(); n++ {
		for _, r := range must(pages.NextPage(t.Context()))(t).Reservations {
			seen[*r.Instances[0].InstanceId] = true
		}
	}
	if n != 3 || len(seen) != 8 {
		t.Errorf("%d pages of %d instances", n, len(seen))
	}
	for filter, want := range map[string]int{"tag:env=prod": 8, "tag-key=edrc:protected": 1, "tag:Name=web-*": 3, "instance-state-name=stopped": 0,
		"iam-instance-profile.arn=arn:aws:iam::" + home + ":instance-profile/app/web": 3, "instance-lifecycle=spot": 1} {
		name, value, _ := strings.Cut(filter, "=")
		out := must(s.ec2().DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{Filters: []types.Filter{{Name: &name, Values: []string{value}}}}))(t)
		if len(out.Reservations) != want {
			t.Errorf("%s: %d, want %d", filter, len(out.Reservations), want)
		}
	}
	for i := range 3 {
		must(s.iam().PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: sdkaws.String("shop-web"), PolicyName: sdkaws.String(fmt.Sprint("p", i)),
			PolicyDocument: sdkaws.String(`{"Statement":{"Effect":"Allow"}}`)}))(t)
	}
	var names []string
	roles := iam.NewListRolePoliciesPaginator(s.iam(), &iam.ListRolePoliciesInput{RoleName: sdkaws.String("SHOP-web"), MaxItems: sdkaws.Int32(3)})
	for roles.HasMorePages() {
		names = append(names, must(roles.NextPage(t.Context()))(t).PolicyNames...)
	}
	if !slices.Equal(names, []string{"p0", "p1", "p2", "work"}) {
		t.Errorf("%q", names)
	}
}

func TestTheStateTellsWhatIsContainedUntilItIsReleased(t *testing.T) {
	s := start(t, world.Options{}, aws.Options{})
	i := s.named(t, "web", func(i types.Instance) bool { return len(i.NetworkInterfaces) == 1 })
	ids := []string{*i.InstanceId}
	g := must(s.ec2().CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: sdkaws.String("empty"), Description: sdkaws.String("d"), VpcId: i.VpcId}))(t).GroupId
	move := func(groups ...string) {
		must(s.ec2().ModifyNetworkInterfaceAttribute(t.Context(), &ec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: i.NetworkInterfaces[0].NetworkInterfaceId, Groups: groups}))(t)
	}
	move(*g)
	if got := s.State().Isolated; len(got) != 0 {
		t.Errorf("the group lets everything out, and the state says %q", got)
	}
	rules := must(s.ec2().DescribeSecurityGroupRules(t.Context(), &ec2.DescribeSecurityGroupRulesInput{Filters: []types.Filter{{Name: sdkaws.String("group-id"), Values: []string{*g}}}}))(t).SecurityGroupRules
	must(s.ec2().RevokeSecurityGroupEgress(t.Context(), &ec2.RevokeSecurityGroupEgressInput{GroupId: g, SecurityGroupRuleIds: []string{*rules[0].SecurityGroupRuleId}}))(t)
	out := must(s.ec2().StopInstances(t.Context(), &ec2.StopInstancesInput{InstanceIds: ids}))(t).StoppingInstances[0]
	if out.PreviousState.Name != "running" || out.CurrentState.Name != "stopping" {
		t.Errorf("%+v", out)
	}
	got := s.State().Isolated
	if len(got) != 2 || !strings.HasPrefix(got[0], "isolated: web-") || !strings.HasPrefix(got[1], "stopped: web-") || !strings.HasSuffix(got[1], ids[0]) {
		t.Errorf("%q", got)
	}
	must(s.ec2().StartInstances(t.Context(), &ec2.StartInstancesInput{InstanceIds: ids}))(t)
	move(*i.SecurityGroups[0].GroupId)
	if got := s.State().Isolated; len(got) != 0 {
		t.Errorf("%q", got)
	}
}

func TestFaultsAreInTheFormOfTheServiceAndQueriesAreKnownAsWrites(t *testing.T) {
	v := aws.New(world.Options{}, aws.Options{})
	request := func(service string, form url.Values) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form.Encode()))
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIA/20261123/us-east-1/"+service+"/aws4_request, SignedHeaders=host, Signature=x")
		return r
	}
	for service, want := range map[string]string{"ec2": "<Response><Errors><Error><Code>RequestLimitExceeded<", "iam": "<Error><Type>Sender</Type><Code>Throttling<"} {
		w := httptest.NewRecorder()
		v.Refuse(w, request(service, nil), http.StatusTooManyRequests, 1)
		if !strings.Contains(w.Body.String(), want) || w.Code/100 < 4 {
			t.Errorf("%s: %d %s", service, w.Code, w.Body)
		}
	}
	for query, want := range map[string]bool{"Action=StopInstances": true, "Action=StopInstances&DryRun=true": false, "Action=DescribeInstances": false,
		"Action=AssumeRole": false, "Action=PutRolePolicy": true, "": false} {
		form, _ := url.ParseQuery(query)
		r := request("ec2", form)
		if got := v.Writes(r); got != want {
			t.Errorf("%q writes: %v", query, got)
		}
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != form.Encode() {
			t.Errorf("%q: the body is %q now, %v", query, body, err)
		}
	}
}
