package composite

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
)

// A testCase of an errorTable, for tables that a loop fills.
type testCase = struct {
	reason string
	xr     string
	input  string
	want   []string
}

func TestValidateInput(t *testing.T) {
	tests := errorTable{
		"APIVersion": {
			reason: "An input of another version should be refused",
			input:  "apiVersion: dittoserver.fn.crossplane.io/v1",
			want:   []string{`input.apiVersion: Unsupported value: "dittoserver.fn.crossplane.io/v1": supported values: "dittoserver.fn.crossplane.io/v1beta1"`},
		},
		"Kind": {
			reason: "An input of another kind should be refused",
			input:  "kind: Resources",
			want:   []string{`input.kind: Unsupported value: "Resources": supported values: "Input"`},
		},
		"Compose": {
			reason: "An unknown way to compose should be refused",
			input:  "compose: Helm",
			want:   []string{`input.compose: Unsupported value: "Helm": supported values: "Object", "Native"`},
		},
		"Generation": {
			reason: "An unknown generation should be refused",
			input:  "configHash: {generation: spec}",
			want:   []string{`input.configHash.generation: Unsupported value: "spec": supported values: "Spec", "Metadata", "None"`},
		},
		"AmbiguousPolicy": {
			reason: "Patterns by which a-b in c and a in b-c could have the same name are of nobody.",
			input:  `policy: {routes: {hostnames: [$(name).$(namespace).a, $(namespace)-files.a, "*.$(namespace).a", "*-$(name).a", $(name)-$(namespace).a, "*-$(namespace).a", "*.$(namespace).*", "*.$(namespace).b.a", "$(namespace).*"], gateways: [$(namespace)/$(name), "$(namespace)/*", gateways/$(name)-$(namespace)]}}`,
			want: []string{
				`input.policy.routes.hostnames[4]: Invalid value: "$(name)-$(namespace).a": must have "." between $(namespace) and what else differs: names have dashes, so that those of two namespaces could be the same`,
				`input.policy.routes.hostnames[5]: Invalid value: "*-$(namespace).a": must have "." between $(namespace) and what else differs: names have dashes, so that those of two namespaces could be the same`,
				`input.policy.routes.hostnames[6]: Invalid value: "*.$(namespace).*": must not have "*" on both sides of $(namespace): the name of another namespace could be in its place`,
				`input.policy.routes.gateways[2]: Invalid value: "gateways/$(name)-$(namespace)": must have "/" between $(namespace) and what else differs: names have dashes, so that those of two namespaces could be the same`,
			},
		},
		"NullPolicy": {
			reason: "A list whose entries are all comments would allow everything.",
			input:  "policy: {secrets: null, services: {types: null, annotations: []}, pods: null}",
			want: []string{
				"input.policy.pods: Invalid value: null: must not be null: a rule that is left out allows everything, and an empty list nothing",
				"input.policy.secrets: Invalid value: null: must not be null: a rule that is left out allows everything, and an empty list nothing",
				"input.policy.services.types: Invalid value: null: must not be null: a rule that is left out allows everything, and an empty list nothing",
			},
		},
		"NullEntry": {
			reason: "It would be the empty storage class, which binds volumes that an administrator made.",
			input:  "policy: {storage: {storageClassNames: [fast, null]}}",
			want:   []string{"input.policy.storage.storageClassNames[1]: Invalid value: null: must not be null: a rule that is left out allows everything, and an empty list nothing"},
		},
		"EmptyPolicy": {
			reason: "A template without its value would allow everything. An entry may be empty, as the empty storage class.",
			input:  `policy: {config: "", storage: {maxSize: "", storageClassNames: [""]}, pods: {maxGracePeriod: ""}}`,
			want: []string{
				`input.policy.config: Invalid value: "": must not be empty: leave the key out, or give it a value`,
				`input.policy.pods.maxGracePeriod: Invalid value: "": must not be empty: leave the key out, or give it a value`,
				`input.policy.storage.maxSize: Invalid value: "": must not be empty: leave the key out, or give it a value`,
			},
		},
		"NullWholePolicy": {
			reason: "So would a policy whose rules are.",
			input:  "policy: null",
			want:   []string{"input.policy: Invalid value: null: must not be null: a rule that is left out allows everything, and an empty list nothing"},
		},
		"PodSecurity": {
			reason: "An unknown Pod Security Standard should be refused",
			input:  "policy: {podSecurity: Restricted}",
			want:   []string{`input.policy.podSecurity: Unsupported value: "Restricted": supported values: "restricted", "baseline", "privileged"`},
		},
		"ProviderConfigName": {
			reason: "A ProviderConfig is an object, and named like one",
			input:  "providerConfigRef: {name: My_Config}",
			want:   []string{`input.providerConfigRef.name: Invalid value: "My_Config": ` + notSubdomain},
		},
		"ProviderConfigNameWithDots": {
			reason: "An object's name may have dots",
			input:  "providerConfigRef: {name: eu.example.org}",
		},
		"ProviderConfigKind": {
			reason: "An unknown kind of ProviderConfig should be refused",
			input:  "providerConfigRef: {kind: Secret}",
			want:   []string{`input.providerConfigRef.kind: Unsupported value: "Secret": supported values: "ClusterProviderConfig", "ProviderConfig"`},
		},
		"ProviderConfigKindOfClusterScoped": {
			reason: "Objects of a cluster-scoped composite resource know no kind, not even a right one",
			xr:     clusterScoped,
			input:  "{namespace: storage, providerConfigRef: {kind: ProviderConfig}}",
			want:   []string{"input.providerConfigRef.kind: Forbidden: the Objects of a cluster-scoped composite resource name a ProviderConfig without a kind: remove it"},
		},
		"ProviderConfigOfClusterScoped": {
			reason: "Objects of a cluster-scoped composite resource may name a ProviderConfig",
			xr:     clusterScoped,
			input:  "{namespace: storage, providerConfigRef: {name: remote}}",
		},
		"ProviderConfigOfNative": {
			reason: "What is composed natively has no provider, whose name would be ignored",
			input:  "{compose: Native, providerConfigRef: {name: remote}}",
			want:   []string{"input.providerConfigRef: Forbidden: natively composed resources need no provider: remove it"},
		},
		"NativeOfClusterScoped": {
			reason: "A claim may be composed natively",
			xr:     clusterScoped,
			input:  "{namespace: storage, compose: Native}",
		},
		"AnotherNamespace": {
			reason: "A namespaced composite resource cannot reach into another namespace",
			input:  "namespace: kube-system",
			want:   []string{`input.namespace: Invalid value: "kube-system": a namespaced composite resource composes into its own namespace: remove it`},
		},
		"TTLAndMore": {
			reason: "A bad TTL should not hide other errors",
			input:  "{ttl: soon, compose: Helm, namespace: kube-system}",
			want: []string{
				`input.compose: Unsupported value: "Helm": supported values: "Object", "Native"`,
				`input.namespace: Invalid value: "kube-system": a namespaced composite resource composes into its own namespace: remove it`,
				`input.ttl: Invalid value: "soon": must be a Go duration of zero or more, such as 1m`,
			},
		},
	}

	for field, values := range map[string][]string{
		"{configHash: {generation: %s}}":        {"Spec", "Metadata", "None"},
		"{policy: {podSecurity: %s}}":           {"restricted", "baseline", "privileged"},
		"{providerConfigRef: {kind: %s}}":       {"ClusterProviderConfig", "ProviderConfig"},
		"{compose: %s}":                         {"Object", "Native"},
		"{kind: %s}":                            {"Input"},
		"{apiVersion: %s}":                      {"dittoserver.fn.crossplane.io/v1beta1"},
		"{ttl: %s}":                             {"0s", "1m", "1h30m", "500ms"},
		"{policy: {images: [%s]}}":              {"registry.example.org/files"},
		"{policy: {serviceAccountNames: [%s]}}": {"files"},
	} {
		for _, v := range values {
			tests["Accepted/"+fmt.Sprintf(field, v)] = testCase{reason: "A supported value should be no error", input: fmt.Sprintf(field, v)}
		}
	}

	for _, ttl := range []string{"-1s", "-1ns", "7d", "30", "1 m"} {
		tests["TTL/"+ttl] = testCase{
			reason: "Crossplane cannot wait for a time that is negative or no Go duration",
			input:  fmt.Sprintf("ttl: %q", ttl),
			want:   []string{fmt.Sprintf("input.ttl: Invalid value: %q: must be a Go duration of zero or more, such as 1m", ttl)},
		}
	}

	tests.run(t)
}

