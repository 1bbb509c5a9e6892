package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
)

// nodeless reports whether the cluster runs no pods. Tests that need some are skipped
// there; those of this file do not.
func nodeless() bool { return os.Getenv("STACK_NODE") == "false" }

// needsNode skips a test that cannot go on without one.
func needsNode(t *testing.T) {
	t.Helper()

	if nodeless() {
		t.Skip("a server needs a node to run on")
	}
}

// digest returns the digest in the status once the StatefulSet has it too.
func (s *server) digest(ctx context.Context) (string, error) {
	xr, err := s.get(ctx)
	if err != nil {
		return "", err
	}

	set := &appsv1.StatefulSet{}
	if err := cluster.Get(ctx, s.key(s.name), set); err != nil {
		return "", err
	}

	hash := set.Spec.Template.Annotations[v1alpha1.AnnotationConfigHash]
	if hash != xr.Status.ConfigHash {
		return "", fmt.Errorf("the StatefulSet has digest %q, the status %q", hash, xr.Status.ConfigHash)
	}

	return hash, s.condition("ConfigRolledOut=True")(ctx)
}

// waitComposed waits until the StatefulSet has another digest than this.
func (s *server) waitComposed(t *testing.T, before string) string {
	t.Helper()

	var hash string

	eventually(t, "the StatefulSet has a new digest", func(ctx context.Context) error {
		var err error

		hash, err = s.digest(ctx)
		if err == nil && hash == before {
			err = errors.New("it has the old one")
		}

		return err
	})

	return hash
}

// The control plane makes a StatefulSet of a DittoServer, and takes it back.
func TestStatefulSetFollowsTheDittoServer(t *testing.T) {
	t.Parallel()

	s := newServer(t, level("INFO"))
	created := s.waitComposed(t, "")

	same := func(want string) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			if got, err := s.digest(ctx); err != nil || got != want {
				return errors.Join(err, fmt.Errorf("the digest is %s, and was %s", got, want))
			}

			return nil
		}
	}

	throughout(t, patienceForNothing, "nothing moves while Crossplane writes its own fields", same(created))

	s.apply(t, level("DEBUG"))
	changed := s.waitComposed(t, created)
	eventually(t, "config.yaml has the level", s.configContains("level: DEBUG"))

	s.applySecret(t, "jwt", map[string]string{"jwt-secret": jwtKey + "-rotated"})
	rotated := s.waitComposed(t, changed)

	s.deleteSecret(t, "jwt")
	eventually(t, "the Secret is missed", s.condition("SecretsResolved=False/Missing"))

	set := s.statefulSet(t)
	if got := set.Spec.Template.Annotations[v1alpha1.AnnotationConfigHash]; got != rotated {
		t.Errorf("without its Secret the StatefulSet has digest %s, want %s", got, rotated)
	}

	s.applySecret(t, "jwt", map[string]string{"jwt-secret": jwtKey + "-rotated"})
	eventually(t, "the Secret is back", s.condition("SecretsResolved=True"))
	eventually(t, "nothing has moved", same(rotated))

	if got := s.statefulSet(t).Generation; got != set.Generation {
		t.Errorf("the StatefulSet's generation is %d, want %d", got, set.Generation)
	}

	s.apply(t, level("DEBUG")+"shutdownTimeout: soon\n")
	eventually(t, "the spec is refused", s.condition("SpecValid=False"))

	if message := s.message(t, "SpecValid"); !strings.Contains(message, "spec.shutdownTimeout") {
		t.Errorf("the message names no field: %s", message)
	}

	if got := s.statefulSet(t).Generation; got != set.Generation {
		t.Errorf("an invalid spec changed the StatefulSet: generation %d, want %d", got, set.Generation)
	}

	if err := cluster.Delete(t.Context(), s.object(), client.PropagationPolicy(metav1.DeletePropagationForeground)); err != nil {
		t.Fatal(err)
	}

	eventually(t, "everything is deleted", func(ctx context.Context) error {
		for _, o := range []client.Object{&appsv1.StatefulSet{}, &corev1.ConfigMap{}} {
			name := s.name
			if _, ok := o.(*corev1.ConfigMap); ok {
				name += "-config"
			}

			if err := cluster.Get(ctx, s.key(name), o); !apierrors.IsNotFound(err) {
				return errors.Join(err, fmt.Errorf("%s is there", name))
			}
		}

		return nil
	})
}
