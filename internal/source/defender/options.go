package defender

import (
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// Kind is what the configuration calls this product.
const Kind = "defender"

// Options is a source of this kind as it stands in the configuration. One of
// ClientSecret, Certificate and ManagedIdentity says how edrc signs in.
type Options struct {
	TenantID     string       `yaml:"tenant_id"` // the Entra tenant: a GUID, or one of its domains
	ClientID     string       `yaml:"client_id"` // of the application, or of a user-assigned managed identity
	ClientSecret httpx.Secret `yaml:"client_secret"`

	// Certificate is the content of a PEM or PFX file with certificate and private key,
	// usually {file: PATH}; CertificatePassword is that of an encrypted PFX.
	Certificate         httpx.Secret `yaml:"certificate"`
	CertificatePassword httpx.Secret `yaml:"certificate_password"`

	// ManagedIdentity: the machine that edrc runs on has an identity in Azure.
	ManagedIdentity bool `yaml:"managed_identity"`

	// Cloud is one of [Clouds]. Authority, GraphURL and MDEURL replace its addresses,
	// and MDEScope the scope of tokens for the last: the endpoint API has several hosts,
	// and which of them takes whose tokens is not documented.
	Cloud     string `yaml:"cloud"`
	Authority string `yaml:"authority"`
	GraphURL  string `yaml:"graph_url"`
	MDEURL    string `yaml:"mde_url"`
	MDEScope  string `yaml:"mde_scope"`

	source.Timing `yaml:",inline"`

	// Rate is how many requests may be sent to each API in a second; default the limits
	// that Microsoft publishes, 2.3 to Graph and 0.4 to the endpoint API.
	Rate float64 `yaml:"rate"`
}

// noteMax is the most characters of a comment. Microsoft names no limit; this many
// are taken, and shown whole.
const noteMax = 1000

// normalise fills in the defaults and says what is missing, all of it at once. The
// cloud comes back with the addresses that the options name.
func (o Options) normalise() (Options, cloud, error) {
	o.TenantID, o.ClientID = strings.TrimSpace(o.TenantID), strings.TrimSpace(o.ClientID)
	where, err := findCloud(o.Cloud)
	if err != nil {
		return o, where, err
	}
	ways := 0
	for _, set := range []bool{o.ClientSecret.IsSet(), o.Certificate.IsSet(), o.ManagedIdentity} {
		if set {
			ways++
		}
	}
	var missing []string
	if o.TenantID == "" && !o.ManagedIdentity {
		missing = append(missing, "tenant_id (of the Entra tenant)")
	}
	if o.ClientID == "" && !o.ManagedIdentity {
		missing = append(missing, "client_id (of the application)")
	}
	if ways == 0 {
		missing = append(missing, "one of client_secret, certificate, managed_identity")
	}
	switch {
	case !(o.Rate >= 0): // also refuses NaN
		return o, where, fault.Usagef("rate: must not be negative")
	case len(missing) > 0:
		return o, where, fault.Usagef("not configured: %s", strings.Join(missing, ", "))
	case ways > 1:
		return o, where, fault.Usagef("client_secret, certificate and managed_identity exclude each other")
	case o.CertificatePassword.IsSet() && !o.Certificate.IsSet():
		return o, where, fault.Usagef("certificate_password: there is no certificate")
	case strings.Trim(o.TenantID, tenantRunes) != "" || strings.Trim(o.TenantID, ".") != o.TenantID:
		return o, where, fault.Usagef("tenant_id: not a GUID, and not a domain of the tenant")
	}
	if o.MDEScope == "" {
		o.MDEScope = where.mde + "/.default"
	}
	return o, where.with(o), nil
}

const tenantRunes = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-."

// with replaces addresses by those of the options.
func (c cloud) with(o Options) cloud {
	for _, r := range []struct {
		to *string
		by string
	}{{&c.login, o.Authority}, {&c.graph, o.GraphURL}, {&c.mde, o.MDEURL}} {
		if by := strings.TrimRight(strings.TrimSpace(r.by), "/"); by != "" {
			*r.to = by
		}
	}
	return c
}

// traits are the product's facts, as the configuration changes them.
func (o Options) traits() source.Traits {
	t := source.Traits{
		NoteMax: noteMax, NoteBulk: 1,
		NoteSettle: time.Minute, Settle: 2 * time.Minute, Overlap: time.Hour,
	}
	return o.Timing.Of(t)
}
