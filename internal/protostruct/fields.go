// Package protostruct converts between Go types with json tags and the protobuf values
// that functions exchange with Crossplane.
//
// encoding/json and the SDK's converters stop at the first error, without its field path,
// and they write zero values, which server-side apply takes for intent. This package returns
// all errors with their paths, and writes no zero values.
package protostruct

import (
	"encoding/json"
	"reflect"
	"strings"
	"sync"
)

//nolint:gochecknoglobals // Constants, as far as reflection has them.
var (
	marshaler   = reflect.TypeFor[json.Marshaler]()
	unmarshaler = reflect.TypeFor[json.Unmarshaler]()
)

// A structField is a field of a Go struct as JSON knows it.
type structField struct {
	name  string
	index []int
}

// A goType holds what this package needs to know of a Go type. It is cached: reflection
// would look it up again for every value.
type goType struct {
	// marshals and unmarshals report whether the type, or a pointer to it, knows its own
	// JSON.
	marshals, unmarshals bool

	// fields of a struct.
	fields []structField
}

// types holds the goType of each reflect.Type seen.
var types sync.Map //nolint:gochecknoglobals // A cache of what the compiler fixed.

func typeOf(t reflect.Type) *goType {
	if known, ok := types.Load(t); ok {
		return known.(*goType) //nolint:forcetypeassert // Nothing else is stored.
	}

	g := &goType{marshals: t.Implements(marshaler), unmarshals: reflect.PointerTo(t).Implements(unmarshaler)}
	if t.Kind() == reflect.Struct && (!g.marshals || !g.unmarshals) {
		g.fields = fieldsOf(t)
	}

	types.Store(t, g)

	return g
}

// fieldsOf returns the fields of a struct type, with those of inlined structs in
// place.
func fieldsOf(t reflect.Type) []structField {
	var fields []structField

	for f := range t.Fields() {
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case name == "" && (f.Anonymous || strings.Contains(opts, "inline")):
			for _, in := range fieldsOf(f.Type) {
				fields = append(fields, structField{name: in.name, index: append(append([]int{}, f.Index...), in.index...)})
			}
		default:
			if name == "" {
				name = f.Name
			}

			fields = append(fields, structField{name: name, index: f.Index})
		}
	}

	return fields
}
