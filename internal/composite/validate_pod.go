package composite

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
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

// ownEnv are the environment variables that the function answers for: set past it,
// they would undo its checks.
//
//nolint:gochecknoglobals // A table.
var ownEnv = sets.New(append(dittofs.ConfigEnv(), secretEnv()...)...)

// maxAnnotations bounds the size of the pod's annotations in bytes. The API server
// takes 256 KiB of them, the copy of config.yaml among them.
const maxAnnotations = 128 * 1024

// legacyAnnotations are prefixes of pod annotations that the API server judges.
//
//nolint:gochecknoglobals // A table.
var legacyAnnotations = []string{
	"container.seccomp.security.alpha.kubernetes.io/",
	"controller.kubernetes.io/pod-deletion-cost",
	"kubernetes.io/config.",
	"scheduler.alpha.kubernetes.io/",
	"seccomp.security.alpha.kubernetes.io/",
}

// validatePod reports what the API server or the kubelet refuses of the pod's own
// settings. Refused there, they would wedge the StatefulSet or its pod. Whether
// the platform allows the pod is not judged here.
func (s *DittoServer) validatePod(p *field.Path) field.ErrorList {
	spec := &s.Spec

	var errs field.ErrorList

	if spec.ImagePullPolicy != "" {
		errs = append(errs, oneOf(p.Child("imagePullPolicy"), spec.ImagePullPolicy, corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever)...)
	}

	for i, ref := range spec.ImagePullSecrets {
		name := p.Child("imagePullSecrets").Index(i).Child("name")
		errs = append(errs, validateSecretName(name, ref.Name)...)

		if slices.Contains(spec.ImagePullSecrets[:i], ref) {
			errs = append(errs, field.Duplicate(name, ref.Name))
		}
	}

	if spec.PriorityClassName != "" {
		errs = append(errs, messages(p.Child("priorityClassName"), spec.PriorityClassName, validation.IsDNS1123Subdomain(spec.PriorityClassName))...)
	}

	if spec.ServiceAccountName != "" {
		errs = append(errs, messages(p.Child("serviceAccountName"), spec.ServiceAccountName, validation.IsDNS1123Subdomain(spec.ServiceAccountName))...)
	}

	if g := spec.TerminationGracePeriodSeconds; g != nil && *g < v1alpha1.PreStopSeconds {
		errs = append(errs, field.Invalid(p.Child("terminationGracePeriodSeconds"), *g, fmt.Sprintf("must be %d or more, as long as the preStop hook sleeps", v1alpha1.PreStopSeconds)))
	}

	errs = append(errs, sorted(metav1validation.ValidateLabels(spec.NodeSelector, p.Child("nodeSelector")))...)
	errs = append(errs, validatePodMetadata(p, spec)...)
	errs = append(errs, validateEnv(p.Child("extraEnv"), spec.ExtraEnv)...)
	errs = append(errs, validateResources(p.Child("resources"), &spec.Resources)...)
	errs = append(errs, validateTolerations(p.Child("tolerations"), spec.Tolerations)...)
	errs = append(errs, validateAffinity(p.Child("affinity"), spec.Affinity)...)
	errs = append(errs, validateSpread(p.Child("topologySpreadConstraints"), spec.TopologySpreadConstraints)...)

	return append(errs, validateSecurity(p, spec)...)
}

func validatePodMetadata(p *field.Path, spec *v1alpha1.DittoServerSpec) field.ErrorList {
	labels, annotations := p.Child("podLabels"), p.Child("podAnnotations")

	errs := sorted(metav1validation.ValidateLabels(spec.PodLabels, labels))
	errs = append(errs, sorted(apivalidation.ValidateAnnotations(spec.PodAnnotations, annotations))...)

	size := 0
	for k, v := range spec.PodAnnotations {
		size += len(k) + len(v)
	}

	if size > maxAnnotations {
		errs = append(errs, field.TooLong(annotations, "", maxAnnotations))
	}

	for _, key := range slices.Sorted(maps.Keys(spec.PodLabels)) {
		if ownLabels.Has(key) {
			errs = append(errs, field.Forbidden(labels.Key(key), "the function sets it: remove it"))
		}
	}

	for _, key := range slices.Sorted(maps.Keys(spec.PodAnnotations)) {
		if slices.ContainsFunc(legacyAnnotations, func(prefix string) bool { return strings.HasPrefix(key, prefix) }) {
			errs = append(errs, field.Forbidden(annotations.Key(key), "Kubernetes gives it a meaning of its own: use the field of the spec"))
		}

		if strings.HasPrefix(key, v1alpha1.Group+"/") {
			errs = append(errs, field.Forbidden(annotations.Key(key), "annotations of the domain "+v1alpha1.Group+" are the function's: remove it"))
		}
	}

	return errs
}

func validateEnv(p *field.Path, env []corev1.EnvVar) field.ErrorList {
	var errs field.ErrorList

	seen := sets.New[string]()

	for i, e := range env {
		name := p.Index(i).Child("name")

		switch {
		case e.Name == "":
			errs = append(errs, field.Required(name, ""))
		case ownEnv.Has(e.Name):
			errs = append(errs, field.Forbidden(name, e.Name+" is the function's to set: use the field of the spec"))
		case seen.Has(e.Name):
			errs = append(errs, field.Duplicate(name, e.Name))
		default:
			errs = append(errs, messages(name, e.Name, validation.IsEnvVarName(e.Name))...)
		}

		seen.Insert(e.Name)

		if e.ValueFrom != nil {
			errs = append(errs, validateEnvSource(p.Index(i).Child("valueFrom"), e)...)
		}
	}

	return errs
}

