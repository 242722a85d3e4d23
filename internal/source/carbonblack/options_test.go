package carbonblack

import (
	"math"
	"strings"
	"testing"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
)

func complete() Options {
	return Options{URL: "https://defense.conferdeploy.net", OrgKey: "7DESJ9GN", APIID: "ABCDEFGHIJ", APISecret: httpx.Literal(secretOfTests)}
}

func TestWhatIsMissingIsSaidAllAtOnce(t *testing.T) {
	_, err := New(Options{}, Env{Name: "cbc-prod"})
	for _, name := range []string{"url", "org_key", "api_id", "api_secret", "cbc-prod"} {
		if !fault.Is(err, fault.Usage) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named: %v", name, err)
		}
	}
}

func TestWhatCannotBeRightIsRefused(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"url:":            func(o *Options) { o.URL = "defense.conferdeploy.net" },
		"has a path":      func(o *Options) { o.URL = "https://defense.conferdeploy.net/alerts" },
		"https://":        func(o *Options) { o.URL = "http://defense.conferdeploy.net" },
		"org_key:":        func(o *Options) { o.OrgKey = "../x" },
		"api_id:":         func(o *Options) { o.APIID = "secret/id" },
		"rate:":           func(o *Options) { o.Rate = -1 },
		"must not be neg": func(o *Options) { o.Rate = math.NaN() },
	} {
		o := complete()
		change(&o)
		if c, err := New(o, Env{Name: "cbc-prod"}); !fault.Is(err, fault.Usage) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secretOfTests) {
			t.Errorf("%s: %v, %v", want, c, err)
		}
	}
}

func TestWhatIsPastedIsCleaned(t *testing.T) {
	o := complete()
	o.URL, o.OrgKey, o.APIID = " https://Defense.ConferDeploy.net/ ", "{7DESJ9GN}", " <ABCDEFGHIJ> "
	got, err := o.normalise()
	if err != nil || got.URL != "https://defense.conferdeploy.net" || got.OrgKey != "7DESJ9GN" || got.APIID != "ABCDEFGHIJ" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestTheFactsCanBeChanged(t *testing.T) {
	tr := complete().traits()
	if tr.NoteMax != 20_000 || tr.NoteBulk != 1 || tr.Settle != time.Minute || tr.Overlap != 20*time.Minute || tr.NoteSettle != 90*time.Second || tr.NoUpdated || tr.MaxWindow != 0 {
		t.Errorf("%+v", tr)
	}
	o, zero, hour := complete(), time.Duration(0), time.Hour
	o.NoteSettle, o.Settle, o.Overlap = &zero, &zero, &hour
	if tr := o.traits(); tr.NoteSettle != 0 || tr.Settle != 0 || tr.Overlap != time.Hour {
		t.Errorf("%+v", tr)
	}
}
