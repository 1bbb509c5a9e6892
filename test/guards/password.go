package guards

import (
	"testing"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/cluster"
	"github.com/dittofs/function-dittoserver/test/simulator"
)

// firstPassword checks that a password that nobody could have meant keeps a server from its first
// start. One that has started takes it, as it counts no more.
func firstPassword(t *testing.T, fn simulator.Function) {
	t.Helper()

	// A bcrypt hash with something around it.
	surrounded := map[string]string{"password": ":$2y$10$exampleexampleexampleexampleexampleexampleexampleexamp"}

	for _, f := range simulator.Flavours {
		t.Run(f.Name, func(t *testing.T) {
			w := simulator.NewServer(t, fn, f)
			w.SetSecret("admin", surrounded)

			if got := cluster.ReasonOf(w.Settle(), report.SecretsResolved); w.Live[statefulSet] != nil || got != report.ReasonMissing {
				t.Errorf("before the first start: want no StatefulSet, and %s, got: %s", report.ReasonMissing, got)
			}

			w.SetSecret("admin", simulator.SecretValues["admin"][0])

			if got := phase(w.Settle()); got != string(v1alpha1.PhaseRunning) {
				t.Fatalf("with a password: want the server to run, got: %s", got)
			}

			w.SetSecret("admin", surrounded)

			rsp := w.Settle()
			if got := cluster.ReasonOf(rsp, report.Warnings); phase(rsp) != string(v1alpha1.PhaseRunning) || got != report.ReasonHasWarnings {
				t.Errorf("after it: want the server to run, and %s, got: %s, %s", report.ReasonHasWarnings, phase(rsp), got)
			}

			// Stopped, it has started all the same.
			w.Patch("0", "replicas")

			if got := cluster.ReasonOf(w.Settle(), report.SecretsResolved); got != report.ReasonResolved {
				t.Errorf("once it is stopped: want %s, got %s", report.ReasonResolved, got)
			}
		})
	}
}
