package observed

import (
	"fmt"
	"maps"
	"strings"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/condition"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/object"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/wire"
)

// Not every cluster has every kind. Natively an object of a missing kind would keep Crossplane from
// applying anything of the server. An Object of one could be neither applied nor deleted, and would
// keep the DittoServer from going. So objects of such a kind are composed only while the cluster has
// it.
//
// The function requires the CustomResourceDefinition rather than the schema, which Crossplane fetches
// from v2.2 on. Crossplane v2.4 watches what is required, and not schemas. It looks for those
// in a cache that it empties when a CustomResourceDefinition changes, which is before the API server
// tells of the change: what is fetched in between stays wrong until the next one changes.

// An Availability says whether the cluster has a kind.
type Availability int

// Availabilities.
const (
	// Unknown means that Crossplane did not look yet.
	Unknown Availability = iota

	// Absent means that the cluster lacks the kind, as far as the function knows.
	Absent

	// Present means that the cluster has the kind.
	Present
)

// Kinds are those that not every cluster has, of composed resources that are desired or observed.
type Kinds map[manifest.Name]Availability

// kindPrefix begins the names under which CustomResourceDefinitions are required.
const kindPrefix = "kind/"

// IsKind reports whether ReadKinds reads the required resources of this name, of which it decodes no
// more than it needs.
func IsKind(name string) bool { return strings.HasPrefix(name, kindPrefix) }

// requireKinds adds the CustomResourceDefinitions that Crossplane is to look for.
func requireKinds(s *composite.DittoServer, o Resources, required map[string]*fnv1.ResourceSelector) {
	for row := range manifest.Rows() {
		if isOptional(s, o, row) && s.Input.Kinds[row.Kind.Kind] == v1beta1.KindDiscover {
			required[kindPrefix+row.CRD] = &fnv1.ResourceSelector{
				ApiVersion: "apiextensions.k8s.io/v1",
				Kind:       "CustomResourceDefinition",
				Match:      &fnv1.ResourceSelector_MatchName{MatchName: row.CRD},
			}
		}
	}
}

// isOptional reports whether a composed resource that is desired or observed is of a kind that not
// every cluster has.
func isOptional(s *composite.DittoServer, o Resources, row manifest.Row) bool {
	return row.CRD != "" && (row.Has(s) || o[row.Name] != nil)
}

// ReadKinds returns what is known of the kinds that not every cluster has.
func ReadKinds(s *composite.DittoServer, o Resources, required map[string]*fnv1.Resources) (Kinds, error) {
	k := Kinds{}

	for row := range manifest.Rows() {
		if !isOptional(s, o, row) {
			continue
		}

		switch s.Input.Kinds[row.Kind.Kind] {
		case v1beta1.KindPresent:
			k[row.Name] = Present
		case v1beta1.KindDiscover:
			var err error
			if k[row.Name], err = discovered(row, required); err != nil {
				return nil, err
			}
		default:
			k[row.Name] = Absent
		}
	}

	return k, nil
}

// discovered returns what Crossplane found of a kind.
func discovered(row manifest.Row, required map[string]*fnv1.Resources) (Availability, error) {
	fetched, ok := required[kindPrefix+row.CRD]
	if !ok {
		return Unknown, nil
	}

	for _, item := range fetched.GetItems() {
		crd, err := wire.Pick(item, isSchema)
		if err != nil {
			return Unknown, fmt.Errorf("cannot read CustomResourceDefinition %s: %w", row.CRD, err)
		}

		if serves(crd, row.Kind.Version) {
			return Present, nil
		}
	}

	return Absent, nil
}

// isSchema is for the schemas of the versions of a CustomResourceDefinition, which may have hundreds
// of kilobytes.
func isSchema(object, field string) bool { return object == "versions" && field == "schema" }

// serves reports whether the API server takes objects of a version. While it deletes a
// CustomResourceDefinition it deletes those there are, and takes no more.
func serves(crd *structpb.Struct, version string) bool {
	if protostruct.Get(crd, "metadata", "deletionTimestamp") != nil || !condition.Of(crd, "Established").IsTrue() {
		return false
	}

	for _, v := range protostruct.Get(crd, "spec", "versions").GetListValue().GetValues() {
		if v := v.GetStructValue(); protostruct.Get(v, "name").GetStringValue() == version {
			return protostruct.Get(v, "served").GetBoolValue()
		}
	}

	return false
}

// Possible returns the manifests of kinds that the cluster has. Until that is known, what is composed
// stays.
func (k Kinds) Possible(m manifest.Manifests, o Resources) manifest.Manifests {
	possible := maps.Clone(m)
	maps.DeleteFunc(possible, func(n manifest.Name, _ *structpb.Struct) bool {
		a, isOptional := k[n]

		return isOptional && (a == Absent || a == Unknown && o[n] == nil)
	})

	return possible
}

// Kept returns the Policies of Objects that are not desired, and must not be deleted yet: the
// provider would first look at an object of a kind that the cluster lacks, or may lack, and never be
// done. Without the right to delete it lets an Object go at once.
func (k Kinds) Kept(m manifest.Manifests, o Resources) map[manifest.Name]object.Policy {
	kept := map[manifest.Name]object.Policy{}

	for n, a := range k {
		switch {
		case m[n] != nil || o[n] == nil || !object.Is(o[n].Raw) || !object.Deletes(o[n].Raw):
		case a == Absent:
			kept[n] = object.Observe
		case a == Unknown:
			kept[n] = object.Manage
		}
	}

	return kept
}

// Warnings returns what is not composed since the cluster lacks its kind.
func (k Kinds) Warnings(s *composite.DittoServer) []string {
	var w []string

	for row := range manifest.Rows() {
		if k[row.Name] != Absent || !row.Has(s) {
			continue
		}

		if s.Input.Kinds[row.Kind.Kind] == "" {
			w = append(w, fmt.Sprintf("%s: the function's input does not name the kind %s, so none is composed: ask the platform team", row.Field, row.Kind.Kind))
			continue
		}

		w = append(w, fmt.Sprintf("%s: the cluster has no %s, so none is composed until it does", row.Field, kindText(row.Kind)))
	}

	return w
}
