package triage

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"text/template"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/safe"
)

const (
	maxFilled = 64 << 10 // of a note that a template made
	maxField  = 500      // characters of one value in it
)

// NoteFields are what a note template may name. Every value is one line, harmless
// on a terminal, and of bounded length; only URL and Report can be clicked.
type NoteFields struct {
	Ref, Source, ID, Title, Severity, Status string
	Host, User                               string
	File, Path, Hash                         string // of the file with the worst verdict, else the first
	Verdict, Family, Report                  string // Verdict is "" when there is none
	URL                                      string // the alert in its console
	Now                                      string // RFC 3339, UTC
}

// NoteTemplate is a note with places for what an alert is about.
type NoteTemplate struct {
	name string
	tmpl *template.Template
}

// ParseNoteTemplate reads a template and tries it, so that a mistake is met before
// anything is asked or written.
func ParseNoteTemplate(name, text string) (*NoteTemplate, error) {
	t, err := template.New(name).Funcs(template.FuncMap{
		// A width in a format makes any amount of text out of nothing.
		"printf": func(...any) (string, error) { return "", errors.New("printf is not available in a note") },
		"upper":  strings.ToUpper, "lower": strings.ToLower,
	}).Parse(text)
	if err != nil {
		return nil, templateError(name, err)
	}
	nt := &NoteTemplate{name, t}
	_, err = nt.fill(NoteFields{})
	return nt, err
}

func templateError(name string, err error) error {
	return fault.Usagef("notes.templates.%s: %s", name, strings.TrimPrefix(err.Error(), "template: ")).
		WithHint("it may name {{.Ref}} {{.Title}} {{.Host}} {{.User}} {{.File}} {{.Hash}} {{.Verdict}} {{.Family}} {{.Severity}} {{.Status}} {{.URL}} {{.Report}} {{.Now}}")
}

func (t *NoteTemplate) fill(f NoteFields) (string, error) {
	var out bounded
	if err := t.tmpl.Execute(&out, f); err != nil {
		return "", templateError(t.name, err)
	}
	return strings.TrimSpace(out.String()), nil
}

// bounded is a buffer that takes no more than a note may be.
type bounded struct{ bytes.Buffer }

// Write fails once the text is too long, which ends the template.
func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxFilled {
		return 0, errors.New("it makes more than 64 KiB of text")
	}
	return b.Buffer.Write(p)
}

// FillNote reads an alert and fills a template with what is known of it.
func (s *Service) FillNote(ctx context.Context, ref alert.Ref, t *NoteTemplate) (string, error) {
	d, err := s.Get(ctx, ref, false)
	if err != nil {
		return "", err
	}
	a := d.Alert
	f := NoteFields{Ref: ref.String(), Source: ref.Source, ID: a.ID, Title: a.Title, Severity: a.Severity.String(), Status: string(a.Status),
		Host: a.Host.Name, User: a.User, URL: a.URL, Now: s.Now().UTC().Format("2006-01-02T15:04:05Z")}
	file := worstFile(d)
	f.File, f.Path, f.Hash = file.Name, file.Path, string(file.Best())
	if v := d.Verdict; v != nil {
		f.Verdict, f.Family, f.Report = className(v.Class), v.Family, v.URL
	}
	for _, p := range []*string{&f.Ref, &f.ID, &f.Title, &f.Host, &f.User, &f.File, &f.Path, &f.Family} {
		*p = short(vendorText(*p))
	}
	for _, p := range []*string{&f.URL, &f.Report} { // the console's and the engine's own pages may be clicked
		*p = short(safe.Line(*p))
	}
	text, err := t.fill(f)
	if err == nil && text == "" {
		err = fault.Usagef("notes.templates.%s gives no text for %s", t.name, ref)
	}
	return text, err
}

// worstFile gives the file that the alert's verdict is of, else its first.
func worstFile(d *Detail) alert.File {
	for _, f := range d.Files {
		if d.Verdict != nil && f.Verdict != nil && f.Verdict.Class == d.Verdict.Class && f.Verdict.Best() == d.Verdict.Best() {
			return f.File
		}
	}
	if len(d.Files) > 0 {
		return d.Files[0].File
	}
	return alert.File{}
}

func short(s string) string {
	if r := []rune(s); len(r) > maxField {
		return string(r[:maxField]) + "…"
	}
	return s
}
