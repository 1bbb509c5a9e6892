package main

import (
	"encoding/base64"
	"flag"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/crossplane/crossplane-runtime/v2/pkg/logging"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/compose"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/digest"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/metrics"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/policy"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/internal/secret"
	"github.com/dittofs/function-dittoserver/test/fields"
	"github.com/dittofs/function-dittoserver/test/simulator"
	"github.com/dittofs/function-dittoserver/test/states"
	"github.com/dittofs/function-dittoserver/test/upgrade"
)

func newFunction() *Function {
	return &Function{log: logging.NewNopLogger(), metrics: metrics.New(prometheus.NewRegistry()), ttl: 60e9}
}

var update = flag.Bool("update", false, "write the golden files anew")

// record adds recordings of states that are not recorded yet, with what this build of the
// function answers. Record with a released one: what it leaves is what upgrades meet.
var record = flag.String("record", "", "a folder: add recordings of DittoServers in every state to it")

// served is the function with the codec that it is served with.
func served() simulator.Function {
	withLog := func(log logging.Logger) fnv1.FunctionRunnerServiceServer {
		f := newFunction()
		f.log = log

		return f
	}

	return simulator.Function{FunctionRunnerServiceServer: newFunction(), WithLog: withLog, Codec: codec()}
}

// The simulated control planes, the recordings and the tables below test/ call the function.

func TestHistories(t *testing.T) {
	t.Parallel()
	simulator.Histories(t, served())
}

func TestNativeExamples(t *testing.T) {
	simulator.NativeExamples(t, served(), "example")
}

func TestDiffAgreesWithWorld(t *testing.T) {
	t.Parallel()
	simulator.AgreesWithDiff(t, served())
}

func TestEveryFieldCounts(t *testing.T) {
	fields.Count(t, served(), "example")
}

func TestRestarts(t *testing.T) {
	t.Parallel()
	fields.Restarts(t, served())
}

func TestGoldenStates(t *testing.T) {
	states.Golden(t, served(), "test/gitops/testdata", *update)
}

func TestUpgrade(t *testing.T) {
	changelog, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}

	upgrade.Check(t, "test/upgrade/testdata", string(changelog), func(req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) {
		return newFunction().RunFunction(t.Context(), req)
	})
}

func TestRecord(t *testing.T) {
	if *record == "" {
		t.Skip("run with -record=FOLDER")
	}

	upgrade.RecordStates(t, served(), *record)
}

// newServer returns a world with a DittoServer and its Secrets.
func newServer(t *testing.T) *simulator.World {
	t.Helper()

	return simulator.NewServer(t, served(), simulator.Namespaced)
}

func conditions(rsp *fnv1.RunFunctionResponse) map[string]string {
	m := map[string]string{}
	for _, c := range rsp.GetConditions() {
		m[c.GetType()] = simulator.Condition(rsp, c.GetType())
	}

	return m
}

func names(rsp *fnv1.RunFunctionResponse) []string {
	var n []string
	for name := range rsp.GetDesired().GetResources() {
		n = append(n, name)
	}

	slices.Sort(n)

	return n
}

func phase(rsp *fnv1.RunFunctionResponse) string {
	return protostruct.Get(rsp.GetDesired().GetComposite().GetResource(), "status", "phase").GetStringValue()
}

// predecessor selects the Object that may be in the StatefulSet's place.
var predecessor = &fnv1.ResourceSelector{
	ApiVersion: "kubernetes.m.crossplane.io/v1alpha1", Kind: "Object", Namespace: new("storage"),
	Match: &fnv1.ResourceSelector_MatchLabels{MatchLabels: &fnv1.MatchLabels{Labels: map[string]string{
		"dittofs.io/namespace": "storage", "dittofs.io/statefulset": "files",
	}}},
}

