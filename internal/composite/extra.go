package composite

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/fielderr"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// An extra is what spec.config adds to config.yaml.
type extra struct {
	// object is what the spec says, and keys those that are added: nil where something is wrong
	// with them.
	object *structpb.Struct
	keys   map[string]any

	// known are the paths of those that the server is known to have, and unknown those of the
	// others, without what is below them.
	known, unknown []string
}

// extraKeyPattern is what a key may be. The server's reader ignores case, and takes a dot for an
// object in an object: "logging.output" would win over the field.
var extraKeyPattern = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)

// maxExtraValues is how many values spec.config may have, with objects and lists. DittoFS has some 40
// keys that no field has, and YAML of all that a spec may have takes 20 MB to write.
const maxExtraValues = 512

// count the values in a value, until there are more than enough.
func count(v *structpb.Value, enough int) int {
	n := 1

	for _, below := range v.GetStructValue().GetFields() {
		if n > enough {
			break
		}

		n += count(below, enough)
	}

	for _, item := range v.GetListValue().GetValues() {
		if n > enough {
			break
		}

		n += count(item, enough)
	}

	return n
}

// validateConfig checks the keys of config.yaml that the spec adds, and keeps them.
func (s *DittoServer) validateConfig(p *field.Path) field.ErrorList {
	if s.Spec.Config == nil {
		return nil
	}

	v := s.Merged.GetFields()["config"]

	object := v.GetStructValue()
	if object == nil {
		return field.ErrorList{field.TypeInvalid(p, "", "must be an object")}
	}

	// Do not look closer at a value that is too large to be of use.
	if n := count(v, maxExtraValues); n > maxExtraValues {
		return field.ErrorList{fielderr.TooMany(p, n, maxExtraValues, "values in all")}
	}

	if size := len(protostruct.JSON(v)); size > dittofs.MaxConfigSize {
		return field.ErrorList{{Type: field.ErrorTypeTooLong, Field: p.String(), Detail: fmt.Sprintf("has %d bytes, and must have at most %d", size, dittofs.MaxConfigSize)}}
	}

	s.extra.object = object

	if errs := s.extra.check(p, "", object); len(errs) > 0 {
		return errs
	}

	s.extra.keys = object.AsMap()

	return nil
}

// ConfigKeys returns the keys of config.yaml that the spec adds, without those below them.
func (s *DittoServer) ConfigKeys() []string {
	return slices.Sorted(maps.Keys(s.Merged.GetFields()["config"].GetStructValue().GetFields()))
}

// check the entries of an object at a path of config.yaml.
func (x *extra) check(p *field.Path, path string, object *structpb.Struct) field.ErrorList {
	var errs field.ErrorList

	for _, key := range slices.Sorted(maps.Keys(object.GetFields())) {
		if fielderr.Enough(errs) {
			break
		}

		errs = append(errs, x.checkEntry(p, path, key, object.GetFields()[key])...)
	}

	return errs
}

func (x *extra) checkEntry(p *field.Path, path, key string, v *structpb.Value) field.ErrorList {
	if !extraKeyPattern.MatchString(key) {
		return field.ErrorList{notAKey(p, key)}
	}

	p = p.Child(key)
	if path != "" {
		path += "."
	}

	path += key

	if by := dittofs.Decides(path); by != "" {
		return field.ErrorList{field.Forbidden(p, by)}
	}

	if _, isNull := v.GetKind().(*structpb.Value_NullValue); isNull {
		return field.ErrorList{mustNotBeNull(p)}
	}

	if known := dittofs.ConfigKeyAt(path); known != nil {
		x.known = append(x.known, path)

		if problem := known.Check(v.AsInterface()); problem != "" {
			return field.ErrorList{field.Invalid(p, shown(v), problem)}
		}

		return nil
	}

	if dittofs.IsConfigSection(path) {
		if v.GetStructValue() == nil {
			return field.ErrorList{field.TypeInvalid(p, shown(v), "must be an object")}
		}

		return x.check(p, path, v.GetStructValue())
	}

	x.unknown = append(x.unknown, path)

	return checkUnknown(p, key, v)
}

