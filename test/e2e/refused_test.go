package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// refusal is the message of these tests' admission policies.
const refusal = "refused by a test"

// refuse makes the API server refuse updates of a resource in the server's namespace while
// the expression (CEL) is false. It waits until offence, a JSON merge patch of o, is refused,
// and returns a function that removes the policy.
func (s *server) refuse(t *testing.T, o client.Object, group, resource, expression, offence string) func() {
	t.Helper()

	return s.refuseWhat(t, admissionregistrationv1.Update, group, resource, expression, func(ctx context.Context) error {
		return cluster.Patch(ctx, o.DeepCopyObject().(client.Object), client.RawPatch(types.MergePatchType, []byte(offence)), client.DryRunAll)
	})
}

// refuseNew makes the API server refuse what is created or updated while the expression (CEL) is
// false. It waits until offence is refused.
func (s *server) refuseNew(t *testing.T, offence client.Object, group, resource, expression string) {
	t.Helper()

	offence.SetNamespace(s.namespace)
	offence.SetName("offence")

	s.refuseWhat(t, admissionregistrationv1.OperationAll, group, resource, "object == null || "+expression, func(ctx context.Context) error {
		return cluster.Create(ctx, offence.DeepCopyObject().(client.Object), client.DryRunAll)
	})
}

