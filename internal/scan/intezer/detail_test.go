package intezer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/scan"
)

const (
	subs      = pollRoute + "/sub-analyses"
	rootReuse = subs + "/root/code-reuse"
	rootMeta  = subs + "/root/metadata"
	iocRoute  = pollRoute + "/iocs"
	ttpRoute  = pollRoute + "/dynamic-ttps"
)

// mabezat are the published replies of contracts 7.5.
const (
	mabezatMeta = `{"architecture":"i386","compilation_timestamp":"2007:10:29 06:17:05+00:00","file_type":"pe",
		"md5":"` + testMD5 + `","sha1":"` + testSHA1 + `","sha256":"` + testSHA + `","size_in_bytes":110311,"ssdeep":"1536:x"}`
	mabezatReuse = `{"common_gene_count":13,"gene_count":476,"gene_type":"native_windows","unique_gene_count":0,
		"families":[{"family_id":"6fde016f","family_name":"UPX","family_type":"packer","reused_gene_count":900},
		{"family_id":"6fde016f","family_name":"Mabezat","family_type":"malware","reused_gene_count":474}]}`
)

// detailed is a server on which a report is there unless a test says otherwise.
func detailed(t *testing.T) *server {
	return newServer(t).
		on(rootMeta, reply200(mabezatMeta)).
		on(rootReuse, reply200(mabezatReuse)).
		on(iocRoute, reply200(`{"result":{"files":[],"network":[{"ioc":"1.1.1.1","source":["Network communication"],"type":"ip"}]}}`)).
		on(ttpRoute, reply200(`{"result":[{"name":"n","severity":2,"data":[{"cid":1}],"ttps":[{"name":"n","ttp":"Command and Control::Encrypted Channel [T1573]"}]}]}`))
}

// analysed is a finished analysis, as Lookup or Poll give it.
func analysed(class alert.Class, family string) scan.Analysis {
	return scan.Analysis{ID: testID, State: scan.Succeeded, Verdict: alert.Verdict{
		Engine: name, Class: class, Family: family, AnalysisID: testID, Hashes: alert.Hashes{SHA256: testSHA}}}
}

func TestDetailCompletesAVerdict(t *testing.T) {
	got, err := detailed(t).client().Detail(t.Context(), analysed(alert.Malicious, ""))
	if err != nil {
		t.Fatal(err)
	}
	if got.Family != "Mabezat" || got.Genes != 474 || got.FileType != "pe" || got.Size != 110311 ||
		got.Hashes != (alert.Hashes{SHA256: testSHA, SHA1: testSHA1, MD5: testMD5}) {
		t.Errorf("%+v", got)
	}
	if len(got.IOCs) != 1 || got.IOCs[0] != (alert.IOC{Type: "ip", Value: "1.1.1.1"}) {
		t.Errorf("IOCs %+v", got.IOCs)
	}
	if len(got.Attack) != 1 || got.Attack[0] != (alert.Technique{ID: "T1573", Name: "Encrypted Channel", Tactic: "Command and Control"}) {
		t.Errorf("techniques %+v", got.Attack)
	}
}

