package cortex

import (
	"math"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"edrc/internal/fault"
	"edrc/internal/httpx"
)

func TestAnyWayToWriteTheTenantIsUnderstood(t *testing.T) {
	for url, want := range map[string]string{
		"acme.xdr.us.paloaltonetworks.com":                              "https://api-acme.xdr.us.paloaltonetworks.com",
		"api-acme.xdr.us.paloaltonetworks.com":                          "https://api-acme.xdr.us.paloaltonetworks.com",
		" https://ACME.xdr.us.paloaltonetworks.com/ ":                   "https://api-acme.xdr.us.paloaltonetworks.com",
		"https://api-acme.xdr.us.paloaltonetworks.com/public_api/v1/":   "https://api-acme.xdr.us.paloaltonetworks.com",
		"https://acme.xdr.us.paloaltonetworks.com/public_api/v1/alerts": "https://api-acme.xdr.us.paloaltonetworks.com",
		"example.com":            "https://api-example.com",
		"https://example.com":    "https://example.com", // a gateway
		"http://127.0.0.1:8443":  "http://127.0.0.1:8443",
		"127.0.0.1:8443":         "https://127.0.0.1:8443",
		"http://localhost:8443/": "http://localhost:8443",
	} {
		o, err := Options{URL: url, KeyID: "7", Key: httpx.Literal("k")}.normalise()
		if err != nil || o.URL != want {
			t.Errorf("%q: %q, %v", url, o.URL, err)
		}
		if fqdn := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(want, "https://"), "http://"), "api-"); o.fqdn() != fqdn {
			t.Errorf("%q: tenant %q", url, o.fqdn())
		}
	}
	for _, url := range []string{"https://a b", "https://u:p@x.com", "https://x.com/?a=b", "https://x.com/console", "https://", "mailto:x", "https://x.com/#f"} {
		if o, err := (Options{URL: url, KeyID: "7", Key: httpx.Literal("k")}).normalise(); !fault.Is(err, fault.Usage) {
			t.Errorf("%q: %q, %v", url, o.URL, err)
		}
	}
}

func TestWhatIsMissingOrWrongIsSaidAtOnce(t *testing.T) {
	_, err := New(Options{}, Env{Name: "cortex"})
	for _, word := range []string{"url", "key_id", "key"} {
		if !fault.Is(err, fault.Usage) || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", word, err)
		}
	}
	good := Options{URL: "x.com", KeyID: "7", Key: httpx.Literal("k")}
	for word, change := range map[string]func(*Options){
		"key_type": func(o *Options) { o.KeyType = "golden" }, "version": func(o *Options) { o.Version = "4" }, "rate": func(o *Options) { o.Rate = math.NaN() },
		"key_id": func(o *Options) { o.KeyID = "7\n8" }, "https": func(o *Options) { o.URL = "http://x.com" },
	} {
		o := good
		change(&o)
		if _, err := New(o, Env{Name: "cortex"}); !fault.Is(err, fault.Usage) || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", word, err)
		}
	}
}

func TestTheConfigurationIsReadAsItIsWritten(t *testing.T) {
	var o Options
	if err := yaml.Unmarshal([]byte("{url: acme.xdr.us.paloaltonetworks.com, key_id: 12, key: {env: CORTEX_KEY}, key_type: Standard, version: 5, settle: 0s, rate: 2}"), &o); err != nil {
		t.Fatal(err)
	}
	scheme, arg := o.Key.Reference()
	c, err := New(o, Env{Name: "cortex"})
	if err != nil || o.KeyID != "12" || scheme != "env" || arg != "CORTEX_KEY" || o.Version != "5" {
		t.Fatalf("%+v, %v", o, err)
	}
	defer c.Close()
	if tr := c.Traits(); tr.Settle != 0 || tr.Overlap != 15*time.Minute || tr.NoteSettle != 90*time.Second || tr.NoteBulk != 1 || tr.NoteMax != noteMax {
		t.Errorf("%+v", tr)
	}
	if c.Name() != "cortex" || c.Kind() != Kind || c.options.KeyType != keyStandard {
		t.Errorf("%s %s %s", c.Name(), c.Kind(), c.options.KeyType)
	}
	if tenant, err := c.Tenant(t.Context()); tenant != "acme.xdr.us.paloaltonetworks.com" || err != nil {
		t.Errorf("%q, %v", tenant, err)
	}
}
