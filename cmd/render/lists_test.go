package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWithoutLists(t *testing.T) {
	const (
		a = "---\napiVersion: v1\ndata:\n  a: YQ==\nkind: Secret\nmetadata:\n  name: a\n"
		b = "---\napiVersion: v1\nkind: Secret\nmetadata:\n  generation: 3\n  name: b\n"
	)

	cases := map[string]struct {
		reason string
		file   string
		want   string
	}{
		"Documents":   {"Documents stay.", "{apiVersion: v1, kind: Secret, metadata: {name: a}, data: {a: YQ==}}\n---\n{apiVersion: v1, kind: Secret, metadata: {name: b, generation: 3}}\n", a + b},
		"List":        {"kubectl prints several resources so.", "apiVersion: v1\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: a}, data: {a: YQ==}}\n- {apiVersion: v1, kind: Secret, metadata: {name: b, generation: 3}}\nkind: List\nmetadata: {resourceVersion: ''}\n", a + b},
		"Both":        {"A file may have both.", "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Secret, metadata: {name: a}, data: {a: YQ==}}]}\n---\n{apiVersion: v1, kind: Secret, metadata: {name: b, generation: 3}}\n", a + b},
		"JSON":        {"kubectl prints JSON too.", `{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "b", "generation": 3}}]}`, b},
		"EmptyList":   {"Nothing was found.", "{apiVersion: v1, kind: List, items: []}", ""},
		"NoResources": {"A document may be empty.", "---\n# nothing\n---\n{apiVersion: v1, kind: Secret, metadata: {name: b, generation: 3}}\n", b},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			from, to := filepath.Join(dir, "from.yaml"), filepath.Join(dir, "to.yaml")

			if err := os.WriteFile(from, []byte(tc.file), 0o600); err != nil {
				t.Fatal(err)
			}

			if err := withoutLists(from, to); err != nil {
				t.Fatal(err)
			}

			got, err := os.ReadFile(to)
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(tc.want, string(got)); diff != "" {
				t.Errorf("%s\nwithoutLists(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
