package upgrade

import (
	"fmt"
	"maps"
	"slices"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/test/cluster"
)

// stored returns a request with what Crossplane, provider-kubernetes and the API server write into
// composite resources and Objects, and the simulator has no need of.
func stored(req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionRequest, error) {
	req = proto.CloneOf(req)
	req.Meta = cluster.Meta(req.GetMeta().GetTag())

	xr := req.GetObserved().GetComposite().GetResource()
	refs := &structpb.ListValue{}

	for _, n := range slices.Sorted(maps.Keys(req.GetObserved().GetResources())) {
		o := req.GetObserved().GetResources()[n].GetResource()
		if err := storeObject(n, o, xr); err != nil {
			return nil, err
		}

		refs.Values = append(refs.Values, structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
			"apiVersion": protostruct.Get(o, "apiVersion"), "kind": protostruct.Get(o, "kind"), "name": protostruct.Get(o, "metadata", "name"),
		}}))
	}

	for _, rs := range req.GetRequiredResources() {
		for _, r := range rs.GetItems() {
			if err := storeObject(statefulSet, r.GetResource(), xr); err != nil {
				return nil, err
			}
		}
	}

	storeComposite(xr, refs)

	return req, nil
}

// storeComposite adds to a composite resource what Crossplane and the API server write.
func storeComposite(xr *structpb.Struct, refs *structpb.ListValue) {
	machinery := []string{"spec"}
	if protostruct.Get(xr, "metadata", "namespace") != nil {
		machinery = append(machinery, "crossplane")
	}

	protostruct.Set(xr, structpb.NewListValue(refs), append(machinery, "resourceRefs")...)
	set(xr, `{compositionRef: {name: dittoservers.dittofs.io}, compositionRevisionRef: {name: dittoservers.dittofs.io-8d99bb7}, compositionUpdatePolicy: Automatic}`, machinery...)

	set(xr, `{uid: own, creationTimestamp: "2026-01-01T00:00:00Z", finalizers: [composite.apiextensions.crossplane.io], resourceVersion: "3020"}`, "metadata")
	protostruct.Set(xr, protostruct.Get(xr, "metadata", "name"), "metadata", "labels", "crossplane.io/composite")

	for _, c := range protostruct.Get(xr, "status", "conditions").GetListValue().GetValues() {
		set(c.GetStructValue(), `{lastTransitionTime: "2026-01-01T00:00:01Z"}`)
	}
}

// storeObject adds to an Object what Crossplane, the provider and the API server write. Native
// composed resources have all of it.
func storeObject(n string, o, xr *structpb.Struct) error {
	if protostruct.Get(o, "kind").GetStringValue() != "Object" {
		return nil
	}

	name := protostruct.Get(o, "metadata", "name").GetStringValue()
	composite := protostruct.Get(xr, "metadata", "name").GetStringValue()

	set(o, fmt.Sprintf(`{creationTimestamp: "2026-01-01T00:00:00Z", finalizers: [finalizer.managedresource.crossplane.io], generateName: files-, resourceVersion: "2932", uid: uid-of-%s,
annotations: {crossplane.io/composition-resource-name: %s, crossplane.io/external-create-pending: "2026-01-01T00:00:00Z", crossplane.io/external-create-succeeded: "2026-01-01T00:00:01Z", crossplane.io/external-name: %s},
ownerReferences: [{apiVersion: dittofs.io/v1alpha1, blockOwnerDeletion: true, controller: true, kind: %s, name: %s, uid: own}]}`,
		n, n, name, protostruct.Get(xr, "kind").GetStringValue(), composite), "metadata")
	set(o, `{managementPolicies: ["*"]}`, "spec")
	protostruct.Set(o, structpb.NewStringValue(composite), "metadata", "labels", "crossplane.io/composite")

	if namespace := protostruct.Get(xr, "metadata", "namespace"); namespace != nil {
		protostruct.Set(o, namespace, "metadata", "namespace")
	} else {
		set(o, `{deletionPolicy: Delete}`, "spec")
		protostruct.Set(o, protostruct.Get(xr, "spec", "claimRef", "name"), "metadata", "labels", "crossplane.io/claim-name")
		protostruct.Set(o, protostruct.Get(xr, "spec", "claimRef", "namespace"), "metadata", "labels", "crossplane.io/claim-namespace")
	}

	if live := protostruct.Get(o, "status", "atProvider", "manifest").GetStructValue(); live != nil {
		is, err := storeLive(n, name, live)
		if err != nil {
			return err
		}

		protostruct.Set(o, structpb.NewStructValue(is), "status", "atProvider", "manifest")
	}

	return nil
}

// storeLive returns a live object, which an Object tells of, with the API server's defaults.
// Nobody reads there who owns which of its fields.
func storeLive(n, object string, live *structpb.Struct) (*structpb.Struct, error) {
	written := proto.CloneOf(live)
	protostruct.Set(written, nil, "status")
	protostruct.Set(written, nil, "metadata", "generation")

	is, err := cluster.Apply("provider-kubernetes/"+object, written, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot apply %s: %w", n, err)
	}

	protostruct.Set(is, nil, "metadata", "managedFields")
	set(is, fmt.Sprintf(`{uid: uid-of-live-%s, resourceVersion: "2890"}`, n), "metadata")
	protostruct.Set(is, protostruct.Get(live, "metadata", "generation"), "metadata", "generation")

	if status := protostruct.Get(live, "status"); status != nil {
		protostruct.Set(is, status, "status")
	}

	return is, nil
}

// set sets the fields of a YAML text below a path.
func set(o *structpb.Struct, text string, path ...string) {
	fields := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &fields); err != nil {
		// The texts are above.
		panic(err)
	}

	for k, v := range structOf(fields).GetFields() {
		protostruct.Set(o, v, append(slices.Clone(path), k)...)
	}
}
