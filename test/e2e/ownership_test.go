package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"

	"github.com/dittofs/function-dittoserver/internal/dittofs"
)

// Server-side apply takes every field that is sent for intent: a zero value that comes
// along takes the field away from the API server's defaults, from controllers and from
// users.
func TestEveryManagerOwnsOnlyWhatItMeans(t *testing.T) {
	t.Parallel()

	s := newServer(t, withContent)
	before := s.waitRunning(t)

	t.Run("Created", s.ownership)

	s.apply(t, withContent+"logging: {level: DEBUG}")
	s.waitOtherPod(t, before)

	t.Run("Changed", s.ownership)
}

// ownership checks who owns the fields of all objects of a server.
func (s *server) ownership(t *testing.T) {
	objects, err := s.composed(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if len(objects) != 5 {
		t.Errorf("got %d composed resources, want ConfigMap, StatefulSet and three Services", len(objects))
	}

	for _, o := range objects {
		t.Run(o.GetAnnotations()["crossplane.io/composition-resource-name"], func(t *testing.T) { checkObject(t.Context(), t, &o) })
	}

	t.Run("DittoServer", s.dittoServerOwnership)
}

// checkOwnership checks the ownership at the end of a test, if the server runs then.
func (s *server) checkOwnership(t *testing.T) {
	t.Helper()

	ctx := context.WithoutCancel(t.Context()) // The test is over.

	if s.condition("Ready=True")(ctx) != nil {
		return
	}

	objects, err := s.composed(ctx)
	if err != nil {
		t.Error(err)
	}

	for _, o := range objects {
		// Of what goes, the Kubernetes object may be gone already.
		if o.GetDeletionTimestamp() == nil {
			checkObject(ctx, t, &o)
		}
	}
}

// checkObject checks the Object that Crossplane applied, and the Kubernetes object that
// the provider did.
func checkObject(ctx context.Context, t *testing.T, o *unstructured.Unstructured) {
	t.Helper()

	if tested.native() {
		nativeOwnership(t, o)

		return
	}

	manifest, err := applied(o)
	if err != nil {
		t.Fatal(err)
	}

	objectOwnership(t, o)
	liveOwnership(ctx, t, o.GetName(), manifest)
}

// defaulted are fields that the function never sets, and the API server or a controller
// does.
var defaulted = []string{
	"revisionHistoryLimit", "rollingUpdate", "dnsPolicy", "restartPolicy", "schedulerName", "terminationMessagePath",
	"terminationMessagePolicy", "imagePullPolicy", "defaultMode", "successThreshold", "allocateLoadBalancerNodePorts",
	"externalTrafficPolicy", "internalTrafficPolicy", "ipFamilies", "ipFamilyPolicy", "sessionAffinity", "clusterIPs", "nodePort", "status",
}

// nativeOwnership checks a Kubernetes object that Crossplane applied: no default became
// its own, though the function reads what it asked for from the live object.
func nativeOwnership(t *testing.T, o *unstructured.Unstructured) {
	t.Helper()

	owned := ownedBy(t, o, "apiextensions.crossplane.io/composed/")
	if len(owned) != 1 {
		t.Errorf("%s %s: Crossplane's managers are not one: %v", o.GetKind(), o.GetName(), managers(owned))
	}

	for _, set := range owned {
		if set.Size() < 5 {
			t.Errorf("%s %s: Crossplane owns next to nothing: %s", o.GetKind(), o.GetName(), set)
		}

		set.Iterate(func(p fieldpath.Path) {
			// Files of Secrets have a mode of their own, and so has krb5.conf.
			if strings.HasSuffix(p.String(), ".secret.defaultMode") || strings.HasSuffix(p.String(), ".downwardAPI.defaultMode") {
				return
			}

			for _, element := range p {
				if element.FieldName != nil && slices.Contains(defaulted, *element.FieldName) {
					t.Errorf("%s %s: Crossplane owns %s", o.GetKind(), o.GetName(), p)
				}
			}

			if v, ok := lookup(o.Object, p); !ok || !meant(v, p) {
				t.Errorf("%s %s: Crossplane owns %s with the zero value %v", o.GetKind(), o.GetName(), p, v)
			}
		})
	}
}

// liveOwnership checks the Kubernetes object that an Object applied: the provider owns
// exactly what its manifest says, with values that mean something.
func liveOwnership(ctx context.Context, t *testing.T, object string, manifest *unstructured.Unstructured) {
	t.Helper()

	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(manifest.GroupVersionKind())

	if err := cluster.Get(ctx, client.ObjectKeyFromObject(manifest), live); err != nil {
		t.Fatal(err)
	}

	owned := ownedBy(t, live, "provider-kubernetes/")
	if len(owned) != 1 || owned["provider-kubernetes/"+object] == nil {
		t.Errorf("the provider's managers are %v, want provider-kubernetes/%s alone", managers(owned), object)
	}

	for _, set := range owned {
		set.Iterate(func(p fieldpath.Path) {
			if v, ok := lookup(manifest.Object, p); !ok {
				t.Errorf("%s %s: the manager owns %s, which is not in the manifest", live.GetKind(), live.GetName(), p)
			} else if !meant(v, p) {
				t.Errorf("%s %s: the manager owns %s with the zero value %v", live.GetKind(), live.GetName(), p, v)
			}
		})
	}
}

// objectOwnership checks an Object: Crossplane owns its metadata and the fields of its
// spec that the function sets, nobody else owns any of the spec.
func objectOwnership(t *testing.T, o *unstructured.Unstructured) {
	t.Helper()

	want := []string{
		`.metadata.annotations.crossplane.io/composition-resource-name`, `.metadata.generateName`,
		`.metadata.labels.crossplane.io/composite`, `.metadata.ownerReferences`, `.spec.forProvider.manifest`,
		`.spec.providerConfigRef.name`, `.spec.readiness.policy`, `.spec.watch`,
	}
	if tested.claims {
		want = append(want, `.metadata.labels.crossplane.io/claim-name`, `.metadata.labels.crossplane.io/claim-namespace`)
	} else {
		want = append(want, `.spec.providerConfigRef.kind`)
	}

	if _, ok, _ := unstructured.NestedString(o.Object, "spec", "readiness", "celQuery"); ok {
		want = append(want, `.spec.readiness.celQuery`)
	}

	if kind, _, _ := unstructured.NestedString(o.Object, "spec", "forProvider", "manifest", "kind"); kind == "StatefulSet" {
		want = append(want, `.metadata.labels.dittofs.io/namespace`, `.metadata.labels.dittofs.io/statefulset`)
	}

	owned := ownedBy(t, o, "")
	spec := fieldpath.MakePathOrDie("spec")

	for manager, set := range owned {
		if !strings.HasPrefix(manager, "apiextensions.crossplane.io/composed/") {
			if s := set.WithPrefix(spec[0]); !s.Empty() {
				t.Errorf("%s owns of the spec: %s", manager, s)
			}

			continue
		}

		// New Objects have the external name from the function, and older ones from the provider.
		got := slices.DeleteFunc(cut(set, want), func(p string) bool {
			return p == `.metadata.annotations.crossplane.io/external-name`
		})
		if !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("%s owns\n%s\nwant\n%s", manager, strings.Join(got, "\n"), strings.Join(slices.Sorted(slices.Values(want)), "\n"))
		}
	}

	if len(ownedBy(t, o, "apiextensions.crossplane.io/composed/")) != 1 {
		t.Errorf("Crossplane's managers are not one: %v", managers(owned))
	}
}

