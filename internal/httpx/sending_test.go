package httpx

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"edrc/internal/fault"
)

// line is a transport that takes one byte of the body after each pause, and then
// answers after another.
func line(pauses []time.Duration, last time.Duration) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		defer r.Body.Close()
		for _, d := range append(pauses, last) {
			if err := sleep(r.Context(), d); err != nil {
				return nil, err
			}
			if _, err := r.Body.Read(make([]byte, 1)); err != nil && err != io.EOF {
				return nil, err
			}
		}
		return answer(200, "{}")(r)
	}
}

// raw sends without reading the body first, as wire does.
type raw func(*http.Request) (*http.Response, error)

func (f raw) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func bodyOf(s string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(s)), nil }
}

func TestABodyMayTakeLongToSendButNotStandStill(t *testing.T) {
	const s = time.Second
	for name, tc := range map[string]struct {
		pauses  []time.Duration
		answer  time.Duration
		timeout time.Duration
		kind    fault.Kind
	}{
		"two minutes in all":           {[]time.Duration{25 * s, 25 * s, 25 * s, 25 * s}, 25 * s, 0, ""},
		"a standstill":                 {[]time.Duration{25 * s, 31 * s}, s, 0, fault.InDoubt},
		"an answer that never comes":   {[]time.Duration{25 * s, 25 * s}, 31 * s, 0, fault.InDoubt},
		"a route that may take longer": {[]time.Duration{25 * s, 80 * s}, 80 * s, 90 * s, ""},
		"but not for ever":             {[]time.Duration{25 * s, 91 * s}, s, 90 * s, fault.InDoubt},
		"a request without much time":  {[]time.Duration{s, 6 * s}, s, 5 * s, fault.InDoubt},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _ := newClient(t, raw(line(tc.pauses, tc.answer)))
				_, err := c.Do(t.Context(), Request{Method: "POST", Body: bodyOf("12345678"), Size: 8, Timeout: tc.timeout})
				if fault.KindOf(err) != tc.kind {
					t.Errorf("got %v, want kind %q", err, tc.kind)
				}
			})
		})
	}
}

func TestABodyThatCannotBeReadToItsEndEndsTheRequestWithThatErrorAndNoDoubt(t *testing.T) {
	var whole atomic.Int32
	c, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			whole.Add(1)
		}
	})
	broken := fault.New(fault.Corrupt, "the spool file is damaged")
	for _, size := range []int64{200_000, 0} {
		opened := 0
		_, err := c.Do(t.Context(), Request{Op: "upload", Method: "POST", Size: size, Body: func() (io.ReadCloser, error) {
			opened++
			return io.NopCloser(io.MultiReader(strings.NewReader(strings.Repeat("x", 100_000)), failing{broken})), nil
		}})
		e := wantKind(t, err, fault.Corrupt)
		if !errors.Is(err, broken) || !strings.Contains(e.Msg, "the body cannot be read: the spool file is damaged") || opened != 1 {
			t.Errorf("size %d: %v, opened %d times", size, err, opened)
		}
	}
	if whole.Load() != 0 {
		t.Errorf("%d bodies arrived as if they were whole", whole.Load())
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
