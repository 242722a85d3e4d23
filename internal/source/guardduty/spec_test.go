package guardduty

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/httpx"
	"edrc/internal/lab/aws"
	"edrc/internal/lab/world"
	"edrc/internal/source"
)

// model is a service model as AWS publishes it.
type model struct {
	Operations map[string]struct {
		HTTP struct {
			Method string `json:"method"`
			URI    string `json:"requestUri"`
		} `json:"http"`
		Input, Output struct{ Shape string }
	} `json:"operations"`
	Shapes map[string]shape `json:"shapes"`
}

type shape struct {
	Type     string   `json:"type"`
	Required []string `json:"required"`
	Members  map[string]struct {
		Shape, Location string
		Name            string `json:"locationName"`
	} `json:"members"`
	Member     struct{ Shape string } `json:"member"`
	Value      struct{ Shape string } `json:"value"`
	Enum       []string               `json:"enum"`
	Min, Max   *float64
	Deprecated bool `json:"deprecated"`
}

func readModel(t *testing.T) *model {
	t.Helper()
	dir := os.Getenv("EDRC_SPECS")
	if dir == "" {
		t.Skip("EDRC_SPECS is not set: requests and the lab's replies are not held against AWS's service model")
	}
	f, err := os.Open(filepath.Join(dir, "aws", "guardduty-service-2.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	m := &model{}
	if err := json.NewDecoder(z).Decode(m); err != nil || len(m.Shapes) < 100 {
		t.Fatalf("%d shapes, %v", len(m.Shapes), err)
	}
	return m
}

// operation finds the operation of a request.
func (m *model) operation(method, path string) string {
	for name, op := range m.Operations {
		want, have := strings.Split(strings.Trim(op.HTTP.URI, "/"), "/"), strings.Split(strings.Trim(path, "/"), "/")
		same := op.HTTP.Method == method && len(want) == len(have)
		for i := range want {
			same = same && (strings.HasPrefix(want[i], "{") || want[i] == have[i])
		}
		if same {
			return name
		}
	}
	return ""
}

// check says where a value is not of its shape.
func (m *model) check(name string, v any, at string) []string {
	s := m.Shapes[name]
	if v == nil {
		return nil
	}
	wrong := func(text string, args ...any) []string { return []string{at + ": " + fmt.Sprintf(text, args...)} }
	switch x := v.(type) {
	case map[string]any:
		if s.Type == "map" {
			var out []string
			for k, inner := range x {
				out = append(out, m.check(s.Value.Shape, inner, at+"."+k)...)
			}
			return out
		}
		if s.Type != "structure" {
			return wrong("an object, the model has %s", s.Type)
		}
		return m.checkMembers(s, x, at)
	case []any:
		if s.Type != "list" || s.Max != nil && float64(len(x)) > *s.Max || s.Min != nil && float64(len(x)) < *s.Min {
			return wrong("a list of %d, the model has %s", len(x), s.Type)
		}
		var out []string
		for _, inner := range x {
			out = append(out, m.check(s.Member.Shape, inner, at+"[]")...)
		}
		return out
	case string:
		if s.Type != "string" || len(s.Enum) > 0 && !slices.Contains(s.Enum, x) || s.Max != nil && float64(len(x)) > *s.Max {
			return wrong("%q, the model has %s %v", x, s.Type, s.Enum)
		}
	case bool:
		if s.Type != "boolean" {
			return wrong("%v, the model has %s", x, s.Type)
		}
	case float64:
		whole := x == float64(int64(x))
		if !slices.Contains([]string{"double", "float", "timestamp", "integer", "long"}, s.Type) || !whole && (s.Type == "integer" || s.Type == "long") ||
			s.Max != nil && x > *s.Max || s.Min != nil && x < *s.Min {
			return wrong("%v, the model has %s", x, s.Type)
		}
	}
	return nil
}

func (m *model) checkMembers(s shape, x map[string]any, at string) (out []string) {
	wire := map[string]string{}
	for name, member := range s.Members {
		if member.Location != "" {
			continue
		}
		if member.Name != "" {
			wire[member.Name] = member.Shape
		} else {
			wire[name] = member.Shape
		}
		if _, has := x[member.Name]; !has && slices.Contains(s.Required, name) {
			out = append(out, at+": lacks "+member.Name)
		}
	}
	for k, inner := range x {
		if wire[k] == "" {
			out = append(out, at+"."+k+": the model does not have it")
			continue
		}
		out = append(out, m.check(wire[k], inner, at+"."+k)...)
	}
	return out
}

// witness holds every request and reply against the model.
type witness struct {
	under *http.Transport
	model *model
	t     *testing.T
	mu    sync.Mutex
	seen  map[string]int
}

func (w *witness) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		sent, _ = io.ReadAll(r.Body)
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	resp, err := w.under.RoundTrip(r)
	if err != nil || r.URL.Path == "/" {
		return resp, err
	}
	got, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(got))
	w.mu.Lock()
	defer w.mu.Unlock()
	name := w.model.operation(r.Method, r.URL.Path)
	w.seen[name]++
	if resp.StatusCode == http.StatusOK {
		op := w.model.Operations[name]
		w.judge(name+" request", op.Input.Shape, sent)
		w.judge(name+" reply", op.Output.Shape, got)
	}
	return resp, err
}

