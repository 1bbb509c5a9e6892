package main

import (
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/test/upgrade"
)

const recordings = "test/upgrade/testdata"

// record adds recordings of states that are not recorded yet, with what this build of the
// function answers. Record with a released one: what it leaves is what upgrades meet.
var record = flag.String("record", "", "a folder: add recordings of DittoServers in every state to it")

func TestUpgrade(t *testing.T) {
	changelog, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}

	upgrade.Check(t, recordings, string(changelog), func(req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) {
		return newFunction().RunFunction(t.Context(), req)
	})
}

// recorded are the states of DittoServers to record.
var recorded = map[string]struct {
	// only in these flavours, or in all.
	only []string

	// spec is edited before the server is created.
	spec func(w *world)

	// then happens to a server at rest.
	then func(w *world)
}{
	"running":    {},
	"stopped":    {then: func(w *world) { w.patch("0", "replicas"); w.settle() }},
	"created":    {},
	"rotated":    {then: func(w *world) { w.setSecret("jwt", secretValues["jwt"][1]); w.settle() }},
	"full":       {spec: everything},
	"postgres":   {spec: func(w *world) { w.patch("{secretRef: {name: db}}", "database", "postgres") }},
	"smb":        {spec: func(w *world) { w.patch("true", "smb", "enabled") }},
	"none":       {spec: generation("None")},
	"metadata":   {spec: generation("Metadata")},
	"manual":     {spec: func(w *world) { w.patch("Manual", "rollout") }},
	"content":    {spec: func(w *world) { w.patch("10Gi", "storage", "contentSize") }},
	"v0.4.2":     {only: []string{"namespaced", "native"}, spec: ofVersion("0.4.2")},
	"v0.6.2":     {only: []string{"namespaced"}, spec: ofVersion("0.6.2")},
	"v0.8.3":     {only: []string{"namespaced", "native"}, spec: ofVersion("0.8.3")},
	"v0.12.0":    {only: []string{"namespaced"}, spec: ofVersion("0.12.0")},
	"v0.17.0":    {only: []string{"namespaced"}, spec: ofVersion("0.17.0")},
	"v0.18.0":    {only: []string{"namespaced"}, spec: ofVersion("0.18.0")},
	"unreleased": {only: []string{"namespaced", "native"}, spec: ofVersion("0.31.0")},
	"image": {spec: func(w *world) {
		w.patch("", "version")
		w.patch("registry.example.org/dittofs:main", "image")
	}},
	"unversioned": {spec: ofVersion("0.27.0"), then: func(w *world) { w.patch("", "version"); w.settle() }},
	"class":       {spec: func(w *world) { w.patch("{type: LoadBalancer, loadBalancerClass: example.org/a}", "service", "file") }},
	"class-held": {
		spec: func(w *world) { w.patch("{type: LoadBalancer, loadBalancerClass: example.org/a}", "service", "file") },
		then: func(w *world) {
			w.patch("{type: LoadBalancer, loadBalancerClass: example.org/b}", "service", "file")
			w.settle()
		},
	},
	"content-dropped": {
		spec: func(w *world) { w.patch("10Gi", "storage", "contentSize") },
		then: func(w *world) { w.patch("", "storage", "contentSize"); w.settle() },
	},
	"cache-dropped": {
		spec: ofVersion("0.8.3"),
		then: func(w *world) { w.patch("0.9.0", "version"); w.settle() },
	},
	"grown":          {then: func(w *world) { w.patch("20Gi", "storage", "metadataSize"); w.settle() }},
	"secret-missing": {then: func(w *world) { delete(w.secrets, "jwt"); w.settle() }},
	"held-downgrade": {then: func(w *world) { w.patch("0.28.0", "version"); w.settle() }},
	"held-database":  {then: func(w *world) { w.patch("/data/metadata/other.db", "database", "sqlite", "path"); w.settle() }},
	"held-storage": {then: func(w *world) {
		w.patch("1Gi", "storage", "contentSize")
		w.patch("/data/content/log", "logging", "output")
		w.settle()
	}},
	"held-manual":      {spec: func(w *world) { w.patch("Manual", "rollout") }, then: func(w *world) { w.patch("DEBUG", "logging", "level"); w.settle() }},
	"rolling-config":   {then: func(w *world) { w.patch("DEBUG", "logging", "level"); w.reconcile(10) }},
	"rolling-template": {then: func(w *world) { w.setSecret("jwt", secretValues["jwt"][1]); w.reconcile(10) }},
	"rolling-both": {only: []string{"namespaced", "claimed"}, then: func(w *world) {
		w.patch("DEBUG", "logging", "level")
		w.reconcile(10)
		w.provide("configmap")
		w.reconcile(10)
		w.patch("WARN", "logging", "level")
		w.reconcile(10)
	}},
	"recreating": {then: func(w *world) {
		w.patch("0", "replicas")
		w.settle()
		w.patch("20Gi", "storage", "metadataSize")
	}},
	"without-labels": {only: []string{"namespaced", "claimed"}, then: func(w *world) {
		protostruct.Set(w.objects["statefulset"], structpb.NewStructValue(&structpb.Struct{}), "metadata", "labels")
	}},
	"crashed": {then: func(w *world) {
		protostruct.Set(w.live["statefulset"], structpb.NewNumberValue(0), "status", "readyReplicas")
		w.provide("statefulset")
	}},
	"example-full": {spec: fullExample},
	"metrics":      {spec: func(w *world) { w.patch("true", "metrics", "enabled") }},
	"newest":       {only: recordedOnce, spec: ofVersion("")},
	"image-digest": {only: recordedOnce, spec: func(w *world) {
		w.patch("", "version")
		w.patch("registry.example.org/dittofs@sha256:"+strings.Repeat("0a", 32), "image")
	}},
	"image-tag":          {only: recordedOnce, spec: func(w *world) { w.patch("", "version"); w.patch("registry.example.org/dittofs:v0.28.1", "image") }},
	"approved":           {then: func(w *world) { w.patch("0.28.0", "version"); w.settle(); approve(w) }},
	"never-started":      {only: recordedOnce, spec: func(w *world) { w.patch("0", "replicas") }},
	"secret-unusable":    {then: func(w *world) { w.setSecret("jwt", secretValues["jwt"][3]); w.settle() }},
	"secret-never-there": {spec: func(w *world) { delete(w.secrets, "jwt") }},
	"held-manual-secret": {spec: func(w *world) { w.patch("Manual", "rollout") }, then: func(w *world) { w.setSecret("jwt", secretValues["jwt"][1]); w.settle() }},
	"held-postgres":      {only: recordedOnce, then: func(w *world) { w.patch("{secretRef: {name: db}}", "database", "postgres"); w.settle() }},
	"held-cache":         {then: func(w *world) { w.patch("0.8.0", "version"); w.settle(); approve(w) }},
	"invalid":            {then: func(w *world) { w.patch("soon", "shutdownTimeout") }},
	"edited":             {then: func(w *world) { w.patch("2050", "nfsPort") }},
	"rotated-next":       {then: func(w *world) { w.setSecret("jwt", secretValues["jwt"][1]) }},
	"recreated": {then: func(w *world) {
		w.patch("0", "replicas")
		w.settle()
		w.patch("20Gi", "storage", "metadataSize")
		w.reconcile(10)
	}},
	"without-labels-waits": {only: []string{"namespaced", "claimed"}, then: withoutLabelsWaits},
	"without-any-labels": {only: []string{"namespaced", "claimed"}, then: func(w *world) {
		for _, o := range w.objects {
			protostruct.Set(o, nil, "metadata", "labels")
		}
	}},
	"restarted-by-hand": {only: []string{"native", "claimed-native"}, then: func(w *world) {
		w.updateStatefulSet(func(u *unstructured.Unstructured) {
			w.set(u, "2026-01-01T00:00:00Z", "spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt")
		})
	}},
	"upgraded-by-hand": {only: []string{"native"}, then: func(w *world) { w.setImage("marmos91c/dittofs:v0.30.0"); w.settle() }},
	"image-of-webhook": {only: []string{"native"}, then: func(w *world) {
		container := protostruct.Get(w.live["statefulset"], "spec", "template", "spec", "containers").GetListValue().GetValues()[0].GetStructValue()
		protostruct.Set(container, structpb.NewStringValue("mirror.example.org/marmos91c/dittofs:v0.29.0"), "image")
	}},
	"refused": {then: func(w *world) { w.refused = true; w.patch("DEBUG", "logging", "level"); w.settle() }},
}

