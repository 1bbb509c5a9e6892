package main

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/test/change"
	"github.com/dittofs/function-dittoserver/test/cluster"
)

// root of the repository.
const root = "../.."

// Functions that tests start, by the name of their binary.
const (
	thisFunction = "this"

	// otherFunction adds an environment variable to the pod.
	otherFunction = "other"

	// restlessFunction never answers the same.
	restlessFunction = "restless"

	// losingFunction forgets the StatefulSet.
	losingFunction = "losing"
)

// starter returns what starts the functions: the one that "make unit" builds, and others
// around it.
func starter(t *testing.T) func(binary string) (change.Runner, func(), error) {
	t.Helper()

	b := os.Getenv("FUNCTION")
	if b == "" {
		t.Skip("FUNCTION is not set: run make unit")
	}

	run, stop, err := start(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(stop)

	calls := 0.0
	around := func(change func(rsp *fnv1.RunFunctionResponse)) change.Runner {
		return func(ctx context.Context, req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) {
			rsp, err := run(ctx, req)
			if err == nil {
				change(rsp)
			}

			return rsp, err
		}
	}
	statefulSet := func(rsp *fnv1.RunFunctionResponse) *structpb.Struct {
		return protostruct.Get(rsp.GetDesired().GetResources()["statefulset"].GetResource(), "spec", "forProvider", "manifest").GetStructValue()
	}

	functions := map[string]change.Runner{
		thisFunction: run,
		otherFunction: around(func(rsp *fnv1.RunFunctionResponse) {
			if s := statefulSet(rsp); s != nil {
				protostruct.Set(s, structpb.NewNumberValue(77), "spec", "template", "spec", "terminationGracePeriodSeconds")
			}
		}),
		restlessFunction: around(func(rsp *fnv1.RunFunctionResponse) {
			calls++

			if s := statefulSet(rsp); s != nil {
				protostruct.Set(s, structpb.NewNumberValue(calls), "spec", "template", "spec", "terminationGracePeriodSeconds")
			}
		}),
		losingFunction: around(func(rsp *fnv1.RunFunctionResponse) {
			delete(rsp.GetDesired().GetResources(), "statefulset")
		}),
	}

	return func(binary string) (change.Runner, func(), error) { return functions[binary], func() {}, nil }
}

// Pieces of files.
const (
	jwt = `identity: {jwt: {secretRef: {name: files-jwt}}, admin: {passwordSecretRef: {name: files-admin}}}`

	secrets = `
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Secret, metadata: {name: files-jwt, namespace: storage}, data: {jwt-secret: ZXhhbXBsZS1leGFtcGxlLWV4YW1wbGUtZXhhbXBsZS1leGFtcGxl, password: Zmlyc3Q=}}
- {apiVersion: v1, kind: Secret, metadata: {name: files-admin, namespace: storage}, data: {password: ZXhhbXBsZS1wYXNzd29yZA==}}
`
)

func server(spec string) string {
	return serverNamed("files", spec)
}

func serverNamed(name, spec string) string {
	return "---\napiVersion: dittofs.io/v1alpha1\nkind: DittoServer\nmetadata: {name: " + name + ", namespace: storage}\nspec: {" + spec + jwt + "}\n"
}

func composition(input string) string {
	return compositionNamed("any", "DittoServer", input)
}

func compositionNamed(name, kind, input string) string {
	return `---
apiVersion: apiextensions.crossplane.io/v1
kind: Composition
metadata: {name: ` + name + `}
spec:
  compositeTypeRef: {apiVersion: dittofs.io/v1alpha1, kind: ` + kind + `}
  mode: Pipeline
  pipeline:
  - step: dittoserver
    functionRef: {name: some-function}
    input: {apiVersion: dittoserver.fn.crossplane.io/v1beta1, kind: Input, ` + input + `}
`
}

// Inputs.
const (
	none     = "configHash: {generation: None}"
	metadata = "configHash: {generation: Metadata}"
	native   = "compose: Native, configHash: {generation: None}"
)

// Pieces of specs.
const (
	v29 = "version: 0.29.0, "

	annotated = v29 + "service: {annotations: {example.org/a: b}}, "
)

// args are files, by what they say, and a function. Those that are empty are not given.
type args struct {
	old, new                       string
	oldComposition, newComposition string
	oldSecrets, newSecrets         string
	newFunction                    string
	observed                       string
}

// files writes args down, and returns them as flags.
func (a args) files(t *testing.T) *CLI {
	t.Helper()

	dir := t.TempDir()
	file := func(name, content string) string {
		if content == "" {
			return ""
		}

		path := filepath.Join(dir, name+".yaml")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}

		return path
	}

	return &CLI{
		Old: file("old", a.old), New: file("new", a.new), Observed: file("observed", a.observed), Namespace: "default",
		OldComposition: cmp.Or(file("old-composition", a.oldComposition), filepath.Join(root, "configuration/namespaced/composition.yaml")),
		NewComposition: file("new-composition", a.newComposition),
		OldSecrets:     file("old-secrets", a.oldSecrets), NewSecrets: file("new-secrets", a.newSecrets),
		OldFunction: thisFunction, NewFunction: a.newFunction,
	}
}

