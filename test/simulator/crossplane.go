package simulator

import (
	"maps"
	"slices"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
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
		Meta:     &fnv1.RequestMeta{Tag: "tag"},
		Input:    w.Input,
		Observed: &fnv1.State{Composite: &fnv1.Resource{Resource: w.XR}, Resources: map[string]*fnv1.Resource{}},
	}

	for name, o := range w.Composed {
		req.Observed.Resources[name] = &fnv1.Resource{Resource: o}
	}

	for name, sel := range required {
		if req.RequiredResources == nil {
			req.RequiredResources = map[string]*fnv1.Resources{}
		}

		rs := &fnv1.Resources{}
		if s, ok := w.Secrets[sel.GetMatchName()]; ok && sel.GetKind() == "Secret" && sel.GetNamespace() == "storage" {
			rs.Items = append(rs.Items, &fnv1.Resource{Resource: s})
		}

		for _, live := range w.Live {
			if isNamed(sel, live) {
				rs.Items = append(rs.Items, &fnv1.Resource{Resource: live})
			}
		}

		if sel.GetKind() == "Object" {
			for _, objects := range []map[string]*structpb.Struct{w.Composed, w.leaving} {
				for _, name := range slices.Sorted(maps.Keys(objects)) {
					if hasLabels(objects[name], sel.GetMatchLabels().GetLabels()) {
						rs.Items = append(rs.Items, &fnv1.Resource{Resource: objects[name]})
					}
				}
			}
		}

		req.RequiredResources[name] = rs
	}

	return req
}

// isNamed reports whether a resource is the one that is required by its name.
func isNamed(sel *fnv1.ResourceSelector, r *structpb.Struct) bool {
	text := func(path ...string) string { return protostruct.Get(r, path...).GetStringValue() }

	return sel.GetMatchName() != "" && sel.GetApiVersion() == text("apiVersion") && sel.GetKind() == text("kind") &&
		sel.GetNamespace() == text("metadata", "namespace") && sel.GetMatchName() == text("metadata", "name")
}

func hasLabels(o *structpb.Struct, labels map[string]string) bool {
	for k, v := range labels {
		if protostruct.Get(o, "metadata", "labels", k).GetStringValue() != v {
			return false
		}
	}

	return len(labels) > 0
}

// Call the function until its requirements are stable, and check every response.
func (w *World) Call() *fnv1.RunFunctionResponse {
	var required map[string]*fnv1.ResourceSelector

	for range 6 {
		req := w.Request(required)

		rsp, err := w.Function.Serve(w.T.Context(), req)
		if err != nil {
			w.failf("%v", err)
		}

		w.calls++
		w.check(req, rsp)

		next := rsp.GetRequirements().GetResources()
		if cmp.Equal(required, next, protocmp.Transform()) {
			return rsp
		}

		required = next
	}

	w.failf("the requirements are never stable")

	return nil
}

// Stable returns the response once the requirements are stable, and checks nothing.
func (w *World) Stable(t *testing.T) *fnv1.RunFunctionResponse {
	t.Helper()

	rsp := &fnv1.RunFunctionResponse{}

	for range 3 {
		var err error
		if rsp, err = w.Function.RunFunction(t.Context(), w.Request(rsp.GetRequirements().GetResources())); err != nil {
			t.Fatal(err)
		}
	}

	return rsp
}

