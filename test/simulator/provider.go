package simulator

import (
	"maps"
	"reflect"
	"slices"

	xpv2 "github.com/crossplane/crossplane/apis/v2/core/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/test/cluster"
)

// Words of provider-kubernetes around those of the API server. It observes before it
// applies, by a dry run, whose outcome it remembers for a manifest.
// https://github.com/crossplane-contrib/provider-kubernetes/blob/v1.2.1/internal/controller/cluster/object/object.go
const (
	cannotRead   = "observe failed: cannot get object: "
	cannotDryRun = "observe failed: cannot get desired state: cannot dry run SSA: "
	cannotCreate = "create failed: cannot create object: cannot create object: "
	cannotUpdate = "update failed: cannot apply object: cannot create object: "
)

// A dryRun is what the provider remembers of one: the manifest, and what its own fields would be.
type dryRun struct {
	asked *structpb.Struct
	owned any
}

// Provide is what provider-kubernetes does with one Object: observe the Kubernetes object,
// and apply what differs. Something may go wrong.
func (w *World) Provide(name string, faults ...Fault) {
	f := fine
	if len(faults) > 0 {
		f = faults[0]
	}

	if isClaim(name) {
		w.provideClaim(name, f)
		return
	}

	if w.leaving[name] != nil {
		w.finalize(name, w.leaving)
		return
	}

	o, ok := w.Composed[name]

	switch {
	case !ok:
		return
	case protostruct.Get(o, "metadata", "deletionTimestamp") != nil:
		w.finalize(name, w.Composed)
		return
	case w.Flavour.Native:
		return
	case cluster.IsPaused(o):
		w.didf("provide %s: paused", name)
		cluster.SetSynced(o, "False", xpv2.ReasonReconcilePaused, "")

		return
	}

	live := w.Live[name]

	// Nothing is known of it, and what was known stays.
	if f == Unread {
		w.notSynced(name, o, cannotRead, w.words(f))
		return
	}

	if live == nil {
		w.send(name, o, nil, cannotCreate, f)
		return
	}

	cluster.SetLive(o, live)

	isDifferent, refusal := w.differs(name, cluster.Asked(o), live)

	switch {
	case refusal != "":
		w.notSynced(name, o, cannotDryRun, refusal)
	case !isDifferent:
		w.didf("provide %s: observe", name)
		w.synced(o)
	case !cluster.MayWrite(o):
		w.didf("provide %s: skip the update", name)
		w.synced(o)
	default:
		w.send(name, o, live, cannotUpdate, f)
	}
}

// send what is asked to the API server. It learns of what it creates at the next observation.
func (w *World) send(name string, o, live *structpb.Struct, doing string, f Fault) {
	next, refusal := w.apply(name, managerOf(name), cluster.Asked(o), live)

	switch {
	case refusal != "":
		w.notSynced(name, o, doing, refusal)
		return
	case f == Unsent || f == Conflict:
		w.notSynced(name, o, doing, w.words(f))
		return
	}

	w.didf("provide %s: apply", name)
	w.write(name, next)

	switch {
	case f == Dies:
		w.didf("provide %s: dies", name)
	case f == Lost:
		w.notSynced(name, o, doing, w.words(f))
	case live == nil:
		w.synced(o)
	default:
		w.synced(o)
		cluster.SetLive(o, next)
	}
}

// finalize a resource that is being deleted: what it stands for goes first. The provider
// observes it before, and deletes nothing that it cannot observe.
func (w *World) finalize(name string, objects map[string]*structpb.Struct) {
	o, live := objects[name], w.Live[name]

	if !w.Flavour.Native && live != nil {
		if _, refusal := w.differs(name, cluster.Asked(o), live); refusal != "" {
			w.notSynced(name, o, cannotDryRun, refusal)
			return
		}
	}

	w.didf("%s: deleted", name)
	delete(objects, name)
	delete(w.dryRuns, name)

	if live != nil && (w.Flavour.Native || cluster.MayWrite(o)) {
		w.remove(name)
		w.forget()
	}
}

// differs reports whether applying what is asked would change fields of a live object that the
// provider applied. It returns what the API server says of that.
func (w *World) differs(name string, asked, live *structpb.Struct) (bool, string) {
	owned := func(o *structpb.Struct) any {
		fields, err := cluster.Owned(managerOf(name), o)
		if err != nil {
			w.failf("%v", err)
		}

		return fields
	}

	known, ok := w.dryRuns[name]
	if !ok || !proto.Equal(known.asked, asked) {
		next, refusal := w.apply(name, managerOf(name), asked, live)
		if refusal != "" {
			return false, refusal
		}

		known = dryRun{asked: proto.CloneOf(asked), owned: owned(next)}
		w.dryRuns[name] = known
	}

	return !reflect.DeepEqual(known.owned, owned(live)), ""
}

// managerOf is the field manager of an Object.
func managerOf(name string) string { return "provider-kubernetes/files-" + name }

// provided are the names of the Objects that the provider works on.
func (w *World) provided() []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(w.Composed)), maps.Keys(w.leaving))
	slices.Sort(names)

	return slices.Compact(names)
}

func (w *World) synced(o *structpb.Struct) {
	cluster.SetSynced(o, "True", xpv2.ReasonReconcileSuccess, "")
}

// notSynced notes what the provider could not do, and why.
func (w *World) notSynced(name string, o *structpb.Struct, doing, why string) {
	w.didf("provide %s: %s%s", name, doing, why)

	if why == "the API server refuses it" {
		doing = ""
	}

	cluster.SetSynced(o, "False", xpv2.ReasonReconcileError, doing+why)
}