// The state table of the design: what is composed when Secrets are not fetched,
// missing, or there, with and without a running StatefulSet.
func TestStateTable(t *testing.T) {
	all := []string{"configmap", "service-api", "service-file", "service-headless", "statefulset"}
	without := all[:4]

	keep := func(*simulator.World) {}

	cases := map[string]struct {
		reason  string
		running bool
		secrets func(w *simulator.World)
		fetched bool

		wantNames   []string
		wantMoved   bool
		wantSecrets string
		wantRollout string
	}{
		"NotFetched/New": {
			reason:      "Without Secrets there is no digest, and so no StatefulSet.",
			secrets:     keep,
			wantNames:   without,
			wantSecrets: "UNKNOWN/NotFetched: Waiting for Crossplane to fetch the Secrets that the spec names",
			wantRollout: "FALSE/SecretsNotFetched: The StatefulSet is not composed until Crossplane has fetched its Secrets",
		},
		"NotFetched/Running": {
			reason:      "A running server stays as it is.",
			running:     true,
			secrets:     keep,
			wantNames:   all,
			wantSecrets: "UNKNOWN/NotFetched: Waiting for Crossplane to fetch the Secrets that the spec names",
			wantRollout: "FALSE/SecretsNotFetched: The running server keeps its configuration and pod template until Crossplane has fetched its Secrets",
		},
		"Missing/New": {
			reason:      "A Secret that is not there may come.",
			secrets:     func(w *simulator.World) { delete(w.Secrets, "jwt") },
			fetched:     true,
			wantNames:   without,
			wantSecrets: "FALSE/Missing: Secret storage/jwt does not exist: create it with the key jwt-secret",
			wantRollout: "FALSE/SecretsNotResolved: The StatefulSet is not composed until its Secrets are there: see condition SecretsResolved",
		},
		"Missing/Running": {
			reason:      "A running server keeps its environment: it needs the Secret only to start.",
			running:     true,
			secrets:     func(w *simulator.World) { delete(w.Secrets, "jwt") },
			fetched:     true,
			wantNames:   all,
			wantSecrets: "FALSE/Missing: Secret storage/jwt does not exist: create it with the key jwt-secret",
			wantRollout: "FALSE/SecretsNotResolved: The running server keeps its configuration and pod template until its Secrets are there: see condition SecretsResolved",
		},
		"Unusable/Running": {
			reason:      "A Secret that the server cannot use is as good as none.",
			running:     true,
			secrets:     func(w *simulator.World) { w.SetSecret("jwt", map[string]string{"jwt-secret": "short"}) },
			fetched:     true,
			wantNames:   all,
			wantSecrets: "FALSE/Missing: Secret storage/jwt, key jwt-secret: must have at least 32 bytes, or the server does not start (openssl rand -base64 48 makes a good one)",
			wantRollout: "FALSE/SecretsNotResolved: The running server keeps its configuration and pod template until its Secrets are there: see condition SecretsResolved",
		},
		"There/New": {
			reason:      "A StatefulSet is composed at first creation, and applied once the ConfigMap is there.",
			secrets:     keep,
			fetched:     true,
			wantNames:   all,
			wantMoved:   true,
			wantSecrets: "TRUE/Resolved: Every Secret that the spec names is there and can be used",
			wantRollout: "FALSE/ConfigMapNotReady: The pod template waits until the ConfigMap holds the new configuration",
		},
		"There/Running": {
			reason:      "A rotated Secret leaves config.yaml as it is, and rolls at once.",
			running:     true,
			secrets:     func(w *simulator.World) { w.SetSecret("jwt", simulator.SecretValues["jwt"][1]) },
			fetched:     true,
			wantNames:   all,
			wantMoved:   true,
			wantSecrets: "TRUE/Resolved: Every Secret that the spec names is there and can be used",
			wantRollout: "TRUE/RolledOut: The pod template is what the spec asks for",
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newServer(t)
			if tc.running {
				w.Settle()
			}

			was := w.Template()
			tc.secrets(w)

			var rsp *fnv1.RunFunctionResponse
			if tc.fetched {
				rsp = w.Call()
			} else {
				rsp, _ = w.Function.RunFunction(t.Context(), w.Request(nil))
			}

			if diff := cmp.Diff(tc.wantNames, names(rsp)); diff != "" {
				t.Errorf("%s\nf.RunFunction(...): resources: -want, +got:\n%s", tc.reason, diff)
			}

			is := protostruct.Get(rsp.GetDesired().GetResources()["statefulset"].GetResource(), "spec", "forProvider", "manifest", "spec", "template").GetStructValue()
			if moved := !proto.Equal(was, is); moved != tc.wantMoved {
				t.Errorf("%s\nf.RunFunction(...): want template moved: %t, got: %t", tc.reason, tc.wantMoved, moved)
			}

			if diff := cmp.Diff(tc.wantSecrets, simulator.Condition(rsp, "SecretsResolved")); diff != "" {
				t.Errorf("%s\nf.RunFunction(...): -want, +got:\n%s", tc.reason, diff)
			}

			if diff := cmp.Diff(tc.wantRollout, simulator.Condition(rsp, "ConfigRolledOut")); diff != "" {
				t.Errorf("%s\nf.RunFunction(...): -want, +got:\n%s", tc.reason, diff)
			}

			wantReady := fnv1.Ready_READY_UNSPECIFIED
			if !slices.Contains(tc.wantNames, "statefulset") {
				wantReady = fnv1.Ready_READY_FALSE
			}

			if got := rsp.GetDesired().GetComposite().GetReady(); got != wantReady {
				t.Errorf("%s\nf.RunFunction(...): want composite %s, got: %s", tc.reason, wantReady, got)
			}

			want := map[string]*fnv1.ResourceSelector{
				"secret/jwt":   {ApiVersion: "v1", Kind: "Secret", Match: &fnv1.ResourceSelector_MatchName{MatchName: "jwt"}, Namespace: new("storage")},
				"secret/admin": {ApiVersion: "v1", Kind: "Secret", Match: &fnv1.ResourceSelector_MatchName{MatchName: "admin"}, Namespace: new("storage")},
			}
			if !tc.running {
				want["running/statefulset"] = predecessor
			}

			if diff := cmp.Diff(want, rsp.GetRequirements().GetResources(), protocmp.Transform()); diff != "" {
				t.Errorf("%s\nf.RunFunction(...): requirements: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// A life, from creation to stop: phase, readiness, endpoints and conditions.
func TestLife(t *testing.T) {
	w := newServer(t)

	type state struct {
		Phase   string
		Ready   map[string]bool
		Applied string
		NFS     string
	}

	check := func(reason string, want state) {
		t.Helper()

		rsp := w.Call()

		got := state{
			Phase:   phase(rsp),
			Ready:   simulator.Ready(rsp),
			Applied: simulator.Condition(rsp, "Applied"),
			NFS:     protostruct.Get(rsp.GetDesired().GetComposite().GetResource(), "status", "endpoints", "nfs").GetStringValue(),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\nf.RunFunction(...): -want, +got:\n%s", reason, diff)
		}
	}

	provide := func(names ...string) {
		for _, n := range names {
			w.Provide(n)
			w.Provide(n)
		}
	}

	check("Nothing is there yet.", state{
		Phase:   "Pending",
		Ready:   map[string]bool{"configmap": false, "service-api": false, "service-file": false, "service-headless": false, "statefulset": false},
		Applied: "FALSE/NotObserved: Waiting to see every composed resource in the cluster",
		NFS:     "files-file.storage.svc:2049",
	})

	w.Reconcile(10)
	provide("configmap", "service-headless", "service-file", "service-api")
	check("What has no state of its own is ready once it is there.", state{
		Phase:   "Pending",
		Ready:   map[string]bool{"configmap": true, "service-api": false, "service-file": false, "service-headless": true, "statefulset": false},
		Applied: "FALSE/NotObserved: Waiting to see every composed resource in the cluster",
		NFS:     "files-file.storage.svc:2049",
	})

	provide("statefulset")
	check("A paused Object is neither applied nor a failure.", state{
		Phase:   "Pending",
		Ready:   map[string]bool{"configmap": true, "service-api": false, "service-file": false, "service-headless": true, "statefulset": false},
		Applied: "FALSE/NotObserved: Waiting to see every composed resource in the cluster",
		NFS:     "files-file.storage.svc:2049",
	})

	w.Reconcile(10)
	check("The provider did not work on it since.", state{
		Phase:   "Pending",
		Ready:   map[string]bool{"configmap": true, "service-api": false, "service-file": false, "service-headless": true, "statefulset": false},
		Applied: "FALSE/NotObserved: Waiting to see every composed resource in the cluster",
		NFS:     "files-file.storage.svc:2049",
	})

	provide("statefulset")
	check("A StatefulSet that its controller has not seen is not ready.", state{
		Phase:   "Progressing",
		Ready:   map[string]bool{"configmap": true, "service-api": false, "service-file": false, "service-headless": true, "statefulset": false},
		Applied: "TRUE/Applied: Every composed resource is applied",
		NFS:     "files-file.storage.svc:2049",
	})

	w.Control()
	provide("statefulset", "service-file", "service-api")
	check("Load balancers have addresses, and the pod is ready.", state{
		Phase:   "Running",
		Ready:   map[string]bool{"configmap": true, "service-api": true, "service-file": true, "service-headless": true, "statefulset": true},
		Applied: "TRUE/Applied: Every composed resource is applied",
		NFS:     "192.0.2.1:2049",
	})

	w.SetSecret("jwt", simulator.SecretValues["jwt"][1])
	check("A Ready that is of the old digest is not ready.", state{
		Phase:   "Progressing",
		Ready:   map[string]bool{"configmap": true, "service-api": true, "service-file": true, "service-headless": true, "statefulset": false},
		Applied: "TRUE/Applied: Every composed resource is applied",
		NFS:     "192.0.2.1:2049",
	})

	w.Settle()
	w.Patch("DEBUG", "logging", "level")
	check("What waits to move is not ready, however ready its pod is.", state{
		Phase:   "Progressing",
		Ready:   map[string]bool{"configmap": false, "service-api": true, "service-file": true, "service-headless": true, "statefulset": false},
		Applied: "TRUE/Applied: Every composed resource is applied",
		NFS:     "192.0.2.1:2049",
	})

	w.Settle()
	w.Patch("0", "replicas")
	w.Reconcile(10)
	check("The pod still runs.", state{
		Phase:   "Progressing",
		Ready:   map[string]bool{"configmap": true, "service-api": true, "service-file": true, "service-headless": true, "statefulset": false},
		Applied: "TRUE/Applied: Every composed resource is applied",
		NFS:     "192.0.2.1:2049",
	})

	w.Settle()
	check("No replica is asked for, and none runs.", state{
		Phase:   "Stopped",
		Ready:   map[string]bool{"configmap": true, "service-api": true, "service-file": true, "service-headless": true, "statefulset": true},
		Applied: "TRUE/Applied: Every composed resource is applied",
		NFS:     "192.0.2.1:2049",
	})

	w.Refused = true
	w.Patch("1", "replicas")
	w.Reconcile(10)
	provide("statefulset")
	check("What the provider cannot apply is a failure, told to the user.", state{
		Phase:   "Failed",
		Ready:   map[string]bool{"configmap": true, "service-api": true, "service-file": true, "service-headless": true, "statefulset": false},
		Applied: "FALSE/NotSynced: Cannot apply statefulset: the API server refuses it",
		NFS:     "192.0.2.1:2049",
	})
}

func TestReconcileErrorOfCrossplane(t *testing.T) {
	cases := map[string]struct {
		reason  string
		synced  string
		message string
		want    string
	}{
		"Apply": {
			reason:  "Users see what Crossplane says of a resource that it cannot apply.",
			synced:  "ReconcileError",
			message: `cannot compose resources: cannot apply composed resource "service-file": forbidden`,
			want:    `FALSE/ReconcileError: Crossplane reports: cannot compose resources: cannot apply composed resource "service-file": forbidden`,
		},
		"Fatal": {
			reason:  "A fatal result of an earlier call is over.",
			synced:  "ReconcileError",
			message: `cannot compose resources: pipeline step "dittoserver" returned a fatal result: invalid DittoServer`,
			want:    "TRUE/Applied: Every composed resource is applied",
		},
		"Paused": {
			reason:  "Crossplane calls nobody for a DittoServer that is paused, so that it was.",
			synced:  "ReconcilePaused",
			message: "Reconciliation is paused via the pause annotation",
			want:    "TRUE/Applied: Every composed resource is applied",
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newServer(t)
			w.Settle()

			list := protostruct.Get(w.XR, "status", "conditions").GetListValue()
			list.Values = append(list.Values, structpb.NewStructValue(protostructtest.FromMap(t, map[string]any{"type": "Synced", "status": "False", "reason": tc.synced, "message": tc.message})))

			if diff := cmp.Diff(tc.want, simulator.Condition(w.Call(), "Applied")); diff != "" {
				t.Errorf("%s\nf.RunFunction(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestFatal(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(req *fnv1.RunFunctionRequest)
		want   string
	}{
		"EmptyRequest": {
			reason: "An empty request is answered.",
			change: func(req *fnv1.RunFunctionRequest) { req.Observed, req.Input = nil, nil },
			want: "invalid DittoServer: metadata.name: Required value: the Kubernetes objects are named after it; " +
				"input.namespace: Required value: set metadata.namespace; a cluster-scoped composite resource without a claim needs the namespace of its server here; " +
				"spec.identity.jwt.secretRef.name: Required value: name a Secret in the server's namespace",
		},
		"NoSpec": {
			reason: "An XR without spec lacks what is required.",
			change: func(req *fnv1.RunFunctionRequest) { delete(req.Observed.Composite.Resource.Fields, "spec") },
			want:   "invalid DittoServer: spec.identity.jwt.secretRef.name: Required value: name a Secret in the server's namespace",
		},
		"AllErrors": {
			reason: "All errors come at once, those of the policy too.",
			change: func(req *fnv1.RunFunctionRequest) {
				protostruct.Set(req.Observed.Composite.Resource, structpb.NewNumberValue(0), "spec", "nfsPort")
				protostruct.Set(req.Observed.Composite.Resource, structpb.NewStringValue("big"), "spec", "storage", "metadataSize")
				protostruct.Set(req.Observed.Composite.Resource, structpb.NewBoolValue(true), "spec", "securityContext", "privileged")
				req.Input = protostructtest.FromMap(t, map[string]any{"compose": "Terraform"})
			},
			want: `invalid DittoServer: input.compose: Unsupported value: "Terraform": supported values: "Object", "Native"; ` +
				"spec.nfsPort: Invalid value: 0: must be between 1 and 65535, inclusive; " +
				`spec.storage.metadataSize: Invalid value: "big": must be a Kubernetes quantity above zero, such as 10Gi; ` +
				`spec.securityContext: Forbidden: the platform's policy asks for the Pod Security Standard restricted: privileged (container "dittofs" must not set securityContext.privileged=true); ` +
				`spec.securityContext: Forbidden: the platform's policy asks for the Pod Security Standard restricted: allowPrivilegeEscalation != false (container "dittofs" must set securityContext.allowPrivilegeEscalation=false)`,
		},
		"NameTaken": {
			reason: "What an earlier function composes is not overwritten.",
			change: func(req *fnv1.RunFunctionRequest) {
				req.Desired = &fnv1.State{Resources: map[string]*fnv1.Resource{"configmap": {}}}
			},
			want: "an earlier function of the pipeline already composes a resource named configmap: rename that one",
		},
		"NoTemplate": {
			reason: "A StatefulSet without a pod template cannot be kept.",
			change: func(req *fnv1.RunFunctionRequest) {
				protostruct.Set(req.Observed.Resources["statefulset"].Resource, nil, "spec", "forProvider", "manifest", "spec", "template")
			},
			want: "cannot read the composed resource statefulset: the manifest of Object files-statefulset lacks what this function writes, such as the pod template or the configuration: restore it, or delete the Object, which is then composed anew",
		},
		"NoConfig": {
			reason: "A ConfigMap without a configuration cannot be kept.",
			change: func(req *fnv1.RunFunctionRequest) {
				protostruct.Set(req.Observed.Resources["configmap"].Resource, nil, "spec", "forProvider", "manifest", "data")
			},
			want: "cannot read the composed resource configmap: the manifest of Object files-configmap lacks what this function writes, such as the pod template or the configuration: restore it, or delete the Object, which is then composed anew",
		},
		"Unreadable": {
			reason: "What runs cannot be guessed.",
			change: func(req *fnv1.RunFunctionRequest) {
				req.Observed.Resources["statefulset"] = &fnv1.Resource{Resource: protostructtest.FromMap(t, map[string]any{"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": map[string]any{"name": "files"}})}
			},
			want: "cannot read the composed resource statefulset: StatefulSet files lacks what this function writes, such as the pod template: restore it, or delete the StatefulSet, which is then composed anew",
		},
		"UnreadableKind": {
			reason: "Neither an Object nor what it would apply.",
			change: func(req *fnv1.RunFunctionRequest) {
				req.Observed.Resources["statefulset"] = &fnv1.Resource{Resource: protostructtest.FromMap(t, map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "files"}})}
			},
			want: "cannot read the composed resource statefulset: it is apps/v1 Deployment files, neither apps/v1 StatefulSet nor an Object of provider-kubernetes: once it is deleted, the function composes its own",
		},
		"OtherCompose": {
			reason: "A server cannot change how it is composed: its Objects would be deleted, and what they applied with them.",
			change: func(req *fnv1.RunFunctionRequest) { req.Input = protostructtest.FromYAML(t, "{compose: Native}") },
			want:   "composed resource configmap is a Object.kubernetes.m.crossplane.io and would become a ConfigMap.core: change it back; to migrate, delete the DittoServer, which keeps its volume claims, and create it anew",
		},
		"OtherKind": {
			reason: "Objects of the other scope would be new ones beside those that run.",
			change: func(req *fnv1.RunFunctionRequest) {
				protostruct.Set(req.Observed.Resources["service-api"].Resource, structpb.NewStringValue("kubernetes.crossplane.io/v1alpha2"), "apiVersion")
			},
			want: "composed resource service-api is a Object.kubernetes.crossplane.io and would become a Object.kubernetes.m.crossplane.io: change it back; to migrate, delete the DittoServer, which keeps its volume claims, and create it anew",
		},
		"OtherName": {
			reason: "A second, empty server would come up.",
			change: func(req *fnv1.RunFunctionRequest) {
				protostruct.Set(req.Observed.Resources["statefulset"].Resource, structpb.NewStringValue("old"), "spec", "forProvider", "manifest", "metadata", "name")
			},
			want: `composed resource statefulset has the spec.forProvider.manifest.metadata.name "old" and would get "files": change it back; to migrate, delete the DittoServer, which keeps its volume claims, and create it anew`,
		},
		"OtherNamespace": {
			reason: "A second, empty server would come up.",
			change: func(req *fnv1.RunFunctionRequest) {
				protostruct.Set(req.Observed.Resources["statefulset"].Resource, structpb.NewStringValue("old"), "spec", "forProvider", "manifest", "metadata", "namespace")
			},
			want: `composed resource statefulset has the spec.forProvider.manifest.metadata.namespace "old" and would get "storage": change it back; to migrate, delete the DittoServer, which keeps its volume claims, and create it anew`,
		},
		"OtherObjectKind": {
			reason: "A StatefulSet does not become something else.",
			change: func(req *fnv1.RunFunctionRequest) {
				protostruct.Set(req.Observed.Resources["statefulset"].Resource, structpb.NewStringValue("Deployment"), "spec", "forProvider", "manifest", "kind")
			},
			want: `composed resource statefulset has the spec.forProvider.manifest.kind "Deployment" and would get "StatefulSet": change it back; to migrate, delete the DittoServer, which keeps its volume claims, and create it anew`,
		},
		"OtherCluster": {
			reason: "Another ProviderConfig is another cluster, with an empty server.",
			change: func(req *fnv1.RunFunctionRequest) {
				req.Input = protostructtest.FromMap(t, map[string]any{"providerConfigRef": map[string]any{"name": "other"}})
			},
			want: `composed resource configmap has the spec.providerConfigRef.name "default" and would get "other": change it back; to migrate, delete the DittoServer, which keeps its volume claims, and create it anew`,
		},
		"OtherProviderConfigKind": {
			reason: "Another kind of ProviderConfig is another cluster.",
			change: func(req *fnv1.RunFunctionRequest) {
				req.Input = protostructtest.FromMap(t, map[string]any{"providerConfigRef": map[string]any{"kind": "ProviderConfig"}})
			},
			want: `composed resource configmap has the spec.providerConfigRef.kind "ClusterProviderConfig" and would get "ProviderConfig": change it back; to migrate, delete the DittoServer, which keeps its volume claims, and create it anew`,
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newServer(t)
			w.Settle()

			req := w.Request(map[string]*fnv1.ResourceSelector{
				"secret/jwt":   {Match: &fnv1.ResourceSelector_MatchName{MatchName: "jwt"}, Namespace: new("storage")},
				"secret/admin": {Match: &fnv1.ResourceSelector_MatchName{MatchName: "admin"}, Namespace: new("storage")},
			})
			tc.change(req)
			before := proto.CloneOf(req)

			rsp, err := w.Function.RunFunction(t.Context(), req)
			if err != nil {
				t.Fatalf("%s\nf.RunFunction(...): %v", tc.reason, err)
			}

			if diff := cmp.Diff(before, req, protocmp.Transform()); diff != "" {
				t.Errorf("%s\nf.RunFunction(...) changes the request: -before, +after:\n%s", tc.reason, diff)
			}

			last := rsp.GetResults()[len(rsp.GetResults())-1]
			if diff := cmp.Diff(fnv1.Severity_SEVERITY_FATAL, last.GetSeverity()); diff != "" {
				t.Errorf("%s\nf.RunFunction(...): -want, +got:\n%s", tc.reason, diff)
			}

			if diff := cmp.Diff(tc.want, last.GetMessage()); diff != "" {
				t.Errorf("%s\nf.RunFunction(...): -want, +got:\n%s", tc.reason, diff)
			}

			if diff := cmp.Diff(req.GetDesired(), rsp.GetDesired(), protocmp.Transform()); diff != "" {
				t.Errorf("%s\nf.RunFunction(...): desired: -want, +got:\n%s", tc.reason, diff)
			}

			if err := simulator.CheckConditions(rsp); err != nil {
				t.Errorf("%s\nf.RunFunction(...): %v", tc.reason, err)
			}

			if strings.HasPrefix(tc.want, "invalid") {
				if got := rsp.GetRequirements(); got != nil {
					t.Errorf("%s\nf.RunFunction(...): %v is required", "Nothing is asked for what an invalid spec names", got)
				}

				want := map[string]string{
					"SpecValid":       "FALSE/Invalid: " + strings.TrimPrefix(tc.want, "invalid DittoServer: "),
					"SecretsResolved": "UNKNOWN/NotChecked: Not checked: the spec is invalid",
					"ConfigRolledOut": "UNKNOWN/NotChecked: Not checked: the spec is invalid",
					"StorageUpToDate": "UNKNOWN/NotChecked: Not checked: the spec is invalid",
					"Applied":         "UNKNOWN/NotChecked: Not checked: the spec is invalid",
					"Warnings":        "UNKNOWN/NotChecked: Not checked: the spec is invalid",
				}
				if diff := cmp.Diff(want, conditions(rsp)); diff != "" {
					t.Errorf("%s\nf.RunFunction(...): -want, +got:\n%s", tc.reason, diff)
				}
			}
		})
	}
}

// A panic is a fatal result, and the process lives.
func TestPanic(t *testing.T) {
	rsp := newFunction().protect(&fnv1.RunFunctionRequest{}, func(*fnv1.RunFunctionRequest, *fnv1.RunFunctionResponse) error {
		panic("boom")
	})

	want := []*fnv1.Result{{
		Severity: fnv1.Severity_SEVERITY_FATAL,
		Message:  "the function panicked: please report the stack in its log",
		Reason:   new("Panic"),
		Target:   fnv1.Target_TARGET_COMPOSITE.Enum(),
	}}
	if diff := cmp.Diff(want, rsp.GetResults(), protocmp.Transform()); diff != "" {
		t.Errorf("f.protect(...): -want, +got:\n%s", diff)
	}

	if err := simulator.CheckConditions(rsp); err != nil {
		t.Errorf("f.protect(...): %v", err)
	}
}

// With --debug each call writes one line, however it ends, and none that holds a Secret
// or a value of the spec. Without it, only a panic is logged.
func TestDebugLog(t *testing.T) {
	const hidden = "/data/controlplane/value-of-the-spec"

	cases := map[string]struct {
		reason string

		// change what is asked for of a server that runs.
		change func(w *simulator.World)

		// run stands in for what the function does, unless it is nil.
		run func(*fnv1.RunFunctionRequest, *fnv1.RunFunctionResponse) error

		// want is the decision and the reasons.
		want string
		info int
	}{
		"RolledOut": {
			reason: "A call that changes nothing is logged too.",
			change: func(*simulator.World) {},
			want:   `"decision","RolledOut","reasons","SpecValid=Valid SecretsResolved=Resolved ConfigRolledOut=RolledOut StorageUpToDate=UpToDate Applied=Applied Warnings=None"`,
		},
		"Held": {
			reason: "The message of a hold names the old and the new database, its reason does not.",
			change: func(w *simulator.World) { w.Patch("{path: "+hidden+"}", "database", "sqlite") },
			want:   `"decision","ApprovalRequired","reasons","SpecValid=Valid SecretsResolved=Resolved ConfigRolledOut=ApprovalRequired StorageUpToDate=UpToDate Applied=Applied Warnings=None"`,
		},
		"BadSecret": {
			reason: "A Secret that cannot be used is read, and not shown.",
			change: func(w *simulator.World) {
				w.SetSecret("admin", map[string]string{"password": "short-å\x00-" + hidden})
			},
			want: `"decision","SecretsNotResolved","reasons","SpecValid=Valid SecretsResolved=Missing ConfigRolledOut=SecretsNotResolved StorageUpToDate=UpToDate Applied=Applied Warnings=None"`,
		},
		"Invalid": {
			reason: "A fatal result is a decision; its message quotes the spec.",
			change: func(w *simulator.World) { w.Patch(hidden, "logging", "level") },
			want:   `"decision","Invalid","reasons","SpecValid=Invalid SecretsResolved=NotChecked ConfigRolledOut=NotChecked StorageUpToDate=NotChecked Applied=NotChecked Warnings=NotChecked"`,
		},
		"Unreadable": {
			reason: "So is a composed resource that cannot be read.",
			change: func(w *simulator.World) {
				protostruct.Set(w.Composed["statefulset"], structpb.NewStringValue(hidden), "kind")
			},
			want: `"decision","FatalError","reasons","SpecValid=NotChecked SecretsResolved=NotChecked ConfigRolledOut=NotChecked StorageUpToDate=NotChecked Applied=NotChecked Warnings=NotChecked"`,
		},
		"Panic": {
			reason: "A panic is logged with its stack for those without --debug, and counts as a call.",
			change: func(*simulator.World) {},
			run:    func(*fnv1.RunFunctionRequest, *fnv1.RunFunctionResponse) error { panic("boom") },
			want:   `"decision","Panic","reasons","SpecValid=NotChecked SecretsResolved=NotChecked ConfigRolledOut=NotChecked StorageUpToDate=NotChecked Applied=NotChecked Warnings=NotChecked"`,
			info:   1,
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newServer(t)
			w.Settle()
			tc.change(w)

			// Its Secrets, and one that nobody asked for.
			req := w.Request(map[string]*fnv1.ResourceSelector{})
			req.RequiredResources = map[string]*fnv1.Resources{}

			for secret, s := range w.Secrets {
				req.RequiredResources["secret/"+secret] = &fnv1.Resources{Items: []*fnv1.Resource{{Resource: s}}}
			}

			log := &simulator.Log{TB: t}
			f := newFunction()
			f.log = log.Logger()

			run := f.run
			if tc.run != nil {
				run = tc.run
			}

			f.protect(req, run)

			if len(log.Debug) != 1 || len(log.Info) != tc.info {
				t.Fatalf("%s\nf.protect(...): want 1 line at debug and %d at info, got:\n%s\n%s", tc.reason, tc.info, strings.Join(log.Debug, "\n"), strings.Join(log.Info, "\n"))
			}

			want := `["Ran the function","tag","tag","xr-kind","DittoServer","xr-namespace","storage","xr-name","files",` + tc.want + `,"duration","`
			if !strings.HasPrefix(log.Debug[0], want) {
				t.Errorf("%s\nf.protect(...): the line begins: -want, +got:\n-%s\n+%s", tc.reason, want, log.Debug[0])
			}

			for _, line := range log.Lines() {
				if name := w.SecretIn([]byte(line)); name != "" || strings.Contains(line, "value-of-the-spec") {
					t.Errorf("%s\nf.protect(...): the line holds a value of the spec, or of the Secret %q:\n%s", "No line holds a Secret or a value of the spec", name, line)
				}
			}
		})
	}
}

// Earlier functions' desired state, status and context pass through.
func TestPassThrough(t *testing.T) {
	w := newServer(t)

	req := w.Request(nil)
	req.Context = protostructtest.FromMap(t, map[string]any{"key": "value"})
	req.Desired = &fnv1.State{
		Composite: &fnv1.Resource{
			Resource:          protostructtest.FromMap(t, map[string]any{"status": map[string]any{"other": "value", "phase": "Other"}}),
			ConnectionDetails: map[string][]byte{"key": []byte("value")},
		},
		Resources: map[string]*fnv1.Resource{
			"bucket": {Resource: protostructtest.FromMap(t, map[string]any{"kind": "Bucket"}), Ready: fnv1.Ready_READY_TRUE, ConnectionDetails: map[string][]byte{"a": []byte("b")}},
		},
	}
	before := proto.CloneOf(req)

	rsp, err := w.Function.RunFunction(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(before, req, protocmp.Transform()); diff != "" {
		t.Errorf("f.RunFunction(...) changes the request: -before, +after:\n%s", diff)
	}

	if diff := cmp.Diff(req.GetContext(), rsp.GetContext(), protocmp.Transform()); diff != "" {
		t.Errorf("f.RunFunction(...): context: -want, +got:\n%s", diff)
	}

	if diff := cmp.Diff(req.GetDesired().GetResources()["bucket"], rsp.GetDesired().GetResources()["bucket"], protocmp.Transform()); diff != "" {
		t.Errorf("f.RunFunction(...): bucket: -want, +got:\n%s", diff)
	}

	if diff := cmp.Diff(req.GetDesired().GetComposite().GetConnectionDetails(), rsp.GetDesired().GetComposite().GetConnectionDetails()); diff != "" {
		t.Errorf("f.RunFunction(...): connection details: -want, +got:\n%s", diff)
	}

	status := protostruct.Get(rsp.GetDesired().GetComposite().GetResource(), "status").GetStructValue()
	if got := protostruct.Get(status, "other").GetStringValue() + "," + protostruct.Get(status, "phase").GetStringValue(); got != "value,Pending" {
		t.Errorf("f.RunFunction(...): status: want value,Pending, got: %s", got)
	}

	if got := protostruct.Get(rsp.GetDesired().GetComposite().GetResource(), "kind").GetStringValue(); got != "DittoServer" {
		t.Errorf("f.RunFunction(...): want kind DittoServer, got: %s", got)
	}
}

func TestTTL(t *testing.T) {
	w := newServer(t)

	rsp, _ := w.Function.RunFunction(t.Context(), w.Request(nil))
	if diff := cmp.Diff(durationpb.New(time.Minute), rsp.GetMeta().GetTtl(), protocmp.Transform()); diff != "" {
		t.Errorf("f.RunFunction(...): -want, +got:\n%s", diff)
	}

	w.Input = protostructtest.FromMap(t, map[string]any{"ttl": "5s"})

	rsp, _ = w.Function.RunFunction(t.Context(), w.Request(nil))
	if diff := cmp.Diff(durationpb.New(5*time.Second), rsp.GetMeta().GetTtl(), protocmp.Transform()); diff != "" {
		t.Errorf("f.RunFunction(...): -want, +got:\n%s", diff)
	}
}

// A cluster-scoped composite resource composes cluster-scoped Objects, in the
// claim's namespace and with the claim's name.
func TestClusterScoped(t *testing.T) {
	cases := map[string]struct {
		reason string
		xr     string
		input  string
		want   string
	}{
		"Claim": {
			reason: "Names and namespace are the claim's.",
			xr:     "{apiVersion: dittofs.io/v1alpha1, kind: XDittoServer, metadata: {name: files-x7k2p}, spec: {claimRef: {apiVersion: dittofs.io/v1alpha1, kind: DittoServer, name: files, namespace: storage}, identity: {jwt: {secretRef: {name: jwt}}}}}",
			want:   "kubernetes.crossplane.io/v1alpha2 map[name:default] storage/files-config",
		},
		"Input": {
			reason: "Without a claim the namespace is the input's.",
			xr:     "{apiVersion: dittofs.io/v1alpha1, kind: XDittoServer, metadata: {name: shared}, spec: {identity: {jwt: {secretRef: {name: jwt}}}}}",
			input:  "{namespace: storage, providerConfigRef: {name: other}}",
			want:   "kubernetes.crossplane.io/v1alpha2 map[name:other] storage/shared-config",
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newServer(t)
			w.Create(tc.xr)

			if tc.input != "" {
				w.Input = protostructtest.FromYAML(t, tc.input)
			}

			rsp := w.Call()
			o := rsp.GetDesired().GetResources()["configmap"].GetResource()
			got := protostruct.Get(o, "apiVersion").GetStringValue() + " " + strings.ReplaceAll(strings.TrimSpace(mapText(protostruct.Get(o, "spec", "providerConfigRef"))), "  ", " ") + " " +
				protostruct.Get(o, "spec", "forProvider", "manifest", "metadata", "namespace").GetStringValue() + "/" + protostruct.Get(o, "spec", "forProvider", "manifest", "metadata", "name").GetStringValue()

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nf.RunFunction(...): -want, +got:\n%s", tc.reason, diff)
			}

			if got := simulator.Condition(rsp, "SecretsResolved"); !strings.HasPrefix(got, "TRUE") {
				t.Errorf("%s\nf.RunFunction(...): %s", tc.reason, got)
			}
		})
	}
}

func mapText(v *structpb.Value) string {
	var s []string
	for k, e := range v.GetStructValue().GetFields() {
		s = append(s, k+":"+e.GetStringValue())
	}

	slices.Sort(s)

	return "map[" + strings.Join(s, " ") + "]"
}

// Results are events: they come when something changes, and not on every call.
func TestTransitions(t *testing.T) {
	warnings := func(rsp *fnv1.RunFunctionResponse) []string {
		var w []string
		for _, r := range rsp.GetResults() {
			w = append(w, r.GetSeverity().String()+" "+r.GetReason()+" "+r.GetTarget().String())
		}

		return w
	}

	w := newServer(t)
	w.Settle()

	steps := []struct {
		reason string
		change func()
		want   []string
	}{
		{"Nothing is new.", func() {}, nil},
		{"A Secret went.", func() { delete(w.Secrets, "jwt") }, []string{"SEVERITY_WARNING Missing TARGET_COMPOSITE_AND_CLAIM"}},
		{"It is known that a Secret went.", func() {}, nil},
		{"It came back.", func() { w.SetSecret("jwt", simulator.SecretValues["jwt"][0]) }, nil},
		{"A newly set field gets a warning.", func() { w.Patch("{jwt: {secretRef: {name: jwt}}}", "identity") }, []string{"SEVERITY_WARNING HasWarnings TARGET_COMPOSITE_AND_CLAIM"}},
		{"It is known.", func() {}, nil},
		{"A dangerous change waits.", func() { w.Patch("0.28.0", "version") }, []string{"SEVERITY_WARNING ApprovalRequired TARGET_COMPOSITE_AND_CLAIM"}},
		{"It is known.", func() {}, nil},
		{"A claim cannot grow.", func() { w.Patch("1Ti", "storage", "metadataSize") }, []string{"SEVERITY_WARNING ApprovalRequired TARGET_COMPOSITE_AND_CLAIM", "SEVERITY_WARNING Frozen TARGET_COMPOSITE_AND_CLAIM"}},
		{"It is known.", func() {}, nil},
	}

	for _, s := range steps {
		s.change()

		rsp := w.Reconcile(10)
		if diff := cmp.Diff(s.want, warnings(rsp)); diff != "" {
			t.Errorf("%s\nf.RunFunction(...): -want, +got:\n%s", s.reason, diff)
		}
	}
}

// A Secret may be as large as the API server allows.
func TestLargeSecret(t *testing.T) {
	w := newServer(t)
	w.SetSecret("jwt", map[string]string{"jwt-secret": strings.Repeat("example.", 1<<20/8)})

	if got := simulator.Condition(w.Call(), "SecretsResolved"); !strings.HasPrefix(got, "TRUE/") {
		t.Errorf("f.RunFunction(...): want SecretsResolved True, got: %s", got)
	}
}

// What a user wrote is bounded in messages, and leaves room for the other errors.
func TestLargeField(t *testing.T) {
	w := newServer(t)
	w.Patch(strings.Repeat("x", 1<<20), "version")
	w.Patch("blue", "colour")

	got := simulator.Condition(w.Call(), "SpecValid")
	if len(got) > 2*1024 || !strings.HasPrefix(got, "FALSE/Invalid: spec.colour: Forbidden: unknown field; spec.version: Invalid value") || !strings.HasSuffix(got, " … (cut)") {
		t.Errorf("f.RunFunction(...): want a bounded message, got %d bytes: %.100s", len(got), got)
	}

	for i := range 100 {
		w.Patch("blue", strings.Repeat("x", 500)+strconv.Itoa(i))
	}

	if got := simulator.Condition(w.Call(), "SpecValid"); len(got) > 17*1024 {
		t.Errorf("f.RunFunction(...): want a bounded message, got %d bytes: %.100s", len(got), got)
	}
}

// Nothing of a Secret but its referenced keys counts.
func TestNoRestart(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(w *simulator.World)
		want   bool
	}{
		"CrossplaneSpec": {"Crossplane writes into spec.", func(w *simulator.World) {
			protostruct.Set(w.XR, structpb.NewStringValue("rev-2"), "spec", "crossplane", "compositionRevisionRef", "name")
			w.Bump()
		}, false},
		"Metadata": {"Labels are not the spec.", func(w *simulator.World) {
			protostruct.Set(w.XR, structpb.NewStringValue("b"), "metadata", "labels", "a")
		}, false},
		"Replicas": {"Stopping changes nothing for the next pod.", func(w *simulator.World) { w.Patch("0", "replicas") }, false},
		"Rollout":  {"Who decides on restarts changes nothing for the pod.", func(w *simulator.World) { w.Patch("Automatic", "rollout") }, false},
		"SecretLabels": {"A Secret's metadata are not its data.", func(w *simulator.World) {
			protostruct.Set(w.Secrets["jwt"], structpb.NewStringValue("b"), "metadata", "labels", "a")
		}, false},
		"OtherKey": {"A key that is not referenced is not used.", func(w *simulator.World) {
			protostruct.Set(w.Secrets["jwt"], structpb.NewStringValue(base64.StdEncoding.EncodeToString([]byte("example"))), "data", "other")
		}, false},
		"SameAgain": {"A Secret that comes back the same is the same.", func(w *simulator.World) {
			delete(w.Secrets, "jwt")
			w.Settle()
			w.SetSecret("jwt", simulator.SecretValues["jwt"][0])
		}, false},
		"ServiceAnnotation": {"The user's spec counts as a whole.", func(w *simulator.World) { w.Patch("{a: b}", "service", "annotations") }, true},
		"Secret":            {"A Secret is rotated.", func(w *simulator.World) { w.SetSecret("jwt", simulator.SecretValues["jwt"][1]) }, true},
		"Config":            {"The configuration changes.", func(w *simulator.World) { w.Patch("DEBUG", "logging", "level") }, true},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newServer(t)
			w.Settle()

			was := w.Hash()
			tc.change(w)
			w.Settle()

			if got := w.Hash() != was; got != tc.want {
				t.Errorf("%s\nf.RunFunction(...): want restart: %t, got: %t", tc.reason, tc.want, got)
			}
		})
	}
}

