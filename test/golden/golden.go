// Package golden compares with golden files.
package golden

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Compare compares got with a golden file. With the flag to update, it writes the file
// first.
func Compare(tb testing.TB, file string, got []byte, update bool) {
	tb.Helper()

	if update {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			tb.Fatal(err)
		}

		if err := os.WriteFile(file, got, 0o600); err != nil {
			tb.Fatal(err)
		}
	}

	want, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		tb.Fatal(err)
	}

	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		tb.Errorf("%s: -want, +got:\n%s", file, diff)
	}
}
