package lab

import (
	"encoding/json"
	"strings"
	"text/scanner"
)

// gqlField is one top-level field of a query: what to answer, under which name, with which arguments.
type gqlField struct {
	alias, name string
	args        map[string]any
}

// parseGraphQL reads the operation and the top-level fields of a document with one operation. What is selected inside a field
// is skipped: the lab always answers with the whole object.
func parseGraphQL(query string, variables map[string]any) (fields []gqlField, mutation bool, err error) {
	p := &gqlParser{vars: variables}
	p.scan.Init(strings.NewReader(query))
	p.scan.Mode = scanner.ScanIdents | scanner.ScanInts | scanner.ScanFloats | scanner.ScanStrings
	p.scan.Error = func(_ *scanner.Scanner, msg string) { p.fail(msg) }
	p.next()
	if p.tok == scanner.Ident {
		mutation = p.text == "mutation"
		p.skipTo("{")
	}
	p.expect("{")
	for p.err == nil && p.text != "}" {
		fields = append(fields, p.field())
	}
	if p.err == nil && len(fields) == 0 {
		p.fail("no field")
	}
	return fields, mutation, p.err
}

type gqlParser struct {
	scan scanner.Scanner
	tok  rune
	text string
	vars map[string]any
	err  error
}

func (p *gqlParser) fail(msg string) {
	if p.err == nil {
		p.err = gqlErrorf("Invalid syntax: %s near %q", msg, p.text)
	}
}

func (p *gqlParser) next() {
	p.tok = p.scan.Scan()
	p.text = p.scan.TokenText()
	if p.tok == '#' { // a comment, to the end of the line
		for ch := p.scan.Peek(); ch != '\n' && ch != scanner.EOF; ch = p.scan.Peek() {
			p.scan.Next()
		}
		p.next()
	}
}

func (p *gqlParser) expect(text string) {
	if p.text != text {
		p.fail("expected " + text)
		return
	}
	p.next()
}

// skipTo leaves out what stands before a token: the name and the variable declarations of the operation, with their defaults.
func (p *gqlParser) skipTo(text string) {
	depth := 0
	for p.err == nil && (p.text != text || depth > 0) {
		switch p.text {
		case "(", "[":
			depth++
		case ")", "]":
			depth--
		}
		if p.tok == scanner.EOF {
			p.fail("unexpected end")
		}
		p.next()
	}
}

func (p *gqlParser) name() string {
	if p.tok != scanner.Ident {
		p.fail("expected a name")
	}
	text := p.text
	p.next()
	return text
}

func (p *gqlParser) field() gqlField {
	f := gqlField{name: p.name(), args: map[string]any{}}
	f.alias = f.name
	if p.text == ":" {
		p.next()
		f.name = p.name()
	}
	if p.text == "(" {
		p.next()
		for p.err == nil && p.text != ")" {
			name := p.name()
			p.expect(":")
			f.args[name] = p.value()
			p.comma()
		}
		p.expect(")")
	}
	if p.text == "{" {
		p.skipSelection()
	}
	return f
}

func (p *gqlParser) comma() {
	if p.text == "," {
		p.next()
	}
}

func (p *gqlParser) skipSelection() {
	depth := 0
	for p.err == nil {
		switch p.text {
		case "{":
			depth++
		case "}":
			depth--
		}
		if p.tok == scanner.EOF {
			p.fail("unexpected end")
		}
		p.next()
		if depth == 0 {
			return
		}
	}
}

// value is a literal or a variable, as encoding/json would have it.
func (p *gqlParser) value() any {
	text := p.text
	switch {
	case text == "$":
		p.next()
		return p.vars[p.name()]
	case text == "[":
		p.next()
		list := []any{}
		for p.err == nil && p.text != "]" {
			list = append(list, p.value())
			p.comma()
		}
		p.expect("]")
		return list
	case text == "{":
		p.next()
		object := map[string]any{}
		for p.err == nil && p.text != "}" {
			name := p.name()
			p.expect(":")
			object[name] = p.value()
			p.comma()
		}
		p.expect("}")
		return object
	case text == "-":
		p.next()
		text += p.text
	}
	tok := p.tok
	p.next()
	if tok == scanner.Ident && text != "true" && text != "false" && text != "null" {
		return text // an enumeration
	}
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		p.fail("bad value " + text)
	}
	return v
}

// decodeArgs puts arguments into a struct, refusing those that it does not have.
func decodeArgs(args map[string]any, to any) error {
	raw, err := json.Marshal(args)
	if err != nil {
		return err
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return gqlErrorf("Validation error: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}
