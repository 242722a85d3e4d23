package sentinelone

import (
	"slices"
	"testing"
	"time"

	"edrc/internal/lab"
	"edrc/internal/source/sourcetest"
)

var _ sourcetest.FetchVendor = (*vendor)(nil)

func (v *vendor) AddFile(t *testing.T, online bool) string {
	t.Helper()
	return v.addServed(t, "zipcrypto", online)
}

// addServed makes an alert about a file that agents upload in this way.
func (v *vendor) addServed(t *testing.T, as string, online bool) string {
	t.Helper()
	files := v.lab.Files()
	i := slices.IndexFunc(files, func(f lab.FileInfo) bool { return f.Serves == as })
	if i < 0 {
		t.Fatalf("no file is served as %s", as)
	}
	var out struct {
		IDs []string `json:"ids"`
	}
	v.control(t, "alerts", map[string]any{"file": files[i].Index}, &out)
	v.Online(t, out.IDs[0], online)
	return out.IDs[0]
}

func (v *vendor) Online(t *testing.T, id string, online bool) {
	t.Helper()
	v.control(t, "agent", map[string]any{"threat": id, "online": online}, nil)
}

func (v *vendor) FetchTime(t *testing.T, d time.Duration) {
	t.Helper()
	v.control(t, "fetch", map[string]any{"time": d.String()}, nil)
}

func (v *vendor) Expire(t *testing.T, id string) {
	t.Helper()
	v.control(t, "expire", map[string]any{"ids": []string{id}}, nil)
}

func (v *vendor) Fetches(_ *testing.T, id string) int {
	return v.lab.State().Sources["s1-lab"].FetchesByThreat[id]
}
