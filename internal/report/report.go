// Package report is edrc's output: one list or one object in, any of seven
// formats out, and the one place that renders errors.
//
// A command describes its list once, as [Column]s over its items, and hands it
// to [Print]. The rules are the same for every command: stdout is the result,
// stderr everything else; what a person reads on a terminal is cut to its width
// and says "12m", what a pipe gets is whole and says 2026-11-22T14:31:00Z; json
// is one versioned envelope. Vendor text was chosen by an attacker, so every
// cell, line and string is made harmless here, in all formats, before it is
// coloured or aligned; no caller needs to do it, and no caller may print by
// another way.
package report

import (
	"time"

	"edrc/internal/term"
)

// The values of -o.
const (
	Table  = "table"
	Wide   = "wide"
	JSON   = "json"
	NDJSON = "ndjson"
	YAML   = "yaml"
	CSV    = "csv"
	MD     = "md"
)

// Formats lists the values of -o in the order that help shows them.
func Formats() []string { return []string{Table, Wide, JSON, NDJSON, YAML, CSV, MD} }

// View is for whom a value is written. A column shortens refs and counts ages
// for the eye (TTY) and writes them whole, times in RFC 3339, for a pipe.
type View struct {
	TTY   bool
	Now   time.Time
	Width int // cells of a line, 0 when nothing may be cut
}

// Column is one column of a list of T.
type Column[T any] struct {
	// Name is the lower-case key of --columns and --sort and the header in csv;
	// tables show it in upper case.
	Name string
	// Value gives the cell. It need not be safe; "" is shown as "-" in tables.
	Value func(View, T) string
	// Wide columns are shown in -o wide or when --columns names them.
	Wide bool
	// Sort orders two items by this column; nil is by its text.
	Sort func(a, b T) int
	// Style colours a cell that is safe and cut already; nil does not.
	Style func(term.Style, T, string) string

	// Shrink says how gladly the column gives way on a narrow terminal: 0 never,
	// a higher one first. It is cut down to Min cells (at least 4); when that is
	// not enough, columns are dropped in the same order.
	Shrink int
	Min    int
	// Flex columns are cut below Min rather than dropped: the text that the row
	// would be useless without.
	Flex bool
	// Right aligns numbers.
	Right bool
}

// List is what a command found.
type List[T any] struct {
	Schema  string // of the envelope: "edrc.alerts/v1"
	Columns []Column[T]
	Items   []T
	Errors  []error // of sources that failed; the items are valid all the same
	Next    string  // where the next page starts, "" at the end
	Empty   string  // told on stderr when there is nothing: "no alerts"
}

// Names gives the keys of columns, for [Options.Validate] and completion.
func Names[T any](columns []Column[T]) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return names
}

// viewOf is the view of stdout in a format: only tables are for the eye.
func viewOf(t *term.IO, format string) View {
	v := View{Now: t.Now()}
	if format == Table || format == Wide {
		v.TTY, v.Width = t.OutTTY, t.Width
	}
	if !t.OutTTY {
		v.Width = 0
	}
	return v
}
