package defender

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/lab/world"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

// window reads a window by pages and gives the ids as they came.
func window(t *testing.T, c *Client, w source.Window) []string {
	t.Helper()
	var out []string
	for token, n := "", 0; ; n++ {
		p, err := c.Page(context.Background(), source.Stream{Name: streamName}, w, token)
		if err != nil || len(p.Bad) > 0 || p.Full || n > 200 {
			t.Fatalf("page %d: bad %v, full %v, %v", n, p.Bad, p.Full, err)
		}
		for _, a := range p.Alerts {
			out = append(out, a.ID)
		}
		if token = p.Next; token == "" {
			return out
		}
	}
}

func listed(t *testing.T, c *Client, q alert.Query) []string {
	t.Helper()
	var out []string
	for a, err := range c.List(context.Background(), q) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, a.ID)
	}
	return out
}

// sameOnce fails unless got has each of want, once.
func sameOnce(t *testing.T, what string, got, want []string) {
	t.Helper()
	a, b := slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(a, b) {
		t.Errorf("%s: %d ids, %d distinct, want %d", what, len(a), len(slices.Compact(slices.Clone(a))), len(b))
	}
}

func wideOpen(by source.Change) source.Window {
	return source.Window{By: by, From: time.Now().Add(-90 * time.Hour), To: time.Now().Add(time.Minute)}
}

func TestTenThousandAlertsAreReadOnceEach(t *testing.T) {
	sourcetest.Large(t)
	v := newVendor(t, world.Options{})
	want := v.lab.Add(10_500, 20*time.Hour, false)
	want = append(want, v.lab.Add(2_300, 30*time.Hour, true)...) // more than the vendor's largest page, at one moment
	c := v.client(t, time.Minute)
	sameOnce(t, "created", window(t, c, wideOpen(source.Created)), want)
	if n := v.lab.Calls()["GET alerts_v2"]; n > 30 {
		t.Errorf("%d requests for %d alerts", n, len(want))
	}
	sameOnce(t, "updated", window(t, c, wideOpen(source.Updated)), want)
}

func TestAlertsThatComeWhileAListIsReadShiftNothing(t *testing.T) {
	for name, equal := range map[string]bool{"different times": false, "one time": true} {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t, world.Options{})
			v.top = 200
			want := v.lab.Add(600, 20*time.Hour, equal)
			added := 0
			v.lab.OnPage(func(add func(time.Time) string) {
				if added++; added < 6 {
					add(time.Now()) // the newest: in front of all pages
				}
			})
			w := wideOpen(source.Created)
			w.To = time.Now().Add(-time.Hour)
			sameOnce(t, "window", window(t, v.client(t, time.Minute), w), want)
		})
	}
}

func TestAlertsAtOneMomentAreReadUntilTwoReadingsAgree(t *testing.T) {
	v := newVendor(t, world.Options{})
	v.top = 200
	want := v.lab.Add(350, 20*time.Hour, true)
	c := v.client(t, time.Minute)
	all := slices.Collect(func(yield func(time.Time) bool) {
		for a := range c.List(t.Context(), alert.Query{}) {
			if !yield(a.Created) {
				return
			}
		}
	})
	n := 0
	v.lab.OnPage(func(add func(time.Time) string) {
		if n++; n == 2 || n == 4 { // late ones at the same moment, between the pages
			want = append(want, add(all[0]))
		}
	})
	sameOnce(t, "window", window(t, c, wideOpen(source.Created)), want)
	v.lab.OnPage(func(add func(time.Time) string) { add(all[0]) })
	var err error
	for _, err = range c.List(t.Context(), alert.Query{}) {
		if err != nil {
			break
		}
	}
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("a list that never stands still: %v", err)
	}
}

func TestAnOrderThatIsNotObeyedLosesNothing(t *testing.T) {
	sourcetest.Large(t)
	v := newVendor(t, world.Options{})
	v.top = 200
	want := v.lab.Add(700, 20*time.Hour, false)
	want = append(want, v.lab.Add(230, 40*time.Hour, true)...)
	v.Control(t, "disorder", map[string]any{"on": true})
	c := v.client(t, time.Minute)
	sameOnce(t, "window", window(t, c, wideOpen(source.Updated)), want)
	sameOnce(t, "listing", listed(t, c, alert.Query{}), want)
	sameOnce(t, "bounded", listed(t, c, alert.Query{Since: time.Now().Add(-30 * time.Hour), Until: time.Now()}), want[:700])
}

