package wiz

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"edrc/internal/alert"
	"edrc/internal/source"
)

// seeds are detections of every kind of trouble.
func seeds() []string {
	return []string{
		guardDuty, sensor, `{}`, `null`, `[]`, `7`, `"x"`, `{"id":7}`, `{"id":"x","issue":7,"ruleMatch":"odd","primaryResource":[],"triggeringEvents":"none"}`,
		`{"id":"x","resources":[null,7,{"id":[]}],"triggeringEvents":{"nodes":[null,7,{"extraDetails":{"processTree":{"hash":[]}},"trigger":[{"fileReputationHashMatch":[null]}]}]}}`,
		`{"id":"\u0000\ud800\n","createdAt":12345,"issue":{"id":{},"notes":{},"url":"https://[::1/"},"origins":"AWS_GUARD_DUTY"}`,
		`{"id":"x","origins":["AWS_GUARD_DUTY"],"firstEvent":{"nodes":[{"rawAuditLogRecord":"\"{","cloudProviderUrl":"%zz"}]}}`,
	}
}

func FuzzDetection(f *testing.F) {
	c := testClient(f)
	for _, seed := range seeds() {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, bad := c.decode(raw)
		if bad == nil && (a.ID == "" || a.Note != a.Group || a.Status == "" || a.Title == "" || !bytes.Equal(a.Raw, raw) || len(a.Locator) > maxLocator) {
			t.Fatalf("half an alert: %+v", a)
		}
		if bad != nil && (bad.Reason == "" || len(bad.Raw) > source.MaxBadRaw) {
			t.Fatalf("bad without a reason: %+v", bad)
		}
		if a.URL != "" && !strings.HasPrefix(a.URL, "https://") {
			t.Fatalf("a link to %q", a.URL)
		}
		_ = a.Digest()
		if err := c.Instead("isolate hosts", a); err == nil || strings.ContainsAny(err.Error(), "\x1b\u202e") {
			t.Fatalf("%v", err)
		}
		if in, _, bad := c.decodeIssue(raw); bad == nil && (in.ID == "" || in.Title == "" || in.Status == "") {
			t.Fatalf("half a threat: %+v", in)
		}
	})
}

func FuzzReply(f *testing.F) {
	for _, seed := range append(seeds(), `{"data":null,"errors":[{"message":"x","extensions":{"code":"UNAUTHENTICATED"}}]}`, `{"errors":"boom"}`, `{"errors":[7,null,{"extensions":[]}]}`,
		`{"data":{"detections":{"nodes":[],"pageInfo":null}},"errors":{"message":"x"}}`) {
		f.Add([]byte(seed))
	}
	a := &api{source: "wiz"}
	f.Fuzz(func(t *testing.T, raw []byte) {
		switch status := meant(raw); status {
		case 0, http.StatusUnauthorized, http.StatusTooManyRequests, http.StatusInternalServerError:
		default:
			t.Fatalf("status %d", status)
		}
		_ = decodeError(400, raw)
		var r graphReply
		if json.Unmarshal(raw, &r) != nil {
			return
		}
		if len(r.Errors) > 0 {
			err := a.explain(a.graphError(operation{op: "x"}, r.Errors, false), operation{op: "x"})
			if err == nil || strings.ContainsAny(err.Error(), "\x1b\n") || len(err.Error()) > 2000 {
				t.Fatalf("%q", err)
			}
		}
	})
}

func FuzzLocator(f *testing.F) {
	for _, seed := range []string{`{}`, `[]`, `{"resource":7}`, `{"type":"x","resource":{"platform":"AWS","id":"i-01234567"}}`} {
		f.Add([]byte(seed))
	}
	c := testClient(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		h := alert.Handle{Locator: raw}
		if err := c.Instead("isolate hosts", alert.Alert{Handle: h}); err == nil {
			t.Fatal("wiz isolates")
		}
	})
}
