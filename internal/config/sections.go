package config

import (
	"reflect"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// sections checks everything in the file that belongs to config itself, and sets
// aside what a product or an engine must read. It gives the values of the
// settings by viper key.
func (l *loader) sections() map[string]any {
	file := map[string]any{}
	top, _ := inSection(l.settings, "")
	known := append(names(fieldsOf(reflect.TypeFor[Config]())), "sources")
	if l.Respond != nil {
		known = append(known, "respond")
	}
	if l.Environment != nil {
		known = append(known, "environments")
	}
	for _, p := range pairs(l.doc.root) {
		s, isScalar := top[p.key]
		switch {
		case isScalar:
			l.setting(s, p.value, file)
		case p.key == "sources":
			l.mappingOf(p, func(inner pair) { l.sourcePairs = append(l.sourcePairs, inner) })
		case p.key == "respond" && l.Respond != nil:
			l.respond(p)
		case p.key == "environments" && l.Environment != nil:
			l.environments(p)
		case slices.Contains(known, p.key):
			l.section(p, file)
		default:
			l.add(p.line, "%s", unknownKey(p.key, "", known))
		}
	}
	return file
}

// section reads one section of scalars. Only scan and notes hold more.
func (l *loader) section(p pair, file map[string]any) {
	byName, keys := inSection(l.settings, p.key)
	if p.key == "notes" {
		keys = append(keys, "templates")
	}
	l.mappingOf(p, func(inner pair) {
		s, ok := byName[inner.key]
		switch {
		case ok:
			l.setting(s, inner.value, file)
			if s.key() == "scan.engine" {
				l.engineLine = inner.value.Line
			}
		case p.key == "scan" && inner.key == "life":
			l.life(inner.value)
		case p.key == "scan" && inner.key == "upload":
			l.upload(inner.value)
		case p.key == "notes" && inner.key == "templates":
			l.templates(inner.value)
		case p.key == "scan":
			l.enginePairs = append(l.enginePairs, inner)
		default:
			l.add(inner.line, "%s", unknownKey(inner.key, p.key, keys))
		}
	})
}

// mappingOf calls f for each line of a mapping; no value is an empty one.
func (l *loader) mappingOf(p pair, f func(pair)) {
	if isNull(p.value) {
		return
	}
	if p.value.Kind != yaml.MappingNode {
		l.wrong(p.value, p.key, "a mapping")
		return
	}
	for _, inner := range pairs(p.value) {
		f(inner)
	}
}

// setting checks one scalar of the file and notes its value.
func (l *loader) setting(s setting, n *yaml.Node, file map[string]any) {
	if isNull(n) {
		return
	}
	v := reflect.New(s.value.Type()).Elem()
	before := len(l.list)
	l.value(n, v, s.key())
	if len(l.list) > before {
		return
	}
	if err := s.valid(v); err != nil {
		l.add(n.Line, "%s: %v", s.key(), err)
		return
	}
	if s.isPath() {
		v.SetString(l.expand(v.String()))
	}
	file[s.viperKey()] = v.Interface()
}

// life reads how long verdicts are remembered. A list of classes is closed, so
// that "malicous: 1d" does not silently leave the default in place.
func (l *loader) life(n *yaml.Node) {
	lives := map[string]time.Duration{}
	l.value(n, reflect.ValueOf(&lives).Elem(), "scan.life")
	for _, p := range pairs(n) {
		if len(l.Classes) > 0 && !slices.Contains(l.Classes, p.key) {
			l.add(p.line, "%s", unknownKey(p.key, "scan.life", l.Classes))
		}
	}
	if len(lives) > 0 {
		l.config.Scan.Life = lives
	}
}
