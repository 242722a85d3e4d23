package defender

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// action is a MachineAction.
type action struct {
	id, kind, scope, comment string
	status                   string // set when it has ended; "" is under way
	machine                  *machine
	started, ended           time.Time
	path                     string // of a live response
	failure                  string
	expired                  bool // its result is gone
}

func (v *Vendor) listMachines(w http.ResponseWriter, r *http.Request) {
	serve(w, r, table[*machine]{
		rows: v.machines, top: 10_000, render: renderMachine, fields: []string{"computerDnsName", "healthStatus", "osPlatform"},
		get: func(m *machine, field string) any {
			return map[string]string{"computerDnsName": m.name, "healthStatus": m.health, "osPlatform": m.os}[field]
		},
	})
}

func (v *Vendor) machineOf(w http.ResponseWriter, r *http.Request) *machine {
	m := v.byMachine[r.PathValue("id")]
	if m == nil {
		fail(w, http.StatusNotFound, "ResourceNotFound", "Machine "+r.PathValue("id")+" was not found")
	}
	return m
}

func (v *Vendor) getMachine(w http.ResponseWriter, r *http.Request) {
	if m := v.machineOf(w, r); m != nil {
		writeJSON(w, http.StatusOK, renderMachine(m))
	}
}

// settle ends an action whose time has come. On a machine that is offline it waits.
func (v *Vendor) settle(a *action) {
	if a.status != "" || a.machine.health != "Active" || v.opt.Now().Before(a.started.Add(v.fetchTime)) {
		return
	}
	a.status, a.ended = "Succeeded", v.opt.Now()
	if a.kind == "LiveResponse" && v.fileAt(a) == nil {
		a.status, a.failure = "Failed", "The file was not found on the device."
	}
}

// active gives the action of one of some kinds that is under way on a machine.
func (v *Vendor) active(m *machine, kinds ...string) *action {
	for _, a := range v.actions {
		v.settle(a)
		for _, kind := range kinds {
			if a.machine == m && a.kind == kind && a.status == "" {
				return a
			}
		}
	}
	return nil
}

func (v *Vendor) isolated(m *machine) bool {
	is := false
	for _, a := range v.actions {
		v.settle(a)
		if a.machine == m && a.status == "Succeeded" && strings.HasSuffix(strings.ToLower(a.kind), "isolate") {
			is = a.kind == "Isolate"
		}
	}
	return is
}

func (v *Vendor) postIsolate(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Comment       string
		IsolationType string
	}
	m := v.machineOf(w, r)
	if m == nil || !decode(w, r, &body) {
		return
	}
	if body.IsolationType != "Full" && body.IsolationType != "Selective" {
		fail(w, http.StatusBadRequest, "InvalidInput", "IsolationType is not valid")
		return
	}
	v.accept(w, m, &action{kind: "Isolate", scope: body.IsolationType, comment: body.Comment}, "Isolate", "Unisolate")
}

func (v *Vendor) postUnisolate(w http.ResponseWriter, r *http.Request) {
	var body struct{ Comment string }
	m := v.machineOf(w, r)
	if m == nil || !decode(w, r, &body) {
		return
	}
	v.accept(w, m, &action{kind: "Unisolate", comment: body.Comment}, "Isolate", "Unisolate")
}

// accept takes an action on, unless one of the kinds that exclude it is under way.
func (v *Vendor) accept(w http.ResponseWriter, m *machine, a *action, excluding ...string) {
	switch {
	case a.comment == "":
		fail(w, http.StatusBadRequest, "MissingRequiredParameter", "Comment is required")
		return
	case v.active(m, excluding...) != nil:
		fail(w, http.StatusBadRequest, "ActiveRequestAlreadyExists", "Action is already in progress")
		return
	}
	a.id = fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", v.rng.Uint32(), v.rng.Uint32()&0xffff, v.rng.Uint32()&0xfff, v.rng.Uint32()&0xfff, v.rng.Uint64()&0xffffffffffff)
	a.machine, a.started = m, v.opt.Now()
	v.actions = append(v.actions, a)
	writeJSON(w, http.StatusCreated, v.renderAction(a))
}

func (v *Vendor) renderAction(a *action) object {
	status, changed := a.status, a.ended
	if status == "" {
		status, changed = "Pending", a.started
	}
	out := object{
		"@odata.context": "https://api.securitycenter.microsoft.com/api/$metadata#MachineActions/$entity",
		"id":             a.id, "type": a.kind, "title": nil, "scope": orNull(a.scope), "requestor": appName, "requestorComment": a.comment,
		"requestSource": "PublicApi", "externalId": nil, "status": status, "machineId": a.machine.id, "computerDnsName": a.machine.name,
		"creationDateTimeUtc": timeOf(a.started), "lastUpdateDateTimeUtc": timeOf(changed), "errorHResult": 0, "relatedFileInfo": nil, "commands": []object{},
	}
	if a.kind == "LiveResponse" {
		done, errs := map[string]string{"": "Created", "Succeeded": "Completed", "Failed": "Failed"}[a.status], []string{}
		if a.failure != "" {
			errs = append(errs, a.failure)
		}
		out["commands"] = []object{{
			"index": 0, "startTime": nil, "endTime": nil, "commandStatus": done, "errors": errs,
			"command": object{"type": "GetFile", "params": []object{{"key": "Path", "value": a.path}}},
		}}
	}
	return out
}

func (v *Vendor) listActions(w http.ResponseWriter, r *http.Request) {
	for _, a := range v.actions {
		v.settle(a)
	}
	serve(w, r, table[*action]{
		rows: v.actions, top: 10_000, render: v.renderAction, fields: []string{"creationDateTimeUtc", "machineId", "status"},
		get: func(a *action, field string) any {
			if field == "creationDateTimeUtc" {
				return a.started
			}
			status := a.status
			if status == "" {
				status = "Pending"
			}
			return map[string]string{"machineId": a.machine.id, "status": status}[field]
		},
	})
}

func (v *Vendor) actionOf(w http.ResponseWriter, r *http.Request) *action {
	for _, a := range v.actions {
		if a.id == r.PathValue("id") {
			v.settle(a)
			return a
		}
	}
	fail(w, http.StatusNotFound, "ResourceNotFound", "Action "+r.PathValue("id")+" was not found")
	return nil
}

func (v *Vendor) getAction(w http.ResponseWriter, r *http.Request) {
	if a := v.actionOf(w, r); a != nil {
		writeJSON(w, http.StatusOK, v.renderAction(a))
	}
}
