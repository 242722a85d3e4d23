package config

import (
	"reflect"

	"go.yaml.in/yaml/v3"
)

// templates reads the notes that are kept to be filled in. Their text is read by
// who fills it in; here they are names and text.
func (l *loader) templates(n *yaml.Node) {
	found := map[string]string{}
	l.value(n, reflect.ValueOf(&found).Elem(), "notes.templates")
	for _, p := range pairs(n) {
		if !keyShaped(p.key) {
			l.add(p.line, "notes.templates: a name is made of letters, digits, - and _")
		}
	}
	if len(found) > 0 {
		l.config.Notes.Templates = found
	}
}
