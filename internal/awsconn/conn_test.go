package awsconn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/guardduty"
	"go.yaml.in/yaml/v3"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	labaws "edrc/internal/lab/aws"
	"edrc/internal/lab/world"
)

const (
	home  = "111122223333"
	other = "222233334444"
)

// lab starts the simulated AWS and gives the options that lead into it.
func lab(t *testing.T, over func(http.Handler) http.Handler) (*labaws.Vendor, Options) {
	t.Helper()
	v := labaws.New(world.Options{}, labaws.Options{Standalone: true})
	var h http.Handler = v
	if over != nil {
		h = over(v)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return v, options(t, v, s.URL)
}

func options(t *testing.T, v *labaws.Vendor, url string) Options {
	t.Helper()
	var o struct {
		Options `yaml:",inline"`
	}
	if err := yaml.Unmarshal([]byte(v.Config(url)), &o); err != nil {
		t.Fatal(err)
	}
	return o.Options
}

func connect(t *testing.T, o Options, h httpx.Config) *Conn {
	t.Helper()
	h.RetryBase, h.RetryMax = time.Millisecond, 2*time.Millisecond
	if h.Transport == nil {
		h.Transport = httpx.NewTransport()
	}
	c, err := New(o, Env{Name: "aws", HTTP: h})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestARoleIsAssumedWithExternalIDAndSourceIdentity(t *testing.T) {
	v, o := lab(t, nil)
	o.SourceIdentity = "alice"
	c := connect(t, o, httpx.Config{})
	cfg, err := c.For(t.Context(), other, "eu-central-1")
	if err != nil || cfg.Region != "eu-central-1" {
		t.Fatalf("%s, %v", cfg.Region, err)
	}
	who, err := c.Caller(t.Context(), other)
	if err != nil || who.Account != other || who.ARN != "arn:aws:sts::"+other+":assumed-role/edrc/edrc-alice" || time.Until(who.Expires) <= 0 {
		t.Errorf("%+v, %v", who, err)
	}
	want := labaws.Session{Account: other, RoleARN: "arn:aws:iam::" + other + ":role/edrc", Name: "edrc-alice", SourceIdentity: "alice"}
	if got := v.Sessions(); len(got) != 1 || got[0] != want {
		t.Errorf("sessions %+v, want one %+v", got, want)
	}
	if _, err := guardduty.NewFromConfig(cfg).ListDetectors(t.Context(), &guardduty.ListDetectorsInput{}); err != nil {
		t.Errorf("the configuration does not work: %v", err)
	}
}

func TestAnAccountIsEnteredOnceHoweverManyRegionsAsk(t *testing.T) {
	v, o := lab(t, nil)
	c := connect(t, o, httpx.Config{})
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			if _, err := c.For(t.Context(), []string{home, other}[i%2], fmt.Sprintf("us-east-%d", i%17)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := v.Requests(); got["sts:AssumeRole"] != 1 || got["sts:GetCallerIdentity"] != 2 {
		t.Errorf("requests %v", got)
	}
}

func TestARefusedRoleIsNamedWithWhatIsMissingAndNotTriedByEachRegion(t *testing.T) {
	v, o := lab(t, nil)
	o.Accounts[1].ExternalID = "wrong"
	o.SourceIdentity = "alice"
	c := connect(t, o, httpx.Config{})
	for range 17 {
		_, err := c.For(t.Context(), other, "us-east-1")
		e, _ := errors.AsType[*fault.Error](err)
		if e == nil || e.Kind != fault.Denied || !strings.Contains(e.Msg, "sts:AssumeRole") || !strings.Contains(e.Msg, other) ||
			!strings.Contains(e.Hint, "role/edrc") || !strings.Contains(e.Hint, "sts:SetSourceIdentity") || e.Status != http.StatusForbidden {
			t.Fatalf("%+v", err)
		}
	}
	if n := v.Requests()["sts:AssumeRole"]; n != 1 {
		t.Errorf("%d tries for one refused account", n)
	}
	if _, err := c.For(t.Context(), home, "us-east-1"); err != nil {
		t.Errorf("the other account: %v", err)
	}
}

func TestNothingIsDoneInAnotherAccountThanTheOneThatWasMeant(t *testing.T) {
	_, o := lab(t, func(v http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			v.ServeHTTP(rec, r)
			body := rec.Body.String()
			if strings.Contains(body, "GetCallerIdentityResponse") {
				body = strings.ReplaceAll(body, other, "999988887777")
			}
			w.WriteHeader(rec.Code)
			_, _ = w.Write([]byte(body))
		})
	})
	c := connect(t, o, httpx.Config{})
	if _, err := c.For(t.Context(), other, "us-east-1"); !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), "999988887777") {
		t.Errorf("a role that leads elsewhere: %v", err)
	}
	o.Accounts = []Account{{ID: "555566667777"}}
	for name, account := range map[string]string{"configured without a role": "555566667777", "not configured": "444455556666"} {
		_, err := connect(t, o, httpx.Config{}).For(t.Context(), account, "us-east-1")
		e, _ := errors.AsType[*fault.Error](err)
		if e == nil || e.Kind != fault.Usage || !strings.Contains(e.Msg, home) || !strings.Contains(e.Hint, "role_arn") {
			t.Errorf("%s: %+v", name, err)
		}
	}
}

