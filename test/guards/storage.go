package guards

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/cluster"
	"github.com/dittofs/function-dittoserver/test/simulator"
)

// growStorage checks that what Kubernetes cannot change stays, that the rest goes through, and
// that the way out works.
func growStorage(t *testing.T, fn simulator.Function) {
	t.Helper()

	w := simulator.NewServer(t, fn, simulator.Namespaced)
	w.Patch("0.27.0", "version")
	w.Settle()
	w.Patch("", "version")
	w.Settle()

	was := claims(w.Live[statefulSet])

	w.Patch("{metadataSize: 20Gi, contentSize: 1Gi, storageClassName: fast}", "storage")
	w.Patch("DEBUG", "logging", "level")

	if got := cluster.ReasonOf(w.Settle(), report.StorageUpToDate); got != report.ReasonFrozen {
		t.Errorf("f.RunFunction(...): want %s, got %s", report.ReasonFrozen, got)
	}

	if diff := cmp.Diff(was, claims(w.Live[statefulSet])); diff != "" {
		t.Errorf("f.RunFunction(...): claims of a running server: -want, +got:\n%s", diff)
	}

	if config := manifest.Config(w.Live["configmap"]); !strings.Contains(config, "level: DEBUG") {
		t.Errorf("f.RunFunction(...): the rest of the change does not go through:\n%s", config)
	}

	w.Patch("0", "replicas")

	rsp := w.Settle()
	if got := cluster.ReasonOf(rsp, report.StorageUpToDate); got != report.ReasonUpToDate {
		t.Errorf("f.RunFunction(...): stopped: want %s, got %s", report.ReasonUpToDate, got)
	}

	if got := phase(rsp); got != string(v1alpha1.PhaseStopped) {
		t.Errorf("f.RunFunction(...): want phase %s, got %s", v1alpha1.PhaseStopped, got)
	}

	w.Patch("1", "replicas")
	w.Settle()

	if diff := cmp.Diff([]string{"controlplane", "metadata", "content", "cache"}, claims(w.Live[statefulSet])); diff != "" {
		t.Errorf("f.RunFunction(...): claims of the new StatefulSet: -want, +got:\n%s", diff)
	}

	if got := manifest.ContainerImage(w.Live[statefulSet]); got != "marmos91c/dittofs:v0.27.0" {
		t.Errorf("f.RunFunction(...): want the image that ran, got: %s", got)
	}
}

// contentDropped checks that the content stays mounted until the server is stopped.
func contentDropped(t *testing.T, fn simulator.Function) {
	t.Helper()

	for _, f := range simulator.Flavours {
		t.Run(f.Name, func(t *testing.T) {
			w := simulator.NewServer(t, fn, f)
			w.Patch("1Gi", "storage", "contentSize")
			w.Settle()
			w.Patch("", "storage", "contentSize")

			if got := cluster.ReasonOf(w.Settle(), report.StorageUpToDate); got != report.ReasonFrozen {
				t.Errorf("f.RunFunction(...): want %s, got %s", report.ReasonFrozen, got)
			}

			if !manifest.MountsContent(w.Live[statefulSet]) {
				t.Error("f.RunFunction(...): the content of a running server is unmounted")
			}

			w.Patch("0", "replicas")
			w.Settle()
			w.Patch("1", "replicas")

			if got := cluster.ReasonOf(w.Settle(), report.StorageUpToDate); got != report.ReasonUpToDate {
				t.Errorf("f.RunFunction(...): want %s, got %s", report.ReasonUpToDate, got)
			}

			if manifest.MountsContent(w.Live[statefulSet]) {
				t.Error("f.RunFunction(...): the content is never unmounted")
			}
		})
	}
}
