package lab

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
)

// upload is a read POST /analyze.
type upload struct {
	name          string
	content       []byte
	verifySupport bool
}

// serveUpload is POST /analyze: multipart, one part with the bytes and text parts with options.
func (e *engine) serveUpload() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !e.admit(r) {
			writeIntezerError(w, unauthorized(), nil)
			return
		}
		up, unknown, err := readUpload(w, r)
		if err == nil {
			var out reply
			if out, err = e.analyze(up); err == nil {
				writeReply(w, out)
				return
			}
		}
		writeIntezerError(w, asAPIError(err), unknown)
	})
}

func (e *engine) analyze(up upload) (reply, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := e.fileOfBytes(up.content, up.name)
	if up.verifySupport && e.file(i).verdict == "not_supported" {
		return reply{}, &apiError{status: http.StatusUnsupportedMediaType, title: "File type is not supported"}
	}
	return e.submitReply(i, up.name)
}

// readUpload reads the parts. Archives come later: bytes that are a zip are refused as the vendor refuses one it cannot open.
func readUpload(w http.ResponseWriter, r *http.Request) (up upload, unknown []string, err error) {
	known := nameSet(`file disable_dynamic_execution disable_static_extraction code_item_type zip_password
		sandbox_command_line_arguments sandbox_machine_type requester related_alert_ids verify_file_support file_name`)
	r.Body = http.MaxBytesReader(w, r.Body, maxUpload)
	parts, err := r.MultipartReader()
	if err != nil {
		return up, nil, &apiError{http.StatusBadRequest, "The request is not valid", "file"}
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && !known[part.FormName()] {
			unknown = append(unknown, part.FormName())
			continue
		}
		if err == nil {
			err = up.take(part)
		}
		if err != nil {
			return up, nil, uploadError(err)
		}
	}
	switch {
	case len(unknown) > 0:
		return up, unknown, &apiError{status: http.StatusBadRequest, title: "The request is not valid"}
	case up.name == "" || len(up.content) == 0:
		return up, nil, &apiError{http.StatusBadRequest, "The request is not valid", "file"}
	case bytes.HasPrefix(up.content, []byte("PK\x03\x04")):
		return up, nil, &apiError{status: http.StatusBadRequest, title: "Cannot extract archive"}
	}
	return up, nil, nil
}

func (up *upload) take(part *multipart.Part) error {
	b, err := io.ReadAll(part)
	switch part.FormName() {
	case "file":
		up.name, up.content = part.FileName(), b
	case "verify_file_support":
		up.verifySupport, _ = strconv.ParseBool(string(b))
	}
	return err
}

func uploadError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &apiError{status: http.StatusRequestEntityTooLarge, title: "File is too large"}
	}
	return &apiError{http.StatusBadRequest, "The request is not valid", "file"}
}

// hashOthers fills the hashes that the SHA-256 of the bytes does not give.
func (f *file) hashOthers(content []byte) {
	h1, h5 := sha1.Sum(content), md5.Sum(content)
	f.sha1, f.md5 = hex.EncodeToString(h1[:]), hex.EncodeToString(h5[:])
}
