package main

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/input/v1beta1"
)

// The defaults that the doc comments tell are those that the function applies.
func TestDefaultsAreDocumented(t *testing.T) {
	server := &v1alpha1.DittoServerSpec{
		Database: v1alpha1.Database{Postgres: &v1alpha1.Postgres{}},
		Identity: v1alpha1.Identity{Admin: v1alpha1.Admin{PasswordSecretRef: &v1alpha1.SecretKeyRef{}}},
	}
	server.Default()

	input := &v1beta1.Input{}
	input.Default()

	t.Chdir("../..")

	xrd, err := readYAML("configuration/namespaced/definition.yaml")
	if err != nil {
		t.Fatal(err)
	}

	crd, err := readYAML(inputCRD)
	if err != nil {
		t.Fatal(err)
	}

	checkDefaults(t, "spec", child(propertiesOf(schemaOf(xrd)), "spec"), reflect.ValueOf(server).Elem())
	checkDefaults(t, "input", schemaOf(crd), reflect.ValueOf(input).Elem())
}

// otherDefault begins a default that is nothing, or not the function's to fill in.
var otherDefault = regexp.MustCompile(`^:\s+(none|false|all|any|that of|the (cluster|server|function)'s|Kubernetes|user, group|no privilege|marmos91c/dittofs:v<version>|5 \(preStop\)|ClusterProviderConfig)`)

func checkDefaults(t *testing.T, path string, schema map[string]any, v reflect.Value) {
	t.Helper()

	for f, fv := range v.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if fv.Kind() == reflect.Pointer {
			fv = fv.Elem()
		}

		if name == "" || name == "metadata" {
			continue
		}

		path, schema := path+"."+name, child(propertiesOf(schema), name)

		// A doc comment begins with the name of its field.
		_, documented, _ := strings.Cut(strings.TrimPrefix(fmt.Sprint(schema["description"]), f.Name), "Default")
		if !fv.IsValid() || fv.IsZero() {
			if documented != "" && !otherDefault.MatchString(documented) {
				t.Errorf("the doc comment of %s tells a default that the function does not apply%s", path, documented)
			}

			continue
		}

		if isOurs(fv.Type()) {
			checkDefaults(t, path, schema, fv)
			continue
		}

		// The type of one Service is that of all.
		if path == "spec.service.file.type" || path == "spec.service.api.type" {
			continue
		}

		if want := fmt.Sprint(fv.Interface()); !strings.Contains(documented, want) {
			t.Errorf("the doc comment of %s does not tell its default, %s: %s", path, want, schema["description"])
		}
	}
}

// A field that is not described in full is refused.
func TestDescribed(t *testing.T) {
	cases := map[string]struct {
		reason      string
		description string
		typ         reflect.Type
		example     any
		status      bool

		want []string
	}{
		"Complete": {
			reason:      "A default, what bad input gets, and an example are all there is to say.",
			description: "Port. Default: 2049. Any other is an error.",
			typ:         reflect.TypeFor[int32](),
			example:     1,
		},
		"Nothing": {
			reason:      "Everything that is missing is named.",
			description: "Port.",
			typ:         reflect.TypeFor[int32](),
			want:        []string{"o.f has no example", "o.f says no default", "o.f does not say what bad input gets"},
		},
		"Boolean": {
			reason:      "A boolean cannot be wrong in itself.",
			description: "Enabled. Default: false.",
			typ:         reflect.TypeFor[bool](),
			example:     true,
		},
		"NoError": {
			reason:      "What is no error is said too.",
			description: "Images. Default: any. An invalid entry is not an error: it matches nothing.",
			typ:         reflect.TypeFor[[]string](),
			example:     []any{"a"},
		},
		"OtherWord": {
			reason:      "An error is told in a word of its own.",
			description: "Terror. Default: none.",
			typ:         reflect.TypeFor[string](),
			example:     "a",
			want:        []string{"o.f does not say what bad input gets"},
		},
		"Status": {
			reason:      "Nobody writes a status.",
			description: "Phase.",
			typ:         reflect.TypeFor[string](),
			status:      true,
			example:     "a",
		},
		"StatusWithoutExample": {
			reason:      "A status has examples too.",
			description: "Phase.",
			typ:         reflect.TypeFor[string](),
			status:      true,
			want:        []string{"o.f has no example"},
		},
		"NoComment": {
			reason:  "A field without a comment is none that is described.",
			typ:     reflect.TypeFor[string](),
			status:  true,
			example: "a",
			want:    []string{"o.f has no doc comment"},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := &referenceWriter{examples: map[string]any{}}
			r.field(object{path: "o", typ: reflect.TypeFor[v1alpha1.DittoServerSpec]()}, "f", object{
				path: "o.f", typ: tc.typ, schema: map[string]any{"description": tc.description}, example: tc.example, written: !tc.status,
			})

			var got []string
			if err := errors.Join(r.errs...); err != nil {
				got = strings.Split(err.Error(), "\n")
			}

			if len(got) != len(tc.want) {
				t.Fatalf("%s\nfield(...): want %q, got %q", tc.reason, tc.want, got)
			}

			for i, want := range tc.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("%s\nfield(...): want %q, got %q", tc.reason, want, got[i])
				}
			}
		})
	}
}

// The default has a column of its own.
func TestDefaultColumn(t *testing.T) {
	r := &referenceWriter{examples: map[string]any{}}
	r.field(object{path: "o", typ: reflect.TypeFor[v1alpha1.DittoServerSpec]()}, "path", object{
		path: "o.path", typ: reflect.TypeFor[string](), written: true, example: "/a",
		schema: map[string]any{"type": "string", "description": "Path of the file.\nDefault:\n/data/a.db, or none. Anything else is an error."},
	})

	const want = "| `path` | string | /data/a.db, or none | Path of the file. Anything else is an error. | `/a` |\n"
	if got := string(r.text); got != want {
		t.Errorf("field(...): want\n%sgot\n%s", want, got)
	}
}
