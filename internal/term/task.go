package term

import (
	"fmt"
	"strings"
	"time"

	"edrc/internal/safe"
)

// Task is one line of a [Progress]: name, n of total, unit, rate.
type Task struct {
	p           *Progress
	name, unit  string
	note        string
	n, total    int
	start       time.Time
	done        bool
	doneElapsed time.Duration
}

// Task adds a line. unit is what is counted, in the plural: "alerts".
func (p *Progress) Task(name, unit string) *Task {
	if p == nil {
		return nil
	}
	t := &Task{p: p, name: safe.Line(name), unit: safe.Line(unit), start: time.Now()}
	t.update(func() { p.tasks = append(p.tasks, t) })
	return t
}

// Add counts n more.
func (t *Task) Add(n int) { t.update(func() { t.n += n }) }

// Set says how many there are now.
func (t *Task) Set(n int) { t.update(func() { t.n = n }) }

// Total says how many there will be; 0 means that nobody knows.
func (t *Task) Total(n int) { t.update(func() { t.total = n }) }

// Note shows text in place of the rate ("waiting 12s: rate limit"); "" ends it.
func (t *Task) Note(text string) { t.update(func() { t.note = safe.Line(text) }) }

// Done marks the task as finished; its line stays until the display ends.
func (t *Task) Done() {
	t.update(func() {
		if !t.done {
			t.done, t.doneElapsed = true, time.Since(t.start)
		}
	})
}

func (t *Task) update(change func()) {
	if t == nil {
		return
	}
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	change()
	t.p.changed()
}

// line describes the task; name is padded by the caller to align the counts.
func (t *Task) line(name string) string {
	count := fmt.Sprint(t.n)
	if t.total > 0 {
		count += fmt.Sprintf(" / %d", t.total)
	}
	parts := []string{name, strings.TrimRight(count+" "+t.unit, " ")}
	switch {
	case t.done:
		parts = append(parts, "done in "+t.doneElapsed.Round(time.Second/10).String())
	case t.note != "":
		parts = append(parts, t.note)
	default:
		if r := rate(t.n, time.Since(t.start)); r != "" {
			parts = append(parts, r)
		}
	}
	return strings.Join(parts, "  ")
}

// rate is empty until a second has passed: before, it says nothing.
func rate(n int, elapsed time.Duration) string {
	if n == 0 || elapsed < time.Second {
		return ""
	}
	r := float64(n) / elapsed.Seconds()
	if r < 10 {
		return fmt.Sprintf("%.1f/s", r)
	}
	return fmt.Sprintf("%.0f/s", r)
}

// lines gives at most limit lines. When there are more tasks, the finished ones
// make room first and a last line counts those not shown.
func (p *Progress) lines(limit int) []string {
	show := p.tasks
	if len(show) > limit {
		show = nil
		for _, t := range p.tasks {
			if !t.done && len(show) < limit-1 {
				show = append(show, t)
			}
		}
	}
	width := 0
	for _, t := range show {
		width = max(width, len([]rune(t.name)))
	}
	lines := make([]string, 0, len(show)+1)
	for _, t := range show {
		lines = append(lines, t.line(fmt.Sprintf("%-*s", width, t.name)))
	}
	if hidden := len(p.tasks) - len(show); hidden > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more", hidden))
	}
	return lines
}

// cut shortens s to at most width cells and tells how many it takes. Runes that
// may be wide count as two: to cut too early is untidy, too late breaks the display.
func cut(s string, width int) (string, int) {
	cells := 0
	for i, r := range s {
		w := 1
		if r >= 0x1100 && (r < 0x2000 || r >= 0x2e80) {
			w = 2
		}
		if cells+w > width {
			return cutTail(s[:i], cells, width)
		}
		cells += w
	}
	return s, cells
}

// cutTail makes room for the ellipsis at the end of what fits.
func cutTail(s string, cells, width int) (string, int) {
	r := []rune(s)
	if len(r) == 0 || width < 2 {
		return s, cells
	}
	return string(r[:len(r)-1]) + "…", cells
}
