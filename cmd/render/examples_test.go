package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	k8slabels "k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

// examples are the objects of all files below example/, by file.
type examples map[string][]*unstructured.Unstructured

// readExamples reads every file below example/, so that tests see all of them.
func readExamples(t *testing.T) examples {
	t.Helper()

	ex := examples{}
	dir := os.DirFS(filepath.Join(root, "example"))

	err := fs.WalkDir(dir, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || file == "README.md" {
			return err
		}

		if filepath.Ext(file) != ".yaml" {
			t.Errorf("example/%s: nothing tests a file of this kind", file)
		}

		b, err := fs.ReadFile(dir, file)
		if err != nil {
			return err
		}

		for doc := range strings.SplitSeq(string(b), "\n---\n") {
			u := &unstructured.Unstructured{}
			if err := yaml.UnmarshalStrict([]byte(doc), &u.Object); err != nil {
				t.Errorf("example/%s: %v", file, err)
			}

			ex[file] = append(ex[file], u)
		}

		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	return ex
}

// A rendering is what a golden file is made of.
type rendering struct{ xr, composition string }

// isServer reports whether an object is one that a DittoServer's XRD defines.
func isServer(u *unstructured.Unstructured) bool {
	return slices.Contains([]string{"DittoServer", "XDittoServer"}, u.GetKind())
}

// flavourOf returns the flavour of an example, by its folder.
func flavourOf(file string) string {
	if filepath.Dir(file) == claims {
		return claims
	}

	return namespaced
}

// renders pairs every composite resource with the Composition that it names, and every
// other Composition with the composite resource that has every field.
func (ex examples) renders(t *testing.T) map[string]rendering {
	t.Helper()

	path := func(file string) string { return filepath.Join(root, "example", file) }
	compositions := map[string]string{}

	for file, objects := range ex {
		if objects[0].GetKind() == "Composition" {
			compositions[objects[0].GetName()] = file
		}
	}

	renders := map[string]rendering{}

	for file, objects := range ex {
		// Users write claims, and Crossplane makes the composite resource.
		if !isServer(objects[0]) || flavourOf(file) == claims && objects[0].GetKind() == "DittoServer" {
			continue
		}

		r := rendering{xr: path(file), composition: path("composition.yaml")}
		if flavourOf(file) == claims {
			r.composition = configuration(claims, "composition.yaml")
		}

		if name, _, _ := unstructured.NestedString(objects[0].Object, "spec", "crossplane", "compositionRef", "name"); name != "" {
			if compositions[name] == "" {
				t.Fatalf("example/%s: there is no example of a Composition %s", file, name)
			}

			r.composition = path(compositions[name])
		}

		renders[file] = r
	}

	for _, file := range compositions {
		if !slices.ContainsFunc(slices.Collect(maps.Values(renders)), func(r rendering) bool { return r.composition == path(file) }) {
			renders[file] = rendering{xr: path("full.yaml"), composition: path(file)}
		}
	}

	return renders
}

// TestExamples holds every object of every example against its schema: the XRD, the
// CustomResourceDefinition of another project, or a type of Kubernetes.
func TestExamples(t *testing.T) {
	// Names by schemas, and the objects as a YAML text.
	names, docs := map[string][]string{}, map[string]string{}

	for file, objects := range readExamples(t) {
		for _, u := range objects {
			schemas := binary(t, "SCHEMAS") + "," + filepath.Join(root, "package", "input")

			if isServer(u) {
				schemas = configuration(flavourOf(file), "definition.yaml")
				// They all have the same.
				u.SetName(strings.NewReplacer("/", "-", ".yaml", "").Replace(file))

				if len(objects) > 1 {
					t.Errorf("example/%s: Crossplane renders a file with one composite resource only", file)
				}
			}

			doc, err := yaml.Marshal(u)
			if err != nil {
				t.Fatal(err)
			}

			if into := kubernetesType(u); into == nil {
				names[schemas] = append(names[schemas], u.GetName())
				docs[schemas] += "---\n" + string(doc)
			} else if err := yaml.UnmarshalStrict(doc, into); err != nil {
				t.Errorf("example/%s: %s %s: %v", file, u.GetKind(), u.GetName(), err)
			}
		}
	}

	for schemas := range docs {
		results := validate(t, schemas, docs[schemas])

		for _, name := range names[schemas] {
			if _, ok := results[name]; !ok {
				t.Errorf("%s was not validated", name)
			}
		}

		for name, errs := range results {
			for _, err := range errs {
				t.Errorf("%s: %s", name, err)
			}
		}
	}
}

// TestComposedKinds holds what is composed of other projects' kinds against their own schemas: nothing
// else would tell a field of another name.
func TestComposedKinds(t *testing.T) {
	full, err := os.ReadFile(filepath.Join(root, "example", "full.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	var docs []string

	kinds := map[string]bool{}

	// With and without what every field has: a Gateway must not look into mutual TLS.
	for _, mutual := range []bool{true, false} {
		xr := protostructtest.FromYAML(t, string(full))
		if !mutual {
			protostruct.Set(xr, nil, "spec", "api", "tls", "clientCASecretRef")
		}

		s, errs := composite.Decode(xr, nil)
		if len(errs) > 0 {
			t.Fatal(errs)
		}

		pod, err := manifest.Pod(s, manifest.PodInputs{})
		if err != nil {
			t.Fatal(err)
		}

		built, err := manifest.Build(s, manifest.Inputs{Pod: pod})
		if err != nil {
			t.Fatal(err)
		}

		for row := range manifest.Rows() {
			if row.CRD == "" || built[row.Name] == nil {
				continue
			}

			u := &unstructured.Unstructured{Object: built[row.Name].AsMap()}
			u.SetName(strings.ToLower(row.Kind.Kind))
			kinds[u.GetName()] = true

			doc, err := yaml.Marshal(u)
			if err != nil {
				t.Fatal(err)
			}

			docs = append(docs, string(doc))
		}
	}

	results := validate(t, binary(t, "SCHEMAS"), strings.Join(docs, "---\n"))

	for row := range manifest.Rows() {
		name := strings.ToLower(row.Kind.Kind)

		switch errs, ok := results[name]; {
		case row.CRD == "":
		case !kinds[name] || !ok:
			t.Errorf("example/full.yaml has no %s, or the kind has no schema", row.Kind.Kind)
		case len(errs) > 0:
			t.Errorf("%s: %q", row.Kind.Kind, errs)
		}
	}
}

// TestIndex checks that example/README.md names every example.
func TestIndex(t *testing.T) {
	index, err := os.ReadFile(filepath.Join(root, "example", "README.md"))
	if err != nil {
		t.Fatal(err)
	}

	for file := range readExamples(t) {
		if !strings.Contains(string(index), "]("+file+")") {
			t.Errorf("example/README.md does not link to %s", file)
		}
	}
}

// kubernetesType is the Go type of Kubernetes' own kinds in the examples.
func kubernetesType(u *unstructured.Unstructured) any {
	switch u.GetAPIVersion() + "/" + u.GetKind() {
	case "v1/ConfigMap":
		return &corev1.ConfigMap{}
	case "v1/PersistentVolume":
		return &corev1.PersistentVolume{}
	case "v1/PersistentVolumeClaim":
		return &corev1.PersistentVolumeClaim{}
	case "v1/Pod":
		return &corev1.Pod{}
	case "v1/Secret":
		return &corev1.Secret{}
	case "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy":
		return &admissionv1.ValidatingAdmissionPolicy{}
	case "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicyBinding":
		return &admissionv1.ValidatingAdmissionPolicyBinding{}
	case "networking.k8s.io/v1/Ingress":
		return &networkingv1.Ingress{}
	case "policy/v1/PodDisruptionBudget":
		return &policyv1.PodDisruptionBudget{}
	case "rbac.authorization.k8s.io/v1/ClusterRole":
		return &rbacv1.ClusterRole{}
	case "rbac.authorization.k8s.io/v1/ClusterRoleBinding":
		return &rbacv1.ClusterRoleBinding{}
	default:
		return nil
	}
}

// TestServiceMonitor shows that the example scrapes a server's metrics, once.
func TestServiceMonitor(t *testing.T) {
	monitor := readExamples(t)["prometheus.yaml"][0]
	labels, _, _ := unstructured.NestedStringMap(monitor.Object, "spec", "selector", "matchLabels")
	endpoints, _, _ := unstructured.NestedSlice(monitor.Object, "spec", "endpoints")

	b, err := os.ReadFile(filepath.Join("testdata", "golden", "metrics-smb.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	var scraped []string

	for doc := range strings.SplitSeq(string(b), "\n---\n") {
		object := struct {
			Spec struct {
				ForProvider struct {
					Manifest corev1.Service `json:"manifest"`
				} `json:"forProvider"`
			} `json:"spec"`
		}{}
		// Manifests of other kinds may fail to decode as a Service.
		if err := yaml.Unmarshal([]byte(doc), &object); err != nil || object.Spec.ForProvider.Manifest.Kind != "Service" {
			continue
		}

		service := object.Spec.ForProvider.Manifest
		if !k8slabels.SelectorFromSet(labels).Matches(k8slabels.Set(service.Labels)) {
			continue
		}

		for _, p := range service.Spec.Ports {
			for _, e := range endpoints {
				if e.(map[string]any)["port"] == p.Name {
					scraped = append(scraped, service.Name)
				}
			}
		}
	}

	if diff := cmp.Diff([]string{"files-metrics"}, scraped); diff != "" {
		t.Errorf("Services that are scraped: -want, +got:\n%s", diff)
	}
}

// TestExternalSecrets shows that the example makes the Secrets that xr.yaml names.
func TestExternalSecrets(t *testing.T) {
	ex := readExamples(t)
	got := map[string]string{}

	for _, u := range ex["external-secrets.yaml"] {
		name, _, _ := unstructured.NestedString(u.Object, "spec", "target", "name")
		data, _, _ := unstructured.NestedSlice(u.Object, "spec", "data")

		for _, d := range data {
			got[u.GetNamespace()+"/"+name] = d.(map[string]any)["secretKey"].(string)
		}
	}

	want := map[string]string{}

	for _, u := range ex["secrets.yaml"] {
		data, _, _ := unstructured.NestedStringMap(u.Object, "data")
		for key := range data {
			// The others are other examples'.
			if slices.Contains([]string{"files-admin", "files-jwt"}, u.GetName()) {
				want[u.GetNamespace()+"/"+u.GetName()] = key
			}
		}
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys of Secrets: -want, +got:\n%s", diff)
	}
}
