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
	crossplane, provider, dittofs, kwok module
}

// A module as another one requires it: its version, and the folder of its files.
type module struct {
	Version string
	Dir     string
	Error   string
}

// findSources finds the modules. An error says so if there is none of these versions of Crossplane and
// provider-kubernetes.
func findSources(ctx context.Context, crossplane, provider string) (sources, error) {
	var (
		from                                      sources
		coreErr, providerErr, dittofsErr, kwokErr error
	)

	from.crossplane, coreErr = versioned(ctx, "crossplane", crossplane, "github.com/crossplane/crossplane/v2")
	from.provider, providerErr = versioned(ctx, "provider-kubernetes", provider, "github.com/crossplane-contrib/provider-kubernetes")
	from.dittofs, dittofsErr = required(ctx, contract, "github.com/marmos91/dittofs")

	from.kwok, kwokErr = required(ctx, filepath.Join(tools, "kwok"), "sigs.k8s.io/kwok")

	return from, errors.Join(coreErr, providerErr, dittofsErr, kwokErr)
}

// versioned returns the module of that path and version that a tools module requires: one in a folder with
// the version in its name, or else the usual one.
func versioned(ctx context.Context, name, version, path string) (module, error) {
	folder := filepath.Join(tools, name+"-"+version)
	if _, err := os.Stat(folder); err != nil {
		folder = filepath.Join(tools, name)
	}

	m, err := required(ctx, folder, path)
	if err != nil {
		return m, err
	}

	// Any other version than the module's would only be a name.
	if m.Version != version {
		return m, fmt.Errorf("no %s %s: there is a folder %s/%s-<version> for each, beside the usual one, which is %s", name, version, tools, name, m.Version)
	}

	return m, nil
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
