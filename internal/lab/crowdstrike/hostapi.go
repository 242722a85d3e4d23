package crowdstrike

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
)

func (v *Vendor) queryHosts(w http.ResponseWriter, r *http.Request) {
	limit, offset, ok := limits(w, r, 5000, 10_000)
	if !ok {
		return
	}
	if ids, ok := v.matchHosts(w, r); ok {
		answer(w, http.StatusOK, envelope{Meta: meta{PoweredBy: "device-api", Pagination: &pagination{Offset: offset, Limit: limit, Total: len(ids)}},
			Resources: cut(ids, limit, offset)})
	}
}

// scrollHosts pages by a token that holds a place.
func (v *Vendor) scrollHosts(w http.ResponseWriter, r *http.Request) {
	at := 0
	if token := r.URL.Query().Get("offset"); token != "" {
		raw, err := base64.StdEncoding.DecodeString(token)
		if err == nil {
			at, err = strconv.Atoi(string(raw))
		}
		if err != nil {
			fail(w, http.StatusBadRequest, "invalid offset")
			return
		}
	}
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil || limit < 1 || limit > 10_000 {
		fail(w, http.StatusBadRequest, "limit must be from 1 to 10000")
		return
	}
	ids, ok := v.matchHosts(w, r)
	if !ok {
		return
	}
	p := &pagination{Offset: "", Limit: limit, Total: len(ids)}
	if at+limit < len(ids) {
		p.Offset = base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(at + limit)))
	}
	answer(w, http.StatusOK, envelope{Meta: meta{PoweredBy: "device-api", Pagination: p}, Resources: cut(ids, limit, at)})
}

func (v *Vendor) getHosts(w http.ResponseWriter, r *http.Request) {
	v.describe(w, r.URL.Query()["ids"], 100)
}

func (v *Vendor) postHosts(w http.ResponseWriter, r *http.Request) {
	var body struct {
		IDs []string `json:"ids"`
	}
	if read(w, r, &body) {
		v.describe(w, body.IDs, 5000)
	}
}

func (v *Vendor) describe(w http.ResponseWriter, ids []string, most int) {
	if len(ids) == 0 || len(ids) > most {
		fail(w, http.StatusBadRequest, "ids must be from 1 to %d", most)
		return
	}
	out, missing := []deviceJSON{}, []oops(nil)
	for _, id := range ids {
		if h := v.find(id); h != nil && h.id == id {
			out = append(out, v.device(h))
		} else {
			missing = append(missing, oops{404, "No device found", id})
		}
	}
	status := http.StatusOK
	if len(out) == 0 {
		status = http.StatusNotFound
	}
	answer(w, status, envelope{Meta: meta{PoweredBy: "device-api"}, Resources: out, Errors: missing})
}

func (v *Vendor) onlineState(w http.ResponseWriter, r *http.Request) {
	ids := r.URL.Query()["ids"]
	if len(ids) == 0 || len(ids) > 100 {
		fail(w, http.StatusBadRequest, "ids must be from 1 to 100")
		return
	}
	type state struct {
		ID       string `json:"id"`
		CID      string `json:"cid"`
		LastSeen string `json:"last_seen"`
		State    string `json:"state"`
	}
	out := []state{}
	for _, id := range ids {
		if h := v.find(id); h != nil {
			is := "online"
			if h.offline {
				is = "offline"
			}
			out = append(out, state{h.id, v.cid, stamp(v.opt.Now()), is})
		}
	}
	answer(w, http.StatusOK, envelope{Meta: meta{PoweredBy: "device-api"}, Resources: out})
}

// act is the devices-actions: accepted with 202, refused with 409 where nothing is to do.
func (v *Vendor) act(w http.ResponseWriter, r *http.Request) {
	var body struct {
		IDs []string `json:"ids"`
	}
	if !read(w, r, &body) {
		return
	}
	name := r.URL.Query().Get("action_name")
	contain := name == "contain"
	if !contain && name != "lift_containment" || len(body.IDs) == 0 || len(body.IDs) > 100 {
		fail(w, http.StatusBadRequest, "action_name must be contain or lift_containment, ids from 1 to 100")
		return
	}
	if v.missing["licence:containment"] {
		fail(w, http.StatusForbidden, "access denied, authorization failed")
		return
	}
	type accepted struct {
		ID   string `json:"id"`
		Path string `json:"path"`
	}
	var out []accepted
	var errs []oops
	conflict := false
	for _, id := range body.IDs {
		h := v.find(id)
		switch {
		case h == nil:
			errs = append(errs, oops{404, "Device not found", id})
		case contain == (v.status(h) == "contained" || v.status(h) == "containment_pending"):
			conflict = true
			errs = append(errs, oops{409, "Device is already in the requested state", id})
		default:
			h.contained, h.asked = contain, v.opt.Now()
			out = append(out, accepted{id, "/devices/entities/devices/v1?ids=" + id})
		}
	}
	status := http.StatusAccepted
	switch {
	case len(out) > 0:
	case conflict:
		status = http.StatusConflict
	default:
		status = http.StatusNotFound
	}
	answer(w, status, envelope{Meta: meta{PoweredBy: "device-api"}, Resources: out, Errors: errs})
}

func (v *Vendor) tag(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Action string   `json:"action"`
		IDs    []string `json:"device_ids"`
		Tags   []string `json:"tags"`
	}
	if !read(w, r, &body) {
		return
	}
	if len(body.IDs) == 0 || len(body.Tags) == 0 || !slices.Contains([]string{"add", "remove"}, body.Action) {
		fail(w, http.StatusBadRequest, "device_ids and tags must be provided")
		return
	}
	fail(w, http.StatusNotImplemented, "the lab keeps no tags")
}
