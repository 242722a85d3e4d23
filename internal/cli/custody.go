package cli

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"edrc/internal/alert"
)

// custodySchema names the lines of a manifest.
const custodySchema = "edrc.custody/v1"

// What a line of a manifest is about.
const (
	custodyAlert = "alert" // the vendor's object, as it came
	custodyFile  = "file"  // an encrypted archive with a file that the alert names
)

// custodyLine says of one file of evidence what it is, where it came from, when,
// and who fetched it: schema edrc.custody/v1. An archive has a line for each alert
// that names what is in it.
type custodyLine struct {
	Schema   string           `json:"schema"`
	File     string           `json:"file"`
	SHA256   string           `json:"sha256"`
	Bytes    int64            `json:"bytes"`
	What     string           `json:"what"`           // custodyAlert or custodyFile
	Kept     bool             `json:"kept,omitempty"` // it was there already, from an earlier line
	Contents *custodyContents `json:"contents,omitempty"`
	Ref      alert.Ref        `json:"ref"`
	Kind     string           `json:"kind"`    // the product
	Created  time.Time        `json:"created"` // the alert, by the product's clock
	Updated  time.Time        `json:"updated,omitzero"`
	Fetched  time.Time        `json:"fetched"` // by our clock
	URL      string           `json:"url,omitempty"`
	By       actor            `json:"by"`
	Tool     string           `json:"tool"`
}

// custodyContents is the one file in an archive. Its hashes and its size were
// counted, not claimed.
type custodyContents struct {
	Name string `json:"name"` // as the alert has it; an attacker chose it
	Path string `json:"path,omitempty"`
	alert.Hashes
	Size     int64     `json:"size"` // bytes
	Password string    `json:"password"`
	From     alert.Ref `json:"from"` // the alert whose product gave it
	Host     string    `json:"host"` // that it came from
}

// custody is a folder of evidence with its manifest.
type custody struct {
	dir   string
	force bool
	by    actor
	now   func() time.Time
}

// line begins a line about an alert.
func (c *custody) line(what, file string, al alert.Alert) custodyLine {
	return custodyLine{Schema: custodySchema, What: what, File: file, Ref: al.Ref, Kind: al.Kind, Created: al.Created,
		Updated: al.Updated, URL: al.URL, By: c.by, Tool: "edrc/" + buildVersion().Version}
}

// openCustody makes the folder, readable by its owner alone.
func (a *app) openCustody(dir string, force bool) (*custody, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fileError("make the folder", dir, err)
	}
	return &custody{dir: dir, force: force, by: a.actor(), now: a.Now}, nil
}

// manifest is where the chain of custody stands.
func (c *custody) manifest() string { return filepath.Join(c.dir, "manifest.ndjson") }

// alert keeps the vendor's object, byte for byte. kept: a file was there already and
// is left as it is.
func (c *custody) alert(al alert.Alert) (line custodyLine, kept bool, err error) {
	line = c.line(custodyAlert, evidenceName(al.Ref)+".json", al)
	if len(al.Raw) == 0 {
		return line, false, errors.New("the product gave no object to keep")
	}
	lines := []custodyLine{line}
	kept, err = c.put(lines, bytes.NewReader(al.Raw))
	return lines[0], kept, err
}

// put writes one file of evidence and completes its lines, at least one. They are in
// the manifest before the file is in its place: a file without a line is none of ours.
func (c *custody) put(lines []custodyLine, content io.Reader) (kept bool, err error) {
	path := filepath.Join(c.dir, lines[0].File)
	sum := sha256.New()
	err = fresh(path, c.force, func(w io.Writer) error {
		n, err := io.Copy(io.MultiWriter(w, sum), content)
		if err != nil {
			return err
		}
		for i := range lines {
			lines[i].SHA256, lines[i].Bytes = hex.EncodeToString(sum.Sum(nil)), n
		}
		return c.write(lines)
	})
	if errors.Is(err, fs.ErrExist) {
		return true, nil
	}
	return false, fileError("write", path, err)
}

// write adds lines to the manifest.
func (c *custody) write(lines []custodyLine) error {
	var all []byte
	for i := range lines {
		lines[i].Fetched = c.now().UTC()
		b, err := json.Marshal(lines[i])
		if err != nil {
			return err
		}
		if i > 0 {
			all = append(all, '\n')
		}
		all = append(all, b...)
	}
	return appendLine(c.manifest(), all, false)
}

// settle waits until the manifest is on disk.
func (c *custody) settle() error {
	f, err := os.OpenFile(c.manifest(), os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fileError("write", c.manifest(), err)
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return fileError("write", c.manifest(), err)
}

// evidenceName gives a file name for a ref that every file system takes, and that no
// other ref has: source_id, or where the id has more than lower-case letters, digits,
// dots and dashes, or is long, its harmless beginning and a digest after a tilde.
func evidenceName(ref alert.Ref) string {
	const most = 100
	plain := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '.':
			return r
		}
		return '_'
	}, strings.ToLower(ref.ID))
	if plain == ref.ID && len(plain) <= most && !strings.HasSuffix(plain, ".") {
		return ref.Source + "_" + plain
	}
	sum := sha256.Sum256([]byte(ref.ID))
	return ref.Source + "_" + strings.TrimRight(plain[:min(len(plain), most)], ".") + "~" + hex.EncodeToString(sum[:8])
}
