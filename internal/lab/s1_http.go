package lab

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

const (
	restRoot    = "/web/api/v2.1"
	graphqlPath = restRoot + "/unifiedalerts/graphql"
	// maxJSON bounds a JSON request: the vendor's largest is a note on a thousand threats.
	maxJSON = 4 << 20
)

// handler is an API call: what it returns is the reply, or an *apiError.
type handler func(r *http.Request) (any, error)

// routes is the REST and GraphQL face of the console.
func (s *console) routes() http.Handler {
	mux := http.NewServeMux()
	rest := func(pattern string, h handler) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.Handle(method+" "+restRoot+path, s.serve("ApiToken", h))
	}
	mux.Handle("GET "+restRoot+"/system/status", s.serve("", systemStatus))
	rest("GET /system/info", systemInfo)
	rest("GET /accounts", s.listAccounts)
	rest("GET /sites", s.listSites)
	rest("GET /activities", s.listActivities)
	rest("POST /users/api-token-details", s.tokenDetails)

	rest("GET /threats", s.listThreats)
	rest("GET /threats/{id}/notes", s.listNotes)
	rest("POST /threats/notes", s.postNotes)
	rest("PUT /threats/{id}/notes/{note}", s.putNote)
	rest("DELETE /threats/{id}/notes/{note}", s.deleteNote)
	rest("POST /threats/analyst-verdict", s.postVerdict)
	rest("POST /threats/incident", s.postIncident)
	rest("POST /threats/fetch-file", s.postFetchFile)

	mux.Handle("GET "+restRoot+"/agents/{agent}/uploads/{upload}", s.serveDownload())
	rest("GET /agents", s.listAgents)
	rest("POST /agents/actions/disconnect", s.postNetwork("disconnecting"))
	rest("POST /agents/actions/connect", s.postNetwork("connecting"))

	mux.Handle("POST "+graphqlPath, s.serve("Bearer", s.graphql))
	mux.Handle("/", s.serve("ApiToken", func(r *http.Request) (any, error) {
		return nil, notFound("no such endpoint: %s %s", r.Method, r.URL.Path)
	}))
	return mux
}

// serve puts authorization, the request id and the envelope of errors around a handler. An empty scheme needs no token.
func (s *console) serve(scheme string, h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, ok := s.admit(scheme, r.Header.Get("Authorization"))
		w.Header().Set("X-RQID", fmt.Sprintf("%08x-lab", n))
		if !ok {
			writeS1Error(w, &apiError{status: http.StatusUnauthorized, title: "Authentication Failed"})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxJSON)
		reply, err := h(r)
		if err != nil {
			writeS1Error(w, asAPIError(err))
			return
		}
		contentType := "application/json"
		if n%5 == 0 {
			// Consoles answer so now and then.
			contentType = "text/plain; charset=utf-8"
		}
		writeJSON(w, http.StatusOK, contentType, reply)
	})
}

// admit checks the token and returns the number of the request.
func (s *console) admit(scheme, authorization string) (n int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests, scheme == "" || (s.tokenValid && authorization == scheme+" "+s.token)
}

func asAPIError(err error) *apiError {
	var api *apiError
	if errors.As(err, &api) {
		return api
	}
	return &apiError{http.StatusInternalServerError, "Internal Server Error", err.Error()}
}

// count, refuse and writes make the console a face.
func (s *console) count() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
}

func (s *console) refuse(w http.ResponseWriter, _ *http.Request, status int, pick uint64) {
	refuseS1(w, status, pick)
}

// writes looks into GraphQL requests, which are all POSTs, for a mutation.
func (s *console) writes(r *http.Request) bool {
	switch {
	case r.Method == http.MethodGet || strings.HasSuffix(r.URL.Path, "/users/api-token-details"):
		return false
	case r.URL.Path != graphqlPath:
		return true
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxJSON))
	r.Body = io.NopCloser(bytes.NewReader(body))
	var req graphqlRequest
	return err == nil && json.Unmarshal(body, &req) == nil && strings.HasPrefix(strings.TrimSpace(req.Query), "mutation")
}

// bulk is the body of every write on many objects.
type bulk[T any] struct {
	Data   *T                         `json:"data"`
	Filter map[string]json.RawMessage `json:"filter"`
}

// readBulk decodes a bulk write. Unknown fields are refused, as is an empty filter: the real console would act on everything.
func readBulk[T any](r *http.Request) (T, map[string]string, error) {
	var b bulk[T]
	var none T
	if err := readStrict(r, &b); err != nil {
		return none, nil, err
	}
	if b.Data == nil {
		return none, nil, badRequest("data: Missing data for required field.")
	}
	if len(b.Filter) == 0 {
		return none, nil, badRequest("filter: empty; this would affect everything, which the lab refuses")
	}
	params := map[string]string{}
	for name, raw := range b.Filter {
		text, err := filterText(raw)
		if err != nil {
			return none, nil, badRequest("filter.%s: %v", name, err)
		}
		params[name] = text
	}
	return *b.Data, params, nil
}

func readStrict(r *http.Request, to any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return badRequest("could not parse body: %v", err)
	}
	return nil
}

// filterText is a value of a filter object as the query would have it. The elements of an array are strings.
func filterText(raw json.RawMessage) (string, error) {
	var values []string
	if json.Unmarshal(raw, &values) == nil {
		if len(values) == 0 {
			return "", errors.New("empty")
		}
		return strings.Join(values, ","), nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, nil
	}
	var flag bool
	if err := json.Unmarshal(raw, &flag); err != nil {
		return "", errors.New("not a valid list of strings, string or boolean")
	}
	return fmt.Sprint(flag), nil
}
