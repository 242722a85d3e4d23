package lab

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// walk follows cursors to the end and returns the ids in order.
func (w *bench) walk(query string) []string {
	w.Helper()
	var ids []string
	cursor := ""
	for range 10_000 {
		p := w.threats(query + cursor)
		ids = append(ids, p.ids()...)
		if p.Pagination.NextCursor == nil {
			return ids
		}
		cursor = "&cursor=" + url.QueryEscape(*p.Pagination.NextCursor)
	}
	w.Fatal("the cursor never ends")
	return nil
}

func TestCursorReturnsEveryThreatExactlyOnce(t *testing.T) {
	w := newWorld(t, Options{Alerts: 1500})
	w.control("alerts", map[string]any{"count": 1200, "age": "5m", "equal_times": true}, nil)
	const all = 2700
	for _, query := range []string{
		"limit=7&sortBy=createdAt&createdAt__gte=2000-01-01T00:00:00.000000Z&skipCount=true",
		"limit=1000&sortBy=createdAt", "limit=999&sortBy=updatedAt&sortOrder=desc", "limit=100",
		"limit=500&sortBy=id&sortOrder=desc",
	} {
		ids := w.walk(query)
		if n := len(ids); n != all {
			t.Errorf("%s: %d threats, want %d", query, n, all)
		}
		slices.Sort(ids)
		if n := len(slices.Compact(ids)); n != all {
			t.Errorf("%s: %d distinct threats, want %d", query, n, all)
		}
	}
}

func TestListIsInTheOrderThatWasAsked(t *testing.T) {
	w := newWorld(t, Options{Alerts: 300})
	for _, order := range []string{"asc", "desc"} {
		p := w.threats("limit=300&sortBy=updatedAt&sortOrder=" + order)
		ok := slices.IsSortedFunc(p.Data, func(a, b threatItem) int {
			c := a.ThreatInfo.UpdatedAt.Compare(b.ThreatInfo.UpdatedAt)
			if order == "desc" {
				c = -c
			}
			return c
		})
		if !ok || len(p.Data) != 300 {
			t.Errorf("%s: not sorted, or %d of 300", order, len(p.Data))
		}
	}
}

func TestFiltersSelectWhatTheySay(t *testing.T) {
	w := newWorld(t, Options{Alerts: 600})
	all := w.threats("limit=1000&sortBy=createdAt")
	mid := all.Data[300]
	at := mid.ThreatInfo.CreatedAt
	stamp := at.Format("2006-01-02T15:04:05.000000Z")
	count := func(keep func(i int) bool) (n int) {
		for i := range all.Data {
			if keep(i) {
				n++
			}
		}
		return n
	}
	created := func(i int) time.Time { return all.Data[i].ThreatInfo.CreatedAt }
	status := func(i int) string { return all.Data[i].ThreatInfo.IncidentStatus }
	for query, want := range map[string]int{
		"createdAt__gte=" + stamp: count(func(i int) bool { return !created(i).Before(at) }),
		"createdAt__gt=" + stamp:  count(func(i int) bool { return created(i).After(at) }),
		"createdAt__lt=" + stamp:  count(func(i int) bool { return created(i).Before(at) }),
		"createdAt__lte=" + stamp: count(func(i int) bool { return !created(i).After(at) }),
		"updatedAt__lte=" + stamp: count(func(i int) bool { return !all.Data[i].ThreatInfo.UpdatedAt.After(at) }),
		"incidentStatuses=resolved,in_progress": count(func(i int) bool {
			return status(i) != "unresolved"
		}),
		"incidentStatusesNin=resolved":                  count(func(i int) bool { return status(i) != "resolved" }),
		"ids=" + mid.ID + "," + all.Data[7].ID + ",123": 2,
		"computerName__contains=" + mid.AgentRealtimeInfo.AgentComputerName: count(func(i int) bool {
			return all.Data[i].AgentRealtimeInfo.AgentComputerName == mid.AgentRealtimeInfo.AgentComputerName
		}),
		"noteExists=true": len(w.lab.State().Sources["s1-lab"].Notes),
	} {
		p := w.threats("limit=1000&" + query)
		if len(p.Data) != want || p.Pagination.TotalItems != want {
			t.Errorf("%s: %d threats, total %d, want %d", query, len(p.Data), p.Pagination.TotalItems, want)
		}
		if only := w.threats(query + "&countOnly=true"); len(only.Data) != 0 || only.Pagination.TotalItems != want {
			t.Errorf("%s: countOnly gives %d threats and total %d, want 0 and %d", query, len(only.Data), only.Pagination.TotalItems, want)
		}
	}
}

