package intezer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"edrc/internal/alert"
)

func TestMainFamilyByClass(t *testing.T) {
	fam := func(name, kind string, genes float64) family {
		return family{text(name), text(kind), number{genes, true}}
	}
	all := []family{
		fam("Packer", "packer", 900), fam("Lib", "library", 70), fam("Chrome", "application", 50), fam("Mal1", "malware", 10),
		fam("Mal2", "malware", 30), fam("MalPack", "malicious_packer", 500), fam("Tool", "administration_tool", 5), fam("", "malware", 999),
	}
	for _, tc := range []struct {
		class  alert.Class
		named  string
		family string
		genes  int
	}{
		{alert.Malicious, "", "Mal2", 30},
		{alert.Malicious, "Mal1", "Mal1", 10},
		{alert.Malicious, "Elsewhere", "Elsewhere", 0},
		{alert.Trusted, "", "Chrome", 50},
		{alert.Suspicious, "", "Tool", 5},
		{alert.Unknown, "", "", 0},
		{alert.NotSupported, "", "", 0},
		{alert.Neutral, "", "", 0},
	} {
		if f, genes := mainFamily(tc.class, tc.named, all); f != tc.family || genes != tc.genes {
			t.Errorf("%s %q: %s, %d", tc.class, tc.named, f, genes)
		}
	}
	if f, genes := mainFamily(alert.Malicious, "", []family{fam("Odd", "malware", -4)}); f != "Odd" || genes != 0 {
		t.Errorf("%s, %d", f, genes)
	}
}

func TestIndicatorsOfBothShapes(t *testing.T) {
	const other, third = "eeb1199f7db006e4d20086171cc312cf5bdf53682cc37997223ad0c15a27dc88", "ab1199f7db006e4d20086171cc312cf5bdf53682cc37997223ad0c15a27dc88f"
	var r iocReport
	if err := decode([]byte(`{"result":{"files":[
		{"path":"a.csv","sha256":"`+strings.ToUpper(other)+`","verdict":"malicious","family":"Turla","type":"Main file"},
		{"analysis_id":"f","family":null,"path":"self","sha256":"`+testSHA+`","type":"main_file","verdict":"unknown"},
		{"sha256":"`+third+`","verdict":"trusted"}, {"sha256":"d41d8cd98f00b204e9800998ecf8427e"}, {"sha256":"xxxx"}, 7, null],
		"network":[{"ioc":"1.1.1.1","source":["Network communication"],"type":"ip"},
		{"ioc":"raw.exampledomain.com","type":"domain"}, {"ioc":"raw.exampledomain.com","type":"domain"},
		{"classification":"suspicious","ioc":"2001:db8::1","type":"address"}, {"ioc":"http://x/y"}, {"ioc":"x.example","type":5}, {"ioc":null}]}}`), &r); err != nil {
		t.Fatal(err)
	}
	want := []alert.IOC{{Type: "ip", Value: "1.1.1.1"}, {Type: "domain", Value: "raw.exampledomain.com"}, {Type: "ip", Value: "2001:db8::1"},
		{Type: "url", Value: "http://x/y"}, {Type: "domain", Value: "x.example"}, {Type: "file", Value: other}}
	if got := indicators(r, testSHA); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestTechniquesOfBothShapes(t *testing.T) {
	var r ttpReport
	if err := decode([]byte(`{"result":[
		{"name":"a","ttps":[{"name":"a","ttp":"Impact::Inhibit System Recovery [T1490]"},{"ttp":"xxx"}]},
		{"name":"old","ttp":{"ttp":"Defense Evasion::Process Injection: Hollowing [T1055.012]"}},
		{"name":"twice","ttps":[{"ttp":"[T1490]"}]}, {"ttp":"T9"}, {"ttps":"T1111"}, {"ttps":[{"ttp":"see T1003 and T1005"}]}, 4]}`), &r); err != nil {
		t.Fatal(err)
	}
	want := []alert.Technique{
		{ID: "T1490", Name: "Inhibit System Recovery", Tactic: "Impact"},
		{ID: "T1055.012", Name: "Process Injection: Hollowing", Tactic: "Defense Evasion"},
		{ID: "T1003", Name: "see T1003 and T1005"}, {ID: "T1005", Name: "see T1003 and T1005"},
	}
	if got := techniques(r); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestLongReportsAreCapped(t *testing.T) {
	var iocs, ttps strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&iocs, `,{"ioc":"h%d.example","type":"domain"}`, i)
		fmt.Fprintf(&ttps, `,{"data":[{"k":%d}],"ttps":[{"ttp":"[T%04d]"}]}`, i, i)
	}
	var r iocReport
	var u ttpReport
	if err := decode([]byte(`{"result":{"network":[{}`+iocs.String()+`]}}`), &r); err != nil {
		t.Fatal(err)
	}
	if err := decode([]byte(`{"result":[{}`+ttps.String()+`]}`), &u); err != nil {
		t.Fatal(err)
	}
	if a, b := len(indicators(r, "")), len(techniques(u)); a != maxIOCs || b != maxTechniques {
		t.Errorf("%d indicators, %d techniques", a, b)
	}
}

func TestOneStringIsCapped(t *testing.T) {
	var v text
	_ = v.UnmarshalJSON([]byte(`"` + strings.Repeat("é", 3000) + `"`))
	if len(v) > maxText || len(v) < maxText-4 || strings.ContainsRune(string(v), '\ufffd') {
		t.Errorf("%d bytes", len(v))
	}
}
