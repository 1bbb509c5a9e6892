package wire

import (
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// encodeResponse encodes a response. Protobuf's own encoder computes how long a struct
// is once for each level above it.
func encodeResponse(rsp *fnv1.RunFunctionResponse) ([]byte, error) {
	desired := rsp.GetDesired()

	b, err := appendWithout(make([]byte, 0, sizeHint(desired)), rsp, &rsp.Desired)
	if err != nil || desired == nil {
		return b, err
	}

	b, start := begin(b, responseDesired)
	if b, err = appendState(b, desired); err != nil {
		return nil, err
	}

	return end(b, start), nil
}

// sizeHint is about how long a response is: some 16 KiB, and what is passed on as bytes.
func sizeHint(desired *fnv1.State) int {
	size := 16 << 10

	for name, r := range desired.GetResources() {
		size += len(name) + len(r.ProtoReflect().GetUnknown()) + 16
	}

	return size
}

func appendState(b []byte, s *fnv1.State) ([]byte, error) {
	composite, resources := s.GetComposite(), s.GetResources()

	s.Resources = nil
	b, err := appendWithout(b, s, &s.Composite)
	s.Resources = resources

	if err != nil {
		return nil, err
	}

	if composite != nil {
		var start int

		b, start = begin(b, stateComposite)

		if b, err = appendResource(b, composite); err != nil {
			return nil, fmt.Errorf("cannot encode the composite resource: %w", err)
		}

		b = end(b, start)
	}

	for name, r := range resources {
		var entry, value int

		b, entry = begin(b, stateResources)

		if b, err = appendString(b, entryKey, name); err != nil {
			return nil, err
		}

		b, value = begin(b, entryValue)

		if b, err = appendResource(b, r); err != nil {
			return nil, fmt.Errorf("cannot encode composed resource %s: %w", name, err)
		}

		b = end(end(b, value), entry)
	}

	return b, nil
}

func appendResource(b []byte, r *fnv1.Resource) ([]byte, error) {
	s := r.GetResource()

	b, err := appendWithout(b, r, &r.Resource)
	if err != nil || s == nil {
		return b, err
	}

	b, start := begin(b, resourceResource)
	if b, err = appendStruct(b, s); err != nil {
		return nil, err
	}

	return end(b, start), nil
}

// appendWithout appends a message but for one of its fields.
func appendWithout[M any](b []byte, m proto.Message, field **M) ([]byte, error) {
	hidden := *field
	*field = nil

	defer func() { *field = hidden }()

	return proto.MarshalOptions{}.MarshalAppend(b, m)
}

// appendStruct appends a struct, which has nothing but what its type knows.
func appendStruct(b []byte, s *structpb.Struct) ([]byte, error) {
	var err error

	for name, v := range s.GetFields() {
		var entry, value int

		b, entry = begin(b, structFields)

		if b, err = appendString(b, entryKey, name); err != nil {
			return nil, err
		}

		b, value = begin(b, entryValue)

		if b, err = appendValue(b, v); err != nil {
			return nil, err
		}

		b = end(end(b, value), entry)
	}

	return b, nil
}

func appendValue(b []byte, v *structpb.Value) ([]byte, error) {
	var (
		start int
		err   error
	)

	switch k := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		return appendString(b, valueString, k.StringValue)
	case *structpb.Value_StructValue:
		b, start = begin(b, valueStruct)
		if b, err = appendStruct(b, k.StructValue); err != nil {
			return nil, err
		}

		return end(b, start), nil
	case *structpb.Value_ListValue:
		b, start = begin(b, valueList)

		for _, item := range k.ListValue.GetValues() {
			var each int

			b, each = begin(b, listValues)
			if b, err = appendValue(b, item); err != nil {
				return nil, err
			}

			b = end(b, each)
		}

		return end(b, start), nil
	case *structpb.Value_NumberValue:
		return protowire.AppendFixed64(protowire.AppendTag(b, valueNumber, protowire.Fixed64Type), math.Float64bits(k.NumberValue)), nil
	case *structpb.Value_BoolValue:
		return protowire.AppendVarint(protowire.AppendTag(b, valueBool, protowire.VarintType), protowire.EncodeBool(k.BoolValue)), nil
	case *structpb.Value_NullValue:
		return protowire.AppendVarint(protowire.AppendTag(b, valueNull, protowire.VarintType), 0), nil
	default:
		return b, nil
	}
}

func appendString(b []byte, num protowire.Number, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, errUTF8
	}

	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), s), nil
}

// begin a message in a field, whose bytes follow, until end.
func begin(b []byte, num protowire.Number) ([]byte, int) {
	b = protowire.AppendTag(b, num, protowire.BytesType)

	return b, len(b)
}

// end puts how long the message is in front of it.
func end(b []byte, start int) []byte {
	size := uint64(len(b) - start) //nolint:gosec // Never negative.
	n := protowire.SizeVarint(size)

	b = slices.Grow(b, n)[:len(b)+n]
	copy(b[start+n:], b[start:])
	protowire.AppendVarint(b[:start], size)

	return b
}
