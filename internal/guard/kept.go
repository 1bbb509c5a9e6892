package guard

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/types/known/structpb"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/policy"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// Kept is what the platform's policy forbids of what a server keeps, though its spec fits the policy:
// what is held, or what Kubernetes cannot change, may be from before the policy was tightened.
type Kept struct {
	// Forbidden has an error for each thing, with the field that once asked for it.
	Forbidden field.ErrorList

	// NotStarted reports whether the server stays stopped for that.
	NotStarted bool
}

// Judge judges what a Decision keeps by the platform's policy, and returns what to compose. Nothing that is there is
// taken away, and nothing restarts, since a policy never breaks a server that runs. But a server that is stopped, or that the
// API server refused to create, does not start on a pod template that the policy forbids: otherwise a hold would be a way
// past the policy.
func Judge(s *composite.DittoServer, d Decision, objects []manifest.Built, desired, composed manifest.Manifests, o observed.Resources) (manifest.Manifests, Kept) {
	// Nothing is composed before the Secrets are there.
	if d.Rollout == SecretsNotFetched {
		return composed, Kept{}
	}

	var pod, around field.ErrorList

	if set := composed[manifest.StatefulSet]; set != nil && templateOf(set) != templateOf(desired[manifest.StatefulSet]) {
		pod = policy.CheckKept(s, keptPod(objects, set), manifest.Config(composed[manifest.ConfigMap]))
	}

	if len(d.Classes) > 0 || d.keepsTemplate() {
		around = policy.Check(s, keptAround(objects, composed))
	}

	kept := Kept{Forbidden: slices.Concat(pod, around)}

	// It moves by itself in a moment.
	if d.Rollout == ConfigMapNotReady {
		kept.Forbidden = around
	}

	asked := protostruct.Get(o.Asked(manifest.StatefulSet), "spec", "replicas")
	isStopped := asked != nil && asked.GetNumberValue() == 0

	if len(pod) == 0 || replicasOf(composed) == 0 || !isStopped && !o[manifest.StatefulSet].NeverWas() {
		return composed, kept
	}

	m := patched(maps.Clone(composed))
	m.set(manifest.StatefulSet, structpb.NewNumberValue(0), "spec", "replicas")

	kept.NotStarted = true

	return manifest.Manifests(m), kept
}

func replicasOf(m manifest.Manifests) float64 {
	return protostruct.Get(m[manifest.StatefulSet], "spec", "replicas").GetNumberValue()
}

// keepsTemplate reports whether a Decision keeps a pod template, and with it what fits it.
func (d *Decision) keepsTemplate() bool {
	return d.Template != TemplateDesired && d.Template != TemplateCovering
}

// templateOf returns the pod template of a StatefulSet's manifest. Apply shares the desired one where
// it keeps no other.
func templateOf(set *structpb.Struct) *structpb.Value {
	return protostruct.Get(set, "spec", "template")
}

// keptPod returns objects with the pod template of a composed StatefulSet. Volume claims are left as desired: those
// that there are stay whatever a policy says, and StorageUpToDate tells them.
func keptPod(objects []manifest.Built, set *structpb.Struct) []manifest.Built {
	objects = slices.Clone(objects)

	for i, b := range objects {
		if desired, ok := b.Object.(*appsv1.StatefulSet); ok {
			kept := *desired
			kept.Spec.Template = corev1.PodTemplateSpec{}
			decodeInto(templateOf(set), &kept.Spec.Template)
			objects[i].Object = &kept
		}
	}

	return objects
}

// keptAround returns objects with what is composed of those around the pod that guards may keep: load balancer
// classes, endpoints of the monitor, and routes.
func keptAround(objects []manifest.Built, composed manifest.Manifests) []manifest.Built {
	var kept []manifest.Built

	for _, b := range objects {
		switch object := b.Object.(type) {
		case *corev1.Service:
			svc := *object
			svc.Spec.LoadBalancerClass = nil
			decodeInto(protostruct.Get(composed[b.Name], "spec", "loadBalancerClass"), &svc.Spec.LoadBalancerClass)
			b.Object = &svc
		case *manifest.ServiceMonitor:
			monitor := *object
			monitor.Spec = manifest.ServiceMonitorSpec{}
			decodeInto(protostruct.Get(composed[b.Name], "spec"), &monitor.Spec)
			b.Object = &monitor
		case *manifest.Route, *manifest.BackendTLS:
			continue
		}

		kept = append(kept, b)
	}

	// A route that is kept may be of another kind.
	for _, n := range manifest.RouteNames() {
		spec := protostruct.Get(composed[n], "spec")

		switch {
		case spec == nil:
		case n == manifest.BackendTLSPolicy:
			b := &manifest.BackendTLS{}
			decodeInto(spec, &b.Spec)
			kept = append(kept, manifest.Built{Name: n, Object: b})
		default:
			r := &manifest.Route{}
			decodeInto(spec, &r.Spec)
			kept = append(kept, manifest.Built{Name: n, Object: r})
		}
	}

	return kept
}

// decodeInto decodes what this function wrote once. Anything else is somebody else's, and no
// rule knows it.
func decodeInto(v *structpb.Value, into any) {
	_ = protostruct.Decode(nil, v, into)
}
