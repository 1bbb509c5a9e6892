// Package observed reads the composed resources that Crossplane observed, as pairs of
// what was asked for and what is live.
package observed

import (
	"fmt"
	"slices"
	"strings"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/dittofs/function-dittoserver/internal/condition"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/object"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// A Resource is an observed composed resource.
type Resource struct {
	// Raw is the resource as Crossplane observed it: the Kubernetes object itself, or the
	// Object of provider-kubernetes that applies it.
	Raw *structpb.Struct

	// Asked is the manifest that was last asked for, without what the API server
	// adds. It keeps nothing that the guards do not look at. It is nil where nothing was
	// asked for yet, as of a StatefulSet whose Object was always paused.
	Asked *structpb.Struct

	// Live is the Kubernetes object as it is, or nil if there is none yet, or it is
	// not known yet, or is Foreign.
	Live *structpb.Struct

	// Policy is what the provider may do. It has no meaning for native resources.
	Policy object.Policy

	// Foreign is the text of a Kubernetes object of this name that this DittoServer did not
	// make, or "" if there is none. The function neither reads nor writes such an object.
	Foreign string

	// Unknown is true while the function does not know whether an object of this name
	// exists.
	Unknown bool

	// Current is true if Live is of what was asked last. Otherwise Live may still be of what
	// was asked before.
	Current bool

	// Synced is the condition that tells whether what was asked could be applied. It is nil
	// while that is not known.
	Synced *condition.Condition
}

// IsForeign reports whether an object that this DittoServer did not make has the name.
func (r *Resource) IsForeign() bool { return r != nil && r.Foreign != "" }

// IsTaken reports whether an object that this DittoServer did not make has the name, or may
// have it.
func (r *Resource) IsTaken() bool { return r.IsForeign() || r != nil && r.Unknown }

// IsWritable reports whether the provider may change the object: it is this server's, or the
// provider was allowed to before.
func (r *Resource) IsWritable() bool { return r != nil && (r.Policy == object.Manage || r.Live != nil) }

// IsAwaited reports whether an object that is desired is not there yet, and did not fail to be created.
func (r *Resource) IsAwaited() bool {
	return r == nil || r.Live == nil && !r.IsForeign() && !r.IsNotSynced()
}

// IsLeaving reports whether somebody deleted the composed resource, which may not be gone yet.
func (r *Resource) IsLeaving() bool {
	return r != nil && protostruct.Get(r.Raw, "metadata", "deletionTimestamp") != nil
}

// IsNotSynced reports whether a composed resource is known not to be applied.
func (r *Resource) IsNotSynced() bool { return r != nil && r.Synced.IsFalse() }

// refusals are what the API server says of a request that it refused. It has not been
// carried out then, whereas a time-out or a lost connection says nothing.
//
//nolint:gochecknoglobals // A table.
var refusals = []string{" is forbidden: ", " is invalid: ", " denied the request", " denied request: "}

// createFailed begins what the provider says where it could not create an object. Nothing was there
// for it to read then, so that Live is what was there before.
const createFailed = "create failed: "

// NeverWas reports whether the API server refused to create the object, and none was there before.
func (r *Resource) NeverWas() bool {
	return r.IsNotSynced() && r.Current && r.Live == nil && r.isRefusal()
}

// isRefusal reports whether the API server itself refused the last request.
func (r *Resource) isRefusal() bool {
	return slices.ContainsFunc(refusals, func(s string) bool { return strings.Contains(r.Synced.Message, s) })
}

// IsRefused reports whether the API server itself refused what was asked last, so that Live,
// which the provider reads before it changes anything, is what there is.
func (r *Resource) IsRefused() bool {
	return r.IsNotSynced() && r.Current && !strings.HasPrefix(r.Synced.Message, createFailed) && r.isRefusal()
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

// IsRefused reports whether the API server itself refused what was last asked for of a resource.
func (r Resources) IsRefused(n manifest.Name) bool { return r[n].IsRefused() }

// Live returns the Kubernetes object of a resource as it is, or nil.
func (r Resources) Live(n manifest.Name) *structpb.Struct {
	if o := r[n]; o != nil {
		return o.Live
	}

	return nil
}

// HasStarted reports whether the server was asked to run before: it may have started then. Its
// StatefulSet may be gone, and come back.
func (r Resources) HasStarted() bool {
	return r.Asked(manifest.StatefulSet) != nil || r.Live(manifest.StatefulSet) != nil || manifest.RecordOf(r.Asked(manifest.ConfigMap)) != nil
}

// Read reads the observed resources, composed as provider-kubernetes Objects or
// natively. One that is neither is an error: what it was asked for cannot be guessed.
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

	for _, row := range manifest.ClaimRows() {
		// Anything else is another function's.
		if r := resources[string(row.Name)].GetResource(); object.Is(r) && manifest.KindOf(object.Asked(r)) == row.Kind {
			out[row.Name] = &Resource{Raw: r, Asked: object.Asked(r), Live: object.Live(r), Policy: object.PolicyOf(r), Current: object.IsCurrent(r), Synced: object.Synced(r)}
		}
	}

	return out, nil
}

// Reads reports whether Read reads a composed resource of this name.
func Reads(name string) bool {
	return manifest.RowOf(manifest.Name(name)).Name != "" || manifest.IsClaim(manifest.Name(name))
}

// ReadsManagers reports whether Read reads the managed fields of resources of this kind:
// those of what is composed natively.
func ReadsManagers(kind string) bool {
	for row := range manifest.Rows() {
		if row.Kind.Kind == kind {
			return true
		}
	}

	return false
}

// read reads a composed resource, native or an Object.
func read(row manifest.Row, r *structpb.Struct) (*Resource, error) {
	kind := manifest.KindOf(r)

	switch {
	case kind == row.Kind:
		return native(row, r)
	case !object.Is(r):
		return nil, fmt.Errorf("cannot read the composed resource %s: it is %s %s, neither %s nor an Object of provider-kubernetes: once it is deleted, the function composes its own", row.Name, kindText(kind), nameOf(r), kindText(row.Kind))
	}

	o := &Resource{Raw: r, Asked: object.Asked(r), Live: object.Live(r), Policy: object.PolicyOf(r), Current: object.IsCurrent(r), Synced: object.Synced(r)}
	if row.IsWhole != nil && !row.IsWhole(o.Asked) {
		return nil, fmt.Errorf("cannot read the composed resource %s: the manifest of Object %s lacks what this function writes, such as the pod template or the configuration: restore it, or delete the Object, which is then recreated", row.Name, nameOf(r))
	}

	if o.Policy == object.Create && o.Live != nil && !manifest.IsOfServer(o.Live, o.Asked) {
		o.Live, o.Foreign = nil, foreign(o.Live)
	}

	if o.Policy == object.Pause {
		o.Asked = nil
	}

	return o, nil
}

// text returns kind and name of a resource, for messages.
func text(resource *structpb.Struct) string {
	return protostruct.Get(resource, "kind").GetStringValue() + " " + nameOf(resource)
}

// foreign returns the text of a resource that this DittoServer did not make.
func foreign(resource *structpb.Struct) string {
	return text(resource) + " (which is not this DittoServer's: remove it, or give the DittoServer another name)"
}

// kindText returns the text of a kind, for messages.
func kindText(kind schema.GroupVersionKind) string {
	return kind.GroupVersion().String() + " " + kind.Kind
}

func nameOf(resource *structpb.Struct) string {
	return protostruct.Get(resource, "metadata", "name").GetStringValue()
}
