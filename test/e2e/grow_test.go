package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// csiClass is a storage class of a CSI driver, which tests use where it is there. The stack has none of its
// own.
const csiClass = "csi-hostpath"

func TestStorageGrowsWhileTheServerRuns(t *testing.T) {
	t.Parallel()

	never := compositionWith(t, "{ttl: 5s, configHash: {generation: None}}")

	for name, spec := range map[string]string{
		"Spec": "",
		"None": withComposition(never),
		"CSI":  "storage: {storageClassName: " + csiClass + "}\n",
	} {
		t.Run(name, func(t *testing.T) {
			if name == "CSI" {
				needsClass(t, csiClass)
			}

			t.Parallel()

			s := newServer(t, withSize(t, spec, "1Gi"))
			s.waitRunning(t)
			s.makeShare(t, metadataStore, "/data/metadata/content")
			s.writeFile(t, "first.txt", "first")

			before, set := s.pod(t), s.statefulSet(t)

			for _, size := range []string{"2Gi", "3Gi"} {
				s.apply(t, withSize(t, spec, size))

				if tested.native() {
					eventually(t, "the command is told", s.says("StorageUpToDate=False/NotGrowing", "kubectl patch pvc metadata-files-0"))
					s.expand(t, "metadata-files-0", size)
				}

				// A client writes meanwhile.
				s.writeFile(t, size+".txt", size)
				eventually(t, "the claim has grown", s.has("metadata-files-0", size))
				eventually(t, "the condition is true", s.condition("StorageUpToDate=True"))
				eventually(t, "the status tells it", s.tellsCapacity("metadata", size))
				eventually(t, "the Object of the claim is gone", s.objectsSettled)
			}

			if now := s.pod(t); now.UID != before.UID {
				t.Error("the pod was replaced")
			}

			if s.statefulSet(t).UID != set.UID {
				t.Error("the StatefulSet was created anew")
			}

			for file, content := range map[string]string{"first.txt": "first", "2Gi.txt": "2Gi", "3Gi.txt": "3Gi"} {
				s.expectFile(t, file, content)
			}
		})
	}
}

// withSize returns a spec with a size of the claim for metadata.
func withSize(t *testing.T, spec, size string) string {
	t.Helper()

	fields := map[string]any{}
	if err := yaml.Unmarshal([]byte(spec), &fields); err != nil {
		t.Fatal(err)
	}

	fields["version"] = release
	if err := unstructured.SetNestedField(fields, size, "storage", "metadataSize"); err != nil {
		t.Fatal(err)
	}

	b, err := yaml.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}

	return string(b)
}

// tellsCapacity returns no error once the status has the capacity of a claim.
func (s *server) tellsCapacity(volume, want string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		xr, err := s.get(ctx)
		if err != nil {
			return err
		}

		for _, c := range xr.Status.Claims {
			if c.Name == volume && c.Capacity == want {
				return nil
			}
		}

		return fmt.Errorf("the status has %v", xr.Status.Claims)
	}
}

// needsClass skips a test where there is no such storage class.
func needsClass(t *testing.T, name string) {
	t.Helper()

	if err := cluster.Get(t.Context(), types.NamespacedName{Name: name}, &storagev1.StorageClass{}); apierrors.IsNotFound(err) {
		t.Skipf("there is no StorageClass %s", name)
	} else if err != nil {
		t.Fatal(err)
	}
}

// anotherClass is a storage class like the default one, but for its name, and perhaps for whether its claims
// may grow.
func anotherClass(t *testing.T, mayGrow bool) string {
	t.Helper()

	list := &storagev1.StorageClassList{}
	if err := cluster.List(t.Context(), list); err != nil {
		t.Fatal(err)
	}

	i := slices.IndexFunc(list.Items, func(c storagev1.StorageClass) bool {
		return c.Annotations["storageclass.kubernetes.io/is-default-class"] == "true"
	})
	if i < 0 {
		t.Skip("there is no default StorageClass")
	}

	c := list.Items[i].DeepCopy()
	c.ObjectMeta = metav1.ObjectMeta{GenerateName: "e2e-"}
	c.AllowVolumeExpansion = &mayGrow

	if err := cluster.Create(t.Context(), c); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _ = cluster.Delete(context.Background(), c) })

	return c.Name
}

