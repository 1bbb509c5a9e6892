// Package observed reads what runs of a DittoServer from the composed resources
// that Crossplane observed.
package observed

import (
	"fmt"
	"slices"
	"strings"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// A Condition of an observed resource.
type Condition struct {
	// Status is True, False or Unknown.
	Status  string
	Reason  string
	Message string
}

// A Resource is an observed composed resource.
type Resource struct {
	// Composed is the composed resource itself.
	Composed *structpb.Struct

	// Asked is the manifest that was last asked for, without what the API server
	// adds. It keeps nothing that the guards do not look at.
	Asked *structpb.Struct

	// Live is the Kubernetes object as it is, or nil if there is none yet, or it is
	// not known yet.
	Live *structpb.Struct

	// Current says whether Live is of what was last asked for. What was asked for
	// before may be on its way otherwise, or there already.
	Current bool

	// Synced tells whether what was asked for could be applied, or is nil if that is
	// not known yet.
	Synced *Condition
}

// IsNotSynced says whether a composed resource is known not to be applied.
func (r *Resource) IsNotSynced() bool {
	return r != nil && r.Synced != nil && r.Synced.Status == "False"
}

// Resources are the observed composed resources by name.
type Resources map[manifest.Name]*Resource

// Asked returns the manifest that was last asked for of a resource, or nil.
func (r Resources) Asked(n manifest.Name) *structpb.Struct {
	if o := r[n]; o != nil {
		return o.Asked
	}

	return nil
}

// Live returns the Kubernetes object of a resource as it is, or nil.
func (r Resources) Live(n manifest.Name) *structpb.Struct {
	if o := r[n]; o != nil {
		return o.Live
	}

	return nil
}

// Read reads the observed resources, composed as provider-kubernetes Objects or
// natively. One that is neither is an error: what runs cannot be guessed.
func Read(resources map[string]*fnv1.Resource) (Resources, error) {
	out := Resources{}

	for row := range manifest.Rows() {
		r, ok := resources[string(row.Name)]
		if !ok {
			continue
		}

		o, err := read(row, r.GetResource())
		if err != nil {
			return nil, err
		}

		out[row.Name] = o
	}

	return out, nil
}

// Reads reports whether a composed resource of this name is read.
func Reads(name string) bool { return manifest.RowOf(manifest.Name(name)).Name != "" }

// ReadsManagers reports whether the managed fields of resources of this kind are read:
// those of what is composed natively.
func ReadsManagers(kind string) bool {
	for row := range manifest.Rows() {
		if row.Kind.Kind == kind {
			return true
		}
	}

	return false
}

// read a composed resource: the Kubernetes object itself, or an Object of
// provider-kubernetes.
func read(row manifest.Row, resource *structpb.Struct) (*Resource, error) {
	switch kind := manifest.KindOf(resource); {
	case kind == row.Kind:
		return native(row, resource)
	case kind.Kind == "Object" && slices.Contains([]string{ObjectNamespaced, ObjectClusterScoped}, kind.GroupVersion().String()):
		return object(row, resource)
	default:
		return nil, fmt.Errorf("cannot read the composed resource %s: it is %s %s, neither %s nor an Object of provider-kubernetes: once it is deleted, the function composes its own", row.Name, text(kind), nameOf(resource), text(row.Kind))
	}
}

// text of a kind, for people.
func text(kind schema.GroupVersionKind) string {
	return kind.GroupVersion().String() + " " + kind.Kind
}

func nameOf(resource *structpb.Struct) string {
	return protostruct.Get(resource, "metadata", "name").GetStringValue()
}

// object reads an Object of provider-kubernetes.
func object(row manifest.Row, o *structpb.Struct) (*Resource, error) {
	asked := protostruct.Get(o, "spec", "forProvider", "manifest").GetStructValue()

	if row.IsWhole != nil && !row.IsWhole(asked) {
		return nil, fmt.Errorf("cannot read the composed resource %s: the manifest of Object %s lacks what this function writes, such as the pod template or the configuration: restore it, or delete the Object, which is then composed anew", row.Name, nameOf(o))
	}

	return &Resource{
		Composed: o,
		Asked:    asked,
		Live:     protostruct.Get(o, "status", "atProvider", "manifest").GetStructValue(),
		Current:  isCurrent(o),
		Synced:   ConditionOf(o, "Synced"),
	}, nil
}

// isCurrent says whether the provider has seen the last generation of an Object. It
// notes the generation in its conditions; where it does not, it is taken at its
// word.
func isCurrent(o *structpb.Struct) bool {
	seen := protostruct.Get(condition(o, "Synced"), "observedGeneration").GetNumberValue()
	return seen == 0 || seen >= protostruct.Get(o, "metadata", "generation").GetNumberValue()
}

// ConditionOf returns a condition of a resource, or nil if it has none of that
// type.
func ConditionOf(resource *structpb.Struct, typ string) *Condition {
	c := condition(resource, typ)
	if c == nil {
		return nil
	}

	return &Condition{
		Status:  protostruct.Get(c, "status").GetStringValue(),
		Reason:  protostruct.Get(c, "reason").GetStringValue(),
		Message: strings.TrimSpace(protostruct.Get(c, "message").GetStringValue()),
	}
}

func condition(resource *structpb.Struct, typ string) *structpb.Struct {
	for _, v := range protostruct.Get(resource, "status", "conditions").GetListValue().GetValues() {
		if c := v.GetStructValue(); protostruct.Get(c, "type").GetStringValue() == typ {
			return c
		}
	}

	return nil
}