func (w *witness) judge(what, shape string, body []byte) {
	if len(body) == 0 {
		return
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		w.t.Errorf("%s: %v", what, err)
		return
	}
	for _, problem := range slices.Compact(slices.Sorted(slices.Values(w.model.check(shape, v, what)))) {
		w.t.Error(problem)
	}
}

func TestRequestsAndTheLabsRepliesAreOfTheServiceModel(t *testing.T) {
	w := &witness{under: httpx.NewTransport(), model: readModel(t), t: t, seen: map[string]int{}}
	v := newVendor(t, world.Options{Alerts: 120}, aws.Options{})
	v.withRoles()
	c, err := New(v.options, Env{Name: "aws-lab", HTTP: httpx.Config{Transport: w}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.under.CloseIdleConnections()
	defer c.Close()
	all := listAll(t, c, alert.Query{Since: time.Now().Add(-100 * time.Hour), Severities: []alert.Severity{alert.Low, alert.Critical}})
	streams, err := c.Streams(t.Context())
	if err != nil || len(all) == 0 {
		t.Fatal(err)
	}
	if _, err := c.Page(t.Context(), streams[0], source.Window{By: source.Updated, From: streams[0].Now.Add(-100 * time.Hour), To: streams[0].Now}, ""); err != nil {
		t.Error(err)
	}
	for range c.ListIncidents(t.Context(), alert.Query{}) {
	}
	_, err1 := c.Check(t.Context())
	_, err2 := c.AddNote(t.Context(), "a note", all[0].Handle)
	_, err3 := c.Resolve(t.Context(), all[0].Handle, alert.Resolution{Status: alert.StatusResolved, Verdict: "benign"})
	_, err4 := c.Resolve(t.Context(), all[0].Handle, alert.Resolution{Status: alert.StatusNew})
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			t.Error(err)
		}
	}
	for _, op := range []string{"ListDetectors", "GetDetector", "ListFindings", "GetFindings", "ArchiveFindings", "UnarchiveFindings",
		"UpdateFindingsFeedback", "GetAdministratorAccount", "GetMalwareScan"} {
		if w.seen[op] == 0 {
			t.Errorf("%s was not seen", op)
		}
	}
	if w.seen[""] > 0 {
		t.Errorf("%d requests that the model does not have", w.seen[""])
	}
}

// TestFiltersAreTheOnesOfTheReference looks for the names in the documentation of the
// model: those of a list there, the others among those of a filter.
func TestFiltersAreTheOnesOfTheReference(t *testing.T) {
	m := readModel(t)
	raw, err := os.ReadFile(filepath.Join(os.Getenv("EDRC_SPECS"), "aws", "guardduty-service-2.json.gz"))
	if err != nil || len(m.Operations) == 0 {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(hashKeys(), shortenedKey, "updatedAt", "severity", "service.archived", "type", "resource.instanceDetails.instanceId") {
		if !bytes.Contains(text, []byte("<p>"+name+"</p>")) && !bytes.Contains(text, []byte(">"+name+"<")) {
			t.Errorf("%s is not in the reference", name)
		}
	}
}