// A diffTable has changes by name, and what make diff says of them.
type diffTable map[string]struct {
	reason string
	args   args

	// want are the verdicts, those of approved changes too. Three dots stand for the rest.
	want []string

	// details that are in the output, and that are not.
	details []string
	without []string

	wantProgress string
	wantStatus   int
}

// run judges each change.
func (table diffTable) run(t *testing.T) {
	t.Helper()

	started := starter(t)

	for name, tc := range table {
		t.Run(name, func(t *testing.T) {
			c := tc.args.files(t)
			out, progress := &bytes.Buffer{}, &bytes.Buffer{}

			changes, err := c.run(t.Context(), started, out, progress)
			if err != nil {
				t.Fatalf("%s\nrun(...): %v", tc.reason, err)
			}

			var got []string

			for line := range strings.Lines(out.String()) {
				if !strings.HasPrefix(line, "  ") || strings.HasPrefix(line, "  once approved:") {
					got = append(got, strings.TrimSuffix(line, "\n"))
				}
			}

			if len(got) != len(tc.want) {
				t.Fatalf("%s\nrun(...): want %d verdicts, got:\n%s", tc.reason, len(tc.want), out)
			}

			for i, want := range tc.want {
				if begin, ok := strings.CutSuffix(want, "..."); got[i] != want && (!ok || !strings.HasPrefix(got[i], begin)) {
					t.Errorf("%s\nrun(...): want:\n%s\ngot:\n%s", tc.reason, want, got[i])
				}
			}

			for _, want := range tc.details {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%s\nrun(...): want %q in:\n%s", tc.reason, want, out)
				}
			}

			if digest := regexp.MustCompile("[0-9a-f]{64}").FindString(out.String()); digest != "" {
				t.Errorf("%s\nrun(...): want no digest at full length, got %s", tc.reason, digest)
			}

			for _, without := range append(tc.without, "ZXhhbXBsZS", "example-password", "another-example", "YW5vdGhlci1leGFtcGxl") {
				if strings.Contains(out.String()+progress.String(), without) {
					t.Errorf("%s\nrun(...): want no %q in:\n%s%s", tc.reason, without, out, progress)
				}
			}

			if !strings.HasPrefix(progress.String(), tc.wantProgress) || tc.wantProgress == "" && progress.Len() > 0 {
				t.Errorf("%s\nrun(...): want progress %q, got %q", tc.reason, tc.wantProgress, progress)
			}

			if got := exitStatus(changes); got != tc.wantStatus {
				t.Errorf("%s\nexitStatus(...): want %d, got %d", tc.reason, tc.wantStatus, got)
			}
		})
	}
}

