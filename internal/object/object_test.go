package object

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

// server of package composite, as far as Objects are of it.
func server(clusterScoped bool, config v1beta1.ProviderConfigRef) *composite.DittoServer {
	s := &composite.DittoServer{ClusterScoped: clusterScoped}
	s.Name, s.Namespace = "files", "storage"
	s.Input.ProviderConfigRef = config

	return s
}

func TestNew(t *testing.T) {
	const query = "has(object.status) && has(object.status.loadBalancer) && has(object.status.loadBalancer.ingress) && size(object.status.loadBalancer.ingress) > 0"

	namespaced := server(false, v1beta1.ProviderConfigRef{Kind: "ClusterProviderConfig", Name: "default"})

	cases := map[string]struct {
		reason   string
		server   *composite.DittoServer
		name     manifest.Name
		manifest string
		policy   Policy
		before   string
		want     string
	}{
		"Created": {
			"What has nothing to wait for is ready once it is created.", namespaced, manifest.ConfigMap, "{kind: ConfigMap, metadata: {name: files}}", Manage, "{}",
			`{apiVersion: kubernetes.m.crossplane.io/v1alpha1, kind: Object, spec: {providerConfigRef: {kind: ClusterProviderConfig, name: default},
readiness: {policy: SuccessfulCreate}, watch: true, forProvider: {manifest: {kind: ConfigMap, metadata: {name: files}}}}}`,
		},
		"Queried": {
			"A load balancer waits for its address.", namespaced, manifest.ServiceAPI, "{kind: Service, metadata: {name: files}, spec: {type: LoadBalancer}}", Manage, "{}",
			`{apiVersion: kubernetes.m.crossplane.io/v1alpha1, kind: Object, spec: {providerConfigRef: {kind: ClusterProviderConfig, name: default},
readiness: {policy: DeriveFromCelQuery, celQuery: "` + query + `"}, watch: true, forProvider: {manifest: {kind: Service, metadata: {name: files}, spec: {type: LoadBalancer}}}}}`,
		},
		"ClusterScoped": {
			"A ProviderConfig of the cluster-scoped API has no kind.", server(true, v1beta1.ProviderConfigRef{Name: "other"}), manifest.ServiceMetrics, "{kind: Service, metadata: {name: files}}", Manage, "{}",
			`{apiVersion: kubernetes.crossplane.io/v1alpha2, kind: Object, spec: {providerConfigRef: {name: other},
readiness: {policy: SuccessfulCreate}, watch: true, forProvider: {manifest: {kind: Service, metadata: {name: files}}}}}`,
		},
		"Create": {
			"What is there stays as it is.", namespaced, manifest.ConfigMap, "{kind: ConfigMap, metadata: {name: files}}", Create, "{}",
			`{apiVersion: kubernetes.m.crossplane.io/v1alpha1, kind: Object, spec: {providerConfigRef: {kind: ClusterProviderConfig, name: default},
readiness: {policy: SuccessfulCreate}, watch: true, managementPolicies: [Observe, Create], forProvider: {manifest: {kind: ConfigMap, metadata: {name: files}}}}}`,
		},
		"Pause": {
			"An empty list is not the same as none.", namespaced, manifest.ConfigMap, "{kind: ConfigMap, metadata: {name: files}}", Pause, "{}",
			`{apiVersion: kubernetes.m.crossplane.io/v1alpha1, kind: Object, spec: {providerConfigRef: {kind: ClusterProviderConfig, name: default},
readiness: {policy: SuccessfulCreate}, watch: true, managementPolicies: [], forProvider: {manifest: {kind: ConfigMap, metadata: {name: files}}}}}`,
		},
		"New": {
			"The provider need not write the external name.", namespaced, manifest.ConfigMap, "{kind: ConfigMap, metadata: {name: files}}", Create, "",
			`{apiVersion: kubernetes.m.crossplane.io/v1alpha1, kind: Object, metadata: {annotations: {crossplane.io/external-name: files}}, spec: {providerConfigRef: {kind: ClusterProviderConfig, name: default},
readiness: {policy: SuccessfulCreate}, watch: true, managementPolicies: [Observe, Create], forProvider: {manifest: {kind: ConfigMap, metadata: {name: files}}}}}`,
		},
		"Named": {
			"What it was made with it keeps.", namespaced, manifest.ConfigMap, "{kind: ConfigMap, metadata: {name: files}}", Manage, "{metadata: {annotations: {crossplane.io/external-name: files}}}",
			`{apiVersion: kubernetes.m.crossplane.io/v1alpha1, kind: Object, metadata: {annotations: {crossplane.io/external-name: files}}, spec: {providerConfigRef: {kind: ClusterProviderConfig, name: default},
readiness: {policy: SuccessfulCreate}, watch: true, forProvider: {manifest: {kind: ConfigMap, metadata: {name: files}}}}}`,
		},
		"NamedByProvider": {
			"What the provider wrote is its own.", namespaced, manifest.ConfigMap, "{kind: ConfigMap, metadata: {name: files}}", Manage, "{metadata: {annotations: {crossplane.io/external-name: files-0a1b2c}}}",
			`{apiVersion: kubernetes.m.crossplane.io/v1alpha1, kind: Object, spec: {providerConfigRef: {kind: ClusterProviderConfig, name: default},
readiness: {policy: SuccessfulCreate}, watch: true, forProvider: {manifest: {kind: ConfigMap, metadata: {name: files}}}}}`,
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var before *structpb.Struct
			if tc.before != "" {
				before = protostructtest.FromYAML(t, tc.before)
			}

			got, err := New(tc.server, manifest.RowOf(tc.name), protostructtest.FromYAML(t, tc.manifest), tc.policy, before)
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(protostructtest.FromYAML(t, tc.want), got, protocmp.Transform()); diff != "" {
				t.Errorf("%s\nNew(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// The other functions read what New makes.
func TestRead(t *testing.T) {
	s := server(false, v1beta1.ProviderConfigRef{Name: "default"})

	for row := range manifest.Rows() {
		m := protostructtest.FromYAML(t, "{kind: "+row.Kind.Kind+", metadata: {namespace: storage, name: files}}")

		o, err := New(s, row, m, Manage, nil)
		if err != nil {
			t.Fatal(err)
		}

		if !Is(o) || manifest.KindOf(o).Kind != Kind {
			t.Errorf("%s: Is(...): want an Object", row.Name)
		}

		if diff := cmp.Diff(m, Asked(o), protocmp.Transform()); diff != "" {
			t.Errorf("%s: Asked(...): -want, +got:\n%s", row.Name, diff)
		}

		if Live(o) != nil || Synced(o) != nil {
			t.Errorf("%s: Live(...), Synced(...): want neither before the provider has seen it", row.Name)
		}

		// Only the Object of the StatefulSet is looked for.
		if want := row.Name == manifest.StatefulSet; IsLabelled(s, o) != want {
			t.Errorf("%s: IsLabelled(...): want %t", row.Name, want)
		}

		for _, path := range Identity {
			// A ProviderConfig may have no kind.
			if protostruct.Get(o, path...).GetStringValue() == "" && path[len(path)-1] != "kind" {
				t.Errorf("%s: an Object has no %s", row.Name, path)
			}
		}
	}
}

func TestPolicyOf(t *testing.T) {
	cases := map[string]struct {
		reason string
		object string
		want   Policy
	}{
		"None":        {"An earlier version of the function wrote none.", "{spec: {}}", Manage},
		"Default":     {"The API server writes the provider's default.", `{spec: {managementPolicies: ["*"]}}`, Manage},
		"Create":      {"This function wrote it.", "{spec: {managementPolicies: [Observe, Create]}}", Create},
		"Pause":       {"This function wrote it.", "{spec: {managementPolicies: []}}", Pause},
		"PausedLater": {"A person paused an Object that runs.", "{spec: {managementPolicies: []}, status: {atProvider: {manifest: {kind: ConfigMap}}}}", Manage},
		"Others":      {"A person chose that.", "{spec: {managementPolicies: [Observe, Create, Update]}}", Manage},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := PolicyOf(protostructtest.FromYAML(t, tc.object)); got != tc.want {
				t.Errorf("%s\nPolicyOf(...): want %d, got %d", tc.reason, tc.want, got)
			}
		})
	}
}

func TestSynced(t *testing.T) {
	const paused = "status: {conditions: [{type: Synced, status: 'False', reason: ReconcilePaused}]}"

	cases := map[string]struct {
		reason string
		object string
		want   bool
	}{
		"Failed":   {"The provider says why.", "{status: {conditions: [{type: Synced, status: 'False', reason: ReconcileError}]}}", true},
		"Paused":   {"This function paused it.", "{spec: {managementPolicies: []}, " + paused + "}", false},
		"Resumed":  {"The provider did not work on it since.", "{spec: {managementPolicies: [Observe, Create]}, " + paused + "}", false},
		"ByPerson": {"A person paused it.", `{metadata: {annotations: {crossplane.io/paused: "true"}}, ` + paused + "}", true},
		"Later":    {"A person paused what runs.", "{spec: {managementPolicies: []}, status: {atProvider: {manifest: {kind: ConfigMap}}, conditions: [{type: Synced, status: 'False', reason: ReconcilePaused}]}}", true},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := Synced(protostructtest.FromYAML(t, tc.object)).IsFalse(); got != tc.want {
				t.Errorf("%s\nSynced(...): want False: %t, got %t", tc.reason, tc.want, got)
			}
		})
	}
}

func TestIs(t *testing.T) {
	cases := map[string]struct {
		reason   string
		resource string
		want     bool
	}{
		"Namespaced":    {"It is one.", "{apiVersion: kubernetes.m.crossplane.io/v1alpha1, kind: Object}", true},
		"ClusterScoped": {"It is one.", "{apiVersion: kubernetes.crossplane.io/v1alpha2, kind: Object}", true},
		"Older":         {"This function never composed that version.", "{apiVersion: kubernetes.crossplane.io/v1alpha1, kind: Object}", false},
		"OtherKind":     {"The provider has other kinds.", "{apiVersion: kubernetes.m.crossplane.io/v1alpha1, kind: ProviderConfig}", false},
		"OtherGroup":    {"Others have Objects too.", "{apiVersion: example.org/v1, kind: Object}", false},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := Is(protostructtest.FromYAML(t, tc.resource)); got != tc.want {
				t.Errorf("%s\nIs(...): want %t, got %t", tc.reason, tc.want, got)
			}
		})
	}
}

