// Package main renders the examples of each flavour with every Crossplane CLI that people
// have, many times, against this function running as a process. It fails unless each time the
// same pod template comes out, and writes the table of docs/rendering.md.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/test/function"
	"github.com/dittofs/function-dittoserver/test/pages"
)

// A cli of Crossplane.
type cli struct {
	version string

	// module and package of its source, unless make has built it already.
	module, pkg string

	// command that renders, and the flag that names a file of Secrets.
	command []string
	secrets string
}

// clis from old to new: the last of v1 that has "beta render", the last of v1, and of v2 the first
// one, the first one that announces what it can do, and the newest. Those between them render as
// one of their neighbours does.
//
//nolint:gochecknoglobals // A table.
var clis = []cli{
	{version: "v1.16.0", module: "github.com/crossplane/crossplane", pkg: "./cmd/crank", command: []string{"beta", "render"}, secrets: "--extra-resources"},
	{version: "v1.20.11", module: "github.com/crossplane/crossplane", pkg: "./cmd/crank", command: []string{"render"}, secrets: "--extra-resources"},
	{version: "v2.0.8", module: "github.com/crossplane/crossplane/v2", pkg: "./cmd/crank", command: []string{"render"}, secrets: "--required-resources"},
	{version: "v2.2.0", module: "github.com/crossplane/crossplane/v2", pkg: "./cmd/crank", command: []string{"render"}, secrets: "--required-resources"},
	{version: "v2.5.0", command: []string{"composition", "render"}, secrets: "--required-resources"},
}

// A flavour of DittoServers, and its example.
type flavour struct{ name, xr, composition string }

//nolint:gochecknoglobals // A table.
var flavours = []flavour{
	{"namespaced", "example/xr.yaml", "example/composition.yaml"},
	{"claims", "example/claims/xr.yaml", "configuration/claims/composition.yaml"},
	{"native", "example/native/xr.yaml", "example/native/composition.yaml"},
}

const (
	functions = "example/functions.yaml"
	secrets   = "example/secrets.yaml"

	// command has marks in the page.
	command = "make clis"
)

// CLI of this program.
type CLI struct {
	Function string `help:"The function's binary."                             required:"" type:"existingfile"`
	Newest   string `help:"The newest Crossplane CLI."                           required:"" type:"existingfile"`
	Core     string `help:"The Crossplane core binary, which the newest CLI renders with." required:"" type:"existingfile"`
	Cache    string `help:"Folder that CLIs are built into, once."             required:""`
	Page     string `help:"Page with the table."                               required:"" type:"existingfile"`
	Times    int    `default:"20"                                              help:"How often to render each example."`
}

func main() {
	c := &CLI{}
	k := kong.Parse(c, kong.Description("Render with every Crossplane CLI."))

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	k.FatalIfErrorf(c.run(ctx, os.Stderr))
}

func (c *CLI) run(ctx context.Context, progress io.Writer) error {
	dir, err := os.MkdirTemp("", "clis-")
	if err != nil {
		return fmt.Errorf("cannot make a folder: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // The system cleans it up.

	address, stop, err := function.Start(ctx, c.Function)
	if err != nil {
		return err
	}
	defer stop()

	retargeted := filepath.Join(dir, "functions.yaml")
	if err := function.Retarget(functions, retargeted, address); err != nil {
		return err
	}

	var failures []error

	rendered := map[string]int{}
	want := map[string]any{}

	// The newest first: it says what the others must render.
	for _, cli := range slices.Backward(clis) {
		binary, err := c.build(ctx, cli, progress)
		if err != nil {
			return err
		}

		for _, f := range flavours {
			_, _ = fmt.Fprintf(progress, "%s renders %s %d times\n", cli.version, f.xr, c.Times)

			for range c.Times {
				got, err := cli.render(ctx, binary, c.Core, f, retargeted)
				if err != nil {
					failures = append(failures, fmt.Errorf("%s %s: %w", cli.version, f.name, err))
					continue
				}

				if want[f.name] == nil {
					want[f.name] = got
				}

				if diff := cmp.Diff(want[f.name], got); diff != "" {
					failures = append(failures, fmt.Errorf("%s %s: pod template: -%s, +%s:\n%s", cli.version, f.name, clis[len(clis)-1].version, cli.version, diff))
					continue
				}

				rendered[cli.version]++
			}
		}
	}

	if err := errors.Join(failures...); err != nil {
		return err
	}

	return c.writePage(rendered)
}

// build returns the binary of a CLI. It builds it in the folder of its own module, whose
// go.sum says what goes into it, unless that was done before.
func (c *CLI) build(ctx context.Context, cli cli, progress io.Writer) (string, error) {
	if cli.module == "" {
		return c.Newest, nil
	}

	binary := filepath.Join(c.Cache, "cli-"+cli.version, "crossplane")
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}

	_, _ = fmt.Fprintf(progress, "Building the CLI %s (once)\n", cli.version)

	out, err := exec.CommandContext(ctx, "go", "mod", "download", "-json", cli.module+"@"+cli.version).Output()
	if err != nil {
		return "", fmt.Errorf("cannot download %s@%s: %w: %s", cli.module, cli.version, err, out)
	}

	module := struct {
		Dir string `json:"Dir"` //nolint:tagliatelle // As Go writes it.
	}{}
	if err := json.Unmarshal(out, &module); err != nil {
		return "", err
	}

	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, cli.pkg)
	build.Dir = module.Dir

	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build %s@%s: %w: %s", cli.module, cli.version, err, out)
	}

	return binary, nil
}

// render returns the pod template that a CLI renders.
func (c cli) render(ctx context.Context, binary, core string, f flavour, functions string) (any, error) {
	args := append(slices.Clone(c.command), f.xr, f.composition, functions, c.secrets+"="+secrets)
	if c.command[0] == "composition" {
		args = append(args, "--crossplane-binary="+core)
	}

	stdout, stderr := &bytes.Buffer{}, &bytes.Buffer{}
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Stdout, cmd.Stderr = stdout, stderr

	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, stderr)
	}

	for doc := range strings.SplitSeq(stdout.String(), "\n---\n") {
		o := map[string]any{}
		if err := yaml.Unmarshal([]byte(strings.TrimPrefix(doc, "---\n")), &o); err != nil {
			return nil, fmt.Errorf("cannot parse what was rendered: %w", err)
		}

		if manifest, ok, _ := unstructured.NestedMap(o, "spec", "forProvider", "manifest"); ok {
			o = manifest
		}

		if o["kind"] != "StatefulSet" {
			continue
		}

		template, _, _ := unstructured.NestedMap(o, "spec", "template")
		if digest, _, _ := unstructured.NestedString(template, "metadata", "annotations", v1alpha1.AnnotationConfigHash); digest == "" {
			return nil, errors.New("the pod template has no digest")
		}

		return template, nil
	}

	return nil, errors.New("no StatefulSet")
}

// writePage writes the table into the page.
func (c *CLI) writePage(rendered map[string]int) error {
	table := &strings.Builder{}
	_, _ = fmt.Fprintf(table, "| CLI | command | rendered |\n|---|---|---|\n")

	for _, cli := range slices.Backward(clis) {
		_, _ = fmt.Fprintf(table, "| %s | `crossplane %s %s %s %s %s=%s` | %d of %d |\n", cli.version,
			strings.Join(cli.command, " "), flavours[0].xr, flavours[0].composition, functions, cli.secrets, secrets, rendered[cli.version], c.Times*len(flavours))
	}

	return pages.Replace(c.Page, command, table.String())
}