func TestTheDefaultsAreTheCredentialsOwnAccountAndRegion(t *testing.T) {
	_, o := lab(t, nil)
	o.Accounts = nil
	c := connect(t, o, httpx.Config{})
	accounts, err := c.Accounts(t.Context())
	if err != nil || len(accounts) != 1 || accounts[0] != home {
		t.Errorf("accounts %v, %v", accounts, err)
	}
	tenant, err := c.Tenant(t.Context())
	if err != nil || !strings.HasPrefix(tenant, "aws@127.0.0.1:") {
		t.Errorf("a simulation is the tenant %q, %v", tenant, err)
	}
	real, err := connect(t, Options{Regions: []string{"cn-north-1"}}, httpx.Config{}).Tenant(t.Context())
	if err != nil || real != "aws-cn" {
		t.Errorf("the tenant is %q, %v", real, err)
	}
}

func TestNoRegionAndNoCredentialsAreSaid(t *testing.T) {
	_, err := connect(t, Options{}, httpx.Config{}).For(t.Context(), "", "us-east-1")
	if e, _ := errors.AsType[*fault.Error](err); e == nil || e.Kind != fault.Usage || !strings.Contains(e.Hint, "AWS_REGION") {
		t.Errorf("no region: %+v", err)
	}
	_, err = connect(t, Options{Regions: []string{"us-east-1"}}, httpx.Config{}).For(t.Context(), "", "us-east-1")
	if e, _ := errors.AsType[*fault.Error](err); e == nil || e.Kind != fault.Auth || !strings.Contains(e.Hint, "aws sso login") {
		t.Errorf("no credentials: %+v", err)
	}
}

func TestTheAWSEnvironmentHolds(t *testing.T) {
	v, o := lab(t, nil)
	secret, err := o.SecretAccessKey.Reveal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file("credentials", "[ir]\naws_access_key_id="+o.AccessKeyID+"\naws_secret_access_key="+secret+"\n"))
	t.Setenv("AWS_CONFIG_FILE", file("config", "[profile ir]\nregion=eu-central-1\n"+
		"[profile member]\nsource_profile=ir\nregion=us-east-1\nrole_arn=arn:aws:iam::"+other+":role/edrc\nexternal_id="+labaws.ExternalID(other)+"\n"))
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1") // nothing listens there
	t.Setenv("AWS_ENDPOINT_URL_STS", o.EndpointURL)
	t.Setenv("AWS_MAX_ATTEMPTS", "2")
	c := connect(t, Options{Profile: "ir"}, httpx.Config{})
	if who, err := c.Caller(t.Context(), ""); err != nil || who.Account != home {
		t.Fatalf("profile and service endpoint: %+v, %v", who, err)
	}
	if regions, err := c.Regions(t.Context()); err != nil || len(regions) != 1 || regions[0] != "eu-central-1" {
		t.Errorf("the profile's region: %v, %v", regions, err)
	}
	cfg, err := c.For(t.Context(), "", "eu-central-1")
	if err != nil || cfg.Retryer().MaxAttempts() != 2 {
		t.Errorf("AWS_MAX_ATTEMPTS is not heeded: %v", err)
	}
	_, err = guardduty.NewFromConfig(cfg).ListDetectors(t.Context(), &guardduty.ListDetectorsInput{})
	if err = c.Explain(err, home, "eu-central-1"); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "127.0.0.1:1 cannot be reached") {
		t.Errorf("AWS_ENDPOINT_URL: %v", err)
	}
	member := connect(t, Options{Profile: "member"}, httpx.Config{})
	if who, err := member.Caller(t.Context(), ""); err != nil || who.Account != other {
		t.Errorf("a profile with a role: %+v, %v", who, err)
	}
	own := connect(t, o, httpx.Config{}) // endpoint_url of the source wins over the environment
	t.Setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
	if _, err := own.Caller(t.Context(), ""); err != nil {
		t.Errorf("the endpoint of the source: %v", err)
	}
	if v.Requests()["sts:GetCallerIdentity"] < 3 {
		t.Error("the lab was not asked")
	}
	t.Setenv("AWS_RETRY_MODE", "adaptive")
	if cfg, err := connect(t, o, httpx.Config{}).For(t.Context(), "", "us-east-1"); err != nil || fmt.Sprintf("%T", cfg.Retryer()) != "*retry.AdaptiveMode" {
		t.Errorf("AWS_RETRY_MODE is not heeded: %v", err)
	}
	_, err = connect(t, Options{Profile: "missing"}, httpx.Config{}).Regions(t.Context())
	if !fault.Is(err, fault.Usage) || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a profile that is not there: %v", err)
	}
}

