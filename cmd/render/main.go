// Package main renders a DittoServer as Crossplane would compose it: with the
// real "crossplane composition render" and the real Crossplane core, against this
// function running as a process. The rendered YAML goes to standard output,
// progress to standard error.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/dittofs/function-dittoserver/test/function"
)

// CLI of the renderer.
type CLI struct {
	Function   string `help:"The function's binary."                 required:"" type:"existingfile"`
	Crossplane string `help:"The Crossplane CLI."                    required:"" type:"existingfile"`
	Core       string `help:"The Crossplane core binary."            required:"" type:"existingfile"`

	XR          string `default:"example/xr.yaml"          help:"The composite resource."                        name:"xr" type:"existingfile"`
	Composition string `default:"example/composition.yaml"     help:"The Composition."                               type:"existingfile"`
	Functions   string `default:"example/functions.yaml"   help:"The Composition's functions."                   type:"existingfile"`
	Secrets     string `default:"example/secrets.yaml"     help:"The Secrets that the composite resource names." type:"existingfile"`
	Observed    string `help:"Composed resources that exist already."                                            type:"existingfile"`
	Results     bool   `help:"Print the function's results too."`
	Full        bool   `help:"Print all of the composite resource."`
}

func main() {
	c := &CLI{}
	k := kong.Parse(c, kong.Description("Render a DittoServer."))

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	k.FatalIfErrorf(c.run(ctx, os.Stdout, os.Stderr))
}

// run starts the function, renders, and stops the function.
func (c *CLI) run(ctx context.Context, out, progress io.Writer) error {
	_, _ = fmt.Fprintln(progress, "Starting the function")

	address, stop, err := function.Start(ctx, c.Function)
	if err != nil {
		return err
	}
	defer stop()

	_, _ = fmt.Fprintln(progress, "Rendering", c.XR)

	rendered, err := c.render(ctx, address)
	if err != nil {
		return err
	}

	_, err = out.Write(rendered)

	return err
}

// render runs "crossplane composition render" against a function that listens at an
// address.
func (c *CLI) render(ctx context.Context, address string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "render-")
	if err != nil {
		return nil, fmt.Errorf("cannot make a folder: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // The system cleans it up.

	functions := filepath.Join(dir, "functions.yaml")
	if err := function.Retarget(c.Functions, functions, address); err != nil {
		return nil, err
	}

	secrets := filepath.Join(dir, "secrets.yaml")
	if err := withoutLists(c.Secrets, secrets); err != nil {
		return nil, err
	}

	args := []string{
		"composition", "render", c.XR, c.Composition, functions,
		"--crossplane-binary=" + c.Core,
		"--required-resources=" + secrets,
	}

	if c.Observed != "" {
		observed := filepath.Join(dir, "observed.yaml")
		if err := withoutLists(c.Observed, observed); err != nil {
			return nil, err
		}

		args = append(args, "--observed-resources="+observed)
	}

	if c.Results {
		args = append(args, "--include-function-results")
	}

	if c.Full {
		args = append(args, "--include-full-xr")
	}

	stdout, stderr := &bytes.Buffer{}, &bytes.Buffer{}
	cmd := exec.CommandContext(ctx, c.Crossplane, args...)
	cmd.Stdout, cmd.Stderr = stdout, stderr

	if err := cmd.Run(); err != nil {
		if x := new(exec.ExitError); errors.As(err, &x) {
			return nil, errors.New(stderr.String())
		}

		return nil, fmt.Errorf("cannot run the Crossplane CLI: %w", err)
	}

	return stdout.Bytes(), nil
}
