// Package main writes the tables of docs/reference.md: flags, metrics, annotations, labels and
// composed objects, each from where the code has it. The function's --help is on standard input.
package main

import (
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/metrics"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/pages"
)

// names has the annotations and labels of the API, as constants with doc comments.
const names = "apis/v1alpha1/groupversion.go"

func main() {
	page := flag.String("page", "docs/reference.md", "The page whose tables are written.")
	flag.Parse()

	if err := run(*page, os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(page string, in io.Reader) error {
	help, err := io.ReadAll(in)
	if err != nil {
		return err
	}

	f, err := parser.ParseFile(token.NewFileSet(), names, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}

	tables := map[string]func() (string, error){
		"flags":       func() (string, error) { return flags(string(help)) },
		"metrics":     counters,
		"annotations": func() (string, error) { return constants(f, "Annotation") },
		"labels":      func() (string, error) { return constants(f, "Label") },
		"objects":     objects,
	}

	for name, table := range tables {
		text, err := table()
		if err != nil {
			return fmt.Errorf("cannot write the table of %s: %w", name, err)
		}

		if err := pages.Replace(page, "make generate: "+name, text); err != nil {
			return err
		}
	}

	return nil
}

// usage matches a flag in what package flag prints: name, type, text and default.
var usage = regexp.MustCompile(`(?m)^  -([\w-]+)(?: (\w+))?(?:\n    )?\t(.*?)(?: \(default (.*)\))?$`)

// flags returns the table of the function's flags.
func flags(help string) (string, error) {
	found := usage.FindAllStringSubmatch(help, -1)
	if len(found) == 0 {
		return "", errors.New("standard input has no flags: pass the function's --help")
	}

	t := table("flag", "value", "default", "what it does")

	for _, m := range found {
		name := "`--" + m[1] + "`"
		if len(m[1]) == 1 {
			name = "`-" + m[1] + "`"
		}

		t.row(name, m[2], code(strings.Trim(m[4], `"`)), m[3])
	}

	return t.String(), nil
}

// counters returns the table of the function's own metrics.
func counters() (string, error) {
	registry := prometheus.NewRegistry()

	// A counter is gathered once it has counted: a hold and, by itself, fatal results.
	metrics.New(registry).Observe(&fnv1.RunFunctionResponse{Conditions: []*fnv1.Condition{
		{Type: report.ConfigRolledOut, Status: fnv1.Status_STATUS_CONDITION_FALSE},
	}})

	families, err := registry.Gather()
	if err != nil {
		return "", err
	}

	t := table("metric", "labels", "what it counts")

	for _, f := range families {
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, code(l.GetName()))
		}

		t.row(code(f.GetName()), strings.Join(labels, ", "), f.GetHelp())
	}

	return t.String(), nil
}

// constants returns the table of the constants whose names begin with prefix: each value with
// its doc comment, which begins with the constant's name and "is set" or "holds".
func constants(f *ast.File, prefix string) (string, error) {
	t := table(strings.ToLower(prefix), "what it is")

	for _, d := range f.Decls {
		decl, ok := d.(*ast.GenDecl)
		if !ok || decl.Tok != token.CONST {
			continue
		}

		for _, s := range decl.Specs {
			spec, ok := s.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(spec.Names[0].Name, prefix) {
				continue
			}

			key, err := keyOf(spec)
			if err != nil {
				return "", err
			}

			doc, ok := strings.CutPrefix(strings.Join(strings.Fields(spec.Doc.Text()), " "), spec.Names[0].Name+" ")
			if !ok {
				return "", fmt.Errorf("the comment of %s does not begin with its name", spec.Names[0].Name)
			}

			doc = strings.TrimPrefix(doc, "is ")
			t.row(code(key), strings.ToUpper(doc[:1])+doc[1:])
		}
	}

	return t.String(), nil
}

// keyOf returns the value of a constant that is Group + "/name".
func keyOf(spec *ast.ValueSpec) (string, error) {
	if sum, ok := spec.Values[0].(*ast.BinaryExpr); ok {
		if name, ok := sum.Y.(*ast.BasicLit); ok {
			s, err := strconv.Unquote(name.Value)

			return v1alpha1.Group + s, err
		}
	}

	return "", fmt.Errorf("%s is not the group and a name", spec.Names[0].Name)
}

// objects returns the table of composed objects.
func objects() (string, error) {
	t := table("composed resource", "kind", "named", "composed")

	for row := range manifest.Rows() {
		when := "always"
		if row.When != nil {
			when = "if the spec asks for it"
		}

		if row.Field != "" {
			when = fmt.Sprintf("with `%s`, where the input offers [the kind](optional-kinds.md)", row.Field)
		}

		apiVersion, kind := row.Kind.ToAPIVersionAndKind()
		t.row(code(string(row.Name)), kind+" (`"+apiVersion+"`)", code("<name>"+row.Suffix), when)
	}

	return t.String(), nil
}

// A builder writes a Markdown table.
type builder struct{ strings.Builder }

// table returns a builder with a heading.
func table(headings ...string) *builder {
	b := &builder{}
	b.row(headings...)
	b.WriteString(strings.Repeat("|---", len(headings)) + "|\n")

	return b
}

func (b *builder) row(cells ...string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }

// code returns text as code, or nothing for none.
func code(s string) string {
	if s == "" {
		return ""
	}

	return "`" + s + "`"
}
