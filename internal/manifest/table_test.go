package manifest

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

func TestTable(t *testing.T) {
	const maxLabelLength = 63

	// Two objects of a kind must not have the same name.
	objects := map[string]Name{}

	for r := range Rows() {
		if r.Name == "" || r.Kind.Empty() || r.build == nil {
			t.Errorf("%s: the row lacks a name, a kind or a builder", r.Name)
		}

		if length := v1alpha1.MaxNameLength + len(r.Suffix); length > maxLabelLength {
			t.Errorf("%s: names of up to %d characters are no DNS labels", r.Name, length)
		}

		if other, taken := objects[r.Kind.Kind+r.Suffix]; taken || RowOf(r.Name).Suffix != r.Suffix {
			t.Errorf("%s: the name or the Kubernetes name is %s's", r.Name, other)
		}

		objects[r.Kind.Kind+r.Suffix] = r.Name
	}

	if r := RowOf("other"); r.Name != "" {
		t.Errorf("RowOf(other): want none, got %s", r.Name)
	}
}

// Each object has the kind and the name of its row. Which objects that are, golden files
// show.
func TestBuild(t *testing.T) {
	cases := map[string]struct {
		reason  string
		spec    string
		without []Name
	}{
		"Minimal": {"An optional object is not there unless the spec asks for it.", "{}", optional()},
		"Metrics": {"It is there if the spec does.", "{metrics: {enabled: true}}", slices.DeleteFunc(optional(), func(n Name) bool { return n == ServiceMetrics })},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m := build(t, server(t, tc.spec), PodInputs{})

			for r := range Rows() {
				if want := !slices.Contains(tc.without, r.Name); (m[r.Name] != nil) != want {
					t.Errorf("%s\nBuild(...): want %s: %t", tc.reason, r.Name, want)
				}

				if m[r.Name] == nil {
					continue
				}

				if got := KindOf(m[r.Name]); got != r.Kind {
					t.Errorf("Build(...): want %s to be a %s, got a %s", r.Name, r.Kind, got)
				}

				want := map[string]any{
					"name": "files" + r.Suffix, "namespace": "storage",
					"labels": map[string]any{
						"app.kubernetes.io/name": "dittofs", "app.kubernetes.io/instance": "files",
						"app.kubernetes.io/component": "file-server", "app.kubernetes.io/managed-by": "function-dittoserver",
					},
				}

				got := protostruct.Get(protostruct.With(m[r.Name], nil, "metadata", "annotations"), "metadata")
				if diff := cmp.Diff(want, got.AsInterface()); diff != "" {
					t.Errorf("Build(...): metadata of %s: -want, +got:\n%s", r.Name, diff)
				}
			}
		})
	}
}

// Labels and annotations of everything are on every object and claim, and never on the pod,
// which would restart.
func TestMetadataOfEveryObject(t *testing.T) {
	s := server(t, "{labels: {a: user, b: user}, annotations: {a: user, b: user, d: user}, podDisruptionBudget: {enabled: true}, metrics: {enabled: true}, service: {annotations: {a: service, b: service}, api: {annotations: {c: service}}}}")
	s.Input.Labels = map[string]string{"b": "input", "c": "input"}
	s.Input.Annotations = s.Input.Labels

	m := build(t, s, PodInputs{})

	metas := map[string]*structpb.Struct{}
	for name, o := range m {
		metas[string(name)] = protostruct.Get(o, "metadata").GetStructValue()
	}

	for _, v := range protostruct.Get(m[StatefulSet], "spec", "volumeClaimTemplates").GetListValue().GetValues() {
		meta := protostruct.Get(v.GetStructValue(), "metadata").GetStructValue()
		metas["claim "+protostruct.Get(meta, "name").GetStringValue()] = meta
	}

	if want := 10; len(metas) < want {
		t.Fatalf("want %d objects and claims or more, got %d", want, len(metas))
	}

	for name, meta := range metas {
		want := map[string]string{"a": "user", "b": "input", "c": "input"}
		for key, value := range want {
			if got := protostruct.Get(meta, "labels", key).GetStringValue(); got != value {
				t.Errorf("%s: label %s: want %s, got %s", name, key, value, got)
			}
		}

		want["d"] = "user"
		if name == string(ServiceFile) || name == string(ServiceAPI) {
			want["a"] = "service"
		}

		for key, value := range want {
			if got := protostruct.Get(meta, "annotations", key).GetStringValue(); got != value {
				t.Errorf("%s: annotation %s: want %s, got %s", name, key, value, got)
			}
		}
	}

	pod := protostruct.Get(m[StatefulSet], "spec", "template", "metadata").GetStructValue()
	if protostruct.Get(pod, "labels", "a") != nil || protostruct.Get(pod, "annotations", "d") != nil {
		t.Errorf("the pod has what other objects get: %s", pod)
	}
}

// optional returns the names of the objects that not every server has.
func optional() []Name {
	var names []Name

	for r := range Rows() {
		if r.When != nil {
			names = append(names, r.Name)
		}
	}

	return names
}

func TestIsWhole(t *testing.T) {
	m := build(t, server(t, "{}"), PodInputs{Image: "example.org/dittofs:v1", Config: []byte("logging: {}")})

	cases := map[string]struct {
		reason string
		name   Name
		remove []string
		want   bool
	}{
		"ConfigMap":     {"It has its configuration.", ConfigMap, []string{"metadata", "labels"}, true},
		"NoConfig":      {"A hold would have no configuration to keep.", ConfigMap, []string{"data"}, false},
		"StatefulSet":   {"It has its pod template and what is immutable.", StatefulSet, []string{"metadata", "labels"}, true},
		"NoTemplate":    {"A hold would have no pod template to keep.", StatefulSet, []string{"spec", "template"}, false},
		"NoSelector":    {"The API server refuses another selector.", StatefulSet, []string{"spec", "selector"}, false},
		"NoServiceName": {"The API server refuses another one.", StatefulSet, []string{"spec", "serviceName"}, false},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var gone *structpb.Value
			if got := RowOf(tc.name).IsWhole(protostruct.With(m[tc.name], gone, tc.remove...)); got != tc.want {
				t.Errorf("%s\nIsWhole(...): want %t, got %t", tc.reason, tc.want, got)
			}
		})
	}
}
