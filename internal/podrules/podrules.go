// Package podrules reports what Kubernetes refuses in a pod, as errors of the fields that
// are wrong, and what it warns of. It covers the pod that a StatefulSet makes of this
// function's template: one Linux container, without resource claims, a user namespace of
// its own, or environment variables from files.
//
// Before Kubernetes 1.34 (kubernetes/kubernetes#131790) the API server validated labels and
// annotations of a StatefulSet's pod template, but of the pod's spec only restartPolicy and
// activeDeadlineSeconds. It accepts an invalid one: the controller then deletes the running
// pod and cannot create the next. Since 1.34 it refuses the StatefulSet. No pod is lost, but
// the StatefulSet cannot be applied, and so no other change of the server goes through
// either. That holds only if the last template was valid: after an invalid one, 1.34 still
// validates nothing. A few rules are the scheduler's or the kubelet's instead: the pod would
// be created, and never start.
//
// test/podrules holds these rules against the API server's own, which go.mod could require
// without replace lines: k8s.io/kubernetes requires v0.0.0 of its libraries. Go does not look
// those up if go.mod names a version of each that is linked: "go install" works, "go list -m
// all" does not. These rules stay because that test found two gaps in some 500 templates, and the
// import costs 2.6 MB of binary and a lockstep of a dozen modules.
package podrules

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/internal/fielderr"
)

// PullPolicy reports an imagePullPolicy that Kubernetes does not have. Empty means not set.
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
