package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// withoutLists copies a file of resources, with those of lists each in a document of its own.
// kubectl prints several resources as a list, and Crossplane's CLI takes none.
func withoutLists(from, to string) error {
	f, err := os.Open(filepath.Clean(from))
	if err != nil {
		return fmt.Errorf("cannot read resources: %w", err)
	}
	defer f.Close() //nolint:errcheck // It is only read.

	out := &bytes.Buffer{}

	write := func(o runtime.Object) error {
		b, err := yaml.Marshal(o)
		_, _ = fmt.Fprintf(out, "---\n%s", b)

		return err
	}

	for d := yamlutil.NewYAMLOrJSONDecoder(f, 4096); ; {
		u := &unstructured.Unstructured{}

		if err := d.Decode(&u.Object); errors.Is(err, io.EOF) {
			return os.WriteFile(to, out.Bytes(), 0o600)
		} else if err != nil {
			return fmt.Errorf("cannot parse %s: %w", from, err)
		}

		each := func(fn func(runtime.Object) error) error { return fn(u) }
		if u.IsList() {
			each = u.EachListItem
		}

		// A document may be empty.
		if u.Object == nil {
			continue
		}

		if err := each(write); err != nil {
			return fmt.Errorf("cannot copy %s: %w", from, err)
		}
	}
}
