package observed

import (
	"iter"
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
// native StatefulSet cannot be changed while it is being deleted either. So while Crossplane
// observes no StatefulSet, the function requires whatever may still occupy its name: the Object
// by its labels, the StatefulSet by its name.
//
// Natively it also requires, by name, every other resource that Crossplane does not observe:
// Crossplane would take over an object that has no controller. With Objects, the provider
// reads what exists before it writes.

// CanBeLeftOut reports whether an observed StatefulSet goes once it is not composed, and
// Requirements finds it until then: by its name, or by the labels of its Object. The provider
// leaves a StatefulSet where it is until the function has seen whose it is.
func CanBeLeftOut(s *composite.DittoServer, o *Resource) bool {
	return s.IsNative() || object.IsLabelled(s, o.Raw) && (o.Policy == object.Manage || o.Live == nil)
}

// requirement is the name under which a Kubernetes object, or its Object, is required.
func requirement(n manifest.Name) string { return "running/" + string(n) }

// requirements returns the rows of what is required: what Crossplane does not observe of a
// server, natively all of it, else the StatefulSet. What is of a kind that the cluster lacks cannot be
// required: the pipeline would fail.
func requirements(s *composite.DittoServer, o Resources, k Kinds) iter.Seq[manifest.Row] {
	return func(yield func(manifest.Row) bool) {
		for row := range manifest.Rows() {
			isRequired := o[row.Name] == nil && row.Has(s) && (s.IsNative() || row.Name == manifest.StatefulSet)
			isKnown := row.CRD == "" || k[row.Name] == Present

			if isRequired && isKnown && !yield(row) {
				return
			}
		}
	}
}

// Requirements returns what may occupy the names of what Crossplane does not observe, the server's
// claims where Crossplane may read them, and the kinds that it is to look for.
func Requirements(s *composite.DittoServer, o Resources, k Kinds) map[string]*fnv1.ResourceSelector {
	required := map[string]*fnv1.ResourceSelector{}
	requireClaims(s, required)
	requireKinds(s, o, required)

	for row := range requirements(s, o, k) {
		if !s.IsNative() {
			required[requirement(row.Name)] = labelled(s)
			continue
		}

		apiVersion, kind := row.Kind.ToAPIVersionAndKind()
		required[requirement(row.Name)] = &fnv1.ResourceSelector{
			ApiVersion: apiVersion,
			Kind:       kind,
			Match:      &fnv1.ResourceSelector_MatchName{MatchName: manifest.ObjectName(s.Name, row.Name)},
			Namespace:  new(s.Namespace),
		}
	}

	return required
}

// labelled selects the Objects of a server's StatefulSet.
func labelled(s *composite.DittoServer) *fnv1.ResourceSelector {
	selector := &fnv1.ResourceSelector{
		ApiVersion: object.APIVersion(s),
		Kind:       object.Kind,
		Match:      &fnv1.ResourceSelector_MatchLabels{MatchLabels: &fnv1.MatchLabels{Labels: object.Labels(s)}},
	}
	if !s.ClusterScoped {
		selector.Namespace = new(s.Namespace)
	}

	return selector
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

// WithRequired returns the observed resources together with what Crossplane does not observe
// and is there: this composite resource's StatefulSet, if it stays, and natively all else. Other
// StatefulSets are predecessors.
func WithRequired(s *composite.DittoServer, xr *structpb.Struct, o Resources, k Kinds, required map[string]*fnv1.Resources) (Resources, Predecessors, error) {
	out := maps.Clone(o)
	predecessors := Predecessors{Fetched: true}
	uid := protostruct.Get(xr, "metadata", "uid").GetStringValue()

	for row := range requirements(s, o, k) {
		fetched, ok := required[requirement(row.Name)]

		switch {
		case row.Name == manifest.StatefulSet:
			predecessors.Fetched = ok
		case !ok:
			out[row.Name] = &Resource{Unknown: true}
		}

		for _, item := range fetched.GetItems() {
			r := item.GetResource()
			isForeign, isLeaving := ownerOf(r) != uid, protostruct.Get(r, "metadata", "deletionTimestamp") != nil

			switch {
			case row.Name == manifest.StatefulSet && isLeaving:
				predecessors.Names = append(predecessors.Names, text(r))
			case row.Name == manifest.StatefulSet && isForeign:
				predecessors.Names = append(predecessors.Names, foreign(r))
			case isForeign:
				out[row.Name] = &Resource{Foreign: foreign(r)}
			case isLeaving:
				out[row.Name] = &Resource{Unknown: true}
			default:
				var err error
				if out[row.Name], err = read(row, r); err != nil {
					return nil, predecessors, err
				}
			}
		}
	}

	slices.Sort(predecessors.Names)

	return out, predecessors, nil
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
