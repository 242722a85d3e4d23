package report

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strings"

	"edrc/internal/safe"
)

// csvOf gives a header of column names and a record for each item.
func csvOf[T any](o Options, l List[T], v View) ([]byte, error) {
	columns := chosen(o, l.Columns)
	var buf bytes.Buffer
	w := csv.NewWriter(&buf)
	if !o.NoHeader {
		if err := w.Write(Names(columns)); err != nil {
			return nil, fmt.Errorf("encode csv: %w", err)
		}
	}
	for _, item := range l.Items {
		if err := w.Write(record(columns, item, v)); err != nil {
			return nil, fmt.Errorf("encode csv: %w", err)
		}
	}
	w.Flush()
	return buf.Bytes(), w.Error()
}

// record gives the cells of an item: without control characters, which a
// terminal would obey, nor formulas, which a spreadsheet would.
func record[T any](columns []Column[T], item T, v View) []string {
	row := make([]string, len(columns))
	for i, c := range columns {
		row[i] = safe.CSV(safe.Line(c.Value(v, item)))
	}
	return row
}

// markdown gives a table to paste into a ticket.
func markdown[T any](o Options, l List[T], v View) []byte {
	columns := chosen(o, l.Columns)
	head, rows := cellsOf(columns, l.Items, v)
	var buf bytes.Buffer
	line := func(row []string) { buf.WriteString("| " + strings.Join(row, " | ") + " |\n") }
	line(escapeAll(head))
	rule := make([]string, len(columns))
	for i, c := range columns {
		rule[i] = "---"
		if c.Right {
			rule[i] = "---:"
		}
	}
	line(rule)
	for _, row := range rows {
		line(escapeAll(row))
	}
	return buf.Bytes()
}

// escapeAll keeps text text: | would end a cell; the others would make a link,
// load a picture or become HTML in whatever renders the ticket.
func escapeAll(row []string) []string {
	escape := strings.NewReplacer(`\`, `\\`, "|", `\|`, "`", "\\`", "[", `\[`, "]", `\]`,
		"<", `\<`, ">", `\>`, "*", `\*`, "~", `\~`, "&", `\&`)
	for i := range row {
		row[i] = escape.Replace(row[i])
	}
	return row
}
