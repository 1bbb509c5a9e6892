package main

import (
	"context"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"github.com/crossplane/function-sdk-go/errors"
	"github.com/crossplane/function-sdk-go/logging"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/compose"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/condition"
	"github.com/dittofs/function-dittoserver/internal/digest"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/metrics"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/policy"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/internal/required"
	"github.com/dittofs/function-dittoserver/internal/secret"
)

// A Function composes the Kubernetes objects of a DittoServer.
type Function struct {
	fnv1.UnimplementedFunctionRunnerServiceServer

	log     logging.Logger
	metrics *metrics.Metrics

	// ttl is how long Crossplane may wait before it calls the function again, unless
	// the input says so. While a server settles it is less.
	ttl time.Duration

	// now is the clock. Nothing but warnings depends on the time: of certificates that expire.
	now func() time.Time
}

// Crossplane drops most events of a composite resource with an open circuit breaker. A call is its next chance to see
// what changed, and costs a reconcile.
const (
	// soon is how long Crossplane may wait while a StatefulSet that exists starts or changes, or the breaker is
	// open: the breaker can open after any call.
	soon = time.Minute

	// atOnce is how long it may wait while the breaker is open, and the server starts or changes.
	atOnce = 20 * time.Second
)

// longestTTL returns how long Crossplane may wait until the next call, and whether there is such a bound. Until the
// StatefulSet of a server that starts exists, most of the events that would open the breaker are yet to come, and each
// brings a call: of a thousand servers that are created at once, a call each minute would be most of the load. Where the
// API server refused a composed resource as invalid, no event may ever come, and Crossplane does not try again by itself.
func longestTTL(xr *structpb.Struct, isSettling, isStarting bool) (longest time.Duration, isBounded bool) {
	isOpen := condition.Of(xr, "Responsive").IsFalse()
	if isSettling && isOpen {
		return atOnce, true
	}

	isRefused := condition.Of(xr, "Synced").IsFalse()

	return soon, isOpen || isSettling && (!isStarting || isRefused)
}

// RunFunction answers one call of Crossplane. If something goes wrong, it returns a fatal
// result, which Crossplane shows on the composite resource. It returns an error only if nobody
// waits for the answer any more: what is left out of half an answer would be deleted.
func (f *Function) RunFunction(ctx context.Context, req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) {
	rsp := f.protect(ctx, req, f.run)

	if err := ctx.Err(); err != nil {
		return nil, status.FromContextError(err).Err()
	}

	return rsp, nil
}

// protect calls run, and turns its error or panic into a fatal result: nothing changes in
// the cluster, and the process goes on. It counts and logs every call that somebody waits
// for, however it ends.
func (f *Function) protect(ctx context.Context, req *fnv1.RunFunctionRequest, run runner) (rsp *fnv1.RunFunctionResponse) {
	start := time.Now()

	defer func() {
		if p := recover(); p != nil {
			f.log.Info("Recovered from a panic", "panic", p, "stack", string(debug.Stack()))

			rsp = f.respond(req)
			report.Fatal(rsp, report.ReasonPanic, errors.New("the function panicked: report the stack in its log"))
		}

		if ctx.Err() == nil {
			f.metrics.Observe(rsp)
			f.logCall(req, rsp, time.Since(start))
		}
	}()

	rsp = f.respond(req)
	rsp.Desired = ownDesired(req)

	if err := run(ctx, req, rsp); err != nil {
		report.Fatal(rsp, report.ReasonFatal, err)
	}

	if report.IsFatal(rsp) {
		// Keep no half of a desired state.
		rsp.Desired = req.GetDesired()
	}

	return rsp
}

// logCall writes one line for a call, with --debug. It names the composite resource and
// the reasons of the conditions. Requests hold Secrets, and messages quote the spec, so
// neither is logged. Time is for the log only: a response depends on its request alone.
func (f *Function) logCall(req *fnv1.RunFunctionRequest, rsp *fnv1.RunFunctionResponse, took time.Duration) {
	xr := req.GetObserved().GetComposite().GetResource()
	decision, reasons := report.Outcome(rsp)

	f.log.Debug("Ran the function",
		"tag", req.GetMeta().GetTag(),
		"xr-kind", protostruct.Get(xr, "kind").GetStringValue(),
		"xr-namespace", protostruct.Get(xr, "metadata", "namespace").GetStringValue(),
		"xr-name", protostruct.Get(xr, "metadata", "name").GetStringValue(),
		"decision", decision, "reasons", reasons, "duration", took.String())
}

// respond begins a response: with the desired state and the context of earlier functions.
func (f *Function) respond(req *fnv1.RunFunctionRequest) *fnv1.RunFunctionResponse {
	return &fnv1.RunFunctionResponse{
		Meta:    &fnv1.ResponseMeta{Tag: req.GetMeta().GetTag(), Ttl: durationpb.New(f.ttl)},
		Desired: req.GetDesired(),
		Context: req.GetContext(),
	}
}

// A runner adds to a response what a request asks for.
type runner func(context.Context, *fnv1.RunFunctionRequest, *fnv1.RunFunctionResponse) error

