package guardduty

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/lab/aws"
	"edrc/internal/lab/world"
	"edrc/internal/source"
)

// malware is a finding about a file, as the API gives it.
const malware = `{"schemaVersion":"2.0","accountId":"111122223333","region":"us-east-1","partition":"aws","id":"a0c1f5d2e3b44a5f8c6d7e8f90a1b2c3",
"arn":"arn:aws:guardduty:us-east-1:111122223333:detector/12abc34d567e8fa901bc2d34e56789f0/finding/a0c1f5d2e3b44a5f8c6d7e8f90a1b2c3",
"type":"Execution:EC2/MaliciousFile","severity":8,"createdAt":"2026-11-20T00:00:00.000Z","updatedAt":"2026-11-20T01:00:00.000Z",
"resource":{"resourceType":"Instance","instanceDetails":{"instanceId":"i-0123456789abcdef0","launchTime":1735689600000,
"tags":[{"key":"Name","value":"web"}]}},"service":{"serviceName":"guardduty","featureName":"EbsVolumeScan","archived":false,"count":1,
"userFeedback":"USEFUL","eventFirstSeen":"2026-11-19T23:00:00Z",
"ebsVolumeScanDetails":{"scanId":"s1","scanStartedAt":1795132800,"scanDetections":{"threatDetectedByName":{"shortened":false,
"threatNames":[{"name":"EICAR-Test-File","filePaths":[{"filePath":"tmp/eicar.com","fileName":"eicar.com","hash":"275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f"}]}]}}}}}`

// pascal is a JSON value with its keys as the aws command prints them.
func pascal(t testing.TB, raw string) string {
	t.Helper()
	var v any
	d := json.NewDecoder(strings.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	var up func(any) any
	up = func(v any) any {
		switch x := v.(type) {
		case map[string]any:
			out := map[string]any{}
			for k, v := range x {
				out[strings.ToUpper(k[:1])+k[1:]] = up(v)
			}
			return out
		case []any:
			for i := range x {
				x[i] = up(x[i])
			}
		}
		return v
	}
	out, err := json.Marshal(up(v))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// readAll decodes a text to its end.
func readAll(text string) (as []alert.Alert, bad []*source.BadItem, err error) {
	for a, e := range Decode(strings.NewReader(text), "file") {
		if b, ok := errors.AsType[*source.BadItem](e); ok {
			bad = append(bad, b)
		} else if e != nil {
			err = e
		} else {
			as = append(as, a)
		}
	}
	return as, bad, err
}

func TestEveryFormOfAnExportIsTheSameAlert(t *testing.T) {
	want, bad, err := readAll(malware)
	if err != nil || len(bad) > 0 || len(want) != 1 {
		t.Fatalf("%v, %v, %v", want, bad, err)
	}
	w := want[0]
	switch {
	case w.ID != "us-east-1/a0c1f5d2e3b44a5f8c6d7e8f90a1b2c3" || w.Ref.String() != "file:"+w.ID || w.Kind != Kind,
		w.Title != "Execution:EC2/MaliciousFile" || w.Severity != alert.High || w.Status != alert.StatusNew || w.Analyst != "useful",
		w.Host != alert.Host{ID: "i-0123456789abcdef0", Name: "web"},
		len(w.Files) != 1 || w.Files[0].Path != "tmp/eicar.com" || w.Files[0].Role != alert.RoleThreat,
		!w.Created.Equal(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)) || w.Updated.Sub(w.Created) != time.Hour || w.Created.Sub(w.Detected) != time.Hour,
		w.Note != "" || w.Locator != nil || !strings.Contains(w.URL, "region=us-east-1#"):
		t.Errorf("%+v", w)
	}
	line := strings.ReplaceAll(malware, "\n", "")
	event := `{"version":"0","id":"e","detail-type":"GuardDuty Finding","source":"aws.guardduty","account":"1","region":"r","detail":` + line + `}`
	for name, tc := range map[string]struct {
		text string
		n    int
	}{
		"get-findings of the API":      {`{"findings":[` + malware + `,` + malware + `]}`, 2},
		"get-findings of the command":  {pascal(t, `{"findings":[`+malware+`]}`), 1},
		"one as the command prints it": {pascal(t, malware), 1},
		"a list":                       {`[` + malware + `,` + malware + `]`, 2},
		"one a line":                   {line + "\n" + line + "\n\n" + line, 3},
		"an event":                     {event, 1},
		"events, one a line":           {event + "\n" + event, 2},
		"a list of events":             {`[` + event + `]`, 1},
		"an event in another spelling": {strings.Replace(event, line, pascal(t, malware), 1), 1},
		"with a byte order mark":       {"\ufeff" + malware, 1},
		"no findings":                  {`{"findings":[]}`, 0},
		"nothing":                      {" \n", 0},
	} {
		got, bad, err := readAll(tc.text)
		if err != nil || len(bad) > 0 || len(got) != tc.n {
			t.Errorf("%s: %d findings, %v, %v", name, len(got), bad, err)
		}
		for _, g := range got {
			g.Raw = w.Raw
			if g.Digest() != w.Digest() || g.ID != w.ID || g.Host != w.Host || !g.Updated.Equal(w.Updated) || g.Title != w.Title || g.Severity != w.Severity {
				t.Errorf("%s: %+v", name, g)
			}
		}
	}
}

func TestWhatIsNoFindingIsToldAndTheRestIsRead(t *testing.T) {
	got, bad, err := readAll(`{"id":"x"} 7 "text" null {"id":"y","type":"t"} [{"id":"z","type":"t","region":"r","createdAt":"never"}] ` + malware)
	if err != nil || len(got) != 1 || len(bad) != 6 || bad[0].Reason == "" || bad[5].ID != "r/z" {
		t.Errorf("%d alerts, %+v, %v", len(got), bad, err)
	}
	got, _, err = readAll(malware + `{"id":`)
	if len(got) != 1 || !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "not JSON") {
		t.Errorf("a text that is cut off: %d, %v", len(got), err)
	}
	_, _, err = readAll("a,b,c\n1,2,3\n")
	if e, _ := errors.AsType[*fault.Error](err); e == nil || e.Kind != fault.Invalid || e.Hint == "" {
		t.Errorf("a CSV: %v", err)
	}
	_, bad, _ = readAll(`{"SchemaVersion":"2018-10-08","ProductArn":"arn:aws:securityhub:us-east-2::product/aws/guardduty","Id":"x"}`)
	if len(bad) != 1 || !strings.Contains(bad[0].Reason, "Security Hub") {
		t.Errorf("a finding of Security Hub: %+v", bad)
	}
	n := 0
	for range Decode(strings.NewReader(malware+malware), "file") {
		n++
		break
	}
	if n != 1 {
		t.Error("leaving early does not stop the reading")
	}
}

