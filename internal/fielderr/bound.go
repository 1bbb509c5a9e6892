package fielderr

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Max is how many errors a message has. Nobody corrects more at once, and finding them all would
// cost as much as somebody likes.
const Max = 100

// Enough reports whether there are more errors than a message has, so that no more need to be
// found.
func Enough(errs field.ErrorList) bool { return len(errs) > Max }

// Each returns the errors of the items of a list, until there are enough.
func Each[T any](p *field.Path, items []T, check func(p *field.Path, item *T) field.ErrorList) field.ErrorList {
	var errs field.ErrorList

	for i := range items {
		if errs = append(errs, check(p.Index(i), &items[i])...); Enough(errs) {
			break
		}
	}

	return errs
}

// Among reports texts of a list that are among those of a set.
func Among(p *field.Path, texts []string, set sets.Set[string], detail string) field.ErrorList {
	return Each(p, texts, func(p *field.Path, text *string) field.ErrorList {
		if set.Has(*text) {
			return field.ErrorList{field.Invalid(p, *text, detail)}
		}

		return nil
	})
}

// Unless returns errs without those of the fields that others are about, and of what is
// below those fields.
func Unless(others, errs field.ErrorList) field.ErrorList {
	fields := make(map[string]bool, len(others))
	for _, err := range others {
		fields[err.Field] = true
	}

	return slices.DeleteFunc(errs, func(err *field.Error) bool {
		for i, c := range err.Field {
			if (c == '.' || c == '[') && fields[err.Field[:i]] {
				return true
			}
		}

		return fields[err.Field]
	})
}

// TooMany reports n values where there may be at most bound.
func TooMany(p *field.Path, n, bound int, what string) *field.Error {
	return &field.Error{Type: field.ErrorTypeTooMany, Field: p.String(), BadValue: n, Detail: fmt.Sprintf("must have at most %d %s", bound, what)}
}

// TooLong reports a text of n characters where there may be at most bound.
func TooLong(p *field.Path, n, bound int) *field.Error {
	return &field.Error{Type: field.ErrorTypeTooLong, Field: p.String(), BadValue: "", Detail: fmt.Sprintf("has %d characters, and must have at most %d", n, bound)}
}
