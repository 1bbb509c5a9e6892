package guards

import (
	"slices"
	"strings"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/cluster"
	"github.com/dittofs/function-dittoserver/test/simulator"
)

// onePerWay are a flavour composed as Objects and a native one.
func onePerWay() []simulator.Flavour {
	return []simulator.Flavour{simulator.Namespaced, simulator.Flavours[2]}
}

// rollout returns the reason of the condition ConfigRolledOut.
func rollout(rsp *fnv1.RunFunctionResponse) guard.Reason {
	return guard.Reason(cluster.ReasonOf(rsp, report.ConfigRolledOut))
}

// ranOf returns what of the live pod template tells a server from another one: image, version,
// environment and config.yaml.
func ranOf(w *simulator.World) map[string]*structpb.Value {
	template := protostruct.Get(w.Live[statefulSet], "spec", "template").GetStructValue()
	container := protostruct.Get(template, "spec", "containers").GetListValue().GetValues()[0].GetStructValue()

	return map[string]*structpb.Value{
		"image":   protostruct.Get(container, "image"),
		"env":     protostruct.Get(container, "env"),
		"version": protostruct.Get(template, "metadata", "labels", "app.kubernetes.io/version"),
		"config":  protostruct.Get(template, "metadata", "annotations", "dittofs.io/config"),
	}
}

// gone checks that a StatefulSet that somebody deletes while a change is held comes back as it
// ran, and that deleting it approves nothing.
func gone(t *testing.T, fn simulator.Function) {
	t.Helper()

	cases := map[string]struct {
		reason string
		start  func(w *simulator.World)
		change func(w *simulator.World)
	}{
		"Downgrade": {
			reason: "An older release may not read the database of a newer one.",
			change: func(w *simulator.World) { w.Patch("0.28.1", "version") },
		},
		"WholeChange": {
			reason: "What is held with the version stays, too.",
			change: func(w *simulator.World) {
				w.Patch("0.28.1", "version")
				w.Patch("DEBUG", "logging", "level")
			},
		},
		"SQLitePath": {
			reason: "The server would start on an empty database.",
			change: func(w *simulator.World) { w.Patch("/data/metadata/other.db", "database", "sqlite", "path") },
		},
		"ToPostgres": {
			reason: "The server would start on an empty database.",
			change: func(w *simulator.World) { w.Patch("{secretRef: {name: db}}", "database", "postgres") },
		},
		"FromPostgres": {
			reason: "The Secret and keys of the database are recorded.",
			start: func(w *simulator.World) {
				w.Patch("{secretRef: {name: db}, keys: {sslmode: mode}}", "database", "postgres")
			},
			change: func(w *simulator.World) { w.Patch("", "database") },
		},
		"DatabaseSecret": {
			reason: "Another Secret is another database.",
			start:  func(w *simulator.World) { w.Patch("{secretRef: {name: db}}", "database", "postgres") },
			change: func(w *simulator.World) {
				w.SetSecret("db2", simulator.SecretValues["db"][0])
				w.Patch("{secretRef: {name: db2}}", "database", "postgres")
			},
		},
		"DatabaseHost": {
			reason: "The host of the config.yaml that ran is recorded.",
			start: func(w *simulator.World) {
				w.Patch("{host: db.example.org, secretRef: {name: db}}", "database", "postgres")
			},
			change: func(w *simulator.World) { w.Patch("db2.example.org", "database", "postgres", "host") },
		},
		"DatabaseIntoSpec": {
			reason: "The Secret and key that ran are recorded.",
			start:  func(w *simulator.World) { w.Patch("{secretRef: {name: db}}", "database", "postgres") },
			change: func(w *simulator.World) { w.Patch("db2.example.org", "database", "postgres", "host") },
		},
		"UnknownRelease": {
			reason: "An image without a version is recorded as it is.",
			start: func(w *simulator.World) {
				w.Patch("registry.example.org/dittofs:main", "image")
				w.Patch("", "version")
			},
			change: func(w *simulator.World) { w.Patch("/data/metadata/other.db", "database", "sqlite", "path") },
		},
	}

	for name, tc := range cases {
		for _, f := range onePerWay() {
			t.Run(name+"/"+f.Name, func(t *testing.T) {
				w := simulator.NewServer(t, fn, f)
				if tc.start != nil {
					tc.start(w)
				}

				w.Settle()
				tc.change(w)
				checkGone(t, w, tc.reason)
			})
		}
	}
}

// checkGone checks that a server with a change that waits comes back as it ran, and that the change
// comes once it is approved.
func checkGone(t *testing.T, w *simulator.World, reason string) {
	t.Helper()

	w.Settle()

	was, config := ranOf(w), manifest.Config(w.Live["configmap"])

	// Of an Object, the provider recreates the StatefulSet alone.
	delete(w.Live, "statefulset")
	w.Settle()
	delete(w.Live, "statefulset")
	delete(w.Composed, "statefulset")

	if got := rollout(w.Settle()); got != guard.ApprovalRequired {
		t.Fatalf("%s\nf.RunFunction(...): want %s, got %s", reason, guard.ApprovalRequired, got)
	}

	if diff := cmp.Diff(was, ranOf(w), protocmp.Transform()); diff != "" {
		t.Errorf("%s\nf.RunFunction(...): comes back: -was, +is:\n%s", reason, diff)
	}

	if diff := cmp.Diff(config, manifest.Config(w.Live["configmap"])); diff != "" {
		t.Errorf("%s\nf.RunFunction(...): config.yaml: -was, +is:\n%s", reason, diff)
	}

	w.Annotate("dittofs.io/approve", w.Approval())

	if got := rollout(w.Settle()); got != guard.RolledOut {
		t.Errorf("%s\nf.RunFunction(...): approved: want %s, got %s", reason, guard.RolledOut, got)
	}

	if cmp.Equal(was, ranOf(w), protocmp.Transform()) {
		t.Errorf("%s\nf.RunFunction(...): the approved change never comes", reason)
	}
}

