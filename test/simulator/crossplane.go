package simulator

import (
	"context"
	"fmt"
	"maps"
	"slices"

	xpv2 "github.com/crossplane/crossplane/apis/v2/core/v2"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/cluster"
)

// Field managers of live objects.
const (
	crossplaneManager = "apiextensions.crossplane.io/composed/5f2c0d9e"
	personsManager    = "kubectl-edit"
)

// Request is what Crossplane sends, with the Secrets that were required before.
func (w *World) Request(required map[string]*fnv1.ResourceSelector) *fnv1.RunFunctionRequest {
	req := &fnv1.RunFunctionRequest{
		Meta:     cluster.Meta("tag"),
		Input:    w.Input,
		Observed: &fnv1.State{Composite: &fnv1.Resource{Resource: w.XR}, Resources: map[string]*fnv1.Resource{}},
	}

	for name, o := range w.Composed {
		req.Observed.Resources[name] = &fnv1.Resource{Resource: o}
	}

	req.RequiredResources = cluster.Required(required, w.there())

	return req
}

// there is all that the function may require: Secrets, live objects and Objects, also those
// that are being deleted.
func (w *World) there() []*structpb.Struct {
	there := slices.Concat(sorted(w.Secrets), sorted(w.Live), w.Kinds)
	for _, claim := range sorted(w.Claims) {
		there = append(there, versioned(claim))
	}

	for _, o := range append(sorted(w.Composed), sorted(w.leaving)...) {
		// Native composed resources are live.
		if cluster.IsObject(o) {
			there = append(there, o)
		}
	}

	return there
}

// sorted returns what a map has, in the order of its keys.
func sorted(m map[string]*structpb.Struct) []*structpb.Struct {
	s := make([]*structpb.Struct, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		s = append(s, m[name])
	}

	return s
}

// context of a call. The T that a fuzz target makes for itself has none.
func (w *World) context() context.Context {
	if ctx := w.T.Context(); ctx != nil {
		return ctx
	}

	return context.Background()
}

// Call the function until its requirements are stable, and check every response.
func (w *World) Call() *fnv1.RunFunctionResponse {
	_, rsp, err := cluster.Call(w.Request, func(req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) {
		rsp, err := w.Function.Serve(w.context(), req)
		if err == nil {
			w.calls++
			w.check(req, rsp)
		}

		return rsp, err
	})
	if err != nil {
		w.failf("%v", err)
	}

	return rsp
}

// Last returns the last request of a reconcile and its response, and checks nothing.
func (w *World) Last() (*fnv1.RunFunctionRequest, *fnv1.RunFunctionResponse) {
	req, rsp, err := cluster.Call(w.Request, func(req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) {
		return w.Function.RunFunction(w.context(), proto.CloneOf(req))
	})
	if err != nil {
		w.failf("%v", err)
	}

	return req, rsp
}

