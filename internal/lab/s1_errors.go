package lab

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// apiError is an error that a vendor answers with: a status, and what it says.
type apiError struct {
	status int
	title  string
	detail string
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s: %s", e.status, e.title, e.detail) }

func badRequest(format string, args ...any) error {
	return &apiError{http.StatusBadRequest, "Bad Request", fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &apiError{http.StatusNotFound, "Not Found", fmt.Sprintf(format, args...)}
}

// writeS1Error answers in the shape of the SentinelOne API: the code is the status with four digits more.
func writeS1Error(w http.ResponseWriter, e *apiError) {
	type item struct {
		Code   int     `json:"code"`
		Detail *string `json:"detail"`
		Title  string  `json:"title"`
	}
	var detail *string
	if e.detail != "" {
		detail = &e.detail
	}
	body := map[string][]item{"errors": {{Code: e.status*10_000 + 40, Detail: detail, Title: e.title}}}
	writeJSON(w, e.status, "application/json", body)
}

// refuseS1 is the vendor's error for a fault. Its 429 carries Retry-After in seconds, and sometimes does not.
func refuseS1(w http.ResponseWriter, status int, pick uint64) {
	if status == http.StatusTooManyRequests && pick%6 != 0 {
		w.Header().Set("Retry-After", strconv.FormatUint(pick%2, 10))
	}
	writeS1Error(w, &apiError{status: status, title: http.StatusText(status)})
}

// writeJSON sends body with its length.
func writeJSON(w http.ResponseWriter, status int, contentType string, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b)
}
