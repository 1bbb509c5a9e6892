package manifest

import (
	"maps"
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

// Names, kinds and suffixes are API: whatever is renamed is deleted and created again.
func TestBuild(t *testing.T) {
	everything := []string{
		"configmap is v1 ConfigMap storage/files-config",
		"service-api is v1 Service storage/files-api",
		"service-file is v1 Service storage/files-file",
		"service-headless is v1 Service storage/files-headless",
		"service-metrics is v1 Service storage/files-metrics",
		"statefulset is apps/v1 StatefulSet storage/files",
	}

	cases := map[string]struct {
		reason string
		spec   string
		want   []string
	}{
		"Minimal": {"Every server has these.", "{}", slices.Delete(slices.Clone(everything), 4, 5)},
		"All":     {"Optional objects are there when the spec asks for them.", "{metrics: {enabled: true}}", everything},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m := build(t, server(t, tc.spec), PodInputs{})

			var got []string

			for _, n := range slices.Sorted(maps.Keys(m)) {
				text := func(path ...string) string { return protostruct.Get(m[n], path...).GetStringValue() }
				got = append(got, string(n)+" is "+text("apiVersion")+" "+text("kind")+" "+text("metadata", "namespace")+"/"+text("metadata", "name"))

				if KindOf(m[n]) != RowOf(n).Kind || text("metadata", "name") != ObjectName("files", n) {
					t.Errorf("Build(...): %s is not as the table says", n)
				}

				want := map[string]any{
					"app.kubernetes.io/name": "dittofs", "app.kubernetes.io/instance": "files",
					"app.kubernetes.io/component": "file-server", "app.kubernetes.io/managed-by": "function-dittoserver",
				}
				if diff := cmp.Diff(want, protostruct.Get(m[n], "metadata", "labels").AsInterface()); diff != "" {
					t.Errorf("Build(...): labels of %s: -want, +got:\n%s", n, diff)
				}
			}

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nBuild(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
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
