package prose

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// root of the repository.
const root = "../.."

// paragraph is a piece of text that people read, without its code, links and markup.
type paragraph struct {
	file string
	line int
	text string
}

func (p paragraph) String() string {
	return fmt.Sprintf("%s:%d", p.file, p.line)
}

// files returns the repository's own files by their paths from its root, without folders
// that hold data or that nobody writes by hand.
func files(t *testing.T) []string {
	t.Helper()

	var all []string

	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}

		name := d.Name()
		if d.IsDir() {
			if slices.Contains([]string{".git", "_output", "testdata"}, name) {
				return fs.SkipDir
			}

			return nil
		}

		path, err = filepath.Rel(root, path)
		all = append(all, filepath.ToSlash(path))

		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	return all
}

// paragraphs returns the texts of a file by its kind: the prose of a page, the comments and
// texts of Go code, the comments of everything else.
func paragraphs(t *testing.T, file string, b []byte) []paragraph {
	t.Helper()

	switch ext := filepath.Ext(file); {
	case strings.HasPrefix(file, "configuration/") && filepath.Base(file) == "definition.yaml":
		// Its texts are those of the API's Go types, and Kubernetes' own.
		return nil
	case ext == ".md":
		return page(file, string(b))
	case ext == ".go" && !strings.Contains(file, "zz_generated"):
		return source(t, file, b)
	case ext == ".yaml" || ext == ".yml" || ext == ".sh" || filepath.Base(file) == "Makefile" || strings.HasPrefix(file, ".ci/"):
		return comments(file, string(b))
	default:
		return nil
	}
}

var (
	fence  = regexp.MustCompile("(?ms)^ *(```|~~~).*?^ *(```|~~~)$")
	code   = regexp.MustCompile("`[^`\n]*`")
	target = regexp.MustCompile(`\]\([^)]*\)`)
	url    = regexp.MustCompile(`https?://\S+`)

	// begins matches a line that begins a paragraph: a heading, or an item of a list.
	begins = regexp.MustCompile(`^\s*(#+ |[-*] |\d+\. )`)
)

// page returns the paragraphs of a page. Headings, items of lists and cells of tables are
// paragraphs, too.
func page(file, text string) []paragraph {
	blank := func(s string) string { return strings.Repeat("\n", strings.Count(s, "\n")) }
	text = fence.ReplaceAllStringFunc(text, blank)
	text = target.ReplaceAllString(code.ReplaceAllString(text, "X"), "]")

	var all []paragraph

	open := false

	for i, line := range strings.Split(text, "\n") {
		switch trimmed := strings.TrimSpace(line); {
		case trimmed == "":
			open = false
		case strings.HasPrefix(trimmed, "|"):
			open = false

			for cell := range strings.SplitSeq(strings.Trim(trimmed, "|"), "|") {
				all = append(all, paragraph{file, i + 1, strings.TrimSpace(cell)})
			}
		case open && !begins.MatchString(line):
			all[len(all)-1].text += "\n" + line
		default:
			all = append(all, paragraph{file, i + 1, begins.ReplaceAllString(line, "")})
			open = !strings.HasPrefix(trimmed, "#")
		}
	}

	return all
}

// notProse matches a line of a comment that is code, which begins with a tab, or a marker.
var notProse = regexp.MustCompile(`(?m)^[\t+].*$`)

// item matches what begins an item of a list in a comment.
var item = regexp.MustCompile(`\n\s*(- |\d+\. )`)

// source returns the comments of Go code and, outside of tests, its texts.
func source(t *testing.T, file string, b []byte) []paragraph {
	t.Helper()

	set := token.NewFileSet()

	f, err := parser.ParseFile(set, file, b, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}

	var all []paragraph

	for _, c := range f.Comments {
		text := item.ReplaceAllString(notProse.ReplaceAllString(c.Text(), ""), "\n\n")
		for part := range strings.SplitSeq(text, "\n\n") {
			if part = strings.TrimSpace(part); part != "" {
				all = append(all, paragraph{file, set.Position(c.Pos()).Line, part})
			}
		}
	}

	if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "test/") {
		return all
	}

	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field:
			if n.Tag != nil {
				tag, _ := strconv.Unquote(n.Tag.Value)
				all = append(all, paragraph{file, set.Position(n.Tag.Pos()).Line, reflect.StructTag(tag).Get("help")})
			}

			return n.Tag == nil
		case *ast.BasicLit:
			if s, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING && strings.Contains(strings.TrimSpace(s), " ") {
				all = append(all, paragraph{file, set.Position(n.Pos()).Line, s})
			}
		}

		return true
	})

	return all
}

// comment matches a comment to the end of its line, and the help of a make target.
var comment = regexp.MustCompile(`(?:^|\s)#+\s(.*)$`)

// comments returns the comments of a file, and the texts of alerts.
func comments(file, text string) []paragraph {
	var all []paragraph

	last := -2

	for i, line := range strings.Split(text, "\n") {
		said := ""
		if m := comment.FindStringSubmatch(line); m != nil {
			said = m[1]
		}

		for _, key := range []string{"summary: ", "description: "} {
			if _, value, ok := strings.Cut(line, key); ok {
				said = value
			}
		}

		switch {
		case said == "":
		case last == i-1 && strings.HasPrefix(strings.TrimSpace(line), "#"):
			all[len(all)-1].text += "\n" + said
			last = i
		default:
			all = append(all, paragraph{file, i + 1, said})
			last = i
		}
	}

	return all
}
