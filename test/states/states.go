// Package states records DittoServers in every state, as users and GitOps tools read them.
// test/gitops, a module of its own, judges the recordings.
package states

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"

	xpv2 "github.com/crossplane/crossplane/apis/v2/core/v2"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/golden"
	"github.com/dittofs/function-dittoserver/test/simulator"
)

// Golden compares them with golden files below a folder, and writes down DittoServers in each state, as users and GitOps tools
// read them.
func Golden(t *testing.T, fn simulator.Function, dir string, update bool) {
	t.Helper()

	// Each begins with a server that runs.
	states := map[string]func(w *simulator.World) *fnv1.RunFunctionResponse{
		"running": func(w *simulator.World) *fnv1.RunFunctionResponse { return w.Settle() },
		"stopped": func(w *simulator.World) *fnv1.RunFunctionResponse {
			w.Patch("0", "replicas")
			return w.Settle()
		},
		"rolling": func(w *simulator.World) *fnv1.RunFunctionResponse {
			w.Patch("DEBUG", "logging", "level")
			return w.Reconcile(10)
		},
		"crashed": func(w *simulator.World) *fnv1.RunFunctionResponse {
			protostruct.Set(w.Live["statefulset"], structpb.NewNumberValue(0), "status", "readyReplicas")
			w.Provide("statefulset")

			return w.Reconcile(10)
		},
		"held": func(w *simulator.World) *fnv1.RunFunctionResponse {
			w.Patch("0.28.0", "version")
			return w.Settle()
		},
		// An annotation makes no generation.
		"approved": func(w *simulator.World) *fnv1.RunFunctionResponse {
			w.Patch("0.28.0", "version")
			rsp := w.Settle()
			w.Annotate(v1alpha1.AnnotationApprove, w.Approval())

			return rsp
		},
		"approved-before": func(w *simulator.World) *fnv1.RunFunctionResponse {
			w.Patch("0.28.0", "version")
			w.Settle()
			// The end of the right value is none.
			value := w.Approval()
			w.Annotate(v1alpha1.AnnotationApprove, value[:len(value)-1])

			return w.Settle()
		},
		"frozen": func(w *simulator.World) *fnv1.RunFunctionResponse {
			w.Patch("{metadataSize: 1Ti, storageClassName: other}", "storage")
			return w.Settle()
		},
		"invalid": func(w *simulator.World) *fnv1.RunFunctionResponse {
			w.Patch("soon", "shutdownTimeout")
			return w.Reconcile(10)
		},
		"secret-missing": func(w *simulator.World) *fnv1.RunFunctionResponse {
			delete(w.Secrets, "jwt")
			return w.Settle()
		},
		"refused": func(w *simulator.World) *fnv1.RunFunctionResponse {
			w.Refused = true
			w.Patch("DEBUG", "logging", "level")

			return w.Settle()
		},
	}

	paused := func(o *structpb.Struct) {
		setCondition(t, o, map[string]any{"type": string(xpv2.TypeSynced), "status": "False", "reason": string(xpv2.ReasonReconcilePaused), "message": "Reconciliation is paused via the pause annotation"})
	}

	// Crossplane and users do this without calling the function.
	after := map[string]func(o *structpb.Struct){
		"paused": func(o *structpb.Struct) {
			protostruct.Set(o, structpb.NewStringValue("true"), "metadata", "annotations", "crossplane.io/paused")
			paused(o)
		},
		// An annotation makes no generation.
		"unpaused": func(o *structpb.Struct) {
			protostruct.Set(o, structpb.NewStringValue("false"), "metadata", "annotations", "crossplane.io/paused")
			paused(o)
		},
		// In the midst of a reconcile: the function's status is there, and the conditions are
		// those of before.
		"stale": func(o *structpb.Struct) {
			protostruct.Set(o, structpb.NewStringValue("Progressing"), "status", "phase")
		},
		"deleting": func(o *structpb.Struct) {
			protostruct.Set(o, structpb.NewStringValue("2026-01-01T00:00:00Z"), "metadata", "deletionTimestamp")
			setCondition(t, o, map[string]any{"type": string(xpv2.TypeReady), "status": "False", "reason": string(xpv2.ReasonDeleting)})
		},
		"unreachable": func(o *structpb.Struct) {
			for _, c := range protostruct.Get(o, "status", "conditions").GetListValue().GetValues() {
				if typ := protostruct.Get(c.GetStructValue(), "type").GetStringValue(); typ != string(xpv2.TypeSynced) && typ != string(xpv2.TypeReady) {
					maps.Copy(c.GetStructValue().GetFields(), protostructtest.FromMap(t, map[string]any{
						"status": "Unknown", "reason": "FatalError", "message": "A fatal error occurred before the status of this condition could be determined.",
					}).GetFields())
				}
			}

			// A claim does not get to know of it.
			if protostruct.Get(o, "spec", "resourceRef") == nil {
				setCondition(t, o, map[string]any{"type": string(xpv2.TypeSynced), "status": "False", "reason": string(xpv2.ReasonReconcileError), "message": `cannot compose resources: cannot run Composition pipeline step "dittoserver"`})
			}
		},
		"approved-refused": func(o *structpb.Struct) {
			protostruct.Set(o, structpb.NewStringValue("example"), "metadata", "annotations", v1alpha1.AnnotationApprove)
			setCondition(t, o, map[string]any{"type": report.ConfigRolledOut, "status": "False", "reason": string(guard.ApprovalRequired), "message": "until a person approves the change: annotate the DittoServer with dittofs.io/approve=example"})
			setCondition(t, o, map[string]any{"type": string(xpv2.TypeSynced), "status": "False", "reason": string(xpv2.ReasonReconcileError), "message": "cannot apply a composed resource"})
		},
		"edited": edited,
		// The edit came in the midst of a reconcile. Crossplane's conditions are of the
		// generation at its end.
		"overtaken": func(o *structpb.Struct) {
			edited(o)

			for _, c := range protostruct.Get(o, "status", "conditions").GetListValue().GetValues() {
				if protostruct.Get(c.GetStructValue(), "observedGeneration") != nil {
					protostruct.Set(c.GetStructValue(), protostruct.Get(o, "metadata", "generation"), "observedGeneration")
				}
			}
		},
	}

	for _, f := range simulator.Flavours[:2] {
		for name, state := range states {
			t.Run(f.Name+"/"+name, func(t *testing.T) {
				w := New(t, fn, f)
				w.Settle()
				compare(t, filepath.Join(dir, f.Name, name+".yaml"), read(w, state(w)), update)
			})
		}

		for name, change := range after {
			t.Run(f.Name+"/"+name, func(t *testing.T) {
				w := New(t, fn, f)
				o := read(w, w.Settle())
				change(o)
				compare(t, filepath.Join(dir, f.Name, name+".yaml"), o, update)
			})
		}

		t.Run(f.Name+"/created", func(t *testing.T) {
			compare(t, filepath.Join(dir, f.Name, "created.yaml"), object(New(t, fn, f)), update)
		})

		t.Run(f.Name+"/pending", func(t *testing.T) {
			w := New(t, fn, f)
			compare(t, filepath.Join(dir, f.Name, "pending.yaml"), read(w, w.Reconcile(10)), update)
		})
	}
}

