package intezer

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/scan"
)

const pollRoute = "GET /analyses/" + testID

func TestPollStates(t *testing.T) {
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		state  scan.AnalysisState
		class  alert.Class
	}{
		"202 empty":             {answer(202, ``), scan.Running, ""},
		"202 JSON":              {answer(202, `{"status":"in_progress","result_url":"/analyses/x"}`), scan.Running, ""},
		"202 and no JSON":       {answer(202, `please wait`), scan.Running, ""},
		"200 in_progress":       {reply200(`{"status":"in_progress","result":{"verdict":"trusted"}}`), scan.Running, ""},
		"200 queued":            {reply200(`{"status":"queued"}`), scan.Running, ""},
		"200 created":           {reply200(`{"status":"created"}`), scan.Running, ""},
		"200 a new word":        {reply200(`{"status":"reticulating","result":{"verdict":"trusted"}}`), scan.Running, ""},
		"200 succeeded":         {reply200(finished), scan.Succeeded, alert.Malicious},
		"200 finished":          {reply200(strings.Replace(finished, "succeeded", "finished", 1)), scan.Succeeded, alert.Malicious},
		"200 without a status":  {reply200(`{"result":{"verdict":"trusted"}}`), scan.Succeeded, alert.Trusted},
		"succeeded, no verdict": {reply200(`{"status":"succeeded","result":{"analysis_id":"asd"}}`), scan.Succeeded, alert.Unknown},
		"succeeded, no result":  {reply200(`{"status":"succeeded","result":null}`), scan.Succeeded, alert.Unknown},
		"failed":                {reply200(`{"status":"failed","error":"no luck"}`), scan.Failed, alert.ClassFailed},
		"error":                 {reply200(`{"status":"error"}`), scan.Failed, alert.ClassFailed},
		"expired":               {reply200(`{"status":"expired"}`), scan.Vanished, ""},
		"404":                   {answer(404, `{"error":"Analysis was not found"}`), scan.Vanished, ""},
		"410":                   {answer(410, `{"error":"Analysis expired"}`), scan.Vanished, ""},
		"409":                   {answer(409, ``), scan.Running, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t).on(pollRoute, tc.answer)
			got, err := s.client().Poll(t.Context(), testID)
			if err != nil || got.State != tc.state || got.ID != testID || got.Verdict.Class != tc.class ||
				got.Verdict.AnalysisID != testID || got.Verdict.Engine != "intezer" {
				t.Errorf("%+v, %v", got, err)
			}
			s.count(pollRoute, 1)
			if body := s.of(pollRoute)[0].body; body != "" {
				t.Errorf("sent a body: %s", body)
			}
		})
	}
}

func TestPollMarksAVerdictWithoutASHA256AsWeak(t *testing.T) {
	s := newServer(t).on(pollRoute, reply200(`{"status":"succeeded","result":{"verdict":"trusted"}}`), reply200(finished), answer(202, ``))
	c := s.client()
	for _, weak := range []bool{true, false, false} {
		if got, err := c.Poll(t.Context(), testID); err != nil || got.Verdict.Weak != weak {
			t.Errorf("%+v, %v; want %t", got.Verdict, err, weak)
		}
	}
}

func TestPollTellsWhyAnAnalysisFailed(t *testing.T) {
	s := newServer(t).on(pollRoute, reply200(`{"status":"failed","error":"no\u001b[31m luck\nat all"}`))
	got, err := s.client().Poll(t.Context(), testID)
	if err != nil || got.Reason != "no [31m luck at all" || got.Verdict.Reason != got.Reason {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestPollOfSomethingElseIsUnavailableAndNotAVerdict(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"a page":           page(200),
		"a page as 404":    page(404),
		"a page as 410":    page(410),
		"a page as 409":    page(409),
		"a page as 502":    page(502),
		"nothing":          answer(200, ``),
		"an empty object":  reply200(`{}`),
		"an array":         reply200(`[]`),
		"text":             reply200(`ok`),
		"a cut-off answer": reply200(`{"status":"succeeded","result":{"verdict":"trus`),
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t).on(pollRoute, h)
			_, err := s.client().Poll(t.Context(), testID)
			wantKind(t, err, fault.Unavailable)
		})
	}
}

