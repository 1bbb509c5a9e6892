package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
)

// inPhase returns no error while the DittoServer's status has this phase.
func (s *server) inPhase(want v1alpha1.Phase) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		xr, err := s.get(ctx)
		if err != nil {
			return err
		}

		if xr.Status.Phase != want {
			return fmt.Errorf("phase %s, want %s", xr.Status.Phase, want)
		}

		return nil
	}
}

// hasLevel returns no error once this log level is in the ConfigMap and in the
// configuration that the StatefulSet's pod template and the pod cover.
func (s *server) hasLevel(level string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		config, err := s.configYAML(ctx)
		if err != nil {
			return err
		}

		set, pod := &appsv1.StatefulSet{}, &corev1.Pod{}
		if err := errors.Join(cluster.Get(ctx, s.key(s.name), set), cluster.Get(ctx, s.key(s.name+"-0"), pod)); err != nil {
			return err
		}

		for what, config := range map[string]string{
			"the ConfigMap":    config,
			"the pod template": set.Spec.Template.Annotations[v1alpha1.AnnotationConfig],
			"the pod":          pod.Annotations[v1alpha1.AnnotationConfig],
		} {
			if !strings.Contains(config, "level: "+level) {
				return fmt.Errorf("%s has no level %s", what, level)
			}
		}

		return nil
	}
}

// claims returns the claims of the server's namespace by name.
func (s *server) claims(t *testing.T) map[string]types.UID {
	t.Helper()

	list := &corev1.PersistentVolumeClaimList{}
	if err := cluster.List(t.Context(), list, client.InNamespace(s.namespace)); err != nil {
		t.Fatal(err)
	}

	uids := map[string]types.UID{}
	for _, c := range list.Items {
		uids[c.Name] = c.UID
	}

	return uids
}

// expectClaims checks that the claims from before still exist, and no others but the
// added ones.
func (s *server) expectClaims(t *testing.T, before map[string]types.UID, added ...string) {
	t.Helper()

	now := s.claims(t)

	for name, uid := range before {
		if now[name] != uid {
			t.Errorf("claim %s: got UID %q, want %q", name, now[name], uid)
		}
	}

	for name := range now {
		if _, ok := before[name]; !ok && !slices.Contains(added, name) {
			t.Errorf("unexpected claim %s", name)
		}
	}
}

// claimTemplates are the sizes that a StatefulSet asks for, by the name of the claim.
func claimTemplates(set *appsv1.StatefulSet) map[string]string {
	sizes := map[string]string{}

	for _, c := range set.Spec.VolumeClaimTemplates {
		size := c.Spec.Resources.Requests[corev1.ResourceStorage]
		sizes[c.Name] = size.String()
	}

	return sizes
}

func expectClaimTemplates(t *testing.T, set *appsv1.StatefulSet, want map[string]string) {
	t.Helper()

	if got := claimTemplates(set); !maps.Equal(got, want) {
		t.Errorf("volume claim templates: got %v, want %v", got, want)
	}
}

// expand expands a claim by hand, and waits until its volume has grown.
func (s *server) expand(t *testing.T, claim, size string) {
	t.Helper()

	patch := fmt.Sprintf(`{"spec":{"resources":{"requests":{"storage":%q}}}}`, size)
	pvc := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: claim}}

	if err := cluster.Patch(t.Context(), pvc, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		t.Fatal(err)
	}

	eventually(t, claim+" has grown", func(ctx context.Context) error {
		if err := cluster.Get(ctx, s.key(claim), pvc); err != nil {
			return err
		}

		if got := pvc.Status.Capacity[corev1.ResourceStorage]; got.Cmp(resource.MustParse(size)) != 0 {
			return fmt.Errorf("capacity %s, want %s", got.String(), size)
		}

		return nil
	})
}

// waitStopped waits until the DittoServer's phase is Stopped, nothing waits, and no pod
// is left.
func (s *server) waitStopped(t *testing.T) {
	t.Helper()

	eventually(t, s.name+" is stopped", func(ctx context.Context) error {
		pod, err := s.findPod(ctx)
		if pod != nil {
			return errors.New("there is a pod")
		}

		return errors.Join(
			err,
			s.inPhase(v1alpha1.PhaseStopped)(ctx),
			s.condition("StorageUpToDate=True")(ctx),
			s.condition("ConfigRolledOut=True")(ctx),
			s.condition("Ready=True")(ctx))
	})
}

