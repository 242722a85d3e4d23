package sourcetest

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// Spec reads a document below EDRC_SPECS. Without that the test is skipped.
func Spec(t *testing.T, name string) []byte {
	t.Helper()
	dir := os.Getenv("EDRC_SPECS")
	if dir == "" {
		t.Skip("EDRC_SPECS is not set: requests are not held to the vendor's specification")
	}
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Judge is a transport that holds both sides to the vendor's specification: what the
// client sends, and what the lab answers.
type Judge struct {
	// Root is cut off each path: the document's paths start behind it. What is asked
	// for elsewhere is not judged.
	Root string
	// Unjudged, if set, tells the answers that the document does not describe.
	Unjudged func(*http.Response) bool

	t      *testing.T
	next   http.RoundTripper
	router routers.Router

	mu      sync.Mutex
	judged  map[string]struct{} // "METHOD /path", the path as the document has it
	unknown map[string]struct{} // the same as it was asked for
}

// NewJudge judges by a document.
func NewJudge(t *testing.T, doc *openapi3.T) *Judge {
	t.Helper()
	doc.Servers = nil // paths start at the root: see RoundTrip
	router, err := legacy.NewRouter(doc, openapi3.DisableExamplesValidation(), openapi3.DisableSchemaDefaultsValidation(), openapi3.DisableSchemaPatternValidation())
	if err != nil {
		t.Fatal(err)
	}
	return &Judge{t: t, router: router, judged: map[string]struct{}{}, unknown: map[string]struct{}{}}
}

// Wrap puts the judge before a transport: see [Lab].
func (j *Judge) Wrap(next http.RoundTripper) http.RoundTripper {
	j.next = next
	return j
}

// Judged gives the operations that were called, sorted, as "METHOD /path".
func (j *Judge) Judged() []string { return j.sorted(j.judged) }

// Unknown gives the requests that the document has no operation for, sorted, as "METHOD /path".
func (j *Judge) Unknown() []string { return j.sorted(j.unknown) }

func (j *Judge) sorted(of map[string]struct{}) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Sorted(maps.Keys(of))
}

func (j *Judge) note(of map[string]struct{}, what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	of[what] = struct{}{}
}

// Want fails when one of the operations was not called, or when there were other requests
// than these that the document does not know.
func (j *Judge) Want(calls, unknown []string) {
	j.t.Helper()
	for _, call := range less(calls, j.Judged()) {
		j.t.Errorf("%s was not called", call)
	}
	same(j.t, "not in the specification", j.Unknown(), unknown)
}

// RoundTrip implements http.RoundTripper.
func (j *Judge) RoundTrip(r *http.Request) (*http.Response, error) {
	path, ours := strings.CutPrefix(r.URL.Path, j.Root)
	if !ours {
		return j.next.RoundTrip(r)
	}
	body := []byte(Body(r))
	r.Body = io.NopCloser(bytes.NewReader(body))
	asked := r.Clone(context.WithoutCancel(r.Context()))
	asked.URL.Scheme, asked.URL.Host, asked.Host, asked.URL.Path, asked.URL.RawPath = "", "", "", path, ""
	asked.Body = io.NopCloser(bytes.NewReader(body))
	route, params, err := j.router.FindRoute(asked)
	if err != nil {
		j.note(j.unknown, r.Method+" "+path)
		return j.next.RoundTrip(r)
	}
	j.note(j.judged, r.Method+" "+route.Path)
	j.strangers(route, r)
	in := &openapi3filter.RequestValidationInput{
		Request: asked, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true, IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateRequest(asked.Context(), in); err != nil {
		j.t.Errorf("the client's %s %s: %.600v", r.Method, r.URL, err)
	}
	resp, err := j.next.RoundTrip(r)
	if err != nil || j.Unjudged != nil && j.Unjudged(resp) {
		return resp, err
	}
	return resp, j.answer(in, resp)
}

// answer judges what the lab says. It is JSON, whatever its content type says.
func (j *Judge) answer(in *openapi3filter.RequestValidationInput, resp *http.Response) error {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: resp.StatusCode, Options: in.Options, Header: http.Header{"Content-Type": {"application/json"}},
	}
	if len(body) > 0 {
		out.SetBodyBytes(body)
	}
	if err := openapi3filter.ValidateResponse(in.Request.Context(), out); err != nil {
		j.t.Errorf("the lab's answer to %s %s: %.600v", in.Request.Method, in.Request.URL, err)
	}
	return nil
}

// strangers reports parameters that the specification does not have: a validator of
// requests takes any.
func (j *Judge) strangers(route *routers.Route, r *http.Request) {
	known := map[string]bool{}
	for _, p := range route.Operation.Parameters {
		known[p.Value.Name] = true
	}
	for name := range r.URL.Query() {
		if !known[name] {
			j.t.Errorf("%s %s has no parameter %q", r.Method, route.Path, name)
		}
	}
}

// CloseIdleConnections does so below.
func (j *Judge) CloseIdleConnections() {
	if c, ok := j.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
