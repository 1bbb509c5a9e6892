package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/manifest"
)

// A flavour is a way in and a way out: how users ask for a server, and how it is
// composed. The tests are the same for each; what differs is here.
type flavour struct {
	// composition that a DittoServer gets by default.
	composition string

	// configuration package, and the XRD in it.
	configuration, xrdVersion, xrd string

	// objects is the API version of the provider-kubernetes Objects, empty if the
	// Kubernetes objects are composed natively.
	objects string

	// claims reports whether users write claims.
	claims bool
}

var flavours = map[string]flavour{
	"namespaced": {
		composition:   "dittoservers.dittofs.io",
		configuration: "dittofs-configuration-dittoserver", xrdVersion: "apiextensions.crossplane.io/v2", xrd: "dittoservers.dittofs.io",
		objects: "kubernetes.m.crossplane.io/v1alpha1",
	},
	"native": {
		composition:   "native.dittoservers.dittofs.io",
		configuration: "dittofs-configuration-dittoserver", xrdVersion: "apiextensions.crossplane.io/v2", xrd: "dittoservers.dittofs.io",
	},
	"claims": {
		composition:   "xdittoservers.dittofs.io",
		configuration: "dittofs-configuration-dittoserver-claims", xrdVersion: "apiextensions.crossplane.io/v1", xrd: "xdittoservers.dittofs.io",
		objects: "kubernetes.crossplane.io/v1alpha2",
		claims:  true,
	},
}

// tested is the flavour under test.
var tested = flavours["namespaced"]

// chooseFlavour chooses the flavour that the environment names, and adds what it needs
// beside the packages.
func chooseFlavour(ctx context.Context) error {
	if name := os.Getenv("STACK_FLAVOUR"); name != "" {
		f, ok := flavours[name]
		if !ok {
			return fmt.Errorf("no flavour %s", name)
		}

		tested = f
	}

	if !tested.native() {
		return nil
	}

	for _, file := range []string{"rbac.yaml", "composition.yaml"} {
		objects, err := example("native/" + file)
		if err != nil {
			return err
		}

		for _, u := range objects {
			if err := cluster.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), user, client.ForceOwnership); err != nil {
				return err
			}
		}
	}

	return nil
}

// example returns the objects of a file below example/.
func example(file string) ([]*unstructured.Unstructured, error) {
	content, err := os.ReadFile("../../example/" + file)
	if err != nil {
		return nil, err
	}

	var objects []*unstructured.Unstructured

	for d := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), len(content)); ; {
		u := &unstructured.Unstructured{}
		if err := d.Decode(&u.Object); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, err
		}

		objects = append(objects, u)
	}
}

func (f flavour) native() bool { return f.objects == "" }

// needsObjects skips a test of what only a provider does.
func needsObjects(t *testing.T) {
	t.Helper()

	if tested.native() {
		t.Skip("there is no provider in between")
	}
}

// spec returns the spec of a DittoServer as the flavour has it. Tests write Crossplane's
// own fields below crossplane, where claims have them beside the user's.
func (f flavour) spec(fields map[string]any) map[string]any {
	if !f.claims {
		return fields
	}

	fields = maps.Clone(fields)
	own, _ := fields["crossplane"].(map[string]any)
	maps.Copy(fields, own)
	delete(fields, "crossplane")

	return fields
}

// crossplane is the path of Crossplane's own fields in a composite resource.
func (f flavour) crossplane(field ...string) []string {
	if f.claims {
		return append([]string{"spec"}, field...)
	}

	return append([]string{"spec", "crossplane"}, field...)
}

// composite returns the composite resource of the server: the DittoServer, or that of its
// claim once it has the claim's spec.
func (s *server) composite(ctx context.Context) (*unstructured.Unstructured, error) {
	u := s.object()
	if err := cluster.Get(ctx, s.key(s.name), u); err != nil || !tested.claims {
		return u, err
	}

	name, _, err := unstructured.NestedString(u.Object, "spec", "resourceRef", "name")
	if err != nil || name == "" {
		return nil, fmt.Errorf("the claim has no composite resource yet: %w", err)
	}

	xr, err := getClusterObject(ctx, v1alpha1.Group+"/"+v1alpha1.Version, "XDittoServer", name)
	if err != nil {
		return nil, err
	}

	asked, _, _ := unstructured.NestedMap(u.Object, "spec")
	for field, value := range asked {
		if has, _, _ := unstructured.NestedFieldNoCopy(xr.Object, "spec", field); !isCrossplanes(field) && !reflect.DeepEqual(has, value) {
			return nil, fmt.Errorf("the composite resource has not got the claim's %s yet", field)
		}
	}

	return xr, nil
}

// isCrossplanes reports whether a field of a DittoServer's spec is Crossplane's own.
func isCrossplanes(field string) bool {
	if tested.claims {
		return strings.HasPrefix(field, "composition") || field == "resourceRef" || field == "compositeDeletePolicy"
	}

	return field == "crossplane"
}

// composed returns the composed resources of the server: Objects, or the Kubernetes
// objects themselves.
func (s *server) composed(ctx context.Context) ([]unstructured.Unstructured, error) {
	if tested.native() {
		return s.nativelyComposed(ctx)
	}

	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion(tested.objects)
	list.SetKind("ObjectList")

	in := client.ListOption(client.InNamespace(s.namespace))
	if tested.claims {
		in = client.MatchingLabels{"crossplane.io/claim-namespace": s.namespace}
	}

	err := cluster.List(ctx, list, in)

	return list.Items, err
}

func (s *server) nativelyComposed(ctx context.Context) ([]unstructured.Unstructured, error) {
	var found []unstructured.Unstructured

	kinds := map[schema.GroupVersionKind]bool{}
	for row := range manifest.Rows() {
		kinds[row.Kind] = true
	}

	for kind := range kinds {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)

		err := cluster.List(ctx, list, client.InNamespace(s.namespace), client.HasLabels{"crossplane.io/composite"})

		// Of a kind that this cluster does not have, or not any more, there is nothing.
		if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
			continue
		}

		if err != nil {
			return nil, err
		}

		found = append(found, list.Items...)
	}

	return found, nil
}

// applied is the Kubernetes object that a composed resource applies, or is.
func applied(composed *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if composed.GetKind() != "Object" {
		return composed, nil
	}

	manifest, _, err := unstructured.NestedMap(composed.Object, "spec", "forProvider", "manifest")

	return &unstructured.Unstructured{Object: manifest}, err
}
