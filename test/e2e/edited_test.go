package e2e

import (
	"context"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// An edit of a server's StatefulSet by hand is undone where the field is the DittoServer's,
// under a hold once that is over. Nobody owns more than before.
func TestEditedStatefulSetIsRestored(t *testing.T) {
	t.Parallel()

	s := newServer(t, withContent)
	s.waitRunning(t)
	image := s.statefulSet(t).Spec.Template.Spec.Containers[0].Image

	restored := func(ctx context.Context) error {
		set := &appsv1.StatefulSet{}
		if err := cluster.Get(ctx, s.key(s.name), set); err != nil {
			return err
		}

		if got := set.Spec.Template.Spec.Containers[0].Image; got != image || *set.Spec.Replicas != 1 {
			return fmt.Errorf("it has %d replicas of image %s", *set.Spec.Replicas, got)
		}

		return nil
	}

	s.patchStatefulSet(t, `{"spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "dittofs", "image": "registry.example.org/dittofs:none"}]}}}}`)
	eventually(t, "the StatefulSet is restored", restored)
	s.waitRunning(t)
	s.checkOwnership(t)

	s.deleteSecret(t, "jwt")
	eventually(t, "the missing Secret is reported", s.condition("ConfigRolledOut=False/SecretsNotResolved"))
	s.patchStatefulSet(t, `{"spec": {"template": {"spec": {"containers": [{"name": "dittofs", "image": "registry.example.org/dittofs:none"}]}}}}`)
	s.rotateJWT(t, jwtKey)
	eventually(t, "the StatefulSet is restored after the hold", restored)
	s.waitRunning(t)
}

// patchStatefulSet as kubectl does for a person.
func (s *server) patchStatefulSet(t *testing.T, patch string) {
	t.Helper()

	if err := cluster.Patch(t.Context(), s.statefulSet(t), client.RawPatch(types.StrategicMergePatchType, []byte(patch)), client.FieldOwner("kubectl-patch")); err != nil {
		t.Fatal(err)
	}
}
