package cli

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"time"

	"edrc/internal/triage"
)

// changeSchema names the lines of actions/changes.ndjson. A change has two: one
// before anything is sent, one with what became of it. Of one id the last holds.
const changeSchema = "edrc.change/v1"

// changeLine is one line of the journal of changes.
type changeLine struct {
	Schema string    `json:"schema"`
	Time   time.Time `json:"time"`
	Actor  actor     `json:"actor"`
	triage.Change
}

// changes is the journal of what analysts changed: <state_dir>/actions/changes.ndjson.
// `edrc undo` reads it.
func (a *app) changes(stateDir string) triage.Journal {
	who := a.actor()
	path := filepath.Join(stateDir, "actions", "changes.ndjson")
	return func(c triage.Change) error {
		line, err := json.Marshal(changeLine{changeSchema, a.Now().UTC(), who, c})
		if err != nil {
			return err
		}
		return fileError("write", path, appendLine(path, line, true))
	}
}

// appendLine adds a line to a private file, in one write. A line that a crash cut
// short is ended first, so that it spoils no other. durable waits until it is on disk.
func appendLine(path string, line []byte, durable bool) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if size, serr := f.Seek(0, io.SeekEnd); serr == nil && size > 0 {
		last := make([]byte, 1)
		if _, rerr := f.ReadAt(last, size-1); rerr == nil && last[0] != '\n' {
			line = append([]byte{'\n'}, line...)
		}
	}
	_, err = f.Write(append(line, '\n'))
	if err == nil && durable {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
