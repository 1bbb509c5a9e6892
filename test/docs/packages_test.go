package docs

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The page that says what the packages below internal/ have, and which of them each imports,
// is right: the house can be drawn from it.
func TestPackagesAreAsDocumented(t *testing.T) {
	const internal = "github.com/dittofs/function-dittoserver/internal/"

	entries, err := os.ReadDir(filepath.Join(root, "internal"))
	if err != nil {
		t.Fatal(err)
	}

	want := map[string][]string{}

	for _, e := range entries {
		files, err := filepath.Glob(filepath.Join(root, "internal", e.Name(), "*.go"))
		if err != nil {
			t.Fatal(err)
		}

		imports := []string{}

		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}

			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}

			for _, spec := range f.Imports {
				path, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}

				if name, ok := strings.CutPrefix(path, internal); ok {
					imports = append(imports, name)
				}
			}
		}

		slices.Sort(imports)

		want[e.Name()] = slices.Compact(imports)
	}

	_, table, ok := strings.Cut(read(t, filepath.Join(root, "docs", "design.md")), "\n| package | has | imports |\n|---|---|---|\n")
	if !ok {
		t.Fatal("docs/design.md has no table of packages")
	}

	table, _, _ = strings.Cut(table, "\n\n")

	got := map[string][]string{}
	seen := []string{}

	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		names := firsts(quoted, cells[0])

		if len(cells) != 3 || len(names) != 1 {
			t.Fatalf("docs/design.md: want a package, what it has and its imports: %s", line)
		}

		imports := firsts(quoted, cells[2])
		got[names[0]] = append([]string{}, imports...)

		for _, i := range imports {
			if !slices.Contains(seen, i) {
				t.Errorf("docs/design.md: %s imports %s, which is not above it", names[0], i)
			}
		}

		seen = append(seen, names[0])
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/design.md: packages and what they import: -want, +got:\n%s", diff)
	}
}
