//go:build linux

package crash

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// awsRegion is where the instance is that the tests contain.
const awsRegion = "us-east-1"

// onAnInstance contains the instance of a finding, one with three network interfaces.
func onAnInstance(verb ...string) func(w *world) ([]string, string) {
	return func(w *world) ([]string, string) {
		w.Helper()
		r := w.must("alerts", "list", "--since", "30d", "--all", "--jq", `[.items[] | select((.title | contains("SAMPLE") | not) and .raw.region == "`+awsRegion+
			`" and .raw.accountId == "111122223333" and ((.raw.resource.instanceDetails.networkInterfaces // []) | length) == 3)][0].ref`)
		ref := strings.TrimSpace(r.stdout)
		if !strings.HasPrefix(ref, "aws-lab:") {
			w.Fatalf("no finding names an instance with three interfaces: %q; choose another seed", ref)
		}
		return append(slices.Clone(verb), ref, "--reason", "IR-2231"), ref
	}
}

// ec2 is Amazon's own client for the lab.
func (w *world) ec2() *ec2.Client {
	w.Helper()
	config := string(w.lab.Config())
	word := func(name string) string {
		m := regexp.MustCompile(name + `: "([^"]+)"`).FindStringSubmatch(config)
		if m == nil {
			w.Fatalf("the lab's configuration has no %s", name)
		}
		return m[1]
	}
	return ec2.NewFromConfig(aws.Config{Region: awsRegion, BaseEndpoint: aws.String(word("endpoint_url")),
		Credentials: credentials.NewStaticCredentialsProvider(word("access_key_id"), word("secret_access_key"), "")})
}

// network is how instances and their network stand: state, groups of each interface
// with its tags, and the rules of each group.
func (w *world) network() string {
	w.Helper()
	ctx := context.Background()
	client := w.ec2()
	var out []string
	check := func(err error) {
		w.Helper()
		if err != nil {
			w.Fatal(err)
		}
	}
	instances, err := client.DescribeInstances(ctx, &ec2.DescribeInstancesInput{})
	check(err)
	for _, r := range instances.Reservations {
		for _, i := range r.Instances {
			out = append(out, fmt.Sprint(aws.ToString(i.InstanceId), " ", i.State.Name, tagsOf(i.Tags)))
		}
	}
	nics, err := client.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{})
	check(err)
	for _, n := range nics.NetworkInterfaces {
		line := aws.ToString(n.NetworkInterfaceId)
		for _, g := range n.Groups {
			line += " " + aws.ToString(g.GroupName)
		}
		out = append(out, line+tagsOf(n.TagSet))
	}
	groups, err := client.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{})
	check(err)
	for _, g := range groups.SecurityGroups {
		out = append(out, fmt.Sprint(aws.ToString(g.GroupName), " in ", aws.ToString(g.VpcId), len(g.IpPermissions), len(g.IpPermissionsEgress)))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func tagsOf(tags []types.Tag) string {
	var out []string
	for _, t := range tags {
		out = append(out, aws.ToString(t.Key)+"="+aws.ToString(t.Value))
	}
	slices.Sort(out)
	return " " + strings.Join(out, ",")
}
