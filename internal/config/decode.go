package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// decoder fills Go values from YAML nodes. The library could do it, but it
// quotes values in its messages, does not know the nearest key, and loses the
// line of a secret; so the shapes are walked here and only the leaves are its.
type decoder struct {
	*problems
	resolver resolver
	literals []int // the lines where a secret stands in the file itself
}

// value fills v, which must be settable, from n. at names the place for people:
// "sources.s1-prod.url". Null leaves v as it is: a key without a value is unset.
func (d *decoder) value(n *yaml.Node, v reflect.Value, at string) {
	if isNull(n) {
		return
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.value(n, v.Elem(), at)
		return
	}
	switch target := v.Addr().Interface().(type) {
	case secret:
		d.secret(n, target, at)
		return
	case *time.Duration:
		d.duration(n, target, at)
		return
	case yaml.Unmarshaler, interface{ UnmarshalYAML(func(any) error) error }:
		d.custom(n, v, at)
		return
	case encoding.TextUnmarshaler:
		// A struct that a word may stand for is read strictly when it is written out.
		if v.Kind() != reflect.Struct || n.Kind != yaml.MappingNode {
			d.custom(n, v, at)
			return
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		d.fill(n, v, at)
	case reflect.Map:
		d.mapping(n, v, at)
	case reflect.Slice:
		d.sequence(n, v, at)
	default:
		d.leaf(n, v, at)
	}
}

// fill decodes a mapping into a struct, and refuses every key it has no field for.
func (d *decoder) fill(n *yaml.Node, v reflect.Value, at string) {
	if n.Kind != yaml.MappingNode {
		d.wrong(n, at, "a mapping")
		return
	}
	d.pairs(pairs(n), v, at)
}

// pairs is fill for the part of a mapping that the caller did not take out. ours
// are the keys that it did, for the explanation of a misspelt one.
func (d *decoder) pairs(list []pair, v reflect.Value, at string, ours ...string) {
	fields := fieldsOf(v.Type())
	byName := make(map[string]field, len(fields))
	for _, f := range fields {
		byName[f.name] = f
	}
	for _, p := range list {
		f, ok := byName[p.key]
		if !ok {
			d.add(p.line, "%s", unknownKey(p.key, at, append(names(fields), ours...)))
			continue
		}
		d.value(p.value, v.FieldByIndex(f.index), at+"."+p.key)
	}
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, at string) {
	if n.Kind != yaml.MappingNode {
		d.wrong(n, at, "a mapping")
		return
	}
	if v.Type().Key().Kind() != reflect.String {
		d.leaf(n, v, at)
		return
	}
	m := reflect.MakeMap(v.Type())
	for _, p := range pairs(n) {
		elem := reflect.New(v.Type().Elem()).Elem()
		d.value(p.value, elem, at+"."+label(p.key))
		m.SetMapIndex(reflect.ValueOf(p.key).Convert(v.Type().Key()), elem)
	}
	v.Set(m)
}

func (d *decoder) sequence(n *yaml.Node, v reflect.Value, at string) {
	items := n.Content
	switch {
	case n.Kind == yaml.ScalarNode && n.Value != "" && n.Value == word(v):
		items = []*yaml.Node{n}
	case n.Kind != yaml.SequenceNode:
		d.wrong(n, at, listOr(v))
		return
	}
	list := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, child := range items {
		d.value(child, list.Index(i), fmt.Sprintf("%s[%d]", at, i))
	}
	v.Set(list)
}

// leaf hands a value to the YAML library.
func (d *decoder) leaf(n *yaml.Node, v reflect.Value, at string) {
	if err := n.Decode(v.Addr().Interface()); err != nil {
		d.wrong(n, at, wanted(v.Type()))
	}
}

func (d *decoder) duration(n *yaml.Node, target *time.Duration, at string) {
	span, err := parseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		d.add(n.Line, "%s: %v", at, errDuration)
		return
	}
	*target = span
}

// custom decodes a type that reads itself. What it says about the value is kept,
// without the value. Such a type cannot hold secrets: they would be neither
// bound nor guarded, so that is refused as the programming error that it is.
func (d *decoder) custom(n *yaml.Node, v reflect.Value, at string) {
	if holdsSecret(v.Type(), nil) {
		d.add(n.Line, "%s: %s reads itself and holds a secret: this is a bug in edrc", at, v.Type())
		return
	}
	err := n.Decode(v.Addr().Interface())
	if err == nil {
		return
	}
	if _, ok := err.(*yaml.TypeError); ok {
		d.add(n.Line, "%s: is not valid", at)
		return
	}
	d.add(n.Line, "%s: %s", at, scrub(strings.TrimPrefix(err.Error(), "yaml: "), n))
}

// wrong reports a value of the wrong type.
func (d *decoder) wrong(n *yaml.Node, at, want string) {
	d.add(n.Line, "%s: want %s, got %s", at, want, kindName(n))
}

// scrub takes every value under n out of a message.
func scrub(msg string, n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode && len(n.Value) > 3 {
		msg = strings.ReplaceAll(msg, n.Value, "…")
	}
	for _, child := range n.Content {
		msg = scrub(msg, child)
	}
	return msg
}

// label is a key as part of a place.
func label(key string) string {
	if keyShaped(key) {
		return key
	}
	return "…"
}

// wanted says in words what a Go type takes.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number, not negative"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.String:
		return "text"
	}
	return "another kind of value"
}
