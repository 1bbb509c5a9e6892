package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const (
	crossplaneNamespace = "crossplane-system"

	functionRepository = "dittofs/function-dittoserver"

	// functionPackage is what Crossplane calls the function, as a dependency of the Configuration.
	functionPackage = "dittofs-function-dittoserver"
)

// circuitBreaker returns Crossplane's arguments for tests, which change more in a minute than users do. Crossplane has
// had a circuit breaker since v2.1.
func (s stack) circuitBreaker() []string {
	if strings.HasPrefix(s.crossplane, "v2.0.") {
		return nil
	}

	return []string{"--circuit-breaker-burst=10000"}
}

// crossplane is installed with its own chart, as anywhere.
func (i *installer) crossplane(ctx context.Context) error {
	// The chart's version is written at its release.
	chart := i.Path("config", "crossplane-chart")
	if err := os.RemoveAll(chart); err != nil {
		return err
	}

	if err := os.CopyFS(chart, os.DirFS(filepath.Join(i.from.crossplane.Dir, "cluster", "charts", "crossplane"))); err != nil {
		return err
	}

	args := []string{
		"upgrade", "--install", "crossplane", chart,
		"--namespace=" + crossplaneNamespace, "--create-namespace",
		"--set=image.repository=" + i.registry() + crossplaneRepository, "--set=image.tag=" + i.stack.crossplane,
		"--set=resourcesCrossplane.limits.cpu=2", "--set=resourcesRBACManager.limits.cpu=1",
		"--wait", "--timeout=3m",
	}

	for n, arg := range i.circuitBreaker() {
		args = append(args, fmt.Sprintf("--set=args[%d]=%s", n, arg))
	}

	if i.stack.node {
		return i.run(ctx, "helm", args...)
	}

	return errors.Join(
		i.run(ctx, "helm", append(args, "--set=replicas=0", "--set=rbacManager.replicas=0")...),
		i.initCrossplane(ctx))
}

func (i *installer) provider(ctx context.Context) error {
	// Packages keep their public names; the cluster finds them in its own registry.
	if err := i.apply(ctx, i.imageConfig()); err != nil {
		return err
	}

	// Built beside its binary.
	binary, err := exec.LookPath("provider")
	if err != nil {
		return err
	}

	if err := i.push(ctx, filepath.Join(filepath.Dir(binary), "provider-kubernetes.xpkg"), "crossplane-contrib/provider-kubernetes:"+i.from.provider.Version); err != nil {
		return err
	}

	if !i.stack.node {
		return i.connectProvider(ctx)
	}

	if err := i.applyExample(ctx, "provider-kubernetes.yaml"); err != nil {
		return err
	}

	// Applied, it keeps the replicas that a test asked for.
	if err := i.run(ctx, "kubectl", "patch", "deploymentruntimeconfig", "provider-kubernetes", "--type=merge", `--patch={"spec":{"deploymentTemplate":{"spec":{"replicas":null}}}}`); err != nil {
		return err
	}

	if err := i.wait(ctx, 2*time.Minute, "kubectl", "wait", "--for=condition=Healthy", "--timeout=1s", "provider.pkg.crossplane.io", "--all"); err != nil {
		return err
	}

	return i.applyExample(ctx, "provider-config.yaml")
}

// configurationPackage returns the package of the flavour's Configuration.
func (i *installer) configurationPackage() string {
	if i.claims() {
		return "configuration-dittoserver-claims"
	}

	return "configuration-dittoserver"
}

func (i *installer) configuration(ctx context.Context) error {
	for file, name := range map[string]string{
		"function-dittoserver-" + runtime.GOARCH: "function-dittoserver",
		i.configurationPackage():                 i.configurationPackage(),
	} {
		if err := i.push(ctx, filepath.Join(packages, file+".xpkg"), "dittofs/"+name+":"+i.Version); err != nil {
			return err
		}
	}

	if err := i.applyExample(ctx, strings.Replace(i.configurationPackage(), "-dittoserver", "", 1)+".yaml"); err != nil {
		return err
	}

	if err := i.upgradeFunction(ctx); err != nil {
		return err
	}

	if !i.stack.node {
		if err := i.connectFunction(ctx); err != nil {
			return err
		}
	}

	// A package that runs elsewhere has no health.
	for condition, kinds := range map[string][]string{
		"Healthy":     {"configuration.pkg.crossplane.io", "function.pkg.crossplane.io"},
		"Installed":   {"configuration.pkg.crossplane.io", "function.pkg.crossplane.io"},
		"Established": {"xrd"},
	} {
		for _, kind := range kinds {
			if condition == "Healthy" && !i.stack.node {
				continue
			}

			if err := i.wait(ctx, 2*time.Minute, "kubectl", "wait", "--for=condition="+condition, "--timeout=1s", kind, "--all"); err != nil {
				return err
			}
		}
	}

	return nil
}

// upgradeFunction upgrades the function to the package that was pushed, with the runtime
// configuration that it has when it is installed. Crossplane installs a dependency, and is
// content with any version of it that is there already.
func (i *installer) upgradeFunction(ctx context.Context) error {
	const function = "function.pkg.crossplane.io/" + functionPackage

	pushed := "xpkg.crossplane.io/" + functionRepository + ":" + i.Version

	if err := i.wait(ctx, time.Minute, "kubectl", "patch", function, "--type=merge", `--patch={"spec":{"package":"`+pushed+`","runtimeConfigRef":{"name":"default"}}}`); err != nil {
		return err
	}

	return i.wait(ctx, time.Minute, "kubectl", "wait", "--for=jsonpath={.status.currentIdentifier}="+pushed, "--timeout=1s", function)
}

func (i *installer) push(ctx context.Context, file, name string) error {
	return i.run(ctx, "crossplane", "xpkg", "push", "--package-files="+file, i.registry()+"/"+name)
}

// applyExample applies a manifest that users apply, with the versions at hand.
func (i *installer) applyExample(ctx context.Context, name string) error {
	content, err := os.ReadFile(filepath.Join(examples, name))
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
			lines[n] = before + "package: xpkg.crossplane.io/crossplane-contrib/provider-kubernetes:" + i.from.provider.Version
		case strings.Contains(line, "/configuration-dittoserver"):
			name, _, _ := strings.Cut(line[strings.LastIndex(line, "/")+1:], ":")
			lines[n] = before + "package: xpkg.crossplane.io/dittofs/" + name + ":" + i.Version
		}
	}

	return i.apply(ctx, strings.Join(lines, "\n"))
}

// apply applies manifests, again while what they belong to is still being installed.
func (i *installer) apply(ctx context.Context, manifests string) error {
	deadline := time.Now().Add(time.Minute)

	for {
		cmd := exec.CommandContext(ctx, "kubectl", "--kubeconfig="+i.Kubeconfig(), "apply", "--server-side", "--force-conflicts", "--filename=-")
		cmd.Stdin = strings.NewReader(manifests)

		out, err := cmd.CombinedOutput()
		if err == nil {
			return nil
		}

		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("kubectl apply: %w: %s", err, strings.TrimSpace(string(out)))
		}

		time.Sleep(time.Second)
	}
}

func (i *installer) imageConfig() string {
	return fmt.Sprintf(`apiVersion: pkg.crossplane.io/v1beta1
kind: ImageConfig
metadata:
  name: stack
spec:
  matchImages:
    - prefix: xpkg.crossplane.io/
  rewriteImage:
    prefix: %s/
`, i.registry())
}
