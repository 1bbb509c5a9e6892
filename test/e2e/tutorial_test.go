package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var picture = flag.String("picture", "", "An SVG file to write, with what the tutorial shows.")

// The comment that the tutorial has above a block of commands, if any.
const (
	notRun    = "<!-- not run"
	inPicture = "<!-- in the picture -->"
)

// command of the tutorial, and what it printed.
type command struct {
	Text, Output string
	shown        bool
}

// readTutorial returns the tutorial's commands. Each is a line.
func readTutorial(t *testing.T) []command {
	t.Helper()

	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "tutorial.md"))
	if err != nil {
		t.Fatal(err)
	}

	var (
		commands []command
		mark     string
		inBlock  bool
	)

	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")

		switch {
		case line == "```console":
			inBlock = true
		case line == "```":
			inBlock, mark = false, ""
		case inBlock && !strings.HasPrefix(mark, notRun):
			commands = append(commands, command{Text: line, shown: mark == inPicture})
		case strings.HasPrefix(line, "<!-- "):
			mark = line
		}
	}

	return commands
}

// The tutorial's commands run as they are written, in one shell, and end with a server
// that is gone. Only the namespace is another one, so that a failure leaves nobody's.
func TestTutorial(t *testing.T) {
	needsNode(t)

	if tested.composition != flavours["namespaced"].composition {
		t.Skip("the tutorial is for the namespaced flavour")
	}

	const namespace = "e2e-tutorial"

	t.Parallel()

	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if err := cluster.Get(t.Context(), types.NamespacedName{Name: namespace}, ns); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	} else if err == nil {
		t.Fatalf("namespace %s is there: run make up, which removes what earlier tests left", namespace)
	}

	dir := t.TempDir()
	copyExample(t, dir, namespace)

	commands := readTutorial(t)
	if len(commands) < 20 {
		t.Fatalf("the tutorial has %d commands; are they still blocks of console?", len(commands))
	}

	run(t, dir, namespace, commands)

	for want, found := range map[string]bool{
		"Hello from a DittoServer": contains(commands, "nfs-cat", "Hello from a DittoServer"),
		"what is missing":          contains(commands, "SecretsResolved\")].message", "files-admin"),
		"the claims that stay":     contains(commands, "get persistentvolumeclaims", "content-files-0"),
	} {
		if !found {
			t.Errorf("no command of the tutorial printed %s", want)
		}
	}

	if *picture != "" && !t.Failed() {
		writePicture(t, commands)
	}
}

// copyExample copies example/xr.yaml, with another namespace.
func copyExample(t *testing.T, dir, namespace string) {
	t.Helper()

	b, err := os.ReadFile(filepath.Join("..", "..", "example", "xr.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	if err := os.Mkdir(filepath.Join(dir, "example"), 0o755); err != nil {
		t.Fatal(err)
	}

	text := strings.Replace(string(b), "namespace: storage", "namespace: "+namespace, 1)
	if err := os.WriteFile(filepath.Join(dir, "example", "xr.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// run runs the commands in one shell, until one fails, and notes what each prints.
func run(t *testing.T, dir, namespace string, commands []command) {
	t.Helper()

	// A line that no command prints ends what each of them prints.
	const end = "-- end of a command of the tutorial --"

	script := "set -euo pipefail\n"
	for _, c := range commands {
		script += strings.NewReplacer("=storage", "="+namespace, "namespace storage", "namespace "+namespace).Replace(c.Text) + "\necho; echo '" + end + "'\n"
	}

	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()

	shell := exec.CommandContext(ctx, "bash", "-c", script)
	shell.Dir = dir

	if libraries := os.Getenv("DEBIAN_LIBRARIES"); libraries != "" {
		shell.Env = append(os.Environ(), "LD_LIBRARY_PATH="+libraries)
	}

	var out bytes.Buffer
	shell.Stdout, shell.Stderr = &out, &out
	err := shell.Run()

	outputs := strings.Split(out.String(), "\n"+end+"\n")
	for i := range min(len(commands), len(outputs)) {
		commands[i].Output = strings.TrimRight(outputs[i], "\n")
	}

	if err != nil {
		last := min(len(outputs), len(commands)) - 1
		t.Fatalf("%s: %v:\n%s", commands[last].Text, err, commands[last].Output)
	}
}

// contains reports whether a command with this text printed that.
func contains(commands []command, text, output string) bool {
	for _, c := range commands {
		if strings.Contains(c.Text, text) && strings.Contains(c.Output, output) {
			return true
		}
	}

	return false
}

// terminal is a picture of commands, in the colours of the other pictures.
var terminal = template.Must(template.New("terminal").Parse(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{.Width}} {{.Height}}" width="{{.Width}}" font-family="ui-monospace, 'DejaVu Sans Mono', monospace" font-size="13" role="img">
<title>The tutorial in a terminal</title>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
{{range .Lines}}<text x="16" y="{{.Y}}" xml:space="preserve" fill="{{if .Typed}}#7ee787{{else}}#e6edf3{{end}}">{{.Text}}</text>
{{end}}</svg>
`))

// writePicture writes those that are shown, as a terminal shows them.
func writePicture(t *testing.T, commands []command) {
	t.Helper()

	const (
		columns = 100
		lineAt  = 20
	)

	type line struct {
		Y     int
		Text  string
		Typed bool
	}

	var lines []line

	add := func(text string, typed bool) {
		for len(text) > columns {
			lines = append(lines, line{Text: text[:columns], Typed: typed})
			text = "  " + text[columns:]
		}

		lines = append(lines, line{Text: text, Typed: typed})
	}

	for _, c := range commands {
		if !c.shown {
			continue
		}

		add("$ "+c.Text, true)

		for out := bufio.NewScanner(strings.NewReader(c.Output)); out.Scan(); {
			add(out.Text(), false)
		}
	}

	for i := range lines {
		lines[i].Y = (i + 1) * lineAt
	}

	f, err := os.Create(*picture)
	if err != nil {
		t.Fatal(err)
	}

	err = terminal.Execute(f, map[string]any{"Width": 16 + columns*8, "Height": (len(lines) + 1) * lineAt, "Lines": lines})
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(fmt.Errorf("cannot write the picture: %w", err))
	}
}
