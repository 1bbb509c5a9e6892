package wire

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"unicode/utf8"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// encodeResponse encodes a response. Equal responses have equal bytes: Crossplane calls
// the function again until its requirements stay the same, and a Crossplane that does not
// know a kind of requirement compares its bytes.
func encodeResponse(rsp *fnv1.RunFunctionResponse) ([]byte, error) {
	e := newEncoder(sizeHint(rsp.GetDesired()))

	if desired := rsp.GetDesired(); desired != nil {
		if err := e.state(desired); err != nil {
			return nil, err
		}

		e.header(responseDesired, 0)
	}

	if err := without(e, rsp, &rsp.Desired); err != nil {
		return nil, err
	}

	return e.written(), nil
}

// sizeHint returns about how long a response is: some 16 KiB, and what is passed on.
func sizeHint(desired *fnv1.State) int {
	size := 16 << 10

	for name, r := range desired.GetResources() {
		size += len(name) + len(r.ProtoReflect().GetUnknown()) + 16
	}

	return size
}

// An encoder writes a message from its end to its beginning. A message follows its length,
// which is so known when it is written. Protobuf's own encoder computes the length of
// a struct once for each level above it.
type encoder struct {
	buf   []byte
	start int // buf[start:] is written.

	// keys of the structs that are being written.
	keys []string
}

func newEncoder(size int) *encoder { return &encoder{buf: make([]byte, size), start: size} }

func (e *encoder) written() []byte { return e.buf[e.start:] }

func (e *encoder) len() int { return len(e.buf) - e.start }

// take returns the n bytes in front of what is written, for the caller to write.
func (e *encoder) take(n int) []byte {
	if n > e.start {
		buf := make([]byte, 2*len(e.buf)+n)
		start := len(buf) - e.len()
		copy(buf[start:], e.written())
		e.buf, e.start = buf, start
	}

	e.start -= n

	return e.buf[e.start : e.start+n]
}

func (e *encoder) varint(v uint64) {
	protowire.AppendVarint(e.take(protowire.SizeVarint(v))[:0], v)
}

func (e *encoder) tag(num protowire.Number, typ protowire.Type) {
	e.varint(protowire.EncodeTag(num, typ))
}

// header makes all but the last bytes of what is written the value of a field.
func (e *encoder) header(num protowire.Number, last int) {
	e.varint(uint64(e.len() - last)) //nolint:gosec // Never negative.
	e.tag(num, protowire.BytesType)
}

func (e *encoder) string(num protowire.Number, s string) error {
	if !utf8.ValidString(s) {
		return errUTF8
	}

	copy(e.take(len(s)), s)
	e.header(num, e.len()-len(s))

	return nil
}

// without writes a message but for one of its fields, as protobuf does.
func without[M any](e *encoder, m proto.Message, field **M) error {
	hidden := *field
	*field = nil

	defer func() { *field = hidden }()

	size := proto.Size(m)
	_, err := proto.MarshalOptions{Deterministic: true, UseCachedSize: true}.MarshalAppend(e.take(size)[:0], m)

	return err
}

func (e *encoder) state(s *fnv1.State) error {
	composite, resources := s.GetComposite(), s.GetResources()

	for _, name := range slices.Backward(slices.Sorted(maps.Keys(resources))) {
		last := e.len()

		if err := e.resource(resources[name]); err != nil {
			return fmt.Errorf("cannot encode composed resource %s: %w", name, err)
		}

		e.header(entryValue, last)

		if err := e.string(entryKey, name); err != nil {
			return err
		}

		e.header(stateResources, last)
	}

	if composite != nil {
		last := e.len()

		if err := e.resource(composite); err != nil {
			return fmt.Errorf("cannot encode the composite resource: %w", err)
		}

		e.header(stateComposite, last)
	}

	s.Resources = nil
	defer func() { s.Resources = resources }()

	return without(e, s, &s.Composite)
}

func (e *encoder) resource(r *fnv1.Resource) error {
	if s := r.GetResource(); s != nil {
		last := e.len()

		if err := e.fields(s); err != nil {
			return err
		}

		e.header(resourceResource, last)
	}

	return without(e, r, &r.Resource)
}

// fields writes the fields of a struct, sorted by name.
func (e *encoder) fields(s *structpb.Struct) error {
	outer := len(e.keys)
	e.keys = slices.AppendSeq(e.keys, maps.Keys(s.GetFields()))
	keys := e.keys[outer:]

	slices.Sort(keys)

	for _, key := range slices.Backward(keys) {
		last := e.len()

		if err := e.value(s.GetFields()[key]); err != nil {
			return err
		}

		e.header(entryValue, last)

		if err := e.string(entryKey, key); err != nil {
			return err
		}

		e.header(structFields, last)
	}

	e.keys = e.keys[:outer]

	return nil
}

func (e *encoder) value(v *structpb.Value) error {
	last := e.len()

	switch k := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		return e.string(valueString, k.StringValue)
	case *structpb.Value_StructValue:
		if err := e.fields(k.StructValue); err != nil {
			return err
		}

		e.header(valueStruct, last)
	case *structpb.Value_ListValue:
		for _, item := range slices.Backward(k.ListValue.GetValues()) {
			next := e.len()

			if err := e.value(item); err != nil {
				return err
			}

			e.header(listValues, next)
		}

		e.header(valueList, last)
	case *structpb.Value_NumberValue:
		protowire.AppendFixed64(e.take(8)[:0], math.Float64bits(k.NumberValue))
		e.tag(valueNumber, protowire.Fixed64Type)
	case *structpb.Value_BoolValue:
		e.varint(protowire.EncodeBool(k.BoolValue))
		e.tag(valueBool, protowire.VarintType)
	case *structpb.Value_NullValue:
		e.varint(0)
		e.tag(valueNull, protowire.VarintType)
	}

	return nil
}
