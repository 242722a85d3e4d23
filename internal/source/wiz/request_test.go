package wiz

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/scanner"
	"time"

	"edrc/internal/alert"
	"edrc/internal/lab/world"
	"edrc/internal/source"
)

// pairs reads documents into "field.subfield" and "field(argument)", without aliases.
func pairs(t *testing.T, text string) map[string]bool {
	t.Helper()
	var s scanner.Scanner
	s.Init(strings.NewReader(text))
	s.Mode = scanner.ScanIdents | scanner.ScanInts | scanner.ScanStrings
	var tokens []string
	for tok := s.Scan(); tok != scanner.EOF; tok = s.Scan() {
		if tok == '#' {
			for s.Peek() != '\n' {
				s.Next()
			}
			continue
		}
		tokens = append(tokens, s.TokenText())
	}
	out := map[string]bool{}
	stack, last := []string{}, ""
	for i := 0; i < len(tokens); i++ {
		switch tok := tokens[i]; tok {
		case "{":
			stack = append(stack, last)
		case "}":
			stack = stack[:len(stack)-1]
		case "(":
			depth := 0
			for ; ; i++ {
				switch tokens[i] {
				case "(", "{", "[":
					depth++
				case ")", "}", "]":
					depth--
				case ":":
					if depth == 1 && tokens[i-2] != "$" && len(stack) > 0 {
						out[last+"("+tokens[i-1]+")"] = true
					}
				}
				if depth == 0 {
					break
				}
			}
		case ".": // ... on Type {
			i += 4
			last = stack[len(stack)-1]
		case ":", "query", "mutation":
		default:
			if len(stack) == 0 || i+1 < len(tokens) && tokens[i+1] == ":" {
				last = "" // the name of an operation, or an alias
				continue
			}
			if last = tok; stack[len(stack)-1] != "" {
				out[stack[len(stack)-1]+"."+tok] = true
			} else {
				out[tok] = true
			}
		}
	}
	if len(stack) != 0 {
		t.Fatalf("%d brackets are open", len(stack))
	}
	return out
}

// recorder sees what a client sends.
type recorder struct {
	next http.RoundTripper
	mu   sync.Mutex
	sent []sent
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.HasSuffix(req.URL.Path, "/graphql") {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		_ = req.Body.Close()
		req.Body = io.NopCloser(bytes.NewReader(body))
		var one sent
		if err := json.Unmarshal(body, &one); err != nil {
			return nil, err
		}
		r.mu.Lock()
		r.sent = append(r.sent, one)
		r.mu.Unlock()
	}
	return r.next.RoundTrip(req)
}

