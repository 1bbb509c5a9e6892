package podrules

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/dittofs/function-dittoserver/internal/fielderr"
)

// legacyAnnotations are prefixes of pod annotations that the API server judges, and that
// a field or nothing replaces.
//
//nolint:gochecknoglobals // A table.
var legacyAnnotations = []string{
	"container.seccomp.security.alpha.kubernetes.io/",
	"controller.kubernetes.io/pod-deletion-cost",
	"kubernetes.io/config.",
	"scheduler.alpha.kubernetes.io/",
	"seccomp.security.alpha.kubernetes.io/",
}

// Annotations reports what cannot be annotations of a pod with a container of this name,
// whose AppArmor profile the fields of its security contexts set, or none.
func Annotations(p *field.Path, annotations map[string]string, container string, profile *corev1.AppArmorProfile) field.ErrorList {
	errs := fielderr.Annotations(p, annotations)

	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		if slices.ContainsFunc(legacyAnnotations, func(prefix string) bool { return strings.HasPrefix(key, prefix) }) {
			errs = append(errs, field.Forbidden(p.Key(key), "Kubernetes gives it a meaning of its own: use the field of the spec"))
		}

		if name, ok := strings.CutPrefix(key, corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix); ok {
			errs = append(errs, appArmorAnnotation(p.Key(key), annotations[key], name, container, profile)...)
		}
	}

	return errs
}

// appArmorAnnotation checks the annotation that set a container's AppArmor profile before
// Kubernetes 1.30. It still works, and so it is not among the legacy ones.
func appArmorAnnotation(p *field.Path, value, name, container string, profile *corev1.AppArmorProfile) field.ErrorList {
	var errs field.ErrorList

	if name != container {
		errs = append(errs, notTheContainer(p, name, container))
	}

	known := []string{"", corev1.DeprecatedAppArmorBetaProfileRuntimeDefault, corev1.DeprecatedAppArmorBetaProfileNameUnconfined}
	if !slices.Contains(known, value) && !strings.HasPrefix(value, corev1.DeprecatedAppArmorBetaProfileNamePrefix) {
		errs = append(errs, field.Invalid(p, value, "must be runtime/default, unconfined, or localhost/ and the name of a profile"))
	}

	// The API server compares the two only where the annotation is the container's.
	if want, ok := appArmorValue(profile); ok && name == container && value != want {
		errs = append(errs, field.Invalid(p, value, "must not differ from appArmorProfile: remove it"))
	}

	return errs
}

// appArmorValue returns the value of the annotation that says the same as a profile, if
// the profile says anything.
func appArmorValue(profile *corev1.AppArmorProfile) (string, bool) {
	if profile == nil {
		return "", false
	}

	switch profile.Type {
	case corev1.AppArmorProfileTypeRuntimeDefault:
		return corev1.DeprecatedAppArmorBetaProfileRuntimeDefault, true
	case corev1.AppArmorProfileTypeUnconfined:
		return corev1.DeprecatedAppArmorBetaProfileNameUnconfined, true
	case corev1.AppArmorProfileTypeLocalhost:
		return corev1.DeprecatedAppArmorBetaProfileNamePrefix + ptr.Deref(profile.LocalhostProfile, ""), true
	default:
		return "", false
	}
}
