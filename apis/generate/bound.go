package main

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
)

// boundInput adds its bounds to the CRD of the function's input.
func boundInput(crd *unstructured.Unstructured) error {
	versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
	if err != nil {
		return fmt.Errorf("cannot read the CRD's versions: %w", err)
	}

	for _, v := range versions {
		if v, ok := v.(map[string]any); ok {
			bound(child(child(v, "schema"), "openAPIV3Schema"), "input")
		}
	}

	return unstructured.SetNestedSlice(crd.Object, versions, "spec", "versions")
}

// bound adds its bounds, and those of what is in it, to the schema of a value: of lists, maps
// and texts. A text that is one of a few has none.
func bound(schema map[string]any, path string) {
	_, isEnum := schema["enum"]
	isIntOrString, _ := schema["x-kubernetes-int-or-string"].(bool)

	switch {
	case schema["type"] == "array":
		schema["maxItems"] = int64(v1alpha1.MaxItems)
	case schema["type"] == "string" && !isEnum, isIntOrString:
		schema["maxLength"] = int64(v1alpha1.TextBoundAt(path))
	case child(schema, "additionalProperties") != nil, schema["x-kubernetes-preserve-unknown-fields"] == true:
		schema["maxProperties"] = int64(v1alpha1.MaxEntries)
	}

	for name := range propertiesOf(schema) {
		bound(child(propertiesOf(schema), name), path+"."+name)
	}

	if items := child(schema, "items"); items != nil {
		bound(items, path+"[]")
	}

	if values := child(schema, "additionalProperties"); values != nil {
		bound(values, path+"{}")
	}
}
