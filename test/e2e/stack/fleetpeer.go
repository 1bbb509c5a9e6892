package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dittofs/function-dittoserver/test/fleetcost"
	"github.com/dittofs/function-dittoserver/test/peers"
)

// peer runs another function, and makes its Composition. It returns what ends that function.
func (f *fleet) peer(ctx context.Context) (done func() error, err error) {
	done = func() error { return nil }

	if f.Peer == "" {
		return done, errors.New("name the binary of function-" + f.Compose + " with --peer")
	}

	composed, err := f.objectsOfOne(ctx)
	if err != nil {
		return done, err
	}

	input := peers.Input(f.Compose, peers.Server{Namespace: namespaceOf(original), Name: serverName(original), Composed: composed})

	if done, err = f.startPeer(ctx); err != nil {
		return done, err
	}

	return done, f.applyComposition(ctx, map[string]any{
		"compositeTypeRef": map[string]any{"apiVersion": dittoServers.GroupVersion().String(), "kind": "DittoServer"},
		"mode":             "Pipeline",
		"pipeline":         []any{map[string]any{"step": "once", "functionRef": map[string]any{"name": "function-" + f.Compose}, "input": input}},
	})
}

// objectsOfOne returns the Objects that this function composes for one server, by name.
func (f *fleet) objectsOfOne(ctx context.Context) (all map[string]any, err error) {
	one := *f
	one.measureCommand, one.first = &measureCommand{Servers: 1, AtOnce: 1, Replicas: 1, Within: f.Within, Compose: "object", TTL: "1m"}, original

	defer func() { err = errors.Join(err, one.remove(context.WithoutCancel(ctx))) }()

	if err := one.secrets(ctx); err != nil {
		return nil, err
	}

	if err := one.copyComposition(ctx, "dittoservers.dittofs.io"); err != nil {
		return nil, err
	}

	if err := one.create(ctx, &fleetcost.Result{}); err != nil {
		return nil, err
	}

	list, err := f.client.Resource(objects).Namespace(namespaceOf(original)).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}

	all = map[string]any{}
	for _, u := range list.Items {
		spec, _, _ := unstructured.NestedMap(u.Object, "spec")
		all[u.GetAnnotations()["crossplane.io/composition-resource-name"]] = map[string]any{"apiVersion": u.GetAPIVersion(), "kind": u.GetKind(), "spec": spec}
	}

	return all, nil
}

// original is the number of the server that others compose the like of.
const original = 9990

// startPeer installs the other function as a package that somebody else runs, which is this program.
func (f *fleet) startPeer(ctx context.Context) (done func() error, err error) {
	done = func() error { return nil }
	name, address := "function-"+f.Compose, f.stack.hostPort(9543)

	root, err := os.MkdirTemp(f.stack.Path(), "peer-")
	if err != nil {
		return done, err
	}
	defer func() { _ = os.RemoveAll(root) }()

	file := filepath.Join(root, "peer.xpkg")
	metadata := "apiVersion: meta.pkg.crossplane.io/v1\nkind: Function\nmetadata:\n  name: " + name + "\nspec: {}\n"

	if err := errors.Join(
		os.Mkdir(filepath.Join(root, "package"), 0o755),
		os.WriteFile(filepath.Join(root, "package", "crossplane.yaml"), []byte(metadata), 0o600),
		run(ctx, "crossplane", "xpkg", "build", "--package-root="+filepath.Join(root, "package"), "--package-file="+file),
		run(ctx, "crossplane", "xpkg", "push", "--package-files="+file, f.stack.registry()+"/crossplane-contrib/"+name+":v0.0.0"),
	); err != nil {
		return done, err
	}

	peer := exec.Command(f.Peer, "--address="+address, "--tls-certs-dir="+f.stack.Path("tls", "function")) //nolint:noctx // It ends with done.
	peer.Args[0] = name                                                                                    // Its CPU and memory are found by it.
	peer.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}

	if err := peer.Start(); err != nil {
		return done, err
	}

	function := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "pkg.crossplane.io/v1", "kind": "Function", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"package": "xpkg.crossplane.io/crossplane-contrib/" + name + ":v0.0.0"},
	}}

	done = func() error {
		err := f.client.Resource(functions).Delete(context.WithoutCancel(ctx), name, metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) {
			err = nil
		}

		return errors.Join(err, peer.Process.Kill(), ignoreExit(peer.Wait()))
	}

	if _, err := f.client.Resource(functions).Apply(ctx, name, function, metav1.ApplyOptions{FieldManager: "fleet", Force: true}); err != nil {
		return done, err
	}

	revisions := functions
	revisions.Resource = "functionrevisions"

	for deadline := time.Now().Add(time.Minute); ; time.Sleep(500 * time.Millisecond) {
		list, err := f.client.Resource(revisions).List(ctx, metav1.ListOptions{LabelSelector: "pkg.crossplane.io/package=" + name})
		if err != nil {
			return done, err
		}

		if len(list.Items) > 0 {
			_, err := f.client.Resource(revisions).Patch(ctx, list.Items[0].GetName(), "application/merge-patch+json", []byte(`{"status":{"endpoint":"`+address+`"}}`), metav1.PatchOptions{}, "status")
			return done, err
		}

		if time.Now().After(deadline) {
			return done, errors.New("Crossplane does not install " + name)
		}
	}
}

// ignoreExit returns no error of a process that was killed.
func ignoreExit(err error) error {
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil
	}

	return err
}
