package aws

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/respond"
)

func TestWhatAPersonTypesIsReadOrRefused(t *testing.T) {
	const arn = "arn:aws:ec2:eu-west-1:111122223333:instance/i-0123456789abcdef0"
	for _, tc := range []struct {
		verb respond.Verb
		in   string
		want respond.Target // zero: refused
	}{
		{respond.StopInstance, "i-0123456789abcdef0", respond.Target{Kind: respond.Instance, ID: "i-0123456789abcdef0"}},
		{respond.IsolateInstance, arn, respond.Target{Kind: respond.Instance, ID: "i-0123456789abcdef0", Account: "111122223333", Region: "eu-west-1"}},
		{respond.IsolateRole, arn, respond.Target{Kind: respond.Instance, ID: "i-0123456789abcdef0", Account: "111122223333", Region: "eu-west-1"}},
		{respond.IsolateRole, "web+x", respond.Target{Kind: respond.Role, ID: "web+x"}},
		{respond.IsolateRole, "arn:aws-cn:iam::111122223333:role/a/b/web", respond.Target{Kind: respond.Role, ID: "web", Account: "111122223333"}},
		{respond.IsolateRole, "arn:aws:sts::111122223333:assumed-role/web/i-1", respond.Target{Kind: respond.Role, ID: "web", Account: "111122223333"}},
		{respond.IsolateRole, "arn:aws:iam::111122223333:instance-profile/app/web", respond.Target{Kind: respond.Profile, ID: "web", Account: "111122223333"}},
		{respond.StopInstance, "arn:aws:iam::111122223333:instance-profile/app/web", respond.Target{}},
		{respond.DisableKey, "AKIAIOSFODNN7EXAMPLE", respond.Target{Kind: respond.Key, ID: "AKIAIOSFODNN7EXAMPLE"}},
		{respond.StopInstance, "web", respond.Target{}},
		{respond.StopInstance, "", respond.Target{}},
		{respond.StopInstance, "i-", respond.Target{}},
		{respond.StopInstance, "arn:aws:iam::111122223333:role/web", respond.Target{}},
		{respond.DisableKey, "i-0123456789abcdef0", respond.Target{}},
		{respond.IsolateRole, "a/b", respond.Target{}},
		{respond.IsolateRole, strings.Repeat("a", 65), respond.Target{}},
		{respond.IsolateInstance, "arn:aws:ec2:nowhere:111122223333:instance/i-0123456789abcdef0", respond.Target{}},
		{respond.IsolateInstance, "arn:aws:ec2:eu-west-1:1:instance/i-0123456789abcdef0", respond.Target{}},
	} {
		got, err := ParseTarget(tc.verb, tc.in)
		if got != tc.want || (err == nil) == (tc.want == respond.Target{}) {
			t.Errorf("%s %q: %+v, %v; want %+v", tc.verb, tc.in, got, err, tc.want)
		}
		if err != nil {
			wantKind(t, err, fault.Usage)
		}
	}
}

func findingOf(raw string) alert.Alert {
	return alert.Alert{Ref: alert.Ref{Source: "aws", ID: "x"}, Raw: json.RawMessage(raw)}
}

