package sample

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// heapWatch samples the live heap while bytes pass.
type heapWatch struct {
	r          io.Reader
	next, seen int64
	max        uint64
}

func (h *heapWatch) sample() {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	h.max = max(h.max, m.HeapAlloc)
}

func (h *heapWatch) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if h.seen += int64(n); h.seen >= h.next {
		h.next += 16 << 20
		h.sample()
	}
	return n, err
}

// zeros is an endless file.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// zeros and noise of 150 MB each: what compresses best and worst.
func TestMemoryStaysFlatFor150MB(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 150 MB")
	}
	const size, bound = 150 << 20, 24 << 20
	for name, src := range map[string]io.Reader{"zeros": zeros{}, "noise": rand.NewChaCha8([32]byte{2})} {
		t.Run(name, func(t *testing.T) {
			s, _ := newSpool(t)
			ctx := context.Background()
			w := &heapWatch{}
			w.sample()
			start := w.max
			pr, pw := io.Pipe()
			go func() {
				_, err := io.CopyN(pw, src, size)
				pw.CloseWithError(err)
			}()
			w.r = pr
			a, err := s.Wrap(ctx, w, "big.bin", testPassword)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			c, err := Inspect(ctx, a, Limits{}, a.Hashes)
			if err != nil {
				t.Fatal(err)
			}
			r, err := OpenFile(ctx, a, Limits{}, c)
			if err != nil {
				t.Fatal(err)
			}
			w.r = r
			if n, err := io.Copy(io.Discard, w); n != size || err != nil {
				t.Fatalf("%d bytes, %v", n, err)
			}
			r.Close()
			raw, _ := a.Open()
			b, err := s.Take(ctx, &heapWatch{r: raw}, testPassword)
			if err != nil {
				t.Fatal(err)
			}
			b.Close()
			if used := w.max - min(start, w.max); used > bound {
				t.Fatalf("the heap grew by %d bytes", used)
			}
		})
	}
}

func TestA7zTakesNoMoreThanItsWindow(t *testing.T) {
	if testing.Short() {
		t.Skip("decodes 64 MB")
	}
	const size = 64 << 20 // sixteen times its window; pure-Go LZMA is slow
	seven := tool(t, "7z", "7za", "7zz")
	path := filepath.Join(t.TempDir(), "o.7z")
	cmd := exec.Command(seven, "a", "-bd", "-sibig.bin", "-p"+testPassword, "-mx=1", "-md=4m", path)
	cmd.Stdin = io.LimitReader(zeros{}, size)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := newSpool(t)
	a := take(t, s, b, testPassword)
	w := &heapWatch{}
	w.sample()
	start := w.max
	c, err := Inspect(context.Background(), a, Limits{}, hashesOf(nil))
	if err != nil {
		t.Fatal(err)
	}
	r, err := OpenFile(context.Background(), a, Limits{}, c)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w.r = r
	if n, err := io.Copy(io.Discard, w); n != size || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if used := w.max - min(start, w.max); used > 32<<20 {
		t.Fatalf("the heap grew by %d bytes", used)
	}
}

func TestOneDecoderAtATime(t *testing.T) {
	s, _ := newSpool(t)
	data := marked(100)
	a := take(t, s, make7z(data, stored7z(data, []byte{1, 0x24, 6, 0xf1, 7, 1, 2, 0xc0, 0}, 1)), testPassword)
	s.lzma <- struct{}{}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Inspect(ctx, a, Limits{}, hashesOf(data)); err != context.Canceled {
		t.Fatalf("a second decoder starts: %v", err)
	}
	<-s.lzma
	_, err := Inspect(context.Background(), a, Limits{}, hashesOf(data))
	wantProblem(t, err, WrongPassword)
	if len(s.lzma) != 0 {
		t.Fatal("the decoder's slot is not given back")
	}
}
