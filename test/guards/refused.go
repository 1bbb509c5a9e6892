package guards

import (
	"testing"

	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/cluster"
	"github.com/dittofs/function-dittoserver/test/simulator"
)

// lostAnswer deletes a server whose last answer was lost, and that cannot be created again:
// what the provider saw last is older than what ran.
func lostAnswer(t *testing.T, fn simulator.Function) {
	t.Helper()

	w := simulator.NewServer(t, fn, simulator.Namespaced)
	w.Settle()

	// The newer release runs, and nobody knows.
	w.Patch("0.29.99", "version")
	w.Reconcile(10)
	w.Provide("configmap")
	w.Reconcile(10)
	w.Provide("statefulset", simulator.Lost)

	w.DeleteLive("statefulset")
	w.Switch("unpaid", true)
	w.Provide("statefulset")
	w.Patch(dittofs.Newest, "version")

	if got := cluster.ConditionOf(w.Reconcile(10), report.ConfigRolledOut).GetReason(); got != string(guard.ApprovalRequired) {
		t.Errorf("f.RunFunction(...): want the reason %s, got: %s", guard.ApprovalRequired, got)
	}
}
