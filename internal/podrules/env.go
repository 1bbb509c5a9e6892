package podrules

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/internal/fielderr"
)

// Env reports what cannot be environment variables of the pod's one container, which has
// this name. Repetitions are among that: server-side apply merges variables by name.
func Env(p *field.Path, env []corev1.EnvVar, container string) field.ErrorList {
	seen := sets.New[string]()

	return fielderr.Each(p, env, func(p *field.Path, e *corev1.EnvVar) field.ErrorList {
		var errs field.ErrorList

		name := p.Child("name")

		switch {
		case e.Name == "":
			errs = append(errs, field.Required(name, ""))
		case seen.Has(e.Name):
			errs = append(errs, field.Duplicate(name, e.Name))
		default:
			errs = append(errs, fielderr.Messages(name, e.Name, validation.IsEnvVarName(e.Name))...)
		}

		seen.Insert(e.Name)

		if e.ValueFrom != nil {
			errs = append(errs, validateEnvSource(p.Child("valueFrom"), e, container)...)
		}

		return errs
	})
}

func validateEnvSource(p *field.Path, e *corev1.EnvVar, container string) field.ErrorList {
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

		errs = append(errs, validateFieldRef(p.Child("fieldRef"), r, podFields)...)
	}

	if r := src.ResourceFieldRef; r != nil {
		n++

		errs = append(errs, validateResourceFieldRef(p.Child("resourceFieldRef"), r, container)...)
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
	errs := fielderr.Messages(p.Child("name"), name, validation.IsDNS1123Subdomain(name))
	if name == "" {
		errs = field.ErrorList{field.Required(p.Child("name"), "")}
	}

	return append(errs, fielderr.Messages(p.Child("key"), key, validation.IsConfigMapKey(key))...)
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

func validateFieldRef(p *field.Path, r *corev1.ObjectFieldSelector, allowed []string) field.ErrorList {
	var errs field.ErrorList
	if r.APIVersion != "" {
		errs = append(errs, fielderr.OneOf(p.Child("apiVersion"), r.APIVersion, "v1")...)
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

	return append(errs, fielderr.OneOf(fp, r.FieldPath, allowed...)...)
}

func validateFieldKey(p *field.Path, name, key string) field.ErrorList {
	// Annotations may have upper case in their domain.
	if name == "metadata.annotations" {
		key = strings.ToLower(key)
	}

	return metav1validation.ValidateLabelName(key, p)
}

func validateResourceFieldRef(p *field.Path, r *corev1.ResourceFieldSelector, container string) field.ErrorList {
	var errs field.ErrorList

	// The API server takes any name. The kubelet looks for the container, and does not start
	// this one if there is none.
	if r.ContainerName != "" && r.ContainerName != container {
		errs = append(errs, notTheContainer(p.Child("containerName"), r.ContainerName, container))
	}

	if r.Resource == "" {
		return append(errs, field.Required(p.Child("resource"), ""))
	}

	kind, name, _ := strings.Cut(r.Resource, ".")
	if kind != "limits" && kind != "requests" || !isStandardResource(name) {
		return append(errs, field.Invalid(p.Child("resource"), r.Resource, "must be limits or requests of "+standardResources+", such as limits.memory"))
	}

	divisors := byteDivisors
	if name == "cpu" {
		divisors = cpuDivisors
	}

	if d := r.Divisor; !d.IsZero() {
		errs = append(errs, fielderr.OneOf(p.Child("divisor"), d.String(), divisors...)...)
	}

	return errs
}

func notTheContainer(p *field.Path, name, container string) *field.Error {
	return field.Invalid(p, name, "must be the name of the pod's container, "+container)
}

// The divisors that Kubernetes takes for a resource.
//
//nolint:gochecknoglobals // Tables.
var (
	cpuDivisors  = []string{"1m", "1"}
	byteDivisors = []string{"1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"}
)