// A refused TTL must not reach the response.
func TestValidateInputTTLRefused(t *testing.T) {
	for _, ttl := range []string{"-1s", "7d", ""} {
		t.Run(ttl, func(t *testing.T) {
			if s, _ := decode(t, "", fmt.Sprintf("ttl: %q", ttl)); s.TTL != nil {
				t.Errorf("A TTL that is refused or missing should not be used\nDecode(...): got TTL %s", *s.TTL)
			}
		})
	}
}

func TestValidateNames(t *testing.T) {
	const needsNamespace = "input.namespace: Required value: set metadata.namespace; a cluster-scoped composite resource without a claim needs the namespace of its server here"

	claim := "{metadata: {name: files-x7k2p, namespace: null}, spec: {claimRef: {name: %s, namespace: %s}}}"

	errorTable{
		"Missing": {
			reason: "A composite resource without a name cannot name anything",
			xr:     `metadata: {name: ""}`,
			want:   []string{"metadata.name: Required value: the Kubernetes objects are named after it"},
		},
		"LongestAccepted": {
			reason: "52 characters, a dash and a hash of 10 characters make a label of 63",
			xr:     "metadata: {name: " + strings.Repeat("a", 52) + "}",
		},
		"TooLong": {
			reason: "A longer name would leave the StatefulSet without pods",
			xr:     "metadata: {name: " + strings.Repeat("a", 53) + "}",
			want:   []string{"metadata.name: Too long: may not be more than 52 bytes"},
		},
		"TooLongAndBad": {
			reason: "A name that is too long has one error",
			xr:     "metadata: {name: " + strings.Repeat("A", 53) + "}",
			want:   []string{"metadata.name: Too long: may not be more than 52 bytes"},
		},
		"OneCharacter": {
			reason: "One letter is a name",
			xr:     "metadata: {name: f}",
		},
		"BeginsWithADigit": {
			reason: "A Service's name cannot begin with a digit, as an object's can",
			xr:     "metadata: {name: 1files}",
			want:   []string{`metadata.name: Invalid value: "1files": ` + notDNS1035Label},
		},
		"Dots": {
			reason: "A Service's name cannot have a dot, as an object's can",
			xr:     "metadata: {name: files.example}",
			want:   []string{`metadata.name: Invalid value: "files.example": ` + notDNS1035Label},
		},
		"EndsWithADash": {
			reason: "A label ends with a letter or a digit",
			xr:     "metadata: {name: files-}",
			want:   []string{`metadata.name: Invalid value: "files-": ` + notDNS1035Label},
		},
		"UpperCase": {
			reason: "A label is lower-case",
			xr:     "metadata: {name: Files}",
			want:   []string{`metadata.name: Invalid value: "Files": ` + notDNS1035Label},
		},
		"DigitsAndDashes": {
			reason: "A label may have digits and dashes",
			xr:     "metadata: {name: files-2-eu}",
		},
		"Namespace": {
			reason: "A namespace is a label",
			xr:     "metadata: {namespace: Storage}",
			want:   []string{`metadata.namespace: Invalid value: "Storage": ` + notDNS1123Label},
		},
		"NamespaceWithADot": {
			reason: "A namespace is no subdomain",
			xr:     "metadata: {namespace: storage.eu}",
			want:   []string{`metadata.namespace: Invalid value: "storage.eu": must not contain dots`},
		},
		"NamespaceOfDigits": {
			reason: "A namespace may begin with a digit",
			xr:     `metadata: {namespace: "1"}`,
		},
		"NamespaceTooLong": {
			reason: "A namespace has at most 63 characters",
			xr:     "metadata: {namespace: " + strings.Repeat("n", 64) + "}",
			want:   []string{`metadata.namespace: Invalid value: "` + strings.Repeat("n", 64) + `": must be no more than 63 characters`},
		},
		"NoNamespace": {
			reason: "Without a namespace there is nowhere to compose",
			xr:     clusterScoped,
			want:   []string{needsNamespace},
		},
		"NoNamespaceAndNoName": {
			reason: "What is missing should be named at once",
			xr:     "metadata: null",
			want:   []string{"metadata.name: Required value: the Kubernetes objects are named after it", needsNamespace},
		},
		"NamespaceOfTheInput": {
			reason: "The namespace of the input is judged as any other",
			xr:     clusterScoped,
			input:  "namespace: Storage",
			want:   []string{`input.namespace: Invalid value: "Storage": ` + notDNS1123Label},
		},
		"Claim": {
			reason: "The claim's name counts, not the longer one of its composite resource",
			xr:     fmt.Sprintf("{metadata: {name: %s, namespace: null}, spec: {claimRef: {name: files, namespace: team-a}}}", strings.Repeat("a", 53)),
		},
		"ClaimWithABadName": {
			reason: "The claim's name names the objects",
			xr:     fmt.Sprintf(claim, "1files", "team-a"),
			want:   []string{`spec.claimRef.name: Invalid value: "1files": ` + notDNS1035Label},
		},
		"ClaimTooLong": {
			reason: "The claim's name has the same bound",
			xr:     fmt.Sprintf(claim, strings.Repeat("a", 53), "team-a"),
			want:   []string{"spec.claimRef.name: Too long: may not be more than 52 bytes"},
		},
		"ClaimLongestAccepted": {
			reason: "The claim's name has the same bound",
			xr:     fmt.Sprintf(claim, strings.Repeat("a", 52), "team-a"),
		},
		"ClaimWithABadNamespace": {
			reason: "The claim's namespace is judged as any other",
			xr:     fmt.Sprintf(claim, "files", "Team_A"),
			want:   []string{`spec.claimRef.namespace: Invalid value: "Team_A": ` + notDNS1123Label},
		},
		"ClaimWithTheNamespaceOfTheInput": {
			reason: "Half a claim takes its namespace from the input, and an error says so",
			xr:     "{metadata: {namespace: null}, spec: {claimRef: {name: files}}}",
			input:  "namespace: Storage",
			want:   []string{`input.namespace: Invalid value: "Storage": ` + notDNS1123Label},
		},
		"ClaimWithoutANamespace": {
			reason: "Half a claim leaves the namespace open",
			xr:     "{metadata: {namespace: null}, spec: {claimRef: {name: files}}}",
			want:   []string{needsNamespace},
		},
	}.run(t)
}