// run is all that the function does, step by step.
func (f *Function) run(ctx context.Context, req *fnv1.RunFunctionRequest, rsp *fnv1.RunFunctionResponse) error {
	xr, fetched := req.GetObserved().GetComposite().GetResource(), required.Resources(req)

	// The call may have waited for others for longer than Crossplane waits for it.
	if err := ctx.Err(); err != nil {
		return err
	}

	// Bound: what is too large is not looked at any closer.
	if errs := composite.CheckBounds(xr, req.GetInput()); len(errs) > 0 {
		report.Invalid(rsp, errs)
		return nil
	}

	// Decode: what is desired, what was asked for, and what is live.
	srv, errs := composite.Decode(xr, req.GetInput())
	if srv.TTL != nil {
		rsp.Meta.Ttl = durationpb.New(*srv.TTL)
	}

	found, err := observed.Read(req.GetObserved().GetResources())
	if err != nil {
		return err
	}

	kinds, err := observed.ReadKinds(srv, found, fetched)
	if err != nil {
		return err
	}

	resources, predecessors, err := observed.WithRequired(srv, xr, found, kinds, fetched)
	if err != nil {
		return err
	}

	// Resolve.
	secrets, err := secret.Resolve(srv, fetched, resources.HasStarted(), f.now())
	if err != nil {
		return err
	}

	// Configure.
	config, err := dittofs.Config(srv.Settings(), srv.Release)
	if err != nil {
		return err
	}

	// Digest.
	digests := digest.For(srv, secrets, guard.Ran(resources))

	// Build the pod, once, and the other objects around it.
	in := manifest.PodInputs{
		Config:              config,
		ConfigHash:          digests.Of(config),
		AdminPasswordIsHash: secrets.AdminPasswordIsHash,
		Image:               manifest.Image(srv, resources),
		Claims:              manifest.ClaimNames(resources.Asked(manifest.StatefulSet)),
		KeepsContent:        manifest.MountsContent(resources.Asked(manifest.StatefulSet)),
	}

	pod, err := manifest.Pod(srv, in)
	if err != nil {
		return err
	}

	objects, err := manifest.Objects(srv, manifest.Inputs{Config: config, Pod: pod})

	release := manifest.Release(srv, in.Image)

	// Judge: all errors at once, those of the spec, of config.yaml, of the release and of the
	// objects.
	errs = append(errs, srv.CheckConfig(config)...)
	errs = append(errs, srv.CheckRelease(release)...)

	if errs = append(errs, policy.Check(srv, objects)...); len(errs) > 0 {
		report.Invalid(rsp, srv.AtOrigin(errs))
		return nil
	}

	if err != nil {
		return err
	}

	if err := ctx.Err(); err != nil {
		return err
	}

	report.Valid(rsp)

	// Require: the same on every call of a reconcile.
	selectors := secret.Requirements(srv)
	maps.Copy(selectors, observed.Requirements(srv, found, kinds))

	rsp.Requirements = required.Requirements(req, selectors)

	report.Secrets(rsp, secrets)

	// Guard.
	desired, err := manifest.Encode(objects)
	if err != nil {
		return err
	}

	returning, err := guard.Returning(srv, pod, in, resources, digests)
	if err != nil {
		return err
	}

	decision := guard.Decide(guard.Read(srv, desired, returning, resources, predecessors, observed.ReadClaims(srv, fetched), secrets, digests))
	applied := guard.Apply(decision, desired, returning, resources, digests)
	judged, kept := guard.Judge(srv, decision, objects, desired, applied, resources)
	manifests := kinds.Possible(judged, resources)

	// Compose.
	if err := compose.Resources(rsp.GetDesired(), srv, manifests, resources, kinds, &decision); err != nil {
		return err
	}

	isStarting := compose.IsStarting(srv, resources, &decision)

	if longest, isBounded := longestTTL(xr, compose.IsSettling(rsp.GetDesired(), &decision), isStarting); isBounded {
		// With none, Crossplane calls for events only.
		if ttl := rsp.GetMeta().GetTtl().AsDuration(); ttl == 0 || ttl > longest {
			rsp.Meta.Ttl = durationpb.New(longest)
		}
	}

	// Report.
	report.Rollout(rsp, decision, isStarting)
	report.Storage(rsp, decision)
	report.Apply(rsp, xr, manifests, resources)
	// A message may be cut: what to do before files are safe comes first.
	report.Warn(rsp, kept, slices.Concat(report.IdentityWarnings(decision), srv.Warnings(release), manifest.Warnings(srv, in), secrets.Warnings, decision.Warnings(), kinds.Warnings(srv)))

	report.Transitions(rsp, xr)

	return report.Status(rsp.GetDesired(), xr, srv, manifests, resources, &decision)
}

// ownDesired returns the desired state of earlier functions, to add to. It passes on unchanged
// what they composed.
func ownDesired(req *fnv1.RunFunctionRequest) *fnv1.State {
	resources := maps.Clone(req.GetDesired().GetResources())
	if resources == nil {
		resources = map[string]*fnv1.Resource{}
	}

	return &fnv1.State{Composite: proto.CloneOf(req.GetDesired().GetComposite()), Resources: resources}
}
