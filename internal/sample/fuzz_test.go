package sample

import (
	"bytes"
	"os/exec"
	"runtime"
	"testing"

	"edrc/internal/alert"
)

// fuzzLimits are tight, so that what breaks them is seen as memory.
func fuzzLimits() Limits {
	return Limits{Raw: 1 << 20, Bytes: 1 << 20, Entries: 16, Ratio: 100, Dictionary: 1 << 20}
}

// inspectFuzzed promises: an answer or a problem, no panic, no memory beyond bounds.
func inspectFuzzed(t *testing.T, s *Spool, b []byte, password string) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c, err := inspectBytes(s, b, password, fuzzLimits(), alert.Hashes{})
	runtime.ReadMemStats(&after)
	// The key derivation of a 7z makes some 25 bytes of garbage a round.
	if used := after.TotalAlloc - before.TotalAlloc; used > 128<<20 {
		t.Fatalf("%d bytes were allocated", used)
	}
	if err != nil && ProblemOf(err) == "" {
		t.Fatalf("an error without a problem: %v", err)
	}
	if err == nil && (c.Hashes.SHA256 == "" || c.Name == "" || !c.Encrypted || c.Size > 1<<20) {
		t.Fatalf("got %+v", c)
	}
	if s.live.Load() != 0 || len(s.lzma) != 0 {
		t.Fatal("something was not given back")
	}
}

func FuzzZip(f *testing.F) {
	data := marked(300)
	for c := plain; c <= ae2x256; c++ {
		f.Add(makeZip(f, "pw", made{name: "d/a", data: data, crypt: c}, made{name: "manifest.json", crypt: c, store: true,
			data: []byte(`[{"path":"d/a","sha1":"","reason":""}]`)}), "pw")
	}
	s, _ := newSpool(f)
	s.Limits = fuzzLimits()
	f.Fuzz(func(t *testing.T, b []byte, password string) { inspectFuzzed(t, s, b, password) })
}

func FuzzSeven(f *testing.F) {
	data := marked(300)
	f.Add(make7z(data, stored7z(data, []byte{1, 1, 0}, 1))[sevenStart:], int64(len(data)), "pw")
	if seven, err := exec.LookPath("7z"); err == nil {
		for _, opts := range [][]string{{"-ppw"}, {"-ppw", "-mhe=on"}, {"-m0=lzma"}, {"-m0=bcj2"}, {"-ms=off"}, {"-m0=bzip2"}} {
			b := madeBy(f, map[string][]byte{"a": data, "b": noise(200)}, "o.7z", seven, append([]string{"a", "-bd", "o.7z", "a", "b"}, opts...)...)
			packed, _, err := sevenHeader(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b[sevenStart:], packed, "pw")
		}
	}
	s, _ := newSpool(f)
	s.Limits = fuzzLimits()
	// The checksums of both headers are made to fit: behind them is what matters.
	f.Fuzz(func(t *testing.T, b []byte, packed int64, password string) {
		if packed < 0 || packed > int64(len(b)) {
			packed = int64(len(b)) / 2
		}
		inspectFuzzed(t, s, make7z(b[:packed], b[packed:]), password)
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`[{"path":"C:\\x","sha1":"aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d","reason":""}]`))
	f.Add([]byte(`[{"path":"C:\\x","reason":"denied\n"}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, ok := parseManifest(b)
		if ok != (len(m.items) > 0) || len(m.reason()) > maxReason {
			t.Fatalf("got %+v, %v", m, ok)
		}
		m.hashes()
	})
}