// The response fed back as the observed state gives the same response.
func TestIdempotent(t *testing.T) {
	w := newServer(t)
	w.Settle()

	first, second := w.Settle(), w.Settle()
	if diff := cmp.Diff(simulator.Encoded(first), simulator.Encoded(second)); diff != "" {
		t.Errorf("f.RunFunction(...): -first, +second:\n%s", cmp.Diff(first, second, protocmp.Transform()))
	}
}

// newNative returns a world with a native DittoServer at rest, and its Secrets.
func newNative(t *testing.T, spec string) *simulator.World {
	t.Helper()

	w := simulator.New(t, served(), 1, simulator.Flavours[2])
	w.SetSecret("jwt", simulator.SecretValues["jwt"][0])
	w.Create(w.Flavour.XR)
	w.Edit(protostructtest.FromYAML(t, spec))
	w.Settle()

	return w
}

// A server that somebody upgraded by hand must not go down again to the version of the
// spec without a person.
func TestNativeUpgradeByHand(t *testing.T) {
	for _, rollout := range []string{"Automatic", "Manual"} {
		w := newNative(t, `{version: 0.29.0, rollout: `+rollout+`, identity: {jwt: {secretRef: {name: jwt}}}}`)
		w.SetImage("marmos91c/dittofs:v0.30.0")

		if got := simulator.Condition(w.Settle(), "ConfigRolledOut"); !strings.HasPrefix(got, "FALSE/ApprovalRequired") {
			t.Errorf("%s: want a hold, got: %s", rollout, got)
		}

		if got := manifest.ContainerImage(w.Live["statefulset"]); got != "marmos91c/dittofs:v0.30.0" {
			t.Errorf("%s: the newer server goes down to %s", rollout, got)
		}

		w.Edit(protostructtest.FromYAML(t, `{version: 0.30.0, rollout: `+rollout+`, identity: {jwt: {secretRef: {name: jwt}}}}`))

		if rollout == "Manual" {
			w.Settle()
			w.Annotate("dittofs.io/approve", w.Approval())
		}

		if got := simulator.Condition(w.Settle(), "ConfigRolledOut"); !strings.HasPrefix(got, "TRUE/") {
			t.Errorf("%s: want no hold once the spec follows, got: %s", rollout, got)
		}
	}
}

