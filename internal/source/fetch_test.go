package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/sample"
)

func spoolOf(t *testing.T) *sample.Spool {
	t.Helper()
	s, err := sample.OpenSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// packed is an archive of content as it would come over the wire.
func packed(t *testing.T, s *sample.Spool, content, password string) []byte {
	t.Helper()
	a, err := s.Wrap(t.Context(), strings.NewReader(content), "a.exe", password)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	r, err := a.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAnArchiveIsTakenAsItComes(t *testing.T) {
	s := spoolOf(t)
	wire := packed(t, s, "malware", "infected")
	for name, r := range map[string]io.Reader{"at once": bytes.NewReader(wire), "byte by byte": iotest.OneByteReader(bytes.NewReader(wire))} {
		a, err := TakeArchive(t.Context(), r, s, "infected")
		if err != nil {
			t.Fatal(name, err)
		}
		c, err := sample.Inspect(t.Context(), a, s.Limits, alert.Hashes{})
		if err != nil || c.Name != "a.exe" {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestTextIsNoArchive(t *testing.T) {
	s := spoolOf(t)
	for _, text := range []string{"<html>", "\ufeff\r\n <?xml", `{"error":1}`} {
		if _, err := TakeArchive(t.Context(), strings.NewReader(text), s, "x"); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%q: %v, want unavailable", text, err)
		}
	}
	for _, head := range []string{"", " ", "PK\x03\x04", "7z\xbc\xaf", "plain"} {
		if IsText([]byte(head)) {
			t.Errorf("%q counts as text", head)
		}
	}
}

func TestAStreamThatBreaksOffKeepsItsError(t *testing.T) {
	s := spoolOf(t)
	broken := &fault.Error{Kind: fault.Unavailable, Msg: "broke off"}
	wire := packed(t, s, strings.Repeat("malware ", 100), "infected")
	for _, n := range []int{0, 10, len(wire) - 1} {
		r := io.MultiReader(bytes.NewReader(wire[:n]), iotest.ErrReader(broken))
		if _, err := TakeArchive(t.Context(), r, s, "infected"); !errors.Is(err, broken) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := TakeArchive(ctx, bytes.NewReader(wire), s, "infected"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestAFileThatWasThereIsGone(t *testing.T) {
	for kind, want := range map[fault.Kind]fault.Kind{
		fault.NotFound: fault.Gone, fault.Gone: fault.Gone, fault.Denied: fault.Denied, fault.Unavailable: fault.Unavailable,
	} {
		was := &fault.Error{Kind: kind, Hint: "before", Source: "s"}
		err := Expired(was, "100% sure: fetch it again")
		e, ok := errors.AsType[*fault.Error](err)
		if !ok || e.Kind != want || e.Source != "s" || (want == fault.Gone) != (e.Hint == "100% sure: fetch it again") {
			t.Errorf("%s: %+v", kind, err)
		}
		if was.Kind != kind || was.Hint != "before" {
			t.Errorf("%s: the error itself was changed", kind)
		}
	}
	if plain := errors.New("plain"); Expired(plain, "x") != plain || Expired(nil, "x") != nil {
		t.Error("another error did not stay what it is")
	}
}
