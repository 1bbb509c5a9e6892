package observed

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

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
			return nil, fmt.Errorf("cannot read the composed resource %s: StatefulSet %s lacks what this function writes, such as the pod template: restore it, or delete the StatefulSet, which is then recreated", row.Name, nameOf(live))
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
	if bare := withoutEnvDefaults(asked); bare != asked && manifest.IsSealed(bare) {
		return bare
	}

	// Kept only in part, a pod template would be another one.
	return protostruct.With(asked, protostruct.Get(live, "spec", "template"), "spec", "template")
}

// envDefaults are what the API server adds to references in the environment of a container.
//
//nolint:gochecknoglobals // A table.
var envDefaults = []struct {
	path  []string
	value string
}{
	{[]string{"valueFrom", "fieldRef", "apiVersion"}, "v1"},
	{[]string{"valueFrom", "resourceFieldRef", "divisor"}, "0"},
}

// withoutEnvDefaults returns a StatefulSet without what the API server adds to references
// in the environment of its containers. It shares all else, and is the same one if there is
// nothing to leave out.
func withoutEnvDefaults(statefulSet *structpb.Struct) *structpb.Struct {
	path := []string{"spec", "template", "spec", "containers"}
	bare, found := &structpb.ListValue{}, false

	for _, c := range protostruct.Get(statefulSet, path...).GetListValue().GetValues() {
		env := &structpb.ListValue{}

		for _, v := range protostruct.Get(c.GetStructValue(), "env").GetListValue().GetValues() {
			for _, d := range envDefaults {
				if protostruct.Get(v.GetStructValue(), d.path...).GetStringValue() == d.value {
					v, found = structpb.NewStructValue(protostruct.With(v.GetStructValue(), nil, d.path...)), true
				}
			}

			env.Values = append(env.Values, v)
		}

		if len(env.GetValues()) > 0 {
			c = structpb.NewStructValue(protostruct.With(c.GetStructValue(), structpb.NewListValue(env), "env"))
		}

		bare.Values = append(bare.Values, c)
	}

	if !found {
		return statefulSet
	}

	return protostruct.With(statefulSet, structpb.NewListValue(bare), path...)
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
			if protostruct.Get(c, path...) != nil {
				c = protostruct.With(c, nil, path...)
			}
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
	var sets []*structpb.Struct

	for _, v := range protostruct.Get(live, "metadata", "managedFields").GetListValue().GetValues() {
		entry := v.GetStructValue()
		fields := protostruct.Get(entry, "fieldsV1").GetStructValue()

		if strings.HasPrefix(protostruct.Get(entry, "manager").GetStringValue(), managerPrefix) &&
			protostruct.Get(entry, "operation").GetStringValue() == "Apply" && protostruct.Get(entry, "subresource").GetStringValue() == "" && len(fields.GetFields()) > 0 {
			sets = append(sets, fields)
		}
	}

	if len(sets) == 0 {
		return &structpb.Struct{}
	}

	fields := sets[0]
	if len(sets) > 1 {
		fields = proto.CloneOf(fields)
		for _, more := range sets[1:] {
			merge(fields, more)
		}
	}

	return owned(structpb.NewStructValue(live), fields).GetStructValue()
}

// merge adds a field set in the format FieldsV1 to another one.
func merge(into, more *structpb.Struct) {
	for name, v := range more.GetFields() {
		below := into.GetFields()[name].GetStructValue()

		if len(below.GetFields()) == 0 {
			into.Fields[name] = proto.CloneOf(v)
			continue
		}

		merge(below, v.GetStructValue())
	}
}

// owned returns the part of a value that a field set in the format FieldsV1 names. A
// field without fields below it is owned whole.
func owned(v *structpb.Value, fields *structpb.Struct) *structpb.Value {
	if len(fields.GetFields()) == 0 {
		return v
	}

	if l := v.GetListValue(); l != nil {
		return ownedItems(l, fields)
	}

	out := &structpb.Struct{Fields: map[string]*structpb.Value{}}

	for element, below := range fields.GetFields() {
		// The set itself, ".", is no field, and neither is what a newer API server may write.
		name, isField := strings.CutPrefix(element, "f:")
		if !isField {
			continue
		}

		if field, ok := v.GetStructValue().GetFields()[name]; ok {
			out.Fields[name] = owned(field, below.GetStructValue())
		}
	}

	return structpb.NewStructValue(out)
}

// ownedItems returns the items of a list that are owned, in their order. None is, if the field
// set names far more than there are: somebody else wrote it.
func ownedItems(l *structpb.ListValue, fields *structpb.Struct) *structpb.Value {
	out := &structpb.ListValue{}

	// The API server names no items that are not there. Each costs as much as one that is.
	if len(fields.GetFields()) > maxKeys*len(l.GetValues())+maxGone {
		return structpb.NewListValue(out)
	}

	elements := elementsOf(fields)

	for i, item := range l.GetValues() {
		if below, ok := elements.of(item, i); ok {
			out.Values = append(out.Values, owned(item, below))
		}
	}

	return structpb.NewListValue(out)
}

// elements are the field sets of the items of a list, by what stands for the items: their
// index, or else the JSON of their value or of their keys.
type elements struct {
	sets map[string]*structpb.Struct

	// hasValues reports whether an item can be there by its value.
	hasValues bool

	// keys are the names of the keys. A list has one set of them. It was another one before
	// some upgrade of Kubernetes, perhaps, but never several more.
	keys [][]string
}

// maxKeys is how many sets of keys are looked for.
const maxKeys = 4

// maxGone is how many items that are not there a field set may name.
const maxGone = 100

func elementsOf(fields *structpb.Struct) elements {
	e := elements{sets: make(map[string]*structpb.Struct, len(fields.GetFields()))}
	keys := map[string][]string{}

	for element, set := range fields.GetFields() {
		kind, text, _ := strings.Cut(element, ":")
		below := set.GetStructValue()

		if kind == "i" {
			e.sets[element] = below
			continue
		}

		v := &structpb.Value{}
		if kind != "k" && kind != "v" || v.UnmarshalJSON([]byte(text)) != nil {
			continue
		}

		// The API server writes the JSON in its own way.
		e.sets[kind+":"+string(protostruct.JSON(v))] = below
		e.hasValues = e.hasValues || kind == "v"

		if names := slices.Sorted(maps.Keys(v.GetStructValue().GetFields())); kind == "k" {
			keys[strings.Join(names, ",")] = names
		}
	}

	for _, id := range slices.Sorted(maps.Keys(keys)) {
		e.keys = append(e.keys, keys[id])
	}

	e.keys = e.keys[:min(len(e.keys), maxKeys)]

	return e
}

// of returns the field set of an item.
func (e elements) of(item *structpb.Value, index int) (*structpb.Struct, bool) {
	candidates := []string{"i:" + strconv.Itoa(index)}
	if e.hasValues {
		candidates = append(candidates, "v:"+string(protostruct.JSON(item)))
	}

	for _, names := range e.keys {
		keys := &structpb.Struct{Fields: make(map[string]*structpb.Value, len(names))}

		for _, name := range names {
			if v, ok := item.GetStructValue().GetFields()[name]; ok {
				keys.Fields[name] = v
			}
		}

		candidates = append(candidates, "k:"+string(protostruct.JSON(structpb.NewStructValue(keys))))
	}

	for _, c := range candidates {
		if below, ok := e.sets[c]; ok {
			return below, true
		}
	}

	return nil, false
}
