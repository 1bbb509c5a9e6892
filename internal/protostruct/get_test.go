package protostruct

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
)

func TestGet(t *testing.T) {
	object := value(`{"a":{"b":{"c":"x"},"list":[{"d":1}],"null":null},"dotted.name":"y"}`).GetStructValue()

	cases := map[string]struct {
		reason string
		s      *structpb.Struct
		path   []string
		want   *structpb.Value
	}{
		"Leaf":         {reason: "A path leads to its value", s: object, path: []string{"a", "b", "c"}, want: structpb.NewStringValue("x")},
		"Object":       {reason: "A path can end at an object", s: object, path: []string{"a", "b"}, want: value(`{"c":"x"}`)},
		"Null":         {reason: "A null is a value", s: object, path: []string{"a", "null"}, want: structpb.NewNullValue()},
		"Dotted":       {reason: "A name is taken as it is", s: object, path: []string{"dotted.name"}, want: structpb.NewStringValue("y")},
		"Missing":      {reason: "A missing field is nil", s: object, path: []string{"a", "z"}},
		"MissingOnWay": {reason: "A missing object on the way is nil", s: object, path: []string{"z", "b", "c"}},
		"NoObject":     {reason: "A string on the way is nil", s: object, path: []string{"a", "b", "c", "d"}},
		"List":         {reason: "A list on the way is nil", s: object, path: []string{"a", "list", "d"}},
		"NullOnWay":    {reason: "A null on the way is nil", s: object, path: []string{"a", "null", "d"}},
		"Nil":          {reason: "A nil object has no fields", path: []string{"a", "b"}},
		"NoPath":       {reason: "No path leads nowhere", s: object},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Get(tc.s, tc.path...), protocmp.Transform()); diff != "" {
				t.Errorf("%s\nGet(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestSet(t *testing.T) {
	x := structpb.NewStringValue("x")

	cases := map[string]struct {
		reason string
		s      string
		v      *structpb.Value
		path   []string
		want   string
	}{
		"Field":       {reason: "A field is set", s: `{}`, v: x, path: []string{"a"}, want: `{"a":"x"}`},
		"Replace":     {reason: "A field is replaced, whatever it was", s: `{"a":{"b":1}}`, v: x, path: []string{"a"}, want: `{"a":"x"}`},
		"Nested":      {reason: "The objects on the way are made", s: `{}`, v: x, path: []string{"a", "b", "c"}, want: `{"a":{"b":{"c":"x"}}}`},
		"Beside":      {reason: "What is beside the path stays", s: `{"a":{"z":1},"y":2}`, v: x, path: []string{"a", "b"}, want: `{"a":{"z":1,"b":"x"},"y":2}`},
		"ThroughLeaf": {reason: "What is no object on the way makes place for one", s: `{"a":"leaf"}`, v: x, path: []string{"a", "b"}, want: `{"a":{"b":"x"}}`},
		"Remove":      {reason: "A nil value removes the field and nothing else", s: `{"a":{"b":1,"c":2}}`, path: []string{"a", "b"}, want: `{"a":{"c":2}}`},
		"RemoveNone":  {reason: "What is not there can be removed", s: `{"a":{"c":2}}`, path: []string{"a", "b"}, want: `{"a":{"c":2}}`},
		"Null":        {reason: "A null is a value", s: `{"a":1}`, v: structpb.NewNullValue(), path: []string{"a"}, want: `{"a":null}`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := value(tc.s).GetStructValue()
			Set(s, tc.v, tc.path...)

			if diff := cmp.Diff(value(tc.want).GetStructValue(), s, protocmp.Transform()); diff != "" {
				t.Errorf("%s\nSet(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}

	t.Run("NoFieldsYet", func(t *testing.T) {
		s := &structpb.Struct{}
		Set(s, x, "a", "b")

		if diff := cmp.Diff(value(`{"a":{"b":"x"}}`).GetStructValue(), s, protocmp.Transform()); diff != "" {
			t.Errorf("%s\nSet(...): -want, +got:\n%s", "An object without a map of fields gets one", diff)
		}
	})
}

func TestWith(t *testing.T) {
	before := map[string]any{"a": map[string]any{"b": "c", "d": map[string]any{"e": "f"}}, "g": "h"}

	cases := map[string]struct {
		reason string
		value  *structpb.Value
		path   []string
		want   map[string]any
	}{
		"Replace": {
			reason: "All around the path stays.",
			value:  structpb.NewStringValue("x"),
			path:   []string{"a", "d", "e"},
			want:   map[string]any{"a": map[string]any{"b": "c", "d": map[string]any{"e": "x"}}, "g": "h"},
		},
		"Add": {
			reason: "Objects on the way are made.",
			value:  structpb.NewStringValue("x"),
			path:   []string{"i", "j"},
			want:   map[string]any{"a": map[string]any{"b": "c", "d": map[string]any{"e": "f"}}, "g": "h", "i": map[string]any{"j": "x"}},
		},
		"Remove": {
			reason: "A nil value removes the field.",
			path:   []string{"a", "d"},
			want:   map[string]any{"a": map[string]any{"b": "c"}, "g": "h"},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, err := structpb.NewStruct(before)
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(tc.want, With(s, tc.value, tc.path...).AsMap()); diff != "" {
				t.Errorf("%s\nWith(...): -want, +got:\n%s", tc.reason, diff)
			}

			if diff := cmp.Diff(before, s.AsMap()); diff != "" {
				t.Errorf("With(...) changes what it copies: -want, +got:\n%s", diff)
			}
		})
	}

	if diff := cmp.Diff(map[string]any{"a": "x"}, With(nil, structpb.NewStringValue("x"), "a").AsMap()); diff != "" {
		t.Errorf("With(nil, ...): -want, +got:\n%s", diff)
	}
}
