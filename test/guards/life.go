package guards

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/cluster"
	"github.com/dittofs/function-dittoserver/test/simulator"
)

// life follows a server from its creation to its stop: phase, readiness, endpoints, and whether
// everything is applied.
func life(t *testing.T, fn simulator.Function) {
	t.Helper()

	const (
		name    = "files-file.storage.svc:2049"
		address = "192.0.2.1:2049"
	)

	type state struct {
		Phase    v1alpha1.Phase
		NotReady []string
		Applied  string
		NFS      string
	}

	w := simulator.NewServer(t, fn, simulator.Namespaced)

	// Twice: once to apply, and once to observe.
	provide := func(names ...string) {
		for _, n := range names {
			w.Provide(n)
			w.Provide(n)
		}
	}

	steps := []struct {
		reason string
		do     func()
		want   state
	}{
		{
			"Nothing is there yet.",
			func() {},
			state{v1alpha1.PhasePending, []string{"configmap", "service-api", "service-file", "service-headless", statefulSet}, report.ReasonNotObserved, name},
		},
		{
			"Nothing is ready until all is there.",
			func() {
				w.Reconcile(10)
				provide("configmap", "service-headless", "service-file", "service-api")
			},
			state{v1alpha1.PhasePending, []string{"configmap", "service-api", "service-file", "service-headless", statefulSet}, report.ReasonNotObserved, name},
		},
		{
			"A paused Object is neither applied nor a failure.",
			func() { provide(statefulSet) },
			state{v1alpha1.PhasePending, []string{"configmap", "service-api", "service-file", "service-headless", statefulSet}, report.ReasonNotObserved, name},
		},
		{
			"The provider did not work on it since.",
			func() { w.Reconcile(10) },
			state{v1alpha1.PhasePending, []string{"configmap", "service-api", "service-file", "service-headless", statefulSet}, report.ReasonNotObserved, name},
		},
		{
			"What has no state of its own is ready. A StatefulSet that its controller has not seen is not.",
			func() { provide(statefulSet) },
			state{v1alpha1.PhaseProgressing, []string{"service-api", "service-file", statefulSet}, report.ReasonApplied, name},
		},
		{
			"Load balancers have addresses, and the pod is ready.",
			func() {
				w.Control()
				provide(statefulSet, "service-file", "service-api")
			},
			state{v1alpha1.PhaseRunning, nil, report.ReasonApplied, address},
		},
		{
			"A Ready that is of the old digest is not ready.",
			func() { w.SetSecret("jwt", simulator.SecretValues["jwt"][1]) },
			state{v1alpha1.PhaseProgressing, []string{statefulSet}, report.ReasonApplied, address},
		},
		{
			"What waits to move is not ready, however ready its pod is.",
			func() {
				w.Settle()
				w.Patch("DEBUG", "logging", "level")
			},
			state{v1alpha1.PhaseProgressing, []string{"configmap", statefulSet}, report.ReasonApplied, address},
		},
		{
			"The pod still runs.",
			func() {
				w.Settle()
				w.Patch("0", "replicas")
				w.Reconcile(10)
			},
			state{v1alpha1.PhaseProgressing, []string{statefulSet}, report.ReasonApplied, address},
		},
		{
			"No replica is asked for, and none runs.",
			func() { w.Settle() },
			state{v1alpha1.PhaseStopped, nil, report.ReasonApplied, address},
		},
		{
			"What the provider cannot apply is a failure.",
			func() {
				w.Refused = true
				w.Patch("1", "replicas")
				w.Reconcile(10)
				provide(statefulSet)
			},
			state{v1alpha1.PhaseFailed, []string{statefulSet}, report.ReasonNotSynced, address},
		},
	}

	for _, s := range steps {
		s.do()

		rsp := w.Call()
		got := state{
			Phase:    v1alpha1.Phase(phase(rsp)),
			NotReady: simulator.NotReady(rsp),
			Applied:  cluster.ReasonOf(rsp, report.Applied),
			NFS:      protostruct.Get(rsp.GetDesired().GetComposite().GetResource(), "status", "endpoints", "nfs").GetStringValue(),
		}

		if diff := cmp.Diff(s.want, got); diff != "" {
			t.Errorf("%s\nf.RunFunction(...): -want, +got:\n%s", s.reason, diff)
		}
	}
}
