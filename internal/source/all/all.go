// Package all is the explicit list of the products that edrc knows. Adding one is
// a line here; docs/architecture.md says what else it takes.
package all

import (
	"fmt"

	"edrc/internal/httpx"
	"edrc/internal/source"
	"edrc/internal/source/carbonblack"
	"edrc/internal/source/cortex"
	"edrc/internal/source/crowdstrike"
	"edrc/internal/source/defender"
	"edrc/internal/source/guardduty"
	"edrc/internal/source/sentinelone"
	"edrc/internal/source/wiz"
)

// Env is what every product is given beside its options.
type Env struct {
	HTTP httpx.Config
	// StateDir is where edrc keeps what it must not forget. "": nothing is kept, and
	// GuardDuty's earlier comments are lost with each new one.
	StateDir string
}

// Product is one kind of source: Options gives a new options struct for the
// configuration to fill, New makes the source from it.
type Product struct {
	Kind    string
	Name    string // as its vendor writes it
	Options func() any
	New     func(name string, options any, env Env) (source.Source, error)
}

// Products lists them in the order that help shows.
func Products() []Product {
	return []Product{
		product(sentinelone.Kind, "SentinelOne", func(name string, o *sentinelone.Options, env Env) (source.Source, error) {
			return sentinelone.New(*o, sentinelone.Env{Name: name, HTTP: env.HTTP})
		}),
		product(crowdstrike.Kind, "CrowdStrike Falcon", func(name string, o *crowdstrike.Options, env Env) (source.Source, error) {
			return crowdstrike.New(*o, crowdstrike.Env{Name: name, HTTP: env.HTTP})
		}),
		product(defender.Kind, "Microsoft Defender", func(name string, o *defender.Options, env Env) (source.Source, error) {
			return defender.New(*o, defender.Env{Name: name, HTTP: env.HTTP})
		}),
		product(carbonblack.Kind, "Carbon Black Cloud", func(name string, o *carbonblack.Options, env Env) (source.Source, error) {
			return carbonblack.New(*o, carbonblack.Env{Name: name, HTTP: env.HTTP})
		}),
		product(cortex.Kind, "Palo Alto Cortex XDR", func(name string, o *cortex.Options, env Env) (source.Source, error) {
			return cortex.New(*o, cortex.Env{Name: name, HTTP: env.HTTP})
		}),
		product(wiz.Kind, "Wiz", func(name string, o *wiz.Options, env Env) (source.Source, error) {
			return wiz.New(*o, wiz.Env{Name: name, HTTP: env.HTTP})
		}),
		product(guardduty.Kind, "Amazon GuardDuty", newGuardDuty),
	}
}

// newGuardDuty gives the client copies of its own comments to look into, kept under
// the identity that the client itself tells.
func newGuardDuty(name string, o *guardduty.Options, env Env) (source.Source, error) {
	e := guardduty.Env{Name: name, HTTP: env.HTTP}
	if env.StateDir == "" {
		return guardduty.New(*o, e)
	}
	kept := &copies{dir: env.StateDir}
	e.Notes, e.KeepNote = kept.notes, kept.keep
	c, err := guardduty.New(*o, e)
	if err != nil {
		return nil, err
	}
	kept.of = c
	return c, nil
}

// product keeps the options' type on this side of the configuration.
func product[O any](kind, name string, make func(string, *O, Env) (source.Source, error)) Product {
	return Product{
		Kind: kind, Name: name,
		Options: func() any { return new(O) },
		New: func(at string, options any, env Env) (source.Source, error) {
			o, ok := options.(*O)
			if !ok {
				return nil, fmt.Errorf("source %s: options are %T, not %T", at, options, o)
			}
			return make(at, o, env)
		},
	}
}
