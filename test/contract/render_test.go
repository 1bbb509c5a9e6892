package contract

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/types/known/structpb"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/secret"
)

// version of the server, of the module that go.mod requires.
const version = dittofs.Newest

// What the example Secrets hold.
const (
	exampleJWT      = "example-example-example-example-example"
	examplePassword = "example-password"
)

// A key of a Secret.
type key struct{ secret, key string }

var (
	keyJWT      = key{"files-jwt", "jwt-secret"}
	keyPassword = key{"files-admin", "password"}
)

// An ask is what a test asks the function for.
type ask struct {
	// spec is added to that of example/xr.yaml. A nil value removes a field.
	spec map[string]any

	// secrets replace values of the example Secrets.
	secrets map[key]string

	// hash hands the administrator's password to the server as a hash, though the
	// function refuses it.
	hash bool
}

// A rendering is what the function makes of an ask.
type rendering struct {
	config  string
	pod     corev1.PodTemplateSpec
	srv     *composite.DittoServer
	metrics *corev1.Service

	// data of the ConfigMap.
	data map[string]string

	// secrets as the function judges them, and as Kubernetes has them.
	secrets secret.Secrets
	values  map[key]string
}

// render does what the function does, step by step.
func render(t *testing.T, a ask) rendering {
	t.Helper()

	srv, errs := composite.Decode(exampleWith(t, a.spec), nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}

	required, values := secrets(t, srv, a.secrets)

	resolved, err := secret.Resolve(srv, required, false, time.Time{})
	if err != nil {
		t.Fatal(err)
	}

	r := rendering{srv: srv, secrets: resolved, values: values}

	text, err := dittofs.Config(srv.Settings(), srv.Release)
	if err != nil {
		t.Fatal(err)
	}

	pod, err := manifest.Pod(srv, manifest.PodInputs{
		Config:              text,
		AdminPasswordIsHash: r.secrets.AdminPasswordIsHash || a.hash,
		Image:               "example.org/dittofs:" + version,
	})
	if err != nil {
		t.Fatal(err)
	}

	manifests, err := manifest.Build(srv, manifest.Inputs{Config: text, Pod: pod})
	if err != nil {
		t.Fatal(err)
	}

	r.config = manifest.Config(manifests[manifest.ConfigMap])

	cm := &corev1.ConfigMap{}
	convert(t, manifests[manifest.ConfigMap], cm)
	r.data = cm.Data

	sts := &appsv1.StatefulSet{}
	convert(t, manifests[manifest.StatefulSet], sts)
	r.pod = sts.Spec.Template

	if svc := manifests[manifest.ServiceMetrics]; svc != nil {
		r.metrics = &corev1.Service{}
		convert(t, svc, r.metrics)
	}

	return r
}

// container returns the server's container.
func (r *rendering) container(t *testing.T) corev1.Container {
	t.Helper()

	for _, c := range r.pod.Spec.Containers {
		if c.Name == v1alpha1.Container {
			return c
		}
	}

	t.Fatal("the pod has no server")

	return corev1.Container{}
}

// environment returns the container's environment as Kubernetes makes it.
func (r *rendering) environment(t *testing.T) map[string]string {
	t.Helper()

	env := map[string]string{}

	for _, e := range r.container(t).Env {
		if e.ValueFrom == nil {
			env[e.Name] = e.Value
			continue
		}

		if ref := e.ValueFrom.ConfigMapKeyRef; ref != nil {
			value, ok := r.data[ref.Key]
			if !ok {
				t.Fatalf("%s: there is no key %s in the ConfigMap", e.Name, ref.Key)
			}

			env[e.Name] = value

			continue
		}

		ref := e.ValueFrom.SecretKeyRef
		value, ok := r.values[key{ref.Name, ref.Key}]

		switch {
		case ok:
			env[e.Name] = value
		case ref.Optional == nil || !*ref.Optional:
			t.Fatalf("%s: there is no key %s in Secret %s", e.Name, ref.Key, ref.Name)
		}
	}

	return env
}

// port returns the number of a container port.
func (r *rendering) port(t *testing.T, name string) int32 {
	t.Helper()

	for _, p := range r.container(t).Ports {
		if p.Name == name {
			return p.ContainerPort
		}
	}

	t.Fatalf("the server's container has no port %s", name)

	return 0
}

// exampleWith returns example/xr.yaml with another spec.
func exampleWith(t *testing.T, add map[string]any) *structpb.Struct {
	t.Helper()

	xr := map[string]any{}
	if err := yaml.Unmarshal(example(t, "xr.yaml"), &xr); err != nil {
		t.Fatal(err)
	}

	merge(xr["spec"].(map[string]any), add)

	b, err := json.Marshal(xr)
	if err != nil {
		t.Fatal(err)
	}

	s := &structpb.Struct{}
	if err := s.UnmarshalJSON(b); err != nil {
		t.Fatal(err)
	}

	return s
}

// merge adds to an object what another one has. A nil value removes a field.
func merge(into, add map[string]any) {
	for name, value := range add {
		there, isObject := into[name].(map[string]any)
		object, addsObject := value.(map[string]any)

		switch {
		case value == nil:
			delete(into, name)
		case isObject && addsObject:
			merge(there, object)
		default:
			into[name] = value
		}
	}
}

// secrets returns the example Secrets that a server requires, as Crossplane hands
// them to the function and as pods see them.
func secrets(t *testing.T, srv *composite.DittoServer, replace map[key]string) (map[string]*fnv1.Resources, map[key]string) {
	t.Helper()

	objects := map[string]*structpb.Struct{}
	values := map[key]string{}

	for doc := range bytes.SplitSeq(example(t, "secrets.yaml"), []byte("\n---\n")) {
		s := &corev1.Secret{}
		if err := yaml.UnmarshalStrict(doc, s); err != nil {
			t.Fatal(err)
		}

		for name := range s.Data {
			k := key{s.Name, name}
			if value, ok := replace[k]; ok {
				s.Data[name] = []byte(value)
			}

			values[k] = string(s.Data[name])
		}

		objects[s.Name] = &structpb.Struct{}
		convert(t, s, objects[s.Name])
	}

	for k := range replace {
		if _, ok := values[k]; !ok {
			t.Fatalf("example/secrets.yaml has no Secret %s with key %s", k.secret, k.key)
		}
	}

	required := map[string]*fnv1.Resources{}
	for name, selector := range secret.Requirements(srv) {
		required[name] = &fnv1.Resources{Items: []*fnv1.Resource{{Resource: objects[selector.GetMatchName()]}}}
	}

	return required, values
}

// example reads a file of the examples.
func example(t *testing.T, name string) []byte {
	t.Helper()

	b, err := os.ReadFile(filepath.Join(root, "example", name))
	if err != nil {
		t.Fatal(err)
	}

	return b
}

// convert copies an object by way of JSON.
func convert(t *testing.T, from, into any) {
	t.Helper()

	b, err := json.Marshal(from)
	if err != nil {
		t.Fatal(err)
	}

	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}
