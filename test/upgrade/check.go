package upgrade

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	manifests "github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/change"
	"github.com/dittofs/function-dittoserver/test/cluster"
)

// statefulSet is the name of the composed resource that must not go.
const statefulSet = "statefulset"

// take takes out of a composed resource, as it was and as it is, what moves on purpose.
type take func(resource string, was, is *structpb.Struct)

// check what the function answers, and return a line for each thing that is not as it was
// recorded.
func (r *recording) check(fn Function, moves take) ([]string, error) {
	var faults []string

	faultf := func(format string, a ...any) { faults = append(faults, fmt.Sprintf(format, a...)) }

	rsp, err := r.reconcile(fn, faultf)
	if err != nil {
		return nil, err
	}

	got := answerOf(rsp)

	if r.answer.Fatal != got.Fatal {
		faultf("a fatal result: was %t, is %t", r.answer.Fatal, got.Fatal)
	}

	r.compare(got, moves, faultf)

	rephrased, err := r.rephrased(fn, rsp)
	if err != nil {
		return nil, err
	}

	faults = append(faults, rephrased...)

	if r.rest {
		faults = append(faults, r.atRest(rsp, moves)...)

		resized, err := r.resized(fn, rsp)
		if err != nil {
			return nil, err
		}

		faults = append(faults, resized...)
	}

	return faults, nil
}

// rephrased has the function's conditions say other words, as those of a release do that words
// them differently, and then the function's own. It returns a line unless the answer is the same,
// and the second call tells nothing: new words cost one write of the DittoServer, and no other.
func (r *recording) rephrased(fn Function, rsp *fnv1.RunFunctionResponse) ([]string, error) {
	var faults []string

	others := proto.CloneOf(rsp)
	for _, c := range others.GetConditions() {
		c.Message = new("Other words")
	}

	for _, written := range []*fnv1.RunFunctionResponse{others, rsp} {
		edited := *r
		edited.request = proto.CloneOf(r.request)

		xr := edited.request.GetObserved().GetComposite().GetResource()
		cluster.SetConditions(xr, written, slices.DeleteFunc(protostruct.Get(xr, "status", "conditions").GetListValue().GetValues(), func(c *structpb.Value) bool {
			return cluster.ConditionOf(rsp, protostruct.Get(c.GetStructValue(), "type").GetStringValue()) != nil
		})...)

		after, err := edited.reconcile(fn, func(string, ...any) {})
		if err != nil {
			return nil, err
		}

		if written == rsp && !report.IsFatal(rsp) && len(after.GetResults()) > 0 {
			faults = append(faults, fmt.Sprintf("rephrased: what is written is told again: %v", after.GetResults()))
		}

		want, got := proto.CloneOf(rsp), proto.CloneOf(after)
		want.Results, got.Results = nil, nil

		if !proto.Equal(want, got) {
			faults = append(faults, "rephrased: the words of a condition change the answer: "+written.GetConditions()[0].GetMessage())
		}
	}

	return faults, nil
}

// storages are other values of fields of spec.storage. None of them is a pod's.
//
//nolint:gochecknoglobals // A table.
var storages = map[string]string{"controlPlaneSize": "77Gi", "metadataSize": "77Gi", "contentSize": "77Gi", "cacheSize": "77Gi", "storageClassName": "another"}

// resized changes the storage of a server at rest, once the function has recorded what runs, and
// returns a line for each change that moves the pod template.
func (r *recording) resized(fn Function, rsp *fnv1.RunFunctionResponse) ([]string, error) {
	before := cluster.Asked(rsp.GetDesired().GetResources()[statefulSet].GetResource())
	if before == nil {
		return nil, nil
	}

	// An early version unmounted what the spec does not ask for any more, and mounts it again.
	isUnmounted := slices.Contains(manifests.ClaimNames(before), "content") && !manifests.MountsContent(before)

	configMap, err := applied(rsp.GetDesired().GetResources()["configmap"].GetResource(), r.observed("configmap"))
	if err != nil {
		return nil, err
	}

	var faults []string

	for _, field := range slices.Sorted(maps.Keys(storages)) {
		if isUnmounted && field == "contentSize" {
			continue
		}

		edited := *r
		edited.request = proto.CloneOf(r.request)
		edited.request.GetObserved().GetResources()["configmap"].Resource = configMap
		protostruct.Set(edited.request.GetObserved().GetComposite().GetResource(), structpb.NewStringValue(storages[field]), "spec", "storage", field)

		after, err := edited.reconcile(fn, func(string, ...any) {})
		if err != nil {
			return nil, err
		}

		// That of a stopped server is recreated.
		is := cluster.Asked(after.GetDesired().GetResources()[statefulSet].GetResource())
		if is != nil && !proto.Equal(protostruct.Get(before, "spec", "template"), protostruct.Get(is, "spec", "template")) {
			faults = append(faults, fmt.Sprintf("resized: another spec.storage.%s moves the pod template", field))
		}
	}

	return faults, nil
}

