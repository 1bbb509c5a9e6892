package protostruct

import (
	"maps"

	"google.golang.org/protobuf/types/known/structpb"
)

// Get returns the value at a path of field names, or nil if any of them is
// missing.
func Get(s *structpb.Struct, path ...string) *structpb.Value {
	for i, name := range path {
		v := s.GetFields()[name]
		if i == len(path)-1 {
			return v
		}

		s = v.GetStructValue()
	}

	return nil
}

// Set sets the value at a path of field names, and makes the objects on the way.
// A nil value removes the field.
func Set(s *structpb.Struct, v *structpb.Value, path ...string) {
	for _, name := range path[:len(path)-1] {
		next := s.GetFields()[name].GetStructValue()
		if next == nil {
			next = &structpb.Struct{}
			put(s, name, structpb.NewStructValue(next))
		}

		s = next
	}

	name := path[len(path)-1]
	if v == nil {
		delete(s.GetFields(), name)
		return
	}

	put(s, name, v)
}

func put(s *structpb.Struct, name string, v *structpb.Value) {
	if s.Fields == nil {
		s.Fields = map[string]*structpb.Value{}
	}

	s.Fields[name] = v
}

// With returns a copy of a struct with the value at a path of field names, which
// shares all else with it. A nil value removes the field.
func With(s *structpb.Struct, v *structpb.Value, path ...string) *structpb.Struct {
	if len(path) == 0 {
		return s
	}

	name, rest := path[0], path[1:]
	if len(rest) > 0 {
		v = structpb.NewStructValue(With(s.GetFields()[name].GetStructValue(), v, rest...))
	}

	c := &structpb.Struct{Fields: maps.Clone(s.GetFields())}
	Set(c, v, name)

	return c
}