func TestASampleSaysThatItIsOne(t *testing.T) {
	for _, info := range []string{`{"sample":true}`, `{"type":"default","value":"{\"sample\":true}"}`, `{"value":{"sample":"true"}}`} {
		if f := decoded(t, `{"additionalInfo":`+info+`}`, `{}`); !strings.HasPrefix(f.title(), "[SAMPLE] ") {
			t.Errorf("%s: %q", info, f.title())
		}
	}
	f := decoded(t, `{}`, `{}`)
	f.Title = "[SAMPLE] a title"
	if f.title() != "[SAMPLE] a title" || !f.sample() || decoded(t, `{"additionalInfo":{"sample":false}}`, `{}`).sample() {
		t.Error(f.title())
	}
}

func TestTimesComeInEveryUnit(t *testing.T) {
	want := time.Date(2026, 11, 20, 0, 0, 0, 500_000_000, time.UTC)
	for _, text := range []string{`"2026-11-20T00:00:00.5Z"`, `"2026-11-20T01:00:00.500+01:00"`, `"2026-11-20T00:00:00.500"`, `"2026-11-20 00:00:00.5"`, `1795132800500`, `1795132800.5`, `"1795132800.5"`, `"2026-11-20T00:00:00.500+0000"`} {
		var s stamp
		if err := s.UnmarshalJSON([]byte(text)); err != nil || !s.Equal(want) {
			t.Errorf("%s: %s", text, s.Time)
		}
	}
	for _, text := range []string{`null`, `""`, `-5`, `1e300`, `"NaN"`, `{}`, `true`} {
		if s := (stamp{Time: want}); s.UnmarshalJSON([]byte(text)) != nil || !s.IsZero() {
			t.Errorf("%s: %s", text, s.Time)
		}
	}
}

func TestWhatTheLabExportsIsWhatItLists(t *testing.T) {
	v := newVendor(t, world.Options{Alerts: 120}, aws.Options{Regions: []string{"us-east-1"}})
	raws := v.lab.Export("us-east-1")
	got, bad, err := readAll(string(bytes.Join(rawBytes(raws), []byte("\n"))))
	if err != nil || len(bad) > 0 {
		t.Fatal(bad, err)
	}
	listed := map[string]string{}
	for _, a := range listAll(t, v.client(t, 5*time.Second), alert.Query{}) {
		listed[a.ID] = a.Digest()
	}
	short := 0
	for _, a := range got {
		if strings.Contains(a.Title, "Execution:ECS/MaliciousFile") {
			short++ // the scan is not in the file
			continue
		}
		if listed[a.ID] != a.Digest() {
			t.Errorf("%s differs", a.ID)
		}
	}
	if len(got) != 120 || short == 0 || short > 40 {
		t.Errorf("%d alerts, %d of them shortened", len(got), short)
	}
}

