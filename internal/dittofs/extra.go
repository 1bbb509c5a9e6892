package dittofs

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"
)

// withExtra returns a config.yaml with keys that no field has behind those that are there.
func withExtra(c config, extra map[string]any) (*yaml.Node, error) {
	n := &yaml.Node{}
	if err := n.Encode(c); err != nil {
		return nil, err
	}

	return n, add(n, extra)
}

// add keys to a mapping, in the order of their names. What is there stays: only objects may have
// a key twice.
func add(mapping *yaml.Node, extra map[string]any) error {
	there := map[string]*yaml.Node{}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		there[mapping.Content[i].Value] = mapping.Content[i+1]
	}

	for _, key := range slices.Sorted(maps.Keys(extra)) {
		object, isObject := extra[key].(map[string]any)

		switch below := there[key]; {
		case below == nil:
			mapping.Content = append(mapping.Content, text(key, 0), valueOf(extra[key]))
		case isObject && below.Kind == yaml.MappingNode:
			if err := add(below, object); err != nil {
				return err
			}
		default:
			return fmt.Errorf("cannot add %q to config.yaml, which has it", key)
		}
	}

	return nil
}

// valueOf returns a value of JSON as YAML. Texts are in quotes: whatever they look like, every
// reader takes them for texts.
func valueOf(v any) *yaml.Node {
	switch v := v.(type) {
	case map[string]any:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			n.Content = append(n.Content, text(key, 0), valueOf(v[key]))
		}

		return n
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, item := range v {
			n.Content = append(n.Content, valueOf(item))
		}

		return n
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v)}
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < MaxWhole {
			return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(int64(v), 10)}
		}

		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!float", Value: strconv.FormatFloat(v, 'g', -1, 64)}
	case string:
		return text(v, yaml.DoubleQuotedStyle)
	default:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	}
}

func text(s string, style yaml.Style) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s, Style: style}
}
