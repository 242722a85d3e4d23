package wiz

import (
	"testing"
	"time"

	lab "edrc/internal/lab/wiz"
	"edrc/internal/lab/world"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

func TestWizKeepsThePromisesOfASource(t *testing.T) {
	sourcetest.Run(t, sourcetest.Harness{
		New:  func(t *testing.T) sourcetest.Vendor { return newVendor(t, world.Options{}) },
		Page: pageSize, World: 600, Hostile: hostile(),
	})
}

// hostile are pieces of file names that an attacker would choose.
func hostile() []string { return sourcetest.Hostile(`it's "quoted"`, `back\slash`) }

// files make the world's.
func files() []world.File { return sourcetest.Files("elf", hostile()) }

// vendor is the simulated vendor as the suite wants it.
type vendor struct {
	sourcetest.Lab
	wiz     *lab.Vendor
	options Options
}

func newVendor(t testing.TB, o world.Options) *vendor {
	t.Helper()
	o.Files, o.Name = files(), "wiz-lab"
	v := &vendor{wiz: lab.New(o)}
	v.Lab = sourcetest.NewLab(t, v.wiz, `{"data":{"createIssueNote":`, Kind, &v.options)
	return v
}

func (v *vendor) Source(t *testing.T, timeout time.Duration) source.Source {
	return v.client(t, timeout)
}

func (v *vendor) client(t testing.TB, timeout time.Duration) *Client {
	t.Helper()
	c, err := New(v.options, Env{Name: "wiz-lab", HTTP: v.HTTP(t, timeout)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (v *vendor) Add(_ *testing.T, n int, age time.Duration, equal bool) []string {
	return v.wiz.Add(n, age, equal)
}

var _ sourcetest.TokenVendor = (*vendor)(nil)

func (v *vendor) EndToken(t *testing.T) {
	t.Helper()
	v.Control(t, "expire", map[string]any{})
}

// Notes are those of the threat of a detection.
func (v *vendor) Notes(_ *testing.T, id string) []string {
	return v.wiz.State().Notes[v.wiz.ThreatOf(id)]
}
