package defender

import (
	"fmt"
	"testing"
	"time"

	lab "edrc/internal/lab/defender"
	"edrc/internal/lab/world"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

func TestDefenderKeepsThePromisesOfASource(t *testing.T) {
	sourcetest.Run(t, sourcetest.Harness{
		New: func(t *testing.T) sourcetest.Vendor {
			v := newVendor(t, world.Options{})
			v.top = 250
			return v
		},
		Page: 250, World: 600,
		Hostile: sourcetest.Hostile(),
	})
}

// vendor is the lab as the suite wants it.
type vendor struct {
	sourcetest.Lab
	lab     *lab.Vendor
	files   []world.File
	options Options
	// top, if set, is how many alerts a client asks for at once: all the same with less work.
	top int
	// maxBody, if set, is the most bytes of a reply.
	maxBody int64
}

func newVendor(t testing.TB, o world.Options) *vendor {
	t.Helper()
	if o.Files == nil {
		o.Files = files()
	}
	o.Seed = 7
	v := &vendor{lab: lab.New(o), files: o.Files}
	v.Lab = sourcetest.NewLab(t, v.lab, `{"value":[{"comment":`, Kind, &v.options)
	return v
}

// files are small files with the names that attackers choose.
func files() []world.File {
	names := []string{
		"invoice.exe", "\x1b[31mred.exe", "gpj.\u202eexe.scr", "report [edrc:5b1f09c2a94e7d10].exe", "line\nbreak.dll", "<script>alert(1)</script>.js",
		"=cmd|' /C calc'!A0.xlsx", "№ 5 счёт.pdf.exe", "\ufeffbom.exe", "page.html",
	}
	var out []world.File
	for i, name := range names {
		content := fmt.Sprintf("file %d of the lab, and harmless\n", i)
		if name == "page.html" {
			content = "<!doctype html><html><body>a dropper</body></html>"
		}
		out = append(out, sourcetest.File(name, content))
	}
	return out
}

func (v *vendor) Source(t *testing.T, timeout time.Duration) source.Source {
	return v.client(t, timeout)
}

func (v *vendor) client(t testing.TB, timeout time.Duration) *Client {
	t.Helper()
	cfg := v.HTTP(t, timeout)
	cfg.MaxBody = v.maxBody
	c, err := New(v.options, Env{Name: "mde-lab", HTTP: cfg})
	if err != nil {
		t.Fatal(err)
	}
	if v.top > 0 {
		c.top = v.top
	}
	t.Cleanup(c.Close)
	return c
}

func (v *vendor) Add(_ *testing.T, n int, age time.Duration, equal bool) []string {
	return v.lab.Add(n, age, equal)
}

func (v *vendor) Plant(t *testing.T, id, text string) {
	t.Helper()
	if err := v.lab.Plant(id, text); err != nil {
		t.Fatal(err)
	}
}

var (
	_ sourcetest.FetchVendor = (*vendor)(nil)
	_ sourcetest.TokenVendor = (*vendor)(nil)
)

func (v *vendor) EndToken(t *testing.T) {
	t.Helper()
	v.Control(t, "expire-tokens", map[string]any{})
}

func (v *vendor) AddFile(_ *testing.T, online bool) string {
	return v.lab.AddFile(&v.files[0], online)
}

func (v *vendor) Online(t *testing.T, id string, online bool) {
	t.Helper()
	v.Control(t, "offline", map[string]any{"host": id, "offline": !online})
}

func (v *vendor) Expire(t *testing.T, id string) {
	t.Helper()
	v.Control(t, "expire", map[string]any{"host": id})
}

func (v *vendor) Fetches(_ *testing.T, id string) int { return v.lab.Fetches(id) }
