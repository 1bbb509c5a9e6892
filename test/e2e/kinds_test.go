package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/test/pki"
)

// crd returns a CustomResourceDefinition of a module that the examples are held against.
func crd(t *testing.T, module, path string) *unstructured.Unstructured {
	t.Helper()

	download := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module)
	download.Dir = filepath.Join("..", "tools", "schemas")
	// Of the tests' own module.
	download.Env = append(os.Environ(), "GOFLAGS=")

	out, err := download.Output()
	if err != nil {
		t.Fatalf("cannot find %s: %v\n%s", module, err, out)
	}

	var found struct{ Dir string }
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatal(err)
	}

	content, err := os.ReadFile(filepath.Join(found.Dir, path))
	if err != nil {
		t.Fatal(err)
	}

	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(content, &u.Object); err != nil {
		t.Fatal(err)
	}

	return u
}

// installKind installs a CustomResourceDefinition until the test ends.
func installKind(t *testing.T, u *unstructured.Unstructured) {
	t.Helper()

	// A copy, since the answer has more than was asked for.
	if err := cluster.Create(t.Context(), u.DeepCopy()); client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _ = cluster.Delete(context.Background(), u) })
}

// removeKind removes a CustomResourceDefinition with all objects of its kind, and waits until it is gone.
func removeKind(t *testing.T, u *unstructured.Unstructured) {
	t.Helper()

	if err := cluster.Delete(t.Context(), u); err != nil {
		t.Fatal(err)
	}

	eventually(t, u.GetName()+" is gone", func(ctx context.Context) error {
		if err := cluster.Get(ctx, client.ObjectKeyFromObject(u), u.DeepCopy()); !apierrors.IsNotFound(err) {
			return errors.Join(errors.New("it is there"), err)
		}

		return nil
	})
}

// hasObject returns a check of whether the server's namespace has an object.
func (s *server) hasObject(kind schema.GroupVersionKind, name string, want bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(kind)

		switch err := cluster.Get(ctx, s.key(name), u); {
		case err == nil && !want:
			return fmt.Errorf("%s %s is there", kind.Kind, name)
		case want, !apierrors.IsNotFound(err) && !meta.IsNoMatchError(err):
			return err
		}

		return nil
	}
}

