package function

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// targetAnnotation is the annotation of a Function that tells render where it listens.
const targetAnnotation = "render.crossplane.io/runtime-development-target"

// Retarget copies a file of Functions. Those that listen at localhost:9443 get another
// address.
func Retarget(from, to, address string) error {
	b, err := os.ReadFile(filepath.Clean(from))
	if err != nil {
		return fmt.Errorf("cannot read functions: %w", err)
	}

	docs := bytes.Split(b, []byte("\n---\n"))
	for i, doc := range docs {
		fn := map[string]any{}
		if err := yaml.Unmarshal(doc, &fn); err != nil {
			return fmt.Errorf("cannot parse %s: %w", from, err)
		}

		meta, _ := fn["metadata"].(map[string]any)
		annotations, _ := meta["annotations"].(map[string]any)

		if annotations[targetAnnotation] == "localhost:9443" {
			annotations[targetAnnotation] = address
		}

		if docs[i], err = yaml.Marshal(fn); err != nil {
			return fmt.Errorf("cannot marshal %s: %w", from, err)
		}
	}

	return os.WriteFile(to, bytes.Join(docs, []byte("---\n")), 0o600)
}