func TestIsLabelled(t *testing.T) {
	cases := map[string]struct {
		reason string
		object string
		want   bool
	}{
		"Labelled": {"Others may have added labels.", "{metadata: {labels: {dittofs.io/namespace: storage, dittofs.io/statefulset: files, app: a}}}", true},
		"None":     {"An early version of the function wrote none.", "{metadata: {}}", false},
		"Half":     {"It would not be found.", "{metadata: {labels: {dittofs.io/statefulset: files}}}", false},
		"Other":    {"It is another server's.", "{metadata: {labels: {dittofs.io/namespace: storage, dittofs.io/statefulset: others}}}", false},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := IsLabelled(server(false, v1beta1.ProviderConfigRef{}), protostructtest.FromYAML(t, tc.object)); got != tc.want {
				t.Errorf("%s\nIsLabelled(...): want %t, got %t", tc.reason, tc.want, got)
			}
		})
	}
}

func TestIsCurrent(t *testing.T) {
	cases := map[string]struct {
		reason string
		object string
		want   bool
	}{
		"Current":  {"The provider has seen the last generation.", "{metadata: {generation: 2}, status: {conditions: [{type: Synced, observedGeneration: 2}]}}", true},
		"Behind":   {"It has not.", "{metadata: {generation: 2}, status: {conditions: [{type: Synced, observedGeneration: 1}]}}", false},
		"Ready":    {"Another condition says nothing of what was applied.", "{metadata: {generation: 2}, status: {conditions: [{type: Synced, observedGeneration: 1}, {type: Ready, observedGeneration: 2}]}}", false},
		"NotNoted": {"An older provider does not note the generation.", "{metadata: {generation: 2}, status: {conditions: [{type: Synced}]}}", true},
		"New":      {"There is nothing live that it could be wrong about.", "{metadata: {generation: 1}}", true},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := IsCurrent(protostructtest.FromYAML(t, tc.object)); got != tc.want {
				t.Errorf("%s\nIsCurrent(...): want %t, got %t", tc.reason, tc.want, got)
			}
		})
	}
}
