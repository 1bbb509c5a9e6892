// Package guard decides what of a DittoServer may change now. It compares what
// is asked for with what runs, and keeps what must not move.
//
// "What runs" is what the observed composed resources were last asked for: the
// StatefulSet's pod template, and the copy of config.yaml that the template
// carries in an annotation.
package guard

import (
	"maps"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/secret"
)

// A Reason why the pod template is, or is not, what the spec asks for.
type Reason string

// Reasons.
const (
	// RolledOut means that nothing waits.
	RolledOut Reason = "RolledOut"

	// SecretsNotFetched means that the Secrets are not known yet.
	SecretsNotFetched Reason = "SecretsNotFetched"

	// SecretsNotResolved means that a Secret is missing or cannot be used.
	SecretsNotResolved Reason = "SecretsNotResolved"

	// StorageMissing means that the configuration needs a volume claim that the
	// running StatefulSet does not have.
	StorageMissing Reason = "StorageMissing"

	// ApprovalRequired means that a person must approve the change.
	ApprovalRequired Reason = "ApprovalRequired"

	// RolloutInProgress means that the StatefulSet does not have the last pod
	// template yet, whose config.yaml must stay until it has.
	RolloutInProgress Reason = "RolloutInProgress"

	// ConfigMapNotReady means that the ConfigMap does not hold config.yaml yet.
	ConfigMapNotReady Reason = "ConfigMapNotReady"

	// Recreating means that the stopped StatefulSet is left out, to be created anew
	// with other volume claims.
	Recreating Reason = "Recreating"

	// PredecessorThere means that an earlier StatefulSet, or its Object, must be gone
	// before there can be another one.
	PredecessorThere Reason = "PredecessorThere"
)

// A Decision is what may be composed now.
type Decision struct {
	// Manifests to compose. One that is missing is deleted.
	Manifests manifest.Manifests

	// Rollout says whether the pod template is what the spec asks for, or what it
	// waits for.
	Rollout Reason

	// Dangers are why a change needs approval, if Rollout is ApprovalRequired.
	Dangers []string

	// Approval is the value of the annotation dittofs.io/approve that lets a change
	// go ahead, if Rollout is ApprovalRequired.
	Approval string

	// Predecessors are what must be gone, if Rollout is PredecessorThere. There are none
	// while they are not known.
	Predecessors []string

	// Frozen tells which settings keep what runs, since Kubernetes cannot change
	// them, each from what to what.
	Frozen []string
}

// WillMove says whether the pod template moves by itself before long, so that what
// runs is not what will.
func (d *Decision) WillMove() bool {
	return d.Rollout == ConfigMapNotReady || d.Rollout == RolloutInProgress
}

// Decide returns what may be composed now, so that every response is safe to be
// the final one.
//
// First: may this server move at all? If not, config.yaml and the pod template
// stay together as they run, or a pod that restarts by itself would take half of
// the change. If so, config.yaml moves, and the template follows once the
// observed ConfigMap holds it. predecessors are where the StatefulSet would be, if none
// is observed. hash returns the rollout digest over a config.yaml.
func Decide(s *composite.DittoServer, desired manifest.Manifests, running observed.Resources, predecessors observed.Predecessors, secrets secret.State, hash func(config string) string) Decision {
	d := Decision{Manifests: maps.Clone(desired), Rollout: RolledOut}

	switch secrets {
	case secret.NotFetched:
		d.Rollout = SecretsNotFetched
	case secret.Missing:
		d.Rollout = SecretsNotResolved
	case secret.There:
	}

	d.freezeServices(running)

	config := manifest.Config(desired[manifest.ConfigMap])

	sts := running.Asked(manifest.StatefulSet)
	if sts == nil {
		// Where no ConfigMap is observed, as on first creation, a pod waits for it. One
		// that is observed but not known to be live may hold an older config.yaml.
		if cm := running[manifest.ConfigMap]; d.Rollout == RolledOut && cm != nil && !holdsConfig(cm, config) {
			d.Rollout = ConfigMapNotReady
		}

		if d.Rollout == RolledOut && !predecessors.AreGone() {
			d.Rollout, d.Predecessors = PredecessorThere, predecessors.Names
		}

		if d.Rollout != RolledOut {
			delete(d.Manifests, manifest.StatefulSet)
		}

		return d
	}

	recreate := d.freezeStatefulSet(sts)

	switch {
	case d.Rollout != RolledOut:
	case d.needsApproval(s, desired[manifest.StatefulSet], running[manifest.StatefulSet]):
		d.Rollout = ApprovalRequired
	case recreate && isStopped(desired[manifest.StatefulSet], running[manifest.StatefulSet]) && observed.IsFoundAgain(s, running[manifest.StatefulSet]):
		d.Rollout = Recreating
		delete(d.Manifests, manifest.StatefulSet)

		return d
	case needsMissingClaim(s, sts, manifest.Image(s, running)):
		d.Rollout = StorageMissing
	case isInFlight(running[manifest.StatefulSet]) && config != runningConfig(running):
		d.Rollout = RolloutInProgress
	}

	if d.Rollout != RolledOut {
		d.keepConfig(runningConfig(running))

		if d.Rollout == RolloutInProgress && isReplaceable(running) {
			d.coverConfig(runningConfig(running), hash)
		} else {
			d.keepTemplate(running)
		}

		return d
	}

	if !sameTemplate(desired[manifest.StatefulSet], sts) && !holdsConfig(running[manifest.ConfigMap], config) {
		d.Rollout = ConfigMapNotReady
		d.keepTemplate(running)
	}

	return d
}

