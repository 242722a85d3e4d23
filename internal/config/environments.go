package config

import (
	"errors"
	"reflect"
	"regexp"

	"go.yaml.in/yaml/v3"

	"edrc/internal/fault"
)

// Environment is one entry of the section environments: a part of a cloud with a name.
type Environment struct {
	Name string
	// Rules is what the prototype of environments returned, filled in.
	Rules any
	Line  int // where it stands in the file
}

// environmentName is compiled where it is used: most runs read no environments.
const environmentName = `^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`

// environments reads the section of that name, each entry into a prototype. One that
// cannot be read is an error of the file: it must not be taken for everything.
func (l *loader) environments(p pair) {
	l.mappingOf(p, func(inner pair) {
		if !regexp.MustCompile(environmentName).MatchString(inner.key) {
			l.add(inner.line, "environment name %s: only letters, digits, ., _ and - are allowed", shown(inner.key))
			return
		}
		rules, v, err := prototype(l.Environment)
		if err != nil {
			l.add(inner.line, "environments: %v", err)
			return
		}
		at := "environments." + inner.key
		before := len(l.list)
		l.unset(inner.value, at)
		l.value(inner.value, v, at)
		if len(l.list) == before {
			l.valid(rules, inner.line, at)
		}
		l.config.Environments = append(l.config.Environments, Environment{inner.key, rules, inner.line})
	})
}

// valid asks what was read whether it makes sense, if it has a method for that.
func (l *loader) valid(v any, line int, at string) {
	check, ok := v.(interface{ Valid() error })
	if !ok {
		return
	}
	err := check.Valid()
	if err == nil {
		return
	}
	text := err.Error()
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Hint != "" {
		l.addHint(line, f.Hint, "%s: %s", at, text)
		return
	}
	l.add(line, "%s: %s", at, text)
}

// unset refuses keys without a value: elsewhere that is a setting left alone, and here it
// would be a restriction that is gone.
func (l *loader) unset(n *yaml.Node, at string) {
	for _, p := range pairs(n) {
		if isNull(p.value) {
			l.add(p.line, "%s: key %s has no value; leave it out if nothing is meant", at, shown(p.key))
		}
	}
	for _, child := range n.Content {
		l.unset(child, at)
	}
}

// word gives the word that may stand in place of the list v: what its method OneWord
// says; "" when there is none.
func word(v reflect.Value) string {
	if w, ok := v.Addr().Interface().(interface{ OneWord() string }); ok {
		return w.OneWord()
	}
	return ""
}

// listOr says what a list may be written as.
func listOr(v reflect.Value) string {
	if w := word(v); w != "" {
		return "a list or the word " + w
	}
	return "a list"
}
