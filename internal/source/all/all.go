// Package all is the explicit list of the products that edrc knows. Adding one is
// a line here; docs/architecture.md says what else it takes.
package all

import (
	"fmt"

	"edrc/internal/httpx"
	"edrc/internal/source"
	"edrc/internal/source/sentinelone"
)

// Product is one kind of source: Options gives a new options struct for the
// configuration to fill, New makes the source from it.
type Product struct {
	Kind    string
	Name    string // as its vendor writes it
	Options func() any
	New     func(name string, options any, http httpx.Config) (source.Source, error)
}

// Products lists them in the order that help shows.
func Products() []Product {
	return []Product{
		product(sentinelone.Kind, "SentinelOne", func(name string, o *sentinelone.Options, h httpx.Config) (source.Source, error) {
			return sentinelone.New(*o, sentinelone.Env{Name: name, HTTP: h})
		}),
	}
}

// product keeps the options' type on this side of the configuration.
func product[O any](kind, name string, make func(string, *O, httpx.Config) (source.Source, error)) Product {
	return Product{
		Kind: kind, Name: name,
		Options: func() any { return new(O) },
		New: func(at string, options any, h httpx.Config) (source.Source, error) {
			o, ok := options.(*O)
			if !ok {
				return nil, fmt.Errorf("source %s: options are %T, not %T", at, options, o)
			}
			return make(at, o, h)
		},
	}
}
