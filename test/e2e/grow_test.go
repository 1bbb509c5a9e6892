package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestStorageGrowsWhileTheServerRuns(t *testing.T) {
	t.Parallel()

	s := servingSmall(t)
	before, set := s.pod(t), s.statefulSet(t)

	for _, size := range []string{"2Gi", "3Gi"} {
		s.apply(t, "version: "+release+"\nstorage: {metadataSize: "+size+"}\n")

		if tested.native() {
			eventually(t, "the command is told", s.says("StorageUpToDate=False/NotGrowing", "kubectl patch pvc metadata-files-0"))
			s.expand(t, "metadata-files-0", size)
		}

		eventually(t, "the claim has grown", s.has("metadata-files-0", size))
		eventually(t, "the condition is true", s.condition("StorageUpToDate=True"))
		eventually(t, "the Object of the claim is gone", s.objectsSettled)
	}

	if now := s.pod(t); now.UID != before.UID {
		t.Error("the pod was replaced")
	}

	if s.statefulSet(t).UID != set.UID {
		t.Error("the StatefulSet was created anew")
	}

	s.expectFile(t, "first.txt", "first")
}

// What refuses one claim keeps nothing else from going through, and nobody creates a claim.
func TestClaimThatMayNotGrowIsToldAndNeverCreated(t *testing.T) {
	if tested.native() {
		t.Skip("natively the function composes nothing for a claim")
	}

	t.Parallel()

	s := servingSmall(t)

	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "storage"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourceRequestsStorage: resource.MustParse("2Gi")}},
	}
	if err := cluster.Create(t.Context(), quota); err != nil {
		t.Fatal(err)
	}

	large := "version: " + release + "\nstorage: {metadataSize: 5Gi}\nlogging: {level: DEBUG}\n"

	s.apply(t, large)
	eventually(t, "the refusal is told", s.says("StorageUpToDate=False/NotGrowing", "exceeded quota"))
	eventually(t, "the rest goes through", s.hasLevel("DEBUG"))
	eventually(t, "the rest is applied", s.condition("Applied=True"))

	s.apply(t, large+"replicas: 0")
	eventually(t, "no pod is left", func(ctx context.Context) error {
		if pod, err := s.findPod(ctx); pod != nil || err != nil {
			return errors.Join(errors.New("there is a pod"), err)
		}

		return nil
	})

	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "metadata-files-0"}}
	if err := cluster.Delete(t.Context(), claim); err != nil {
		t.Fatal(err)
	}

	if err := cluster.Delete(t.Context(), quota); err != nil {
		t.Fatal(err)
	}

	eventually(t, "the missing claim is told", s.says("StorageUpToDate=False/Growing", "it does not exist"))

	// Long enough for the provider to try again a few times.
	for range 10 {
		time.Sleep(time.Second)

		if err := cluster.Get(t.Context(), s.key("metadata-files-0"), claim); !apierrors.IsNotFound(err) {
			t.Fatalf("somebody created the claim: %v", err)
		}
	}

	// The StatefulSet's controller makes it with the size of its template, and then it grows.
	s.apply(t, large)
	s.waitRunning(t)
	eventually(t, "the new claim has grown", s.has("metadata-files-0", "5Gi"))
	eventually(t, "the condition is true", s.condition("StorageUpToDate=True"))
	eventually(t, "the Object of the claim is gone", s.objectsSettled)
}

// has returns no error once a claim has a capacity.
func (s *server) has(claim, size string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		pvc := &corev1.PersistentVolumeClaim{}
		if err := cluster.Get(ctx, s.key(claim), pvc); err != nil {
			return err
		}

		if got := pvc.Status.Capacity[corev1.ResourceStorage]; got.Cmp(resource.MustParse(size)) != 0 {
			return errors.New("capacity " + got.String())
		}

		return nil
	}
}