func TestListRefusesWhatTheVendorRefuses(t *testing.T) {
	c := newClock()
	w := newWorld(t, Options{Alerts: 50, Now: c.Now})
	cursor := url.QueryEscape(*w.threats("limit=5&sortBy=createdAt").Pagination.NextCursor)
	for _, query := range []string{
		"limit=0", "limit=1001", "skip=1001", "skip=-1", "nonsense=1", "Ids=1", "sortBy=severity", "sortOrder=up",
		"createdAt__gte=yesterday", "incidentStatuses=open", "noteExists=maybe", "ids=abc", "cursor=garbage", "cursor=e30%3D",
		"siteIds=1&siteIds=2", "sortBy=updatedAt&cursor=" + cursor, "sortBy=createdAt&osTypes=linux&cursor=" + cursor,
	} {
		var body struct {
			Errors []struct {
				Code          int
				Title, Detail string
			}
		}
		w.s1(400, "GET", "/threats?"+query, nil).decode(t, &body)
		if len(body.Errors) != 1 || body.Errors[0].Code/10_000 != 400 || body.Errors[0].Detail == "" {
			t.Errorf("%s: errors %+v", query, body.Errors)
		}
	}
	w.threats("limit=7&sortBy=createdAt&cursor=" + cursor)
	c.advance(10 * time.Minute)
	w.s1(400, "GET", "/threats?limit=5&sortBy=createdAt&cursor="+cursor, nil)
}

func TestWrongTokenIs401(t *testing.T) {
	w := newWorld(t, Options{Alerts: 5})
	base := w.lab.consoleURLs[0]
	for _, auth := range []string{"", "ApiToken wrong", "Bearer " + w.token, "Token " + w.token, w.token} {
		w.must(401, "GET", base+restRoot+"/threats", auth, nil)
	}
	w.must(401, "POST", base+graphqlPath, "ApiToken "+w.token, map[string]string{"query": "{alerts{totalCount}}"})
	w.must(200, "GET", base+restRoot+"/system/status", "", nil)
	if a := w.s1(200, "GET", "/system/info", nil); a.header.Get("X-RQID") == "" {
		t.Error("no X-RQID")
	}
	w.control("token", map[string]any{"source": "s1-lab", "valid": false}, nil)
	w.s1(401, "GET", "/threats", nil)
	w.control("token", map[string]any{"source": "s1-lab", "valid": true}, nil)
	w.s1(200, "GET", "/threats", nil)
}

func TestSameSeedIsTheSameWorld(t *testing.T) {
	digest := func(seed uint64) string {
		w := newWorld(t, Options{Seed: seed, Sources: 2, Now: newClock().Now})
		h := sha256.New()
		h.Write(w.s1(200, "GET", "/threats?limit=1000", nil).body)
		h.Write(w.s1(200, "GET", "/agents?limit=100", nil).body)
		h.Write(w.intezer(200, "POST", "/analyses/history", map[string]any{"start_date": 0, "end_date": 9e9}).body)
		fmt.Fprint(h, w.token, w.lab.engine.apiKey, w.lab.consoles[1].threats)
		return fmt.Sprintf("%x", h.Sum(nil))
	}
	first := digest(7)
	if second := digest(7); first != second {
		t.Error("seed 7 gave two worlds")
	}
	if other := digest(8); first == other {
		t.Error("seeds 7 and 8 gave one world")
	}
}

