package guards

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/cluster"
	"github.com/dittofs/function-dittoserver/test/simulator"
)

// tighterPolicy checks that a server which breaks a policy that came later runs on, and that no
// change goes through until the spec fits it.
func tighterPolicy(t *testing.T, fn simulator.Function) {
	t.Helper()

	for _, f := range simulator.Flavours {
		t.Run(f.Name, func(t *testing.T) {
			w := simulator.NewServer(t, fn, f)
			w.Create(f.XR)
			w.Edit(protostructtest.FromYAML(t, smallSpec))
			w.Settle()

			ran := templateOf(w)

			tighten(w, "{services: {types: [ClusterIP]}}")
			w.SetSecret("jwt", map[string]string{"jwt-secret": strings.Repeat("n", 32)})

			if got := cluster.ReasonOf(w.Settle(), report.SpecValid); got != report.ReasonInvalid {
				t.Errorf("f.RunFunction(...): want %s, got %s", report.ReasonInvalid, got)
			}

			for _, n := range []manifest.Name{manifest.ConfigMap, manifest.StatefulSet, manifest.ServiceHeadless, manifest.ServiceFile, manifest.ServiceAPI} {
				if w.Live[string(n)] == nil {
					t.Errorf("f.RunFunction(...): %s is gone", n)
				}
			}

			if !proto.Equal(ran, templateOf(w)) {
				t.Error("f.RunFunction(...): a change goes through that the policy refuses")
			}

			w.Patch("ClusterIP", "service", "type")

			if got := cluster.ReasonOf(w.Settle(), report.SpecValid); got != report.ReasonValid {
				t.Errorf("f.RunFunction(...): want %s, got %s", report.ReasonValid, got)
			}

			if proto.Equal(ran, templateOf(w)) {
				t.Error("f.RunFunction(...): the new Secret does not count once the spec fits")
			}
		})
	}
}

// tighten sets the policy of the function's input.
func tighten(w *simulator.World, policy string) {
	input := proto.CloneOf(w.Input)
	if input == nil {
		input = protostructtest.FromYAML(w.T, "{}")
	}

	input.Fields["policy"] = protostructtest.FromYAML(w.T, "policy: "+policy).GetFields()["policy"]
	w.Input = input
}

// heldPastPolicy checks that what a server keeps past a policy that came later gets a warning,
// and stays as it is. A stopped server does not start with it.
func heldPastPolicy(t *testing.T, fn simulator.Function) {
	t.Helper()

	cases := map[string]struct {
		reason string
		start  func(w *simulator.World)
		policy string
		change func(w *simulator.World)
	}{
		"Manual": {
			reason: "Every restart waits where the spec asks for it.",
			start: func(w *simulator.World) {
				w.Patch("Manual", "rollout")
				w.Patch("{sidecar.istio.io/inject: 'true'}", "podAnnotations")
			},
			policy: "{pods: {annotations: []}}",
			change: func(w *simulator.World) { w.Patch("", "podAnnotations") },
		},
		"SQLitePath": {
			reason: "Another database waits, and all that changes with it.",
			start:  func(w *simulator.World) { w.Patch("{disk: fast}", "nodeSelector") },
			policy: "{scheduling: {nodeLabels: [zone]}}",
			change: func(w *simulator.World) {
				w.Patch("{zone: a}", "nodeSelector")
				w.Patch("/data/metadata/other.db", "database", "sqlite", "path")
			},
		},
		"Config": {
			reason: "Keys of a config.yaml that is kept are in it only.",
			start: func(w *simulator.World) {
				w.Patch("Manual", "rollout")
				w.Patch("{gc: {auto_interval: 2h}}", "config")
			},
			policy: "{config: Forbid}",
			change: func(w *simulator.World) { w.Patch("", "config") },
		},
	}

	for name, tc := range cases {
		for _, f := range simulator.Flavours {
			t.Run(name+f.Name, func(t *testing.T) {
				w := simulator.NewServer(t, fn, f)
				w.Create(f.XR)
				w.Edit(protostructtest.FromYAML(t, smallSpec))
				tc.start(w)
				w.Settle()

				ran := templateOf(w)

				tighten(w, tc.policy)
				tc.change(w)
				checkPast(w, tc.reason+" Tightened", report.ReasonForbidden, 1)

				w.Patch("0", "replicas")
				checkPast(w, tc.reason+" Stopped", report.ReasonForbidden, 0)

				w.Patch("1", "replicas")
				checkPast(w, tc.reason+" Started", report.ReasonForbidden, 0)

				if !proto.Equal(ran, templateOf(w)) {
					t.Errorf("%s\nf.RunFunction(...): the pod template that is held moves", tc.reason)
				}

				w.Annotate(v1alpha1.AnnotationApprove, w.Approval())
				checkPast(w, tc.reason+" Approved", report.ReasonNone, 1)

				if proto.Equal(ran, templateOf(w)) {
					t.Errorf("%s\nf.RunFunction(...): the approved change never comes", tc.reason)
				}
			})
		}
	}
}

