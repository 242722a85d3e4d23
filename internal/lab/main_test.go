package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// bench is a lab and a plain HTTP client that knows its keys from the configuration, as edrc would.
type bench struct {
	*testing.T
	lab    *Lab
	client *http.Client
	token  string // of the first console
	bearer string // of the engine, fetched when first used
}

func newWorld(t *testing.T, o Options) *bench {
	t.Helper()
	l, err := Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &bench{T: t, lab: l, client: &http.Client{Transport: transport, Timeout: 20 * time.Second}}
	w.token = regexp.MustCompile(`token: "([^"]+)"`).FindStringSubmatch(string(l.Config()))[1]
	return w
}

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// answer is a reply, read whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) decode(t *testing.T, to any) {
	t.Helper()
	if err := json.Unmarshal(a.body, to); err != nil {
		t.Fatalf("%v in %.300s", err, a.body)
	}
}

// do sends one request; body is marshalled unless it is nil.
func (w *bench) do(method, url, authorization string, body any) (answer, error) {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			w.Fatal(err)
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, url, r)
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Authorization", authorization)
	req.Header.Set("Content-Type", "application/json")
	resp, err := w.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, b}, err
}

// s1 calls the first console and demands a status.
func (w *bench) s1(status int, method, path string, body any) answer {
	w.Helper()
	return w.must(status, method, w.lab.consoleURLs[0]+restRoot+path, "ApiToken "+w.token, body)
}

// intezer calls the engine with a token and demands a status.
func (w *bench) intezer(status int, method, path string, body any) answer {
	w.Helper()
	if w.bearer == "" {
		var token struct{ Result string }
		w.must(200, "POST", w.lab.engineURL+intezerRoot+"/get-access-token", "", map[string]string{"api_key": w.lab.engine.apiKey}).decode(w.T, &token)
		w.bearer = token.Result
	}
	return w.must(status, method, w.lab.engineURL+intezerRoot+path, "Bearer "+w.bearer, body)
}

// control calls the control server.
func (w *bench) control(path string, body, out any) {
	w.Helper()
	a := w.must(200, "POST", w.lab.ControlURL()+"/_lab/"+path, "", body)
	if out != nil {
		a.decode(w.T, out)
	}
}

func (w *bench) must(status int, method, url, authorization string, body any) answer {
	w.Helper()
	a, err := w.do(method, url, authorization, body)
	if err != nil {
		w.Fatal(err)
	}
	if a.status != status {
		w.Fatalf("%s %s: status %d, want %d: %.300s", method, url, a.status, status, a.body)
	}
	return a
}

// graphql runs a query on the first console and demands that it has no errors, or one with this text.
func (w *bench) graphql(query string, variables map[string]any, wantError string) map[string]json.RawMessage {
	w.Helper()
	a := w.must(200, "POST", w.lab.consoleURLs[0]+graphqlPath, "Bearer "+w.token, map[string]any{"query": query, "variables": variables})
	var out struct {
		Data   map[string]json.RawMessage
		Errors []struct{ Message string }
	}
	a.decode(w.T, &out)
	text := fmt.Sprint(out.Errors)
	if (wantError == "") != (len(out.Errors) == 0) || !strings.Contains(text, wantError) {
		w.Fatalf("errors %s, want %q", text, wantError)
	}
	return out.Data
}

// threatItem is a threat, as far as tests read it.
type threatItem struct {
	ID         string
	ThreatInfo struct {
		CreatedAt, UpdatedAt           time.Time
		IncidentStatus, AnalystVerdict string
		ThreatName                     string
		SHA256, SHA1, MD5              *string
	}
	AgentRealtimeInfo struct {
		AgentID, AgentComputerName, AgentNetworkStatus string
		AgentIsActive                                  bool
	}
}

// threatPage is a page of GET /threats.
type threatPage struct {
	Data       []threatItem
	Pagination struct {
		TotalItems int
		NextCursor *string
	}
}

func (w *bench) threats(query string) threatPage {
	w.Helper()
	var p threatPage
	w.s1(200, "GET", "/threats?"+query, nil).decode(w.T, &p)
	return p
}

func (p threatPage) ids() []string {
	var out []string
	for _, d := range p.Data {
		out = append(out, d.ID)
	}
	return out
}
