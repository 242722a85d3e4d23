package report

import (
	"fmt"
	"io"
	"strings"

	"edrc/internal/safe"
	"edrc/internal/term"
)

// maxCard is where the right part of a card's title ends on a wide terminal:
// further away the eye loses the line.
const maxCard = 100

// Row is a labelled line of a card; further lines stand below the first. A row
// without text is left out.
type Row struct {
	Label string
	Lines []string
	// Whole lines are never cut: what does not fit goes on in the next line, word
	// by word. It is for text that would be useless in part: a note, a hash, a
	// link or a command to copy. A single long word is left to the terminal.
	Whole bool
	// Tail lines lose their beginning rather than their end: a path keeps its name.
	Tail bool
	// Style colours a line that is safe and cut already; nil does not.
	Style func(term.Style, string) string
}

// Card writes one thing for a person: a title, its state at the right end, and
// aligned rows. On a terminal lines are cut to its width, in a pipe they are
// whole. Values need not be safe.
func Card(t *term.IO, title, right string, rows []Row) error {
	style := t.OutStyle()
	var b strings.Builder
	b.WriteString(cardTitle(style, safe.Line(title), safe.Line(right), width(t)))
	labels := 8
	for _, r := range rows {
		labels = max(labels, cells(safe.Line(r.Label)))
	}
	for _, r := range rows {
		label := safe.Line(r.Label)
		for _, line := range r.Lines {
			line = strings.TrimRight(safe.Line(line), " ")
			if line == "" {
				continue
			}
			parts := []string{line}
			if room := max(1, width(t)-labels-4); width(t) > 0 && r.Whole {
				parts = wrap(line, room)
			} else if width(t) > 0 && r.Tail {
				parts = []string{cutLeft(line, room)}
			} else if width(t) > 0 {
				parts = []string{cut(line, room)}
			}
			for _, part := range parts {
				if r.Style != nil {
					part = r.Style(style, part)
				}
				pad := strings.Repeat(" ", labels-cells(label)+gap)
				fmt.Fprintf(&b, "  %s%s%s\n", style.Faint(label), pad, part)
				label = "" // the next line of the row has none
			}
		}
	}
	if _, err := io.WriteString(t.Out, b.String()); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// wrap breaks safe text between words into lines of at most width cells.
func wrap(s string, width int) []string {
	if cells(s) <= width {
		return []string{s}
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		if line != "" && cells(line)+1+cells(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// cardTitle sets right at the right end; when both do not fit, the title is cut
// before the state is.
func cardTitle(style term.Style, title, right string, width int) string {
	if width == 0 {
		return strings.TrimRight(title+"  "+right, " ") + "\n"
	}
	if right == "" {
		return style.Bold(cut(title, width)) + "\n"
	}
	right = cut(right, max(1, width/2, width-cells(title)-gap))
	title = cut(title, max(1, width-cells(right)-gap))
	space := max(gap, min(width, maxCard)-cells(title)-cells(right))
	return style.Bold(title) + strings.Repeat(" ", space) + right + "\n"
}

// width is the width that stdout is cut to, 0 for a pipe.
func width(t *term.IO) int {
	if !t.OutTTY {
		return 0
	}
	return t.Width
}