func TestValidateImage(t *testing.T) {
	notRelease := "must be a DittoFS release such as " + dittofs.Newest

	tests := errorTable{
		"TooOld": {
			reason: "Releases before 0.4.0 have another configuration file",
			xr:     "spec: {version: 0.3.99}",
			want:   []string{`spec.version: Invalid value: "0.3.99": must be 0.4.0 or newer`},
		},
		"NoVersionAndBadImage": {
			reason: "An image has a repository, and perhaps a tag and a digest",
			xr:     `spec: {image: "registry.example.org/files:"}`,
			want:   []string{`spec.image: Invalid value: "registry.example.org/files:": invalid reference format`},
		},
		"UpperCaseImage": {
			reason: "A repository is lower-case",
			xr:     "spec: {image: Files}",
			want:   []string{`spec.image: Invalid value: "Files": invalid reference format: repository name (library/Files) must be lowercase`},
		},
		"Both": {
			reason: "Version and image are judged on their own",
			xr:     `spec: {version: latest, image: "a b"}`,
			want: []string{
				`spec.version: Invalid value: "latest": ` + notRelease,
				`spec.image: Invalid value: "a b": invalid reference format`,
			},
		},
	}

	for _, v := range []string{"0.4.0", "v0.29.0", "0.29.0", "1.2.3", "0.20.0-rc.1"} {
		tests["Version/"+v] = testCase{reason: "A release should be accepted, with or without v", xr: fmt.Sprintf("spec: {version: %q}", v)}
	}

	for _, v := range []string{"0.29", "0.29.0.1", "vv0.29.0", "develop", "0.29.0+build", " 0.29.0", "01.2.3"} {
		tests["Version/"+v] = testCase{
			reason: "What is no release should be refused",
			xr:     fmt.Sprintf("spec: {version: %q}", v),
			want:   []string{fmt.Sprintf("spec.version: Invalid value: %q: %s", v, notRelease)},
		}
	}

	for _, image := range []string{
		"dittofs", "marmos91c/dittofs", "registry.example.org:5000/files/dittofs:v0.29.0",
		"dittofs@sha256:" + strings.Repeat("0", 64), "registry.example.org:5000/dittofs@sha256:" + strings.Repeat("0", 64),
		"registry.example.org/dittofs:latest", "registry.example.org/dittofs:v0.4.0", "registry.example.org/dittofs:0.4.0",
		"registry.example.org/dittofs:0.4.0-rc.1", "registry.example.org/dittofs:0.3", "registry.example.org/v0.3.0/dittofs",
		"registry.example.org/dittofs:v0.29.0@sha256:" + strings.Repeat("0", 64),
	} {
		tests["Image/"+image] = testCase{reason: "An image should be accepted however it is spelt", xr: fmt.Sprintf("spec: {image: %q}", image)}
	}

	for _, image := range []string{
		"registry.example.org/dittofs:v0.3.0", "registry.example.org/dittofs:0.1.2", "dittofs:0.3.99", "registry.example.org:5000/dittofs:v0.3.9-rc.1",
		"registry.example.org/dittofs:v0.3.0@sha256:" + strings.Repeat("0", 64),
	} {
		tests["Image/"+image] = testCase{
			reason: "A tag that is a release before 0.4.0 should be refused, as the version is",
			xr:     fmt.Sprintf("spec: {image: %q}", image),
			want:   []string{fmt.Sprintf("spec.image: Invalid value: %q: its tag must be 0.4.0 or newer", image)},
		}
	}

	tests.run(t)
}

func TestValidateRelease(t *testing.T) {
	if s, _ := decode(t, "spec: {version: 0.3.0}", ""); s.Release.IsKnown() {
		t.Errorf("A version that is refused should leave no release\nDecode(...): got release %s", s.Release)
	}
}

func TestValidateEnums(t *testing.T) {
	tests := errorTable{}

	for patch, e := range map[string]struct {
		path      string
		supported []string
		refused   []string
	}{
		"{rollout: %s}":         {"spec.rollout", []string{"Automatic", "Manual"}, []string{"manual", "Never"}},
		"{imagePullPolicy: %s}": {"spec.imagePullPolicy", []string{"Always", "IfNotPresent", "Never"}, []string{"always"}},
		"{logging: {level: %s}}": {
			"spec.logging.level",
			[]string{"DEBUG", "INFO", "WARN", "ERROR"},
			[]string{"info", "TRACE"},
		},
		"{logging: {format: %s}}": {"spec.logging.format", []string{"text", "json"}, []string{"JSON", "logfmt"}},
	} {
		var quoted []string
		for _, v := range e.supported {
			quoted = append(quoted, `"`+v+`"`)
			tests[e.path+"/"+v] = testCase{reason: "A supported value should be no error", xr: "spec: " + fmt.Sprintf(patch, v)}
		}

		for _, v := range e.refused {
			tests[e.path+"/"+v] = testCase{
				reason: "A value that is not supported should be refused, with those that are",
				xr:     "spec: " + fmt.Sprintf(patch, v),
				want:   []string{fmt.Sprintf("%s: Unsupported value: %q: supported values: %s", e.path, v, strings.Join(quoted, ", "))},
			}
		}
	}

	tests.run(t)
}

func TestValidateTLS(t *testing.T) {
	const notPath = "must be a clean path of letters, digits, '.', '-', '_' and '/', such as /metrics"

	errorTable{
		"Versions": {
			reason: "The server knows two versions of TLS",
			xr:     `spec: {api: {tls: {secretRef: {name: a}, minVersion: "1.2"}}, metrics: {tls: {secretRef: {name: a}, minVersion: "1.3"}}}`,
		},
		"OtherVersions": {
			reason: "It starts with no other",
			xr:     `spec: {api: {tls: {secretRef: {name: a}, minVersion: "1.1"}}, metrics: {tls: {secretRef: {name: a}, minVersion: TLS1.3}}}`,
			want: []string{
				`spec.api.tls.minVersion: Unsupported value: "1.1": supported values: "1.2", "1.3"`,
				`spec.metrics.tls.minVersion: Unsupported value: "TLS1.3": supported values: "1.2", "1.3"`,
			},
		},
		"Number": {
			reason: "A version is text",
			xr:     `spec: {api: {tls: {secretRef: {name: a}, minVersion: 1.3}}}`,
			want:   []string{"spec.api.tls.minVersion: Invalid value: 1.3: must be a string"},
		},
		"Names": {
			reason: "Each Secret has a name, and each key can be one",
			xr:     `spec: {api: {tls: {secretRef: {name: A}, clientCASecretRef: {name: "", key: a/b}}}, metrics: {enabled: true, tokenSecretRef: {name: ../a}}, database: {postgres: {secretRef: {name: a}, caSecretRef: {name: a, key: ..}}}}`,
			want: []string{
				`spec.api.tls.secretRef.name: Invalid value: "A": ` + notSubdomain,
				`spec.api.tls.clientCASecretRef.name: Required value: name a Secret in the server's namespace`,
				`spec.api.tls.clientCASecretRef.key: Invalid value: "a/b": ` + notDataKey,
				`spec.metrics.tokenSecretRef.name: Invalid value: "../a": ` + notSubdomain,
				`spec.database.postgres.caSecretRef.key: Invalid value: "..": must not be '..'`,
			},
		},
		"Path":          {reason: "A path of several parts can be served", xr: "spec: {metrics: {enabled: true, path: /a/b.c_d-e}}"},
		"PathRelative":  {reason: "A path begins with a slash", xr: "spec: {metrics: {path: metrics}}", want: []string{`spec.metrics.path: Invalid value: "metrics": ` + notPath}},
		"PathUnclean":   {reason: "Go's HTTP server would redirect", xr: "spec: {metrics: {path: /a/../b}}", want: []string{`spec.metrics.path: Invalid value: "/a/../b": ` + notPath}},
		"PathSlash":     {reason: "A slash at the end is another path", xr: "spec: {metrics: {path: /a/}}", want: []string{`spec.metrics.path: Invalid value: "/a/": ` + notPath}},
		"PathWildcard":  {reason: "Go's HTTP server would panic, or take it for a wildcard", xr: `spec: {metrics: {path: "/{a"}}`, want: []string{`spec.metrics.path: Invalid value: "/{a": ` + notPath}},
		"PathQuery":     {reason: "A query is no path", xr: `spec: {metrics: {path: "/a?b"}}`, want: []string{`spec.metrics.path: Invalid value: "/a?b": ` + notPath}},
		"PathMultiline": {reason: "A line break is no path", xr: `spec: {metrics: {path: "/a\n"}}`, want: []string{`spec.metrics.path: Invalid value: "/a\n": ` + notPath}},
	}.run(t)
}

func TestValidateReplicas(t *testing.T) {
	tests := errorTable{}

	for _, n := range []int{0, 1} {
		tests[fmt.Sprint(n)] = testCase{reason: "A server runs or is stopped", xr: fmt.Sprintf("spec: {replicas: %d}", n)}
	}

	for _, n := range []int{-1, 2, 1000} {
		tests[fmt.Sprint(n)] = testCase{
			reason: "There can be no more than one server, nor less than none",
			xr:     fmt.Sprintf("spec: {replicas: %d}", n),
			want:   []string{fmt.Sprintf("spec.replicas: Invalid value: %d: must be 0 or 1: two servers cannot share a volume", n)},
		}
	}

	tests.run(t)
}

