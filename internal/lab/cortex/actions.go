package cortex

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"edrc/internal/lab/world"
)

// action is one entry of the action center.
type action struct {
	host    *host
	at      time.Time
	asked   bool // its status was asked for before
	file    *world.File
	missing bool   // there is no such file on the host
	status  string // set by Control, "" is what the host makes of it
	link    string // the api_value of its download
}

// one gives the endpoint of a filter "endpoint_id_list in [...]".
func (v *Vendor) one(w http.ResponseWriter, fs []filter) (*host, int, bool) {
	if len(fs) != 1 || fs[0].Field != "endpoint_id_list" || fs[0].Operator != "in" {
		fail(w, http.StatusInternalServerError, "An error occurred while processing XDR public API", "Invalid filters")
		return nil, 0, false
	}
	var ids []string
	if json.Unmarshal(fs[0].Value, &ids) != nil || len(ids) == 0 || len(ids) > 10 {
		fail(w, http.StatusBadRequest, "Bad Request. Got an invalid input.", "endpoint_id_list must have from 1 to 10 ids")
		return nil, 0, false
	}
	for _, id := range ids {
		if h := v.byHost[id]; h != nil && h.id == id {
			return h, len(ids), true
		}
	}
	return nil, 0, true
}

// begin makes an action and answers with it.
func (v *Vendor) begin(w http.ResponseWriter, a *action) {
	v.last++
	id := 120 + v.last
	v.actions[id] = a
	body := map[string]any{"action_id": strconv.FormatInt(id, 10), "status": 1, "endpoints_count": 1}
	if id%2 == 0 { // both are seen
		body["action_id"] = id
	}
	reply(w, body)
}

// contain is isolate and unisolate.
func (v *Vendor) contain(w http.ResponseWriter, q *request, isolate bool) {
	h, ok := v.byHost[q.Data.EndpointID], true
	switch {
	case q.Data.EndpointID != "" && len(q.Data.Filters) > 0:
		fail(w, http.StatusInternalServerError, "An error occurred while processing XDR public API", "endpoint_id and filters exclude each other")
		return
	case q.Data.EndpointID == "":
		h, _, ok = v.one(w, q.Data.Filters)
	}
	if !ok {
		return
	}
	switch {
	case h == nil:
		fail(w, http.StatusInternalServerError, "An error occurred while processing XDR public API", "No endpoint was found "+q.Data.EndpointID+" for creating the action")
	case isolate == (!h.asked.IsZero() && h.isolated):
		fail(w, http.StatusInternalServerError, "An error occurred while processing XDR public API", "The endpoint is already there, or on its way")
	default:
		h.isolated, h.asked = isolate, v.opt.Now()
		v.begin(w, &action{host: h, at: h.asked})
	}
}

func (v *Vendor) retrieve(w http.ResponseWriter, q *request, _ string) {
	h, _, ok := v.one(w, q.Data.Filters)
	if !ok {
		return
	}
	if h == nil {
		reply(w, map[string]any{"action_id": "0", "status": 0, "endpoints_count": 0})
		return
	}
	n, path := 0, ""
	for key, paths := range q.Data.Files {
		if key != "windows" && key != "linux" && key != "macos" {
			fail(w, http.StatusBadRequest, "Bad Request. Got an invalid input.", "files: "+key)
			return
		}
		if n += len(paths); key == h.os && len(paths) > 0 {
			path = paths[0]
		}
	}
	if n == 0 || n > 20 || path == "" {
		fail(w, http.StatusBadRequest, "Bad Request. Got an invalid input.", "files must have from 1 to 20 paths of the endpoint's system")
		return
	}
	v.state.Fetches++
	a := &action{host: h, at: v.opt.Now(), missing: true, link: v.hex(16)}
	for i := range v.opt.Files {
		if h.path(v.opt.Files[i]) == path {
			a.file, a.missing = &v.opt.Files[i], false
		}
	}
	v.begin(w, a)
}

// action finds the action that a call names, by a number.
func (v *Vendor) action(w http.ResponseWriter, q *request) (*action, bool) {
	id, err := strconv.ParseInt(string(q.Data.Action), 10, 64)
	if err != nil {
		fail(w, http.StatusBadRequest, "Bad Request. Got an invalid input.", []map[string]any{{"type": "int_type", "loc": []any{"request_data", "group_action_id"}, "msg": "Input should be a valid integer"}})
		return nil, false
	}
	a, ok := v.actions[id]
	if !ok {
		fail(w, http.StatusNotFound, "Action was not found", fmt.Sprint(id))
	}
	return a, ok
}

func (v *Vendor) statusOf(a *action) string {
	switch {
	case a.status != "":
		return a.status
	case !v.arrived(a.host, a.at):
		return "PENDING"
	case a.missing:
		return "FAILED"
	}
	return "COMPLETED_SUCCESSFULLY"
}

func (v *Vendor) actionStatus(w http.ResponseWriter, q *request, _ string) {
	a, ok := v.action(w, q)
	if !ok {
		return
	}
	status, data := v.statusOf(a), map[string]any{}
	if status != "PENDING" || a.asked { // an action that is new knows of no endpoint yet
		data[a.host.id] = status
	}
	a.asked = true
	body := map[string]any{"data": data}
	if status == "FAILED" {
		body["errorReasons"] = map[string]any{a.host.id: map[string]any{"errorData": "", "errorText": "File was not found", "errorDescription": "The file does not exist"}}
	}
	reply(w, body)
}

func (v *Vendor) retrievalDetails(w http.ResponseWriter, q *request, at string) {
	a, ok := v.action(w, q)
	if !ok {
		return
	}
	data := map[string]any{a.host.id: nil}
	if v.statusOf(a) == "COMPLETED_SUCCESSFULLY" && a.file != nil {
		data[a.host.id] = "http://" + at + "/public_api/v1/download/" + a.link
	}
	reply(w, map[string]any{"data": data})
}

func (v *Vendor) download(w http.ResponseWriter, _ *request, value string) {
	for _, a := range v.actions {
		if a.file == nil || a.link != value || v.statusOf(a) != "COMPLETED_SUCCESSFULLY" {
			continue
		}
		body, err := v.pack(*a.file)
		if err != nil {
			fail(w, http.StatusInternalServerError, "An error occurred while processing XDR public API", err.Error())
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(http.StatusOK)
		if _, err := w.Write(body); err == nil {
			v.state.Downloads++
		}
		return
	}
	fail(w, http.StatusNotFound, "File was not found", value)
}

// pack is what an endpoint hands over: a zip in clear, or with a password.
func (v *Vendor) pack(f world.File) ([]byte, error) {
	var buf bytes.Buffer
	if v.archive != "" {
		err := v.opt.Zip(&buf, f, v.archive)
		return buf.Bytes(), err
	}
	in, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	z := zip.NewWriter(&buf)
	name := strings.NewReplacer("/", "_", `\`, "_", "\n", "_").Replace(strings.ToValidUTF8(f.Name, "_"))
	out, err := z.Create(name)
	if err == nil {
		_, err = io.Copy(out, in)
	}
	if err == nil {
		err = z.Close()
	}
	return buf.Bytes(), err
}
