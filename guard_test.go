package main

import (
	"strings"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/test/simulator"
)

func image(template *structpb.Struct) string {
	c := protostruct.Get(template, "spec", "containers").GetListValue().GetValues()[0].GetStructValue()
	return protostruct.Get(c, "image").GetStringValue()
}

// The ConfigMap goes first, and the pod template follows once it is live.
func TestConfigBeforePods(t *testing.T) {
	w := newServer(t)
	w.Settle()

	was, config := w.Template(), w.Config()
	w.Patch("DEBUG", "logging", "level")
	w.Patch("0", "replicas")

	steps := []struct {
		reason     string
		do         func()
		wantConfig bool
		wantMoved  bool
		want       string
	}{
		{"The ConfigMap is asked for; replicas follow, the template does not.", func() {}, true, false, "FALSE/ConfigMapNotReady: The pod template waits until the ConfigMap holds the new configuration"},
		{"It is asked for but not live.", func() {}, true, false, "FALSE/ConfigMapNotReady: The pod template waits until the ConfigMap holds the new configuration"},
		{"It is live.", func() { w.Provide("configmap") }, true, true, "TRUE/RolledOut: The pod template is what the spec asks for"},
	}

	for _, s := range steps {
		s.do()

		rsp := w.Reconcile(10)
		if diff := cmp.Diff(s.want, simulator.Condition(rsp, "ConfigRolledOut")); diff != "" {
			t.Errorf("%s\nf.RunFunction(...): -want, +got:\n%s", s.reason, diff)
		}

		if got := w.Config() != config; got != s.wantConfig {
			t.Errorf("%s\nf.RunFunction(...): want configuration moved: %t, got: %t", s.reason, s.wantConfig, got)
		}

		if got := cmp.Diff(was.AsMap(), w.Template().AsMap()) != ""; got != s.wantMoved {
			t.Errorf("%s\nf.RunFunction(...): want template moved: %t, got: %t", s.reason, s.wantMoved, got)
		}

		if got := protostruct.Get(w.Composed["statefulset"], "spec", "forProvider", "manifest", "spec", "replicas").GetNumberValue(); got != 0 {
			t.Errorf("%s\nf.RunFunction(...): want 0 replicas, got: %v", s.reason, got)
		}
	}
}

// While a pod template is on its way, the configuration that it covers stays.
func TestRolloutInProgress(t *testing.T) {
	w := newServer(t)
	w.Settle()

	w.Patch("DEBUG", "logging", "level")
	w.Reconcile(10)
	w.Provide("configmap")
	w.Reconcile(10)

	covered := w.Config()

	w.Patch("WARN", "logging", "level")

	rsp := w.Reconcile(10)
	if diff := cmp.Diff("FALSE/RolloutInProgress: The running server keeps its configuration and pod template until the StatefulSet has the last pod template", simulator.Condition(rsp, "ConfigRolledOut")); diff != "" {
		t.Errorf("f.RunFunction(...): -want, +got:\n%s", diff)
	}

	if w.Config() != covered {
		t.Error("f.RunFunction(...): the configuration moves away under a pod template that is on its way")
	}

	w.Settle()

	if !strings.Contains(w.Config(), "level: WARN") {
		t.Errorf("f.RunFunction(...): want level WARN in the end, got:\n%s", w.Config())
	}
}

// A pod template that the API server refuses does not block the next one, though
// its configuration differs.
func TestRefusedTemplate(t *testing.T) {
	w := newServer(t)
	w.Settle()

	w.Refused = true
	w.Patch("DEBUG", "logging", "level")
	w.Reconcile(10)
	w.Provide("configmap")
	w.Reconcile(10)
	w.Provide("statefulset")

	bad := w.Hash()

	w.Patch("WARN", "logging", "level")
	w.Reconcile(10)

	if w.Hash() == bad {
		t.Fatal("f.RunFunction(...): a pod template that cannot be applied stays")
	}

	if !strings.Contains(w.Config(), "level: DEBUG") {
		t.Errorf("f.RunFunction(...): want the configuration that the template covers, got:\n%s", w.Config())
	}

	w.Refused = false
	w.Settle()

	if !strings.Contains(w.Config(), "level: WARN") {
		t.Errorf("f.RunFunction(...): want level WARN in the end, got:\n%s", w.Config())
	}
}