// objectsSettled returns no error if each kind of composed resource is there as often as
// it should, and none is being deleted.
func (s *server) objectsSettled(ctx context.Context) error {
	objects, err := s.composed(ctx)
	if err != nil {
		return err
	}

	var got []string

	for _, o := range objects {
		if o.GetDeletionTimestamp() != nil {
			return fmt.Errorf("%s is being deleted", o.GetName())
		}

		manifest, err := applied(&o)
		if err != nil {
			return err
		}

		got = append(got, manifest.GetKind())
	}

	slices.Sort(got)

	if want := []string{"ConfigMap", "Service", "Service", "Service", "StatefulSet"}; !slices.Equal(got, want) {
		return fmt.Errorf("there are composed resources of %v, want %v", got, want)
	}

	return nil
}

// A server without a claim for content, and what it grows to.
const (
	smallStorage = "version: " + release + "\nstorage: {metadataSize: 1Gi}\n"
	grownStorage = "version: " + release + "\nstorage: {metadataSize: 2Gi, contentSize: 3Gi}\n"
)

// servingSmall is a server with smallStorage that has a share and a file in it.
func servingSmall(t *testing.T) *server {
	t.Helper()

	s := newServer(t, smallStorage)
	s.waitRunning(t)
	s.makeShare(t, metadataStore, "/data/metadata/content")
	s.writeFile(t, "first.txt", "first")
	expectClaimTemplates(t, s.statefulSet(t), map[string]string{"controlplane": "1Gi", "metadata": "1Gi"})

	return s
}

func TestGrownStorageWaitsWhileTheRestOfTheChangeGoesThrough(t *testing.T) {
	t.Parallel()

	s := servingSmall(t)
	claims, set, before := s.claims(t), s.statefulSet(t), s.pod(t)

	s.apply(t, grownStorage+"logging: {level: DEBUG}")
	eventually(t, "storage is kept", s.says("StorageUpToDate=False/Frozen",
		"volume claim content of 3Gi is missing", "stop the server (spec.replicas: 0)"))

	eventually(t, "configuration has level DEBUG", s.hasLevel("DEBUG"))

	if s.waitRunning(t).UID == before.UID {
		t.Error("the pod was not replaced")
	}

	if err := s.condition("StorageUpToDate=False/Frozen")(t.Context()); err != nil {
		t.Error(err)
	}

	now := s.statefulSet(t)
	if now.UID != set.UID {
		t.Error("the StatefulSet of a running server was created anew")
	}

	expectClaimTemplates(t, now, claimTemplates(set))
	s.expectClaims(t, claims)
	s.expectFile(t, "first.txt", "first")
}

func TestStorageGrowsThroughAStop(t *testing.T) {
	t.Parallel()

	s := servingSmall(t)
	claims, set := s.claims(t), s.statefulSet(t)

	s.apply(t, grownStorage)
	eventually(t, "storage is kept", s.condition("StorageUpToDate=False/Frozen"))

	// The way out that the condition tells.
	s.expand(t, "metadata-files-0", "2Gi")
	s.apply(t, grownStorage+"replicas: 0")
	s.waitRecreated(t, set.UID, map[string]string{"controlplane": "1Gi", "metadata": "2Gi", "content": "3Gi"})
	s.expectClaims(t, claims)

	anew := s.statefulSet(t)

	s.apply(t, grownStorage)
	s.waitRunning(t)
	s.expectFile(t, "first.txt", "first")
	s.expectClaims(t, claims, "content-files-0")

	if err := s.makeStore(t, "block/local", "fs", contentStore); err != nil {
		t.Error(err)
	}

	if s.statefulSet(t).UID != anew.UID {
		t.Error("the StatefulSet was created anew once more")
	}
}

