package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
)

// compositionWith is another Composition of the DittoServer, like the one that is
// installed but with this input (YAML). A DittoServer must name it to get it.
func compositionWith(t *testing.T, input string) string {
	t.Helper()

	other := &unstructured.Unstructured{}
	other.SetGenerateName("e2e-")

	if err := createComposition(t.Context(), other, input); err != nil {
		t.Fatal(err)
	}

	// Even after a failure: others may be about to choose among Compositions.
	t.Cleanup(func() { _ = cluster.Delete(context.Background(), other) })

	return other.GetName()
}

// createComposition completes and creates one that has a name.
func createComposition(ctx context.Context, c *unstructured.Unstructured, input string) error {
	c.SetAPIVersion("apiextensions.crossplane.io/v1")
	c.SetKind("Composition")

	installed := c.DeepCopy()
	if err := cluster.Get(ctx, types.NamespacedName{Name: tested.composition}, installed); err != nil {
		return err
	}

	pipeline, _, err := unstructured.NestedSlice(installed.Object, "spec", "pipeline")
	if err != nil {
		return err
	}

	// Of the flavour's own input, what is not said stays.
	fields := map[string]any{}
	if own, ok := pipeline[0].(map[string]any)["input"].(map[string]any); ok {
		fields = own
	}

	if err := yaml.Unmarshal([]byte(input), &fields); err != nil {
		return err
	}

	fields["apiVersion"], fields["kind"] = "dittoserver.fn.crossplane.io/v1beta1", "Input"
	pipeline[0].(map[string]any)["input"] = fields

	c.Object["spec"] = installed.Object["spec"]
	if err := unstructured.SetNestedSlice(c.Object, pipeline, "spec", "pipeline"); err != nil {
		return err
	}

	return cluster.Create(ctx, c)
}

// nothingComposed returns no error as long as the function composed nothing.
func (s *server) nothingComposed(ctx context.Context) error {
	objects, err := s.composed(ctx)
	if err != nil {
		return err
	}

	sets, services, pods := &appsv1.StatefulSetList{}, &corev1.ServiceList{}, &corev1.PodList{}
	if err := errors.Join(
		cluster.List(ctx, sets, client.InNamespace(s.namespace)),
		cluster.List(ctx, services, client.InNamespace(s.namespace)),
		cluster.List(ctx, pods, client.InNamespace(s.namespace)),
	); err != nil {
		return err
	}

	if len(objects)+len(sets.Items)+len(services.Items)+len(pods.Items) > 0 {
		return fmt.Errorf("there are %d composed resources, %d StatefulSets, %d Services, %d pods", len(objects), len(sets.Items), len(services.Items), len(pods.Items))
	}

	return nil
}

// refused returns no error once the spec is refused for each of these reasons. A claim is
// synced all the same, with its composite resource.
func (s *server) refused(reasons ...string) func(ctx context.Context) error {
	invalid := s.says("SpecValid=False/Invalid", reasons...)
	if tested.claims {
		return invalid
	}

	return all(invalid, s.says("Synced=False/ReconcileError", reasons...))
}

// expectRefused checks that the spec is refused for each of these reasons, and nothing is
// composed.
func (s *server) expectRefused(t *testing.T, reasons ...string) {
	t.Helper()

	refused := s.refused(reasons...)

	eventually(t, "the spec is refused", refused)
	s.throughoutCalls(t, "nothing is composed", s.nothingComposed)
	eventually(t, "the spec is still refused", refused)
}

// A platform can leave config.yaml to the fields that there are.
func TestConfigIsForbiddenByPolicy(t *testing.T) {
	t.Parallel()

	s := newNamespace(t)
	forbids := "crossplane: {compositionRef: {name: " + compositionWith(t, "{policy: {config: Forbid}}") + "}}\n"

	s.apply(t, withContent+forbids+"config: {gc: {auto_interval: 1h}}\n")
	s.expectRefused(t, "spec.config.gc: Forbidden: the platform's policy does not allow")
}

