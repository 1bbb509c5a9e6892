// Package fielderr makes field errors of what k8s.io/apimachinery says of a value.
package fielderr

import (
	"slices"
	"strings"

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

// Sorted orders the errors of what k8s.io/apimachinery validates in the random
// order of a map: the same spec must get the same message at each call.
func Sorted(errs field.ErrorList) field.ErrorList {
	texts := make(map[*field.Error]string, len(errs))
	for _, err := range errs {
		texts[err] = err.Error()
	}

	slices.SortFunc(errs, func(a, b *field.Error) int { return strings.Compare(texts[a], texts[b]) })

	return errs
}
