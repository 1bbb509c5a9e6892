// Package peers makes Compositions of functions that others use, which compose what this function composed for one
// DittoServer, with another's name in it. Nothing else of this function is there, such as its status, its
// conditions, and what it does when a Secret changes.
package peers

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// Names of the functions.
const (
	GoTemplating      = "go-templating"
	PatchAndTransform = "patch-and-transform"
)

// A Server is the one that was composed.
type Server struct {
	Namespace, Name string

	// Composed resources by name.
	Composed map[string]any
}

// Input returns the input of a function that composes the like of a server.
func Input(function string, s Server) map[string]any {
	if function == GoTemplating {
		return s.goTemplating()
	}

	return s.patchAndTransform()
}

// with returns a text with others for the names of the server.
func (s Server) with(text, namespace, name string) string {
	return strings.NewReplacer(s.Namespace, namespace, s.Name, name).Replace(text)
}

// goTemplating returns the input of function-go-templating. An Object is ready when it says so.
func (s Server) goTemplating() map[string]any {
	text := &strings.Builder{}

	for _, name := range slices.Sorted(maps.Keys(s.Composed)) {
		template, _ := yaml.Marshal(s.Composed[name])
		fmt.Fprintf(text, `---
{{ $ready := "False" }}{{ with index (.observed.resources | default dict) %[1]q }}{{ range (dig "resource" "status" "conditions" (list) .) }}{{ if eq .type "Ready" }}{{ $ready = .status }}{{ end }}{{ end }}{{ end }}
metadata:
  annotations:
    gotemplating.fn.crossplane.io/composition-resource-name: %[1]s
    gotemplating.fn.crossplane.io/ready: {{ $ready | quote }}
%[2]s`, name, s.with(string(template), "{{ .observed.composite.resource.metadata.namespace }}", "{{ .observed.composite.resource.metadata.name }}"))
	}

	return map[string]any{
		"apiVersion": "gotemplating.fn.crossplane.io/v1beta1", "kind": "GoTemplate",
		"source": "Inline", "inline": map[string]any{"template": text.String()},
	}
}

// patchAndTransform returns the input of function-patch-and-transform: a patch for each text in which a
// name of the server is.
func (s Server) patchAndTransform() map[string]any {
	var resources []any

	for _, name := range slices.Sorted(maps.Keys(s.Composed)) {
		var patches []any

		leaves(s.Composed[name], "", func(path, text string) {
			variables := s.variables(text)
			if len(variables) == 0 {
				return
			}

			patches = append(patches, map[string]any{
				"type": "CombineFromComposite", "toFieldPath": path,
				"combine": map[string]any{
					"variables": variables, "strategy": "string",
					"string": map[string]any{"fmt": s.with(strings.ReplaceAll(text, "%", "%%"), "%s", "%s")},
				},
			})
		})

		resources = append(resources, map[string]any{"name": name, "base": s.Composed[name], "patches": patches})
	}

	return map[string]any{"apiVersion": "pt.fn.crossplane.io/v1beta1", "kind": "Resources", "resources": resources}
}

// variables of a text, in the order in which the names of the server stand in it.
func (s Server) variables(text string) []any {
	var variables []any

	for {
		ns, own := strings.Index(text, s.Namespace), strings.Index(text, s.Name)

		switch {
		case ns < 0 && own < 0:
			return variables
		case own < 0 || ns >= 0 && ns < own:
			variables, text = append(variables, map[string]any{"fromFieldPath": "metadata.namespace"}), text[ns+len(s.Namespace):]
		default:
			variables, text = append(variables, map[string]any{"fromFieldPath": "metadata.name"}), text[own+len(s.Name):]
		}
	}
}

// leaves passes on each text of a manifest, with the field path of Crossplane.
func leaves(value any, path string, visit func(path, text string)) {
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			next := path + "[" + key + "]"
			if !strings.ContainsAny(key, "./") {
				next = strings.TrimPrefix(path+"."+key, ".")
			}

			leaves(v[key], next, visit)
		}
	case []any:
		for i, item := range v {
			leaves(item, path+"["+strconv.Itoa(i)+"]", visit)
		}
	case string:
		visit(path, v)
	}
}
