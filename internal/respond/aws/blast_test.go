package aws

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

// valuesOf gives what a plan says under a word.
func valuesOf(p respond.Plan, what string) (out []string) {
	for _, f := range append(slices.Clone(p.Prior), p.Blast...) {
		if f.What == what {
			out = append(out, f.Value)
		}
	}
	return out
}

func TestWhoeverATrustPolicyLetsInIsSaidInWords(t *testing.T) {
	const own = "111122223333"
	for _, tc := range []struct{ kind, name, want string }{
		{"Service", "ec2.amazonaws.com", "EC2 instances (ec2.amazonaws.com)"},
		{"Service", "ec2.amazonaws.com.cn", "EC2 instances (ec2.amazonaws.com.cn)"},
		{"Service", "ec2.eu-west-1.amazonaws.com", "EC2 instances (ec2.eu-west-1.amazonaws.com)"},
		{"Service", "lambda.amazonaws.com", "Lambda functions (lambda.amazonaws.com), not listed by name"},
		{"Service", "ecs-tasks.amazonaws.com", "ECS tasks (ecs-tasks.amazonaws.com), not listed by name"},
		{"Service", "pods.eks.amazonaws.com", "pods of EKS clusters (pods.eks.amazonaws.com), not listed by name"},
		{"Service", "backup.amazonaws.com", "the AWS service backup.amazonaws.com"},
		{"Service", "odd", "the AWS service odd"},
		{"AWS", "arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:root (this account)"},
		{"AWS", "444455556666", "account 444455556666 (another account)"},
		{"AWS", "arn:aws:iam::444455556666:role/x", "arn:aws:iam::444455556666:role/x (another account)"},
		{"AWS", "AROAEXAMPLE", "AROAEXAMPLE (deleted, or known to AWS only)"},
		{"AWS", "*", "anybody in any account (*), but for the policy's conditions"},
		{"", "*", "anybody in any account (*), but for the policy's conditions"},
		{"Federated", "arn:aws:iam::111122223333:saml-provider/okta", "people who log in by SAML (arn:aws:iam::111122223333:saml-provider/okta)"},
		{"Federated", "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/A",
			"workloads and people with tokens of an OIDC provider, Kubernetes pods among them (arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/A)"},
		{"Federated", "accounts.google.com", "web identities of accounts.google.com"},
		{"", unreadable + "x", unreadable + "x"},
	} {
		p := principal{tc.kind, tc.name}
		if got := p.words(own); got != tc.want {
			t.Errorf("%s %s: %q, want %q", tc.kind, tc.name, got, tc.want)
		}
		if strings.HasPrefix(tc.name, "ec2.") != p.ec2() {
			t.Errorf("%s is EC2: %v", tc.name, p.ec2())
		}
	}
}

func TestWhatIsNotListedByNameIsSaid(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		trust := `{"Statement":[{"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","ecs-tasks.amazonaws.com"],"Federated":"arn:aws:iam::` + r.account +
			`:saml-provider/okta","AWS":"arn:aws:iam::444455556666:root"},"Action":"sts:AssumeRole"}]}`
		r.role("web", "/", trust)
		p, err := r.plan(respond.IsolateRole, "web", respond.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := valuesOf(p, "may be used by"); len(got) != 4 {
			t.Errorf("%q", got)
		}
		if text := strings.Join(p.Warnings, " "); !strings.Contains(text, "ECS tasks and Lambda functions may run with the role: they are not listed by name") {
			t.Errorf("%q", p.Warnings)
		}
		for _, words := range []string{"lambda.amazonaws.com", "ecs-tasks.amazonaws.com", "SAML", "444455556666:root (another account)"} {
			if !strings.Contains(p.SharedBy, words) {
				t.Errorf("%q is not in %q", words, p.SharedBy)
			}
		}
		if p, err = r.plan(respond.IsolateRole, r.plain("db"), respond.Options{}); err != nil || p.SharedBy != "" || strings.Contains(fmt.Sprint(p.Warnings), "not listed") {
			t.Errorf("%q %q %v", p.SharedBy, p.Warnings, err)
		}
	})
}

// plain makes a role that only EC2 may assume.
func (r *rig) plain(name string) string {
	r.t.Helper()
	r.role(name, "/", ec2Trust)
	return name
}

