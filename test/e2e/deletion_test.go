package e2e

import (
	"context"
	"errors"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// While the API server refuses what an Object asks for, provider-kubernetes deletes nothing.
// Once the StatefulSet is deleted by hand, the DittoServer goes, as docs/remove.md says.
func TestRefusedServerGoesOnceItsStatefulSetIsDeleted(t *testing.T) {
	t.Parallel()
	needsObjects(t)

	s := newServer(t, level("INFO"))

	if nodeless() {
		s.waitComposed(t, "")
	} else {
		s.waitRunning(t)
	}

	set := s.statefulSet(t)
	before := s.claims(t)

	s.refuse(t, set, "apps", "statefulsets",
		"!has(object.spec.template.metadata.labels.team)", `{"spec":{"template":{"metadata":{"labels":{"team":"refused"}}}}}`)
	s.apply(t, level("INFO")+"podLabels: {team: refused}\n")
	eventually(t, "the change is refused", s.isRefused)

	if err := cluster.Delete(t.Context(), s.object(), client.PropagationPolicy(metav1.DeletePropagationForeground)); err != nil {
		t.Fatal(err)
	}

	throughout(t, patienceForNothing, "the StatefulSet stays", func(ctx context.Context) error {
		now := &appsv1.StatefulSet{}
		if err := cluster.Get(ctx, s.key(s.name), now); err != nil {
			return err
		}

		if now.UID != set.UID || now.DeletionTimestamp != nil {
			return errors.New("it is another one, or is being deleted")
		}

		return nil
	})

	if err := cluster.Delete(t.Context(), set); err != nil {
		t.Fatal(err)
	}

	eventually(t, "the DittoServer is gone", func(ctx context.Context) error {
		if err := cluster.Get(ctx, s.key(s.name), s.object()); !apierrors.IsNotFound(err) {
			return errors.Join(errors.New("it is there"), err)
		}

		return nil
	})

	s.expectNothingComposed(t)
	s.expectClaims(t, before)
}
