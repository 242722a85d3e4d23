package config

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// secret is what a field of a product's options is when it holds a credential.
// Package httpx provides the type; config only recognises it.
type secret interface {
	// Reference says where the value is kept, after decoding.
	Reference() (scheme, arg string)
	// Bind gives the way to get it, which is called when a request needs it. The
	// type keeps what it got and lets one caller at a time ask.
	Bind(func(ctx context.Context) (string, error))
}

// The places a secret can be kept.
const (
	inKeyring = "keyring"
	inEnv     = "env"
	inFile    = "file"
	inCommand = "command"
)

func schemes() []string { return []string{inKeyring, inEnv, inFile, inCommand} }

// secret decodes one credential: a literal, or a mapping with one reference,
// which is bound to a lazy resolver. Nothing is looked up here, and no message
// shows more of the node than a near miss of a scheme.
func (d *decoder) secret(n *yaml.Node, s secret, at string) {
	if n.Kind == yaml.ScalarNode {
		if n.Value == "" {
			d.add(n.Line, "%s: is empty", at)
			return
		}
		d.literals = append(d.literals, n.Line)
		d.decodeSecret(n, s, at)
		return
	}
	list := pairs(n)
	if len(list) != 1 || n.Kind != yaml.MappingNode {
		d.add(n.Line, "%s: want one of keyring, env, file, command, for example {env: NAME}", at)
		return
	}
	p := list[0]
	if !slices.Contains(schemes(), p.key) {
		d.add(p.line, "%s: %s", at, unknownValue("reference", p.key, schemes()))
		return
	}
	ref, ok := d.reference(p, at)
	if !ok {
		return
	}
	ref.where = d.where(n.Line) + ": " + at
	// A command given as a list reaches the type as one text, like the others:
	// the words that are run are kept here.
	plain := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: n.Line, Content: []*yaml.Node{
		{Kind: yaml.ScalarNode, Tag: "!!str", Value: p.key, Line: p.line},
		{Kind: yaml.ScalarNode, Tag: "!!str", Value: ref.arg, Line: p.line, Style: yaml.DoubleQuotedStyle},
	}}
	if d.decodeSecret(plain, s, at) {
		s.Bind(func(ctx context.Context) (string, error) { return d.resolver.resolve(ctx, ref) })
	}
}

// reference reads the value of keyring, env, file or command.
func (d *decoder) reference(p pair, at string) (reference, bool) {
	ref := reference{scheme: p.key, arg: p.value.Value}
	words := []*yaml.Node{p.value}
	if p.key == inCommand && p.value.Kind == yaml.SequenceNode {
		words = p.value.Content
		for _, w := range words {
			ref.argv = append(ref.argv, w.Value)
		}
		ref.arg = strings.Join(ref.argv, " ")
	}
	for i, w := range words {
		switch {
		case w.Kind != yaml.ScalarNode || isNull(w):
			d.wrong(w, at+"."+p.key, "text")
			return ref, false
		case i == 0 && w.Value == "": // the other words of a command may be empty
			d.add(w.Line, "%s.%s: is empty", at, p.key)
			return ref, false
		}
	}
	if len(words) == 0 {
		d.add(p.line, "%s.%s: the list is empty", at, p.key)
		return ref, false
	}
	return ref, true
}

// decodeSecret lets the type read a node. Whatever it complains of stays unsaid,
// because it may quote the value.
func (d *decoder) decodeSecret(n *yaml.Node, s secret, at string) bool {
	if err := n.Decode(s); err != nil {
		d.add(n.Line, "%s: is not a secret or a reference to one", at)
		return false
	}
	return true
}

// holdsSecret reports whether a value of type t can hold a secret. seen keeps a
// type that holds itself from being walked for ever.
func holdsSecret(t reflect.Type, seen []reflect.Type) bool {
	if slices.Contains(seen, t) {
		return false
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[secret]()) {
		return true
	}
	seen = append(seen, t)
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return holdsSecret(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if holdsSecret(t.Field(i).Type, seen) {
				return true
			}
		}
	}
	return false
}
