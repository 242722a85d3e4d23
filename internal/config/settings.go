package config

import (
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// setting is one scalar of [Config]: whatever has a yaml tag, in a section or at
// the top. Lists of words count as scalars: on one line they are a,b,c.
type setting struct {
	section, name string // section is "" at the top
	value         reflect.Value
	tag           reflect.StructTag
}

// settings lists the scalars of c; their values point into it.
func settings(c *Config) []setting {
	var list []setting
	root := reflect.ValueOf(c).Elem()
	for _, f := range fieldsOf(root.Type()) {
		v := root.FieldByIndex(f.index)
		if v.Kind() != reflect.Struct {
			list = append(list, setting{name: f.name, value: v, tag: f.tag})
			continue
		}
		for _, inner := range fieldsOf(v.Type()) {
			list = append(list, setting{section: f.name, name: inner.name, value: v.FieldByIndex(inner.index), tag: inner.tag})
		}
	}
	return list
}

// inSection gives the settings of one section, and the keys it takes.
func inSection(all []setting, section string) (byName map[string]setting, keys []string) {
	byName = map[string]setting{}
	for _, s := range all {
		if s.section == section {
			byName[s.name] = s
			keys = append(keys, s.name)
		}
	}
	return byName, keys
}

// key is the setting's name for people: http.timeout.
func (s setting) key() string { return strings.TrimPrefix(s.section+"."+s.name, ".") }

// viperKey is the same with the delimiter that no name contains.
func (s setting) viperKey() string { return strings.TrimPrefix(s.section+"::"+s.name, "::") }

// envName is EDRC_HTTP_TIMEOUT.
func (s setting) envName() string {
	return "EDRC_" + strings.ToUpper(strings.ReplaceAll(s.key(), ".", "_"))
}

// flagName is http-timeout.
func (s setting) flagName() string { return strings.NewReplacer(".", "-", "_", "-").Replace(s.key()) }

// isPath says that the setting is a file or a directory.
func (s setting) isPath() bool { return s.tag.Get("config") == "path" }

// parse reads the setting from one line of text, as a variable or a flag gives
// it, and checks it. The error says what is wanted, not what was given.
func (s setting) parse(text string) (any, error) {
	v := reflect.New(s.value.Type()).Elem()
	node := &yaml.Node{Kind: yaml.ScalarNode, Value: strings.TrimSpace(text)}
	if v.Kind() == reflect.Slice {
		node = &yaml.Node{Kind: yaml.SequenceNode}
		for word := range strings.SplitSeq(text, ",") {
			if word = strings.TrimSpace(word); word != "" {
				node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: word})
			}
		}
	}
	// A shell gives text, whatever it looks like: an empty path is no null.
	if v.Kind() == reflect.String {
		node.Tag = "!!str"
	}
	found := &problems{}
	d := &decoder{problems: found}
	if isNull(node) {
		return nil, fmt.Errorf("want %s", wanted(v.Type()))
	}
	d.value(node, v, "")
	if len(found.list) > 0 {
		return nil, fmt.Errorf("%s", strings.TrimPrefix(found.list[0].text, ": "))
	}
	return v.Interface(), s.valid(v)
}

// valid checks what the setting's tags demand.
func (s setting) valid(v reflect.Value) error {
	if choices := strings.Fields(s.tag.Get("oneof")); len(choices) > 0 {
		for _, c := range choices {
			if v.String() == c {
				return nil
			}
		}
		return fmt.Errorf("%s", unknownValue("value", v.String(), choices))
	}
	if !v.CanInt() {
		return nil
	}
	low, high := int64(0), int64(1<<62)
	fmt.Sscan(s.tag.Get("min"), &low)
	fmt.Sscan(s.tag.Get("max"), &high)
	switch n := v.Int(); {
	case n < low && low == 0:
		return fmt.Errorf("must not be negative")
	case n < low:
		return fmt.Errorf("must be more than 0")
	case n > high:
		return fmt.Errorf("must be at most %d", high)
	}
	return nil
}