// stay returns an error unless the function composes the pod template that was asked last, and the
// recorded one did not.
func (r *recording) stay(fn Function) error {
	rsp, err := r.reconcile(fn, func(string, ...any) {})
	if err != nil {
		return err
	}

	template := append(manifest(), "spec", "template")
	asked, was := protostruct.Get(r.observed(statefulSet), template...), protostruct.Get(structOf(r.answer.Resources[statefulSet].Resource), template...)

	switch is := protostruct.Get(rsp.GetDesired().GetResources()[statefulSet].GetResource(), template...); {
	case asked == nil || proto.Equal(asked, was):
		return errors.New("the recorded pod template is the one that was asked: take the state out of stays")
	case !proto.Equal(asked, is):
		return errors.New("the pod template is not the one that was asked")
	default:
		return nil
	}
}

// compare what is composed, but for what moves on purpose.
func (r *recording) compare(got answer, moves take, faultf func(string, ...any)) {
	was := map[string]resource{"status": {Resource: r.answer.Status}, "conditions": {Resource: anyOf(r.answer.Conditions)}}
	is := map[string]resource{"status": {Resource: got.Status}, "conditions": {Resource: anyOf(got.Conditions)}}

	maps.Copy(was, r.answer.Resources)
	maps.Copy(is, got.Resources)

	for _, name := range slices.Sorted(maps.Keys(is)) {
		// Objects of claims come where claims are to grow, and go by themselves.
		if _, ok := was[name]; !ok && !manifests.IsClaim(manifests.Name(name)) {
			faultf("%s: is composed, and was not", name)
		}
	}

	for _, name := range slices.Sorted(maps.Keys(was)) {
		w, i := was[name], is[name]
		if i.Resource == nil && w.Resource != nil {
			faultf("%s: was composed, and is not", name)
			continue
		}

		if w.Ready != i.Ready {
			faultf("%s: ready: was %t, is %t", name, w.Ready, i.Ready)
		}

		before, after := structOf(w.Resource), structOf(i.Resource)
		moves(name, before, after)

		for _, d := range change.Differences("", structpb.NewStructValue(before), structpb.NewStructValue(after)) {
			faultf("%s: %s", name, d)
		}
	}
}

func anyOf(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}

	return out
}

// structOf a decoded object.
func structOf(o map[string]any) *structpb.Struct {
	s, err := structpb.NewStruct(o)
	if err != nil {
		// It was decoded from a struct, or from YAML.
		panic(err)
	}

	return s
}

// reconcile calls the function as Crossplane does: without required resources first, and
// with those that it asks for then. A StatefulSet that is kept in the end is kept in each
// call.
func (r *recording) reconcile(fn Function, faultf func(string, ...any)) (*fnv1.RunFunctionResponse, error) {
	_, kept := r.answer.Resources[statefulSet]
	kept = kept && r.observed(statefulSet) != nil

	calls := 0
	_, rsp, err := cluster.Call(r.requestWith, func(req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) {
		calls++

		rsp, err := fn(proto.CloneOf(req))
		if err != nil {
			return nil, err
		}

		if _, ok := rsp.GetDesired().GetResources()[statefulSet]; kept && !ok {
			faultf("statefulset: call %d of the reconcile leaves it out", calls)
		}

		older, err := fn(olderRequest(req))
		if err == nil && !proto.Equal(olderResponse(rsp), older) {
			faultf("call %d of the reconcile: an older Crossplane gets another response", calls)
		}

		return rsp, err
	})

	return rsp, err
}

