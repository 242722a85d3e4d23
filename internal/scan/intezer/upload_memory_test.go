package intezer

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"edrc/internal/httpx"
	"edrc/internal/scan"
)

// gauge gives size bytes, and measures the heap on the way.
type gauge struct {
	left, sinceLook int64
	peak            *atomic.Uint64
}

func (g *gauge) Read(p []byte) (int, error) {
	const every = 8 << 20
	if g.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), g.left))
	g.left -= int64(n)
	if g.sinceLook += int64(n); g.sinceLook >= every {
		g.sinceLook = 0
		g.peak.Store(max(g.peak.Load(), heap()))
	}
	return n, nil
}

func (g *gauge) Close() error { return nil }

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestALargeUploadKeepsMemoryFlatAlsoWhenItIsRepeated(t *testing.T) {
	const size, most = 150 << 20, 24 << 20
	tries, arrived := 0, int64(0)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		switch {
		case strings.HasSuffix(r.URL.Path, "/get-access-token"):
			reply200(`{"result":"`+testToken+`"}`)(w, r)
		case tries == 0:
			tries++
			answer(401, ``)(w, r)
		default:
			arrived = n
			created(w, r)
		}
	}))
	defer web.Close()
	c, err := New(Options{URL: web.URL, APIKey: httpx.Literal(testKey), Rate: 1e6}, Env{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	runtime.GC()
	var peak atomic.Uint64
	before := heap()
	got, err := c.SubmitFile(t.Context(), scan.Upload{Size: size, Password: archivePassword, Open: func() (io.ReadCloser, error) {
		return &gauge{left: size, peak: &peak}, nil
	}})
	if err != nil || got.ID != testID || arrived < size || arrived > size+2000 {
		t.Fatalf("%+v, %v, %d bytes arrived", got, err, arrived)
	}
	if p := peak.Load(); p == 0 || p > before+most {
		t.Errorf("the heap grew from %d to %d MiB", before>>20, p>>20)
	}
}
