package change

import (
	"bytes"
	"context"
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

	// claims of the server, by the names of the composed resources that stand for them.
	claims map[string]*structpb.Struct

	// grown are the claims that grow, each from what to what.
	grown []string

	// response of the function to the last reconcile.
	response *fnv1.RunFunctionResponse

	// restarts counts how often a pod that runs is replaced or, with its StatefulSet,
	// deleted. recreated reports whether a StatefulSet was deleted.
	restarts  int
	recreated bool
}

func newControlPlane(s Side) *controlPlane {
	c := &controlPlane{side: s, xr: stored(s.XR), composed: map[string]*structpb.Struct{}, claims: map[string]*structpb.Struct{}}
	maps.Copy(c.composed, s.Observed)

	return c
}

// clone returns a copy that can be reconciled independently.
func (c *controlPlane) clone() *controlPlane {
	d := *c
	d.xr = proto.CloneOf(c.xr)
	d.composed = maps.Clone(c.composed)
	d.claims = maps.Clone(c.claims)

	return &d
}

// settle reconciles until nothing changes any more, and fails after maxReconciles.
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
		Meta:     cluster.Meta("diff"),
		Input:    c.side.Input,
		Observed: &fnv1.State{Composite: &fnv1.Resource{Resource: c.xr}, Resources: map[string]*fnv1.Resource{}},
	}

	for name, r := range c.composed {
		req.Observed.Resources[name] = &fnv1.Resource{Resource: r}
	}

	there := slices.Clone(c.side.Secrets)
	for _, name := range slices.Sorted(maps.Keys(c.composed)) {
		there = append(there, c.composed[name])
	}

	req.RequiredResources = cluster.Required(required, append(there, kindsIn(required)...))

	return req
}

// reconcile is what Crossplane does, and what comes of it in the cluster.
func (c *controlPlane) reconcile(ctx context.Context) error {
	run := func(req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) { return c.side.Run(ctx, req) }

	_, rsp, err := cluster.Call(c.request, run)
	if err != nil {
		return err
	}

	c.response = rsp
	cluster.SetConditions(c.xr, rsp)

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

// remove deletes a composed resource that is no longer desired.
func (c *controlPlane) remove(name string) {
	if name == string(manifest.StatefulSet) {
		c.recreated = true
		if replicas(cluster.Live(c.composed[name])) > 0 {
			c.restarts++
		}
	}

	delete(c.composed, name)
}

// writeReferences writes references to the composed resources into the composite
// resource's spec, which increments its generation.
func (c *controlPlane) writeReferences(names []string) {
	refs := &structpb.ListValue{}
	for _, n := range names {
		refs.Values = append(refs.Values, structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{"name": structpb.NewStringValue(n)}}))
	}

	c.write(structpb.NewListValue(refs), "resourceRefs")
}

// write sets one of Crossplane's own fields in the composite resource's spec.
func (c *controlPlane) write(v *structpb.Value, path ...string) {
	path = append(machinery(c.xr), path...)
	if proto.Equal(protostruct.Get(c.xr, path...), v) {
		return
	}

	protostruct.Set(c.xr, v, path...)
	cluster.Bump(c.xr)
}

// machinery is the field of a composite resource that has Crossplane's own fields:
// spec.crossplane, or the spec itself where there are claims.
func machinery(xr *structpb.Struct) []string {
	if protostruct.Get(xr, "metadata", "namespace").GetStringValue() == "" {
		return []string{"spec"}
	}

	return []string{"spec", "crossplane"}
}

// apply applies a composed resource, as Crossplane and provider-kubernetes do.
func (c *controlPlane) apply(name string, desired *structpb.Struct) error {
	before := c.composed[name]

	if !cluster.IsObject(desired) {
		after, err := cluster.Apply(managerOf(before, crossplaneManager), desired, before)
		if err != nil {
			return err
		}

		c.observe(name, before, after)
		c.composed[name] = after

		return nil
	}

	o := cluster.ApplyObject(c.xr, name, desired, before)
	c.composed[name] = o

	// The provider leaves a paused Object alone.
	if cluster.IsPaused(o) {
		cluster.SetSynced(o, "False", xpv2.ReasonReconcilePaused, "")
		return nil
	}

	cluster.SetSynced(o, "True", xpv2.ReasonReconcileSuccess, "")

	if cluster.IsClaim(o) {
		return c.grow(name, o)
	}

	// It changes what is there once the Object is not restricted any more.
	after := cluster.Live(before)

	if after == nil || cluster.MayWrite(o) {
		var err error
		if after, err = cluster.Apply(managerOf(after, providerManager), cluster.Asked(desired), after); err != nil {
			return err
		}
	}

	c.observe(name, cluster.Live(before), after)
	cluster.SetLive(o, after)

	return nil
}

// grow does what an Object for a claim asks for, whose storage class allows it.
func (c *controlPlane) grow(name string, o *structpb.Struct) error {
	claim := c.claims[name]
	if claim == nil {
		cluster.SetSynced(o, "False", xpv2.ReasonReconcileError, "observe failed: external resource does not exist")
		return nil
	}

	_, was := cluster.ClaimSizes(claim)

	if cluster.MayUpdate(o) {
		var err error
		if claim, err = cluster.Apply(providerManager, cluster.Asked(o), claim); err != nil {
			return err
		}

		cluster.ExpandClaim(claim)
		c.claims[name] = claim
	}

	if _, is := cluster.ClaimSizes(claim); is != was {
		c.grown = append(c.grown, fmt.Sprintf("PersistentVolumeClaim %s grows from %s to %s, if its storage class allows it", protostruct.Get(claim, "metadata", "name").GetStringValue(), was, is))
	}

	cluster.SetLive(o, claim)

	return nil
}

// observe notes what a change does to the pod, and lets controllers work.
func (c *controlPlane) observe(name string, before, after *structpb.Struct) {
	if name == string(manifest.StatefulSet) && replicas(before) > 0 && replicas(after) > 0 && !proto.Equal(template(before), template(after)) {
		c.restarts++
	}

	cluster.Control(after)

	if name == string(manifest.StatefulSet) {
		// A server that is stopped ran before.
		cluster.MakeClaims(c.claims, protostruct.With(after, structpb.NewNumberValue(1), "spec", "replicas"))
	}
}

func template(statefulSet *structpb.Struct) *structpb.Value {
	return protostruct.Get(statefulSet, "spec", "template")
}

func replicas(statefulSet *structpb.Struct) float64 {
	return protostruct.Get(statefulSet, "spec", "replicas").GetNumberValue()
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
