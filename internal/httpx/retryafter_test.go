package httpx

import (
	"net/http"
	"testing"
	"time"
)

func TestEveryDialectOfRetryAfterIsUnderstood(t *testing.T) {
	date := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) // the vendor's clock
	ours := date.Add(-time.Hour)                           // ours is wrong
	in := func(d time.Duration, layout string) string { return date.Add(d).Format(layout) }
	for _, tc := range []struct {
		name   string
		header []string
		want   time.Duration
		ok     bool
	}{
		{"seconds", []string{"Retry-After", "12"}, 12 * time.Second, true},
		{"a fraction of seconds", []string{"Retry-After", "1.5"}, 1500 * time.Millisecond, true},
		{"at once", []string{"Retry-After", "0"}, 0, true},
		{"negative", []string{"Retry-After", "-3"}, 0, true},
		{"a date", []string{"Retry-After", in(90*time.Second, http.TimeFormat)}, 90 * time.Second, true},
		{"a date that has passed", []string{"Retry-After", in(-time.Minute, http.TimeFormat)}, 0, true},
		{"epoch seconds", []string{"Retry-After", "1795348830"}, 30 * time.Second, true},
		{"Falcon in milliseconds", []string{"X-Ratelimit-Retryafter", "1795348842500"}, 42500 * time.Millisecond, true},
		{"Falcon in seconds", []string{"X-Ratelimit-Retryafter", "1795348842"}, 42 * time.Second, true},
		{"Intezer's reset with a fraction", []string{"X-RateLimit-Reset", "1795348809.5"}, 9500 * time.Millisecond, true},
		{"a reset in seconds from now", []string{"X-RateLimit-Reset", "5"}, 5 * time.Second, true},
		{"Retry-After goes before a reset", []string{"Retry-After", "2", "X-RateLimit-Reset", "60"}, 2 * time.Second, true},
		{"an unreadable one does not hide the next", []string{"Retry-After", "soon", "X-RateLimit-Reset", "6"}, 6 * time.Second, true},
		{"absurd", []string{"Retry-After", "1e300"}, 365 * 24 * time.Hour, true},
		{"infinite", []string{"Retry-After", "inf"}, 365 * 24 * time.Hour, true},
		{"not a number", []string{"Retry-After", "NaN"}, 0, false},
		{"nothing", nil, 0, false},
	} {
		h := http.Header{"Date": {date.Format(http.TimeFormat)}}
		for i := 0; i < len(tc.header); i += 2 {
			h.Set(tc.header[i], tc.header[i+1])
		}
		if got, ok := retryAfter(h, ours); got != tc.want || ok != tc.ok {
			t.Errorf("%s: got %v %v, want %v %v", tc.name, got, ok, tc.want, tc.ok)
		}
	}
	h := http.Header{"X-Ratelimit-Retryafter": {"1795348842"}} // without a Date, ours has to do
	if got, _ := retryAfter(h, date); got != 42*time.Second {
		t.Errorf("without a Date: %v", got)
	}
}

func TestAnAnswerThatNothingIsLeftSlowsTheNextOne(t *testing.T) {
	last := answer(200, "", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "8")
	c, k := newClient(t, script(last, answer(200, "", "X-RateLimit-Remaining", "5", "X-RateLimit-Reset", "60")))
	for range 3 {
		if _, err := c.Do(t.Context(), Request{}); err != nil {
			t.Fatal(err)
		}
	}
	if len(k.sleeps) != 1 || k.slept() != 8*time.Second {
		t.Fatalf("slept %v", k.sleeps)
	}
}

func TestAFarResetIsNotTakenForARefusal(t *testing.T) {
	c, k := newClient(t, script(answer(200, "", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "86400")))
	for range 2 {
		if _, err := c.Do(t.Context(), Request{}); err != nil {
			t.Fatal(err)
		}
	}
	if k.slept() != time.Minute {
		t.Fatalf("slept %v", k.sleeps)
	}
}

func TestTheVendorsClockIsInTheResponse(t *testing.T) {
	c, _ := newClient(t, script(answer(200, "", "Date", "Sun, 22 Nov 2026 12:00:00 GMT"), answer(200, "", "Date", "yesterday")))
	r, err := c.Do(t.Context(), Request{})
	if err != nil || !r.Date.Equal(newClock().now) {
		t.Fatalf("%v %v", r, err)
	}
	if r, err = c.Do(t.Context(), Request{}); err != nil || !r.Date.IsZero() {
		t.Fatalf("%v %v", r, err)
	}
}
