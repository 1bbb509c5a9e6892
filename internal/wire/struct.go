package wire

import (
	"errors"
	"math"
	"slices"
	"unicode/utf8"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/structpb"
)

// Field numbers of google.protobuf.Struct, Value and ListValue.
// https://github.com/protocolbuffers/protobuf/blob/main/src/google/protobuf/struct.proto
const (
	structFields = 1

	valueNull   = 1
	valueNumber = 2
	valueString = 3
	valueBool   = 4
	valueStruct = 5
	valueList   = 6

	listValues = 1
)

// errFieldNumber is what protowire.ParseError knows for a number that no field has.
const errFieldNumber = -2

var (
	errUTF8  = errors.New("a string is not valid UTF-8")
	errDepth = errors.New("values are nested too deeply")
)

// A decoder of structs. It allocates values many at a time.
type decoder struct {
	strings []stringValue
	numbers []numberValue
	structs []structValue
	lists   []listValue

	// bare says whether to leave out metadata.managedFields.
	bare bool
}

// Values of each kind, with what they consist of.
type (
	stringValue struct {
		value structpb.Value
		kind  structpb.Value_StringValue
	}
	numberValue struct {
		value structpb.Value
		kind  structpb.Value_NumberValue
	}
	structValue struct {
		value structpb.Value
		kind  structpb.Value_StructValue
		of    structpb.Struct
	}
	listValue struct {
		value structpb.Value
		kind  structpb.Value_ListValue
		of    structpb.ListValue
	}
)

// slab is how many values of a kind are allocated at a time.
const slab = 32

func next[T any](free *[]T) *T {
	if len(*free) == 0 {
		*free = make([]T, slab)
	}

	v := &(*free)[0]
	*free = (*free)[1:]

	return v
}

// decodeStruct decodes a struct. Its strings share the memory of b.
func (d *decoder) decodeStruct(b []byte, s *structpb.Struct, bare bool) error {
	d.bare = bare

	return d.fields(b, s, "", protowire.DefaultRecursionLimit)
}

// fields decodes the fields of a struct of this name.
func (d *decoder) fields(b []byte, s *structpb.Struct, name string, depth int) error {
	if depth == 0 {
		return errDepth
	}

	if s.Fields == nil {
		s.Fields = make(map[string]*structpb.Value, count(b, structFields))
	}

	for len(b) > 0 {
		num, v, n := consume(b)
		if n < 0 {
			return protowire.ParseError(n)
		}

		b = b[n:]

		if num != structFields || v == nil {
			continue
		}

		key, value, err := keyAndValue(v)
		if err != nil {
			return err
		}

		if d.bare && key == "managedFields" && name == "metadata" {
			continue
		}

		if s.Fields[key], err = d.value(value, key, depth-1); err != nil {
			return err
		}
	}

	return nil
}

// value decodes the value of a field of this name.
func (d *decoder) value(b []byte, name string, depth int) (*structpb.Value, error) {
	// The last of several kinds counts.
	var v *structpb.Value

	for len(b) > 0 {
		num, typ, n := consumeTag(b)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}

		b = b[n:]

		var err error

		switch {
		case num == valueString && typ == protowire.BytesType:
			v, n, err = d.stringValue(b)
		case num == valueStruct && typ == protowire.BytesType:
			v, n, err = d.structValue(b, v, name, depth)
		case num == valueList && typ == protowire.BytesType:
			v, n, err = d.listValue(b, v, depth)
		case num == valueNumber && typ == protowire.Fixed64Type:
			number := next(&d.numbers)
			number.value.Kind = &number.kind
			v = &number.value

			var bits uint64
			bits, n = protowire.ConsumeFixed64(b)
			number.kind.NumberValue = math.Float64frombits(bits)
		case num == valueBool && typ == protowire.VarintType:
			var bit uint64
			bit, n = protowire.ConsumeVarint(b)
			v = structpb.NewBoolValue(protowire.DecodeBool(bit))
		case num == valueNull && typ == protowire.VarintType:
			var null uint64
			null, n = protowire.ConsumeVarint(b)
			v = &structpb.Value{Kind: &structpb.Value_NullValue{NullValue: structpb.NullValue(null)}} //nolint:gosec // As protobuf does.
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}

		if err == nil && n < 0 {
			err = protowire.ParseError(n)
		}

		if err != nil {
			return nil, err
		}

		b = b[n:]
	}

	if v == nil {
		v = &structpb.Value{}
	}

	return v, nil
}

func (d *decoder) stringValue(b []byte) (*structpb.Value, int, error) {
	raw, n := protowire.ConsumeBytes(b)
	if n < 0 {
		return nil, n, nil
	}

	s := next(&d.strings)
	s.value.Kind = &s.kind

	var err error
	s.kind.StringValue, err = stringOf(raw)

	return &s.value, n, err
}