func TestReportsThatDoNotExistAreEmptyAndNoError(t *testing.T) {
	s := detailed(t).
		on(rootReuse, answer(409, `{"error":"no report"}`)).on(rootMeta, answer(404, ``)).
		on(iocRoute, answer(404, ``)).on(ttpRoute, answer(404, `{"error":"Report not found"}`)).
		on(subs, answer(404, ``))
	want := analysed(alert.Malicious, "").Verdict
	got, err := s.client().Detail(t.Context(), analysed(alert.Malicious, ""))
	if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAFeatureThePlanLacksIsAskedForOnce(t *testing.T) {
	s := detailed(t).
		on(iocRoute, answer(403, `{"error":"Insufficient Permissions"}`)).
		on(ttpRoute, answer(403, `{"error":"Insufficient permissions"}`))
	c := s.client()
	for range 3 {
		got, err := c.Detail(t.Context(), analysed(alert.Malicious, ""))
		if err != nil || got.Family != "Mabezat" || got.IOCs != nil || got.Attack != nil {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	s.count(iocRoute, 1)
	s.count(ttpRoute, 1)
	s.count(rootMeta, 3)
}

func TestAnother403SwitchesNothingOff(t *testing.T) {
	s := detailed(t).on(iocRoute, answer(403, ``))
	c := s.client()
	for range 2 {
		if _, err := c.Detail(t.Context(), analysed(alert.Malicious, "")); err != nil {
			t.Fatal(err)
		}
	}
	s.count(iocRoute, 2)
}

func TestAVerdictSurvivesDetailsThatDoNotCome(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"500":    answer(500, ``),
		"a page": page(200),
		"reset":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"text":   reply200(`oops`),
		"array":  reply200(`[1]`),
		"null":   reply200(`null`),
	} {
		t.Run(name, func(t *testing.T) {
			s := detailed(t).on(rootMeta, h).on(rootReuse, h).on(iocRoute, h).on(ttpRoute, h).on(subs, h)
			got, err := s.client().Detail(t.Context(), analysed(alert.Malicious, "Cedar"))
			if err != nil || got.Class != alert.Malicious || got.SHA256 != testSHA || got.Family != "Cedar" || got.AnalysisID != testID {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestDetailThatIsInterruptedSaysSo(t *testing.T) {
	c := detailed(t).client()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got, err := c.Detail(ctx, analysed(alert.Malicious, ""))
	if !errors.Is(err, context.Canceled) || got.Class != alert.Malicious {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestDetailOfWhatIsNotFinishedAsksNothing(t *testing.T) {
	s := newServer(t)
	for _, state := range []scan.AnalysisState{scan.Running, scan.Failed, scan.Vanished} {
		a := analysed(alert.ClassFailed, "")
		a.State = state
		if _, err := s.client().Detail(t.Context(), a); err != nil {
			t.Error(err)
		}
	}
}

func TestDetailAsksForReportsAtTheSameTime(t *testing.T) {
	var here atomic.Int32
	all := make(chan bool)
	meet := func(w http.ResponseWriter, r *http.Request) {
		if here.Add(1) == 4 {
			close(all)
		}
		select {
		case <-all:
		case <-time.After(5 * time.Second):
			t.Error("the requests do not overlap")
		}
		answer(404, ``)(w, r)
	}
	s := detailed(t).on(rootMeta, meet).on(rootReuse, meet).on(iocRoute, meet).on(ttpRoute, meet)
	if _, err := s.client().Detail(t.Context(), analysed(alert.Suspicious, "")); err != nil {
		t.Fatal(err)
	}
}

func TestNothingToHuntIsNotAskedFor(t *testing.T) {
	for _, class := range []alert.Class{alert.Trusted, alert.NoThreats, alert.Neutral, alert.NotSupported} {
		s := detailed(t)
		got, err := s.client().Detail(t.Context(), analysed(class, ""))
		if err != nil || got.Size != 110311 || got.IOCs != nil || got.Attack != nil {
			t.Errorf("%s: %+v, %v", class, got, err)
		}
		s.count(iocRoute, 0)
		s.count(ttpRoute, 0)
	}
}

func TestMetadataOfAnotherFileIsNotBelieved(t *testing.T) {
	s := detailed(t).on(rootMeta, reply200(strings.Replace(mabezatMeta, testSHA, "ab"+testSHA[2:], 1)))
	got, err := s.client().Detail(t.Context(), analysed(alert.Trusted, ""))
	if err != nil || got.Hashes != (alert.Hashes{SHA256: testSHA}) || got.Size != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestMetadataNamesTheFileOfAWeakVerdict(t *testing.T) {
	a := analysed(alert.Trusted, "")
	a.Verdict.Hashes, a.Verdict.Weak = alert.Hashes{SHA1: testSHA1}, true
	got, err := detailed(t).client().Detail(t.Context(), a)
	if err != nil || got.Weak || got.SHA256 != testSHA {
		t.Errorf("%+v, %v", got, err)
	}
	s := detailed(t).on(rootMeta, reply200(`{"sha1":"`+testSHA1+`"}`)) // no optional key
	if got, err = s.client().Detail(t.Context(), a); err != nil || !got.Weak || got.FileType != "" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestTheFamilyOfAMaliciousFileIsLookedForInItsParts(t *testing.T) {
	list := `{"sub_analyses":[{"sub_analysis_id":"r","source":"root"}`
	for i := range 9 {
		list += fmt.Sprintf(`,{"sub_analysis_id":"s%d","sha256":"x","source":"dynamic_execution"}`, i)
	}
	s := detailed(t).on(rootReuse, answer(409, ``)).on(subs, reply200(list+`]}`)).
		on(subs+"/s0/code-reuse", answer(409, ``)).
		on(subs+"/s1/code-reuse", reply200(mabezatReuse)).
		on(subs+"/s2/code-reuse", reply200(`{"families":[{"family_name":"Small","family_type":"malware","reused_gene_count":"7"}]}`))
	got, err := s.client().Detail(t.Context(), analysed(alert.Malicious, ""))
	if err != nil || got.Family != "Mabezat" || got.Genes != 474 {
		t.Errorf("%+v, %v", got, err)
	}
	s.count(subs, 1)
	// A suspicious file, and one whose family is known, need no parts.
	for _, a := range []scan.Analysis{analysed(alert.Suspicious, ""), analysed(alert.Malicious, "Cedar")} {
		if _, err := s.client().Detail(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	s.count(subs, 1)
}
