package composite

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crossplane/crossplane-runtime/v2/pkg/xcrd"
	apiextensionsv1 "github.com/crossplane/crossplane/apis/v2/apiextensions/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
)

// minimal is the smallest composite resource without an error.
const minimal = `
apiVersion: dittofs.io/v1alpha1
kind: DittoServer
metadata: {name: files, namespace: storage}
spec: {identity: {jwt: {secretRef: {name: files-jwt}}}}
`

// clusterScoped takes the namespace off minimal.
const clusterScoped = "metadata: {namespace: null}"

// Messages of Kubernetes about names, keys and labels. Its regular expressions are not
// ours to repeat.
var (
	notDNS1035Label = validation.IsDNS1035Label("_")[0]
	notDNS1123Label = validation.IsDNS1123Label("_")[0]
	notSubdomain    = validation.IsDNS1123Subdomain("_")[0]
	notDataKey      = validation.IsConfigMapKey("/")[0]
	notLabelValue   = validation.IsValidLabelValue("_")[0]
	notEnvName      = validation.IsEnvVarName("=")[0]
	notLabelKey     = validation.IsQualifiedName("_")[0]
)

const (
	notPort     = "must be between 1 and 65535, inclusive"
	notDuration = "must be a Go duration above zero, such as 90s or 1h30m"
	notQuantity = "must be a Kubernetes quantity above zero, such as 10Gi"
)

// An errorTable holds what is patched onto the minimal composite resource, the
// input, and every error that must come of both.
type errorTable map[string]struct {
	reason string
	xr     string
	input  string
	want   []string
}

