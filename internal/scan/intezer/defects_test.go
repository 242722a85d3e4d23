package intezer

import (
	"strings"
	"testing"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/scan"
)

// The numbers are those of contracts 6.5: what EDR Connect of 2022 got wrong and
// an engine client answers for.

func TestDefect05_409AlreadyRunningIsPolledNotAnError(t *testing.T) {
	s := newServer(t).
		on(submitRoute, answer(409, `{"error":"already running","result":{"analysis_id":"`+testID+`"}}`)).
		on(pollRoute, answer(202, ``), reply200(finished))
	c := s.client()
	sub, err := c.Submit(t.Context(), testSHA)
	if err != nil || sub.Outcome != scan.AlreadyRunning {
		t.Fatalf("%+v, %v", sub, err)
	}
	for _, want := range []scan.AnalysisState{scan.Running, scan.Succeeded} {
		a, err := c.Poll(t.Context(), sub.ID)
		if err != nil || a.State != want {
			t.Fatalf("%+v, %v; want %s", a, err, want)
		}
	}
	s.count(submitRoute, 1)
}

func TestDefect06_NotSupportedOrNeutralNeverAborts(t *testing.T) {
	for word, class := range map[string]alert.Class{
		"not_supported": alert.NotSupported, "neutral": alert.Neutral, "never_seen": alert.Unknown,
	} {
		s := detailed(t).on(pollRoute, reply200(`{"status":"succeeded","result":{"verdict":"`+word+`","sha256":"`+testSHA+`"}}`))
		c := s.client()
		a, err := c.Poll(t.Context(), testID)
		if err != nil || a.Verdict.Class != class {
			t.Fatalf("%s: %+v, %v", word, a, err)
		}
		if v, err := c.Detail(t.Context(), a); err != nil || v.Class != class {
			t.Errorf("%s: %+v, %v", word, v, err)
		}
	}
}

func TestDefect06_AFailedAnalysisIsAStateNotAnError(t *testing.T) {
	s := newServer(t).on(pollRoute, reply200(`{"status":"failed"}`))
	if a, err := s.client().Poll(t.Context(), testID); err != nil || a.State != scan.Failed {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestDefect09_AnExhaustedQuotaIsOneKindAndNeverRepeated(t *testing.T) {
	s := newServer(t).on(submitRoute, answer(403, `{"error":"whatever the text is today"}`))
	_, err := s.client().Submit(t.Context(), testSHA)
	if e := wantKind(t, err, fault.Quota); e.Hint == "" {
		t.Error("no hint")
	}
	s.count(submitRoute, 1)
}

func TestDefect11_TheKeyTravelsOverTLSOnlyAndIsNeverShown(t *testing.T) {
	_, err := New(Options{URL: "http://intezer.acme.local", APIKey: httpx.Literal(testKey)}, Env{})
	if !fault.Is(err, fault.Usage) {
		t.Errorf("plain http: %v", err)
	}
	echo := answer(400, `{"error":"`+testKey+` Bearer `+testToken+`"}`)
	s := newServer(t).on(submitRoute, echo).on(lookupRoute, echo).on(pollRoute, echo, reply200(`{"status":"failed","error":"`+testToken+`"}`))
	c := s.client()
	_, err = c.Submit(t.Context(), testSHA)
	wantKind(t, err, fault.Invalid)
	_, err = c.Lookup(t.Context(), testSHA)
	wantKind(t, err, fault.Invalid)
	_, err = c.Poll(t.Context(), testID)
	wantKind(t, err, fault.Invalid)
	a, err := c.Poll(t.Context(), testID)
	if err != nil || strings.Contains(a.Reason, testToken) {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestDefect15_RelatedSamplesAreNotLookedUp(t *testing.T) {
	s := detailed(t)
	if _, err := s.client().Detail(t.Context(), analysed(alert.Malicious, "")); err != nil {
		t.Fatal(err)
	}
	if got := len(s.seen); got != 5 { // the token and four reports, in all
		t.Errorf("%d requests: %+v", got, s.seen)
	}
}
