package aws

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"edrc/internal/awsconn"
	"edrc/internal/fault"
	"edrc/internal/respond"
)

func TestARoleForAServiceIsAnOrdinaryRole(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		r.role("fn", "/service-role/", ec2Trust)
		rep := r.mustDo(respond.IsolateRole, "arn:aws:iam::"+r.account+":role/service-role/fn", respond.Options{})
		r.mustUndo(rep.Action.ID)
	})
}

// TestTheRoleThatEdrcBeganWithIsItsOwnToo: the session is the credential itself, and no
// other role is assumed.
func TestTheRoleThatEdrcBeganWithIsItsOwnToo(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		r.role("soc", "/", ownTrust)
		key, secret := r.user("anna") // moto takes the administrator's sessions for its own account's
		r.opt.AccessKeyID, r.opt.SecretAccessKey = key, literal(secret)
		r.reopen()
		cfg := must(r.driver.Conn.For(t.Context(), "", "us-east-1"))(t)
		c := must(sts.NewFromConfig(cfg).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + r.account + ":role/soc"),
			RoleSessionName: aws.String("anna")}))(t).Credentials
		r.opt.AccessKeyID = aws.ToString(c.AccessKeyId)
		r.opt.SecretAccessKey, r.opt.SessionToken = literal(aws.ToString(c.SecretAccessKey)), literal(aws.ToString(c.SessionToken))
		r.reopen()
		r.wire.writes()
		for _, target := range []string{"soc", "arn:aws:iam::" + r.account + ":role/soc"} {
			_, err := r.do(respond.IsolateRole, target, respond.Options{})
			wantKind(t, err, fault.Denied, "edrc itself runs as role soc")
		}
		if w := r.wire.writes(); len(w) > 0 {
			t.Error(w)
		}
	})
}

// TestAPolicyThatSomebodyPutMeanwhileIsNotOverwritten: between the plan and the step.
func TestAPolicyThatSomebodyPutMeanwhileIsNotOverwritten(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		r.role("web", "/", ec2Trust)
		x := &rolePolicy{Role: "web", Policy: policyPrefix + "case-9", Document: denyAll}
		s := must(r.driver.at(t.Context(), "", "us-east-1"))(t)
		put := func(doc string) {
			must(r.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("web"), PolicyName: &x.Policy, PolicyDocument: &doc}))(t)
		}
		put(allowAll)
		_, err := x.apply(t.Context(), s)
		wantKind(t, err, fault.Conflict, "edrc did not write")
		put(strings.ReplaceAll(denyAll, ":", ": ")) // the same, written otherwise
		if out, err := x.apply(t.Context(), s); err != nil || out.State != respond.Done {
			t.Errorf("%+v %v", out, err)
		}
		if w := r.wire.writes(); len(w) > 0 {
			t.Error(w)
		}
	})
}

func TestInstancesInOtherStatesAreNotStopped(t *testing.T) {
	for state, words := range map[string]string{"shutting-down": "only a running one", "terminated": "only a running one", "pending": "only a running one", "stopping": ""} {
		t.Run(state, func(t *testing.T) {
			rigs(t, func(t *testing.T, r *rig) {
				id := r.run("", 1)[0]
				r.patch("<name>running</name>", "<name>"+state+"</name>")
				rep, err := r.do(respond.StopInstance, id, respond.Options{})
				if words == "" {
					if err != nil || !strings.Contains(rep.Already, "stopping already") {
						t.Errorf("%+v %v", rep, err)
					}
				} else {
					wantKind(t, err, fault.Conflict, words, state)
				}
				if w := r.wire.writes(); len(w) > 0 {
					t.Error(w)
				}
			})
		})
	}
}

func TestWhatAServiceManagesIsTriedOnlyByForce(t *testing.T) {
	for _, v := range []respond.Verb{respond.StopInstance, respond.IsolateInstance} {
		t.Run(string(v), func(t *testing.T) {
			rigs(t, func(t *testing.T, r *rig) {
				id := r.run("", 1)[0]
				r.patch("<instanceState>", "<operator><managed>true</managed><principal>eks.amazonaws.com</principal></operator><instanceState>")
				_, err := r.plan(v, id, respond.Options{})
				wantKind(t, err, fault.Denied, "managed by eks.amazonaws.com", "--force")
				if p, err := r.plan(v, id, respond.Options{Force: true}); err != nil || len(p.Steps) == 0 {
					t.Errorf("%+v %v", p, err)
				}
			})
		})
	}
}

