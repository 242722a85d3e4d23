package defender

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/source"
)

// seeds are alerts of every kind of trouble, and the recorded ones where they are.
func seeds(f *testing.F) []string {
	out := []string{
		`{"id":"da1_1","evidence":[{"@odata.type":"#microsoft.graph.security.fileEvidence","fileDetails":{"fileName":"a.exe","filePath":"C:\\x","sha256":"` + string(bytes.Repeat([]byte("ab"), 32)) + `","fileSize":"12"}}]}`,
		`{"id":7,"incidentId":14,"comments":null,"evidence":{"a":1},"createdDateTime":12}`,
		`{"id":"x","comments":"none","evidence":[null,7,[],{"@odata.type":7},{"@odata.type":"processEvidence","imageFile":"x","userAccount":[]}]}`,
		`{"alertId":"x","entities":[{"entityType":"File","sha1":"` + string(bytes.Repeat([]byte("ab"), 20)) + `"}],"devices":[{"mdeDeviceId":"d"}]}`,
		`{"id":"x","evidence":[{"@odata.type":"malwareEvidence","files":[{"files":[{"files":[]}]},{"fileDetails":{"fileName":"a"}}]}]}`,
		`{"id":"x","severity":{},"status":[],"mitreTechniques":["T1",7,null,"T1"],"alertWebUrl":"javascript:alert(1)"}`,
		`{}`, `null`, `[]`, `"x"`, `{"id":""}`, `{"id":"\u0000\ud800\n"}`, `{"id":"x","evidence":[{"@odata.type":"fileHashEvidence","value":{"a":1}}]}`,
	}
	if dir := os.Getenv("EDRC_FIXTURES"); dir != "" {
		for _, name := range []string{"zero", "one", "two", "three"} {
			if raw, err := os.ReadFile(dir + "/defender/openaev-graph-alerts/alert_sample_" + name + ".json"); err == nil {
				out = append(out, string(raw))
			} else {
				f.Fatal(err)
			}
		}
	}
	return out
}

func FuzzAlert(f *testing.F) {
	c := &Client{name: "mde", portal: "https://security.microsoft.com"}
	for _, seed := range seeds(f) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, bad := c.decode(raw)
		if bad == nil && (a.ID == "" || a.Status == "" || !bytes.Equal(a.Raw, raw) || !bytes.HasPrefix([]byte(a.URL), []byte("https://"))) {
			t.Fatalf("half an alert: %+v", a)
		}
		if bad != nil && (bad.Reason == "" || len(bad.Raw) > source.MaxBadRaw) {
			t.Fatalf("bad without a reason: %+v", bad)
		}
		for _, file := range a.Files {
			if file.Best() == "" && file.Name == "" {
				t.Fatalf("a file that is nothing: %+v", file)
			}
		}
		_ = a.Digest()
		if i, bad := decodeIncident(raw); bad == nil {
			_ = c.incidentOf(i, raw)
		}
		if _, ok := stateIn(raw); ok && a.ID == "" && bad == nil {
			t.Fatal("a state of nothing")
		}
	})
}

func FuzzRows(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add([]byte(`{"value":[`+seed+`]}`), int64(0), int64(time.Hour))
	}
	all := (&Client{top: alertsTop}).alerts("x", fieldUpdated)
	f.Fuzz(func(t *testing.T, raw []byte, from, length int64) {
		var reply struct {
			Value []json.RawMessage `json:"value"`
		}
		if json.Unmarshal(raw, &reply) != nil {
			return
		}
		s := span{time.Unix(0, from), time.Unix(0, from).Add(time.Duration(length))}
		rows := all.rows(reply.Value, s)
		if len(rows) > len(reply.Value) {
			t.Fatal("more rows than items")
		}
		if cut, ok := narrower(rows, s); ok && (!cut.After(s.from) || !cut.Before(s.before)) {
			t.Fatalf("the cut %s is not inside %v", cut, s)
		}
	})
}

func FuzzPageToken(f *testing.F) {
	f.Add("2026-11-22T10:30:00.0000001Z/5m")
	f.Add("2026-11-22T10:30:00Z/-5m")
	f.Add("/")
	w := source.Window{By: source.Created, From: dayOfRows, To: dayOfRows.Add(time.Hour)}
	f.Fuzz(func(t *testing.T, token string) {
		before, width, ok := readToken(token, w)
		if ok && (width < 0 || !before.After(w.From) || before.After(w.To.Add(1))) {
			t.Fatalf("%q leads to %s, %s", token, before, width)
		}
	})
}

func FuzzVerdict(f *testing.F) {
	for _, word := range []string{"true_positive", "truePositive/malware", "falsePositive", "/", "undefined", "truePositive/"} {
		f.Add(word)
	}
	f.Fuzz(func(t *testing.T, word string) {
		v, ok := parseVerdict(word)
		if again, ok2 := parseVerdict(v.String()); ok && v.String() != "" && (!ok2 || again != v) {
			t.Fatalf("%q is %+v, which reads as %+v", word, v, again)
		}
	})
}

func FuzzErrors(f *testing.F) {
	f.Add([]byte(`{"error":{"code":"x","message":"y"}}`))
	f.Add([]byte(`{"error":"invalid_client","error_description":"AADSTS7000215: x","error_codes":[7000215]}`))
	f.Fuzz(func(_ *testing.T, raw []byte) {
		_ = decodeError(400, raw)
		_ = refusedByEntra(400, raw, "scope", "secret")
		_ = readClaims(string(raw))
		_, _ = placeOf(raw, alert.File{Name: "a"})
	})
}
