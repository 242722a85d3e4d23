//go:build unix

package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"edrc/internal/awsconn/mototest"
)

// amazon is moto_server with a GuardDuty of one detector before it.
type amazon struct {
	*world
	ec2 *ec2.Client
	iam *iam.Client

	mu       sync.Mutex
	findings map[string]any
	notes    []string
}

func newAmazon(t *testing.T) *amazon {
	t.Helper()
	moto, err := url.Parse(mototest.Start(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	a := &amazon{world: &world{t: t, dir: t.TempDir()}, findings: map[string]any{}}
	mux := http.NewServeMux()
	mux.Handle("/", simulate(httputil.NewSingleHostReverseProxy(moto)))
	mux.HandleFunc("GET /detector", reply(func(*http.Request) any { return map[string]any{"detectorIds": []string{"d1"}} }))
	mux.HandleFunc("POST /detector/d1/findings/get", reply(a.getFindings))
	mux.HandleFunc("POST /detector/d1/findings/feedback", reply(a.feedback))
	front := httptest.NewServer(mux)
	t.Cleanup(front.Close)
	cfg := sdk.Config{Region: "us-east-1", BaseEndpoint: sdk.String(moto.String()), Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", "")}
	a.ec2, a.iam = ec2.NewFromConfig(cfg), iam.NewFromConfig(cfg)
	a.config = filepath.Join(a.dir, "edrc.yaml")
	a.write(a.config, []byte("sources:\n  aws: {kind: guardduty, regions: [us-east-1], endpoint_url: \""+front.URL+
		"\", access_key_id: AKIAIOSFODNN7EXAMPLE, secret_access_key: secret}\nhttp: {retry_base: 1ms}\n"), 0o600)
	a.env = map[string]string{"HOME": a.dir, "EDRC_CONFIG": a.config, "EDRC_STATE_DIR": filepath.Join(a.dir, "state"), "PATH": os.Getenv("PATH")}
	return a
}

// simulate answers SimulatePrincipalPolicy, which moto has not, and who we are: all is
// allowed but to write policies.
func simulate(moto http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(b))
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
		if form.Get("Action") != "SimulatePrincipalPolicy" {
			moto.ServeHTTP(w, r)
			return
		}
		var out strings.Builder
		for n := 1; form.Get(fmt.Sprintf("ActionNames.member.%d", n)) != ""; n++ {
			action, decision := form.Get(fmt.Sprintf("ActionNames.member.%d", n)), "allowed"
			if action == "iam:PutRolePolicy" {
				decision = "implicitDeny"
			}
			if strings.HasSuffix(form.Get("PolicySourceArn"), ":role/web-prod") {
				decision = "explicitDeny"
			}
			fmt.Fprintf(&out, "<member><EvalActionName>%s</EvalActionName><EvalDecision>%s</EvalDecision></member>", action, decision)
		}
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(w, `<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated>`+
			`<EvaluationResults>%s</EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>`, &out)
	})
}

func reply(f func(*http.Request) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(f(r))
	}
}