func (r *recorder) CloseIdleConnections() {
	if c, ok := r.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func TestRequestsAskForNothingThatTheVendorsClientsDoNot(t *testing.T) {
	raw, err := os.ReadFile("testdata/documents.graphql")
	if err != nil {
		t.Fatal(err)
	}
	known := pairs(t, string(raw))
	if !known["detections"] || !known["issue.resolutionReason"] || !known["detections(enforceTimestampContinuity)"] || known["issueNote.nonsense"] {
		t.Fatal("the documents are not read")
	}
	r := &recorder{}
	v := newVendor(t, world.Options{Alerts: 200})
	v.Wrap = func(next http.RoundTripper) http.RoundTripper {
		r.next = next
		return r
	}
	useEverything(t, v, v.client(t, time.Minute))
	operations := map[string]bool{}
	for _, one := range r.sent {
		for pair := range pairs(t, one.Query) {
			if !known[pair] {
				t.Errorf("%q is not in what the vendor's clients ask for, in %.60s", pair, one.Query)
			}
		}
		operations[strings.Fields(one.Query)[1]] = true
	}
	var got []string
	for o := range operations {
		name, _, _ := strings.Cut(o, "(")
		got = append(got, name)
	}
	slices.Sort(got)
	if want := []string{"CreateIssueNote", "DeleteIssueNote", "Detections", "GetIssue", "GetIssueNotes", "IssuesTable", "UpdateIssue"}; !slices.Equal(slices.Compact(got), want) {
		t.Errorf("operations %v, want %v", got, want)
	}
}

// useEverything calls every method once, with success.
func useEverything(t *testing.T, v *vendor, c *Client) {
	t.Helper()
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	st, err := c.Streams(ctx)
	must(err)
	w := source.Window{By: source.Created, From: st[0].Now.Add(-72 * time.Hour), To: st[0].Now}
	for _, s := range st {
		for _, w.By = range []source.Change{source.Created, source.Updated} {
			_, err = c.Page(ctx, s, w, "")
			must(err)
		}
	}
	var h alert.Handle
	for a, err := range c.List(ctx, alert.Query{Since: w.From, Severities: []alert.Severity{alert.High}}) {
		if must(err); a.Note != "" && !a.Status.Closed() {
			h = a.Handle
		}
	}
	_, err = c.Get(ctx, h)
	must(err)
	for _, err := range c.ListIncidents(ctx, alert.Query{Since: w.From, Severities: []alert.Severity{alert.High}, Statuses: []alert.Status{alert.StatusNew}}) {
		must(err)
	}
	_, err = c.GetIncident(ctx, h.Group)
	must(err)
	rs, err := c.AddNote(ctx, "text", h)
	must(err)
	for _, err := range c.Notes(ctx, h) {
		must(err)
	}
	_, err = c.ProbeNotes(ctx, h)
	must(err)
	must(c.RemoveNote(ctx, h, rs[0].NoteID))
	_, err = c.Resolve(ctx, h, alert.Resolution{Status: alert.StatusResolved, Verdict: "benign", Reason: "x"})
	must(err)
	_, err = c.Check(ctx)
	must(err)
}

func TestVariablesAreAsTheVendorWantsThem(t *testing.T) {
	const page = `200 {"data":{"detections":{"nodes":[],"pageInfo":{"hasNextPage":false}},"issues":{"nodes":[],"pageInfo":{"hasNextPage":false}}}}`
	from, to := time.Date(2026, 7, 1, 15, 12, 18, 155902100, time.UTC), time.Date(2026, 7, 2, 0, 0, 0, 0, time.FixedZone("", 7200))
	window := func(by source.Change) source.Window { return source.Window{By: by, From: from, To: to} }
	ctx := context.Background()
	const both = `"type":{"equals":["GENERATED_THREAT","MATCH_ONLY"]}`
	const after = `"after":"2026-07-01T15:12:17.1559021Z"`
	const closed = after + `,"before":"2026-07-01T22:00:01Z"`
	drain := func(q alert.Query, c *Client) error {
		for _, err := range c.List(ctx, q) {
			return err
		}
		return nil
	}
	for name, tc := range map[string]struct {
		do   func(*Client) error
		want string
		says string // in the document
	}{
		"created": {func(c *Client) error {
			_, err := c.Page(ctx, source.Stream{Name: "detections"}, window(source.Created), "cur")
			return err
		},
			`{"after":"cur","filterBy":{"createdAt":{` + closed + `},` + both + `},"first":100,"orderBy":{"direction":"ASC","field":"CREATED_AT"}}`, "enforceTimestampContinuity: true"},
		"updated": {func(c *Client) error {
			_, err := c.Page(ctx, source.Stream{Name: "detections"}, window(source.Updated), "")
			return err
		},
			`{"filterBy":{` + both + `,"updatedAt":{` + after + `}},"first":100,"orderBy":{"direction":"ASC","field":"CREATED_AT"}}`, "updatedAt"},
		"threats": {func(c *Client) error {
			_, err := c.Page(ctx, source.Stream{Name: "threats"}, window(source.Updated), "")
			return err
		},
			`{"filterBy":{"statusChangedAt":{` + after + `},"type":["THREAT_DETECTION"]},"filterScope":"ALL_ISSUE_DETECTIONS","first":100,"orderBy":{"direction":"ASC","field":"CREATED_AT"}}`, "issuesV2"},
		"list": {func(c *Client) error {
			return drain(alert.Query{Since: from, Severities: []alert.Severity{alert.High, alert.Info}, Host: "x"}, c)
		},
			`{"filterBy":{"createdAt":{` + after + `},"severity":{"equals":["INFORMATIONAL","HIGH"]},` + both + `},"first":100,"orderBy":{"direction":"DESC","field":"CREATED_AT"}}`, "triggeringEvents(first: 50)"},
		"unrated": {func(c *Client) error {
			return drain(alert.Query{Severities: []alert.Severity{alert.High, alert.Unrated}}, c)
		},
			`{"filterBy":{` + both + `},"first":100,"orderBy":{"direction":"DESC","field":"CREATED_AT"}}`, "detections"},
		"get": {func(c *Client) error {
			_, err := c.Get(ctx, alert.Handle{ID: matchID}, alert.Handle{ID: matchID})
			return err
		},
			`{"filterBy":{"id":{"equals":["` + matchID + `"]},` + both + `},"first":100,"orderBy":{"direction":"ASC","field":"CREATED_AT"}}`, "detections"},
		"probe": {func(c *Client) error { _, err := c.ProbeNotes(ctx, onThreat()); return err },
			`{"filterBy":{"id":["` + threatID + `"],"type":["THREAT_DETECTION"]},"filterScope":"ALL_ISSUE_DETECTIONS","first":500,"orderBy":{"direction":"ASC","field":"CREATED_AT"}}`, "notes { id }"},
		"note": {func(c *Client) error { _, err := c.AddNote(ctx, "x \"y\"", onThreat()); return err },
			`{"input":{"issueId":"` + threatID + `","text":"x \"y\""}}`, "createIssueNote(input: $input)"},
		"remove": {func(c *Client) error { _ = c.RemoveNote(ctx, onThreat(), noteID); return nil },
			`{"input":{"id":"` + noteID + `"}}`, "_stub"},
	} {
		c, s := scripted(t, map[string]string{"detections": page, "issues": page})
		if err := tc.do(c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got, err := json.Marshal(s.sent[0].Variables)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: sent %s\nwant %s", name, got, tc.want)
		}
		if !strings.Contains(s.sent[0].Query, tc.says) {
			t.Errorf("%s: the document does not say %q", name, tc.says)
		}
		if got := slices.Sorted(maps.Keys(s.headers[0])); len(got) == 0 || s.headers[0].Get("User-Agent") == "" {
			t.Errorf("%s: headers %v", name, got)
		}
	}
}