// recordedOnce are the flavours to record what is no matter of how a server is asked for.
var recordedOnce = []string{"namespaced", "native"}

// claimed are the states to record of claims, which are composed as others are.
var claimed = []string{"created", "metrics", "approved", "edited", "recreated", "example-full", "without-any-labels", "restarted-by-hand", "running", "stopped", "full", "content-dropped", "secret-missing", "held-downgrade", "rolling-config", "recreating", "without-labels", "refused"}

// ofVersion edits the spec to run a release.
func ofVersion(v string) func(w *world) { return func(w *world) { w.patch(v, "version") } }

// generation gives the function an input of another generation.
func generation(g string) func(w *world) {
	return func(w *world) {
		input := map[string]any{"configHash": map[string]any{"generation": g}}
		if w.flavour.native {
			input["compose"] = "Native"
		}

		w.input = mustStruct(w.t, input)
	}
}

// everything is a server with something in each part of its spec.
func everything(w *world) {
	w.patch("true", "metrics", "enabled")
	w.patch("{enabled: true, port: 1445}", "smb")
	w.patch("{type: NodePort, annotations: {example.org/a: b}, file: {nodePorts: {nfs: 32049}}}", "service")
	w.patch("{limits: {memory: 1Gi}, requests: {cpu: 100m}}", "resources")
	w.patch("{a: b}", "nodeSelector")
	w.patch("[{key: a, operator: Exists}]", "tolerations")
	w.patch("[{topologyKey: zone, maxSkew: 1, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {a: b}}}]", "topologySpreadConstraints")
	w.patch("{podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: zone, labelSelector: {matchLabels: {a: b}}}}]}}", "affinity")
	w.patch("[{name: A, value: b}, {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}, {name: C, valueFrom: {resourceFieldRef: {resource: limits.memory}}}]", "extraEnv")
	w.patch("{a: b}", "podLabels")
	w.patch("{a: b}", "podAnnotations")
	w.patch("{nfs: 111, smb: 1446}", "adapterPorts")
	w.patch("[{name: pull}]", "imagePullSecrets")
	w.patch("{supplementalGroups: [1]}", "podSecurityContext")
	w.patch("files", "serviceAccountName")
	w.patch("high", "priorityClassName")
	w.patch("{accessTokenDuration: 1h, secretRef: {name: jwt}}", "identity", "jwt")
	w.patch("{passwordSecretRef: {name: admin}}", "identity", "admin")
	w.patch("1m30s", "shutdownTimeout")
	w.patch("{controlPlaneSize: 2Gi, metadataSize: 1.5Gi, contentSize: 1Ti, storageClassName: fast}", "storage")
}