func validateEnvSource(p *field.Path, e corev1.EnvVar) field.ErrorList {
	var errs field.ErrorList

	if e.Value != "" {
		errs = append(errs, field.Forbidden(p, "may not be used together with value"))
	}

	n := 0
	src := e.ValueFrom

	if r := src.SecretKeyRef; r != nil {
		n++

		errs = append(errs, validateKeyRef(p.Child("secretKeyRef"), r.Name, r.Key)...)
	}

	if r := src.ConfigMapKeyRef; r != nil {
		n++

		errs = append(errs, validateKeyRef(p.Child("configMapKeyRef"), r.Name, r.Key)...)
	}

	if r := src.FieldRef; r != nil {
		n++

		errs = append(errs, validateFieldRef(p.Child("fieldRef"), r)...)
	}

	if r := src.ResourceFieldRef; r != nil {
		n++

		errs = append(errs, validateResourceFieldRef(p.Child("resourceFieldRef"), r)...)
	}

	if src.FileKeyRef != nil {
		n++

		errs = append(errs, field.Forbidden(p.Child("fileKeyRef"), "the pod has no volume for it: use configMapKeyRef or secretKeyRef"))
	}

	switch {
	case n == 0:
		errs = append(errs, field.Required(p, "must have exactly one source"))
	case n > 1:
		errs = append(errs, field.Forbidden(p, "must have exactly one source"))
	}

	return errs
}

func validateKeyRef(p *field.Path, name, key string) field.ErrorList {
	errs := messages(p.Child("name"), name, validation.IsDNS1123Subdomain(name))
	if name == "" {
		errs = field.ErrorList{field.Required(p.Child("name"), "")}
	}

	return append(errs, messages(p.Child("key"), key, validation.IsConfigMapKey(key))...)
}

// podFields are the fields of a pod that an environment variable may take.
//
//nolint:gochecknoglobals // A table.
var podFields = []string{
	"metadata.name",
	"metadata.namespace",
	"metadata.uid",
	"spec.nodeName",
	"spec.serviceAccountName",
	"status.hostIP",
	"status.hostIPs",
	"status.podIP",
	"status.podIPs",
	"metadata.labels['<key>']",
	"metadata.annotations['<key>']",
}

func validateFieldRef(p *field.Path, r *corev1.ObjectFieldSelector) field.ErrorList {
	var errs field.ErrorList
	if r.APIVersion != "" {
		errs = append(errs, oneOf(p.Child("apiVersion"), r.APIVersion, "v1")...)
	}

	fp := p.Child("fieldPath")
	if r.FieldPath == "" {
		return append(errs, field.Required(fp, ""))
	}

	if name, rest, ok := strings.Cut(r.FieldPath, "['"); ok && (name == "metadata.labels" || name == "metadata.annotations") {
		if key, ok := strings.CutSuffix(rest, "']"); ok {
			return append(errs, validateFieldKey(fp, name, key)...)
		}
	}

	return append(errs, oneOf(fp, r.FieldPath, podFields...)...)
}

func validateFieldKey(p *field.Path, name, key string) field.ErrorList {
	// Annotations may have upper case in their domain.
	if name == "metadata.annotations" {
		key = strings.ToLower(key)
	}

	return metav1validation.ValidateLabelName(key, p)
}

func validateResourceFieldRef(p *field.Path, r *corev1.ResourceFieldSelector) field.ErrorList {
	if r.Resource == "" {
		return field.ErrorList{field.Required(p.Child("resource"), "")}
	}

	kind, name, _ := strings.Cut(r.Resource, ".")
	if kind != "limits" && kind != "requests" || !isStandardResource(name) {
		return field.ErrorList{field.Invalid(p.Child("resource"), r.Resource, "must be limits or requests of "+standardResources+", such as limits.memory")}
	}

	divisors := byteDivisors
	if name == "cpu" {
		divisors = cpuDivisors
	}

	if d := r.Divisor; !d.IsZero() {
		return oneOf(p.Child("divisor"), d.String(), divisors...)
	}

	return nil
}

// The divisors that Kubernetes takes for a resource.
//
//nolint:gochecknoglobals // Tables.
var (
	cpuDivisors  = []string{"1m", "1"}
	byteDivisors = []string{"1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"}
)

// standardResources are the resources that have no domain.
const standardResources = "cpu, memory, ephemeral-storage and hugepages-<size>"

func isStandardResource(name string) bool {
	return name == "cpu" || name == "memory" || name == "ephemeral-storage" || isHugePages(name)
}

func isHugePages(name string) bool {
	return strings.HasPrefix(name, corev1.ResourceHugePagesPrefix)
}

// isExtendedResource says whether a resource is a device or such, which a
// cluster's administrator adds.
func isExtendedResource(name string) bool {
	return strings.Contains(name, "/") && !strings.Contains(name, corev1.ResourceDefaultNamespacePrefix)
}

func validateResources(p *field.Path, r *corev1.ResourceRequirements) field.ErrorList {
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

// has says whether a resource that matches has a limit or a request.
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

	page, ok := parseQuantity(size)
	if !ok || page.Value() <= 0 {
		return field.ErrorList{field.Invalid(p, name, "must end with the size of a page, such as 2Mi")}
	}

	if q.MilliValue()%1000 != 0 || q.Value()%page.Value() != 0 {
		return field.ErrorList{field.Invalid(p, q.String(), "must be a multiple of "+size)}
	}

	return nil
}