// A webhook that has images come from a mirror changes what Crossplane owns. The image
// that was asked for stays the one that is asked for: nothing restarts, and the platform's
// policy is about that one.
func TestNativeImageOfWebhook(t *testing.T) {
	w := newNative(t, `{identity: {jwt: {secretRef: {name: jwt}}}}`)
	w.Input = protostructtest.FromYAML(t, "{compose: Native, policy: {images: [marmos91c/dittofs]}}")

	asked := manifest.ContainerImage(w.Live["statefulset"])
	container := protostruct.Get(w.Live["statefulset"], "spec", "template", "spec", "containers").GetListValue().GetValues()[0].GetStructValue()
	protostruct.Set(container, structpb.NewStringValue("mirror.example.org/"+asked), "image")

	hash := manifest.TemplateHash(w.Live["statefulset"])
	_, rsp := w.Last()
	sts := rsp.GetDesired().GetResources()["statefulset"].GetResource()

	if got := manifest.ContainerImage(sts); got != asked {
		t.Errorf("want the image %s again, got: %s", asked, got)
	}

	if got := manifest.TemplateHash(sts); got != hash {
		t.Errorf("want the pod template %s again, got: %s", hash, got)
	}
}

// FuzzRunFunction sends requests that are no requests, and requests of which parts
// are something else. Each is answered, with every condition, and without a panic.
func FuzzRunFunction(f *testing.F) {
	t := &testing.T{}
	w := newServer(t)
	f.Add(simulator.Encoded(w.Request(nil)))

	w.Settle()
	f.Add(simulator.Encoded(w.Request(nil)))
	f.Add(simulator.Encoded(w.Request(map[string]*fnv1.ResourceSelector{
		"secret/jwt":   {Match: &fnv1.ResourceSelector_MatchName{MatchName: "jwt"}, Namespace: new("storage")},
		"secret/admin": {Match: &fnv1.ResourceSelector_MatchName{MatchName: "admin"}, Namespace: new("storage")},
	})))
	f.Add([]byte{})

	for _, spec := range simulator.Specs {
		w.Edit(protostructtest.FromYAML(t, spec))
		f.Add(simulator.Encoded(w.Request(nil)))
	}

	// Wrong types everywhere.
	for _, v := range []*structpb.Value{
		structpb.NewNullValue(), structpb.NewStringValue("text"), structpb.NewNumberValue(-1), structpb.NewBoolValue(true),
		structpb.NewListValue(&structpb.ListValue{}), structpb.NewStructValue(&structpb.Struct{}),
		{},
	} {
		for _, top := range []string{"spec", "metadata", "status", "apiVersion"} {
			req := proto.CloneOf(w.Request(nil))
			req.GetObserved().GetComposite().GetResource().Fields[top] = v
			f.Add(simulator.Encoded(req))

			req = proto.CloneOf(w.Request(nil))
			req.GetObserved().GetResources()["statefulset"].GetResource().Fields[top] = v
			f.Add(simulator.Encoded(req))
		}
	}

	fn := newFunction()

	f.Fuzz(func(t *testing.T, b []byte) {
		req := &fnv1.RunFunctionRequest{}
		if err := proto.Unmarshal(b, req); err != nil {
			t.Skip("no request")
		}

		rsp, err := fn.RunFunction(t.Context(), req)
		if err != nil {
			t.Fatalf("f.RunFunction(...): %v", err)
		}

		if err := simulator.CheckConditions(rsp); err != nil {
			t.Fatalf("f.RunFunction(...): %v", err)
		}

		for _, r := range rsp.GetResults() {
			if r.GetReason() == report.ReasonPanic {
				t.Fatal("f.RunFunction(...): panics")
			}
		}

		if _, err := proto.Marshal(rsp); err != nil {
			t.Fatalf("f.RunFunction(...): the response cannot be sent: %v", err)
		}
	})
}

