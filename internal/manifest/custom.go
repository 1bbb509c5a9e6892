package manifest

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// A Custom is an object of a kind whose Go types are in a module that is not worth importing for
// the few fields that are written. Tests hold those against the kind's own schema.
type Custom[S any] struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec S `json:"spec"`
}

// DeepCopyObject returns a copy. Both have the same spec, which nobody changes once it is built.
func (c *Custom[S]) DeepCopyObject() runtime.Object {
	out := *c
	c.DeepCopyInto(&out.ObjectMeta)

	return &out
}
