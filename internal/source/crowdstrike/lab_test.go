package crowdstrike

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	falcon "edrc/internal/lab/crowdstrike"
	"edrc/internal/lab/world"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

func TestFalconKeepsThePromisesOfASource(t *testing.T) {
	sourcetest.Run(t, sourcetest.Harness{
		New:  func(t *testing.T) sourcetest.Vendor { return newVendor(t, world.Options{}) },
		Page: pageSize, World: 600, Hostile: hostile(),
	})
}

// hostile are pieces of file names that an attacker would choose.
func hostile() []string { return sourcetest.Hostile(`it's "quoted"`, `back\slash`) }

// endpointFile is the index of the file that only the endpoint has; the 7z in testdata
// is what it uploads. cloudFile is one that the cloud has a copy of.
const (
	endpointFile = 1
	cloudFile    = 0
)

// files make the world's.
func files() []world.File {
	out := sourcetest.Files("exe", hostile())
	out[endpointFile] = sourcetest.File(out[endpointFile].Name, "edrc lab: inert sample got from an endpoint\n")
	return out
}

// vendor is the simulated vendor as the suite wants it.
type vendor struct {
	sourcetest.Lab
	falcon  *falcon.Vendor
	options Options
}

func newVendor(t testing.TB, o world.Options) *vendor {
	t.Helper()
	o.Files, o.Zip, o.Seven, o.Name = files(), sourcetest.Zip(t), sevenOf, "falcon-lab"
	v := &vendor{falcon: falcon.New(o)}
	v.Lab = sourcetest.NewLab(t, v.falcon, `{"meta":{"writes":`, Kind, &v.options)
	return v
}

// sevenOf is what an endpoint uploads, made with 7-Zip.
func sevenOf(w io.Writer, f world.File, password string) error {
	raw, err := os.ReadFile("testdata/infected.7z")
	if err == nil && (f.Name != "sample.exe" || password != "infected") {
		err = fmt.Errorf("no archive of %q", f.Name)
	}
	if err == nil {
		_, err = w.Write(raw)
	}
	return err
}

func (v *vendor) Source(t *testing.T, timeout time.Duration) source.Source {
	return v.client(t, timeout)
}

func (v *vendor) client(t testing.TB, timeout time.Duration) *Client {
	t.Helper()
	c, err := New(v.options, Env{Name: "falcon-lab", HTTP: v.HTTP(t, timeout)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (v *vendor) Add(_ *testing.T, n int, age time.Duration, equal bool) []string {
	return v.falcon.Add(n, age, equal)
}

var (
	_ sourcetest.FetchVendor = (*vendor)(nil)
	_ sourcetest.TokenVendor = (*vendor)(nil)
)

func (v *vendor) EndToken(t *testing.T) {
	t.Helper()
	v.Control(t, "expire", map[string]any{})
}

func (v *vendor) AddFile(_ *testing.T, online bool) string {
	return v.falcon.AddAbout(endpointFile, online)
}

func (v *vendor) Online(t *testing.T, id string, online bool) {
	t.Helper()
	v.Control(t, "offline", map[string]any{"host": strings.Split(id, ":")[2], "online": online})
}

func (v *vendor) Expire(t *testing.T, _ string) {
	t.Helper()
	v.Control(t, "sessions", map[string]any{})
}

func (v *vendor) Fetches(_ *testing.T, _ string) int { return v.falcon.State().Fetches }
