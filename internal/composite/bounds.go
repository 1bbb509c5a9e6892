package composite

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/fielderr"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// CheckBounds returns where the user's spec of a composite resource, the function's input, or
// the spec with the input's defaults, are larger than anything that can run. It looks at sizes
// only, and at nothing inside of what is too large. Do not decode a spec that has such an error.
func CheckBounds(xr, input *structpb.Struct) field.ErrorList {
	user := userSpec(protostruct.Get(xr, "spec"))

	errs := exceeding("input", structpb.NewStructValue(input))
	errs = append(errs, exceeding("spec", structpb.NewStructValue(user))...)

	defaults := input.GetFields()["defaults"].GetStructValue()
	if len(errs) > 0 || defaults == nil {
		return errs
	}

	return atOrigin(defaults, user, exceeding("spec", structpb.NewStructValue(withDefaults(defaults, user))))
}

func exceeding(root string, v *structpb.Value) field.ErrorList {
	b := &bounds{root: field.NewPath(root)}
	b.check(b.root, root, v, 1)

	return b.errs
}

// bounds checks a value, and all that is in it.
type bounds struct {
	root *field.Path
	errs field.ErrorList

	// values and size are how many values were found until now, and the bytes of their texts.
	values, size int
}

// isDone reports whether there is no need to look any further.
func (b *bounds) isDone() bool {
	return b.values > v1alpha1.MaxValues || b.size > v1alpha1.MaxSize || fielderr.Enough(b.errs)
}

func (b *bounds) add(err *field.Error) { b.errs = append(b.errs, err) }

// check a value at a path, and at a path in the schema.
func (b *bounds) check(p *field.Path, schema string, v *structpb.Value, depth int) {
	if b.isDone() {
		return
	}

	if b.values++; b.values > v1alpha1.MaxValues {
		b.add(fielderr.TooMany(b.root, b.values, v1alpha1.MaxValues, "values in all"))
		return
	}

	if depth > v1alpha1.MaxDepth {
		b.add(fielderr.TooMany(p, depth, v1alpha1.MaxDepth, "levels of objects and lists"))
		return
	}

	switch k := v.GetKind().(type) {
	case *structpb.Value_StructValue:
		b.checkEntries(p, schema, k.StructValue.GetFields(), depth)
	case *structpb.Value_ListValue:
		b.checkItems(p, schema, k.ListValue.GetValues(), depth)
	case *structpb.Value_StringValue:
		b.checkText(p, k.StringValue, v1alpha1.TextBoundAt(schema))
	}
}

func (b *bounds) checkItems(p *field.Path, schema string, items []*structpb.Value, depth int) {
	if len(items) > v1alpha1.MaxItems {
		b.add(fielderr.TooMany(p, len(items), v1alpha1.MaxItems, "items"))
		return
	}

	for i, item := range items {
		b.check(p.Index(i), schema+"[]", item, depth+1)
	}
}

func (b *bounds) checkEntries(p *field.Path, schema string, entries map[string]*structpb.Value, depth int) {
	if len(entries) > v1alpha1.MaxEntries {
		b.add(fielderr.TooMany(p, len(entries), v1alpha1.MaxEntries, "entries"))
		return
	}

	// Whether anything else is a map or an object with fields makes no difference here.
	isMap := v1alpha1.TextBoundAt(schema+"{}") != v1alpha1.MaxTextLength

	for _, key := range slices.Sorted(maps.Keys(entries)) {
		if b.isDone() {
			return
		}

		below := p
		if len(key) > v1alpha1.MaxKeyLength {
			below = p.Key(beginning(key))
		}

		if !b.checkText(below, key, v1alpha1.MaxKeyLength) {
			continue
		}

		if isMap {
			b.check(p.Key(key), schema+"{}", entries[key], depth+1)
		} else {
			b.check(p.Child(key), schema+"."+key, entries[key], depth+1)
		}
	}
}

// checkText reports whether a text is within its bound, in characters as the API server
// counts them.
func (b *bounds) checkText(p *field.Path, text string, bound int) bool {
	// No text has more characters than bytes.
	if len(text) > bound {
		if n := utf8.RuneCountInString(text); n > bound {
			b.add(fielderr.TooLong(p, n, bound))
			return false
		}
	}

	if b.size += len(text); b.size > v1alpha1.MaxSize {
		b.add(fielderr.TooMany(b.root, b.size, v1alpha1.MaxSize, "bytes of text in all"))
	}

	return true
}

// beginning of a key, for an error.
func beginning(key string) string {
	const length = 20

	if len(key) <= length {
		return key
	}

	return strings.ToValidUTF8(key[:length], "") + "…"
}
