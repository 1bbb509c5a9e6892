package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"

	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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
