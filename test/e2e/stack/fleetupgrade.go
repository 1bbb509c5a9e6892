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

// upgrade the function to another package. The program in it is the same: what is measured is what any upgrade costs.
func (f *fleet) upgrade(ctx context.Context, r *fleetcost.Result) error {
	if f.isPeer() || f.Replicas > 1 {
		return nil // Not all of its processes are the stack's.
	}

	another, err := f.pushAnother(ctx)
	if err != nil {
		return err
	}

	return f.change(ctx, &r.Upgrade, 0, func(ctx context.Context) error {
		// Crossplane starts the processes of the package, and stops those of the one before.
		if err := another.upgradeFunction(ctx); err != nil {
			return err
		}

		if err := another.restart(ctx, "function"); err != nil {
			return err
		}

		if err := another.connect(ctx, f.stack.hostPort(9443)); err != nil {
			return err
		}

		upgraded, err := f.sample(ctx)
		if err != nil {
			return err
		}

		// A server may never be other than ready. Nothing tells which servers the calls are for.
		return f.poll(ctx, func() (bool, error) {
			now, err := f.sample(ctx)
			return int(now.Answers-upgraded.Answers) >= f.Servers, err
		})
	}, func(unstructured.Unstructured, int64) bool { return true })
}

// pushAnother pushes a package of the function that has the layers of the present one and another digest. It returns
// what installs it.
func (f *fleet) pushAnother(ctx context.Context) (*installer, error) {
	function, err := f.client.Resource(functions).Get(ctx, functionPackage, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}

	installed, _, _ := unstructured.NestedString(function.Object, "spec", "package")
	_, version, _ := strings.Cut(installed, ":")
	i := &installer{stack: f.stack, upCommand: &upCommand{Version: fmt.Sprintf("%s-%d", version, time.Now().Unix())}}
	image := i.registry() + "/" + functionRepository + ":"

	return i, i.run(ctx, "crane", "mutate", "--insecure", "--label=org.opencontainers.image.version="+i.Version, "--tag="+image+i.Version, image+version)
}
