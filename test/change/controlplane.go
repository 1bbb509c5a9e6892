package change

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	xpv2 "github.com/crossplane/crossplane/apis/v2/core/v2"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/cluster"
)

const (
	// maxCalls of the function until its requirements are stable, as Crossplane has it.
	maxCalls = 6

	// maxReconciles until nothing changes any more. A change takes a handful.
	maxReconciles = 20

	// crossplaneManager and providerManager begin the names of the field managers that
	// Crossplane and provider-kubernetes apply as.
	crossplaneManager = "apiextensions.crossplane.io/composed"
	providerManager   = "provider-kubernetes"
)

// A controlPlane is Crossplane, provider-kubernetes and a cluster around one server, in
// which everything succeeds at once.
type controlPlane struct {
	side Side

	// xr is the composite resource as it is stored.
	xr *structpb.Struct

	// composed resources by their name, as Crossplane observes them.
	composed map[string]*structpb.Struct

	// response of the function to the last reconcile.
	response *fnv1.RunFunctionResponse

	// restarts counts how often a pod that runs is replaced or, with its StatefulSet,
	// deleted. recreated reports whether a StatefulSet was deleted.
	restarts  int
	recreated bool
}

func newControlPlane(s Side) *controlPlane {
	c := &controlPlane{side: s, xr: stored(s.XR), composed: map[string]*structpb.Struct{}}
	maps.Copy(c.composed, s.Observed)

	return c
}

// clone returns a copy that has a future of its own.
func (c *controlPlane) clone() *controlPlane {
	d := *c
	d.xr = proto.CloneOf(c.xr)
	d.composed = maps.Clone(c.composed)

	return &d
}

// settle reconciles until nothing changes any more.
func (c *controlPlane) settle(ctx context.Context) error {
	var last []byte

	for range maxReconciles {
		if err := c.reconcile(ctx); err != nil {
			return err
		}

		state, err := c.state()
		if err != nil {
			return err
		}

		if bytes.Equal(last, state) {
			return nil
		}

		last = state
	}

	return fmt.Errorf("it never comes to rest: after %d reconciles, and %d restarts, the function still answers something else each time", maxReconciles, c.restarts)
}

// state is everything that the next reconcile sees, and the last response.
func (c *controlPlane) state() ([]byte, error) {
	req := c.request(nil)
	req.Context = &structpb.Struct{}

	deterministic := proto.MarshalOptions{Deterministic: true}

	b, err := deterministic.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("cannot encode: %w", err)
	}

	// The requirements may tell whether there is a StatefulSet yet, and results come once.
	rsp := proto.CloneOf(c.response)
	rsp.Requirements, rsp.Results = nil, nil

	return deterministic.MarshalAppend(b, rsp)
}

