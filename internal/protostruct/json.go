package protostruct

import (
	"encoding/json"
	"maps"
	"slices"

	"google.golang.org/protobuf/types/known/structpb"
)

// JSON returns a value as JSON, with the fields of objects in the order of their names:
// the bytes that encoding/json makes of v.AsInterface(), without a copy of everything in
// between. Digests are taken of it.
func JSON(v *structpb.Value) []byte { return appendJSON(nil, v) }

func appendJSON(b []byte, v *structpb.Value) []byte {
	switch k := v.GetKind().(type) {
	case *structpb.Value_StructValue:
		fields := k.StructValue.GetFields()

		b = append(b, '{')

		for i, name := range slices.Sorted(maps.Keys(fields)) {
			if i > 0 {
				b = append(b, ',')
			}

			b = appendJSON(append(appendText(b, name), ':'), fields[name])
		}

		return append(b, '}')
	case *structpb.Value_ListValue:
		b = append(b, '[')

		for i, item := range k.ListValue.GetValues() {
			if i > 0 {
				b = append(b, ',')
			}

			b = appendJSON(b, item)
		}

		return append(b, ']')
	case *structpb.Value_StringValue:
		return appendText(b, k.StringValue)
	default:
		return appendAny(b, v.AsInterface())
	}
}

func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		// JSON escapes these, or encoding/json does for browsers.
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return appendAny(b, s)
		}
	}

	return append(append(append(b, '"'), s...), '"')
}

func appendAny(b []byte, v any) []byte {
	text, _ := json.Marshal(v) //nolint:errchkjson // A text, a number, true, false or null.

	return append(b, text...)
}
