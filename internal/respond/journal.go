package respond

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"edrc/internal/fault"
)

// LineSchema names a line of an action's journal.
const LineSchema = "edrc.action/v1"

// Event says what a line of the journal tells.
type Event string

// The events, in the order in which an action has them.
const (
	Planned Event = "planned" // the plan, confirmed; the first line
	Resumed Event = "resumed" // by another process, after a break
	Intent  Event = "intent"  // the step is about to be sent
	Settled Event = "outcome" // what became of the step
	Ended   Event = "ended"   // nothing more will be done, for now
)

// Line is one line of an action's journal.
type Line struct {
	Schema  string    `json:"schema"`
	Action  string    `json:"action"`
	Time    time.Time `json:"time"`
	Actor   Actor     `json:"actor"`
	Event   Event     `json:"event"`
	Plan    *Plan     `json:"plan,omitempty"`    // of Planned
	Step    int       `json:"step,omitempty"`    // from 1; of Intent and Settled
	Outcome *Outcome  `json:"outcome,omitempty"` // of Settled
	Status  Status    `json:"status,omitempty"`  // of Ended
	Error   string    `json:"error,omitempty"`
}

// Journal keeps the lines of actions. What a method returned without an error is on disk.
type Journal interface {
	// Create starts an action with its first line; fault.Conflict when it is there.
	Create(id string, first Line) error
	Append(id string, l Line) error
	// Load gives the lines of one action, in order; fault.NotFound when there is none.
	Load(id string) ([]Line, error)
	// IDs gives every action, in no order.
	IDs() ([]string, error)
}

// Files is the journal in a directory: one ndjson file an action, mode 0600.
type Files struct{ Dir string }

var _ Journal = Files{}

func (f Files) path(id string) string { return filepath.Join(f.Dir, id+".ndjson") }

// Create implements [Journal].
func (f Files) Create(id string, first Line) error {
	if !ValidID(id) {
		return fault.Usagef("%q is not the id of an action", id)
	}
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return journalError("make", f.Dir, err)
	}
	file, err := os.OpenFile(f.path(id), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		if _, lerr := f.Load(id); fault.Is(lerr, fault.NotFound) { // its first line was cut short
			return f.Append(id, first)
		}
		return fault.New(fault.Conflict, "action %s is there already", id).WithHint("see it: edrc actions show %s", id)
	}
	if err != nil {
		return journalError("create", f.path(id), err)
	}
	if err := writeLines(file, first); err != nil {
		return journalError("write", f.path(id), err)
	}
	return journalError("write", f.Dir, syncDir(f.Dir))
}

// Append implements [Journal]. A line that a crash cut short is ended first, so that
// it spoils no other.
func (f Files) Append(id string, l Line) error {
	file, err := os.OpenFile(f.path(id), os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return journalError("open", f.path(id), err)
	}
	torn, err := endsTorn(file)
	if err == nil && torn {
		_, err = file.Write([]byte{'\n'})
	}
	if err != nil {
		return journalError("write", f.path(id), errors.Join(err, file.Close()))
	}
	return journalError("write", f.path(id), writeLines(file, l))
}

// Load implements [Journal].
func (f Files) Load(id string) ([]Line, error) {
	if !ValidID(id) {
		return nil, fault.Usagef("%q is not the id of an action", id).WithHint("an id is A- and 8 characters; list them: edrc actions list")
	}
	b, err := os.ReadFile(f.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "there is no action %s", id).WithHint("list them: edrc actions list")
	}
	if err != nil {
		return nil, journalError("read", f.path(id), err)
	}
	lines, err := parseLines(b)
	if err == nil && len(lines) == 0 { // cut short before the first line was on disk: nothing was begun
		return nil, fault.New(fault.NotFound, "action %s was never begun", id)
	}
	if err != nil {
		return nil, fault.New(fault.Corrupt, "%s: %w", f.path(id), err).
			WithHint("the journal of this action was damaged; look at the target with the vendor's own tools")
	}
	return lines, nil
}

// IDs implements [Journal].
func (f Files) IDs() ([]string, error) {
	names, err := os.ReadDir(f.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, journalError("read", f.Dir, err)
	}
	var out []string
	for _, n := range names {
		if id, ok := strings.CutSuffix(n.Name(), ".ndjson"); ok && ValidID(id) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out, nil
}

// parseLines reads a journal. A last line without its end was never acknowledged and
// is left out, and so is a line that holds the beginning of one that was cut short;
// anything else that is no line is damage.
func parseLines(b []byte) ([]Line, error) {
	var out []Line
	for n, raw := range bytes.Split(b, []byte{'\n'}) {
		if len(raw) == 0 {
			continue
		}
		var l Line
		err := json.Unmarshal(raw, &l)
		if _, syntax := errors.AsType[*json.SyntaxError](err); syntax && !json.Valid(raw) && cutShort(raw) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
		if l.Schema != LineSchema {
			return nil, fmt.Errorf("line %d has the schema %q, not %q: a newer edrc wrote it", n+1, l.Schema, LineSchema)
		}
		out = append(out, l)
	}
	if len(out) > 0 && (out[0].Event != Planned || out[0].Plan == nil) {
		return nil, errors.New("it does not begin with a plan")
	}
	return out, nil
}

// cutShort reports whether raw could be continued to a line.
func cutShort(raw []byte) bool {
	d := json.NewDecoder(bytes.NewReader(raw))
	for {
		if _, err := d.Token(); err != nil {
			return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		}
	}
}

// writeLines writes lines in one write, waits until they are on disk, and closes f.
func writeLines[T any](f *os.File, lines ...T) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	for _, l := range lines {
		if err := enc.Encode(l); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	_, err := f.Write(buf.Bytes())
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// endsTorn reports whether the file's last line has no end.
func endsTorn(f *os.File) (bool, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return false, err
	}
	last := make([]byte, 1)
	_, err = f.ReadAt(last, size-1)
	return err == nil && last[0] != '\n', err
}

func journalError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Other, "%s %s: %w", op, path, err).
		WithHint("nothing is changed without the journal: give edrc a state directory that it can write to, EDRC_STATE_DIR")
}

// compactJSON gives raw without white space, as the journal writes it.
func compactJSON(raw json.RawMessage) (json.RawMessage, error) {
	var buf bytes.Buffer
	if err := json.Compact(&buf, raw); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