func TestPollHeedsHowLongTheEngineAsksToWait(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"7": 7 * time.Second, "0.5": 500 * time.Millisecond, "-3": 0, "NaN": 0, "later": 0, "1e9": time.Hour,
	} {
		s := newServer(t).on(pollRoute, answer(202, ``, "Retry-After", header))
		got, err := s.client().Poll(t.Context(), testID)
		if err != nil || got.RetryAfter != want {
			t.Errorf("%q: %v, %v; want %v", header, got.RetryAfter, err, want)
		}
	}
}

func TestPollRefusesAnIDThatIsAPath(t *testing.T) {
	c := newServer(t).client()
	for _, id := range []string{"", ".", "..", "a/b", "a?b", "a%2fb", strings.Repeat("a", 200)} {
		_, err := c.Poll(t.Context(), id)
		wantKind(t, err, fault.Invalid)
	}
}

func TestAnUnknownWordIsUnknownAndNeverTrusted(t *testing.T) {
	for verdict, want := range map[string]alert.Class{
		`"malicious"`: alert.Malicious, `"suspicious"`: alert.Suspicious, `"trusted"`: alert.Trusted, `"neutral"`: alert.Neutral,
		`"unknown"`: alert.Unknown, `"not_supported"`: alert.NotSupported, `"no_threats"`: alert.NoThreats,
		`"Malicious"`: alert.Malicious, `"incomplete"`: alert.Unknown, `"trusted_ish"`: alert.Unknown, `""`: alert.Unknown,
		`null`: alert.Unknown, `7`: alert.Unknown, `["trusted"]`: alert.Unknown, `{"verdict":"trusted"}`: alert.Unknown,
	} {
		s := newServer(t).on(pollRoute, reply200(`{"status":"succeeded","result":{"verdict":`+verdict+`,"sub_verdict":"brand_new"}}`))
		got, err := s.client().Poll(t.Context(), testID)
		if err != nil || got.Verdict.Class != want || got.Verdict.SubVerdict != "brand_new" {
			t.Errorf("%s: %+v, %v; want %s", verdict, got.Verdict, err, want)
		}
	}
}

func TestThePageIsTheServersOwnOrMadeFromItsSite(t *testing.T) {
	for said, want := range map[string]string{
		`"https://us.app.intezer.com/analyses/1"`: "https://us.app.intezer.com/analyses/1",
		`"javascript:alert(1)"`:                   "",
		`"/analyses/1"`:                           "",
		`null`:                                    "",
	} {
		s := newServer(t).on(pollRoute, reply200(`{"status":"succeeded","result":{"verdict":"trusted","analysis_url":`+said+`}}`))
		if want == "" {
			want = s.url + "/analyses/" + testID
		}
		got, err := s.client().Poll(t.Context(), testID)
		if err != nil || got.Verdict.URL != want {
			t.Errorf("%s: %q, %v; want %q", said, got.Verdict.URL, err, want)
		}
	}
}

func TestAnalysisDates(t *testing.T) {
	want := time.Date(2018, 10, 17, 15, 16, 45, 0, time.UTC)
	for _, s := range []string{
		"Wed, 17 Oct 2018 15:16:45 GMT", "2018-10-17T15:16:45", "2018-10-17T15:16:45+00:00", "2018-10-17 15:16:45",
	} {
		if got := parseTime(s); !got.Equal(want) {
			t.Errorf("%q is %v", s, got)
		}
	}
	for _, s := range []string{"", "yesterday", "17/10/2018"} {
		if got := parseTime(s); !got.IsZero() {
			t.Errorf("%q is %v", s, got)
		}
	}
}
