package guard

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/condition"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/internal/secret"
)

func comparer(a, b dittofs.Release) bool { return a == b }

func TestRead(t *testing.T) {
	const (
		desired = `{metadata: {name: files}, spec: {serviceName: files-headless, replicas: 0, template: {
			metadata: {labels: {app.kubernetes.io/version: 0.29.0}, annotations: {dittofs.io/template-hash: new, dittofs.io/config: "a: b"}},
			spec: {containers: [{name: sidecar, image: other}, {name: dittofs, image: "dittofs:new", env: [
				{name: DITTOFS_DATABASE_POSTGRES_HOST, valueFrom: {secretKeyRef: {name: db, key: host}}},
				{name: DITTOFS_DATABASE_POSTGRES_DATABASE, valueFrom: {secretKeyRef: {name: db, key: database}}}]}]}}}}`
		asked = `{metadata: {name: files}, spec: {serviceName: files-headless, replicas: 1,
			volumeClaimTemplates: [{metadata: {name: metadata}, spec: {storageClassName: "", resources: {requests: {storage: 10Gi}}}}],
			template: {metadata: {annotations: {dittofs.io/template-hash: old}}, spec: {containers: [{name: dittofs, image: "dittofs:old"}]}}}}`
		live = `{metadata: {uid: uid, generation: 3}, spec: {replicas: 1, template: {metadata: {annotations: {dittofs.io/template-hash: older}}}},
			status: {observedGeneration: 2, replicas: 1, readyReplicas: 1}}`
	)

	s := &composite.DittoServer{
		Name:      "files",
		Namespace: "storage",
		Approved:  "approved",
		Spec: v1alpha1.DittoServerSpec{
			Image:    "dittofs:new",
			Rollout:  v1alpha1.RolloutManual,
			Logging:  v1alpha1.Logging{Output: "/tmp/log"},
			Database: v1alpha1.Database{SQLite: v1alpha1.SQLite{Path: "/data/controlplane/a.db"}},
		},
	}

	manifests := manifest.Manifests{
		manifest.ConfigMap:   protostructtest.FromYAML(t, `{data: {config.yaml: desired}}`),
		manifest.StatefulSet: protostructtest.FromYAML(t, desired),
		manifest.ServiceFile: protostructtest.FromYAML(t, `{spec: {type: LoadBalancer}}`),
		manifest.ServiceAPI:  protostructtest.FromYAML(t, `{spec: {type: ClusterIP}}`),

		manifest.ServiceMetrics: protostructtest.FromYAML(t, `{spec: {ipFamilies: [IPv6, IPv4], ipFamilyPolicy: PreferDualStack}}`),
		// All families of a headless Service can change.
		manifest.ServiceHeadless: protostructtest.FromYAML(t, `{spec: {clusterIP: None, ipFamilies: [IPv6], ipFamilyPolicy: SingleStack}}`),
	}
	o := observed.Resources{
		manifest.ConfigMap:   {Asked: protostructtest.FromYAML(t, `{metadata: {annotations: {dittofs.io/ran: '{"image":"dittofs:older"}'}}, data: {config.yaml: asked}}`), Live: protostructtest.FromYAML(t, `{data: {config.yaml: live}}`), Current: true},
		manifest.StatefulSet: {Asked: protostructtest.FromYAML(t, asked), Live: protostructtest.FromYAML(t, live), Synced: &condition.Condition{Status: "False"}},
		manifest.ServiceFile: {Asked: protostructtest.FromYAML(t, `{spec: {type: ClusterIP}}`), Live: protostructtest.FromYAML(t, `{spec: {type: LoadBalancer, loadBalancerClass: a}}`)},

		manifest.ServiceMetrics: {Asked: protostructtest.FromYAML(t, `{spec: {ipFamilyPolicy: SingleStack}}`), Live: protostructtest.FromYAML(t, `{spec: {ipFamilies: [IPv4], ipFamilyPolicy: SingleStack}}`)},
	}

	want := State{
		Namespace:  "storage",
		Secrets:    secret.Missing,
		Manual:     true,
		Approved:   "approved",
		Change:     manifest.ChangeHash(manifests[manifest.StatefulSet], o.Asked(manifest.StatefulSet), protostruct.Get(o.Live(manifest.StatefulSet), "metadata", "generation")),
		Record:     &manifest.Record{Image: "dittofs:older", Config: "asked"},
		CanPause:   true,
		DataClaims: []string{"controlplane", "metadata"},
		ConfigMap:  ConfigMap{Observed: true, Current: true, Desired: "desired", Asked: "asked", Live: "live"},
		StatefulSet: StatefulSet{
			Desired: Spec{
				Name: "files",
				Pod: Pod{Template: "new", Config: "a: b", Image: "dittofs:new", Release: release(t, "0.29.0"), DatabaseSecrets: DatabaseSecrets{Host: "db/host", Name: "db/database"}, Postgres: v1alpha1.Postgres{
					SecretRef: v1alpha1.SecretRef{Name: "db"}, Keys: v1alpha1.PostgresKeys{Host: "host", Database: "database"},
				}},
				Immutable: map[string]string{"serviceName": `"files-headless"`},
			},
			Asked: &Spec{
				Name:     "files",
				Pod:      Pod{Template: "old", Image: "dittofs:old"},
				Replicas: 1,
				Immutable: map[string]string{
					"serviceName":          `"files-headless"`,
					"volumeClaimTemplates": `[{"metadata":{"name":"metadata"},"spec":{"resources":{"requests":{"storage":"10Gi"}},"storageClassName":""}}]`,
				},
				Claims: []Claim{{Name: "metadata", Size: resource.MustParse("10Gi"), Class: new("")}},
			},
			Live:      &Live{UID: "uid", Pod: Pod{Template: "older"}, Generation: 3, ObservedGeneration: 2, Replicas: 1, CurrentReplicas: 1},
			NotSynced: true,
			Volumes:   s.Volumes(),
			// The log below /tmp needs no volume.
			Files: []string{"/data/controlplane/a.db"},
		},
		Services: []Service{
			{Name: manifest.ServiceFile, Desired: LoadBalancer{Is: true}, Live: LoadBalancer{Is: true, Class: new("a")}},
			{
				Name:            manifest.ServiceMetrics,
				DesiredFamilies: Families{List: []string{"IPv6", "IPv4"}, Policy: "PreferDualStack"},
				AskedFamilies:   Families{Policy: "SingleStack"},
				LiveFamilies:    Families{List: []string{"IPv4"}, Policy: "SingleStack"},
			},
		},
	}

	got := Read(s, manifests, nil, o, observed.Predecessors{}, observed.Claims{}, secret.Secrets{State: secret.Missing}, digester{})
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.Comparer(comparer)); diff != "" {
		t.Errorf("Read(...): -want, +got:\n%s", diff)
	}

	// A change that comes a second time, after the live StatefulSet moved, is another one.
	protostruct.Set(o.Live(manifest.StatefulSet), structpb.NewNumberValue(4), "metadata", "generation")

	if again := Read(s, manifests, nil, o, observed.Predecessors{}, observed.Claims{}, secret.Secrets{State: secret.Missing}, digester{}); again.Change == got.Change {
		t.Error("Read(...): want another Change for another generation of the live StatefulSet")
	}

	// A Service that goes keeps no families: what is asked of it is what the next one gets.
	o[manifest.ServiceMetrics].Raw = protostructtest.FromYAML(t, `{metadata: {deletionTimestamp: "2026-01-01T00:00:00Z"}}`)
	if going := Read(s, manifests, nil, o, observed.Predecessors{}, observed.Claims{}, secret.Secrets{State: secret.Missing}, digester{}); len(going.Services) != 2 || going.Services[1].LiveFamilies.List != nil {
		t.Errorf("Read(...): want no families of a Service that goes, got: %v", going.Services)
	}

	// Where nothing differs there is no change to approve.
	o[manifest.StatefulSet].Asked, o[manifest.StatefulSet].Live = manifests[manifest.StatefulSet], nil
	if same := Read(s, manifests, nil, o, observed.Predecessors{}, observed.Claims{}, secret.Secrets{State: secret.Missing}, digester{}); same.Change != "" {
		t.Errorf("Read(...): want no Change, got: %s", same.Change)
	}
}

