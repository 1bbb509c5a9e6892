package peers

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each name of the server gives way to what another server is called, in its order.
func TestInput(t *testing.T) {
	server := Server{Namespace: "storage", Name: "files", Composed: map[string]any{
		"service-api": map[string]any{"kind": "Object", "spec": map[string]any{
			"a.b/c": "files.storage.svc at 100%",
			"list":  []any{"storage", "other"},
		}},
	}}

	cases := map[string]struct {
		reason   string
		function string
		want     map[string]any
	}{
		"GoTemplating": {
			"A template for each composed resource.", GoTemplating,
			map[string]any{
				"apiVersion": "gotemplating.fn.crossplane.io/v1beta1", "kind": "GoTemplate", "source": "Inline",
				"inline": map[string]any{"template": `---
{{ $ready := "False" }}{{ with index (.observed.resources | default dict) "service-api" }}{{ range (dig "resource" "status" "conditions" (list) .) }}{{ if eq .type "Ready" }}{{ $ready = .status }}{{ end }}{{ end }}{{ end }}
metadata:
  annotations:
    gotemplating.fn.crossplane.io/composition-resource-name: service-api
    gotemplating.fn.crossplane.io/ready: {{ $ready | quote }}
kind: Object
spec:
  a.b/c: {{ .observed.composite.resource.metadata.name }}.{{ .observed.composite.resource.metadata.namespace }}.svc at 100%
  list:
  - {{ .observed.composite.resource.metadata.namespace }}
  - other
`},
			},
		},
		"PatchAndTransform": {
			"A patch for each text with a name.", PatchAndTransform,
			map[string]any{
				"apiVersion": "pt.fn.crossplane.io/v1beta1", "kind": "Resources",
				"resources": []any{map[string]any{
					"name": "service-api", "base": server.Composed["service-api"],
					"patches": []any{
						patch("spec[a.b/c]", "%s.%s.svc at 100%%", "metadata.name", "metadata.namespace"),
						patch("spec.list[0]", "%s", "metadata.namespace"),
					},
				}},
			},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Input(tc.function, server)); diff != "" {
				t.Errorf("%s\nInput(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func patch(path, format string, from ...string) map[string]any {
	var variables []any
	for _, f := range from {
		variables = append(variables, map[string]any{"fromFieldPath": f})
	}

	return map[string]any{
		"type": "CombineFromComposite", "toFieldPath": path,
		"combine": map[string]any{"variables": variables, "strategy": "string", "string": map[string]any{"fmt": format}},
	}
}
