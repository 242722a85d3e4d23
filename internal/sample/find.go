package sample

import (
	"edrc/internal/alert"
)

// find picks the file of interest. An agent's reason not to have read the file
// is the answer unless the wanted bytes are there all the same.
func (l *listing) find(want alert.Hashes) (Contents, error) {
	m, files, err := l.sort(want)
	if err != nil {
		return Contents{}, err
	}
	reason := m.reason()
	if len(files) == 0 || wanted(want) == "" {
		switch {
		case reason != "":
			return Contents{}, unreadable(reason)
		case len(files) == 0:
			return Contents{}, NoFile.fail("the archive has no file in it")
		case len(files) > 1:
			return Contents{}, NoFile.fail("the archive has %d files, and no hash says which one is meant", len(files))
		}
		want = m.hashes()
	}
	c, err := l.match(files, want)
	if ProblemOf(err) == WrongBytes && reason != "" {
		return Contents{}, unreadable(reason)
	}
	if err != nil {
		return Contents{}, err
	}
	c.Files, c.Manifest, c.Encrypted = len(files), len(m.items) > 0, l.encrypted()
	return c, nil
}

// unreadable is the agent's own word.
func unreadable(reason string) error {
	return Unreadable.fail("the agent could not read the file: %s", reason)
}

// encrypted reports that no file of the archive is in clear.
func (l *listing) encrypted() bool {
	for _, e := range l.entries {
		if !e.dir && !e.encrypted {
			return false
		}
	}
	return true
}

// sort divides the entries into the manifest and the files.
func (l *listing) sort(want alert.Hashes) (m manifest, files []entry, err error) {
	for _, e := range l.entries {
		if e.dir {
			continue
		}
		if e.path == manifestName && e.size <= maxManifest {
			r, err := l.read(e)
			if err != nil {
				return m, nil, err
			}
			got, ok, err := readManifest(r)
			if cerr := closeAfter(r, err); err == nil {
				err = cerr
			}
			if err != nil {
				return m, nil, err
			}
			if ok {
				m = got
				continue
			}
		}
		files = append(files, e)
	}
	if len(files) > 0 || len(m.items) == 0 || wanted(want) == "" {
		return m, files, nil
	}
	// Only a manifest, and a file is wanted: it may be the file, in all innocence.
	for _, e := range l.entries {
		if h, err := l.hash(e); err == nil && !e.dir && h.sums().Has(wanted(want)) {
			return manifest{}, []entry{e}, nil
		}
	}
	return m, nil, nil
}

// match hashes the files in their order until one is the wanted one.
func (l *listing) match(files []entry, want alert.Hashes) (Contents, error) {
	var wrong error
	for _, e := range files {
		h, err := l.hash(e)
		if err != nil {
			return Contents{}, err
		}
		hs := h.sums()
		err = Compare(hs, want)
		if err == nil {
			return Contents{Name: baseName(e.path), Path: e.path, Size: h.size, Hashes: hs, Type: TypeOf(e.path, h.head)}, nil
		}
		wrong = err
	}
	if len(files) > 1 {
		wrong = WrongBytes.fail("none of the archive's %d files has the %s %s of the alert",
			len(files), wanted(want).Algo(), wanted(want))
	}
	return Contents{}, wrong
}
