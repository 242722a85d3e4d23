package sourcetest_test

import (
	"context"
	"testing"
	"time"

	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

// bare is the least a product can be.
type bare struct{}

func (bare) Name() string                                   { return "bare" }
func (bare) Kind() string                                   { return "bare" }
func (bare) Traits() source.Traits                          { return source.Traits{NoteBulk: 1} }
func (bare) Check(context.Context) (source.Health, error)   { return source.Health{Tenant: "t"}, nil }
func (bare) Source(*testing.T, time.Duration) source.Source { return bare{} }

func (bare) Add(_ *testing.T, n int, _ time.Duration, _ bool) []string { return make([]string, n) }
func (bare) Plant(*testing.T, string, string)                          {}
func (bare) Notes(*testing.T, string) []string                         { return nil }
func (bare) Purge(*testing.T, ...string)                               {}
func (bare) Revoke(*testing.T)                                         {}
func (bare) Faults(*testing.T, string)                                 {}

func TestTheSuiteLeavesOutWhatAProductHasNot(t *testing.T) {
	sourcetest.Run(t, sourcetest.Harness{New: func(*testing.T) sourcetest.Vendor { return bare{} }, Page: 10, World: 10})
}
