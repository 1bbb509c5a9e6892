package object

import (
	xpv2 "github.com/crossplane/crossplane/apis/v2/core/v2"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/condition"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// Is reports whether a resource is an Object.
func Is(resource *structpb.Struct) bool {
	if protostruct.Get(resource, "kind").GetStringValue() != Kind {
		return false
	}

	v := protostruct.Get(resource, "apiVersion").GetStringValue()

	return v == Namespaced || v == ClusterScoped
}

// Asked returns the manifest that an Object asks for.
func Asked(o *structpb.Struct) *structpb.Struct {
	return protostruct.Get(o, "spec", "forProvider", "manifest").GetStructValue()
}

// Live returns the Kubernetes object as the provider saw it last, or nil if it did not
// see it yet.
func Live(o *structpb.Struct) *structpb.Struct {
	return protostruct.Get(o, "status", "atProvider", "manifest").GetStructValue()
}

// Synced returns the condition that tells whether the provider could apply an Object's
// manifest, or nil if it did not try yet.
func Synced(o *structpb.Struct) *condition.Condition { return condition.Of(o, string(xpv2.TypeSynced)) }

// IsCurrent reports whether the provider has seen the last generation of an Object, so
// that the live object is of what was asked last. The provider notes the generation in
// its condition. An older one does not, and is taken at its word.
func IsCurrent(o *structpb.Struct) bool {
	c := Synced(o)

	return c == nil || c.ObservedGeneration == 0 || c.ObservedGeneration >= protostruct.Get(o, "metadata", "generation").GetNumberValue()
}
