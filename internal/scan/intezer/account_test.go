package intezer

import (
	"testing"

	"edrc/internal/fault"
	"edrc/internal/scan"
)

func TestQuotaShapes(t *testing.T) {
	for body, want := range map[string]scan.Allowance{
		`{"result":{"file_scans":{"quota":100,"usage":42,"type":"monthly"},"endpoint_scans":{"quota":1,"usage":1}}}`: {Known: true, Limit: 100, Usage: 42, Type: "monthly"},
		`{"result":{"file_scans":{"quota":100,"usage":100}}}`:                                                        {Known: true, Limit: 100, Usage: 100},
		`{"result":{"file_scans":{"quota":0,"usage":0}}}`:                                                            {Known: true},
		`{"result":{"file_scans":{"quota":10,"usage":12}}}`:                                                          {Known: true, Limit: 10, Usage: 12},
		`{"result":{"file_scans":{"quota":null,"usage":3}}}`:                                                         {Known: true, Limit: -1, Usage: 3},
		`{"result":{"file_scans":{"usage":3}}}`:                                                                      {Known: true, Limit: -1, Usage: 3},
		`{"result":{"file_scans":{"quota":-7,"usage":null}}}`:                                                        {Known: true, Limit: -1},
		`{"result":{"file_scans":{"quota":"unlimited","usage":"3"}}}`:                                                {Known: true, Limit: -1, Usage: 3},
		`{"result":{"file_scans":{"quota":"100","usage":7.0}}}`:                                                      {Known: true, Limit: 100, Usage: 7},
		`{"result":{"file_scans":{"type":"monthly"}}}`:                                                               {Type: "monthly"},
		`{"result":{"file_scans":null}}`:                                                                             {},
		`{"result":{"endpoint_scans":{"quota":100,"usage":100}}}`:                                                    {},
		`{"result":{}}`:     {},
		`{"result":null}`:   {},
		`{"result":"none"}`: {},
		`[]`:                {},
	} {
		s := newServer(t).on(quotaRoute, reply200(body))
		if got, err := s.client().Quota(t.Context()); err != nil || got != want {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}

func TestNothingIsLeftOfAZeroOrOverdrawnQuotaAndUnlimitedHasNoEnd(t *testing.T) {
	for body, want := range map[string]struct {
		left  int64
		bound bool
	}{
		`{"result":{"file_scans":{"quota":0,"usage":0}}}`:    {0, true},
		`{"result":{"file_scans":{"quota":10,"usage":12}}}`:  {0, true},
		`{"result":{"file_scans":{"quota":10,"usage":4}}}`:   {6, true},
		`{"result":{"file_scans":{"quota":null,"usage":4}}}`: {0, false},
		`{"result":{}}`: {0, false},
	} {
		if left, bound := allowance([]byte(body)).Left(); left != want.left || bound != want.bound {
			t.Errorf("%s: %d, %t", body, left, bound)
		}
	}
}

func TestAPlanThatDoesNotTellItsQuotaIsNoError(t *testing.T) {
	for _, status := range []int{403, 404} {
		s := newServer(t).on(quotaRoute, answer(status, ``))
		if got, err := s.client().Quota(t.Context()); err != nil || got.Known {
			t.Errorf("%d: %+v, %v", status, got, err)
		}
	}
	s := newServer(t).on(quotaRoute, answer(500, ``))
	_, err := s.client().Quota(t.Context())
	wantKind(t, err, fault.Unavailable)
}

func TestCheckSaysWhoAndWhatIsLeft(t *testing.T) {
	for body, want := range map[string]string{
		`{"result":{"account_id":"1","account_name":"Ann","account_email":"ann@example.com"}}`: "Ann <ann@example.com>",
		`{"result":{"account_id":"1","account_email":"ann@example.com"}}`:                      "ann@example.com",
		`{"result":{"account_id":"1","account_name":"Ann"}}`:                                   "Ann",
		`{"result":{"account_id":"1"}}`:                                                        "1",
		`{}`:                                                                                   "",
	} {
		s := newServer(t).on("GET /accounts/me", reply200(body)).
			on(quotaRoute, reply200(`{"result":{"file_scans":{"quota":100,"usage":42}}}`))
		who, quota, err := s.client().Check(t.Context())
		if err != nil || who != want || quota.Usage != 42 {
			t.Errorf("%s: %q, %+v, %v", body, who, quota, err)
		}
	}
	s := newServer(t).on("GET /accounts/me", answer(404, ``)).on(quotaRoute, answer(403, ``))
	if who, quota, err := s.client().Check(t.Context()); err != nil || who != "" || quota.Known {
		t.Errorf("a server without the routes: %q, %+v, %v", who, quota, err)
	}
	s = newServer(t).on("POST /get-access-token", answer(401, ``))
	_, _, err := s.client().Check(t.Context())
	wantKind(t, err, fault.Auth)
}
