package podrules

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/internal/quantity"
)

// standardResources are the resources that have no domain.
const standardResources = "cpu, memory, ephemeral-storage and hugepages-<size>"

func isStandardResource(name string) bool {
	return name == "cpu" || name == "memory" || name == "ephemeral-storage" || isHugePages(name)
}

func isHugePages(name string) bool {
	return strings.HasPrefix(name, corev1.ResourceHugePagesPrefix)
}

// isExtendedResource reports whether a resource is a device or such, which a
// cluster's administrator adds.
func isExtendedResource(name string) bool {
	return strings.Contains(name, "/") && !strings.Contains(name, corev1.ResourceDefaultNamespacePrefix)
}

// Resources reports what cannot be the resources of a container.
func Resources(p *field.Path, r *corev1.ResourceRequirements) field.ErrorList {
	errs := validateQuantities(p.Child("limits"), r.Limits)
	errs = append(errs, validateQuantities(p.Child("requests"), r.Requests)...)

	for _, name := range slices.Sorted(maps.Keys(r.Requests)) {
		request := r.Requests[name]
		rp := p.Child("requests").Key(string(name))
		limit, limited := r.Limits[name]

		// Kubernetes shares out no more of these than there is.
		exact := isExtendedResource(string(name)) || isHugePages(string(name))

		switch {
		case exact && !limited:
			errs = append(errs, field.Required(p.Child("limits").Key(string(name)), "must equal its request"))
		case exact && request.Cmp(limit) != 0:
			errs = append(errs, field.Invalid(rp, request.String(), "must equal its limit of "+limit.String()))
		case limited && request.Cmp(limit) > 0:
			errs = append(errs, field.Invalid(rp, request.String(), "must not exceed its limit of "+limit.String()))
		}
	}

	if has(r, isHugePages) && !has(r, func(name string) bool { return name == "cpu" || name == "memory" }) {
		errs = append(errs, field.Forbidden(p, "huge pages need cpu or memory"))
	}

	if len(r.Claims) > 0 {
		errs = append(errs, field.Forbidden(p.Child("claims"), "the pod has no resource claims: remove them"))
	}

	return errs
}

// has reports whether a resource that matches has a limit or a request.
func has(r *corev1.ResourceRequirements, match func(name string) bool) bool {
	for _, list := range []corev1.ResourceList{r.Limits, r.Requests} {
		for name := range list {
			if match(string(name)) {
				return true
			}
		}
	}

	return false
}

func validateQuantities(p *field.Path, list corev1.ResourceList) field.ErrorList {
	var errs field.ErrorList

	for _, name := range slices.Sorted(maps.Keys(list)) {
		errs = append(errs, validateQuantity(p.Key(string(name)), string(name), list[name])...)
	}

	return errs
}

func validateQuantity(p *field.Path, name string, q resource.Quantity) field.ErrorList {
	errs := metav1validation.ValidateLabelName(name, p)

	switch {
	case len(errs) > 0:
	case !strings.Contains(name, "/") && !isStandardResource(name):
		errs = append(errs, field.Invalid(p, name, "must be one of "+standardResources+", or have a domain"))
	case isExtendedResource(name):
		if strings.HasPrefix(name, "requests.") {
			errs = append(errs, field.Invalid(p, name, "must not begin with requests., as quotas do"))
		}

		// Quotas put requests. before the name.
		errs = append(errs, metav1validation.ValidateLabelName("requests."+name, p)...)
	}

	if q.Sign() < 0 {
		errs = append(errs, field.Invalid(p, q.String(), "must be zero or more"))
	}

	if isExtendedResource(name) && q.MilliValue()%1000 != 0 {
		errs = append(errs, field.Invalid(p, q.String(), "must be a whole number"))
	}

	return append(errs, validatePages(p, name, q)...)
}

// validatePages reports huge pages that are not whole.
func validatePages(p *field.Path, name string, q resource.Quantity) field.ErrorList {
	size, ok := strings.CutPrefix(name, corev1.ResourceHugePagesPrefix)
	if !ok {
		return nil
	}

	page, err := quantity.Parse(size)
	if err != nil || page.Sign() <= 0 || page.MilliValue()%1000 != 0 {
		return field.ErrorList{field.Invalid(p, name, "must end with the size of a page, such as 2Mi")}
	}

	if q.MilliValue()%1000 != 0 || q.Value()%page.Value() != 0 {
		return field.ErrorList{field.Invalid(p, q.String(), "must be a multiple of "+size)}
	}

	return nil
}
