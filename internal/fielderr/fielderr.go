// Package fielderr makes field errors of what k8s.io/apimachinery says of a value.
package fielderr

import (
	"maps"
	"slices"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// OneOf reports a value that is not among the supported ones.
func OneOf[T ~string](p *field.Path, value T, supported ...T) field.ErrorList {
	if slices.Contains(supported, value) {
		return nil
	}

	return field.ErrorList{field.NotSupported(p, value, supported)}
}

// OneOfIfSet reports a value that is set but not among the supported ones.
func OneOfIfSet[T ~string](p *field.Path, value *T, supported ...T) field.ErrorList {
	if value == nil {
		return nil
	}

	return OneOf(p, *value, supported...)
}

// Messages turns the messages of k8s.io/apimachinery's validation into errors.
func Messages(p *field.Path, value any, msgs []string) field.ErrorList {
	var errs field.ErrorList
	for _, m := range msgs {
		errs = append(errs, field.Invalid(p, value, m))
	}

	return errs
}

// Labels reports what cannot be labels, in the order of their keys, until there is enough.
// k8s.io/apimachinery tells it in random order, and the same spec must get the same message
// at each call.
func Labels(p *field.Path, labels map[string]string) field.ErrorList {
	return eachEntry(labels, func(label map[string]string) field.ErrorList {
		return metav1validation.ValidateLabels(label, p)
	})
}

// Annotations reports what cannot be the annotations of an object, as Labels does.
func Annotations(p *field.Path, annotations map[string]string) field.ErrorList {
	size := 0

	errs := eachEntry(annotations, func(annotation map[string]string) field.ErrorList {
		for key, value := range annotation {
			size += len(key) + len(value)
			annotation[key] = ""
		}

		return apivalidation.ValidateAnnotations(annotation, p)
	})

	if size > apivalidation.TotalAnnotationSizeLimitB {
		errs = append(errs, field.TooLong(p, "", apivalidation.TotalAnnotationSizeLimitB))
	}

	return errs
}

// eachEntry returns the errors of the entries of a map, each in a map of its own.
func eachEntry(m map[string]string, check func(entry map[string]string) field.ErrorList) field.ErrorList {
	var errs field.ErrorList

	for _, key := range slices.Sorted(maps.Keys(m)) {
		if errs = append(errs, check(map[string]string{key: m[key]})...); Enough(errs) {
			break
		}
	}

	return errs
}