func TestWhatAFindingNamesIsFoundInBothItsForms(t *testing.T) {
	const instance = `{"accountId":"111122223333","region":"eu-west-1","title":"t","resource":{"instanceDetails":{"instanceId":"i-0123456789abcdef0"}},"service":{"additionalInfo":{"value":"{\"sample\":false}"}}}`
	for name, tc := range map[string]struct {
		verb respond.Verb
		raw  string
		want []string
	}{
		"instance":        {respond.StopInstance, instance, []string{"instance//111122223333/eu-west-1/i-0123456789abcdef0"}},
		"Pascal case":     {respond.StopInstance, `{"AccountId":"111122223333","Region":"eu-west-1","Resource":{"InstanceDetails":{"InstanceId":"i-0123456789abcdef0"}}}`, []string{"instance//111122223333/eu-west-1/i-0123456789abcdef0"}},
		"assumed role":    {respond.IsolateRole, `{"accountId":"111122223333","region":"eu-west-1","resource":{"accessKeyDetails":{"accessKeyId":"ASIAIOSFODNN7EXAMPLE","userType":"AssumedRole","userName":"web"}}}`, []string{"role//111122223333//web"}},
		"temporary key":   {respond.DisableKey, `{"accountId":"111122223333","region":"eu-west-1","resource":{"accessKeyDetails":{"accessKeyId":"ASIAIOSFODNN7EXAMPLE","userType":"AssumedRole","userName":"web"}}}`, nil},
		"long-term key":   {respond.DisableKey, `{"accountId":"111122223333","region":"eu-west-1","resource":{"accessKeyDetails":{"accessKeyId":"AKIAIOSFODNN7EXAMPLE","userType":"IAMUser","userName":"bob"}}}`, []string{"key//111122223333//akiaiosfodnn7example"}},
		"user is no role": {respond.IsolateRole, `{"accountId":"111122223333","resource":{"accessKeyDetails":{"userType":"IAMUser","userName":"bob"}}}`, nil},
		"lambda":          {respond.IsolateRole, `{"accountId":"111122223333","resource":{"lambdaDetails":{"role":"arn:aws:iam::111122223333:role/service-role/fn"}}}`, []string{"role//111122223333//fn"}},
		"hostile account": {respond.StopInstance, strings.Replace(instance, "111122223333", "1/../2", 1), nil},
		"hostile region":  {respond.StopInstance, strings.Replace(instance, "eu-west-1", "eu-west-1.evil.example", 1), nil},
		"nothing to stop": {respond.StopInstance, `{"accountId":"111122223333"}`, nil},
		"attack sequence": {respond.StopInstance, `{"accountId":"111122223333","region":"eu-west-1","service":{"detection":{"sequence":{"resources":[
			{"uid":"arn:aws:ec2:us-east-1:111122223333:instance/i-00000000000000001"},{"uid":"i-00000000000000002","accountId":"444455556666","region":"us-east-2"},
			{"uid":"i-00000000000000002","accountId":"444455556666","region":"us-east-2"},{"uid":"arn:aws:s3:::bucket"}]}}}}`,
			[]string{"instance//111122223333/us-east-1/i-00000000000000001", "instance//444455556666/us-east-2/i-00000000000000002"}},
		"roles of a sequence": {respond.IsolateRole, `{"accountId":"111122223333","region":"eu-west-1","service":{"detection":{"sequence":{"resources":[
			{"uid":"arn:aws:iam::111122223333:instance-profile/app/web","resourceType":"IAM_INSTANCE_PROFILE"},{"uid":"batch","accountId":"444455556666","resourceType":"IAM_INSTANCE_PROFILE"},
			{"uid":"ASIAIOSFODNN7EXAMPLE","accountId":"444455556666","resourceType":"ACCESS_KEY","data":{"accessKey":{"userName":"ci","userType":"AssumedRole"}}},
			{"uid":"AKIAIOSFODNN7EXAMPLE","resourceType":"ACCESS_KEY","data":{"accessKey":{"userName":"bob","userType":"IAMUser"}}}]}}}}`,
			[]string{"instance profile//111122223333//web", "instance profile//444455556666//batch", "role//444455556666//ci"}},
	} {
		got, err := Targets(tc.verb, findingOf(tc.raw))
		var keys []string
		for _, g := range got {
			keys = append(keys, g.Key())
			if g.Sample {
				t.Errorf("%s: taken for a sample", name)
			}
		}
		if !slices.Equal(keys, tc.want) || (err == nil) == (tc.want == nil) {
			t.Errorf("%s: %v, %v; want %v", name, keys, err, tc.want)
		}
	}
	_, err := Targets(respond.StopInstance, findingOf(`[`))
	wantKind(t, err, fault.Invalid)
}

func TestSampleFindingsAreNeverActedOn(t *testing.T) {
	rigs(t, func(t *testing.T, on *rig) {
		for name, raw := range map[string]string{
			"by its title":     `{"accountId":"111122223333","region":"eu-west-1","title":"[SAMPLE] x","resource":{"instanceDetails":{"instanceId":"i-0123456789abcdef0"}}}`,
			"by a nested word": `{"accountId":"111122223333","region":"eu-west-1","resource":{"instanceDetails":{"instanceId":"i-0123456789abcdef0"}},"service":{"additionalInfo":{"value":"{\"sample\": true}"}}}`,
			"by a plain word":  `{"accountId":"111122223333","region":"eu-west-1","resource":{"instanceDetails":{"instanceId":"i-0123456789abcdef0"}},"service":{"additionalInfo":{"sample":true}}}`,
			"by its instance":  `{"accountId":"111122223333","region":"eu-west-1","resource":{"instanceDetails":{"instanceId":"i-99999999"}}}`,
		} {
			got, err := Targets(respond.StopInstance, findingOf(raw))
			if err != nil || len(got) != 1 || !got[0].Sample {
				t.Errorf("%s: %+v %v", name, got, err)
			}
		}
		r := on.again(t)
		for _, id := range []string{"i-99999999", "i-0123456789abcdef0"} {
			req := r.request(respond.StopInstance, id, respond.Options{})
			req.Target.Sample = id != "i-99999999"
			_, err := r.engine().Plan(t.Context(), req)
			wantKind(t, err, fault.Denied, "sample")
		}
		if len(r.wire.seen) > 0 {
			t.Error("AWS was asked about a sample")
		}
	})
}

func FuzzTarget(f *testing.F) {
	f.Add("i-0123456789abcdef0")
	f.Add("arn:aws:iam::111122223333:role/a/b")
	f.Fuzz(func(t *testing.T, s string) {
		for _, v := range Verbs() {
			got, err := ParseTarget(v, s)
			if err == nil && (got.ID == "" || strings.ContainsAny(got.ID, "/: \n") || !takes(v, got.Kind)) {
				t.Fatalf("%s %q: %+v", v, s, got)
			}
		}
	})
}

