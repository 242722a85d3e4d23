package httpx

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"edrc/internal/fault"
)

// custom sets credentials the way several vendors do.
func custom(_ context.Context, h http.Header) error {
	h.Set("Authorization", "ApiToken s3cr3t-value")
	h.Set("X-Auth-Token", "s3cr3t-value/ID")
	h.Set("x-xdr-nonce", "s3cr3t-nonce")
	return nil
}

func TestARedirectToAnotherHostCarriesNoCredential(t *testing.T) {
	var got http.Header
	var gotBody []byte
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		gotBody, _ = io.ReadAll(r.Body)
		_, _ = w.Write([]byte("the file"))
	}))
	defer other.Close()
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Auth-Token") == "" {
			t.Error("the vendor got no credential")
		}
		http.Redirect(w, r, other.URL+"/file?X-Amz-Signature=s3cr3t", http.StatusTemporaryRedirect)
	}, func(cfg *Config) { cfg.Authorize = custom })
	s, err := c.Open(t.Context(), Request{Path: "/download", JSON: "s3cr3t body", Header: http.Header{"X-Own-Key": {"s3cr3t"}, "Range": {"bytes=0-"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if body, err := io.ReadAll(s); string(body) != "the file" || err != nil {
		t.Fatalf("%q %v", body, err)
	}
	for name, v := range got {
		if strings.Contains(strings.Join(v, " "), "s3cr3t") || name == "Referer" {
			t.Errorf("%s: %s went to the other host", name, v)
		}
	}
	if len(gotBody) != 0 || got.Get("Range") == "" {
		t.Errorf("body %q, headers %v", gotBody, got)
	}
}

func TestARedirectOnTheSameHostKeepsTheCredential(t *testing.T) {
	for status, body := range map[int]string{301: "", 302: "", 307: "{}", 308: "{}"} {
		w := script(answer(status, "", "Location", "/api/v2?page=2"), answer(200, "{}"))
		c, _ := newClient(t, w, func(cfg *Config) { cfg.Authorize = custom })
		if _, err := c.Do(t.Context(), Request{Path: "/v1", JSON: struct{}{}}); err != nil {
			t.Fatal(err)
		}
		last := w.sent[1]
		if last.Header.Get("X-Auth-Token") == "" || last.URL.String() != "https://vendor.example/api/v2?page=2" || w.bodies[1] != body {
			t.Errorf("%d: %s %v with body %q", status, last.URL, last.Header, w.bodies[1])
		}
	}
}

func TestTheCredentialDoesNotComeBackByADetour(t *testing.T) {
	w := script(answer(302, "", "Location", "https://other.example/"), answer(302, "", "Location", "https://vendor.example/api"), answer(401, ""))
	c, _ := newClient(t, w, func(cfg *Config) { cfg.Authorize = custom })
	_, err := c.Do(t.Context(), Request{})
	wantKind(t, err, fault.Auth)
	for _, r := range w.sent[1:] {
		if r.Header.Get("Authorization") != "" || r.Header.Get("X-Auth-Token") != "" {
			t.Errorf("%s got %v", r.URL, r.Header)
		}
	}
}

func TestOtherPortsAndSchemesAreOtherHosts(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"https://a.example/x", "https://A.example:443/y", true},
		{"https://a.example", "https://a.example:8443", false},
		{"https://a.example", "http://a.example", false},
		{"https://a.example", "https://b.a.example", false},
	} {
		if got := sameOrigin(mustParse(t, tc.a), mustParse(t, tc.b)); got != tc.want {
			t.Errorf("%s and %s: %v", tc.a, tc.b, got)
		}
	}
}

func TestADowngradeIsNotFollowed(t *testing.T) {
	for _, to := range []string{"http://vendor.example/x", "http://127.0.0.1/x", "ftp://vendor.example/", "file:///etc/passwd"} {
		w := script(answer(302, "", "Location", to))
		c, _ := newClient(t, w, func(cfg *Config) { cfg.Authorize = custom })
		_, err := c.Do(t.Context(), Request{})
		wantKind(t, err, fault.Invalid)
		if w.count() != 1 {
			t.Errorf("%s was followed", to)
		}
	}
}

func TestAPostIsNotRedirected(t *testing.T) {
	w := script(answer(308, "", "Location", "https://api.us-2.example/oauth2/token?x=1"))
	c, _ := newClient(t, w)
	_, err := c.Do(t.Context(), Request{Method: "POST", Class: Read})
	e := wantKind(t, err, fault.Invalid)
	if w.count() != 1 || e.Status != 308 || !strings.Contains(e.Hint, "points to api.us-2.example;") {
		t.Fatalf("%d sent, %+v", w.count(), e)
	}
	r, err := c.Do(t.Context(), Request{Method: "POST", Class: Read, OK: []int{308}})
	if err != nil || r.Header.Get("Location") == "" {
		t.Fatalf("%+v %v", r, err)
	}
}

func TestRedirectsEnd(t *testing.T) {
	w := script(answer(302, "", "Location", "/again"))
	c, _ := newClient(t, w)
	_, err := c.Do(t.Context(), Request{})
	wantKind(t, err, fault.Invalid)
	if w.count() != maxRedirects+1 {
		t.Fatalf("%d sent", w.count())
	}
}

func TestARedirectTakenAsAnAnswerIsOneWhateverItsBody(t *testing.T) {
	for _, class := range []Class{Read, Once} {
		w := script(answer(308, "<html><body>Moved</body></html>", "Location", "https://api.us-2.example/", "Content-Type", "text/html"))
		c, _ := newClient(t, w)
		r, err := c.Do(t.Context(), Request{Method: "POST", Class: class, OK: []int{308}})
		if err != nil || r.Status != 308 || r.Header.Get("Location") != "https://api.us-2.example/" || len(r.Body) != 0 || w.count() != 1 {
			t.Errorf("%v: %+v, %v, %d sent", class, r, err, w.count())
		}
	}
}
