package sample

import (
	"strings"
	"unicode/utf8"
)

// Bounds of names. A Windows path has at most 32,767 UTF-16 units; a name on any
// file system 255.
const (
	maxPath = 32 << 10
	maxName = 255
)

// elements splits a path as either system writes it.
func elements(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == '\\' })
}

// checkPath refuses names that no product writes: an analyst may unpack the
// archive with a tool that follows them.
func checkPath(path string) error {
	switch {
	case path == "":
		return Hostile.fail("an entry of the archive has no name")
	case len(path) > maxPath:
		return Hostile.fail("an entry's name has %d bytes", len(path))
	case strings.IndexByte(path, 0) >= 0:
		return Hostile.fail("an entry's name has a zero byte in it")
	}
	for _, e := range elements(path) {
		if e == ".." {
			return Hostile.fail("an entry's name climbs out of its folder: %q", cut(path, 80))
		}
	}
	return nil
}

// baseName gives the last element of a path, valid UTF-8, at most maxName bytes
// with its extension kept; "sample" when nothing is left.
func baseName(path string) string {
	parts := elements(path)
	if len(parts) == 0 {
		return "sample"
	}
	name := strings.ToValidUTF8(parts[len(parts)-1], "_")
	name = strings.ReplaceAll(name, "\x00", "_")
	if name == "." || name == ".." {
		return "sample"
	}
	if len(name) <= maxName {
		return name
	}
	ext := ""
	if i := strings.LastIndexByte(name, '.'); i >= 0 && len(name)-i <= 16 {
		ext = name[i:]
	}
	return cut(name, maxName-len(ext)) + ext
}

// cut shortens s to at most n bytes, between runes.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
