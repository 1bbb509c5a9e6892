package manifest

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
)

// configMap holds config.yaml, and the settings of identity providers that variables of the
// container refer to.
func configMap(s *composite.DittoServer, in Inputs) (object, error) {
	data := map[string]string{dittofs.ConfigFile: string(in.Config)}

	for _, seed := range s.Identity().Seeds() {
		data[seed.Variable] = seed.Value
	}

	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{v1alpha1.AnnotationImage: in.Pod.Spec.Containers[0].Image}},
		Data:       data,
	}, nil
}
