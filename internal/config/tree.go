package config

import "go.yaml.in/yaml/v3"

// pair is one line of a mapping.
type pair struct {
	key   string
	line  int
	value *yaml.Node
}

// pairs lists a mapping in the order of the file. nil and null are empty. A key
// that check refused (it is no word) is left out.
func pairs(n *yaml.Node) []pair {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	list := make([]pair, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := n.Content[i]; k.Kind == yaml.ScalarNode {
			list = append(list, pair{key: k.Value, line: k.Line, value: n.Content[i+1]})
		}
	}
	return list
}

// check refuses what a configuration does not need and a reader trips over:
// keys that stand twice, keys that are no words, anchors, aliases and tags. An
// alias can also make a small file unfold without end.
func check(n *yaml.Node, p *problems) {
	if n == nil {
		return
	}
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		p.addHint(n.Line, "put a value that starts with & or * between quotes", "anchors and aliases (& and *) are not supported")
	case n.Style&yaml.TaggedStyle != 0:
		p.addHint(n.Line, "put a value that starts with ! between quotes", "tags (!) are not supported")
	}
	if n.Kind == yaml.MappingNode {
		checkKeys(n, p)
	}
	for _, child := range n.Content {
		check(child, p)
	}
}

func checkKeys(n *yaml.Node, p *problems) {
	first := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode {
			p.add(k.Line, "a key must be a word, not %s", kindName(k))
			continue
		}
		if k.Value == "<<" {
			p.add(k.Line, "merge keys (<<) are not supported")
		}
		if line, twice := first[k.Value]; twice {
			p.add(k.Line, "key %s is already set in line %d", shown(k.Value), line)
			continue
		}
		first[k.Value] = k.Line
	}
}
