package cortex

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"edrc/internal/alert"
	"edrc/internal/source"
)

// seeds are rows of every kind of trouble.
func seeds() []string {
	return []string{
		sampleAlert, sampleIssue, `{}`, `null`, `[]`, `7`, `"x"`, `{"alert_id":7,"case_id":"1","host_name":["a"],"events":[{"user_name":7},null,[]]}`,
		`{"alert_id":"x","severity":[],"detection_timestamp":"soon","action_file_sha256":[7,null,{}],"mitre_technique_id_and_name":{"a":1}}`,
		`{"alert_id":"\u0000\ud800\n","local_insert_ts":-1,"last_modified_ts":1e400,"description":[7,{"pretty_name":[]}]}`,
		`{"incident_id":"893","xdr_url":"https://[::1/","comments":[{"value":{}}],"issue_ids":[1,"2",null]}`,
		`{"case_id":893,"status_progress":"Resolved","user_severity":"","creation_time":1691976000230}`,
		`{"id":1,"normalized_fields":[],"case_ids":"893","severity":"SEV_040_HIGH"}`,
		`{"endpoint_id":"1111","endpoint_status":7,"is_isolated":null,"isolated_date":"x"}`,
	}
}

func FuzzRow(f *testing.F) {
	c := testClient(f)
	for _, seed := range seeds() {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, decode := range []func(json.RawMessage) (alert.Alert, *source.BadItem){c.decodeAlert, c.decodeIssue} {
			a, bad := decode(raw)
			if bad == nil && (a.ID == "" || a.Status == "" || a.Title == "" || !bytes.Equal(a.Raw, raw) || len(a.Files) > maxFiles || len(a.Locator) > 1024) {
				t.Fatalf("half an alert: %+v", a)
			}
			if bad != nil && (bad.Reason == "" || len(bad.Raw) > source.MaxBadRaw) {
				t.Fatalf("bad without a reason: %+v", bad)
			}
			if a.URL != "" && !strings.HasPrefix(a.URL, "https://acme.xdr.us.paloaltonetworks.com/") {
				t.Fatalf("a link to %q", a.URL)
			}
			_ = a.Digest()
		}
		if in, bad := c.decodeIncident(raw); bad == nil && (in.ID == "" || in.Title == "" || in.URL != "" && !strings.HasPrefix(in.URL, "https://")) {
			t.Fatalf("half an incident: %+v", in)
		}
		var e endpoint
		if json.Unmarshal(raw, &e) == nil {
			_, _ = e.host(), e.isolation()
		}
		if rowID(raw) == "" && len(raw) > 0 {
			t.Fatal("a row without identity")
		}
	})
}

func FuzzError(f *testing.F) {
	for _, seed := range []string{`{"reply":{"err_code":"401","err_msg":"x","err_extra":[{"loc":[1,"a"],"msg":"b"},"c",7]}}`, `{"data":{"err_msg":"x"}}`,
		`{"errorCode":"x","message":7,"details":{}}`, `{"code":422,"errors":[[]]}`, `[]`, `{"reply":[]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e := readVendorError(raw)
		if e.code < 0 || e.code > 999 || e.kind() == "" {
			t.Fatalf("%+v", e)
		}
		_ = e.String()
	})
}

func FuzzTicket(f *testing.F) {
	for _, seed := range []string{`{}`, `[]`, `{"endpoint":"` + aid + `"}`, `{"endpoint":"` + aid + `","action":"123","ready":true}`, `{"endpoint":"../x","action":"1"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, ok := readTicket(source.Ticket{Data: data})
		if ok && (!isEndpointID(p.Endpoint) || p.Action != "" && !isNumber(p.Action) || p.Ready && p.Action == "") {
			t.Fatalf("%+v is believed", p)
		}
	})
}

func FuzzToken(f *testing.F) {
	s := span{0, 1_000_000}
	w := walk{span: s, progress: progress{5, 10, 20, 30}}
	f.Add(w.token())
	f.Add("garbage")
	f.Fuzz(func(t *testing.T, token string) {
		p, ok := readToken(token, s)
		if !ok {
			return
		}
		w := walk{span: s, progress: p}
		piece := w.piece()
		if piece.from < s.from || piece.to > s.to || piece.from > piece.to {
			t.Fatalf("%q leads to %+v", token, piece)
		}
		w.shrink(1000, []int64{w.Pos, w.Pos + w.Width - 1})
		w.pass(3)
		if w.Width < 1 || w.Pos < 0 {
			t.Fatalf("%q leads to %+v", token, w.progress)
		}
	})
}
