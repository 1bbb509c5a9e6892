package composite

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
)

// A boundError is what a field's error says to programs.
type boundError struct {
	Type  field.ErrorType
	Field string
}

func boundErrors(errs field.ErrorList) []boundError {
	var out []boundError
	for _, err := range errs {
		out = append(out, boundError{err.Type, err.Field})
	}

	return out
}

func TestCheckBounds(t *testing.T) {
	list := func(n int) []any { return make([]any, n) }
	text := func(n int) string { return strings.Repeat("å", n) }

	type entries = map[string]any

	fields := func(n int) entries {
		m := entries{}
		for i := range n {
			m[fmt.Sprintf("key-%d", i)] = nil
		}

		return m
	}

	nested := func(n int) any {
		var v any
		for range n {
			v = []any{v}
		}

		return v
	}

	cases := map[string]struct {
		reason      string
		spec, input entries
		want        []boundError
	}{
		"Nothing": {
			reason: "An empty spec is within all bounds.",
		},
		"AtBounds": {
			reason: "A bound is what is just taken, in characters and not in bytes.",
			spec: entries{
				"b": fields(v1alpha1.MaxEntries), "c": text(v1alpha1.MaxTextLength),
				"d": entries{text(v1alpha1.MaxKeyLength): nil}, "e": nested(v1alpha1.MaxDepth - 2),
				"storage": entries{"contentSize": text(v1alpha1.MaxQuantityLength)},
			},
			input: entries{"a": list(v1alpha1.MaxItems)},
		},
		"AboveBounds": {
			reason: "Everything that is too large is told at once, in the order of the fields.",
			spec: entries{
				"a": list(v1alpha1.MaxItems + 1), "b": fields(v1alpha1.MaxEntries + 1), "c": text(v1alpha1.MaxTextLength + 1),
				"d": entries{text(v1alpha1.MaxKeyLength + 1): list(v1alpha1.MaxItems + 1)}, "e": nested(v1alpha1.MaxDepth - 1),
				"storage": entries{"contentSize": text(v1alpha1.MaxQuantityLength + 1)},
			},
			input: entries{"policy": entries{"images": list(v1alpha1.MaxItems + 1)}},
			want: []boundError{
				{field.ErrorTypeTooMany, "input.policy.images"},
				{field.ErrorTypeTooMany, "spec.a"},
				{field.ErrorTypeTooMany, "spec.b"},
				{field.ErrorTypeTooLong, "spec.c"},
				{field.ErrorTypeTooLong, "spec.d[" + text(10) + "…]"},
				{field.ErrorTypeTooMany, "spec.e" + strings.Repeat("[0]", v1alpha1.MaxDepth-1)},
				{field.ErrorTypeTooLong, "spec.storage.contentSize"},
			},
		},
		"Values": {
			reason: "All values together are bounded, and that is told once.",
			spec:   entries{"a": list(v1alpha1.MaxItems), "b": list(v1alpha1.MaxItems), "c": text(v1alpha1.MaxTextLength + 1)},
			want:   []boundError{{field.ErrorTypeTooMany, "spec"}},
		},
		"Size": {
			reason: "So are all texts.",
			spec: entries{"podAnnotations": entries{
				"a": strings.Repeat("x", 200*1024), "b": strings.Repeat("x", 200*1024), "c": strings.Repeat("x", 200*1024), "d": strings.Repeat("x", 300*1024),
			}},
			want: []boundError{{field.ErrorTypeTooMany, "spec"}},
		},
		"MapKeys": {
			reason: "Keys of a map are no fields, whatever they are called.",
			spec: entries{
				"podAnnotations": entries{"a.b": text(v1alpha1.MaxTextLength + 1)},
				"nodeSelector":   entries{"contentSize": text(v1alpha1.MaxQuantityLength + 1)},
				"resources":      entries{"limits": entries{"example.org/a": text(v1alpha1.MaxQuantityLength + 1)}},
			},
			want: []boundError{{field.ErrorTypeTooLong, "spec.resources.limits[example.org/a]"}},
		},
		"Crossplane": {
			reason: "What is Crossplane's is not the user's, and is not decoded.",
			spec:   entries{"resourceRefs": list(v1alpha1.MaxItems + 1), "crossplane": entries{"a": text(v1alpha1.MaxTextLength + 1)}},
		},
		"Many": {
			reason: "One error more than are told is enough.",
			spec: entries{"a": slices.Collect(func(yield func(any) bool) {
				for range 1000 {
					yield(text(v1alpha1.MaxTextLength + 1))
				}
			})},
			want: slices.Collect(func(yield func(boundError) bool) {
				for i := range 101 {
					yield(boundError{field.ErrorTypeTooLong, fmt.Sprintf("spec.a[%d]", i)})
				}
			}),
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := boundErrors(CheckBounds(toStruct(t, entries{"spec": tc.spec}), toStruct(t, tc.input)))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nCheckBounds(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// The XRDs and the function have the same bounds, of every list, map and text of the spec:
// what the API server takes, the function takes, and what it refuses, the function refuses.
func TestBoundsAreThoseOfTheSchemas(t *testing.T) {
	bounded := map[string]bool{}

	for _, f := range []string{"configuration/namespaced/definition.yaml", "configuration/claims/definition.yaml", "package/input/dittoserver.fn.crossplane.io_inputs.yaml"} {
		b, err := os.ReadFile(filepath.Join("..", "..", f))
		if err != nil {
			t.Fatal(err)
		}

		crd := struct {
			Spec struct {
				Versions []struct {
					Schema struct {
						OpenAPIV3Schema schema `json:"openAPIV3Schema"` //nolint:tagliatelle // Kubernetes' spelling.
					} `json:"schema"`
				} `json:"versions"`
			} `json:"spec"`
		}{}
		if err := yaml.Unmarshal(b, &crd); err != nil {
			t.Fatal(err)
		}

		for _, v := range crd.Spec.Versions {
			root, name := v.Schema.OpenAPIV3Schema, "input"
			if spec, ok := root.Properties["spec"]; ok {
				root, name = spec, "spec"
			}

			root.check(t, name, func(v any) any { return v }, bounded)
		}
	}

	for b := range v1alpha1.TextBounds() {
		if !bounded[b.Path] {
			t.Errorf("%s has a bound, and is no text of any schema", b.Path)
		}
	}
}

// A schema is what counts here of an OpenAPI schema.
type schema struct {
	Type                 string
	Enum                 []any
	Properties           map[string]schema
	Items                *schema
	AdditionalProperties *schema
	MaxItems             *int
	MaxProperties        *int
	MaxLength            *int
	IsIntOrString        bool `json:"x-kubernetes-int-or-string"` //nolint:tagliatelle // Kubernetes' spelling.
}

// check that a value is bounded, and those in it, and note the paths of those that are. It
// hands a value to in, which returns the spec or the input with it.
func (s schema) check(t *testing.T, path string, in func(v any) any, bounded map[string]bool) {
	t.Helper()

	var (
		bound *int
		value func(n int) any
	)

	switch {
	case s.Type == "array":
		bound, value = s.MaxItems, func(n int) any { return make([]any, n) }
	case s.AdditionalProperties != nil:
		bound, value = s.MaxProperties, func(n int) any {
			m := map[string]any{}
			for i := range n {
				m[fmt.Sprint(i)] = nil
			}

			return m
		}
	case s.IsIntOrString || s.Type == "string" && len(s.Enum) == 0:
		bound, value = s.MaxLength, func(n int) any { return strings.Repeat("x", n) }
	}

	if value != nil && bound == nil {
		t.Errorf("%s has no bound", path)
	} else if value != nil {
		bounded[path] = true
		root, _, _ := strings.Cut(path, ".")
		exceeding := func(n int) field.ErrorList {
			v, err := structpb.NewValue(in(value(n)))
			if err != nil {
				t.Fatal(err)
			}

			return exceeding(root, v)
		}

		if errs := exceeding(*bound); len(errs) > 0 {
			t.Errorf("%s: the schema takes %d, and the function does not: %v", path, *bound, errs)
		}

		if errs := exceeding(*bound + 1); len(errs) != 1 {
			t.Errorf("%s: the schema does not take %d, and the function does: %v", path, *bound+1, errs)
		}
	}

	for name, p := range s.Properties {
		p.check(t, path+"."+name, func(v any) any { return in(map[string]any{name: v}) }, bounded)
	}

	if s.Items != nil {
		s.Items.check(t, path+"[]", func(v any) any { return in([]any{v}) }, bounded)
	}

	if s.AdditionalProperties != nil {
		s.AdditionalProperties.check(t, path+"{}", func(v any) any { return in(map[string]any{"key": v}) }, bounded)
	}
}

// The bounds are far above every example and whatever was recorded of servers that ran: by a
// factor of ten, and of two where texts are short.
func TestBoundsAreFar(t *testing.T) {
	files := 0

	for _, dir := range []string{"example", "test/upgrade/testdata", "test/gitops/testdata"} {
		err := filepath.WalkDir(filepath.Join("..", "..", dir), func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(file) != ".yaml" {
				return err
			}

			b, err := os.ReadFile(file)
			if err != nil {
				return err
			}

			for doc := range strings.SplitSeq(string(b), "\n---\n") {
				var v any
				if err := yaml.Unmarshal([]byte(doc), &v); err != nil {
					return err
				}

				files++
				values := 0

				for _, spec := range specs(v) {
					values += far(t, file, "spec", spec)
				}

				if values*10 > v1alpha1.MaxValues {
					t.Errorf("%s has %d values", file, values)
				}
			}

			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}

	if files < 100 {
		t.Errorf("want all examples and recordings, got %d files", files)
	}
}

// specs returns the specs of all DittoServers in a file, and in the request of a recording.
func specs(v any) []any {
	m, ok := v.(map[string]any)
	if !ok {
		return nil
	}

	if observed, ok := m["request"].(map[string]any); ok {
		observed, _ = observed["observed"].(map[string]any)
		composite, _ := observed["composite"].(map[string]any)
		m, _ = composite["resource"].(map[string]any)

		return []any{m["spec"]}
	}

	if kind, _ := m["kind"].(string); strings.HasSuffix(kind, "DittoServer") {
		return []any{m["spec"]}
	}

	return nil
}

// far checks that a value, and all in it, is far from its bounds, and returns how many
// values these are.
func far(t *testing.T, file, path string, v any) int {
	t.Helper()

	values := 1

	check := func(n, bound int) {
		factor := 10
		if bound < 1000 {
			factor = 2
		}

		if n*factor > bound {
			t.Errorf("%s: %s has %d, and may have %d", file, path, n, bound)
		}
	}

	switch v := v.(type) {
	case map[string]any:
		check(len(v), v1alpha1.MaxEntries)

		for key, e := range v {
			check(utf8.RuneCountInString(key), v1alpha1.MaxKeyLength)

			below := path + "." + key
			if v1alpha1.TextBoundAt(path+"{}") != v1alpha1.MaxTextLength {
				below = path + "{}"
			}

			values += far(t, file, below, e)
		}
	case []any:
		check(len(v), v1alpha1.MaxItems)

		for _, e := range v {
			values += far(t, file, path+"[]", e)
		}
	case string:
		check(utf8.RuneCountInString(v), v1alpha1.TextBoundAt(path))
	case float64:
		check(int(math.Log10(max(v, 1))), v1alpha1.MaxQuantityLength)
	}

	return values
}