// edited edits a DittoServer as a user does, after the last reconcile.
func edited(o *structpb.Struct) {
	protostruct.Set(o, structpb.NewStringValue("DEBUG"), "spec", "logging", "level")
	protostruct.Set(o, structpb.NewNumberValue(protostruct.Get(o, "metadata", "generation").GetNumberValue()+1), "metadata", "generation")
}

// New returns a world with a DittoServer as a flavour has it, and its Secrets.
func New(t *testing.T, fn simulator.Function, f simulator.Flavour) *simulator.World {
	t.Helper()

	w := simulator.NewServer(t, fn, f)
	spec := protostruct.Get(w.XR, "spec").GetStructValue()
	w.Create(f.XR)
	w.Edit(spec)

	return w
}

// compare compares a DittoServer with a golden file.
func compare(t *testing.T, file string, o *structpb.Struct, update bool) {
	t.Helper()

	got, err := yaml.Marshal(o.AsMap())
	if err != nil {
		t.Fatal(err)
	}

	golden.Compare(t, file, got, update)
}

// object is the DittoServer that users write and read: the composite resource, or its
// claim, which gets the same status. The claim's generation has nothing to do with that
// of the composite resource.
func object(w *simulator.World) *structpb.Struct {
	xr := proto.CloneOf(w.XR)
	if protostruct.Get(xr, "kind").GetStringValue() == "DittoServer" {
		return xr
	}

	claim := protostructtest.FromYAML(w.T, "{apiVersion: dittofs.io/v1alpha1, kind: DittoServer, metadata: {name: files, namespace: storage, generation: 7}}")
	maps.Copy(claim.GetFields(), map[string]*structpb.Value{"spec": protostruct.Get(xr, "spec")})
	protostruct.Set(claim, protostruct.Get(xr, "metadata", "name"), "spec", "resourceRef", "name")
	delete(protostruct.Get(claim, "spec").GetStructValue().GetFields(), "claimRef")

	// Crossplane copies a claim's annotations to its composite resource, and the status back.
	if annotations := protostruct.Get(xr, "metadata", "annotations"); annotations != nil {
		protostruct.Set(claim, annotations, "metadata", "annotations")
	}

	if status := protostruct.Get(xr, "status"); status != nil {
		protostruct.Set(claim, status, "status")
	}

	return claim
}

