package carbonblack

import (
	"fmt"
	"testing"
	"time"

	lab "edrc/internal/lab/carbonblack"
	"edrc/internal/lab/world"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

func TestCarbonBlackKeepsThePromisesOfASource(t *testing.T) {
	sourcetest.Run(t, sourcetest.Harness{
		New:  func(t *testing.T) sourcetest.Vendor { return newVendor(t, world.Options{}) },
		Page: pageSize, World: 600, Hostile: hostile(),
	})
}

// hostile are pieces of file names that an attacker would choose.
func hostile() []string { return sourcetest.Hostile(`it's "quoted"`, "a/b") }

// files have the names that attackers choose.
func files() []world.File {
	names := []string{"invoice.exe"}
	for _, h := range hostile() {
		names = append(names, "a "+h+" b.exe")
	}
	out := make([]world.File, len(names))
	for i, name := range names {
		out[i] = sourcetest.File(name, fmt.Sprintf("<html>inert sample %d", i)) // a file may look like a page
		out[i].Malicious = i%2 == 0
	}
	return out
}

// vendor is the lab as the suite wants it.
type vendor struct {
	sourcetest.Lab
	lab     *lab.Vendor
	files   []world.File
	options Options
}

func newVendor(t testing.TB, o world.Options) *vendor {
	t.Helper()
	if o.Files == nil {
		o.Files = files()
	}
	o.Seed, o.Name = 7, "cbc-lab"
	v := &vendor{lab: lab.New(o), files: o.Files}
	v.Lab = sourcetest.NewLab(t, v.lab, `{"id":"1","note":`, Kind, &v.options)
	return v
}

func (v *vendor) Source(t *testing.T, timeout time.Duration) source.Source {
	return v.client(t, timeout)
}

func (v *vendor) client(t testing.TB, timeout time.Duration) *Client {
	t.Helper()
	c, err := New(v.options, Env{Name: "cbc-lab", HTTP: v.HTTP(t, timeout)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (v *vendor) Add(_ *testing.T, n int, age time.Duration, equal bool) []string {
	return v.lab.Add(n, age, equal)
}

var _ sourcetest.FetchVendor = (*vendor)(nil)

func (v *vendor) AddFile(_ *testing.T, online bool) string { return v.lab.AddFile(0, online) }

func (v *vendor) Online(t *testing.T, id string, online bool) {
	t.Helper()
	v.Control(t, "offline", map[string]any{"host": id, "online": online})
}

func (v *vendor) Expire(t *testing.T, id string) {
	t.Helper()
	v.Control(t, "expire", map[string]any{"id": id})
}

func (v *vendor) Fetches(_ *testing.T, id string) int { return v.lab.Uploads(id) }
