package e2e

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A Service and a ConfigMap of a server's names that somebody else has stay as they are, and
// outlive the DittoServer. Without them, the server comes up.
func TestForeignObjectsAreLeftAlone(t *testing.T) {
	t.Parallel()

	s := newNamespace(t)
	if !s.leavesForeignObjectsAlone(t, cluster, "version: "+release) {
		return
	}

	if !nodeless() {
		s.waitRunning(t)
	}
}

// In another cluster nothing but the provider can look.
func TestForeignObjectsOfAnotherClusterAreLeftAlone(t *testing.T) {
	t.Parallel()
	needsObjects(t)

	other := startOtherCluster(t, "10.205.0.0/24")
	composition := other.composition(t)
	s := newNamespace(t)

	if err := other.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}); err != nil {
		t.Fatal(err)
	}

	if !s.leavesForeignObjectsAlone(t, other, withComposition(composition)) {
		return
	}

	set := &appsv1.StatefulSet{}
	if err := other.Get(t.Context(), s.key(s.name), set); err != nil {
		t.Error(err)
	}

	if err := cluster.Get(t.Context(), s.key(s.name), set); !apierrors.IsNotFound(err) {
		t.Errorf("the StatefulSet is in the wrong cluster: %v", err)
	}
}

// leavesForeignObjectsAlone checks that a DittoServer with this spec leaves somebody else's
// Service and ConfigMap alone, and takes their place once they are removed. Its Kubernetes objects are
// in the cluster there. It reports whether it got to the end.
func (s *server) leavesForeignObjectsAlone(t *testing.T, there client.Client, spec string) bool {
	t.Helper()

	labels := map[string]string{"app": "payments"}
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: s.name + "-api", Labels: labels},
		Spec:       corev1.ServiceSpec{Selector: labels, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}
	config := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: s.name + "-config", Labels: labels},
		Data:       map[string]string{"config.yaml": "payments: true"},
	}

	for _, o := range []client.Object{service, config} {
		if err := there.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}

	// Each write of an object gives it another resource version.
	untouched := func(ctx context.Context) error {
		for _, o := range []client.Object{service, config} {
			got := o.DeepCopyObject().(client.Object)
			if err := there.Get(ctx, client.ObjectKeyFromObject(o), got); err != nil {
				return err
			}

			if got.GetResourceVersion() != o.GetResourceVersion() || !maps.Equal(got.GetLabels(), labels) {
				return fmt.Errorf("%s was written: %v", o.GetName(), got.GetManagedFields())
			}
		}

		return nil
	}

	s.apply(t, spec)
	eventually(t, "both are told", func(ctx context.Context) error {
		if err := s.condition("Applied=False/Foreign")(ctx); err != nil {
			return err
		}

		if m := s.message(t, "Applied"); !strings.Contains(m, "Service "+service.Name) || !strings.Contains(m, "ConfigMap "+config.Name) {
			return fmt.Errorf("the message is %q", m)
		}

		return untouched(ctx)
	})

	throughout(t, patienceForNothing, "somebody else's objects stay as they are, and nothing runs on them", func(ctx context.Context) error {
		if err := there.Get(ctx, s.key(s.name), &appsv1.StatefulSet{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("there is a StatefulSet: %w", err)
		}

		return untouched(ctx)
	})

	if !s.remove(t, patience) {
		return false
	}

	if err := untouched(t.Context()); err != nil {
		t.Errorf("after the DittoServer is deleted: %v", err)
	}

	// Their removal heals.
	s.apply(t, spec)
	eventually(t, "they are told again", s.condition("Applied=False/Foreign"))

	for _, o := range []client.Object{service, config} {
		if err := there.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}

	eventually(t, "everything is applied", s.condition("Applied=True"))

	return true
}
