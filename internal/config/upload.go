package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Upload says which files may be uploaded to the engine: a rule for all sources, and
// rules by the name of a source that stand in its place.
type Upload struct {
	UploadRule `yaml:",inline"`
	Sources    map[string]UploadRule `yaml:"sources"`
}

// UploadRule is the rule for one source. Types nil is the default, empty is nothing.
type UploadRule struct {
	Types   []string `yaml:"types"`
	MaxSize Size     `yaml:"max_size"` // 0 = the engine's own limit
}

// Size is a number of bytes: 1048576, 500KB, 150MB, 1GiB.
type Size int64

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	number := strings.TrimRight(string(text), "kKMGiB ")
	factor, ok := map[string]float64{"": 1, "B": 1, "KB": 1e3, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}[strings.TrimSpace(string(text[len(number):]))]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !ok || n < 0 || n > 0 && n*factor < 1 || math.IsNaN(n) || n*factor > 1<<50 {
		return errors.New("want a size such as 500KB, 150MB or 1GiB")
	}
	*s = Size(n * factor)
	return nil
}

// upload reads scan.upload. The list of types is closed, and so are the names of
// sources: a misspelt one would silently allow what it was to forbid.
func (l *loader) upload(n *yaml.Node) {
	l.value(n, reflect.ValueOf(&l.config.Scan.Upload).Elem(), "scan.upload")
	l.uploadTypes(n, "scan.upload")
	for _, p := range pairs(n) {
		if p.key != "sources" {
			continue
		}
		for _, own := range pairs(p.value) {
			l.uploadTypes(own.value, "scan.upload.sources."+label(own.key))
			l.uploadNames = append(l.uploadNames, own)
		}
	}
}

func (l *loader) uploadTypes(n *yaml.Node, at string) {
	for _, p := range pairs(n) {
		if p.key != "types" || p.value.Kind != yaml.SequenceNode {
			continue
		}
		for _, t := range p.value.Content {
			if len(l.FileTypes) > 0 && t.Kind == yaml.ScalarNode && !slices.Contains(l.FileTypes, t.Value) {
				l.add(t.Line, "%s.types: %s", at, unknownValue("type", t.Value, l.FileTypes))
			}
		}
	}
}

// uploadSources checks the names once the sources are known.
func (l *loader) uploadSources() {
	known := append([]string{}, l.UploadNames...)
	for _, p := range l.sourcePairs {
		known = append(known, p.key)
	}
	for _, p := range l.uploadNames {
		if !slices.Contains(known, p.key) {
			l.add(p.line, "%s", unknownKey(p.key, "scan.upload.sources", known))
		}
	}
}

// String gives the size as it can be read again.
func (s Size) String() string { return fmt.Sprint(int64(s)) }