func (a *amazon) getFindings(r *http.Request) any {
	var in struct {
		FindingIDs []string `json:"findingIds"`
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	out := []any{}
	for _, id := range in.FindingIDs {
		if f, ok := a.findings[id]; ok {
			out = append(out, f)
		}
	}
	return map[string]any{"findings": out}
}

func (a *amazon) feedback(r *http.Request) any {
	b, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.notes = append(a.notes, string(b))
	return map[string]any{}
}

// finding adds a finding and gives its ref.
func (a *amazon) finding(id string, resource map[string]any, sequence []map[string]any) string {
	f := map[string]any{"schemaVersion": "2.0", "accountId": "123456789012", "region": "us-east-1", "id": id, "partition": "aws",
		"arn": "arn:aws:guardduty:us-east-1:123456789012:detector/d1/finding/" + id, "type": "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS",
		"title": "Credentials were used elsewhere", "description": "-", "severity": 8, "createdAt": "2026-11-22T10:00:00.000Z", "updatedAt": "2026-11-22T10:00:00.000Z",
		"resource": resource}
	service := map[string]any{"archived": false, "count": 1, "detectorId": "d1", "serviceName": "guardduty"}
	if sequence != nil {
		service["detection"] = map[string]any{"sequence": map[string]any{"uid": id, "resources": sequence}}
	}
	f["service"] = service
	a.findings[id] = f
	return "aws:us-east-1/" + id
}

func (a *amazon) role(name string, instances int32) []string {
	a.t.Helper()
	ctx := context.Background()
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`
	check := func(_ any, err error) {
		a.t.Helper()
		if err != nil {
			a.t.Fatal(err)
		}
	}
	check(a.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}))
	check(a.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: &name}))
	check(a.iam.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &name, RoleName: &name}))
	var ids []string
	for range instances {
		one := int32(1)
		out, err := a.ec2.RunInstances(ctx, &ec2.RunInstancesInput{ImageId: sdk.String("ami-12c6146b"), MinCount: &one, MaxCount: &one,
			IamInstanceProfile: &ec2types.IamInstanceProfileSpecification{Name: &name}})
		check(out, err)
		ids = append(ids, sdk.ToString(out.Instances[0].InstanceId))
	}
	return ids
}

func (a *amazon) policies(role string) int {
	a.t.Helper()
	out, err := a.iam.ListRolePolicies(context.Background(), &iam.ListRolePoliciesInput{RoleName: &role})
	if err != nil {
		a.t.Fatal(err)
	}
	return len(out.PolicyNames)
}

// groups gives the security groups of each interface of an instance, sorted.
func (a *amazon) groups(id string) string {
	a.t.Helper()
	out, err := a.ec2.DescribeNetworkInterfaces(context.Background(), &ec2.DescribeNetworkInterfacesInput{
		Filters: []ec2types.Filter{{Name: sdk.String("attachment.instance-id"), Values: []string{id}}}})
	if err != nil {
		a.t.Fatal(err)
	}
	var all []string
	for _, n := range out.NetworkInterfaces {
		for _, g := range n.Groups {
			all = append(all, sdk.ToString(n.NetworkInterfaceId)+" "+sdk.ToString(g.GroupName))
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func (a *amazon) last() string {
	a.t.Helper()
	return strings.TrimSpace(a.must("actions", "list", "--jq", ".items[-1].id").out)
}

func TestAWSIsContainedAndLetGo(t *testing.T) {
	t.Parallel()
	a := newAmazon(t)
	ids := a.role("web-prod", 2)
	other := a.role("batch", 1)

	t.Run("a role that others use, too", func(t *testing.T) {
		ref := a.finding("f1", map[string]any{"resourceType": "AccessKey", "accessKeyDetails": map[string]any{
			"accessKeyId": "ASIAIOSFODNN7EXAMPLE", "userName": "web-prod", "userType": "AssumedRole", "principalId": "AROA:" + ids[0]}}, nil)
		a.typing("", "isolate", "role", ref, "--dry-run").want(t, 0, "Isolate role  web-prod", "2 instances use it", "deny every action", "account 123456789012")
		a.typing("", "isolate", "role", ref, "--reason", "IR-2231", "--yes").want(t, 8, "--yes --yes-shared")
		a.typing("y\n", "isolate", "role", ref, "--reason", "IR-2231").want(t, 8, "2 instances use it", "Type the role's name to isolate it:")
		if n := a.policies("web-prod"); n != 0 {
			t.Fatalf("%d policies were written without consent", n)
		}
		a.typing("web-prod\n", "isolate", "role", ref, "--reason", "IR-2231 stolen credentials").want(t, 0, "done and read back", "note posted to "+ref)
		if n := a.policies("web-prod"); n != 1 || len(a.notes) != 1 || !strings.Contains(a.notes[0], "IR-2231 stolen credentials") {
			t.Errorf("%d policies, notes %q", n, a.notes)
		}
		a.typing("", "isolate", "role", ref, "--reason", "again", "--yes", "--yes-shared").want(t, 0, "already isolated")
		a.typing("", "isolated").want(t, 0, "web-prod", "isolate role", "isolated", "IR-2231 stolen credentials")
		a.typing("", "undo", a.last(), "--yes").want(t, 0, "undid")
		if n := a.policies("web-prod"); n != 0 {
			t.Errorf("%d policies after the undo", n)
		}
	})
	t.Run("an instance's network, by a saved plan", func(t *testing.T) {
		before := a.groups(ids[0])
		saved := filepath.Join(a.dir, "p.json")
		a.write(saved, []byte(a.must("plan", "isolate", "instance", ids[0], "--reason", "IR-2231", "-o", "json").out), 0o600)
		if now := a.groups(ids[0]); now != before {
			t.Fatalf("planning changed %s to %s", before, now)
		}
		a.typing(ids[0]+"\n", "apply", saved).want(t, 0, "Type the instance's id to isolate it:", "done and read back")
		if now := a.groups(ids[0]); !strings.HasSuffix(now, " edrc-isolation") || strings.Contains(now, ",") {
			t.Errorf("the groups are %s", now)
		}
		a.typing("", "isolated", "-o", "json").want(t, 0, `"state": "isolated"`, ids[0])
		a.typing("y\n", "undo", a.last()).want(t, 0, "undid")
		if now := a.groups(ids[0]); now != before {
			t.Errorf("the groups were %s and are %s", before, now)
		}
	})
	t.Run("each target of an attack sequence is asked by itself", func(t *testing.T) {
		var resources []map[string]any
		for _, id := range []string{ids[1], other[0]} {
			resources = append(resources, map[string]any{"uid": "arn:aws:ec2:us-east-1:123456789012:instance/" + id, "resourceType": "EC2_INSTANCE",
				"accountId": "123456789012", "region": "us-east-1"})
		}
		ref := a.finding("f2", map[string]any{"resourceType": "AttackSequence"}, resources)
		r := a.typing(ids[1]+"\nno\n", "isolate", "security-group", ref, "--reason", "IR-7")
		r.want(t, 8, ids[1]+": done", other[0]+" was not confirmed")
		if !strings.Contains(a.groups(ids[1]), "edrc-isolation") || strings.Contains(a.groups(other[0]), "edrc-isolation") {
			t.Errorf("the groups are %s and %s", a.groups(ids[1]), a.groups(other[0]))
		}
	})
	t.Run("what the credential may do is told beforehand", func(t *testing.T) {
		r := a.typing("", "sources", "check", "--actions")
		r.want(t, 0, "isolate role", "implicitDeny", "1 of ")
		if first := strings.Split(r.out, "\n")[1]; !strings.Contains(first, "iam:PutRolePolicy") {
			t.Errorf("what is missing is not first: %s", first)
		}
		a.typing("", "sources", "check", "--actions", "nobody").want(t, 5, "nobody")
	})
	t.Run("a host is nothing for GuardDuty", func(t *testing.T) {
		a.typing("", "isolate", "host", "aws:us-east-1/f1", "--reason", "x", "--yes").want(t, 6, "edrc isolate instance aws:us-east-1/f1")
		a.typing("", "isolate", "role", "nobody", "--reason", "x", "--yes").want(t, 5, "nobody")
	})
}
