package lab

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// rfc1123 is the vendor's form of a time.
func rfc1123(t time.Time) string { return t.UTC().Format(http.TimeFormat) }

// accessToken is POST /get-access-token. The key is parsed as a UUID: dashes, braces and case do not matter.
func (e *engine) accessToken(c call) (reply, error) {
	var key string
	if err := c.field("api_key", &key); err != nil {
		return reply{}, err
	}
	if key == "" {
		return reply{}, &apiError{http.StatusBadRequest, "The request is not valid", "api_key"}
	}
	if !e.keyValid || plainUUID(key) != plainUUID(e.apiKey) {
		return reply{}, &apiError{status: http.StatusUnauthorized, title: "Invalid api key"}
	}
	now := e.clock()
	for token, until := range e.tokens {
		if !now.Before(until) {
			delete(e.tokens, token)
		}
	}
	token := fmt.Sprintf("eyJhbGciOiJIUzI1NiJ9.%016x%016x.%016x", e.rng.Uint64(), e.rng.Uint64(), e.rng.Uint64())
	e.tokens[token] = now.Add(tokenLife)
	return reply{http.StatusOK, map[string]any{
		"result": token, "expire_at": float64(now.Add(tokenLife).UnixMilli())/1000 + 0.0005,
	}}, nil
}

func plainUUID(key string) string {
	return strings.ToLower(strings.ReplaceAll(strings.Trim(key, "{}"), "-", ""))
}

// account is GET /accounts/me.
func (e *engine) account(call) (reply, error) {
	return reply{http.StatusOK, map[string]any{"result": map[string]string{
		"account_id": e.accountID, "account_name": "edrc lab", "account_email": "analyst@lab.example",
		"created_time": rfc1123(e.started.AddDate(-2, 0, 0)), "last_sign_in_time": rfc1123(e.started),
	}}}, nil
}

// quotaUsage is GET /current-quota-usage.
func (e *engine) quotaUsage(call) (reply, error) {
	block := func(quota, usage int) map[string]any {
		return map[string]any{"quota": quota, "usage": usage, "type": "monthly"}
	}
	return reply{http.StatusOK, map[string]any{"result": map[string]any{
		"file_scans": block(e.quota, e.usage), "endpoint_scans": block(100, 0),
	}}}, nil
}
