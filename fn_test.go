package main

import (
	"context"
	"flag"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crossplane/crossplane-runtime/v2/pkg/logging"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/metrics"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/cluster"
	"github.com/dittofs/function-dittoserver/test/fields"
	"github.com/dittofs/function-dittoserver/test/guards"
	"github.com/dittofs/function-dittoserver/test/simulator"
	"github.com/dittofs/function-dittoserver/test/states"
	"github.com/dittofs/function-dittoserver/test/upgrade"
)

func newFunction() *Function {
	return &Function{log: logging.NewNopLogger(), metrics: metrics.New(prometheus.NewRegistry()), ttl: 60e9, now: time.Now}
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

func TestGuards(t *testing.T) {
	guards.Check(t, served())
}

func TestEveryFieldCounts(t *testing.T) {
	fields.Count(t, served(), "example")
}

func TestRestarts(t *testing.T) {
	t.Parallel()
	fields.Restarts(t, served())
}

func TestInput(t *testing.T) {
	t.Parallel()
	fields.Input(t, served())
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

// An outcome is what counts of a response. The golden files of cmd/render have what is composed,
// and the tests of internal/report the messages of conditions.
type outcome struct {
	// Fatal is the reason of a fatal result, and Invalid are the fields that it names.
	Fatal   string
	Invalid []string

	// Conditions are the reasons by type.
	Conditions map[string]string

	// Composed are the names of the composed resources, and Moves says whether the pod template
	// is another one than before.
	Composed []string
	Moves    bool

	// Ready is the readiness of the composite resource for Crossplane.
	Ready fnv1.Ready

	// Required are the names of what is required.
	Required []string
}

func outcomeOf(w *simulator.World, rsp *fnv1.RunFunctionResponse) outcome {
	resources := rsp.GetDesired().GetResources()
	template := protostruct.Get(cluster.Asked(resources["statefulset"].GetResource()), "spec", "template").GetStructValue()

	o := outcome{
		Conditions: map[string]string{},
		Composed:   slices.Sorted(maps.Keys(resources)),
		Moves:      template != nil && !proto.Equal(w.Template(), template),
		Ready:      rsp.GetDesired().GetComposite().GetReady(),
		Required:   slices.Sorted(maps.Keys(rsp.GetRequirements().GetResources())),
	}

	for _, c := range rsp.GetConditions() {
		o.Conditions[c.GetType()] = c.GetReason()
	}

	for _, r := range rsp.GetResults() {
		if r.GetSeverity() != fnv1.Severity_SEVERITY_FATAL {
			continue
		}

		o.Fatal = r.GetReason()

		for _, err := range regexp.MustCompile(`[:;] ([a-zA-Z.]+): [A-Z][a-z]+[ :]`).FindAllStringSubmatch(r.GetMessage(), -1) {
			o.Invalid = append(o.Invalid, err[1])
		}
	}

	return o
}

// fetched returns a request with everything that the function requires.
func fetched(w *simulator.World) *fnv1.RunFunctionRequest {
	req, _ := w.Last()

	return req
}

func TestRunFunction(t *testing.T) {
	var (
		all          = []string{"configmap", "service-api", "service-file", "service-headless", "statefulset"}
		without      = all[:4]
		secrets      = []string{"secret/admin", "secret/jwt"}
		predecessors = []string{"running/statefulset", "secret/admin", "secret/jwt"}
	)

	// conditions of a running server, except those that are given.
	conditions := func(others map[string]string) map[string]string {
		c := map[string]string{
			report.SpecValid: report.ReasonValid, report.SecretsResolved: report.ReasonResolved, report.ConfigRolledOut: string(guard.RolledOut),
			report.StorageUpToDate: report.ReasonUpToDate, report.Applied: report.ReasonApplied, report.Warnings: report.ReasonNone,
		}
		maps.Copy(c, others)

		return c
	}
	unchecked := func(specValid string) map[string]string {
		return conditions(map[string]string{
			report.SpecValid: specValid, report.SecretsResolved: report.ReasonNotChecked, report.ConfigRolledOut: report.ReasonNotChecked,
			report.StorageUpToDate: report.ReasonNotChecked, report.Applied: report.ReasonNotChecked, report.Warnings: report.ReasonNotChecked,
		})
	}

	cases := map[string]struct {
		reason string

		// running says that the server runs before.
		running bool

		// req is changed and then sent. Without it, everything that is required is fetched.
		change func(w *simulator.World)
		req    func(w *simulator.World) *fnv1.RunFunctionRequest

		want outcome
	}{
		"NotFetchedNew": {
			reason: "Without Secrets there is no digest, and so no StatefulSet.",
			req:    func(w *simulator.World) *fnv1.RunFunctionRequest { return w.Request(nil) },
			want: outcome{
				Conditions: conditions(map[string]string{report.SecretsResolved: report.ReasonNotFetched, report.ConfigRolledOut: string(guard.SecretsNotFetched), report.Applied: report.ReasonNotObserved}),
				Composed:   without, Ready: fnv1.Ready_READY_FALSE, Required: predecessors,
			},
		},
		"NotFetchedRunning": {
			reason:  "A running server stays as it is.",
			running: true,
			req:     func(w *simulator.World) *fnv1.RunFunctionRequest { return w.Request(nil) },
			want: outcome{
				Conditions: conditions(map[string]string{report.SecretsResolved: report.ReasonNotFetched, report.ConfigRolledOut: string(guard.SecretsNotFetched)}),
				Composed:   all, Required: secrets,
			},
		},
		"MissingNew": {
			reason: "A Secret that is not there may come.",
			change: func(w *simulator.World) { delete(w.Secrets, "jwt") },
			want: outcome{
				Conditions: conditions(map[string]string{report.SecretsResolved: report.ReasonMissing, report.ConfigRolledOut: string(guard.SecretsNotResolved), report.Applied: report.ReasonNotObserved}),
				Composed:   without, Ready: fnv1.Ready_READY_FALSE, Required: predecessors,
			},
		},
		"MissingRunning": {
			reason:  "A running server keeps its environment: it needs the Secret only to start.",
			running: true,
			change:  func(w *simulator.World) { delete(w.Secrets, "jwt") },
			want: outcome{
				Conditions: conditions(map[string]string{report.SecretsResolved: report.ReasonMissing, report.ConfigRolledOut: string(guard.SecretsNotResolved)}),
				Composed:   all, Required: secrets,
			},
		},
		"UnusableRunning": {
			reason:  "A Secret that the server cannot use is as good as none.",
			running: true,
			change:  func(w *simulator.World) { w.SetSecret("jwt", map[string]string{"jwt-secret": "short"}) },
			want: outcome{
				Conditions: conditions(map[string]string{report.SecretsResolved: report.ReasonMissing, report.ConfigRolledOut: string(guard.SecretsNotResolved)}),
				Composed:   all, Required: secrets,
			},
		},
		"New": {
			reason: "A StatefulSet is composed at first creation, and applied once the ConfigMap is there.",
			want: outcome{
				Conditions: conditions(map[string]string{report.ConfigRolledOut: string(guard.ConfigMapNotReady), report.Applied: report.ReasonNotObserved}),
				Composed:   all, Moves: true, Required: predecessors,
			},
		},
		"PredecessorUnknown": {
			reason: "What is not known may be there.",
			req: func(w *simulator.World) *fnv1.RunFunctionRequest {
				req := fetched(w)
				delete(req.GetRequiredResources(), "running/statefulset")

				return req
			},
			want: outcome{
				Conditions: conditions(map[string]string{report.ConfigRolledOut: string(guard.PredecessorThere), report.Applied: report.ReasonNotObserved}),
				Composed:   without, Ready: fnv1.Ready_READY_FALSE, Required: predecessors,
			},
		},
		"Unobserved": {
			reason:  "Crossplane may not observe yet what it made. A newer release that runs is kept as if it did.",
			running: true,
			change:  func(w *simulator.World) { w.Patch("0.28.0", "version") },
			req: func(w *simulator.World) *fnv1.RunFunctionRequest {
				req := fetched(w)
				req.RequiredResources["running/statefulset"] = &fnv1.Resources{Items: []*fnv1.Resource{req.GetObserved().GetResources()["statefulset"]}}
				delete(req.GetObserved().GetResources(), "statefulset")

				return req
			},
			want: outcome{
				Conditions: conditions(map[string]string{report.ConfigRolledOut: string(guard.ApprovalRequired)}),
				Composed:   all, Required: predecessors,
			},
		},
		"AtRest": {
			reason:  "Nothing is new.",
			running: true,
			want:    outcome{Conditions: conditions(nil), Composed: all, Required: secrets},
		},
		"Rotated": {
			reason:  "A rotated Secret leaves config.yaml as it is, and rolls at once.",
			running: true,
			change:  func(w *simulator.World) { w.SetSecret("jwt", simulator.SecretValues["jwt"][1]) },
			want:    outcome{Conditions: conditions(nil), Composed: all, Moves: true, Required: secrets},
		},
		"Config": {
			reason:  "config.yaml goes first, and the pod template follows once it is live.",
			running: true,
			change:  func(w *simulator.World) { w.Patch("DEBUG", "logging", "level") },
			want:    outcome{Conditions: conditions(map[string]string{report.ConfigRolledOut: string(guard.ConfigMapNotReady)}), Composed: all, Required: secrets},
		},
		"Warnings": {
			reason:  "What works, but perhaps not as the user expects, is told and goes ahead.",
			running: true,
			change:  func(w *simulator.World) { w.Patch("{jwt: {secretRef: {name: jwt}}}", "identity") },
			want:    outcome{Conditions: conditions(map[string]string{report.Warnings: report.ReasonHasWarnings}), Composed: all, Moves: true, Required: secrets[1:]},
		},
		"Empty": {
			reason: "An empty request is answered.",
			req:    func(*simulator.World) *fnv1.RunFunctionRequest { return &fnv1.RunFunctionRequest{} },
			want: outcome{
				Fatal: report.ReasonInvalid, Invalid: []string{"metadata.name", "input.namespace", "spec.identity.jwt.secretRef.name"},
				Conditions: unchecked(report.ReasonInvalid),
			},
		},
		"Invalid": {
			reason:  "All errors come at once, those of the policy too, and what an invalid spec names is not required.",
			running: true,
			change: func(w *simulator.World) {
				w.Patch("0", "nfsPort")
				w.Patch("big", "storage", "metadataSize")
				w.Patch("true", "securityContext", "privileged")
				w.Input = protostructtest.FromYAML(w.T, "{compose: Terraform}")
			},
			want: outcome{
				Fatal: report.ReasonInvalid, Invalid: []string{"input.compose", "spec.nfsPort", "spec.storage.metadataSize", "spec.securityContext", "spec.securityContext"},
				Conditions: unchecked(report.ReasonInvalid),
			},
		},
		"RefusedSecret": {
			reason:  "A Secret that the platform's policy refuses is not required, and neither is any other.",
			running: true,
			change: func(w *simulator.World) {
				w.Input = protostructtest.FromYAML(w.T, "{policy: {secrets: [admin]}}")
			},
			want: outcome{Fatal: report.ReasonInvalid, Invalid: []string{"spec.identity.jwt.secretRef.name"}, Conditions: unchecked(report.ReasonInvalid)},
		},
		"Unreadable": {
			reason:  "What runs cannot be guessed.",
			running: true,
			change: func(w *simulator.World) {
				protostruct.Set(w.Composed["statefulset"], nil, "spec", "forProvider", "manifest", "spec", "template")
			},
			want: outcome{Fatal: report.ReasonFatal, Conditions: unchecked(report.ReasonNotChecked)},
		},
		"OtherCompose": {
			reason:  "A server cannot change how it is composed: its Objects would be deleted, and what they applied with them.",
			running: true,
			change:  func(w *simulator.World) { w.Input = protostructtest.FromYAML(w.T, "{compose: Native}") },
			want: outcome{
				Fatal: report.ReasonFatal,
				Conditions: conditions(map[string]string{
					report.SecretsResolved: report.ReasonNotFetched, report.ConfigRolledOut: report.ReasonNotChecked, report.StorageUpToDate: report.ReasonNotChecked,
					report.Applied: report.ReasonNotChecked, report.Warnings: report.ReasonNotChecked,
				}),
				Required: secrets,
			},
		},
		"NameTaken": {
			reason:  "What an earlier function composes is not overwritten.",
			running: true,
			req: func(w *simulator.World) *fnv1.RunFunctionRequest {
				req := fetched(w)
				req.Desired = &fnv1.State{Resources: map[string]*fnv1.Resource{"configmap": {}}}

				return req
			},
			want: outcome{
				Fatal: report.ReasonFatal,
				Conditions: conditions(map[string]string{
					report.ConfigRolledOut: report.ReasonNotChecked, report.StorageUpToDate: report.ReasonNotChecked,
					report.Applied: report.ReasonNotChecked, report.Warnings: report.ReasonNotChecked,
				}),
				Composed: []string{"configmap"}, Required: secrets,
			},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newServer(t)
			if tc.running {
				w.Settle()
			}

			if tc.change != nil {
				tc.change(w)
			}

			req := fetched
			if tc.req != nil {
				req = tc.req
			}

			in := req(w)
			before := proto.CloneOf(in)

			rsp, err := newFunction().RunFunction(t.Context(), in)
			if err != nil {
				t.Fatalf("%s\nf.RunFunction(...): %v", tc.reason, err)
			}

			if diff := cmp.Diff(tc.want, outcomeOf(w, rsp), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s\nf.RunFunction(...): -want, +got:\n%s", tc.reason, diff)
			}

			if tc.want.Fatal != "" && !proto.Equal(before.GetDesired(), rsp.GetDesired()) {
				t.Errorf("%s\nf.RunFunction(...): want nothing else to be desired, got: %v", tc.reason, rsp.GetDesired())
			}

			if diff := cmp.Diff(before, in, protocmp.Transform()); diff != "" {
				t.Errorf("%s\nf.RunFunction(...) changes the request: -before, +after:\n%s", tc.reason, diff)
			}

			if err := simulator.CheckConditions(rsp); err != nil {
				t.Errorf("%s\nf.RunFunction(...): %v", tc.reason, err)
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
	type ttls struct{ Starting, StartingDeaf, StartingRefused, Arriving, ArrivingDeaf, Rest, RestDeaf time.Duration }

	const minute, atOnce, short = time.Minute, 20 * time.Second, 5 * time.Second

	cases := map[string]struct {
		reason string
		input  map[string]any
		want   ttls
	}{
		"Flag":     {"At rest the flag counts.", nil, ttls{minute, atOnce, minute, minute, atOnce, minute, minute}},
		"Longer":   {"At rest, and until the StatefulSet exists, the input counts, unless the API server refused what is composed.", map[string]any{"ttl": "1h"}, ttls{time.Hour, atOnce, minute, minute, atOnce, time.Hour, minute}},
		"Shorter":  {"The input counts always.", map[string]any{"ttl": "5s"}, ttls{short, short, short, short, short, short, short}},
		"NotAtAll": {"Zero is no bound, as a longer one.", map[string]any{"ttl": "0s"}, ttls{0, atOnce, minute, minute, atOnce, 0, minute}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newServer(t)
			w.Input = protostructtest.FromMap(t, tc.input)

			first, _ := w.Function.RunFunction(t.Context(), w.Request(nil))

			// with returns the TTL of a DittoServer with a condition of Crossplane's: Responsive tells of its circuit
			// breaker, and Synced whether it could write what is composed.
			with := func(condition, status string) time.Duration {
				req := proto.CloneOf(w.Request(first.GetRequirements().GetResources()))
				xr := req.GetObserved().GetComposite().GetResource()
				protostruct.Set(xr, protostructtest.FromMap(t, map[string]any{"all": []any{map[string]any{"type": condition, "status": status}}}).GetFields()["all"], "status", "conditions")

				rsp, _ := w.Function.RunFunction(t.Context(), req)

				return rsp.GetMeta().GetTtl().AsDuration()
			}

			got := ttls{Starting: with("Responsive", "True"), StartingDeaf: with("Responsive", "False"), StartingRefused: with("Synced", "False")}

			// Its pod is not ready yet.
			for range 10 {
				w.Reconcile(10)

				for name := range w.Composed {
					w.Provide(name)
				}
			}

			got.Arriving, got.ArrivingDeaf = with("Responsive", "True"), with("Responsive", "False")

			w.Settle()
			got.Rest, got.RestDeaf = with("Responsive", "True"), with("Responsive", "False")

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nf.RunFunction(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// A panic is a fatal result, and the process lives.
func TestPanic(t *testing.T) {
	rsp := newFunction().protect(t.Context(), &fnv1.RunFunctionRequest{}, func(context.Context, *fnv1.RunFunctionRequest, *fnv1.RunFunctionResponse) error {
		panic("boom")
	})

	want := []*fnv1.Result{{
		Severity: fnv1.Severity_SEVERITY_FATAL,
		Message:  "the function panicked: report the stack in its log",
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
		run runner

		// want is the decision. The line also has the reasons of all conditions.
		want string
		info int
	}{
		"RolledOut": {
			reason: "A call that changes nothing is logged too.",
			change: func(*simulator.World) {},
			want:   string(guard.RolledOut),
		},
		"Held": {
			reason: "The message of a hold names the old and the new database, its reason does not.",
			change: func(w *simulator.World) { w.Patch("{path: "+hidden+"}", "database", "sqlite") },
			want:   string(guard.ApprovalRequired),
		},
		"BadSecret": {
			reason: "A Secret that cannot be used is read, and not shown.",
			change: func(w *simulator.World) {
				w.SetSecret("admin", map[string]string{"password": "short-å\x00-" + hidden})
			},
			want: string(guard.SecretsNotResolved),
		},
		"Invalid": {
			reason: "A fatal result is a decision; its message quotes the spec.",
			change: func(w *simulator.World) { w.Patch(hidden, "logging", "level") },
			want:   report.ReasonInvalid,
		},
		"Unreadable": {
			reason: "So is a composed resource that cannot be read.",
			change: func(w *simulator.World) {
				protostruct.Set(w.Composed["statefulset"], structpb.NewStringValue(hidden), "kind")
			},
			want: report.ReasonFatal,
		},
		"Panic": {
			reason: "A panic is logged with its stack for those without --debug, and counts as a call.",
			change: func(*simulator.World) {},
			run: func(context.Context, *fnv1.RunFunctionRequest, *fnv1.RunFunctionResponse) error {
				panic("boom")
			},
			want: report.ReasonPanic,
			info: 1,
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

			_, reasons := report.Outcome(f.protect(t.Context(), req, run))

			if len(log.Debug) != 1 || len(log.Info) != tc.info {
				t.Fatalf("%s\nf.protect(...): want 1 line at debug and %d at info, got:\n%s\n%s", tc.reason, tc.info, strings.Join(log.Debug, "\n"), strings.Join(log.Info, "\n"))
			}

			want := `["Ran the function","tag","tag","xr-kind","DittoServer","xr-namespace","storage","xr-name","files","decision","` + tc.want + `","reasons","` + reasons + `","duration","`
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

// FuzzRunFunction sends requests that are no requests, and requests of which parts are something
// else.
func FuzzRunFunction(f *testing.F) {
	simulator.Fuzz(f, served())
}

// A call without what gRPC costs: see test/bench for that.
func BenchmarkRunFunction(b *testing.B) {
	// Claims make no difference.
	for _, f := range simulator.Flavours {
		if f.XR != simulator.Namespaced.XR {
			continue
		}

		b.Run(f.Name, func(b *testing.B) {
			w := simulator.NewServer(b, served(), f)
			w.Settle()

			atRest, _ := w.Last()
			fn, in := newFunction(), mem.BufferSlice{mem.SliceBuffer(simulator.Encoded(atRest))}

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
