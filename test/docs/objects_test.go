package docs

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/internal/manifest"
)

// Each row of the table of composed objects is on the pages that say more of them than the
// generated docs/reference.md.
func TestComposedObjectsAreListed(t *testing.T) {
	page := func(name, title string) string {
		_, section, found := strings.Cut(read(t, filepath.Join(root, "docs", name)), "\n## "+title+"\n")
		if !found {
			t.Fatalf("docs/%s has no section %s", name, title)
		}

		section, _, _ = strings.Cut(section, "\n## ")

		return section
	}

	readiness, rights := page("concepts.md", "Readiness"), page("reference.md", "Rights")

	for row := range manifest.Rows() {
		if !strings.Contains(readiness, "`"+string(row.Name)+"`") {
			t.Errorf("docs/concepts.md does not say when %s is ready", row.Name)
		}

		if kinds := plural(row.Kind.Kind); !strings.Contains(rights, kinds) {
			t.Errorf("docs/reference.md does not say who needs rights on %s", kinds)
		}
	}
}

// plural returns a kind as the pages write it.
func plural(kind string) string {
	if stem, ok := strings.CutSuffix(kind, "y"); ok {
		return stem + "ies"
	}

	return kind + "s"
}

// The provider, or Crossplane, must have rights on the composed objects.
func TestComposedObjectsMayBeApplied(t *testing.T) {
	// Crossplane's own rights, without any of ours.
	// https://github.com/crossplane/crossplane/blob/main/cluster/charts/crossplane/templates/clusterrole.yaml
	crossplane := []string{"configmaps", "services"}

	verbs := []string{"get", "list", "watch", "create", "update", "patch", "delete"}

	cases := map[string]struct {
		reason string
		file   string
		has    []string
	}{
		"Provider": {"It has rights on its own kinds only.", "install/provider-kubernetes.yaml", nil},
		"Native":   {"Crossplane has some already.", "native/rbac.yaml", crossplane},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			rules := rulesIn(t, filepath.Join(root, "example", tc.file))

			for row := range manifest.Rows() {
				plural, _ := meta.UnsafeGuessKindToResource(row.Kind)

				if !slices.Contains(tc.has, plural.Resource) && !slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool {
					return slices.Contains(r.APIGroups, plural.Group) && slices.Contains(r.Resources, plural.Resource) &&
						!slices.ContainsFunc(verbs, func(verb string) bool { return !slices.Contains(r.Verbs, verb) })
				}) {
					t.Errorf("%s example/%s gives no rights on %s", tc.reason, tc.file, plural.Resource)
				}
			}
		})
	}
}

// rulesIn returns the rules of the ClusterRoles in a file.
func rulesIn(t *testing.T, file string) []rbacv1.PolicyRule {
	t.Helper()

	var rules []rbacv1.PolicyRule

	for doc := range strings.SplitSeq(read(t, file), "\n---\n") {
		var role rbacv1.ClusterRole
		if err := yaml.Unmarshal([]byte(doc), &role); err != nil {
			t.Fatal(err)
		}

		rules = append(rules, role.Rules...)
	}

	return rules
}
