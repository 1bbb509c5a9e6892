package cluster

import (
	"errors"
	"fmt"
	"maps"

	xpv2 "github.com/crossplane/crossplane/apis/v2/core/v2"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/report"
)

// maxCalls of the function in one reconcile, until its requirements are stable. Crossplane
// makes no more either.
const maxCalls = 6

// Call calls the function as Crossplane does in one reconcile: with what the last response
// required, until that does not change any more. It returns the last request and its
// response.
func Call(
	request func(required map[string]*fnv1.ResourceSelector) *fnv1.RunFunctionRequest,
	run func(req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error),
) (*fnv1.RunFunctionRequest, *fnv1.RunFunctionResponse, error) {
	var required map[string]*fnv1.ResourceSelector

	for range maxCalls {
		req := request(required)

		rsp, err := run(req)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot run the function: %w", err)
		}

		next := rsp.GetRequirements().GetResources()
		if maps.EqualFunc(required, next, func(a, b *fnv1.ResourceSelector) bool { return proto.Equal(a, b) }) || report.IsFatal(rsp) {
			return req, rsp, nil
		}

		required = next
	}

	return nil, nil, errors.New("the function's requirements are never stable")
}

// Required returns, for each selector, those of the resources that it selects, in their
// order. It returns nil where nothing is required.
func Required(selectors map[string]*fnv1.ResourceSelector, resources []*structpb.Struct) map[string]*fnv1.Resources {
	if len(selectors) == 0 {
		return nil
	}

	required := map[string]*fnv1.Resources{}

	for name, sel := range selectors {
		rs := &fnv1.Resources{}

		for _, r := range resources {
			if Selects(sel, r) {
				rs.Items = append(rs.Items, &fnv1.Resource{Resource: r})
			}
		}

		required[name] = rs
	}

	return required
}

// Selects reports whether a resource is one that the function requires.
func Selects(sel *fnv1.ResourceSelector, r *structpb.Struct) bool {
	text := func(path ...string) string { return protostruct.Get(r, path...).GetStringValue() }

	if text("apiVersion") != sel.GetApiVersion() || text("kind") != sel.GetKind() || sel.Namespace != nil && text("metadata", "namespace") != sel.GetNamespace() {
		return false
	}

	if sel.GetMatchLabels() == nil {
		return text("metadata", "name") == sel.GetMatchName()
	}

	for k, v := range sel.GetMatchLabels().GetLabels() {
		if text("metadata", "labels", k) != v {
			return false
		}
	}

	return true
}

// SetConditions writes the conditions of a response into a composite resource, and then
// others. Those that it had are gone.
func SetConditions(xr *structpb.Struct, rsp *fnv1.RunFunctionResponse, others ...*structpb.Value) {
	list := &structpb.ListValue{}

	for _, c := range rsp.GetConditions() {
		status := "Unknown"

		switch c.GetStatus() {
		case fnv1.Status_STATUS_CONDITION_TRUE:
			status = "True"
		case fnv1.Status_STATUS_CONDITION_FALSE:
			status = "False"
		case fnv1.Status_STATUS_CONDITION_UNKNOWN, fnv1.Status_STATUS_CONDITION_UNSPECIFIED:
		}

		list.Values = append(list.Values, Condition(c.GetType(), status, c.GetReason(), c.GetMessage()))
	}

	list.Values = append(list.Values, others...)
	protostruct.Set(xr, structpb.NewListValue(list), "status", "conditions")
}

// Condition returns a condition as resources have them.
func Condition(typ, status, reason, message string) *structpb.Value {
	c := &structpb.Struct{Fields: map[string]*structpb.Value{
		"type": structpb.NewStringValue(typ), "status": structpb.NewStringValue(status), "reason": structpb.NewStringValue(reason),
	}}

	if message != "" {
		c.Fields["message"] = structpb.NewStringValue(message)
	}

	return structpb.NewStructValue(c)
}

