package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// leftoverPrefix begins the names of namespaces, policies, Compositions and other objects that
// the end-to-end tests create.
const leftoverPrefix = "e2e"

// An object by its namespace, empty for one of the cluster, and name.
type objectName struct{ namespace, name string }

// leftovers returns the objects of a resource that tests left: those of these names or, if they
// are in namespaces, in namespaces of these names.
func (i *installer) leftovers(ctx context.Context, resource string) ([]objectName, error) {
	out, err := exec.CommandContext(ctx, "kubectl", "--kubeconfig="+i.Kubeconfig(), "get", resource, "--all-namespaces", "--ignore-not-found",
		`--output=jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name}{"\n"}{end}`).Output()
	if err != nil {
		return nil, fmt.Errorf("cannot list %s: %w", resource, err)
	}

	var names []objectName

	for line := range strings.Lines(string(out)) {
		namespace, name, _ := strings.Cut(strings.TrimSpace(line), "/")
		if strings.HasPrefix(namespace, leftoverPrefix) || strings.HasPrefix(name, leftoverPrefix) {
			names = append(names, objectName{namespace, name})
		}
	}

	return names, nil
}

// remove what tests left of a resource, and wait until it is gone.
func (i *installer) remove(ctx context.Context, within time.Duration, resource string) error {
	names, err := i.leftovers(ctx, resource)
	if err != nil {
		return err
	}

	for _, o := range names {
		if err := i.run(ctx, "kubectl", "delete", resource, o.name, "--namespace="+o.namespace, "--cascade=foreground", "--wait=false", "--ignore-not-found"); err != nil {
			return err
		}
	}

	for deadline := time.Now().Add(within); len(names) > 0; time.Sleep(time.Second) {
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("after %s these %s are still there: %v", within, resource, names)
		}

		if names, err = i.leftovers(ctx, resource); err != nil {
			return err
		}
	}

	return nil
}

// allow lifts what tests forbade, so that the installation and the removal go through.
func (i *installer) allow(ctx context.Context) error {
	for _, resource := range []string{"validatingadmissionpolicybindings", "validatingadmissionpolicies"} {
		if err := i.remove(ctx, time.Minute, resource); err != nil {
			return err
		}
	}

	if err := i.run(ctx, "kubectl", "delete", "--ignore-not-found", "--filename="+filepath.Join(examples, "..", "operate", "admission-policy.yaml")); err != nil {
		return err
	}

	// Helm takes an upgrade that was interrupted for one that goes on.
	return i.run(ctx, "kubectl", "delete", "secret", "--namespace="+crossplaneNamespace, "--selector=owner=helm,status in (pending-install,pending-upgrade,pending-rollback)")
}

// sweep removes what tests left, from the DittoServers to what they need to be deleted.
func (i *installer) sweep(ctx context.Context) error {
	// A server in a cluster that is gone cannot be deleted by the provider.
	if err := i.remove(ctx, 2*time.Minute, "dittoservers.dittofs.io"); err != nil {
		if err := i.abandon(ctx); err != nil {
			return err
		}
	}

	resources := []string{"dittoservers.dittofs.io", "namespaces", "compositions.apiextensions.crossplane.io", "deploymentruntimeconfigs.pkg.crossplane.io"}
	if i.claims() {
		resources = append(resources, "providerconfigs.kubernetes.crossplane.io")
	} else {
		resources = append(resources, "clusterproviderconfigs.kubernetes.m.crossplane.io")
	}

	for _, resource := range append(resources, "secrets") {
		if err := i.remove(ctx, 2*time.Minute, resource); err != nil {
			return err
		}
	}

	return i.run(ctx, "kubectl", "delete", "--ignore-not-found", "--filename="+filepath.Join(examples, "..", "operate", "composition.yaml"))
}

// abandon lets the Objects of tests go without what they manage.
func (i *installer) abandon(ctx context.Context) error {
	resource := "objects.kubernetes.m.crossplane.io"
	if i.claims() {
		resource = "objects.kubernetes.crossplane.io"
	}

	names, err := i.leftovers(ctx, resource)
	if err != nil {
		return err
	}

	for _, o := range names {
		if err := i.run(ctx, "kubectl", "patch", resource, o.name, "--namespace="+o.namespace, "--type=merge", `--patch={"metadata":{"finalizers":null}}`); err != nil && !strings.Contains(err.Error(), "NotFound") {
			return err
		}
	}

	return nil
}
