package wire

import (
	"github.com/crossplane/function-sdk-go/errors"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// Numbers of the fields that this package decodes or encodes.
// https://github.com/crossplane/crossplane/blob/main/proto/fn/v1/run_function.proto
const (
	requestObserved          = 2
	requestDesired           = 3
	requestInput             = 4
	requestContext           = 5
	requestExtraResources    = 6
	requestRequiredResources = 8

	responseDesired = 2

	stateComposite = 1
	stateResources = 2

	resourceResource = 1

	resourcesItems = 1

	entryKey   = 1
	entryValue = 2
)

// decodeRequest decodes a request. The request aliases b; do not modify b afterwards.
func (c Codec) decodeRequest(b []byte, req *fnv1.RunFunctionRequest) error {
	d := newDecoder()

	return message(b, req, func(num protowire.Number, v []byte) (bool, error) {
		switch num { //nolint:exhaustive // Numbers of fields, not of the type's constants.
		case requestObserved:
			return true, c.decodeState(d, v, orNew(&req.Observed), func(v []byte, s *fnv1.State) error { return c.decodeObserved(d, v, s) })
		case requestDesired:
			return true, c.decodeState(d, v, orNew(&req.Desired), func(v []byte, s *fnv1.State) error { return carryDesired(d, v, s) })
		case requestInput:
			return true, d.decodeStruct(v, orNew(&req.Input), nil)
		case requestContext:
			return true, carry(v, orNew(&req.Context))
		case requestExtraResources:
			return true, c.decodeRequired(d, v, &req.ExtraResources)
		case requestRequiredResources:
			return true, c.decodeRequired(d, v, &req.RequiredResources)
		default:
			return false, nil
		}
	})
}

// decodeState decodes a state. It calls resource with each entry of its map of composed
// resources.
func (c Codec) decodeState(d *decoder, b []byte, s *fnv1.State, resource func(entry []byte, s *fnv1.State) error) error {
	return message(b, s, func(num protowire.Number, v []byte) (bool, error) {
		switch num { //nolint:exhaustive // As above.
		case stateComposite:
			return true, errors.Wrap(c.decodeResource(d, v, orNew(&s.Composite)), "cannot decode the composite resource")
		case stateResources:
			return true, resource(v, s)
		default:
			return false, nil
		}
	})
}

// decodeObserved decodes an observed composed resource, if the function reads it.
func (c Codec) decodeObserved(d *decoder, b []byte, s *fnv1.State) error {
	if name, _, _, err := keyAndValue(b); err == nil && !c.Reads(name) {
		return nil
	}

	return entry(d, b, &s.Resources, func(name string, v []byte, r *fnv1.Resource) error {
		return errors.Wrapf(c.decodeResource(d, v, r), "cannot decode composed resource %s", name)
	})
}

// carryDesired carries a desired composed resource of an earlier function.
func carryDesired(d *decoder, b []byte, s *fnv1.State) error {
	return entry(d, b, &s.Resources, func(_ string, v []byte, r *fnv1.Resource) error { return carry(v, r) })
}

// decodeRequired decodes the resources that Crossplane fetched for a name, or carries them for
// Pick.
func (c Codec) decodeRequired(d *decoder, b []byte, m *map[string]*fnv1.Resources) error {
	return entry(d, b, m, func(name string, v []byte, r *fnv1.Resources) error {
		return message(v, r, func(num protowire.Number, v []byte) (bool, error) {
			if num != resourcesItems {
				return false, nil
			}

			if err := d.spend(); err != nil {
				return true, err
			}

			item := &fnv1.Resource{}
			r.Items = append(r.Items, item)

			if c.Picks(name) {
				return true, carry(v, item)
			}

			return true, errors.Wrapf(c.decodeResource(d, v, item), "cannot decode required resource %s", name)
		})
	})
}

func (c Codec) decodeResource(d *decoder, b []byte, r *fnv1.Resource) error {
	return message(b, r, func(num protowire.Number, v []byte) (bool, error) {
		if num != resourceResource {
			return false, nil
		}

		if c.ReadsManagers(d.kindOf(v)) {
			return true, d.decodeStruct(v, orNew(&r.Resource), nil)
		}

		return true, d.decodeStruct(v, orNew(&r.Resource), isManagedFields)
	})
}

func isManagedFields(object, field string) bool {
	return object == "metadata" && field == "managedFields"
}

// Pick returns a resource that the codec carried, without the fields that skips reports
// true for, of their own name and that of the field they are in: "" for a field of the
// resource itself. A resource that is decoded already is returned as it is.
func Pick(r *fnv1.Resource, skips func(object, field string) bool) (*structpb.Struct, error) {
	b := r.ProtoReflect().GetUnknown()
	if len(b) == 0 {
		return r.GetResource(), nil
	}

	d, picked := newDecoder(), &structpb.Struct{}

	return picked, message(b, &fnv1.Resource{}, func(num protowire.Number, v []byte) (bool, error) {
		if num != resourceResource {
			return true, nil
		}

		return true, d.decodeStruct(v, picked, skips)
	})
}

// carry stores b as m's unknown fields, so that it is encoded again verbatim. If m carries
// something already, b is appended: that is how protobuf merges messages. So b must end
// where a field ends, or the next one would continue it.
func carry(b []byte, m proto.Message) error {
	for rest := b; len(rest) > 0; {
		_, _, n := consume(rest)
		if n < 0 {
			return protowire.ParseError(n)
		}

		rest = rest[n:]
	}

	r := m.ProtoReflect()

	// The first append copies, because consume leaves no capacity.
	if before := r.GetUnknown(); len(before) > 0 {
		b = append(before, b...)
	}

	r.SetUnknown(b)

	return nil
}

// message merges the fields of an encoded message into m. It calls take with the number
// and bytes of each field that has bytes, each time that it occurs. Protobuf decodes those
// that take reports not to have taken, and all other fields.
func message(b []byte, m proto.Message, take func(num protowire.Number, v []byte) (bool, error)) error {
	var rest []byte

	for len(b) > 0 {
		num, v, n := consume(b)
		if n < 0 {
			return protowire.ParseError(n)
		}

		taken := false

		if v != nil {
			var err error
			if taken, err = take(num, v); err != nil {
				return err
			}
		}

		if !taken {
			rest = append(rest, b[:n]...)
		}

		b = b[n:]
	}

	if len(rest) == 0 {
		return nil
	}

	return proto.UnmarshalOptions{Merge: true}.Unmarshal(rest, m)
}

// entry decodes an entry of a map of messages into m. It calls decode with each value that
// the entry has, to merge them: there should be one, but protobuf takes any number.
func entry[M any](d *decoder, b []byte, m *map[string]*M, decode func(key string, v []byte, into *M) error) error {
	key, value, more, err := keyAndValue(b)
	if err != nil {
		return err
	}

	if err := d.spend(); err != nil {
		return err
	}

	if *m == nil {
		*m = map[string]*M{}
	}

	into := new(M)
	(*m)[key] = into

	if err := decode(key, value, into); err != nil {
		return err
	}

	for value := range valuesOf(more) {
		if err := decode(key, value, into); err != nil {
			return err
		}
	}

	return nil
}

// orNew returns *p, and sets it to a new M first if it is nil.
func orNew[M any](p **M) *M {
	if *p == nil {
		*p = new(M)
	}

	return *p
}