func TestValidatePortNumbers(t *testing.T) {
	tests := errorTable{}

	for path, patch := range map[string]string{
		"spec.nfsPort":          "{nfsPort: %d}",
		"spec.smb.port":         "{smb: {enabled: true, port: %d}}",
		"spec.apiPort":          "{apiPort: %d}",
		"spec.metrics.port":     "{metrics: {enabled: true, port: %d}}",
		"spec.adapterPorts.nfs": "{adapterPorts: {nfs: %d}}",
		"spec.adapterPorts.smb": "{adapterPorts: {smb: %d}}",
	} {
		for _, n := range []int{1, 65535} {
			tests[fmt.Sprintf("%s/%d", path, n)] = testCase{
				reason: "The first and the last port should be accepted",
				xr:     "spec: " + fmt.Sprintf(patch, n),
			}
		}

		for _, n := range []int{-1, 0, 65536} {
			tests[fmt.Sprintf("%s/%d", path, n)] = testCase{
				reason: "What is no port should be refused: 0 is a number, not a missing one",
				xr:     "spec: " + fmt.Sprintf(patch, n),
				want:   []string{fmt.Sprintf("%s: Invalid value: %d: %s", path, n, notPort)},
			}
		}
	}

	tests.run(t)
}

func TestValidatePortsDiffer(t *testing.T) {
	const (
		services  = ": both are Service ports"
		container = ": the server listens on both"
	)

	errorTable{
		// Service ports.
		"NFSAndAPI": {
			reason: "Two Service ports should differ",
			xr:     "spec: {nfsPort: 3000, apiPort: 3000}",
			want:   []string{"spec.apiPort: Invalid value: 3000: must differ from spec.nfsPort" + services},
		},
		"NFSAndSMB": {
			reason: "Two Service ports should differ",
			xr:     "spec: {nfsPort: 3000, smb: {enabled: true, port: 3000}}",
			want:   []string{"spec.smb.port: Invalid value: 3000: must differ from spec.nfsPort" + services},
		},
		"NFSAndMetrics": {
			reason: "Two Service ports should differ",
			xr:     "spec: {nfsPort: 3000, metrics: {enabled: true, port: 3000}}",
			want:   []string{"spec.metrics.port: Invalid value: 3000: must differ from spec.nfsPort" + services},
		},
		"SMBAndAPI": {
			reason: "Two Service ports should differ",
			xr:     "spec: {apiPort: 3000, smb: {enabled: true, port: 3000}}",
			want:   []string{"spec.smb.port: Invalid value: 3000: must differ from spec.apiPort" + services},
		},
		"SMBAndMetrics": {
			reason: "Two Service ports should differ",
			xr:     "spec: {metrics: {enabled: true, port: 3000}, smb: {enabled: true, port: 3000}}",
			want:   []string{"spec.metrics.port: Invalid value: 3000: must differ from spec.smb.port" + services},
		},
		"APIAndMetrics": {
			reason: "The API's and the metrics' ports are Service ports and container ports; once is enough",
			xr:     "spec: {apiPort: 3000, metrics: {enabled: true, port: 3000}}",
			want:   []string{"spec.metrics.port: Invalid value: 3000: must differ from spec.apiPort" + services},
		},
		"MetricsAndTwoOthers": {
			reason: "Another pair of the second set should still be told",
			xr:     "spec: {apiPort: 3000, adapterPorts: {smb: 3000}, metrics: {enabled: true, port: 3000}}",
			want: []string{
				"spec.metrics.port: Invalid value: 3000: must differ from spec.apiPort" + services,
				"spec.apiPort: Invalid value: 3000: must differ from spec.adapterPorts.smb" + container,
				"spec.metrics.port: Invalid value: 3000: must differ from spec.adapterPorts.smb" + container,
			},
		},
		"DefaultOfNFS": {
			reason: "A default is a port as well",
			xr:     "spec: {apiPort: 2049}",
			want:   []string{"spec.apiPort: Invalid value: 2049: must differ from spec.nfsPort" + services},
		},
		"DefaultOfSMB": {
			reason: "A default is a port as well",
			xr:     "spec: {nfsPort: 445, smb: {enabled: true}}",
			want:   []string{"spec.smb.port: Invalid value: 445: must differ from spec.nfsPort" + services},
		},
		"DefaultOfMetrics": {
			reason: "A default is a port as well",
			xr:     "spec: {nfsPort: 9090, metrics: {enabled: true}}",
			want:   []string{"spec.metrics.port: Invalid value: 9090: must differ from spec.nfsPort" + services},
		},
		"ThreeServicePorts": {
			reason: "Each further port should be told of the first",
			xr:     "spec: {nfsPort: 3000, apiPort: 3000, smb: {enabled: true, port: 3000}}",
			want: []string{
				"spec.apiPort: Invalid value: 3000: must differ from spec.nfsPort" + services,
				"spec.smb.port: Invalid value: 3000: must differ from spec.nfsPort" + services,
			},
		},

		// Container ports.
		"Adapters": {
			reason: "Two container ports should differ, whether SMB is enabled or not",
			xr:     "spec: {adapterPorts: {nfs: 3000, smb: 3000}}",
			want:   []string{"spec.adapterPorts.smb: Invalid value: 3000: must differ from spec.adapterPorts.nfs" + container},
		},
		"NFSAdapterAndAPI": {
			reason: "Two container ports should differ",
			xr:     "spec: {adapterPorts: {nfs: 3000}, apiPort: 3000}",
			want:   []string{"spec.apiPort: Invalid value: 3000: must differ from spec.adapterPorts.nfs" + container},
		},
		"SMBAdapterAndAPI": {
			reason: "Two container ports should differ, whether SMB is enabled or not",
			xr:     "spec: {adapterPorts: {smb: 3000}, apiPort: 3000}",
			want:   []string{"spec.apiPort: Invalid value: 3000: must differ from spec.adapterPorts.smb" + container},
		},
		"NFSAdapterAndMetrics": {
			reason: "Two container ports should differ",
			xr:     "spec: {adapterPorts: {nfs: 3000}, metrics: {enabled: true, port: 3000}}",
			want:   []string{"spec.metrics.port: Invalid value: 3000: must differ from spec.adapterPorts.nfs" + container},
		},
		"SMBAdapterAndMetrics": {
			reason: "Two container ports should differ, whether SMB is enabled or not",
			xr:     "spec: {adapterPorts: {smb: 3000}, metrics: {enabled: true, port: 3000}}",
			want:   []string{"spec.metrics.port: Invalid value: 3000: must differ from spec.adapterPorts.smb" + container},
		},
		"DefaultOfTheNFSAdapter": {
			reason: "A default is a port as well",
			xr:     "spec: {apiPort: 12049}",
			want:   []string{"spec.apiPort: Invalid value: 12049: must differ from spec.adapterPorts.nfs" + container},
		},
		"DefaultOfTheSMBAdapter": {
			reason: "A default is a port as well",
			xr:     "spec: {apiPort: 1445}",
			want:   []string{"spec.apiPort: Invalid value: 1445: must differ from spec.adapterPorts.smb" + container},
		},

		// The portmapper, at port 111 of the Service and 10111 of the container.
		"Portmapper": {
			reason: "It tells clients where the adapter listens, which must be the Service's port",
			xr:     "spec: {nfsPort: 2049, adapterPorts: {nfs: 2049}, portmapper: {enabled: true}}",
		},
		"PortmapperTellsAnotherPort": {
			reason: "Clients would look for NFS at a port that the Service does not have",
			xr:     "spec: {portmapper: {enabled: true}}",
			want:   []string{"spec.portmapper.enabled: Forbidden: the portmapper tells clients the port adapterPorts.nfs, so nfsPort must be the same"},
		},
		"PortmapperOff": {
			reason: "Nobody is told a port",
			xr:     "spec: {smb: {enabled: true, port: 111}, apiPort: 10111, portmapper: {enabled: false}}",
		},
		"PortmapperAndOthers": {
			reason: "Its ports are fixed, so that others have to differ",
			xr:     "spec: {nfsPort: 12049, smb: {enabled: true, port: 111}, apiPort: 10111, portmapper: {enabled: true}}",
			want: []string{
				"spec.portmapper.enabled: Invalid value: 111: must differ from spec.smb.port" + services,
				"spec.portmapper.enabled: Invalid value: 10111: must differ from spec.apiPort" + container,
			},
		},

		// Ports that may be the same.
		"NFSAndItsAdapter": {
			reason: "A Service port and a container port never meet",
			xr:     "spec: {nfsPort: 12049}",
		},
		"NFSAndTheSMBAdapter": {
			reason: "A Service port and a container port never meet",
			xr:     "spec: {nfsPort: 1445}",
		},
		"SMBAndItsAdapter": {
			reason: "A Service port and a container port never meet",
			xr:     "spec: {smb: {enabled: true, port: 1445}}",
		},
		"SMBAndTheNFSAdapter": {
			reason: "A Service port and a container port never meet",
			xr:     "spec: {smb: {enabled: true, port: 12049}}",
		},
		"AdaptersOnTheServicePorts": {
			reason: "The adapters may listen where the Services do",
			xr:     "spec: {smb: {enabled: true}, adapterPorts: {nfs: 2049, smb: 445}}",
		},
		"SMBDisabledAndNFS": {
			reason: "A port of SMB that no Service shows meets no other",
			xr:     "spec: {smb: {port: 2049}}",
		},
		"SMBDisabledAndAPI": {
			reason: "A port of SMB that no Service shows meets no other",
			xr:     "spec: {smb: {port: 8080}}",
		},
		"SMBDisabledAndMetrics": {
			reason: "A port of SMB that no Service shows meets no other",
			xr:     "spec: {smb: {enabled: false, port: 9090}, metrics: {enabled: true}}",
		},
		"MetricsDisabledAndNFS": {
			reason: "A port of metrics that nobody serves meets no other",
			xr:     "spec: {metrics: {port: 2049}}",
		},
		"MetricsDisabledAndAPI": {
			reason: "A port of metrics that nobody serves meets no other",
			xr:     "spec: {metrics: {port: 8080}}",
		},
		"MetricsDisabledAndSMB": {
			reason: "A port of metrics that nobody serves meets no other",
			xr:     "spec: {metrics: {enabled: false, port: 445}, smb: {enabled: true}}",
		},
		"MetricsDisabledAndTheAdapters": {
			reason: "A port of metrics that nobody serves meets no other",
			xr:     "spec: {metrics: {port: 12049}}",
		},
		"EverythingEnabled": {
			reason: "The defaults meet nowhere",
			xr:     "spec: {smb: {enabled: true}, metrics: {enabled: true}}",
		},
	}.run(t)
}