// Edits, and whether they restart the server, by what counts of the spec.
func TestEdits(t *testing.T) {
	diffTable{
		"NoChange": {
			reason: "The same again restarts nothing, whatever counts.",
			args:   args{old: server(v29), oldComposition: composition(metadata)},
			want:   []string{"storage/files: no change"},
		},
		"ConfigNone": {
			reason:     "config.yaml is read when a server starts.",
			args:       args{old: server(v29), new: server(v29 + "logging: {level: DEBUG}, "), oldComposition: composition(none)},
			want:       []string{"storage/files: restarts: config.yaml (logging.level)"},
			details:    []string{`~ config.yaml: logging.level: "INFO" -> "DEBUG"`, `…" -> "`},
			without:    []string{"dittofs.io/template-hash"},
			wantStatus: 2,
		},
		"ConfigSpec": {
			reason:     "The edit counts as well.",
			args:       args{old: server(v29), new: server(v29 + "logging: {level: DEBUG}, ")},
			want:       []string{"storage/files: restarts: config.yaml (logging.level); spec (logging.level)"},
			wantStatus: 2,
		},
		"AnnotationNone": {
			reason:  "A Service is no business of the pod.",
			args:    args{old: server(v29), new: server(annotated), oldComposition: composition(none)},
			want:    []string{"storage/files: no restart: changes service-api, service-file"},
			details: []string{`+ metadata.annotations[example.org/a]: "b"`},
		},
		"AnnotationSpec": {
			reason:     "Every edit counts.",
			args:       args{old: server(v29), new: server(annotated)},
			want:       []string{"storage/files: restarts: spec (service.annotations[example.org/a]), by configHash.generation Spec alone"},
			wantStatus: 2,
		},
		"AnnotationMetadata": {
			reason:     "Every edit counts, by its number.",
			args:       args{old: server(v29), new: server(annotated), oldComposition: composition(metadata)},
			want:       []string{"storage/files: restarts: metadata.generation, by configHash.generation Metadata alone"},
			wantStatus: 2,
		},
		"MetricsMetadata": {
			reason:     "Crossplane notes the new Service in the spec, which is another number.",
			args:       args{old: server(v29), new: server(v29 + "metrics: {enabled: true}, "), oldComposition: composition(metadata)},
			want:       []string{"storage/files: restarts: config.yaml (metrics.enabled, metrics.host, metrics.port); pod template (spec.containers[dittofs].ports[metrics]); metadata.generation"},
			details:    []string{"+ service-metrics (Service files-metrics)"},
			wantStatus: 2,
		},
		"Image": {
			reason:     "Kubernetes replaces a pod for another image.",
			args:       args{old: server("image: example.org/dittofs:v0.29.0, "), new: server("image: example.org/dittofs:v0.29.1, "), oldComposition: composition(none)},
			want:       []string{"storage/files: restarts: pod template (metadata.labels[app.kubernetes.io/version], spec.containers[dittofs].image)"},
			wantStatus: 2,
		},
	}.run(t)
}

