package guards

import (
	"maps"
	"slices"
	"strings"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
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

	w.Patch("{metadataSize: 20Gi, contentSize: 1Gi}", "storage")
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

// otherClass checks that a claim which keeps its class is told until it has the one that is asked for.
func otherClass(t *testing.T, fn simulator.Function) {
	t.Helper()

	for _, f := range simulator.Flavours {
		t.Run(f.Name, func(t *testing.T) {
			w := simulator.NewServer(t, fn, f)
			if f.Native {
				w.LetRead()
			}

			w.Create(f.XR)
			w.Edit(protostructtest.FromYAML(t, smallSpec))
			w.Settle()

			for _, replicas := range []string{"1", "0", "1"} {
				w.Patch("fast", "storage", "storageClassName")
				w.Patch(replicas, "replicas")

				if rsp := w.Settle(); cluster.ReasonOf(rsp, report.StorageUpToDate) != report.ReasonFrozen {
					t.Errorf("f.RunFunction(...): with %s replicas: want %s, got %s", replicas, report.ReasonFrozen, simulator.Condition(rsp, report.StorageUpToDate))
				}
			}

			// A person copies the data.
			for _, claim := range w.Claims {
				protostruct.Set(claim, structpb.NewStringValue("fast"), "spec", "storageClassName")
			}

			if rsp := w.Settle(); cluster.ReasonOf(rsp, report.StorageUpToDate) != report.ReasonUpToDate {
				t.Errorf("f.RunFunction(...): copied: want %s, got %s", report.ReasonUpToDate, simulator.Condition(rsp, report.StorageUpToDate))
			}

			for name := range w.Composed {
				if manifest.IsClaim(manifest.Name(name)) {
					t.Errorf("f.RunFunction(...): the Object %s stays", name)
				}
			}
		})
	}
}

// smallSpec is of a server with the claims that every server has.
const smallSpec = `{version: 0.29.0, identity: {jwt: {secretRef: {name: jwt}}, admin: {passwordSecretRef: {name: admin}}}}`

// claimsOfWebhooks checks that what a webhook adds to claim templates has no server recreated,
// and keeps nothing else from going through.
func claimsOfWebhooks(t *testing.T, fn simulator.Function) {
	t.Helper()

	for _, f := range simulator.Flavours {
		for _, hook := range []string{"class-at-creation", "claim-labels"} {
			t.Run(f.Name+"/"+hook, func(t *testing.T) {
				w := simulator.NewServer(t, fn, f)
				w.Switch(hook, true)
				w.Create(f.XR)
				w.Edit(protostructtest.FromYAML(t, smallSpec))
				w.Settle()

				created := protostruct.Get(w.Live[statefulSet], "metadata", "uid").GetStringValue()

				w.Patch("0", "replicas")

				// Settle fails where nothing ever comes to rest.
				rsp := w.Settle()
				for _, c := range []string{report.StorageUpToDate, report.ConfigRolledOut, report.Applied} {
					if cluster.ConditionOf(rsp, c).GetStatus() != fnv1.Status_STATUS_CONDITION_TRUE {
						t.Errorf("f.RunFunction(...): stopped: %s is %s", c, simulator.Condition(rsp, c))
					}
				}

				if got := protostruct.Get(w.Live[statefulSet], "metadata", "uid").GetStringValue(); got != created || phase(rsp) != string(v1alpha1.PhaseStopped) {
					t.Errorf("f.RunFunction(...): the phase is %s, and the StatefulSet %s is now %s", phase(rsp), created, got)
				}

				w.Patch("1", "replicas")
				w.SetSecret("jwt", simulator.SecretValues["jwt"][1])
				w.Settle()

				if got := protostruct.Get(w.Live[statefulSet], "spec", "replicas").GetNumberValue(); got != 1 {
					t.Errorf("f.RunFunction(...): a stop and a rotation do not go through: %v replicas", got)
				}
			})
		}
	}
}

// half checks that a server first starts on some of its claims only once a person approved it.
func half(t *testing.T, fn simulator.Function) {
	t.Helper()

	for _, f := range simulator.Flavours {
		t.Run(f.Name, func(t *testing.T) {
			w := simulator.NewServer(t, fn, f)
			w.LetRead()
			cluster.MakeClaims(w.Claims, protostructtest.FromYAML(t, `{metadata: {name: files, namespace: storage}, spec: {replicas: 1, volumeClaimTemplates: [
{metadata: {name: metadata}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 8Gi}}}}]}}`))
			w.Create(f.XR)
			w.Edit(protostructtest.FromYAML(t, smallSpec))

			rsp := w.Settle()
			if got := cluster.ReasonOf(rsp, report.ConfigRolledOut); got != string(guard.ApprovalRequired) || w.Live[statefulSet] != nil {
				t.Errorf("f.RunFunction(...): want %s and no StatefulSet, got %s", guard.ApprovalRequired, simulator.Condition(rsp, report.ConfigRolledOut))
			}

			w.Annotate(v1alpha1.AnnotationApprove, w.Approval())

			rsp = w.Settle()
			if got := phase(rsp); got != string(v1alpha1.PhaseRunning) {
				t.Errorf("f.RunFunction(...): approved: the phase is %s: %s", got, simulator.Condition(rsp, report.ConfigRolledOut))
			}

			// The claim that was there is smaller than the spec asks for.
			want := report.ReasonUpToDate
			if f.Native {
				want = report.ReasonNotGrowing
			}

			if got := cluster.ReasonOf(rsp, report.StorageUpToDate); got != want {
				t.Errorf("f.RunFunction(...): want %s, got %s", want, simulator.Condition(rsp, report.StorageUpToDate))
			}
		})
	}
}

// sources checks that a source counts for the claims that come after a stop, and no longer than it is asked for.
func sources(t *testing.T, fn simulator.Function) {
	t.Helper()

	const metadata = "claim-metadata"

	for _, f := range simulator.Flavours {
		t.Run(f.Name, func(t *testing.T) {
			w := simulator.NewServer(t, fn, f)
			w.Create(f.XR)
			w.Edit(protostructtest.FromYAML(t, smallSpec))
			w.Patch("fast", "storage", "storageClassName")
			w.Settle()

			restart := func() {
				t.Helper()
				w.Patch("0", "replicas")
				w.Settle()
				delete(w.Claims, metadata)
				w.Patch("1", "replicas")

				if rsp := w.Settle(); cluster.ReasonOf(rsp, report.StorageUpToDate) != report.ReasonUpToDate {
					t.Errorf("f.RunFunction(...): want %s, got %s", report.ReasonUpToDate, simulator.Condition(rsp, report.StorageUpToDate))
				}
			}

			uid := func() string {
				return protostruct.Get(w.Live[statefulSet], "metadata", "uid").GetStringValue()
			}

			was := uid()

			w.Patch("{name: first}", "storage", "metadataDataSource")

			if rsp := w.Settle(); cluster.ReasonOf(rsp, report.StorageUpToDate) != report.ReasonUpToDate || uid() != was {
				t.Errorf("f.RunFunction(...): a source does something to a server that runs: %s", simulator.Condition(rsp, report.StorageUpToDate))
			}

			restart()

			if got := protostruct.Get(w.Claims[metadata], "spec", "dataSource", "name").GetStringValue(); got != "first" {
				t.Errorf("f.RunFunction(...): the new claim does not begin with the snapshot, but with %q", got)
			}

			w.Patch("", "storage", "metadataDataSource")
			restart()

			if got := protostruct.Get(w.Claims[metadata], "spec", "dataSource"); got != nil {
				t.Errorf("f.RunFunction(...): the source is gone, and a new claim begins with %v", got)
			}
		})
	}
}

// grownTwice checks that the second growth of a claim is not taken for trouble: the provider cannot apply
// the name only of a claim that it made grow before.
func grownTwice(t *testing.T, fn simulator.Function) {
	t.Helper()

	w := simulator.NewServer(t, fn, simulator.Namespaced)
	w.Edit(protostructtest.FromYAML(t, smallSpec))
	w.Settle()

	for _, size := range []string{"20Gi", "30Gi"} {
		w.Patch(size, "storage", "metadataSize")

		for range 12 {
			rsp := w.Reconcile(len(w.Composed) + 10)
			if got := cluster.ReasonOf(rsp, report.StorageUpToDate); got != report.ReasonGrowing && got != report.ReasonUpToDate {
				t.Errorf("f.RunFunction(...): to %s: got %s", size, simulator.Condition(rsp, report.StorageUpToDate))
			}

			for name := range w.Composed {
				w.Provide(name)
			}

			w.Provide("claim-metadata")
			w.Control()
		}

		if _, has := cluster.ClaimSizes(w.Claims["claim-metadata"]); has != size {
			t.Errorf("f.RunFunction(...): want %s, got %s", size, has)
		}
	}
}

// wantStorage checks the reason of the condition on volume claims.
func wantStorage(t *testing.T, rsp *fnv1.RunFunctionResponse, reason string) {
	t.Helper()

	if got := cluster.ReasonOf(rsp, report.StorageUpToDate); got != reason {
		t.Errorf("f.RunFunction(...): want %s, got %s", reason, simulator.Condition(rsp, report.StorageUpToDate))
	}
}

// overridden checks that a stopped StatefulSet whose claim templates a webhook changes is
// recreated once, and not over and over.
func overridden(t *testing.T, fn simulator.Function) {
	t.Helper()

	for _, f := range simulator.Flavours {
		for hook, path := range map[string][]string{"other-size": {"20Gi", "metadataSize"}, "other-class": {"fast", "storageClassName"}} {
			w := simulator.NewServer(t, fn, f)
			w.Switch(hook, true)
			w.Create(f.XR)
			w.Edit(protostructtest.FromYAML(t, smallSpec))
			w.Patch(path[0], "storage", path[1])
			w.Settle()
			w.Patch("0", "replicas")

			if n := statefulSets(w); n > 2 {
				t.Errorf("f.RunFunction(...): %s: %s: want the StatefulSet created anew once, got %d of them", f.Name, hook, n)
			}

			// It is recreated once more for something else, when the webhook is gone.
			w.Switch(hook, false)
			w.Patch("30Gi", "storage", "metadataSize")
			w.Settle()

			if size := templateSize(w, "metadata"); size != "30Gi" {
				t.Errorf("f.RunFunction(...): %s: %s: want a template of 30Gi, got %s", f.Name, hook, size)
			}
		}
	}
}

// statefulSets returns how many there are in turn while nothing else happens.
func statefulSets(w *simulator.World) int {
	uids := map[string]bool{}

	for range 20 {
		w.Reconcile(len(w.Composed) + 10)

		for _, name := range slices.Sorted(maps.Keys(w.Composed)) {
			w.Provide(name)
		}

		w.Provide("statefulset")
		w.Control()

		if live := w.Live["statefulset"]; live != nil {
			uids[protostruct.Get(live, "metadata", "uid").GetStringValue()] = true
		}
	}

	return len(uids)
}

// templateSize returns the size in the template of a volume.
func templateSize(w *simulator.World, volume string) string {
	for _, c := range protostruct.Get(w.Live["statefulset"], "spec", "volumeClaimTemplates").GetListValue().GetValues() {
		if protostruct.Get(c.GetStructValue(), "metadata", "name").GetStringValue() == volume {
			return protostruct.Get(c.GetStructValue(), "spec", "resources", "requests", "storage").GetStringValue()
		}
	}

	return ""
}

// smaller checks that a claim that is larger than the spec asks for is told after a stop, too, until a person
// replaces it.
func smaller(t *testing.T, fn simulator.Function) {
	t.Helper()

	for _, size := range []string{"10Gi", "20Gi"} {
		w := simulator.NewServer(t, fn, simulator.Namespaced)
		w.Edit(protostructtest.FromYAML(t, smallSpec))
		w.Patch("10Gi", "storage", "metadataSize")
		w.Settle()
		w.Patch(size, "storage", "metadataSize")
		w.Settle()
		w.Patch("0", "replicas")
		w.Patch("5Gi", "storage", "metadataSize")
		wantStorage(t, w.Settle(), report.ReasonFrozen)
		w.Patch("1", "replicas")
		wantStorage(t, w.Settle(), report.ReasonFrozen)

		claim := w.Claims["claim-metadata"]
		protostruct.Set(claim, structpb.NewStringValue("5Gi"), "spec", "resources", "requests", "storage")
		protostruct.Set(claim, structpb.NewStringValue("5Gi"), "status", "capacity", "storage")
		wantStorage(t, w.Settle(), report.ReasonUpToDate)
	}
}

// contentBack checks that a claim of content that was dropped, and is asked for again, grows to what is asked.
func contentBack(t *testing.T, fn simulator.Function) {
	t.Helper()

	w := simulator.NewServer(t, fn, simulator.Namespaced)
	w.Edit(protostructtest.FromYAML(t, smallSpec))

	for _, size := range []string{"10Gi", "", "20Gi"} {
		w.Patch(size, "storage", "contentSize")
		w.Settle()
		w.Patch("0", "replicas")
		w.Settle()
		w.Patch("1", "replicas")
		wantStorage(t, w.Settle(), report.ReasonUpToDate)
	}

	if _, has := cluster.ClaimSizes(w.Claims["claim-content"]); has != "20Gi" {
		t.Errorf("f.RunFunction(...): the claim of content has %s", has)
	}
}

// lowered checks that a claim that still asks for more than the spec does is reported.
func lowered(t *testing.T, fn simulator.Function) {
	t.Helper()

	w := simulator.NewServer(t, fn, simulator.Namespaced)
	w.Edit(protostructtest.FromYAML(t, smallSpec))
	w.Patch("10Gi", "storage", "metadataSize")
	w.Settle()
	w.Patch("900Ti", "storage", "metadataSize")
	wantStorage(t, w.Settle(), report.ReasonNotGrowing)
	w.Patch("10Gi", "storage", "metadataSize")
	wantStorage(t, w.Settle(), report.ReasonFrozen)
	w.Patch("11Gi", "storage", "metadataSize")
	wantStorage(t, w.Settle(), report.ReasonUpToDate)
}

// grownByHand checks that the function takes nothing back of what a person asks a claim for while its Object may
// change it: w fails where it does.
func grownByHand(t *testing.T, fn simulator.Function) {
	t.Helper()

	w := simulator.NewServer(t, fn, simulator.Namespaced)
	w.Edit(protostructtest.FromYAML(t, smallSpec))
	w.Settle()
	w.Patch("20Gi", "storage", "metadataSize")
	w.Reconcile(len(w.Composed) + 10)
	w.Provide("claim-metadata")
	w.Reconcile(len(w.Composed) + 10)

	protostruct.Set(w.Claims["claim-metadata"], structpb.NewStringValue("64Gi"), "spec", "resources", "requests", "storage")
	w.Provide("claim-metadata")
	wantStorage(t, w.Settle(), report.ReasonUpToDate)

	if _, has := cluster.ClaimSizes(w.Claims["claim-metadata"]); has != "64Gi" {
		t.Errorf("f.RunFunction(...): the claim has %s", has)
	}
}

// goneClaim checks that the Object of a claim that is gone comes to rest, though it still shows the claim: w fails
// where a response that is fed back gives another one.
func goneClaim(t *testing.T, fn simulator.Function) {
	t.Helper()

	w := simulator.NewServer(t, fn, simulator.Namespaced)
	w.Edit(protostructtest.FromYAML(t, smallSpec))
	w.Settle()
	w.Fixed = true
	w.Patch("20Gi", "storage", "metadataSize")
	w.Patch("0", "replicas")
	w.Settle()
	delete(w.Claims, "claim-metadata")

	if rsp := w.Settle(); cluster.ReasonOf(rsp, report.StorageUpToDate) != report.ReasonGrowing {
		t.Errorf("f.RunFunction(...): want %s, got %s", report.ReasonGrowing, simulator.Condition(rsp, report.StorageUpToDate))
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
