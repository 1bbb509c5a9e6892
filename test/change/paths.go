package change

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// A Difference is a field that has another value.
type Difference struct {
	// Path of the field. Items of lists are known by what names them, if something does:
	// spec.template.spec.containers[dittofs].image.
	Path string

	// Before and After are the values, nil where there is none.
	Before, After *structpb.Value
}

// String returns the path and both values as JSON.
func (d Difference) String() string {
	switch {
	case d.Before == nil:
		return "+ " + d.Path + ": " + text(d.After)
	case d.After == nil:
		return "- " + d.Path + ": " + text(d.Before)
	default:
		return "~ " + d.Path + ": " + text(d.Before) + " -> " + text(d.After)
	}
}

// digestText matches digests, of which a few characters are enough to tell them apart.
var digestText = regexp.MustCompile(`^[0-9a-f]{64}$`)

// text returns a value in one line, and only the first characters of a digest.
func text(v *structpb.Value) string {
	if s := v.GetStringValue(); digestText.MatchString(s) {
		return `"` + s[:8] + `…"`
	}

	b, err := protojson.Marshal(v)
	if err != nil {
		return err.Error()
	}

	return string(b)
}

// Differences returns how two values differ, in the order of paths. An object that only
// one of them has is listed field by field; an item of a list is one Difference.
func Differences(path string, before, after *structpb.Value) []Difference {
	if proto.Equal(before, after) {
		return nil
	}

	if b, a, ok := children(before, after); ok {
		isList := before.GetListValue() != nil

		var out []Difference

		names := slices.AppendSeq(slices.Collect(maps.Keys(b)), maps.Keys(a))
		slices.Sort(names)

		for _, name := range slices.Compact(names) {
			path, b, a := join(path, name, isList), b[name], a[name]
			if !isList {
				b, a = orEmpty(b, a), orEmpty(a, b)
			}

			out = append(out, Differences(path, b, a)...)
		}

		if len(out) > 0 {
			return out
		}
		// Only the order of a list.
	}

	return []Difference{{Path: path, Before: before, After: after}}
}

// orEmpty returns an empty object for a value that is not there, where the other one is an
// object with fields.
func orEmpty(v, other *structpb.Value) *structpb.Value {
	if v == nil && len(other.GetStructValue().GetFields()) > 0 {
		return structpb.NewStructValue(&structpb.Struct{})
	}

	return v
}

func join(path, name string, isItem bool) string {
	switch {
	case isItem || strings.ContainsAny(name, "./"):
		return path + "[" + name + "]"
	case path == "":
		return name
	default:
		return path + "." + name
	}
}

// children returns the fields or items of two values that can be compared one by one.
func children(before, after *structpb.Value) (b, a map[string]*structpb.Value, ok bool) {
	if b, a := before.GetStructValue(), after.GetStructValue(); b != nil && a != nil {
		return b.GetFields(), a.GetFields(), true
	}

	bl, al := before.GetListValue(), after.GetListValue()
	if bl == nil || al == nil {
		return nil, nil, false
	}

	// These name the items of Kubernetes' lists.
	for _, key := range [][]string{{"name"}, {"mountPath"}, {"metadata", "name"}} {
		b, okB := itemsBy(bl, key)
		if a, okA := itemsBy(al, key); okA && okB {
			return b, a, true
		}
	}

	return byIndex(bl), byIndex(al), true
}

// itemsBy returns the items of a list by a field that names each of them.
func itemsBy(l *structpb.ListValue, key []string) (map[string]*structpb.Value, bool) {
	items := map[string]*structpb.Value{}

	for _, v := range l.GetValues() {
		name := protostruct.Get(v.GetStructValue(), key...).GetStringValue()
		if _, twice := items[name]; twice || name == "" {
			return nil, false
		}

		items[name] = v
	}

	return items, true
}

func byIndex(l *structpb.ListValue) map[string]*structpb.Value {
	items := map[string]*structpb.Value{}
	for i, v := range l.GetValues() {
		items[strconv.Itoa(i)] = v
	}

	return items
}

// paths returns the paths of differences.
func paths(diffs []Difference) string {
	p := make([]string, 0, len(diffs))
	for _, d := range diffs {
		p = append(p, d.Path)
	}

	return strings.Join(p, ", ")
}
