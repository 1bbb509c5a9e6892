// Package guard decides what of a DittoServer may change now. It compares what
// is asked for with what runs, and keeps what must not move.
package guard

import (
	"maps"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/secret"
	"github.com/dittofs/function-dittoserver/internal/typed"
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

	// ConfigMapNotReady means that the ConfigMap does not hold config.yaml yet.
	ConfigMapNotReady Reason = "ConfigMapNotReady"
)

// A Decision is what may be composed now.
type Decision struct {
	// Manifests to compose. One that is missing is deleted.
	Manifests manifest.Manifests

	// Rollout says whether the pod template is what the spec asks for, or what it
	// waits for.
	Rollout Reason
}

// Decide returns what may be composed now, so that every response is safe to be
// the final one.
//
// First: may this server move at all? If not, config.yaml and the pod template
// stay together as they run, or a pod that restarts by itself would take half of
// the change. If so, config.yaml moves, and the template follows once the
// observed ConfigMap holds it.
func Decide(desired manifest.Manifests, running observed.Resources, secrets secret.State) Decision {
	d := Decision{Manifests: maps.Clone(desired), Rollout: RolledOut}

	switch secrets {
	case secret.NotFetched:
		d.Rollout = SecretsNotFetched
	case secret.Missing:
		d.Rollout = SecretsNotResolved
	case secret.There:
	}

	sts := running.Asked(manifest.StatefulSet)
	if sts == nil {
		if d.Rollout != RolledOut {
			delete(d.Manifests, manifest.StatefulSet)
		}

		return d
	}

	if d.Rollout != RolledOut {
		d.keepConfig(running)
		d.keepTemplate(sts)

		return d
	}

	if template(desired[manifest.StatefulSet], sts) && !holdsConfig(running[manifest.ConfigMap], manifest.Config(desired[manifest.ConfigMap])) {
		d.Rollout = ConfigMapNotReady
		d.keepTemplate(sts)
	}

	return d
}

// template says whether the pod template of a desired StatefulSet differs from a
// running one.
func template(desired, running *structpb.Struct) bool {
	return !proto.Equal(typed.Get(desired, "spec", "template"), typed.Get(running, "spec", "template"))
}

// holdsConfig says whether an observed ConfigMap holds config.yaml, both as asked
// and live. One alone can be a step behind the other.
func holdsConfig(o *observed.Resource, config string) bool {
	return o != nil && manifest.Config(o.Asked) == config && manifest.Config(o.Live) == config
}

// keepConfig keeps config.yaml as it was last asked for. A ConfigMap that is gone
// comes back with what the spec asks for: without one, no pod can start.
func (d *Decision) keepConfig(running observed.Resources) {
	if config := typed.Get(running.Asked(manifest.ConfigMap), "data", dittofs.ConfigFile); config != nil {
		d.set(manifest.ConfigMap, config, "data", dittofs.ConfigFile)
	}
}

// keepTemplate keeps the whole pod template as it runs.
func (d *Decision) keepTemplate(running *structpb.Struct) {
	d.set(manifest.StatefulSet, typed.Get(running, "spec", "template"), "spec", "template")
}

// set changes a copy of a manifest.
func (d *Decision) set(n manifest.Name, v *structpb.Value, path ...string) {
	m := proto.CloneOf(d.Manifests[n])
	typed.Set(m, v, path...)
	d.Manifests[n] = m
}
