package crowdstrike

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"edrc/internal/lab/world"
)

// archivePassword is the vendor's for everything that is downloaded.
const archivePassword = "infected"

// serve sends a file. The tenant is not locked meanwhile: the reader may be slow.
func (v *Vendor) serve(w http.ResponseWriter, contentType string, write func() error) {
	w.Header().Set("Content-Type", contentType)
	v.mu.Unlock()
	err := write()
	v.mu.Lock()
	if err != nil {
		panic(http.ErrAbortHandler) // the status is sent: all that is left is to break off
	}
	v.state.Downloads++
}

func (v *Vendor) bySHA256(sha string) *world.File {
	i := slices.IndexFunc(v.opt.Files, func(f world.File) bool { return f.SHA256 == sha })
	if i < 0 || sha == "" {
		return nil
	}
	return &v.opt.Files[i]
}

// sample is GET /samples/entities/samples/v3: what the cloud has a copy of.
func (v *Vendor) sample(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f := v.bySHA256(q.Get("ids"))
	switch {
	case len(q.Get("ids")) != 64:
		fail(w, http.StatusBadRequest, "ids must be a SHA256")
	case f == nil || !v.samples[f.SHA256]:
		fail(w, http.StatusNotFound, "Sample not found")
	case q.Get("password_protected") == "true":
		v.serve(w, "application/octet-stream", func() error { return v.opt.Zip(w, *f, archivePassword) })
	default:
		v.serve(w, "application/octet-stream", func() error {
			in, err := f.Open()
			if err != nil {
				return err
			}
			defer in.Close()
			_, err = io.Copy(w, in)
			return err
		})
	}
}

// quarantined are the alerts whose file the sensor took away, by the id of the record.
func (v *Vendor) quarantined() map[string]*falconAlert {
	out := map[string]*falconAlert{}
	for _, a := range v.alerts {
		if f, ok := v.about(a); ok && a.quarantined {
			out[a.host.id+"_"+f.SHA256] = a
		}
	}
	return out
}

