package sentinelone

import (
	"bytes"
	"encoding/json"
	"testing"

	"edrc/internal/alert"
	"edrc/internal/source"
)

// seeds are threats and alerts of every kind of trouble.
func seeds() []string {
	return []string{
		`{"id":"225494730938493804","threatInfo":{"threatName":"a.exe","sha1":"aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d","createdAt":"2022-04-06T08:45:54.519988Z"}}`,
		`{"id":2440104020909548527,"threatInfo":{"fileSize":"12","isFileless":"true","filePath":{"readOnly":true}}}`,
		`{"id":"225494730938493804","threatInfo":"gone"}`, `{"id":"1","threatInfo":{"createdAt":12345,"confidenceLevel":[]}}`,
		`{"threatInfo":{"threatId":"225494730938493804"}}`, `{}`, `null`, `[]`, `"x"`, `{"id":""}`,
		`{"id":"019d114e-e4f4-7ad6-82c3-9829b6d0a801","externalId":"2440104020909548527","assets":[{"primary":true,"osType":"WINDOWS"}],"indicators":[{"attacks":[{"technique":{"uid":"T1059.001"}}]}]}`,
		`{"id":"x","externalId":7,"assets":{},"process":null,"indicators":"none"}`,
		`{"id":"\u0000\ud800\n","indicators":[{"tactics":[{"name":"x","techniques":[{"name":"T1059: shell"}]}]}]}`,
	}
}

// wantID fails when an item that names itself is not known by that name.
func wantID(t *testing.T, raw []byte, a alert.Alert, bad *source.BadItem, field string) {
	t.Helper()
	var o map[string]json.RawMessage
	if json.Unmarshal(raw, &o) != nil || len(o[field]) == 0 {
		return
	}
	want := ""
	switch v := bytes.TrimSpace(o[field]); {
	case v[0] == '"':
		_ = json.Unmarshal(v, &want)
	case v[0] == '-' || v[0] >= '0' && v[0] <= '9':
		want = string(v)
	}
	if want == "" {
		return
	}
	if bad != nil && bad.ID != want || bad == nil && a.ID != want {
		t.Fatalf("id %q became %q / %v", want, a.ID, bad)
	}
}

func FuzzThreat(f *testing.F) {
	s := &threats{&api{source: "s1", console: "https://acme.sentinelone.net"}}
	for _, seed := range seeds() {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, bad := s.decode(raw)
		if bad == nil && (a.ID == "" || a.Status == "" || !bytes.Equal(a.Raw, raw)) {
			t.Fatalf("half an alert: %+v", a)
		}
		if bad != nil && (bad.Reason == "" || len(bad.Raw) > source.MaxBadRaw) {
			t.Fatalf("bad without a reason: %+v", bad)
		}
		if caseless(raw, "id") == 1 {
			wantID(t, raw, a, bad, "id")
		}
		_ = a.Digest()
	})
}

func FuzzUnifiedNode(f *testing.F) {
	u := &unified{&api{source: "s1", console: "https://acme.sentinelone.net"}}
	for _, seed := range seeds() {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, bad := u.decode(raw)
		if bad == nil && (a.ID == "" || !json.Valid(a.Locator)) {
			t.Fatalf("half an alert: %+v", a)
		}
		if caseless(raw, "id") == 1 && caseless(raw, "externalId") == 0 {
			wantID(t, raw, a, bad, "id")
		}
		_ = a.Digest()
	})
}

func FuzzPage(f *testing.F) {
	for _, seed := range seeds() {
		f.Add([]byte(`{"data":[` + seed + `],"pagination":{"nextCursor":null,"totalItems":1}}`))
	}
	s := &threats{&api{source: "s1"}}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var env envelope
		if json.Unmarshal(raw, &env) != nil || env.Data == nil {
			return
		}
		alerts, bad := decodeAll(*env.Data, s.decode)
		if len(alerts)+len(bad) != len(*env.Data) {
			t.Fatalf("%d items became %d alerts and %d bad ones", len(*env.Data), len(alerts), len(bad))
		}
		_ = env.Errors.String()
	})
}

// caseless counts the keys that encoding/json takes for name: it ignores case, and
// the last one wins.
func caseless(raw []byte, name string) int {
	n := 0
	d := json.NewDecoder(bytes.NewReader(raw))
	if tok, err := d.Token(); err != nil || tok != json.Delim('{') {
		return 0
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return n
		}
		if k, ok := key.(string); ok && bytes.EqualFold([]byte(k), []byte(name)) {
			n++
		}
		var skip json.RawMessage
		if d.Decode(&skip) != nil {
			return n
		}
	}
	return n
}
