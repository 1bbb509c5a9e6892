package object

import (
	"slices"

	xpv2 "github.com/crossplane/crossplane/apis/v2/core/v2"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/condition"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// annotationPaused is set to "true" where a person pauses a resource. crossplane-runtime's constant is worth
// 10 MB of binary.
const annotationPaused = "crossplane.io/paused"

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

// PolicyOf returns the Policy of an Object. Only Create and Pause restrict it, which New writes: what
// else a person chose for an Object that runs stays theirs.
func PolicyOf(o *structpb.Struct) Policy {
	l := protostruct.Get(o, "spec", "managementPolicies").GetListValue()
	if l == nil {
		return Manage
	}

	var actions []string
	for _, v := range l.GetValues() {
		actions = append(actions, v.GetStringValue())
	}

	// Nothing is live of an Object that New paused.
	isNew := Live(o) == nil

	for _, p := range []Policy{Create, Pause} {
		if slices.Equal(actions, managementPolicies[p]) && (isNew || p != Pause) {
			return p
		}
	}

	return Manage
}

// Deletes reports whether the provider deletes the Kubernetes object with an Object. Before it does, it
// looks at it.
func Deletes(o *structpb.Struct) bool {
	l := protostruct.Get(o, "spec", "managementPolicies").GetListValue()

	return l == nil || slices.ContainsFunc(l.GetValues(), func(v *structpb.Value) bool {
		return v.GetStringValue() == "*" || v.GetStringValue() == "Delete"
	})
}

// Synced returns the condition that tells whether the provider could apply an Object's
// manifest, or nil if it did not try yet. It says that an Object is paused until it works on it
// again, which counts only where a person paused it.
func Synced(o *structpb.Struct) *condition.Condition {
	c := condition.Of(o, string(xpv2.TypeSynced))
	if c == nil || c.Reason != string(xpv2.ReasonReconcilePaused) || Live(o) != nil || protostruct.Get(o, "metadata", "annotations", annotationPaused).GetStringValue() == "true" {
		return c
	}

	return nil
}

// IsCurrent reports whether the provider has seen the last generation of an Object, so
// that the live object is of what was asked last. The provider notes the generation in
// its condition. An older one does not, and is taken at its word.
func IsCurrent(o *structpb.Struct) bool {
	c := condition.Of(o, string(xpv2.TypeSynced))

	return c == nil || c.ObservedGeneration == 0 || c.ObservedGeneration >= protostruct.Get(o, "metadata", "generation").GetNumberValue()
}
