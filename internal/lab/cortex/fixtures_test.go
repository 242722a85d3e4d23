package cortex

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"edrc/internal/lab/world"
)

// Where a recorded reply has a field that the lab has, too, its type is the same.
func TestTheLabsRepliesHaveTheTypesOfRecordedOnes(t *testing.T) {
	dir := os.Getenv("EDRC_FIXTURES")
	if dir == "" {
		t.Skip("EDRC_FIXTURES is not set: the lab is not held to recorded replies")
	}
	v := New(world.Options{Files: []world.File{{Name: "x.exe", SHA256: "ab", MD5: "cd"}}})
	v.Add(5, time.Hour, false)
	var scalar *xdrAlert
	for _, a := range v.alerts {
		if a.id%4 == 0 && a.id%3 != 0 { // its columns came as single values, its id as a text
			scalar = a
		}
	}
	ours := map[string]map[string]any{
		"alert_id": decoded(t, v.multiEvent(scalar)), "incident_id": decoded(t, v.incidentJSON(v.cases[0])), "endpoint_name": decoded(t, v.endpoint(v.hosts[0])),
	}
	checked := 0
	err := filepath.WalkDir(filepath.Join(dir, "cortexxdr"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var recorded any
		if json.Unmarshal(raw, &recorded) != nil {
			return nil
		}
		walk(recorded, func(o map[string]any) {
			for key, lab := range ours {
				if _, ok := o[key].(string); ok {
					checked += sameTypes(t, filepath.Base(path), lab, o)
				}
			}
		})
		return nil
	})
	if err != nil || checked < 500 {
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
		if !ok || have == nil || want == nil || name == "is_whitelisted" { // "No" or false
			continue
		}
		n++
		if fmt.Sprintf("%T", have) != fmt.Sprintf("%T", want) {
			t.Errorf("%s: %s is %T, the lab has %T", file, name, want, have)
		}
	}
	return n
}
