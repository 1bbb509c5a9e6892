package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/test/function"
	"github.com/dittofs/function-dittoserver/test/golden"
)

var update = flag.Bool("update", false, "write the golden files anew")

// root of the repository.
const root = "../.."

// binary returns the path of a program that "make unit" builds, or skips the test.
func binary(t *testing.T, env string) string {
	t.Helper()

	b := os.Getenv(env)
	if b == "" {
		t.Skipf("%s is not set: run make unit", env)
	}

	return b
}

// Flavours of the API: a namespaced composite resource, or a claim.
const (
	namespaced = "namespaced"
	claims     = "claims"
)

// configuration is a file of a flavour's package.
func configuration(flavour, file string) string {
	return filepath.Join(root, "configuration", flavour, file)
}

// TestGolden renders each example with the real Crossplane. A changed byte below
// spec.forProvider.manifest restarts or changes every server there is.
func TestGolden(t *testing.T) {
	c := &CLI{Crossplane: binary(t, "CROSSPLANE"), Core: binary(t, "CORE")}

	address, stop, err := function.Start(t.Context(), binary(t, "FUNCTION"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)

	ex := readExamples(t)

	for name, r := range ex.renders(t) {
		t.Run(name, func(t *testing.T) {
			c := *c
			c.XR, c.Composition = r.xr, r.composition
			c.Functions = filepath.Join(root, "example/functions.yaml")
			c.Secrets = filepath.Join(root, "example/secrets.yaml")

			got, err := c.render(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}

			golden.Compare(t, filepath.Join("testdata", "golden", name), got, *update)
		})
	}

	noneLeft(t, ex.renders(t))
}

// TestList shows that Secrets may be a list, as kubectl prints them.
func TestList(t *testing.T) {
	c := &CLI{Crossplane: binary(t, "CROSSPLANE"), Core: binary(t, "CORE")}

	address, stop, err := function.Start(t.Context(), binary(t, "FUNCTION"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)

	b, err := os.ReadFile(filepath.Join(root, "example/secrets.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	var items []any

	for d := range bytes.SplitSeq(b, []byte("\n---\n")) {
		item := map[string]any{}
		if err := yaml.Unmarshal(d, &item); err != nil {
			t.Fatal(err)
		}

		items = append(items, item)
	}

	list, err := yaml.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	if err != nil {
		t.Fatal(err)
	}

	c.Secrets = filepath.Join(t.TempDir(), "secrets.yaml")
	if err := os.WriteFile(c.Secrets, list, 0o600); err != nil {
		t.Fatal(err)
	}

	c.XR, c.Composition = filepath.Join(root, "example/xr.yaml"), configuration(namespaced, "composition.yaml")
	c.Functions = filepath.Join(root, "example/functions.yaml")

	got, err := c.render(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}

	golden.Compare(t, filepath.Join("testdata", "golden", "xr.yaml"), got, false)
}

// noneLeft checks that every golden file is of an example.
func noneLeft(t *testing.T, renders map[string]rendering) {
	t.Helper()

	files := os.DirFS(filepath.Join("testdata", "golden"))

	err := fs.WalkDir(files, ".", func(file string, d fs.DirEntry, err error) error {
		if _, ok := renders[file]; !ok && err == nil && !d.IsDir() {
			t.Errorf("testdata/golden/%s: there is no such example", file)
		}

		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFatal shows that a DittoServer which cannot be composed is an error of make
// render that names every field.
func TestFatal(t *testing.T) {
	xr := filepath.Join(t.TempDir(), "xr.yaml")
	if err := os.WriteFile(xr, []byte(`
apiVersion: dittofs.io/v1alpha1
kind: DittoServer
metadata: {name: files, namespace: storage}
spec: {nfsPort: 70000, colour: blue}
`), 0o600); err != nil {
		t.Fatal(err)
	}

	c := &CLI{
		Function:    binary(t, "FUNCTION"),
		Crossplane:  binary(t, "CROSSPLANE"),
		Core:        binary(t, "CORE"),
		XR:          xr,
		Composition: configuration(namespaced, "composition.yaml"),
		Functions:   filepath.Join(root, "example/functions.yaml"),
		Secrets:     filepath.Join(root, "example/secrets.yaml"),
	}

	out := &bytes.Buffer{}

	err := c.run(t.Context(), out, &bytes.Buffer{})
	if err == nil {
		t.Fatal("run(...): want an error, got none")
	}

	for _, want := range []string{"spec.nfsPort", "spec.colour", "spec.identity.jwt.secretRef.name"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("run(...): want an error with %q, got: %v", want, err)
		}
	}
}

// TestFull shows that example/full.yaml has every field of a DittoServer.
func TestFull(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "example/full.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	xr := map[string]any{}
	if err := yaml.Unmarshal(b, &xr); err != nil {
		t.Fatal(err)
	}

	for _, missing := range missingFields(reflect.TypeFor[v1alpha1.DittoServerSpec](), xr["spec"], "spec") {
		t.Errorf("example/full.yaml has no %s", missing)
	}
}

// missingFields returns the fields of this API's own types that a value does not have.
func missingFields(t reflect.Type, v any, path string) []string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}

	if t.Kind() != reflect.Struct || !strings.Contains(t.PkgPath(), "function-dittoserver") {
		return nil
	}

	var missing []string

	m, _ := v.(map[string]any)

	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		// A field that only the other Service has, or that another field excludes.
		if slices.Contains([]string{"spec.service.api.loadBalancerClass", "spec.service.api.loadBalancerSourceRanges", "spec.identity.kerberos.machineAccount.passwordSecretRef"}, path+"."+name) {
			continue
		}

		if e, ok := m[name]; ok {
			missing = append(missing, missingFields(f.Type, e, path+"."+name)...)
		} else {
			missing = append(missing, path+"."+name)
		}
	}

	return missing
}

// validation is what "crossplane resource validate -o json" prints.
type validation struct {
	Resources []struct {
		Kind   string `json:"kind"`
		Name   string `json:"name"`
		Status string `json:"status"`
		Errors []struct {
			Field   string `json:"field"`
			Message string `json:"message"`
		} `json:"errors"`
	} `json:"resources"`
}

// TestValidate shows which DittoServers the XRD refuses, before the function ever
// sees them.
func TestValidate(t *testing.T) {
	jwt := map[string]any{"jwt": map[string]any{"secretRef": map[string]any{"name": "files-jwt"}}}

	cases := map[string]struct {
		reason string
		name   string
		spec   string
		want   []string
	}{
		"minimal": {
			reason: "Nothing but a reference to the JWT Secret is required.",
			spec:   "{}",
		},
		"ports-in-both-sets": {
			reason: "A Service port may be the number of an adapter's container port.",
			spec:   "{nfsPort: 12049, smb: {enabled: true, port: 1445}}",
		},
		"disabled-ports": {
			reason: "A port that is not enabled may have any number.",
			spec:   "{smb: {port: 2049}, metrics: {port: 2049}}",
		},
		"nfs-and-api": {
			reason: "The defaults count.",
			spec:   "{nfsPort: 8080}",
			want:   []string{"nfsPort and apiPort must differ"},
		},
		"smb-and-nfs": {
			reason: "Both are on the file Service.",
			spec:   "{smb: {enabled: true, port: 2049}}",
			want:   []string{"smb.port must differ from nfsPort and apiPort"},
		},
		"smb-and-api": {
			reason: "Service ports are one set.",
			spec:   "{smb: {enabled: true}, apiPort: 445}",
			want:   []string{"smb.port must differ from nfsPort and apiPort"},
		},
		"metrics-and-nfs": {
			reason: "Service ports are one set.",
			spec:   "{metrics: {enabled: true}, nfsPort: 9090}",
			want:   []string{"metrics.port must differ from nfsPort and apiPort"},
		},
		"metrics-and-api": {
			reason: "Service ports are one set, and so are container ports.",
			spec:   "{metrics: {enabled: true, port: 8080}}",
			want:   []string{"metrics.port must differ from nfsPort and apiPort"},
		},
		"metrics-and-smb": {
			reason: "Service ports are one set.",
			spec:   "{metrics: {enabled: true, port: 445}, smb: {enabled: true}}",
			want:   []string{"metrics.port and smb.port must differ"},
		},
		"adapters": {
			reason: "The server listens on both.",
			spec:   "{adapterPorts: {smb: 12049}}",
			want:   []string{"adapterPorts.nfs and adapterPorts.smb must differ"},
		},
		"api-and-nfs-adapter": {
			reason: "The server listens on both.",
			spec:   "{apiPort: 12049}",
			want:   []string{"apiPort must differ from adapterPorts.nfs and adapterPorts.smb: the server listens on all of them"},
		},
		"api-and-smb-adapter": {
			reason: "The server listens for SMB whether a Service shows it or not.",
			spec:   "{apiPort: 1445}",
			want:   []string{"apiPort must differ from adapterPorts.nfs and adapterPorts.smb: the server listens on all of them"},
		},
		"metrics-and-nfs-adapter": {
			reason: "The server listens on both.",
			spec:   "{metrics: {enabled: true}, adapterPorts: {nfs: 9090}}",
			want:   []string{"metrics.port must differ from adapterPorts.nfs and adapterPorts.smb: the server listens on all of them"},
		},
		"metrics-and-smb-adapter": {
			reason: "The server listens on both.",
			spec:   "{metrics: {enabled: true, port: 1445}}",
			want:   []string{"metrics.port must differ from adapterPorts.nfs and adapterPorts.smb: the server listens on all of them"},
		},
		"replicas": {
			reason: "Two servers cannot share a volume.",
			spec:   "{replicas: 2}",
			want:   []string{"should be less than or equal to 1"},
		},
		"no-identity": {
			reason: "The JWT Secret is required.",
			spec:   "{identity: null}",
			want:   []string{"must be of type object"},
		},
		"no-secret-name": {
			reason: "The JWT Secret is required.",
			spec:   "{identity: {jwt: {secretRef: {}}}}",
			want:   []string{"Required value"},
		},
		"empty-secret-name": {
			reason: "The JWT Secret is required.",
			spec:   `{identity: {jwt: {secretRef: {name: ""}}}}`,
			want:   []string{"should be at least 1 chars long"},
		},
		"postgres-without-secret": {
			reason: "PostgreSQL needs its Secret.",
			spec:   "{database: {postgres: {}}}",
			want:   []string{"Required value"},
		},
		"postgres-type-without-secret": {
			reason: "PostgreSQL needs its Secret.",
			spec:   "{database: {type: postgres}}",
			want:   []string{"the type postgres needs postgres.secretRef"},
		},
		"grace-period": {
			reason: "The preStop hook needs its time.",
			spec:   "{terminationGracePeriodSeconds: 4}",
			want:   []string{"should be greater than or equal to 5"},
		},
		"service-type": {
			reason: "An ExternalName has no endpoints.",
			spec:   "{service: {type: ExternalName}}",
			want:   []string{"Unsupported value"},
		},
		"fifty-two-characters": {
			reason: "A StatefulSet's pods have room for it in their labels.",
			name:   strings.Repeat("a", 52),
			spec:   "{}",
		},
		"fifty-three-characters": {
			reason: "A StatefulSet's pods have no room for it in their labels.",
			name:   strings.Repeat("a", 53),
			spec:   "{}",
			want:   []string{"may not be more than 52"},
		},
	}

	var docs []string

	for name, tc := range cases {
		spec := map[string]any{"identity": jwt}
		if err := yaml.Unmarshal([]byte(tc.spec), &spec); err != nil {
			t.Fatal(err)
		}

		xr, err := yaml.Marshal(map[string]any{
			"apiVersion": v1alpha1.Group + "/" + v1alpha1.Version,
			"kind":       "DittoServer",
			"metadata":   map[string]any{"name": nameOf(name, tc.name), "namespace": "storage"},
			"spec":       spec,
		})
		if err != nil {
			t.Fatal(err)
		}

		docs = append(docs, string(xr))
	}

	results := validate(t, configuration(namespaced, "definition.yaml"), strings.Join(docs, "---\n"))

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, ok := results[nameOf(name, tc.name)]
			if !ok {
				t.Fatalf("%s\nvalidate(...): says nothing of it", tc.reason)
			}

			if len(got) != len(tc.want) {
				t.Fatalf("%s\nvalidate(...): want %d errors, got: %q", tc.reason, len(tc.want), got)
			}

			for i := range tc.want {
				if !strings.Contains(got[i], tc.want[i]) {
					t.Errorf("%s\nvalidate(...): want %q, got: %q", tc.reason, tc.want[i], got[i])
				}
			}
		})
	}
}

func nameOf(tc, name string) string {
	if name != "" {
		return name
	}

	return tc
}

// validate returns the errors of each resource in a YAML text, as the schemas in files
// have it.
func validate(t *testing.T, schemas, resources string) map[string][]string {
	t.Helper()

	cmd := exec.CommandContext(t.Context(), binary(t, "CROSSPLANE"), "resource", "validate", "--crossplane-image=", "--output=json", schemas, "-")
	cmd.Stdin = strings.NewReader(resources)
	// It ends with an error if a resource is invalid.
	out, _ := cmd.Output()

	v := &validation{}
	if err := json.Unmarshal(out, v); err != nil {
		t.Fatalf("cannot parse: %v\n%s", err, out)
	}

	errs := map[string][]string{}

	for _, r := range v.Resources {
		// Objects of other kinds may have the same name.
		errs[r.Name] = slices.Grow(errs[r.Name], len(r.Errors))
		for _, e := range r.Errors {
			errs[r.Name] = append(errs[r.Name], r.Kind+": "+e.Message)
		}

		if len(r.Errors) == 0 && r.Status != "valid" {
			errs[r.Name] = append(errs[r.Name], r.Kind+": "+r.Status)
		}
	}

	return errs
}
