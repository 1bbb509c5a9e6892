package composite

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// withDefaults returns the user's spec with defaults under it. Objects are merged, and any other value of
// the user's takes the place of the default. A null says nothing: the API server removes it.
func withDefaults(defaults, user *structpb.Struct) *structpb.Struct {
	if len(defaults.GetFields()) == 0 {
		return user
	}

	merged := maps.Clone(user.GetFields())
	if merged == nil {
		merged = map[string]*structpb.Value{}
	}

	for key, d := range defaults.GetFields() {
		switch u := user.GetFields()[key]; {
		case isNull(d):
		case isNull(u):
			merged[key] = d
		case d.GetStructValue() != nil && u.GetStructValue() != nil:
			merged[key] = structpb.NewStructValue(withDefaults(d.GetStructValue(), u.GetStructValue()))
		}
	}

	return &structpb.Struct{Fields: merged}
}

// isNull reports whether a value is null, or missing.
func isNull(v *structpb.Value) bool {
	_, null := v.GetKind().(*structpb.Value_NullValue)

	return null || v.GetKind() == nil
}

// AtOrigin returns errors of the spec with the paths of the input's defaults, where something is
// wrong with a value that is from there.
func (s *DittoServer) AtOrigin(errs field.ErrorList) field.ErrorList {
	return atOrigin(s.defaults, s.UserSpec, errs)
}

func atOrigin(defaults, user *structpb.Struct, errs field.ErrorList) field.ErrorList {
	if len(defaults.GetFields()) == 0 {
		return errs
	}

	for _, err := range errs {
		if below, ok := strings.CutPrefix(err.Field, "spec."); ok && isDefault(defaults, user, below) {
			err.Field = "input.defaults." + below
		}
	}

	return errs
}

// isDefault reports whether the value at a path is from the defaults: they have it, and the user
// does not. A value that neither has is for the user to add.
func isDefault(defaults, user *structpb.Struct, path string) bool {
	d, u := structpb.NewStructValue(defaults), structpb.NewStructValue(user)

	for path != "" && !isNull(d) {
		var key string

		key, path = nextKey(path)

		// A list is all of one or all of the other.
		if isNull(u) || u.GetStructValue() != nil {
			u = u.GetStructValue().GetFields()[key]
		}

		if items := d.GetListValue().GetValues(); items != nil {
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(items) {
				return false
			}

			d = items[i]

			continue
		}

		d = d.GetStructValue().GetFields()[key]
	}

	return !isNull(d) && isNull(u)
}

// nextKey returns the first key of a path below an object, and the path below that: of
// "a.b", "[0].a" and "[example.org/a].b".
func nextKey(path string) (key, below string) {
	if rest, ok := strings.CutPrefix(path, "["); ok {
		key, below, _ = strings.Cut(rest, "]")
	} else if i := strings.IndexAny(path, ".["); i < 0 {
		key = path
	} else {
		key, below = path[:i], path[i:]
	}

	return key, strings.TrimPrefix(below, ".")
}

// maxDefaults is how many fields of the defaults the status lists.
const maxDefaults = 64

// FromDefaults returns the paths of the fields that the server has from the defaults of the input,
// sorted, until there are many.
func (s *DittoServer) FromDefaults() []string {
	var paths []string

	fromDefaults(field.NewPath("spec"), s.defaults, s.UserSpec, func(p *field.Path) { paths = append(paths, p.String()) })
	slices.Sort(paths)

	if n := len(paths) - maxDefaults; n > 0 {
		return append(paths[:maxDefaults], fmt.Sprintf("and %d more", n))
	}

	return paths
}

func fromDefaults(p *field.Path, defaults, user *structpb.Struct, add func(p *field.Path)) {
	for key, d := range defaults.GetFields() {
		u := user.GetFields()[key]

		below := p.Child(key)
		if !isFieldName.MatchString(key) {
			below = p.Key(key)
		}

		switch {
		case isNull(d) || !isNull(u) && u.GetStructValue() == nil:
		case d.GetStructValue() != nil:
			fromDefaults(below, d.GetStructValue(), u.GetStructValue(), add)
		case isNull(u):
			add(below)
		}
	}
}

// isFieldName is what the names of fields are like. Other keys are those of maps.
var isFieldName = regexp.MustCompile(`^[A-Za-z0-9]+$`)