// A ConfigMap that is gone comes back before the template moves.
func TestConfigMapGone(t *testing.T) {
	w := newServer(t)
	w.Settle()

	was := w.Hash()

	delete(w.Composed, "configmap")
	delete(w.Live, "configmap")
	w.SetSecret("jwt", simulator.SecretValues["jwt"][1])

	rsp := w.Reconcile(10)
	if diff := cmp.Diff("FALSE/ConfigMapNotReady: The pod template waits until the ConfigMap holds the new configuration", simulator.Condition(rsp, "ConfigRolledOut")); diff != "" {
		t.Errorf("f.RunFunction(...): -want, +got:\n%s", diff)
	}

	if w.Hash() != was {
		t.Error("f.RunFunction(...): the template moves without a ConfigMap")
	}

	w.Settle()

	if w.Hash() == was {
		t.Error("f.RunFunction(...): the template never moves")
	}

	// Held, it comes back as it runs, not as the spec asks for.
	config := w.Config()

	delete(w.Composed, "configmap")
	delete(w.Live, "configmap")
	delete(w.Secrets, "jwt")
	w.Patch("DEBUG", "logging", "level")
	w.Reconcile(10)

	if diff := cmp.Diff(config, w.Config()); diff != "" {
		t.Errorf("f.RunFunction(...): -want, +got:\n%s", diff)
	}
}

