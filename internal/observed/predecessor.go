package observed

import (
	"maps"
	"slices"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/object"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// Crossplane forgets a composed resource as soon as it asked for its deletion, and gives the
// next one the same name. If the function composed the next StatefulSet at once, it would be
// applied to the Object that is being deleted. The provider could then neither change the
// old StatefulSet, whose volume claims are immutable, nor delete it, and would be stuck. A
// native StatefulSet cannot be changed while it is being deleted either, and one that
// somebody else made must not be taken over. So while Crossplane observes no StatefulSet, the
// function requires whatever may still occupy its name: the Object by its labels, the
// StatefulSet by its name.

// IsFoundAgain reports whether Requirements finds an observed StatefulSet once Crossplane
// does not observe it any more: by its name, or by the labels of its Object.
func IsFoundAgain(s *composite.DittoServer, o *Resource) bool {
	return s.IsNative() || object.IsLabelled(s, o.Raw)
}

// requirement is the name under which a StatefulSet, or its Object, is required.
const requirement = "running/statefulset"

// Requirements returns what may still occupy the name of the server's StatefulSet, if
// Crossplane observes none.
func Requirements(s *composite.DittoServer, o Resources) map[string]*fnv1.ResourceSelector {
	if o[manifest.StatefulSet] != nil {
		return nil
	}

	if s.IsNative() {
		apiVersion, kind := manifest.RowOf(manifest.StatefulSet).Kind.ToAPIVersionAndKind()

		return map[string]*fnv1.ResourceSelector{requirement: {
			ApiVersion: apiVersion,
			Kind:       kind,
			Match:      &fnv1.ResourceSelector_MatchName{MatchName: manifest.ObjectName(s.Name, manifest.StatefulSet)},
			Namespace:  new(s.Namespace),
		}}
	}

	selector := &fnv1.ResourceSelector{
		ApiVersion: object.APIVersion(s),
		Kind:       object.Kind,
		Match:      &fnv1.ResourceSelector_MatchLabels{MatchLabels: &fnv1.MatchLabels{Labels: object.Labels(s)}},
	}
	if !s.ClusterScoped {
		selector.Namespace = new(s.Namespace)
	}

	return map[string]*fnv1.ResourceSelector{requirement: selector}
}

// Predecessors are the StatefulSets or Objects that still occupy the name of a StatefulSet
// which Crossplane does not observe. The next one waits until they are gone.
type Predecessors struct {
	// Fetched reports whether Crossplane has looked for them.
	Fetched bool

	// Names with their kinds, and what to do about those that do not go by themselves.
	Names []string
}

// AreGone reports whether the name is free.
func (p Predecessors) AreGone() bool { return p.Fetched && len(p.Names) == 0 }

// WithPredecessor returns the observed resources together with the StatefulSet that
// Crossplane does not observe, if it is this composite resource's and stays. Others are
// predecessors.
func WithPredecessor(xr *structpb.Struct, o Resources, required map[string]*fnv1.Resources) (Resources, Predecessors, error) {
	if o[manifest.StatefulSet] != nil {
		return o, Predecessors{Fetched: true}, nil
	}

	fetched, ok := required[requirement]
	p := Predecessors{Fetched: ok}

	for _, item := range fetched.GetItems() {
		r := item.GetResource()

		if protostruct.Get(r, "metadata", "deletionTimestamp") != nil || ownerOf(r) != protostruct.Get(xr, "metadata", "uid").GetStringValue() {
			name := protostruct.Get(r, "kind").GetStringValue() + " " + nameOf(r)
			if protostruct.Get(r, "metadata", "deletionTimestamp") == nil {
				name += " (which is not this DittoServer's: remove it, or give the DittoServer another name)"
			}

			p.Names = append(p.Names, name)

			continue
		}

		statefulSet, err := read(manifest.RowOf(manifest.StatefulSet), r)
		if err != nil {
			return nil, p, err
		}

		o = maps.Clone(o)
		o[manifest.StatefulSet] = statefulSet
	}

	slices.Sort(p.Names)

	return o, p, nil
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
