package defender

import (
	"context"
	"time"

	"edrc/internal/fault"
	"edrc/internal/source"
)

// need is what a capability needs of one of the two APIs.
type need struct {
	capability string
	permission permission
}

// Permissions lists the application permissions by capability, the ones to grant, as
// Entra names them below "Microsoft Graph" and "WindowsDefenderATP".
func Permissions() map[string]string {
	out := map[string]string{}
	for _, n := range append(graphNeeds(), mdeNeeds()...) {
		out[n.capability] = n.permission.String()
	}
	return out
}

func graphNeeds() []need {
	return []need{
		{"alerts", permAlerts}, {"notes", permAlertsWrite}, {"resolve", permAlertsWrite},
		{"incidents", permIncidents}, {"tags", permIncidentsWrite},
	}
}

func mdeNeeds() []need {
	return []need{{"hosts", permMachines}, {"isolate", permIsolate}, {"fetch", permLive}}
}

// Check implements source.Source. What the application may do, its tokens say; whether
// the tenant has the product, two small reads do. A tenant without Defender for
// Endpoint is no error: its hosts, isolation and files are what is missing. Expires is
// the end of a certificate; that of a client secret cannot be asked.
func (c *Client) Check(ctx context.Context) (source.Health, error) {
	const op = "check"
	h := source.Health{Missing: map[string]string{}, Expires: c.options.expires(ctx)}
	who, err := c.graph.tokens.claims(ctx)
	if err != nil {
		return h, fault.At(err, c.name, op)
	}
	h.Identity, h.Tenant = who.identity(), string(who.Tenant)
	if h.Identity == "" {
		h.Identity = c.options.ClientID
	}
	if h.Tenant == "" {
		h.Tenant = c.options.TenantID
	}
	lacking(h.Missing, who, graphNeeds())
	date, err := c.probe(ctx)
	switch {
	case denied(err):
		blame(h.Missing, err, graphNeeds()[:3])
	case err != nil:
		return h, err
	}
	if !date.IsZero() {
		h.Skew = date.Sub(c.now()).Round(time.Second) // the header has whole seconds
	}
	err = c.checkEndpoint(ctx, h.Missing)
	h.Retiring = append(c.graph.http.Retiring(), c.mde.http.Retiring()...)
	return h, err
}

// checkEndpoint looks at what the endpoint API allows.
func (c *Client) checkEndpoint(ctx context.Context, missing map[string]string) error {
	who, err := c.mde.tokens.claims(ctx)
	if err == nil {
		lacking(missing, who, mdeNeeds())
		if who.allows(permMachines) {
			_, err = c.machine(ctx, "read machines", nobody)
		}
	}
	switch {
	case denied(err):
		blame(missing, err, mdeNeeds())
	case err != nil && !notFound(err):
		return fault.At(err, c.name, "check")
	}
	return nil
}

// nobody is the id of no machine.
const nobody = "0000000000000000000000000000000000000000"

func denied(err error) bool {
	return fault.Is(err, fault.Denied) || fault.Is(err, fault.Unsupported)
}

// lacking names what was not granted.
func lacking(missing map[string]string, who claims, needs []need) {
	for _, n := range needs {
		if !who.allows(n.permission) {
			missing[n.capability] = n.permission.String()
		}
	}
}

// blame names what keeps capabilities out that the permissions would allow: a licence,
// or an API that is gone.
func blame(missing map[string]string, err error, needs []need) {
	reason := err.Error()
	if e, ok := err.(*fault.Error); ok {
		if reason = e.Msg; e.Hint != "" {
			reason = e.Hint
		}
	}
	for _, n := range needs {
		if missing[n.capability] == "" {
			missing[n.capability] = reason
		}
	}
}
