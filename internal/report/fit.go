package report

import (
	"strings"

	"github.com/olekukonko/tablewriter/pkg/twwidth"
)

// gap is the space between two columns; leastCells what a cut column keeps.
const (
	gap        = 2
	leastCells = 4
)

// span is a column as the fitting sees it: widths in cells and who gives way.
type span struct {
	natural, min, shrink int
	keep                 bool // cut below min rather than dropped
}

// fit gives the width of each column so that a row takes at most width cells;
// 0 drops the column. First the columns that shrink are cut to their least
// width, highest Shrink first and those of equal rank evenly; then columns are
// dropped in that order, after each drop from the start; then those that may
// not be dropped are cut further; at last the right end of the row goes.
func fit(spans []span, width int) []int {
	out := make([]int, len(spans))
	for i, s := range spans {
		out[i] = s.natural
	}
	if width <= 0 {
		return out
	}
	dropped := make([]bool, len(spans))
	for {
		for i, s := range spans {
			out[i] = s.natural
			if dropped[i] {
				out[i] = 0
			}
		}
		shrink(out, spans, width, func(s span) int { return max(s.min, leastCells) })
		if total(out) <= width {
			return out
		}
		i := weakest(spans, dropped)
		if i < 0 {
			break
		}
		dropped[i] = true
	}
	shrink(out, spans, width, func(span) int { return leastCells })
	clip(out, width)
	return out
}

// shrink takes cells away one by one: from the widest column of the highest
// Shrink that is still above its floor.
func shrink(out []int, spans []span, width int, floor func(span) int) {
	for over := total(out) - width; over > 0; over-- {
		best := -1
		for i, s := range spans {
			if s.shrink == 0 || out[i] <= floor(s) {
				continue
			}
			if best < 0 || s.shrink > spans[best].shrink || s.shrink == spans[best].shrink && out[i] >= out[best] {
				best = i
			}
		}
		if best < 0 {
			return
		}
		out[best]--
	}
}

// weakest is the column to drop next: highest Shrink, the right one of equals.
func weakest(spans []span, dropped []bool) int {
	best := -1
	for i, s := range spans {
		if s.shrink == 0 || s.keep || dropped[i] {
			continue
		}
		if best < 0 || s.shrink >= spans[best].shrink {
			best = i
		}
	}
	return best
}

// clip cuts the row at its right end: nothing else gave way.
func clip(out []int, width int) {
	used := 0
	for i, w := range out {
		if w == 0 {
			continue
		}
		before := used
		if used > 0 {
			before += gap
		}
		out[i] = max(0, min(w, width-before))
		if out[i] > 0 {
			used = before + out[i]
		}
	}
}

func total(widths []int) int {
	sum := 0
	for _, w := range widths {
		if w == 0 {
			continue
		}
		if sum > 0 {
			sum += gap
		}
		sum += w
	}
	return sum
}

// cells is how wide a text is on a terminal, as the table library counts.
func cells(s string) int { return twwidth.Width(s) }

// cut shortens safe text to width cells, with "…" at its end; 0 cuts nothing.
func cut(s string, width int) string {
	if width <= 0 || len(s) <= width || cells(s) <= width {
		return s
	}
	room := width - cells("…")
	if room < 0 {
		return ""
	}
	used := 0
	for i, r := range s {
		used += cells(string(r))
		if used > room {
			return strings.TrimRight(s[:i], " ") + "…"
		}
	}
	return s
}

// cutLeft shortens safe text to width cells, with "…" at its beginning.
func cutLeft(s string, width int) string {
	for over := cells(s) - width; over > 0; over = cells(s) - width {
		r := []rune(strings.TrimPrefix(s, "…"))
		s = "…" + string(r[min(len(r), max(1, over/2)):])
		if len(r) == 0 {
			return cut(s, width)
		}
	}
	return s
}