// Changes that do not go through by themselves.
func TestHeld(t *testing.T) {
	diffTable{
		"Downgrade": {
			reason:     "A person decides whether a server goes to an older version.",
			args:       args{old: server(v29), new: server("version: 0.28.0, "), oldComposition: composition(none)},
			want:       []string{"storage/files: held: ApprovalRequired", "  once approved: restarts: pod template (metadata.labels[app.kubernetes.io/version], spec.containers[dittofs].image)"},
			details:    []string{"ConfigRolledOut: ApprovalRequired: ", "dittofs.io/approve=<the value that the condition names then>"},
			wantStatus: 3,
		},
		"UnknownRelease": {
			reason:     "A person decides whether a server becomes a release that is not known.",
			args:       args{old: server(v29), new: server("version: 0.99.0, "), oldComposition: composition(none)},
			want:       []string{"storage/files: held: ApprovalRequired", "  once approved: restarts: pod template (metadata.labels[app.kubernetes.io/version], spec.containers[dittofs].image)"},
			details:    []string{"ConfigRolledOut: ApprovalRequired: "},
			wantStatus: 3,
		},
		"Manual": {
			reason:     "A person decides on every restart.",
			args:       args{old: server(v29 + "rollout: Manual, "), new: server(v29 + "rollout: Manual, logging: {level: WARN}, ")},
			want:       []string{"storage/files: held: ApprovalRequired", "  once approved: restarts: config.yaml (logging.level); spec (logging.level)"},
			wantStatus: 3,
		},
		"StorageNone": {
			reason:     "Kubernetes cannot make a claim smaller.",
			args:       args{old: server(v29), new: server(v29 + "storage: {metadataSize: 5Gi}, "), oldComposition: composition(none)},
			want:       []string{"storage/files: held: some of it stays as it is: see StorageUpToDate"},
			details:    []string{"StorageUpToDate: Frozen: "},
			wantStatus: 3,
		},
		"StorageSpec": {
			reason: "The generation does without the storage, and a claim grows.",
			args:   args{old: server(v29), new: server(v29 + "storage: {metadataSize: 20Gi}, ")},
			want:   []string{"storage/files: no restart: changes configmap; PersistentVolumeClaim metadata-files-0 grows from 10Gi to 20Gi, if its storage class allows it"},
		},
		"StorageStopped": {
			reason:  "Of a stopped server it can be created anew.",
			args:    args{old: server(v29 + "replicas: 0, "), new: server(v29 + "replicas: 0, storage: {metadataSize: 20Gi}, "), oldComposition: composition(none)},
			want:    []string{"storage/files: no restart: changes statefulset; its StatefulSet is created anew, and its volume claims stay; PersistentVolumeClaim metadata-files-0 grows from 10Gi to 20Gi, if its storage class allows it"},
			details: []string{`spec.volumeClaimTemplates[metadata].spec.resources.requests.storage: "10Gi" -> "20Gi"`},
		},
		"Invalid": {
			reason:     "Nothing is applied, and every error is told.",
			args:       args{old: server(v29), new: server(v29 + "nfsPort: 70000, colour: blue, ")},
			want:       []string{"storage/files: refused: invalid DittoServer: spec.colour: Forbidden: ..."},
			wantStatus: 3,
		},
		"InvalidBefore": {
			reason:     "Nobody knows what runs.",
			args:       args{old: server(v29 + "colour: blue, "), new: server(v29)},
			want:       []string{"storage/files: unknown: before the change: invalid DittoServer: spec.colour: Forbidden: ..."},
			wantStatus: 3,
		},
		"Postgres": {
			reason:     "Another database is a person's decision. Secrets that cannot be read are taken to be there.",
			args:       args{old: server(v29), new: server(v29 + "database: {postgres: {secretRef: {name: db}}}, "), oldComposition: composition(none)},
			want:       []string{"storage/files: held: ApprovalRequired", "  once approved: restarts: config.yaml (database.postgres.database, ..."},
			wantStatus: 3,
		},
	}.run(t)
}

// Servers that start and stop, are created and deleted.
func TestServersComeAndGo(t *testing.T) {
	diffTable{
		"Stops": {
			reason:     "No replica is asked for.",
			args:       args{old: server(v29), new: server(v29 + "replicas: 0, ")},
			want:       []string{"storage/files: stops: spec.replicas is 0"},
			details:    []string{"~ spec.replicas: 1 -> 0"},
			wantStatus: 2,
		},
		"Starts": {
			reason: "A server that starts interrupts nobody.",
			args:   args{old: server(v29 + "replicas: 0, "), new: server(v29)},
			want:   []string{"storage/files: starts"},
		},
		"StartsChanged": {
			reason:  "The pod comes up before the ConfigMap is known to hold the new config.yaml.",
			args:    args{old: server(v29 + "replicas: 0, "), new: server(v29 + "logging: {level: DEBUG}, ")},
			want:    []string{"storage/files: starts: and is replaced at once, since the replica comes before the new pod template"},
			details: []string{"config.yaml: logging.level"},
		},
		"StartsImage": {
			reason: "No pod is there that could restart.",
			args:   args{old: server(v29 + "replicas: 0, "), new: server("version: 0.29.1, ")},
			want:   []string{"storage/files: starts"},
		},
		"AddedAndDeleted": {
			reason:     "Servers are told from one another by namespace and name.",
			args:       args{old: serverNamed("first", v29) + serverNamed("second", v29), new: serverNamed("second", v29) + serverNamed("third", v29)},
			want:       []string{"storage/first: deleted: its volume claims stay", "storage/second: no change", "storage/third: created"},
			details:    []string{"+ statefulset (StatefulSet third)"},
			wantStatus: 2,
		},
	}.run(t)
}

