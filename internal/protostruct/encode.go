package protostruct

import (
	"encoding/json"
	"fmt"
	"reflect"

	"google.golang.org/protobuf/types/known/structpb"
)

// Encode returns a pointer to a Go struct with json tags as a protobuf struct.
//
// It leaves out every field with a zero value, whether its tag says omitempty or
// not: the API server reads a missing field and a zero one alike, but
// server-side apply takes a written one for intent. What a pointer points to is
// intent, zero or not, such as an emptyDir: {}.
func Encode(from any) (*structpb.Struct, error) {
	v, err := encode(reflect.ValueOf(from))
	if err != nil {
		return nil, err
	}

	s := v.GetStructValue()
	if s == nil {
		return nil, fmt.Errorf("cannot encode %T as an object", from)
	}

	return s, nil
}

func encode(from reflect.Value) (*structpb.Value, error) {
	if from.Kind() == reflect.Pointer {
		return encode(from.Elem())
	}

	if !from.IsValid() {
		return structpb.NewNullValue(), nil
	}

	t := typeOf(from.Type())
	if t.marshals {
		return encodeJSON(from)
	}

	switch from.Kind() { //nolint:exhaustive // Kinds that no API type has end in the default.
	case reflect.Struct:
		s, err := encodeStruct(from, t.fields)
		return structpb.NewStructValue(s), err
	case reflect.Map:
		s := &structpb.Struct{Fields: make(map[string]*structpb.Value, from.Len())}

		for i := from.MapRange(); i.Next(); {
			v, err := encode(i.Value())
			if err != nil {
				return nil, err
			}

			s.Fields[i.Key().String()] = v
		}

		return structpb.NewStructValue(s), nil
	case reflect.Slice:
		l := &structpb.ListValue{Values: make([]*structpb.Value, from.Len())}

		for i := range from.Len() {
			v, err := encode(from.Index(i))
			if err != nil {
				return nil, err
			}

			l.Values[i] = v
		}

		return structpb.NewListValue(l), nil
	case reflect.String:
		return structpb.NewStringValue(from.String()), nil
	case reflect.Bool:
		return structpb.NewBoolValue(from.Bool()), nil
	case reflect.Float32, reflect.Float64:
		return structpb.NewNumberValue(from.Float()), nil
	case reflect.Int, reflect.Int32, reflect.Int64:
		return structpb.NewNumberValue(float64(from.Int())), nil
	default:
		return nil, fmt.Errorf("cannot encode a %s", from.Type())
	}
}

func encodeStruct(from reflect.Value, fields []structField) (*structpb.Struct, error) {
	s := &structpb.Struct{Fields: map[string]*structpb.Value{}}

	for _, f := range fields {
		fv := from.FieldByIndex(f.index)
		if fv.IsZero() {
			continue
		}

		v, err := encode(fv)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}

		if fv.Kind() != reflect.Pointer && isEmpty(v) {
			continue
		}

		s.Fields[f.name] = v
	}

	return s, nil
}

// isEmpty reports whether v is an object or a list without members.
func isEmpty(v *structpb.Value) bool {
	switch k := v.GetKind().(type) {
	case *structpb.Value_StructValue:
		return len(k.StructValue.GetFields()) == 0
	case *structpb.Value_ListValue:
		return len(k.ListValue.GetValues()) == 0
	default:
		return false
	}
}

// encodeJSON encodes a type that knows its own JSON, such as a Quantity.
func encodeJSON(from reflect.Value) (*structpb.Value, error) {
	b, err := json.Marshal(from.Interface())
	if err != nil {
		return nil, fmt.Errorf("cannot encode a %s: %w", from.Type(), err)
	}

	v := &structpb.Value{}

	return v, v.UnmarshalJSON(b)
}