// Dangerous changes wait for a person, and only for the right word.
func TestApproval(t *testing.T) {
	const hold = "FALSE/ApprovalRequired: The running server keeps its configuration and pod template until a person approves the change "

	cases := map[string]struct {
		reason string
		start  func(w *simulator.World)
		change func(w *simulator.World)
		want   string
	}{
		"Downgrade": {
			reason: "An older release may not read the database of a newer one.",
			change: func(w *simulator.World) { w.Patch("0.28.1", "version") },
			want:   hold + "(the version goes down from 0.29.0 to 0.28.1)",
		},
		"DowngradeByImage": {
			reason: "The tag of an image is a version too.",
			change: func(w *simulator.World) {
				w.Patch("", "version")
				w.Patch("registry.example.org/dittofs:v0.28.1", "image")
			},
			want: hold + "(the version goes down from 0.29.0 to 0.28.1)",
		},
		"SQLitePath": {
			reason: "The server would start on an empty database.",
			change: func(w *simulator.World) { w.Patch("/data/metadata/other.db", "database", "sqlite", "path") },
			want:   hold + "(the database changes from sqlite /data/controlplane/controlplane.db to sqlite /data/metadata/other.db)",
		},
		"DatabaseType": {
			reason: "The server would start on an empty database.",
			change: func(w *simulator.World) { w.Patch("{secretRef: {name: db}}", "database", "postgres") },
			want:   hold + "(the database changes from sqlite /data/controlplane/controlplane.db to postgres db/host db/port db/database)",
		},
		"DatabaseSecret": {
			reason: "Another Secret is another database.",
			start:  func(w *simulator.World) { w.Patch("{secretRef: {name: db}}", "database", "postgres") },
			change: func(w *simulator.World) {
				w.SetSecret("db2", simulator.SecretValues["db"][0])
				w.Patch("{secretRef: {name: db2}}", "database", "postgres")
			},
			want: hold + "(the database changes from postgres db/host db/port db/database to postgres db2/host db2/port db2/database)",
		},
		"Manual": {
			reason: "Under rollout Manual every restart waits.",
			start:  func(w *simulator.World) { w.Patch("Manual", "rollout") },
			change: func(w *simulator.World) { w.SetSecret("jwt", simulator.SecretValues["jwt"][1]) },
			want:   hold + "(spec.rollout is Manual)",
		},
		"ManualConfig": {
			reason: "Under rollout Manual the configuration waits too.",
			start:  func(w *simulator.World) { w.Patch("Manual", "rollout") },
			change: func(w *simulator.World) { w.Patch("DEBUG", "logging", "level") },
			want:   hold + "(spec.rollout is Manual)",
		},
		"ManualTemplate": {
			reason: "A restart with the same digest waits too, and an old approval of that digest does not count.",
			start: func(w *simulator.World) {
				w.Input = protostructtest.FromMap(w.T, map[string]any{"configHash": map[string]any{"generation": "None"}})
				w.Patch("Manual", "rollout")
				w.Settle()
				w.Annotate("dittofs.io/approve", w.Hash())
			},
			change: func(w *simulator.World) { w.Patch("{a: b}", "podLabels") },
			want:   hold + "(spec.rollout is Manual)",
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newServer(t)
			if tc.start != nil {
				tc.start(w)
			}

			w.Settle()

			was, config := w.Template(), w.Config()
			tc.change(w)

			for _, wrong := range []string{"", "true", strings.Repeat("0", 64), protostruct.Get(was, "metadata", "annotations", "dittofs.io/config-hash").GetStringValue()} {
				if wrong != "" {
					w.Annotate("dittofs.io/approve", wrong)
				}

				rsp := w.Settle()
				got, _, _ := strings.Cut(simulator.Condition(rsp, "ConfigRolledOut"), ": annotate")

				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Fatalf("%s\nf.RunFunction(...): with approval %q: -want, +got:\n%s", tc.reason, wrong, diff)
				}

				if cmp.Diff(was.AsMap(), w.Template().AsMap()) != "" || w.Config() != config {
					t.Fatalf("%s\nf.RunFunction(...): with approval %q: the server moves", tc.reason, wrong)
				}
			}

			w.Annotate("dittofs.io/approve", w.Approval())

			if diff := cmp.Diff("TRUE/RolledOut: The pod template is what the spec asks for", simulator.Condition(w.Settle(), "ConfigRolledOut")); diff != "" {
				t.Errorf("%s\nf.RunFunction(...): -want, +got:\n%s", tc.reason, diff)
			}

			if cmp.Diff(was.AsMap(), w.Template().AsMap()) == "" {
				t.Errorf("%s\nf.RunFunction(...): the approved change never comes", tc.reason)
			}
		})
	}
}

// Going back to what runs needs nobody's approval.
func TestRevert(t *testing.T) {
	w := newServer(t)
	w.Settle()

	was := w.Hash()

	w.Patch("0.28.0", "version")
	w.Settle()
	w.Patch("0.29.0", "version")

	if diff := cmp.Diff("TRUE/RolledOut: The pod template is what the spec asks for", simulator.Condition(w.Settle(), "ConfigRolledOut")); diff != "" {
		t.Errorf("f.RunFunction(...): -want, +got:\n%s", diff)
	}

	if w.Hash() != was {
		t.Error("f.RunFunction(...): the server restarts")
	}
}

