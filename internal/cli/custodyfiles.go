package cli

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/sample"
)

// archives are the encrypted archives of a folder of evidence: each file stands there
// once, whoever names it.
type archives struct {
	*custody
	adding sync.Mutex // one archive at a time: two may turn out to be the same
	mu     sync.Mutex
	// known are the newest lines of the manifest about an archive, by each hash of what
	// is in it; told are the alerts that have one; written is what this run made.
	known   map[alert.Hash]custodyLine
	told    map[[2]string]bool
	written map[string]bool
}

// openArchives reads what the manifest knows. Lines that a crash cut short are none.
func (c *custody) openArchives() (*archives, error) {
	s := &archives{custody: c, known: map[alert.Hash]custodyLine{}, told: map[[2]string]bool{}, written: map[string]bool{}}
	f, err := os.Open(c.manifest())
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fileError("read", c.manifest(), err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line custodyLine
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.What == custodyFile && line.Contents != nil {
			s.remember(line)
		}
	}
	return s, fileError("read", c.manifest(), lines.Err())
}

func (s *archives) remember(line custodyLine) {
	for _, h := range line.Contents.All() {
		s.known[h] = line
	}
	s.told[[2]string{line.Ref.String(), line.File}] = true
}

// there gives the manifest's line about a file whose archive is in the folder, nil when
// it has to be fetched. An archive that is not what the manifest says is nobody's
// evidence.
func (s *archives) there(h alert.Hash) (*custodyLine, error) {
	s.mu.Lock()
	line, known := s.known[h]
	s.mu.Unlock()
	name := line.File
	if !known && h.Algo() == alert.SHA256 {
		name = archiveName(h)
	}
	if name == "" || s.force && !s.wrote(name) {
		return nil, nil
	}
	f, err := os.Open(filepath.Join(s.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fileError("read", name, err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return nil, fileError("read", name, err)
	}
	switch {
	case !known:
		return nil, fault.New(fault.Conflict, "%s is there already, and the manifest does not know it", name).WithHint("move it away; --force replaces it")
	case hex.EncodeToString(sum.Sum(nil)) != line.SHA256:
		return nil, fault.New(fault.Corrupt, "%s was changed: its bytes are not those of the manifest", name).WithHint("move it away; --force replaces it")
	}
	return &line, nil
}

func (s *archives) wrote(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written[name]
}

// alsoNamed tells the manifest that more alerts name a file that is there.
func (s *archives) alsoNamed(was custodyLine, names []alert.Alert) ([]fetchedJSON, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []custodyLine
	for _, al := range names {
		line := s.line(custodyFile, was.File, al)
		line.Kept, line.SHA256, line.Bytes = true, was.SHA256, was.Bytes
		line.Contents = named(*was.Contents, al)
		lines = append(lines, line)
	}
	rows := rowsOf(lines)
	lines = slices.DeleteFunc(lines, func(l custodyLine) bool { return s.told[[2]string{l.Ref.String(), l.File}] })
	if len(lines) == 0 {
		return rows, nil
	}
	for _, l := range lines {
		s.remember(l)
	}
	return rows, fileError("write", s.manifest(), s.write(lines))
}

// add puts an archive into the folder, with a line for each alert that names its file.
func (s *archives) add(a *sample.Archive, c custodyContents, names []alert.Alert) ([]fetchedJSON, error) {
	s.adding.Lock()
	defer s.adding.Unlock()
	name := archiveName(c.SHA256)
	if was, err := s.there(c.SHA256); err != nil || was != nil { // fetched meanwhile, under another hash
		if err != nil {
			return nil, err
		}
		return s.alsoNamed(*was, names)
	}
	r, err := a.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var lines []custodyLine
	for _, al := range names {
		line := s.line(custodyFile, name, al)
		line.Contents = named(c, al)
		lines = append(lines, line)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept, err := s.put(lines, r); err != nil || kept {
		return nil, errors.Join(err, fileError("write", name, fs.ErrExist))
	}
	for _, l := range lines {
		s.remember(l)
	}
	s.written[name] = true
	return rowsOf(lines), nil
}

// named gives contents as an alert names them.
func named(c custodyContents, al alert.Alert) *custodyContents {
	for _, f := range al.Files {
		if f.Name != "" {
			c.Name, c.Path = f.Name, f.Path
		}
	}
	return &c
}

func rowsOf(lines []custodyLine) (rows []fetchedJSON) {
	for _, l := range lines {
		rows = append(rows, fetchedJSON{Ref: l.Ref, What: l.What, File: l.File, Kept: l.Kept, SHA256: l.SHA256, Bytes: l.Bytes, Contents: l.Contents})
	}
	return rows
}

// archiveName names the archive of a file in a folder of evidence.
func archiveName(h alert.Hash) string { return "FILE_" + string(h) + ".zip" }
