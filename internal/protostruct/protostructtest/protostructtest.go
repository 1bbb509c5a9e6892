// Package protostructtest helps tests to write protobuf structs.
package protostructtest

import (
	"testing"

	"google.golang.org/protobuf/types/known/structpb"
	"sigs.k8s.io/yaml"
)

// FromYAML returns a YAML text as a protobuf struct, or nil for an empty text. A
// text that is no YAML object fails the test.
func FromYAML(tb testing.TB, text string) *structpb.Struct {
	tb.Helper()

	if text == "" {
		return nil
	}

	m := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &m); err != nil {
		tb.Fatal(err)
	}

	return FromMap(tb, m)
}

// FromMap returns a map as a protobuf struct. A value that no struct can hold fails the
// test.
func FromMap(tb testing.TB, m map[string]any) *structpb.Struct {
	tb.Helper()

	s, err := structpb.NewStruct(m)
	if err != nil {
		tb.Fatal(err)
	}

	return s
}