func TestValidateDatabase(t *testing.T) {
	const (
		volumes = "/data/controlplane, /data/metadata, /data/store/metadata"
		needs   = "spec.database.postgres.secretRef.name: Required value: the database type postgres needs a Secret with user and password, and with host, port, database and sslmode where the spec has none"
	)

	refused := func(path, volumes string) []string {
		return []string{fmt.Sprintf("spec.database.sqlite.path: Invalid value: %q: must be a file on a persistent volume, below one of %s: elsewhere a restart loses all shares", path, volumes)}
	}

	tests := errorTable{
		"Type": {
			reason: "There are two databases",
			xr:     "spec: {database: {type: mysql}}",
			want:   []string{`spec.database.type: Unsupported value: "mysql": supported values: "sqlite", "postgres"`},
		},
		"SQLite": {
			reason: "SQLite may be spelled out",
			xr:     "spec: {database: {type: sqlite}}",
		},
		"PostgresWithoutSecret": {
			reason: "PostgreSQL cannot be reached without a Secret",
			xr:     "spec: {database: {type: postgres}}",
			want:   []string{needs},
		},
		"PostgresWithEmptySecret": {
			reason: "A postgres section names a Secret",
			xr:     "spec: {database: {type: postgres, postgres: {}}}",
			want:   []string{"spec.database.postgres.secretRef.name: Required value: name a Secret in the server's namespace"},
		},
		"PostgresInTheClear": {
			reason: "A Secret with user and password is enough",
			xr:     "spec: {version: 0.29.0, database: {postgres: {host: 'db-1.example.org,db-2.example.org', port: 6543, database: my files, sslmode: verify-full, maxOpenConns: 1, maxIdleConns: 1, secretRef: {name: db}}}}",
		},
		"PostgresInTheClearBad": {
			reason: "What the spec says is judged as what a Secret says",
			xr:     "spec: {version: 0.29.0, database: {postgres: {host: 'db.example.org:5432', port: 0, database: ' files', sslmode: 'yes', maxOpenConns: 0, maxIdleConns: -1, secretRef: {name: db}}}}",
			want: []string{
				`spec.database.postgres.host: Invalid value: "db.example.org:5432": must be a DNS name or an IP address, without port, scheme or path (before DittoFS 0.18 an IPv6 address has no brackets, from then on it has)`,
				`spec.database.postgres.port: Invalid value: 0: ` + notPort,
				`spec.database.postgres.database: Invalid value: " files": must not begin or end with whitespace, or hold control characters`,
				`spec.database.postgres.sslmode: Invalid value: "yes": must be one of ["disable" "allow" "prefer" "require" "verify-ca" "verify-full"]`,
				`spec.database.postgres.maxOpenConns: Invalid value: 0: must be 1 or more`,
				`spec.database.postgres.maxIdleConns: Invalid value: -1: must be 1 or more`,
			},
		},
		"PostgresNameOfOldRelease": {
			reason: "A release that escapes nothing takes less",
			xr:     "spec: {version: 0.17.0, database: {postgres: {database: my files, secretRef: {name: db}}}}",
			want:   []string{`spec.database.postgres.database: Invalid value: "my files": must have no white space, quote or backslash that is not escaped: DittoFS before 0.18 would take what follows for another setting`},
		},
		"PostgresNameControl": {
			reason: "Nothing in a name is invisible",
			xr:     `spec: {version: 0.29.0, database: {postgres: {database: "a\nb", secretRef: {name: db}}}}`,
			want:   []string{`spec.database.postgres.database: Invalid value: "a\nb": must not begin or end with whitespace, or hold control characters`},
		},
		"PostgresWithBadSecret": {
			reason: "A Secret is an object, and named like one",
			xr:     "spec: {database: {postgres: {secretRef: {name: My_DB}}}}",
			want:   []string{`spec.database.postgres.secretRef.name: Invalid value: "My_DB": ` + notSubdomain},
		},
		"Postgres": {
			reason: "An object's name may have dots",
			xr:     "spec: {database: {type: postgres, postgres: {secretRef: {name: db.eu}}}}",
		},
		"PostgresAndSQLite": {
			reason: "A postgres section wins over the type, and then the SQLite path is not used",
			xr:     "spec: {database: {type: sqlite, sqlite: {path: /tmp/a.db}, postgres: {secretRef: {name: db}}}}",
		},
		"PostgresAndBadType": {
			reason: "The type is judged even where it does not count",
			xr:     "spec: {database: {type: mysql, postgres: {secretRef: {name: db}}}}",
			want:   []string{`spec.database.type: Unsupported value: "mysql": supported values: "sqlite", "postgres"`},
		},
		"Keys": {
			reason: "Each setting has a key that Secrets can have",
			xr:     "spec: {database: {postgres: {secretRef: {name: db}, keys: {host: a/b, port: c d, database: e+f, user: g=h, password: 'i:j', sslmode: 'k,l'}}}}",
			want: []string{
				`spec.database.postgres.keys.host: Invalid value: "a/b": ` + notDataKey,
				`spec.database.postgres.keys.port: Invalid value: "c d": ` + notDataKey,
				`spec.database.postgres.keys.database: Invalid value: "e+f": ` + notDataKey,
				`spec.database.postgres.keys.user: Invalid value: "g=h": ` + notDataKey,
				`spec.database.postgres.keys.password: Invalid value: "i:j": ` + notDataKey,
				`spec.database.postgres.keys.sslmode: Invalid value: "k,l": ` + notDataKey,
			},
		},
		"KeysAccepted": {
			reason: "Others' Secrets have keys of their own",
			xr:     "spec: {database: {postgres: {secretRef: {name: db}, keys: {host: .HOST, database: dbname, user: user_name, password: pass-word}}}}",
		},
		"ContentWithoutContentSize": {
			reason: "Without contentSize there is no content volume",
			xr:     "spec: {version: 0.29.0, database: {sqlite: {path: /data/content/a.db}}}",
			want:   refused("/data/content/a.db", volumes),
		},
		"ContentWithContentSize": {
			reason: "With contentSize there is a content volume",
			xr:     "spec: {version: 0.29.0, database: {sqlite: {path: /data/content/a.db}}, storage: {contentSize: 1Gi}}",
		},
		"BlockStoreWithContentSize": {
			reason: "The content volume has two mounts",
			xr:     "spec: {version: 0.29.0, database: {sqlite: {path: /data/store/block/a.db}}, storage: {contentSize: 1Gi}}",
		},
		"ElsewhereWithContentSize": {
			reason: "The error should name the volumes that there are",
			xr:     "spec: {version: 0.29.0, database: {sqlite: {path: /srv/a.db}}, storage: {contentSize: 1Gi}}",
			want:   refused("/srv/a.db", volumes+", /data/content, /data/store/block"),
		},
		"CacheOfAReleaseWithCache": {
			reason: "0.8 has a cache volume",
			xr:     "spec: {version: 0.8.0, database: {sqlite: {path: /data/cache/a.db}}}",
		},
		"CacheOfAReleaseWithoutCache": {
			reason: "0.9 has no cache volume",
			xr:     "spec: {version: 0.9.0, database: {sqlite: {path: /data/cache/a.db}}}",
			want:   refused("/data/cache/a.db", volumes),
		},
		"CacheWithoutVersion": {
			reason: "Without a version there is a cache volume, where the user says",
			xr:     "spec: {cache: {path: /fast}, database: {sqlite: {path: /fast/a.db}}}",
		},
		"DefaultCacheMoved": {
			reason: "A cache elsewhere leaves no volume at its default path",
			xr:     "spec: {cache: {path: /fast}, database: {sqlite: {path: /data/cache/a.db}}}",
			want:   refused("/data/cache/a.db", volumes+", /fast"),
		},
	}

	for _, path := range []string{"/data/controlplane/a.db", "/data/controlplane/deep/er/a.db", "/data/metadata/a.db", "/data/store/metadata/a.db", "/data/controlplane/..a"} {
		tests["Accepted/"+path] = testCase{reason: "A file on a volume should be accepted", xr: fmt.Sprintf("spec: {version: 0.29.0, database: {sqlite: {path: %q}}}", path)}
	}

	for _, path := range []string{
		"/data/controlplane",
		"/data/controlplane/",
		"/data/controlplane/../lost.db",
		"/data/controlplane/../../data/controlplane/a.db",
		"/data/controlplane/./a.db",
		"/data/controlplane//a.db",
		"/data/controlplane-lost/a.db",
		"/data/a.db",
		"/tmp/a.db",
		"/",
		"data/controlplane/a.db",
		"a.db",
		":memory:",
		"/data/controlplane/a.db\n",
		"/data/controlplane/a\x00.db",
		"file:/data/controlplane/a.db",
	} {
		tests["Refused/"+path] = testCase{
			reason: "What is no file on a volume should be refused, for it is lost with the pod",
			xr:     fmt.Sprintf("spec: {version: 0.29.0, database: {sqlite: {path: %q}}}", path),
			want:   refused(path, volumes),
		}
	}

	tests["PostgresWithoutSecretAndBadPath"] = testCase{
		reason: "Both errors of a half-written database should be told",
		xr:     "spec: {version: 0.29.0, database: {type: postgres, sqlite: {path: /tmp/a.db}}}",
		want:   append([]string{needs}, refused("/tmp/a.db", volumes)...),
	}

	tests.run(t)
}

