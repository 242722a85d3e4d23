package config

import (
	"reflect"
	"strings"
)

// field is one key that a struct takes.
type field struct {
	name  string
	index []int // for FieldByIndex
	tag   reflect.StructTag
}

// fieldsOf lists the keys of a struct type by its yaml tags: an untagged field
// is its name in lower case, "-" is no key, and an inlined or embedded struct
// lends its keys.
func fieldsOf(t reflect.Type) []field {
	var list []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "-" {
			continue
		}
		if f.Type.Kind() == reflect.Struct && (opts == "inline" || f.Anonymous && name == "") {
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				list = append(list, inner)
			}
			continue
		}
		if !f.IsExported() {
			continue
		}
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		list = append(list, field{name: name, index: []int{i}, tag: f.Tag})
	}
	return list
}

// names gives the keys alone.
func names(fields []field) []string {
	list := make([]string, len(fields))
	for i, f := range fields {
		list[i] = f.name
	}
	return list
}
