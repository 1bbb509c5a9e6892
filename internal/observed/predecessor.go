package observed

import (
	"maps"
	"slices"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// Crossplane forgets a composed resource once it asked for its deletion, and gives
// its successor the same name. One that is composed too early is applied to the
// Object that is being deleted: the provider then can neither change the StatefulSet,
// whose volume claims are immutable, nor delete it, and never gets further. A
// StatefulSet that is composed natively cannot be changed in that moment either, and
// one that somebody else made must not be taken over. So where Crossplane observes no
// StatefulSet, what may be in its place is required: the Object by its labels, the
// StatefulSet by its name.

// API versions of Objects. A namespaced composite resource can only own the first.
const (
	ObjectNamespaced    = "kubernetes.m.crossplane.io/v1alpha1"
	ObjectClusterScoped = "kubernetes.crossplane.io/v1alpha2"
)

// ObjectAPIVersion returns the API version of a server's Objects.
func ObjectAPIVersion(s *composite.DittoServer) string {
	if s.ClusterScoped {
		return ObjectClusterScoped
	}

	return ObjectNamespaced
}

// StatefulSetLabels are the labels of the Object of a server's StatefulSet.
func StatefulSetLabels(s *composite.DittoServer) map[string]string {
	return map[string]string{v1alpha1.LabelNamespace: s.Namespace, v1alpha1.LabelStatefulSet: s.Name}
}

// IsFoundAgain says whether the Object of a running StatefulSet has its labels already.
// One that an earlier version of this function composed gets them first. What is
// composed natively has a name that is known.
func IsFoundAgain(s *composite.DittoServer, running *Resource) bool {
	if s.IsNative() {
		return true
	}

	for k, v := range StatefulSetLabels(s) {
		if protostruct.Get(running.Composed, "metadata", "labels", k).GetStringValue() != v {
			return false
		}
	}

	return true
}

// requirement is the name under which a StatefulSet, or its Object, is required.
const requirement = "running/statefulset"

// Requirements returns what may be in the place of the server's StatefulSet, where
// Crossplane observes none.
func Requirements(s *composite.DittoServer, running Resources) map[string]*fnv1.ResourceSelector {
	if running[manifest.StatefulSet] != nil {
		return nil
	}

	row := manifest.RowOf(manifest.StatefulSet)

	if s.IsNative() {
		apiVersion, kind := row.Kind.ToAPIVersionAndKind()

		return map[string]*fnv1.ResourceSelector{requirement: {
			ApiVersion: apiVersion,
			Kind:       kind,
			Match:      &fnv1.ResourceSelector_MatchName{MatchName: manifest.ObjectName(s.Name, manifest.StatefulSet)},
			Namespace:  new(s.Namespace),
		}}
	}

	selector := &fnv1.ResourceSelector{
		ApiVersion: ObjectAPIVersion(s),
		Kind:       "Object",
		Match:      &fnv1.ResourceSelector_MatchLabels{MatchLabels: &fnv1.MatchLabels{Labels: StatefulSetLabels(s)}},
	}
	if !s.ClusterScoped {
		selector.Namespace = new(s.Namespace)
	}

	return map[string]*fnv1.ResourceSelector{requirement: selector}
}

// Predecessors are in the place of a StatefulSet that Crossplane does not observe.
// Nothing can take it until they are gone.
type Predecessors struct {
	// Fetched says whether it is known which there are.
	Fetched bool

	// Names with their kinds, and what to do about those that do not go by themselves.
	Names []string
}

// AreGone says whether the place is free.
func (p Predecessors) AreGone() bool { return p.Fetched && len(p.Names) == 0 }

// WithPredecessor returns what runs together with the StatefulSet that Crossplane does
// not observe, if it is this composite resource's and stays. Others are predecessors.
func WithPredecessor(xr *structpb.Struct, running Resources, required map[string]*fnv1.Resources) (Resources, Predecessors, error) {
	if running[manifest.StatefulSet] != nil {
		return running, Predecessors{Fetched: true}, nil
	}

	row := manifest.RowOf(manifest.StatefulSet)
	fetched, ok := required[requirement]
	p := Predecessors{Fetched: ok}

	for _, item := range fetched.GetItems() {
		o := item.GetResource()

		if protostruct.Get(o, "metadata", "deletionTimestamp") != nil || ownerOf(o) != protostruct.Get(xr, "metadata", "uid").GetStringValue() {
			name := protostruct.Get(o, "kind").GetStringValue() + " " + nameOf(o)
			if protostruct.Get(o, "metadata", "deletionTimestamp") == nil {
				name += " (which is not this DittoServer's: remove it, or give the DittoServer another name)"
			}

			p.Names = append(p.Names, name)

			continue
		}

		r, err := read(row, o)
		if err != nil {
			return nil, p, err
		}

		running = maps.Clone(running)
		running[manifest.StatefulSet] = r
	}

	slices.Sort(p.Names)

	return running, p, nil
}

// ownerOf returns the UID of the owner that controls a resource.
func ownerOf(resource *structpb.Struct) string {
	for _, v := range protostruct.Get(resource, "metadata", "ownerReferences").GetListValue().GetValues() {
		if o := v.GetStructValue(); protostruct.Get(o, "controller").GetBoolValue() {
			return protostruct.Get(o, "uid").GetStringValue()
		}
	}

	return ""
}
