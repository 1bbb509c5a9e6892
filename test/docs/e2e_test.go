package docs

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	declared = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	named    = regexp.MustCompile("`(Test\\w+)`")
	quoted   = regexp.MustCompile("`([^`]+)`")
)

// The page lists every end-to-end test with what it proves, and no test that is gone.
func TestEndToEndTestsAreListed(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "test", "e2e", "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}

	var tests []string
	for _, file := range files {
		tests = append(tests, firsts(declared, read(t, file))...)
	}

	if len(tests) == 0 {
		t.Fatal("there are no end-to-end tests")
	}

	_, section, _ := strings.Cut(read(t, filepath.Join(root, "docs", "real-stack.md")), "\n## What the tests prove\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := firsts(named, section)

	for _, test := range tests {
		if !slices.Contains(rows, test) {
			t.Errorf("docs/real-stack.md does not say what %s proves", test)
		}
	}

	for _, test := range rows {
		if !slices.Contains(tests, test) {
			t.Errorf("docs/real-stack.md: there is no test %s", test)
		}
	}
}

// firsts returns the first group of each match.
func firsts(re *regexp.Regexp, text string) []string {
	var all []string
	for _, m := range re.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}

	return all
}
