package sentinelone

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"edrc/internal/lab"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

func TestThreatsKeepThePromisesOfASource(t *testing.T) {
	sourcetest.Run(t, harness(surfaceThreats, 1000, notesPerPage))
}

func TestUnifiedAlertsKeepThePromisesOfASource(t *testing.T) {
	sourcetest.Run(t, harness(surfaceUnified, graphPage, 30))
}

func harness(surface string, page, notePage int) sourcetest.Harness {
	return sourcetest.Harness{
		New:  func(t *testing.T) sourcetest.Vendor { return newVendor(t, surface, lab.Options{Alerts: -1}) },
		Page: page, NotePage: notePage, World: 600,
		Hostile: sourcetest.Hostile(),
	}
}

// vendor is the lab as the suite wants it.
type vendor struct {
	lab     *lab.Lab
	options Options
	// wrap, if set, sees what the clients send and get.
	wrap func(http.RoundTripper) http.RoundTripper
}

func newVendor(t testing.TB, surface string, o lab.Options) *vendor {
	t.Helper()
	l, err := lab.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var config struct {
		Sources map[string]struct {
			Kind    string `yaml:"kind"`
			Options `yaml:",inline"`
		} `yaml:"sources"`
	}
	if err := yaml.Unmarshal(l.Config(), &config); err != nil {
		t.Fatal(err)
	}
	v := &vendor{lab: l, options: config.Sources["s1-lab"].Options}
	v.options.Surface = surface
	return v
}

func (v *vendor) Source(t *testing.T, timeout time.Duration) source.Source {
	return v.client(t, timeout)
}

func (v *vendor) client(t testing.TB, timeout time.Duration) *Client {
	t.Helper()
	c, err := New(v.options, Env{Name: "s1-lab", HTTP: sourcetest.HTTP(t, timeout, v.wrap)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (v *vendor) Add(t *testing.T, n int, age time.Duration, equal bool) []string {
	t.Helper()
	var out struct {
		IDs []string `json:"ids"`
	}
	v.control(t, "alerts", map[string]any{"count": n, "age": age.String(), "equal_times": equal}, &out)
	return out.IDs
}

func (v *vendor) Plant(t *testing.T, id, text string) {
	t.Helper()
	v.control(t, "note", map[string]any{"id": id, "text": text}, nil)
}

func (v *vendor) Notes(_ *testing.T, id string) []string {
	return v.lab.State().Sources["s1-lab"].Notes[id]
}

func (v *vendor) Purge(t *testing.T, ids ...string) {
	t.Helper()
	v.control(t, "purge", map[string]any{"ids": ids}, nil)
}

func (v *vendor) Revoke(t *testing.T) {
	t.Helper()
	v.control(t, "token", map[string]any{"valid": false}, nil)
}

func (v *vendor) Faults(t *testing.T, spec string) {
	t.Helper()
	v.control(t, "faults", map[string]any{"faults": spec}, nil)
}

// control gives the lab a command.
func (v *vendor) control(t *testing.T, command string, in, out any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport}).Post(v.lab.ControlURL()+"/_lab/"+command, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, raw)
	}
	if err == nil && out != nil {
		err = json.Unmarshal(raw, out)
	}
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
}
