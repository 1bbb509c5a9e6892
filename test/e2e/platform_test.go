package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/dittofs/function-dittoserver/internal/dittofs"
)

// A default of the platform restarts those servers whose configuration it changes, and no others.
func TestPlatformDefaultRestartsThoseItReaches(t *testing.T) {
	t.Parallel()

	defaults := func(level, kind string) string {
		return "{ttl: 5s, defaults: {logging: {level: " + level + "}, service: {type: " + kind + "}}}"
	}

	name := compositionWith(t, defaults("DEBUG", "ClusterIP"))
	reached := newServer(t, withComposition(name))
	other := newServer(t, withComposition(name)+"\nlogging: {level: INFO}\n")
	pod, otherPod := reached.waitRunning(t), other.waitRunning(t)

	xr, err := reached.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if want := []string{"spec.logging.level", "spec.service.type"}; !slices.Equal(xr.Status.Defaults, want) {
		t.Errorf("status.defaults: want %q, got %q", want, xr.Status.Defaults)
	}

	if err := reached.hasLevel("DEBUG")(t.Context()); err != nil {
		t.Error(err)
	}

	reached.newRevision(t, name, defaults("WARN", "ClusterIP"))

	pod = reached.successor(t, pod)
	eventually(t, "the new default counts", reached.hasLevel("WARN"))
	eventually(t, "the other server has the new revision", other.sameRevision(reached))
	other.throughoutCalls(t, "what a server says itself restarts nothing", other.samePod(otherPod))

	reached.newRevision(t, name, defaults("WARN", "NodePort"))

	for _, s := range []*server{reached, other} {
		eventually(t, "the Service is another one", func(ctx context.Context) error {
			svc := &corev1.Service{}
			if err := cluster.Get(ctx, s.key(s.name+"-file"), svc); err != nil {
				return err
			}

			if svc.Spec.Type != corev1.ServiceTypeNodePort {
				return fmt.Errorf("it is of type %s", svc.Spec.Type)
			}

			return nil
		})
	}

	reached.throughoutCalls(t, "a default of a Service restarts nothing", reached.samePod(pod))

	if err := other.samePod(otherPod)(t.Context()); err != nil {
		t.Error(err)
	}
}

// sameRevision returns no error once a server has the revision of the Composition that another has.
func (s *server) sameRevision(other *server) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		_, want, err := other.revision(ctx)
		if err != nil {
			return err
		}

		if _, got, err := s.revision(ctx); err != nil || got != want {
			return fmt.Errorf("it has %s, and the other %s: %w", got, want, err)
		}

		return nil
	}
}

// Where the platform leaves the pod's user to admission, a new server has the namespace's, and one
// that runs keeps its own until a person approves. Its files stay readable.
func TestPodUserIsAssigned(t *testing.T) {
	t.Parallel()
	needsNode(t)

	const assigned = 1000680000

	name := compositionWith(t, "{ttl: 5s, podUser: Fixed}")
	running := newNamespace(t)
	assignUsers(t, running.namespace, assigned)
	running.apply(t, withComposition(name))
	pod := running.waitRunning(t)
	expectUser(t, pod, dittofs.ID)
	running.makeShare(t, metadataStore, contentStore)
	running.writeFile(t, "first.txt", "first")

	running.newRevision(t, name, "{podUser: Assigned}")
	approval := running.waitHeld(t, "", "the pod's user or group changes")
	running.throughoutCalls(t, "the server keeps its user", running.samePod(pod))

	// A new server has nothing to keep.
	fresh := newNamespace(t)
	assignUsers(t, fresh.namespace, assigned)
	fresh.apply(t, withComposition(name))
	expectUser(t, fresh.waitRunning(t), assigned)

	if sc := fresh.statefulSet(t).Spec.Template.Spec.SecurityContext; sc.RunAsUser != nil || sc.RunAsGroup != nil || sc.FSGroup != nil {
		t.Errorf("the pod template says whose pod it is: %+v", sc)
	}

	fresh.makeShare(t, metadataStore, contentStore)
	fresh.writeFile(t, "first.txt", "first")

	running.approve(t, approval)
	expectUser(t, running.successor(t, pod), assigned)
	running.waitRunning(t)
	running.expectFile(t, "first.txt", "first")
	running.writeFile(t, "second.txt", "second")
}

// expectUser checks the user and the group of files of a pod.
func expectUser(t *testing.T, pod *corev1.Pod, id int64) {
	t.Helper()

	sc := pod.Spec.SecurityContext
	if sc.RunAsUser == nil || *sc.RunAsUser != id || sc.FSGroup == nil || *sc.FSGroup != id {
		t.Errorf("want user and group %d, got %+v", id, sc)
	}
}

// assignUsers has every new pod of a namespace get the user and the group of files that it leaves out,
// as OpenShift's restricted-v2 does.
func assignUsers(t *testing.T, namespace string, id int64) {
	t.Helper()

	mutatePods(t, namespace, func(pod *corev1.Pod) []map[string]any {
		patch := []map[string]any{}
		if pod.Spec.SecurityContext.RunAsUser == nil {
			patch = append(patch, map[string]any{"op": "add", "path": "/spec/securityContext/runAsUser", "value": id})
		}

		if pod.Spec.SecurityContext.FSGroup == nil {
			patch = append(patch, map[string]any{"op": "add", "path": "/spec/securityContext/fsGroup", "value": id})
		}

		return patch
	})
}
