// Package main generates a CompositeResourceDefinition (XRD) from the
// CustomResourceDefinition that controller-gen makes of the Go types: a CRD on
// standard input, the XRD on standard output.
package main

import (
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/internal/spec"
)

const header = `# Generated from apis/v1alpha1 by "make generate". Do not edit.
`

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	b, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("cannot read the CRD: %w", err)
	}

	crd := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(b, crd); err != nil {
		return fmt.Errorf("cannot parse the CRD: %w", err)
	}

	xrd, err := namespaced(crd)
	if err != nil {
		return err
	}

	y, err := yaml.Marshal(xrd.Object)
	if err != nil {
		return fmt.Errorf("cannot marshal the XRD: %w", err)
	}

	_, err = out.Write(append([]byte(header), y...))

	return err
}

// namespaced returns the XRD of a namespaced composite resource, as Crossplane v2
// knows it.
func namespaced(crd *unstructured.Unstructured) (*unstructured.Unstructured, error) {
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
				"name": map[string]any{"type": "string", "maxLength": int64(spec.MaxNameLength)},
			},
		}
		schema["properties"] = props
		stripDefaults(schema)

		versions[i] = map[string]any{
			"name":                     v["name"],
			"served":                   true,
			"referenceable":            true,
			"additionalPrinterColumns": v["additionalPrinterColumns"],
			"schema":                   map[string]any{"openAPIV3Schema": schema},
		}
	}

	xrd := &unstructured.Unstructured{Object: map[string]any{}}
	xrd.SetAPIVersion("apiextensions.crossplane.io/v2")
	xrd.SetKind("CompositeResourceDefinition")
	xrd.SetName(crd.GetName())

	group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
	names, _, _ := unstructured.NestedMap(crd.Object, "spec", "names")
	delete(names, "listKind")

	xrd.Object["spec"] = map[string]any{
		"scope":    "Namespaced",
		"group":    group,
		"names":    names,
		"versions": versions,
	}

	return xrd, nil
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
