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

	const labelled = "has(object.metadata.labels) && 'cost-center' in object.metadata.labels"

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
	} {
		s.refuseNew(t, r.offence, r.group, r.resource, "object.metadata.name == 'kube-root-ca.crt' || "+labelled)
	}

	const labels = withContent + "podLabels: {cost-center: cc-42}\n"

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