// The pod reads Secrets when it starts, and of each only the keys that the spec names.
func TestSecrets(t *testing.T) {
	diffTable{
		"SecretRotated": {
			reason:     "The pod reads Secrets when it starts, and of each only the keys that the spec names.",
			args:       args{old: server(v29), oldSecrets: secrets, newSecrets: strings.NewReplacer("ZXhhbXBsZS1wYXNzd29yZA==", "YW5vdGhlci1leGFtcGxl", "Zmlyc3Q=", "c2Vjb25k").Replace(secrets)},
			want:       []string{"storage/files: restarts: Secret files-admin (password)"},
			wantStatus: 2,
		},
		"SecretKeyOfOthers": {
			reason: "A key that the spec does not name is no business of the server's.",
			args:   args{old: server(v29), oldSecrets: secrets, newSecrets: strings.Replace(secrets, "Zmlyc3Q=", "c2Vjb25k", 1)},
			want:   []string{"storage/files: no change"},
		},
		"SecretGone": {
			reason:     "A running server is left alone.",
			args:       args{old: server(v29), oldSecrets: secrets, newSecrets: strings.Replace(secrets, "name: files-admin", "name: another", 1)},
			want:       []string{"storage/files: held: SecretsNotResolved"},
			details:    []string{"SecretsResolved: Missing: "},
			wantStatus: 3,
		},
		"SecretMissing": {
			reason:     "A new server waits for its Secrets.",
			args:       args{old: "# none\n", new: server(v29), oldSecrets: "# none\n"},
			want:       []string{"storage/files: does not start: SecretsNotResolved"},
			wantStatus: 3,
		},
	}.run(t)
}

// Another Composition is another input for every server of it.
func TestCompositions(t *testing.T) {
	diffTable{
		"CompositionGeneration": {
			reason:     "What counts is part of the digest.",
			args:       args{old: server(v29), newComposition: composition(none)},
			want:       []string{"storage/files: restarts: input (configHash.generation goes from Spec to None)"},
			wantStatus: 2,
		},
		"CompositionTTL": {
			reason: "An input that changes nothing of the server restarts nothing.",
			args:   args{old: server(v29), newComposition: composition("ttl: 5m")},
			want:   []string{"storage/files: no change"},
		},
		"CompositionTTLMetadata": {
			reason:     "Crossplane notes another revision in the spec, which is another number.",
			args:       args{old: server(v29), oldComposition: composition(metadata), newComposition: composition(metadata + ", ttl: 5m")},
			want:       []string{"storage/files: restarts: metadata.generation, by configHash.generation Metadata alone"},
			wantStatus: 2,
		},
		"CompositionManual": {
			reason:       "A server that is bound to a revision keeps it.",
			args:         args{old: server(v29 + "crossplane: {compositionUpdatePolicy: Manual}, "), newComposition: composition(none)},
			want:         []string{"storage/files: no change"},
			wantProgress: "storage/files: its compositionUpdatePolicy is Manual",
		},
		"CompositionNative": {
			reason:     "A server stays with what it was created as.",
			args:       args{old: server(v29), oldComposition: composition(none), newComposition: composition(native)},
			want:       []string{"storage/files: refused: composed resource configmap is a Object..."},
			wantStatus: 3,
		},
		"CompositionNamed": {
			reason: "A new file says nothing of the Composition, and the server keeps the one that it has.",
			args: args{
				old: server(v29 + "crossplane: {compositionRef: {name: b}}, "), new: server(annotated),
				oldComposition: compositionNamed("a", "DittoServer", "") + compositionNamed("b", "DittoServer", none),
			},
			want: []string{"storage/files: no restart: changes service-api, service-file"},
		},
		"CompositionOtherSteps": {
			reason:       "Only this function runs.",
			args:         args{old: server(v29), oldComposition: composition("") + "  - {step: audit, functionRef: {name: another}}\n"},
			want:         []string{"storage/files: no change"},
			wantProgress: "storage/files: other steps of Composition any are not run: audit",
		},
	}.run(t)
}

