package crowdstrike

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"edrc/internal/source"
)

// seeds are alerts of every kind of trouble.
func seeds() []string {
	return []string{
		sampleAlert, `{}`, `null`, `[]`, `7`, `"x"`, `{"composite_id":7}`, `{"composite_id":"x","device":"gone","tags":"odd","severity":"high"}`,
		`{"composite_id":"x","device":null,"mitre_attack":{},"ioc_context":[7,null,{"type":"module","sha256":[]}],"quarantined_files":[null]}`,
		`{"composite_id":"\u0000\ud800\n","sha256":"` + strings.Repeat("0", 64) + `","created_timestamp":12345,"comments":[{"timestamp":[],"value":{}}]}`,
		`{"composite_id":"x","linked_case_ids":[null],"falcon_host_link":"https://[::1/","severity":-1e400}`,
	}
}

func FuzzAlert(f *testing.F) {
	c := testClient(f)
	for _, seed := range seeds() {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, bad := c.decode(raw)
		if bad == nil && (a.ID == "" || a.Note != a.ID || a.Status == "" || a.Title == "" || !bytes.Equal(a.Raw, raw)) {
			t.Fatalf("half an alert: %+v", a)
		}
		if bad != nil && (bad.Reason == "" || len(bad.Raw) > source.MaxBadRaw) {
			t.Fatalf("bad without a reason: %+v", bad)
		}
		if strings.HasPrefix(a.URL, "http:") || strings.HasPrefix(a.URL, "javascript:") {
			t.Fatalf("a link to %q", a.URL)
		}
		_ = a.Digest()
	})
}

func FuzzReply(f *testing.F) {
	c := testClient(f)
	for _, seed := range seeds() {
		f.Add([]byte(`{"meta":{"pagination":{"after":"x","total":1},"writes":{"resources_affected":1}},"errors":[{"code":404,"message":"x"}],"resources":[` + seed + `]}`))
	}
	f.Add([]byte(`{"errors":"boom","resources":null,"meta":null}`))
	f.Add([]byte(`{"errors":{"code":"40401","message":7}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var r reply
		if json.Unmarshal(raw, &r) != nil {
			return
		}
		alerts, bad := c.decodeAll(r.items())
		if len(alerts)+len(bad) != len(r.items()) {
			t.Fatalf("%d items became %d alerts and %d bad ones", len(r.items()), len(alerts), len(bad))
		}
		for _, item := range r.items() {
			if in, bad := c.decodeCase(item); bad == nil && in.ID == "" {
				t.Fatal("half a case")
			}
		}
		if e := r.Errors.worst(); e != nil && e.kind() == "" {
			t.Fatal("an error of no kind")
		}
		_, _ = r.affected()
		_, _ = r.Errors.refusals(), decodeError(400, raw)
		_ = cidsIn(&r)
	})
}

func FuzzTicket(f *testing.F) {
	for _, seed := range []string{`{}`, `{"way":"cloud","sha256":"` + strings.Repeat("a", 64) + `"}`, `{"way":"endpoint","host":"` + aid + `","session":"s","request":"r"}`, `[]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, ok := readTicket(source.Ticket{Data: data})
		if !ok {
			return
		}
		if p.SHA256 != "" && len(p.SHA256) != 64 || p.Way == wayEndpoint && !isHostID(p.Host) {
			t.Fatalf("%+v is believed", p)
		}
	})
}