// Content that goes from the spec stays mounted: the server has stores there. A stop drops
// it, and another one brings it back, with its files.
func TestContentThatIsDroppedStaysMountedUntilAStop(t *testing.T) {
	t.Parallel()

	const withoutContent = "version: " + release + "\n"

	s := servingFiles(t, withContent)
	claims, set, before := s.claims(t), s.statefulSet(t), s.pod(t)

	s.apply(t, withoutContent)
	eventually(t, "the content is kept", s.says("StorageUpToDate=False/Frozen", "volume claim content stays mounted", "stop the server (spec.replicas: 0)"))
	s.throughoutCalls(t, "nothing restarts", s.samePod(before))
	s.expectFile(t, "first.txt", "first")
	s.writeFile(t, "second.txt", "second")

	if s.statefulSet(t).UID != set.UID {
		t.Error("the StatefulSet of a running server was created anew")
	}

	s.apply(t, withoutContent+"replicas: 0\n")
	s.waitRecreated(t, set.UID, map[string]string{"controlplane": "1Gi", "metadata": "10Gi"})
	s.expectClaims(t, claims)

	set = s.statefulSet(t)
	for _, m := range set.Spec.Template.Spec.Containers[0].VolumeMounts {
		if m.MountPath == "/data/content" && !m.ReadOnly {
			t.Errorf("the content is mounted: %v", m)
		}
	}

	s.apply(t, withContent+"replicas: 0\n")
	s.waitRecreated(t, set.UID, map[string]string{"controlplane": "1Gi", "metadata": "10Gi", "content": "1Gi"})
	s.apply(t, withContent)
	s.waitRunning(t)
	s.expectFile(t, "first.txt", "first")
	s.expectFile(t, "second.txt", "second")
	s.expectClaims(t, claims)
}

// waitRecreated waits until a stopped server has another StatefulSet, with these volume claim
// templates, and nothing is left that could take it along: deletion of the old
// StatefulSet's Object deletes whatever StatefulSet has its name.
func (s *server) waitRecreated(t *testing.T, old types.UID, templates map[string]string) {
	t.Helper()

	eventually(t, "StatefulSet is created anew", func(ctx context.Context) error {
		set := &appsv1.StatefulSet{}
		if err := cluster.Get(ctx, s.key(s.name), set); err != nil {
			return err
		}

		if set.UID == old {
			return errors.Join(errors.New("the old StatefulSet is there"), s.objectsSettled(ctx), s.condition("Applied=True")(ctx))
		}

		return s.objectsSettled(ctx)
	})

	s.waitStopped(t)
	expectClaimTemplates(t, s.statefulSet(t), templates)
}

func TestStoppedServerKeepsItsFiles(t *testing.T) {
	t.Parallel()

	s := servingFiles(t, withContent)
	claims, set := s.claims(t), s.statefulSet(t)

	s.patch(t, "spec: {replicas: 0}")
	s.waitStopped(t)
	s.expectClaims(t, claims)

	if _, err := s.readFile(t.Context(), "first.txt"); err == nil {
		t.Error("a stopped server serves files")
	}

	s.patch(t, "spec: {replicas: 1}")
	s.waitRunning(t)
	s.expectFile(t, "first.txt", "first")
	s.expectClaims(t, claims)

	if s.statefulSet(t).UID != set.UID {
		t.Error("the StatefulSet was created anew")
	}
}

func TestServerCreatedAnewFindsTheFilesOfADeletedOne(t *testing.T) {
	t.Parallel()

	s := servingFiles(t, withContent)
	claims := s.claims(t)

	if err := cluster.Delete(t.Context(), s.object(), client.PropagationPolicy(metav1.DeletePropagationForeground)); err != nil {
		t.Fatal(err)
	}

	eventually(t, "DittoServer is gone", func(ctx context.Context) error {
		if err := cluster.Get(ctx, s.key(s.name), s.object()); !apierrors.IsNotFound(err) {
			return errors.Join(errors.New("it is still there"), err)
		}

		return nil
	})

	s.expectNothingComposed(t)
	s.expectClaims(t, claims)

	s.apply(t, withContent)
	s.waitRunning(t)
	s.expectFile(t, "first.txt", "first")
	s.expectClaims(t, claims)
}

// expectNothingComposed checks that no composed resource is left in the server's
// namespace: foreground deletion ends when all are gone.
func (s *server) expectNothingComposed(t *testing.T) {
	t.Helper()

	objects, err := s.composed(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	for _, o := range objects {
		t.Errorf("%s %s is left", o.GetKind(), o.GetName())
	}

	sets, services, configMaps := &appsv1.StatefulSetList{}, &corev1.ServiceList{}, &corev1.ConfigMapList{}
	for _, list := range []client.ObjectList{sets, services, configMaps} {
		if err := cluster.List(t.Context(), list, client.InNamespace(s.namespace)); err != nil {
			t.Fatal(err)
		}
	}

	for _, o := range sets.Items {
		t.Errorf("StatefulSet %s is left", o.Name)
	}

	for _, o := range services.Items {
		t.Errorf("Service %s is left", o.Name)
	}

	for _, o := range configMaps.Items {
		// Kubernetes puts this one into every namespace.
		if o.Name != "kube-root-ca.crt" {
			t.Errorf("ConfigMap %s is left", o.Name)
		}
	}
}