// Servers in each way in and out.
func TestFlavours(t *testing.T) {
	diffTable{
		"NativeConfig": {
			reason:     "What is composed natively is read from what Crossplane owns of it.",
			args:       args{old: server(v29), new: server(v29 + "logging: {level: DEBUG}, "), oldComposition: composition(native)},
			want:       []string{"storage/files: restarts: config.yaml (logging.level)"},
			wantStatus: 2,
		},
		"NativeAnnotation": {
			reason: "A Service is no business of the pod.",
			args:   args{old: server(v29), new: server(annotated), oldComposition: composition(native)},
			want:   []string{"storage/files: no restart: changes service-api, service-file"},
		},
		"Claim": {
			reason:     "A claim is judged as its composite resource.",
			args:       args{old: server(v29), new: server(annotated), oldComposition: compositionNamed("any", "XDittoServer", "")},
			want:       []string{"storage/files: restarts: spec (service.annotations[example.org/a]), by configHash.generation Spec alone"},
			wantStatus: 2,
		},
		"ClaimOfComposite": {
			reason: "What is in the cluster is the composite resource, with fields of Crossplane's.",
			args: args{
				old: `
apiVersion: v1
kind: List
items:
- apiVersion: dittofs.io/v1alpha1
  kind: XDittoServer
  metadata: {name: files-x7k2p, generation: 4, uid: own}
  spec:
    ` + jwt + `
    version: 0.29.0
    claimRef: {apiVersion: dittofs.io/v1alpha1, kind: DittoServer, namespace: storage, name: files}
    compositionRef: {name: any}
    compositionRevisionRef: {name: any-1}
    resourceRefs: [{apiVersion: v1, kind: Any, name: any}]
`,
				new:            server(v29 + "resourceRef: {apiVersion: dittofs.io/v1alpha1, kind: XDittoServer, name: files-x7k2p}, compositeDeletePolicy: Background, "),
				oldComposition: compositionNamed("any", "XDittoServer", ""),
			},
			want: []string{"storage/files: no change"},
		},
		"FromCluster": {
			reason: "A file says nothing of what Crossplane wrote into the spec.",
			args: args{
				old:            server(v29 + "crossplane: {compositionRef: {name: any}, compositionRevisionRef: {name: any-1}, resourceRefs: [{apiVersion: v1, kind: Any, name: any}]}, "),
				new:            server(v29),
				oldComposition: composition(metadata),
			},
			want: []string{"storage/files: no change"},
		},
	}.run(t)
}

// A running server may be older than one that this function would bring up.
func TestObserved(t *testing.T) {
	diffTable{
		"Observed": {
			reason: "A running server may be older than one that this function would bring up.",
			args: args{
				old: server(""), new: server("version: 0.27.0, "), oldComposition: composition(none),
				observed: observed(t, "minimal", "0.27.0"),
			},
			want:       []string{"storage/files: restarts: config.yaml (..."},
			without:    []string{"containers[dittofs].image"},
			wantStatus: 2,
		},
		"NotObserved": {
			reason:     "The same, without knowing what runs.",
			args:       args{old: server(""), new: server("version: 0.27.0, "), oldComposition: composition(none)},
			want:       []string{"storage/files: held: ApprovalRequired", "  once approved: restarts: config.yaml (..."},
			details:    []string{"ConfigRolledOut: ApprovalRequired: "},
			wantStatus: 3,
		},
		"ObservedNative": {
			reason: "Of Kubernetes objects, what Crossplane owns is what was asked for.",
			args:   args{old: server("version: 0.27.0, storage: {contentSize: 10Gi}, "), new: server("version: 0.28.0, storage: {contentSize: 10Gi}, "), oldComposition: composition(native), observed: applied(t, observed(t, "native/xr", "0.27.0"))},
			want:   []string{"storage/files: restarts: pod template (metadata.labels[app.kubernetes.io/version], spec.containers[dittofs].image)"},
			// The API server's defaults are nobody's change.
			without:    []string{"terminationMessagePath", "dnsPolicy"},
			wantStatus: 2,
		},
	}.run(t)
}

// Another build of the function.
func TestUpgrades(t *testing.T) {
	diffTable{
		"FunctionUpgrade": {
			reason: "An upgrade that writes the same restarts nobody.",
			args:   args{old: server(v29), newFunction: thisFunction},
			want:   []string{"storage/files: no change"},
		},
		"FunctionUpgradeOther": {
			reason:     "An upgrade that writes something else restarts everybody.",
			args:       args{old: server(v29), newFunction: otherFunction},
			want:       []string{"storage/files: restarts: pod template (spec.terminationGracePeriodSeconds)"},
			wantStatus: 2,
		},
		"FunctionUpgradeLosing": {
			reason:     "What is not desired any more is deleted.",
			args:       args{old: server(v29), newFunction: losingFunction},
			want:       []string{"storage/files: stops: its StatefulSet is deleted"},
			wantStatus: 2,
		},
	}.run(t)
}