// Bump the generation, as the API server does for a change of the spec.
func Bump(o *structpb.Struct) {
	generation := protostruct.Get(o, "metadata", "generation").GetNumberValue() + 1
	protostruct.Set(o, structpb.NewNumberValue(generation), "metadata", "generation")
}

// ApplyObject returns what becomes of an Object of provider-kubernetes, or of none, when
// Crossplane applies what is desired for a composite resource. It modifies neither.
func ApplyObject(xr *structpb.Struct, name string, desired, before *structpb.Struct) *structpb.Struct {
	spec := proto.CloneOf(protostruct.Get(desired, "spec"))
	if protostruct.Get(spec.GetStructValue(), "managementPolicies") == nil {
		// The API server's default.
		protostruct.Set(spec.GetStructValue(), structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewStringValue("*")}}), "managementPolicies")
	}

	o := proto.CloneOf(before)
	if before == nil {
		o = proto.CloneOf(desired)
		protostruct.Set(o, protostruct.Get(xr, "metadata", "namespace"), "metadata", "namespace")
		protostruct.Set(o, structpb.NewStringValue(protostruct.Get(xr, "metadata", "name").GetStringValue()+"-"+name), "metadata", "name")
	}

	if before == nil || !proto.Equal(protostruct.Get(before, "spec"), spec) {
		Bump(o)
	}

	protostruct.Set(o, spec, "spec")

	if labels := protostruct.Get(desired, "metadata", "labels"); labels != nil {
		protostruct.Set(o, labels, "metadata", "labels")
	}

	return o
}

// IsObject reports whether a composed resource is an Object of provider-kubernetes, and not
// itself the Kubernetes object.
func IsObject(composed *structpb.Struct) bool {
	return protostruct.Get(composed, "kind").GetStringValue() == "Object"
}

// Asked returns the Kubernetes object that a composed resource asks for.
func Asked(composed *structpb.Struct) *structpb.Struct {
	if !IsObject(composed) {
		return composed
	}

	return protostruct.Get(composed, "spec", "forProvider", "manifest").GetStructValue()
}

// Live returns the Kubernetes object that an observed composed resource tells of.
func Live(composed *structpb.Struct) *structpb.Struct {
	if !IsObject(composed) {
		return composed
	}

	return protostruct.Get(composed, "status", "atProvider", "manifest").GetStructValue()
}

// SetLive notes in an Object what the provider observed.
func SetLive(o, live *structpb.Struct) {
	protostruct.Set(o, structpb.NewStructValue(proto.CloneOf(live)), "status", "atProvider", "manifest")
}

// SetSynced notes in an Object what the provider did.
func SetSynced(o *structpb.Struct, status string, reason xpv2.ConditionReason, message string) {
	c := Condition(string(xpv2.TypeSynced), status, string(reason), message)
	protostruct.Set(c.GetStructValue(), protostruct.Get(o, "metadata", "generation"), "observedGeneration")
	protostruct.Set(o, structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{c}}), "status", "conditions")
}

// IsPaused reports whether a composed resource is an Object that the provider leaves alone.
func IsPaused(o *structpb.Struct) bool {
	l := protostruct.Get(o, "spec", "managementPolicies").GetListValue()
	return l != nil && len(l.GetValues()) == 0
}

// MayWrite reports whether the provider may change and delete what an Object stands for.
func MayWrite(o *structpb.Struct) bool {
	for _, p := range protostruct.Get(o, "spec", "managementPolicies").GetListValue().GetValues() {
		if p.GetStringValue() == "*" {
			return true
		}
	}

	return false
}

// ConditionOf returns the condition of a type in a response, or nil.
func ConditionOf(rsp *fnv1.RunFunctionResponse, typ string) *fnv1.Condition {
	for _, c := range rsp.GetConditions() {
		if c.GetType() == typ {
			return c
		}
	}

	return nil
}

// ReasonOf returns the reason of the condition of a type in a response, or "".
func ReasonOf(rsp *fnv1.RunFunctionResponse, typ string) string {
	return ConditionOf(rsp, typ).GetReason()
}
