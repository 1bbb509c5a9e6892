package composite

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/podrules"
)

// ownLabels are the pod labels that the function sets.
//
//nolint:gochecknoglobals // A table.
var ownLabels = sets.New(
	"app.kubernetes.io/name",
	"app.kubernetes.io/instance",
	"app.kubernetes.io/version",
	"app.kubernetes.io/component",
	"app.kubernetes.io/managed-by",
)

// IsOwnLabel reports whether the function sets a pod label of this key.
func IsOwnLabel(key string) bool { return ownLabels.Has(key) }

// IsOwnAnnotation reports whether a pod annotation of this key is the function's.
func IsOwnAnnotation(key string) bool { return strings.HasPrefix(key, v1alpha1.Group+"/") }

// maxAnnotations bounds the size of the pod's annotations in bytes. The API server
// takes 256 KiB of them, the copy of config.yaml among them.
const maxAnnotations = 128 * 1024

// validatePod reports what Kubernetes refuses of the pod's own settings, and what is the
// function's to set. Whether the platform allows the pod is not judged here.
func (s *DittoServer) validatePod(p *field.Path) field.ErrorList {
	spec := &s.Spec
	pod, container := ptr.Deref(spec.PodSecurityContext, corev1.PodSecurityContext{}), ptr.Deref(spec.SecurityContext, corev1.SecurityContext{})

	errs := podrules.PullPolicy(p.Child("imagePullPolicy"), spec.ImagePullPolicy)
	errs = append(errs, podrules.PullSecrets(p.Child("imagePullSecrets"), spec.ImagePullSecrets)...)
	errs = append(errs, podrules.ObjectName(p.Child("priorityClassName"), spec.PriorityClassName)...)
	errs = append(errs, podrules.ObjectName(p.Child("serviceAccountName"), spec.ServiceAccountName)...)
	errs = append(errs, validateGracePeriod(p.Child("terminationGracePeriodSeconds"), spec.TerminationGracePeriodSeconds)...)
	errs = append(errs, podrules.Labels(p.Child("nodeSelector"), spec.NodeSelector)...)
	errs = append(errs, podrules.Labels(p.Child("podLabels"), spec.PodLabels)...)
	errs = append(errs, validateOwnLabels(p.Child("podLabels"), spec.PodLabels)...)
	errs = append(errs, podrules.Annotations(p.Child("podAnnotations"), spec.PodAnnotations, v1alpha1.Container, cmp.Or(container.AppArmorProfile, pod.AppArmorProfile))...)
	errs = append(errs, validateOwnAnnotations(p.Child("podAnnotations"), spec.PodAnnotations)...)
	errs = append(errs, s.validateExtraEnv(p.Child("extraEnv"))...)
	errs = append(errs, s.validateExtraVolumes(p.Child("extraVolumes"))...)
	errs = append(errs, podrules.Resources(p.Child("resources"), &spec.Resources)...)
	errs = append(errs, podrules.Tolerations(p.Child("tolerations"), spec.Tolerations)...)
	errs = append(errs, podrules.Affinity(p.Child("affinity"), spec.Affinity)...)
	errs = append(errs, podrules.Spread(p.Child("topologySpreadConstraints"), spec.TopologySpreadConstraints)...)
	errs = append(errs, podrules.PodSecurityContext(p.Child("podSecurityContext"), &pod)...)
	errs = append(errs, podrules.SecurityContext(p.Child("securityContext"), &container)...)

	return append(errs, validateRoot(p.Child("podSecurityContext"), p.Child("securityContext"), &pod, &container)...)
}

func validateGracePeriod(p *field.Path, seconds *int64) field.ErrorList {
	if seconds == nil || *seconds >= v1alpha1.PreStopSeconds {
		return nil
	}

	return field.ErrorList{field.Invalid(p, *seconds, fmt.Sprintf("must be %d or more: the preStop hook sleeps that long", v1alpha1.PreStopSeconds))}
}

func validateOwnLabels(p *field.Path, labels map[string]string) field.ErrorList {
	var errs field.ErrorList

	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if IsOwnLabel(key) {
			errs = append(errs, field.Forbidden(p.Key(key), "the function sets it: remove it"))
		}
	}

	return errs
}

// validateOwnAnnotations reports what leaves no room for the function's annotations, or
// would set one of them.
func validateOwnAnnotations(p *field.Path, annotations map[string]string) field.ErrorList {
	var errs field.ErrorList

	size := 0
	for k, v := range annotations {
		size += len(k) + len(v)
	}

	if size > maxAnnotations {
		errs = append(errs, field.TooLong(p, "", maxAnnotations))
	}

	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		if IsOwnAnnotation(key) {
			errs = append(errs, field.Forbidden(p.Key(key), "annotations of the domain "+v1alpha1.Group+" are reserved for the function: remove it"))
		}
	}

	return errs
}

// validateRoot reports root as the user of a container that must not be root, as the
// function's default says: the kubelet would not start it.
func validateRoot(pp, cp *field.Path, pod *corev1.PodSecurityContext, c *corev1.SecurityContext) field.ErrorList {
	nonRoot := ptr.Deref(c.RunAsNonRoot, ptr.Deref(pod.RunAsNonRoot, true))
	user, userPath := pod.RunAsUser, pp.Child("runAsUser")

	if c.RunAsUser != nil {
		user, userPath = c.RunAsUser, cp.Child("runAsUser")
	}

	if nonRoot && user != nil && *user == 0 {
		return field.ErrorList{field.Invalid(userPath, 0, "must not be root while runAsNonRoot is true (its default)")}
	}

	return nil
}
