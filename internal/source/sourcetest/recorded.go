package sourcetest

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Recorded walks every recorded reply below a folder of EDRC_FIXTURES and gives each JSON
// object, the outer ones first, with its bytes and where it stands: "file key key".
// Numbers are [json.Number]. Without EDRC_FIXTURES the test is skipped.
func Recorded(t *testing.T, folder string, visit func(at string, raw json.RawMessage, o map[string]any)) {
	t.Helper()
	dir := fixtures(t)
	err := filepath.WalkDir(filepath.Join(dir, folder), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err == nil && json.Valid(raw) {
			Objects(filepath.Base(path), raw, visit)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// RecordedFile reads one file below EDRC_FIXTURES. Without that the test is skipped.
func RecordedFile(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(fixtures(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func fixtures(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("EDRC_FIXTURES")
	if dir == "" {
		t.Skip("EDRC_FIXTURES is not set: the vendor's recorded replies are not checked")
	}
	return dir
}

// Objects gives each object in a JSON text; see [Recorded].
func Objects(at string, raw json.RawMessage, visit func(at string, raw json.RawMessage, o map[string]any)) {
	var list []json.RawMessage
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) == nil && fields != nil {
		var o map[string]any
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		_ = d.Decode(&o)
		visit(at, raw, o)
		for k, v := range fields {
			Objects(at+" "+k, v, visit)
		}
	} else if json.Unmarshal(raw, &list) == nil {
		for _, v := range list {
			Objects(at, v, visit)
		}
	}
}

// Text gives what stands at a path of a recorded object, "device.hostname", if it is a
// text or a number, else "".
func Text(o map[string]any, path string) string {
	head, rest, more := strings.Cut(path, ".")
	if more {
		inner, _ := o[head].(map[string]any)
		return Text(inner, rest)
	}
	switch v := o[head].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// Same fails when a text is not what was recorded.
func Same(t *testing.T, at, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", at, got, want)
	}
}

// SameTime fails when a time is not what was recorded, which may be nothing.
func SameTime(t *testing.T, at string, got time.Time, want string) {
	t.Helper()
	if is, err := time.Parse(time.RFC3339Nano, want); want != "" && (err != nil || !got.Equal(is)) {
		t.Errorf("%s: time %s, want %q", at, got, want)
	}
}
