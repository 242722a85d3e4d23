package sample

import (
	"encoding/json"
	"io"
	"strings"
	"unicode"

	"edrc/internal/alert"
)

// manifestName is the entry that SentinelOne puts beside the file.
const manifestName = "manifest.json"

// Bounds of a manifest.
const (
	maxManifest = 1 << 20
	maxReason   = 200
)

// manifest is what the agent says of the files it was asked for.
type manifest struct {
	items []manifestItem
}

// manifestItem is one file; a reason says why it is not there.
type manifestItem struct {
	Path   string `json:"path"`
	SHA1   string `json:"sha1"`
	Reason string `json:"reason"`
}

// readManifest reads a manifest; ok is false when the bytes are none, for the file
// that was fetched may itself be called manifest.json.
func readManifest(r io.Reader) (m manifest, ok bool, err error) {
	b, err := io.ReadAll(io.LimitReader(r, maxManifest+1))
	if err != nil {
		return m, false, err
	}
	m, ok = parseManifest(b)
	return m, ok, nil
}

// parseManifest is readManifest for bytes.
func parseManifest(b []byte) (manifest, bool) {
	var m manifest
	if len(b) > maxManifest || json.Unmarshal(b, &m.items) != nil || len(m.items) == 0 {
		return manifest{}, false
	}
	for i := range m.items {
		if m.items[i].Path == "" {
			return manifest{}, false
		}
		m.items[i].Reason = oneLine(m.items[i].Reason)
	}
	return m, true
}

// reason gives the first reason that the agent had, "" when it read everything.
func (m manifest) reason() string {
	for _, i := range m.items {
		if i.Reason != "" {
			return i.Reason
		}
	}
	return ""
}

// hashes gives what the agent says of its only file.
func (m manifest) hashes() alert.Hashes {
	if len(m.items) != 1 {
		return alert.Hashes{}
	}
	return alert.NewHashes(m.items[0].SHA1)
}

// oneLine makes a vendor's text fit into a message.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return cut(strings.Join(strings.Fields(s), " "), maxReason)
}
