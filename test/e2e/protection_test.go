package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Crossplane refuses to delete a DittoServer, and its namespace, while the Usages of the example name
// them, and lets them go once the Usages are gone. The server runs on meanwhile.
func TestProtectedServerIsNotDeleted(t *testing.T) {
	t.Parallel()
	needsNode(t)

	s := newServer(t, withContent)
	pod := s.waitRunning(t)

	objects, err := example("protection.yaml")
	if err != nil {
		t.Fatal(err)
	}

	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}

	for _, u := range objects {
		switch u.GetKind() {
		case "Usage":
			u.SetNamespace(s.namespace)
		case "ClusterUsage":
			u.SetName(s.namespace)

			if err := unstructured.SetNestedField(u.Object, s.namespace, "spec", "of", "resourceRef", "name"); err != nil {
				t.Fatal(err)
			}
		}

		if err := cluster.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(u), user, client.ForceOwnership); err != nil {
			t.Fatal(err)
		}

		if u.GetKind() != "ClusterRole" {
			t.Cleanup(func() { _ = cluster.Delete(context.Background(), u) })
		}
	}

	for _, o := range []client.Object{s.object(), namespace} {
		eventually(t, "deletion is refused of "+o.GetName(), func(ctx context.Context) error {
			err := cluster.Delete(ctx, o, client.DryRunAll)
			if err == nil || !strings.Contains(err.Error(), "in-use by 1 usage(s)") {
				return fmt.Errorf("want a refusal, got %w", err)
			}

			return nil
		})
	}

	s.throughoutCalls(t, "the server runs on", s.samePod(pod))

	for _, u := range objects {
		if u.GetKind() == "ClusterRole" {
			continue
		}

		if err := cluster.Delete(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}

	for _, o := range []client.Object{s.object(), namespace} {
		eventually(t, "deletion is allowed of "+o.GetName(), func(ctx context.Context) error {
			return cluster.Delete(ctx, o, client.DryRunAll)
		})
	}
}

// The events of a DittoServer tell once what it waits for, in the words of the conditions.
func TestEventsTellWhatAServerWaitsFor(t *testing.T) {
	t.Parallel()

	s := newNamespace(t)
	s.apply(t, "identity: {jwt: {secretRef: {name: missing}}}\n"+withContent)

	var told string

	eventually(t, "an event names the Secret", func(ctx context.Context) error {
		var err error
		if told, err = tool(ctx, "kubectl", "--namespace="+s.namespace, "describe", "dittoservers.dittofs.io", s.name); err != nil {
			return err
		}

		_, events, _ := strings.Cut(told, "\nEvents:")
		if !strings.Contains(events, "Warning") || !strings.Contains(events, "missing") {
			return errors.New("no such event")
		}

		return nil
	})

	_, events, _ := strings.Cut(told, "\nEvents:")
	t.Logf("events:%s", events)
}

// A null in a spec is not stored, as the docs say, also within objects. A server-side apply of
// it is refused.
func TestNullIsLeftOut(t *testing.T) {
	t.Parallel()

	s := newNamespace(t)
	u := s.object()
	u.Object["spec"] = tested.spec(map[string]any{
		"nfsPort":            nil,
		"podSecurityContext": map[string]any{"runAsUser": nil, "runAsNonRoot": true},
		"identity":           map[string]any{"jwt": map[string]any{"secretRef": map[string]any{"name": "jwt"}}, "admin": nil},
	})

	err := cluster.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(u.DeepCopy()), user, client.DryRunAll)
	if err == nil || !strings.Contains(err.Error(), `must be of type integer: "null"`) {
		t.Errorf("server-side apply: want a refusal, got %v", err)
	}

	if err := cluster.Create(t.Context(), u, client.DryRunAll); err != nil {
		t.Fatal(err)
	}

	for _, path := range [][]string{{"spec", "nfsPort"}, {"spec", "podSecurityContext", "runAsUser"}, {"spec", "identity", "admin"}} {
		if v, ok, _ := unstructured.NestedFieldNoCopy(u.Object, path...); ok {
			t.Errorf("%s is %v", strings.Join(path, "."), v)
		}
	}

	if v, _, _ := unstructured.NestedBool(u.Object, "spec", "podSecurityContext", "runAsNonRoot"); !v {
		t.Error("what is beside it is gone")
	}
}

// A server that breaks a policy which came later keeps running, with all that it has, and gets a
// warning.
func TestTighterPolicyLeavesTheServerRunning(t *testing.T) {
	t.Parallel()

	const open = "\nnetworkPolicy: {ingress: {file: [{namespaceSelector: {}}], api: []}}\n"

	name := compositionWith(t, "ttl: 5s")
	s := newServer(t, withComposition(name)+open)
	pod := s.waitRunning(t)

	s.newRevision(t, name, "{policy: {networkPolicy: {ingressNamespaces: []}}}")
	eventually(t, "it is told", s.refused("spec.networkPolicy.ingress.file[0].namespaceSelector: Forbidden: the platform's policy does not allow"))
	s.throughoutCalls(t, "it runs on", s.samePod(pod))

	s.apply(t, withComposition(name)+strings.Replace(open, "namespaceSelector", "podSelector", 1))
	eventually(t, "what fits goes through", all(s.condition("SpecValid=True"), s.says("Applied=True/Applied"), s.samePod(pod)))
}
