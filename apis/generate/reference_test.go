package main

import (
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

		_, documented, _ := strings.Cut(fmt.Sprint(schema["description"]), "Default")
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
