package guard

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/internal/secret"
)

// What the guards do for a whole server is tested with RunFunction. Here is what
// only pieces can show.

func TestIsStopped(t *testing.T) {
	const live = "{metadata: {generation: 2}, spec: {replicas: 0}, status: {observedGeneration: 2, replicas: 0}}"

	cases := map[string]struct {
		reason  string
		desired string
		asked   string
		live    string
		want    bool
	}{
		"Stopped":         {"No replica is asked for, and none runs.", "{spec: {replicas: 0}}", "{spec: {replicas: 0}}", live, true},
		"Starting":        {"The spec asks for a replica.", "{spec: {replicas: 1}}", "{spec: {replicas: 0}}", live, false},
		"AskedForOne":     {"The provider may be starting one.", "{spec: {replicas: 0}}", "{spec: {replicas: 1}}", live, false},
		"LiveAskedForOne": {"The controller may be starting one.", "{spec: {replicas: 0}}", "{spec: {replicas: 0}}", "{metadata: {generation: 2}, spec: {replicas: 1}, status: {observedGeneration: 2, replicas: 0}}", false},
		"StillRuns":       {"The pod is not gone yet.", "{spec: {replicas: 0}}", "{spec: {replicas: 0}}", "{metadata: {generation: 2}, spec: {replicas: 0}, status: {observedGeneration: 2, replicas: 1}}", false},
		"OldStatus":       {"The status is of before.", "{spec: {replicas: 0}}", "{spec: {replicas: 0}}", "{metadata: {generation: 3}, spec: {replicas: 0}, status: {observedGeneration: 2, replicas: 0}}", false},
		"NotLive":         {"Nothing is known.", "{spec: {replicas: 0}}", "{spec: {replicas: 0}}", "", false},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := &observed.Resource{Asked: protostructtest.FromYAML(t, tc.asked), Live: protostructtest.FromYAML(t, tc.live), Current: true}
			if got := isStopped(protostructtest.FromYAML(t, tc.desired), o); got != tc.want {
				t.Errorf("%s\nisStopped(...): want %t, got %t", tc.reason, tc.want, got)
			}

			o.Current = false
			if isStopped(protostructtest.FromYAML(t, tc.desired), o) {
				t.Error("isStopped(...): want false for what is not current")
			}
		})
	}
}

func TestHoldsConfig(t *testing.T) {
	cases := map[string]struct {
		reason string
		o      *observed.Resource
		want   bool
	}{
		"Holds":      {"It is asked for, live, and seen.", &observed.Resource{Asked: protostructtest.FromYAML(t, "{data: {config.yaml: new}}"), Live: protostructtest.FromYAML(t, "{data: {config.yaml: new}}"), Current: true}, true},
		"NotAsked":   {"It may change at any time.", &observed.Resource{Asked: protostructtest.FromYAML(t, "{data: {config.yaml: old}}"), Live: protostructtest.FromYAML(t, "{data: {config.yaml: new}}"), Current: true}, false},
		"NotLive":    {"A pod would start on the old one.", &observed.Resource{Asked: protostructtest.FromYAML(t, "{data: {config.yaml: new}}"), Live: protostructtest.FromYAML(t, "{data: {config.yaml: old}}"), Current: true}, false},
		"NotCurrent": {"What was asked for before may be live by now.", &observed.Resource{Asked: protostructtest.FromYAML(t, "{data: {config.yaml: new}}"), Live: protostructtest.FromYAML(t, "{data: {config.yaml: new}}")}, false},
		"None":       {"There is no ConfigMap.", nil, false},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := holdsConfig(tc.o, "new"); got != tc.want {
				t.Errorf("%s\nholdsConfig(...): want %t, got %t", tc.reason, tc.want, got)
			}
		})
	}
}

// A StatefulSet of which nobody knows the configuration keeps the one of its
// ConfigMap, and a ConfigMap never loses its configuration.
func TestKeepConfig(t *testing.T) {
	cases := map[string]struct {
		reason  string
		running observed.Resources
		want    string
	}{
		"Copy": {
			reason: "The pod template carries a copy.",
			running: observed.Resources{
				manifest.StatefulSet: {Asked: protostructtest.FromYAML(t, "{spec: {template: {metadata: {annotations: {dittofs.io/config: copy}}}}}")},
				manifest.ConfigMap:   {Asked: protostructtest.FromYAML(t, "{data: {config.yaml: asked}}")},
			},
			want: "copy",
		},
		"NoCopy": {
			reason: "Without a copy, the ConfigMap is the next best.",
			running: observed.Resources{
				manifest.StatefulSet: {Asked: protostructtest.FromYAML(t, "{spec: {template: {}}}")},
				manifest.ConfigMap:   {Asked: protostructtest.FromYAML(t, "{data: {config.yaml: asked}}")},
			},
			want: "asked",
		},
		"Neither": {
			reason:  "A pod cannot start without a configuration.",
			running: observed.Resources{manifest.StatefulSet: {Asked: protostructtest.FromYAML(t, "{spec: {template: {}}}")}},
			want:    "desired",
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			desired := manifest.Manifests{
				manifest.ConfigMap:   protostructtest.FromYAML(t, "{data: {config.yaml: desired}}"),
				manifest.StatefulSet: protostructtest.FromYAML(t, "{spec: {template: {spec: {}}}}"),
			}

			d := Decide(&composite.DittoServer{}, desired, tc.running, observed.Predecessors{Fetched: true}, secret.Missing, func(string) string { return "" })
			if diff := cmp.Diff(tc.want, manifest.Config(d.Manifests[manifest.ConfigMap])); diff != "" {
				t.Errorf("%s\nDecide(...): -want, +got:\n%s", tc.reason, diff)
			}

			if diff := cmp.Diff("desired", manifest.Config(desired[manifest.ConfigMap])); diff != "" {
				t.Errorf("%s\nDecide(...) changes what is desired: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// The fields that Kubernetes refuses to change keep what runs.
func TestFreeze(t *testing.T) {
	running := protostructtest.FromYAML(t, "{metadata: {name: files}, spec: {serviceName: old, selector: {a: b}, podManagementPolicy: OrderedReady, replicas: 1, template: {spec: {}}}}")
	desired := protostructtest.FromYAML(t, "{metadata: {name: files}, spec: {serviceName: new, selector: {c: d}, podManagementPolicy: Parallel, replicas: 0, template: {spec: {}}}}")

	d := Decision{Manifests: manifest.Manifests{manifest.StatefulSet: desired}}
	if !d.freezeStatefulSet(running) {
		t.Error("freezeStatefulSet(...): want true")
	}

	want := protostructtest.FromYAML(t, "{metadata: {name: files}, spec: {serviceName: old, selector: {a: b}, podManagementPolicy: OrderedReady, replicas: 0, template: {spec: {}}}}")
	if diff := cmp.Diff(want.AsMap(), d.Manifests[manifest.StatefulSet].AsMap()); diff != "" {
		t.Errorf("freezeStatefulSet(...): -want, +got:\n%s", diff)
	}

	wantFrozen := []string{
		"StatefulSet field serviceName is kept (it changes as volume claims do)",
		"StatefulSet field selector is kept (it changes as volume claims do)",
		"StatefulSet field podManagementPolicy is kept (it changes as volume claims do)",
	}
	if diff := cmp.Diff(wantFrozen, d.Frozen); diff != "" {
		t.Errorf("freezeStatefulSet(...): -want, +got:\n%s", diff)
	}
}
