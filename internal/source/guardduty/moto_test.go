package guardduty

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/guardduty"

	"edrc/internal/awsconn"
	"edrc/internal/awsconn/mototest"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	labaws "edrc/internal/lab/aws"
	"edrc/internal/lab/world"
)

// TestTheLabAnswersAsMotoDoes asks both the same. Findings are not among it: moto has none.
func TestTheLabAnswersAsMotoDoes(t *testing.T) {
	t.Run("lab", func(t *testing.T) {
		v := newVendor(t, world.Options{}, labaws.Options{Accounts: []string{"123456789012", "222233334444"}, Standalone: true})
		for _, account := range []string{"123456789012", "222233334444"} {
			for _, region := range []string{"us-east-1", "eu-central-1"} {
				v.Control(t, "off", map[string]any{"account": account, "region": region})
			}
		}
		checkAccounts(t, v.options)
	})
	t.Run("moto", func(t *testing.T) {
		url := mototest.Start(t).URL
		checkAccounts(t, Options{Options: awsconn.Options{EndpointURL: url, AccessKeyID: "AKIAEXAMPLE123456789", SecretAccessKey: httpx.Literal("secret"),
			Regions: []string{"us-east-1", "eu-central-1"}, Accounts: []awsconn.Account{
				{ID: "123456789012"}, {ID: "222233334444", RoleARN: "arn:aws:iam::222233334444:role/edrc", ExternalID: "x-1"}}}})
	})
}

func checkAccounts(t *testing.T, o Options) {
	o.SourceIdentity = "alice"
	c, err := New(o, Env{Name: "aws", HTTP: httpx.Config{Transport: httpx.NewTransport(), RetryBase: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	own, err := c.conn.Caller(t.Context(), "")
	if err != nil || own.Account != "123456789012" || own.UserID == "" || !strings.HasPrefix(own.ARN, "arn:aws:") || own.At.IsZero() {
		t.Errorf("the caller: %+v, %v", own, err)
	}
	in, err := c.conn.Caller(t.Context(), "222233334444")
	if err != nil || in.Account != "222233334444" || !strings.HasPrefix(in.ARN, "arn:aws:sts::222233334444:assumed-role/edrc/edrc-alice") || in.Expires.IsZero() {
		t.Errorf("in the other account: %+v, %v", in, err)
	}
	if _, err := c.conn.Caller(t.Context(), "999999999999"); !fault.Is(err, fault.Usage) {
		t.Errorf("an account that nothing leads into: %v", err)
	}
	states := func() []string {
		table, err := coverage(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, row := range table {
			out = append(out, row.Account+"/"+row.Region+" "+row.State)
		}
		return out
	}
	want := []string{"123456789012/us-east-1 off", "123456789012/eu-central-1 off", "222233334444/us-east-1 off", "222233334444/eu-central-1 off"}
	if got := states(); !slices.Equal(got, want) {
		t.Fatalf("before a detector: %q", got)
	}
	cfg, err := c.conn.For(t.Context(), "222233334444", "eu-central-1")
	if err != nil {
		t.Fatal(err)
	}
	client := sdk.NewFromConfig(cfg)
	made, err := client.CreateDetector(t.Context(), &sdk.CreateDetectorInput{Enable: aws.Bool(true)})
	if err != nil || aws.ToString(made.DetectorId) == "" {
		t.Fatalf("create a detector: %+v, %v", made, err)
	}
	sites, err := c.survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sites {
		on := s.account == "222233334444" && s.region == "eu-central-1"
		if on && (s.state != StateEnabled || s.detector != *made.DetectorId || s.now.IsZero()) || !on && s.state != StateOff {
			t.Errorf("%s: %+v", s, s)
		}
		if !on {
			continue
		}
		if status, err := s.status(t.Context()); err != nil || status != "ENABLED" {
			t.Errorf("the detector is %q, %v", status, err)
		}
		if admin, err := s.administrator(t.Context()); err != nil || admin != "" {
			t.Errorf("it has the administrator %q, %v", admin, err)
		}
	}
}