// refuseWhat makes the API server refuse an operation on a resource in the server's namespace while
// the expression (CEL) is false. It waits until offend fails for that, and returns a function that
// removes the policy.
func (s *server) refuseWhat(t *testing.T, operation admissionregistrationv1.OperationType, group, resource, expression string, offend func(context.Context) error) func() {
	t.Helper()

	meta := metav1.ObjectMeta{Name: s.namespace + "-" + resource}
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{
		ObjectMeta: meta,
		Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionregistrationv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: s.namespace}},
				ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{RuleWithOperations: admissionregistrationv1.RuleWithOperations{
					Operations: []admissionregistrationv1.OperationType{operation},
					Rule:       admissionregistrationv1.Rule{APIGroups: []string{group}, APIVersions: []string{"v1"}, Resources: []string{resource}},
				}}},
			},
			Validations: []admissionregistrationv1.Validation{{Expression: expression, Message: refusal}},
		},
	}
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: meta,
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName:        meta.Name,
			ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
		},
	}

	allow := func() {
		for _, o := range []client.Object{binding, policy} {
			if err := cluster.Delete(context.Background(), o); client.IgnoreNotFound(err) != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(allow)

	for _, o := range []client.Object{policy, binding} {
		if err := cluster.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}

	eventually(t, "changes of "+resource+" are refused", func(ctx context.Context) error {
		err := offend(ctx)
		if err == nil || !strings.Contains(err.Error(), refusal) {
			return fmt.Errorf("want an error with %q, got %w", refusal, err)
		}

		return nil
	})

	return allow
}

// isRefused returns no error once the DittoServer tells what the API server said: in the
// condition Applied, or natively, where that only names the resource, in an event.
func (s *server) isRefused(ctx context.Context) error {
	if !tested.native() {
		return s.says("Applied=False/NotSynced", refusal)(ctx)
	}

	if err := s.says("Applied=False/ReconcileError", "statefulset")(ctx); err != nil {
		return err
	}

	events := &corev1.EventList{}
	if err := cluster.List(ctx, events, client.InNamespace(s.namespace)); err != nil {
		return err
	}

	for _, e := range events.Items {
		if e.InvolvedObject.Name == s.name && strings.Contains(e.Message, refusal) {
			return nil
		}
	}

	return fmt.Errorf("no event says %q", refusal)
}

// expectTakenBack checks that a refused change that was taken back leaves the StatefulSet and
// the pod as they were, and asks for no approval.
func (s *server) expectTakenBack(t *testing.T, set *appsv1.StatefulSet, pod *corev1.Pod, level string) {
	t.Helper()

	untouched := func(ctx context.Context) error {
		if s.condition("ConfigRolledOut=False/ApprovalRequired")(ctx) == nil {
			t.Fatalf("going back to what runs needs approval: %s", s.message(t, "ConfigRolledOut"))
		}

		now := &appsv1.StatefulSet{}
		if err := cluster.Get(ctx, s.key(s.name), now); err != nil {
			return err
		}

		if now.UID != set.UID || now.Generation != set.Generation {
			t.Fatalf("the StatefulSet has generation %d, want %d", now.Generation, set.Generation)
		}

		return s.samePod(pod)(ctx)
	}

	eventually(t, "the change is taken back", all(
		untouched, s.condition("Applied=True"), s.condition("ConfigRolledOut=True"), s.condition("Ready=True"), s.hasLevel(level), s.specSeen))
	s.throughoutCalls(t, "the server runs on", untouched)
}

// A change that the API server refused never ran. Taking it back restarts nothing, and
// config.yaml is as it was.
func TestRefusedChangeTakenBackRestartsNothing(t *testing.T) {
	t.Parallel()

	s := newServer(t, level("INFO"))
	pod := s.waitRunning(t)
	set := s.statefulSet(t)

	allow := s.refuse(t, set, "apps", "statefulsets",
		"!has(object.spec.template.metadata.labels.team)", `{"spec":{"template":{"metadata":{"labels":{"team":"refused"}}}}}`)

	s.apply(t, level("DEBUG")+"podLabels: {team: refused}\n")
	eventually(t, "the change is refused", s.isRefused)
	s.throughoutCalls(t, "the pod stays", s.samePod(pod))

	s.apply(t, level("INFO"))
	s.expectTakenBack(t, set, pod, "INFO")

	// Nothing is stuck: another change goes through, and so does this one once it may.
	s.apply(t, level("WARN"))
	next := s.waitOtherPod(t, pod)
	s.waitRunning(t)

	allow()
	s.apply(t, level("WARN")+"podLabels: {team: refused}\n")
	s.waitOtherPod(t, next)

	if pod := s.waitRunning(t); pod.Labels["team"] != "refused" {
		t.Errorf("labels of the pod: %v", pod.Labels)
	}
}

// Going back from a release that the API server refused is no step down.
func TestRefusedUpgradeTakenBackNeedsNoApproval(t *testing.T) {
	t.Parallel()

	before := strings.Replace(withContent, release, earlier, 1)
	s := newServer(t, before)
	pod := s.waitRunning(t)
	set := s.statefulSet(t)

	s.refuse(t, set, "apps", "statefulsets",
		"object.spec.template.spec.containers.all(c, !c.image.endsWith(':v"+release+"'))",
		fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":%q,"image":%q}]}}}}`, pod.Spec.Containers[0].Name, releaseImage))

	s.apply(t, withContent)
	eventually(t, "the upgrade is refused", s.isRefused)
	s.throughoutCalls(t, "the pod stays", s.samePod(pod))

	s.apply(t, before)
	s.expectTakenBack(t, set, pod, "INFO")
}

// A ConfigMap that an earlier server left may hold an older config.yaml. No pod starts on it, however
// long it takes until it holds the new one, and then one starts, once. Natively it is
// somebody else's.
func TestFirstStartWaitsForALeftoverConfigMap(t *testing.T) {
	t.Parallel()
	needsObjects(t)

	s := newNamespace(t)
	leftover := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: s.name + "-config", Labels: map[string]string{
			"app.kubernetes.io/managed-by": "function-dittoserver", "app.kubernetes.io/instance": s.name,
		}},
		Data: map[string]string{"config.yaml": "logging:\n  level: ERROR\n"},
	}

	if err := cluster.Create(t.Context(), leftover); err != nil {
		t.Fatal(err)
	}

	allow := s.refuse(t, leftover, "", "configmaps", fmt.Sprintf("object.metadata.name != %q", leftover.Name), `{"data":{"other":"content"}}`)

	s.watchPods(t)
	s.apply(t, withContent)
	eventually(t, "the ConfigMap is refused", all(s.isRefused, s.condition("ConfigRolledOut=False/ConfigMapNotReady")))
	s.throughoutCalls(t, "there is no StatefulSet", func(ctx context.Context) error {
		err := cluster.Get(ctx, s.key(s.name), &appsv1.StatefulSet{})
		if !apierrors.IsNotFound(err) {
			return errors.Join(errors.New("there is one"), err)
		}

		return nil
	})

	allow()

	if nodeless() {
		s.waitComposed(t, "")
	} else if pod := s.waitRunning(t); pod.Status.ContainerStatuses[0].RestartCount != 0 {
		t.Error("the container started more than once")
	}

	eventually(t, "everything is applied", s.condition("Applied=True"))

	if set := s.statefulSet(t); set.Generation != 1 {
		t.Errorf("the StatefulSet has generation %d, want 1", set.Generation)
	}
}