// TestAnInterfaceThatAServiceManagesStaysOpenAndIsTold: by force the others are isolated.
func TestAnInterfaceThatAServiceManagesStaysOpenAndIsTold(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		s.wire.under.DisableCompression = true
		s.wire.edit = func(body string) string {
			before, after, ok := strings.Cut(body, "<networkInterfaceId>"+s.nics[1]+"</networkInterfaceId>")
			if !ok || !strings.Contains(body, "DescribeNetworkInterfacesResponse") {
				return body
			}
			return before + "<operator><managed>true</managed></operator><networkInterfaceId>" + s.nics[1] + "</networkInterfaceId>" + after
		}
		p, err := s.plan(respond.IsolateInstance, s.instance, respond.Options{Force: true})
		if err != nil || !strings.Contains(strings.Join(p.Warnings, " "), s.nics[1]+" is managed by an AWS service and STAYS OPEN") {
			t.Fatalf("%q %v", p.Warnings, err)
		}
		if _, err := s.engine().Apply(t.Context(), p, yes); err != nil {
			t.Fatal(err)
		}
		now, ours := s.now(), s.ours()
		for _, id := range s.nics {
			_, in := ours[now[id][0]]
			if in == (id == s.nics[1]) {
				t.Errorf("%s is in %v", id, now[id])
			}
		}
	})
}

// TestManyGroupsOfAnInterfaceTakeTwoTags: a tag's value has room for twelve ids.
func TestManyGroupsOfAnInterfaceTakeTwoTags(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		var all []string
		for i := range 16 {
			g := must(s.ec2.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: aws.String(fmt.Sprintf("g%02d", i)), Description: aws.String("d"), VpcId: &s.vpcs[0]}))(t)
			all = append(all, aws.ToString(g.GroupId))
		}
		nic := s.nics[slices.IndexFunc(s.nics, func(id string) bool { return len(s.groups[id]) == 1 })] // in the first VPC
		must(s.ec2.ModifyNetworkInterfaceAttribute(t.Context(), &ec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: &nic, Groups: all}))(t)
		s.groups = s.now()
		rep := s.mustDo(respond.IsolateInstance, s.instance, respond.Options{})
		out := must(s.ec2.DescribeTags(t.Context(), &ec2.DescribeTagsInput{Filters: []types.Filter{{Name: aws.String("resource-id"), Values: []string{nic}}}}))(t)
		got := map[string]string{}
		for _, x := range out.Tags {
			got[aws.ToString(x.Key)] = aws.ToString(x.Value)
		}
		if both := got[originalTag] + "," + got[originalTag2]; both != strings.Join(s.groups[nic], ",") || len(got[originalTag]) > 256 || len(got[originalTag2]) > 256 {
			t.Errorf("%q, want %v", got, s.groups[nic])
		}
		s.mustUndo(rep.Action.ID)
		if !s.asBefore() {
			t.Errorf("%v, was %v; tags %v", s.now(), s.groups, s.originalTags())
		}
	})
}

// TestTagsThatWereThereAreGivenBack: of an action that somebody undid by hand.
func TestTagsThatWereThereAreGivenBack(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		must(s.ec2.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: s.nics[:1], Tags: ec2Tags(map[string]string{originalTag: "sg-old"})}))(t)
		rep := s.mustDo(respond.IsolateInstance, s.instance, respond.Options{})
		s.mustUndo(rep.Action.ID)
		if got := s.originalTags(); len(got) != 1 || got[s.nics[0]] != "sg-old" {
			t.Errorf("%v", got)
		}
	})
}

func TestWhatIsSoAlreadyIsNoStep(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		_, id := r.scaled(1, 2)
		must(r.ec2.ModifyInstanceMetadataOptions(context.Background(), &ec2.ModifyInstanceMetadataOptionsInput{InstanceId: &id,
			HttpEndpoint: types.InstanceMetadataEndpointStateDisabled}))(t)
		r.wire.answer = func(c call) (int, string) {
			status, body := scaling1(c)
			return status, strings.Replace(body, "InService", "Standby", 1)
		}
		p, err := r.plan(respond.IsolateInstance, id, respond.Options{DisableIMDS: true, Standby: true})
		if err != nil || !strings.Contains(strings.Join(p.Warnings, " "), "it is Standby in asg-1: it is not put into standby") {
			t.Fatalf("%q %v", p.Warnings, err)
		}
		for _, s := range p.Steps {
			if s.Kind == kindMetadata || s.Kind == kindStandby {
				t.Errorf("a step for what is so already: %s", s.Title)
			}
		}
	})
}

func TestAnInstanceOfAnAccountWithoutAWayIsRefused(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		const arn = "arn:aws:ec2:us-east-1:999999999999:instance/i-0123456789abcdef0"
		for _, v := range []respond.Verb{respond.StopInstance, respond.IsolateInstance, respond.IsolateRole} {
			_, err := r.do(v, arn, respond.Options{})
			wantKind(t, err, fault.Usage, "999999999999", "role_arn")
		}
		r.opt.Accounts = []awsconn.Account{{ID: r.account}, r.way()}
		r.reopen()
		_, err := r.do(respond.StopInstance, "arn:aws:ec2:us-east-1:"+r.second+":instance/i-0123456789abcdef0", respond.Options{})
		wantKind(t, err, fault.NotFound, r.second+"/us-east-1")
		if w := r.wire.writes(); len(w) > 0 {
			t.Error(w)
		}
	})
}
