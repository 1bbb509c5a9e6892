package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"k8s.io/apimachinery/pkg/api/resource"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// page is docs/troubleshooting.md, which names every text of the function with its cause
// and cure. Code between backquotes in a column with one of these headings is
// held against the code.
const (
	page = "docs/troubleshooting.md"

	columnReason  = "reason"
	columnMessage = "message"
	columnText    = "text"
	columnLibrary = "Kubernetes' text"
)

// root of the repository.
const root = "../.."

// placeholder is what the page has in place of the values in a text.
const placeholder = "…"

var (
	verb = regexp.MustCompile(`%[#+]?[a-zA-Z]`)

	// sentence is what makes a string a text for people: two words that follow each other.
	sentence = regexp.MustCompile(`[A-Za-z]{2,}[ ,:.]* [A-Za-z]{2,}`)

	// camelCase is what makes a string a condition's type or reason.
	camelCase = regexp.MustCompile(`^[A-Z][A-Za-z]+$`)
)

// notMessages are sentences in the code that are no messages to users.
var notMessages = []string{
	// Help of metrics, and of the program.
	"Calls in which a pod template had to wait, by the reason of the condition ConfigRolledOut.",
	"Calls that ended with a fatal result, by its reason.",
	"A Crossplane composition function for DittoFS servers. Flags:",
	// A line of the log with --debug.
	"Ran the function",
	// Crossplane's words, by which the function knows its own error.
	"returned a fatal result",
	// The API server's words for a refusal.
	"is forbidden:",
	"is invalid:",
	"denied the request",
	"denied request:",
	// The provider's words before those.
	"create failed:",
	// Types of blocks in PEM.
	"PRIVATE KEY",
	"ENCRYPTED PRIVATE KEY",
	// What both say of claims.
	"must support resize",
	"the object has been modified",
	"external resource does not exist",
	"spec.accessModes: Required value",
	`cannot create resource "persistentvolumeclaims"`,
	`cannot get resource "persistentvolumeclaims"`,
	`cannot patch resource "persistentvolumeclaims"`,
}

// TestTroubleshooting shows that the page and the code agree: no reason and no text
// is added, changed or removed without its cause and cure.
func TestTroubleshooting(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}

	columns := quotes(t, string(b))
	files := parse(t)

	reasons, texts := map[string]bool{}, map[string]bool{}

	for path, f := range files {
		for _, c := range camelCaseConstants(f, path) {
			reasons[c] = true
		}

		for _, s := range sentences(f) {
			texts[s] = true
		}
	}

	// Crossplane's own word, from a package of Crossplane.
	reasons[ReasonReconcile] = true

	for _, typ := range []string{SpecValid, SecretsResolved, ConfigRolledOut, StorageUpToDate, Applied, Warnings} {
		if !strings.Contains(string(b), "\n### "+typ+"\n") {
			t.Errorf("%s: the condition %s has no heading", page, typ)
		}

		// One of them is a reason as well.
		if typ != ReasonApplied {
			delete(reasons, typ)
		}
	}

	agree(t, "reason", columns[columnReason], reasons)
	agree(t, "text", append(columns[columnMessage], columns[columnText]...), texts)
}

// agree holds what the page quotes against what is in the code.
func agree(t *testing.T, what string, quoted []string, code map[string]bool) {
	t.Helper()

	for _, want := range slices.Sorted(maps.Keys(code)) {
		if !slices.Contains(quoted, want) {
			t.Errorf("%s: the %s %q is missing", page, what, want)
		}
	}

	for _, got := range quoted {
		if !code[got] {
			t.Errorf("%s: there is no %s %q in the code", page, what, got)
		}
	}
}

// quotes returns what is between backquotes in the tables of the page, by the
// heading of its column.
func quotes(t *testing.T, markdown string) map[string][]string {
	t.Helper()

	var headings []string

	columns := map[string][]string{}

	for line := range strings.Lines(markdown) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			headings = nil
			continue
		}

		// An escaped bar is part of a cell.
		line = strings.Trim(strings.ReplaceAll(line, `\|`, "¦"), "|")
		cells := strings.Split(line, "|")

		if headings == nil {
			headings = cells
			continue
		}

		if len(cells) != len(headings) {
			t.Errorf("%s: want %d columns: %s", page, len(headings), line)
			continue
		}

		for i, cell := range cells {
			heading := strings.TrimSpace(headings[i])
			for j, quote := range strings.Split(cell, "`") {
				if j%2 == 1 {
					columns[heading] = append(columns[heading], quote)
				}
			}

			if heading == "cure" && strings.TrimSpace(cell) == "" {
				t.Errorf("%s: there is no cure: %s", page, line)
			}
		}
	}

	return columns
}

