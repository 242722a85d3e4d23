package intezer

import (
	"net/http"
	"testing"

	"edrc/internal/fault"
	"edrc/internal/lab"
	"edrc/internal/scan"
)

func TestAReportTellsTheSubAnalysesAndTheCodeOfEach(t *testing.T) {
	const dropped = "11111111-2222-4333-8444-555555555555"
	s := newServer(t).
		on(subs, reply200(`{"sub_analyses":[{"sub_analysis_id":"`+testID+`","sha256":"`+testSHA+`","source":"root"},
			{"sub_analysis_id":"`+dropped+`","sha256":"ab","source":"dynamic_execution","extraction_info":{"collected_from":"memory",
				"processes":[{"process_id":124,"process_path":"C:\\p.exe","module_path":"C:\\m.dll"}]}},
			{"sub_analysis_id":"not an id","sha256":"x","source":"root"},{"sub_analysis_id":"`+dropped+`","source":"endpoint","extraction_info":null}]}`)).
		on(subs+"/"+testID+"/code-reuse", reply200(mabezatReuse)).
		on(subs+"/"+testID+"/metadata", reply200(mabezatMeta)).
		on(subs+"/"+dropped+"/code-reuse", answer(http.StatusConflict, `{"error":"none"}`)).
		on(subs+"/"+dropped+"/metadata", reply200(`{"file_type":"pe","size_in_bytes":-5}`))
	r, err := s.client().Report(t.Context(), testID, 2)
	if err != nil {
		t.Fatal(err)
	}
	if r.Genes != 476 || len(r.Reuse) != 2 || r.Reuse[0] != (scan.Reuse{Family: "UPX", Type: "packer", Genes: 900}) || r.Reuse[1].Family != "Mabezat" {
		t.Errorf("the file itself: %d genes, %+v", r.Genes, r.Reuse)
	}
	if len(r.Parts) != 2 || r.More != 1 {
		t.Fatalf("%d parts and %d more: %+v", len(r.Parts), r.More, r.Parts)
	}
	p := r.Parts[1]
	if p.SHA256 != "ab" || p.Source != "dynamic_execution" || p.From != "memory" || p.Path != `C:\m.dll` || p.FileType != "pe" || p.Size != 0 || p.Reuse == nil || len(p.Reuse) != 0 {
		t.Errorf("the part: %+v", p)
	}
	if _, err := s.client().Report(t.Context(), "../me", 2); !fault.Is(err, fault.NotFound) {
		t.Errorf("an id that is none gave %v", err)
	}
}

func TestAReportOfTheLabNamesWhatMalwareLeftInMemory(t *testing.T) {
	_, c, hashes := labWorld(t, lab.Options{})
	for _, h := range hashes {
		v, _, ok := climb(t, c, h.Best())
		if !ok || v.Family == "" {
			continue
		}
		r, err := c.Report(t.Context(), v.AnalysisID, 20)
		if err != nil {
			t.Fatal(err)
		}
		if v.Class != "malicious" {
			continue
		}
		if len(r.Parts) != 2 || r.Parts[0].Source != "root" || r.Parts[1].From != "memory" || len(r.Reuse) != 1 || r.Reuse[0].Family != v.Family {
			t.Errorf("%s: %+v", v.Family, r)
		}
		return
	}
	t.Error("the lab has no malware with a family")
}
