package report

import (
	"context"
	"encoding/csv"
	"fmt"
	"iter"

	"edrc/internal/fault"
	"edrc/internal/term"
)

// Stream writes items as they come, in ndjson or csv: for what is too much to
// hold or too slow to wait for. Each line is out before the next item is asked
// for. An error of the iterator does not end it; all are rendered on stderr at
// the end, as JSON objects for ndjson, and returned for the exit code together
// with the number of items. err is about the options, ctx or the writing.
func Stream[T any](ctx context.Context, t *term.IO, o Options, columns []Column[T], items iter.Seq2[T, error]) (n int, failed []error, err error) {
	if err := o.Validate(Names(columns)); err != nil {
		return 0, nil, err
	}
	if !o.Streams() {
		return 0, nil, fault.Usagef("only -o ndjson and -o csv can be streamed, without --sort, --jq and --template")
	}
	write, err := streamWriter(t, o, columns)
	if err != nil {
		return 0, nil, err
	}
	defer func() { Errors(t, o.ErrorFormat(), failed) }()
	for item, itemErr := range items {
		if err := ctx.Err(); err != nil {
			return n, failed, err
		}
		if itemErr != nil {
			failed = append(failed, itemErr)
			continue
		}
		if err := write(item); err != nil {
			return n, failed, err
		}
		n++
	}
	return n, failed, ctx.Err()
}

// streamWriter gives the function that writes one item; csv has its header out.
func streamWriter[T any](t *term.IO, o Options, columns []Column[T]) (func(T) error, error) {
	if o.format() == NDJSON {
		return func(item T) error {
			b, err := marshal(item)
			if err != nil {
				return err
			}
			return written(t.Out.Write(append(b, '\n')))
		}, nil
	}
	w, v := csv.NewWriter(t.Out), viewOf(t, CSV)
	columns = chosen(o, columns)
	put := func(row []string) error {
		_ = w.Write(row) // buffered: the error is the flush's
		w.Flush()
		return written(0, w.Error())
	}
	if !o.NoHeader {
		if err := put(Names(columns)); err != nil {
			return nil, err
		}
	}
	return func(item T) error { return put(record(columns, item, v)) }, nil
}

func written(_ int, err error) error {
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}
