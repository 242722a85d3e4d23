package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	yaml "go.yaml.in/yaml/v3"

	"edrc/internal/safe"
)

// yamlOf gives v as YAML with the keys and the order of its JSON.
func yamlOf(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode json: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	node, err := yamlNode(dec)
	if err != nil {
		return nil, fmt.Errorf("decode json: %w", err)
	}
	var buf bytes.Buffer
	enc := yaml.NewEncoder(&buf)
	enc.SetIndent(2)
	if err := enc.Encode(node); err != nil {
		return nil, fmt.Errorf("encode yaml: %w", err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("encode yaml: %w", err)
	}
	return escapeYAML(buf.Bytes()), nil
}

// yamlNode reads one JSON value as a YAML node. It walks the tokens because
// maps would lose the order, and YAML's own parser refuses JSON's surrogates.
func yamlNode(dec *json.Decoder) (*yaml.Node, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case json.Delim:
		return yamlChildren(dec, v)
	case string:
		return yamlString(v), nil
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(token)}, nil // number or bool
}

func yamlChildren(dec *json.Decoder, open json.Delim) (*yaml.Node, error) {
	node := &yaml.Node{Kind: yaml.SequenceNode}
	if open == '{' {
		node.Kind = yaml.MappingNode
	}
	for dec.More() {
		child, err := yamlNode(dec) // keys are values of their own here
		if err != nil {
			return nil, err
		}
		node.Content = append(node.Content, child)
	}
	if len(node.Content) == 0 {
		node.Style = yaml.FlowStyle // [] and {}
	}
	_, err := dec.Token()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return node, err
}

func yamlString(s string) *yaml.Node {
	s = strings.ToValidUTF8(s, "\ufffd")
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	// Quoted: what needs escapes, and what YAML 1.1 readers take for a boolean
	// or a number in base 60.
	if safe.Text(s) != s || strings.ContainsAny(s, "\t") || ambiguous(s) {
		node.Style = yaml.DoubleQuotedStyle
	}
	return node
}

func ambiguous(s string) bool {
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "on", "off":
		return true
	}
	return strings.Contains(s, ":") && strings.Trim(s, "0123456789:.+-") == ""
}

// escapeYAML writes as escapes the characters that YAML calls printable and a
// terminal should not get. They stand in double quotes only: see yamlString.
func escapeYAML(b []byte) []byte {
	if bytes.IndexFunc(b, veiled) < 0 {
		return b
	}
	var out bytes.Buffer
	for _, r := range string(b) {
		switch {
		case !veiled(r):
			out.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&out, `\U%08x`, r)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.Bytes()
}
