package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const crossplaneNamespace = "crossplane-system"

// crossplane is installed with its own chart, as anywhere.
func (i *installer) crossplane(ctx context.Context) error {
	// The chart's version is written at its release.
	chart := i.dir.Path("config", "crossplane-chart")
	if err := os.RemoveAll(chart); err != nil {
		return err
	}

	if err := os.CopyFS(chart, os.DirFS(filepath.Join(i.CrossplaneModule, "cluster", "charts", "crossplane"))); err != nil {
		return err
	}

	return i.run(ctx, "helm", "upgrade", "--install", "crossplane", chart,
		"--namespace="+crossplaneNamespace, "--create-namespace",
		"--set=image.repository="+registry+crossplaneRepository, "--set=image.tag="+i.CrossplaneVersion,
		// A server's creation takes 60 of the 100 events that Crossplane allows at once,
		// and tests change more in a minute than users do.
		"--set=args={--circuit-breaker-burst=10000}",
		"--set=resourcesCrossplane.limits.cpu=2", "--set=resourcesRBACManager.limits.cpu=1",
		"--wait", "--timeout=3m")
}

func (i *installer) provider(ctx context.Context) error {
	// Packages keep their public names; the cluster finds them in its own registry.
	if err := i.apply(ctx, imageConfig); err != nil {
		return err
	}

	if err := i.push(ctx, i.Provider, "crossplane-contrib/provider-kubernetes:"+i.ProviderVersion); err != nil {
		return err
	}

	if err := i.applyExample(ctx, "provider-kubernetes.yaml"); err != nil {
		return err
	}

	return i.wait(ctx, 2*time.Minute, "kubectl", "wait", "--for=condition=Healthy", "--timeout=1s", "provider.pkg.crossplane.io", "--all")
}

func (i *installer) configuration(ctx context.Context) error {
	for _, name := range []string{"function-dittoserver", "configuration-dittoserver"} {
		if err := i.push(ctx, filepath.Join(i.Packages, name+".xpkg"), "dittofs/"+name+":"+i.PackagesVersion); err != nil {
			return err
		}
	}

	if err := i.applyExample(ctx, "configuration.yaml"); err != nil {
		return err
	}

	for _, what := range []string{"configuration.pkg.crossplane.io", "function.pkg.crossplane.io"} {
		if err := i.wait(ctx, 2*time.Minute, "kubectl", "wait", "--for=condition=Healthy", "--timeout=1s", what, "--all"); err != nil {
			return err
		}
	}

	return i.wait(ctx, time.Minute, "kubectl", "wait", "--for=condition=Established", "--timeout=1s", "xrd", "--all")
}

func (i *installer) push(ctx context.Context, file, name string) error {
	return i.run(ctx, "crossplane", "xpkg", "push", "--package-files="+file, registry+"/"+name)
}

// applyExample applies a manifest that users apply, with the versions at hand.
func (i *installer) applyExample(ctx context.Context, name string) error {
	content, err := os.ReadFile(filepath.Join(i.Examples, name))
	if err != nil {
		return err
	}

	lines := strings.Split(string(content), "\n")
	for n, line := range lines {
		before, _, ok := strings.Cut(line, "package: xpkg.crossplane.io/")
		if !ok {
			continue
		}

		switch {
		case strings.Contains(line, "/provider-kubernetes:"):
			lines[n] = before + "package: xpkg.crossplane.io/crossplane-contrib/provider-kubernetes:" + i.ProviderVersion
		case strings.Contains(line, "/configuration-dittoserver:"):
			lines[n] = before + "package: xpkg.crossplane.io/dittofs/configuration-dittoserver:" + i.PackagesVersion
		}
	}

	return i.apply(ctx, strings.Join(lines, "\n"))
}

// apply manifests, again while what they belong to is still being installed.
func (i *installer) apply(ctx context.Context, manifests string) error {
	deadline := time.Now().Add(time.Minute)

	for {
		cmd := exec.CommandContext(ctx, "kubectl", "--kubeconfig="+i.dir.Kubeconfig(), "apply", "--server-side", "--force-conflicts", "--filename=-")
		cmd.Stdin = strings.NewReader(manifests)

		out, err := cmd.CombinedOutput()
		if err == nil {
			return nil
		}

		if time.Now().After(deadline) {
			return fmt.Errorf("kubectl apply: %w: %s", err, strings.TrimSpace(string(out)))
		}

		time.Sleep(time.Second)
	}
}

var imageConfig = fmt.Sprintf(`apiVersion: pkg.crossplane.io/v1beta1
kind: ImageConfig
metadata:
  name: stack
spec:
  matchImages:
    - prefix: xpkg.crossplane.io/
  rewriteImage:
    prefix: %s/
`, registry)