func TestWorldHasTheAwkwardCases(t *testing.T) {
	w := newWorld(t, Options{Alerts: 3000})
	p := w.threats("limit=1000&sortBy=createdAt")
	for next := p.Pagination.NextCursor; next != nil; {
		more := w.threats("limit=1000&sortBy=createdAt&cursor=" + url.QueryEscape(*next))
		p.Data, next = append(p.Data, more.Data...), more.Pagination.NextCursor
	}
	has := map[string]int{}
	times := map[time.Time]int{}
	for _, d := range p.Data {
		i := d.ThreatInfo
		times[i.CreatedAt]++
		switch {
		case i.SHA256 == nil && i.SHA1 == nil && i.MD5 == nil:
			has["no hash"]++
		case i.SHA1 != nil && strings.Trim(*i.SHA1, "0") == "":
			has["zero sha1"]++
		case i.SHA256 == nil && i.SHA1 != nil && i.MD5 == nil:
			has["sha1 only"]++
		case i.SHA256 != nil && i.SHA1 != nil && i.MD5 != nil:
			has["all hashes"]++
		}
		for _, bad := range []string{"\x1b", "\r", "\u202e", "\n", "=cmd|", "[edrc:5b1f09c2a94e7d10]"} {
			if strings.Contains(i.ThreatName, bad) {
				has[bad]++
			}
		}
		if !d.AgentRealtimeInfo.AgentIsActive {
			has["offline"]++
		}
		if i.IncidentStatus == "resolved" {
			has["resolved"]++
		}
		if times[i.CreatedAt] > 20 {
			has["equal times"]++
		}
	}
	for _, want := range []string{
		"no hash", "zero sha1", "sha1 only", "all hashes", "offline", "resolved", "equal times",
		"\x1b", "\r", "\u202e", "\n", "=cmd|", "[edrc:5b1f09c2a94e7d10]",
	} {
		if has[want] == 0 {
			t.Errorf("no alert has %q", want)
		}
	}
	notes := w.lab.State().Sources["s1-lab"].Notes
	if len(notes) != 3 {
		t.Errorf("%d alerts carry foreign notes, want 3", len(notes))
	}
}

func TestLateAlertsBecomeVisibleWithinTheBound(t *testing.T) {
	c := newClock()
	const bound = 10 * time.Minute
	w := newWorld(t, Options{Alerts: 1000, LateFraction: 0.1, LateMax: bound, Now: c.Now})
	first := w.walk("limit=1000")
	if n := len(first); n < 850 || n > 950 {
		t.Fatalf("%d of 1000 alerts are visible at the start, want about 900", n)
	}
	start := c.Now()
	seen := map[string]bool{}
	for _, id := range first {
		seen[id] = true
	}
	late := 0
	for step := time.Minute; step <= bound; step += time.Minute {
		c.advance(time.Minute)
		for _, d := range w.threats("limit=1000&sortBy=createdAt&sortOrder=desc").Data {
			if seen[d.ID] {
				continue
			}
			seen[d.ID] = true
			late++
			if at := d.ThreatInfo.CreatedAt; at.After(start) || c.Now().Sub(at) > bound+time.Minute {
				t.Errorf("%s appeared at %s, created %s", d.ID, c.Now(), at)
			}
		}
	}
	if len(seen) != 1000 || late == 0 {
		t.Errorf("%d of 1000 alerts became visible, %d of them late", len(seen), late)
	}
}

func TestMutateMovesThreatsOnlyWhenAsked(t *testing.T) {
	for _, mutate := range []bool{false, true} {
		c := newClock()
		w := newWorld(t, Options{Alerts: 100, Mutate: mutate, Now: c.Now})
		before := c.Now()
		c.advance(time.Second)
		for range 60 {
			w.threats("limit=1")
		}
		moved := w.threats("updatedAt__gt=" + before.Format("2006-01-02T15:04:05.000000Z")).Pagination.TotalItems
		if (moved > 0) != mutate {
			t.Errorf("mutate %v: %d threats moved", mutate, moved)
		}
	}
}

func TestSkewMovesEveryServerTime(t *testing.T) {
	c := newClock()
	w := newWorld(t, Options{Alerts: 10, Skew: time.Hour, Now: c.Now})
	a := w.s1(200, "GET", "/threats", nil)
	if got, want := a.header.Get("Date"), c.Now().Add(time.Hour).UTC().Format(time.RFC1123); got != strings.Replace(want, "UTC", "GMT", 1) {
		t.Errorf("Date %s, want %s", got, want)
	}
	var ids struct{ IDs []string }
	w.control("alerts", map[string]any{"source": "s1-lab", "age": "10m"}, &ids)
	p := w.threats("ids=" + ids.IDs[0])
	if want := c.Now().Add(50 * time.Minute); !p.Data[0].ThreatInfo.CreatedAt.Equal(want) {
		t.Errorf("created %s, want %s", p.Data[0].ThreatInfo.CreatedAt, want)
	}
}
