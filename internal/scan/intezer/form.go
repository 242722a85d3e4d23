package intezer

import (
	"bytes"
	"io"
	"mime/multipart"

	"edrc/internal/fault"
)

// form is a multipart body around a file that stays where it is: what stands before
// and behind the file is made once, so that the length is known and every try sends
// the same bytes.
type form struct {
	before, behind []byte
	contentType    string
	file           func() (io.ReadCloser, error)
	fileSize       int64
}

// newForm makes the form: the text parts, then the part "file".
func newForm(parts []part, filename string, file func() (io.ReadCloser, error), size int64) (*form, error) {
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for _, p := range parts {
		if err := m.WriteField(p.name, p.value); err != nil {
			return nil, err
		}
	}
	if _, err := m.CreateFormFile("file", filename); err != nil {
		return nil, err
	}
	split := b.Len()
	if err := m.Close(); err != nil {
		return nil, err
	}
	all := b.Bytes()
	return &form{before: all[:split], behind: all[split:], contentType: m.FormDataContentType(), file: file, fileSize: size}, nil
}

// size is the length of the whole body.
func (f *form) size() int64 { return int64(len(f.before)) + f.fileSize + int64(len(f.behind)) }

// open gives the body from its start.
func (f *form) open() (io.ReadCloser, error) {
	file, err := f.file()
	if err != nil {
		return nil, err
	}
	exact := &exactly{r: file, left: f.fileSize}
	return &formBody{Reader: io.MultiReader(bytes.NewReader(f.before), exact, bytes.NewReader(f.behind)), file: file}, nil
}

type formBody struct {
	io.Reader
	file io.Closer
}

func (b *formBody) Close() error { return b.file.Close() }

// exactly reads a file of a known length. One that is shorter or longer is an
// error before the end of the form is sent: what was announced is not the file.
type exactly struct {
	r    io.Reader
	left int64
}

func (e *exactly) Read(p []byte) (int, error) {
	if int64(len(p)) > e.left+1 {
		p = p[:e.left+1] // one more than there should be
	}
	n, err := e.r.Read(p)
	e.left -= int64(n)
	switch {
	case e.left < 0, err == io.EOF && e.left > 0:
		return 0, fault.New(fault.Corrupt, "the file does not have the size that it should have")
	}
	return n, err
}
