package httpx

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"edrc/internal/fault"
)

func TestOnlyHTTPSAndLoopbackAreAccepted(t *testing.T) {
	for base, want := range map[string]string{
		"https://v.example":            "https://v.example",
		"https://v.example/":           "https://v.example",
		" https://v.example/web/api/ ": "https://v.example/web/api",
		"http://127.0.0.1:8080":        "http://127.0.0.1:8080",
		"http://localhost:8080/x":      "http://localhost:8080/x",
		"http://[::1]:8080":            "http://[::1]:8080",
		"":                             "", "v.example": "", "http://v.example": "", "http://127.0.0.1.v.example": "",
		"https://u:s3cr3t@v.example": "", "https://v.example?token=s3cr3t": "", "ftp://v.example": "", "https://v.example/../x": "",
		"https://s3cr3t s3cr3t": "",
	} {
		c, err := New(Config{Name: "s1", Base: base})
		switch {
		case want == "":
			e := wantKind(t, err, fault.Usage)
			if strings.Contains(e.Error()+e.Hint, "s3cr3t") || e.Source != "s1" {
				t.Errorf("%q: %+v", base, e)
			}
		case err != nil || c.Base() != want:
			t.Errorf("%q: %v", base, err)
		}
	}
}

func TestPathsAreJoinedToTheBase(t *testing.T) {
	c, _ := newClient(t, script(answer(200, "")))
	for path, want := range map[string]string{
		"":                             "https://vendor.example/api?q=1",
		"/x":                           "https://vendor.example/api/x?q=1",
		"x/" + url.PathEscape("a/b c"): "https://vendor.example/api/x/a%2Fb%20c?q=1",
		"/x?next=%2F":                  "https://vendor.example/api/x?next=%2F&q=1",
		"https://o.example/p?s=%2B":    "https://o.example/p?s=%2B&q=1",
		"/x/../y":                      "", "/x/%2e%2e": "", "http://o.example/": "", "//o.example/x": "", "mailto:x": "", ":": "", "https://u:p@o.example": "",
	} {
		u, err := c.resolve(Request{Path: path, Query: url.Values{"q": {"1"}}})
		switch {
		case want == "":
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%q: %v %v", path, u, err)
			}
		case err != nil || u.String() != want:
			t.Errorf("%q: %v %v, want %s", path, u, err, want)
		}
	}
}

func TestTheRequestHasItsHeaders(t *testing.T) {
	w := script(answer(200, ""))
	c, _ := newClient(t, w, func(cfg *Config) { cfg.UserAgent = "edrc/1.0" })
	own := http.Header{"Accept": {"text/csv"}}
	if _, err := c.Do(t.Context(), Request{Header: own, JSON: 1}); err != nil {
		t.Fatal(err)
	}
	h := w.sent[0].Header
	if h.Get("Accept") != "text/csv" || h.Get("User-Agent") != "edrc/1.0" || h.Get("Content-Type") != "application/json" || len(own) != 1 {
		t.Fatalf("%v, the caller's %v", h, own)
	}
}

func TestNetworkFailuresSayWhatToDo(t *testing.T) {
	for _, tc := range []struct {
		err       error
		msg, hint string
		tries     int
	}{
		{&net.DNSError{Name: "vendor.example", IsNotFound: true}, "vendor.example cannot be resolved", "HTTPS_PROXY", 1},
		{&net.DNSError{Name: "vendor.example", IsTimeout: true}, "vendor.example cannot be resolved", "DNS", 4},
		{&net.OpError{Op: "proxyconnect", Err: errors.New("refused")}, "the proxy on the way to vendor.example", "HTTPS_PROXY", 4},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, "cannot connect to vendor.example: refused", "proxy", 4},
		{&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, "its issuer is not known", "SSL_CERT_FILE", 1},
		{x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}, "it is for another host", "proxy", 1},
		{tls.RecordHeaderError{Msg: "x"}, "does not speak TLS", "proxy", 1},
		{tls.AlertError(42), "TLS with vendor.example failed", "client certificate", 4},
		{io.EOF, "closed the connection", "network", 4},
		{errors.New("odd \x1b reply"), `odd \x1b reply`, "network", 4},
	} {
		w := script(failure(tc.err))
		c, _ := newClient(t, w)
		_, err := c.Do(t.Context(), Request{})
		e := wantKind(t, err, fault.Unavailable)
		if !strings.Contains(e.Msg, tc.msg) || !strings.Contains(e.Hint, tc.hint) || w.count() != tc.tries {
			t.Errorf("%v: %d tries, %q, hint %q", tc.err, w.count(), e.Msg, e.Hint)
		}
	}
}

func TestAnUnknownCertificateIsReportedOnce(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	c, k := newClient(t, nil, func(cfg *Config) { cfg.Base = srv.URL })
	defer c.Close()
	_, err := c.Do(t.Context(), isolate)
	if e := wantKind(t, err, fault.Unavailable); !strings.Contains(e.Msg, "its issuer is not known") || len(k.sleeps) != 0 {
		t.Fatalf("%+v, waits %v", e, k.sleeps)
	}
}

func TestALongVendorMessageIsCut(t *testing.T) {
	c, _ := newClient(t, script(answer(400, "x")), func(cfg *Config) {
		cfg.DecodeError = func(int, []byte) string { return strings.Repeat("é\n", 5000) }
	})
	_, err := c.Do(t.Context(), Request{})
	if e := wantKind(t, err, fault.Invalid); len([]rune(e.Msg)) > 450 || strings.Contains(e.Msg, "\n") {
		t.Fatalf("%d runes", len([]rune(e.Msg)))
	}
}

func TestAnErrorPageOfAProxyIsNotShownToTheDecoder(t *testing.T) {
	c, _ := newClient(t, script(answer(403, "<html>blocked by policy")), func(cfg *Config) {
		cfg.DecodeError = func(int, []byte) string { panic("called") }
	})
	_, err := c.Do(t.Context(), Request{})
	if e := wantKind(t, err, fault.Denied); !strings.HasSuffix(e.Msg, "403 Forbidden with an HTML page") {
		t.Fatal(e)
	}
}
