package e2e

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Not parallel: each fault hits every server of the cluster.
func TestRolloutSurvivesFaults(t *testing.T) {
	s := servingFiles(t, level("INFO"))
	s.watchPods(t)

	faults := []struct {
		name   string
		strike func(t *testing.T)
	}{
		{"the function is killed", func(t *testing.T) { t.Helper(); killPods(t, "dittofs-function-dittoserver-") }},
		{"Crossplane is killed", func(t *testing.T) { t.Helper(); killPods(t, "crossplane-", "crossplane-rbac", "crossplane-contrib") }},
		{"the provider is killed", func(t *testing.T) { t.Helper(); killPods(t, "crossplane-contrib-provider-kubernetes-") }},
		{"the API server is killed", killAPIServer},
	}

	// At once, when Crossplane has just begun; and while the old pod is going.
	moments := []struct {
		name string
		wait func(t *testing.T, pod *corev1.Pod)
	}{
		{"at once", func(*testing.T, *corev1.Pod) {}},
		{"while the pod goes", s.waitGoing},
	}

	for i := range len(faults) * len(moments) {
		fault, moment := faults[i/len(moments)], moments[i%len(moments)]

		t.Run(fault.name+" "+moment.name, func(t *testing.T) {
			pod := s.waitRunning(t)
			token := s.login(t)
			name, content := fmt.Sprintf("file-%d.txt", i), fault.name
			s.writeFile(t, name, content)

			// A rotation and a change of configuration, and the fault in the middle.
			timeout := fmt.Sprintf("%ds", 31+i)
			s.applySecret(t, "jwt", map[string]string{"jwt-secret": jwtKey + "-" + fmt.Sprint(i)})
			s.apply(t, withContent+"shutdownTimeout: "+timeout+"\n")
			moment.wait(t, pod)
			fault.strike(t)

			eventually(t, "config.yaml arrives", s.configContains("shutdown_timeout: "+timeout))
			s.waitReplaced(t, pod)

			// The server comes to rest with both.
			eventually(t, "the old token is refused", s.tokenRefused(token))

			s.waitRunning(t)
			eventually(t, "ConfigRolledOut", s.condition("ConfigRolledOut=True"))
			s.expectFile(t, name, content)
			s.expectFile(t, "first.txt", "first")
		})
	}
}

// waitGoing waits until this pod is being deleted.
func (s *server) waitGoing(t *testing.T, pod *corev1.Pod) {
	t.Helper()

	eventually(t, "the pod goes", func(ctx context.Context) error {
		now, err := s.findPod(ctx)
		if err != nil {
			return err
		}

		if now == nil || now.UID != pod.UID {
			t.Fatal("the pod went before it was seen going")
		}

		if now.DeletionTimestamp == nil {
			return errors.New("it does not go")
		}

		return nil
	})
}

// killPods kills the pods of Crossplane's namespace whose names start with prefix and
// with none of the others, and waits for new ones.
func killPods(t *testing.T, prefix string, not ...string) {
	t.Helper()

	pods := func(ctx context.Context) []corev1.Pod {
		list := &corev1.PodList{}
		if err := cluster.List(ctx, list, client.InNamespace(crossplaneNamespace)); err != nil {
			t.Fatal(err)
		}

		var found []corev1.Pod

		for _, p := range list.Items {
			matches := strings.HasPrefix(p.Name, prefix)
			for _, n := range not {
				matches = matches && !strings.HasPrefix(p.Name, n)
			}

			if matches {
				found = append(found, p)
			}
		}

		return found
	}

	old := map[types.UID]bool{}

	for _, p := range pods(t.Context()) {
		old[p.UID] = true
		if err := cluster.Delete(t.Context(), &p, client.GracePeriodSeconds(0)); err != nil {
			t.Fatal(err)
		}
	}

	if len(old) == 0 {
		t.Fatalf("no pod %s*", prefix)
	}

	eventually(t, "another pod "+prefix+"* is ready", func(ctx context.Context) error {
		now := pods(ctx)
		if len(now) == 0 {
			return errors.New("no pod")
		}

		for _, p := range now {
			if old[p.UID] {
				return errors.New("the old pod is there")
			}

			if err := podReady(&p); err != nil {
				return err
			}
		}

		return nil
	})
}

// killAPIServer kills the API server of the stack. On any other cluster it skips the
// test.
func killAPIServer(t *testing.T) {
	t.Helper()

	if _, err := exec.LookPath("stack"); err != nil {
		t.Skip("only the local stack's API server can be killed")
	}

	if _, err := tool(t.Context(), "stack", "restart", "kube-apiserver"); err != nil {
		t.Fatal(err)
	}

	eventually(t, "the API server answers", func(context.Context) error {
		_, err := cluster.Clientset.Discovery().ServerVersion()

		return err
	})
}

// Not parallel: without a provider no server of the cluster changes.
func TestConfigWaitsForAStoppedProvider(t *testing.T) {
	needsObjects(t)

	s := newServer(t, level("INFO"))
	pod := s.waitRunning(t)
	s.watchPods(t)

	scaleProvider(t, 0)
	t.Cleanup(func() { scaleProvider(t, 1) })

	s.apply(t, level("DEBUG"))
	eventually(t, "the change waits", s.condition("ConfigRolledOut=False"))
	throughout(t, patienceForNothing, "the pod stays", s.samePod(pod))

	scaleProvider(t, 1)
	s.waitReplaced(t, pod)
	s.waitRunning(t)

	if !s.logsDebug(t) {
		t.Error("the server does not log DEBUG")
	}
}

// scaleProvider scales the provider by its DeploymentRuntimeConfig, since Crossplane
// undoes any other way. As it is installed, without a number, it has one replica.
func scaleProvider(t *testing.T, replicas int32) {
	t.Helper()

	ctx := context.WithoutCancel(t.Context()) // Clean-ups come after the test's own.

	config := &unstructured.Unstructured{}
	config.SetAPIVersion("pkg.crossplane.io/v1beta1")
	config.SetKind("DeploymentRuntimeConfig")
	config.SetName("provider-kubernetes")

	number := "null"
	if replicas != 1 {
		number = strconv.Itoa(int(replicas))
	}

	patch := fmt.Sprintf(`{"spec":{"deploymentTemplate":{"spec":{"replicas":%s}}}}`, number)
	if err := cluster.Patch(ctx, config, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		t.Fatal(err)
	}

	for deadline := time.Now().Add(patience); ; time.Sleep(500 * time.Millisecond) {
		list := &appsv1.DeploymentList{}
		if err := cluster.List(ctx, list, client.InNamespace(crossplaneNamespace)); err != nil {
			t.Fatal(err)
		}

		for _, d := range list.Items {
			if strings.HasPrefix(d.Name, "crossplane-contrib-provider-kubernetes-") && d.Status.Replicas == replicas && d.Status.ReadyReplicas == replicas {
				return
			}
		}

		if time.Now().After(deadline) {
			t.Fatalf("the provider does not scale to %d", replicas)
		}
	}
}
