package wiz

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/safe"
	"edrc/internal/source/lenient"
)

// statuses gives a GraphQL reply that is nothing but an error the status that it would
// have had: 401, 429 and 500, so that a token is renewed and a request repeated where it
// may be. Which of the two the vendor uses for them is UNCERTAIN.
type statuses struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t statuses) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusOK || resp.Body == nil {
		return resp, err
	}
	const most = 256 << 10 // an error alone is small
	head, err := io.ReadAll(io.LimitReader(resp.Body, most))
	rest := io.Reader(resp.Body)
	if err != nil {
		rest = broken{err}
	} else if len(head) < most {
		if status := meant(head); status != 0 {
			resp.StatusCode, resp.Status = status, ""
		}
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), rest), resp.Body}
	return resp, nil
}

// CloseIdleConnections is for httpx.Client.Close.
func (t statuses) CloseIdleConnections() {
	if c, ok := t.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// broken gives the error that ended a body.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// meant is the status that a reply stands for, 0 when it is an answer.
func meant(body []byte) int {
	if !bytes.Contains(body, []byte(`"errors"`)) {
		return 0
	}
	var reply graphReply
	if json.Unmarshal(body, &reply) != nil || len(reply.Errors) == 0 {
		return 0
	}
	for _, raw := range reply.Data {
		if !isNull(raw) {
			return 0
		}
	}
	switch reply.Errors.kind() {
	case fault.Auth:
		return http.StatusUnauthorized
	case fault.RateLimited:
		return http.StatusTooManyRequests
	case fault.Unavailable:
		return http.StatusInternalServerError
	}
	return 0
}

// graphError says what errors in a 200 mean. Data beside them means that something was
// carried out.
func (a *api) graphError(o operation, errs vendorErrors, data bool) error {
	kind, msg := errs.kind(), "the API said: "+errs.String()
	if o.class == httpx.Once && (data || kind == fault.Unavailable) {
		return a.doubt(o.op, msg)
	}
	e := a.fault(kind, o.op, msg)
	e.Status = http.StatusOK
	return e
}

// vendorErrors is what stands under "errors": null, or a list.
type vendorErrors list[vendorError]

// UnmarshalJSON implements json.Unmarshaler. It never fails; an error of any shape is one.
func (e *vendorErrors) UnmarshalJSON(b []byte) error {
	_ = (*list[vendorError])(e).UnmarshalJSON(b)
	if s := strings.TrimSpace(string(b)); len(*e) == 0 && s != "null" && s != "[]" && s != "" {
		*e = vendorErrors{{message: "an error in an unknown shape"}}
	}
	return nil
}

// vendorError is one error: its message, and its code where it has one.
type vendorError struct{ code, message string }

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (e *vendorError) UnmarshalJSON(b []byte) error {
	var object struct {
		Message    text `json:"message"`
		Extensions struct {
			Code      text `json:"code"`
			Exception struct {
				Message text `json:"message"`
			} `json:"exception"`
		} `json:"extensions"`
	}
	var plain text
	_, _ = lenient.Decode(b, &object), lenient.Decode(b, &plain)
	*e = vendorError{string(object.Extensions.Code), lenient.FirstText(object.Message, object.Extensions.Exception.Message, plain)}
	return nil
}

// String joins what the errors say, in bounded length.
func (e vendorErrors) String() string {
	var out []string
	for _, item := range e {
		s := item.message
		if s == "" {
			s = item.code
		}
		if s = strings.Join(strings.Fields(s), " "); s != "" {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return "an error without a message"
	}
	s := strings.Join(out, "; ")
	for i := range s {
		if i > 300 {
			return s[:i] + "…"
		}
	}
	return s
}

// kind is that of the first error that is not a refusal of what was asked, or else of the
// first: one that says to come back later must not be taken for a final one.
func (e vendorErrors) kind() fault.Kind {
	for _, item := range e {
		switch k := item.kind(); k {
		case fault.Auth, fault.RateLimited, fault.Unavailable:
			return k
		}
	}
	if len(e) == 0 {
		return fault.Unavailable
	}
	return e[0].kind()
}

// The words by which errors are told apart. BAD_USER_INPUT is the only code that is
// documented; what others say is UNCERTAIN, so the words count as well.
var (
	schemaWords    = safe.Pattern(`(?i)cannot query field|unknown (argument|type|field|fragment)|is not defined by type|expected type|graphql_(validation|parse)_failed`)
	deniedWords    = safe.Pattern(`(?i)access denied|forbidden|permission|not (allowed|permitted|entitled|licensed|enabled)|scope|licen[sc]e`)
	authWords      = safe.Pattern(`(?i)unauthenticated|unauthori[sz]ed|not authenticated|(invalid|expired|revoked).{0,20}token|token.{0,20}(invalid|expired|revoked)|jwt`)
	throttledWords = safe.Pattern(`(?i)too many requests|rate[ _-]?limit|throttl`)
	missingWords   = safe.Pattern(`(?i)must be a valid .{0,40}\bid\b|not found|does not exist|no such`)
)

// kind maps an error as a status would be mapped. What is not known is a fault of the
// vendor's: it may pass.
func (e vendorError) kind() fault.Kind {
	all := e.code + " " + e.message
	switch {
	case schemaWords().MatchString(all):
		return fault.Unsupported
	case throttledWords().MatchString(all):
		return fault.RateLimited
	case e.code == "BAD_USER_INPUT" && missingWords().MatchString(e.message), e.code == "NOT_FOUND":
		return fault.NotFound
	case e.code == "BAD_USER_INPUT":
		return fault.Invalid
	case e.code == "UNAUTHENTICATED":
		return fault.Auth
	case deniedWords().MatchString(all):
		return fault.Denied
	case authWords().MatchString(all):
		return fault.Auth
	case missingWords().MatchString(e.message):
		return fault.NotFound
	}
	return fault.Unavailable
}
