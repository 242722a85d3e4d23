package lab

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
)

// uploadRules are what POST /analyze takes now; the control server sets them.
type uploadRules struct {
	max      int64 // bytes of the file, packed and unpacked
	noVerify bool  // verify_file_support is an unknown field, as on an old server of one's own
}

// upload is a read POST /analyze.
type upload struct {
	filename      string
	content       []byte
	password      string
	verifySupport bool

	hasFile bool
	is      fingerprint // of the file that was meant
}

// serveUpload is POST /analyze: multipart, one part with the bytes and text parts with options. Whatever the answer is, the
// body is read to its end first: who is still sending might not see it.
func (e *engine) serveUpload() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		admitted := e.admit(r)
		var out reply
		var up upload
		var unknown []string
		err := error(unauthorized())
		if admitted {
			up, unknown, err = readUpload(r, e.currentRules())
		}
		if err == nil {
			out, err = e.analyze(up)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		if err != nil {
			writeIntezerError(w, asAPIError(err), unknown)
			return
		}
		writeReply(w, out)
	})
}

func (e *engine) currentRules() uploadRules {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.rules
}

// analyze submits the file that the bytes are, under whatever name they came.
func (e *engine) analyze(up upload) (reply, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.uploadCount++
	i := e.fileOf(up.is, up.filename)
	if up.verifySupport && e.file(i).verdict == "not_supported" {
		return reply{}, &apiError{status: http.StatusUnsupportedMediaType, title: "File type is not supported"}
	}
	return e.submitReply(i, up.filename)
}

// readUpload reads the parts and the archive that the file may be.
func readUpload(r *http.Request, rules uploadRules) (up upload, unknown []string, err error) {
	known := nameSet(`file disable_dynamic_execution disable_static_extraction code_item_type zip_password
		sandbox_command_line_arguments sandbox_machine_type requester related_alert_ids verify_file_support file_name`)
	if rules.noVerify {
		delete(known, "verify_file_support")
	}
	parts, err := r.MultipartReader()
	if err != nil {
		return up, nil, invalidUpload()
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
			err = up.take(part, r.ContentLength, rules.max)
		}
		if err != nil {
			return up, nil, uploadError(err)
		}
	}
	switch {
	case len(unknown) > 0:
		return up, unknown, &apiError{status: http.StatusBadRequest, title: "The request is not valid"}
	case up.filename == "" || len(up.content) == 0:
		return up, nil, invalidUpload()
	case up.password != "" && !strings.HasSuffix(up.filename, ".zip"):
		return up, nil, uploadError(errCannotExtract)
	}
	if up.is, err = unpack(up.content, up.password, rules.max); err != nil {
		return up, nil, uploadError(err)
	}
	return up, nil, nil
}

// take reads one part. The length of the request is room enough for the file.
func (up *upload) take(part *multipart.Part, length, maxFile int64) error {
	const maxText = 64 << 10
	var b bytes.Buffer
	limit := int64(maxText)
	if part.FormName() == "file" {
		if up.hasFile {
			return errors.New("more than one file")
		}
		up.hasFile, limit = true, maxFile
		b.Grow(int(min(max(length, 0), limit)) + bytes.MinRead)
	}
	if n, err := b.ReadFrom(io.LimitReader(part, limit+1)); err != nil {
		return err
	} else if n > limit {
		return errTooLarge
	}
	switch part.FormName() {
	case "file":
		up.filename, up.content = part.FileName(), b.Bytes()
	case "zip_password":
		up.password = b.String()
	case "verify_file_support":
		var err error
		if up.verifySupport, err = strconv.ParseBool(b.String()); err != nil {
			return err
		}
	}
	return nil
}

func invalidUpload() *apiError {
	return &apiError{http.StatusBadRequest, "The request is not valid", "file"}
}

func uploadError(err error) error {
	switch {
	case errors.Is(err, errTooLarge):
		return &apiError{status: http.StatusRequestEntityTooLarge, title: "File is too large"}
	case errors.Is(err, errNeedsPassword):
		return &apiError{status: http.StatusBadRequest, title: "Archive is password protected"}
	case errors.Is(err, errCannotExtract):
		return &apiError{status: http.StatusBadRequest, title: "Cannot extract archive"}
	}
	return invalidUpload()
}

type uploadCommand struct {
	Max    *int64 `json:"max"`
	Verify *bool  `json:"verify"`
}

// ctlUpload sets how large an upload may be, and whether verify_file_support is known.
func (l *Lab) ctlUpload(c uploadCommand) (any, error) {
	e := l.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.Max != nil {
		if *c.Max < 1 {
			return nil, errors.New("max must be at least 1 byte")
		}
		e.rules.max = *c.Max
	}
	if c.Verify != nil {
		e.rules.noVerify = !*c.Verify
	}
	return map[string]any{"max": e.rules.max, "verify": !e.rules.noVerify}, nil
}
