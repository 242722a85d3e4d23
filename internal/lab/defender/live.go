package defender

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"

	"edrc/internal/lab/world"
)

// sessionsAtOnce is how many live responses a tenant may have.
const sessionsAtOnce = 25

func (v *Vendor) postLive(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Comment  string
		Commands []struct {
			Type   string `json:"type"`
			Params []struct {
				Key   string `json:"key"`
				Value string `json:"value"`
			} `json:"params"`
		}
	}
	m := v.machineOf(w, r)
	if m == nil || !decode(w, r, &body) {
		return
	}
	running := 0
	for _, a := range v.actions {
		if v.settle(a); a.kind == "LiveResponse" && a.status == "" {
			running++
		}
	}
	switch {
	case !v.settings.liveResponse:
		fail(w, http.StatusForbidden, "DisabledFeature", "Live response is disabled for the tenant")
		return
	case len(body.Commands) != 1 || body.Commands[0].Type != "GetFile" || len(body.Commands[0].Params) != 1 || body.Commands[0].Params[0].Key != "Path":
		fail(w, http.StatusBadRequest, "InvalidInput", "The commands are not valid")
		return
	case running >= sessionsAtOnce:
		fail(w, http.StatusTooManyRequests, "TooManyRequests", "Too many live response sessions")
		return
	}
	before := len(v.actions)
	v.accept(w, m, &action{kind: "LiveResponse", comment: body.Comment, path: body.Commands[0].Params[0].Value}, "LiveResponse")
	m.sessions += len(v.actions) - before
}

// fileAt is the file that a session copies: that of an alert on the machine with the
// path.
func (v *Vendor) fileAt(a *action) *world.File {
	for _, al := range v.alerts {
		if al.machine == a.machine && al.file != nil && al.path() == a.path {
			return al.file
		}
	}
	return nil
}

// getResult gives a link to the result of a command, good for half an hour.
func (v *Vendor) getResult(w http.ResponseWriter, r *http.Request) {
	a := v.actionOf(w, r)
	if a == nil {
		return
	}
	if r.PathValue("result") != "GetLiveResponseResultDownloadLink(index=0)" || a.kind != "LiveResponse" || a.status != "Succeeded" {
		fail(w, http.StatusBadRequest, "InvalidInput", "There is no result of that command")
		return
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	writeJSON(w, http.StatusOK, object{
		"@odata.context": "https://api.securitycenter.microsoft.com/api/$metadata#Edm.String",
		"value":          fmt.Sprintf("%s://%s/storage/%s/0?se=2026-11-22T16%%3A13%%3A50Z&sp=r&sv=2019-07-07&sr=b&sig=%016x", scheme, r.Host, a.id, v.rng.Uint64()),
	})
}

// getBlob is the storage: whoever has the link may read, and nobody who brings a
// credential of his own beside it.
func (v *Vendor) getBlob(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	v.calls["GET storage"]++
	var found *action
	for _, a := range v.actions {
		if a.id == r.PathValue("action") {
			found = a
		}
	}
	var f *world.File
	if found != nil {
		f = v.fileAt(found)
	}
	v.mu.Unlock()
	storageError := func(status int, code string) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "\ufeff<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>"+code+"</Code><Message>"+code+"</Message></Error>")
	}
	switch {
	case r.Header.Get("Authorization") != "":
		storageError(http.StatusBadRequest, "InvalidAuthenticationInfo")
		return
	case r.URL.Query().Get("sig") == "":
		storageError(http.StatusForbidden, "AuthenticationFailed")
		return
	case f == nil || found.expired:
		storageError(http.StatusNotFound, "BlobNotFound")
		return
	}
	content, err := f.Open()
	if err != nil {
		storageError(http.StatusInternalServerError, "InternalError")
		return
	}
	defer content.Close()
	name := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' {
			return '_'
		}
		return r
	}, path.Base(f.Name))
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`.gz"`)
	w.Header().Set("Content-Type", "application/octet-stream")
	packed := gzip.NewWriter(w)
	if _, err := io.Copy(packed, content); err == nil && packed.Close() == nil {
		v.mu.Lock()
		v.downloads++
		v.mu.Unlock()
	}
}