func (tests errorTable) run(t *testing.T) {
	t.Helper()

	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, got := decode(t, tc.xr, tc.input)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nDecode(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// decode decodes the minimal composite resource with a patch, and an input unless
// it is empty.
func decode(t *testing.T, patch, input string) (*DittoServer, []string) {
	t.Helper()

	var in *structpb.Struct
	if input != "" {
		in = toStruct(t, object(t, input))
	}

	return decodeStructs(toStruct(t, merge(object(t, minimal), object(t, patch))), in)
}

func decodeStructs(xr, input *structpb.Struct) (*DittoServer, []string) {
	s, errs := Decode(xr, input)

	var texts []string
	for _, err := range errs {
		texts = append(texts, err.Error())
	}

	return s, texts
}

func object(t *testing.T, text string) map[string]any {
	t.Helper()

	o := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &o); err != nil {
		t.Fatalf("cannot parse %q: %v", text, err)
	}

	return o
}

func toStruct(t *testing.T, o map[string]any) *structpb.Struct {
	t.Helper()

	s, err := structpb.NewStruct(o)
	if err != nil {
		t.Fatalf("cannot convert %v: %v", o, err)
	}

	return s
}

// merge patches an object as a JSON merge patch does: null takes a field away.
func merge(into, patch map[string]any) map[string]any {
	for name, v := range patch {
		from, isObject := v.(map[string]any)
		to, wasObject := into[name].(map[string]any)

		switch {
		case v == nil:
			delete(into, name)
		case isObject && wasObject:
			merge(to, from)
		default:
			into[name] = v
		}
	}

	return into
}

func TestDecodeDefaults(t *testing.T) {
	defaults := func(change func(*v1alpha1.DittoServerSpec)) v1alpha1.DittoServerSpec {
		s := v1alpha1.DittoServerSpec{
			Rollout:      "Automatic",
			Replicas:     new(int32(1)),
			NFSPort:      new(int32(2049)),
			SMB:          v1alpha1.SMB{Port: new(int32(445))},
			APIPort:      new(int32(8080)),
			Metrics:      v1alpha1.Metrics{Port: new(int32(9090)), Path: "/metrics"},
			AdapterPorts: v1alpha1.AdapterPorts{NFS: new(int32(12049)), SMB: new(int32(1445))},
			Service: v1alpha1.Service{
				Type: "LoadBalancer",
				File: v1alpha1.ServiceOverride{Type: "LoadBalancer"},
				API:  v1alpha1.ServiceOverride{Type: "LoadBalancer"},
			},
			Database: v1alpha1.Database{
				Type:   "sqlite",
				SQLite: v1alpha1.SQLite{Path: "/data/controlplane/controlplane.db"},
			},
			Identity: v1alpha1.Identity{
				JWT: v1alpha1.JWT{
					SecretRef:            v1alpha1.SecretKeyRef{Name: "files-jwt", Key: "jwt-secret"},
					AccessTokenDuration:  "15m",
					RefreshTokenDuration: "168h",
				},
				Admin: v1alpha1.Admin{Username: "admin"},
			},
			Cache:           v1alpha1.Cache{Path: "/data/cache", Size: "1GB"},
			Logging:         v1alpha1.Logging{Level: "INFO", Format: "json", Output: "stdout"},
			StartupTimeout:  "150s",
			ShutdownTimeout: "30s",
			Storage: v1alpha1.Storage{
				ControlPlaneSize: "1Gi",
				MetadataSize:     "10Gi",
				CacheSize:        "5Gi",
			},
		}
		if change != nil {
			change(&s)
		}

		return s
	}

	cases := map[string]struct {
		reason string
		xr     string
		want   v1alpha1.DittoServerSpec
	}{
		"Minimal": {
			reason: "Every field that has a default should have it, and no other field should be set",
			want:   defaults(nil),
		},
		"EmptyObjects": {
			reason: "An empty object should have the same defaults as a missing one",
			xr:     "spec: {telemetry: {}, logging: {}, storage: {}, service: {file: {}}, cache: {}}",
			want:   defaults(nil),
		},
		"PostgresKeys": {
			reason: "The keys of a postgres Secret should be those of its settings, and the type stays what it was",
			xr:     "spec: {database: {postgres: {secretRef: {name: db}}}}",
			want: defaults(func(s *v1alpha1.DittoServerSpec) {
				s.Database.Postgres = &v1alpha1.Postgres{
					SecretRef: v1alpha1.SecretRef{Name: "db"},
					Keys: v1alpha1.PostgresKeys{
						Host: "host", Port: "port", Database: "database", User: "user", Password: "password", SSLMode: "sslmode",
					},
				}
			}),
		},
		"AdminPasswordKey": {
			reason: "The key of the administrator's Secret should be password",
			xr:     "spec: {identity: {admin: {passwordSecretRef: {name: admin}}}}",
			want: defaults(func(s *v1alpha1.DittoServerSpec) {
				s.Identity.Admin.PasswordSecretRef = &v1alpha1.SecretKeyRef{Name: "admin", Key: "password"}
			}),
		},
		"ServiceTypes": {
			reason: "Both Services should take the type that is set for both",
			xr:     "spec: {service: {type: NodePort}}",
			want: defaults(func(s *v1alpha1.DittoServerSpec) {
				s.Service.Type, s.Service.File.Type, s.Service.API.Type = "NodePort", "NodePort", "NodePort"
			}),
		},
		"ServiceTypeOfOne": {
			reason: "A Service's own type should win",
			xr:     "spec: {service: {type: NodePort, api: {type: ClusterIP}}}",
			want: defaults(func(s *v1alpha1.DittoServerSpec) {
				s.Service.Type, s.Service.File.Type, s.Service.API.Type = "NodePort", "NodePort", "ClusterIP"
			}),
		},
		"NothingIsOverwritten": {
			reason: "No default should replace what the user wrote, zero or not",
			xr: `
spec:
  rollout: Manual
  replicas: 0
  nfsPort: 1
  smb: {port: 2}
  apiPort: 3000
  metrics: {port: 4}
  adapterPorts: {nfs: 5000, smb: 6000}
  service: {type: NodePort, file: {type: ClusterIP}, api: {type: LoadBalancer}}
  database:
    type: postgres
    sqlite: {path: /data/metadata/a.db}
    postgres: {secretRef: {name: db}, keys: {host: h, port: p, database: d, user: u, password: w, sslmode: s}}
  identity:
    jwt: {secretRef: {key: k}, accessTokenDuration: 1m, refreshTokenDuration: 2m}
    admin: {username: root, passwordSecretRef: {name: admin, key: hash}}
  cache: {path: /cache, size: 2GB}
  logging: {level: DEBUG, format: text, output: stderr}
  startupTimeout: 5s
  shutdownTimeout: 3s
  storage: {controlPlaneSize: 1Mi, metadataSize: 2Mi, contentSize: 3Mi, cacheSize: 4Mi}
`,
			want: defaults(func(s *v1alpha1.DittoServerSpec) {
				s.Rollout = "Manual"
				s.Replicas = new(int32(0))
				s.NFSPort, s.SMB.Port, s.APIPort, s.Metrics.Port = new(int32(1)), new(int32(2)), new(int32(3000)), new(int32(4))
				s.AdapterPorts = v1alpha1.AdapterPorts{NFS: new(int32(5000)), SMB: new(int32(6000))}
				s.Service.Type, s.Service.File.Type, s.Service.API.Type = "NodePort", "ClusterIP", "LoadBalancer"
				s.Database = v1alpha1.Database{
					Type:   "postgres",
					SQLite: v1alpha1.SQLite{Path: "/data/metadata/a.db"},
					Postgres: &v1alpha1.Postgres{
						SecretRef: v1alpha1.SecretRef{Name: "db"},
						Keys:      v1alpha1.PostgresKeys{Host: "h", Port: "p", Database: "d", User: "u", Password: "w", SSLMode: "s"},
					},
				}
				s.Identity = v1alpha1.Identity{
					JWT: v1alpha1.JWT{
						SecretRef:            v1alpha1.SecretKeyRef{Name: "files-jwt", Key: "k"},
						AccessTokenDuration:  "1m",
						RefreshTokenDuration: "2m",
					},
					Admin: v1alpha1.Admin{Username: "root", PasswordSecretRef: &v1alpha1.SecretKeyRef{Name: "admin", Key: "hash"}},
				}
				s.Cache = v1alpha1.Cache{Path: "/cache", Size: "2GB"}
				s.Logging = v1alpha1.Logging{Level: "DEBUG", Format: "text", Output: "stderr"}
				s.StartupTimeout = "5s"
				s.ShutdownTimeout = "3s"
				s.Storage = v1alpha1.Storage{ControlPlaneSize: "1Mi", MetadataSize: "2Mi", ContentSize: "3Mi", CacheSize: "4Mi"}
			}),
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, errs := decode(t, tc.xr, "")
			if diff := cmp.Diff([]string(nil), errs); diff != "" {
				t.Fatalf("%s\nDecode(...): -want errors, +got errors:\n%s", tc.reason, diff)
			}

			if diff := cmp.Diff(tc.want, s.Spec); diff != "" {
				t.Errorf("%s\nDecode(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestDecodeInput(t *testing.T) {
	type want struct {
		Input v1beta1.Input
		TTL   *time.Duration
	}

	defaults := func(change func(*v1beta1.Input)) v1beta1.Input {
		in := v1beta1.Input{
			Compose:           "Object",
			ProviderConfigRef: v1beta1.ProviderConfigRef{Kind: "ClusterProviderConfig", Name: "default"},
			ConfigHash:        v1beta1.ConfigHash{Generation: "Spec"},
			PodUser:           v1beta1.PodUserFixed,
			Policy:            v1beta1.Policy{PodSecurity: "restricted", Config: "Allow", PodDisruptionBudget: "Allow"},
		}
		if change != nil {
			change(&in)
		}

		return in
	}

	cases := map[string]struct {
		reason string
		xr     string
		input  string
		want   want
	}{
		"None": {
			reason: "No input should mean all defaults",
			want:   want{Input: defaults(nil)},
		},
		"Empty": {
			reason: "An input that only says what it is should mean all defaults",
			input:  "{apiVersion: dittoserver.fn.crossplane.io/v1beta1, kind: Input}",
			want: want{Input: defaults(func(in *v1beta1.Input) {
				in.APIVersion, in.Kind = "dittoserver.fn.crossplane.io/v1beta1", "Input"
			})},
		},
		"ClusterScoped": {
			reason: "The Objects of a cluster-scoped composite resource know no kind of ProviderConfig",
			xr:     clusterScoped,
			input:  "{namespace: storage}",
			want: want{Input: defaults(func(in *v1beta1.Input) {
				in.Namespace = "storage"
				in.ProviderConfigRef.Kind = ""
			})},
		},
		"Everything": {
			reason: "No default should replace what the platform team wrote",
			input: `
compose: Object
providerConfigRef: {kind: ProviderConfig, name: remote}
configHash: {generation: None}
namespace: storage
ttl: 90s
policy: {podSecurity: baseline, images: [registry.example.org/files], serviceAccountNames: [files]}
`,
			want: want{
				TTL: new(90 * time.Second),
				Input: defaults(func(in *v1beta1.Input) {
					in.ProviderConfigRef = v1beta1.ProviderConfigRef{Kind: "ProviderConfig", Name: "remote"}
					in.ConfigHash.Generation = "None"
					in.Namespace = "storage"
					in.TTL = "90s"
					in.Policy = v1beta1.Policy{
						Config:              "Allow",
						PodDisruptionBudget: "Allow",
						PodSecurity:         "baseline",
						Images:              []string{"registry.example.org/files"},
						ServiceAccountNames: []string{"files"},
					}
				}),
			},
		},
		"ZeroTTL": {
			reason: "A TTL of zero is a value, not a missing one",
			input:  "ttl: 0s",
			want:   want{TTL: new(time.Duration(0)), Input: defaults(func(in *v1beta1.Input) { in.TTL = "0s" })},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, errs := decode(t, tc.xr, tc.input)
			if diff := cmp.Diff([]string(nil), errs); diff != "" {
				t.Fatalf("%s\nDecode(...): -want errors, +got errors:\n%s", tc.reason, diff)
			}

			if diff := cmp.Diff(tc.want, want{Input: s.Input, TTL: s.TTL}); diff != "" {
				t.Errorf("%s\nDecode(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestDecodeMetadata(t *testing.T) {
	type want struct {
		Name          string
		Namespace     string
		ClusterScoped bool
		Generation    int64
		Approved      string
		Release       string
	}

	cases := map[string]struct {
		reason string
		xr     string
		input  string
		want   want
	}{
		"Namespaced": {
			reason: "A namespaced composite resource names its own objects",
			xr:     "{metadata: {generation: 7, annotations: {dittofs.io/approve: abc}}, spec: {version: 0.29.0}}",
			want: want{
				Name: "files", Namespace: "storage", Generation: 7,
				Approved: "abc", Release: "0.29.0",
			},
		},
		"NamespacedWithClaimRef": {
			reason: "Only a cluster-scoped composite resource has a claim",
			xr:     "spec: {claimRef: {name: other, namespace: elsewhere}}",
			want:   want{Name: "files", Namespace: "storage"},
		},
		"NamespacedWithItsNamespaceInTheInput": {
			reason: "The input may repeat the namespace of a composite resource",
			input:  "namespace: storage",
			want:   want{Name: "files", Namespace: "storage"},
		},
		"Claim": {
			reason: "The objects of a claimed composite resource are named after the claim",
			xr:     "{metadata: {name: files-x7k2p, namespace: null}, spec: {claimRef: {name: files, namespace: team-a}}}",
			want:   want{Name: "files", Namespace: "team-a", ClusterScoped: true},
		},
		"ClaimAndInput": {
			reason: "The claim's namespace should win over the input's",
			xr:     "{metadata: {name: files-x7k2p, namespace: null}, spec: {claimRef: {name: files, namespace: team-a}}}",
			input:  "namespace: storage",
			want:   want{Name: "files", Namespace: "team-a", ClusterScoped: true},
		},
		"ClusterScoped": {
			reason: "Without a claim, the namespace is the input's",
			xr:     clusterScoped,
			input:  "namespace: elsewhere",
			want:   want{Name: "files", Namespace: "elsewhere", ClusterScoped: true},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, errs := decode(t, tc.xr, tc.input)
			if diff := cmp.Diff([]string(nil), errs); diff != "" {
				t.Fatalf("%s\nDecode(...): -want errors, +got errors:\n%s", tc.reason, diff)
			}

			got := want{
				Name: s.Name, Namespace: s.Namespace, ClusterScoped: s.ClusterScoped,
				Generation: s.Generation, Approved: s.Approved, Release: s.Release.String(),
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nDecode(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestDecodeMetadataErrors(t *testing.T) {
	errorTable{
		"Name": {
			reason: "A name of the wrong type should be one error",
			xr:     "metadata: {name: 3}",
			want:   []string{`metadata.name: Invalid value: 3: must be a string`},
		},
		"Namespace": {
			reason: "A namespace of the wrong type should be an error, whatever namespace the input has",
			xr:     "metadata: {namespace: 3}",
			input:  "namespace: storage",
			want:   []string{`metadata.namespace: Invalid value: 3: must be a string`},
		},
		"NamespaceAlone": {
			reason: "A bad namespace does not make a composite resource cluster-scoped",
			xr:     "{metadata: {namespace: 3}, spec: {claimRef: text}}",
			input:  "providerConfigRef: {kind: ProviderConfig}",
			want:   []string{`metadata.namespace: Invalid value: 3: must be a string`},
		},
		"Generation": {
			reason: "A generation of the wrong type should be one error",
			xr:     "metadata: {generation: one}",
			want:   []string{`metadata.generation: Invalid value: "one": must be a whole number`},
		},
		"Annotations": {
			reason: "The annotation that counts is read, and no other",
			xr:     "metadata: {annotations: {a: 1, dittofs.io/approve: true}}",
			want:   []string{`metadata.annotations[dittofs.io/approve]: Invalid value: true: must be a string`},
		},
		"ClaimName": {
			reason: "A claim's name of the wrong type should be one error",
			xr:     "{metadata: {namespace: null}, spec: {claimRef: {name: 3, namespace: team-a}}}",
			want:   []string{`spec.claimRef.name: Invalid value: 3: must be a string`},
		},
		"ClaimNamespace": {
			reason: "A claim's namespace of the wrong type should be an error, whatever namespace the input has",
			xr:     "{metadata: {namespace: null}, spec: {claimRef: {name: files, namespace: 3}}}",
			input:  "namespace: storage",
			want:   []string{`spec.claimRef.namespace: Invalid value: 3: must be a string`},
		},
		"ClaimNamespaceAlone": {
			reason: "A claim's bad namespace should be one error",
			xr:     "{metadata: {namespace: null}, spec: {claimRef: {name: files, namespace: 3}}}",
			want:   []string{`spec.claimRef.namespace: Invalid value: 3: must be a string`},
		},
		"ClaimAsText": {
			reason: "A claim that is no object should be one error, whatever could be in it",
			xr:     "{metadata: {namespace: null}, spec: {claimRef: files}}",
			want:   []string{`spec.claimRef: Invalid value: "files": must be an object`},
		},
		"ClaimAsList": {
			reason: "A claim that is no object should be one error, also where it hides a name that is too long",
			xr:     "{metadata: {name: " + strings.Repeat("a", 53) + ", namespace: null}, spec: {claimRef: [files]}}",
			want:   []string{`spec.claimRef: Invalid value: ["files"]: must be an object`},
		},
		"NoClaim": {
			reason: "A null is no claim",
			xr:     "{metadata: {namespace: null}, spec: {claimRef: null}}",
			input:  "namespace: storage",
		},
		"TheRestIsNotOurs": {
			reason: "Fields of the metadata, and beside the spec, that the function does not read are not judged",
			xr:     "{metadata: {uid: 3, finalizers: text}, status: text, surprise: 1}",
		},
	}.run(t)
}

// fieldsOfCrossplane returns the fields that Crossplane itself defines in the spec of a
// composite resource, in every scope, and those that stored ones have of older versions.
// It does not read crossplaneFields: a field that leaves that table must be missed.
func fieldsOfCrossplane() []string {
	fields := []string{"compositeDeletePolicy", "environmentConfigRefs", "publishConnectionDetailsTo"}

	for _, scope := range []apiextensionsv1.CompositeResourceScope{
		apiextensionsv1.CompositeResourceScopeNamespaced,
		apiextensionsv1.CompositeResourceScopeCluster,
		apiextensionsv1.CompositeResourceScopeLegacyCluster,
	} {
		// The function's binary would grow by 10 MB with this package; a test may have it.
		fields = slices.AppendSeq(fields, maps.Keys(xcrd.CompositeResourceSpecProps(scope, nil)))
	}

	slices.Sort(fields)

	return slices.Compact(fields)
}

// A field that Crossplane adds in a new version would be an unknown field of the user's,
// and stop every server. One that it removes stays in stored composite resources.
func TestCrossplaneFields(t *testing.T) {
	want := fieldsOfCrossplane()

	got := slices.Sorted(slices.Values(crossplaneFields))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("crossplaneFields: -want, +got:\n%s", diff)
	}
}

func TestDecodeUserSpec(t *testing.T) {
	fields := fieldsOfCrossplane()

	user := object(t, "{identity: {jwt: {secretRef: {name: files-jwt}}}, replicas: 0}")

	for _, f := range fields {
		t.Run(f, func(t *testing.T) {
			reason := "A field of Crossplane should be no error, and no part of what the user asks for"
			xr := toStruct(t, merge(object(t, minimal), map[string]any{"spec": map[string]any{
				"replicas": 0,
				f:          map[string]any{"any": []any{"thing"}},
			}}))
			before := proto.CloneOf(xr)

			s, errs := decodeStructs(xr, nil)
			if diff := cmp.Diff([]string(nil), errs); diff != "" {
				t.Errorf("%s\nDecode(...): -want errors, +got errors:\n%s", reason, diff)
			}

			if diff := cmp.Diff(toStruct(t, user), s.UserSpec, protocmp.Transform()); diff != "" {
				t.Errorf("%s\nDecode(...): -want, +got:\n%s", reason, diff)
			}

			if diff := cmp.Diff(before, xr, protocmp.Transform()); diff != "" {
				t.Errorf("Decode should not change the request\nDecode(...): -want, +got:\n%s", diff)
			}
		})
	}

	tests := errorTable{}
	for _, f := range fields {
		tests[f] = struct {
			reason string
			xr     string
			input  string
			want   []string
		}{
			reason: "A field of Crossplane is one only directly in the spec",
			xr:     "spec: {smb: {" + f + ": {}}}",
			want:   []string{"spec.smb." + f + ": Forbidden: unknown field"},
		}
	}

	t.Run("Nested", tests.run)
}

func TestDecodeUnknownFields(t *testing.T) {
	errorTable{
		"Spec": {
			reason: "An unknown field of the spec should be named",
			xr:     "spec: {nfsport: 2049}",
			want:   []string{"spec.nfsport: Forbidden: unknown field"},
		},
		"Nested": {
			reason: "Secrets come from the server's own namespace",
			xr:     "spec: {identity: {jwt: {secretRef: {namespace: kube-system}}}}",
			want:   []string{"spec.identity.jwt.secretRef.namespace: Forbidden: unknown field"},
		},
		"InAPointer": {
			reason: "An unknown field behind a pointer should be named",
			xr:     "spec: {database: {postgres: {secretRef: {name: db, key: dsn}}}}",
			want:   []string{"spec.database.postgres.secretRef.key: Forbidden: unknown field"},
		},
		"InAList": {
			reason: "An unknown field of a list's element should be named with its index",
			xr:     "spec: {tolerations: [{operator: Exists}, {operator: Exists, reason: none}]}",
			want:   []string{"spec.tolerations[1].reason: Forbidden: unknown field"},
		},
		"DeepInKubernetes": {
			reason: "Embedded Kubernetes types should be as strict as our own",
			xr:     "spec: {affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: zone, operator: Exists, vaules: [a]}]}]}}}}",
			want:   []string{"spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].vaules: Forbidden: unknown field"},
		},
		"Several": {
			reason: "Every unknown field should be named, in a fixed order",
			xr:     "spec: {zebra: 1, ape: 2, logging: {lion: 3}, users: []}",
			want: []string{
				"spec.logging.lion: Forbidden: unknown field",
				"spec.ape: Forbidden: unknown field",
				"spec.users: Forbidden: unknown field",
				"spec.zebra: Forbidden: unknown field",
			},
		},
		"Input": {
			reason: "An unknown field of the input should be named",
			input:  "{mode: Fast, policy: {image: a}, configHash: {}}",
			want: []string{
				"input.policy.image: Forbidden: unknown field",
				"input.mode: Forbidden: unknown field",
			},
		},
		"InputMetadata": {
			reason: "The input may have the metadata that every object has",
			input:  "metadata: {name: input, labels: {a: b}, annotations: {c: d}}",
		},
	}.run(t)
}

func TestDecodeWrongTypes(t *testing.T) {
	errorTable{
		"String": {
			reason: "YAML reads 1.0 as a number",
			xr:     "spec: {version: 1.0}",
			want:   []string{"spec.version: Invalid value: 1: must be a string"},
		},
		"NamedString": {
			reason: "An enum is a string",
			xr:     "spec: {rollout: true}",
			want:   []string{"spec.rollout: Invalid value: true: must be a string"},
		},
		"Bool": {
			reason: "A string is no bool",
			xr:     `spec: {smb: {enabled: "true"}}`,
			want:   []string{`spec.smb.enabled: Invalid value: "true": must be true or false`},
		},
		"Number": {
			reason: "A string is no number",
			xr:     `spec: {telemetry: {sampleRate: "0.5"}}`,
			want:   []string{`spec.telemetry.sampleRate: Invalid value: "0.5": must be a number`},
		},
		"PortAsString": {
			reason: "A string is no port",
			xr:     `spec: {nfsPort: "2049"}`,
			want:   []string{`spec.nfsPort: Invalid value: "2049": must be a whole number`},
		},
		"Fraction": {
			reason: "A fraction is no port",
			xr:     "spec: {apiPort: 80.5}",
			want:   []string{"spec.apiPort: Invalid value: 80.5: must be a whole number"},
		},
		"TooBigFor32Bits": {
			reason: "A number that does not fit should not wrap around",
			xr:     "spec: {replicas: 4294967297}",
			want:   []string{"spec.replicas: Invalid value: 4294967297: does not fit a number of 32 bits"},
		},
		"TooBigFor64Bits": {
			reason: "A number that does not fit should not wrap around",
			xr:     "spec: {terminationGracePeriodSeconds: 1e19}",
			want:   []string{"spec.terminationGracePeriodSeconds: Invalid value: 1e+19: does not fit a number of 64 bits"},
		},
		"Object": {
			reason: "A string is no object, and its fields have no value to judge",
			xr:     "spec: {logging: DEBUG}",
			want:   []string{`spec.logging: Invalid value: "DEBUG": must be an object`},
		},
		"ListForObject": {
			reason: "A list is no object",
			xr:     "spec: {storage: [10Gi]}",
			want:   []string{`spec.storage: Invalid value: ["10Gi"]: must be an object`},
		},
		"Map": {
			reason: "A list is no map",
			xr:     "spec: {podLabels: [team]}",
			want:   []string{`spec.podLabels: Invalid value: ["team"]: must be an object`},
		},
		"MapValue": {
			reason: "YAML reads true as a bool, which is no label",
			xr:     "spec: {nodeSelector: {fast: true, zone: a}}",
			want:   []string{"spec.nodeSelector[fast]: Invalid value: true: must be a string"},
		},
		"List": {
			reason: "A string is no list",
			xr:     "spec: {extraEnv: A=b}",
			want:   []string{`spec.extraEnv: Invalid value: "A=b": must be a list`},
		},
		"ListElement": {
			reason: "Only the element of the wrong type should be named",
			xr:     "spec: {service: {file: {loadBalancerSourceRanges: [10.0.0.0/8, 10]}}}",
			want:   []string{"spec.service.file.loadBalancerSourceRanges[1]: Invalid value: 10: must be a string"},
		},
		"Quantity": {
			reason: "A quantity has its own spelling",
			xr:     "spec: {resources: {limits: {memory: 1GB}}}",
			want:   []string{`spec.resources.limits[memory]: Invalid value: "1GB": quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`},
		},
		"QuantityAsNumber": {
			reason: "A quantity may be a number",
			xr:     "spec: {resources: {limits: {cpu: 2, memory: 1Gi}}}",
		},
		"Spec": {
			reason: "A spec that is no object should be one error",
			xr:     "spec: text",
			want:   []string{`spec: Invalid value: "text": must be an object`},
		},
		"Metadata": {
			reason: "Metadata that is no object should be one error, whatever could be in it",
			xr:     "metadata: 3",
			input:  "{namespace: storage, providerConfigRef: {kind: ProviderConfig}}",
			want:   []string{"metadata: Invalid value: 3: must be an object"},
		},
		"Input": {
			reason: "The input should be as strict as the spec",
			input:  "{ttl: 60, policy: {images: any}, providerConfigRef: default}",
			want: []string{
				`input.providerConfigRef: Invalid value: "default": must be an object`,
				`input.ttl: Invalid value: 60: must be a string`,
				`input.policy.images: Invalid value: "any": must be a list`,
			},
		},
	}.run(t)
}

func TestDecodeSeveralErrors(t *testing.T) {
	errorTable{
		"AllAtOnce": {
			reason: "What cannot be decoded comes first, then what is not valid, input before metadata before spec",
			xr: `
metadata: {name: Files}
spec:
  nfsPort: 70000
  apiPort: "8080"
  surprise: 1
  shutdownTimeout: 7d
  identity: {jwt: {secretRef: {name: null}}}
`,
			input: "{compose: Helm, ttl: 1}",
			want: []string{
				"input.ttl: Invalid value: 1: must be a string",
				`spec.apiPort: Invalid value: "8080": must be a whole number`,
				"spec.surprise: Forbidden: unknown field",
				`input.compose: Unsupported value: "Helm": supported values: "Object", "Native"`,
				`metadata.name: Invalid value: "Files": ` + notDNS1035Label,
				"spec.nfsPort: Invalid value: 70000: " + notPort,
				"spec.identity.jwt.secretRef.name: Required value: name a Secret in the server's namespace",
				`spec.shutdownTimeout: Invalid value: "7d": ` + notDuration,
			},
		},
		"TheSameField": {
			reason: "A field that could not be decoded has no second error",
			xr:     "spec: {rollout: 1, image: 2, database: {type: 3, sqlite: {path: 4}}, adapterPorts: {nfs: a, smb: b}}",
			want: []string{
				"spec.image: Invalid value: 2: must be a string",
				"spec.rollout: Invalid value: 1: must be a string",
				`spec.adapterPorts.nfs: Invalid value: "a": must be a whole number`,
				`spec.adapterPorts.smb: Invalid value: "b": must be a whole number`,
				"spec.database.type: Invalid value: 3: must be a string",
				"spec.database.sqlite.path: Invalid value: 4: must be a string",
			},
		},
		"AParent": {
			reason: "Below a field that could not be decoded there is nothing to judge",
			xr:     "spec: {identity: text, tolerations: [text]}",
			want: []string{
				`spec.identity: Invalid value: "text": must be an object`,
				`spec.tolerations[0]: Invalid value: "text": must be an object`,
			},
		},
		"ANeighbour": {
			reason: "A field whose name begins like that of an undecodable one should still be judged",
			xr:     "spec: {image: 1, imagePullPolicy: Sometimes}",
			want: []string{
				"spec.image: Invalid value: 1: must be a string",
				`spec.imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"`,
			},
		},
		"AChild": {
			reason: "An undecodable field should not hide what is wrong with its siblings",
			xr:     "spec: {storage: {metadataSize: 1, cacheSize: none}}",
			want: []string{
				"spec.storage.metadataSize: Invalid value: 1: must be a string",
				`spec.storage.cacheSize: Invalid value: "none": ` + notQuantity,
			},
		},
		"TwoInvalidOfOneField": {
			reason: "What is not valid does not hide anything: a field may have several errors",
			xr:     "spec: {database: {postgres: {secretRef: {name: db}, keys: {host: ../" + strings.Repeat("a", 253) + "}}}}",
			want: []string{
				`spec.database.postgres.keys.host: Invalid value: "../` + strings.Repeat("a", 253) + `": must be no more than 253 characters`,
				`spec.database.postgres.keys.host: Invalid value: "../` + strings.Repeat("a", 253) + `": ` + notDataKey,
				`spec.database.postgres.keys.host: Invalid value: "../` + strings.Repeat("a", 253) + `": must not start with '..'`,
			},
		},
	}.run(t)
}

// The error list becomes a condition's message, and one that changes from call to
// call would never settle.
func TestDecodeErrorsAreInAFixedOrder(t *testing.T) {
	patch := `
spec:
  ape: 1
  bear: 2
  podLabels: {app.kubernetes.io/name: a, app.kubernetes.io/version: b, _: c, -: d}
  podAnnotations: {dittofs.io/a: a, dittofs.io/b: b, _: c, -: d}
  nodeSelector: {_: a, -: b}
  resources: {limits: {cpu: -1, memory: -1}, requests: {cpu: 1, memory: 1}}
  service:
    annotations: {_: a, -: b}
    file: {annotations: {_: a, -: b}, nodePorts: {nfs: 30000, smb: 30000, http: 1, https: 2}}
  topologySpreadConstraints:
  - {maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {_: a, -: b}}}
`
	_, want := decode(t, patch, "")

	// Go's maps have another order each time.
	for range 100 {
		if _, got := decode(t, patch, ""); !slices.Equal(want, got) {
			t.Fatalf("The same request should have the same errors in the same order\nDecode(...): -first, +later:\n%s", cmp.Diff(want, got))
		}
	}
}

func TestDecodeOddRequests(t *testing.T) {
	nothing := []string{
		"metadata.name: Required value: the Kubernetes objects are named after it",
		"input.namespace: Required value: set metadata.namespace; a cluster-scoped composite resource without a claim needs the namespace of its server here",
		"spec.identity.jwt.secretRef.name: Required value: name a Secret in the server's namespace",
	}
	long := strings.Repeat("1", 1<<20)

	// A value without a kind is what protobuf decodes from no JSON at all.
	empty := toStruct(t, object(t, minimal))
	empty.Fields["spec"].GetStructValue().Fields["version"] = &structpb.Value{}
	empty.Fields["spec"].GetStructValue().Fields["smb"] = structpb.NewNullValue()

	cases := map[string]struct {
		reason    string
		xr, input *structpb.Struct
		want      []string
	}{
		"Nil": {
			reason: "An empty request should say what is missing",
			want:   nothing,
		},
		"Empty": {
			reason: "An empty composite resource should say what is missing",
			xr:     &structpb.Struct{},
			input:  &structpb.Struct{},
			want:   nothing,
		},
		"NullSpec": {
			reason: "A null is no spec",
			xr:     toStruct(t, object(t, "{metadata: null, spec: null}")),
			want:   nothing,
		},
		"SpecAsText": {
			reason: "A spec that is no object should be one error",
			xr:     toStruct(t, object(t, "{metadata: {name: files, namespace: storage}, spec: text}")),
			want:   []string{`spec: Invalid value: "text": must be an object`},
		},
		"MetadataAsNumber": {
			reason: "What is no object should be told of metadata and spec alike",
			xr:     toStruct(t, object(t, "{metadata: 3, spec: [1]}")),
			want: []string{
				"metadata: Invalid value: 3: must be an object",
				"spec: Invalid value: [1]: must be an object",
			},
		},
		"LongVersion": {
			reason: "A version of 1 MiB should be refused as any other",
			xr:     toStruct(t, merge(object(t, minimal), map[string]any{"spec": map[string]any{"version": long}})),
			want:   []string{`spec.version: Invalid value: "` + long + `": must be a DittoFS release such as ` + dittofs.Newest},
		},
		"NullFields": {
			reason: "A null should count as a field that was left out",
			xr:     empty,
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, got := decodeStructs(tc.xr, tc.input)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nDecode(...): -want, +got:\n%s", tc.reason, diff)
			}

			if s == nil || s.UserSpec == nil {
				t.Errorf("%s\nDecode(...): should return a DittoServer with a UserSpec", tc.reason)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	defaults := func(change func(*dittofs.Settings)) dittofs.Settings {
		s := dittofs.Settings{
			Logging:              dittofs.Logging{Level: "INFO", Format: "json", Output: "stdout"},
			ShutdownTimeout:      "30s",
			SQLitePath:           "/data/controlplane/controlplane.db",
			APIPort:              8080,
			AccessTokenDuration:  "15m",
			RefreshTokenDuration: "168h",
			CachePath:            "/data/cache",
			CacheSize:            "1GB",
			AdminUsername:        "admin",
		}
		if change != nil {
			change(&s)
		}

		return s
	}

	cases := map[string]struct {
		reason string
		xr     string
		want   dittofs.Settings
	}{
		"Defaults": {
			reason: "Without metrics there should be no metrics port",
			want:   defaults(nil),
		},
		"Metrics": {
			reason: "With metrics their port should be set",
			xr:     "spec: {metrics: {enabled: true, port: 9100}}",
			want:   defaults(func(s *dittofs.Settings) { s.MetricsPort = 9100 }),
		},
		"Postgres": {
			reason: "A postgres section should mean PostgreSQL, whatever the type says",
			xr:     "spec: {database: {type: sqlite, postgres: {secretRef: {name: db}}}}",
			want:   defaults(func(s *dittofs.Settings) { s.Postgres = &dittofs.Postgres{} }),
		},
		"PostgresInTheClear": {
			reason: "What the spec says of PostgreSQL should stand in config.yaml",
			xr:     "spec: {database: {postgres: {host: db, port: 6543, database: files, sslmode: require, maxOpenConns: 50, maxIdleConns: 10, secretRef: {name: db}}}}",
			want: defaults(func(s *dittofs.Settings) {
				s.Postgres = &dittofs.Postgres{Host: "db", Port: 6543, Database: "files", SSLMode: "require", MaxOpenConns: 50, MaxIdleConns: 10}
			}),
		},
		"Everything": {
			reason: "Each setting should come from its own field, as the user spelt it",
			xr: `
spec:
  apiPort: 9000
  adapterPorts: {nfs: 9001, smb: 9002}
  metrics: {enabled: true}
  logging: {level: WARN, format: text, output: stderr}
  telemetry: {enabled: true, endpoint: "collector:4317", insecure: true, sampleRate: 0}
  shutdownTimeout: 1m30s
  database: {sqlite: {path: /data/metadata/cp.db}}
  identity: {jwt: {accessTokenDuration: 1h0m, refreshTokenDuration: 2h}, admin: {username: root}}
  cache: {path: /cache, size: 1Gi}
`,
			want: dittofs.Settings{
				Logging:              dittofs.Logging{Level: "WARN", Format: "text", Output: "stderr"},
				Telemetry:            dittofs.Telemetry{Enabled: true, Endpoint: "collector:4317", Insecure: true, SampleRate: new(0.0)},
				ShutdownTimeout:      "1m30s",
				SQLitePath:           "/data/metadata/cp.db",
				MetricsPort:          9090,
				APIPort:              9000,
				AccessTokenDuration:  "1h0m",
				RefreshTokenDuration: "2h",
				CachePath:            "/cache",
				CacheSize:            "1Gi",
				AdminUsername:        "root",
			},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, errs := decode(t, tc.xr, "")
			if diff := cmp.Diff([]string(nil), errs); diff != "" {
				t.Fatalf("%s\nDecode(...): -want errors, +got errors:\n%s", tc.reason, diff)
			}

			if diff := cmp.Diff(tc.want, s.Settings()); diff != "" {
				t.Errorf("%s\ns.Settings(): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestVolumes(t *testing.T) {
	cases := map[string]struct {
		reason string
		xr     string
		want   []string
	}{
		"Defaults": {
			reason: "Without a version there is a cache, without contentSize no content",
			want:   []string{"controlplane", "metadata", "cache"},
		},
		"Content": {
			reason: "A content size asks for a volume",
			xr:     "spec: {version: 0.29.0, storage: {contentSize: 1Ti}}",
			want:   []string{"controlplane", "metadata", "content"},
		},
		"ReleaseWithCache": {
			reason: "0.8 is the last release with a cache",
			xr:     "spec: {version: 0.8.0}",
			want:   []string{"controlplane", "metadata", "cache"},
		},
		"ReleaseWithoutCache": {
			reason: "0.9 has no cache",
			xr:     "spec: {version: 0.9.0}",
			want:   []string{"controlplane", "metadata"},
		},
		"CachePath": {
			reason: "The cache is mounted where the user says",
			xr:     "spec: {cache: {path: /cache}}",
			want:   []string{"controlplane", "metadata", "cache"},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, errs := decode(t, tc.xr, "")
			if diff := cmp.Diff([]string(nil), errs); diff != "" {
				t.Fatalf("%s\nDecode(...): -want errors, +got errors:\n%s", tc.reason, diff)
			}

			var got []string
			for _, v := range s.Volumes() {
				got = append(got, v.Name)

				if v.Name == dittofs.VolumeCache && !slices.Equal(v.Paths, []string{s.Spec.Cache.Path}) {
					t.Errorf("%s\ns.Volumes(): the cache is mounted at %q, want %q", tc.reason, v.Paths, s.Spec.Cache.Path)
				}
			}

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\ns.Volumes(): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestFiles(t *testing.T) {
	cases := map[string]struct {
		reason string
		xr     string
		want   []string
	}{
		"Defaults": {
			reason: "The default database is a file, the default log is none",
			want:   []string{"/data/controlplane/controlplane.db"},
		},
		"Both": {
			reason: "The database and the log may be files",
			xr:     "spec: {database: {sqlite: {path: /data/metadata/a.db}}, logging: {output: /tmp/log}}",
			want:   []string{"/data/metadata/a.db", "/tmp/log"},
		},
		"StandardError": {
			reason: "A stream is no file",
			xr:     "spec: {logging: {output: stderr}}",
			want:   []string{"/data/controlplane/controlplane.db"},
		},
		"Postgres": {
			reason: "PostgreSQL writes no file here, whatever the type says",
			xr:     "spec: {database: {type: sqlite, postgres: {secretRef: {name: db}}}}",
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, errs := decode(t, tc.xr, "")
			if diff := cmp.Diff([]string(nil), errs); diff != "" {
				t.Fatalf("%s\nDecode(...): -want errors, +got errors:\n%s", tc.reason, diff)
			}

			if diff := cmp.Diff(tc.want, s.Files()); diff != "" {
				t.Errorf("%s\ns.Files(): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []struct{ xr, input string }{
		{minimal, "{}"},
		{minimal, "{apiVersion: dittoserver.fn.crossplane.io/v1beta1, kind: Input, ttl: 1m, policy: {images: [a]}}"},
		{"{metadata: {name: x}, spec: {claimRef: {name: files, namespace: team-a}, identity: {jwt: {secretRef: {name: j}}}}}", "namespace: a"},
		{"{metadata: 3, spec: text}", "{metadata: [1]}"},
		{"{}", "{}"},
		{`
metadata: {name: files, namespace: storage, generation: 3, annotations: {a: b}}
spec:
  version: 0.4.0
  identity: {jwt: {secretRef: {name: j}}, admin: {passwordSecretRef: {name: a}}}
  metrics: {enabled: true, port: 1}
  smb: {enabled: true}
  telemetry: {enabled: true, sampleRate: 0.5, endpoint: "[::1]:4317"}
  database: {type: sqlite, postgres: {secretRef: {name: db}}}
  storage: {contentSize: 1Gi, storageClassName: ""}
  resources: {limits: {cpu: 1}, requests: {cpu: 500m}}
  service: {file: {loadBalancerSourceRanges: [10.0.0.0/8], nodePorts: {nfs: 30000}}}
  tolerations: [{operator: Exists}]
  securityContext: {privileged: true, capabilities: {add: [CAP_SYS_ADMIN]}}
  podSecurityContext: {seccompProfile: {type: Localhost, localhostProfile: p}}
  extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
  topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {a: b}}}]
  affinity: {podAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: zone}}]}}
`, "policy: {podSecurity: privileged}"},
	} {
		xr, err := yaml.YAMLToJSON([]byte(seed.xr))
		if err != nil {
			f.Fatal(err)
		}

		input, err := yaml.YAMLToJSON([]byte(seed.input))
		if err != nil {
			f.Fatal(err)
		}

		f.Add(xr, input)
	}

	f.Fuzz(func(t *testing.T, xr, input []byte) {
		x, in := &structpb.Struct{}, &structpb.Struct{}
		if json.Unmarshal(xr, x) != nil || json.Unmarshal(input, in) != nil {
			t.Skip("no JSON objects")
		}

		before := proto.CloneOf(x)

		s, errs := Decode(x, in)
		if s == nil {
			t.Fatal("Decode(...): no DittoServer")
		}

		for _, err := range errs {
			if err.Field == "" || err.Error() == "" {
				t.Errorf("Decode(...): an error without field or text: %#v", err)
			}
		}

		if !proto.Equal(before, x) {
			t.Error("Decode(...): changed the composite resource")
		}

		for _, name := range crossplaneFields {
			if slices.Contains(slices.Collect(maps.Keys(s.UserSpec.GetFields())), name) {
				t.Errorf("Decode(...): left %s in the user's spec", name)
			}
		}

		if len(errs) > 0 {
			return
		}

		s.Settings()
		s.Volumes()
		s.Files()
		s.Warnings(s.Release)
		s.PrivilegedPorts()

		if s.Spec.Service.File.Type == corev1.ServiceTypeExternalName || len(s.Name) > 52 || s.Namespace == "" {
			t.Errorf("Decode(...): accepted what no Service can be made of: %q in %q", s.Name, s.Namespace)
		}
	})
}