// What Kubernetes cannot change stays, the rest goes through, and the way out
// works.
func TestGrowStorage(t *testing.T) {
	w := newServer(t)
	w.Patch("0.27.0", "version")
	w.Settle()
	w.Patch("", "version")
	w.Settle()

	w.Patch("{metadataSize: 20Gi, contentSize: 1Gi, storageClassName: fast}", "storage")
	w.Patch("DEBUG", "logging", "level")

	want := `FALSE/Frozen: Kubernetes cannot change some of a running server, which keeps it: ` +
		`volume claim controlplane has the default storage class instead of the storage class "fast" (an existing PersistentVolumeClaim keeps its class); ` +
		`volume claim metadata has 10Gi instead of 20Gi (expand the PersistentVolumeClaim metadata-files-0 by hand); ` +
		`volume claim metadata has the default storage class instead of the storage class "fast" (an existing PersistentVolumeClaim keeps its class); ` +
		`volume claim content of 1Gi is missing, and nothing is mounted in its place; ` +
		`volume claim cache of 5Gi is missing, and nothing is mounted in its place. ` +
		`For volume claims: stop the server (spec.replicas: 0), wait for the phase Stopped and for this condition to be True, and start it again: the StatefulSet is created anew, and the data stay`

	rsp := w.Settle()
	if diff := cmp.Diff(want, simulator.Condition(rsp, "StorageUpToDate")); diff != "" {
		t.Errorf("f.RunFunction(...): -want, +got:\n%s", diff)
	}

	if !strings.Contains(w.Config(), "level: DEBUG") || protostruct.Get(w.Template(), "metadata", "annotations", "dittofs.io/config").GetStringValue() != w.Config() {
		t.Error("f.RunFunction(...): the rest of the change does not go through")
	}

	w.Patch("0", "replicas")

	rsp = w.Settle()
	if diff := cmp.Diff("TRUE/UpToDate: The volume claims are what the spec asks for", simulator.Condition(rsp, "StorageUpToDate")); diff != "" {
		t.Errorf("f.RunFunction(...): -want, +got:\n%s", diff)
	}

	if got := phase(rsp); got != "Stopped" {
		t.Errorf("f.RunFunction(...): want phase Stopped, got: %s", got)
	}

	w.Patch("1", "replicas")
	w.Settle()

	claims := protostruct.Get(w.Live["statefulset"], "spec", "volumeClaimTemplates").GetListValue()
	if got := len(claims.GetValues()); got != 4 {
		t.Errorf("f.RunFunction(...): want 4 claims, got: %d", got)
	}

	if got := image(w.Template()); got != "marmos91c/dittofs:v0.27.0" {
		t.Errorf("f.RunFunction(...): want the image that ran, got: %s", got)
	}
}

// While a stopped StatefulSet is created anew, the user is told.
func TestRecreating(t *testing.T) {
	w := newServer(t)
	w.Patch("0", "replicas")
	w.Settle()
	w.Patch("{metadataSize: 20Gi}", "storage")

	rsp := w.Reconcile(10)
	if diff := cmp.Diff("FALSE/Recreating: The stopped StatefulSet is deleted, and created anew with the volume claims that the spec asks for", simulator.Condition(rsp, "ConfigRolledOut")); diff != "" {
		t.Errorf("f.RunFunction(...): -want, +got:\n%s", diff)
	}

	if got := phase(rsp); got != "Progressing" {
		t.Errorf("f.RunFunction(...): want phase Progressing, got: %s", got)
	}
}

// An Object that could not be found again is not left out: it gets its labels first.
func TestRecreatingWithoutLabels(t *testing.T) {
	w := newServer(t)
	w.Patch("0", "replicas")
	w.Settle()
	w.Patch("{metadataSize: 20Gi}", "storage")
	protostruct.Set(w.Composed["statefulset"], structpb.NewStructValue(&structpb.Struct{}), "metadata", "labels")

	for _, want := range []string{"TRUE/RolledOut", "FALSE/Recreating"} {
		if got := simulator.Condition(w.Reconcile(10), "ConfigRolledOut"); !strings.HasPrefix(got, want) {
			t.Errorf("f.RunFunction(...): want %s, got: %s", want, got)
		}

		w.Provide("statefulset")
		w.Control()
		w.Provide("statefulset")
	}
}