// checkUnknown checks a value that no known release reads: only that it can be written, and is no
// secret by the names of its keys.
func checkUnknown(p *field.Path, key string, v *structpb.Value) field.ErrorList {
	if dittofs.HoldsSecret(key) {
		return field.ErrorList{field.Forbidden(p, "looks like a secret, which must not be in a ConfigMap: pass it in extraEnv")}
	}

	switch k := v.GetKind().(type) {
	case *structpb.Value_StructValue:
		var errs field.ErrorList

		for _, key := range slices.Sorted(maps.Keys(k.StructValue.GetFields())) {
			if fielderr.Enough(errs) {
				break
			}

			if !extraKeyPattern.MatchString(key) {
				errs = append(errs, notAKey(p, key))
				continue
			}

			errs = append(errs, checkUnknown(p.Child(key), key, k.StructValue.GetFields()[key])...)
		}

		return errs
	case *structpb.Value_ListValue:
		return fielderr.Each(p, k.ListValue.GetValues(), func(p *field.Path, item **structpb.Value) field.ErrorList {
			return checkUnknown(p, "", *item)
		})
	case *structpb.Value_NumberValue:
		return checkNumber(p, k.NumberValue)
	case *structpb.Value_StringValue:
		if !utf8.ValidString(k.StringValue) {
			return field.ErrorList{field.Invalid(p, "", "must be UTF-8")}
		}

		// The error does not have the value.
		if dittofs.IsSecretURL(k.StringValue) {
			return field.ErrorList{field.Forbidden(p, "has a URL with a password, which must not be in a ConfigMap: pass it in extraEnv")}
		}

		return nil
	case *structpb.Value_BoolValue:
		return nil
	default:
		return field.ErrorList{mustNotBeNull(p)}
	}
}

func mustNotBeNull(p *field.Path) *field.Error {
	return field.Invalid(p, nil, "must not be null: leave the key out")
}

func checkNumber(p *field.Path, n float64) field.ErrorList {
	if n == math.Trunc(n) && math.Abs(n) >= dittofs.MaxWhole || math.IsNaN(n) {
		return field.ErrorList{field.Invalid(p, n, "must be below 2^53, since larger whole numbers lose digits: write it as a string")}
	}

	return nil
}

func notAKey(p *field.Path, key string) *field.Error {
	return field.Invalid(p.Key(key), key, "must be 1 to 63 lowercase letters, digits and underscores: the server ignores case, and reads a dot as an object within an object")
}

// shown is a value of the wrong kind in an error, which of objects and lists has the kind only.
func shown(v *structpb.Value) any {
	switch k := v.GetKind().(type) {
	case *structpb.Value_StructValue:
		return "{…}"
	case *structpb.Value_ListValue:
		return "[…]"
	case *structpb.Value_NumberValue:
		if n := k.NumberValue; n == math.Trunc(n) && math.Abs(n) < dittofs.MaxWhole {
			return int64(n)
		}

		return k.NumberValue
	default:
		return v.AsInterface()
	}
}

// maxUnknownKeys is how many unknown keys a warning names.
const maxUnknownKeys = 10

// configWarnings warns of keys of spec.config that a release does not know.
func (s *DittoServer) configWarnings(r dittofs.Release) []string {
	var w []string

	unknown := slices.Clone(s.extra.unknown)
	isKnown := r.IsKnown() && !r.IsNewerThanKnown()

	for _, path := range s.extra.known {
		if isKnown && !dittofs.ConfigKeyAt(path).IsIn(r) {
			unknown = append(unknown, path)
		}
	}

	slices.Sort(unknown)

	for i, path := range unknown {
		switch {
		case i == maxUnknownKeys:
			return append(w, fmt.Sprintf("spec.config: %d more keys that the server does not know", len(unknown)-i))
		case isKnown:
			w = append(w, fmt.Sprintf("spec.config.%s: DittoFS %s does not know this key, and ignores it", path, r))
		default:
			w = append(w, fmt.Sprintf("spec.config.%s: no DittoFS release that this function knows has such a key", path))
		}
	}

	return w
}
