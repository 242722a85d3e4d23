package intezer

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"edrc/internal/fault"
	"edrc/internal/scan"
)

const submitRoute = "POST /analyze-by-hash"

func TestSubmitOutcomes(t *testing.T) {
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   scan.Submission
	}{
		"accepted":                {answer(201, `{"result_url":"/analyses/`+testID+`","status":"created"}`), scan.Submission{Outcome: scan.Accepted, ID: testID}},
		"accepted, absolute URL":  {answer(201, `{"result_url":"https://analyze.intezer.com/api/v2-0/analyses/`+testID+`?x=1"}`), scan.Submission{Outcome: scan.Accepted, ID: testID}},
		"accepted with 200":       {answer(200, `{"result_url":"/a/b/c/`+testID+`/"}`), scan.Submission{Outcome: scan.Accepted, ID: testID}},
		"not held":                {answer(404, `{"error":"File not found"}`), scan.Submission{Outcome: scan.NotHeld, Reason: "File not found"}},
		"running":                 {answer(409, `{"error":"busy","result_url":"/analyses/x","result":{"analysis_id":"`+testID+`"}}`), scan.Submission{Outcome: scan.AlreadyRunning, ID: testID, Reason: "busy"}},
		"running, id in the URL":  {answer(409, `{"result_url":"a/sd/asd","result":{}}`), scan.Submission{Outcome: scan.AlreadyRunning, ID: "asd"}},
		"running, id not told":    {answer(409, `{"result":{}}`), scan.Submission{Outcome: scan.AlreadyRunning}},
		"running, empty body":     {answer(409, ``), scan.Submission{Outcome: scan.AlreadyRunning}},
		"skipped before the id":   {answer(409, `{"result_url":"/analyses/x","result":{"is_skipped_by_rule":true,"analysis_id":"y"}}`), scan.Submission{Outcome: scan.SkippedByRule}},
		"not skipped":             {answer(409, `{"result":{"is_skipped_by_rule":false,"analysis_id":"y"}}`), scan.Submission{Outcome: scan.AlreadyRunning, ID: "y"}},
		"too large":               {answer(413, ``), scan.Submission{Outcome: scan.Unsupported, Reason: "Request Entity Too Large"}},
		"unsupported type":        {answer(415, `{"error":"File type not supported"}`), scan.Submission{Outcome: scan.Unsupported, Reason: "File type not supported"}},
		"id that is no path part": {answer(409, `{"result":{"analysis_id":"../../accounts/me"}}`), scan.Submission{Outcome: scan.AlreadyRunning}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t).on(submitRoute, tc.answer)
			got, err := s.client().Submit(t.Context(), testSHA)
			if err != nil || got != tc.want {
				t.Errorf("got %+v, %v; want %+v", got, err, tc.want)
			}
			s.count(submitRoute, 1)
			if body := s.of(submitRoute)[0].body; body != `{"hash":"`+testSHA+`"}` {
				t.Errorf("sent %s", body)
			}
		})
	}
}

func TestSubmit403IsTheQuotaUnlessItIsThePlan(t *testing.T) {
	for body, kind := range map[string]fault.Kind{
		``: fault.Quota,
		`{"error":"Account has reached action quota"}`: fault.Quota,
		`{"error":"forbidden"}`:                        fault.Quota,
		`{"error":"Insufficient Permissions"}`:         fault.Denied,
	} {
		s := newServer(t).on(submitRoute, answer(403, body))
		_, err := s.client().Submit(t.Context(), testSHA)
		wantKind(t, err, kind)
		s.count(submitRoute, 1)
	}
}

func TestSubmitIsNeverRepeatedWhenItMayHaveBeenAccepted(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"500":               answer(500, ``),
		"503":               answer(503, ``, "Retry-After", "1"),
		"answer lost":       func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"page with a 201":   page(201),
		"page with a 403":   page(403),
		"accepted, no id":   answer(201, `{"status":"created"}`),
		"accepted, no body": answer(201, ``),
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t).on(submitRoute, h, answer(409, `{"result":{"analysis_id":"`+testID+`"}}`))
			c := s.client()
			_, err := c.Submit(t.Context(), testSHA)
			wantKind(t, err, fault.InDoubt)
			s.count(submitRoute, 1)
			// What the caller does about it: 500 then ok.
			got, err := c.Submit(t.Context(), testSHA)
			if err != nil || got.ID != testID {
				t.Errorf("the second: %+v, %v", got, err)
			}
		})
	}
}

func TestSubmitWaitsOut429InEveryDialect(t *testing.T) {
	ok := answer(201, `{"result_url":"/analyses/`+testID+`"}`)
	for i, headers := range [][]string{
		nil,
		{"Retry-After", "0.5"},
		{"Retry-After", "2"},
		{"Retry-After", "soon"},
		{"X-RateLimit-Reset", fmt.Sprintf("%.3f", float64(time.Now().UnixMilli())/1000+2)},
		{"X-RateLimit-Limit", "10", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "x"},
	} {
		s := newServer(t).on(submitRoute, answer(429, ``, headers...), ok)
		got, err := s.client().Submit(t.Context(), testSHA)
		if err != nil || got.Outcome != scan.Accepted {
			t.Errorf("case %d: %+v, %v", i, got, err)
		}
		s.count(submitRoute, 2)
	}
	s := newServer(t).on(submitRoute, answer(429, ``, "Retry-After", "7200"))
	_, err := s.client().Submit(t.Context(), testSHA)
	if e := wantKind(t, err, fault.RateLimited); e.RetryAfter != 2*time.Hour {
		t.Errorf("RetryAfter %v", e.RetryAfter)
	}
}

func TestARefusedRequesterIsLeftOutFromThenOn(t *testing.T) {
	s := newServer(t).on(submitRoute,
		answer(400, `{"error":"The request is not valid","details":{"requester":["unknown field"]}}`),
		answer(201, `{"result_url":"/analyses/`+testID+`"}`))
	c := s.client(func(o *Options, _ *Env) { o.Requester = "edrc" })
	for range 2 {
		if got, err := c.Submit(t.Context(), testSHA); err != nil || got.ID != testID {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	posts := s.of(submitRoute)
	if len(posts) != 3 || sent(t, posts[0])["requester"] != "edrc" {
		t.Fatalf("%+v", posts)
	}
	for _, p := range posts[1:] {
		if _, there := sent(t, p)["requester"]; there {
			t.Errorf("sent again: %s", p.body)
		}
	}
}

func TestAnother400IsInvalidAndFinal(t *testing.T) {
	s := newServer(t).on(submitRoute, answer(400, `{"error":"Bad hash","message":{"hash":"odd"}}`))
	c := s.client(func(o *Options, _ *Env) { o.Requester = "edrc" })
	_, err := c.Submit(t.Context(), testSHA)
	if e := wantKind(t, err, fault.Invalid); e.Msg != "the request was refused: Bad hash; hash: odd" {
		t.Errorf("message %q", e.Msg)
	}
	s.count(submitRoute, 1)
}
