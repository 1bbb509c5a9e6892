package compose

import (
	"testing"

	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

func TestReady(t *testing.T) {
	const (
		sts     = "{kind: StatefulSet, spec: {replicas: 1, template: {metadata: {annotations: {dittofs.io/template-hash: new}}}}}"
		stopped = "{kind: StatefulSet, spec: {replicas: 0, template: {metadata: {annotations: {dittofs.io/template-hash: new}}}}}"
		spec    = "spec: {replicas: 1, template: {metadata: {annotations: {dittofs.io/template-hash: new}}}}"
		spec0   = "spec: {replicas: 0, template: {metadata: {annotations: {dittofs.io/template-hash: new}}}}"
	)

	cases := map[string]struct {
		reason   string
		manifest string
		live     string
		want     bool
	}{
		"ConfigMap":        {"A ConfigMap is ready once it is there.", "{kind: ConfigMap}", "{kind: ConfigMap}", true},
		"ConfigMapOld":     {"It is there, with an older configuration.", "{kind: ConfigMap, data: {config.yaml: new}}", "{kind: ConfigMap, data: {config.yaml: old}}", false},
		"ConfigMapNotLive": {"Nothing is known of it.", "{kind: ConfigMap}", "", false},
		"ClusterIP":        {"A Service in the cluster is ready once it is there.", "{kind: Service, spec: {type: ClusterIP}}", "{kind: Service}", true},
		"NodePort":         {"Nodes are there already.", "{kind: Service, spec: {type: NodePort}}", "{kind: Service}", true},
		"LoadBalancer":     {"A load balancer without an address serves nobody.", "{kind: Service, spec: {type: LoadBalancer}}", "{kind: Service}", false},
		"LoadBalancerIP":   {"It has an address.", "{kind: Service, spec: {type: LoadBalancer}}", "{status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}}", true},
		"LoadBalancerName": {"It has a name.", "{kind: Service, spec: {type: LoadBalancer}}", "{status: {loadBalancer: {ingress: [{hostname: lb.example.org}]}}}", true},
		"LoadBalancerNone": {"An empty ingress is no address.", "{kind: Service, spec: {type: LoadBalancer}}", "{status: {loadBalancer: {ingress: [{}]}}}", false},

		"Running":      {"Everything is rolled out.", sts, "{metadata: {generation: 2}, " + spec + ", status: {observedGeneration: 2, replicas: 1, readyReplicas: 1, currentRevision: a, updateRevision: a}}", true},
		"NeverSeen":    {"Its controller has not seen it.", sts, "{" + spec + ", status: {readyReplicas: 1}}", false},
		"OldStatus":    {"The status is of an older generation.", sts, "{metadata: {generation: 3}, " + spec + ", status: {observedGeneration: 2, replicas: 1, readyReplicas: 1, currentRevision: a, updateRevision: a}}", false},
		"NotReady":     {"The pod is not ready.", sts, "{metadata: {generation: 2}, " + spec + ", status: {observedGeneration: 2, replicas: 1, currentRevision: a, updateRevision: a}}", false},
		"OldRevision":  {"The ready pod is the old one.", sts, "{metadata: {generation: 2}, " + spec + ", status: {observedGeneration: 2, replicas: 1, readyReplicas: 1, currentRevision: a, updateRevision: b}}", false},
		"OldDigest":    {"The live object is the old one.", sts, "{metadata: {generation: 2}, spec: {replicas: 1, template: {metadata: {annotations: {dittofs.io/template-hash: old}}}}, status: {observedGeneration: 2, replicas: 1, readyReplicas: 1, currentRevision: a, updateRevision: a}}", false},
		"StillStopped": {"The live object is asked for no replica yet.", sts, "{metadata: {generation: 2}, " + spec0 + ", status: {observedGeneration: 2, readyReplicas: 1, currentRevision: a, updateRevision: a}}", false},
		"Stopped":      {"No replica is asked for, and none runs.", stopped, "{metadata: {generation: 2}, " + spec0 + ", status: {observedGeneration: 2, replicas: 0}}", true},
		"Stopping":     {"The pod still runs.", stopped, "{metadata: {generation: 2}, " + spec0 + ", status: {observedGeneration: 2, replicas: 1}}", false},
		"StoppingSoon": {"The live object is still asked for a replica.", stopped, "{metadata: {generation: 2}, " + spec + ", status: {observedGeneration: 2, replicas: 0}}", false},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := Ready(protostructtest.FromYAML(t, tc.manifest), &observed.Resource{Live: protostructtest.FromYAML(t, tc.live)}); got != tc.want {
				t.Errorf("%s\nReady(...): want %t, got %t", tc.reason, tc.want, got)
			}
		})
	}

	if Ready(protostructtest.FromYAML(t, "{kind: ConfigMap}"), nil) {
		t.Error("Ready(...): want false for what is not observed")
	}
}
