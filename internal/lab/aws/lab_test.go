package aws_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	sdkaws "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/guardduty"
	"github.com/aws/aws-sdk-go-v2/service/guardduty/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"edrc/internal/lab/aws"
	"edrc/internal/lab/world"
)

func TestMain(m *testing.M) {
	_ = os.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	goleak.VerifyTestMain(m)
}

// It is a vendor of the lab.
var _ world.Vendor = (*aws.Vendor)(nil)

const home = "111122223333"

// server is the lab, and how AWS's own client reaches it.
type server struct {
	*aws.Vendor
	url string
	cfg sdkaws.Config
}

func start(t *testing.T, o world.Options, own aws.Options) *server {
	t.Helper()
	if o.Files == nil {
		o.Files = []world.File{{Name: "a.bin", SHA256: strings.Repeat("a", 64), MD5: strings.Repeat("b", 32)}, {Name: "c.bin", SHA256: strings.Repeat("c", 64), MD5: strings.Repeat("d", 32)}}
	}
	s := &server{Vendor: aws.New(o, own)}
	web := httptest.NewServer(s.Vendor)
	t.Cleanup(web.Close)
	s.url = web.URL
	secret := strings.Split(strings.Split(s.Config(s.url), `secret_access_key: "`)[1], `"`)[0]
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: whole{transport}}
	s.cfg = sdkaws.Config{Region: "us-east-1", BaseEndpoint: &s.url, HTTPClient: client, Retryer: func() sdkaws.Retryer { return retry.AddWithMaxAttempts(retry.NewStandard(), 1) },
		Credentials: static("AKIALAB"+home[:9], secret, "")}
	return s
}

// whole reads an answer before the SDK sees it. The SDK closes a request's body as soon
// as the answer begins, which can end a connection that is still read.
type whole struct{ *http.Transport }

func (w whole) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, err
}

func static(id, secret, token string) sdkaws.CredentialsProvider {
	return sdkaws.CredentialsProviderFunc(func(context.Context) (sdkaws.Credentials, error) {
		return sdkaws.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: token}, nil
	})
}

func (s *server) guardduty() *guardduty.Client { return guardduty.NewFromConfig(s.cfg) }

func (s *server) detector(t *testing.T) *string {
	t.Helper()
	out, err := s.guardduty().ListDetectors(t.Context(), &guardduty.ListDetectorsInput{})
	if err != nil || len(out.DetectorIds) != 1 {
		t.Fatalf("%v, %v", out, err)
	}
	return &out.DetectorIds[0]
}

// code is the error code of AWS.
func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

func TestAWSsOwnClientReadsEveryFinding(t *testing.T) {
	s := start(t, world.Options{Alerts: 230}, aws.Options{Regions: []string{"us-east-1"}})
	d := s.detector(t)
	pages := guardduty.NewListFindingsPaginator(s.guardduty(), &guardduty.ListFindingsInput{DetectorId: d})
	var ids []string
	for pages.HasMorePages() {
		p, err := pages.NextPage(t.Context())
		if err != nil || len(p.FindingIds) > 50 {
			t.Fatalf("%d ids, %v", len(p.FindingIds), err)
		}
		ids = append(ids, p.FindingIds...)
	}
	if slices.Sort(ids); len(slices.Compact(ids)) != 230 {
		t.Fatalf("%d ids", len(ids))
	}
	kinds := map[string]int{}
	for chunk := range slices.Chunk(ids, 50) {
		out, err := s.guardduty().GetFindings(t.Context(), &guardduty.GetFindingsInput{DetectorId: d, FindingIds: append(chunk, "unknown")[:len(chunk)]})
		if err != nil || len(out.Findings) != len(chunk) {
			t.Fatalf("%d findings of %d: %v", len(out.Findings), len(chunk), err)
		}
		for _, f := range out.Findings {
			kinds[*f.Resource.ResourceType]++
			if f.Id == nil || f.Type == nil || f.Severity == nil || f.Service == nil {
				t.Errorf("%+v lacks what every finding has", f)
			}
		}
	}
	for _, kind := range []string{"Instance", "Container", "S3Object", "AccessKey", "EKSCluster", "AttackSequence"} {
		if kinds[kind] == 0 {
			t.Errorf("no finding of a %s among %v", kind, kinds)
		}
	}
}

