package simulator

import (
	"maps"
	"slices"
	"strings"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/condition"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/cluster"
)

// Condition returns "Status/Reason: message" of a response's condition.
func Condition(rsp *fnv1.RunFunctionResponse, typ string) string {
	c := cluster.ConditionOf(rsp, typ)
	if c == nil {
		return ""
	}

	return strings.TrimPrefix(c.GetStatus().String(), "STATUS_CONDITION_") + "/" + c.GetReason() + ": " + c.GetMessage()
}

func conditionsOf(rsp *fnv1.RunFunctionResponse) string {
	var s []string
	for _, c := range rsp.GetConditions() {
		s = append(s, c.GetType()+"="+c.GetReason())
	}

	return strings.Join(s, " ")
}

// NotReady returns the names of the composed resources that are not.
func NotReady(rsp *fnv1.RunFunctionResponse) []string {
	var names []string

	for _, name := range slices.Sorted(maps.Keys(rsp.GetDesired().GetResources())) {
		if rsp.GetDesired().GetResources()[name].GetReady() != fnv1.Ready_READY_TRUE {
			names = append(names, name)
		}
	}

	return names
}

// Approval returns the value of the annotation that the condition ConfigRolledOut asks for,
// if it asks for one.
func (w *World) Approval() string {
	c := condition.Of(w.XR, report.ConfigRolledOut)
	if c == nil {
		return ""
	}

	return approvalIn(c.Message)
}

// approvalIn returns the value of the annotation that a message asks for, or "".
func approvalIn(message string) string {
	_, rest, _ := strings.Cut(message, v1alpha1.AnnotationApprove+"=")
	value, _, _ := strings.Cut(rest, ".")

	return value
}

// Template is the pod template that the StatefulSet was last asked for.
func (w *World) Template() *structpb.Struct {
	return protostruct.Get(w.Composed["statefulset"], "spec", "forProvider", "manifest", "spec", "template").GetStructValue()
}

// Hash is the digest of that template.
func (w *World) Hash() string {
	return protostruct.Get(w.Template(), "metadata", "annotations", "dittofs.io/config-hash").GetStringValue()
}

// Config is the config.yaml that the ConfigMap was last asked for.
func (w *World) Config() string {
	return configOf(w.Composed["configmap"], "spec", "forProvider", "manifest")
}