// olderRequest returns a request as Crossplane before v2.2, and the CLIs of v1, send it: they
// announce nothing, and know required resources as extra resources.
func olderRequest(req *fnv1.RunFunctionRequest) *fnv1.RunFunctionRequest {
	req = proto.CloneOf(req)
	req.GetMeta().Capabilities = nil
	req.ExtraResources, req.RequiredResources = req.GetRequiredResources(), nil

	return req
}

// olderResponse returns what an older Crossplane must get where a newer one gets rsp.
func olderResponse(rsp *fnv1.RunFunctionResponse) *fnv1.RunFunctionResponse {
	rsp = proto.CloneOf(rsp)
	if required := rsp.GetRequirements(); required != nil {
		required.ExtraResources, required.Resources = required.GetResources(), nil
	}

	return rsp
}

// requestWith returns the request with what the cluster has of the required resources.
func (r *recording) requestWith(required map[string]*fnv1.ResourceSelector) *fnv1.RunFunctionRequest {
	req := proto.CloneOf(r.request)

	var there []*structpb.Struct

	for _, name := range slices.Sorted(maps.Keys(r.request.GetRequiredResources())) {
		for _, o := range r.request.GetRequiredResources()[name].GetItems() {
			if !slices.ContainsFunc(there, func(has *structpb.Struct) bool { return proto.Equal(has, o.GetResource()) }) {
				there = append(there, o.GetResource())
			}
		}
	}

	req.RequiredResources = cluster.Required(required, there)

	return req
}

// atRest applies what is composed, and returns a line for each thing that this changes, except
// what moves on purpose.
func (r *recording) atRest(rsp *fnv1.RunFunctionResponse, moves take) []string {
	var faults []string

	rsp = proto.CloneOf(rsp)
	maps.DeleteFunc(rsp.GetDesired().GetResources(), func(name string, _ *fnv1.Resource) bool { return manifests.IsClaim(manifests.Name(name)) })

	if a, b := slices.Sorted(maps.Keys(r.request.GetObserved().GetResources())), slices.Sorted(maps.Keys(rsp.GetDesired().GetResources())); !slices.Equal(a, b) {
		faults = append(faults, fmt.Sprintf("at rest: there are %v, and composed are %v", a, b))
	}

	for name, o := range rsp.GetDesired().GetResources() {
		was, desired := proto.CloneOf(r.observed(name)), proto.CloneOf(o.GetResource())
		moves(name, was, desired)

		is, err := applied(desired, was)
		if err != nil {
			return append(faults, fmt.Sprintf("at rest: %s: %v", name, err))
		}

		for _, d := range change.Differences("", structpb.NewStructValue(was), structpb.NewStructValue(is)) {
			faults = append(faults, fmt.Sprintf("at rest: applied, %s changes: %s", name, d))
		}
	}

	slices.Sort(faults)

	return faults
}

// applied returns what a composed resource becomes once Crossplane applies it. Of an Object
// that is what was asked of it; the API server needs its schema to tell what else there is. It
// modifies desired.
func applied(desired, observed *structpb.Struct) (*structpb.Struct, error) {
	if m := protostruct.Get(desired, manifest()...); m != nil {
		return protostruct.With(observed, m, manifest()...), nil
	}

	// Crossplane's own.
	for _, path := range [][]string{{"metadata", "labels", "crossplane.io/composite"}, {"metadata", "annotations", "crossplane.io/composition-resource-name"}, {"metadata", "ownerReferences"}} {
		protostruct.Set(desired, protostruct.Get(observed, path...), path...)
	}

	manager := ""
	for _, v := range protostruct.Get(observed, "metadata", "managedFields").GetListValue().GetValues() {
		if name := protostruct.Get(v.GetStructValue(), "manager").GetStringValue(); strings.HasPrefix(name, "apiextensions.crossplane.io/composed") {
			manager = name
		}
	}

	is, err := cluster.Apply(manager, desired, observed)
	if err != nil {
		return nil, fmt.Errorf("cannot apply: %w", err)
	}

	return is, nil
}
