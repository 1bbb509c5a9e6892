package simulator

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

// Provide is what provider-kubernetes does with one Object: observe the Kubernetes
// object, and apply what differs. It may die before it can tell.
func (w *World) Provide(name string, dies ...bool) {
	if o := w.leaving[name]; o != nil {
		w.didf("%s: deleted", name)
		delete(w.leaving, name)

		if w.Flavour.Native || mayWrite(o) {
			w.remove(name)
		}

		return
	}

	o, ok := w.Composed[name]
	if !ok || w.Flavour.Native {
		return
	}

	if isPaused(o) {
		w.didf("provide %s: paused", name)
		w.setSynced(o, "False", "ReconcilePaused", "")

		return
	}

	asked := asked(o)
	live := w.Live[name]

	if live != nil && !mayWrite(o) {
		w.didf("provide %s: skip the update", name)
		w.synced(o, true)
		protostruct.Set(o, structpb.NewStructValue(proto.CloneOf(live)), "status", "atProvider", "manifest")

		return
	}

	if name == "statefulset" && w.Refused && !appliedTo(asked, live) {
		w.didf("provide %s: refused", name)
		w.synced(o, false)

		// What is there is observed all the same.
		if live != nil {
			protostruct.Set(o, structpb.NewStructValue(proto.CloneOf(live)), "status", "atProvider", "manifest")
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

	w.synced(o, true)

	// After a creation, the object is known at the next observation.
	if !created {
		protostruct.Set(o, structpb.NewStructValue(proto.CloneOf(live)), "status", "atProvider", "manifest")
	}
}

// provided are the names of the Objects that the provider works on.
func (w *World) provided() []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(w.Composed)), maps.Keys(w.leaving))
	slices.Sort(names)

	return slices.Compact(names)
}

func (w *World) synced(o *structpb.Struct, ok bool) {
	if !ok {
		w.setSynced(o, "False", "ReconcileError", "the API server refuses it")
		return
	}

	w.setSynced(o, "True", "ReconcileSuccess", "")
}

func (w *World) setSynced(o *structpb.Struct, status, reason, message string) {
	c := map[string]any{"type": "Synced", "status": status, "reason": reason}
	if message != "" {
		c["message"] = message
	}

	c["observedGeneration"] = protostruct.Get(o, "metadata", "generation").GetNumberValue()
	protostruct.Set(o, structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewStructValue(protostructtest.FromMap(w.T, c))}}), "status", "conditions")
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
