package config

import (
	"os"
	"testing"

	"edrc/internal/fault"
)

// FuzzLoad promises that no file makes Load panic, hang or answer with anything
// but a configuration or a Usage error.
func FuzzLoad(f *testing.F) {
	f.Add(Example())
	for _, seed := range []string{
		"", "a", "- a", "sources:\n  a: {kind: acme, token: x}\n", "scan: {engine: judge, api_key: {command: [a, b]}}\n",
		"sources:\n  a: {kind: acme, accounts: [{id: 1}], tags: {A.b: c}, any: {1: [2]}}\n", "&a [*a]", "? {}\n: {}\n", "!!binary x: y\n",
		"http: {timeout: 1d}\nsync: {status_filter: [~, 1]}\n", "\"\\x00\": \"\\uFFFF\"\n", "<<: {}\n", "---\n---\n", "sources: {a: {kind: acme, any: {<<: 1, [a]: b}}}",
	} {
		f.Add(seed)
	}
	o := testOptions(f, "")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(o.Path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(o)
		if (c == nil) == (err == nil) || err != nil && !fault.Is(err, fault.Usage) {
			t.Fatalf("Load gave %v, %v", c, err)
		}
	})
}
