package upgrade

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/test/simulator"
	"github.com/dittofs/function-dittoserver/test/states"
)

// recorded are the states of DittoServers to record.
var recorded = map[string]struct {
	// only in these simulator.Flavours, or in all.
	only []string

	// spec is edited before the server is created.
	spec func(w *simulator.World)

	// then happens to a server at rest.
	then func(w *simulator.World)
}{
	"running":    {},
	"stopped":    {then: func(w *simulator.World) { w.Patch("0", "replicas"); w.Settle() }},
	"created":    {},
	"rotated":    {then: func(w *simulator.World) { w.SetSecret("jwt", simulator.SecretValues["jwt"][1]); w.Settle() }},
	"full":       {spec: everything},
	"postgres":   {spec: func(w *simulator.World) { w.Patch("{secretRef: {name: db}}", "database", "postgres") }},
	"smb":        {spec: func(w *simulator.World) { w.Patch("true", "smb", "enabled") }},
	"none":       {spec: generation("None")},
	"metadata":   {spec: generation("Metadata")},
	"manual":     {spec: func(w *simulator.World) { w.Patch("Manual", "rollout") }},
	"content":    {spec: func(w *simulator.World) { w.Patch("10Gi", "storage", "contentSize") }},
	"v0.4.2":     {only: []string{"namespaced", "native"}, spec: ofVersion("0.4.2")},
	"v0.6.2":     {only: []string{"namespaced"}, spec: ofVersion("0.6.2")},
	"v0.8.3":     {only: []string{"namespaced", "native"}, spec: ofVersion("0.8.3")},
	"v0.12.0":    {only: []string{"namespaced"}, spec: ofVersion("0.12.0")},
	"v0.17.0":    {only: []string{"namespaced"}, spec: ofVersion("0.17.0")},
	"v0.18.0":    {only: []string{"namespaced"}, spec: ofVersion("0.18.0")},
	"unreleased": {only: []string{"namespaced", "native"}, spec: ofVersion("0.31.0")},
	"image": {spec: func(w *simulator.World) {
		w.Patch("", "version")
		w.Patch("registry.example.org/dittofs:main", "image")
	}},
	"unversioned": {spec: ofVersion("0.27.0"), then: func(w *simulator.World) { w.Patch("", "version"); w.Settle() }},
	"class": {spec: func(w *simulator.World) {
		w.Patch("{type: LoadBalancer, loadBalancerClass: example.org/a}", "service", "file")
	}},
	"class-held": {
		spec: func(w *simulator.World) {
			w.Patch("{type: LoadBalancer, loadBalancerClass: example.org/a}", "service", "file")
		},
		then: func(w *simulator.World) {
			w.Patch("{type: LoadBalancer, loadBalancerClass: example.org/b}", "service", "file")
			w.Settle()
		},
	},
	"content-dropped": {
		spec: func(w *simulator.World) { w.Patch("10Gi", "storage", "contentSize") },
		then: func(w *simulator.World) { w.Patch("", "storage", "contentSize"); w.Settle() },
	},
	"cache-dropped": {
		spec: ofVersion("0.8.3"),
		then: func(w *simulator.World) { w.Patch("0.9.0", "version"); w.Settle() },
	},
	"grown":          {then: func(w *simulator.World) { w.Patch("20Gi", "storage", "metadataSize"); w.Settle() }},
	"secret-missing": {then: func(w *simulator.World) { delete(w.Secrets, "jwt"); w.Settle() }},
	"held-downgrade": {then: func(w *simulator.World) { w.Patch("0.28.0", "version"); w.Settle() }},
	"held-database":  {then: func(w *simulator.World) { w.Patch("/data/metadata/other.db", "database", "sqlite", "path"); w.Settle() }},
	"held-storage": {then: func(w *simulator.World) {
		w.Patch("1Gi", "storage", "contentSize")
		w.Patch("/data/content/log", "logging", "output")
		w.Settle()
	}},
	"held-manual":      {spec: func(w *simulator.World) { w.Patch("Manual", "rollout") }, then: func(w *simulator.World) { w.Patch("DEBUG", "logging", "level"); w.Settle() }},
	"rolling-config":   {then: func(w *simulator.World) { w.Patch("DEBUG", "logging", "level"); w.Reconcile(10) }},
	"rolling-template": {then: func(w *simulator.World) { w.SetSecret("jwt", simulator.SecretValues["jwt"][1]); w.Reconcile(10) }},
	"rolling-both": {only: []string{"namespaced", "claimed"}, then: func(w *simulator.World) {
		w.Patch("DEBUG", "logging", "level")
		w.Reconcile(10)
		w.Provide("configmap")
		w.Reconcile(10)
		w.Patch("WARN", "logging", "level")
		w.Reconcile(10)
	}},
	"recreating": {then: func(w *simulator.World) {
		w.Patch("0", "replicas")
		w.Settle()
		w.Patch("20Gi", "storage", "metadataSize")
	}},
	"without-labels": {only: []string{"namespaced", "claimed"}, then: func(w *simulator.World) {
		protostruct.Set(w.Composed["statefulset"], structpb.NewStructValue(&structpb.Struct{}), "metadata", "labels")
	}},
	"crashed": {then: func(w *simulator.World) {
		protostruct.Set(w.Live["statefulset"], structpb.NewNumberValue(0), "status", "readyReplicas")
		w.Provide("statefulset")
	}},
	"example-full": {spec: fullExample},
	"metrics":      {spec: func(w *simulator.World) { w.Patch("true", "metrics", "enabled") }},
	"newest":       {only: recordedOnce, spec: ofVersion("")},
	"image-digest": {only: recordedOnce, spec: func(w *simulator.World) {
		w.Patch("", "version")
		w.Patch("registry.example.org/dittofs@sha256:"+strings.Repeat("0a", 32), "image")
	}},
	"image-tag": {only: recordedOnce, spec: func(w *simulator.World) {
		w.Patch("", "version")
		w.Patch("registry.example.org/dittofs:v0.28.1", "image")
	}},
	"approved":           {then: func(w *simulator.World) { w.Patch("0.28.0", "version"); w.Settle(); approve(w) }},
	"never-started":      {only: recordedOnce, spec: func(w *simulator.World) { w.Patch("0", "replicas") }},
	"secret-unusable":    {then: func(w *simulator.World) { w.SetSecret("jwt", simulator.SecretValues["jwt"][3]); w.Settle() }},
	"secret-never-there": {spec: func(w *simulator.World) { delete(w.Secrets, "jwt") }},
	"held-manual-secret": {spec: func(w *simulator.World) { w.Patch("Manual", "rollout") }, then: func(w *simulator.World) { w.SetSecret("jwt", simulator.SecretValues["jwt"][1]); w.Settle() }},
	"held-postgres":      {only: recordedOnce, then: func(w *simulator.World) { w.Patch("{secretRef: {name: db}}", "database", "postgres"); w.Settle() }},
	"held-cache":         {then: func(w *simulator.World) { w.Patch("0.8.0", "version"); w.Settle(); approve(w) }},
	"invalid":            {then: func(w *simulator.World) { w.Patch("soon", "shutdownTimeout") }},
	"edited":             {then: func(w *simulator.World) { w.Patch("2050", "nfsPort") }},
	"rotated-next":       {then: func(w *simulator.World) { w.SetSecret("jwt", simulator.SecretValues["jwt"][1]) }},
	"recreated": {then: func(w *simulator.World) {
		w.Patch("0", "replicas")
		w.Settle()
		w.Patch("20Gi", "storage", "metadataSize")
		w.Reconcile(10)
	}},
	"without-labels-waits": {only: []string{"namespaced", "claimed"}, then: withoutLabelsWaits},
	"without-any-labels": {only: []string{"namespaced", "claimed"}, then: func(w *simulator.World) {
		for _, o := range w.Composed {
			protostruct.Set(o, nil, "metadata", "labels")
		}
	}},
	"restarted-by-hand": {only: []string{"native", "claimed-native"}, then: func(w *simulator.World) {
		w.UpdateStatefulSet(func(u *unstructured.Unstructured) {
			if err := unstructured.SetNestedField(u.Object, "2026-01-01T00:00:00Z", "spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt"); err != nil {
				w.T.Fatal(err)
			}
		})
	}},
	"upgraded-by-hand": {only: []string{"native"}, then: func(w *simulator.World) { w.SetImage("marmos91c/dittofs:v0.30.0"); w.Settle() }},
	"image-of-webhook": {only: []string{"native"}, then: func(w *simulator.World) {
		container := protostruct.Get(w.Live["statefulset"], "spec", "template", "spec", "containers").GetListValue().GetValues()[0].GetStructValue()
		protostruct.Set(container, structpb.NewStringValue("mirror.example.org/marmos91c/dittofs:v0.29.0"), "image")
	}},
	"refused": {then: func(w *simulator.World) { w.Refused = true; w.Patch("DEBUG", "logging", "level"); w.Settle() }},
}

