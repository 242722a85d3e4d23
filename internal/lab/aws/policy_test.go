package aws

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"edrc/internal/lab/world"
)

func TestADenyIsAboveEveryAllowAndNothingIsAllowedByItself(t *testing.T) {
	context := map[string][]string{"aws:resourcetag/env": {"prod"}, "aws:tagkeys": {"a", "b"}, "aws:requestedregion": {"us-east-1"}}
	const (
		all     = `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
		denyAll = `{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`
		arn     = "arn:aws:ec2:us-east-1:1:instance/i-1"
	)
	allow := func(rest string) string { return `{"Statement":{"Effect":"Allow",` + rest + `}}` }
	for name, tc := range map[string]struct {
		documents []string
		want      string
	}{
		"nothing":                   {nil, implicit},
		"all":                       {[]string{all}, allowed},
		"denied beside all":         {[]string{denyAll, all}, explicit},
		"denied after all":          {[]string{all, denyAll}, explicit},
		"all but some":              {[]string{all, `{"Statement":{"Effect":"Deny","NotAction":["ssm:*"],"Resource":"*"}}`}, explicit},
		"some but this":             {[]string{all, `{"Statement":{"Effect":"Deny","NotAction":["ec2:stop*"],"Resource":"*"}}`}, allowed},
		"a pattern, in any case":    {[]string{allow(`"Action":"EC2:stop?nstances","Resource":"*"`)}, allowed},
		"another action":            {[]string{allow(`"Action":["ec2:StartInstances","s3:*"],"Resource":"*"`)}, implicit},
		"its resource":              {[]string{allow(`"Action":"ec2:*","Resource":"arn:aws:ec2:*:1:instance/*"`)}, allowed},
		"another resource":          {[]string{allow(`"Action":"ec2:*","Resource":"arn:aws:ec2:*:2:instance/*"`)}, implicit},
		"not that resource":         {[]string{allow(`"Action":"ec2:*","NotResource":"arn:aws:ec2:*:1:instance/*"`)}, implicit},
		"its tag":                   {[]string{allow(`"Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/env":["test","prod"]}}`)}, allowed},
		"another tag":               {[]string{allow(`"Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/env":"test"}}`)}, implicit},
		"not that tag":              {[]string{allow(`"Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:ResourceTag/env":"prod"}}`)}, implicit},
		"no such tag":               {[]string{allow(`"Action":"*","Resource":"*","Condition":{"StringLike":{"aws:ResourceTag/team":"*"}}`)}, implicit},
		"not a tag that is not":     {[]string{allow(`"Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:ResourceTag/team":"x"}}`)}, allowed},
		"if it exists":              {[]string{allow(`"Action":"*","Resource":"*","Condition":{"StringEqualsIfExists":{"aws:ResourceTag/team":"x"}}`)}, allowed},
		"all values":                {[]string{allow(`"Action":"*","Resource":"*","Condition":{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b","c"]}}`)}, allowed},
		"not all values":            {[]string{allow(`"Action":"*","Resource":"*","Condition":{"ForAllValues:StringEquals":{"aws:TagKeys":["a"]}}`)}, implicit},
		"any value":                 {[]string{allow(`"Action":"*","Resource":"*","Condition":{"ForAnyValue:StringLike":{"aws:TagKeys":["a*"]}}`)}, allowed},
		"two conditions":            {[]string{allow(`"Action":"*","Resource":"*","Condition":{"StringLike":{"aws:ResourceTag/env":"p*","aws:RequestedRegion":"eu-*"}}`)}, implicit},
		"an operator that is none":  {[]string{allow(`"Action":"*","Resource":"*","Condition":{"Sounds":{"a":"b"}}`)}, implicit},
		"such a Deny":               {[]string{all, `{"Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Sounds":{"a":"b"}}}}`}, explicit},
		"a document that is broken": {[]string{`{`, all}, allowed},
	} {
		got := decide(tc.documents, question{"ec2:StopInstances", arn, func(k string) []string { return context[strings.ToLower(k)] }})
		if got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

func FuzzPolicy(f *testing.F) {
	f.Add(`{"Statement":[{"Effect":"Allow","Action":["a:*"],"Resource":"*","Condition":{"StringLike":{"k":"v*"}}}]}`)
	f.Add(`{"Statement":{"Effect":"Deny","Principal":{"AWS":"*"},"NotAction":"a","NotResource":[]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		q := question{"ec2:StopInstances", "arn", func(string) []string { return []string{"v"} }}
		if got := decide([]string{text, `{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`}, q); got != explicit {
			t.Errorf("a deny of everything gives %s", got)
		}
		p, _ := readPolicy(text)
		_ = p.trusts([]string{"arn"}, q)
	})
}

// FuzzQuery sends any form to every service as the administrator: it is answered, and a
// dry run changes nothing.
func FuzzQuery(f *testing.F) {
	f.Add("ec2", "Action=DescribeInstances&Filter.1.Name=tag:a&Filter.1.Value.1=*&MaxResults=5")
	f.Add("ec2", "Action=AuthorizeSecurityGroupEgress&GroupId=sg-1&IpPermissions.1.IpRanges.1.CidrIp=x&IpPermissions.1.FromPort=a")
	f.Add("ec2", "Action=CreateSubnet&VpcId=vpc-1&CidrBlock=10.")
	f.Add("iam", "Action=CreateRole&RoleName=a/b&AssumeRolePolicyDocument={\"Statement\":{\"Effect\":\"Allow\"}}&Tags.member.1.Key=k")
	f.Add("sts", "Action=AssumeRole&RoleArn=arn:aws:iam::111122223333:role/edrc&RoleSessionName=aa")
	f.Add("autoscaling", "Action=EnterStandby&AutoScalingGroupName=shop-web&InstanceIds.member.1=i")
	f.Add("elasticloadbalancing", "Action=DescribeTargetGroups&Marker=lab%2Bpage/99&PageSize=-1")
	now := func() time.Time { return time.Unix(1795132800, 0) }
	f.Fuzz(func(t *testing.T, service, body string) {
		form, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		v := New(world.Options{Now: now}, Options{Accounts: []string{"111122223333"}, Regions: []string{"us-east-1"}})
		id, _ := v.Key()
		c := &call{Vendor: v, caller: caller{key: v.keys[id], service: service, region: "us-east-1"}, form: form, action: form.Get("Action")}
		_, failed := c.run()
		if failed != nil && (failed.code == "" || failed.status < 400) {
			t.Errorf("%+v", failed)
		}
	})
}
