// Package cluster does with Kubernetes objects what a cluster does: the API server's own
// server-side apply, with the defaults that matter here, and what the controllers of
// StatefulSets and load balancers write.
package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// typeConverter knows the schemas of the Kubernetes API.
//
//nolint:gochecknoglobals // Made once, since that takes a while.
var typeConverter = sync.OnceValue(func() managedfields.TypeConverter {
	return applyconfigurations.NewTypeConverter(scheme.Scheme)
})

// typesOf returns what knows the schema of a kind. Those of others have none here: lists are whole, as
// most of theirs are.
func typesOf(kind schema.GroupVersionKind) managedfields.TypeConverter {
	if !scheme.Scheme.Recognizes(kind) {
		return managedfields.NewDeducedTypeConverter()
	}

	return typeConverter()
}

// Apply returns what becomes of a live object, or of none, when a field manager applies
// what is desired, by force.
func Apply(manager string, desired, live *structpb.Struct) (*structpb.Struct, error) {
	applied, err := toUnstructured(desired)
	if err != nil {
		return nil, err
	}

	before := &unstructured.Unstructured{}
	before.SetGroupVersionKind(applied.GroupVersionKind())

	if live != nil {
		if before, err = toUnstructured(live); err != nil {
			return nil, err
		}
	}

	fields, err := fieldManager(applied.GroupVersionKind())
	if err != nil {
		return nil, err
	}

	after, err := fields.Apply(before, applied, manager, true)
	if err != nil {
		return nil, fmt.Errorf("the API server refuses what is applied: %w", err)
	}

	return stored(after, live)
}

// Update returns what becomes of a live object when a field manager changes it.
func Update(manager string, live *structpb.Struct, change func(u *unstructured.Unstructured)) (*structpb.Struct, error) {
	before, err := toUnstructured(live)
	if err != nil {
		return nil, err
	}

	after := before.DeepCopy()
	change(after)

	fields, err := fieldManager(after.GroupVersionKind())
	if err != nil {
		return nil, err
	}

	o, err := fields.Update(before, after, manager)
	if err != nil {
		return nil, fmt.Errorf("the API server refuses the update: %w", err)
	}

	return stored(o, live)
}

// stored is what the API server makes of an object before it stores it: with defaults,
// and another generation if its spec changed.
func stored(o runtime.Object, live *structpb.Struct) (*structpb.Struct, error) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("the API server stores a %T", o)
	}

	// Times would make of each run another one.
	fields := u.GetManagedFields()
	for i := range fields {
		fields[i].Time = nil
	}

	u.SetManagedFields(fields)

	b, err := u.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("cannot encode: %w", err)
	}

	next := &structpb.Struct{}
	if err := next.UnmarshalJSON(b); err != nil {
		return nil, fmt.Errorf("cannot decode: %w", err)
	}

	SetDefaults(next)

	generation := protostruct.Get(live, "metadata", "generation").GetNumberValue()
	if live == nil || !proto.Equal(protostruct.Get(next, "spec"), protostruct.Get(live, "spec")) {
		generation++
	}

	protostruct.Set(next, structpb.NewNumberValue(generation), "metadata", "generation")

	return next, nil
}

func toUnstructured(s *structpb.Struct) (*unstructured.Unstructured, error) {
	// Through JSON, where whole numbers are whole.
	b, err := json.Marshal(s.AsMap())
	if err != nil {
		return nil, fmt.Errorf("cannot encode: %w", err)
	}

	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(b); err != nil {
		return nil, fmt.Errorf("cannot decode: %w", err)
	}

	return u, nil
}

func fieldManager(kind schema.GroupVersionKind) (*managedfields.FieldManager, error) {
	v := singleVersion{}

	m, err := managedfields.NewDefaultFieldManager(typesOf(kind), v, v, v, kind, kind.GroupVersion(), "", nil)
	if err != nil {
		return nil, fmt.Errorf("cannot make a field manager: %w", err)
	}

	return m, nil
}

// A singleVersion is an API without other versions or defaults.
type singleVersion struct{}

func (singleVersion) Convert(_, _, _ any) error { return nil }

func (singleVersion) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}

func (singleVersion) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}

func (singleVersion) Default(runtime.Object) {}

func (singleVersion) New(kind schema.GroupVersionKind) (runtime.Object, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(kind)

	return u, nil
}

// Control writes what controllers write into the status of a live object: that a
// StatefulSet is rolled out, and the address of a load balancer.
func Control(live *structpb.Struct) {
	switch protostruct.Get(live, "kind").GetStringValue() {
	case "StatefulSet":
		replicas := protostruct.Get(live, "spec", "replicas")
		revision := structpb.NewStringValue(protostruct.Get(live, "spec", "template", "metadata", "annotations", "dittofs.io/config-hash").GetStringValue())
		protostruct.Set(live, protostruct.Get(live, "metadata", "generation"), "status", "observedGeneration")
		protostruct.Set(live, replicas, "status", "replicas")
		protostruct.Set(live, replicas, "status", "readyReplicas")
		protostruct.Set(live, revision, "status", "currentRevision")
		protostruct.Set(live, revision, "status", "updateRevision")
	case "Service":
		if protostruct.Get(live, "spec", "type").GetStringValue() == "LoadBalancer" {
			protostruct.Set(live, structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{
				structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{"ip": structpb.NewStringValue("192.0.2.1")}}),
			}}), "status", "loadBalancer", "ingress")
		}
	}
}

// Owned returns what a field manager applied of a live object: the fields that it owns, as
// they are live.
func Owned(manager string, live *structpb.Struct) (any, error) {
	u, err := toUnstructured(live)
	if err != nil {
		return nil, err
	}

	typed, err := typesOf(u.GroupVersionKind()).ObjectToTyped(u)
	if err != nil {
		return nil, fmt.Errorf("cannot tell the type of a live object: %w", err)
	}

	for _, entry := range u.GetManagedFields() {
		if entry.Manager != manager || entry.Operation != metav1.ManagedFieldsOperationApply || entry.Subresource != "" {
			continue
		}

		fields := &fieldpath.Set{}
		if err := fields.FromJSON(bytes.NewReader(entry.FieldsV1.Raw)); err != nil {
			return nil, fmt.Errorf("cannot decode managed fields: %w", err)
		}

		return typed.ExtractItems(fields.Leaves()).AsValue().Unstructured(), nil
	}

	return nil, nil //nolint:nilnil // It owns nothing.
}
