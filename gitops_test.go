package main

import (
	"flag"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/golden"
)

var update = flag.Bool("update", false, "write the golden files anew")

// gitopsStates is where test/gitops finds DittoServers to judge.
const gitopsStates = "test/gitops/testdata"

// TestGoldenStates writes down DittoServers in each state, as users and GitOps tools
// read them.
func TestGoldenStates(t *testing.T) {
	// Each begins with a server that runs.
	states := map[string]func(w *world) *fnv1.RunFunctionResponse{
		"running": func(w *world) *fnv1.RunFunctionResponse { return w.settle() },
		"stopped": func(w *world) *fnv1.RunFunctionResponse {
			w.patch("0", "replicas")
			return w.settle()
		},
		"rolling": func(w *world) *fnv1.RunFunctionResponse {
			w.patch("DEBUG", "logging", "level")
			return w.reconcile(10)
		},
		"crashed": func(w *world) *fnv1.RunFunctionResponse {
			protostruct.Set(w.live["statefulset"], structpb.NewNumberValue(0), "status", "readyReplicas")
			w.provide("statefulset")

			return w.reconcile(10)
		},
		"held": func(w *world) *fnv1.RunFunctionResponse {
			w.patch("0.28.0", "version")
			return w.settle()
		},
		// An annotation makes no generation.
		"approved": func(w *world) *fnv1.RunFunctionResponse {
			w.patch("0.28.0", "version")
			rsp := w.settle()
			w.annotate("dittofs.io/approve", approval(messageOf(w.xr, "ConfigRolledOut")))

			return rsp
		},
		"approved-before": func(w *world) *fnv1.RunFunctionResponse {
			w.patch("0.28.0", "version")
			w.settle()
			// The end of the right value is none.
			value := approval(messageOf(w.xr, "ConfigRolledOut"))
			w.annotate("dittofs.io/approve", value[:len(value)-1])

			return w.settle()
		},
		"frozen": func(w *world) *fnv1.RunFunctionResponse {
			w.patch("1Ti", "storage", "metadataSize")
			return w.settle()
		},
		"invalid": func(w *world) *fnv1.RunFunctionResponse {
			w.patch("soon", "shutdownTimeout")
			return w.reconcile(10)
		},
		"secret-missing": func(w *world) *fnv1.RunFunctionResponse {
			delete(w.secrets, "jwt")
			return w.settle()
		},
		"refused": func(w *world) *fnv1.RunFunctionResponse {
			w.refused = true
			w.patch("DEBUG", "logging", "level")

			return w.settle()
		},
	}

	paused := func(o *structpb.Struct) {
		setCondition(t, o, map[string]any{"type": "Synced", "status": "False", "reason": "ReconcilePaused", "message": "Reconciliation is paused via the pause annotation"})
	}

	// What Crossplane and users do without calling the function.
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
			setCondition(t, o, map[string]any{"type": "Ready", "status": "False", "reason": "Deleting"})
		},
		"unreachable": func(o *structpb.Struct) {
			for _, c := range protostruct.Get(o, "status", "conditions").GetListValue().GetValues() {
				if typ := protostruct.Get(c.GetStructValue(), "type").GetStringValue(); typ != "Synced" && typ != "Ready" {
					maps.Copy(c.GetStructValue().GetFields(), mustStruct(t, map[string]any{
						"status": "Unknown", "reason": "FatalError", "message": "A fatal error occurred before the status of this condition could be determined.",
					}).GetFields())
				}
			}

			// A claim does not get to know of it.
			if protostruct.Get(o, "spec", "resourceRef") == nil {
				setCondition(t, o, map[string]any{"type": "Synced", "status": "False", "reason": "ReconcileError", "message": `cannot compose resources: cannot run Composition pipeline step "dittoserver"`})
			}
		},
		"approved-refused": func(o *structpb.Struct) {
			protostruct.Set(o, structpb.NewStringValue("example"), "metadata", "annotations", "dittofs.io/approve")
			setCondition(t, o, map[string]any{"type": "ConfigRolledOut", "status": "False", "reason": "ApprovalRequired", "message": "until a person approves the change: annotate the DittoServer with dittofs.io/approve=example"})
			setCondition(t, o, map[string]any{"type": "Synced", "status": "False", "reason": "ReconcileError", "message": "cannot apply a composed resource"})
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

	for _, f := range flavours[:2] {
		for name, state := range states {
			t.Run(f.name+"/"+name, func(t *testing.T) {
				w := newStored(t, f)
				w.settle()
				goldenState(t, f, name, w.read(state(w)))
			})
		}

		for name, change := range after {
			t.Run(f.name+"/"+name, func(t *testing.T) {
				w := newStored(t, f)
				o := w.read(w.settle())
				change(o)
				goldenState(t, f, name, o)
			})
		}

		t.Run(f.name+"/created", func(t *testing.T) {
			goldenState(t, f, "created", newStored(t, f).object())
		})

		t.Run(f.name+"/pending", func(t *testing.T) {
			w := newStored(t, f)
			goldenState(t, f, "pending", w.read(w.reconcile(10)))
		})
	}
}

