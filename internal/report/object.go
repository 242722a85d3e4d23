package report

import (
	"context"
	"fmt"

	"edrc/internal/fault"
	"edrc/internal/term"
)

// object is the envelope of one thing.
type object struct {
	Schema string `json:"schema"`
	Item   any    `json:"item"`
}

// Object writes one thing to stdout: json and yaml as {"schema", "item"}, ndjson
// as the bare item on a line, --jq and --template over the envelope. No format
// is json. A command with a [Card] for people calls Object only when
// [Options.Structured] says so; the formats of lists are a usage error here.
func Object(ctx context.Context, t *term.IO, o Options, schema string, v any) error {
	if err := o.Validate(nil); err != nil {
		return err
	}
	var out []byte
	var err error
	switch {
	case o.filtered(), o.Format == "", o.Format == JSON, o.Format == YAML:
		view := viewOf(t, o.Format)
		if o.Format == "" {
			o.Format = JSON
		}
		out, err = document(ctx, o, view, object{schema, v})
	case o.Format == NDJSON:
		out, err = marshal(v)
		out = append(out, '\n')
	default:
		return fault.Usagef("-o %s is for lists; this is one thing: json, yaml or ndjson", o.Format)
	}
	if err != nil {
		return err
	}
	if _, err := t.Out.Write(out); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// Structured reports whether the user asked for data rather than for a card.
func (o Options) Structured() bool {
	f := o.format()
	return o.filtered() || f == JSON || f == NDJSON || f == YAML
}