func rawBytes(raws []json.RawMessage) [][]byte {
	var out [][]byte
	for _, r := range raws {
		out = append(out, r)
	}
	return out
}

// TestRecordedFindingsAreRead holds the decoder against what other projects recorded.
func TestRecordedFindingsAreRead(t *testing.T) {
	dir := os.Getenv("EDRC_FIXTURES")
	if dir == "" {
		t.Skip("EDRC_FIXTURES is not set: the vendor's recorded replies are not checked")
	}
	n := 0
	err := filepath.WalkDir(filepath.Join(dir, "guardduty"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, raw := range recordedFindings(text) {
			as, bad, err := readAll(string(raw))
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
			if strings.Contains(path, "sechub") { // in Security Hub's form, and in OCSF
				if len(as) > 0 || len(bad) != 1 || bytes.Contains(raw, []byte("ProductArn")) != strings.Contains(bad[0].Reason, "Security Hub") {
					t.Errorf("%s: a finding of Security Hub: %v, %v", path, as, bad)
				}
				continue
			}
			for _, a := range as {
				n++
				if a.Title == "" || a.Severity == alert.Unrated || a.Created.IsZero() || !strings.Contains(a.ID, "/") {
					t.Errorf("%s: half an alert: %+v", path, a)
				}
				for _, f := range a.Files {
					if f.Best() == "" && f.Role != alert.RoleThreat {
						t.Errorf("%s: %+v", path, f)
					}
				}
				if strings.Contains(path, "panther") && bytes.Contains(raw, []byte(`"sample":true`)) != strings.HasPrefix(a.Title, "[SAMPLE]") {
					t.Errorf("%s: is %q a sample?", path, a.Title)
				}
			}
			if len(bad) > 0 {
				t.Errorf("%s: %+v", path, bad[0])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 8 {
		t.Errorf("only %d recorded findings", n)
	}
}

// recordedFindings gives the findings of a file: JSON, or a YAML of rules with events.
func recordedFindings(text []byte) []json.RawMessage {
	if json.Valid(text) {
		var one struct {
			Data json.RawMessage `json:"data"`
		}
		if json.Unmarshal(text, &one); one.Data != nil {
			return nil // replies about detectors
		}
		return []json.RawMessage{text}
	}
	var rule struct {
		Tests []struct {
			Log any `yaml:"Log"`
		} `yaml:"Tests"`
	}
	if yaml.Unmarshal(text, &rule) != nil {
		return nil
	}
	var out []json.RawMessage
	for _, test := range rule.Tests {
		if raw, err := json.Marshal(test.Log); err == nil {
			out = append(out, raw)
		}
	}
	return slices.Clip(out)
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{malware, `{"findings":[` + malware + `]}`, `[[[[[[[[1]]]]]]]]`, `{"detail-type":"x","detail":{"detail-type":"y","detail":[]}}`,
		`{"id":1,"type":2,"region":3,"createdAt":4,"severity":"1e999","service":{"additionalInfo":"{\"value\":\"{}\"}"},"resource":[]}`,
		`{"Id":"x","Type":"AttackSequence:EC2/X","Region":"r","CreatedAt":1,"Service":{"Detection":{"Sequence":{"Signals":{"Uid":"a/b","Type":"FINDING"},"Resources":[null,7]}}}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n := 0
		for a, err := range Decode(bytes.NewReader(text), "file") {
			if n++; n > 10_000 {
				break
			}
			if b, ok := errors.AsType[*source.BadItem](err); ok {
				if b.Reason == "" || len(b.Raw) > source.MaxBadRaw {
					t.Fatalf("bad without a reason: %+v", b)
				}
				continue
			}
			if err != nil {
				continue
			}
			region, id, ok := strings.Cut(a.ID, "/")
			if !ok || region == "" || id == "" || a.Status == "" || a.Created.IsZero() || !json.Valid(a.Raw) {
				t.Fatalf("half an alert: %+v", a)
			}
			for _, file := range a.Files {
				if file.Best() == "" && file.Role != alert.RoleThreat || file.Best().Refused() && file.Best() != "" {
					t.Fatalf("a file that is none: %+v", file)
				}
			}
			_ = a.Digest()
			_ = Targets(a.Raw)
		}
	})
}