// parse returns the function's own code, by its path.
func parse(t *testing.T) map[string]*ast.File {
	t.Helper()

	paths, err := filepath.Glob(filepath.Join(root, "*.go"))
	if err != nil {
		t.Fatal(err)
	}

	err = filepath.WalkDir(filepath.Join(root, "internal"), func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".go" && !strings.HasSuffix(filepath.Dir(path), "test") {
			paths = append(paths, path)
		}

		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	files := map[string]*ast.File{}

	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}

		if files[path], err = parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution); err != nil {
			t.Fatal(err)
		}
	}

	return files
}

// camelCaseConstants of the packages that make conditions.
func camelCaseConstants(f *ast.File, path string) []string {
	var values []string

	if dir := filepath.Base(filepath.Dir(path)); dir != "report" && dir != "guard" {
		return nil
	}

	for _, d := range f.Decls {
		decl, ok := d.(*ast.GenDecl)
		if !ok || decl.Tok != token.CONST {
			continue
		}

		for _, s := range decl.Specs {
			for _, v := range s.(*ast.ValueSpec).Values {
				if s := literal(v); camelCase.MatchString(s) {
					values = append(values, s)
				}
			}
		}
	}

	return values
}

// sentences returns the texts for people in a file, with a placeholder for all that
// is filled in.
func sentences(f *ast.File) []string {
	var texts []string

	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec, *ast.Field:
			// Paths, and tags of structs.
			return false
		case *ast.CallExpr:
			// The help of a flag is not a message.
			f, ok := n.Fun.(*ast.SelectorExpr)
			return !ok || !strings.HasSuffix(f.Sel.Name, "Var")
		case ast.Expr:
			s := literal(n)
			if s == "" {
				return true
			}

			s = strings.TrimSpace(verb.ReplaceAllString(s, placeholder))
			if sentence.MatchString(strings.ReplaceAll(s, placeholder, "")) && !slices.Contains(notMessages, s) {
				texts = append(texts, s)
			}

			return false
		default:
			return true
		}
	})

	return texts
}

// literal returns the text of an expression, with a placeholder for what is added to
// it, or "" if nothing of it is in the code.
func literal(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		// Other literals cannot be unquoted to more than a character.
		s, _ := strconv.Unquote(e.Value)
		return s
	case *ast.BinaryExpr:
		x, y := literal(e.X), literal(e.Y)
		if e.Op != token.ADD || x+y == "" {
			return ""
		}

		if x == "" {
			x = placeholder
		}

		if y == "" {
			y = placeholder
		}

		return x + y
	default:
		return ""
	}
}