// LastRequest returns the last request of a reconcile.
func (w *World) LastRequest() *fnv1.RunFunctionRequest {
	var required map[string]*fnv1.ResourceSelector

	for {
		req := w.Request(required)

		rsp, err := w.Function.RunFunction(w.T.Context(), proto.CloneOf(req))
		if err != nil {
			w.failf("RunFunction(...): %v", err)
		}

		if cmp.Equal(required, rsp.GetRequirements().GetResources(), protocmp.Transform()) {
			return req
		}

		required = rsp.GetRequirements().GetResources()
	}
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

		// The API server's default.
		if protostruct.Get(desired, "spec", "managementPolicies") == nil {
			protostruct.Set(desired, structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewStringValue("*")}}), "spec", "managementPolicies")
		}

		w.checkPolicy(name, w.Composed[name], desired)

		o, ok := w.Composed[name]
		if !ok {
			// The successor has the same name, and so applies to an Object that is being
			// deleted. Of Services and the ConfigMap nothing is immutable that differs.
			if leaving := w.leaving[name]; leaving != nil && name == "statefulset" {
				w.failf("%s is composed while its predecessor is being deleted", name)
			} else if leaving != nil {
				protostruct.Set(leaving, protostruct.Get(desired, "spec"), "spec")
			}

			o = desired
			protostruct.Set(o, structpb.NewStringValue("files-"+name), "metadata", "name")
			w.Composed[name] = o
		}

		// A changed spec is a new generation.
		if !ok || !proto.Equal(protostruct.Get(o, "spec"), protostruct.Get(desired, "spec")) {
			protostruct.Set(o, structpb.NewNumberValue(protostruct.Get(o, "metadata", "generation").GetNumberValue()+1), "metadata", "generation")
		}

		protostruct.Set(o, protostruct.Get(desired, "spec"), "spec")
		if labels := protostruct.Get(desired, "metadata", "labels"); labels != nil {
			protostruct.Set(o, labels, "metadata", "labels")
		}
	}

	// The status is written once everything is applied.
	if len(names) == len(rsp.GetDesired().GetResources()) {
		if s := protostruct.Get(rsp.GetDesired().GetComposite().GetResource(), "status"); s != nil {
			protostruct.Set(w.XR, proto.CloneOf(s), "status")
		}
		w.setConditions(rsp)
		w.matchedIfRolledOut(rsp)
		w.checkIdempotent(rsp)
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

	live := w.Live[name]
	next := w.serverSideApply(desired, live)

	if name == "statefulset" {
		if w.Refused && !proto.Equal(protostruct.Get(next, "spec"), protostruct.Get(live, "spec")) {
			w.didf("apply %s: refused", name)
			w.failure = "cannot apply composed resource \"statefulset\": the API server refuses it"

			return
		}

		w.checkImmutable(next, live)
		w.checkStart(next, live)
	}

	w.write(name, next)
	w.Composed[name] = next
}

// serverSideApply is the API server's own. It returns what becomes of a live object, or of none, when Crossplane
// applies what is desired.
func (w *World) serverSideApply(desired, live *structpb.Struct) *structpb.Struct {
	applied := proto.CloneOf(desired)

	// As Crossplane does.
	protostruct.Set(applied, structpb.NewStringValue("files"), "metadata", "labels", "crossplane.io/composite")
	protostruct.Set(applied, structpb.NewStringValue("any"), "metadata", "annotations", "crossplane.io/composition-resource-name")
	protostruct.Set(applied, structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewStructValue(protostructtest.FromMap(w.T, map[string]any{
		"apiVersion": "dittofs.io/v1alpha1", "kind": "DittoServer", "name": "files", "uid": "own", "controller": true, "blockOwnerDeletion": true,
	}))}}), "metadata", "ownerReferences")

	next, err := cluster.Apply(crossplaneManager, applied, live)
	if err != nil {
		w.failf("%v", err)
	}

	return next
}

func (w *World) setConditions(rsp *fnv1.RunFunctionResponse) {
	var list []*structpb.Value

	for _, c := range rsp.GetConditions() {
		status := map[fnv1.Status]string{
			fnv1.Status_STATUS_CONDITION_TRUE:    "True",
			fnv1.Status_STATUS_CONDITION_FALSE:   "False",
			fnv1.Status_STATUS_CONDITION_UNKNOWN: "Unknown",
		}[c.GetStatus()]
		list = append(list, structpb.NewStructValue(protostructtest.FromMap(w.T, map[string]any{
			"type": c.GetType(), "status": status, "reason": c.GetReason(), "message": c.GetMessage(),
		})))
	}

	if w.failure != "" {
		list = append(list, structpb.NewStructValue(protostructtest.FromMap(w.T, map[string]any{
			"type": "Synced", "status": "False", "reason": "ReconcileError", "message": w.failure,
		})))
	}

	protostruct.Set(w.XR, structpb.NewListValue(&structpb.ListValue{Values: list}), "status", "conditions")
}

// matchedIfRolledOut notes that the pod template is what the user asks for.
func (w *World) matchedIfRolledOut(rsp *fnv1.RunFunctionResponse) {
	for _, c := range rsp.GetConditions() {
		if c.GetType() == "ConfigRolledOut" && c.GetStatus() == fnv1.Status_STATUS_CONDITION_TRUE && w.failure == "" {
			w.matched, w.meddled = w.changes, false
		}
	}
}
