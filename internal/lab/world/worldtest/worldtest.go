// Package worldtest holds the simulated vendors of the lab to what was recorded of the
// real ones.
package worldtest

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Object gives a value as its JSON is decoded.
func Object(t *testing.T, v any) (o map[string]any) {
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

// SameTypes compares recorded replies below a folder of EDRC_FIXTURES with the lab's, and
// gives how many fields were compared. ours has an object of the lab by the field that
// tells its like: where a recorded object has that field as a text, all fields that both
// have must be of the same JSON type, null fits all. Fields that the lab does not have are
// nobody's to read, those of except came in more than one type. Without EDRC_FIXTURES the
// test is skipped.
func SameTypes(t *testing.T, folder string, ours map[string]map[string]any, except ...string) (n int) {
	t.Helper()
	dir := os.Getenv("EDRC_FIXTURES")
	if dir == "" {
		t.Skip("EDRC_FIXTURES is not set: the lab is not held to recorded replies")
	}
	err := filepath.WalkDir(filepath.Join(dir, folder), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var recorded any
		if json.Unmarshal(raw, &recorded) != nil {
			return nil // an answer that was no JSON
		}
		walk(recorded, func(o map[string]any) {
			for key, lab := range ours {
				if _, ok := o[key].(string); ok {
					n += same(t, filepath.Base(path), lab, o, except)
				}
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// walk visits each object inside a value.
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

// same compares the fields that both have, and gives how many.
func same(t *testing.T, file string, lab, recorded map[string]any, except []string) (n int) {
	t.Helper()
	for name, want := range recorded {
		have, ok := lab[name]
		if !ok || have == nil || want == nil || slices.Contains(except, name) {
			continue
		}
		n++
		if fmt.Sprintf("%T", have) != fmt.Sprintf("%T", want) {
			t.Errorf("%s: %s is %T, the lab has %T", file, name, want, have)
			continue
		}
		if inner, ok := want.(map[string]any); ok {
			n += same(t, file, have.(map[string]any), inner, except)
		}
	}
	return n
}
