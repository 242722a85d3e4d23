package intezer

import (
	"context"
	"net/http"
	"path"
	"strings"
	"time"
	"unicode"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/scan"
)

const (
	// defaultMaxUpload is the largest of the published limits (2.4).
	defaultMaxUpload = 150 << 20
	// uploadSilence bounds a standstill while a file is sent, and the wait for the
	// answer: the server may unpack an archive first.
	uploadSilence = 3 * time.Minute
)

var _ scan.Uploader = (*Client)(nil)

// MaxUpload is the most bytes that a file may have: Options.MaxUpload.
func (c *Client) MaxUpload() int64 { return c.maxUpload }

// SubmitFile uploads a file, or an archive with one file in it and its password:
// POST /analyze (2.4). Like [Client.Submit] it costs one scan when the outcome is
// Accepted, and what is said there of errors holds here. NotHeld is impossible.
//
// The file is streamed from Open, once for each try, and is never in memory as a
// whole. A file that does not have Size bytes, or cannot be read, ends the upload
// with that error: nothing was submitted then. One larger than MaxUpload is
// Unsupported, and nothing is sent.
//
// fault.Invalid also is the answer for an archive that the engine cannot open:
// without the password that it needs, with a wrong one, damaged, or of a kind that
// the engine does not read. Nothing was spent; packed anew it may be taken.
func (c *Client) SubmitFile(ctx context.Context, u scan.Upload) (scan.Submission, error) {
	const op = "upload a file"
	switch {
	case u.Open == nil || u.Size <= 0:
		return scan.Submission{}, &fault.Error{Kind: fault.Invalid, Source: name, Op: op, Msg: "there are no bytes to upload"}
	case u.Size > c.packed(u):
		return scan.Submission{Outcome: scan.Unsupported, Reason: "the file is larger than scan.max_upload"}, nil
	}
	defer c.passwords.add(u.Password)()
	for {
		options := c.uploadOptions(u)
		resp, err := c.upload(ctx, op, options, u)
		switch {
		case err != nil:
			return scan.Submission{}, err
		case resp.Status != http.StatusBadRequest:
			return c.submitted(op, "the upload of files", resp)
		case !c.drop(options, readError(resp.Body)):
			return scan.Submission{}, c.refusedUpload(op, u, resp)
		}
		// A 400 was not processed. What was dropped is a nicety; the scan is not.
	}
}

// packed is the most bytes that an upload may have: an archive is a little larger
// than an incompressible file in it.
func (c *Client) packed(u scan.Upload) int64 {
	if u.Password == "" {
		return c.maxUpload
	}
	return c.maxUpload + c.maxUpload/1000 + 4<<10
}

// part is a text part of the form.
type part struct{ name, value string }

// uploadOptions are the parts beside the file. An option that is not set is not
// sent: schemas are strict.
func (c *Client) uploadOptions(u scan.Upload) []part {
	var out []part
	if u.Password != "" {
		out = append(out, part{"zip_password", u.Password})
	}
	if c.requester != "" && !c.noRequester.Load() {
		out = append(out, part{"requester", c.requester})
	}
	if !c.noVerify.Load() {
		// 415 for what cannot be analysed, in place of a paid "not_supported".
		out = append(out, part{"verify_file_support", "true"})
	}
	return out
}

// drop leaves out from now on what the server complains about, if it is one of the
// options that were sent and that may be missing.
func (c *Client) drop(sent []part, complaint errorBody) (dropped bool) {
	for _, p := range sent {
		switch {
		case p.name == "requester" && complaint.names(p.name):
			c.noRequester.Store(true)
		case p.name == "verify_file_support" && complaint.names(p.name):
			c.noVerify.Store(true)
		default:
			continue
		}
		dropped = true
	}
	return dropped
}

func (c *Client) upload(ctx context.Context, op string, options []part, u scan.Upload) (*httpx.Response, error) {
	form, err := newForm(options, uploadName(u), u.Open, u.Size)
	if err != nil {
		return nil, fault.At(err, name, op)
	}
	return c.http.Do(ctx, httpx.Request{
		Op: op, Method: http.MethodPost, Path: "/analyze", Class: httpx.Once,
		Body: form.open, Size: form.size(), ContentType: form.contentType, Timeout: uploadSilence,
		OK: []int{
			http.StatusBadRequest, http.StatusForbidden, http.StatusConflict,
			http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
		},
	})
}

// refusedUpload says what a 400 means (2.4).
func (c *Client) refusedUpload(op string, u scan.Upload, resp *httpx.Response) error {
	b := readError(resp.Body)
	switch {
	case b.says("password protected") && u.Password == "":
		return c.failure(fault.Invalid, op, "the file is an archive with a password, and none was given", resp).
			WithHint("give the archive's password, or the file inside")
	case b.says("password protected"), b.says("cannot extract archive"):
		return c.failure(fault.Invalid, op, "the archive cannot be opened there", resp).
			WithHint("the password may be wrong, the archive damaged, of an unknown kind, or hold more than one file")
	}
	return c.failure(fault.Invalid, op, "the upload was refused", resp)
}

// uploadName is the filename of the upload. An archive has a name of ours that ends
// in .zip, as the vendor's own client demands; a file keeps what is harmless of its
// own, since scripts are told by their extension.
func uploadName(u scan.Upload) string {
	if u.Password != "" {
		return "file.zip"
	}
	const most, mostExt = 100, 16
	clean := strings.Map(func(r rune) rune {
		if r != unicode.ReplacementChar && (unicode.IsLetter(r) || unicode.IsDigit(r)) || strings.ContainsRune("._-", r) {
			return r
		}
		return '_'
	}, path.Base(strings.ReplaceAll(u.Name, `\`, "/")))
	clean = strings.Trim(clean, "._")
	if r := []rune(clean); len(r) > most {
		ext := []rune(path.Ext(clean))
		if len(ext) > mostExt {
			ext = nil
		}
		clean = string(r[:most-len(ext)]) + string(ext)
	}
	if clean == "" {
		return "file"
	}
	return clean
}
