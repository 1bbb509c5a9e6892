package manifest

import (
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/dittofs/function-dittoserver/internal/composite"
)

// podDisruptionBudget lets nobody evict the server's pod, unless it is not ready: then it serves
// no client, and must not keep its node from being drained.
func podDisruptionBudget(s *composite.DittoServer, _ Inputs) (object, error) {
	return &policyv1.PodDisruptionBudget{
		Spec: policyv1.PodDisruptionBudgetSpec{
			// With a minimum, a stopped server would look as if it lacked a pod.
			MaxUnavailable:             new(intstr.FromInt32(0)),
			Selector:                   &metav1.LabelSelector{MatchLabels: selectorLabels(s.Name)},
			UnhealthyPodEvictionPolicy: new(policyv1.AlwaysAllow),
		},
	}, nil
}
