package carbonblack

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"edrc/internal/source"
)

// seeds are alerts of every kind of trouble.
func seeds() []string {
	return []string{
		anAlert, `{}`, `null`, `[]`, `"x"`, `{"id":""}`, `{"id":7}`, `{"id":"../x"}`, `{"id":"a","workflow":"OPEN","determination":7,"ttps":"MITRE_T1059_001_X"}`,
		`{"id":"a","process_issuer":["x"],"process_publisher":"x","ttps":[null,7,{}],"tags":null,"severity":"8","device_id":9223372036854775807}`,
		`{"id":"a","backend_timestamp":12345,"backend_update_timestamp":"null","alert_notes_present":"false","alert_url":"\u0000://x"}`,
		`{"id":"a","process_name":"c:\\x\\","process_sha256":"` + aHash + `","ioc_field":"process_hash","ioc_hit":"` + aHash + `","blocked_sha256":"00"}`,
		`{"count":2,"workflow_states":{"OPEN":1},"highest_severity":9,"most_recent_alert":` + anAlert + `}`, `{"most_recent_alert":7,"workflow_states":[]}`,
		`{"id":7,"quarantined":"true","last_contact_time":"2026-11-22T11:59:00Z","os":null}`,
	}
}

func FuzzAlert(f *testing.F) {
	c := &Client{name: "cbc", options: complete()}
	for _, seed := range seeds() {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, bad := c.decode(raw)
		if bad == nil && (a.ID == "" || a.Status == "" || a.Title == "" || a.URL == "" || a.Ref.ID != a.ID || !isID(a.ID) || !bytes.Equal(a.Raw, raw)) {
			t.Fatalf("half an alert: %+v", a)
		}
		if bad != nil && (bad.Reason == "" || len(bad.Raw) > source.MaxBadRaw) {
			t.Fatalf("bad without a reason: %+v", bad)
		}
		_ = a.Digest()
	})
}

func FuzzGroupsAndDevices(f *testing.F) {
	c := &Client{name: "cbc", options: complete()}
	for _, seed := range seeds() {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		ins, bad := c.incidents([]json.RawMessage{raw})
		if len(ins)+len(bad) != 1 || len(ins) == 1 && (ins[0].ID == "" || ins[0].Status == "" || ins[0].Title == "") {
			t.Fatalf("%+v, %+v", ins, bad)
		}
		var d device
		if json.Unmarshal(raw, &d) == nil {
			_ = d.host(time.Now())
		}
		_ = decodeError(raw)
		_ = refusal(raw)
	})
}

// FuzzPage walks over pages of anything: nothing is lost or doubled, and nothing goes
// on for ever.
func FuzzPage(f *testing.F) {
	for _, seed := range seeds() {
		f.Add([]byte(`{"results":[`+seed+`,`+seed+`],"num_found":7}`), true)
	}
	f.Fuzz(func(t *testing.T, raw []byte, desc bool) {
		var r found
		if json.Unmarshal(raw, &r) != nil || r.Results == nil {
			return
		}
		w := walk{by: byCreated, desc: desc}
		fresh, next, _ := w.sift(*r.Results, place{})
		again, _, _ := w.sift(*r.Results, next)
		if len(fresh) > len(*r.Results) || len(again) > len(fresh) || !next.At.IsZero() && len(next.Known) == 0 {
			t.Fatalf("%d of %d, then %d, at %+v", len(fresh), len(*r.Results), len(again), next)
		}
	})
}

func FuzzTokensAndTickets(f *testing.F) {
	w := source.Window{By: source.Created, From: noon.Add(-time.Hour), To: noon}
	f.Add(token{w.By, w.From, w.To, noon, []string{"a"}}.String())
	f.Add(`{"way":"ubs","sha256":"` + aHash + `"}`)
	f.Add("eyJub3QiOiJhIGN1cnNvciJ9")
	f.Fuzz(func(t *testing.T, s string) {
		if at, err := readToken(s, w); err == nil && s != "" && (at.At.Before(w.From) || at.At.After(w.To.Add(time.Second))) {
			t.Fatalf("%q leads to %+v", s, at)
		}
		if p, ok := readTicket(source.Ticket{Data: json.RawMessage(s)}); ok && len(p.SHA256) < 64 {
			t.Fatalf("%q is the ticket %+v", s, p)
		}
		_ = readOperation(source.Operation{ID: s})
	})
}
