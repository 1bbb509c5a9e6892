// Package podrules holds the rules of a DittoServer's pod against those of Kubernetes' API
// server.
package podrules

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/structpb"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	podutil "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/apps"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	appsvalidation "k8s.io/kubernetes/pkg/apis/apps/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	"k8s.io/kubernetes/pkg/capabilities"
	registry "k8s.io/kubernetes/pkg/registry/core/pod"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

const (
	// pairs of mutations that are tried.
	pairs = 3000

	// minimum is how many templates each outcome has to have.
	minimum = 40
)

// statefulSet returns the StatefulSet that the function composes for a server, as it is
// sent.
func statefulSet(t *testing.T, s *composite.DittoServer) []byte {
	t.Helper()

	config := []byte("logging: {}\n")

	pod, err := manifest.Pod(s, manifest.PodInputs{Image: "marmos91c/dittofs:v0.29.0", Config: config, ConfigHash: "sha256:0"})
	if err != nil {
		t.Fatal(err)
	}

	m, err := manifest.Build(s, manifest.Inputs{Config: config, Pod: pod})
	if err != nil {
		t.Fatal(err)
	}

	return protostruct.JSON(structpb.NewStructValue(m[manifest.StatefulSet]))
}

// refused returns what the API server refuses of a StatefulSet, as since Kubernetes 1.34, and
// of the pod that the controller makes of it, as it always did.
func refused(t *testing.T, manifest []byte) field.ErrorList {
	t.Helper()

	sent := &appsv1.StatefulSet{}
	if err := json.Unmarshal(manifest, sent); err != nil {
		t.Fatal(err)
	}

	legacyscheme.Scheme.Default(sent)

	sts := &apps.StatefulSet{}
	if err := legacyscheme.Scheme.Convert(sent, sts, nil); err != nil {
		t.Fatal(err)
	}

	podutil.DropDisabledTemplateFields(&sts.Spec.Template, nil)

	errs := appsvalidation.ValidateStatefulSet(sts, podutil.GetValidationOptionsFromPodTemplate(&sts.Spec.Template, nil))

	pod := &core.Pod{ObjectMeta: sts.Spec.Template.ObjectMeta, Spec: sts.Spec.Template.Spec}
	pod.ObjectMeta.Name, pod.ObjectMeta.Namespace = sts.Name+"-0", sts.Namespace

	for _, c := range sts.Spec.VolumeClaimTemplates {
		pod.Spec.Volumes = append(pod.Spec.Volumes, core.Volume{Name: c.Name, VolumeSource: core.VolumeSource{
			PersistentVolumeClaim: &core.PersistentVolumeClaimVolumeSource{ClaimName: c.Name + "-" + pod.Name},
		}})
	}

	// The API server adds these before it judges, such as labels to selectors.
	registry.Strategy.PrepareForCreate(t.Context(), pod)

	return append(errs, registry.Strategy.Validate(t.Context(), pod)...)
}

// decode returns the server with the fields that mutations set, and what the function
// refuses of it.
func decode(t *testing.T, mutations ...mutation) (*composite.DittoServer, field.ErrorList) {
	t.Helper()

	lines := []string{"identity: {jwt: {secretRef: {name: jwt}}}", "storage: {contentSize: 1Gi}"}
	for _, m := range mutations {
		lines = append(lines, m.field+": "+m.value)
	}

	spec := map[string]any{}
	if err := yaml.Unmarshal([]byte(strings.Join(lines, "\n")), &spec); err != nil {
		t.Fatal(err)
	}

	xr, err := structpb.NewStruct(map[string]any{
		"metadata": map[string]any{"name": "files", "namespace": "storage"},
		"spec":     spec,
	})
	if err != nil {
		t.Fatal(err)
	}

	return composite.Decode(xr, nil)
}