func TestValidateSecrets(t *testing.T) {
	const (
		needsName   = ": Required value: name a Secret in the server's namespace"
		badUsername = "must not begin or end with whitespace, hold control characters, or be longer than 256 bytes"
	)

	errorTable{
		"NoJWTSecret": {
			reason: "The REST API cannot sign tokens without a Secret",
			xr:     "spec: {identity: null}",
			want:   []string{"spec.identity.jwt.secretRef.name" + needsName},
		},
		"BadJWTSecret": {
			reason: "A Secret is an object, and named like one",
			xr:     "spec: {identity: {jwt: {secretRef: {name: My_Secret, key: a/b}}}}",
			want: []string{
				`spec.identity.jwt.secretRef.name: Invalid value: "My_Secret": ` + notSubdomain,
				`spec.identity.jwt.secretRef.key: Invalid value: "a/b": ` + notDataKey,
			},
		},
		"JWTKey": {
			reason: "A key may be a file's name",
			xr:     "spec: {identity: {jwt: {secretRef: {name: a.b, key: _tls.KEY-1}}}}",
		},
		"NoAdminSecretName": {
			reason: "A reference names something",
			xr:     "spec: {identity: {admin: {passwordSecretRef: {key: hash}}}}",
			want:   []string{"spec.identity.admin.passwordSecretRef.name" + needsName},
		},
		"BadAdminSecret": {
			reason: "A Secret is an object, and named like one",
			xr:     "spec: {identity: {admin: {passwordSecretRef: {name: -a, key: ..}}}}",
			want: []string{
				`spec.identity.admin.passwordSecretRef.name: Invalid value: "-a": ` + notSubdomain,
				`spec.identity.admin.passwordSecretRef.key: Invalid value: "..": must not be '..'`,
			},
		},
		"Admin": {
			reason: "An administrator may have a password from a Secret",
			xr:     "spec: {identity: {admin: {username: root, passwordSecretRef: {name: admin}}}}",
		},
		"AdminWithSpace": {
			reason: "Nobody could log in by a name that ends with a space",
			xr:     "spec: {identity: {admin: {username: 'root '}}}",
			want:   []string{`spec.identity.admin.username: Invalid value: "root ": ` + badUsername},
		},
		"AdminWithBell": {
			reason: "A control character is a mistake",
			xr:     `spec: {identity: {admin: {username: "ro\aot"}}}`,
			want:   []string{`spec.identity.admin.username: Invalid value: "ro\aot": ` + badUsername},
		},
		"AdminLongest": {
			reason: "A name has up to 256 bytes",
			xr:     "spec: {identity: {admin: {username: " + strings.Repeat("a", 256) + "}}}",
		},
		"AdminTooLong": {
			reason: "A name has no more than 256 bytes",
			xr:     "spec: {identity: {admin: {username: " + strings.Repeat("a", 257) + "}}}",
			want:   []string{`spec.identity.admin.username: Invalid value: "` + strings.Repeat("a", 257) + `": ` + badUsername},
		},
		"AdminTooLongInBytes": {
			reason: "Bytes count, not characters",
			xr:     "spec: {identity: {admin: {username: " + strings.Repeat("é", 129) + "}}}",
			want:   []string{`spec.identity.admin.username: Invalid value: "` + strings.Repeat("é", 129) + `": ` + badUsername},
		},
	}.run(t)
}

func TestValidateDurations(t *testing.T) {
	tests := errorTable{}

	for path, patch := range map[string]string{
		"spec.shutdownTimeout":                   "{shutdownTimeout: %q}",
		"spec.identity.jwt.accessTokenDuration":  "{identity: {jwt: {accessTokenDuration: %q}}}",
		"spec.identity.jwt.refreshTokenDuration": "{identity: {jwt: {refreshTokenDuration: %q}}}",
	} {
		for _, d := range []string{"1ns", "30s", "1m30s", "168h", "1.5h"} {
			tests[path+"/"+d] = testCase{reason: "A Go duration should be accepted", xr: "spec: " + fmt.Sprintf(patch, d)}
		}

		for _, d := range []string{"0s", "0", "-1s", "7d", "30", "forever", " 30s"} {
			tests[path+"/"+d] = testCase{
				reason: "A duration that is none, not above zero or no Go duration should be refused",
				xr:     "spec: " + fmt.Sprintf(patch, d),
				want:   []string{fmt.Sprintf("%s: Invalid value: %q: %s", path, d, notDuration)},
			}
		}
	}

	tests.run(t)
}

func TestValidateStartupTimeout(t *testing.T) {
	tests := errorTable{}

	for _, d := range []string{"1s", "150s", "10m", "24h"} {
		tests[d] = testCase{reason: "A server may take so long", xr: "spec: {startupTimeout: " + d + "}"}
	}

	for _, d := range []string{"0s", "999ms", "-1s", "24h1ns", "1d", "150"} {
		tests[d] = testCase{
			reason: "Kubernetes would never start it, or wait for longer than its fields can say",
			xr:     fmt.Sprintf("spec: {startupTimeout: %q}", d),
			want:   []string{fmt.Sprintf("spec.startupTimeout: Invalid value: %q: must be a Go duration of 1s to 24h, such as 10m", d)},
		}
	}

	tests.run(t)
}

