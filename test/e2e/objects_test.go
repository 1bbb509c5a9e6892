package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// switches an object beside the server on and off again, and expects that nothing restarts.
// check judges the object while it is there.
func (s *server) switches(t *testing.T, spec string, o client.Object, name string, check func() error) {
	t.Helper()

	s.apply(t, withContent)
	pod := s.waitRunning(t)

	s.apply(t, withContent+spec)
	eventually(t, name+" is there", func(ctx context.Context) error {
		if err := cluster.Get(ctx, s.key(name), o); err != nil {
			return err
		}

		return check()
	})
	eventually(t, "the server is applied", all(s.condition("Applied=True"), s.condition("Ready=True")))

	s.apply(t, withContent)
	eventually(t, name+" is gone", func(ctx context.Context) error {
		if err := cluster.Get(ctx, s.key(name), o); !apierrors.IsNotFound(err) {
			return errors.Join(errors.New("it is there"), err)
		}

		return nil
	})
	eventually(t, "the pod is the same", s.samePod(pod))
}

// A policy that wants a label on everything that a tenant has, pods too, lets the server live: it gets
// it with its first apply, and another value of it without a restart, but for the pod's own.
func TestLabelsAreOnEveryObject(t *testing.T) {
	t.Parallel()

	s := newNamespace(t)
	for _, r := range []struct {
		group, resource string
		offence         client.Object
	}{
		{"", "configmaps", &corev1.ConfigMap{}},
		{"", "services", &corev1.Service{Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 1}}}}},
		{"", "persistentvolumeclaims", &corev1.PersistentVolumeClaim{Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		}}},
		{"", "pods", &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}}}},
		{"apps", "statefulsets", &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"a": "b"}},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}},
			},
		}}},
		{"networking.k8s.io", "networkpolicies", &networkingv1.NetworkPolicy{}},
		{"policy", "poddisruptionbudgets", &policyv1.PodDisruptionBudget{}},
	} {
		s.wantsLabel(t, r.offence, r.group, r.resource)
	}

	const labels = withContent + "metrics: {enabled: true}\nnetworkPolicy: {ingress: {file: [{podSelector: {}}], api: [{podSelector: {}}], metrics: []}}\npodDisruptionBudget: {enabled: true}\npodLabels: {cost-center: cc-42}\n"

	s.apply(t, labels+"labels: {cost-center: cc-42}\n")
	pod := s.waitRunning(t)

	s.apply(t, labels+"labels: {cost-center: cc-43}\n")
	eventually(t, "the StatefulSet has the other label", func(context.Context) error {
		if got := s.statefulSet(t).Labels["cost-center"]; got != "cc-43" {
			return fmt.Errorf("it has %q", got)
		}

		return nil
	})
	eventually(t, "the server is applied", all(s.condition("Applied=True"), s.condition("Ready=True"), s.samePod(pod)))

	for _, o := range []client.Object{&networkingv1.NetworkPolicy{}, &policyv1.PodDisruptionBudget{}} {
		eventually(t, fmt.Sprintf("%T has the other label", o), s.hasLabel(o, "files", "cc-43"))
	}
}

// label is what the policies of these tests want, and costs gives it to a server's objects.
const (
	label = "cost-center"
	costs = "labels: {" + label + ": cc-42}\n"
)

// wantsLabel makes the API server refuse a resource of the server's namespace without the label, but for what
// Kubernetes itself makes there. It waits until an offence is refused.
func (s *server) wantsLabel(t *testing.T, offence client.Object, group, resource string) {
	t.Helper()

	s.refuseNew(t, offence, group, resource, "object.metadata.name == 'kube-root-ca.crt' || has(object.metadata.labels) && '"+label+"' in object.metadata.labels")
}

// hasLabel returns a check of the label of an object in the server's namespace.
func (s *server) hasLabel(o client.Object, name, want string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		if err := cluster.Get(ctx, s.key(name), o); err != nil {
			return err
		}

		if got := o.GetLabels()[label]; got != want {
			return fmt.Errorf("it has %q", got)
		}

		return nil
	}
}

func TestPodDisruptionBudgetComesAndGoes(t *testing.T) {
	t.Parallel()

	budget := &policyv1.PodDisruptionBudget{}
	newNamespace(t).switches(t, "podDisruptionBudget: {enabled: true}\n", budget, "files", func() error {
		if budget.Status.ExpectedPods != 1 || budget.Status.DisruptionsAllowed != 0 {
			return fmt.Errorf("want a pod that nobody may evict, got %+v", budget.Status)
		}

		return nil
	})
}

func TestNetworkPolicyComesAndGoes(t *testing.T) {
	t.Parallel()

	policy := &networkingv1.NetworkPolicy{}
	newNamespace(t).switches(t, "networkPolicy: {ingress: {file: [{podSelector: {}}], api: []}, egress: []}\n", policy, "files", func() error {
		if len(policy.Spec.PolicyTypes) != 2 || len(policy.Spec.Ingress) != 1 || len(policy.Spec.Egress) != 1 {
			return fmt.Errorf("want both types, a rule for files and one for name servers, got %+v", policy.Spec)
		}

		return nil
	})
}
