package defender

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	lab "edrc/internal/lab/defender"
	"edrc/internal/lab/world"
	"edrc/internal/source"
)

func TestATokenThatExpiresInMidRunIsRenewedOnce(t *testing.T) {
	v := newVendor(t, world.Options{})
	v.top = 200
	want := v.lab.Add(350, 20*time.Hour, false)
	c := v.client(t, time.Minute)
	w := wideOpen(source.Created)
	p, err := c.Page(t.Context(), source.Stream{Name: streamName}, w, "")
	if err != nil || p.Next == "" {
		t.Fatal(err)
	}
	v.Control(t, "expire-tokens", nil)
	var wg sync.WaitGroup
	for _, id := range want[:8] { // all refused at once: one renewal
		wg.Go(func() {
			if got, err := c.Get(t.Context(), alert.Handle{ID: id}); err != nil || len(got) != 1 {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	wg.Wait()
	p, err = c.Page(t.Context(), source.Stream{Name: streamName}, w, p.Next)
	if err != nil || len(p.Alerts) == 0 {
		t.Errorf("%+v, %v", p, err)
	}
	if n := v.lab.Calls()["POST token"]; n != 2 {
		t.Errorf("%d tokens were asked for", n)
	}
}

func TestANoteThatMetAnExpiredTokenIsWrittenOnce(t *testing.T) {
	v := newVendor(t, world.Options{})
	id := v.lab.Add(1, time.Hour, false)[0]
	c := v.client(t, time.Minute)
	if _, err := c.Streams(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.Control(t, "expire-tokens", nil)
	rs, err := c.AddNote(t.Context(), "once", alert.Handle{ID: id})
	if err != nil || rs[0].Outcome != source.NoteDone || len(v.lab.State().Notes[id]) != 1 {
		t.Errorf("%+v, %v, %q", rs, err, v.lab.State().Notes[id])
	}
}

func TestTokensAreOfOneResourceEachAndLastTheirTime(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	asked := map[string]int{}
	issue := func(_ context.Context, scope string) (access, error) {
		asked[scope]++
		return access{fmt.Sprint(scope, asked[scope]), until(now, 3599)}, nil
	}
	a, b := newTokens(issue, "a", func() time.Time { return now }), newTokens(issue, "b", func() time.Time { return now })
	get := func(t2 *tokens, renew bool) string {
		s, err := t2.get(t.Context(), renew)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	got := []string{get(a, false), get(a, false), get(b, false)}
	now = now.Add(54 * time.Minute)
	got = append(got, get(a, false))
	now = now.Add(time.Minute) // five minutes before the end
	got = append(got, get(a, false), get(a, true), get(b, false))
	if s := strings.Join(got, " "); s != "a1 a1 b1 a1 a2 a3 b2" {
		t.Errorf("tokens %s", s)
	}
}

func TestARefusedCredentialIsNotTriedAgainAtOnce(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	n := 0
	tk := newTokens(func(context.Context, string) (access, error) { n++; return access{}, fault.New(fault.Auth, "no") }, "a", func() time.Time { return now })
	for range 5 {
		if _, err := tk.get(t.Context(), false); !fault.Is(err, fault.Auth) {
			t.Error(err)
		}
	}
	now = now.Add(refusedFor)
	_, _ = tk.get(t.Context(), true)
	if n != 2 {
		t.Errorf("tried %d times", n)
	}
}

func TestWhatEntraRefusesIsSaid(t *testing.T) {
	entra := func(code int, word string) string {
		return fmt.Sprintf(`{"error":"%s","error_codes":[%d],"error_description":"AADSTS%d: the secret %s is no good. Trace ID: x\r\nCorrelation ID: y"}`, word, code, code, secretOfTests)
	}
	for name, tc := range map[string]struct {
		reply string
		kind  fault.Kind
		says  string
	}{
		"wrong secret":   {"401 " + entra(7000215, "invalid_client"), fault.Auth, "secret is wrong"},
		"expired secret": {"401 " + entra(7000222, "invalid_client"), fault.Auth, "has expired"},
		"unknown app":    {"400 " + entra(700016, "unauthorized_client"), fault.Auth, "does not know this application"},
		"unknown tenant": {"400 " + entra(900023, "invalid_request"), fault.Auth, "no such tenant"},
		"no licence":     {"400 " + entra(500011, "invalid_resource"), fault.Denied, "licence"},
		"another code":   {"401 " + entra(4711, "invalid_client"), fault.Auth, "AADSTS4711"},
		"no JSON":        {"401 nonsense", fault.Auth, "401"},
		"a page":         {"200 <html>proxy</html>", fault.Unavailable, "HTML"},
		"no token":       {"200 {}", fault.Unavailable, "no access token"},
		"a bad token":    {`200 {"access_token":"a\r\nb"}`, fault.Unavailable, "no access token"},
		"down":           {"503 {}", fault.Unavailable, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := scripted(t, map[string]string{"token": tc.reply})
			_, err := c.Streams(t.Context())
			e, ok := errors.AsType[*fault.Error](err)
			if !ok || e.Kind != tc.kind || !strings.Contains(e.Msg+e.Hint, tc.says) || e.Source != "mde-prod" || len(s.sent) > 0 {
				t.Errorf("%+v; want %s, %q", err, tc.kind, tc.says)
			}
			if strings.Contains(fmt.Sprintf("%+v %v", err, hintOf(err)), secretOfTests) {
				t.Errorf("the secret is in %v", err)
			}
			rs, _ := c.AddNote(t.Context(), "text", alert.Handle{ID: one})
			if rs[0].Outcome != source.NoteNotSent {
				t.Errorf("a note: %+v", rs[0])
			}
		})
	}
}

func TestNeitherSecretNorTokenIsInTheTrace(t *testing.T) {
	var trace bytes.Buffer
	s := &script{}
	c, err := New(Options{TenantID: "t", ClientID: "app", ClientSecret: httpx.Literal(secretOfTests)},
		Env{Name: "m", HTTP: httpx.Config{Transport: s, Attempts: 1, Trace: &trace}})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Streams(t.Context())
	if out := trace.String(); !strings.Contains(out, "oauth2") || strings.Contains(out, secretOfTests) || strings.Contains(out, "eyJ") {
		t.Errorf("trace %s", out)
	}
}

// pemOf makes a certificate with its key, as one PEM.
func pemOf(t *testing.T, key any, public any, end time.Time) string {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "edrc"}, NotBefore: end.Add(-time.Hour * 24 * 365), NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	_ = pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: private})
	_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	return b.String()
}

func TestACertificateSignsIn(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(30 * 24 * time.Hour).Truncate(time.Second).UTC()
	v := lab.New(world.Options{Alerts: 3, Seed: 7, Files: files()})
	srv := httptest.NewTLSServer(v)
	t.Cleanup(srv.Close)
	c, err := New(Options{
		TenantID: lab.TenantID, ClientID: lab.ClientID, Certificate: httpx.Literal(pemOf(t, key, &key.PublicKey, end)),
		Authority: srv.URL, GraphURL: srv.URL, MDEURL: srv.URL,
	}, Env{Name: "mde-lab", HTTP: httpx.Config{Transport: srv.Client().Transport, Attempts: 2}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	h, err := c.Check(t.Context())
	if err != nil || len(h.Missing) > 0 || !h.Expires.Equal(end) || !strings.Contains(h.Identity, lab.ClientID) {
		t.Errorf("%+v, %v", h, err)
	}
	// A renewal must reach Entra, not a cache of the library.
	if err := v.Control("expire-tokens", nil); err != nil {
		t.Fatal(err)
	}
	if got := listed(t, c, alert.Query{}); len(got) != 3 {
		t.Errorf("%d alerts", len(got))
	}
	if err := v.Control("token", []byte(`{"valid":false}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Streams(t.Context()); !fault.Is(err, fault.Auth) || !strings.Contains(err.Error(), "AADSTS7000215") {
		t.Errorf("refused: %v", err)
	}
}

func TestACertificateThatIsNoneIsSaidWithoutShowingIt(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"text": "my-private-words", "half": "-----BEGIN PRIVATE KEY-----\nmy-private-words\n-----END PRIVATE KEY-----", "another algorithm": pemOf(t, ec, &ec.PublicKey, time.Now().Add(time.Hour)),
	} {
		c, err := New(Options{TenantID: "t", ClientID: "app", Certificate: httpx.Literal(content)}, Env{Name: "m", HTTP: httpx.Config{Transport: &script{}, Attempts: 1}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Streams(t.Context())
		if err == nil || !fault.Is(err, fault.Usage) || strings.Contains(err.Error(), "private-words") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAManagedIdentitySignsIn(t *testing.T) {
	// The address of the machine's own identity service is the same in all of Azure.
	s := &script{replies: map[string]string{"GET /security/alerts_v2": `200 {"value":[]}`}}
	var asked []string
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host != "169.254.169.254" {
			return s.RoundTrip(r)
		}
		asked = append(asked, r.URL.Query().Get("resource")+" "+r.URL.Query().Get("client_id"))
		body := `{"access_token":"` + jwt(`{"tid":"0F0F0F0F-0000-4000-8000-000000000001","appid":"mi"}`) + `","expires_in":"3599","expires_on":"1900000000","resource":"x","token_type":"Bearer"}`
		return &http.Response{StatusCode: 200, Request: r, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}, nil
	})
	c, err := New(Options{ManagedIdentity: true, ClientID: "user-assigned"}, Env{Name: "m", HTTP: httpx.Config{Transport: transport, Attempts: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Streams(t.Context()); err != nil {
		t.Fatal(err)
	}
	if tenant, err := c.Tenant(t.Context()); err != nil || tenant != "0f0f0f0f-0000-4000-8000-000000000001" {
		t.Errorf("tenant %q, %v", tenant, err)
	}
	if len(asked) == 0 || asked[len(asked)-1] != "https://graph.microsoft.com user-assigned" {
		t.Errorf("asked for %q", asked)
	}
}

func TestTheTenantIsLearnedFromAToken(t *testing.T) {
	c, _ := scripted(t, nil)
	if tenant, err := c.Tenant(t.Context()); err != nil || tenant != "t-1" {
		t.Errorf("%q, %v", tenant, err)
	}
	c, _ = scripted(t, map[string]string{"token": `200 {"access_token":"opaque","expires_in":"3599"}`})
	if tenant, err := c.Tenant(t.Context()); err == nil {
		t.Errorf("an opaque token told the tenant %q", tenant)
	}
	c.options.TenantID = "7D1F6F3A-2b94-4f0e-9a53-0c5f6f1f8e21"
	if tenant, err := c.Tenant(t.Context()); err != nil || tenant != lab.TenantID {
		t.Errorf("%q, %v", tenant, err)
	}
}

func TestClaimsThatAreNoneSayNothing(t *testing.T) {
	for _, token := range []string{"", "a.b", "a.!.c", "a.bnVsbA.c", "a.e30.c", "a.W10.c"} {
		if c := readClaims(token); c.known || !c.allows(permIsolate) {
			t.Errorf("%q: %+v", token, c)
		}
	}
	if c := readClaims(jwt(`{"appid":"x"}`)); !c.known || c.allows(permIsolate) {
		t.Errorf("a token without roles: %+v", c)
	}
}
