package protostruct

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// awkwardTexts are those that JSON, or encoding/json, writes otherwise than they are.
func awkwardTexts() []string {
	return []string{
		"", "plain ~", `"`, `\`, "<", ">", "&", "\x00", "\x1f", "\b\f\n\r\t", "\x7f", "\u2028", "\u2029", "ü", "\U0001f5c4", "\xff", "a\xc3",
	}
}

// valuesOfAllKinds by their names.
func valuesOfAllKinds() map[string]*structpb.Value {
	out := map[string]*structpb.Value{
		"Null":         structpb.NewNullValue(),
		"Nothing":      {},
		"Nil":          nil,
		"True":         structpb.NewBoolValue(true),
		"False":        structpb.NewBoolValue(false),
		"EmptyList":    structpb.NewListValue(&structpb.ListValue{}),
		"NilList":      structpb.NewListValue(nil),
		"EmptyStruct":  structpb.NewStructValue(&structpb.Struct{}),
		"NilStruct":    structpb.NewStructValue(nil),
		"ListOfNil":    structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{nil, structpb.NewBoolValue(true), {}}}),
		"StructOfNil":  structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{"b": nil, "a": structpb.NewNumberValue(1)}}),
		"StructByName": structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{}}),
	}

	for i, n := range []float64{0, math.Copysign(0, -1), 1, -1, 0.1, 1e-6, 1e-7, 1e20, 1e21, 1 << 53, math.MaxFloat64, math.SmallestNonzeroFloat64, math.NaN(), math.Inf(1), math.Inf(-1)} {
		out["Number"+string(rune('A'+i))] = structpb.NewNumberValue(n)
	}

	for i, s := range awkwardTexts() {
		out["Text"+string(rune('A'+i))] = structpb.NewStringValue(s)
		out["StructByName"].GetStructValue().Fields[s] = structpb.NewStringValue(s)
	}

	return out
}

// compareJSON with what encoding/json writes.
func compareJSON(t *testing.T, v *structpb.Value) {
	t.Helper()

	want, err := json.Marshal(v.AsInterface())
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(string(want), string(JSON(v))); diff != "" {
		t.Errorf("JSON(%v): -want, +got:\n%s", v, diff)
	}
}

func TestJSON(t *testing.T) {
	for name, v := range valuesOfAllKinds() {
		t.Run(name, func(t *testing.T) { compareJSON(t, v) })
	}
}

func FuzzJSON(f *testing.F) {
	for _, v := range valuesOfAllKinds() {
		// Not all of them can be encoded.
		if b, err := proto.Marshal(v); err == nil {
			f.Add(b)
		}
	}

	f.Fuzz(func(t *testing.T, b []byte) {
		v := &structpb.Value{}
		if err := proto.Unmarshal(b, v); err == nil {
			compareJSON(t, v)
		}
	})
}

// Digests of pod templates cost this.
func BenchmarkJSON(b *testing.B) {
	template, err := structpb.NewValue(map[string]any{"metadata": map[string]any{"name": "files", "labels": map[string]any{"a": "b", "c": "d"}}})
	if err != nil {
		b.Fatal(err)
	}

	items := &structpb.ListValue{}
	for range 20 {
		items.Values = append(items.Values, template)
	}

	v := structpb.NewListValue(items)

	b.Run("EncodingJSON", func(b *testing.B) {
		b.ReportAllocs()

		for b.Loop() {
			if _, err := json.Marshal(v.AsInterface()); err != nil {
				b.Fatal(err)
			}
		}
	})

	b.Run("Typed", func(b *testing.B) {
		b.ReportAllocs()

		for b.Loop() {
			JSON(v)
		}
	})
}
