package wire

import (
	"errors"
	"fmt"
	"iter"
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

// errFieldNumber is protowire's code, for ParseError, of a number that no field may have.
const errFieldNumber = -2

var (
	errUTF8  = errors.New("a string is not valid UTF-8")
	errDepth = errors.New("values are nested too deeply")

	errValues = fmt.Errorf("more than %d values", maxValues)
)

// maxValues bounds how many values a message decodes into, with some 10 MB of memory. A
// running server has 2,500, with its Secrets and what is observed of it.
const maxValues = 1 << 15

// A decoder of structs. It allocates slab values of a kind at a time.
type decoder struct {
	strings []stringValue
	numbers []numberValue
	structs []structValue
	lists   []listValue

	// skips reports whether to leave out a field, by its own name and that of the field it
	// is in. It may be nil.
	skips func(object, field string) bool

	// left is how many more values may be decoded.
	left int
}

func newDecoder() *decoder { return &decoder{left: maxValues} }

// spend counts a value.
func (d *decoder) spend() error {
	if d.left == 0 {
		return errValues
	}

	d.left--

	return nil
}

// A value of each kind, together with what it points to.
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

const slab = 32

// maxHint bounds the size of a new map: entries of two bytes each may all have one key.
const maxHint = 1 << 10

// next returns an unused value.
func next[T any](free *[]T) *T {
	if len(*free) == 0 {
		*free = make([]T, slab)
	}

	v := &(*free)[0]
	*free = (*free)[1:]

	return v
}

// decodeStruct merges an encoded struct into s, without the fields that skips names.
// Its strings alias b.
func (d *decoder) decodeStruct(b []byte, s *structpb.Struct, skips func(object, field string) bool) error {
	d.skips = skips

	return d.fields(b, s, "", protowire.DefaultRecursionLimit)
}

// fields merges the encoded fields of a struct, the value of a field of this name, into s.
func (d *decoder) fields(b []byte, s *structpb.Struct, name string, depth int) error {
	if depth == 0 {
		return errDepth
	}

	if s.Fields == nil {
		s.Fields = make(map[string]*structpb.Value, min(count(b, structFields), maxHint))
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

		key, value, more, err := keyAndValue(v)
		if err != nil {
			return err
		}

		if d.skips != nil && d.skips(name, key) {
			continue
		}

		if s.Fields[key], err = d.values(value, more, key, depth-1); err != nil {
			return err
		}
	}

	return nil
}

// values decodes the values of an entry with this key (see keyAndValue) into one.
func (d *decoder) values(first, more []byte, key string, depth int) (*structpb.Value, error) {
	v, err := d.value(first, nil, key, depth)
	if err != nil {
		return nil, err
	}

	for value := range valuesOf(more) {
		if v, err = d.value(value, v, key, depth); err != nil {
			return nil, err
		}
	}

	return v, nil
}

// value merges the encoded value of a field of this name into v, which may be nil: structs
// and lists are merged, and otherwise the last value wins.
func (d *decoder) value(b []byte, v *structpb.Value, name string, depth int) (*structpb.Value, error) {
	for len(b) > 0 {
		num, typ, n := consumeTag(b)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}

		b = b[n:]

		if err := d.spend(); err != nil {
			return nil, err
		}

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
		return &structpb.Value{}, d.spend()
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

// structValue merges an encoded struct into the one in before, if there is one.
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

// listValue appends an encoded list to the one in before, if there is one.
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

// items appends the encoded items of a list to l.
func (d *decoder) items(b []byte, l *structpb.ListValue, depth int) error {
	if depth == 0 {
		return errDepth
	}

	n := count(b, listValues)
	if n > d.left {
		return errValues
	}

	l.Values = slices.Grow(l.GetValues(), n)

	for len(b) > 0 {
		num, v, n := consume(b)
		if n < 0 {
			return protowire.ParseError(n)
		}

		b = b[n:]

		if num != listValues || v == nil {
			continue
		}

		item, err := d.value(v, nil, "", depth-1)
		if err != nil {
			return err
		}

		l.Values = append(l.Values, item)
	}

	return nil
}

// consumeTag is protowire.ConsumeTag, but refuses numbers above MaxValidNumber, which only
// a MessageSet may have.
func consumeTag(b []byte) (protowire.Number, protowire.Type, int) {
	num, typ, n := protowire.ConsumeTag(b)
	if num > protowire.MaxValidNumber {
		return 0, 0, errFieldNumber
	}

	return num, typ, n
}

// consume parses the field that b begins with. It returns its number, its bytes, nil if it
// is of another type, and its length, or a negative code for protowire.ParseError. Nothing
// can be appended to the bytes in place.
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
	return num, slices.Clip(v), tag + n
}

// count returns how often a field occurs, up to the first error.
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

// keyAndValue returns the key of an entry of a map with string keys, the last one, and the
// bytes of its first value. If the entry has more values, they are in more, for valuesOf.
func keyAndValue(b []byte) (key string, value, more []byte, err error) {
	var after []byte

	for len(b) > 0 {
		num, v, n := consume(b)
		if n < 0 {
			return "", nil, nil, protowire.ParseError(n)
		}

		b = b[n:]

		switch {
		case v == nil:
		case num == entryKey:
			if key, err = stringOf(v); err != nil {
				return "", nil, nil, err
			}
		case num == entryValue && value == nil:
			value, after = v, b
		case num == entryValue:
			more = after
		}
	}

	return key, value, more, nil
}

// valuesOf returns the values among the fields of an entry, which keyAndValue has checked.
// Protobuf merges the values of an entry one after the other.
func valuesOf(b []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			num, v, n := consume(b)
			if num == entryValue && v != nil && !yield(v) {
				return
			}

			b = b[n:]
		}
	}
}

// kindOf returns the kind of a Kubernetes object, an encoded struct. The last one counts.
func (d *decoder) kindOf(b []byte) string {
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

		key, value, more, err := keyAndValue(v)
		if err != nil || key != "kind" {
			continue
		}

		// An error leaves it empty, and decoding the object returns the error.
		decoded, _ := d.values(value, more, key, 1)
		kind = decoded.GetStringValue()
	}

	return kind
}

// stringOf returns b, which must never change, as a string.
func stringOf(b []byte) (string, error) {
	if !utf8.Valid(b) {
		return "", errUTF8
	}

	return unsafe.String(unsafe.SliceData(b), len(b)), nil //nolint:gosec // The codec has a copy of its own.
}