// A class that allows no growth is reported, and keeps no rotation from going through.
func TestClassThatCannotExpandIsToldWhileTheRestGoesThrough(t *testing.T) {
	t.Parallel()

	class := "storage: {storageClassName: " + anotherClass(t, false) + "}\n"
	s := newServer(t, withSize(t, class, "1Gi"))
	before := s.waitRunning(t)

	s.apply(t, withSize(t, class, "2Gi"))

	if tested.native() {
		eventually(t, "the command is told", s.says("StorageUpToDate=False/NotGrowing", "kubectl patch pvc metadata-files-0"))
	} else {
		eventually(t, "the class is told", s.says("StorageUpToDate=False/NotGrowing", "set allowVolumeExpansion of the class"))
	}

	s.rotateJWT(t, "example-of-a-rotated-example-example-example")
	s.waitReplaced(t, before)
	s.waitRunning(t)

	for _, condition := range []string{"Applied=True", "ConfigRolledOut=True", "Ready=True", "StorageUpToDate=False/NotGrowing"} {
		eventually(t, condition, s.condition(condition))
	}

	s.apply(t, withSize(t, class, "1Gi"))
	eventually(t, "taken back, the condition is true", s.condition("StorageUpToDate=True"))
	eventually(t, "the Object of the claim is gone", s.objectsSettled)
}

// Not parallel: without a provider no server of the cluster changes.
func TestClaimGrowsOnceTheProviderIsBack(t *testing.T) {
	needsObjects(t)

	s := servingSmall(t)
	before := s.pod(t)

	scaleProvider(t, 0)
	t.Cleanup(func() { scaleProvider(t, 1) })

	s.apply(t, withSize(t, "", "2Gi"))
	eventually(t, "the claim waits", s.says("StorageUpToDate=False/Growing", "waiting for the provider to read it"))
	throughout(t, patienceForNothing, "the claim stays", s.has("metadata-files-0", "1Gi"))

	scaleProvider(t, 1)
	eventually(t, "the claim has grown", s.has("metadata-files-0", "2Gi"))
	eventually(t, "the condition is true", s.condition("StorageUpToDate=True"))
	eventually(t, "the Object of the claim is gone", s.objectsSettled)

	if s.pod(t).UID != before.UID {
		t.Error("the pod was replaced")
	}
}

// Grown claims outlive the DittoServer, and the next one of its name finds its files on them.
func TestGrownClaimsOutliveTheirServer(t *testing.T) {
	t.Parallel()

	s := servingSmall(t)
	claims := s.claims(t)

	s.apply(t, withSize(t, "", "2Gi"))

	if tested.native() {
		s.expand(t, "metadata-files-0", "2Gi")
	}

	eventually(t, "the claim has grown", s.has("metadata-files-0", "2Gi"))
	eventually(t, "the condition is true", s.condition("StorageUpToDate=True"))

	if !s.remove(t, patience) {
		t.FailNow()
	}

	s.expectNothingComposed(t)
	s.expectClaims(t, claims)

	s.apply(t, withSize(t, "", "2Gi"))
	s.waitRunning(t)
	s.expectFile(t, "first.txt", "first")
	s.expectClaims(t, claims)
	eventually(t, "the condition is true", s.condition("StorageUpToDate=True"))
	eventually(t, "there is no Object of a claim", s.objectsSettled)
}

// A claim keeps its class when its StatefulSet is recreated, and the condition says so.
func TestClaimKeepsItsClass(t *testing.T) {
	t.Parallel()

	s := servingSmall(t)
	claims, set := s.claims(t), s.statefulSet(t)
	other := withSize(t, "storage: {storageClassName: "+anotherClass(t, true)+"}\n", "1Gi")

	s.apply(t, other)
	eventually(t, "the next step is told", s.says("StorageUpToDate=False/Frozen", "stop the server (spec.replicas: 0)"))

	s.apply(t, other+"replicas: 0\n")
	eventually(t, "the StatefulSet is created anew", func(ctx context.Context) error {
		now := &appsv1.StatefulSet{}
		if err := cluster.Get(ctx, s.key(s.name), now); err != nil {
			return err
		}

		if now.UID == set.UID {
			return errors.New("the old StatefulSet is there")
		}

		return nil
	})
	eventually(t, "the claim's class is told", s.says("StorageUpToDate=False/Frozen", "PersistentVolumeClaim metadata-files-0 has the storage class"))

	s.apply(t, other)
	s.waitRunning(t)
	s.expectFile(t, "first.txt", "first")
	s.expectClaims(t, claims)
	eventually(t, "it is told while the server runs", s.says("StorageUpToDate=False/Frozen", "copy its data to a claim of that class"))

	s.apply(t, smallStorage)
	eventually(t, "without a class, any will do", s.condition("StorageUpToDate=True"))
	eventually(t, "no Object of a claim is left", s.objectsSettled)
}