// observed returns what is composed of an example, with another version.
func observed(t *testing.T, example, version string) string {
	t.Helper()

	b, err := os.ReadFile(filepath.Join(root, "cmd/render/testdata/golden", example+".yaml"))
	if err != nil {
		t.Fatal(err)
	}

	image := regexp.MustCompile(`marmos91c/dittofs:v([0-9.]+)`).FindSubmatch(b)
	if image == nil {
		t.Fatal("want an image of a version")
	}

	// Of the image, its note in the ConfigMap, and the pod's label.
	return strings.ReplaceAll(string(b), string(image[1]), version)
}

// applied returns composed resources as they are in the cluster once Crossplane applied
// them, with the fields of their managers.
func applied(t *testing.T, composed string) string {
	t.Helper()

	resources, err := decode(strings.NewReader(composed), "composed")
	if err != nil {
		t.Fatal(err)
	}

	var docs []string

	for _, r := range resources {
		if kindOf(r, v1alpha1.Group) != "" {
			continue
		}

		live, err := cluster.Apply("apiextensions.crossplane.io/composed/any", r, nil)
		if err != nil {
			t.Fatal(err)
		}

		b, err := live.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}

		docs = append(docs, string(b))
	}

	return strings.Join(docs, "\n---\n")
}

// A server that cannot be judged gets an error that says why, and the others are judged all the
// same.
func TestErrors(t *testing.T) {
	started := starter(t)

	cases := map[string]struct {
		old, composition, newSecrets, newFunction, observed string
		want, wantOut                                       string
	}{
		"NoServer":       {old: "kind: ConfigMap\n", want: "no DittoServer in"},
		"NotYAML":        {old: "{", want: "cannot parse"},
		"Twice":          {old: server("") + server(""), want: "there are two of storage/files"},
		"OnlyNewSecrets": {old: server(""), newSecrets: secrets, want: "--new-secrets tells nothing without --old-secrets"},
		"NoComposition":  {old: server(""), composition: "kind: Composition\n", want: "has no Composition for DittoServers"},
		"Flavours":       {old: server(""), composition: composition("") + compositionNamed("b", "XDittoServer", ""), want: "a cluster has one or the other"},
		"OtherFlavour":   {old: "apiVersion: dittofs.io/v1alpha1\nkind: XDittoServer\nmetadata: {name: files-x}\n", want: "XDittoServer files-x is of another flavour"},
		"WhichOne":       {old: server(""), composition: composition("") + compositionNamed("b", "DittoServer", ""), want: "storage/files: it names no Composition, and there are any, b"},
		"NoSuchOne": {
			old:  server("crossplane: {compositionRef: {name: x}}, ") + serverNamed("good", ""),
			want: "storage/files: it names Composition x, and there is only dittoservers.dittofs.io", wantOut: "storage/good: no change\n",
		},
		"NoStep": {old: server(""), composition: strings.ReplaceAll(composition(""), "dittoserver.fn", "another.fn"), want: "has 0 steps of this function"},
		"NoManagedFields": {
			old: server(""), composition: composition(native), observed: observed(t, "native/xr", "0.27.0"),
			want: "has no managedFields: let kubectl get them with --show-managed-fields",
		},
		"Restless": {old: server(""), newFunction: restlessFunction, want: "storage/files: it never comes to rest: after 20 reconciles"},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := args{old: tc.old, oldComposition: tc.composition, newSecrets: tc.newSecrets, newFunction: tc.newFunction, observed: tc.observed}.files(t)
			out := &bytes.Buffer{}

			_, err := c.run(t.Context(), started, out, io.Discard)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("run(...): want an error with %q, got: %v", tc.want, err)
			}

			if out.String() != tc.wantOut {
				t.Errorf("run(...): want %q, got %q", tc.wantOut, out)
			}
		})
	}
}
