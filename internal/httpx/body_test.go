package httpx

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edrc/internal/fault"
)

func TestAnAnswerBeyondTheLimitIsRefused(t *testing.T) {
	for size, kind := range map[int]fault.Kind{1000: "", 1001: fault.Invalid} {
		w := script(answer(200, strings.Repeat("x", size)))
		c, _ := newClient(t, w, func(cfg *Config) { cfg.MaxBody = 1000 })
		r, err := c.Do(t.Context(), Request{})
		if fault.KindOf(err) != kind || err == nil && len(r.Body) != size || w.count() != 1 {
			t.Errorf("%d bytes: %v after %d tries", size, err, w.count())
		}
		if err != nil && !strings.Contains(err.Error(), "1000 bytes") {
			t.Errorf("the limit is not named: %v", err)
		}
	}
}

func TestAProxyPageIsNotAnAnswer(t *testing.T) {
	const page = "\n<!DOCTYPE html><html>captive portal s3cr3t</html>"
	for _, status := range []int{200, 404} { // 404 is an answer here, but not this one
		w := script(answer(status, page, "Content-Type", "application/json"))
		c, _ := newClient(t, w)
		_, err := c.Do(t.Context(), Request{OK: []int{404}})
		e := wantKind(t, err, fault.Unavailable)
		if w.count() != 4 || !strings.Contains(e.Msg, "answered with an HTML page (a proxy or login page?)") || strings.Contains(e.Msg+e.Hint, "s3cr3t") {
			t.Errorf("%d: %d tries, %+v", status, w.count(), e)
		}
	}
	w := script(answer(200, page), answer(200, `{"a":1}`, "Content-Type", "text/html"))
	c, _ := newClient(t, w)
	if r, err := c.Do(t.Context(), Request{}); err != nil || string(r.Body) != `{"a":1}` {
		t.Fatalf("a passing page: %v", err)
	}
}

func TestATruncatedAnswerIsReadAgain(t *testing.T) {
	n := 0
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		w.Header().Set("Content-Length", "10")
		if n < 3 {
			_, _ = w.Write([]byte(`{"a":`)) // and the connection is closed
			return
		}
		_, _ = w.Write([]byte(`{"a":1234}`))
	})
	r, err := c.Do(t.Context(), Request{})
	if err != nil || n != 3 || string(r.Body) != `{"a":1234}` {
		t.Fatalf("%v after %d tries", err, n)
	}
}

func TestDecodeKeepsNumbersAndIgnoresUnknownFields(t *testing.T) {
	r := &Response{Body: []byte(`{"id":1234567890123456789,"any":1234567890123456789,"new":[1]}` + "\n")}
	var v struct {
		ID  int64 `json:"id"`
		Any any   `json:"any"`
	}
	if err := r.Decode(&v); err != nil || v.ID != 1234567890123456789 || v.Any != json.Number("1234567890123456789") {
		t.Fatalf("%+v %v", v, err)
	}
}

func TestDecodeSaysWhatIsWrongWithoutQuotingTheBody(t *testing.T) {
	for body, want := range map[string]string{
		"<html>s3cr3t":             "HTML page",
		"":                         "without a body",
		`{"token":"s3cr3t`:         "cut off after 16 bytes",
		`s3cr3t`:                   "not JSON",
		`{"token":"x"} s3cr3t`:     "not JSON",
		`{"token":{"s3cr3t":"x"}}`: `field "token" is a JSON object`,
	} {
		var v struct {
			Token string `json:"token"`
		}
		err := (&Response{Body: []byte(body), source: "s1", op: "log in"}).Decode(&v)
		e := wantKind(t, err, fault.Unavailable)
		if !strings.Contains(e.Msg, want) || strings.Contains(e.Error(), "s3cr3t") || e.Source != "s1" || e.Op != "log in" {
			t.Errorf("%q: %v", body, e)
		}
	}
}

