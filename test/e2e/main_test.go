// Package e2e tries the function on a real Kubernetes: with Crossplane,
// provider-kubernetes and DittoFS servers that serve files.
//
// Tests that disturb others (they stop Crossplane, the provider or the function) run
// one after the other, before those that call t.Parallel. Each test has a namespace
// of its own, which goes if the test passed.
package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// cluster under test: whatever KUBECONFIG points to.
var cluster struct {
	client.WithWatch

	// Clientset is for what the client lacks: logs.
	Clientset kubernetes.Interface

	config *rest.Config
}

// oftenCalled is a Composition that has Crossplane call the function every few seconds,
// so that a test in which nothing must happen sees that it was asked to. Each flavour has
// its own, since a run that fails leaves it.
var oftenCalled string

func TestMain(m *testing.M) {
	if err := connect(); err != nil {
		fmt.Fprintln(os.Stderr, "cannot reach the cluster under test:", err)
		os.Exit(1)
	}

	if err := chooseFlavour(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "cannot prepare the flavour under test:", err)
		os.Exit(1)
	}

	oftenCalled = "e2e." + tested.composition
	often := &unstructured.Unstructured{}
	often.SetName(oftenCalled)

	if err := createComposition(context.Background(), often, "ttl: 5s"); client.IgnoreAlreadyExists(err) != nil {
		fmt.Fprintln(os.Stderr, "cannot create a Composition:", err)
		os.Exit(1)
	}

	code := m.Run()

	// DittoServers that were left as they are need it.
	if code == 0 {
		_ = cluster.Delete(context.Background(), often)
	}

	os.Exit(code)
}

func connect() error {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}

	cluster.config = config
	config.QPS, config.Burst = 200, 400
	config.WarningHandler = rest.NoWarnings{}

	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))

	if cluster.WithWatch, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
		return err
	}

	if cluster.Clientset, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}

	_, err = cluster.Clientset.Discovery().ServerVersion()

	return err
}

// clientAs has all rights, under the name of another user.
func clientAs(t *testing.T, name string) client.Client {
	t.Helper()

	config := rest.CopyConfig(cluster.config)
	config.Impersonate = rest.ImpersonationConfig{UserName: name, Groups: []string{"system:masters"}}

	c, err := client.New(config, client.Options{Scheme: cluster.Scheme()})
	if err != nil {
		t.Fatal(err)
	}

	return c
}

// patience is how long something may take that is expected to happen.
const patience = 3 * time.Minute

// eventually waits until check returns no error. Its last error is the failure.
func eventually(t *testing.T, what string, check func(ctx context.Context) error) {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	begin := time.Now()

	var last error

	for {
		err := check(ctx)
		if err == nil {
			t.Logf("%s: after %.1f s", what, time.Since(begin).Seconds())

			return
		}

		if ctx.Err() == nil {
			last = err
		}

		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %s: %v", what, patience, last)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// patienceForNothing is how long nothing must happen: three times as long as Crossplane
// takes to look at a DittoServer again.
const patienceForNothing = 15 * time.Second

// throughout checks that check returns no error for a duration.
func throughout(t *testing.T, d time.Duration, what string, check func(ctx context.Context) error) {
	t.Helper()

	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		if err := check(t.Context()); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}

	t.Logf("%s: for %s", what, d)
}