// delegated are the functions of libraries whose words users see, with what they say to
// all that they refuse.
func delegated() map[string][]string {
	long, p := strings.Repeat("a", 300), field.NewPath("spec")

	says := func(check func(string) []string, bad ...string) []string {
		var msgs []string
		for _, b := range bad {
			msgs = append(msgs, check(b)...)
		}

		return msgs
	}
	details := func(errs ...*field.Error) []string {
		var msgs []string
		for _, err := range errs {
			msgs = append(msgs, err.Detail)
		}

		return msgs
	}
	labelName := func(bad string) []string { return details(metav1validation.ValidateLabelName(bad, p)...) }
	cidr := func(bad string) []string { return details(validation.IsValidCIDR(p, bad)...) }
	requirement := func(bad metav1.LabelSelectorRequirement) []string {
		return details(metav1validation.ValidateLabelSelectorRequirement(bad, metav1validation.LabelSelectorValidationOptions{}, p)...)
	}
	image := func(bad string) []string {
		_, err := reference.ParseNormalizedNamed(bad)
		return []string{err.Error()}
	}

	badNames := []string{"_", "", "a/b/c", "/a", "a/", "_/a", long + "/a", long}

	return map[string][]string{
		"validation.IsDNS1035Label":     says(validation.IsDNS1035Label, "_", long),
		"validation.IsDNS1123Label":     says(validation.IsDNS1123Label, "_", long),
		"validation.IsDNS1123Subdomain": says(validation.IsDNS1123Subdomain, "_", long),
		"validation.IsConfigMapKey":     says(validation.IsConfigMapKey, "/", "..", "..a", long),
		"validation.IsEnvVarName":       says(validation.IsEnvVarName, "1", "..", "..a"),
		"validation.IsValidLabelValue":  says(validation.IsValidLabelValue, "_", long),
		"validation.IsValidPortNum":     validation.IsValidPortNum(0),
		"validation.IsValidPortName":    says(validation.IsValidPortName, "a_b", "1", "a--b", "-a", "a-very-long-name"),
		"validation.IsValidUserID":      validation.IsValidUserID(int64(-1)),
		"validation.IsValidGroupID":     validation.IsValidGroupID(int64(-1)),
		"validation.IsInRange":          validation.IsInRange(0, 1, 100),
		"validation.IsValidCIDR":        says(cidr, "a", "192.0.2.1/24", "2001:DB8::/32", "010.0.0.0/8", "192.0.2.0/024", "::ffff:192.0.2.0/120"),

		"metav1validation.ValidateLabelName": says(labelName, badNames...),
		"metav1validation.ValidateLabels":    details(metav1validation.ValidateLabels(map[string]string{"_": long}, p)...),
		"metav1validation.ValidateLabelSelectorRequirement": slices.Concat(
			requirement(metav1.LabelSelectorRequirement{Key: "a", Operator: metav1.LabelSelectorOpIn}),
			requirement(metav1.LabelSelectorRequirement{Key: "a", Operator: metav1.LabelSelectorOpExists, Values: []string{"a"}}),
			requirement(metav1.LabelSelectorRequirement{Key: "a", Operator: "Is"}),
		),
		"apivalidation.ValidateAnnotations": details(apivalidation.ValidateAnnotations(map[string]string{"_": strings.Repeat("a", 1<<20)}, p)...),

		"reference.ParseNormalizedNamed": says(image, "", "A", "a:!", "https://a", long, strings.Repeat("0", 64)),
		"json.Unmarshal":                 {json.Unmarshal([]byte(`"1 GB"`), &resource.Quantity{}).Error()},

		"field.Required":      {field.Required(p, "reason").Error()},
		"field.Invalid":       {field.Invalid(p, "a", "reason").Error()},
		"field.TypeInvalid":   {field.TypeInvalid(p, "a", "reason").Error()},
		"field.NotSupported":  {field.NotSupported(p, "a", []string{"b"}).Error()},
		"field.Forbidden":     {field.Forbidden(p, "reason").Error()},
		"field.Duplicate":     {field.Duplicate(p, "a").Error()},
		"field.TooLong":       {field.TooLong(p, "aa", 1).Error()},
		"field.InternalError": {field.InternalError(p, errors.New("reason")).Error()},
	}
}

// silent are functions of these libraries that say nothing.
var silent = []string{"field.NewPath", "reference.IsNameOnly", "reference.TagNameOnly"}

// TestTroubleshootingLibraries shows that the page has the words of libraries that users
// see, and no others.
func TestTroubleshootingLibraries(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}

	patterns := map[string]*regexp.Regexp{}
	used := map[string]bool{}

	for _, quote := range quotes(t, string(b))[columnLibrary] {
		patterns[quote] = regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(quote), placeholder, ".*"))
	}

	says := delegated()

	for function, msgs := range says {
		if len(msgs) == 0 {
			t.Errorf("%s says nothing", function)
		}

		for _, msg := range msgs {
			known := false

			for quote, pattern := range patterns {
				if pattern.MatchString(msg) {
					known, used[quote] = true, true
				}
			}

			if msg != "" && !known {
				t.Errorf("%s: what %s says is missing: %s", page, function, msg)
			}
		}
	}

	for quote := range patterns {
		if !used[quote] {
			t.Errorf("%s: no library says %q", page, quote)
		}
	}

	for path, f := range parse(t) {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}

			fun, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}

			function := fmt.Sprint(fun.X, ".", fun.Sel)
			pkg, _, _ := strings.Cut(function, ".")

			judges := slices.Contains([]string{"validation", "metav1validation", "apivalidation", "reference", "field"}, pkg) && !slices.Contains(silent, function)
			if _, ok := says[function]; judges && !ok {
				t.Errorf("%s calls %s, whose words %s does not know", path, function, page)
			}

			return true
		})
	}
}