// edited by a user, and not seen by anybody yet.
func edited(o *structpb.Struct) {
	protostruct.Set(o, structpb.NewStringValue("DEBUG"), "spec", "logging", "level")
	protostruct.Set(o, structpb.NewNumberValue(protostruct.Get(o, "metadata", "generation").GetNumberValue()+1), "metadata", "generation")
}

// newStored returns a world with a DittoServer as a flavour has it, and its Secrets.
func newStored(t *testing.T, f flavour) *world {
	t.Helper()

	w := newServerOf(t, f)
	spec := protostruct.Get(w.xr, "spec").GetStructValue()
	w.create(f.xr)
	w.edit(spec)

	return w
}

// goldenState compares a DittoServer with a golden file.
func goldenState(t *testing.T, f flavour, name string, o *structpb.Struct) {
	t.Helper()

	got, err := yaml.Marshal(o.AsMap())
	if err != nil {
		t.Fatal(err)
	}

	golden.Compare(t, filepath.Join(gitopsStates, f.name, name+".yaml"), got, *update)
}

// object is the DittoServer that users write and read: the composite resource, or its
// claim, which gets the same status. The claim's generation has nothing to do with that
// of the composite resource.
func (w *world) object() *structpb.Struct {
	xr := proto.CloneOf(w.xr)
	if protostruct.Get(xr, "kind").GetStringValue() == "DittoServer" {
		return xr
	}

	claim := protostructtest.FromYAML(w.t, "{apiVersion: dittofs.io/v1alpha1, kind: DittoServer, metadata: {name: files, namespace: storage, generation: 7}}")
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

// read the DittoServer after a reconcile, with the conditions that Crossplane adds to
// the function's. A claim knows of a fatal result only from the function's.
// https://github.com/crossplane/crossplane/tree/v2.4.0/internal/controller/apiextensions
func (w *world) read(rsp *fnv1.RunFunctionResponse) *structpb.Struct {
	o := w.object()
	claimed := w.flavour.name == "claimed"
	synced := map[string]any{"type": "Synced", "status": "True", "reason": "ReconcileSuccess"}
	available := map[string]any{"type": "Ready", "status": "True", "reason": "Available"}
	_, composed := rsp.GetDesired().GetResources()["statefulset"]

	switch {
	case report.IsFatal(rsp) && !claimed:
		// Ready stays as it was.
		synced = map[string]any{
			"type": "Synced", "status": "False", "reason": "ReconcileError",
			"message": "cannot compose resources: pipeline step \"dittoserver\" returned a fatal result: " + rsp.GetResults()[len(rsp.GetResults())-1].GetMessage(),
		}
	case !report.IsFatal(rsp) && (!composed || slices.Contains(slices.Collect(maps.Values(ready(rsp))), false)):
		available = map[string]any{"type": "Ready", "status": "False", "reason": map[bool]string{false: "Creating", true: "Waiting"}[claimed]}
	}

	setCondition(w.t, o, synced)
	setCondition(w.t, o, available)

	return o
}

// setCondition of a DittoServer, as of its generation.
func setCondition(tb testing.TB, o *structpb.Struct, condition map[string]any) {
	tb.Helper()

	condition["observedGeneration"] = protostruct.Get(o, "metadata", "generation").GetNumberValue()
	conditions := slices.DeleteFunc(protostruct.Get(o, "status", "conditions").GetListValue().GetValues(), func(c *structpb.Value) bool {
		return protostruct.Get(c.GetStructValue(), "type").GetStringValue() == condition["type"]
	})
	conditions = append(conditions, structpb.NewStructValue(mustStruct(tb, condition)))
	protostruct.Set(o, structpb.NewListValue(&structpb.ListValue{Values: conditions}), "status", "conditions")
}