// atRest returns the request of a server that runs, and that nobody changes.
func atRest(b *testing.B, f simulator.Flavour) *fnv1.RunFunctionRequest {
	b.Helper()

	w := simulator.NewServer(b, served(), f)

	return w.Request(w.Settle().GetRequirements().GetResources())
}

// A call without what gRPC costs: see test/bench for that.
func BenchmarkRunFunction(b *testing.B) {
	// Claims make no difference.
	for _, f := range simulator.Flavours {
		if f.XR != simulator.Namespaced.XR {
			continue
		}

		b.Run(f.Name, func(b *testing.B) {
			fn, in := newFunction(), mem.BufferSlice{mem.SliceBuffer(simulator.Encoded(atRest(b, f)))}

			b.ReportAllocs()

			for b.Loop() {
				req := &fnv1.RunFunctionRequest{}
				if err := codec().Unmarshal(in, req); err != nil {
					b.Fatal(err)
				}

				rsp, err := fn.RunFunction(b.Context(), req)
				if err != nil || report.IsFatal(rsp) {
					b.Fatal(err, rsp.GetResults())
				}

				if _, err := codec().Marshal(rsp); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The steps of fn.go, each with what those before it return.
func BenchmarkSteps(b *testing.B) {
	req := atRest(b, simulator.Namespaced)
	xr := req.GetObserved().GetComposite().GetResource()

	srv, errs := composite.Decode(xr, req.GetInput())
	found, errRead := observed.Read(req.GetObserved().GetResources())
	resources, predecessors, errPredecessor := observed.WithRequired(srv, xr, found, req.GetRequiredResources())
	secrets := secret.Resolve(srv, req.GetRequiredResources(), false)

	config, errConfig := dittofs.Config(srv.Settings(), srv.Release)
	digests := digest.For(srv, secrets)

	in := manifest.PodInputs{
		Config: config, ConfigHash: digests.Of(config), AdminPasswordIsHash: secrets.AdminPasswordIsHash,
		Image: manifest.Image(srv, resources), Claims: manifest.ClaimNames(resources.Asked(manifest.StatefulSet)),
	}
	pod, errPod := manifest.Pod(srv, in)
	parts := manifest.Inputs{Config: config, Pod: pod}

	desired, errBuild := manifest.Build(srv, parts)
	facts := guard.Read(srv, desired, resources, predecessors, secrets.State)
	decision := guard.Decide(facts)
	manifests := guard.Apply(decision, desired, resources, digests)

	for _, err := range []error{errs.ToAggregate(), errRead, errPredecessor, errConfig, errPod, errBuild} {
		if err != nil {
			b.Fatal(err)
		}
	}

	if decision.Rollout != guard.RolledOut {
		b.Fatalf("guard.Decide(...): %s", decision.Rollout)
	}

	state := func() *fnv1.State {
		return &fnv1.State{Composite: &fnv1.Resource{}, Resources: map[string]*fnv1.Resource{}}
	}

	steps := []struct {
		name string
		run  func() error
	}{
		{"composite.Decode", func() error { _, errs := composite.Decode(xr, req.GetInput()); return errs.ToAggregate() }},
		{"observed.Read", func() error { _, err := observed.Read(req.GetObserved().GetResources()); return err }},
		{"manifest.Pod", func() error { _, err := manifest.Pod(srv, in); return err }},
		{"policy.Check", func() error { return policy.Check(srv, pod).ToAggregate() }},
		{"secret.Resolve", func() error { secret.Resolve(srv, req.GetRequiredResources(), false); return nil }},
		{"dittofs.Config", func() error { _, err := dittofs.Config(srv.Settings(), srv.Release); return err }},
		{"digest.Of", func() error { digest.For(srv, secrets).Of(config); return nil }},
		{"manifest.Build", func() error { _, err := manifest.Build(srv, parts); return err }},
		{"guard.Read", func() error { guard.Read(srv, desired, resources, predecessors, secrets.State); return nil }},
		{"guard.Decide", func() error { guard.Decide(facts); return nil }},
		{"guard.Apply", func() error { guard.Apply(decision, desired, resources, digests); return nil }},
		{"compose.Resources", func() error { return compose.Resources(state(), srv, manifests, resources, &decision) }},
		{"report", func() error {
			rsp := &fnv1.RunFunctionResponse{}
			report.Valid(rsp)
			report.Secrets(rsp, secrets)
			report.Rollout(rsp, decision)
			report.Storage(rsp, decision)
			report.Apply(rsp, xr, manifests, resources)
			report.Warn(rsp, append(srv.Warnings(), manifest.Warnings(srv, in)...))
			report.Transitions(rsp, xr)

			return report.Status(state(), xr, srv, manifests, resources)
		}},
	}

	for _, s := range steps {
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()

			for b.Loop() {
				if err := s.run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
