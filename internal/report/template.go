package report

import (
	"bytes"
	"fmt"
	"strings"
	"text/template"
	"time"

	"edrc/internal/fault"
	"edrc/internal/safe"
)

// parseTemplate parses a Go template. Beside Go's own it has the functions
// json, join, upper, lower, defang and age.
func parseTemplate(text string, v View) (*template.Template, error) {
	t, err := template.New("line").Funcs(functions(v)).Parse(text)
	if err != nil {
		return nil, templateError(err)
	}
	return t, nil
}

// runTemplate applies a template to the decoded envelope. Output that does not
// end a line gets its newline.
func runTemplate(text string, view View, v any) ([]byte, error) {
	t, err := parseTemplate(text, view)
	if err != nil {
		return nil, err
	}
	input, err := generic(v)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if err := t.Execute(&buf, input); err != nil {
		return nil, templateError(err)
	}
	out := safe.Text(buf.String())
	if out != "" && !strings.HasSuffix(out, "\n") {
		out += "\n"
	}
	return []byte(out), nil
}

func templateError(err error) error {
	return fault.Usagef("--template: %s", strings.TrimPrefix(err.Error(), "template: "))
}

func functions(v View) template.FuncMap {
	return template.FuncMap{
		"json": func(x any) (string, error) {
			b, err := marshal(x)
			return string(b), err
		},
		// The list comes last, so that it can be piped: .tags | join ", "
		"join": func(sep string, list any) (string, error) {
			items, ok := list.([]any)
			if !ok && list != nil {
				return "", fmt.Errorf("join: %T is not a list", list)
			}
			parts := make([]string, len(items))
			for i, x := range items {
				parts[i] = fmt.Sprint(x)
			}
			return strings.Join(parts, sep), nil
		},
		"upper":  strings.ToUpper,
		"lower":  strings.ToLower,
		"defang": safe.Defang,
		"age": func(s string) (string, error) {
			if s == "" {
				return "", nil
			}
			t, err := time.Parse(time.RFC3339Nano, s)
			if err != nil {
				return "", fmt.Errorf("age: %q is not an RFC 3339 time", s)
			}
			return Age(v.Now.Sub(t)), nil
		},
	}
}
