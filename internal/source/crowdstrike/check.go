package crowdstrike

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// Check implements source.Source. Missing names the scopes that the API client lacks, by
// capability. A scope to write is tried with a request that names nothing to write on:
// without the scope it is refused before it is read (403).
func (c *Client) Check(ctx context.Context) (source.Health, error) {
	const op = "check the API client"
	resp, err := c.api.do(ctx, combined(op, "", "asc", 1, ""))
	switch {
	case fault.Is(err, fault.Denied): // Missing will say so
	case err != nil:
		return source.Health{}, err
	}
	h := source.Health{Identity: "API client " + c.options.ClientID, Missing: map[string]string{}}
	if resp != nil && !resp.Date.IsZero() {
		h.Skew = resp.Date.Sub(c.now()).Round(time.Second) // the header has whole seconds
	}
	for _, try := range probes(op) {
		_, err := c.api.do(ctx, try.call)
		switch fault.KindOf(err) {
		case fault.Auth, fault.Interrupted, fault.Usage:
			return h, err
		case fault.Unavailable, fault.RateLimited:
			if !try.blind { // how a request that names nothing is answered is not documented
				return h, err
			}
		case fault.Denied:
			try.name(h.Missing)
		}
	}
	h.Retiring = c.api.retiring()
	if h.Tenant, err = c.Tenant(ctx); fault.Is(err, fault.Usage) {
		err = nil // a tenant without alerts and hosts: the credential is fine
	}
	return h, err
}

// Permissions lists the scopes to grant the API client, by capability, as the console
// names them.
func Permissions() map[string]string {
	out := map[string]string{}
	for _, p := range probes("") {
		p.name(out)
	}
	return out
}

// name puts the scope to the others of its capabilities.
func (p probe) name(scopes map[string]string) {
	for capability := range strings.SplitSeq(p.capabilities, ", ") {
		scope := p.call.scope
		if before := scopes[capability]; before != "" {
			scope = before + ", " + scope
		}
		scopes[capability] = scope
	}
}

// probe is a request that tells whether a scope is there.
type probe struct {
	capabilities string
	call         call
	blind        bool // a write that names nothing
}

func probes(op string) []probe {
	get := func(scope, path string, q url.Values) call {
		return call{Request: httpx.Request{Op: op, Path: path, Query: q}, scope: scope}
	}
	empty := func(scope, method, path string, body any) call {
		return call{Request: httpx.Request{Op: op, Method: method, Path: path, JSON: body, Class: httpx.Idempotent}, scope: scope}
	}
	none := []string{}
	few := url.Values{"limit": {"1"}}
	return []probe{
		{"alerts", combined(op, "", "asc", 1, ""), false},
		{"notes, resolve", empty(scopeAlertsWrite, http.MethodPatch, "/alerts/entities/alerts/v3",
			map[string]any{"composite_ids": none, "action_parameters": []action{}}), true},
		{"hosts", get(scopeHostsRead, "/devices/queries/devices/v1", few), false},
		// Tags stand for containment: they need the same scope and do no harm.
		{"isolate", empty(scopeHostsWrite, http.MethodPatch, "/devices/entities/devices/tags/v1",
			map[string]any{"action": "add", "device_ids": none, "tags": none}), true},
		{"incidents", get(scopeCases, "/cases/queries/cases/v1", few), false},
		{"fetch", get(scopeSamples, "/samples/entities/samples/v3", url.Values{"ids": {strings.Repeat("0", 64)}, "password_protected": {"true"}}), false},
		{"fetch", get(scopeQuarantine, "/quarantine/queries/quarantined-files/v1", few), false},
		{"fetch from the endpoint", empty(scopeRTR, http.MethodPost, "/real-time-response/entities/active-responder-command/v1", map[string]any{}), true},
	}
}
