package compose

import (
	"strings"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/condition"
	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/object"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

func server(c v1beta1.Compose) *composite.DittoServer {
	s := &composite.DittoServer{}
	s.Name, s.Namespace = "files", "storage"
	s.Input.Compose, s.Input.ProviderConfigRef = c, v1beta1.ProviderConfigRef{Kind: "ClusterProviderConfig", Name: "default"}

	return s
}

func TestResources(t *testing.T) {
	manifests := manifest.Manifests{
		manifest.StatefulSet: protostructtest.FromYAML(t, "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: files}, spec: {replicas: 0}}"),
		manifest.ServiceAPI:  protostructtest.FromYAML(t, "{apiVersion: v1, kind: Service, metadata: {name: files-api}}"),
	}
	rolledOut := protostructtest.FromYAML(t, "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: files, generation: 1}, spec: {replicas: 0}, status: {observedGeneration: 1}}")

	native := observed.Resources{
		manifest.StatefulSet: {Raw: rolledOut, Live: rolledOut},
		manifest.ServiceAPI:  {Raw: manifests[manifest.ServiceAPI], Live: manifests[manifest.ServiceAPI]},
	}

	object := func(of string) *structpb.Struct {
		return protostructtest.FromYAML(t, "{apiVersion: kubernetes.m.crossplane.io/v1alpha1, kind: Object, spec: {providerConfigRef: {kind: ClusterProviderConfig, name: default}, forProvider: {manifest: {"+of+"}}}}")
	}
	there := &observed.Resource{Raw: object("apiVersion: v1, kind: Service, metadata: {name: files-api}"), Live: manifests[manifest.ServiceAPI]}
	coming := object("apiVersion: apps/v1, kind: StatefulSet, metadata: {name: files}")

	cases := map[string]struct {
		reason  string
		compose v1beta1.Compose
		o       observed.Resources
		rollout guard.Reason

		// want is each composed resource's kind, and whether it is ready.
		want map[string]string
	}{
		"New":   {"Nothing is ready that is not there.", v1beta1.ComposeNative, nil, guard.RolledOut, map[string]string{"service-api": "Service READY_FALSE", "statefulset": "StatefulSet READY_FALSE"}},
		"Ready": {"Each is judged by the rule of its row.", v1beta1.ComposeNative, native, guard.RolledOut, map[string]string{"service-api": "Service READY_TRUE", "statefulset": "StatefulSet READY_TRUE"}},
		"Waits": {"A StatefulSet that is about to move is not ready; others are.", v1beta1.ComposeNative, native, guard.ConfigMapNotReady, map[string]string{"service-api": "Service READY_TRUE", "statefulset": "StatefulSet READY_FALSE"}},
		"NativelyRefused": {
			reason: "What Crossplane cannot create is not there in any later call either.", compose: v1beta1.ComposeNative,
			o:    observed.Resources{manifest.ServiceAPI: native[manifest.ServiceAPI]},
			want: map[string]string{"service-api": "Service READY_TRUE", "statefulset": "StatefulSet READY_FALSE"},
		},
		"Foreign": {
			reason:  "Natively, nothing is composed over what somebody else has.",
			compose: v1beta1.ComposeNative,
			o:       observed.Resources{manifest.ServiceAPI: {Foreign: "Service files-api"}},
			want:    map[string]string{"statefulset": "StatefulSet READY_FALSE"},
		},
		"Unknown": {
			reason:  "Somebody else may have it.",
			compose: v1beta1.ComposeNative,
			o:       observed.Resources{manifest.ServiceAPI: {Unknown: true}},
			want:    map[string]string{"statefulset": "StatefulSet READY_FALSE"},
		},
		"Arriving": {
			reason: "A list of what is not ready changes once.", compose: v1beta1.ComposeObject, o: observed.Resources{manifest.ServiceAPI: there},
			want: map[string]string{"service-api": "Object READY_FALSE", "statefulset": "Object READY_FALSE"},
		},
		"Arrived": {
			reason: "A Service is ready before the pod.", compose: v1beta1.ComposeObject, o: observed.Resources{manifest.ServiceAPI: there, manifest.StatefulSet: {Raw: coming, Live: manifests[manifest.StatefulSet]}},
			want: map[string]string{"service-api": "Object READY_TRUE", "statefulset": "Object READY_FALSE"},
		},
		"More": {
			reason: "A server that runs stays ready while an object is added.", compose: v1beta1.ComposeObject, o: observed.Resources{manifest.StatefulSet: {Raw: coming, Live: rolledOut}},
			want: map[string]string{"service-api": "Object READY_FALSE", "statefulset": "Object READY_TRUE"},
		},
		"Refused": {
			reason: "What is there is told where one cannot be created.", compose: v1beta1.ComposeObject,
			o:    observed.Resources{manifest.ServiceAPI: there, manifest.StatefulSet: {Raw: coming, Synced: &condition.Condition{Status: "False"}}},
			want: map[string]string{"service-api": "Object READY_TRUE", "statefulset": "Object READY_FALSE"},
		},
		"LeftOut": {
			reason: "Nothing comes before a person acts.", compose: v1beta1.ComposeObject, o: observed.Resources{manifest.ServiceAPI: there}, rollout: guard.SecretsNotResolved,
			want: map[string]string{"service-api": "Object READY_TRUE", "statefulset": "Object READY_FALSE"},
		},
		"Object": {"A provider applies them.", v1beta1.ComposeObject, nil, guard.RolledOut, map[string]string{"service-api": "Object READY_FALSE", "statefulset": "Object READY_FALSE"}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			desired := &fnv1.State{Resources: map[string]*fnv1.Resource{}}
			if err := Resources(desired, server(tc.compose), manifests, tc.o, nil, &guard.Decision{Rollout: tc.rollout, LeaveOut: tc.rollout == guard.SecretsNotResolved}); err != nil {
				t.Fatal(err)
			}

			got := map[string]string{}
			for n, r := range desired.GetResources() {
				got[n] = manifest.KindOf(r.GetResource()).Kind + " " + r.GetReady().String()
			}

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nResources(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}

	t.Run("Taken", func(t *testing.T) {
		earlier := &fnv1.State{Resources: map[string]*fnv1.Resource{"statefulset": {}}}

		err := Resources(earlier, server(v1beta1.ComposeNative), manifests, nil, nil, &guard.Decision{})
		if err == nil || len(earlier.GetResources()) != 1 {
			t.Errorf("Resources(...): want an error and nothing else, got %v and %d resources", err, len(earlier.GetResources()))
		}
	})
}

// An Object that the provider could not delete loses the right to, and is otherwise as it was.
func TestKept(t *testing.T) {
	const manifestOf = "manifest: {apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, metadata: {name: files, namespace: storage}}"

	object := func(more string) *structpb.Struct {
		return protostructtest.FromYAML(t, "{apiVersion: kubernetes.m.crossplane.io/v1alpha1, kind: Object, spec: {providerConfigRef: {kind: ClusterProviderConfig, name: default}, readiness: {policy: SuccessfulCreate}, watch: true, "+more+"forProvider: {"+manifestOf+"}}}")
	}

	raw := object("managementPolicies: ['*'], ")
	o := observed.Resources{manifest.Monitor: {Raw: raw, Asked: protostruct.Get(raw, "spec", "forProvider", "manifest").GetStructValue()}}

	for kind, want := range map[observed.Availability]map[string]*fnv1.Resource{
		observed.Absent:  {"servicemonitor": {Ready: fnv1.Ready_READY_TRUE, Resource: object("managementPolicies: [Observe], ")}},
		observed.Unknown: {"servicemonitor": {Ready: fnv1.Ready_READY_TRUE, Resource: object("")}},
		observed.Present: {},
	} {
		desired := &fnv1.State{Resources: map[string]*fnv1.Resource{}}
		if err := Resources(desired, server(v1beta1.ComposeObject), nil, o, observed.Kinds{manifest.Monitor: kind}, &guard.Decision{}); err != nil {
			t.Fatal(err)
		}

		if diff := cmp.Diff(want, desired.GetResources(), protocmp.Transform()); diff != "" {
			t.Errorf("Resources(...) with the kind %d: -want, +got:\n%s", kind, diff)
		}
	}
}

// A claim that grows is never created or deleted, and nothing waits for it.
func TestClaims(t *testing.T) {
	cases := map[string]struct {
		reason string
		claim  guard.ClaimObject
		want   string
	}{
		"Observe": {
			"It is looked for by its name.",
			guard.ClaimObject{Volume: "metadata"},
			`{apiVersion: kubernetes.m.crossplane.io/v1alpha1, kind: Object, metadata: {annotations: {crossplane.io/external-name: metadata-files-0}}, spec: {providerConfigRef: {kind: ClusterProviderConfig, name: default}, readiness: {policy: SuccessfulCreate}, watch: true,
managementPolicies: [Observe], forProvider: {manifest: {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: metadata-files-0, namespace: storage}}}}}`,
		},
		"Update": {
			"It is asked to grow.",
			guard.ClaimObject{Volume: "metadata", Update: true, Size: "20Gi"},
			`{apiVersion: kubernetes.m.crossplane.io/v1alpha1, kind: Object, metadata: {annotations: {crossplane.io/external-name: metadata-files-0}}, spec: {providerConfigRef: {kind: ClusterProviderConfig, name: default}, readiness: {policy: SuccessfulCreate}, watch: true,
managementPolicies: [Observe, Update], forProvider: {manifest: {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: metadata-files-0, namespace: storage}, spec: {resources: {requests: {storage: 20Gi}}}}}}}`,
		},
		"Attributes": {
			"Its volume is asked to change, and its size stays.",
			guard.ClaimObject{Volume: "metadata", Update: true, Size: "20Gi", Attributes: "gold"},
			`{apiVersion: kubernetes.m.crossplane.io/v1alpha1, kind: Object, metadata: {annotations: {crossplane.io/external-name: metadata-files-0}}, spec: {providerConfigRef: {kind: ClusterProviderConfig, name: default}, readiness: {policy: SuccessfulCreate}, watch: true,
managementPolicies: [Observe, Update], forProvider: {manifest: {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: metadata-files-0, namespace: storage}, spec: {volumeAttributesClassName: gold, resources: {requests: {storage: 20Gi}}}}}}}`,
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			desired := &fnv1.State{Resources: map[string]*fnv1.Resource{}}
			want := map[string]*fnv1.Resource{"claim-metadata": {Resource: protostructtest.FromYAML(t, tc.want), Ready: fnv1.Ready_READY_TRUE}}

			if err := Resources(desired, server(v1beta1.ComposeObject), nil, nil, nil, &guard.Decision{ClaimObjects: []guard.ClaimObject{tc.claim}}); err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(want, desired.GetResources(), protocmp.Transform()); diff != "" {
				t.Errorf("%s\nResources(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}

	taken := &fnv1.State{Resources: map[string]*fnv1.Resource{"claim-metadata": {}}}
	if err := Resources(taken, server(v1beta1.ComposeObject), nil, nil, nil, &guard.Decision{ClaimObjects: []guard.ClaimObject{{Volume: "metadata"}}}); err == nil {
		t.Error("Resources(...): want an error for what an earlier function composes")
	}
}

// The provider's rights are decided for each resource.
func TestPolicy(t *testing.T) {
	cases := map[string]struct {
		reason string
		name   manifest.Name
		o      *observed.Resource
		paused bool
		want   object.Policy
	}{
		"New":          {"Somebody else may have one of that name.", manifest.ServiceAPI, nil, false, object.Create},
		"Unknown":      {"It is not known yet whose it is.", manifest.ServiceAPI, &observed.Resource{Policy: object.Create}, false, object.Create},
		"Own":          {"It is this server's.", manifest.ServiceAPI, &observed.Resource{Policy: object.Create, Live: &structpb.Struct{}}, false, object.Manage},
		"Managed":      {"What the provider may do is not taken back.", manifest.ServiceAPI, &observed.Resource{}, false, object.Manage},
		"Paused":       {"No pod may start yet.", manifest.StatefulSet, nil, true, object.Pause},
		"StillPaused":  {"No pod may start yet.", manifest.StatefulSet, &observed.Resource{Policy: object.Pause}, true, object.Pause},
		"Resumed":      {"A pod may start.", manifest.StatefulSet, &observed.Resource{Policy: object.Pause}, false, object.Create},
		"OthersPaused": {"Only the StatefulSet is.", manifest.ConfigMap, nil, true, object.Create},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := observed.Resources{manifest.StatefulSet: {Live: &structpb.Struct{}}}
			o[tc.name] = tc.o

			if got := policy(server(v1beta1.ComposeObject), tc.name, o, &guard.Decision{Paused: tc.paused}); got != tc.want {
				t.Errorf("%s\npolicy(...): want %d, got %d", tc.reason, tc.want, got)
			}
		})
	}
}

// While the StatefulSet is created, no other Object is written to.
func TestPolicyWhileStarting(t *testing.T) {
	live := &structpb.Struct{}
	created, coming := &observed.Resource{Policy: object.Create, Live: live}, &observed.Resource{Policy: object.Create}
	refused := &observed.Resource{Policy: object.Create, Synced: &condition.Condition{Status: "False"}}
	paused := &observed.Resource{Policy: object.Pause}

	cases := map[string]struct {
		reason           string
		service, cm, sts *observed.Resource
		d                guard.Decision
		want             object.Policy
	}{
		"ConfigMapComes":   {"The StatefulSet is next.", created, coming, paused, guard.Decision{Paused: true}, object.Create},
		"ConfigMapDiffers": {"The ConfigMap that there is must be changed first.", created, created, paused, guard.Decision{Paused: true}, object.Manage},
		"ConfigMapRefused": {"It cannot be created, and the DittoServer may be deleted.", created, refused, paused, guard.Decision{Paused: true}, object.Manage},
		"Resumed":          {"The StatefulSet is created now.", created, created, paused, guard.Decision{}, object.Create},
		"Starting":         {"The provider is about to create it.", created, created, coming, guard.Decision{}, object.Create},
		"Started":          {"It is there.", created, created, created, guard.Decision{}, object.Manage},
		"Refused":          {"It cannot be created, and the DittoServer may be deleted.", created, created, refused, guard.Decision{}, object.Manage},
		"Foreign":          {"It is somebody else's.", created, created, &observed.Resource{Policy: object.Create, Foreign: "StatefulSet files"}, guard.Decision{}, object.Manage},
		"None":             {"Crossplane cannot create its Object, and the DittoServer may be deleted.", created, created, nil, guard.Decision{}, object.Manage},
		"NoConfigMap":      {"Crossplane cannot create its Object, and the DittoServer may be deleted.", created, nil, paused, guard.Decision{Paused: true}, object.Manage},
		"LeftOut":          {"There is none any more.", created, created, coming, guard.Decision{LeaveOut: true}, object.Manage},
		"Managed":          {"What the provider may do is not taken back.", &observed.Resource{Live: live}, created, coming, guard.Decision{}, object.Manage},
		"LongAgo":          {"The StatefulSet was created before.", created, created, &observed.Resource{}, guard.Decision{}, object.Manage},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := observed.Resources{manifest.ServiceAPI: tc.service, manifest.ConfigMap: tc.cm, manifest.StatefulSet: tc.sts}

			if got := policy(server(v1beta1.ComposeObject), manifest.ServiceAPI, o, &tc.d); got != tc.want {
				t.Errorf("%s\npolicy(...): want %d, got %d", tc.reason, tc.want, got)
			}
		})
	}
}

func TestIsSettling(t *testing.T) {
	state := func(ready fnv1.Ready) *fnv1.State {
		return &fnv1.State{Resources: map[string]*fnv1.Resource{"statefulset": {Ready: ready}}}
	}

	cases := map[string]struct {
		reason  string
		desired *fnv1.State
		d       guard.Decision
		want    bool
	}{
		"Starts":      {"Its pod is not ready.", state(fnv1.Ready_READY_FALSE), guard.Decision{}, true},
		"Rests":       {"Nothing is on its way.", state(fnv1.Ready_READY_TRUE), guard.Decision{}, false},
		"Recreated":   {"The old one goes.", &fnv1.State{}, guard.Decision{LeaveOut: true, Rollout: guard.Recreating}, true},
		"Predecessor": {"The old one goes.", &fnv1.State{}, guard.Decision{LeaveOut: true, Rollout: guard.PredecessorThere}, true},
		"NoSecret":    {"A person does what is next.", &fnv1.State{}, guard.Decision{LeaveOut: true, Rollout: guard.SecretsNotResolved}, false},
		"NotComposed": {"Natively, somebody else has that name.", &fnv1.State{}, guard.Decision{}, false},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := IsSettling(tc.desired, &tc.d); got != tc.want {
				t.Errorf("%s\nIsSettling(...): want %t, got %t", tc.reason, tc.want, got)
			}
		})
	}
}

func TestMoved(t *testing.T) {
	m := protostructtest.FromYAML(t, "{apiVersion: apps/v1, kind: StatefulSet, metadata: {namespace: storage, name: files}}")

	o, err := object.New(server(v1beta1.ComposeObject), manifest.RowOf(manifest.StatefulSet), m, object.Manage, nil)
	if err != nil {
		t.Fatal(err)
	}

	set := func(s *structpb.Struct, path string, v string) *structpb.Struct {
		return protostruct.With(s, structpb.NewStringValue(v), strings.Split(path, ".")...)
	}

	cases := map[string]struct {
		reason  string
		desired *structpb.Struct
		raw     *structpb.Struct

		// want is in the error, or empty if there is none.
		want string
	}{
		"SameObject":     {"Nothing moves.", o, o, ""},
		"SameNative":     {"Nothing moves.", m, m, ""},
		"Version":        {"The API version may change.", o, set(o, "apiVersion", "kubernetes.m.crossplane.io/v1beta1"), ""},
		"Labels":         {"Labels may change.", o, set(o, "metadata.labels.app", "a"), ""},
		"BecomesNative":  {"A second StatefulSet would come up.", m, o, "is a Object.kubernetes.m.crossplane.io and would become a StatefulSet.apps"},
		"BecomesObject":  {"A second StatefulSet would come up.", o, m, "is a StatefulSet.apps and would become a Object.kubernetes.m.crossplane.io"},
		"BecomesService": {"Another kind is another object.", set(set(m, "apiVersion", "v1"), "kind", "Service"), m, "is a StatefulSet.apps and would become a Service.core"},
		"ProviderKind":   {"Another ProviderConfig may be another cluster.", o, set(o, "spec.providerConfigRef.kind", "ProviderConfig"), "spec.providerConfigRef.kind"},
		"ProviderConfig": {"Another ProviderConfig may be another cluster.", o, set(o, "spec.providerConfigRef.name", "other"), "spec.providerConfigRef.name"},
		"LaterStep":      {"A later step of the pipeline may set the ProviderConfig, which the message says.", o, set(o, "spec.providerConfigRef.name", "cluster-b"), `has the spec.providerConfigRef.name "cluster-b" and would get "default": change it back, or remove the later step`},
		"ManifestKind":   {"An Object of another object is another one.", o, set(o, "spec.forProvider.manifest.kind", "Deployment"), "spec.forProvider.manifest.kind"},
		"Namespace":      {"The pod would come up in another namespace.", o, set(o, "spec.forProvider.manifest.metadata.namespace", "other"), "spec.forProvider.manifest.metadata.namespace"},
		"Name":           {"Another StatefulSet has other volumes.", o, set(o, "spec.forProvider.manifest.metadata.name", "other"), "spec.forProvider.manifest.metadata.name"},
		"NativeName":     {"Another StatefulSet has other volumes.", m, set(m, "metadata.name", "other"), "metadata.name"},
		"NativeSpace":    {"The pod would come up in another namespace.", m, set(m, "metadata.namespace", "other"), "metadata.namespace"},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := moved(manifest.StatefulSet, tc.desired, &observed.Resource{Raw: tc.raw})
			if (err != nil) != (tc.want != "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s\nmoved(...): want error %q, got: %v", tc.reason, tc.want, err)
			}
		})
	}
}
