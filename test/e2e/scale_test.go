package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Not parallel: every server is composed by the function that is scaled.
func TestScaledFunctionSharesTheCalls(t *testing.T) {
	if nodeless() {
		t.Skip("without a node Crossplane runs no package")
	}

	const replicas, servers = 3, 50

	runtimeConfig := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "pkg.crossplane.io/v1beta1",
		"kind":       "DeploymentRuntimeConfig",
		"metadata":   map[string]any{"name": "e2e-scaled"},
		"spec":       map[string]any{"deploymentTemplate": map[string]any{"spec": map[string]any{"replicas": int64(replicas), "selector": map[string]any{}, "template": map[string]any{}}}},
	}}
	if err := cluster.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(runtimeConfig), user, client.ForceOwnership); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		setRuntimeConfig(context.Background(), t, defaultRuntimeConfig)

		if err := cluster.Delete(context.Background(), runtimeConfig); err != nil {
			t.Error(err)
		}
	})

	// They reconcile while the replicas come up, and Crossplane has connected before.
	// Stopped: what runs is not the point.
	all := []*server{newNamespace(t)}
	for i := range servers - 1 {
		all = append(all, &server{name: fmt.Sprintf("files-%d", i), namespace: all[0].namespace})
	}

	t.Cleanup(func() {
		var wg sync.WaitGroup
		for _, s := range all {
			wg.Go(func() { s.remove(t, servers*10*time.Second) })
		}

		wg.Wait()
	})

	for _, s := range all {
		s.apply(t, withContent+"replicas: 0\n")
	}

	for _, s := range all {
		eventually(t, s.name+" is ready", s.condition("Ready=True"))
	}

	setRuntimeConfig(t.Context(), t, runtimeConfig.GetName())

	eventually(t, "each replica is called", func(ctx context.Context) error {
		pods := &corev1.PodList{}
		if err := cluster.List(ctx, pods, client.InNamespace(crossplaneNamespace), client.MatchingLabels{labelFunction: functionPackage}); err != nil {
			return err
		}

		if len(pods.Items) != replicas {
			return fmt.Errorf("%d pods, want %d", len(pods.Items), replicas)
		}

		var errs []error

		for _, pod := range pods.Items {
			calls, err := callsOf(ctx, pod.Status.PodIP)
			t.Logf("%s: %s calls", pod.Name, calls)
			errs = append(errs, err)
		}

		return errors.Join(errs...)
	})
}

// defaultRuntimeConfig is the runtime configuration of a Function that names none, as it is installed.
const defaultRuntimeConfig = "default"

// setRuntimeConfig sets the runtime configuration of the function.
func setRuntimeConfig(ctx context.Context, t *testing.T, name string) {
	t.Helper()

	if _, err := patchFunction(ctx, fmt.Sprintf(`{"spec":{"runtimeConfigRef":{"name":%q}}}`, name)); err != nil {
		t.Error(err)
	}
}

// callsOf returns how many calls a replica had so far, by its metrics. None is an error.
func callsOf(ctx context.Context, podIP string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(podIP, "8080")+"/metrics", nil)
	if err != nil {
		return "", err
	}

	res, err := restClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()

	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		const handled = `grpc_server_handled_total{grpc_code="OK",grpc_method="RunFunction",grpc_service="apiextensions.fn.proto.v1.FunctionRunnerService",grpc_type="unary"} `
		if calls, ok := strings.CutPrefix(lines.Text(), handled); ok && calls != "0" {
			return calls, nil
		}
	}

	return "0", fmt.Errorf("%s got no calls", podIP)
}
