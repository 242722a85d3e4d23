package guardduty

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/lab/aws"
	"edrc/internal/lab/world"
	"edrc/internal/source"
)

// tap sees what a client sends.
type tap struct {
	http.RoundTripper
	mu     sync.Mutex
	bodies []string // of ListFindings
	before func(path string, body []byte)
}

func (r *tap) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
		req = req.Clone(req.Context())
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	if r.before != nil {
		r.before(req.URL.Path, body)
	}
	if strings.HasSuffix(req.URL.Path, "/findings") {
		r.mu.Lock()
		r.bodies = append(r.bodies, string(body))
		r.mu.Unlock()
	}
	return r.RoundTripper.RoundTrip(req)
}

func (v *vendor) tapped(t *testing.T, r *tap) *Client {
	t.Helper()
	r.RoundTripper = httpx.NewTransport()
	c, err := New(v.options, Env{Name: "aws-lab", HTTP: httpx.Config{Transport: r, RetryBase: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); r.RoundTripper.(*http.Transport).CloseIdleConnections() })
	return c
}

func listAll(t *testing.T, c *Client, q alert.Query) []alert.Alert {
	t.Helper()
	var out []alert.Alert
	for a, err := range c.List(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}

func idsOf(as []alert.Alert) []string {
	var ids []string
	for _, a := range as {
		ids = append(ids, a.ID)
	}
	slices.Sort(ids)
	return ids
}

func TestAListHasEveryFindingThatMatches(t *testing.T) {
	v := newVendor(t, world.Options{Alerts: 160}, aws.Options{})
	c := v.client(t, 5*time.Second)
	all := listAll(t, c, alert.Query{})
	if len(all) != 160 {
		t.Fatalf("%d findings", len(all))
	}
	now := time.Now()
	queries := []alert.Query{
		{Since: now.Add(-20 * time.Hour)}, {Until: now.Add(-20 * time.Hour)}, {Since: now.Add(-40 * time.Hour), Until: now.Add(-20 * time.Hour)},
		{Statuses: []alert.Status{alert.StatusResolved}}, {Statuses: []alert.Status{alert.StatusNew, alert.StatusInProgress}},
		{Statuses: []alert.Status{alert.StatusNew, alert.StatusResolved}}, {Severities: []alert.Severity{alert.Low, alert.Critical}},
		{Severities: []alert.Severity{alert.Info}}, {Severities: []alert.Severity{alert.Unrated}},
	}
	for s := alert.Low; s <= alert.Critical; s++ {
		queries = append(queries, alert.Query{Severities: []alert.Severity{s}})
	}
	hashes := map[alert.Hash]bool{}
	for i, a := range all {
		if i < 8 {
			queries = append(queries, alert.Query{Host: a.Host.Name}, alert.Query{Host: a.Host.ID}, alert.Query{Host: strings.ToUpper(a.Host.Name)})
		}
		for _, f := range a.Files {
			if h := f.Best(); h != "" && !hashes[h] {
				hashes[h] = true
				queries = append(queries, alert.Query{Hash: h, Severities: []alert.Severity{a.Severity}, Statuses: []alert.Status{a.Status}})
			}
		}
	}
	for _, narrow := range []bool{false, true} {
		v.Control(t, "narrow", map[string]any{"on": narrow})
		for _, q := range queries {
			if narrow && q.Hash == "" {
				continue
			}
			var want []string
			for _, a := range all {
				if q.Match(a) {
					want = append(want, a.ID)
				}
			}
			slices.Sort(want)
			got := idsOf(slices.DeleteFunc(listAll(t, c, q), func(a alert.Alert) bool { return !q.Match(a) }))
			if !slices.Equal(got, want) {
				t.Errorf("%+v (hash attributes refused: %v): %d of %d", q, narrow, len(got), len(want))
			}
		}
	}
}

func TestWhatTheAPICanFilterIsAskedOfIt(t *testing.T) {
	v := newVendor(t, world.Options{}, aws.Options{Regions: []string{"us-east-1"}})
	const hash = alert.Hash("275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f")
	since := time.UnixMilli(1795132800123)
	for name, tc := range map[string]struct {
		q    alert.Query
		want string // of the criterion
	}{
		"nothing":     {alert.Query{}, `{}`},
		"since":       {alert.Query{Since: since}, `{"updatedAt":{"greaterThanOrEqual":1795132800123}}`},
		"until":       {alert.Query{Until: since}, `{}`},
		"high+":       {alert.Query{Severities: []alert.Severity{alert.High, alert.Critical}}, `{"severity":{"greaterThanOrEqual":7}}`},
		"medium":      {alert.Query{Severities: []alert.Severity{alert.Medium}}, `{"severity":{"greaterThanOrEqual":4,"lessThan":7}}`},
		"low, high":   {alert.Query{Severities: []alert.Severity{alert.High, alert.Low}}, `{"severity":{"lessThan":9}}`},
		"open":        {alert.Query{Statuses: []alert.Status{alert.StatusNew}}, `{"service.archived":{"equals":["false"]}}`},
		"closed":      {alert.Query{Statuses: []alert.Status{alert.StatusResolved}}, `{"service.archived":{"equals":["true"]}}`},
		"instance":    {alert.Query{Host: "i-0123456789abcdef0"}, `{"resource.instanceDetails.instanceId":{"equals":["i-0123456789abcdef0"]}}`},
		"a name":      {alert.Query{Host: "web-1"}, `{}`},
		"a beginning": {alert.Query{Host: "i-0123*"}, `{}`},
	} {
		r := &tap{}
		listAll(t, v.tapped(t, r), tc.q)
		var got struct {
			FindingCriteria struct{ Criterion json.RawMessage }
			SortCriteria    map[string]string
			MaxResults      int
		}
		if len(r.bodies) != 1 || json.Unmarshal([]byte(r.bodies[0]), &got) != nil || string(got.FindingCriteria.Criterion) != tc.want {
			t.Errorf("%s: sent %q, want %s", name, r.bodies, tc.want)
		}
		if got.MaxResults != 50 || got.SortCriteria["attributeName"] != "createdAt" || got.SortCriteria["orderBy"] != "DESC" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	r := &tap{}
	listAll(t, v.tapped(t, r), alert.Query{Hash: hash})
	for _, key := range hashKeys() {
		want := fmt.Sprintf(`{"%s":{"equals":["%s","%s"]}}`, key, hash, strings.ToUpper(string(hash)))
		if !slices.ContainsFunc(r.bodies, func(b string) bool { return strings.Contains(b, want) }) {
			t.Errorf("%s is not asked for", key)
		}
	}
}

func TestAQueryThatNothingCanMatchAsksNothing(t *testing.T) {
	v := newVendor(t, world.Options{Alerts: 10}, aws.Options{})
	if got := listAll(t, v.client(t, time.Second), alert.Query{Severities: []alert.Severity{alert.Info}}); len(got) > 0 || v.lab.Requests()["guardduty:ListFindings"] > 0 {
		t.Errorf("%d findings, %v", len(got), v.lab.Requests())
	}
}

func TestNoFindingIsMissedWhileFindingsAreUpdated(t *testing.T) {
	v := newVendor(t, world.Options{}, aws.Options{Regions: []string{"us-east-1"}})
	ids := v.lab.Add(aws.Request{Count: 700, Age: 2 * time.Hour})
	var mu sync.Mutex
	n, touched := 0, map[string]bool{}
	r := &tap{}
	r.before = func(path string, body []byte) {
		if !strings.HasSuffix(path, "/findings") || !bytes.Contains(body, []byte("nextToken")) {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		// Of what was listed already: the rest moves over the edges of pages.
		if n++; n < 14 {
			id := ids[len(ids)-1-n]
			touched[id] = true
			v.Control(t, "touch", map[string]any{"ids": []string{id}})
		}
	}
	c := v.tapped(t, r)
	streams, err := c.Streams(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := source.Window{By: source.Updated, From: streams[0].Now.Add(-5 * time.Hour), To: streams[0].Now.Add(-time.Hour)}
	got := map[string]bool{}
	for token := ""; ; {
		p, err := c.Page(t.Context(), streams[0], w, token)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range p.Alerts {
			if got[a.ID] {
				t.Errorf("%s comes twice", a.ID)
			}
			got[a.ID] = true
		}
		if token = p.Next; token == "" {
			break
		}
	}
	missed := 0
	for _, id := range ids {
		if !got[id] && !touched[id] {
			missed++
		}
	}
	if missed > 0 || len(touched) == 0 {
		t.Errorf("%d findings were missed while %d were updated", missed, len(touched))
	}
	if _, err := v.client(t, time.Second).Page(t.Context(), streams[0], w, "other.50"); err == nil {
		t.Error("a token of another process is taken")
	}
}

func TestAWindowIsClosedAndItsTimesAreInMilliseconds(t *testing.T) {
	v := newVendor(t, world.Options{}, aws.Options{Regions: []string{"us-east-1"}})
	v.lab.Add(aws.Request{Count: 100, Age: time.Hour}) // 37 ms apart
	r := &tap{}
	c := v.tapped(t, r)
	streams, err := c.Streams(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := listAll(t, c, alert.Query{})
	slices.SortFunc(all, func(a, b alert.Alert) int { return a.Updated.Compare(b.Updated) })
	for _, by := range []source.Change{source.Created, source.Updated} {
		w := source.Window{By: by, From: all[10].Updated, To: all[19].Updated}
		p, err := c.Page(t.Context(), streams[0], w, "")
		if err != nil || !slices.Equal(idsOf(p.Alerts), idsOf(all[10:20])) || p.Next != "" || p.Date.IsZero() {
			t.Errorf("%s: %d alerts, %v", by, len(p.Alerts), err)
		}
	}
	last := r.bodies[len(r.bodies)-1]
	if want := fmt.Sprintf(`"updatedAt":{"greaterThanOrEqual":%d,"lessThanOrEqual":%d}`, all[10].Updated.UnixMilli(), all[19].Updated.UnixMilli()); !strings.Contains(last, want) ||
		!strings.Contains(last, `"orderBy":"ASC"`) || strings.Contains(last, "archived") {
		t.Errorf("sent %s, want %s and nothing about archived", last, want)
	}
}

func TestAnUpdateIsTheSameAlert(t *testing.T) {
	v := newVendor(t, world.Options{}, aws.Options{Regions: []string{"us-east-1"}})
	ids := v.lab.Add(aws.Request{Count: 1, Age: time.Hour})
	c := v.client(t, time.Second)
	before := listAll(t, c, alert.Query{})[0]
	v.Control(t, "touch", map[string]any{"ids": ids})
	after := listAll(t, c, alert.Query{})
	if len(after) != 1 || after[0].ID != before.ID || after[0].Digest() != before.Digest() || !after[0].Updated.After(before.Updated) || !after[0].Created.Equal(before.Created) {
		t.Errorf("%+v became %+v", before, after)
	}
	v.Control(t, "touch", map[string]any{"ids": ids, "archived": true})
	if closed := listAll(t, c, alert.Query{})[0]; closed.Digest() == before.Digest() || !closed.Status.Closed() {
		t.Errorf("archived by a rule: %+v", closed)
	}
}

func TestARequestHasAtMostFiftyIDs(t *testing.T) {
	v := newVendor(t, world.Options{}, aws.Options{Regions: []string{"us-east-1"}})
	v.lab.Add(aws.Request{Count: 130, Age: time.Hour})
	most := 0
	var mu sync.Mutex
	r := &tap{before: func(_ string, body []byte) {
		var in struct{ FindingIDs []string }
		_ = json.Unmarshal(body, &in)
		mu.Lock()
		defer mu.Unlock()
		most = max(most, len(in.FindingIDs))
	}}
	c := v.tapped(t, r)
	var hs []alert.Handle
	for _, a := range listAll(t, c, alert.Query{}) {
		hs = append(hs, a.Handle)
	}
	if as, err := c.Get(t.Context(), hs...); err != nil || len(as) != 130 {
		t.Errorf("%d, %v", len(as), err)
	}
	rs, err := c.AddNote(t.Context(), "the same for all", hs...)
	if err != nil || slices.ContainsFunc(rs, func(r source.NoteResult) bool { return r.Outcome != source.NoteDone }) {
		t.Errorf("%v, %v", rs, err)
	}
	if most != 50 || v.lab.Requests()["guardduty:UpdateFindingsFeedback"] != 3 {
		t.Errorf("at most %d ids, %v", most, v.lab.Requests())
	}
	// One more is refused, and asked for in halves: an id that AWS does not take costs itself alone.
	sites, err := c.known(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, 51)
	for i, h := range hs[:51] {
		_, ids[i], _ = splitID(h.ID)
	}
	if _, _, err := sites[0].getRaw(t.Context(), ids); !fault.Is(err, fault.Invalid) {
		t.Errorf("51 ids: %v", err)
	}
	if raws, _, err := sites[0].get(t.Context(), ids); err != nil || len(raws) != 51 {
		t.Errorf("in halves: %d, %v", len(raws), err)
	}
}
