// Package term knows the terminal: the three streams and whether a person looks
// at them, their width, colour, one prompt that cannot be fooled by a pipe, a
// progress display that vanishes, and a pager. It decides how something is
// shown and never what.
//
// The rules of its speech: stdout is the result and nothing else; questions,
// progress and notices go to stderr or to the terminal itself; colour only
// supports, so that everything can be read without it; what is not a terminal
// gets no escape sequence, unless the user forces colour.
package term

import (
	"io"
	"os"
	"strconv"
	"time"

	xterm "golang.org/x/term"
)

// defaultWidth and defaultHeight are assumed of a terminal that does not tell its size.
const (
	defaultWidth  = 80
	defaultHeight = 24
)

// IO is the streams of the process and what is known about them. A command gets
// one and touches os.Stdout nowhere.
type IO struct {
	In  io.Reader
	Out io.Writer // the result; remembers a closed pipe, see [IsClosedPipe]
	Err io.Writer // everything else

	InTTY, OutTTY, ErrTTY bool // is the stream a terminal

	// Width is how many cells a line of Out has; 0 when Out is not a terminal,
	// and then nothing is cut.
	Width int
	// ErrSize gives the present size of Err's terminal in cells. It is asked
	// before each redraw because the window may have been resized.
	ErrSize func() (width, height int)

	Color  Color
	Getenv func(string) string
	// Now is the clock that ages are counted from.
	Now func() time.Time
	// OpenTTY opens the terminal for a question. It fails with [ErrNoTerminal]
	// when nobody could answer.
	OpenTTY func() (io.ReadWriteCloser, error)

	pageTo *os.File // where a pager writes; nil: no pager
}

// System returns the streams of this process. It also takes over SIGPIPE: a
// closed stdout becomes an error that the command can finish on in order, where
// Go's default would kill the process between two writes to a vendor.
func System() *IO {
	catchSIGPIPE()
	enableEscapes(os.Stderr)
	t := &IO{
		In:     os.Stdin,
		Out:    NewPipeWriter(os.Stdout),
		Err:    os.Stderr,
		InTTY:  isTerminal(os.Stdin),
		OutTTY: isTerminal(os.Stdout),
		ErrTTY: isTerminal(os.Stderr),
		Color:  Auto,
		Getenv: os.Getenv,
		Now:    time.Now,
		pageTo: os.Stdout,
	}
	t.ErrSize = func() (int, int) { return size(os.Stderr, t.Getenv) }
	if t.OutTTY {
		t.Width, _ = size(os.Stdout, t.Getenv)
	}
	t.OpenTTY = func() (io.ReadWriteCloser, error) {
		// A controlling terminal alone is not enough: a script with all streams
		// redirected would wait for an answer that nobody knows is wanted.
		if !t.InTTY && !t.ErrTTY {
			return nil, ErrNoTerminal
		}
		return openTTY()
	}
	return t
}

func isTerminal(f *os.File) bool { return xterm.IsTerminal(int(f.Fd())) }

// size asks the terminal, then COLUMNS and LINES, then assumes 80 x 24.
func size(f *os.File, getenv func(string) string) (width, height int) {
	width, height, err := xterm.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		width = positive(getenv("COLUMNS"), defaultWidth)
	}
	if err != nil || height <= 0 {
		height = positive(getenv("LINES"), defaultHeight)
	}
	return width, height
}

func positive(s string, otherwise int) int {
	if n, err := strconv.Atoi(s); err == nil && n > 0 && n < 1<<16 {
		return n
	}
	return otherwise
}
