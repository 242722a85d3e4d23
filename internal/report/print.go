package report

import (
	"context"
	"fmt"
	"io"

	"edrc/internal/safe"
	"edrc/internal/term"
)

// Print writes a list to stdout as the options say. What failed goes into the
// envelope where the format has one (json, yaml) and to stderr otherwise; an
// empty table is nothing on stdout and l.Empty on stderr. The error is about
// the options or the writing, never one of l.Errors.
func Print[T any](ctx context.Context, t *term.IO, o Options, l List[T]) error {
	if err := o.Validate(Names(l.Columns)); err != nil {
		return err
	}
	v := viewOf(t, o.format())
	l.Items = sorted(o, l, v)
	out, err := render(ctx, t, o, l, v)
	// What jq had given before it failed is printed, as jq does.
	if len(out) > 0 {
		if _, werr := t.Out.Write(out); werr != nil {
			return fmt.Errorf("write the result: %w", werr)
		}
	}
	if err != nil {
		return err
	}
	if o.filtered() || o.format() != JSON && o.format() != YAML {
		Errors(t, o.ErrorFormat(), l.Errors)
	}
	if len(l.Items) == 0 && len(l.Errors) == 0 && l.Empty != "" && o.tabular() && o.format() != CSV {
		_, _ = io.WriteString(t.Err, safe.Line(l.Empty)+"\n")
	}
	return nil
}

// PrintAs is Print for a list whose items have another shape in json, ndjson and
// yaml than in tables: shape makes it. Sorting is by the list's columns in all.
func PrintAs[T, J any](ctx context.Context, t *term.IO, o Options, l List[T], shape func(T) J) error {
	if !o.Structured() {
		return Print(ctx, t, o, l)
	}
	if err := o.Validate(Names(l.Columns)); err != nil {
		return err
	}
	out := List[J]{Schema: l.Schema, Errors: l.Errors, Next: l.Next}
	for _, item := range sorted(o, l, viewOf(t, o.format())) {
		out.Items = append(out.Items, shape(item))
	}
	o.Sort = ""
	return Print(ctx, t, o, out)
}

func render[T any](ctx context.Context, t *term.IO, o Options, l List[T], v View) ([]byte, error) {
	if o.filtered() || o.format() == JSON || o.format() == YAML {
		return document(ctx, o, v, envelopeOf(l))
	}
	switch o.format() {
	case NDJSON:
		return lines(l.Items)
	case CSV:
		return csvOf(o, l, v)
	case MD:
		return markdown(o, l, v), nil
	}
	if len(l.Items) == 0 {
		return nil, nil
	}
	return table(o, l, v, t.OutStyle())
}

// document renders one value in the formats that have a structure.
func document(ctx context.Context, o Options, v View, doc any) ([]byte, error) {
	switch {
	case o.JQ != "":
		return runJQ(ctx, o.JQ, doc)
	case o.Template != "":
		return runTemplate(o.Template, v, doc)
	case o.format() == YAML:
		return yamlOf(doc)
	}
	return pretty(doc)
}

// lines gives each item as a line of JSON.
func lines[T any](items []T) ([]byte, error) {
	var out []byte
	for _, item := range items {
		b, err := marshal(item)
		if err != nil {
			return nil, err
		}
		out = append(append(out, b...), '\n')
	}
	return out, nil
}
