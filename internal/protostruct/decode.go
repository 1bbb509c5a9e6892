package protostruct

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/internal/fielderr"
	"github.com/dittofs/function-dittoserver/internal/quantity"
)

// Decode sets into, a pointer to a Go value with json tags, from a protobuf value. It returns
// all errors at once, each with its field path, until there are enough: a value of the wrong
// type, a number that does not fit, an unknown field. It decodes what it can until then. A null
// leaves its field as it is.
func Decode(path *field.Path, v *structpb.Value, into any) field.ErrorList {
	return decode(path, v, reflect.ValueOf(into).Elem())
}

func decode(path *field.Path, v *structpb.Value, into reflect.Value) field.ErrorList {
	if _, null := v.GetKind().(*structpb.Value_NullValue); null || v.GetKind() == nil {
		return nil
	}

	if into.Kind() == reflect.Pointer {
		p := reflect.New(into.Type().Elem())
		errs := decode(path, v, p.Elem())
		into.Set(p)

		return errs
	}

	t := typeOf(into.Type())
	if t.unmarshals {
		return decodeJSON(path, v, into)
	}

	switch into.Kind() { //nolint:exhaustive // Kinds that no API type has end in the default.
	case reflect.Struct:
		return decodeStruct(path, v, into, t.fields)
	case reflect.Map:
		return decodeMap(path, v, into)
	case reflect.Slice:
		return decodeSlice(path, v, into)
	case reflect.String:
		s, ok := v.GetKind().(*structpb.Value_StringValue)
		if !ok {
			return invalid(path, v, "must be a string")
		}

		into.SetString(s.StringValue)
	case reflect.Bool:
		b, ok := v.GetKind().(*structpb.Value_BoolValue)
		if !ok {
			return invalid(path, v, "must be true or false")
		}

		into.SetBool(b.BoolValue)
	case reflect.Float32, reflect.Float64:
		n, ok := v.GetKind().(*structpb.Value_NumberValue)
		if !ok {
			return invalid(path, v, "must be a number")
		}

		into.SetFloat(n.NumberValue)
	case reflect.Int, reflect.Int32, reflect.Int64:
		n, ok := v.GetKind().(*structpb.Value_NumberValue)
		if !ok || n.NumberValue != math.Trunc(n.NumberValue) {
			return invalid(path, v, "must be a whole number")
		}
		// Out of the range of int64 the conversion has no defined result.
		if n.NumberValue >= 1<<63 || n.NumberValue < -1<<63 || into.OverflowInt(int64(n.NumberValue)) {
			return invalid(path, v, fmt.Sprintf("does not fit a number of %d bits", into.Type().Bits()))
		}

		into.SetInt(int64(n.NumberValue))
	default:
		return field.ErrorList{field.InternalError(path, fmt.Errorf("cannot decode into %s", into.Type()))}
	}

	return nil
}

func decodeStruct(path *field.Path, v *structpb.Value, into reflect.Value, known []structField) field.ErrorList {
	s := v.GetStructValue()
	if s == nil {
		return invalid(path, v, "must be an object")
	}

	var errs field.ErrorList

	for _, f := range known {
		if fielderr.Enough(errs) {
			return errs
		}

		if fv, ok := s.GetFields()[f.name]; ok {
			errs = append(errs, decode(path.Child(f.name), fv, into.FieldByIndex(f.index))...)
		}
	}

	for _, name := range slices.Sorted(maps.Keys(s.GetFields())) {
		if fielderr.Enough(errs) {
			return errs
		}

		if !slices.ContainsFunc(known, func(f structField) bool { return f.name == name }) {
			errs = append(errs, field.Forbidden(path.Child(name), "unknown field"))
		}
	}

	return errs
}

func decodeMap(path *field.Path, v *structpb.Value, into reflect.Value) field.ErrorList {
	s := v.GetStructValue()
	if s == nil {
		return invalid(path, v, "must be an object")
	}

	var errs field.ErrorList

	m := reflect.MakeMapWithSize(into.Type(), len(s.GetFields()))
	for _, key := range slices.Sorted(maps.Keys(s.GetFields())) {
		if fielderr.Enough(errs) {
			break
		}

		e := reflect.New(into.Type().Elem()).Elem()
		errs = append(errs, decode(path.Key(key), s.GetFields()[key], e)...)
		m.SetMapIndex(reflect.ValueOf(key).Convert(into.Type().Key()), e)
	}

	into.Set(m)

	return errs
}

func decodeSlice(path *field.Path, v *structpb.Value, into reflect.Value) field.ErrorList {
	l := v.GetListValue()
	if l == nil {
		return invalid(path, v, "must be a list")
	}

	var errs field.ErrorList

	s := reflect.MakeSlice(into.Type(), len(l.GetValues()), len(l.GetValues()))
	for i, e := range l.GetValues() {
		if fielderr.Enough(errs) {
			break
		}

		errs = append(errs, decode(path.Index(i), e, s.Index(i))...)
	}

	into.Set(s)

	return errs
}

// decodeJSON decodes a type that knows its own JSON, such as a Quantity.
func decodeJSON(path *field.Path, v *structpb.Value, into reflect.Value) field.ErrorList {
	b, err := v.MarshalJSON()
	if err != nil {
		return invalid(path, v, "must be a JSON value")
	}

	if q, ok := reflect.TypeAssert[*resource.Quantity](into.Addr()); ok {
		parsed, err := quantity.Parse(strings.Trim(string(b), `"`))
		if err != nil {
			return invalid(path, v, err.Error())
		}

		*q = parsed

		return nil
	}

	if err := json.Unmarshal(b, into.Addr().Interface()); err != nil {
		return invalid(path, v, err.Error())
	}

	return nil
}

func invalid(path *field.Path, v *structpb.Value, detail string) field.ErrorList {
	value := v.AsInterface()

	// A float64 of ten digits would be shown as 4.294967297e+09.
	if n, ok := value.(float64); ok && n == math.Trunc(n) && n >= -1<<63 && n < 1<<63 {
		value = int64(n)
	}

	return field.ErrorList{field.TypeInvalid(path, value, detail)}
}