// Somebody who may create a DittoServer must not get more from the provider's rights than a pod
// of the restricted standard.
func TestPrivilegedContainerIsRefused(t *testing.T) {
	t.Parallel()

	s := newServer(t, withContent+`
securityContext: {privileged: true}
podSecurityContext: {seccompProfile: {type: Unconfined}}
`)

	s.expectRefused(t,
		"spec.securityContext: Forbidden: the platform's policy asks for the Pod Security Standard restricted: privileged",
		"spec.podSecurityContext: Forbidden: the platform's policy asks for the Pod Security Standard restricted: seccompProfile")

	s.apply(t, withContent)
	s.waitRunning(t)

	if err := s.nothingComposed(t.Context()); err == nil {
		t.Error("a running server looks like nothing")
	}
}

// Where the platform team allows the images of one repository only, others do not run.
// A policy that is tightened later tells of a server that breaks it, and stops none.
func TestForeignImageIsRefused(t *testing.T) {
	t.Parallel()

	policed := compositionWith(t, `policy: {images: [marmos91c/dittofs]}`)
	chosen := withContent + fmt.Sprintf("crossplane: {compositionRef: {name: %s}}\n", policed)

	s := newServer(t, chosen+"image: registry.example.org/dittofs:v0.29.0\n")
	s.expectRefused(t, `spec.image: Forbidden: the platform's policy does not allow "registry.example.org/dittofs:v0.29.0", only ["marmos91c/dittofs"] (policy.images)`)

	s.apply(t, chosen)
	pod := s.waitRunning(t)

	stricter := compositionWith(t, `policy: {images: [registry.example.org]}`)
	s.apply(t, strings.Replace(chosen, policed, stricter, 1))
	eventually(t, "the stricter policy is reported", s.says("SpecValid=False/Invalid", "spec.image: Forbidden"))
	s.throughoutCalls(t, "the server runs on", s.samePod(pod))
}