func TestABodyIsOpenedForEveryAttempt(t *testing.T) {
	w := script(answer(503, ""), answer(200, "{}"))
	c, _ := newClient(t, w)
	open := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("payload")), nil }
	_, err := c.Do(t.Context(), Request{Method: "PUT", Class: Idempotent, Body: open, Size: 7, ContentType: "text/plain"})
	if err != nil || w.bodies[0] != "payload" || w.bodies[1] != "payload" {
		t.Fatalf("%q %v", w.bodies, err)
	}
	if r := w.sent[1]; r.ContentLength != 7 || r.Header.Get("Content-Type") != "text/plain" {
		t.Fatalf("%d %v", r.ContentLength, r.Header)
	}
	_, err = c.Do(t.Context(), Request{Method: "POST", Body: func() (io.ReadCloser, error) { return nil, os.ErrNotExist }})
	if !errors.Is(err, os.ErrNotExist) || fault.Is(err, fault.InDoubt) || w.count() != 2 {
		t.Fatalf("%v, %d sent", err, w.count())
	}
}

func TestAGetCanHaveAJSONBody(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != "GET" || string(body) != `{"private":true}` || r.Header.Get("Content-Type") != "application/json" || r.ContentLength != 16 {
			t.Errorf("%s %q %v", r.Method, body, r.Header)
		}
	})
	if _, err := c.Do(t.Context(), Request{JSON: map[string]bool{"private": true}}); err != nil {
		t.Fatal(err)
	}
}

func TestAStreamIsRepeatedOnlyBeforeItBegins(t *testing.T) {
	content := bytes.Repeat([]byte("malware"), 1000)
	n := 0
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		switch r.URL.Path {
		case "/whole":
			if n == 1 {
				w.WriteHeader(503)
				return
			}
			_, _ = w.Write(content)
		case "/cut":
			w.Header().Set("Content-Length", "7000")
			_, _ = w.Write(content[:100])
		}
	})
	s, err := c.Open(t.Context(), Request{Path: "/whole"})
	if err != nil || n != 2 {
		t.Fatalf("%v after %d tries", err, n)
	}
	got, err := io.ReadAll(s)
	if err != nil || !bytes.Equal(got, content) || s.Close() != nil || s.Date.IsZero() {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if s, err = c.Open(t.Context(), Request{Op: "download", Path: "/cut"}); err != nil || s.Size != 7000 {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = io.ReadAll(s)
	if e := wantKind(t, err, fault.Unavailable); e.Op != "download" || n != 3 {
		t.Fatalf("%+v after %d tries", e, n)
	}
}

// drip is a body that gives one byte after each pause.
type drip struct {
	r      *http.Request
	pauses []time.Duration
}

func (d *drip) Read(p []byte) (int, error) {
	if len(d.pauses) == 0 {
		return 0, io.EOF
	}
	wait := d.pauses[0]
	d.pauses = d.pauses[1:]
	if err := sleep(d.r.Context(), wait); err != nil {
		return 0, err
	}
	p[0] = 'x'
	return 1, nil
}

func (d *drip) Close() error { return nil }

func TestAStreamMayBeLongButNotSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pauses []time.Duration
		rt := script(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: &drip{r, pauses}, ContentLength: -1}, nil
		})
		c, _ := newClient(t, rt)
		for _, tc := range []struct {
			pauses []time.Duration
			kind   fault.Kind
		}{
			{[]time.Duration{20 * time.Second, 20 * time.Second, 20 * time.Second}, ""},
			{[]time.Duration{20 * time.Second, 31 * time.Second}, fault.Unavailable},
		} {
			pauses = tc.pauses
			s, err := c.Open(t.Context(), Request{})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour) // the consumer is busy
			if _, err = io.ReadAll(s); fault.KindOf(err) != tc.kind {
				t.Errorf("%v: %v", tc.pauses, err)
			}
			s.Close()
		}
	})
}