// A part of the claims of a server waits for a person, before it first starts.
func TestPartOfTheClaimsWaitsForApproval(t *testing.T) {
	t.Parallel()

	objects, err := example("operate/rbac-claims.yaml")
	if err != nil {
		t.Fatal(err)
	}

	for _, u := range objects {
		if err := cluster.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(u), user, client.ForceOwnership); err != nil {
			t.Fatal(err)
		}
	}

	s := newNamespace(t)
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "metadata-files-0"},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}

	if err := cluster.Create(t.Context(), claim); err != nil {
		t.Fatal(err)
	}

	s.apply(t, smallStorage+"crossplane: {compositionRef: {name: "+compositionWith(t, "{ttl: 5s, claims: {read: true}}")+"}}\n")
	s.approve(t, s.waitHeld(t, "", "controlplane-files-0 (nothing), metadata-files-0 (1Gi)"))
	s.waitRunning(t)
	eventually(t, "the condition is true", s.condition("StorageUpToDate=True"))

	if now := s.claims(t)["metadata-files-0"]; now != claim.UID {
		t.Errorf("the claim that was there: got UID %s, want %s", now, claim.UID)
	}
}

// Claims that are new begin with snapshots, where a driver makes them.
func TestNewClaimsBeginWithSnapshots(t *testing.T) {
	needsClass(t, csiClass)
	t.Parallel()

	const spec = "version: " + release + "\nstorage: {controlPlaneSize: 1Gi, metadataSize: 1Gi, storageClassName: " + csiClass

	s := newServer(t, spec+"}\n")
	s.waitRunning(t)
	s.makeShare(t, metadataStore, "/data/metadata/content")
	s.writeFile(t, "first.txt", "first")
	s.apply(t, spec+"}\nreplicas: 0\n")
	s.waitStopped(t)

	for _, volume := range []string{"controlplane", "metadata"} {
		snapshot := &unstructured.Unstructured{}
		snapshot.SetAPIVersion("snapshot.storage.k8s.io/v1")
		snapshot.SetKind("VolumeSnapshot")
		snapshot.SetNamespace(s.namespace)
		snapshot.SetName(volume + "-first")

		if err := unstructured.SetNestedField(snapshot.Object, volume+"-files-0", "spec", "source", "persistentVolumeClaimName"); err != nil {
			t.Fatal(err)
		}

		if err := cluster.Create(t.Context(), snapshot); err != nil {
			t.Fatal(err)
		}

		eventually(t, snapshot.GetName()+" is ready", func(ctx context.Context) error {
			if err := cluster.Get(ctx, s.key(snapshot.GetName()), snapshot); err != nil {
				return err
			}

			if ready, _, err := unstructured.NestedBool(snapshot.Object, "status", "readyToUse"); !ready || err != nil {
				return errors.Join(errors.New("it is not"), err)
			}

			return nil
		})
	}

	if !s.remove(t, patience) {
		t.FailNow()
	}

	for name := range s.claims(t) {
		if err := cluster.Delete(t.Context(), &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}}); err != nil {
			t.Fatal(err)
		}
	}

	eventually(t, "the claims are gone", func(context.Context) error {
		if left := s.claims(t); len(left) > 0 {
			return fmt.Errorf("left: %v", left)
		}

		return nil
	})

	s.apply(t, spec+", controlPlaneDataSource: {name: controlplane-first}, metadataDataSource: {name: metadata-first}}\n")
	s.waitRunning(t)
	s.expectFile(t, "first.txt", "first")
}

// Refusing one claim keeps nothing else from going through, and nobody creates a claim.
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