// goneMidway checks that a change that was approved, and is half done when the StatefulSet goes, is
// another one: it waits for a person again, and the server comes back as it ran.
func goneMidway(t *testing.T, fn simulator.Function) {
	t.Helper()

	for _, f := range onePerWay() {
		t.Run(f.Name, func(t *testing.T) {
			w := simulator.NewServer(t, fn, f)
			w.Settle()

			was, config := ranOf(w), manifest.Config(w.Live["configmap"])

			w.Patch("/data/metadata/other.db", "database", "sqlite", "path")
			w.Settle()
			w.Annotate("dittofs.io/approve", w.Approval())

			if got := rollout(w.Reconcile(10)); got != guard.ConfigMapNotReady {
				t.Fatalf("f.RunFunction(...): want %s, got %s", guard.ConfigMapNotReady, got)
			}

			w.Provide("configmap")

			if manifest.Config(w.Live["configmap"]) == config {
				t.Fatal("f.RunFunction(...): want the ConfigMap ahead of the pod template")
			}

			delete(w.Live, "statefulset")
			delete(w.Composed, "statefulset")

			if got := rollout(w.Settle()); got != guard.ApprovalRequired {
				t.Errorf("f.RunFunction(...): want %s, got %s", guard.ApprovalRequired, got)
			}

			if diff := cmp.Diff(was, ranOf(w), protocmp.Transform()); diff != "" {
				t.Errorf("f.RunFunction(...): comes back: -was, +is:\n%s", diff)
			}

			if diff := cmp.Diff(config, manifest.Config(w.Live["configmap"])); diff != "" {
				t.Errorf("f.RunFunction(...): config.yaml: -was, +is:\n%s", diff)
			}
		})
	}
}

// goneWithoutRecord checks that a change goes ahead where nothing is recorded, such as of a server
// that an earlier version of the function made and this one has not seen.
func goneWithoutRecord(t *testing.T, fn simulator.Function) {
	t.Helper()

	w := simulator.NewServer(t, fn, simulator.Namespaced)
	w.Settle()

	protostruct.Set(w.Composed["configmap"], nil, "spec", "forProvider", "manifest", "metadata", "annotations", "dittofs.io/ran")
	delete(w.Composed, statefulSet)
	w.DeleteLive(statefulSet)
	w.Patch("0.28.1", "version")

	if got := rollout(w.Settle()); got != guard.RolledOut {
		t.Errorf("f.RunFunction(...): want %s, got %s", guard.RolledOut, got)
	}
}

// tooLarge checks that a config.yaml that would be too large for a pod template is an error. One
// that an earlier version of the function asked for heals once the edit is taken back: nothing
// restarts.
func tooLarge(t *testing.T, fn simulator.Function) {
	t.Helper()

	w := simulator.NewServer(t, fn, simulator.Namespaced)
	w.Settle()

	was := manifest.TemplateHash(w.Live[statefulSet])
	manifestOf := []string{"spec", "forProvider", "manifest"}
	tooLarge := structpb.NewStringValue(strings.Repeat("# a\n", 75_000) + w.Config())

	// What was asked for, and what became of it: the ConfigMap took it.
	protostruct.Set(w.Composed["configmap"], tooLarge, append(slices.Clone(manifestOf), "data", "config.yaml")...)
	w.Provide("configmap")

	sts := w.Composed["statefulset"]
	protostruct.Set(sts, tooLarge, append(slices.Clone(manifestOf), "spec", "template", "metadata", "annotations", "dittofs.io/config")...)
	protostruct.Set(sts, structpb.NewStructValue(manifest.Seal(protostruct.Get(sts, manifestOf...).GetStructValue())), manifestOf...)
	protostruct.Set(sts, structpb.NewStructValue(protostructtest.FromYAML(t, `{conditions: [{type: Synced, status: "False", reason: ReconcileError,
		message: "observe failed: cannot dry run SSA: StatefulSet.apps \"files\" is invalid: spec.template.annotations: Too long: may not be more than 262144 bytes"}]}`)).GetStructValue().GetFields()["conditions"], "status", "conditions")

	w.Patch("/tmp/"+strings.Repeat("a", 300_000), "logging", "output")

	if got := simulator.Condition(w.Reconcile(10), "SpecValid"); !strings.HasPrefix(got, "FALSE/Invalid: spec.logging.output: ") {
		t.Errorf("f.RunFunction(...): want SpecValid False, got: %s", got)
	}

	w.Patch("", "logging")

	// The live template is asked for again, over a ConfigMap that follows later.
	_, rsp := w.Last()
	protostruct.Set(sts, protostruct.Get(rsp.GetDesired().GetResources()["statefulset"].GetResource(), manifestOf...), manifestOf...)

	if got := manifest.TemplateHash(protostruct.Get(sts, manifestOf...).GetStructValue()); got != was {
		t.Fatalf("f.RunFunction(...): taken back: want the live pod template asked for, got: %s", w.Template())
	}

	w.Provide("statefulset")

	if got := rollout(w.Settle()); got != guard.RolledOut {
		t.Errorf("f.RunFunction(...): taken back: want %s, got %s", guard.RolledOut, got)
	}

	if manifest.TemplateHash(w.Live[statefulSet]) != was {
		t.Errorf("f.RunFunction(...): the server restarts: %s", w.Live[statefulSet])
	}
}
