package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dittofs/function-dittoserver/test/fleetcost"
)

// functionPackage is what Crossplane names the function, as a dependency of the Configuration.
const functionPackage = "dittofs-function-dittoserver"

// upgrade the function to another package, and have Crossplane call it for each server. The program in it is the same:
// what is measured is what any upgrade costs.
func (f *fleet) upgrade(ctx context.Context, r *fleetcost.Result) error {
	if f.isPeer() {
		return nil // It is not the stack's.
	}

	return f.change(ctx, &r.Upgrade, 0, func(ctx context.Context, before fleetcost.Sample) error {
		if err := f.installAnother(ctx); err != nil {
			return err
		}

		upgraded, err := f.sample(ctx)
		if err != nil {
			return err
		}

		if err := each(f.Servers, func(n int) error {
			_, err := f.client.Resource(dittoServers).Namespace(namespaceOf(n)).Patch(ctx, serverName(n), "application/merge-patch+json", []byte(`{"metadata":{"annotations":{"example.org/asked":"again"}}}`), metav1.PatchOptions{})
			return err
		}); err != nil {
			return err
		}

		// A server stays ready meanwhile: only the calls tell.
		return f.poll(ctx, func() (bool, error) {
			now, err := f.sample(ctx)
			if err != nil {
				return false, err
			}

			answers := min(f.Servers, int(now.Answers-upgraded.Answers))
			r.Upgrade.Progress.Note(answers, f.Servers, now.At.Sub(before.At))

			return answers == f.Servers, nil
		})
	}, func(unstructured.Unstructured, int64) bool { return true })
}

// installAnother installs a package of the function that has the layers of the present one and another digest.
func (f *fleet) installAnother(ctx context.Context) error {
	function, err := f.client.Resource(functions).Get(ctx, functionPackage, metav1.GetOptions{})
	if err != nil {
		return err
	}

	installed, _, _ := unstructured.NestedString(function.Object, "spec", "package")
	repository, version, _ := strings.Cut(strings.TrimPrefix(installed, "xpkg.crossplane.io"), ":")
	i := &installer{stack: f.stack, upCommand: &upCommand{Version: fmt.Sprintf("%s-%d", version, time.Now().Unix())}}
	image := i.registry() + repository + ":"

	if err := i.run(ctx, "crane", "mutate", "--insecure", "--label=org.opencontainers.image.version="+i.Version, "--tag="+image+i.Version, image+version); err != nil {
		return err
	}

	if err := i.upgradeFunction(ctx); err != nil {
		return err
	}

	// The processes of the package that Crossplane has now.
	if err := i.restart(ctx, "function"); err != nil {
		return err
	}

	return i.connect(ctx, f.endpoint)
}