// stricter are the function's errors about templates that the API server takes, each with its
// reason. A part of the error's text tells them apart.
//
//nolint:gochecknoglobals // A table.
var stricter = []struct{ text, reason string }{
	{"spec.imagePullSecrets", "the kubelet would look for a Secret that there cannot be, and server-side apply merges them by name"},
	{"annotations of the domain dittofs.io", "the function reads them"},
	{"Kubernetes gives it a meaning of its own", "it may be good today, and is read by nobody or replaced by a field"},
	{"spec.podAnnotations: Too long", "the function's own annotations, a copy of config.yaml among them, need the rest"},
	{"a valid environment variable name", "the API server takes other names since Kubernetes 1.32 only"},
	{"must not be '..'", "the API server takes other names since Kubernetes 1.32 only"},
	{"must not start with '..'", "the API server takes other names since Kubernetes 1.32 only"},
	{"].name: Duplicate value", "server-side apply merges variables by name"},
	{"is reserved", "it would go past the checks of a field of the spec"},
	{"the pod has no volume for it", "no field of the spec adds a volume that the file could be in"},
	{`fieldPath: Unsupported value: "spec.host"`, "it is an old name of spec.nodeName"},
	{"must not contain ':'", "the kubelet would not start the container"},
	{"must have exactly one of secret, configMap and downwardAPI", "the API server takes a volume without a source for an empty one, and of two sources the template gets one"},
	{"topologyKey: Invalid value", "no node can have such a label"},
	{"must not be in labelSelector as well", "the API server adds the label to the selector of each pod, which it then refuses"},
	{"matchLabelKeys[1]: Duplicate value", "the API server adds the label to the selector of each pod that has it, twice, which it then refuses"},
	{"containerName: Invalid value", "the kubelet would not start the container"},
	{"must not be root while runAsNonRoot is true", "the kubelet would not start the container"},
	{"the server runs on Linux", "the pod names no operating system, so that the API server cannot know"},
	{"must be a relative path without '..'", "the kubelet would look for a profile without a name"},
	{"must be a whole number when operator is Gt or Lt", "the scheduler would not find a node"},
	{"preference.matchExpressions[0].values[0]: Invalid value", "no node can have such a label"},
}

// knownStricter returns the index of the entry of stricter that an error belongs to, or -1.
func knownStricter(err *field.Error) int {
	return slices.IndexFunc(stricter, func(s struct{ text, reason string }) bool { return strings.Contains(err.Error(), s.text) })
}

// TestRules holds what the function refuses against what the API server refuses, for each
// mutation and for some pairs of them.
func TestRules(t *testing.T) {
	// As most clusters are set up: whether a container may be privileged is not a rule of
	// pods, but a flag.
	capabilities.Setup(true, 0)

	used := make([]bool, len(stricter))
	counts := map[string]int{}

	// judge reports whether the function takes a template.
	judge := func(mutations ...mutation) bool {
		s, ours := decode(t, mutations...)
		theirs := refused(t, statefulSet(t, s))

		switch {
		case len(ours) == 0 && len(theirs) == 0:
			counts["taken by both"]++
		case len(ours) == 0:
			t.Errorf("%s: we take what the API server refuses:\n%v", mutations, theirs.ToAggregate())
		case len(theirs) > 0:
			counts["refused by both"]++
		default:
			counts["refused by us"]++

			for _, err := range ours {
				i := knownStricter(err)
				if i < 0 {
					t.Errorf("%s: the API server takes it, and we give no reason not to:\n%v", mutations, err)
					continue
				}

				used[i] = true
			}
		}

		return len(ours) == 0
	}

	var taken []mutation

	all := mutations()
	for _, m := range all {
		if judge(m) {
			taken = append(taken, m)
		}
	}

	for i, s := range stricter {
		if !used[i] {
			t.Errorf("the API server refuses this as well, or no mutation shows it: remove it from the list: %s (%s)", s.text, s.reason)
		}
	}

	// Only what each is taken alone can show that two do not go together.
	random := rand.New(rand.NewPCG(15, 7)) //nolint:gosec // The same pairs each time.

	for range pairs {
		a, b := taken[random.IntN(len(taken))], taken[random.IntN(len(taken))]
		if a.field != b.field {
			judge(a, b)
		}
	}

	t.Logf("%d mutations and %d pairs of them: %v", len(all), pairs, counts)

	for _, count := range []string{"taken by both", "refused by both", "refused by us"} {
		if counts[count] < minimum {
			t.Errorf("only %d templates are %s: the test shows little", counts[count], count)
		}
	}
}

// otherFields of a spec are not the user's own words on the pod: the pod follows from them,
// if at all, and rules of their own judge them.
//
//nolint:gochecknoglobals // A table.
var otherFields = sets.New(
	"adapterPorts", "annotations", "api", "apiPort", "cache", "config", "database", "identity", "image", "labels", "logging", "metrics", "networkPolicy", "nfsPort", "podDisruptionBudget", "portmapper", "replicas", "rollout", "service",
	"shutdownTimeout", "startupTimeout", "smb", "storage", "telemetry", "version",
)

// TestFields fails for a new field of the spec until mutations has values of it, or
// otherFields its name.
func TestFields(t *testing.T) {
	known := otherFields.Clone()
	for _, m := range mutations() {
		known.Insert(m.field)
	}

	for _, f := range reflect.VisibleFields(reflect.TypeFor[v1alpha1.DittoServerSpec]()) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); !known.Has(name) {
			t.Errorf("no mutation of the field %s", name)
		}
	}
}
