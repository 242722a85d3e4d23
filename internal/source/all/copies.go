package all

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

// copies keeps the notes of a product that gives none back, a file each, as
// DIR/notes/SID/ALERT/NOTE.json; ALERT and NOTE are digests. A file is written whole
// and never changed, so that processes that write at once lose nothing.
type copies struct {
	dir string
	of  source.Source // whose notes: set before the first call
}

// noteCopy is what a file holds. Alert is there for people who look into it.
type noteCopy struct {
	Alert string     `json:"alert"`
	Note  alert.Note `json:"note"`
}

func (c *copies) folder(ctx context.Context, id string) (string, error) {
	sid, err := source.ID(ctx, c.of)
	if err != nil {
		return "", err
	}
	return filepath.Join(c.dir, "notes", string(sid), digest(id)), nil
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

// notes gives the copies of an alert's notes, the oldest first.
func (c *copies) notes(ctx context.Context, id string) ([]alert.Note, error) {
	dir, err := c.folder(ctx, id)
	if err != nil {
		return nil, err
	}
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, c.failed("read", err)
	}
	var out []alert.Note
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".json") {
			continue // one that is being written
		}
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, c.failed("read", err)
		}
		var kept noteCopy
		if err := json.Unmarshal(b, &kept); err != nil || kept.Alert != id {
			return nil, c.failed("read", errors.New(filepath.Join(dir, f.Name())+" is not as edrc wrote it"))
		}
		out = append(out, kept.Note)
	}
	slices.SortFunc(out, func(a, b alert.Note) int {
		if byTime := a.Created.Compare(b.Created); byTime != 0 {
			return byTime
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out, nil
}

// keep adds a copy, and returns once it is on disk. The same text again is the same note.
func (c *copies) keep(ctx context.Context, id string, n alert.Note) error {
	dir, err := c.folder(ctx, id)
	if err != nil {
		return err
	}
	n.ID = digest(n.Text)[:16]
	path := filepath.Join(dir, n.ID+".json")
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	b, err := json.MarshalIndent(noteCopy{Alert: id, Note: n}, "", "  ")
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = writeWhole(path, append(b, '\n'))
	}
	return c.failed("keep", err)
}

// failed words what went wrong with a file.
func (c *copies) failed(what string, err error) error {
	if err == nil {
		return nil
	}
	return &fault.Error{Kind: fault.Unavailable, Source: c.of.Name(), Op: what + " copies of notes", Msg: err.Error(), Err: err,
		Hint: "they stand below notes in the state directory"}
}

// writeWhole makes a private file that is there whole, or not at all.
func writeWhole(path string, b []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(b)
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
