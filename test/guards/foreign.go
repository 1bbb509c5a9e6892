package guards

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/cluster"
	"github.com/dittofs/function-dittoserver/test/simulator"
)

// foreign checks that objects of somebody else stay theirs, are reported, and hold back only
// what depends on them.
func foreign(t *testing.T, fn simulator.Function) {
	t.Helper()

	for _, f := range simulator.Flavours {
		for name := range simulator.Foreign {
			t.Run(f.Name+"/"+name, func(t *testing.T) {
				checkForeign(t, newWithMetrics(t, fn, f), name)
			})
		}
	}
}

// checkForeign checks a new server in a world where somebody else has a name of its.
func checkForeign(t *testing.T, w *simulator.World, name string) {
	t.Helper()

	w.Occupy(name)

	theirs := proto.CloneOf(w.Live[name])
	rsp := w.Settle()

	// Natively the StatefulSet is a predecessor.
	condition, reason := report.Applied, report.ReasonForeign
	if w.Flavour.Native && name == statefulSet {
		condition, reason = report.ConfigRolledOut, string(guard.PredecessorThere)
	}

	if got := cluster.ReasonOf(rsp, condition); got != reason {
		t.Errorf("%s: want %s, got %s", condition, reason, got)
	}

	// The controllers write a status.
	got := proto.CloneOf(w.Live[name])
	protostruct.Set(got, nil, "status")
	protostruct.Set(theirs, nil, "status")

	if diff := cmp.Diff(theirs, got, protocmp.Transform()); diff != "" {
		t.Errorf("want it left alone: -want, +got:\n%s", diff)
	}

	if runs := w.Live[statefulSet] != nil; name != statefulSet && runs != (name != "configmap") {
		t.Errorf("there is a StatefulSet: %t", runs)
	}

	w.Vacate(name)

	if rsp := w.Settle(); cluster.ReasonOf(rsp, report.Applied) != report.ReasonApplied || phase(rsp) != string(v1alpha1.PhaseRunning) {
		t.Errorf("once it is gone: want the server to run, got: %s, %s", phase(rsp), simulator.Condition(rsp, report.Applied))
	}
}

// leftover checks that a ConfigMap that an earlier server left is taken over, and that no pod
// starts before it holds this server's configuration: the world fails on that.
func leftover(t *testing.T, fn simulator.Function) {
	t.Helper()

	for _, f := range simulator.Flavours {
		t.Run(f.Name, func(t *testing.T) {
			w := newWithMetrics(t, fn, f)
			w.Leave()

			rsp := w.Settle()
			if !f.Native && phase(rsp) != string(v1alpha1.PhaseRunning) {
				t.Errorf("want the server to run, got: %s", simulator.Condition(rsp, report.ConfigRolledOut))
			}

			if got := cluster.ReasonOf(rsp, report.Applied); f.Native && got != report.ReasonForeign {
				t.Errorf("want %s, got %s", report.ReasonForeign, got)
			}
		})
	}
}

// creationCost checks how many times Crossplane calls the function for a new server, from
// nothing until it is Ready and until nothing changes: docs/concepts.md has the numbers.
func creationCost(t *testing.T, fn simulator.Function) {
	t.Helper()

	// The provider asks, and the cluster does everything at once.
	want := map[string][2]int{"namespaced": {3, 4}, "claimed": {3, 4}, "native": {2, 3}, "claimed-native": {2, 3}}

	for _, f := range simulator.Flavours {
		w := newWithMetrics(t, fn, f)

		var got [2]int

		for i := 1; i < 10 && got[1] == 0; i++ {
			before := simulator.Encoded(w.Request(nil))
			rsp := w.Reconcile(10)

			if got[0] == 0 && len(simulator.NotReady(rsp)) == 0 && phase(rsp) == string(v1alpha1.PhaseRunning) {
				got[0] = i
			}

			for range 2 {
				for _, name := range manifest.Names() {
					w.Provide(string(name))
				}

				w.Control()
			}

			if bytes.Equal(before, simulator.Encoded(w.Request(nil))) {
				got[1] = i
			}
		}

		if got != want[f.Name] {
			t.Errorf("%s: want Ready and rest after %v reconciles, got %v", f.Name, want[f.Name], got)
		}
	}
}

// newWithMetrics returns a world with a new DittoServer that needs every name.
func newWithMetrics(t *testing.T, fn simulator.Function, f simulator.Flavour) *simulator.World {
	t.Helper()

	w := simulator.New(t, fn, 1, f)
	w.SetSecret("jwt", simulator.SecretValues["jwt"][0])
	w.Create(f.XR)
	w.Edit(protostructtest.FromYAML(t, "{version: "+dittofs.Newest+", identity: {jwt: {secretRef: {name: jwt}}}, metrics: {enabled: true}, networkPolicy: {ingress: {file: [], api: [], metrics: []}}}"))

	return w
}