func (v *Vendor) queryQuarantine(w http.ResponseWriter, r *http.Request) {
	limit, offset, ok := limits(w, r, 500, 10_000)
	if !ok {
		return
	}
	records := v.quarantined()
	ids := make([]string, 0, len(records))
	for id := range records {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	ids, ok = match(w, r.URL.Query().Get("filter"), ids, func(id string) (string, fields) {
		return id, func(name string) ([]string, bool) {
			host, sha, _ := strings.Cut(id, "_")
			value, known := map[string]string{"id": id, "sha256": sha, "device.device_id": host, "state": "quarantined"}[name]
			return []string{value}, known
		}
	})
	if ok {
		answer(w, http.StatusOK, envelope{Meta: meta{PoweredBy: "quarantine", Pagination: &pagination{Offset: offset, Limit: limit, Total: len(ids)}},
			Resources: cut(ids, limit, offset)})
	}
}

func (v *Vendor) entityQuarantine(w http.ResponseWriter, r *http.Request) {
	var body struct {
		IDs []string `json:"ids"`
	}
	if !read(w, r, &body) {
		return
	}
	type record struct {
		ID       string   `json:"id"`
		AID      string   `json:"aid"`
		CID      string   `json:"cid"`
		SHA256   string   `json:"sha256"`
		Hostname string   `json:"hostname"`
		State    string   `json:"state"`
		Created  string   `json:"date_created"`
		Updated  string   `json:"date_updated"`
		Alerts   []string `json:"alert_ids"`
	}
	out, records := []record{}, v.quarantined()
	for _, id := range body.IDs {
		if a := records[id]; a != nil {
			f, _ := v.about(a)
			out = append(out, record{id, a.host.id, v.cid, f.SHA256, a.host.name, "quarantined", stamp(a.created), stamp(a.created), []string{a.id}})
		}
	}
	answer(w, http.StatusOK, envelope{Meta: meta{PoweredBy: "quarantine"}, Resources: out})
}

// session is a Real Time Response session; it ends after ten idle minutes.
type session struct {
	id   string
	host *host
	last time.Time
}

// command is a get that an endpoint was given.
type command struct {
	id      string
	session *session
	file    *world.File // nil: there is no such file
	started time.Time
}

func (v *Vendor) session(w http.ResponseWriter, id string) *session {
	s := v.sessions[id]
	if s == nil || v.opt.Now().Sub(s.last) > 10*time.Minute {
		fail(w, http.StatusNotFound, "Session not found")
		return nil
	}
	s.last = v.opt.Now()
	return s
}

func (v *Vendor) openSession(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Device string `json:"device_id"`
	}
	if !read(w, r, &body) {
		return
	}
	h := v.find(body.Device)
	if h == nil || h.offline {
		answer(w, http.StatusNotFound, envelope{Errors: []oops{{40401, "Could not find existing session / host is offline", body.Device}}})
		return
	}
	s := &session{v.trace(), h, v.opt.Now()}
	v.sessions[s.id] = s
	answer(w, http.StatusCreated, envelope{Meta: meta{PoweredBy: "empower-api"}, Resources: []map[string]any{{
		"session_id": s.id, "offline_queued": false, "platform": strings.ToLower(h.platform), "pwd": `C:\`, "created_at": stamp(s.last), "existing_aid_sessions": 1,
	}}})
}

func (v *Vendor) closeSession(w http.ResponseWriter, r *http.Request) {
	delete(v.sessions, r.URL.Query().Get("session_id"))
	w.WriteHeader(http.StatusNoContent)
}

func (v *Vendor) refreshSession(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Device string `json:"device_id"`
	}
	if !read(w, r, &body) {
		return
	}
	for _, s := range v.sessions {
		if s.host.id == body.Device && v.opt.Now().Sub(s.last) <= 10*time.Minute {
			s.last = v.opt.Now()
			answer(w, http.StatusCreated, envelope{Resources: []map[string]any{{"session_id": s.id}}})
			return
		}
	}
	fail(w, http.StatusNotFound, "Session not found")
}

func (v *Vendor) runCommand(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Session string `json:"session_id"`
		Base    string `json:"base_command"`
		Command string `json:"command_string"`
	}
	if !read(w, r, &body) {
		return
	}
	if body.Session == "" || body.Base != "get" {
		fail(w, http.StatusBadRequest, "session_id and a known base_command must be provided")
		return
	}
	s := v.session(w, body.Session)
	if s == nil {
		return
	}
	c := &command{v.trace(), s, v.onEndpoint(s.host, body.Command), v.opt.Now()}
	v.commands[c.id] = c
	if c.file != nil {
		v.state.Fetches++
	}
	answer(w, http.StatusCreated, envelope{Resources: []map[string]any{{"cloud_request_id": c.id, "session_id": s.id, "queued_command_offline": false}}})
}

// onEndpoint finds the file that a command names: get, and a path in quotes or without
// spaces. An alert's file is where the alert says, or at the drive's letter.
func (v *Vendor) onEndpoint(h *host, line string) *world.File {
	path := strings.Trim(strings.TrimPrefix(line, "get "), `"`)
	for _, a := range v.alerts {
		have := v.path(a)
		if a.host == h && have != "" && (have == path || strings.Replace(have, `\Device\HarddiskVolume3`, "C:", 1) == path) {
			f, _ := v.about(a)
			return &f
		}
	}
	return nil
}

// done reports whether the endpoint has carried a command out.
func (v *Vendor) done(c *command) bool {
	return !c.session.host.offline && v.opt.Now().Sub(c.started) >= v.fetch
}

func (v *Vendor) pollCommand(w http.ResponseWriter, r *http.Request) {
	c := v.commands[r.URL.Query().Get("cloud_request_id")]
	if c == nil || r.URL.Query().Get("sequence_id") == "" {
		fail(w, http.StatusNotFound, "Command not found")
		return
	}
	if v.session(w, c.session.id) == nil {
		return
	}
	out := map[string]any{"session_id": c.session.id, "task_id": c.id, "base_command": "get", "sequence_id": 0, "complete": v.done(c), "stdout": "", "stderr": ""}
	switch {
	case v.done(c) && c.file == nil:
		out["stderr"] = "Check your filename. Couldn't find the file"
	case v.done(c):
		out["stdout"] = "the file"
	}
	answer(w, http.StatusOK, envelope{Resources: []map[string]any{out}})
}

func (v *Vendor) listFiles(w http.ResponseWriter, r *http.Request) {
	s := v.session(w, r.URL.Query().Get("session_id"))
	if s == nil {
		return
	}
	out := []map[string]any{}
	for _, c := range v.commands {
		if c.session == s && c.file != nil && v.done(c) {
			out = append(out, map[string]any{"id": fmt.Sprintf("%.8s", c.id), "name": c.file.Name, "sha256": c.file.SHA256, "size": c.file.Size,
				"stage": "upload", "status": "complete", "progress": 100, "complete": true, "error_message": "", "cloud_request_id": c.id, "session_id": s.id})
		}
	}
	answer(w, http.StatusOK, envelope{Resources: out})
}

// extracted is the download: a 7z, whatever it is asked for.
func (v *Vendor) extracted(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	s := v.session(w, q.Get("session_id"))
	if s == nil {
		return
	}
	for _, c := range v.commands {
		if c.session == s && c.file != nil && v.done(c) && c.file.SHA256 == q.Get("sha256") {
			v.serve(w, "application/x-7z-compressed", func() error { return v.opt.Seven(w, *c.file, archivePassword) })
			return
		}
	}
	fail(w, http.StatusNotFound, "File not found")
}