// request is what Crossplane sends, with what was required before.
func (c *controlPlane) request(required map[string]*fnv1.ResourceSelector) *fnv1.RunFunctionRequest {
	req := &fnv1.RunFunctionRequest{
		Meta:     &fnv1.RequestMeta{Tag: "diff", Capabilities: []fnv1.Capability{fnv1.Capability_CAPABILITY_CAPABILITIES, fnv1.Capability_CAPABILITY_REQUIRED_RESOURCES, fnv1.Capability_CAPABILITY_CONDITIONS}},
		Input:    c.side.Input,
		Observed: &fnv1.State{Composite: &fnv1.Resource{Resource: c.xr}, Resources: map[string]*fnv1.Resource{}},
	}

	for name, r := range c.composed {
		req.Observed.Resources[name] = &fnv1.Resource{Resource: r}
	}

	for name, sel := range required {
		if req.RequiredResources == nil {
			req.RequiredResources = map[string]*fnv1.Resources{}
		}

		rs := &fnv1.Resources{}

		for _, r := range c.side.Secrets {
			if Selects(sel, r) {
				rs.Items = append(rs.Items, &fnv1.Resource{Resource: r})
			}
		}

		for _, n := range slices.Sorted(maps.Keys(c.composed)) {
			if r := c.composed[n]; Selects(sel, r) {
				rs.Items = append(rs.Items, &fnv1.Resource{Resource: r})
			}
		}

		req.RequiredResources[name] = rs
	}

	return req
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

// call the function until its requirements are stable.
func (c *controlPlane) call(ctx context.Context) (*fnv1.RunFunctionResponse, error) {
	var required map[string]*fnv1.ResourceSelector

	for range maxCalls {
		rsp, err := c.side.Run(ctx, c.request(required))
		if err != nil {
			return nil, fmt.Errorf("cannot run the function: %w", err)
		}

		next := rsp.GetRequirements().GetResources()
		if maps.EqualFunc(required, next, func(a, b *fnv1.ResourceSelector) bool { return proto.Equal(a, b) }) || report.IsFatal(rsp) {
			return rsp, nil
		}

		required = next
	}

	return nil, errors.New("the function's requirements are never stable")
}

// reconcile is what Crossplane does, and what comes of it in the cluster.
func (c *controlPlane) reconcile(ctx context.Context) error {
	rsp, err := c.call(ctx)
	if err != nil {
		return err
	}

	c.response = rsp
	c.setConditions()

	if report.IsFatal(rsp) {
		return nil
	}

	for _, name := range slices.Collect(maps.Keys(c.composed)) {
		if _, ok := rsp.GetDesired().GetResources()[name]; !ok {
			c.remove(name)
		}
	}

	names := slices.Sorted(maps.Keys(rsp.GetDesired().GetResources()))
	c.writeReferences(names)

	for _, name := range names {
		if err := c.apply(name, proto.CloneOf(rsp.GetDesired().GetResources()[name].GetResource())); err != nil {
			return fmt.Errorf("cannot apply composed resource %s: %w", name, err)
		}
	}

	if status := protostruct.Get(rsp.GetDesired().GetComposite().GetResource(), "status").GetStructValue(); status != nil {
		for k, v := range status.GetFields() {
			protostruct.Set(c.xr, v, "status", k)
		}
	}

	return nil
}

// remove a composed resource that is not desired any more.
func (c *controlPlane) remove(name string) {
	if name == string(manifest.StatefulSet) {
		c.recreated = true
		if replicas(live(c.composed[name])) > 0 {
			c.restarts++
		}
	}

	delete(c.composed, name)
}

// writeReferences notes in the composite resource which composed resources there are. Its
// generation tells of it.
func (c *controlPlane) writeReferences(names []string) {
	refs := &structpb.ListValue{}
	for _, n := range names {
		refs.Values = append(refs.Values, structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{"name": structpb.NewStringValue(n)}}))
	}

	c.write(structpb.NewListValue(refs), "resourceRefs")
}

// write into the composite resource's spec, as Crossplane does for itself.
func (c *controlPlane) write(v *structpb.Value, path ...string) {
	path = append(machinery(c.xr), path...)
	if proto.Equal(protostruct.Get(c.xr, path...), v) {
		return
	}

	protostruct.Set(c.xr, v, path...)
	c.bump()
}

func (c *controlPlane) bump() {
	protostruct.Set(c.xr, structpb.NewNumberValue(protostruct.Get(c.xr, "metadata", "generation").GetNumberValue()+1), "metadata", "generation")
}

// machinery is the field of a composite resource that Crossplane keeps its own fields in:
// one of the spec, or the spec itself where there are claims.
func machinery(xr *structpb.Struct) []string {
	if protostruct.Get(xr, "metadata", "namespace").GetStringValue() == "" {
		return []string{"spec"}
	}

	return []string{"spec", "crossplane"}
}

