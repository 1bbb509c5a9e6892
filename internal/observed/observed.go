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

	// Policy is what the provider may do. It means nothing of what is composed natively.
	Policy object.Policy

	// Foreign names the Kubernetes object that somebody else has under the name of this one, or
	// is "". It is neither read nor written.
	Foreign string

	// Unknown reports whether it is not known yet if there is anything under the name of this one.
	Unknown bool

	// Current reports whether Live is of what was last asked for. Otherwise what was
	// asked for before may be on its way, or there already.
	Current bool

	// Synced tells whether what was asked for could be applied, or is nil if that is
	// not known yet.
	Synced *condition.Condition
}

// IsForeign reports whether the name of a resource is somebody else's.
func (r *Resource) IsForeign() bool { return r != nil && r.Foreign != "" }

// IsTaken reports whether the name of a resource is somebody else's, or may be.
func (r *Resource) IsTaken() bool { return r.IsForeign() || r != nil && r.Unknown }

// IsWritable reports whether what is there may be changed: it is this server's, or the provider
// may change it already.
func (r *Resource) IsWritable() bool { return r != nil && (r.Policy == object.Manage || r.Live != nil) }

// IsNotSynced reports whether a composed resource is known not to be applied.
func (r *Resource) IsNotSynced() bool { return r != nil && r.Synced.IsFalse() }

// refusals are what the API server says of a request that it refused. It has not been
// carried out then, whereas a time-out or a lost connection says nothing.
//
//nolint:gochecknoglobals // A table.
var refusals = []string{" is forbidden: ", " is invalid: ", " denied the request", " denied request: "}

// IsRefused reports whether the API server itself refused what was asked last, so that Live,
// which the provider reads before it applies, is what there is.
func (r *Resource) IsRefused() bool {
	return r.IsNotSynced() && r.Current && slices.ContainsFunc(refusals, func(s string) bool { return strings.Contains(r.Synced.Message, s) })
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

// HasStarted reports whether the server was asked to run before: it may have started then.
func (r Resources) HasStarted() bool {
	return r.Asked(manifest.StatefulSet) != nil || r.Live(manifest.StatefulSet) != nil
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

	return out, nil
}

// Reads reports whether Read reads a composed resource of this name.
func Reads(name string) bool { return manifest.RowOf(manifest.Name(name)).Name != "" }

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
		return nil, fmt.Errorf("cannot read the composed resource %s: the manifest of Object %s lacks what this function writes, such as the pod template or the configuration: restore it, or delete the Object, which is then composed anew", row.Name, nameOf(r))
	}

	if o.Policy == object.Create && o.Live != nil && !manifest.IsOfServer(o.Live, o.Asked) {
		o.Live, o.Foreign = nil, foreign(o.Live)
	}

	if o.Policy == object.Pause {
		o.Asked = nil
	}

	return o, nil
}

// text of a resource, for people.
func text(resource *structpb.Struct) string {
	return protostruct.Get(resource, "kind").GetStringValue() + " " + nameOf(resource)
}

// foreign is the text of a resource that somebody else has.
func foreign(resource *structpb.Struct) string {
	return text(resource) + " (which is not this DittoServer's: remove it, or give the DittoServer another name)"
}

// kindText is the text of a kind, for people.
func kindText(kind schema.GroupVersionKind) string {
	return kind.GroupVersion().String() + " " + kind.Kind
}

func nameOf(resource *structpb.Struct) string {
	return protostruct.Get(resource, "metadata", "name").GetStringValue()
}