// dittoServerOwnership checks the DittoServer: of its spec, users own what they wrote and
// Crossplane what is its own.
func (s *server) dittoServerOwnership(t *testing.T) {
	xr := s.object()
	if err := cluster.Get(t.Context(), s.key(s.name), xr); err != nil {
		t.Fatal(err)
	}

	for manager, set := range ownedBy(t, xr, "") {
		spec := set.WithPrefix(fieldpath.MakePathOrDie("spec")[0])
		if manager == string(user) {
			if spec.Empty() {
				t.Error("the user owns nothing of the spec")
			}

			continue
		}

		spec.Leaves().Iterate(func(p fieldpath.Path) {
			if !isCrossplanes(*p[0].FieldName) {
				t.Errorf("%s owns .spec%s", manager, p)
			}
		})
	}
}

// ownedBy managers whose name begins like this. It merges what a manager owns by updating and by
// applying, of the object and of its status.
func ownedBy(t *testing.T, o *unstructured.Unstructured, prefix string) map[string]*fieldpath.Set {
	t.Helper()

	owned := map[string]*fieldpath.Set{}

	for _, entry := range o.GetManagedFields() {
		if !strings.HasPrefix(entry.Manager, prefix) {
			continue
		}

		set := &fieldpath.Set{}
		if err := set.FromJSON(bytes.NewReader(entry.FieldsV1.Raw)); err != nil {
			t.Fatal(err)
		}

		if before := owned[entry.Manager]; before != nil {
			set = set.Union(before)
		}

		owned[entry.Manager] = set
	}

	return owned
}

