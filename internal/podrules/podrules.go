// Package podrules reports what Kubernetes refuses of a pod, as errors of the fields that
// say so, and what it warns of: the pod of one Linux container that a StatefulSet makes,
// which has no resource claims, no user namespace of its own, and no files of environment
// variables.
//
// Before Kubernetes 1.34 (kubernetes/kubernetes#131790) the API server judged labels and
// annotations of a StatefulSet's pod template, but of the pod's spec nothing but
// restartPolicy and activeDeadlineSeconds. So it takes a bad one, and the controller deletes
// the running pod and cannot create the next. Since then it refuses the StatefulSet: no pod
// is lost, but whoever applies it is stuck, and with it each other change of the server.
// That holds only if the last template was good: after a bad one it still judges nothing.
// A few rules are the scheduler's or the kubelet's instead: the pod would be created, and
// never start.
//
// test/podrules holds these rules against the API server's own, which go.mod could require
// without replace lines: k8s.io/kubernetes requires v0.0.0 of its libraries, but Go does not
// look those up if go.mod names a version of each that is linked, and "go install" works;
// "go list -m all" does not. Our own stay because that test found two gaps in some 500
// templates, and the import costs 2.6 MB of binary and a lockstep of a dozen modules.
package podrules

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/internal/fielderr"
)

// PullPolicy reports an imagePullPolicy that there is not. An empty one is none.
func PullPolicy(p *field.Path, policy corev1.PullPolicy) field.ErrorList {
	if policy == "" {
		return nil
	}

	return fielderr.OneOf(p, policy, corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever)
}

// PullSecrets reports references that name no object, and repetitions: server-side apply
// merges pull secrets by name.
func PullSecrets(p *field.Path, refs []corev1.LocalObjectReference) field.ErrorList {
	seen := sets.New[string]()

	return fielderr.Each(p, refs, func(p *field.Path, ref *corev1.LocalObjectReference) field.ErrorList {
		name := p.Child("name")
		errs := SecretName(name, ref.Name)

		if seen.Has(ref.Name) {
			errs = append(errs, field.Duplicate(name, ref.Name))
		}

		seen.Insert(ref.Name)

		return errs
	})
}

// SecretName reports what is not the name of a Secret.
func SecretName(p *field.Path, name string) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(p, "name a Secret in the server's namespace")}
	}

	return ObjectName(p, name)
}

// ObjectName reports what cannot be the name of an object. An empty name is none.
func ObjectName(p *field.Path, name string) field.ErrorList {
	if name == "" {
		return nil
	}

	return fielderr.Messages(p, name, validation.IsDNS1123Subdomain(name))
}

// Labels reports what cannot be labels, of the pod or of its nodes.
func Labels(p *field.Path, labels map[string]string) field.ErrorList {
	return fielderr.Labels(p, labels)
}
