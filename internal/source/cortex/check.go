package cortex

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// Check implements source.Source. Missing names the permissions that the key's role lacks,
// by capability, or the licence that the tenant does. A permission to act is tried with a
// request about something that does not exist: without it the answer is 403 (or 402). When
// the key expires, the API does not tell.
func (c *Client) Check(ctx context.Context) (source.Health, error) {
	const op = "check the API key"
	resp, err := c.api.do(ctx, post(op, "system/get_tenant_info", permAlerts, struct{}{}).
		answeredBy(http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound, http.StatusInternalServerError))
	if err != nil {
		return source.Health{}, err
	}
	h := source.Health{Identity: "API key " + c.options.KeyID + " (" + c.options.KeyType + ")", Tenant: c.options.fqdn(), Missing: map[string]string{}}
	if !resp.Date.IsZero() {
		h.Skew = resp.Date.Sub(c.now()).Round(time.Second) // the header has whole seconds
	}
	platform, err := c.platform(ctx)
	if err != nil {
		return h, err
	}
	if h.Version = version3 + ".x"; platform {
		h.Version = version5 + ".x"
	}
	for _, try := range probes(op, platform) {
		_, err := c.api.do(ctx, try.call)
		switch fault.KindOf(err) {
		case fault.Auth, fault.Interrupted, fault.Usage, fault.Unavailable, fault.RateLimited:
			return h, err
		case fault.Denied:
			lacks := try.call.permission
			if e, ok := errors.AsType[*fault.Error](err); ok && e.Status == http.StatusPaymentRequired {
				lacks = "licence: " + orElse(try.call.licence, "Cortex XDR")
			}
			for capability := range strings.SplitSeq(try.capabilities, ", ") {
				h.Missing[capability] = lacks
			}
		}
	}
	h.Retiring = c.api.http.Retiring()
	return h, nil
}

// Permissions lists what the role of the API key needs, by capability, as the console's
// role editor names it.
func Permissions() map[string]string {
	out := map[string]string{}
	for _, p := range probes("", false) {
		for capability := range strings.SplitSeq(p.capabilities, ", ") {
			out[capability] = p.call.permission
		}
	}
	return out
}

// probe is a request that tells whether a permission is there.
type probe struct {
	capabilities string
	call         call
}

// nobody is the id of no endpoint.
const nobody = "00000000000000000000000000000000"

func probes(op string, platform bool) []probe {
	list := func(l listing) call { return post(op, l.path, l.permission, search{To: 1}).withoutIDs() }
	alerts := list(alertList(op, platform, source.Created, "asc"))
	if !platform {
		alerts.Path = alertsPath
	}
	incidents := list(incidentList(op, platform, "asc"))
	// How a request about nothing is answered is not documented: anything but 401, 402, 403
	// and 429 says that it was allowed.
	blind := func(q call) call {
		return q.of(httpx.Idempotent).answeredBy(http.StatusBadRequest, http.StatusNotFound, http.StatusConflict,
			http.StatusUnprocessableEntity, http.StatusInternalServerError)
	}
	endpoints := post(op, "endpoints/get_endpoint", permEndpoints, search{To: 1}).withoutIDs()
	isolate := post(op, "endpoints/isolate", permIsolate, map[string]any{"endpoint_id": nobody}).licensed(licenceEndpoint)
	retrieve := post(op, "endpoints/file_retrieval", permRetrieve, map[string]any{
		"filters": []filter{{"endpoint_id_list", "in", []string{nobody}}}, "files": map[string][]string{"linux": {"/dev/null"}},
	}).licensed(licenceEndpoint)
	return []probe{
		{"alerts", alerts}, {"incidents", incidents}, {"notes, resolve", blind(update(op, "0", map[string]any{}))},
		{"hosts", endpoints}, {"isolate", blind(isolate)}, {"fetch from the endpoint", blind(retrieve)},
	}
}