func managers(owned map[string]*fieldpath.Set) []string {
	var names []string
	for name := range owned {
		names = append(names, name)
	}

	return names
}

// cut returns the leaves of a set, sorted, each cut off where one of the prefixes ends.
func cut(set *fieldpath.Set, prefixes []string) []string {
	var paths []string

	set.Leaves().Iterate(func(p fieldpath.Path) {
		path := p.String()

		for _, prefix := range prefixes {
			if path == prefix || strings.HasPrefix(path, prefix+".") || strings.HasPrefix(path, prefix+"[") {
				path = prefix
			}
		}

		paths = append(paths, path)
	})

	slices.Sort(paths)

	return slices.Compact(paths)
}

// lookup returns the value at a path, if there is one. An element of a list is the one
// that has the path's keys; a key that it lacks is one with a default.
func lookup(v any, path fieldpath.Path) (any, bool) {
	for _, element := range path {
		switch {
		case element.FieldName != nil:
			object, _ := v.(map[string]any)

			field, ok := object[*element.FieldName]
			if !ok {
				return nil, false
			}

			v = field
		default:
			list, _ := v.([]any)

			i := slices.IndexFunc(list, func(item any) bool { return is(item, element) })
			if i < 0 {
				return nil, false
			}

			v = list[i]
		}
	}

	return v, true
}

// is reports whether an item of a list is the one that an element of a path names.
func is(item any, element fieldpath.PathElement) bool {
	if element.Value != nil {
		return value.Equals(*element.Value, value.NewValueInterface(item))
	}

	object, ok := item.(map[string]any)
	if !ok || element.Key == nil {
		return false
	}

	for _, key := range *element.Key {
		if v, ok := object[key.Name]; ok && !value.Equals(key.Value, value.NewValueInterface(v)) {
			return false
		}
	}

	return true
}

// meant reports whether a value is one that somebody writes on purpose. false is, and so is an emptyDir of
// no more words. So are settings of identity providers in the ConfigMap, each of which a variable refers to,
// and the pods that a budget lets go.
func meant(v any, p fieldpath.Path) bool {
	switch v := v.(type) {
	case nil:
		return false
	case map[string]any:
		return len(v) > 0 || strings.HasSuffix(p.String(), ".emptyDir")
	case []any:
		return len(v) > 0
	default:
		return v != "" && fmt.Sprint(v) != "0" || strings.Contains(p.String(), ".data."+dittofs.EnvPrefix) || p.String() == ".spec.maxUnavailable"
	}
}

// The checks above must find what they look for.
func TestZeroValuesAndForeignFieldsAreFound(t *testing.T) {
	t.Parallel()

	var manifest map[string]any
	if err := json.Unmarshal([]byte(`{"spec": {"ports": [{"port": 2049, "nodePort": 0}], "replicas": 1, "selector": {}}}`), &manifest); err != nil {
		t.Fatal(err)
	}

	set := &fieldpath.Set{}
	if err := set.FromJSON(strings.NewReader(`{"f:spec": {"f:replicas": {}, "f:selector": {}, "f:type": {},
		"f:ports": {"k:{\"port\":2049,\"protocol\":\"TCP\"}": {".": {}, "f:nodePort": {}}, "k:{\"port\":445,\"protocol\":\"TCP\"}": {".": {}}}}}`)); err != nil {
		t.Fatal(err)
	}

	found := map[string]string{}

	set.Iterate(func(p fieldpath.Path) {
		if v, ok := lookup(manifest, p); !ok {
			found[p.String()] = "foreign"
		} else if !meant(v, p) {
			found[p.String()] = "zero"
		}
	})

	want := map[string]string{
		`.spec.selector`: "zero", `.spec.type`: "foreign",
		`.spec.ports[port=2049,protocol="TCP"].nodePort`: "zero", `.spec.ports[port=445,protocol="TCP"]`: "foreign",
	}
	if fmt.Sprint(found) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", found, want)
	}
}
