package simulator

import (
	"maps"
	"slices"

	xpv2 "github.com/crossplane/crossplane/apis/v2/core/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/test/cluster"
)

// Provide is what provider-kubernetes does with one Object: observe the Kubernetes
// object, and apply what differs. It may die before it can tell.
func (w *World) Provide(name string, dies ...bool) {
	if o := w.leaving[name]; o != nil {
		w.didf("%s: deleted", name)
		delete(w.leaving, name)

		if w.Flavour.Native || cluster.MayWrite(o) {
			w.remove(name)
		}

		return
	}

	o, ok := w.Composed[name]
	if !ok || w.Flavour.Native {
		return
	}

	if cluster.IsPaused(o) {
		w.didf("provide %s: paused", name)
		cluster.SetSynced(o, "False", xpv2.ReasonReconcilePaused, "")

		return
	}

	asked := cluster.Asked(o)
	live := w.Live[name]

	if live != nil && !cluster.MayWrite(o) {
		w.didf("provide %s: skip the update", name)
		synced(o, true)
		cluster.SetLive(o, live)

		return
	}

	if name == "statefulset" && w.Refused && !appliedTo(asked, live) {
		w.didf("provide %s: refused", name)
		synced(o, false)

		// What is there is observed all the same.
		if live != nil {
			cluster.SetLive(o, live)
		}

		return
	}

	created := live == nil
	if created || !appliedTo(asked, live) {
		w.didf("provide %s: apply", name)
		live = w.apply(name, asked, live)
	} else {
		w.didf("provide %s: observe", name)
	}

	if len(dies) > 0 && dies[0] {
		w.didf("provide %s: dies", name)
		return
	}

	synced(o, true)

	// After a creation, the object is known at the next observation.
	if !created {
		cluster.SetLive(o, live)
	}
}

// provided are the names of the Objects that the provider works on.
func (w *World) provided() []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(w.Composed)), maps.Keys(w.leaving))
	slices.Sort(names)

	return slices.Compact(names)
}

func synced(o *structpb.Struct, ok bool) {
	if !ok {
		cluster.SetSynced(o, "False", xpv2.ReasonReconcileError, "the API server refuses it")
		return
	}

	cluster.SetSynced(o, "True", xpv2.ReasonReconcileSuccess, "")
}

// appliedTo reports whether a live object is what was asked for.
func appliedTo(asked, live *structpb.Struct) bool {
	return live != nil && contains(structpb.NewStructValue(live), structpb.NewStructValue(asked)) &&
		contains(protostruct.Get(asked, "spec", "template"), protostruct.Get(live, "spec", "template"))
}

// contains reports whether b is a part of a.
func contains(a, b *structpb.Value) bool {
	if b.GetStructValue() == nil {
		return proto.Equal(a, b)
	}

	for k, v := range b.GetStructValue().GetFields() {
		if !contains(a.GetStructValue().GetFields()[k], v) {
			return false
		}
	}

	return true
}
