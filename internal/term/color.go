package term

import (
	"fmt"
	"strings"

	"github.com/fatih/color"
)

// Color is what the user asked for with --color.
type Color string

// The values of --color.
const (
	Auto   Color = "auto"
	Always Color = "always"
	Never  Color = "never"
)

// ParseColor reads a value of --color; "" is [Auto].
func ParseColor(s string) (Color, error) {
	switch c := Color(strings.ToLower(s)); c {
	case "":
		return Auto, nil
	case Auto, Always, Never:
		return c, nil
	}
	return Auto, fmt.Errorf("%q is not a colour mode (auto, always, never)", s)
}

// OutStyle is the style of what goes to Out.
func (t *IO) OutStyle() Style { return NewStyle(t.colored(t.OutTTY)) }

// ErrStyle is the style of what goes to Err.
func (t *IO) ErrStyle() Style { return NewStyle(t.colored(t.ErrTTY)) }

// colored decides for one stream. --color beats the environment; there NO_COLOR
// beats what forces colour, which beats TERM=dumb and CLICOLOR=0, which beat
// what the stream is.
func (t *IO) colored(tty bool) bool {
	switch t.Color {
	case Always:
		return true
	case Never:
		return false
	}
	switch {
	case t.Getenv("NO_COLOR") != "":
		return false
	case forced(t.Getenv("FORCE_COLOR")), forced(t.Getenv("CLICOLOR_FORCE")):
		return true
	case refused(t.Getenv("FORCE_COLOR")), refused(t.Getenv("CLICOLOR")), t.Getenv("TERM") == "dumb":
		return false
	}
	return tty
}

func refused(v string) bool { return v == "0" || v == "false" }
func forced(v string) bool  { return v != "" && !refused(v) }

// Style colours text for one stream. The zero Style, and any Style of a stream
// without colour, returns text as it is. Text must be safe before: a Style adds
// escape sequences and removes none.
type Style struct{ on bool }

// NewStyle makes a Style by hand, for tests; commands take [IO.OutStyle].
func NewStyle(on bool) Style { return Style{on: on} }

// On reports whether the style colours anything.
func (s Style) On() bool { return s.on }

// Bold is for titles and headers.
func (s Style) Bold(text string) string { return s.paint(text, color.Bold) }

// Faint is for labels and what matters less.
func (s Style) Faint(text string) string { return s.paint(text, color.Faint) }

// Red is for malicious, critical, failed.
func (s Style) Red(text string) string { return s.paint(text, color.FgRed) }

// Yellow is for suspicious, high, waiting.
func (s Style) Yellow(text string) string { return s.paint(text, color.FgYellow) }

// Green is for trusted, done.
func (s Style) Green(text string) string { return s.paint(text, color.FgGreen) }

// Cyan is for names and links.
func (s Style) Cyan(text string) string { return s.paint(text, color.FgCyan) }

// Blue is for what is in progress.
func (s Style) Blue(text string) string { return s.paint(text, color.FgBlue) }

// Magenta is for what stands out without being good or bad.
func (s Style) Magenta(text string) string { return s.paint(text, color.FgMagenta) }

// paint uses an instance that is switched on by hand: the library's own switch
// is one for the process and looks at stdout only.
func (s Style) paint(text string, attr color.Attribute) string {
	if !s.on || text == "" {
		return text
	}
	c := color.New(attr)
	c.EnableColor()
	return c.Sprint(text)
}
