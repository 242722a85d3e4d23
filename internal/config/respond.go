package config

import (
	"errors"
	"reflect"

	"edrc/internal/fault"
)

// respondPrototype makes the options of the section respond, whether the file has it
// or not.
func (l *loader) respondPrototype() {
	if l.Respond != nil {
		l.config.Respond = l.Respond()
	}
}

// respond reads the section of that name into its prototype. A belt that cannot be
// read must not be taken for none: it is an error of the file.
func (l *loader) respond(p pair) {
	v := reflect.ValueOf(l.config.Respond)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		l.add(p.line, "respond: the prototype is no struct: this is a bug in edrc")
		return
	}
	before := len(l.list)
	l.value(p.value, v.Elem(), "respond")
	check, ok := l.config.Respond.(interface{ Valid() error })
	if !ok || len(l.list) > before {
		return
	}
	err := check.Valid()
	if err == nil {
		return
	}
	text := err.Error()
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Hint != "" {
		l.addHint(p.line, f.Hint, "respond: %s", text)
		return
	}
	l.add(p.line, "respond: %s", text)
}
