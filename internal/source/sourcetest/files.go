package sourcetest

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"testing"

	"edrc/internal/lab/world"
	"edrc/internal/sample"
)

// Hostile are pieces of file names that an attacker would choose, and the more that a
// product's vendor keeps.
func Hostile(more ...string) []string {
	return append([]string{"\x1b[31m", "\u202e", "[edrc:5b1f09c2a94e7d10]", "line\nbreak", "<script>", "=cmd|", "№", "\ufeff"}, more...)
}

// File is a file of the lab, with the hashes of its harmless content.
func File(name, content string) world.File {
	b := []byte(content)
	h2, h1, h5 := sha256.Sum256(b), sha1.Sum(b), md5.Sum(b)
	return world.File{
		Name: name, SHA256: hex.EncodeToString(h2[:]), SHA1: hex.EncodeToString(h1[:]), MD5: hex.EncodeToString(h5[:]), Size: int64(len(b)),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil },
	}
}

// Spool gives a spool that ends with the test.
func Spool(t testing.TB) *sample.Spool {
	t.Helper()
	spool, err := sample.OpenSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = spool.Close() })
	return spool
}

// Zip writes archives as the vendors' samples are, for [world.Options]: one file, a
// password.
func Zip(t testing.TB) func(io.Writer, world.File, string) error {
	dir := t.TempDir()
	return func(w io.Writer, f world.File, password string) error {
		spool, err := sample.OpenSpool(dir)
		if err != nil {
			return err
		}
		defer spool.Close()
		in, err := f.Open()
		if err != nil {
			return err
		}
		defer in.Close()
		a, err := spool.Wrap(context.Background(), in, f.Name, password)
		if err != nil {
			return err
		}
		defer a.Close()
		out, err := a.Open()
		if err != nil {
			return err
		}
		_, err = io.Copy(w, out)
		return err
	}
}

// Files are those of a world: two with plain names, one for each hostile piece, and twenty
// more. ext is a file name's ending: "exe".
func Files(ext string, hostile []string) []world.File {
	names := []string{"invoice." + ext, "sample." + ext}
	for _, h := range hostile {
		names = append(names, "a "+h+" b."+ext)
	}
	for i := range 20 {
		names = append(names, fmt.Sprintf("setup_%04x.%s", i, ext))
	}
	out := make([]world.File, len(names))
	for i, name := range names {
		out[i] = File(name, fmt.Sprintf("inert sample %d", i))
	}
	return out
}