func TestAServerWithSmallPagesLosesNothing(t *testing.T) {
	// 30 rows, never more than 7 a page, three at each moment.
	c, err := New(Options{TenantID: "t", ClientID: "app", ClientSecret: httpx.Literal("s")}, Env{Name: "m", HTTP: httpx.Config{
		Transport: smallPages{&script{}}, Attempts: 1}})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 30 {
		want = append(want, fmt.Sprint("id", i))
	}
	w := source.Window{By: source.Created, From: dayOfRows, To: dayOfRows.Add(time.Hour)}
	sameOnce(t, "window", window(t, c, w), want)
}

var dayOfRows = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// smallPages serves 30 alerts newest first, seven a page, and obeys the end of a window.
type smallPages struct{ *script }

func (s smallPages) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/alerts_v2") {
		return s.script.RoundTrip(r)
	}
	filter := r.URL.Query().Get("$filter")
	_, end, _ := strings.Cut(filter, " lt ")
	_, start, _ := strings.Cut(filter, " ge ")
	start, _, _ = strings.Cut(start, " ")
	before, _ := time.Parse(time.RFC3339Nano, end)
	from, _ := time.Parse(time.RFC3339Nano, start)
	rows := []map[string]string{}
	for i := 29; i >= 0; i-- {
		at := dayOfRows.Add(time.Duration(i/3) * 100 * time.Nanosecond * 7)
		if at.Before(before) && !at.Before(from) {
			rows = append(rows, map[string]string{"id": fmt.Sprint("id", i), "createdDateTime": at.Format(time.RFC3339Nano)})
		}
	}
	skip := 0
	_, _ = fmt.Sscan(r.URL.Query().Get("$skip"), &skip)
	reply := map[string]any{"value": rows[min(skip, len(rows)):min(skip+7, len(rows))]}
	if skip+7 < len(rows) {
		q := r.URL.Query()
		q.Set("$skip", fmt.Sprint(skip+7))
		reply["@odata.nextLink"] = "https://" + r.URL.Host + r.URL.Path + "?" + q.Encode()
	}
	body, err := json.Marshal(reply)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.replies = map[string]string{"GET /security/alerts_v2": "200 " + string(body)}
	s.mu.Unlock()
	return s.script.RoundTrip(r)
}

func TestATokenOfAPageIsCheckedAgainstItsWindow(t *testing.T) {
	c, _ := scripted(t, map[string]string{"GET /security/alerts_v2": `200 {"value":[]}`})
	w := source.Window{By: source.Created, From: dayOfRows, To: dayOfRows.Add(time.Hour)}
	for token, ok := range map[string]bool{
		"2026-11-22T10:30:00.0000001Z/0s": true, "2026-11-22T10:30:00Z/5m": true, "2026-11-22T10:00:00Z/0s": false, "2026-11-22T11:00:01Z/0s": false,
		"2026-11-21T10:30:00Z/0s": false, "2026-11-22T10:30:00Z": false, "2026-11-22T10:30:00Z/-1s": false, "x": false,
	} {
		_, err := c.Page(t.Context(), source.Stream{Name: streamName}, w, token)
		if (err == nil) != ok {
			t.Errorf("%s: %v", token, err)
		}
	}
}

func TestAListThatCannotBeSortedIsReadAllTheSame(t *testing.T) {
	v := newVendor(t, world.Options{})
	v.top = 200
	want := v.lab.Add(420, 20*time.Hour, false)
	v.Control(t, "unsorted", map[string]any{"on": true})
	c := v.client(t, time.Minute)
	sameOnce(t, "window", window(t, c, wideOpen(source.Created)), want)
	var incidents []string
	for i, err := range c.ListIncidents(t.Context(), alert.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		incidents = append(incidents, i.ID)
	}
	if len(incidents) != 140 {
		t.Errorf("%d incidents", len(incidents))
	}
	if c, _ := scripted(t, map[string]string{"GET /security/alerts_v2": `400 {"error":{"code":"BadRequest","message":"Invalid filter"}}`}); c != nil {
		if p, err := c.Page(t.Context(), source.Stream{Name: streamName}, wideOpen(source.Created), ""); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "Invalid filter") {
			t.Errorf("another refusal: %+v, %v", p, err)
		}
	}
}

func TestAReplyThatIsTooLargeIsReadInParts(t *testing.T) {
	v := newVendor(t, world.Options{})
	v.top = 200
	want := v.lab.Add(300, 20*time.Hour, false)
	v.maxBody = 100_000 // some 30 alerts
	sameOnce(t, "window", window(t, v.client(t, time.Minute), wideOpen(source.Created)), want)
}
