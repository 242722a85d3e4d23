package aws

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"edrc/internal/awsconn"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/respond"
)

const (
	allowAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	ec2Trust = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`
	ownTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`
	anyTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["ec2.amazonaws.com","lambda.amazonaws.com"],"AWS":"*"},"Action":"sts:AssumeRole"},` +
		`{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}]}`
)

// role makes a role that may do everything, and is in an instance profile of another name.
func (r *rig) role(name, path, trust string, tags ...types.Tag) {
	r.t.Helper()
	ctx := r.t.Context()
	must(r.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, Path: &path, AssumeRolePolicyDocument: &trust, Tags: tags}))(r.t)
	if strings.HasPrefix(path, "/aws-") { // AWS's own: nobody can change it
		return
	}
	must(r.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("work"), PolicyDocument: aws.String(allowAll)}))(r.t)
	must(r.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("profile-" + name), Path: aws.String("/app/")}))(r.t)
	must(r.iam.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("profile-" + name), RoleName: &name}))(r.t)
}

// run starts instances with a profile, "" for none.
func (r *rig) run(profile string, n int32, change ...func(*ec2.RunInstancesInput)) []string {
	r.t.Helper()
	in := &ec2.RunInstancesInput{ImageId: aws.String("ami-12c6146b"), MinCount: &n, MaxCount: &n}
	if profile != "" {
		in.IamInstanceProfile = &ec2types.IamInstanceProfileSpecification{Name: &profile}
	}
	for _, c := range change {
		c(in)
	}
	var out []string
	for _, i := range must(r.ec2.RunInstances(r.t.Context(), in))(r.t).Instances {
		out = append(out, aws.ToString(i.InstanceId))
	}
	return out
}

func (r *rig) policies(role string) []string {
	r.t.Helper()
	return must(r.iam.ListRolePolicies(context.Background(), &iam.ListRolePoliciesInput{RoleName: &role}))(r.t).PolicyNames
}

// user makes a user with a key that may do everything.
func (r *rig) user(name string) (key, secret string) {
	r.t.Helper()
	ctx := r.t.Context()
	must(r.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: &name}))(r.t)
	must(r.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("all"), PolicyDocument: aws.String(allowAll)}))(r.t)
	k := must(r.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name}))(r.t).AccessKey
	return aws.ToString(k.AccessKeyId), aws.ToString(k.SecretAccessKey)
}

// TestALiveSessionIsDeniedAfterIsolationAndWorksAfterUndo is the whole promise, with IAM
// enforced: a session that was issued before is cut off.
func TestALiveSessionIsDeniedAfterIsolationAndWorksAfterUndo(t *testing.T) {
	rigsAlone(t, func(t *testing.T, r *rig) {
		r.role("web", "/", ownTrust)
		key, secret := r.user("edrc")
		r.opt.AccessKeyID, r.opt.SecretAccessKey = key, httpx.Literal(secret)
		r.reopen()
		base := r.admin("us-east-1")
		r.enforce()
		in := &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + r.account + ":role/web"), RoleSessionName: aws.String("thief")}
		c := must(sts.NewFromConfig(base).AssumeRole(t.Context(), in))(t).Credentials
		session := awsconn.Options{Regions: r.opt.Regions, EndpointURL: r.opt.EndpointURL, AccessKeyID: aws.ToString(c.AccessKeyId),
			SecretAccessKey: httpx.Literal(aws.ToString(c.SecretAccessKey)), SessionToken: httpx.Literal(aws.ToString(c.SessionToken))}
		stolen := ec2.NewFromConfig(r.config(session, r.newWire(), "us-east-1"))
		use := func() error {
			_, err := stolen.DescribeInstances(context.Background(), &ec2.DescribeInstancesInput{})
			return err
		}
		if err := use(); err != nil {
			t.Fatalf("before: %v", err)
		}
		rep := r.mustDo(respond.IsolateRole, "web", respond.Options{})
		if err := use(); !is(err, "AccessDenied", "UnauthorizedOperation") {
			t.Fatalf("the stolen session still works: %v", err)
		}
		r.mustUndo(rep.Action.ID)
		if err := use(); err != nil {
			t.Fatalf("after undo: %v", err)
		}
	})
}

func TestARoleIsIsolatedOnceAndUndoneExactly(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		r.role("web", "/", ec2Trust)
		rep := r.mustDo(respond.IsolateRole, "arn:aws:iam::"+r.account+":role/web", respond.Options{})
		name := policyPrefix + rep.Action.ID
		if got := r.policies("web"); len(got) != 2 || !strings.Contains(strings.Join(got, " "), name) {
			t.Fatal(got)
		}
		doc := must(r.iam.GetRolePolicy(t.Context(), &iam.GetRolePolicyInput{RoleName: aws.String("web"), PolicyName: &name}))(t)
		if !sameJSON(decoded(aws.ToString(doc.PolicyDocument)), denyAll) {
			t.Fatal(*doc.PolicyDocument)
		}
		r.wire.writes()
		again, err := r.do(respond.IsolateRole, "web", respond.Options{})
		if err != nil || !strings.Contains(again.Already, name) || len(r.wire.writes()) > 0 {
			t.Fatalf("%+v %v", again, err)
		}
		r.mustUndo(rep.Action.ID)
		if got := r.policies("web"); len(got) != 1 || got[0] != "work" {
			t.Fatal(got)
		}
	})
}

func TestTwoCasesIsolateARoleIndependently(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		r.role("web", "/", ec2Trust)
		isolate := func(kase string) (respond.Report, error) {
			req := r.request(respond.IsolateRole, "web", respond.Options{})
			req.Case = kase
			p, err := r.engine().Plan(t.Context(), req)
			if err != nil {
				return respond.Report{}, err
			}
			return r.engine().Apply(t.Context(), p, yes)
		}
		one, err := isolate("case-1")
		if err != nil {
			t.Fatal(err)
		}
		if rep, err := isolate("case-2"); err != nil || rep.Action == nil {
			t.Fatal(rep, err)
		}
		undone := r.mustUndo(one.Action.ID)
		if !strings.Contains(strings.Join(undone.Warnings, " "), "stays isolated by edrc-isolate-case-2") {
			t.Errorf("that the other case still isolates the role is not said: %q", undone.Warnings)
		}
		if got := r.policies("web"); strings.Join(got, " ") != "edrc-isolate-case-2 work" && strings.Join(got, " ") != "work edrc-isolate-case-2" {
			t.Fatal(got)
		}
		must(r.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("web"), PolicyName: aws.String("edrc-isolate-case-3"), PolicyDocument: aws.String(allowAll)}))(t)
		_, err = isolate("case-3")
		wantKind(t, err, fault.Conflict, "edrc did not write")
	})
}

func TestTheRoleOfAnInstanceIsFoundByItsProfile(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		r.role("web", "/svc/", ec2Trust)
		id := r.run("profile-web", 1)[0]
		p, err := r.plan(respond.IsolateRole, id, respond.Options{})
		if err != nil || p.Target.ID != "web" || p.Target.Kind != respond.Role || p.SharedBy != "" {
			t.Fatalf("%+v %v", p, err)
		}
		if !hasFact(p, "instance", id) || !hasFact(p, "role", "profile-web") || !hasFact(p, "may be used by", "ec2.amazonaws.com") || !hasFact(p, "last used", "") {
			t.Errorf("%+v", p.Blast)
		}
		_, err = r.plan(respond.IsolateRole, r.run("", 1)[0], respond.Options{})
		wantKind(t, err, fault.NotFound, "no instance profile")
		must(r.iam.RemoveRoleFromInstanceProfile(t.Context(), &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: aws.String("profile-web"), RoleName: aws.String("web")}))(t)
		_, err = r.plan(respond.IsolateRole, id, respond.Options{})
		wantKind(t, err, fault.NotFound, "holds no role")
		must(r.iam.DeleteInstanceProfile(t.Context(), &iam.DeleteInstanceProfileInput{InstanceProfileName: aws.String("profile-web")}))(t)
		_, err = r.plan(respond.IsolateRole, id, respond.Options{})
		wantKind(t, err, fault.NotFound, "was deleted", "credentials")
	})
}

func hasFact(p respond.Plan, what, value string) bool {
	for _, f := range append(p.Prior, p.Blast...) {
		if f.What == what && strings.Contains(f.Value, value) {
			return true
		}
	}
	return false
}

func TestARoleThatOthersUseNeedsMoreThanYes(t *testing.T) {
	rigs(t, func(t *testing.T, on *rig) {
		for name, prepare := range map[string]func(r *rig) string{
			"two instances": func(r *rig) string {
				r.role("web", "/", ec2Trust)
				r.run("profile-web", 1)
				r.run("profile-web", 1)
				return "2 instances"
			},
			"not only EC2": func(r *rig) string { r.role("web", "/", anyTrust); return "lambda.amazonaws.com" },
			"unreadable": func(r *rig) string {
				r.role("web", "/", ec2Trust)
				r.wire.answer = refuse("DescribeInstances", 403, "UnauthorizedOperation")
				return "not known"
			},
		} {
			t.Run(name, func(t *testing.T) {
				r := on.again(t)
				words := prepare(r)
				p, err := r.plan(respond.IsolateRole, "web", respond.Options{})
				if err != nil || !strings.Contains(p.SharedBy, words) {
					t.Fatalf("%q %v", p.SharedBy, err)
				}
				_, err = r.engine().Apply(t.Context(), p, respond.Approval{Yes: true})
				wantKind(t, err, fault.Declined, "--yes-shared")
				if got := r.policies("web"); len(got) != 1 {
					t.Fatal(got)
				}
			})
		}
	})
}

func TestRolesThatMustNotBeIsolatedAreRefused(t *testing.T) {
	rigs(t, func(t *testing.T, on *rig) {
		for name, tc := range map[string]struct {
			prepare func(r *rig)
			target  string
			kind    fault.Kind
			words   string
		}{
			"service-linked": {func(r *rig) { r.role("AWSServiceRoleForX", "/aws-service-role/x.amazonaws.com/", ec2Trust) }, "AWSServiceRoleForX", fault.Denied, "service-linked"},
			"identity center": {func(r *rig) {
				r.role("AWSReservedSSO_Admin_0123456789abcdef", "/aws-reserved/sso.amazonaws.com/", ec2Trust)
			}, "AWSReservedSSO_Admin_0123456789abcdef", fault.Denied, "permission set"},
			"edrc's own": {func(r *rig) {
				r.role("responder", "/sec/", ownTrust)
				r.opt.Accounts = []awsconn.Account{{ID: r.account, RoleARN: "arn:aws:iam::" + r.account + ":role/sec/responder"}}
				r.reopen()
			}, "Responder", fault.Denied, "edrc itself runs as"},
			"protected by tag": {func(r *rig) {
				r.role("web", "/", ec2Trust, types.Tag{Key: aws.String(respond.DefaultTag), Value: aws.String("yes")})
			}, "web", fault.Denied, respond.DefaultTag},
			"an instance with it is protected": {func(r *rig) {
				r.role("web", "/", ec2Trust)
				id := r.run("profile-web", 1)[0]
				must(r.ec2.CreateTags(context.Background(), &ec2.CreateTagsInput{Resources: []string{id}, Tags: ec2Tags(map[string]string{respond.DefaultTag: ""})}))(r.t)
			}, "web", fault.Denied, respond.DefaultTag},
			"unknown":                     {func(*rig) {}, "nobody", fault.NotFound, "nobody"},
			"in an account without a way": {func(*rig) {}, "arn:aws:iam::999999999999:role/web", fault.Usage, "999999999999"},
			"of a sample finding":         {func(*rig) {}, "GeneratedFindingUserName", fault.Denied, "sample"},
		} {
			t.Run(name, func(t *testing.T) {
				r := on.again(t)
				tc.prepare(r)
				if name == "edrc's own" { // role names ignore case, moto's do not
					r.patch("<RoleName>responder<", "<RoleName>Responder<")
					tc.target = "responder"
				}
				_, err := r.do(respond.IsolateRole, tc.target, respond.Options{})
				wantKind(t, err, tc.kind, tc.words)
				if w := r.wire.writes(); len(w) > 0 {
					t.Error(w)
				}
			})
		}
	})
}

// TestACredentialOfAnotherAccountNeverActs: the role that was assumed leads elsewhere.
func TestACredentialOfAnotherAccountNeverActs(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		r.opt.Accounts = []awsconn.Account{r.way()}
		r.reopen()
		r.patch(r.second, "222222222222")
		_, err := r.do(respond.IsolateRole, "arn:aws:iam::"+r.second+":role/web", respond.Options{})
		wantKind(t, err, fault.Denied, "222222222222")
		if w := r.wire.writes(); len(w) > 0 {
			t.Error(w)
		}
	})
}

func TestTwoAccountsAreKeptApart(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		other := r.second
		r.opt.Accounts = []awsconn.Account{{ID: r.account}, r.way()}
		r.reopen()
		cfg := must(r.driver.Conn.For(t.Context(), other, "us-east-1"))(t)
		theirs := iam.NewFromConfig(cfg)
		must(theirs.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("web"), AssumeRolePolicyDocument: aws.String(ec2Trust)}))(t)
		rep := r.mustDo(respond.IsolateRole, "web", respond.Options{}) // found where it is
		if rep.Action.Target.Account != other {
			t.Fatal(rep.Action.Target)
		}
		r.mustUndo(rep.Action.ID)
		r.role("web", "/", ec2Trust)
		_, err := r.do(respond.IsolateRole, "web", respond.Options{})
		wantKind(t, err, fault.Usage, "2 accounts", r.account, other, "arn:aws:iam::"+r.account+":role/web")
		rep = r.mustDo(respond.IsolateRole, "arn:aws:iam::"+other+":role/web", respond.Options{})
		if got := r.policies("web"); len(got) != 1 || rep.Action.Target.Account != other {
			t.Fatal(got, rep.Action.Target)
		}
	})
}

func TestUndoOfARoleThatIsGoneOrAPolicyThatIsGone(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		r.role("web", "/", ec2Trust)
		rep := r.mustDo(respond.IsolateRole, "web", respond.Options{})
		name := policyPrefix + rep.Action.ID
		must(r.iam.DeleteRolePolicy(t.Context(), &iam.DeleteRolePolicyInput{RoleName: aws.String("web"), PolicyName: &name}))(t)
		all, _ := r.engine().Isolated(t.Context())
		if len(all) != 1 || all[0].State != respond.Released {
			t.Fatalf("%+v", all)
		}
		r.mustUndo(rep.Action.ID)
		rep = r.mustDo(respond.IsolateRole, "web", respond.Options{})
		must(r.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("web"), PolicyName: aws.String(policyPrefix + rep.Action.ID), PolicyDocument: aws.String(allowAll)}))(t)
		_, err := r.undo(rep.Action.ID)
		wantKind(t, err, fault.Conflict, "another text", "--force")
		for _, step := range []string{"work", policyPrefix + rep.Action.ID} {
			must(r.iam.DeleteRolePolicy(t.Context(), &iam.DeleteRolePolicyInput{RoleName: aws.String("web"), PolicyName: &step}))(t)
		}
		must(r.iam.RemoveRoleFromInstanceProfile(t.Context(), &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: aws.String("profile-web"), RoleName: aws.String("web")}))(t)
		must(r.iam.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("web")}))(t)
		r.mustUndo(rep.Action.ID)
	})
}

func TestAKillDuringARoleIsolationIsUndone(t *testing.T) {
	rigs(t, func(t *testing.T, on *rig) {
		everyKill(t, 1, func() *rig { r := on.again(t); r.role("web", "/", ec2Trust); return r }, respond.IsolateRole, func(*rig) string { return "web" }, respond.Options{},
			func(r *rig, a *respond.Action, name string) {
				r.mustUndo(a.ID)
				if got := r.policies("web"); len(got) != 1 {
					t.Fatalf("%s: %v", name, got)
				}
			})
	})
}

func TestKeepSSMLeavesOnlyTheAgentsActions(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		r.role("web", "/", ec2Trust)
		p, err := r.plan(respond.IsolateRole, "web", respond.Options{KeepSSM: true})
		if err != nil || !strings.Contains(string(p.Steps[0].Data), "ssmmessages") || !strings.Contains(fmt.Sprint(p.Warnings), "SSM agent keeps") {
			t.Fatalf("%+v %v", p, err)
		}
	})
}

func TestADenialThatLeavesTheSSMAgentIsNotEnoughForTheWholeOne(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		r.role("web", "/", ec2Trust)
		kept := r.mustDo(respond.IsolateRole, "web", respond.Options{KeepSSM: true})
		if rep, err := r.do(respond.IsolateRole, "web", respond.Options{KeepSSM: true}); err != nil || rep.Already == "" {
			t.Errorf("the same once more: %+v %v", rep, err)
		}
		whole := r.mustDo(respond.IsolateRole, "web", respond.Options{})
		if got := r.policies("web"); len(got) != 3 {
			t.Fatalf("the SSM agent keeps its channel: %v", got)
		}
		if rep, err := r.do(respond.IsolateRole, "web", respond.Options{KeepSSM: true}); err != nil || !strings.Contains(rep.Already+fmt.Sprint(rep.Action), "already isolated") {
			t.Errorf("less than there is: %+v %v", rep, err)
		}
		r.mustUndo(whole.Action.ID)
		r.mustUndo(kept.Action.ID)
		if got := r.policies("web"); len(got) != 1 {
			t.Fatal(got)
		}
		req := r.request(respond.IsolateRole, "web", respond.Options{KeepSSM: true})
		req.Case = "c1"
		p := must(r.engine().Plan(t.Context(), req))(t)
		must(r.engine().Apply(t.Context(), p, yes))(t)
		req.Options.KeepSSM = false
		_, err := r.engine().Plan(t.Context(), req)
		wantKind(t, err, fault.Conflict, "leaves the SSM agent its channel", "--case")
	})
}

func TestARoleThatMayBeInAnotherAccountTooIsNotGuessed(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		r.opt.Accounts = []awsconn.Account{{ID: r.account}, r.way()}
		r.reopen()
		r.role("web", "/", ec2Trust)
		r.wire.answer = func(c call) (int, string) {
			if c.action == "AssumeRole" {
				return iamError(403, "AccessDenied")
			}
			return 0, ""
		}
		_, err := r.plan(respond.IsolateRole, "web", respond.Options{})
		wantKind(t, err, fault.Usage, r.account, "whether it is in another", "arn:aws:iam::"+r.account+":role/web")
		r.mustDo(respond.IsolateRole, "arn:aws:iam::"+r.account+":role/web", respond.Options{})
	})
}

func TestTrustPoliciesAreReadInEveryForm(t *testing.T) {
	for doc, want := range map[string]string{
		ec2Trust: "ec2.amazonaws.com", anyTrust: "*,ec2.amazonaws.com,lambda.amazonaws.com",
		`{"Statement":[{"Effect":"Allow","Principal":"*"}]}`:                                          "*",
		`{"Statement":{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::1:oidc-provider/x"}}}`: "arn:aws:iam::1:oidc-provider/x",
		`{`: "somebody: its trust policy cannot be read",
		`{"Statement":[{"Effect":"Allow","Principal":{"AWS":5}}]}`: "somebody: a principal cannot be read",
		`{"Statement":[{"Effect":"Allow"}]}`:                       "somebody: a principal cannot be read",
	} {
		if got := strings.Join(trusted(doc), ","); got != want {
			t.Errorf("%s: %q, want %q", doc, got, want)
		}
	}
}
