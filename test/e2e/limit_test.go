package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// huge is about as many bytes as etcd takes in an object.
const huge = 1_400_000

// Not parallel: every server is composed by the function that is limited. A request of one
// tenant must not stop the function for the others.
func TestLimitedFunctionServesOthersBesideAGreedyTenant(t *testing.T) {
	if nodeless() {
		t.Skip("without a node Crossplane runs no package")
	}

	limitFunction(t)

	var function *corev1.Pod

	eventually(t, "the function has its limit", func(ctx context.Context) error {
		var err error
		function, err = limitedPod(ctx)

		return err
	})

	greedy := newNamespace(t)
	tolerations := "tolerations: [" + strings.Repeat("{},", huge/3) + "{}]\n"

	// An API server that takes it leaves it to the function to refuse it.
	if err := greedy.tryApply(t.Context(), withContent+tolerations); err == nil {
		eventually(t, "the function refuses it", greedy.condition("SpecValid=False/Invalid"))
	} else {
		t.Logf("the API server refuses it: %.200s", err)

		if !apierrors.IsInvalid(err) && !apierrors.IsRequestEntityTooLargeError(err) {
			t.Error(err)
		}
	}

	// Secrets of that size are legal. Six calls at once with three of them each were too much
	// when every key was decoded.
	servers := greedyServers(t, greedy)
	begin := time.Now()

	s := servingFiles(t, withContent)
	t.Logf("the other tenant's server serves files after %.1f s", time.Since(begin).Seconds())

	for _, g := range servers {
		eventually(t, g.name+" was looked at", g.condition("SecretsResolved=True"))
	}

	s.throughoutCalls(t, "the other tenant's function answers", func(ctx context.Context) error {
		return all(s.condition("Synced=True"), s.condition("Ready=True"))(ctx)
	})

	now, err := limitedPod(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if err := restarts(now, function); err != nil || now.UID != function.UID {
		t.Errorf("the function's pod is another one, or %v: %v", err, now.Status.ContainerStatuses)
	}
}

// limitFunction gives the function the memory of the examples, in one replica, until the test
// ends.
func limitFunction(t *testing.T) {
	t.Helper()

	objects, err := example("operate/function.yaml")
	if err != nil {
		t.Fatal(err)
	}

	for _, u := range objects {
		if u.GetKind() != "DeploymentRuntimeConfig" {
			continue
		}

		u.SetName("e2e-limited")

		if err := unstructured.SetNestedField(u.Object, int64(1), "spec", "deploymentTemplate", "spec", "replicas"); err != nil {
			t.Fatal(err)
		}

		if err := cluster.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(u), user, client.ForceOwnership); err != nil {
			t.Fatal(err)
		}

		t.Cleanup(func() {
			setRuntimeConfig(context.Background(), t, defaultRuntimeConfig)

			if err := cluster.Delete(context.Background(), u); err != nil {
				t.Error(err)
			}
		})

		setRuntimeConfig(t.Context(), t, u.GetName())
	}
}

// limitedPod returns the pod that runs the function with the limit of the examples.
func limitedPod(ctx context.Context) (*corev1.Pod, error) {
	pods := &corev1.PodList{}
	if err := cluster.List(ctx, pods, client.InNamespace(crossplaneNamespace), client.MatchingLabels{labelFunction: functionPackage}); err != nil {
		return nil, err
	}

	if len(pods.Items) != 1 {
		return nil, fmt.Errorf("%d pods run the function", len(pods.Items))
	}

	pod := &pods.Items[0]
	if limit := pod.Spec.Containers[0].Resources.Limits.Memory(); limit.Cmp(resource.MustParse("256Mi")) != 0 {
		return nil, fmt.Errorf("the limit is %s", limit)
	}

	return pod, podReady(pod)
}

// greedyServers applies six stopped servers, each with three Secrets of many keys.
func greedyServers(t *testing.T, in *server) []*server {
	t.Helper()

	for name, values := range map[string]map[string]string{
		"jwt":      {"jwt-secret": jwtKey},
		"admin":    {"password": adminPassword},
		"postgres": {"host": "postgres.example.org", "database": "dittofs", "user": "dittofs", "password": adminPassword},
	} {
		// The API server notes once more who owns each key.
		for size := 0; size < huge/2; {
			key := fmt.Sprintf("key-%06d", len(values))
			values[key] = ""
			size += len(key) + len(`"":"",`)
		}

		in.applySecret(t, name, values)
	}

	var servers []*server
	for i := range 6 {
		servers = append(servers, &server{name: fmt.Sprintf("greedy-%d", i), namespace: in.namespace})
	}

	t.Cleanup(func() {
		var wg sync.WaitGroup
		for _, s := range servers {
			wg.Go(func() { s.remove(t, 2*patience) })
		}

		wg.Wait()
	})

	for _, s := range servers {
		s.apply(t, withContent+"replicas: 0\ndatabase: {type: postgres, postgres: {secretRef: {name: postgres}}}\n")
	}

	return servers
}
