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

// custodyLine says of one file of evidence what it is, where it came from, when,
// and who fetched it: schema edrc.custody/v1.
type custodyLine struct {
	Schema  string    `json:"schema"`
	File    string    `json:"file"`
	SHA256  string    `json:"sha256"`
	Bytes   int64     `json:"bytes"`
	What    string    `json:"what"` // "alert": the vendor's object, as it came
	Ref     alert.Ref `json:"ref"`
	Kind    string    `json:"kind"`    // the product
	Created time.Time `json:"created"` // the alert, by the product's clock
	Updated time.Time `json:"updated,omitzero"`
	Fetched time.Time `json:"fetched"` // by our clock
	URL     string    `json:"url,omitempty"`
	By      actor     `json:"by"`
	Tool    string    `json:"tool"`
}

// custody is a folder of evidence with its manifest.
type custody struct {
	dir   string
	force bool
	by    actor
	now   func() time.Time
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
//
// The encrypted archive of an alert's file (--files) will be put beside it by the
// same step, once package sample fetches one: another What, the same manifest.
func (c *custody) alert(al alert.Alert) (line custodyLine, kept bool, err error) {
	line = custodyLine{Schema: custodySchema, File: evidenceName(al.Ref) + ".json", What: "alert", Ref: al.Ref, Kind: al.Kind,
		Created: al.Created, Updated: al.Updated, URL: al.URL, By: c.by, Tool: "edrc/" + buildVersion().Version}
	if len(al.Raw) == 0 {
		return line, false, errors.New("the product gave no object to keep")
	}
	return c.put(line, bytes.NewReader(al.Raw))
}

// put writes one file of evidence. Its line is in the manifest before the file is in
// its place: a file without a line is none of ours.
func (c *custody) put(line custodyLine, content io.Reader) (custodyLine, bool, error) {
	path := filepath.Join(c.dir, line.File)
	sum := sha256.New()
	err := fresh(path, c.force, func(w io.Writer) error {
		var err error
		if line.Bytes, err = io.Copy(io.MultiWriter(w, sum), content); err != nil {
			return err
		}
		line.SHA256, line.Fetched = hex.EncodeToString(sum.Sum(nil)), c.now().UTC()
		b, err := json.Marshal(line)
		if err != nil {
			return err
		}
		return appendLine(c.manifest(), b, false)
	})
	if errors.Is(err, fs.ErrExist) {
		return line, true, nil
	}
	return line, false, fileError("write", path, err)
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
