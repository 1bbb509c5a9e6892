package composite

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/fielderr"
)

// maxCommonAnnotations bounds the size of the annotations of every object in bytes. The API server
// takes 256 KiB of an object, those of a field of its own and the record in the ConfigMap among them.
const maxCommonAnnotations = 16 * 1024

// reservedDomains are those of labels and annotations that are not the user's to set on a composed
// object. A domain covers those below it.
//
//nolint:gochecknoglobals // A table.
var reservedDomains = []string{
	v1alpha1.Group,
	"crossplane.io",
	// For the controllers of volumes. One for the storage class wins over storage.storageClassName.
	"pv.kubernetes.io",
	"volume.beta.kubernetes.io",
	"volume.kubernetes.io",
}

// Labels returns the labels that every composed object gets besides those of the function. The
// platform's values win.
func (s *DittoServer) Labels() map[string]string { return merged(s.Spec.Labels, s.Input.Labels) }

// Annotations returns the annotations that every composed object gets besides its own. The
// platform's values win.
func (s *DittoServer) Annotations() map[string]string {
	return merged(s.Spec.Annotations, s.Input.Annotations)
}

// ClaimLabels returns the labels that volume claims get besides those of Kubernetes.
func (s *DittoServer) ClaimLabels() map[string]string {
	return merged(s.Spec.Labels, s.Spec.Storage.Labels, s.Input.Labels, s.Input.Claims.Labels)
}

// ClaimAnnotations returns the annotations that volume claims get.
func (s *DittoServer) ClaimAnnotations() map[string]string {
	return merged(s.Spec.Annotations, s.Spec.Storage.Annotations, s.Input.Annotations, s.Input.Claims.Annotations)
}

// merged returns the entries of all maps. A later one wins.
func merged(all ...map[string]string) map[string]string {
	m := map[string]string{}
	for _, more := range all {
		maps.Copy(m, more)
	}

	return m
}

// validateMetadata reports labels and annotations that composed objects cannot have.
func validateMetadata(p *field.Path, labels, annotations map[string]string) field.ErrorList {
	errs := validateLabels(p.Child("labels"), labels)
	errs = append(errs, fielderr.Annotations(p.Child("annotations"), annotations)...)
	errs = append(errs, validateReserved(p.Child("annotations"), annotations)...)

	size := 0
	for k, v := range annotations {
		size += len(k) + len(v)
	}

	if size > maxCommonAnnotations {
		errs = append(errs, field.TooLong(p.Child("annotations"), "", maxCommonAnnotations))
	}

	if _, ok := annotations[corev1.AnnotationLoadBalancerSourceRangesKey]; ok {
		errs = append(errs, field.Forbidden(p.Child("annotations").Key(corev1.AnnotationLoadBalancerSourceRangesKey), "use loadBalancerSourceRanges of the Service"))
	}

	return errs
}

// validateLabels reports labels that composed objects cannot have.
func validateLabels(p *field.Path, labels map[string]string) field.ErrorList {
	errs := fielderr.Labels(p, labels)
	errs = append(errs, validateOwnLabels(p, labels)...)

	return append(errs, validateReserved(p, labels)...)
}

func validateReserved(p *field.Path, m map[string]string) field.ErrorList {
	var errs field.ErrorList

	for _, key := range slices.Sorted(maps.Keys(m)) {
		domain, _, ok := strings.Cut(key, "/")
		if !ok {
			continue
		}

		if slices.ContainsFunc(reservedDomains, func(r string) bool { return domain == r || strings.HasSuffix(domain, "."+r) }) {
			errs = append(errs, field.Forbidden(p.Key(key), "keys of the domain "+domain+" are reserved: remove it"))
		}
	}

	return errs
}