func TestOnlyACorrectSignatureIsAccepted(t *testing.T) {
	now := time.Now()
	for name, tc := range map[string]struct {
		change func(*sdkaws.Config)
		want   string
	}{
		"wrong secret":  {func(c *sdkaws.Config) { c.Credentials = static("AKIALAB"+home[:9], "wrong", "") }, "InvalidSignatureException"},
		"unknown key":   {func(c *sdkaws.Config) { c.Credentials = static("AKIANOBODY", "x", "") }, "UnrecognizedClientException"},
		"foreign token": {func(c *sdkaws.Config) { c.Credentials = static("AKIALAB"+home[:9], "x", "token") }, "UnrecognizedClientException"},
		"no signature":  {func(c *sdkaws.Config) { c.Credentials = sdkaws.AnonymousCredentials{} }, "MissingAuthenticationTokenException"},
	} {
		s := start(t, world.Options{Now: func() time.Time { return now }}, aws.Options{})
		tc.change(&s.cfg)
		_, err := s.guardduty().ListDetectors(t.Context(), &guardduty.ListDetectorsInput{})
		if code(err) != tc.want {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
	for name, tc := range map[string]struct {
		service string
		at      time.Time
		body    string
		want    int
	}{
		"right": {"guardduty", now, "{}", 200}, "another service's": {"ec2", now, "{}", 403}, "an hour old": {"guardduty", now.Add(-time.Hour), "{}", 403},
		"another body": {"guardduty", now, `{"maxResults":1}`, 403},
	} {
		s := start(t, world.Options{}, aws.Options{})
		d := s.detector(t)
		keys, _ := s.cfg.Credentials.Retrieve(t.Context())
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/detector/"+*d+"/findings", strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		hash := "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" // of {}
		if err := v4.NewSigner().SignHTTP(t.Context(), keys, r, hash, tc.service, "us-east-1", tc.at); err != nil {
			t.Fatal(err)
		}
		resp, err := s.cfg.HTTPClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != tc.want {
			t.Errorf("%s: %d, want %d", name, resp.StatusCode, tc.want)
		}
	}
}

func TestARoleWantsItsExternalIDAndGivesASessionThatEnds(t *testing.T) {
	now := time.Now()
	s := start(t, world.Options{Now: func() time.Time { return now }}, aws.Options{})
	other := "222233334444"
	in := func() *sts.AssumeRoleInput {
		return &sts.AssumeRoleInput{RoleArn: sdkaws.String("arn:aws:iam::" + other + ":role/edrc"), RoleSessionName: sdkaws.String("edrc"),
			ExternalId: sdkaws.String(aws.ExternalID(other)), DurationSeconds: sdkaws.Int32(900)}
	}
	for name, change := range map[string]func(*sts.AssumeRoleInput){
		"AccessDenied role":    func(i *sts.AssumeRoleInput) { *i.RoleArn += "x" },
		"AccessDenied id":      func(i *sts.AssumeRoleInput) { i.ExternalId = nil },
		"ValidationError time": func(i *sts.AssumeRoleInput) { i.DurationSeconds = sdkaws.Int32(60) },
		"ValidationError name": func(i *sts.AssumeRoleInput) { i.RoleSessionName = sdkaws.String("a b") },
	} {
		bad := in()
		change(bad)
		if _, err := sts.NewFromConfig(s.cfg).AssumeRole(t.Context(), bad); !strings.HasPrefix(name, code(err)) || code(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	out, err := sts.NewFromConfig(s.cfg).AssumeRole(t.Context(), in())
	if err != nil || !out.Credentials.Expiration.Equal(now.Add(15*time.Minute).UTC().Truncate(time.Second)) {
		t.Fatalf("%+v, %v", out, err)
	}
	s.cfg.Credentials = static(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	who, err := sts.NewFromConfig(s.cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil || *who.Account != other {
		t.Errorf("%+v, %v", who, err)
	}
	chained := in()
	chained.DurationSeconds = sdkaws.Int32(7200)
	if _, err := sts.NewFromConfig(s.cfg).AssumeRole(t.Context(), chained); code(err) != "ValidationError" {
		t.Errorf("two hours by role chaining: %v", err)
	}
	now = now.Add(16 * time.Minute)
	s.cfg.Credentials = static(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	if _, err := sts.NewFromConfig(s.cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); code(err) != "ExpiredToken" {
		t.Errorf("afterwards: %v", err)
	}
}

func TestRequestsBeyondTheLimitsAreBad(t *testing.T) {
	s := start(t, world.Options{Alerts: 120}, aws.Options{Regions: []string{"us-east-1"}})
	d := s.detector(t)
	many := make([]string, 51)
	for i := range many {
		many[i] = "id"
	}
	criterion := func(key string, c types.Condition) *types.FindingCriteria {
		return &types.FindingCriteria{Criterion: map[string]types.Condition{key: c}}
	}
	list := func(change func(*guardduty.ListFindingsInput)) error {
		in := &guardduty.ListFindingsInput{DetectorId: d}
		change(in)
		_, err := s.guardduty().ListFindings(t.Context(), in)
		return err
	}
	_, err51 := s.guardduty().GetFindings(t.Context(), &guardduty.GetFindingsInput{DetectorId: d, FindingIds: many})
	_, err0 := s.guardduty().GetFindings(t.Context(), &guardduty.GetFindingsInput{DetectorId: d, FindingIds: []string{}})
	_, errFeedback := s.guardduty().UpdateFindingsFeedback(t.Context(), &guardduty.UpdateFindingsFeedbackInput{DetectorId: d, FindingIds: many[:1], Feedback: "GOOD"})
	_, errDetector := s.guardduty().GetFindings(t.Context(), &guardduty.GetFindingsInput{DetectorId: sdkaws.String("nobody"), FindingIds: many[:1]})
	_, errTwice := s.guardduty().CreateDetector(t.Context(), &guardduty.CreateDetectorInput{Enable: sdkaws.Bool(true)})
	for name, err := range map[string]error{
		"51 ids": err51, "no ids": err0, "a feedback that is none": errFeedback, "another's detector": errDetector, "a second detector": errTwice,
		"51 results":      list(func(i *guardduty.ListFindingsInput) { i.MaxResults = sdkaws.Int32(51) }),
		"a garbage token": list(func(i *guardduty.ListFindingsInput) { i.NextToken = sdkaws.String("garbage") }),
		"an unknown key": list(func(i *guardduty.ListFindingsInput) {
			i.FindingCriteria = criterion("colour", types.Condition{Equals: []string{"red"}})
		}),
		"51 values": list(func(i *guardduty.ListFindingsInput) {
			i.FindingCriteria = criterion("id", types.Condition{Equals: many})
		}),
		"a wildcard": list(func(i *guardduty.ListFindingsInput) {
			i.FindingCriteria = criterion("type", types.Condition{Matches: []string{"A*"}})
		}),
		"an unknown order": list(func(i *guardduty.ListFindingsInput) {
			i.SortCriteria = &types.SortCriteria{AttributeName: sdkaws.String("mood")}
		}),
		"another direction": list(func(i *guardduty.ListFindingsInput) { i.SortCriteria = &types.SortCriteria{OrderBy: "UP"} }),
	} {
		if code(err) != "BadRequestException" {
			t.Errorf("%s: %v", name, err)
		}
	}
	first, err := s.guardduty().ListFindings(t.Context(), &guardduty.ListFindingsInput{DetectorId: d})
	if err != nil || first.NextToken == nil {
		t.Fatal(err)
	}
	if err := list(func(i *guardduty.ListFindingsInput) {
		i.NextToken, i.FindingCriteria = first.NextToken, criterion("severity", types.Condition{GreaterThanOrEqual: sdkaws.Int64(1)})
	}); code(err) != "BadRequestException" {
		t.Errorf("a token of another query: %v", err)
	}
}

func TestCriteriaMeanWhatTheReferenceSays(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond)
	s := start(t, world.Options{Now: func() time.Time { return now }}, aws.Options{Regions: []string{"us-east-1"}})
	s.Add(aws.Request{Count: 1, Kinds: aws.Kinds(aws.KindVolume), Age: time.Hour})
	s.Add(aws.Request{Count: 1, Kinds: aws.Kinds(aws.KindObject), Age: 2 * time.Hour, Archived: true})
	s.Add(aws.Request{Count: 1, Kinds: aws.Kinds(aws.KindKey), Age: 3 * time.Hour})
	d := s.detector(t)
	for name, tc := range map[string]struct {
		key  string
		c    types.Condition
		want int
	}{
		"hash in a list":      {"resource.s3BucketDetails.s3ObjectDetails.hash", types.Condition{Equals: []string{strings.Repeat("a", 64), strings.Repeat("c", 64)}}, 1},
		"tag":                 {"resource.instanceDetails.tags.value", types.Condition{Equals: []string{"prod"}}, 1},
		"not equal":           {"type", types.Condition{NotEquals: []string{"Object:S3/MaliciousFile"}}, 2},
		"archived":            {"service.archived", types.Condition{Equals: []string{"true"}}, 1},
		"severity":            {"severity", types.Condition{GreaterThanOrEqual: sdkaws.Int64(8)}, 3},
		"above it":            {"severity", types.Condition{GreaterThan: sdkaws.Int64(8)}, 0},
		"severity in words":   {"severity", types.Condition{Equals: []string{"8"}}, 3},
		"milliseconds":        {"updatedAt", types.Condition{GreaterThanOrEqual: sdkaws.Int64(now.Add(-2 * time.Hour).UnixMilli())}, 2},
		"later":               {"updatedAt", types.Condition{GreaterThan: sdkaws.Int64(now.Add(-2 * time.Hour).UnixMilli())}, 1},
		"earlier":             {"updatedAt", types.Condition{LessThan: sdkaws.Int64(now.Add(-2 * time.Hour).UnixMilli())}, 1},
		"up to":               {"updatedAt", types.Condition{LessThanOrEqual: sdkaws.Int64(now.Add(-2 * time.Hour).UnixMilli())}, 2},
		"seconds are too few": {"updatedAt", types.Condition{LessThanOrEqual: sdkaws.Int64(now.Unix())}, 0},
		"absent":              {"resource.accessKeyDetails.userType", types.Condition{Equals: []string{"AssumedRole"}}, 1},
	} {
		out, err := s.guardduty().ListFindings(t.Context(), &guardduty.ListFindingsInput{DetectorId: d, FindingCriteria: &types.FindingCriteria{Criterion: map[string]types.Condition{tc.key: tc.c}}})
		if err != nil || len(out.FindingIds) != tc.want {
			t.Errorf("%s: %d, want %d, %v", name, len(out.FindingIds), tc.want, err)
		}
	}
}

func TestMembersSeeTheirOwnAndCannotArchive(t *testing.T) {
	s := start(t, world.Options{}, aws.Options{})
	id := strings.TrimPrefix(s.Add(aws.Request{Count: 1, Account: "222233334444"})[0], "us-east-1/")
	admin := s.detector(t)
	out, err := sts.NewFromConfig(s.cfg).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: sdkaws.String("arn:aws:iam::222233334444:role/edrc"),
		RoleSessionName: sdkaws.String("edrc"), ExternalId: sdkaws.String(aws.ExternalID("222233334444"))})
	if err != nil {
		t.Fatal(err)
	}
	member := *s
	member.cfg.Credentials = static(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	d := member.detector(t)
	who, err := member.guardduty().GetAdministratorAccount(t.Context(), &guardduty.GetAdministratorAccountInput{DetectorId: d})
	if err != nil || who.Administrator == nil || *who.Administrator.AccountId != home {
		t.Errorf("%+v, %v", who, err)
	}
	if _, err := member.guardduty().ArchiveFindings(t.Context(), &guardduty.ArchiveFindingsInput{DetectorId: d, FindingIds: []string{id}}); code(err) != "BadRequestException" {
		t.Errorf("a member archives: %v", err)
	}
	if _, err := s.guardduty().ArchiveFindings(t.Context(), &guardduty.ArchiveFindingsInput{DetectorId: admin, FindingIds: []string{id}}); err != nil {
		t.Errorf("its administrator does not: %v", err)
	}
	members, err := s.guardduty().ListMembers(t.Context(), &guardduty.ListMembersInput{DetectorId: admin})
	if err != nil || len(members.Members) != 2 {
		t.Errorf("%+v, %v", members, err)
	}
}

func TestFeedbackIsReplacedAndNeverGivenBack(t *testing.T) {
	s := start(t, world.Options{}, aws.Options{})
	alert := s.Add(aws.Request{Count: 1})[0]
	id, d := strings.TrimPrefix(alert, "us-east-1/"), s.detector(t)
	for _, text := range []string{"first", "second"} {
		if _, err := s.guardduty().UpdateFindingsFeedback(t.Context(), &guardduty.UpdateFindingsFeedbackInput{DetectorId: d, FindingIds: []string{id}, Feedback: "NOT_USEFUL", Comments: &text}); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.State().Notes[alert]; !slices.Equal(got, []string{"second"}) {
		t.Errorf("the comments are %q", got)
	}
	if text, _ := json.Marshal(s.Export("us-east-1")); bytes.Contains(text, []byte("second")) || !bytes.Contains(text, []byte("NOT_USEFUL")) {
		t.Errorf("%s", text)
	}
}

func TestCommandsAreStrict(t *testing.T) {
	s := start(t, world.Options{}, aws.Options{})
	for verb, body := range map[string]string{
		"dance": "", "alerts": `{"age":"long"}`, "touch": `{"ids":["nobody"]}`, "purge": `{"id":["x"]}`, "note": `{"colour":1}`,
	} {
		if err := s.Control(verb, []byte(body)); err == nil {
			t.Errorf("%s %s is no error", verb, body)
		}
	}
	if err := s.Control("alerts", []byte(`{"kind":99}`)); err == nil {
		t.Error("a kind that is none")
	}
	if err := s.Control("alerts", []byte(`{"count":3,"age":"1h","kind":0,"archived":true}`)); err != nil || s.State().Alerts != 3 {
		t.Errorf("%v, %d alerts", err, s.State().Alerts)
	}
}

func TestASeedMakesTheSameWorld(t *testing.T) {
	now := time.Now()
	o := world.Options{Alerts: 50, Seed: 7, Now: func() time.Time { return now }}
	one, two := aws.New(o, aws.Options{}), aws.New(o, aws.Options{})
	a, _ := json.Marshal(one.Export("us-east-1"))
	b, _ := json.Marshal(two.Export("us-east-1"))
	if !bytes.Equal(a, b) || one.Config("http://x") != two.Config("http://x") || len(a) < 1000 {
		t.Error("they differ")
	}
}