// recordedOnce are the simulator.Flavours to record what is no matter of how a server is asked for.
var recordedOnce = []string{"namespaced", "native"}

// claimed are the states to record of claims, which are composed as others are.
var claimed = []string{"created", "metrics", "approved", "edited", "recreated", "example-full", "without-any-labels", "restarted-by-hand", "running", "stopped", "full", "content-dropped", "secret-missing", "held-downgrade", "rolling-config", "recreating", "without-labels", "refused"}

// ofVersion edits the spec to run a release.
func ofVersion(v string) func(w *simulator.World) {
	return func(w *simulator.World) { w.Patch(v, "version") }
}

// generation gives the function an input of another generation.
func generation(g string) func(w *simulator.World) {
	return func(w *simulator.World) {
		input := map[string]any{"configHash": map[string]any{"generation": g}}
		if w.Flavour.Native {
			input["compose"] = "Native"
		}

		w.Input = protostructtest.FromMap(w.T, input)
	}
}

// everything is a server with something in each part of its spec.
func everything(w *simulator.World) {
	w.Patch("true", "metrics", "enabled")
	w.Patch("{enabled: true, port: 1445}", "smb")
	w.Patch("{type: NodePort, annotations: {example.org/a: b}, file: {nodePorts: {nfs: 32049}}}", "service")
	w.Patch("{limits: {memory: 1Gi}, requests: {cpu: 100m}}", "resources")
	w.Patch("{a: b}", "nodeSelector")
	w.Patch("[{key: a, operator: Exists}]", "tolerations")
	w.Patch("[{topologyKey: zone, maxSkew: 1, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {a: b}}}]", "topologySpreadConstraints")
	w.Patch("{podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: zone, labelSelector: {matchLabels: {a: b}}}}]}}", "affinity")
	w.Patch("[{name: A, value: b}, {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}, {name: C, valueFrom: {resourceFieldRef: {resource: limits.memory}}}]", "extraEnv")
	w.Patch("{a: b}", "podLabels")
	w.Patch("{a: b}", "podAnnotations")
	w.Patch("{nfs: 111, smb: 1446}", "adapterPorts")
	w.Patch("[{name: pull}]", "imagePullSecrets")
	w.Patch("{supplementalGroups: [1]}", "podSecurityContext")
	w.Patch("files", "serviceAccountName")
	w.Patch("high", "priorityClassName")
	w.Patch("{accessTokenDuration: 1h, secretRef: {name: jwt}}", "identity", "jwt")
	w.Patch("{passwordSecretRef: {name: admin}}", "identity", "admin")
	w.Patch("1m30s", "shutdownTimeout")
	w.Patch("{controlPlaneSize: 2Gi, metadataSize: 1.5Gi, contentSize: 1Ti, storageClassName: fast}", "storage")
}

