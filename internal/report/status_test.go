package report

import (
	"testing"

	xpv2 "github.com/crossplane/crossplane/apis/v2/core/v2"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/condition"
	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

func server() *composite.DittoServer {
	s := &composite.DittoServer{Name: "files", Namespace: "storage", Generation: 7}
	s.Spec.NFSPort, s.Spec.APIPort = new(int32(2049)), new(int32(8080))
	s.Spec.SMB.Port, s.Spec.Metrics.Port = new(int32(445)), new(int32(9090))

	return s
}

func TestPhase(t *testing.T) {
	there := &structpb.Struct{}
	failed := &condition.Condition{Status: "False", Reason: string(xpv2.ReasonReconcileError)}

	cases := map[string]struct {
		reason   string
		o        observed.Resources
		ready    bool
		replicas string
		want     v1alpha1.Phase
	}{
		"Nothing":     {"Nothing is there yet.", nil, false, "1", v1alpha1.PhasePending},
		"NotLive":     {"What is asked for may not be there.", observed.Resources{manifest.StatefulSet: {Asked: there}}, false, "1", v1alpha1.PhasePending},
		"Progressing": {"Its pod is not ready, or about to be replaced.", observed.Resources{manifest.StatefulSet: {Live: there}}, false, "1", v1alpha1.PhaseProgressing},
		"Running":     {"Its pod is ready.", observed.Resources{manifest.StatefulSet: {Live: there}}, true, "1", v1alpha1.PhaseRunning},
		"Stopped":     {"No replica is asked for, and none runs.", observed.Resources{manifest.StatefulSet: {Live: there}}, true, "0", v1alpha1.PhaseStopped},
		"Failed":      {"Something cannot be applied, whatever runs.", observed.Resources{manifest.StatefulSet: {Live: there}, manifest.ServiceAPI: {Synced: failed}}, true, "1", v1alpha1.PhaseFailed},
		"Foreign":     {"Somebody else has a name that is needed.", observed.Resources{manifest.StatefulSet: {Foreign: "StatefulSet files"}}, false, "1", v1alpha1.PhaseFailed},
		"ForeignElse": {"A name that is not needed may be anybody's.", observed.Resources{manifest.StatefulSet: {Live: there}, manifest.ServiceMetrics: {Foreign: "Service files-metrics"}}, true, "1", v1alpha1.PhaseRunning},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			manifests := manifest.Manifests{manifest.StatefulSet: protostructtest.FromYAML(t, "{spec: {replicas: "+tc.replicas+"}}")}

			if got := phase(manifests, tc.o, tc.ready); got != tc.want {
				t.Errorf("%s\nphase(...): want %s, got %s", tc.reason, tc.want, got)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	const statefulSet = `{spec: {replicas: 1, template: {metadata: {annotations: {dittofs.io/config-hash: 0a0b}}}}}`

	xr := protostructtest.FromYAML(t, "{apiVersion: dittofs.io/v1alpha1, kind: DittoServer, spec: {version: 0.29.0}}")

	cases := map[string]struct {
		reason string
		change func(s *composite.DittoServer)
		o      observed.Resources

		// statefulSet that is composed, if it is another one.
		statefulSet string

		// desired is what earlier functions desire, and composed says whether a StatefulSet is.
		desired    string
		isComposed bool

		want      string
		wantReady fnv1.Ready
	}{
		"New": {
			reason:     "A Service is reached at its name until it has an address.",
			isComposed: true,
			want:       `{phase: Pending, observedGeneration: 7, configHash: 0a0b, endpoints: {nfs: "files-file.storage.svc:2049", api: "files-api.storage.svc:8080"}}`,
		},
		"Waits": {
			reason:    "Crossplane judges by what is desired, and would call it Ready.",
			want:      `{phase: Pending, observedGeneration: 7, configHash: 0a0b, endpoints: {nfs: "files-file.storage.svc:2049", api: "files-api.storage.svc:8080"}}`,
			wantReady: fnv1.Ready_READY_FALSE,
		},
		"Live": {
			reason: "Each endpoint has its own port, and the address of its load balancer.",
			change: func(s *composite.DittoServer) { s.Spec.SMB.Enabled, s.Spec.Metrics.Enabled = true, true },
			o: observed.Resources{
				manifest.StatefulSet: {Live: protostructtest.FromYAML(t, "{status: {replicas: 2, readyReplicas: 1}}")},
				manifest.ServiceFile: {Live: protostructtest.FromYAML(t, "{spec: {type: LoadBalancer}, status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}}")},
			},
			isComposed: true,
			want: `{phase: Progressing, observedGeneration: 7, configHash: 0a0b, replicas: 2, readyReplicas: 1,
endpoints: {nfs: "192.0.2.1:2049", smb: "192.0.2.1:445", api: "files-api.storage.svc:8080", metrics: "files-metrics.storage.svc:9090"}}`,
		},
		"TLS": {
			reason:      "The API endpoint has no scheme, its URL has.",
			statefulSet: `{spec: {template: {spec: {containers: [{name: dittofs, volumeMounts: [{name: secret-api-tls}]}]}}}}`,
			isComposed:  true,
			want:        `{phase: Pending, observedGeneration: 7, endpoints: {nfs: "files-file.storage.svc:2049", api: "files-api.storage.svc:8080"}, apiURL: "https://files-api.storage.svc:8080"}`,
		},
		"Held": {
			reason:     "TLS that is asked for may have to wait.",
			change:     func(s *composite.DittoServer) { s.Spec.API.TLS = &v1alpha1.TLS{} },
			isComposed: true,
			want:       `{phase: Pending, observedGeneration: 7, configHash: 0a0b, endpoints: {nfs: "files-file.storage.svc:2049", api: "files-api.storage.svc:8080"}}`,
		},
		"Claimed": {
			reason:     "A claim has a generation of its own.",
			change:     func(s *composite.DittoServer) { s.Claimed = true },
			isComposed: true,
			want:       `{phase: Pending, configHash: 0a0b, endpoints: {nfs: "files-file.storage.svc:2049", api: "files-api.storage.svc:8080"}}`,
		},
		"Earlier": {
			reason:     "What earlier functions desire of the status stays.",
			desired:    "{status: {other: value, phase: Other}}",
			isComposed: true,
			want:       `{phase: Pending, other: value, observedGeneration: 7, configHash: 0a0b, endpoints: {nfs: "files-file.storage.svc:2049", api: "files-api.storage.svc:8080"}}`,
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := server()
			if tc.change != nil {
				tc.change(s)
			}

			desired := &fnv1.State{Resources: map[string]*fnv1.Resource{}}
			if tc.desired != "" {
				desired.Composite = &fnv1.Resource{Resource: protostructtest.FromYAML(t, tc.desired)}
			}

			if tc.isComposed {
				desired.Resources[string(manifest.StatefulSet)] = &fnv1.Resource{}
			}

			if tc.statefulSet == "" {
				tc.statefulSet = statefulSet
			}

			manifests := manifest.Manifests{manifest.StatefulSet: protostructtest.FromYAML(t, tc.statefulSet)}
			if err := Status(desired, xr, s, manifests, tc.o, &guard.Decision{}); err != nil {
				t.Fatal(err)
			}

			want := protostructtest.FromYAML(t, "{apiVersion: dittofs.io/v1alpha1, kind: DittoServer}")
			protostruct.Set(want, structpb.NewStructValue(protostructtest.FromYAML(t, tc.want)), "status")

			if diff := cmp.Diff(&fnv1.Resource{Resource: want, Ready: tc.wantReady}, desired.GetComposite(), protocmp.Transform()); diff != "" {
				t.Errorf("%s\nStatus(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
