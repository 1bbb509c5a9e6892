// Package docs checks the pages of the documentation.
package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// root of the repository.
const root = "../.."

// pages returns the pages to check.
func pages(t *testing.T) []string {
	t.Helper()

	var all []string

	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "example/*.md", "example/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}

		all = append(all, found...)
	}

	return all
}

// Every link within the repository leads to a file or a folder that exists and, if it has
// an anchor, to a heading there.
func TestLinks(t *testing.T) {
	all := pages(t)
	if !slices.Contains(all, filepath.Join(root, "README.md")) || !slices.Contains(all, filepath.Join(root, "docs", "concepts.md")) {
		t.Fatalf("pages: got %q, want README.md and docs/concepts.md among them", all)
	}

	checked := 0

	for _, page := range all {
		for _, target := range links(read(t, page)) {
			checked++

			if err := check(page, target); err != nil {
				t.Errorf("%s: link to %s: %v", strings.TrimPrefix(page, root+"/"), target, err)
			}
		}
	}

	if checked == 0 {
		t.Error("no page has a link")
	}
}

// The index of the documentation leads to every page.
func TestEveryPageIsListed(t *testing.T) {
	all, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}

	index := links(read(t, filepath.Join(root, "docs", "README.md")))

	for _, page := range all {
		name := filepath.Base(page)
		if name != "README.md" && !slices.ContainsFunc(index, func(l string) bool { return l == name || strings.HasPrefix(l, name+"#") }) {
			t.Errorf("docs/README.md does not list %s", name)
		}
	}
}

func TestCheck(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("# A `title`, twice\n## A title, twice\n```\n# no heading\n[no](link)\n```\n[a](b.md#c) `[no](link)` ![d](e.svg)\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	if got, want := links(read(t, page)), []string{"b.md#c", "e.svg"}; !slices.Equal(got, want) {
		t.Errorf("links(...): want %q, got %q", want, got)
	}

	cases := map[string]struct {
		reason string
		target string
		want   bool
	}{
		"File":        {"It is there.", "page.md", true},
		"Folder":      {"A folder is shown with what is in it.", ".", true},
		"Missing":     {"There is no such file.", "other.md", false},
		"Here":        {"A heading of this page.", "#a-title-twice", true},
		"Second":      {"The second heading of a name has a number.", "page.md#a-title-twice-1", true},
		"Third":       {"There are only two.", "#a-title-twice-2", false},
		"Code":        {"A comment in code is no heading.", "#no-heading", false},
		"Elsewhere":   {"What is not in the repository is not checked.", "https://example.org/nowhere#x", true},
		"NotMarkdown": {"Only a page has headings.", ".#x", false},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if err := check(page, tc.target); (err == nil) != tc.want {
				t.Errorf("%s\ncheck(...): want success %t, got %v", tc.reason, tc.want, err)
			}
		})
	}
}

// elsewhere matches links that lead out of the repository.
var elsewhere = regexp.MustCompile(`^[a-z]+:`)

// check returns an error if the target of a link in a page does not exist.
func check(page, target string) error {
	if elsewhere.MatchString(target) {
		return nil
	}

	file, anchor, hasAnchor := strings.Cut(target, "#")
	if file == "" {
		file = page
	} else {
		file = filepath.Join(filepath.Dir(page), file)
	}

	if _, err := os.Stat(file); err != nil || !hasAnchor {
		return err
	}

	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}

	if !slices.Contains(anchors(string(text)), anchor) {
		return fmt.Errorf("there is no such heading, only %q", anchors(string(text)))
	}

	return nil
}

func read(t *testing.T, file string) string {
	t.Helper()

	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}

	return string(text)
}

var (
	fence = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	code  = regexp.MustCompile("`[^`\n]*`")
	link  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	title = regexp.MustCompile(`(?m)^#+ +(.*?) *$`)
)

// links returns the links of a page.
func links(text string) []string {
	var targets []string
	for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(fence.ReplaceAllString(text, ""), ""), -1) {
		targets = append(targets, m[1])
	}

	return targets
}

// anchors returns the anchors of a page's headings, as GitHub makes them: in lower case,
// without punctuation, with hyphens for spaces, and a number for one that was there
// before.
func anchors(text string) []string {
	var all []string

	seen := map[string]int{}

	for _, m := range title.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			default:
				return -1
			}
		}, link.ReplaceAllString(m[1], "]"))

		if n := seen[anchor]; n > 0 {
			all = append(all, fmt.Sprintf("%s-%d", anchor, n))
		} else {
			all = append(all, anchor)
		}

		seen[anchor]++
	}

	return all
}