func TestInstancesWithARoleAreListedInEveryRegion(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		r.role("web", "/", ec2Trust)
		must(r.iam.CreateInstanceProfile(t.Context(), &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("second")}))(t)
		must(r.iam.AddRoleToInstanceProfile(t.Context(), &iam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("second"), RoleName: aws.String("web")}))(t)
		plain := r.run("profile-web", 1)[0]
		started := r.run("second", 1)[0]
		for _, id := range []string{started, plain} { // moto lets nobody set aws: tags, and so the names are edited below
			must(r.ec2.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{id}, Tags: ec2Tags(map[string]string{"edit-asg": "asg-7", "edit-lt": "lt-0123"})}))(t)
		}
		must(r.ec2.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{started}, Tags: ec2Tags(map[string]string{"Name": "web-2"})}))(t)
		other := ec2.NewFromConfig(r.admin("eu-west-1"))
		far := must(other.RunInstances(t.Context(), &ec2.RunInstancesInput{ImageId: aws.String("ami-12c6146b"), MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
			IamInstanceProfile: &ec2types.IamInstanceProfileSpecification{Name: aws.String("profile-web")}}))(t)
		r.opt.Regions = []string{"us-east-1", "eu-west-1"}
		r.reopen()
		r.patch("<key>edit-asg<", "<key>aws:autoscaling:groupName<")
		first := r.wire.edit
		r.wire.edit = func(body string) string {
			return strings.ReplaceAll(first(body), "<key>edit-lt<", "<key>aws:ec2launchtemplate:id<")
		}
		p, err := r.plan(respond.IsolateRole, "web", respond.Options{})
		if err != nil {
			t.Fatal(err)
		}
		want := sorted([]string{"us-east-1 " + plain + " (running)", "us-east-1 " + started + " web-2 (running)",
			"eu-west-1 " + aws.ToString(far.Instances[0].InstanceId) + " (running)"})
		if got := sorted(valuesOf(p, "instance")); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		for what, name := range map[string]string{"Auto Scaling group": "us-east-1 asg-7: the instances that it starts", "launch template": "us-east-1 lt-0123: "} {
			if got := valuesOf(p, what); len(got) != 1 || !strings.HasPrefix(got[0], name) {
				t.Errorf("%s: %q", what, got)
			}
		}
		if got := valuesOf(p, "instance profiles"); len(got) != 1 || !strings.Contains(got[0], "profile-web") || !strings.Contains(got[0], "second") {
			t.Errorf("%q", got)
		}
		if !strings.Contains(p.SharedBy, "3 instances use it") || !strings.Contains(strings.Join(p.Warnings, " "), "only instances of us-east-1, eu-west-1") {
			t.Errorf("%q; %q", p.SharedBy, p.Warnings)
		}
	})
}

// TestNoTextOfAPlanHasHoles: an instance without a name leaves no gap where it would stand.
func TestNoTextOfAPlanHasHoles(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		r.role("web", "/", ec2Trust)
		id := r.run("profile-web", 1)[0]
		for _, v := range []respond.Verb{respond.StopInstance, respond.IsolateRole, respond.IsolateInstance} {
			p, err := r.plan(v, id, respond.Options{})
			if err != nil {
				t.Fatal(err)
			}
			texts := append([]string{p.SharedBy, p.Undo}, p.Warnings...)
			for _, s := range p.Steps {
				texts = append(texts, s.Title)
			}
			for _, f := range append(slices.Clone(p.Prior), p.Blast...) {
				texts = append(texts, f.What+": "+f.Value)
			}
			for _, text := range texts {
				if strings.Contains(text, "  ") || strings.Contains(text, "()") || strings.Contains(text, "( ") {
					t.Errorf("%s: %q", v, text)
				}
			}
		}
	})
}

func TestRefusalsNameTheInstanceByNameAndID(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		id := r.run("", 1)[0]
		must(r.ec2.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{id}, Tags: ec2Tags(map[string]string{"Name": "web-1"})}))(t)
		must(r.ec2.ModifyInstanceAttribute(context.Background(), &ec2.ModifyInstanceAttributeInput{InstanceId: &id,
			DisableApiStop: &ec2types.AttributeBooleanValue{Value: aws.Bool(true)}}))(t)
		_, err := r.plan(respond.StopInstance, id, respond.Options{})
		wantKind(t, err, fault.Denied, "web-1 ("+id+") has stop protection")
		must(r.ec2.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{id}, Tags: ec2Tags(map[string]string{respond.DefaultTag: ""})}))(t)
		_, err = r.plan(respond.IsolateInstance, id, respond.Options{})
		wantKind(t, err, fault.Denied, "web-1 ("+id+") is protected", respond.DefaultTag)
	})
}

func FuzzTrustPolicy(f *testing.F) {
	f.Add(anyTrust)
	f.Add(`{"Statement":[{"Effect":"Allow","Principal":{"Federated":"::x:saml-provider/"}}]}`)
	f.Fuzz(func(t *testing.T, doc string) {
		for _, p := range principals(doc) {
			if w := p.words("111122223333"); w == "" && p.name != "" {
				t.Fatalf("%+v has no words", p)
			}
		}
	})
}
