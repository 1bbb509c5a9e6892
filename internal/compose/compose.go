// Package compose turns manifests into composed resources, Objects or native, and tells
// which are ready. It knows Kubernetes objects and Crossplane, not DittoFS.
package compose

import (
	"fmt"
	"maps"
	"strings"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/object"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// Resources adds the composed resources of manifests to the desired state, each with
// its readiness. It returns an error, and adds nothing, if one of them would be another
// resource than the one that Crossplane observed, or is composed by an earlier function.
// A StatefulSet whose pod template is about to change is not ready, even if its pod is.
// Natively, a resource is left out if another object has its name, or may have it. An Object that the
// provider could not delete is kept until it can let it go.
func Resources(desired *fnv1.State, s *composite.DittoServer, manifests manifest.Manifests, o observed.Resources, k observed.Kinds, d *guard.Decision) error {
	composed := map[string]*fnv1.Resource{}
	arriving := isArriving(s, manifests, o, d)

	for row := range manifest.Rows() {
		m, ok := manifests[row.Name]
		if !ok {
			continue
		}

		if _, taken := desired.GetResources()[string(row.Name)]; taken {
			return fmt.Errorf("an earlier function of the pipeline already composes a resource named %s: rename that one", row.Name)
		}

		if s.IsNative() && o[row.Name].IsTaken() {
			continue
		}

		r := m
		if !s.IsNative() {
			var err error
			if r, err = object.New(s, row, m, policy(s, row.Name, o, d), raw(o[row.Name])); err != nil {
				return err
			}
		}

		if err := moved(row.Name, r, o[row.Name]); err != nil {
			return err
		}

		ready := fnv1.Ready_READY_FALSE
		if held := d.WillMove() && row.Name == manifest.StatefulSet; !held && !arriving && row.Ready.IsReady(m, o.Live(row.Name)) {
			ready = fnv1.Ready_READY_TRUE
		}

		composed[string(row.Name)] = &fnv1.Resource{Resource: r, Ready: ready}
	}

	for n, p := range k.Kept(manifests, o) {
		r, err := object.New(s, manifest.RowOf(n), o[n].Asked, p, o[n].Raw)
		if err != nil {
			return err
		}

		// Nobody asks for it.
		composed[string(n)] = &fnv1.Resource{Resource: r, Ready: fnv1.Ready_READY_TRUE}
	}

	for _, c := range d.ClaimObjects {
		row := manifest.ClaimRow(c.Volume)

		r, err := claim(desired, s, row, c, o[row.Name])
		if err != nil {
			return err
		}

		// Whether a claim can grow makes nothing else wait.
		composed[string(row.Name)] = &fnv1.Resource{Resource: r, Ready: fnv1.Ready_READY_TRUE}
	}

	maps.Copy(desired.GetResources(), composed)

	return nil
}

// IsSettling reports whether the StatefulSet is on its way to what is composed: it is not ready, or the next one
// is composed once this one is gone.
func IsSettling(desired *fnv1.State, d *guard.Decision) bool {
	if d.LeaveOut {
		return d.Rollout == guard.Recreating || d.Rollout == guard.PredecessorThere
	}

	return desired.GetResources()[string(manifest.StatefulSet)].GetReady() == fnv1.Ready_READY_FALSE
}

// claim returns the Object of a claim. It deletes and creates nothing.
func claim(desired *fnv1.State, s *composite.DittoServer, row manifest.Row, c guard.ClaimObject, o *observed.Resource) (*structpb.Struct, error) {
	if _, taken := desired.GetResources()[string(row.Name)]; taken {
		return nil, fmt.Errorf("an earlier function of the pipeline already composes a resource named %s: rename that one", row.Name)
	}

	policy := object.Observe
	if c.Update {
		policy = object.Update
	}

	r, err := object.New(s, row, manifest.Claim(s, c.Volume, c.Size, c.Attributes, c.Version), policy, raw(o))
	if err != nil {
		return nil, err
	}

	return r, moved(row.Name, r, o)
}

func raw(o *observed.Resource) *structpb.Struct {
	if o == nil {
		return nil
	}

	return o.Raw
}

// policy returns what the provider may do with an object. One that it may change it can change
// from then on: an upgrade of this function, or a live object that is not known, takes nothing back.
func policy(s *composite.DittoServer, n manifest.Name, o observed.Resources, d *guard.Decision) object.Policy {
	// One whose Object Crossplane cannot create may never come.
	comes := o[manifest.StatefulSet] != nil && o[manifest.ConfigMap] != nil && IsStarting(s, o, d)

	switch {
	case n != manifest.StatefulSet && o[n] != nil && o[n].Policy == object.Create && comes:
		return object.Create
	case o[n].IsWritable():
		return object.Manage
	case n == manifest.StatefulSet && d.Paused:
		return object.Pause
	default:
		return object.Create
	}
}

// IsStarting reports whether the StatefulSet is about to be created, or the ConfigMap before it. Until it is there,
// no other Object is written to, and no condition changes: each write has Crossplane call the function again, and
// Crossplane stops listening to a DittoServer with many. Natively, Crossplane creates all at once.
func IsStarting(s *composite.DittoServer, o observed.Resources, d *guard.Decision) bool {
	sts := o[manifest.StatefulSet]
	if s.IsNative() || d.LeaveOut || !sts.IsAwaited() || sts != nil && sts.Policy == object.Manage {
		return false
	}

	return !d.Paused || o[manifest.ConfigMap].IsAwaited()
}

// isArriving reports whether a server that is not ready still lacks an object. Until it has all, none of them is
// ready: Crossplane lists those that are not in the condition Ready, and writes the DittoServer twice for each change
// of that list.
func isArriving(s *composite.DittoServer, manifests manifest.Manifests, o observed.Resources, d *guard.Decision) bool {
	if sts := manifest.StatefulSet; s.IsNative() || manifest.RowOf(sts).Ready.IsReady(manifests[sts], o.Live(sts)) {
		return false
	}

	for n := range manifests {
		if n != manifest.StatefulSet && o[n].IsAwaited() {
			return true
		}
	}

	return IsStarting(s, o, d)
}

// migrate tells how to move a server on purpose.
const migrate = "change it back, or remove the later step of the pipeline that sets it; to migrate, delete the DittoServer, which keeps its volume claims, and create it again"

// nativeIdentity has the fields that make a native resource the one that it is.
//
//nolint:gochecknoglobals // A table.
var nativeIdentity = [][]string{
	{"metadata", "namespace"},
	{"metadata", "name"},
}

// moved returns an error if a composed resource would be another one than the one that
// Crossplane observed. A second, empty server would come up beside the first.
func moved(n manifest.Name, desired *structpb.Struct, o *observed.Resource) error {
	if o == nil {
		return nil
	}

	if want, got := groupKind(desired), groupKind(o.Raw); want != got {
		return fmt.Errorf("composed resource %s is a %s and would become a %s: %s", n, got, want, migrate)
	}

	identity := nativeIdentity
	if object.Is(desired) {
		identity = object.Identity
	}

	for _, path := range identity {
		if want, got := protostruct.Get(desired, path...).GetStringValue(), protostruct.Get(o.Raw, path...).GetStringValue(); want != got {
			return fmt.Errorf("composed resource %s has the %s %q and would get %q: %s", n, strings.Join(path, "."), got, want, migrate)
		}
	}

	return nil
}

// groupKind returns the group and kind of a resource, without its version, which may
// change.
func groupKind(r *structpb.Struct) string {
	kind := manifest.KindOf(r).GroupKind()
	if kind.Group == "" {
		kind.Group = "core"
	}

	return kind.String()
}
