package defender

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/safe"
	"edrc/internal/source/lenient"
)

const opToken = "get an access token"

// bySecret asks Entra itself: the client credentials grant of its v2.0 endpoint.
// azidentity would do the same, and refuses an authority without TLS.
func bySecret(o Options, login *httpx.Client, now func() time.Time) issuer {
	return func(ctx context.Context, scope string) (access, error) {
		secret, err := o.ClientSecret.Reveal(ctx)
		if err != nil {
			return access{}, err
		}
		secret = strings.TrimSpace(secret)
		form := url.Values{
			"grant_type": {"client_credentials"}, "client_id": {o.ClientID}, "client_secret": {secret}, "scope": {scope},
		}.Encode()
		resp, err := login.Do(ctx, httpx.Request{
			Op: opToken, Method: http.MethodPost, Path: "/" + url.PathEscape(o.TenantID) + "/oauth2/v2.0/token",
			Class: httpx.Idempotent, NoAuth: true, ContentType: "application/x-www-form-urlencoded", Size: int64(len(form)),
			Body: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(form)), nil },
			OK:   []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden},
		})
		if err != nil {
			return access{}, unsent(err)
		}
		if resp.Status/100 != 2 {
			return access{}, refusedByEntra(resp.Status, resp.Body, scope, secret)
		}
		var reply struct {
			Token   text  `json:"access_token"`
			Expires count `json:"expires_in"` // seconds; some proxies make it a string
		}
		if err := resp.Decode(&reply); err != nil {
			return access{}, unsent(err)
		}
		return access{string(reply.Token), until(now(), int64(reply.Expires))}, nil
	}
}

// unsent takes the status out of an error: it is the login's, and the request that
// wanted the token was never sent.
func unsent(err error) error {
	e, ok := fault.At(err, "", opToken).(*fault.Error)
	if !ok {
		return err
	}
	c := *e
	c.Status = 0
	return &c
}

// entraErrors are the error codes of Entra that people meet, and what to do. They are
// also in the text of an answer, as AADSTS and the number.
func entraErrors() map[string]entraError {
	return map[string]entraError{
		"7000215": {fault.Auth, "the client secret is wrong", "give the secret's value, not its id"},
		"7000222": {fault.Auth, "the client secret has expired", "make a new one (Entra > App registrations > Certificates & secrets) and update client_secret"},
		"700016":  {fault.Auth, "the tenant does not know this application", "check client_id and tenant_id"},
		"700027":  {fault.Auth, "the tenant does not know this certificate", "upload it (Entra > App registrations > Certificates & secrets), or check that it has not expired"},
		"7000112": {fault.Auth, "the application is disabled", "enable it (Entra > Enterprise applications > Properties)"},
		"90002":   {fault.Auth, "there is no such tenant", "check tenant_id and cloud"},
		"900023":  {fault.Auth, "there is no such tenant", "check tenant_id and cloud"},
		"500011":  {fault.Denied, "the tenant does not have this product", "it needs a licence of Microsoft Defender for Endpoint; a new one appears after its first sign-in to the portal"},
		"53003":   {fault.Denied, "conditional access of the tenant forbids it", "except this application in the policy for workload identities"},
	}
}

type entraError struct {
	kind       fault.Kind
	said, hint string
}

// refusedByEntra words an error of the token endpoint. secrets are taken out of it.
func refusedByEntra(status int, body []byte, scope string, secrets ...string) *fault.Error {
	var reply struct {
		Error       text       `json:"error"`
		Description text       `json:"error_description"`
		Codes       list[text] `json:"error_codes"`
	}
	_ = json.Unmarshal(body, &reply)
	e := &fault.Error{Kind: fault.Auth, Op: opToken, Hint: "check tenant_id, client_id and the credential"}
	if status == http.StatusTooManyRequests || status >= 500 {
		e.Kind, e.Hint = fault.Unavailable, "try again later"
	}
	said := lenient.FirstText(reply.Description, reply.Error)
	for _, s := range secrets {
		if s != "" {
			said = strings.ReplaceAll(said, s, "***")
		}
	}
	said, _, _ = strings.Cut(said, "\n") // what follows are ids of the request
	e.Msg = fmt.Sprintf("Entra answered %d: %s", status, clean(said))
	if said == "" {
		e.Msg = fmt.Sprintf("Entra answered %d without a reason", status)
	}
	for code, known := range entraErrors() {
		if strings.Contains(said, "AADSTS"+code+":") || len(reply.Codes) > 0 && string(reply.Codes[0]) == code {
			e.Kind, e.Hint = known.kind, known.hint
			e.Msg = fmt.Sprintf("%s (AADSTS%s, for %s)", known.said, code, strings.TrimSuffix(scope, "/.default"))
			e.Err = vendorCode("AADSTS" + code)
		}
	}
	return e
}

// clean makes a vendor's words fit for a line.
func clean(s string) string {
	s = safe.Line(strings.Join(strings.Fields(s), " "))
	if r := []rune(s); len(r) > 400 {
		return string(r[:400]) + "…"
	}
	return s
}