func TestReadNothingObserved(t *testing.T) {
	s := &composite.DittoServer{}
	manifests := manifest.Manifests{manifest.ConfigMap: protostructtest.FromYAML(t, `{data: {config.yaml: desired}}`)}

	got := Read(s, manifests, nil, observed.Resources{}, observed.Predecessors{Fetched: true, Names: []string{"Object a"}}, observed.Claims{}, secret.Secrets{State: secret.There}, digester{})
	want := State{
		Secrets:      secret.There,
		Predecessors: observed.Predecessors{Fetched: true, Names: []string{"Object a"}},
		CanPause:     true,
		DataClaims:   []string{"controlplane", "metadata"},
		ConfigMap:    ConfigMap{Desired: "desired"},
	}

	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.Comparer(comparer), cmpopts.IgnoreFields(StatefulSet{}, "Volumes", "Files")); diff != "" {
		t.Errorf("Read(...): -want, +got:\n%s", diff)
	}
}

// A release that has a cache needs its volume, known from the version or from the image's
// tag; a release that is not known may have none.
func TestReadNeedsCache(t *testing.T) {
	cases := map[string]struct {
		version string
		image   string
		want    bool
	}{
		"Version":      {"0.8.0", "", true},
		"NewerVersion": {"0.29.0", "", false},
		"NewerImage":   {"", "registry.example.org/dittofs:v0.29.0", false},
		"Image":        {"", "registry.example.org/dittofs:v0.8.0", true},
		"UnknownImage": {"", "registry.example.org/dittofs:main", false},
		"Neither":      {"", "", false},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := &composite.DittoServer{Spec: v1alpha1.DittoServerSpec{Image: tc.image}}
			if tc.version != "" {
				s.Release = release(t, tc.version)
			}

			if got := Read(s, nil, nil, nil, observed.Predecessors{}, observed.Claims{}, secret.Secrets{State: secret.There}, digester{}).StatefulSet.NeedsCache; got != tc.want {
				t.Errorf("Read(...): want NeedsCache %t, got: %t", tc.want, got)
			}
		})
	}
}