func FuzzFinding(f *testing.F) {
	f.Add(`{"accountId":"111122223333","region":"eu-west-1","resource":{"instanceDetails":{"instanceId":"i-0123456789abcdef0"}}}`)
	f.Fuzz(func(t *testing.T, s string) {
		for _, v := range Verbs() {
			got, err := Targets(v, findingOf(s))
			for _, g := range got {
				if err != nil || !takes(v, g.Kind) || !account().MatchString(g.Account) || strings.ContainsAny(g.ID, "/: \n") {
					t.Fatalf("%s %q: %+v", v, s, g)
				}
			}
		}
	})
}

func FuzzStep(f *testing.F) {
	f.Add(kindPolicy, `{"role":"web"}`, `null`)
	f.Add(kindInterface, `{"prior":["sg-1"]}`, `{"restored":["sg-1"]}`)
	f.Fuzz(func(t *testing.T, kind, data, result string) {
		x, err := decode(respond.Step{Kind: kind, Data: json.RawMessage(data), Result: json.RawMessage(result)})
		if (x == nil) == (err == nil) {
			t.Fatalf("%v %v", x, err)
		}
	})
}

func TestTheDocumentListsEveryPermission(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "response.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range Verbs() {
		read, write := Actions(v)
		if len(read) == 0 || len(write) == 0 {
			t.Errorf("%s has no actions", v)
		}
		for _, a := range append(read, write...) {
			if !strings.Contains(string(b), `"`+a+`"`) {
				t.Errorf("docs/response.md has no policy with %s, which %s needs", a, v)
			}
		}
	}
	for i, block := range strings.Split(string(b), "```json\n")[1:] {
		text, _, _ := strings.Cut(block, "```")
		if !json.Valid([]byte(text)) {
			t.Errorf("policy %d of docs/response.md is not JSON", i+1)
		}
	}
}

// TestTheListOfPermissionsIsWhole holds the list against what is really called.
func TestTheListOfPermissionsIsWhole(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		s.role("web", "/", ec2Trust)
		key, _ := s.user("bob")
		services := map[string]string{"2016-11-15": "ec2", "2010-05-08": "iam", "2011-01-01": "autoscaling", "2015-12-01": "elasticloadbalancing", "2011-06-15": "sts"}
		for _, run := range []struct {
			v      respond.Verb
			target string
			o      respond.Options
		}{
			{respond.StopInstance, s.instance, respond.Options{Snapshot: true}}, {respond.IsolateRole, "web", respond.Options{}}, {respond.DisableKey, key, respond.Options{}},
			{respond.IsolateInstance, s.instance, allOptions}, {respond.IsolateInstance, s.instance, respond.Options{Cut: respond.CutNACL}},
		} {
			rep := s.mustDo(run.v, run.target, run.o)
			s.mustUndo(rep.Action.ID)
			read, write := Actions(run.v)
			for _, c := range s.wire.seen {
				a := services[c.form.Get("Version")] + ":" + c.action
				if !strings.HasPrefix(a, "sts:") && !slices.Contains(read, a) && !slices.Contains(write, a) {
					t.Errorf("%s calls %s, which its list has not", run.v, a)
				}
			}
			s.wire.writes()
		}
	})
}

func TestWhatTheCredentialMayDoIsAskedBeforehand(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		r.wire.answer = func(c call) (int, string) {
			if c.action != "SimulatePrincipalPolicy" {
				return 0, ""
			}
			var b strings.Builder
			for i := 1; c.form.Has("ActionNames.member." + string(rune('0'+i))); i++ {
				a := c.form.Get("ActionNames.member." + string(rune('0'+i)))
				d := map[bool]string{true: "allowed", false: "implicitDeny"}[a != "iam:UpdateAccessKey"]
				b.WriteString("<member><EvalActionName>" + a + "</EvalActionName><EvalDecision>" + d + "</EvalDecision></member>")
			}
			return 200, "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><EvaluationResults>" + b.String() + "</EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
		}
		got, err := r.driver.Allowed(t.Context(), "", respond.DisableKey)
		if err != nil || len(got) != 3 {
			t.Fatalf("%+v %v", got, err)
		}
		for _, p := range got {
			if p.Allowed == (p.Action == "iam:UpdateAccessKey") || p.Account != r.account || p.Allowed != (p.Why == "") {
				t.Errorf("%+v", p)
			}
		}
		r.wire.answer = refuse("SimulatePrincipalPolicy", 403, "AccessDenied")
		_, err = r.driver.Allowed(t.Context(), "", respond.DisableKey)
		wantKind(t, err, fault.Denied, "iam:SimulatePrincipalPolicy")
	})
}
