package intezer

import (
	"net/http"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/scan"
)

const lookupRoute = "GET /files/" + testSHA

// finished is a succeeded analysis as the vendor sends it (7.2).
const finished = `{"result": {"analysis_id": "` + testID + `",
	"analysis_time": "Tue, 13 Nov 2018 09:10:42 GMT",
	"analysis_url": "https://analyze.intezer.com/analyses/` + testID + `",
	"family_name": "Cedar", "is_private": true, "sha256": "` + testSHA + `",
	"sub_verdict": "malicious", "verdict": "malicious", "file_name": "a.exe"},
	"result_url": "/analyses/` + testID + `", "status": "succeeded"}`

func TestLookupAsksForPrivateAnalysesAloneInTheBodyOfAGet(t *testing.T) {
	s := newServer(t).on(lookupRoute, answer(200, finished, "Date", "Tue, 20 Nov 2018 09:10:42 GMT"))
	got, err := s.client().Lookup(t.Context(), testSHA)
	if err != nil {
		t.Fatal(err)
	}
	if body := s.of(lookupRoute)[0].body; body != `{"should_get_only_private_analysis":true}` {
		t.Errorf("sent %s", body)
	}
	v := got.Verdict
	if got.ID != testID || got.State != scan.Succeeded || !got.Private || v.Class != alert.Malicious ||
		v.SubVerdict != "malicious" || v.Family != "Cedar" || v.SHA256 != testSHA || v.Name != "a.exe" ||
		v.Engine != "intezer" || v.AnalysisID != testID || v.URL != "https://analyze.intezer.com/analyses/"+testID || v.Weak {
		t.Errorf("%+v", got)
	}
	// The caller judges the age, on the vendor's clock alone.
	if age := got.Date.Sub(v.Analysed); age != 7*24*time.Hour {
		t.Errorf("age %v", age)
	}
}

func TestLookupOfNothingIsNotFound(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"none":           answer(404, `{"error":"Analysis was not found"}`),
		"none, no body":  answer(404, ``),
		"expired":        answer(410, `{"error":"Analysis expired"}`),
		"expired in 200": reply200(`{"status":"expired"}`),
		"running, no id": answer(202, ``),
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t).on(lookupRoute, h)
			_, err := s.client().Lookup(t.Context(), testSHA)
			wantKind(t, err, fault.NotFound)
			s.count(lookupRoute, 1)
		})
	}
}

func TestLookup403IsQuotaOnlyWhenItSaysSo(t *testing.T) {
	for body, kind := range map[string]fault.Kind{
		`{"error":"Account has reached action quota"}`: fault.Quota,
		`{"error":"Insufficient Permissions"}`:         fault.Denied,
		``:                                             fault.Denied,
	} {
		s := newServer(t).on(lookupRoute, answer(403, body))
		_, err := s.client().Lookup(t.Context(), testSHA)
		wantKind(t, err, kind)
	}
}

func TestLookupNeverDropsThePrivateFlagAndStopsAskingAServerWithoutIt(t *testing.T) {
	s := newServer(t).on(lookupRoute, answer(400,
		`{"error":"The request is not valid","details":{"should_get_only_private_analysis":["unknown field"]}}`))
	c := s.client()
	for range 3 {
		_, err := c.Lookup(t.Context(), testSHA)
		wantKind(t, err, fault.NotFound)
	}
	s.count(lookupRoute, 1)
}

func TestLookupOfWhatTheServerCallsMalformedIsInvalid(t *testing.T) {
	s := newServer(t).on(lookupRoute, answer(400, `{"error":"Invalid hash"}`))
	c := s.client()
	for range 2 {
		_, err := c.Lookup(t.Context(), testSHA)
		wantKind(t, err, fault.Invalid)
	}
	s.count(lookupRoute, 2)
}

func TestLookupRefusesWhatNamesNoFileWithoutARequest(t *testing.T) {
	c := newServer(t).client()
	for _, h := range []alert.Hash{"", "abc", "../accounts/me", "d41d8cd98f00b204e9800998ecf8427e",
		"0000000000000000000000000000000000000000"} {
		_, err := c.Lookup(t.Context(), h)
		wantKind(t, err, fault.Invalid)
		_, err = c.Submit(t.Context(), h)
		wantKind(t, err, fault.Invalid)
	}
}

func TestLookupTellsWhenTheReplyIsNotPrivate(t *testing.T) {
	for _, private := range []string{`"is_private":false`, `"is_private":null`, `"x":1`} {
		s := newServer(t).on(lookupRoute, reply200(
			`{"status":"succeeded","result":{"analysis_id":"a","verdict":"trusted","sha256":"`+testSHA+`",`+private+`}}`))
		got, err := s.client().Lookup(t.Context(), testSHA)
		if err != nil || got.Private || got.Verdict.Class != alert.Trusted {
			t.Errorf("%s: %+v, %v", private, got, err)
		}
	}
}

func TestLookupRefusesTheVerdictOfAnotherFile(t *testing.T) {
	other := alert.Hash("ab" + testSHA[2:])
	s := newServer(t).on("GET /files/"+string(other), reply200(finished))
	_, err := s.client().Lookup(t.Context(), other)
	wantKind(t, err, fault.Unavailable)
}

func TestLookupByAWeakHashLearnsTheFile(t *testing.T) {
	s := newServer(t).
		on("GET /files/"+testSHA1, reply200(finished)).
		on("GET /files/"+testMD5, reply200(`{"status":"succeeded","result":{"analysis_id":"a","verdict":"trusted"}}`)).
		on("GET /files/"+testSHA, reply200(`{"status":"succeeded","result":{"analysis_id":"a","verdict":"trusted"}}`))
	c := s.client()
	got, err := c.Lookup(t.Context(), testSHA1)
	if err != nil || got.Verdict.Hashes != (alert.Hashes{SHA256: testSHA, SHA1: testSHA1}) || got.Verdict.Weak {
		t.Errorf("by SHA-1: %+v, %v", got.Verdict, err)
	}
	got, err = c.Lookup(t.Context(), testMD5)
	if err != nil || got.Verdict.Hashes != (alert.Hashes{MD5: testMD5}) || !got.Verdict.Weak {
		t.Errorf("no SHA-256 in the reply: %+v, %v", got.Verdict, err)
	}
	got, err = c.Lookup(t.Context(), testSHA)
	if err != nil || got.Verdict.SHA256 != testSHA || got.Verdict.Weak {
		t.Errorf("asked by SHA-256: %+v, %v", got.Verdict, err)
	}
}

func TestLookupFindsARunningAnalysis(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"200": reply200(`{"status":"in_progress","result":{"analysis_id":"` + testID + `"}}`),
		"202": answer(202, `{"status":"queued","result_url":"/analyses/`+testID+`"}`),
		"409": answer(409, `{"result":{"analysis_id":"`+testID+`"}}`),
	} {
		s := newServer(t).on(lookupRoute, h)
		got, err := s.client().Lookup(t.Context(), testSHA)
		if err != nil || got.State != scan.Running || got.ID != testID {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestLookupThatMeetsAProxyPageIsUnavailable(t *testing.T) {
	for _, status := range []int{200, 403, 404, 410, 502} {
		s := newServer(t).on(lookupRoute, page(status))
		_, err := s.client().Lookup(t.Context(), testSHA)
		wantKind(t, err, fault.Unavailable)
	}
}
