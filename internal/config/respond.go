package config

import "reflect"

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
	if len(l.list) == before {
		l.valid(l.config.Respond, p.line, "respond")
	}
}
