package crowdstrike

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edrc/internal/lab/world"
)

// TestTheLabsRepliesHaveTheTypesOfRecordedOnes compares what the vendor was seen to
// answer with what the lab answers, field by field. Fields that the lab does not have
// are nobody's to read.
func TestTheLabsRepliesHaveTheTypesOfRecordedOnes(t *testing.T) {
	dir := os.Getenv("EDRC_FIXTURES")
	if dir == "" {
		t.Skip("EDRC_FIXTURES is not set: the vendor's recorded replies are not checked")
	}
	u := newUser(t, world.Options{Alerts: 40, Files: []world.File{{Name: "x.exe", SHA256: strings.Repeat("ab", 32), MD5: strings.Repeat("cd", 16)}}})
	u.v.Add(1, time.Hour, false)
	ours := map[string]map[string]any{
		"composite_id": decoded(t, u.v.render(u.v.alerts[0])), "device_id": decoded(t, u.v.device(u.v.hosts[0])),
	}
	checked := 0
	err := filepath.WalkDir(filepath.Join(dir, "crowdstrike"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			return err
		}
		walk(v, func(o map[string]any) {
			for key, lab := range ours {
				if _, ok := o[key].(string); ok {
					checked += sameTypes(t, filepath.Base(path), lab, o)
				}
			}
		})
		return nil
	})
	if err != nil || checked < 50 {
		t.Errorf("%d fields compared, %v", checked, err)
	}
}

func decoded(t *testing.T, v any) (o map[string]any) {
	t.Helper()
	raw, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(raw, &o)
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func walk(v any, visit func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		visit(v)
		for _, inner := range v {
			walk(inner, visit)
		}
	case []any:
		for _, inner := range v {
			walk(inner, visit)
		}
	}
}

// sameTypes compares the fields that both have, and gives how many.
func sameTypes(t *testing.T, file string, lab, recorded map[string]any) (n int) {
	for name, want := range recorded {
		have, ok := lab[name]
		if !ok || have == nil || want == nil {
			continue
		}
		n++
		if fmt.Sprintf("%T", have) != fmt.Sprintf("%T", want) {
			t.Errorf("%s: %s is %T, the lab has %T", file, name, want, have)
			continue
		}
		if inner, ok := want.(map[string]any); ok {
			n += sameTypes(t, file, have.(map[string]any), inner)
		}
	}
	return n
}
