package observed

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"

	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// Crossplane does not keep the manifest of a Kubernetes object that it applied itself. But
// managedFields tell which fields Crossplane owns, and these are what was asked. Other fields
// are the API server's defaults, or belong to controllers and people. If the function sent
// them back, Crossplane would own them too, and overwrite later changes by others.
// https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management

// managerPrefix begins the name of the field manager that Crossplane applies composed
// resources as.
const managerPrefix = "apiextensions.crossplane.io/composed"

// native reads a Kubernetes object that is composed as it is.
func native(row manifest.Row, live *structpb.Struct) (*Resource, error) {
	// A name is given, not owned.
	asked := protostruct.With(ownedByCrossplane(live), protostruct.Get(live, "metadata", "name"), "metadata", "name")

	if row.Name == manifest.StatefulSet {
		if !row.IsWhole(live) {
			return nil, fmt.Errorf("cannot read the composed resource %s: StatefulSet %s lacks what this function writes, such as the pod template: restore it, or delete the StatefulSet, which is then composed anew", row.Name, nameOf(live))
		}

		asked = askedStatefulSet(live, asked)
	}

	return &Resource{Raw: live, Asked: asked, Live: live, Current: true}, nil
}

// askedStatefulSet completes what Crossplane owns of a StatefulSet with what somebody
// else may have taken over, so that a guard can keep all of what is live.
func askedStatefulSet(live, owned *structpb.Struct) *structpb.Struct {
	asked := owned
	for _, f := range []string{"replicas", "serviceName", "selector", "podManagementPolicy"} {
		asked = protostruct.With(asked, protostruct.Get(live, "spec", f), "spec", f)
	}

	asked = protostruct.With(asked, ClaimTemplates(live), "spec", "volumeClaimTemplates")

	if manifest.IsSealed(asked) {
		return asked
	}

	// References in the environment are owned as a whole, with their defaults.
	if bare := withoutEnvDefaults(asked); manifest.IsSealed(bare) {
		return bare
	}

	// Kept only in part, a pod template would be another one.
	return protostruct.With(asked, protostruct.Get(live, "spec", "template"), "spec", "template")
}

// withoutEnvDefaults returns a StatefulSet without what the API server adds to references
// in the environment of its containers.
func withoutEnvDefaults(statefulSet *structpb.Struct) *structpb.Struct {
	bare := proto.CloneOf(statefulSet)

	for _, c := range protostruct.Get(bare, "spec", "template", "spec", "containers").GetListValue().GetValues() {
		for _, e := range protostruct.Get(c.GetStructValue(), "env").GetListValue().GetValues() {
			from := protostruct.Get(e.GetStructValue(), "valueFrom").GetStructValue()
			if protostruct.Get(from, "fieldRef", "apiVersion").GetStringValue() == "v1" {
				protostruct.Set(from, nil, "fieldRef", "apiVersion")
			}

			if protostruct.Get(from, "resourceFieldRef", "divisor").GetStringValue() == "0" {
				protostruct.Set(from, nil, "resourceFieldRef", "divisor")
			}
		}
	}

	return bare
}

// ClaimTemplates returns the volume claim templates of a live StatefulSet without what the
// API server adds, or nil if it has none.
func ClaimTemplates(live *structpb.Struct) *structpb.Value {
	claims := protostruct.Get(live, "spec", "volumeClaimTemplates")
	if claims.GetListValue() == nil {
		return claims
	}

	out := &structpb.ListValue{}

	for _, v := range claims.GetListValue().GetValues() {
		c := v.GetStructValue()
		for _, path := range [][]string{{"apiVersion"}, {"kind"}, {"status"}, {"metadata", "creationTimestamp"}} {
			c = protostruct.With(c, nil, path...)
		}

		if protostruct.Get(c, "spec", "volumeMode").GetStringValue() == "Filesystem" {
			c = protostruct.With(c, nil, "spec", "volumeMode")
		}

		out.Values = append(out.Values, structpb.NewStructValue(c))
	}

	return structpb.NewListValue(out)
}

// ownedByCrossplane returns the fields of a live object that Crossplane applied. Its
// manager has another name for each composite resource that had the object.
func ownedByCrossplane(live *structpb.Struct) *structpb.Struct {
	fields := &structpb.Struct{}

	for _, v := range protostruct.Get(live, "metadata", "managedFields").GetListValue().GetValues() {
		entry := v.GetStructValue()
		if strings.HasPrefix(protostruct.Get(entry, "manager").GetStringValue(), managerPrefix) &&
			protostruct.Get(entry, "operation").GetStringValue() == "Apply" && protostruct.Get(entry, "subresource").GetStringValue() == "" {
			fields = union(fields, protostruct.Get(entry, "fieldsV1").GetStructValue())
		}
	}

	if len(fields.GetFields()) == 0 {
		return fields
	}

	return owned(structpb.NewStructValue(live), fields).GetStructValue()
}

// union returns the union of two field sets in the format FieldsV1.
func union(a, b *structpb.Struct) *structpb.Struct {
	switch {
	case len(b.GetFields()) == 0:
		return a
	case len(a.GetFields()) == 0:
		return b
	}

	out := &structpb.Struct{Fields: maps.Clone(a.GetFields())}

	for name, below := range b.GetFields() {
		out.Fields[name] = structpb.NewStructValue(union(out.GetFields()[name].GetStructValue(), below.GetStructValue()))
	}

	return out
}

// owned returns the part of a value that a field set in the format FieldsV1 names. A
// field without fields below it is owned whole.
func owned(v *structpb.Value, fields *structpb.Struct) *structpb.Value {
	if len(fields.GetFields()) == 0 {
		return v
	}

	elements := make(map[string]fieldpath.PathElement, len(fields.GetFields()))
	for name := range fields.GetFields() {
		// The set itself, ".", is none, and neither is what a newer API server may write.
		if e, err := fieldpath.DeserializePathElement(name); err == nil && name != "." {
			elements[name] = e
		}
	}

	if l := v.GetListValue(); l != nil {
		return ownedItems(l, fields, elements)
	}

	out := &structpb.Struct{Fields: map[string]*structpb.Value{}}

	for name, e := range elements {
		if e.FieldName == nil {
			continue
		}

		if field, ok := v.GetStructValue().GetFields()[*e.FieldName]; ok {
			out.Fields[*e.FieldName] = owned(field, fields.GetFields()[name].GetStructValue())
		}
	}

	return structpb.NewStructValue(out)
}

// ownedItems returns the items of a list that are owned, in their order.
func ownedItems(l *structpb.ListValue, fields *structpb.Struct, elements map[string]fieldpath.PathElement) *structpb.Value {
	out := &structpb.ListValue{}

	for i, item := range l.GetValues() {
		for name, e := range elements {
			if is(item, i, e) {
				out.Values = append(out.Values, owned(item, fields.GetFields()[name].GetStructValue()))
				break
			}
		}
	}

	return structpb.NewListValue(out)
}

// is reports whether an element of a field path stands for an item of a list: by its keys,
// its value or its index.
func is(item *structpb.Value, index int, e fieldpath.PathElement) bool {
	equals := func(v *structpb.Value, want value.Value) bool {
		return v != nil && value.Equals(value.NewValueInterface(v.AsInterface()), want)
	}

	switch {
	case e.Key != nil:
		return !slices.ContainsFunc(*e.Key, func(key value.Field) bool {
			return !equals(item.GetStructValue().GetFields()[key.Name], key.Value)
		})
	case e.Value != nil:
		return equals(item, *e.Value)
	default:
		return e.Index != nil && *e.Index == index
	}
}