// fullExample has every field there is. Its files are found from the repository's root, where
// the function's own tests run.
func fullExample(w *simulator.World) {
	for _, file := range []string{"example/full.yaml", "example/secrets.yaml"} {
		b, err := os.ReadFile(file)
		if err != nil {
			w.T.Fatal(err)
		}

		for doc := range strings.SplitSeq(string(b), "\n---\n") {
			o := protostructtest.FromYAML(w.T, doc)
			if protostruct.Get(o, "kind").GetStringValue() == "Secret" {
				w.Secrets[protostruct.Get(o, "metadata", "name").GetStringValue()] = o
				continue
			}

			w.Edit(protostruct.Get(o, "spec").GetStructValue())
		}
	}
}

// approve approves the change that waits.
func approve(w *simulator.World) {
	w.Annotate(v1alpha1.AnnotationApprove, w.Approval())
	w.Settle()
}

// withoutLabelsWaits is a StatefulSet that waits to be recreated, and could not be found again.
func withoutLabelsWaits(w *simulator.World) {
	w.Patch("0", "replicas")
	w.Settle()
	w.Patch("20Gi", "storage", "metadataSize")
	protostruct.Set(w.Composed["statefulset"], nil, "metadata", "labels")
}

// RecordStates adds recordings of DittoServers in every state to a folder. They are what
// upgrades meet.
func RecordStates(t *testing.T, fn simulator.Function, dir string) {
	t.Helper()

	// The others are stored as changes of the server that runs.
	names := append([]string{"running"}, slices.Sorted(maps.Keys(recorded))...)

	for _, f := range simulator.Flavours {
		for _, state := range names {
			r := recorded[state]
			if r.only != nil && !slices.Contains(r.only, f.Name) || strings.HasPrefix(f.Name, "claimed") && !slices.Contains(claimed, state) {
				continue
			}

			t.Run(f.Name+"/"+state, func(t *testing.T) {
				w := states.New(t, fn, f)
				if r.spec != nil {
					r.spec(w)
				}

				// The first request of all has nothing to observe.
				if state != "created" {
					w.Settle()
				}

				if r.then != nil {
					r.then(w)
				}

				req, _ := w.Last()
				if err := Record(dir, f.Name, state, req, func(req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) {
					return w.Function.RunFunction(t.Context(), req)
				}); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}
