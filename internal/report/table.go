package report

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/tw"

	"edrc/internal/safe"
	"edrc/internal/term"
)

// table renders rows the kubectl way: upper-case header, two spaces between
// columns, no lines. On a terminal it is cut to the width, never wrapped; what
// was asked for by name or by -o wide is cut rather than dropped.
func table[T any](o Options, l List[T], v View, style term.Style) ([]byte, error) {
	columns := chosen(o, l.Columns)
	head, rows := cellsOf(columns, l.Items, v)
	widths := fit(spansOf(columns, head, rows, o), v.Width)
	var shown [][]string
	if !o.NoHeader {
		shown = append(shown, visible(head, widths, func(_ int, s string) string { return style.Bold(s) }))
	}
	for i, row := range rows {
		shown = append(shown, visible(row, widths, func(c int, s string) string {
			if columns[c].Style == nil {
				return s
			}
			return columns[c].Style(style, l.Items[i], s)
		}))
	}
	var right []bool
	for i, w := range widths {
		if w > 0 {
			right = append(right, columns[i].Right)
		}
	}
	return layout(shown, right)
}

// cellsOf gives header and rows as safe one-line text; an empty cell is "-".
func cellsOf[T any](columns []Column[T], items []T, v View) (head []string, rows [][]string) {
	for _, c := range columns {
		head = append(head, strings.ToUpper(c.Name))
	}
	for _, item := range items {
		row := make([]string, len(columns))
		for i, c := range columns {
			row[i] = strings.TrimSpace(safe.Line(c.Value(v, item)))
			if row[i] == "" {
				row[i] = "-"
			}
		}
		rows = append(rows, row)
	}
	return head, rows
}

func spansOf[T any](columns []Column[T], head []string, rows [][]string, o Options) []span {
	asked := len(o.Columns) > 0 || o.format() == Wide
	spans := make([]span, len(columns))
	for i, c := range columns {
		natural := cells(head[i])
		for _, row := range rows {
			natural = max(natural, cells(row[i]))
		}
		spans[i] = span{natural: natural, min: min(c.Min, natural), shrink: c.Shrink, keep: c.Flex || asked}
	}
	return spans
}

// visible cuts and styles the cells of the columns that are shown.
func visible(row []string, widths []int, paint func(int, string) string) []string {
	var out []string
	for i, w := range widths {
		if w > 0 {
			out = append(out, paint(i, cut(row[i], w)))
		}
	}
	return out
}

// layout aligns rows. Every habit of the library that changes a cell is off:
// title case, trimming, wrapping; widths are those of the cells we hand in.
func layout(rows [][]string, right []bool) ([]byte, error) {
	var buf bytes.Buffer
	align := make([]tw.Align, len(right))
	for i := range right {
		align[i] = tw.AlignLeft
		if right[i] {
			align[i] = tw.AlignRight
		}
	}
	t := tablewriter.NewTable(&buf,
		tablewriter.WithRendition(tw.Rendition{
			Borders:  tw.BorderNone,
			Settings: tw.Settings{Separators: tw.SeparatorsNone, Lines: tw.LinesNone},
		}),
		tablewriter.WithPadding(tw.Padding{Left: "", Right: strings.Repeat(" ", gap), Overwrite: true}),
		tablewriter.WithRowAutoFormat(tw.Off),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithTrimSpace(tw.Off),
		tablewriter.WithRowAlignmentConfig(tw.CellAlignment{PerColumn: align}),
	)
	for _, row := range rows {
		if err := t.Append(row); err != nil {
			return nil, fmt.Errorf("lay out the table: %w", err)
		}
	}
	if err := t.Render(); err != nil {
		return nil, fmt.Errorf("lay out the table: %w", err)
	}
	return trimLines(buf.Bytes()), nil
}

// trimLines removes the padding after the last column: it would wrap on a full
// line. Behind the padding of a coloured cell the library puts a reset of its own.
func trimLines(b []byte) []byte {
	lines := bytes.Split(b, []byte("\n"))
	for i, line := range lines {
		if padded, ok := bytes.CutSuffix(line, []byte("\x1b[0m")); ok && bytes.HasSuffix(padded, []byte(" ")) {
			line = padded
		}
		lines[i] = bytes.TrimRight(line, " ")
	}
	return bytes.Join(lines, []byte("\n"))
}
