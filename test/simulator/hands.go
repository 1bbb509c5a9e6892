package simulator

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/test/cluster"
)

// editedByHand is the config.yaml that a person writes into a ConfigMap.
const editedByHand = "edited: by hand"

// deleteByHand deletes something: what is live, its Object, or both.
func (w *World) deleteByHand() {
	names := append(slices.Collect(maps.Keys(w.Live)), slices.Collect(maps.Keys(w.Composed))...)
	if len(names) == 0 {
		return
	}

	slices.Sort(names)
	names = slices.Compact(names)
	name := names[w.rand.IntN(len(names))]

	// Half of them, since most guards are about it.
	if w.rand.IntN(2) == 0 {
		name = "statefulset"
	}

	if w.foreign[name] {
		return
	}

	if isClaim(name) {
		w.DeleteObject(name)
		return
	}

	switch w.rand.IntN(4) {
	case 0:
		w.DeleteLive(name)
	case 1:
		w.DeleteObject(name)
	case 2:
		w.DeleteObject(name)
		w.DeleteLive(name)
	default:
		w.DeleteLive(name)
		w.remake(name)
	}
}

// DeleteLive deletes what is live, as kubectl delete does.
func (w *World) DeleteLive(name string) {
	live := w.Live[name]
	if live == nil || w.foreign[name] {
		return
	}

	// Natively it goes once its pods are gone.
	if w.Flavour.Native && w.Composed[name] != nil && w.rand.IntN(2) == 0 {
		w.didf("a person deletes %s in the foreground", name)
		protostruct.Set(live, structpb.NewStringValue("2026-01-01T00:00:00Z"), "metadata", "deletionTimestamp")

		return
	}

	w.didf("a person deletes %s", name)
	delete(w.Live, name)

	// Natively that is what notes the sizes of claims, too.
	w.sizesLost = w.sizesLost || name == "configmap"

	if w.Flavour.Native {
		delete(w.Composed, name)
		delete(w.leaving, name)
	}

	w.forget()
}

// DeleteObject deletes the Object of something, as kubectl delete --wait=false does: the
// provider deletes what it stands for.
func (w *World) DeleteObject(name string) {
	o := w.Composed[name]
	if o == nil || w.Flavour.Native {
		return
	}

	w.didf("a person deletes the Object of %s", name)
	w.sizesLost = w.sizesLost || name == "configmap"
	protostruct.Set(o, structpb.NewStringValue("2026-01-01T00:00:00Z"), "metadata", "deletionTimestamp")

	// Nothing keeps one that the provider never worked on.
	if cluster.IsPaused(o) {
		delete(w.Composed, name)
	}
}

// remake lets somebody else take a name that was just deleted by hand. Where the provider may
// write to it already, they lose it again: a known limit.
func (w *World) remake(name string) {
	text, ok := Foreign[name]
	if !ok || w.Live[name] != nil || w.leaving[name] != nil {
		return
	}

	if o := w.Composed[name]; o != nil && (w.Flavour.Native || cluster.MayWrite(o)) {
		if name == "statefulset" {
			return
		}

		w.didf("somebody makes %s anew, which the provider may write to", name)
		w.Live[name] = protostructtest.FromYAML(w.T, text)

		return
	}

	w.Occupy(name)
}

// edit a live object by hand.
func (w *World) edit() {
	names := slices.Sorted(maps.Keys(w.Live))
	if len(names) == 0 {
		return
	}

	name := names[w.rand.IntN(len(names))]
	if w.foreign[name] || w.leaving[name] != nil {
		return
	}

	w.didf("a person edits %s", name)

	switch protostruct.Get(w.Live[name], "kind").GetStringValue() {
	case "StatefulSet":
		w.UpdateStatefulSet(func(u *unstructured.Unstructured) { w.set(u, int64(w.rand.IntN(2)), "spec", "replicas") })
	case "ConfigMap":
		w.editLive(name, func(u *unstructured.Unstructured) { w.set(u, editedByHand, "data", "config.yaml") })
	default:
		w.editLive(name, func(u *unstructured.Unstructured) { w.set(u, "example", "spec", "selector", "example.org/by-hand") })
	}
}

// isByHand reports whether a person edited a ConfigMap, or somebody else made it.
func isByHand(cm *structpb.Struct) bool {
	return configOf(cm) == editedByHand || protostruct.Get(cm, "metadata", "labels", "app").GetStringValue() == "other"
}
