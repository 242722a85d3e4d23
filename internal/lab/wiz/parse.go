package wiz

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/scanner"
)

// selection is a field that is asked for, or an inline fragment, which has a type and no name.
type selection struct {
	alias, name, on string
	args            map[string]any
	uses            map[string]string // argument -> variable, of those given as one
	inner           []selection
}

// document is one operation.
type document struct {
	mutation  bool
	variables map[string]string // name -> type
	fields    []selection
}

type oops struct{ code, message string }

func (o *oops) Error() string { return o.message }

func invalid(format string, args ...any) error {
	return &oops{"GRAPHQL_VALIDATION_FAILED", fmt.Sprintf(format, args...)}
}

func badInput(format string, args ...any) error {
	return &oops{"BAD_USER_INPUT", fmt.Sprintf(format, args...)}
}

type parser struct {
	scan scanner.Scanner
	tok  rune
	text string
	vars map[string]any
	err  error
}

// parse reads a document with one operation.
func parse(query string, variables map[string]any) (document, error) {
	p := &parser{vars: variables}
	p.scan.Init(strings.NewReader(query))
	p.scan.Mode = scanner.ScanIdents | scanner.ScanInts | scanner.ScanFloats | scanner.ScanStrings
	p.scan.Error = func(_ *scanner.Scanner, msg string) { p.fail(msg) }
	p.next()
	d := document{variables: map[string]string{}}
	if p.tok == scanner.Ident {
		d.mutation = p.text == "mutation"
		if !d.mutation && p.text != "query" {
			p.fail("expected an operation")
		}
		p.next()
		if p.tok == scanner.Ident {
			p.next()
		}
		p.declarations(d.variables)
	}
	d.fields = p.selections()
	if p.err == nil && p.tok != scanner.EOF {
		p.fail("more than one operation")
	}
	return d, p.err
}

func (p *parser) fail(msg string) {
	if p.err == nil {
		p.err = &oops{"GRAPHQL_PARSE_FAILED", fmt.Sprintf("Syntax Error: %s near %q", msg, p.text)}
	}
}

func (p *parser) next() { p.tok, p.text = p.scan.Scan(), p.scan.TokenText() }

func (p *parser) accept(text string) bool {
	if p.err != nil || p.text != text {
		return false
	}
	p.next()
	return true
}

func (p *parser) expect(text string) {
	if !p.accept(text) {
		p.fail("expected " + text)
	}
}

func (p *parser) name() string {
	if p.tok != scanner.Ident {
		p.fail("expected a name")
	}
	text := p.text
	p.next()
	return text
}

// declarations are ($name: Type = default, …).
func (p *parser) declarations(into map[string]string) {
	if !p.accept("(") {
		return
	}
	for p.err == nil && p.text != ")" {
		p.expect("$")
		name := p.name()
		p.expect(":")
		into[name] = p.name()
		if p.accept("!") && p.vars[name] == nil {
			p.err = badInput("Variable \"$%s\" of required type was not provided.", name)
		}
		p.accept(",")
	}
	p.expect(")")
	for name := range p.vars {
		if into[name] == "" && p.err == nil {
			p.err = badInput("Variable \"$%s\" is not defined by the operation", name)
		}
	}
}

func (p *parser) selections() []selection {
	p.expect("{")
	var out []selection
	for p.err == nil && p.text != "}" {
		out = append(out, p.selection())
	}
	if p.err == nil && len(out) == 0 {
		p.fail("nothing is selected")
	}
	p.expect("}")
	return out
}

func (p *parser) selection() selection {
	if p.accept(".") {
		p.expect(".")
		p.expect(".")
		p.expect("on")
		return selection{on: p.name(), inner: p.selections()}
	}
	s := selection{name: p.name(), args: map[string]any{}, uses: map[string]string{}}
	s.alias = s.name
	if p.accept(":") {
		s.name = p.name()
	}
	if p.accept("(") {
		for p.err == nil && p.text != ")" {
			name := p.name()
			p.expect(":")
			if p.text == "$" {
				p.next()
				variable := p.name()
				s.uses[name], s.args[name] = variable, p.vars[variable]
			} else {
				s.args[name] = p.value()
			}
			p.accept(",")
		}
		p.expect(")")
	}
	if p.text == "{" {
		s.inner = p.selections()
	}
	return s
}

// value is a literal or a variable, as encoding/json would have it.
func (p *parser) value() any {
	switch {
	case p.accept("$"):
		return p.vars[p.name()]
	case p.accept("["):
		list := []any{}
		for p.err == nil && p.text != "]" {
			list = append(list, p.value())
			p.accept(",")
		}
		p.expect("]")
		return list
	case p.accept("{"):
		object := map[string]any{}
		for p.err == nil && p.text != "}" {
			name := p.name()
			p.expect(":")
			object[name] = p.value()
			p.accept(",")
		}
		p.expect("}")
		return object
	}
	tok, text := p.tok, p.text
	p.next()
	if tok == scanner.Ident && text != "true" && text != "false" && text != "null" {
		return text // an enumeration
	}
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		p.fail("bad value " + text)
	}
	return v
}
