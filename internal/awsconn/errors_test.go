package awsconn

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/guardduty"

	"edrc/internal/fault"
	"edrc/internal/httpx"
)

// answer makes every GuardDuty request get one answer; STS is the lab's.
func answer(status int, header, body string) func(http.Handler) http.Handler {
	return func(v http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" {
				v.ServeHTTP(w, r)
				return
			}
			if header != "" {
				w.Header().Set("X-Amzn-Errortype", header)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
}

func TestEveryRefusalHasItsKindItsPlaceAndAWayOut(t *testing.T) {
	for _, tc := range []struct {
		status int
		code   string
		kind   fault.Kind
		hint   string
	}{
		{403, "AccessDeniedException", fault.Denied, "guardduty:ListDetectors"},
		{403, "UnrecognizedClientException", fault.Auth, "renew"},
		{403, "ExpiredTokenException", fault.Auth, "renew"},
		{403, "InvalidSignatureException", fault.Auth, "renew"},
		{403, "OptInRequired", fault.Denied, "not enabled"},
		{400, "BadRequestException", fault.Invalid, ""},
		{404, "ResourceNotFoundException", fault.NotFound, ""},
		{409, "ConflictException", fault.Conflict, ""},
		{429, "TooManyRequestsException", fault.RateLimited, "throttles"},
		{400, "ThrottlingException", fault.RateLimited, "throttles"},
		{500, "InternalServerErrorException", fault.Unavailable, ""},
		{403, "", fault.Denied, ""},
	} {
		t.Run(fmt.Sprint(tc.status, tc.code), func(t *testing.T) {
			_, o := lab(t, answer(tc.status, tc.code, `{"message":"no\u001b[31m way"}`))
			c := connect(t, o, httpx.Config{Attempts: 2})
			cfg, err := c.For(t.Context(), home, "eu-central-1")
			if err != nil {
				t.Fatal(err)
			}
			_, err = guardduty.NewFromConfig(cfg).ListDetectors(t.Context(), &guardduty.ListDetectorsInput{})
			e, _ := errors.AsType[*fault.Error](c.Explain(err, home, "eu-central-1"))
			if e == nil || e.Kind != tc.kind || e.Source != "aws" || e.Status != tc.status ||
				!strings.Contains(e.Msg, home+"/eu-central-1") || !strings.Contains(e.Msg, tc.code) || !strings.Contains(e.Hint, tc.hint) {
				t.Errorf("%+v", e)
			}
			if strings.ContainsRune(e.Msg, 0x1b) {
				t.Errorf("a control character of AWS's is in %q", e.Msg)
			}
		})
	}
}

func TestAnAnswerThatIsNoneIsToldPlainly(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		kind   fault.Kind
	}{
		"html 404":  {404, "<!doctype html><title>404 Not Found</title>", fault.NotFound},
		"text 502":  {502, "bad gateway", fault.Unavailable},
		"not json":  {200, "hello", fault.Unavailable},
		"html page": {200, "<html>", fault.Unavailable},
		"too large": {200, `{"x":"` + string(bytes.Repeat([]byte("a"), 2048)) + `"}`, fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			_, o := lab(t, answer(tc.status, "", tc.body))
			c := connect(t, o, httpx.Config{Attempts: 2, MaxBody: 1024})
			cfg, err := c.For(t.Context(), home, "us-east-1")
			if err != nil {
				t.Fatal(err)
			}
			_, err = guardduty.NewFromConfig(cfg).ListDetectors(t.Context(), &guardduty.ListDetectorsInput{})
			e, _ := errors.AsType[*fault.Error](c.Explain(err, home, "us-east-1"))
			if e == nil || e.Kind != tc.kind || strings.Contains(e.Msg, "doctype") {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestACertificateThatIsNotTrustedIsTriedOnce(t *testing.T) {
	n := 0
	untrusted := roundTripper(func(*http.Request) (*http.Response, error) {
		n++
		return nil, x509.UnknownAuthorityError{}
	})
	o := Options{Regions: []string{"us-east-1"}, AccessKeyID: "AKIA", SecretAccessKey: httpx.Literal("secret")}
	_, err := connect(t, o, httpx.Config{Transport: untrusted}).Caller(t.Context(), "")
	if n != 1 || !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%d tries, %v", n, err)
	}
}

func TestExplainCompletesWhatIsExplainedAlready(t *testing.T) {
	c := connect(t, Options{}, httpx.Config{})
	if c.Explain(nil, home, "us-east-1") != nil {
		t.Error("nil is an error")
	}
	e, _ := errors.AsType[*fault.Error](c.Explain(fmt.Errorf("wrapped: %w", fault.New(fault.Denied, "no")), home, ""))
	if e == nil || e.Kind != fault.Denied || e.Source != "aws" || e.Msg != "no" {
		t.Errorf("%+v", e)
	}
}