func TestValidateCache(t *testing.T) {
	const (
		notSize = "must be a size such as 1Gi or 1GB"
		notUnit = "must have one of the units B, K, Ki, M, Mi, G, Gi, T and Ti, with or without a B"
	)

	tests := errorTable{
		"Both": {
			reason: "Path and size are judged on their own",
			xr:     "spec: {cache: {path: cache, size: big}}",
			want: []string{
				`spec.cache.size: Invalid value: "big": ` + notSize,
				`spec.cache.path: Invalid value: "cache": must be an absolute, clean path`,
			},
		},
		"ReleaseWithoutCache": {
			reason: "A cache that a release does not have is judged all the same",
			xr:     "spec: {version: 0.29.0, cache: {path: /etc, size: big}}",
			want: []string{
				`spec.cache.size: Invalid value: "big": ` + notSize,
				`spec.cache.path: Invalid value: "/etc": must not overlap /etc`,
			},
		},
	}

	for size, message := range map[string]string{
		"lots": notSize, "-1Gi": notSize, "1 GB": notSize, "1e9": notSize, "1Ei": notUnit, "1Pi": notUnit,
		"0": "must be at least one byte", "0GB": "must be at least one byte", "9223372036854775808": "must fit 63 bits",
	} {
		tests["Size/"+size] = testCase{
			reason: "What DittoFS does not take for a size should be refused",
			xr:     fmt.Sprintf("spec: {cache: {size: %q}}", size),
			want:   []string{fmt.Sprintf("spec.cache.size: Invalid value: %q: %s", size, message)},
		}
	}

	for _, size := range []string{"1", "1Gi", "1GB", "1GiB", "1g", "1.5Gi", "512MB", "1Ti"} {
		tests["Size/"+size] = testCase{reason: "DittoFS' and Kubernetes' spellings should be accepted", xr: fmt.Sprintf("spec: {cache: {size: %q}}", size)}
	}

	for _, path := range []string{"data/cache", "cache", "/data/cache/", "/data//cache", "/data/x/../cache", "/./cache", "/"} {
		tests["Path/"+path] = testCase{
			reason: "A mount needs one spelling",
			xr:     fmt.Sprintf("spec: {cache: {path: %q}}", path),
			want:   []string{fmt.Sprintf("spec.cache.path: Invalid value: %q: must be an absolute, clean path", path)},
		}
	}

	for _, path := range []string{"/cache\n", "/ca\tche", "/cache\x7f", "/cache\u0085"} {
		tests["Path/"+path] = testCase{
			reason: "Nothing in a path should be invisible",
			xr:     fmt.Sprintf("spec: {cache: {path: %q}}", path),
			want:   []string{fmt.Sprintf("spec.cache.path: Invalid value: %q: must be an absolute, clean path", path)},
		}
	}

	for _, path := range []string{"/cache:ro", "/srv:/cache", "/:"} {
		tests["Colon/"+path] = testCase{
			reason: "Kubernetes takes no mountPath with a colon",
			xr:     fmt.Sprintf("spec: {cache: {path: %q}}", path),
			want:   []string{fmt.Sprintf("spec.cache.path: Invalid value: %q: must not contain ':': Kubernetes does not mount such a path", path)},
		}
	}

	// A path, and the directory that it overlaps first.
	overlaps := map[string]string{
		"/data":                 "/data/metadata",
		"/data/store":           "/data/store/metadata",
		"/data/cache/x":         "/data/cache",
		"/data/metadata":        "/data/metadata",
		"/data/store/metadata":  "/data/store/metadata",
		"/data/content":         "/data/content",
		"/data/store/block":     "/data/store/block",
		"/data/store/block/x":   "/data/store/block",
		"/data/content/cache":   "/data/content",
		"/usr/local/share/data": "/usr",
	}
	for _, dir := range []string{"/app", "/bin", "/dev", "/etc", "/lib", "/proc", "/sbin", "/sys", "/usr", "/tmp", "/config", "/data/controlplane", "/data/metadata"} {
		overlaps[dir] = dir
		overlaps[dir+"/cache"] = dir
	}

	for path, dir := range overlaps {
		for _, version := range []string{"0.8.0", "0.29.0"} {
			tests[fmt.Sprintf("Overlap/%s/%s", version, path)] = testCase{
				reason: "A cache should neither hide another directory nor lie in one",
				xr:     fmt.Sprintf("spec: {version: %s, cache: {path: %s}}", version, path),
				want:   []string{fmt.Sprintf("spec.cache.path: Invalid value: %q: must not overlap %s", path, dir)},
			}
		}
	}

	for _, path := range []string{"/data/cache", "/cache", "/data/cache2", "/data/met", "/data/metadata2", "/tmpfs", "/dat", "/data/store/cache", "/srv/fast/cache"} {
		tests["Accepted/"+path] = testCase{reason: "A directory of its own should be accepted", xr: fmt.Sprintf("spec: {cache: {path: %s}}", path)}
	}

	tests.run(t)
}

func TestValidateLogOutput(t *testing.T) {
	const volumes = "/data/controlplane, /data/metadata, /data/store/metadata"

	const touches = "must be neither the database, nor a file that SQLite keeps beside it (-journal, -shm, -wal), nor above or below it"

	refused := func(path, volumes string) []string {
		return []string{fmt.Sprintf("spec.logging.output: Invalid value: %q: must be stdout, stderr or a file on a volume, below one of %s, /tmp", path, volumes)}
	}

	tests := errorTable{
		"LevelAndFormat": {
			reason: "Every error of the log should be told, also where it goes to a stream",
			xr:     "spec: {logging: {level: LOUD, format: xml, output: stderr}}",
			want: []string{
				`spec.logging.level: Unsupported value: "LOUD": supported values: "DEBUG", "INFO", "WARN", "ERROR"`,
				`spec.logging.format: Unsupported value: "xml": supported values: "text", "json"`,
			},
		},
		"ContentWithoutContentSize": {
			reason: "Without contentSize there is no content volume",
			xr:     "spec: {version: 0.29.0, logging: {output: /data/content/log}}",
			want:   refused("/data/content/log", volumes),
		},
		"ContentWithContentSize": {
			reason: "With contentSize there is a content volume",
			xr:     "spec: {logging: {output: /data/content/log}, storage: {contentSize: 1Gi}}",
		},
		"ControlCharacter": {
			reason: "Nothing in a path should be invisible",
			xr:     `spec: {version: 0.29.0, logging: {output: "/tmp/log\n"}}`,
			want:   refused("/tmp/log\n", volumes),
		},
		"Colon": {
			reason: "A file's name may have a colon",
			xr:     `spec: {logging: {output: "/tmp/a:b"}}`,
		},
		"Database": {
			reason: "The log would destroy the database",
			xr:     "spec: {logging: {output: /data/metadata/files.db}, database: {sqlite: {path: /data/metadata/files.db}}}",
			want:   []string{`spec.logging.output: Invalid value: "/data/metadata/files.db": ` + touches},
		},
		"DefaultDatabase": {
			reason: "The log would destroy the database, also where its path is the default",
			xr:     "spec: {logging: {output: /data/controlplane/controlplane.db}}",
			want:   []string{`spec.logging.output: Invalid value: "/data/controlplane/controlplane.db": ` + touches},
		},
		"DatabaseThroughTheOtherMount": {
			reason: "A volume is mounted twice, and one file of it has two paths",
			xr:     "spec: {logging: {output: /data/store/metadata/files.db}, database: {sqlite: {path: /data/metadata/files.db}}}",
			want:   []string{`spec.logging.output: Invalid value: "/data/store/metadata/files.db": ` + touches},
		},
		"BesideTheDatabase": {
			reason: "Another file in the directory of the database is the log's to have",
			xr:     "spec: {logging: {output: /data/metadata/files.log}, database: {sqlite: {path: /data/metadata/files.db}}}",
		},
		"DatabaseWithPostgres": {
			reason: "With PostgreSQL the path is no database's",
			xr:     "spec: {logging: {output: /data/metadata/files.db}, database: {type: postgres, sqlite: {path: /data/metadata/files.db}, postgres: {secretRef: {name: files-db}}}}",
		},
		"CacheOfAReleaseWithCache": {
			reason: "0.8 has a cache volume, which the error should name",
			xr:     "spec: {version: 0.8.0, logging: {output: /var/log/dittofs}}",
			want:   refused("/var/log/dittofs", volumes+", /data/cache"),
		},
		"CacheOfAReleaseWithoutCache": {
			reason: "0.9 has no cache volume",
			xr:     "spec: {version: 0.9.0, logging: {output: /data/cache/log}}",
			want:   refused("/data/cache/log", volumes),
		},
	}

	for _, output := range []string{"stdout", "stderr", "/tmp/log", "/tmp/a/b", "/data/controlplane/log", "/data/metadata/log", "/data/store/metadata/log"} {
		tests["Accepted/"+output] = testCase{reason: "A stream or a file on a volume should be accepted", xr: fmt.Sprintf("spec: {version: 0.29.0, logging: {output: %s}}", output)}
	}

	for _, output := range []string{"Stdout", "log", "/log", "/tmp", "/tmp/", "/tmp/../log", "/data/controlplane", "/data/controlplane/../log", "/data/metadata/", "/tmpfs/log", "/"} {
		tests["Refused/"+output] = testCase{
			reason: "The server cannot write elsewhere",
			xr:     fmt.Sprintf("spec: {version: 0.29.0, logging: {output: %s}}", output),
			want:   refused(output, volumes),
		}
	}

	tests.run(t)
}

