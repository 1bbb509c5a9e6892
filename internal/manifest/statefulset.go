package manifest

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/quantity"
)

// statefulSet runs the server.
func statefulSet(s *composite.DittoServer, in Inputs) (object, error) {
	return &appsv1.StatefulSet{
		Spec: appsv1.StatefulSetSpec{
			Replicas:    s.Spec.Replicas,
			ServiceName: s.Name + suffixHeadless,
			Selector:    &metav1.LabelSelector{MatchLabels: selectorLabels(s.Name)},
			// One replica needs no order, and under OrderedReady a corrected template
			// never replaces a pod that cannot become ready.
			PodManagementPolicy: appsv1.ParallelPodManagement,
			UpdateStrategy:      appsv1.StatefulSetUpdateStrategy{Type: appsv1.RollingUpdateStatefulSetStrategyType},
			PersistentVolumeClaimRetentionPolicy: &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{
				WhenDeleted: appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
				WhenScaled:  appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
			},
			VolumeClaimTemplates: volumeClaims(s),
			Template:             *in.Pod,
		},
	}, nil
}

func volumeClaims(s *composite.DittoServer) []corev1.PersistentVolumeClaim {
	asked := map[string]composite.Claim{}
	for _, c := range composite.Claims(&s.Spec.Storage) {
		asked[c.Volume] = c
	}

	var claims []corev1.PersistentVolumeClaim

	for _, v := range s.Volumes() {
		// Validated to be a quantity. Should it not be, the claim is of no size.
		size, _ := quantity.Parse(asked[v.Name].Size)

		// The API server knows no fractions of a byte below a thousandth.
		size.RoundUp(0)

		claims = append(claims, corev1.PersistentVolumeClaim{
			// Kubernetes labels the claims with the StatefulSet's selector, too.
			ObjectMeta: metav1.ObjectMeta{Name: v.Name, Labels: s.ClaimLabels(), Annotations: s.ClaimAnnotations()},
			Spec: corev1.PersistentVolumeClaimSpec{
				AccessModes:               []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				StorageClassName:          asked[v.Name].Class,
				VolumeAttributesClassName: s.Spec.Storage.VolumeAttributesClassName,
				DataSource:                snapshot(asked[v.Name].Source),
				Resources:                 corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: size}},
			},
		})
	}

	return claims
}

// snapshot returns the reference to a VolumeSnapshot of the server's namespace, or nil for none.
func snapshot(name string) *corev1.TypedLocalObjectReference {
	if name == "" {
		return nil
	}

	return &corev1.TypedLocalObjectReference{APIGroup: new("snapshot.storage.k8s.io"), Kind: "VolumeSnapshot", Name: name}
}
