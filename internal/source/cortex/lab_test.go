package cortex

import (
	"testing"
	"time"

	lab "edrc/internal/lab/cortex"
	"edrc/internal/lab/world"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

func TestCortexKeepsThePromisesOfASource(t *testing.T) {
	for name, set := range map[string]func(*testing.T, *vendor){
		"3.x, advanced key": func(*testing.T, *vendor) {},
		"5.x, standard key": func(t *testing.T, v *vendor) {
			v.Control(t, "version", map[string]any{"version": "5"})
			v.Control(t, "key", map[string]any{"type": "standard"})
			v.Configure(t, Kind, &v.options)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sourcetest.Run(t, sourcetest.Harness{
				New: func(t *testing.T) sourcetest.Vendor {
					v := newVendor(t, world.Options{})
					set(t, v)
					return v
				},
				Page: pageSize, World: 600, Hostile: hostile(),
			})
		})
	}
}

// hostile are pieces of file names that an attacker would choose.
func hostile() []string { return sourcetest.Hostile(`it's "quoted"`, `back\slash`) }

// endpointFile is the index of the file that the suite retrieves.
const endpointFile = 1

// vendor is the simulated vendor as the suite wants it.
type vendor struct {
	sourcetest.Lab
	lab     *lab.Vendor
	options Options
}

func newVendor(t testing.TB, o world.Options) *vendor {
	t.Helper()
	o.Files, o.Zip, o.Name = sourcetest.Files("exe", hostile()), sourcetest.Zip(t), "cortex-lab"
	v := &vendor{lab: lab.New(o)}
	v.Lab = sourcetest.NewLab(t, v.lab, `{"reply":{"total`, Kind, &v.options)
	return v
}

func (v *vendor) Source(t *testing.T, timeout time.Duration) source.Source {
	return v.client(t, timeout)
}

func (v *vendor) client(t testing.TB, timeout time.Duration) *Client {
	t.Helper()
	c, err := New(v.options, Env{Name: "cortex-lab", HTTP: v.HTTP(t, timeout)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (v *vendor) Add(_ *testing.T, n int, age time.Duration, equal bool) []string {
	return v.lab.Add(n, age, equal)
}

// Notes are those on the incident of an alert.
func (v *vendor) Notes(_ *testing.T, id string) []string {
	return v.lab.State().Notes[v.lab.IncidentOf(id)]
}

var _ sourcetest.FetchVendor = (*vendor)(nil)

func (v *vendor) AddFile(_ *testing.T, online bool) string {
	return v.lab.AddAbout(endpointFile, online)
}

func (v *vendor) Online(t *testing.T, id string, online bool) {
	t.Helper()
	v.Control(t, "offline", map[string]any{"host": v.lab.HostOf(id), "online": online})
}

func (v *vendor) Expire(t *testing.T, _ string) {
	t.Helper()
	v.Control(t, "expire", map[string]any{})
}

func (v *vendor) Fetches(_ *testing.T, _ string) int { return v.lab.State().Fetches }
