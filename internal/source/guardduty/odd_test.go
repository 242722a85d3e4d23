package guardduty

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/lab/aws"
	"edrc/internal/lab/world"
	"edrc/internal/source"
)

// rewrite changes the replies of one operation, by the end of its path.
type rewrite struct {
	*http.Transport
	path   string
	change func(body []byte) []byte
}

func (r *rewrite) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.Transport.RoundTrip(req)
	if err != nil || !strings.HasSuffix(req.URL.Path, r.path) {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	body, resp.StatusCode = r.change(body), http.StatusOK
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, err
}

func (v *vendor) rewritten(t *testing.T, path string, change func([]byte) []byte) *Client {
	t.Helper()
	r := &rewrite{httpx.NewTransport(), path, change}
	c, err := New(v.options, Env{Name: "aws-lab", HTTP: httpx.Config{Transport: r, Attempts: 2, RetryBase: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); r.CloseIdleConnections() })
	return c
}

func TestOneFindingThatCannotBeReadCostsItselfAlone(t *testing.T) {
	v := newVendor(t, world.Options{}, aws.Options{Regions: []string{"us-east-1"}})
	v.lab.Add(aws.Request{Count: 5, Age: time.Hour, Kinds: aws.Kinds(aws.KindVolume)})
	n := 0
	c := v.rewritten(t, "/findings/get", func(b []byte) []byte {
		if n++; n == 1 { // the first finding loses its time; others have odd types
			b = bytes.Replace(b, []byte(`"createdAt":"`), []byte(`"createdAt":"never `), 1)
		}
		b = bytes.ReplaceAll(b, []byte(`"severity":8,`), []byte(`"severity":"8",`))
		b = bytes.ReplaceAll(b, []byte(`"count":`), []byte(`"count":"x","new":[{"of":"AWS"}],"old":`))
		return bytes.ReplaceAll(b, []byte(`"launchTime":"2026-01-05T06:07:08.000Z"`), []byte(`"launchTime":{"a":1}`))
	})
	var good, bad int
	for a, err := range c.List(t.Context(), alert.Query{}) {
		if b, ok := errors.AsType[*source.BadItem](err); ok {
			if bad++; !strings.HasPrefix(b.ID, "us-east-1/") || !strings.Contains(b.Reason, "createdAt") {
				t.Errorf("%+v", b)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if good++; a.Severity == alert.Unrated || len(a.Files) != 1 || !bytes.Contains(a.Raw, []byte(`"of":"AWS"`)) {
			t.Errorf("%+v", a)
		}
	}
	if good != 4 || bad != 1 {
		t.Errorf("%d good, %d bad", good, bad)
	}
	streams, err := c.Streams(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n = 0
	p, err := c.Page(t.Context(), streams[0], source.Window{By: source.Created, From: streams[0].Now.Add(-2 * time.Hour), To: streams[0].Now}, "")
	if err != nil || len(p.Alerts) != 4 || len(p.Bad) != 1 {
		t.Errorf("%d alerts, %d bad, %v", len(p.Alerts), len(p.Bad), err)
	}
}

func TestAReplyWithoutWhatWasAskedForIsNoEmptyList(t *testing.T) {
	v := newVendor(t, world.Options{}, aws.Options{Regions: []string{"us-east-1"}})
	v.lab.Add(aws.Request{Count: 60, Age: time.Hour})
	for path, body := range map[string]string{"/detector": `{}`, "/findings": `{"nextToken":""}`, "/findings/get": `{"message":"hello"}`} {
		c := v.rewritten(t, path, func([]byte) []byte { return []byte(body) })
		n := 0
		var failed error
		for _, err := range c.List(t.Context(), alert.Query{}) {
			if n++; err != nil {
				failed = err
			}
		}
		if n != 1 || !fault.Is(failed, fault.Unavailable) || !strings.Contains(failed.Error(), "the reply has no") {
			t.Errorf("%s: %d items, %v", path, n, failed)
		}
	}
	c := v.rewritten(t, "/findings", func(b []byte) []byte {
		return []byte(`{"findingIds":[],"nextToken":"the same again"}`)
	})
	for _, err := range c.List(t.Context(), alert.Query{}) {
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("a token that leads to itself: %v", err)
		}
	}
}

func TestTheConsolesPageIsOfTheFindingsPartition(t *testing.T) {
	for _, tc := range [][3]string{
		{"us-east-1", "aws", "https://us-east-1.console.aws.amazon.com/guardduty/home?region=us-east-1#/findings?search=id%3Da0c1"},
		{"cn-north-1", "aws-cn", "https://cn-north-1.console.amazonaws.cn/guardduty/home?region=cn-north-1#/findings?search=id%3Da0c1"},
		{"us-gov-west-1", "aws-us-gov", "https://us-gov-west-1.console.amazonaws-us-gov.com/guardduty/home?region=us-gov-west-1#/findings?search=id%3Da0c1"},
		{"evil.example/", "aws", ""},
	} {
		f := &finding{ID: "a0c1", Region: text(tc[0]), Partition: text(tc[1])}
		if got := f.url(); got != tc[2] {
			t.Errorf("%s: %s", tc[0], got)
		}
	}
}
