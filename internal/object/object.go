// Package object makes and reads Objects of provider-kubernetes, each of which applies a
// Kubernetes object and shows what became of it. The provider's API types need a newer
// Go than the SDK, so the few fields that are used are here.
// https://github.com/crossplane-contrib/provider-kubernetes
package object

import (
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// Kind of Objects.
const Kind = "Object"

// API versions of Objects. A namespaced composite resource can only own the first.
const (
	Namespaced    = "kubernetes.m.crossplane.io/v1alpha1"
	ClusterScoped = "kubernetes.crossplane.io/v1alpha2"
)

// A Policy is what the provider may do with the Kubernetes object of an Object.
type Policy int

// Policies.
const (
	// Manage lets it do everything: create, change, and delete with the Object.
	Manage Policy = iota

	// Create lets it create what is not there. It only shows what is there.
	Create

	// Pause lets it do nothing at all.
	Pause

	// Observe lets it only show what is there.
	Observe

	// Update lets it change what is there, but not delete it. On its own it would create what is
	// missing, too: that takes a manifest that the API server refuses to create.
	// https://github.com/crossplane-contrib/provider-kubernetes/issues/542
	Update
)

// managementPolicies are the actions of each Policy. The provider's default is to manage, which
// no Object names: Crossplane removes what it named before, and the API server writes the default.
//
//nolint:gochecknoglobals // A table.
var managementPolicies = map[Policy][]string{
	Create:  {"Observe", "Create"},
	Pause:   {},
	Observe: {"Observe"},
	Update:  {"Observe", "Update"},
}

// Identity has the fields that make an Object the one that it is. With another value in
// one of them it would apply another Kubernetes object.
//
//nolint:gochecknoglobals // A table.
var Identity = [][]string{
	{"spec", "providerConfigRef", "kind"},
	{"spec", "providerConfigRef", "name"},
	{"spec", "forProvider", "manifest", "kind"},
	{"spec", "forProvider", "manifest", "metadata", "namespace"},
	{"spec", "forProvider", "manifest", "metadata", "name"},
}

// APIVersion returns the API version of a server's Objects.
func APIVersion(s *composite.DittoServer) string {
	if s.ClusterScoped {
		return ClusterScoped
	}

	return Namespaced
}

// Labels returns the labels of the Object of a server's StatefulSet. The function finds
// the Object by them once Crossplane does not observe it any more.
func Labels(s *composite.DittoServer) map[string]string {
	return map[string]string{v1alpha1.LabelNamespace: s.Namespace, v1alpha1.LabelStatefulSet: s.Name}
}

// IsLabelled reports whether the Object of a server's StatefulSet has its labels. One
// that an early version of this function composed gets them first.
func IsLabelled(s *composite.DittoServer, o *structpb.Struct) bool {
	for k, v := range Labels(s) {
		if protostruct.Get(o, "metadata", "labels", k).GetStringValue() != v {
			return false
		}
	}

	return true
}
