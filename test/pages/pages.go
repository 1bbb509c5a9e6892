// Package pages writes what commands found into Markdown pages.
package pages

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// Replace replaces what is between the marks that a command has in a Markdown page.
func Replace(page, command, tables string) error {
	beginMark, endMark := "<!-- begin: "+command+" -->\n", "<!-- end: "+command+" -->"

	b, err := os.ReadFile(filepath.Clean(page))
	if err != nil {
		return err
	}

	head, rest, ok := strings.Cut(string(b), beginMark)
	_, tail, ok2 := strings.Cut(rest, endMark)

	if !ok || !ok2 {
		return errors.New(page + " has no marks for the tables")
	}

	return os.WriteFile(page, []byte(head+beginMark+"\n"+tables+"\n"+endMark+tail), 0o644)
}
