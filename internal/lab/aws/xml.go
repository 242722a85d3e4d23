package aws

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
)

// element is one element of an XML answer. One without a name is left out.
type element struct {
	name, text string
	kids       []element
}

// el makes an element of a text, a number, a truth, or of other elements.
func el(name string, content ...any) element {
	e := element{name: name}
	for _, c := range content {
		switch c := c.(type) {
		case element:
			e.kids = append(e.kids, c)
		case []element:
			e.kids = append(e.kids, c...)
		default:
			e.text = fmt.Sprint(c)
		}
	}
	return e
}

// some is an element, left out when its text is empty.
func some(name, text string) element {
	if text == "" {
		return element{}
	}
	return el(name, text)
}

// each makes one element of each thing.
func each[T any](things []T, render func(T) element) []element {
	var out []element
	for _, t := range things {
		out = append(out, render(t))
	}
	return out
}

// items are elements of the name that lists of EC2 have, with one text each.
func items(name string, texts []string) []element {
	return each(texts, func(t string) element { return el("item", el(name, t)) })
}

func (e element) write(b *strings.Builder, attributes string) {
	if e.name == "" {
		return
	}
	b.WriteString("<" + e.name + attributes + ">")
	_ = xml.EscapeText(b, []byte(e.text)) // a Builder never fails
	for _, k := range e.kids {
		k.write(b, "")
	}
	b.WriteString("</" + e.name + ">")
}

// writeXML sends an answer. space is its namespace, "" for none.
func writeXML(w http.ResponseWriter, status int, space string, root element) {
	attributes := ""
	if space != "" {
		attributes = ` xmlns="` + space + `"`
	}
	var b strings.Builder
	b.WriteString(xml.Header)
	root.write(&b, attributes)
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(b.String()))
}