func TestTheSecretIsNeitherInTheTraceNorInErrors(t *testing.T) {
	v, o := lab(t, nil)
	secret, _ := o.SecretAccessKey.Reveal(t.Context())
	var trace bytes.Buffer
	c := connect(t, o, httpx.Config{Trace: &trace})
	if _, err := c.Caller(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if err := v.Control("revoke", nil); err != nil {
		t.Fatal(err)
	}
	_, err := connect(t, o, httpx.Config{Trace: &trace}).Caller(t.Context(), "")
	if !fault.Is(err, fault.Auth) {
		t.Fatalf("a revoked key: %v", err)
	}
	if e, _ := errors.AsType[*fault.Error](err); !strings.Contains(e.Hint, "aws sso login") {
		t.Errorf("hint %q", e.Hint)
	}
	lines := trace.String()
	if !strings.Contains(lines, "aws POST 127.0.0.1:") || !strings.Contains(lines, " 403 ") || !strings.Contains(lines, "x-amzn-requestid=") {
		t.Errorf("the trace says too little:\n%s", lines)
	}
	for _, hidden := range []string{secret, o.AccessKeyID, "Signature", "lab+token"} {
		if strings.Contains(lines+err.Error(), hidden) {
			t.Errorf("%q is shown:\n%s\n%v", hidden, lines, err)
		}
	}
}

func TestAnInterruptionEndsTheWaitForAnAccount(t *testing.T) {
	var entered atomic.Bool
	block := make(chan struct{})
	_, o := lab(t, func(v http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			entered.Store(true)
			select {
			case <-block:
			case <-r.Context().Done():
			}
			v.ServeHTTP(w, r)
		})
	})
	c := connect(t, o, httpx.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			_, err := c.For(ctx, other, "us-east-1")
			if !fault.Is(err, fault.Interrupted) || !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		})
	}
	for !entered.Load() {
		time.Sleep(time.Millisecond)
	}
	cancel()
	wg.Wait()
	close(block)
	if _, err := c.For(t.Context(), other, "us-east-1"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestAProxyPageIsNoAnswer(t *testing.T) {
	var n atomic.Int32
	_, o := lab(t, func(v http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) == 1 {
				w.Header().Set("Content-Type", "text/html")
				_, _ = w.Write([]byte("<html><body>log in first</body></html>"))
				return
			}
			v.ServeHTTP(w, r)
		})
	})
	if _, err := connect(t, o, httpx.Config{}).Caller(t.Context(), ""); err != nil || n.Load() != 2 {
		t.Errorf("one page: %v after %d requests", err, n.Load())
	}
	n.Store(-100)
	_, o2 := lab(t, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<!DOCTYPE html><p>log in")) })
	})
	_, err := connect(t, o2, httpx.Config{}).Caller(t.Context(), "")
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "HTML page") {
		t.Errorf("pages only: %v", err)
	}
}

func TestCredentialsNeverLeaveOverPlainHTTP(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL", "http://sts.example")
	o := Options{Regions: []string{"us-east-1"}, AccessKeyID: "AKIA", SecretAccessKey: httpx.Literal("secret")}
	sent := roundTripper(func(*http.Request) (*http.Response, error) { t.Error("it was sent"); return nil, errors.New("no") })
	_, err := connect(t, o, httpx.Config{Transport: sent}).Caller(t.Context(), "")
	if err == nil || !strings.Contains(err.Error(), "not https") {
		t.Errorf("%v", err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTheNumberOfRequestsUnderWayIsBounded(t *testing.T) {
	var under, most atomic.Int32
	_, o := lab(t, func(v http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := under.Add(1)
			defer under.Add(-1)
			for {
				if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
					break
				}
			}
			time.Sleep(2 * time.Millisecond)
			v.ServeHTTP(w, r)
		})
	})
	c := connect(t, o, httpx.Config{Concurrency: 3})
	cfg, err := c.For(t.Context(), home, "us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	client := guardduty.NewFromConfig(cfg)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := client.ListDetectors(t.Context(), &guardduty.ListDetectorsInput{MaxResults: aws.Int32(50)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most.Load() > 3 {
		t.Errorf("%d requests at once", most.Load())
	}
}
