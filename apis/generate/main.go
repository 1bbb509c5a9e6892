// Package main generates what else comes of the CustomResourceDefinition that
// controller-gen makes of the Go types. The CRD is on standard input; the argument says
// what goes to standard output: a CompositeResourceDefinition (XRD), "namespaced" or
// "claims"; the API's "reference", docs/api.md; or that of the function's "input", with its
// bounds.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
)

const header = `# Generated from %s by "make generate". Do not edit.
`

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("want one argument: namespaced, claims, reference or input")
	}

	b, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("cannot read the CRD: %w", err)
	}

	crd := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(b, crd); err != nil {
		return fmt.Errorf("cannot parse the CRD: %w", err)
	}

	generated, from := crd, "apis/v1alpha1"

	switch args[0] {
	case "namespaced":
		generated, err = namespaced(crd)
	case "claims":
		generated, err = claims(crd)
	case "input":
		from, err = "input/v1beta1", boundInput(crd)
	case "reference":
		page, err := reference(crd)
		if err != nil {
			return err
		}

		_, err = out.Write(page)

		return err
	default:
		err = fmt.Errorf("unknown argument %q: want namespaced, claims, reference or input", args[0])
	}

	if err != nil {
		return err
	}

	y, err := yaml.Marshal(generated.Object)
	if err != nil {
		return fmt.Errorf("cannot marshal what is generated: %w", err)
	}

	_, err = fmt.Fprintf(out, header+"%s", from, y)

	return err
}

// namespaced returns the XRD of a namespaced composite resource, as Crossplane v2
// knows it.
func namespaced(crd *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	versions, err := versionsOf(crd, v1alpha1.MaxNameLength)
	if err != nil {
		return nil, err
	}

	names, _, _ := unstructured.NestedMap(crd.Object, "spec", "names")
	delete(names, "listKind")

	return xrdOf(crd, crd.GetName(), "apiextensions.crossplane.io/v2", "Namespaced", names, versions), nil
}

// claimSuffix is what Crossplane appends to a claim's name for that of its composite
// resource: a dash and five letters.
const claimSuffix = 6

// claims returns the XRD of a cluster-scoped composite resource with a claim, as
// Crossplane v1 had it and v2 still serves it. The claim has the name that the
// namespaced composite resource has, and its kind an X before it.
func claims(crd *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	// One schema is for both. That a claim's name is not too long, the function checks.
	versions, err := versionsOf(crd, v1alpha1.MaxNameLength+claimSuffix)
	if err != nil {
		return nil, err
	}

	kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
	plural, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "plural")
	singular, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "singular")

	xrd := xrdOf(crd, "x"+crd.GetName(), "apiextensions.crossplane.io/v1", "LegacyCluster", map[string]any{
		"kind": "X" + kind, "plural": "x" + plural, "singular": "x" + singular,
	}, versions)

	// A claim is there until all of it is gone: one of the same name that follows at once
	// would meet what the first still deletes.
	err = errors.Join(
		unstructured.SetNestedField(xrd.Object, "Foreground", "spec", "defaultCompositeDeletePolicy"),
		unstructured.SetNestedMap(xrd.Object, map[string]any{
			"kind": kind, "plural": plural, "singular": singular,
		}, "spec", "claimNames"))

	return xrd, err
}

// xrdOf returns an XRD. Its Composition has the same name, and is the one of those who
// name none: of several, Crossplane would take any.
func xrdOf(crd *unstructured.Unstructured, name, apiVersion, scope string, names map[string]any, versions []any) *unstructured.Unstructured {
	group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")

	xrd := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"scope":    scope,
		"group":    group,
		"names":    names,
		"versions": versions,

		"defaultCompositionRef": map[string]any{"name": name},
	}}}
	xrd.SetAPIVersion(apiVersion)
	xrd.SetKind("CompositeResourceDefinition")
	xrd.SetName(name)

	return xrd
}

// versionsOf returns the XRD's versions. Names of composite resources have at most
// maxName characters.
func versionsOf(crd *unstructured.Unstructured, maxName int) ([]any, error) {
	versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
	if err != nil {
		return nil, fmt.Errorf("cannot read the CRD's versions: %w", err)
	}

	for i := range versions {
		v, ok := versions[i].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("cannot read the CRD's version %d", i)
		}

		// Crossplane supplies the standard fields and the status subresource.
		schema, _, err := unstructured.NestedMap(v, "schema", "openAPIV3Schema")
		if err != nil {
			return nil, fmt.Errorf("cannot read the CRD's schema: %w", err)
		}

		props, _, _ := unstructured.NestedMap(schema, "properties")
		delete(props, "apiVersion")
		delete(props, "kind")
		props["metadata"] = map[string]any{
			"type": "object",
			"properties": map[string]any{
				"name": map[string]any{"type": "string", "maxLength": int64(maxName)},
			},
		}
		schema["properties"] = props
		stripDefaults(schema)
		bound(child(props, "spec"), "spec")
		reflow(schema)

		versions[i] = map[string]any{
			"name":                     v["name"],
			"served":                   true,
			"referenceable":            true,
			"additionalPrinterColumns": v["additionalPrinterColumns"],
			"schema":                   map[string]any{"openAPIV3Schema": schema},
		}
	}

	return versions, nil
}

// stripDefaults removes the defaults that the markers of Kubernetes' own types
// ask for. Defaults live in Go, so that the stored spec is what the user wrote.
func stripDefaults(schema map[string]any) {
	delete(schema, "default")

	for key, value := range schema {
		switch v := value.(type) {
		case map[string]any:
			if key == "properties" {
				// A property may well be named "default".
				for _, p := range v {
					if p, ok := p.(map[string]any); ok {
						stripDefaults(p)
					}
				}

				continue
			}

			stripDefaults(v)
		case []any:
			for _, e := range v {
				if e, ok := e.(map[string]any); ok {
					stripDefaults(e)
				}
			}
		}
	}
}

// reflow has each paragraph of the descriptions in one line. controller-gen keeps the
// line breaks of Go, and kubectl explain would break lines once more.
func reflow(schema map[string]any) {
	for key, value := range schema {
		switch v := value.(type) {
		case string:
			if key == "description" {
				schema[key] = paragraphs(v)
			}
		case map[string]any:
			reflow(v)
		case []any:
			for _, e := range v {
				if e, ok := e.(map[string]any); ok {
					reflow(e)
				}
			}
		}
	}
}

// paragraphs joins the lines of text, but for those that begin a list's item or code.
func paragraphs(text string) string {
	lines := strings.Split(text, "\n")
	joined := lines[:1]

	for i, line := range lines[1:] {
		if line == "" || lines[i] == "" || strings.HasPrefix(line, "-") || strings.HasPrefix(line, "*") || strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
			joined = append(joined, line)
			continue
		}

		joined[len(joined)-1] += " " + line
	}

	return strings.Join(joined, "\n")
}