// read returns the DittoServer after a reconcile, with the conditions that Crossplane
// adds to the function's. A claim knows of a fatal result only from the function's.
// https://github.com/crossplane/crossplane/tree/v2.4.0/internal/controller/apiextensions
func read(w *simulator.World, rsp *fnv1.RunFunctionResponse) *structpb.Struct {
	o := object(w)
	claimed := w.Flavour.Name == "claimed"
	synced := map[string]any{"type": string(xpv2.TypeSynced), "status": "True", "reason": string(xpv2.ReasonReconcileSuccess)}
	available := map[string]any{"type": string(xpv2.TypeReady), "status": "True", "reason": string(xpv2.ReasonAvailable)}
	_, composed := rsp.GetDesired().GetResources()["statefulset"]

	switch {
	case report.IsFatal(rsp) && !claimed:
		// Ready stays as it was.
		synced = map[string]any{
			"type": string(xpv2.TypeSynced), "status": "False", "reason": string(xpv2.ReasonReconcileError),
			"message": "cannot compose resources: pipeline step \"dittoserver\" returned a fatal result: " + rsp.GetResults()[len(rsp.GetResults())-1].GetMessage(),
		}
	case !report.IsFatal(rsp) && (!composed || len(simulator.NotReady(rsp)) > 0):
		available = map[string]any{"type": string(xpv2.TypeReady), "status": "False", "reason": map[bool]string{false: "Creating", true: "Waiting"}[claimed]}
	}

	setCondition(w.T, o, synced)
	setCondition(w.T, o, available)

	return o
}

// setCondition sets a condition of a DittoServer, with its generation.
func setCondition(tb testing.TB, o *structpb.Struct, condition map[string]any) {
	tb.Helper()

	condition["observedGeneration"] = protostruct.Get(o, "metadata", "generation").GetNumberValue()
	conditions := slices.DeleteFunc(protostruct.Get(o, "status", "conditions").GetListValue().GetValues(), func(c *structpb.Value) bool {
		return protostruct.Get(c.GetStructValue(), "type").GetStringValue() == condition["type"]
	})
	conditions = append(conditions, structpb.NewStructValue(protostructtest.FromMap(tb, condition)))
	protostruct.Set(o, structpb.NewListValue(&structpb.ListValue{Values: conditions}), "status", "conditions")
}
