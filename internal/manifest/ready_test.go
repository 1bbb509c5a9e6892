package manifest

import (
	"encoding/json"
	"testing"

	"github.com/google/cel-go/cel"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

// Both rules judge the same live objects.
func TestReadiness(t *testing.T) {
	const (
		sts     = "{spec: {replicas: 1, template: {metadata: {annotations: {dittofs.io/template-hash: new}}}}}"
		stopped = "{spec: {replicas: 0, template: {metadata: {annotations: {dittofs.io/template-hash: new}}}}}"
		lb      = "{spec: {type: LoadBalancer}}"

		spec  = "metadata: {generation: 2}, spec: {replicas: 1, template: {metadata: {annotations: {dittofs.io/template-hash: new}}}}"
		spec0 = "metadata: {generation: 2}, spec: {replicas: 0, template: {metadata: {annotations: {dittofs.io/template-hash: new}}}}"
		older = "metadata: {generation: 2}, spec: {replicas: 1, template: {metadata: {annotations: {dittofs.io/template-hash: old}}}}"
	)

	cases := map[string]struct {
		reason  string
		name    Name
		desired string
		live    string
		want    bool

		// celIsReady says why CEL calls ready what the function does not, or is empty where
		// both say the same.
		celIsReady string
	}{
		"ConfigMap":    {reason: "It holds config.yaml.", name: ConfigMap, desired: "{data: {config.yaml: new}}", live: "{data: {config.yaml: new}}", want: true},
		"ConfigMapOld": {reason: "It holds an older config.yaml.", name: ConfigMap, desired: "{data: {config.yaml: new}}", live: "{data: {config.yaml: old}}", celIsReady: "There is no query: it is created."},

		"Headless":         {reason: "A Service in the cluster has nothing to wait for.", name: ServiceHeadless, desired: "{spec: {clusterIP: None}}", live: "{kind: Service}", want: true},
		"Metrics":          {reason: "A Service in the cluster has nothing to wait for.", name: ServiceMetrics, desired: "{spec: {type: ClusterIP}}", live: "{kind: Service}", want: true},
		"ClusterIP":        {reason: "A Service in the cluster has nothing to wait for.", name: ServiceFile, desired: "{spec: {type: ClusterIP}}", live: "{kind: Service}", want: true},
		"NodePort":         {reason: "Nodes are there already.", name: ServiceAPI, desired: "{spec: {type: NodePort}}", live: "{kind: Service}", want: true},
		"LoadBalancer":     {reason: "A load balancer without an address serves nobody.", name: ServiceFile, desired: lb, live: "{spec: {type: LoadBalancer}}"},
		"LoadBalancerSoon": {reason: "An empty status has no address.", name: ServiceAPI, desired: lb, live: "{status: {loadBalancer: {}}}"},
		"LoadBalancerIP":   {reason: "It has an address.", name: ServiceFile, desired: lb, live: "{status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}}", want: true},
		"LoadBalancerName": {reason: "It has a name.", name: ServiceAPI, desired: lb, live: "{status: {loadBalancer: {ingress: [{hostname: lb.example.org}]}}}", want: true},
		"LoadBalancerNone": {reason: "An empty ingress is no address.", name: ServiceFile, desired: lb, live: "{status: {loadBalancer: {ingress: [{}]}}}", celIsReady: "It only counts them."},

		"RolledOut":    {reason: "Everything is rolled out.", name: StatefulSet, desired: sts, live: "{" + spec + ", status: {observedGeneration: 2, replicas: 1, readyReplicas: 1, currentRevision: a, updateRevision: a}}", want: true},
		"NoStatus":     {reason: "Its controller has not seen it.", name: StatefulSet, desired: sts, live: "{" + spec + "}"},
		"NeverSeen":    {reason: "Its controller has not seen it.", name: StatefulSet, desired: sts, live: "{" + spec + ", status: {readyReplicas: 1}}"},
		"OldStatus":    {reason: "The status is of an older generation.", name: StatefulSet, desired: sts, live: "{" + spec + ", status: {observedGeneration: 1, replicas: 1, readyReplicas: 1, currentRevision: a, updateRevision: a}}"},
		"NotReady":     {reason: "The pod is not ready.", name: StatefulSet, desired: sts, live: "{" + spec + ", status: {observedGeneration: 2, replicas: 1, currentRevision: a, updateRevision: a}}"},
		"NoneReady":    {reason: "The pod is not ready any more.", name: StatefulSet, desired: sts, live: "{" + spec + ", status: {observedGeneration: 2, replicas: 1, readyReplicas: 0, currentRevision: a, updateRevision: a}}"},
		"OldRevision":  {reason: "The ready pod is the old one.", name: StatefulSet, desired: sts, live: "{" + spec + ", status: {observedGeneration: 2, replicas: 1, readyReplicas: 1, currentRevision: a, updateRevision: b}}"},
		"OldTemplate":  {reason: "The live pod template is the old one.", name: StatefulSet, desired: sts, live: "{" + older + ", status: {observedGeneration: 2, replicas: 1, readyReplicas: 1, currentRevision: a, updateRevision: a}}", celIsReady: "It does not know the desired template."},
		"StillStopped": {reason: "The live object is asked for no replica yet.", name: StatefulSet, desired: sts, live: "{" + spec0 + ", status: {observedGeneration: 2, readyReplicas: 1, currentRevision: a, updateRevision: a}}", celIsReady: "It does not know the desired replicas."},
		"Stopped":      {reason: "No replica is asked for, and none runs.", name: StatefulSet, desired: stopped, live: "{" + spec0 + ", status: {observedGeneration: 2, replicas: 0}}", want: true},
		"StoppingSoon": {reason: "The live object is still asked for a replica, which ends.", name: StatefulSet, desired: stopped, live: "{" + spec + ", status: {observedGeneration: 2, replicas: 0, currentRevision: a, updateRevision: a}}"},
		"StillRuns":    {reason: "The live object is still asked for a replica.", name: StatefulSet, desired: stopped, live: "{" + spec + ", status: {observedGeneration: 2, replicas: 1, readyReplicas: 1, currentRevision: a, updateRevision: a}}", celIsReady: "It does not know the desired replicas."},
		"Stopping":     {reason: "The pod still ends.", name: StatefulSet, desired: stopped, live: "{" + spec0 + ", status: {observedGeneration: 2, replicas: 1}}", celIsReady: "It does not look for pods of a stopped server."},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			desired, live := protostructtest.FromYAML(t, tc.desired), protostructtest.FromYAML(t, tc.live)
			ready := RowOf(tc.name).Ready

			if got := ready.IsReady(desired, live); got != tc.want {
				t.Errorf("%s\nIsReady(...): want %t, got %t", tc.reason, tc.want, got)
			}

			// CEL may call an object ready that Go does not, for the reason in the case. It must
			// not do the opposite: the Object would never be ready.
			if want, got := tc.want || tc.celIsReady != "", isReadyByCEL(t, ready.CEL(desired), live); got != want {
				t.Errorf("%s %s\nCEL(...): want %t, got %t", tc.reason, tc.celIsReady, want, got)
			}

			if tc.want && tc.celIsReady != "" {
				t.Error("The case says that the rules differ where they do not")
			}

			if ready.IsReady(desired, nil) {
				t.Error("IsReady(...): want false for what is not live")
			}
		})
	}
}

// isReadyByCEL judges as provider-kubernetes does: an object is created if it is there, an
// error is not ready, and the result's type must be known to be boolean.
// https://github.com/crossplane-contrib/provider-kubernetes/blob/v1.2.1/internal/controller/namespaced/object/object.go
func isReadyByCEL(t *testing.T, query string, live *structpb.Struct) bool {
	t.Helper()

	if query == "" {
		return live != nil
	}

	env, err := cel.NewEnv(cel.Variable("object", cel.AnyType))
	if err != nil {
		t.Fatal(err)
	}

	ast, issues := env.Compile(query)
	if issues.Err() != nil {
		t.Fatal(issues.Err())
	}

	if ast.OutputType() != cel.BoolType {
		t.Fatalf("CEL(...): want a boolean, got %s", ast.OutputType())
	}

	program, err := env.Program(ast)
	if err != nil {
		t.Fatal(err)
	}

	b, err := live.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}

	object := map[string]any{}
	if err := json.Unmarshal(b, &object); err != nil {
		t.Fatal(err)
	}

	v, _, err := program.Eval(map[string]any{"object": object})

	return err == nil && v.Value() == true
}
