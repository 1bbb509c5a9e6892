package fields

import (
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

// The page that people decide by says what happens.
func TestRestartsAreAsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/concepts.md")
	if err != nil {
		t.Fatal(err)
	}

	var want []string
	for _, r := range restartRows {
		want = append(want, "| "+strings.Join(append([]string{r.what}, r.want[:]...), " | ")+" |")
	}

	const header = "| what changes | `Spec` | `Metadata` | `None` |\n|---|---|---|---|\n"

	_, table, ok := strings.Cut(string(page), header)
	if !ok {
		t.Fatalf("docs/concepts.md has no table that begins with\n%s", header)
	}

	table, _, _ = strings.Cut(table, "\n\n")
	if diff := cmp.Diff(want, strings.Split(strings.TrimSpace(table), "\n")); diff != "" {
		t.Errorf("docs/concepts.md: -want, +got:\n%s", diff)
	}
}

// A row edits every field, so that the page says what becomes of a new one. Of what is
// Kubernetes' own, one field stands for all.
func TestRestartsOfEveryField(t *testing.T) {
	full, err := os.ReadFile("../../example/full.yaml")
	if err != nil {
		t.Fatal(err)
	}

	var edited []string
	for _, r := range restartRows {
		for _, edit := range r.edits {
			edited = slices.AppendSeq(edited, maps.Keys(edit))
		}
	}

	for _, path := range leaves(reflect.TypeFor[v1alpha1.DittoServerSpec](), protostructtest.FromYAML(t, string(full)), "spec") {
		field := strings.Join(path[1:], ".")

		// They come with another database, or are another Secret.
		if strings.HasPrefix(field, "database.postgres.") {
			continue
		}

		if !slices.ContainsFunc(edited, func(e string) bool { return e == field || strings.HasPrefix(e, field+".") }) {
			t.Errorf("no row of restartRows edits %s", field)
		}
	}
}