// A server whose kind is missing gets everything else, and says what is missing. The object comes
// with the kind, and neither keeps the server from going once the kind is gone.
func TestServiceMonitorFollowsItsKind(t *testing.T) {
	t.Parallel()

	kind := schema.GroupVersionKind{Group: "monitoring.coreos.com", Version: "v1", Kind: "ServiceMonitor"}
	definition := crd(t, "github.com/prometheus-operator/prometheus-operator", "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml")

	s := newNamespace(t)
	with := func(monitor, composition string) string {
		return withContent + costs + "metrics: {enabled: true" + monitor + "}\ncrossplane: {compositionRef: {name: " + composition + "}}\n"
	}

	const monitor = ", serviceMonitor: {enabled: true, interval: 30s}"

	offered := compositionWith(t, "{ttl: 5s, kinds: {ServiceMonitor: Discover}}")
	off, on := with("", offered), with(monitor, offered)
	withdrawn := with(monitor, compositionWith(t, "ttl: 5s"))

	s.apply(t, on)
	pod := s.waitRunning(t)
	eventually(t, "the missing kind is told, and nothing else fails", all(s.condition("Warnings=True/HasWarnings"), s.condition("Applied=True"), s.condition("Ready=True")))

	installKind(t, definition)
	// Of the tenants' objects each needs a label, those of kinds that come later, too.
	s.wantsLabelOf(t, kind, "servicemonitors", "{endpoints: [], selector: {}}")
	eventually(t, "the ServiceMonitor comes with its kind", all(s.hasObject(kind, "files", true), s.condition("Warnings=False"), s.condition("Applied=True"), s.condition("Ready=True")))

	s.apply(t, off)
	eventually(t, "the ServiceMonitor goes", all(s.hasObject(kind, "files", false), s.condition("Applied=True"), s.condition("Ready=True")))

	s.apply(t, on)
	eventually(t, "the ServiceMonitor is back", all(s.hasObject(kind, "files", true), s.condition("Applied=True"), s.condition("Ready=True"), s.samePod(pod)))

	s.withdraw(t, withdrawn, kind, "files")
	removeKind(t, definition)
	eventually(t, "the kind that is gone is told, and nothing else fails", all(s.condition("Warnings=True/HasWarnings"), s.condition("Applied=True"), s.condition("Ready=True"), s.samePod(pod)))

	s.apply(t, on+"podDisruptionBudget: {enabled: true}\n")
	eventually(t, "the rest of an edit goes through", s.hasObject(schema.GroupVersionKind{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"}, "files", true))

	installKind(t, definition)
	eventually(t, "the ServiceMonitor is back with its kind", all(s.hasObject(kind, "files", true), s.condition("Warnings=False"), s.condition("Applied=True"), s.condition("Ready=True"), s.samePod(pod)))

	// The server goes after its kind, once the provider may let the Object go.
	s.withdraw(t, withdrawn, kind, "files")
	removeKind(t, definition)
	eventually(t, "the kind that is gone is told", s.condition("Warnings=True/HasWarnings"))
	s.remove(t, patience)
}

// wantsLabelOf does what wantsLabel does for a kind of a CustomResourceDefinition, of which an offence has this spec.
func (s *server) wantsLabelOf(t *testing.T, kind schema.GroupVersionKind, resource, spec string) {
	t.Helper()

	offence := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte("spec: "+spec), &offence.Object); err != nil {
		t.Fatal(err)
	}

	offence.SetGroupVersionKind(kind)
	s.wantsLabel(t, offence, kind.Group, resource)
}

// withdraw applies the server under a Composition that does not name a kind, before somebody removes that.
// Natively Crossplane itself would wait for what it composed before. With Objects nobody needs to.
func (s *server) withdraw(t *testing.T, spec string, kind schema.GroupVersionKind, name string) {
	t.Helper()

	if !tested.native() {
		return
	}

	s.apply(t, spec)
	eventually(t, "nothing is of the kind", all(s.hasObject(kind, name, false), s.condition("Applied=True"), s.condition("Ready=True")))
}

// The route of the API follows how it is served, and the status has the Gateway's answer. A server is
// Ready whatever that is, and goes though its kinds went.
func TestRouteFollowsHowTheAPIIsServed(t *testing.T) {
	t.Parallel()

	const crds = "config/crd/standard/gateway.networking.k8s.io_"

	kind := func(name string) schema.GroupVersionKind {
		return schema.GroupVersionKind{Group: "gateway.networking.k8s.io", Version: "v1", Kind: name}
	}
	definitions := []*unstructured.Unstructured{
		crd(t, "sigs.k8s.io/gateway-api", crds+"httproutes.yaml"),
		crd(t, "sigs.k8s.io/gateway-api", crds+"backendtlspolicies.yaml"),
		crd(t, "sigs.k8s.io/gateway-api", crds+"tlsroutes.yaml"),
	}

	s := newNamespace(t)
	authority := pki.Authority(t)
	s.applySecret(t, "tls", pairSecret(s.issue(t, authority, "api")))
	s.applySecret(t, "clients", map[string]string{"ca.crt": string(authority.Certificate)})

	const gateway = "route: {parentRefs: [{name: shared, namespace: gateways}]}"

	composition := compositionWith(t, "{ttl: 5s, kinds: {HTTPRoute: Discover, BackendTLSPolicy: Discover, TLSRoute: Discover}, "+gateway+"}")
	with := func(api string) string {
		return withContent + costs + "crossplane: {compositionRef: {name: " + composition + "}}\napi: {" + api + "}\n"
	}

	const route = "route: {hostnames: [files.example.org]}"

	s.apply(t, with(route))
	pod := s.waitRunning(t)
	eventually(t, "the missing kind is told, and nothing else fails", all(s.condition("Warnings=True/HasWarnings"), s.condition("Applied=True"), s.condition("Ready=True")))

	for _, d := range definitions {
		installKind(t, d)
	}

	s.wantsLabelOf(t, kind("HTTPRoute"), "httproutes", "{}")
	s.wantsLabelOf(t, kind("TLSRoute"), "tlsroutes", "{hostnames: [a], rules: [{backendRefs: [{name: a, port: 1}]}]}")
	s.wantsLabelOf(t, kind("BackendTLSPolicy"), "backendtlspolicies", "{targetRefs: [{group: '', kind: Service, name: a}], validation: {hostname: a, wellKnownCACertificates: System}}")
	eventually(t, "there is a route", all(s.hasObject(kind("HTTPRoute"), "files-api", true), s.condition("Warnings=False"), s.condition("Applied=True"), s.condition("Ready=True")))
	eventually(t, "nobody answered", s.routeAnswer("gateways/shared Unknown Unknown Pending"))

	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(kind("HTTPRoute"))

	if err := cluster.Get(t.Context(), s.key("files-api"), live); err != nil {
		t.Fatal(err)
	}

	// As the Gateway's controller does.
	answer := []byte(`{"status": {"parents": [{"controllerName": "example.org/gateway", "parentRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "shared", "namespace": "gateways"}, "conditions": [
		{"type": "Accepted", "status": "False", "reason": "NotAllowedByListeners", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"},
		{"type": "ResolvedRefs", "status": "True", "reason": "ResolvedRefs", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}]}}`)
	if err := cluster.Status().Patch(t.Context(), live, client.RawPatch(types.MergePatchType, answer)); err != nil {
		t.Fatal(err)
	}

	eventually(t, "the Gateway's answer is told, and the server is ready", all(s.routeAnswer("gateways/shared False True NotAllowedByListeners"), s.condition("Ready=True"), s.samePod(pod)))

	s.apply(t, with("tls: {secretRef: {name: tls}}, "+route))
	eventually(t, "the Gateway is to speak TLS, too", all(s.hasObject(kind("HTTPRoute"), "files-api", true), s.hasObject(kind("BackendTLSPolicy"), "files-api", true), s.condition("Applied=True"), s.condition("Ready=True")))

	s.apply(t, with("tls: {secretRef: {name: tls}, clientCASecretRef: {name: clients}}, "+route))
	eventually(t, "connections are passed through", all(s.hasObject(kind("HTTPRoute"), "files-api", false), s.hasObject(kind("BackendTLSPolicy"), "files-api", false),
		s.hasObject(kind("TLSRoute"), "files-api", true), s.condition("Applied=True"), s.condition("Ready=True")))

	// An Object whose kind goes while the provider deletes it stays.
	eventually(t, "the Objects of the other kinds are gone", s.noneIsLeaving)

	composition = compositionWith(t, "{ttl: 5s, "+gateway+"}")
	s.withdraw(t, with("tls: {secretRef: {name: tls}, clientCASecretRef: {name: clients}}, "+route), kind("TLSRoute"), "files-api")

	for _, d := range definitions {
		removeKind(t, d)
	}

	s.remove(t, patience)
}

// noneIsLeaving returns an error while a composed resource is being deleted.
func (s *server) noneIsLeaving(ctx context.Context) error {
	objects, err := s.composed(ctx)
	if err != nil {
		return err
	}

	for _, o := range objects {
		if o.GetDeletionTimestamp() != nil {
			return fmt.Errorf("%s %s is being deleted", o.GetKind(), o.GetName())
		}
	}

	return nil
}

// routeAnswer returns a check of the one answer in the status.
func (s *server) routeAnswer(want string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		xr, err := s.get(ctx)
		if err != nil {
			return err
		}

		var got string
		for _, r := range xr.Status.Route {
			got += fmt.Sprintf("%s %s %s %s", r.Gateway, r.Accepted, r.ResolvedRefs, r.Reason)
		}

		if got != want {
			return fmt.Errorf("status.route: want %q, got %q", want, got)
		}

		return nil
	}
}
