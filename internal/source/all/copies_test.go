package all

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

// tenant is a source of one tenant.
type tenant string

func (tenant) Name() string                                 { return "aws" }
func (tenant) Kind() string                                 { return "guardduty" }
func (tenant) Traits() source.Traits                        { return source.Traits{} }
func (tenant) Check(context.Context) (source.Health, error) { return source.Health{}, nil }
func (t tenant) Tenant(context.Context) (string, error)     { return string(t), nil }

var t0 = time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)

func TestCopiesAreThereForTheNextProcessOldestFirst(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	c := &copies{dir: dir, of: tenant("aws")}
	if got, err := c.notes(ctx, "us-east-1/a"); err != nil || len(got) != 0 {
		t.Fatal(got, err)
	}
	for i, text := range []string{"third", "first", "second", "first"} {
		at := t0.Add(time.Duration(strings.Index("first second third", text)) * time.Hour)
		if err := c.keep(ctx, "us-east-1/a", alert.Note{Text: text, Author: "edrc", Created: at}); err != nil {
			t.Fatal(i, err)
		}
	}
	if err := c.keep(ctx, "us-east-1/b", alert.Note{Text: "of another finding", Created: t0}); err != nil {
		t.Fatal(err)
	}
	next := &copies{dir: dir, of: tenant("aws")}
	got, err := next.notes(ctx, "us-east-1/a")
	if err != nil || len(got) != 3 || got[0].Text != "first" || got[1].Text != "second" || got[2].Text != "third" || got[0].ID == "" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := (&copies{dir: dir, of: tenant("aws-cn")}).notes(ctx, "us-east-1/a"); err != nil || len(got) != 0 {
		t.Errorf("another tenant has %+v, %v", got, err)
	}
}

func TestCopiesThatAreKeptAtOnceAreAllThere(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			c := &copies{dir: dir, of: tenant("aws")} // as in a process of its own
			if err := c.keep(t.Context(), "r/f", alert.Note{Text: fmt.Sprint("note ", i), Created: t0}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, err := (&copies{dir: dir, of: tenant("aws")}).notes(t.Context(), "r/f"); err != nil || len(got) != 20 {
		t.Errorf("%d notes, %v", len(got), err)
	}
}

func TestCopiesArePrivateAndNamedByNothingThatAVendorSaid(t *testing.T) {
	dir := t.TempDir()
	c := &copies{dir: dir, of: tenant("aws")}
	if err := c.keep(t.Context(), "../../../etc/passwd", alert.Note{Text: "x", Created: t0}); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		info, err := d.Info()
		if err == nil && runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", path, info.Mode())
		}
		return err
	})
	if err != nil || files != 1 {
		t.Errorf("%d files, %v", files, err)
	}
}

func TestACopyThatCannotBeReadIsSaidAndNotTakenForNone(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	c := &copies{dir: dir, of: tenant("aws")}
	if err := c.keep(ctx, "r/f", alert.Note{Text: "x", Created: t0}); err != nil {
		t.Fatal(err)
	}
	at, err := c.folder(ctx, "r/f")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(at, ".new-1"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := c.notes(ctx, "r/f"); err != nil || len(got) != 1 {
		t.Errorf("one that was being written counts: %v, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(at, "bad.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = c.notes(ctx, "r/f")
	if e, ok := errors.AsType[*fault.Error](err); !ok || e.Source != "aws" || !strings.Contains(e.Msg, "bad.json") || e.Hint == "" {
		t.Errorf("%v", err)
	}
}