func TestValidateTelemetry(t *testing.T) {
	const (
		notHostPort = "must be host:port with a DNS name or an IP address"
		notNumber   = "must be host:port with a port number"
	)

	tests := errorTable{
		"Both": {
			reason: "Telemetry is judged whether it is enabled or not",
			xr:     "spec: {telemetry: {sampleRate: 2, endpoint: collector}}",
			want: []string{
				"spec.telemetry.sampleRate: Invalid value: 2: must be between 0 and 1",
				`spec.telemetry.endpoint: Invalid value: "collector": ` + notHostPort,
			},
		},
	}

	for _, rate := range []string{"0", "0.5", "1"} {
		tests["SampleRate/"+rate] = testCase{reason: "A share should be accepted", xr: fmt.Sprintf("spec: {telemetry: {sampleRate: %s}}", rate)}
	}

	for _, rate := range []string{"-0.1", "1.1"} {
		tests["SampleRate/"+rate] = testCase{
			reason: "What is no share should be refused",
			xr:     fmt.Sprintf("spec: {telemetry: {sampleRate: %s}}", rate),
			want:   []string{fmt.Sprintf("spec.telemetry.sampleRate: Invalid value: %s: must be between 0 and 1", rate)},
		}
	}

	for _, endpoint := range []string{"collector:4317", "otel.monitoring.svc.cluster.local.:4317", "OTel.example.org:4317", "10.0.0.1:1", "[::1]:65535"} {
		tests["Endpoint/"+endpoint] = testCase{reason: "A host and a port should be accepted", xr: fmt.Sprintf("spec: {telemetry: {endpoint: %q}}", endpoint)}
	}

	for endpoint, message := range map[string]string{
		"collector":             notHostPort,
		":4317":                 notHostPort,
		"::1:4317":              notHostPort,
		"http://collector:4317": notHostPort,
		"my collector:4317":     notHostPort,
		"collector/v1:4317":     notHostPort,
		"collector_1:4317":      notHostPort,
		".:4317":                notHostPort,
		"user@collector:4317":   notHostPort,
		"[collector/::1]:4317":  notHostPort,
		"collector:otlp":        notNumber,
		"collector:":            notNumber,
		"collector:+4317":       notNumber,
		"collector:-1":          notNumber,
		"collector:4317 ":       notNumber,
		"collector:0x10":        notNumber,
		"collector:99999999999": notNumber,
		"collector:0":           notPort,
		"collector:65536":       notPort,
	} {
		tests["Endpoint/"+endpoint] = testCase{
			reason: "What is no host and port should be refused",
			xr:     fmt.Sprintf("spec: {telemetry: {endpoint: %q}}", endpoint),
			want:   []string{fmt.Sprintf("spec.telemetry.endpoint: Invalid value: %q: %s", endpoint, message)},
		}
	}

	tests.run(t)
}

func TestValidateStorage(t *testing.T) {
	tests := errorTable{
		"EmptyClass": {
			reason: "An empty class is a value: no dynamic provisioning",
			xr:     `spec: {storage: {storageClassName: ""}}`,
		},
		"Class": {
			reason: "A storage class is an object, and its name may have dots",
			xr:     "spec: {storage: {storageClassName: fast.example.org}}",
		},
		"BadClass": {
			reason: "A storage class is an object, and named like one",
			xr:     "spec: {storage: {storageClassName: Fast_SSD}}",
			want:   []string{`spec.storage.storageClassName: Invalid value: "Fast_SSD": ` + notSubdomain},
		},
		"EmptySizes": {
			reason: "An empty size is none, and has its default",
			xr:     `spec: {storage: {controlPlaneSize: "", contentSize: ""}}`,
		},
		"All": {
			reason: "Each bad size should be named",
			xr:     "spec: {storage: {controlPlaneSize: a, metadataSize: b, contentSize: c, cacheSize: d}}",
			want: []string{
				`spec.storage.controlPlaneSize: Invalid value: "a": ` + notQuantity,
				`spec.storage.metadataSize: Invalid value: "b": ` + notQuantity,
				`spec.storage.contentSize: Invalid value: "c": ` + notQuantity,
				`spec.storage.cacheSize: Invalid value: "d": ` + notQuantity,
			},
		},
	}

	for _, name := range []string{"controlPlaneSize", "metadataSize", "contentSize", "cacheSize"} {
		for _, size := range []string{"1", "500M", "10Gi", "1.5Ti", "1e9"} {
			tests[name+"/"+size] = testCase{reason: "A quantity should be accepted", xr: fmt.Sprintf("spec: {storage: {%s: %q}}", name, size)}
		}

		for _, size := range []string{"0", "0Gi", "-1Gi", "10GB", "ten", "10 Gi", "1e-999999999", "1E999999999999"} {
			tests[name+"/"+size] = testCase{
				reason: "What is no quantity above zero should be refused",
				xr:     fmt.Sprintf("spec: {storage: {%s: %q}}", name, size),
				want:   []string{fmt.Sprintf("spec.storage.%s: Invalid value: %q: %s", name, size, notQuantity)},
			}
		}
	}

	tests.run(t)
}

// A config.yaml that is too large is an error of the field that has most of it.
func TestCheckConfig(t *testing.T) {
	cases := map[string]struct {
		reason string
		spec   v1alpha1.DittoServerSpec
		size   int
		want   []string
	}{
		"Small": {
			reason: "64 KiB fit",
			spec:   v1alpha1.DittoServerSpec{Logging: v1alpha1.Logging{Output: "/tmp/log"}},
			size:   64 * 1024,
		},
		"Output": {
			reason: "The longest field is the one to shorten",
			spec: v1alpha1.DittoServerSpec{
				Logging:  v1alpha1.Logging{Output: "/tmp/" + strings.Repeat("a", 300)},
				Database: v1alpha1.Database{SQLite: v1alpha1.SQLite{Path: "/data/metadata/" + strings.Repeat("a", 200)}},
			},
			size: 64*1024 + 1,
			want: []string{"spec.logging.output: Too long: config.yaml would have 65537 bytes: it may not be more than 65536"},
		},
		"Username": {
			reason: "Any field of config.yaml may be the longest",
			spec:   v1alpha1.DittoServerSpec{Identity: v1alpha1.Identity{Admin: v1alpha1.Admin{Username: strings.Repeat("a", 100)}}},
			size:   70000,
			want:   []string{"spec.identity.admin.username: Too long: config.yaml would have 70000 bytes: it may not be more than 65536"},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.spec.Default()

			var got []string
			for _, err := range (&DittoServer{Spec: tc.spec}).CheckConfig(make([]byte, tc.size)) {
				got = append(got, err.Error())
			}

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nCheckConfig(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
