package wire

import (
	"slices"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Field numbers of the messages that are taken apart here.
// https://github.com/crossplane/crossplane/blob/main/proto/fn/v1/run_function.proto
const (
	requestObserved          = 2
	requestDesired           = 3
	requestInput             = 4
	requestContext           = 5
	requestRequiredResources = 8

	responseDesired = 2

	stateComposite = 1
	stateResources = 2

	resourceResource = 1

	resourcesItems = 1

	entryKey   = 1
	entryValue = 2
)

// decodeRequest decodes a request, which keeps b: it must not change any more.
func (c Codec) decodeRequest(b []byte, req *fnv1.RunFunctionRequest) error {
	d := &decoder{}

	return message(b, req, func(num protowire.Number, v []byte) (bool, error) {
		switch num { //nolint:exhaustive // Numbers of fields, not of the type's constants.
		case requestObserved:
			return true, c.decodeState(d, v, orNew(&req.Observed), func(v []byte, s *fnv1.State) error { return c.decodeObserved(d, v, s) })
		case requestDesired:
			return true, c.decodeState(d, v, orNew(&req.Desired), carryDesired)
		case requestInput:
			return true, d.decodeStruct(v, orNew(&req.Input), false)
		case requestContext:
			return true, carry(v, orNew(&req.Context))
		case requestRequiredResources:
			return true, entry(v, &req.RequiredResources, func(v []byte, r *fnv1.Resources) error {
				return message(v, r, func(num protowire.Number, v []byte) (bool, error) {
					if num != resourcesItems {
						return false, nil
					}

					item := &fnv1.Resource{}
					r.Items = append(r.Items, item)

					return true, c.decodeResource(d, v, item)
				})
			})
		default:
			return false, nil
		}
	})
}

// decodeState decodes the composite resource of a state, and has resource decode each
// entry of its composed resources.
func (c Codec) decodeState(d *decoder, b []byte, s *fnv1.State, resource func(entry []byte, s *fnv1.State) error) error {
	return message(b, s, func(num protowire.Number, v []byte) (bool, error) {
		switch num { //nolint:exhaustive // As above.
		case stateComposite:
			return true, c.decodeResource(d, v, orNew(&s.Composite))
		case stateResources:
			return true, resource(v, s)
		default:
			return false, nil
		}
	})
}

// decodeObserved decodes an observed composed resource that is read.
func (c Codec) decodeObserved(d *decoder, b []byte, s *fnv1.State) error {
	if name, _, err := keyAndValue(b); err == nil && !c.Reads(name) {
		return nil
	}

	return entry(b, &s.Resources, func(v []byte, r *fnv1.Resource) error { return c.decodeResource(d, v, r) })
}

// carryDesired passes a desired composed resource of an earlier function on.
func carryDesired(b []byte, s *fnv1.State) error {
	return entry(b, &s.Resources, func(v []byte, r *fnv1.Resource) error { return carry(v, r) })
}

func (c Codec) decodeResource(d *decoder, b []byte, r *fnv1.Resource) error {
	return message(b, r, func(num protowire.Number, v []byte) (bool, error) {
		if num != resourceResource {
			return false, nil
		}

		return true, d.decodeStruct(v, orNew(&r.Resource), !c.ReadsManagers(kindOf(v)))
	})
}

// carry the bytes of a message in fields that nobody knows, which are encoded again as
// they came.
func carry(b []byte, m proto.Message) error {
	r := m.ProtoReflect()

	if before := r.GetUnknown(); len(before) > 0 {
		var err error
		if b, err = merge(before, b); err != nil {
			return err
		}
	}

	r.SetUnknown(b)

	return nil
}

// merge the bytes of a message that comes twice. Each must end where a field does.
func merge(a, b []byte) ([]byte, error) {
	for _, m := range [][]byte{a, b} {
		for len(m) > 0 {
			_, _, n := consume(m)
			if n < 0 {
				return nil, protowire.ParseError(n)
			}

			m = m[n:]
		}
	}

	return slices.Concat(a, b), nil
}

// message decodes the fields of a message that take takes, each from the bytes of its
// value, and the others as protobuf does. A field that comes twice is taken twice: that
// is how protobuf merges messages.
func message(b []byte, m proto.Message, take func(num protowire.Number, v []byte) (bool, error)) error {
	var rest []byte

	for len(b) > 0 {
		num, typ, tag := protowire.ConsumeTag(b)
		if tag < 0 {
			return protowire.ParseError(tag)
		}

		n := protowire.ConsumeFieldValue(num, typ, b[tag:])
		if n < 0 {
			return protowire.ParseError(n)
		}

		taken := false

		if typ == protowire.BytesType {
			v, _ := protowire.ConsumeBytes(b[tag:])

			var err error
			if taken, err = take(num, v); err != nil {
				return err
			}
		}

		if !taken {
			rest = append(rest, b[:tag+n]...)
		}

		b = b[tag+n:]
	}

	if len(rest) == 0 {
		return nil
	}

	return proto.UnmarshalOptions{Merge: true}.Unmarshal(rest, m)
}

// entry decodes an entry of a map of messages.
func entry[M any](b []byte, m *map[string]*M, decode func(v []byte, into *M) error) error {
	key, value, err := keyAndValue(b)
	if err != nil {
		return err
	}

	if *m == nil {
		*m = map[string]*M{}
	}

	into := new(M)
	(*m)[key] = into

	return decode(value, into)
}

// orNew returns what p points to, which it makes if there is nothing.
func orNew[M any](p **M) *M {
	if *p == nil {
		*p = new(M)
	}

	return *p
}
