package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Not parallel: every server is composed by the function that changes.
func TestUpgradeOfTheFunctionRestartsNothing(t *testing.T) {
	if nodeless() {
		t.Skip("without a node Crossplane runs no package")
	}

	installed := installedFunction(t)
	other := anotherPackage(t, installed)

	// Even after a failure: every server of the other tests is composed by it.
	t.Cleanup(func() {
		if _, err := patchFunction(context.Background(), fmt.Sprintf(`{"spec":{"package":%q}}`, installed)); err != nil {
			t.Error(err)
		}
	})

	s := servingFiles(t, withComposition(oftenCalled))
	s.watchPods(t)
	pod := s.waitRunning(t)
	s.settled(t)
	before := s.statefulSet(t).ResourceVersion

	// And back, as after an upgrade that was a mistake.
	for _, version := range []string{other, installed} {
		upgradeFunction(t, version)

		// A call in between may fail, which the DittoServer's condition Synced tells.
		throughout(t, patienceForNothing, "the StatefulSet is left alone", func(ctx context.Context) error {
			set := &appsv1.StatefulSet{}
			if err := cluster.Get(ctx, s.key(s.name), set); err != nil {
				return err
			}

			if set.ResourceVersion != before {
				return fmt.Errorf("it went from version %s to %s", before, set.ResourceVersion)
			}

			return s.samePod(pod)(ctx)
		})
		eventually(t, "Synced", s.condition("Synced=True"))
		s.expectFile(t, "first.txt", "first")
	}

	// What answers still composes.
	s.apply(t, withComposition(oftenCalled)+"\nshutdownTimeout: 31s\n")
	eventually(t, "config.yaml arrives", s.configContains("shutdown_timeout: 31s"))
	s.waitReplaced(t, pod)
}

// installedFunction returns the package that the stack installs. On any other cluster it is the one
// that is there.
func installedFunction(t *testing.T) string {
	t.Helper()

	if version := os.Getenv("STACK_VERSION"); version != "" {
		return "xpkg.crossplane.io/dittofs/function-dittoserver:" + version
	}

	installed, _, _ := unstructured.NestedString(clusterObject(t, "pkg.crossplane.io/v1", "Function", functionPackage).Object, "spec", "package")

	return installed
}

// anotherPackage has the layers of this one, and another digest.
func anotherPackage(t *testing.T, installed string) string {
	t.Helper()

	config := clusterObject(t, "pkg.crossplane.io/v1beta1", "ImageConfig", "stack")
	registry, _, _ := unstructured.NestedString(config.Object, "spec", "rewriteImage", "prefix")
	_, name, _ := strings.Cut(installed, "/")

	mutate := exec.CommandContext(t.Context(), "crane", "mutate", "--insecure", "--label=org.opencontainers.image.ref.name=other",
		"--tag="+registry+name+"-other", registry+name)
	if out, err := mutate.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	return installed + "-other"
}

// upgradeFunction upgrades to a package, and waits until only a pod of its revision runs.
func upgradeFunction(t *testing.T, version string) {
	t.Helper()

	before, _, _ := unstructured.NestedString(clusterObject(t, "pkg.crossplane.io/v1", "Function", functionPackage).Object, "status", "currentRevision")

	function, err := patchFunction(t.Context(), fmt.Sprintf(`{"spec":{"package":%q}}`, version))
	if err != nil {
		t.Fatal(err)
	}

	begin := time.Now()

	eventually(t, "the function is "+version, func(ctx context.Context) error {
		if err := cluster.Get(ctx, client.ObjectKeyFromObject(function), function); err != nil {
			return err
		}

		if revision, _, _ := unstructured.NestedString(function.Object, "status", "currentRevision"); revision == before {
			return errors.New("its revision is the one before")
		}

		return hasCondition("pkg.crossplane.io/v1", "Function", functionPackage, "Healthy")(ctx)
	})

	// The Function stays healthy for a moment when it goes back to a revision that was.
	eventually(t, "it runs", functionRunsAsDeployment)
	t.Logf("upgraded after %.1f s", time.Since(begin).Seconds())
}

// patchFunction patches the Function with a JSON merge patch. Its Deployment follows.
func patchFunction(ctx context.Context, patch string) (*unstructured.Unstructured, error) {
	function := &unstructured.Unstructured{}
	function.SetAPIVersion("pkg.crossplane.io/v1")
	function.SetKind("Function")
	function.SetName(functionPackage)

	return function, cluster.Patch(ctx, function, client.RawPatch(types.MergePatchType, []byte(patch)))
}
