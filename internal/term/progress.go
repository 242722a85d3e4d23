package term

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// drawEvery is the least time between two redraws.
const drawEvery = 100 * time.Millisecond

// Progress shows one line for each running task at the bottom of stderr, and
// only when that is a terminal; else it writes nothing at all. It is safe for
// concurrent use, and no goroutine outlives Done. A nil Progress and a nil Task
// do nothing, so callers need not ask whether progress is wanted.
type Progress struct {
	w     io.Writer
	size  func() (int, int)
	style Style
	live  bool

	mu     sync.Mutex
	tasks  []*Task
	drawn  []int // width in cells of each line now on the screen
	last   time.Time
	timer  *time.Timer // a redraw to come, nil when none
	closed bool
}

// NewProgress starts an empty display. Done must be called before anything else
// writes to the terminal by another way than this value.
func (t *IO) NewProgress() *Progress {
	return &Progress{
		w: t.Err, size: t.ErrSize, style: t.ErrStyle(),
		live: t.ErrTTY && t.Getenv("TERM") != "dumb",
	}
}

// Println prints a line to stderr above the display.
func (p *Progress) Println(args ...any) {
	if p == nil {
		return
	}
	_, _ = fmt.Fprintln(p, args...)
}

// Write prints whole lines to stderr above the display, so that a logger can
// write through it. Text goes through as it is: make it safe before.
func (p *Progress) Write(b []byte) (int, error) {
	if p == nil {
		return len(b), nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.drawn) == 0 {
		return p.w.Write(b)
	}
	var buf bytes.Buffer
	p.clear(&buf)
	buf.Write(b)
	if !bytes.HasSuffix(b, []byte("\n")) {
		buf.WriteByte('\n') // the display needs lines of its own
	}
	p.draw(&buf)
	if _, err := p.w.Write(buf.Bytes()); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Around hides the display while f runs: for a result line on stdout. f must
// not use p.
func (p *Progress) Around(f func()) {
	if p == nil {
		f()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flush(p.clear)
	f()
	if p.live && !p.closed {
		p.flush(p.draw)
	}
}

// Done removes the display from the screen. Further updates are ignored.
func (p *Progress) Done() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	p.flush(p.clear)
}

// changed draws now, or soon when the last redraw is too recent; so the last
// update of a burst is shown too. The lock is held.
func (p *Progress) changed() {
	if !p.live || p.closed || p.timer != nil {
		return
	}
	if wait := drawEvery - time.Since(p.last); wait > 0 && !p.last.IsZero() {
		p.timer = time.AfterFunc(wait, p.redraw)
		return
	}
	p.flush(p.clear, p.draw)
}

func (p *Progress) redraw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.timer = nil
	p.flush(p.clear, p.draw)
}

// flush sends steps in one write, so that the screen does not flicker.
func (p *Progress) flush(steps ...func(*bytes.Buffer)) {
	var buf bytes.Buffer
	for _, step := range steps {
		step(&buf)
	}
	if buf.Len() > 0 {
		_, _ = p.w.Write(buf.Bytes())
	}
}

// clear goes up over the lines that were drawn and erases from there. A window
// that became narrower has broken them into more rows: those are counted.
func (p *Progress) clear(buf *bytes.Buffer) {
	if len(p.drawn) == 0 {
		return
	}
	width, _ := p.size()
	rows := 0
	for _, cells := range p.drawn {
		rows += max(1, (cells+width-1)/max(1, width))
	}
	fmt.Fprintf(buf, "\x1b[%dA\r\x1b[J", rows)
	p.drawn = p.drawn[:0]
}

// draw appends the lines, each cut below the width and all below the height.
func (p *Progress) draw(buf *bytes.Buffer) {
	p.last = time.Now()
	width, height := p.size()
	for _, line := range p.lines(max(1, height-2)) {
		line, cells := cut(line, max(1, width-1))
		buf.WriteString(p.style.Faint(line))
		buf.WriteByte('\n')
		p.drawn = append(p.drawn, cells)
	}
}
