package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Folders of this repository, whose root make runs this program in.
const (
	packages = "_output/xpkg"
	examples = "example/install"
	tools    = "test/tools"
	contract = "test/contract"
)

// sources are the modules whose binaries and files the stack consists of.
type sources struct {
	crossplane, provider, dittofs module
}

// A module as another one requires it: its version, and the folder of its files.
type module struct {
	Version string
	Dir     string
	Error   string
}

// findSources finds the modules. An error says so if there is none of that version of Crossplane.
func findSources(ctx context.Context, crossplane string) (sources, error) {
	folder := filepath.Join(tools, "crossplane-"+crossplane)
	if _, err := os.Stat(folder); err != nil {
		folder = filepath.Join(tools, "crossplane")
	}

	core, coreErr := required(ctx, folder, "github.com/crossplane/crossplane/v2")
	provider, providerErr := required(ctx, filepath.Join(tools, "provider-kubernetes"), "github.com/crossplane-contrib/provider-kubernetes")
	dittofs, dittofsErr := required(ctx, contract, "github.com/marmos91/dittofs")

	if err := errors.Join(coreErr, providerErr, dittofsErr); err != nil {
		return sources{}, err
	}

	// Any other version than the module's would only be a name.
	if core.Version != crossplane {
		return sources{}, fmt.Errorf("no Crossplane %s: there is a folder %s/crossplane-<version> for each, beside the one that renders, which is %s", crossplane, tools, core.Version)
	}

	return sources{crossplane: core, provider: provider, dittofs: dittofs}, nil
}

// required returns the module of that path that the module in folder requires.
func required(ctx context.Context, folder, path string) (module, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", path)
	cmd.Dir = folder

	out, err := cmd.Output()

	// It tells in the output why it failed, if it ran at all.
	m := module{}
	if parseErr := json.Unmarshal(out, &m); err == nil {
		err = parseErr
	}

	if err != nil {
		return module{}, fmt.Errorf("cannot find %s, which %s requires: %w %s", path, folder, err, m.Error)
	}

	return m, nil
}
