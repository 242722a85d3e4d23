package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	intezerRoot = "/api/v2-0"
	maxUpload   = 150 << 20
)

// reply is a status and a body; a nil body is an empty one.
type reply struct {
	status int
	body   any
}

// call is one request to the engine: its path values and the fields of its JSON body, which GETs have too.
type call struct {
	r      *http.Request
	fields map[string]json.RawMessage
}

// intezerHandler answers a call. It is called with the engine locked; fields names what the body may have.
type intezerHandler struct {
	fields string
	answer func(c call) (reply, error)
}

// routes is the REST face of the engine.
func (e *engine) routes() http.Handler {
	mux := http.NewServeMux()
	open := func(pattern string, h intezerHandler) { mux.Handle(underRoot(pattern), e.serve(h, false)) }
	auth := func(pattern, fields string, answer func(c call) (reply, error)) {
		mux.Handle(underRoot(pattern), e.serve(intezerHandler{fields, answer}, true))
	}
	open("POST /get-access-token", intezerHandler{"api_key", e.accessToken})
	open("GET /is-available", intezerHandler{"", func(call) (reply, error) {
		return reply{http.StatusOK, map[string]bool{"is_available": true}}, nil
	}})
	auth("GET /accounts/me", "", e.account)
	auth("GET /current-quota-usage", "", e.quotaUsage)
	auth("GET /files/{hash}", "should_get_only_private_analysis should_get_only_composed_analysis requester", e.latest)
	auth("POST /analyze-by-hash", `hash disable_dynamic_execution disable_static_extraction sandbox_command_line_arguments
		sandbox_machine_type file_name requester related_alert_ids`, e.analyzeByHash)
	auth("POST /analyses/history", `hash family_names file_name start_date end_date limit offset aggregated_view sources verdicts`, e.history)
	auth("GET /analyses/{id}", "", e.getAnalysis)
	auth("GET /analyses/{id}/sub-analyses", "", e.subAnalyses)
	auth("GET /analyses/{id}/sub-analyses/{sub}/code-reuse", "", e.codeReuse)
	auth("GET /analyses/{id}/sub-analyses/{sub}/metadata", "", e.metadata)
	auth("GET /analyses/{id}/iocs", "", e.iocs)
	auth("GET /analyses/{id}/dynamic-ttps", "", e.ttps)
	mux.Handle(underRoot("POST /analyze"), e.serveUpload())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeIntezerError(w, &apiError{http.StatusNotFound, "Not found", r.Method + " " + r.URL.Path}, nil)
	})
	return mux
}

func underRoot(pattern string) string {
	method, path, _ := strings.Cut(pattern, " ")
	return method + " " + intezerRoot + path
}

// serve puts the token, the strict body and the errors around a handler.
func (e *engine) serve(h intezerHandler, auth bool) http.Handler {
	known := nameSet(h.fields)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if auth && !e.admit(r) {
			writeIntezerError(w, unauthorized(), nil)
			return
		}
		fields, unknown, err := bodyFields(r, known)
		if err == nil {
			var out reply
			e.mu.Lock()
			out, err = h.answer(call{r, fields})
			e.mu.Unlock()
			if err == nil {
				writeReply(w, out)
				return
			}
		}
		writeIntezerError(w, asAPIError(err), unknown)
	})
}

// bodyFields is the JSON body. Parameters belong there and not into the query, of GETs too; an unknown one is a 400.
func bodyFields(r *http.Request, known map[string]bool) (fields map[string]json.RawMessage, unknown []string, err error) {
	for name := range r.URL.Query() {
		unknown = append(unknown, name)
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxJSON))
	if err != nil {
		return nil, nil, badRequest("The request is not valid")
	}
	if len(bytes.TrimSpace(raw)) > 0 {
		if r.Header.Get("Content-Type") != "" && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
			return nil, nil, &apiError{http.StatusBadRequest, "The request is not valid", "content type"}
		}
		if err := json.Unmarshal(raw, &fields); err != nil {
			return nil, nil, &apiError{http.StatusBadRequest, "The request is not valid", "not a JSON object"}
		}
	}
	for name := range fields {
		if !known[name] {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return nil, unknown, &apiError{status: http.StatusBadRequest, title: "The request is not valid"}
	}
	return fields, nil, nil
}

// field decodes one field of the body; it leaves to alone if the field is not there, and says 400 if it has another type.
func (c call) field(name string, to any) error {
	raw, ok := c.fields[name]
	if !ok {
		return nil
	}
	if err := json.Unmarshal(raw, to); err != nil {
		return &apiError{http.StatusBadRequest, "The request is not valid", name}
	}
	return nil
}

// admit checks the bearer token.
func (e *engine) admit(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	e.mu.Lock()
	defer e.mu.Unlock()
	until, known := e.tokens[token]
	return ok && known && e.clock().Before(until)
}

func unauthorized() *apiError {
	return &apiError{status: http.StatusUnauthorized, title: "Unauthorized"}
}

func writeReply(w http.ResponseWriter, out reply) {
	if out.body == nil {
		w.WriteHeader(out.status)
		return
	}
	writeJSON(w, out.status, "application/json", out.body)
}

// writeIntezerError answers in the shape of the Intezer API.
func writeIntezerError(w http.ResponseWriter, err *apiError, unknown []string) {
	body := map[string]any{"error": err.title}
	details := map[string][]string{}
	for _, name := range unknown {
		details[name] = []string{"unknown field"}
	}
	if err.detail != "" {
		details[err.detail] = []string{"invalid"}
	}
	if len(details) > 0 {
		body["details"] = details
	}
	writeJSON(w, err.status, "application/json", body)
}

// count, writes and refuse make the engine a face.
func (e *engine) count() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.requests++
}

func (e *engine) writes(r *http.Request) bool {
	return r.Method != http.MethodGet && strings.HasPrefix(r.URL.Path, intezerRoot+"/analyze")
}

// refuse is the vendor's error for a fault. A 429 says how long to wait in one of the ways that were seen; one of its headers
// can always be read.
func (e *engine) refuse(w http.ResponseWriter, _ *http.Request, status int, pick uint64) {
	if status == http.StatusTooManyRequests {
		h, reset := w.Header(), float64(e.clock().Add(time.Second).UnixMilli())/1000
		h.Set("X-RateLimit-Limit", "120")
		h.Set("X-RateLimit-Remaining", "0")
		h.Set("X-RateLimit-Reset", strconv.FormatFloat(reset, 'f', 3, 64))
		switch pick % 5 {
		case 0:
			h.Set("Retry-After", "1")
		case 1:
			h.Set("Retry-After", "0")
			h.Del("X-RateLimit-Reset")
		case 2:
			h.Set("Retry-After", "0.5")
		case 3:
			h.Set("Retry-After", "soon")
		}
	}
	writeIntezerError(w, &apiError{status: status, title: fmt.Sprint(http.StatusText(status))}, nil)
}
