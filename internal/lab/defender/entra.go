package defender

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The resources that tokens are for.
const (
	graph = "https://graph.microsoft.com"
	mde   = "https://api.securitycenter.microsoft.com"
)

// tokenLife is what Entra gives a token.
const tokenLife = 3599 * time.Second

type token struct {
	resource string
	until    time.Time
}

// getOpenID is what libraries of Microsoft ask first.
func (v *Vendor) getOpenID(w http.ResponseWriter, r *http.Request) {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	base := scheme + "://" + r.Host + "/" + r.PathValue("tenant")
	writeJSON(w, http.StatusOK, map[string]any{
		"token_endpoint": base + "/oauth2/v2.0/token", "authorization_endpoint": base + "/oauth2/v2.0/authorize", "issuer": base + "/v2.0",
	})
}

// postToken is the client credentials grant, with a secret or with a certificate, of
// which the signature is not checked.
func (v *Vendor) postToken(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls["POST token"]++
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", 900144, "The request body could not be read.")
		return
	}
	f := r.PostForm
	scope, _, _ := strings.Cut(f.Get("scope"), " ")
	resource := strings.TrimSuffix(scope, "/.default")
	signed := f.Get("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" && strings.Count(f.Get("client_assertion"), ".") == 2
	switch {
	case f.Get("grant_type") != "client_credentials":
		refuse(w, http.StatusBadRequest, "unsupported_grant_type", 70003, "The grant type is not supported.")
	case r.PathValue("tenant") != TenantID:
		refuse(w, http.StatusBadRequest, "invalid_request", 900023, "Specified tenant identifier is neither a valid DNS name, nor a valid external domain.")
	case f.Get("client_id") != ClientID:
		refuse(w, http.StatusBadRequest, "unauthorized_client", 700016, "Application with identifier was not found in the directory.")
	case !v.valid || f.Get("client_secret") != ClientSecret && !signed:
		refuse(w, http.StatusUnauthorized, "invalid_client", 7000215, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.")
	case v.roles[resource] == nil || !v.licensed[resource] && resource == mde:
		refuse(w, http.StatusBadRequest, "invalid_resource", 500011, "The resource principal named "+resource+" was not found in the tenant.")
	default:
		writeJSON(w, http.StatusOK, map[string]any{
			"token_type": "Bearer", "expires_in": int(tokenLife.Seconds()), "ext_expires_in": int(tokenLife.Seconds()), "access_token": v.issue(resource),
		})
	}
}

// issue makes a token: a JWT whose signature is a number.
func (v *Vendor) issue(resource string) string {
	now := v.opt.Now()
	part := func(o any) string {
		b, _ := json.Marshal(o) // maps of strings and numbers always marshal
		return base64.RawURLEncoding.EncodeToString(b)
	}
	claims := map[string]any{
		"aud": resource, "tid": TenantID, "appid": ClientID, "app_displayname": appName, "iat": now.Unix(), "exp": now.Add(tokenLife).Unix(),
	}
	if len(v.roles[resource]) > 0 {
		claims["roles"] = v.roles[resource]
	}
	jwt := part(map[string]string{"typ": "JWT", "alg": "RS256"}) + "." + part(claims) + "." + fmt.Sprintf("%016x", v.rng.Uint64())
	v.tokens[jwt] = token{resource, now.Add(tokenLife)}
	return jwt
}

func (v *Vendor) authorised(r *http.Request, resource string) bool {
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	t := v.tokens[bearer]
	return ok && t.resource == resource && v.opt.Now().Before(t.until)
}

// refuse is an error of Entra.
func refuse(w http.ResponseWriter, status int, word string, code int, text string) {
	writeJSON(w, status, map[string]any{
		"error": word, "error_codes": []int{code}, "timestamp": "2026-11-22 12:00:00Z", "trace_id": "0d2c6d4e-0000-4000-8000-000000000001",
		"correlation_id":    "0d2c6d4e-0000-4000-8000-000000000002",
		"error_description": fmt.Sprintf("AADSTS%d: %s Trace ID: 0d2c6d4e-0000-4000-8000-000000000001 Correlation ID: 0d2c6d4e-0000-4000-8000-000000000002 Timestamp: 2026-11-22 12:00:00Z", code, text),
	})
}

// fail is an error of Graph, and of the endpoint API.
func fail(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, map[string]any{"error": map[string]any{
		"code": code, "message": message,
		"innerError": map[string]string{"date": "2026-11-22T12:00:00", "request-id": "0d2c6d4e-0000-4000-8000-000000000003"},
	}})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // a mistake of this package
	}
	w.Header().Set("Content-Type", "application/json; odata.metadata=minimal; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}
