package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Where Crossplane runs, and the names that users get by following example/install.
const (
	crossplaneNamespace = "crossplane-system"
	functionPackage     = "dittofs-function-dittoserver"
	providerPackage     = "crossplane-contrib-provider-kubernetes"
)

// Labels that Crossplane puts on what it runs for a Function.
const (
	labelFunction = "pkg.crossplane.io/function"
	labelRevision = "pkg.crossplane.io/revision"
)

func TestPackagesAreInstalledAndHealthy(t *testing.T) {
	t.Parallel()

	if nodeless() {
		t.Skip("without a node Crossplane runs no package")
	}

	for kind, name := range map[string]string{"Configuration": tested.configuration, "Function": functionPackage, "Provider": providerPackage} {
		for _, condition := range []string{"Installed", "Healthy"} {
			eventually(t, kind+" is "+condition, hasCondition("pkg.crossplane.io/v1", kind, name, condition))
		}
	}

	eventually(t, "the XRD is Established", hasCondition(tested.xrdVersion, "CompositeResourceDefinition", tested.xrd, "Established"))

	installed := clusterObject(t, "apiextensions.crossplane.io/v1", "Composition", tested.composition)
	if steps, _, _ := unstructured.NestedSlice(installed.Object, "spec", "pipeline"); len(steps) != 1 {
		t.Errorf("the Composition has %d steps, want the function alone", len(steps))
	}

	if err := functionRunsAsDeployment(t.Context()); err != nil {
		t.Error(err)
	}
}

// functionRunsAsDeployment, with the image of its package, and not as root.
func functionRunsAsDeployment(ctx context.Context) error {
	function, err := getClusterObject(ctx, "pkg.crossplane.io/v1", "Function", functionPackage)
	if err != nil {
		return err
	}

	revision, _, _ := unstructured.NestedString(function.Object, "status", "currentRevision")
	image, _, _ := unstructured.NestedString(function.Object, "status", "resolvedPackage")

	deployment := &appsv1.Deployment{}
	if err := cluster.Get(ctx, types.NamespacedName{Namespace: crossplaneNamespace, Name: revision}, deployment); err != nil {
		return err
	}

	if deployment.Status.ReadyReplicas < 1 {
		return errors.New("no replica of the function is ready")
	}

	pods := &corev1.PodList{}
	if err := cluster.List(ctx, pods, client.InNamespace(crossplaneNamespace), client.MatchingLabels{labelFunction: functionPackage, labelRevision: revision}); err != nil {
		return err
	}

	if len(pods.Items) == 0 {
		return errors.New("no pod runs the function")
	}

	for _, pod := range pods.Items {
		if err := runsAs(&pod, image); err != nil {
			return fmt.Errorf("pod %s: %w", pod.Name, err)
		}
	}

	return nil
}

// runsAs says what is wrong with a pod that should run an image, and not as root.
func runsAs(pod *corev1.Pod, image string) error {
	if err := podReady(pod); err != nil {
		return err
	}

	c := pod.Spec.Containers[0]
	if c.Image != image {
		return fmt.Errorf("runs %s, want the package's image %s", c.Image, image)
	}

	// kubelet starts no container with it as root.
	if s := c.SecurityContext; s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot {
		return fmt.Errorf("may run as root: %+v", s)
	}

	return nil
}

// hasCondition returns a check that a condition of a cluster-scoped object is True.
func hasCondition(apiVersion, kind, name, condition string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		u, err := getClusterObject(ctx, apiVersion, kind, name)
		if err != nil {
			return err
		}

		conditions, _, err := unstructured.NestedSlice(u.Object, "status", "conditions")
		if err != nil {
			return err
		}

		for _, c := range conditions {
			if c, ok := c.(map[string]any); ok && c["type"] == condition {
				if c["status"] == "True" {
					return nil
				}

				return fmt.Errorf("%s=%v/%v: %v", condition, c["status"], c["reason"], c["message"])
			}
		}

		return fmt.Errorf("no condition %s", condition)
	}
}

// clusterObject is a cluster-scoped object that must be there.
func clusterObject(t *testing.T, apiVersion, kind, name string) *unstructured.Unstructured {
	t.Helper()

	u, err := getClusterObject(t.Context(), apiVersion, kind, name)
	if err != nil {
		t.Fatal(err)
	}

	return u
}

// getClusterObject as it is.
func getClusterObject(ctx context.Context, apiVersion, kind, name string) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	u.SetAPIVersion(apiVersion)
	u.SetKind(kind)

	return u, cluster.Get(ctx, types.NamespacedName{Name: name}, u)
}