// structValue decodes a struct into one that came before it, if there is any.
func (d *decoder) structValue(b []byte, before *structpb.Value, name string, depth int) (*structpb.Value, int, error) {
	raw, n := protowire.ConsumeBytes(b)
	if n < 0 {
		return nil, n, nil
	}

	if s := before.GetStructValue(); s != nil {
		return before, n, d.fields(raw, s, name, depth)
	}

	s := next(&d.structs)
	s.value.Kind, s.kind.StructValue = &s.kind, &s.of

	return &s.value, n, d.fields(raw, &s.of, name, depth)
}

// listValue decodes a list after one that came before it, if there is any.
func (d *decoder) listValue(b []byte, before *structpb.Value, depth int) (*structpb.Value, int, error) {
	raw, n := protowire.ConsumeBytes(b)
	if n < 0 {
		return nil, n, nil
	}

	if l := before.GetListValue(); l != nil {
		return before, n, d.items(raw, l, depth)
	}

	l := next(&d.lists)
	l.value.Kind, l.kind.ListValue = &l.kind, &l.of

	return &l.value, n, d.items(raw, &l.of, depth)
}

func (d *decoder) items(b []byte, l *structpb.ListValue, depth int) error {
	if depth == 0 {
		return errDepth
	}

	l.Values = slices.Grow(l.GetValues(), count(b, listValues))

	for len(b) > 0 {
		num, v, n := consume(b)
		if n < 0 {
			return protowire.ParseError(n)
		}

		b = b[n:]

		if num != listValues || v == nil {
			continue
		}

		item, err := d.value(v, "", depth-1)
		if err != nil {
			return err
		}

		l.Values = append(l.Values, item)
	}

	return nil
}

// consumeTag is protowire's, which takes larger numbers for those that a MessageSet has.
// Nothing else may have them.
func consumeTag(b []byte) (protowire.Number, protowire.Type, int) {
	num, typ, n := protowire.ConsumeTag(b)
	if num > protowire.MaxValidNumber {
		return 0, 0, errFieldNumber
	}

	return num, typ, n
}

// consume the field that b begins with: its number, its bytes if it has any, and how
// long it is, or what is wrong with it (protowire.ParseError).
func consume(b []byte) (protowire.Number, []byte, int) {
	num, typ, tag := consumeTag(b)
	if tag < 0 {
		return 0, nil, tag
	}

	if typ != protowire.BytesType {
		n := protowire.ConsumeFieldValue(num, typ, b[tag:])
		if n < 0 {
			return 0, nil, n
		}

		return num, nil, tag + n
	}

	v, n := protowire.ConsumeBytes(b[tag:])
	if n < 0 {
		return 0, nil, n
	}

	// Never nil.
	return num, v[:len(v):len(v)], tag + n
}

// count the fields of a number, up to what cannot be read.
func count(b []byte, field protowire.Number) int {
	fields := 0

	for len(b) > 0 {
		num, _, n := consume(b)
		if n < 0 {
			break
		}

		if num == field {
			fields++
		}

		b = b[n:]
	}

	return fields
}

// keyAndValue of an entry of a map with string keys. A value that comes twice is one,
// as its bytes say it.
func keyAndValue(b []byte) (string, []byte, error) {
	var (
		key   string
		value []byte
	)

	for len(b) > 0 {
		num, v, n := consume(b)
		if n < 0 {
			return "", nil, protowire.ParseError(n)
		}

		b = b[n:]

		switch {
		case v == nil:
		case num == entryKey:
			// The last one counts, and each must be text.
			var err error
			if key, err = stringOf(v); err != nil {
				return "", nil, err
			}
		case num == entryValue && len(value) == 0:
			value = v
		case num == entryValue:
			var err error
			if value, err = merge(value, v); err != nil {
				return "", nil, err
			}
		}
	}

	return key, value, nil
}

// kindOf a Kubernetes object, of the bytes of its struct. The last one counts.
func kindOf(b []byte) string {
	kind := ""

	for len(b) > 0 {
		num, v, n := consume(b)
		if n < 0 {
			break
		}

		b = b[n:]

		if num != structFields || v == nil {
			continue
		}

		if key, value, err := keyAndValue(v); err == nil && key == "kind" {
			kind = ""

			if v, err := (&decoder{}).value(value, key, 1); err == nil {
				kind = v.GetStringValue()
			}
		}
	}

	return kind
}

// stringOf bytes that never change.
func stringOf(b []byte) (string, error) {
	if !utf8.Valid(b) {
		return "", errUTF8
	}

	return unsafe.String(unsafe.SliceData(b), len(b)), nil //nolint:gosec // The codec has a copy of its own.
}