// fullExample has every field there is.
func fullExample(w *world) {
	for _, file := range []string{"example/full.yaml", "example/secrets.yaml"} {
		b, err := os.ReadFile(file)
		if err != nil {
			w.t.Fatal(err)
		}

		for doc := range strings.SplitSeq(string(b), "\n---\n") {
			o := protostructtest.FromYAML(w.t, doc)
			if protostruct.Get(o, "kind").GetStringValue() == "Secret" {
				w.secrets[protostruct.Get(o, "metadata", "name").GetStringValue()] = o
				continue
			}

			w.edit(protostruct.Get(o, "spec").GetStructValue())
		}
	}
}

// approve what waits for it.
func approve(w *world) {
	w.annotate("dittofs.io/approve", approval(messageOf(w.xr, "ConfigRolledOut")))
	w.settle()
}

// withoutLabelsWaits is a StatefulSet that is to be created anew, and could not be found again.
func withoutLabelsWaits(w *world) {
	w.patch("0", "replicas")
	w.settle()
	w.patch("20Gi", "storage", "metadataSize")
	protostruct.Set(w.objects["statefulset"], nil, "metadata", "labels")
}

// TestRecord records what upgrades meet.
func TestRecord(t *testing.T) {
	if *record == "" {
		t.Skip("run with -record=FOLDER")
	}

	// The others are stored as changes of the server that runs.
	states := append([]string{"running"}, slices.Sorted(maps.Keys(recorded))...)

	for _, f := range flavours {
		for _, state := range states {
			r := recorded[state]
			if r.only != nil && !slices.Contains(r.only, f.name) || strings.HasPrefix(f.name, "claimed") && !slices.Contains(claimed, state) {
				continue
			}

			t.Run(f.name+"/"+state, func(t *testing.T) {
				w := newStored(t, f)
				if r.spec != nil {
					r.spec(w)
				}

				// The first request of all has nothing to observe.
				if state != "created" {
					w.settle()
				}

				if r.then != nil {
					r.then(w)
				}

				if err := upgrade.Record(*record, f.name, state, w.stableRequest(), func(req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) {
					return w.fn.RunFunction(t.Context(), req)
				}); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// stableRequest returns the last request of a reconcile.
func (w *world) stableRequest() *fnv1.RunFunctionRequest {
	var required map[string]*fnv1.ResourceSelector

	for {
		req := w.request(required)

		rsp, err := w.fn.RunFunction(w.t.Context(), proto.CloneOf(req))
		if err != nil {
			w.failf("RunFunction(...): %v", err)
		}

		if cmp.Equal(required, rsp.GetRequirements().GetResources(), protocmp.Transform()) {
			return req
		}

		required = rsp.GetRequirements().GetResources()
	}
}