// runningConfig returns the config.yaml that the running pod template covers, or ""
// if that is not known.
func runningConfig(running observed.Resources) string {
	if c := manifest.RunningConfig(running.Asked(manifest.StatefulSet)); c != "" {
		return c
	}

	return manifest.Config(running.Asked(manifest.ConfigMap))
}

// sameTemplate says whether two StatefulSets were asked to have the same pod template.
// The API server may spell it otherwise.
func sameTemplate(a, b *structpb.Struct) bool {
	return manifest.TemplateHash(a) == manifest.TemplateHash(b)
}

// holdsConfig says whether an observed ConfigMap holds config.yaml, both as asked
// and live. One alone can be a step behind the other.
func holdsConfig(o *observed.Resource, config string) bool {
	return o != nil && o.Current && manifest.Config(o.Asked) == config && manifest.Config(o.Live) == config
}

// isInFlight says whether the live StatefulSet does not have the pod template yet
// that it was asked to have. It may get it at any time.
func isInFlight(o *observed.Resource) bool {
	return manifest.TemplateHash(o.Live) != manifest.TemplateHash(o.Asked)
}

// isReplaceable says whether a pod template in flight cannot be applied, and
// another one that covers the same config.yaml can take its place. Otherwise
// nothing would ever move again.
func isReplaceable(running observed.Resources) bool {
	return running[manifest.StatefulSet].IsNotSynced() && holdsConfig(running[manifest.ConfigMap], runningConfig(running))
}

// isStopped says whether no replica is asked for, and none runs. A StatefulSet that
// could never be created has none.
func isStopped(desired *structpb.Struct, o *observed.Resource) bool {
	replicas := func(s *structpb.Struct, path ...string) float64 { return protostruct.Get(s, path...).GetNumberValue() }

	if o.Current && o.Live == nil && o.IsNotSynced() {
		return replicas(desired, "spec", "replicas") == 0 && replicas(o.Asked, "spec", "replicas") == 0
	}

	return replicas(desired, "spec", "replicas") == 0 && replicas(o.Asked, "spec", "replicas") == 0 &&
		o.Current && o.Live != nil && replicas(o.Live, "spec", "replicas") == 0 && replicas(o.Live, "status", "replicas") == 0 &&
		replicas(o.Live, "status", "observedGeneration") >= replicas(o.Live, "metadata", "generation")
}

// keepConfig keeps config.yaml as it runs.
func (d *Decision) keepConfig(config string) {
	if config != "" {
		d.set(manifest.ConfigMap, structpb.NewStringValue(config), "data", dittofs.ConfigFile)
	}
}

// keepTemplate keeps the whole pod template as it runs, and the note of its image.
func (d *Decision) keepTemplate(running observed.Resources) {
	d.set(manifest.StatefulSet, protostruct.Get(running.Asked(manifest.StatefulSet), "spec", "template"), "spec", "template")

	if image := manifest.AskedImage(running); image != "" {
		d.set(manifest.ConfigMap, structpb.NewStringValue(image), "metadata", "annotations", v1alpha1.AnnotationImage)
	}
}

// coverConfig lets the pod template cover the config.yaml that runs.
func (d *Decision) coverConfig(config string, hash func(string) string) {
	path := []string{"spec", "template", "metadata", "annotations"}
	d.set(manifest.StatefulSet, structpb.NewStringValue(config), append(path, v1alpha1.AnnotationConfig)...)
	d.set(manifest.StatefulSet, structpb.NewStringValue(hash(config)), append(path, v1alpha1.AnnotationConfigHash)...)
	d.Manifests[manifest.StatefulSet] = manifest.Seal(d.Manifests[manifest.StatefulSet])
}

// set changes a copy of a manifest.
func (d *Decision) set(n manifest.Name, v *structpb.Value, path ...string) {
	d.Manifests[n] = protostruct.With(d.Manifests[n], v, path...)
}
