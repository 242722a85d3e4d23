package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"edrc/internal/config"
)

// files reads every generated file below root.
func files(t *testing.T, root string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, dir := range []string{"docs/cli", "docs/man", "completions"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			out[rel], err = os.ReadFile(path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestTheConfigurationPageShowsTheExampleOfTheProgram(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(page, []byte("```yaml\n"+config.Example()+"```")) {
		t.Error("docs/configuration.md does not end in what `edrc config example` prints")
	}
}

func TestGeneratedDocsAndCompletionsAreFresh(t *testing.T) {
	dir := t.TempDir()
	if err := generate(dir); err != nil {
		t.Fatal(err)
	}
	want, have := files(t, dir), files(t, filepath.Join("..", ".."))
	if len(want) < 20 {
		t.Fatalf("only %d files were generated", len(want))
	}
	for name, text := range want {
		if !bytes.Equal(text, have[name]) {
			t.Errorf("%s is stale: run make gen", name)
		}
	}
	for name := range have {
		if want[name] == nil {
			t.Errorf("%s is no longer generated: run make gen", name)
		}
	}
}