// refusedPastPolicy checks that a StatefulSet which the API server refused to create starts no pod on a template that
// the policy forbids by the time it is created.
func refusedPastPolicy(t *testing.T, fn simulator.Function) {
	t.Helper()

	for _, f := range simulator.Flavours {
		// Natively, Crossplane observes no StatefulSet that was refused.
		if f.Native {
			continue
		}

		t.Run(f.Name, func(t *testing.T) {
			w := simulator.NewServer(t, fn, f)
			w.Create(f.XR)
			w.Edit(protostructtest.FromYAML(t, smallSpec))
			w.Patch("Manual", "rollout")
			w.Patch("{sidecar.istio.io/inject: 'true'}", "podAnnotations")
			w.Switch("unpaid", true)
			w.Settle()

			tighten(w, "{pods: {annotations: []}}")
			w.Patch("", "podAnnotations")
			w.Settle()

			w.Switch("unpaid", false)
			checkPast(w, "Created", report.ReasonForbidden, 0)
		})
	}
}

// templateOf returns a copy of the live pod template.
func templateOf(w *simulator.World) *structpb.Value {
	return proto.CloneOf(protostruct.Get(w.Live[statefulSet], "spec", "template"))
}

// checkPast checks that a spec is valid once a world has settled, and what the warnings and the live replicas are then.
func checkPast(w *simulator.World, what, warnings string, replicas float64) {
	w.T.Helper()

	rsp := w.Settle()
	if got := cluster.ReasonOf(rsp, report.SpecValid); got != report.ReasonValid {
		w.T.Errorf("%s: want %s, got %s", what, report.ReasonValid, got)
	}

	if got := cluster.ReasonOf(rsp, report.Warnings); got != warnings {
		w.T.Errorf("%s: want the warnings %s, got %s", what, warnings, simulator.Condition(rsp, report.Warnings))
	}

	if got := protostruct.Get(w.Live[statefulSet], "spec", "replicas").GetNumberValue(); got != replicas {
		w.T.Errorf("%s: want %v replicas, got %v", what, replicas, got)
	}
}

// endedPastPolicy checks that a person can end what a server keeps past a policy: the StatefulSet comes back only with
// what the policy allows, and a dangerous change waits meanwhile.
func endedPastPolicy(t *testing.T, fn simulator.Function) {
	t.Helper()

	cases := map[string]struct {
		reason, path, value string
		want                guard.Reason
	}{
		"Manual":    {"What waits for nothing else comes.", "rollout", "Manual", guard.RolledOut},
		"Dangerous": {"Nobody approved the other release.", "version", "0.28.1", guard.ApprovalRequired},
	}

	for name, tc := range cases {
		for _, f := range onePerWay() {
			t.Run(name+f.Name, func(t *testing.T) {
				w := simulator.NewServer(t, fn, f)
				w.Create(f.XR)
				w.Edit(protostructtest.FromYAML(t, smallSpec))
				w.Patch("{sidecar.istio.io/inject: 'true'}", "podAnnotations")
				w.Patch("/data/controlplane/a.log", "logging", "output")
				w.Settle()

				tighten(w, "{pods: {annotations: []}, images: ['marmos91c/dittofs:v0.28.1', 'marmos91c/dittofs:v0.29.0']}")
				w.Patch(tc.value, tc.path)
				w.Patch("", "podAnnotations")
				w.Settle()

				w.DeleteObject(statefulSet)

				if f.Native {
					w.DeleteLive(statefulSet)
				}

				if got := rollout(w.Settle()); got != tc.want {
					t.Errorf("%s\nf.RunFunction(...): want %s, got %s", tc.reason, tc.want, got)
				}

				annotations := protostruct.Get(w.Live[statefulSet], "spec", "template", "metadata", "annotations").GetStructValue()
				if protostruct.Get(annotations, "sidecar.istio.io/inject") != nil {
					t.Errorf("%s\nf.RunFunction(...): what the policy forbids comes back", tc.reason)
				}
			})
		}
	}
}

// classPastPolicy checks that a load balancer class that stays past a policy gets a warning, and
// stops nothing.
func classPastPolicy(t *testing.T, fn simulator.Function) {
	t.Helper()

	for _, f := range simulator.Flavours {
		t.Run(f.Name, func(t *testing.T) {
			w := simulator.NewServer(t, fn, f)
			w.Create(f.XR)
			w.Edit(protostructtest.FromYAML(t, smallSpec))
			w.Patch("example.org/open", "service", "file", "loadBalancerClass")
			w.Patch("0", "replicas")
			w.Settle()

			tighten(w, "{services: {loadBalancerClasses: [example.org/closed]}}")
			w.Patch("", "service", "file", "loadBalancerClass")
			w.Patch("1", "replicas")

			checkPast(w, "A class stays", report.ReasonForbidden, 1)

			if got := protostruct.Get(w.Live[string(manifest.ServiceFile)], "spec", "loadBalancerClass").GetStringValue(); got != "example.org/open" {
				t.Errorf("f.RunFunction(...): want the class to stay, got %q", got)
			}
		})
	}
}
