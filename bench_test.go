package main

import (
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/grpc/mem"

	"github.com/dittofs/function-dittoserver/internal/compose"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/digest"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/policy"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/internal/secret"
)

// atRest returns the request of a server that runs, and that nobody changes.
func atRest(b *testing.B, f flavour) *fnv1.RunFunctionRequest {
	b.Helper()

	w := newServerOf(b, f)

	return w.request(w.settle().GetRequirements().GetResources())
}

// A call without what gRPC costs: see test/bench for that.
func BenchmarkRunFunction(b *testing.B) {
	// Claims make no difference.
	for _, f := range flavours {
		if f.xr != namespacedXR {
			continue
		}

		b.Run(f.name, func(b *testing.B) {
			fn, in := newFunction(), mem.BufferSlice{mem.SliceBuffer(encoded(atRest(b, f)))}

			b.ReportAllocs()

			for b.Loop() {
				req := &fnv1.RunFunctionRequest{}
				if err := codec().Unmarshal(in, req); err != nil {
					b.Fatal(err)
				}

				rsp, err := fn.RunFunction(b.Context(), req)
				if err != nil || report.IsFatal(rsp) {
					b.Fatal(err, rsp.GetResults())
				}

				if _, err := codec().Marshal(rsp); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The steps of fn.go, each with what those before it return.
func BenchmarkSteps(b *testing.B) {
	req := atRest(b, namespacedObjects)
	xr := req.GetObserved().GetComposite().GetResource()

	srv, errs := composite.Decode(xr, req.GetInput())
	found, errRead := observed.Read(req.GetObserved().GetResources())
	resources, predecessors, errPredecessor := observed.WithPredecessor(xr, found, req.GetRequiredResources())
	secrets := secret.Resolve(srv, req.GetRequiredResources())

	config, errConfig := dittofs.Config(srv.Settings(), srv.Release)
	digests := digest.For(srv, secrets)

	in := manifest.PodInputs{
		Config: config, ConfigHash: digests.Of(config), AdminPasswordIsHash: secrets.AdminPasswordIsHash,
		Image: manifest.Image(srv, resources), Claims: manifest.ClaimNames(resources.Asked(manifest.StatefulSet)),
	}
	pod, errPod := manifest.Pod(srv, in)
	parts := manifest.Inputs{Config: config, Pod: pod}

	desired, errBuild := manifest.Build(srv, parts)
	facts := guard.Read(srv, desired, resources, predecessors, secrets.State)
	decision := guard.Decide(facts)
	manifests := guard.Apply(decision, desired, resources, digests)

	for _, err := range []error{errs.ToAggregate(), errRead, errPredecessor, errConfig, errPod, errBuild} {
		if err != nil {
			b.Fatal(err)
		}
	}

	if decision.Rollout != guard.RolledOut {
		b.Fatalf("guard.Decide(...): %s", decision.Rollout)
	}

	state := func() *fnv1.State {
		return &fnv1.State{Composite: &fnv1.Resource{}, Resources: map[string]*fnv1.Resource{}}
	}

	steps := []struct {
		name string
		run  func() error
	}{
		{"composite.Decode", func() error { _, errs := composite.Decode(xr, req.GetInput()); return errs.ToAggregate() }},
		{"observed.Read", func() error { _, err := observed.Read(req.GetObserved().GetResources()); return err }},
		{"manifest.Pod", func() error { _, err := manifest.Pod(srv, in); return err }},
		{"policy.Check", func() error { return policy.Check(srv, pod).ToAggregate() }},
		{"secret.Resolve", func() error { secret.Resolve(srv, req.GetRequiredResources()); return nil }},
		{"dittofs.Config", func() error { _, err := dittofs.Config(srv.Settings(), srv.Release); return err }},
		{"digest.Of", func() error { digest.For(srv, secrets).Of(config); return nil }},
		{"manifest.Build", func() error { _, err := manifest.Build(srv, parts); return err }},
		{"guard.Read", func() error { guard.Read(srv, desired, resources, predecessors, secrets.State); return nil }},
		{"guard.Decide", func() error { guard.Decide(facts); return nil }},
		{"guard.Apply", func() error { guard.Apply(decision, desired, resources, digests); return nil }},
		{"compose.Resources", func() error { return compose.Resources(state(), srv, manifests, resources, false) }},
		{"report", func() error {
			rsp := &fnv1.RunFunctionResponse{}
			report.Valid(rsp)
			report.Secrets(rsp, secrets)
			report.Rollout(rsp, decision)
			report.Storage(rsp, decision)
			report.Apply(rsp, xr, manifests, resources)
			report.Warn(rsp, append(srv.Warnings(), manifest.Warnings(srv, in)...))
			report.Transitions(rsp, xr)

			return report.Status(state(), xr, srv, manifests, resources)
		}},
	}

	for _, s := range steps {
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()

			for b.Loop() {
				if err := s.run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