// Reconcile is what Crossplane does. Of what it should apply it applies the first
// n, in random order, and then fails.
func (w *World) Reconcile(n int) *fnv1.RunFunctionResponse {
	w.failure = ""
	rsp := w.Call()

	if report.IsFatal(rsp) {
		w.didf("reconcile: %s", rsp.GetResults()[len(rsp.GetResults())-1].GetMessage())
		w.setConditions(rsp)

		return rsp
	}

	// Garbage collection comes first.
	for name := range w.Composed {
		if _, ok := rsp.GetDesired().GetResources()[name]; !ok {
			w.didf("delete %s", name)
			protostruct.Set(w.Composed[name], structpb.NewStringValue("2026-01-01T00:00:00Z"), "metadata", "deletionTimestamp")
			w.leaving[name] = w.Composed[name]
			delete(w.Composed, name)
		}
	}

	starts := w.Composed["statefulset"] == nil || cluster.IsPaused(w.Composed["statefulset"])
	names := slices.Sorted(maps.Keys(rsp.GetDesired().GetResources()))
	w.rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })

	if n < len(names) {
		names = names[:n]
	}

	w.didf("reconcile: apply %v: %s", names, conditionsOf(rsp))

	for _, name := range names {
		desired := proto.CloneOf(rsp.GetDesired().GetResources()[name].GetResource())

		if w.Flavour.Native {
			w.applyNative(name, desired)
			continue
		}

		before := w.Composed[name]

		// The successor has the same name, and so applies to an Object that is being deleted. Of
		// Services and the ConfigMap nothing is immutable that differs.
		if leaving := w.leaving[name]; before == nil && leaving != nil && name == "statefulset" {
			w.failf("%s is composed while its predecessor is being deleted", name)
		} else if before == nil && leaving != nil {
			w.leaving[name] = cluster.ApplyObject(w.XR, name, desired, leaving)
		}

		w.Composed[name] = cluster.ApplyObject(w.XR, name, desired, before)
		w.checkPolicy(name, before, w.Composed[name])
	}

	// The status is written once everything is applied.
	if len(names) == len(rsp.GetDesired().GetResources()) {
		if s := protostruct.Get(rsp.GetDesired().GetComposite().GetResource(), "status"); s != nil {
			protostruct.Set(w.XR, proto.CloneOf(s), "status")
		}
		w.setConditions(rsp)
		w.matchedIfRolledOut(rsp)
		w.noteRest(rsp)
		w.checkIdempotent(rsp, starts && w.reads() && len(w.Claims) > 0)
	}

	return rsp
}

// applyNative is what Crossplane does with a desired resource that it composes itself.
func (w *World) applyNative(name string, desired *structpb.Struct) {
	if w.leaving[name] != nil {
		if name == "statefulset" {
			w.failf("%s is composed while its predecessor is being deleted", name)
		}

		w.Provide(name)
	}

	f := w.fault
	w.fault = fine

	next, refusal := w.applied(name, desired, w.Live[name])

	switch {
	case refusal != "":
		w.notApplied(name, refusal)
		return
	case f == Unsent || f == Conflict || f == Unread:
		w.notApplied(name, w.words(f))
		return
	case f == Lost:
		w.notApplied(name, w.words(f))
	}

	w.write(name, next)
	w.Composed[name] = next
}

// notApplied notes what Crossplane could not apply, or does not know of.
func (w *World) notApplied(name, why string) {
	w.didf("apply %s: %s", name, why)
	w.failure = fmt.Sprintf("cannot compose resources: cannot apply composed resource %q: %s", name, why)
}

// applied is what becomes of a live object, or of none, when Crossplane applies what is desired,
// and what the API server says if it refuses that.
func (w *World) applied(name string, desired, live *structpb.Struct) (*structpb.Struct, string) {
	desired = proto.CloneOf(desired)

	// As Crossplane does.
	protostruct.Set(desired, structpb.NewStringValue("files"), "metadata", "labels", "crossplane.io/composite")
	protostruct.Set(desired, structpb.NewStringValue("any"), "metadata", "annotations", "crossplane.io/composition-resource-name")
	protostruct.Set(desired, structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewStructValue(protostructtest.FromMap(w.T, map[string]any{
		"apiVersion": "dittofs.io/v1alpha1", "kind": "DittoServer", "name": "files", "uid": "own", "controller": true, "blockOwnerDeletion": true,
	}))}}), "metadata", "ownerReferences")

	return w.apply(name, crossplaneManager, desired, live)
}

func (w *World) setConditions(rsp *fnv1.RunFunctionResponse) {
	var failed []*structpb.Value
	if w.failure != "" {
		failed = append(failed, cluster.Condition(string(xpv2.TypeSynced), "False", string(xpv2.ReasonReconcileError), w.failure))
	}

	cluster.SetConditions(w.XR, rsp, failed...)
}

// matchedIfRolledOut notes that the pod template is what the user asks for.
func (w *World) matchedIfRolledOut(rsp *fnv1.RunFunctionResponse) {
	for _, c := range rsp.GetConditions() {
		if c.GetType() == report.ConfigRolledOut && c.GetStatus() == fnv1.Status_STATUS_CONDITION_TRUE && w.failure == "" {
			w.matched, w.meddled = w.changes, false
		}
	}
}