// What is in the StatefulSet's place decides whether there can be one.
func TestPredecessor(t *testing.T) {
	owner := func(uid string) string {
		return `ownerReferences: [{apiVersion: dittofs.io/v1alpha1, kind: DittoServer, name: files, uid: ` + uid + `, controller: true}]`
	}

	cases := map[string]struct {
		reason string

		// metadata of the Object that was required, if there is one.
		metadata string
		fetched  bool

		want         string
		wantComposed bool
		wantImage    string
	}{
		"NotFetched": {
			reason: "What is not known may be there.",
			want:   "FALSE/PredecessorThere: The StatefulSet is not composed until Crossplane has looked for its predecessor",
		},
		"None": {
			reason:       "The place is free.",
			fetched:      true,
			want:         "FALSE/ConfigMapNotReady: The pod template waits until the ConfigMap holds the new configuration",
			wantComposed: true,
			wantImage:    "marmos91c/dittofs:v0.29.0",
		},
		"Leaving": {
			reason:   "Its successor would be applied to the Object that is being deleted, and never come to be.",
			metadata: `name: files-abc, deletionTimestamp: "2026-01-01T00:00:00Z", ` + owner("own"),
			fetched:  true,
			want:     "FALSE/PredecessorThere: The StatefulSet is not composed until its predecessor is gone: Object files-abc",
		},
		"Foreign": {
			reason:   "Two Objects would fight over one StatefulSet.",
			metadata: `name: files-abc, ` + owner("other"),
			fetched:  true,
			want:     "FALSE/PredecessorThere: The StatefulSet is not composed until its predecessor is gone: Object files-abc (which is not this DittoServer's: remove it, or give the DittoServer another name)",
		},
		"Own": {
			reason:       "Crossplane may not see yet what it made. What runs is kept as if it did.",
			metadata:     `name: files-abc, ` + owner("own"),
			fetched:      true,
			want:         "FALSE/ApprovalRequired: The running server keeps its configuration and pod template until a person approves the change",
			wantComposed: true,
			wantImage:    "marmos91c/dittofs:v0.30.0",
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			// What would run is a newer release than the spec asks for.
			newer := newServer(t)
			newer.Patch("0.30.0", "version")

			newer.Settle()

			object := newer.Call().GetDesired().GetResources()["statefulset"].GetResource()

			w := newServer(t)
			protostruct.Set(w.XR, structpb.NewStringValue("own"), "metadata", "uid")

			req := w.Request(w.Call().GetRequirements().GetResources())

			switch {
			case !tc.fetched:
				delete(req.GetRequiredResources(), "running/statefulset")
			case tc.metadata != "":
				protostruct.Set(object, structpb.NewStructValue(protostructtest.FromYAML(t, "{"+tc.metadata+"}")), "metadata")
				req.RequiredResources["running/statefulset"] = &fnv1.Resources{Items: []*fnv1.Resource{{Resource: object}}}
			}

			rsp, err := w.Function.RunFunction(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}

			if got := simulator.Condition(rsp, "ConfigRolledOut"); !strings.HasPrefix(got, tc.want) {
				t.Errorf("%s\nf.RunFunction(...): want %s, got: %s", tc.reason, tc.want, got)
			}

			composed, ok := rsp.GetDesired().GetResources()["statefulset"]
			if ok != tc.wantComposed {
				t.Errorf("%s\nf.RunFunction(...): want composed: %t, got: %t", tc.reason, tc.wantComposed, ok)
			}

			if got := manifest.ContainerImage(protostruct.Get(composed.GetResource(), "spec", "forProvider", "manifest").GetStructValue()); got != tc.wantImage {
				t.Errorf("%s\nf.RunFunction(...): want image %s, got: %s", tc.reason, tc.wantImage, got)
			}

			if diff := cmp.Diff(predecessor, rsp.GetRequirements().GetResources()["running/statefulset"], protocmp.Transform()); diff != "" {
				t.Errorf("%s\nf.RunFunction(...): requirements: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// Other spellings of the same claims are the same claims.
func TestSameStorage(t *testing.T) {
	w := newServer(t)
	w.Settle()
	w.Patch("{metadataSize: 10240Mi, controlPlaneSize: 1024Mi}", "storage")

	if diff := cmp.Diff("TRUE/UpToDate: The volume claims are what the spec asks for", simulator.Condition(w.Settle(), "StorageUpToDate")); diff != "" {
		t.Errorf("f.RunFunction(...): -want, +got:\n%s", diff)
	}
}

// A configuration that needs a claim which the StatefulSet cannot get waits.
func TestStorageMissing(t *testing.T) {
	const want = "FALSE/StorageMissing: The running server keeps its configuration and pod template, since the new one needs a volume claim that the StatefulSet does not have: see condition StorageUpToDate"

	cases := map[string]struct {
		reason string
		change func(w *simulator.World)
		want   string
	}{
		"Log": {
			reason: "The log would be on a volume that is not there.",
			change: func(w *simulator.World) {
				w.Patch("1Gi", "storage", "contentSize")
				w.Patch("/data/content/log", "logging", "output")
			},
			want: want,
		},
		"TemporaryLog": {
			reason: "A log below /tmp needs no claim.",
			change: func(w *simulator.World) { w.Patch("/tmp/log", "logging", "output") },
			want:   "TRUE/RolledOut: The pod template is what the spec asks for",
		},
		"Cache": {
			reason: "A release with a cache needs its claim.",
			change: func(w *simulator.World) {
				w.Patch("0.8.0", "version")
				w.Settle()
				w.Annotate("dittofs.io/approve", w.Approval())
			},
			want: want,
		},
		"NoVersion": {
			reason: "The release that runs has no cache, whatever the configuration says.",
			change: func(w *simulator.World) { w.Patch("", "version") },
			want:   "TRUE/RolledOut: The pod template is what the spec asks for",
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newServer(t)
			w.Settle()
			tc.change(w)

			if diff := cmp.Diff(tc.want, simulator.Condition(w.Settle(), "ConfigRolledOut")); diff != "" {
				t.Errorf("%s\nf.RunFunction(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// A load balancer's class cannot change while the Service is one.
func TestLoadBalancerClass(t *testing.T) {
	w := newServer(t)
	w.Settle()
	w.Patch("example.org/internal", "service", "file", "loadBalancerClass")

	want := `FALSE/Frozen: Kubernetes cannot change some of a running server, which keeps it: ` +
		`load balancer class of service-file is "" instead of "example.org/internal" (give the Service the type ClusterIP until the condition Applied is True, and then LoadBalancer again). ` +
		`For volume claims: stop the server (spec.replicas: 0), wait for the phase Stopped and for this condition to be True, and start it again: the StatefulSet is created anew, and the data stay`

	rsp := w.Settle()
	if diff := cmp.Diff(want, simulator.Condition(rsp, "StorageUpToDate")); diff != "" {
		t.Errorf("f.RunFunction(...): -want, +got:\n%s", diff)
	}

	w.Patch("{type: ClusterIP}", "service", "file")
	w.Settle()
	w.Patch("{type: LoadBalancer, loadBalancerClass: example.org/internal}", "service", "file")

	rsp = w.Settle()
	if diff := cmp.Diff("TRUE/UpToDate: The volume claims are what the spec asks for", simulator.Condition(rsp, "StorageUpToDate")); diff != "" {
		t.Errorf("f.RunFunction(...): -want, +got:\n%s", diff)
	}
}

// Without a version and an image a server keeps the image that it runs.
func TestKeepsImage(t *testing.T) {
	w := newServer(t)
	w.Patch("0.27.0", "version")
	w.Settle()
	w.Patch("", "version")

	if diff := cmp.Diff("TRUE/RolledOut: The pod template is what the spec asks for", simulator.Condition(w.Settle(), "ConfigRolledOut")); diff != "" {
		t.Errorf("f.RunFunction(...): -want, +got:\n%s", diff)
	}

	if got := image(w.Template()); got != "marmos91c/dittofs:v0.27.0" {
		t.Errorf("f.RunFunction(...): want the image that runs, got: %s", got)
	}

	// Also without its ConfigMap.
	delete(w.Composed, "configmap")
	delete(w.Live, "configmap")
	w.Settle()

	if got := image(w.Template()); got != "marmos91c/dittofs:v0.27.0" {
		t.Errorf("f.RunFunction(...): want the image that runs, got: %s", got)
	}
}

// An approval is of one change, and of no other.
func TestApprovalOfAnotherChange(t *testing.T) {
	cases := map[string]struct {
		reason string
		first  func(w *simulator.World)
		second func(w *simulator.World)
	}{
		"OtherVersion": {
			reason: "Without a generation the rollout digest is the same for both.",
			first:  func(w *simulator.World) { w.Patch("0.28.1", "version") },
			second: func(w *simulator.World) { w.Patch("0.20.0", "version") },
		},
		"OtherSecret": {
			reason: "Without a generation the rollout digest is the same for both.",
			first:  func(w *simulator.World) { w.Patch("{secretRef: {name: db}}", "database", "postgres") },
			second: func(w *simulator.World) {
				w.SetSecret("db2", simulator.SecretValues["db"][0])
				w.Patch("{secretRef: {name: db2}}", "database", "postgres")
			},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newServer(t)
			w.Input = protostructtest.FromMap(t, map[string]any{"configHash": map[string]any{"generation": "None"}})
			w.Settle()

			was := w.Template()

			tc.first(w)
			w.Settle()
			w.Annotate("dittofs.io/approve", w.Approval())
			tc.second(w)
			w.Settle()

			if diff := cmp.Diff(was.AsMap(), w.Template().AsMap()); diff != "" {
				t.Errorf("%s\nf.RunFunction(...): the server moves: -was, +is:\n%s", tc.reason, diff)
			}
		})
	}
}

// What was approved once is not approved for ever.
func TestOldApproval(t *testing.T) {
	w := newServer(t)
	w.Settle()
	w.Patch("0.28.0", "version")
	w.Settle()
	w.Annotate("dittofs.io/approve", w.Approval())
	w.Settle()

	if got := image(w.Template()); got != "marmos91c/dittofs:v0.28.0" {
		t.Fatalf("f.RunFunction(...): want the approved image, got: %s", got)
	}

	w.Patch("0.29.0", "version")
	w.Settle()
	w.Patch("0.28.0", "version")
	w.Settle()

	if got := image(w.Template()); got != "marmos91c/dittofs:v0.29.0" {
		t.Errorf("f.RunFunction(...): want the image that runs, got: %s", got)
	}
}

// An image's tag may go down while the version stays.
func TestImageDowngrade(t *testing.T) {
	w := newServer(t)
	w.Patch("registry.example.org/dittofs:v0.29.0", "image")
	w.Settle()
	w.Patch("registry.example.org/dittofs:v0.20.0", "image")

	if got := simulator.Condition(w.Settle(), "ConfigRolledOut"); !strings.Contains(got, "(the image's version goes down from 0.29.0 to 0.20.0)") {
		t.Errorf("f.RunFunction(...): want ApprovalRequired, got: %s", got)
	}
}

// An image that nobody approved is not what a StatefulSet is created anew with.
func TestRecreateKeepsImage(t *testing.T) {
	w := newServer(t)
	w.Settle()
	w.Patch("0.28.0", "version")
	w.Patch("0", "replicas")
	w.Settle()
	w.Patch("", "version")
	w.Patch("20Gi", "storage", "metadataSize")
	w.Reconcile(0)
	w.Settle()

	if got := image(w.Template()); got != "marmos91c/dittofs:v0.29.0" {
		t.Errorf("f.RunFunction(...): want the image that ran, got: %s", got)
	}
}

// A StatefulSet that could never be created does not stay for ever.
func TestNeverCreated(t *testing.T) {
	w := newServer(t)
	w.Patch("forbidden", "storage", "storageClassName")
	w.Refused = true
	w.Settle()
	w.Patch("allowed", "storage", "storageClassName")
	w.Patch("0", "replicas")
	w.Settle()

	w.Refused = false
	w.Patch("1", "replicas")

	if diff := cmp.Diff("TRUE/UpToDate: The volume claims are what the spec asks for", simulator.Condition(w.Settle(), "StorageUpToDate")); diff != "" {
		t.Errorf("f.RunFunction(...): -want, +got:\n%s", diff)
	}
}

// The class of a live load balancer stays, whatever was asked for in between.
func TestLoadBalancerClassHalfApplied(t *testing.T) {
	w := newServer(t)
	w.Patch("{loadBalancerClass: example.org/a}", "service", "file")
	w.Settle()
	w.Patch("{type: ClusterIP}", "service", "file")
	w.Reconcile(10)
	w.Patch("{type: LoadBalancer, loadBalancerClass: example.org/b}", "service", "file")
	w.Reconcile(10)

	if got := protostruct.Get(w.Composed["service-file"], "spec", "forProvider", "manifest", "spec", "loadBalancerClass").GetStringValue(); got != "example.org/a" {
		t.Errorf("f.RunFunction(...): want the class of the live load balancer, got: %s", got)
	}
}

// A claim cannot shrink, and an empty storage class is another one than none.
func TestStorageMessages(t *testing.T) {
	w := newServer(t)
	w.Settle()
	w.Patch("{metadataSize: 5Gi, storageClassName: ''}", "storage")

	got := simulator.Condition(w.Settle(), "StorageUpToDate")
	for _, want := range []string{
		"volume claim metadata has 10Gi instead of 5Gi (an existing PersistentVolumeClaim cannot shrink)",
		`volume claim metadata has the default storage class instead of the storage class ""`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("f.RunFunction(...): want %q, got: %s", want, got)
		}
	}
}

// Without a generation two pod templates may have the same rollout digest. One that
// is on its way still keeps its configuration.
func TestImageInFlight(t *testing.T) {
	w := newServer(t)
	w.Input = protostructtest.FromMap(t, map[string]any{"configHash": map[string]any{"generation": "None"}})
	w.Patch("registry.example.org/dittofs:a", "image")
	w.Settle()
	w.Patch("registry.example.org/dittofs:b", "image")
	w.Reconcile(10)

	covered := w.Config()

	w.Patch("DEBUG", "logging", "level")

	if got := simulator.Condition(w.Reconcile(10), "ConfigRolledOut"); !strings.HasPrefix(got, "FALSE/RolloutInProgress") {
		t.Errorf("f.RunFunction(...): want RolloutInProgress, got: %s", got)
	}

	if w.Config() != covered {
		t.Error("f.RunFunction(...): the configuration moves away under a pod template that is on its way")
	}
}

// The content stays mounted until the server is stopped.
func TestContentDropped(t *testing.T) {
	for _, f := range simulator.Flavours {
		t.Run(f.Name, func(t *testing.T) {
			w := simulator.NewServer(t, served(), f)
			w.Patch("1Gi", "storage", "contentSize")
			w.Settle()
			w.Patch("", "storage", "contentSize")

			if got := simulator.Condition(w.Settle(), "StorageUpToDate"); !strings.HasPrefix(got, "FALSE/Frozen") {
				t.Errorf("f.RunFunction(...): want StorageUpToDate Frozen, got: %s", got)
			}

			if !manifest.MountsContent(w.Live["statefulset"]) {
				t.Error("f.RunFunction(...): the content of a running server is unmounted")
			}

			w.Patch("0", "replicas")
			w.Settle()
			w.Patch("1", "replicas")

			if got := simulator.Condition(w.Settle(), "StorageUpToDate"); !strings.HasPrefix(got, "TRUE/") {
				t.Errorf("f.RunFunction(...): want StorageUpToDate True, got: %s", got)
			}

			if manifest.MountsContent(w.Live["statefulset"]) {
				t.Error("f.RunFunction(...): the content is never unmounted")
			}
		})
	}
}