// apply a composed resource, as Crossplane and provider-kubernetes do.
func (c *controlPlane) apply(name string, desired *structpb.Struct) error {
	before := c.composed[name]

	if !isObject(desired) {
		after, err := cluster.Apply(managerOf(before, crossplaneManager), desired, before)
		if err != nil {
			return err
		}

		c.observe(name, before, after)
		c.composed[name] = after

		return nil
	}

	o := desired
	if before != nil {
		o = proto.CloneOf(before)
	} else {
		protostruct.Set(o, protostruct.Get(c.xr, "metadata", "namespace"), "metadata", "namespace")
		protostruct.Set(o, structpb.NewStringValue(protostruct.Get(c.xr, "metadata", "name").GetStringValue()+"-"+name), "metadata", "name")
	}

	if before == nil || !proto.Equal(protostruct.Get(before, "spec"), protostruct.Get(desired, "spec")) {
		protostruct.Set(o, structpb.NewNumberValue(protostruct.Get(before, "metadata", "generation").GetNumberValue()+1), "metadata", "generation")
	}

	protostruct.Set(o, protostruct.Get(desired, "spec"), "spec")

	if labels := protostruct.Get(desired, "metadata", "labels"); labels != nil {
		protostruct.Set(o, labels, "metadata", "labels")
	}

	c.composed[name] = o

	// The provider leaves a paused Object alone.
	if l := protostruct.Get(o, "spec", "managementPolicies").GetListValue(); l != nil && len(l.GetValues()) == 0 {
		setSynced(o, "False", string(xpv2.ReasonReconcilePaused))
		return nil
	}

	setSynced(o, "True", string(xpv2.ReasonReconcileSuccess))

	// It changes what is there once the Object is not restricted any more.
	after := live(before)

	if after == nil || protostruct.Get(o, "spec", "managementPolicies") == nil {
		var err error
		if after, err = cluster.Apply(managerOf(after, providerManager), asked(desired), after); err != nil {
			return err
		}
	}

	c.observe(name, live(before), after)
	protostruct.Set(o, structpb.NewStructValue(after), "status", "atProvider", "manifest")

	return nil
}

// setSynced notes in an Object what the provider did.
func setSynced(o *structpb.Struct, status, reason string) {
	protostruct.Set(o, structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
		"type": structpb.NewStringValue(string(xpv2.TypeSynced)), "status": structpb.NewStringValue(status), "reason": structpb.NewStringValue(reason),
		"observedGeneration": protostruct.Get(o, "metadata", "generation"),
	}})}}), "status", "conditions")
}

// observe what a change does to the pod, and let controllers work.
func (c *controlPlane) observe(name string, before, after *structpb.Struct) {
	if name == string(manifest.StatefulSet) && replicas(before) > 0 && replicas(after) > 0 && !proto.Equal(template(before), template(after)) {
		c.restarts++
	}

	cluster.Control(after)
}

func template(statefulSet *structpb.Struct) *structpb.Value {
	return protostruct.Get(statefulSet, "spec", "template")
}

func replicas(statefulSet *structpb.Struct) float64 {
	return protostruct.Get(statefulSet, "spec", "replicas").GetNumberValue()
}

func isObject(composed *structpb.Struct) bool {
	return protostruct.Get(composed, "kind").GetStringValue() == "Object"
}

// asked returns the Kubernetes object that a composed resource asks for.
func asked(composed *structpb.Struct) *structpb.Struct {
	if !isObject(composed) {
		return composed
	}

	return protostruct.Get(composed, "spec", "forProvider", "manifest").GetStructValue()
}

// live returns the Kubernetes object of an observed composed resource.
func live(composed *structpb.Struct) *structpb.Struct {
	if !isObject(composed) {
		return composed
	}

	return protostruct.Get(composed, "status", "atProvider", "manifest").GetStructValue()
}

// managerOf returns the field manager, of those whose name begins with a prefix, that
// applied a live object.
func managerOf(live *structpb.Struct, prefix string) string {
	for _, v := range protostruct.Get(live, "metadata", "managedFields").GetListValue().GetValues() {
		m := v.GetStructValue()
		if name := protostruct.Get(m, "manager").GetStringValue(); strings.HasPrefix(name, prefix) && protostruct.Get(m, "operation").GetStringValue() == "Apply" {
			return name
		}
	}

	return prefix + "/diff"
}

// setConditions writes the function's conditions into the composite resource.
func (c *controlPlane) setConditions() {
	list := &structpb.ListValue{}

	for _, condition := range c.response.GetConditions() {
		status := map[fnv1.Status]string{
			fnv1.Status_STATUS_CONDITION_TRUE:  "True",
			fnv1.Status_STATUS_CONDITION_FALSE: "False",
		}[condition.GetStatus()]
		if status == "" {
			status = "Unknown"
		}

		list.Values = append(list.Values, structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
			"type": structpb.NewStringValue(condition.GetType()), "status": structpb.NewStringValue(status),
			"reason": structpb.NewStringValue(condition.GetReason()), "message": structpb.NewStringValue(condition.GetMessage()),
		}}))
	}

	protostruct.Set(c.xr, structpb.NewListValue(list), "status", "conditions")
}
