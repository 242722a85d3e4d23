package config

import (
	"cmp"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"edrc/internal/fault"
)

// sources decodes every source into the prototype of its kind.
func (l *loader) sources() {
	for _, p := range l.sourcePairs {
		if s, ok := l.source(p); ok {
			l.config.Sources = append(l.config.Sources, s)
		}
	}
	slices.SortFunc(l.config.Sources, func(a, b Source) int { return cmp.Compare(a.Name, b.Name) })
}

// validName is what a ref can start with: it is split at the first colon.
func validName(s string) bool { return regexp.MustCompile(`^[a-z0-9-]+$`).MatchString(s) }

func (l *loader) source(p pair) (Source, bool) {
	if !validName(p.key) {
		l.add(p.line, "source name %s: only a-z, 0-9 and - are allowed", shown(p.key))
		return Source{}, false
	}
	if p.value.Kind != yaml.MappingNode && !isNull(p.value) {
		l.wrong(p.value, "sources."+p.key, "a mapping")
		return Source{}, false
	}
	s := Source{Name: p.key, Line: p.line}
	at := "sources." + label(p.key)
	var rest []pair
	for _, inner := range pairs(p.value) {
		switch inner.key {
		case "kind":
			if inner.value.Kind != yaml.ScalarNode {
				l.wrong(inner.value, at+".kind", "text")
				return s, false
			}
			s.Kind = inner.value.Value
		case "tenant":
			l.value(inner.value, reflect.ValueOf(&s.Tenant).Elem(), at+".tenant")
		default:
			rest = append(rest, inner)
		}
	}
	kinds := slices.Collect(maps.Keys(l.Kinds))
	newOptions, ok := l.Kinds[s.Kind]
	switch {
	case s.Kind == "":
		l.add(p.line, "%s: has no kind (one of %s)", at, listed(kinds))
		return s, false
	case !ok:
		l.add(p.line, "%s: %s", at, unknownValue("kind", s.Kind, kinds))
		return s, false
	}
	s.Options, ok = l.options(p.line, newOptions, rest, at, "kind", "tenant")
	return s, ok
}

// options decodes a product's or an engine's own keys. ours are the keys that
// config reads itself beside them: they count when a misspelt one is explained.
func (l *loader) options(line int, newOptions func() any, rest []pair, at string, ours ...string) (any, bool) {
	options, v, err := prototype(newOptions)
	if err != nil {
		l.add(line, "%s: %v", at, err)
		return nil, false
	}
	l.pairs(rest, v, at, ours...)
	return options, true
}

// engine decodes the keys of scan that are the engine's own. file holds the
// settings of the file: a variable or a flag may have named another engine.
func (l *loader) engine(file map[string]any) {
	scan := &l.config.Scan
	engines := slices.Collect(maps.Keys(l.Engines))
	_, ours := inSection(l.settings, "scan")
	ours = append(ours, "life")
	newOptions, ok := l.Engines[scan.Engine]
	switch {
	case ok:
		scan.Options, _ = l.options(l.engineLine, newOptions, l.enginePairs, "scan", ours...)
	case scan.Engine != "" && scan.Engine == file["scan::engine"]:
		l.add(l.engineLine, "scan.engine: %s", unknownValue("engine", scan.Engine, engines))
	case scan.Engine != "":
		l.add(0, "EDRC_SCAN_ENGINE or its flag: %s", unknownValue("engine", scan.Engine, engines))
	default:
		for _, p := range l.enginePairs {
			if nearest(p.key, ours) != "" || len(engines) == 0 {
				l.add(p.line, "%s", unknownKey(p.key, "scan", ours))
				continue
			}
			l.add(p.line, "scan: key %s needs scan.engine (one of %s)", shown(p.key), listed(engines))
		}
	}
}

// Source gives the source of a name. An unknown one is a Usage error with the
// nearest name, and the names there are.
func (c *Config) Source(name string) (Source, error) {
	all := make([]string, len(c.Sources))
	for i, s := range c.Sources {
		if s.Name == name {
			return s, nil
		}
		all[i] = s.Name
	}
	if len(all) == 0 {
		return Source{}, fault.Usagef("no source %q: none is configured", name).
			WithHint("add one under sources in %s", cmp.Or(c.Path, "the configuration file"))
	}
	err := fault.Usagef("no source %q", name)
	if near := nearest(name, all); near != "" {
		err = fault.Usagef("no source %q; did you mean %q?", name, near)
	}
	return Source{}, err.WithHint("configured: %s", strings.Join(all, ", "))
}