// With the admission policy of the examples nobody has a server composed by another Composition
// than the platform's, or by an older revision of it. Servers that were there before can be
// annotated and deleted.
func TestAdmissionPolicyBindsTheComposition(t *testing.T) {
	t.Parallel()

	if tested != flavours["namespaced"] {
		t.Skip("the policy is for fields of namespaced DittoServers, composed as Objects")
	}

	var objects []*unstructured.Unstructured

	for _, file := range []string{"operate/composition.yaml", "operate/admission-policy.yaml"} {
		of, err := example(file)
		if err != nil {
			t.Fatal(err)
		}

		objects = append(objects, of...)
	}

	// After the servers, whose deletion the policy must let pass, and even after a failure:
	// their names are for one test.
	t.Cleanup(func() {
		for _, u := range objects {
			_ = cluster.Delete(context.Background(), u)
		}
	})

	before := newServer(t, withContent)
	before.waitComposed(t, "")

	for _, u := range objects {
		// Others go on without it.
		if u.GetKind() == "ValidatingAdmissionPolicyBinding" {
			here := map[string]any{"matchLabels": map[string]any{corev1.LabelMetadataName: before.namespace}}
			if err := unstructured.SetNestedMap(u.Object, here, "spec", "matchResources", "namespaceSelector"); err != nil {
				t.Fatal(err)
			}
		}

		if err := cluster.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(u), user, client.ForceOwnership); err != nil {
			t.Fatal(err)
		}
	}

	const (
		named = "crossplane: {compositionRef: {name: platform.dittoservers.dittofs.io}"

		other = "name the Composition of the platform"
		older = "its newest revision composes"
	)

	s := &server{name: "platform", namespace: before.namespace}
	refused := func(s *server, fields, message string) func(context.Context) error {
		return func(ctx context.Context) error {
			err := s.tryApply(ctx, withContent+fields, client.DryRunAll)
			if err == nil || !strings.Contains(err.Error(), message) {
				return fmt.Errorf("%s: want an error with %q, got %w", fields, message, err)
			}

			return nil
		}
	}

	eventually(t, "the policy is in force", refused(before, "logging: {level: DEBUG}\n", other))

	for fields, message := range map[string]string{
		"crossplane: {}\n": other,
		"crossplane: {compositionRef: {name: dittoservers.dittofs.io}}\n": other,
		named + ", compositionUpdatePolicy: Manual}\n":                    older,
		named + ", compositionRevisionSelector: {matchLabels: {a: b}}}\n": older,
		named + ", compositionSelector: {matchLabels: {a: b}}}\n":         older,
	} {
		if err := refused(s, fields, message)(t.Context()); err != nil {
			t.Error(err)
		}
	}

	before.patch(t, `metadata: {annotations: {example.org/note: annotated}}`)

	// Crossplane chooses for what is there, and creates nothing that others could choose.
	crossplane := clientAs(t, "system:serviceaccount:crossplane-system:crossplane")
	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"logging":{"level":"DEBUG"}}}`))

	if err := crossplane.Patch(t.Context(), before.object(), patch, client.DryRunAll); err != nil {
		t.Errorf("Crossplane writes into the spec: %v", err)
	}

	composed := s.object()
	composed.Object["spec"] = map[string]any{"identity": map[string]any{"jwt": map[string]any{"secretRef": map[string]any{"name": "jwt"}}}}

	if err := crossplane.Create(t.Context(), composed, client.DryRunAll); err == nil || !strings.Contains(err.Error(), other) {
		t.Errorf("Crossplane creates a DittoServer: want an error with %q, got %v", other, err)
	}

	if err := clientAs(t, "system:serviceaccount:elsewhere:crossplane").Patch(t.Context(), before.object(), patch, client.DryRunAll); err == nil {
		t.Error("somebody else writes into the spec: want an error")
	}

	// The platform's examples pass both.
	s.applySecret(t, "files-jwt", map[string]string{"jwt-secret": jwtKey})
	s.applySecret(t, "files-admin", map[string]string{"password": adminPassword})

	var example struct {
		Spec map[string]any `json:"spec"`
	}

	if b, err := os.ReadFile(filepath.Join("..", "..", "example", "policed.yaml")); err != nil {
		t.Fatal(err)
	} else if err := yaml.Unmarshal(b, &example); err != nil {
		t.Fatal(err)
	}

	spec, err := yaml.Marshal(example.Spec)
	if err != nil {
		t.Fatal(err)
	}

	s.apply(t, string(spec))
	t.Cleanup(func() { s.remove(t, patience) })
	s.waitComposed(t, "")
}

// A change that is held keeps a pod template which the policy forbids by now. The policy breaks no server that runs,
// and the condition Warnings names it. Stopped, the server starts only with what the policy allows.
func TestHeldPodTemplatePastAPolicy(t *testing.T) {
	t.Parallel()

	with := func(composition, more string) string {
		return withContent + "rollout: Manual\ncrossplane: {compositionRef: {name: " + composition + "}}\n" + more
	}

	const forbidden = "podAnnotations: {example.org/order: a}\n"

	s := newServer(t, with(compositionWith(t, "ttl: 5s"), forbidden))
	pod := s.waitRunning(t)

	closed := compositionWith(t, "{ttl: 5s, policy: {pods: {annotations: []}}}")
	told := s.says("Warnings=True/Forbidden", "spec.podAnnotations[example.org/order]: Forbidden", "(policy.pods.annotations)")

	s.apply(t, with(closed, ""))
	eventually(t, "what is held is named", all(told, s.condition("SpecValid=True"), s.condition("ConfigRolledOut=False/ApprovalRequired")))
	s.throughoutCalls(t, "the server runs on", s.samePod(pod))

	s.apply(t, with(closed, "replicas: 0\n"))
	eventually(t, "the server stops", s.inPhase(v1alpha1.PhaseStopped))

	s.apply(t, with(closed, ""))
	eventually(t, "the spec is seen", s.specSeen)
	s.throughoutCalls(t, "the server stays stopped", all(told, s.inPhase(v1alpha1.PhaseStopped)))

	s.approve(t, s.waitHeld(t, "", "spec.rollout is Manual"))

	if now := s.waitRunning(t); now.Annotations["example.org/order"] != "" {
		t.Error("the pod has the annotation that the policy forbids")
	}

	eventually(t, "nothing is held", all(s.condition("Warnings=False"), s.condition("ConfigRolledOut=True")))
}
