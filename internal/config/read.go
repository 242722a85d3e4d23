package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"edrc/internal/fault"
)

// maxFile bounds the configuration: a megabyte holds ten thousand sources, and a
// larger file is another file.
const maxFile = 1 << 20

// document is one configuration file, parsed but not yet understood.
type document struct {
	path string
	// open says that others than the owner can read or write the file.
	open bool
	root *yaml.Node // a mapping, or nil when the file says nothing
}

// readDocument reads and parses path. Every failure is one clear message.
func readDocument(path string) (*document, error) {
	data, mode, err := readLimited(path)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(data) {
		return nil, fault.Usagef("%s: is not UTF-8 text", path)
	}
	doc := &document{path: path, open: openMode(mode)}
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	var tree yaml.Node
	switch err := dec.Decode(&tree); {
	case errors.Is(err, io.EOF):
		return doc, nil
	case err != nil:
		return nil, syntaxError(path, string(data), err)
	}
	var second yaml.Node
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, syntaxError(path, string(data), err)
		}
		return nil, fault.Usagef("%s: a second document starts here: one file is one configuration", place(path, second.Line))
	}
	root := tree.Content[0]
	switch {
	case isNull(root):
		return doc, nil
	case root.Kind != yaml.MappingNode:
		return nil, fault.Usagef("%s: want settings (name: value), got %s", place(path, root.Line), kindName(root))
	}
	doc.root = root
	return doc, nil
}

// readLimited reads a file whole, with the mode it had while it was open.
func readLimited(path string) ([]byte, fs.FileMode, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, cannotRead(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, cannotRead(path, err)
	}
	if info.IsDir() {
		return nil, 0, fault.Usagef("%s: is a directory, not a configuration file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, 0, cannotRead(path, err)
	}
	if len(data) > maxFile {
		return nil, 0, fault.Usagef("%s: is larger than 1 MiB: this is not a configuration file", path)
	}
	return data, info.Mode(), nil
}

func cannotRead(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fault.Usagef("%s: no such file", path)
	}
	// The cause without "open PATH:", which repeats what stands in front.
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	return fault.Usagef("%s: cannot be read: %w", path, err)
}

// openMode reports whether others than the owner have any right on a file.
// Windows keeps that in ACLs, which the mode does not show.
func openMode(mode fs.FileMode) bool { return runtime.GOOS != "windows" && mode.Perm()&0o077 != 0 }

// syntaxError turns a message of the YAML parser into one with a place. What the
// parser quotes is dropped, and the two usual causes are named.
func syntaxError(path, text string, err error) error {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if m := regexp.MustCompile(`^line (\d+): `).FindStringSubmatch(msg); m != nil {
		line, _ = strconv.Atoi(m[1])
		msg = msg[len(m[0]):]
	}
	if m := regexp.MustCompile(`^unknown anchor '(.*)' referenced`).FindStringSubmatch(msg); m != nil {
		before, _, _ := strings.Cut(text, "*"+m[1])
		line, msg = 1+strings.Count(before, "\n"), "a value that starts with * must stand between quotes"
	}
	for i, l := range strings.Split(text, "\n") {
		indent := l[:len(l)-len(strings.TrimLeft(l, " \t"))]
		if strings.Contains(indent, "\t") {
			return fault.Usagef("%s: a tab in the indentation: YAML wants spaces", place(path, i+1))
		}
	}
	return fault.Usagef("%s: not valid YAML: %s", place(path, line), msg)
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// kindName says what a value is, never which.
func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch tag := n.ShortTag(); tag {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!null":
		return "nothing"
	}
	return "text"
}
