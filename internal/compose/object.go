// Package compose turns manifests into composed resources, and tells which are
// ready. It knows Kubernetes objects and Crossplane, not DittoFS.
package compose

import (
	"fmt"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// An object is an Object of provider-kubernetes. Its API types need a newer Go
// than the SDK, so the few fields that are used are here.
// https://github.com/crossplane-contrib/provider-kubernetes
type object struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Metadata   *metadata  `json:"metadata,omitempty"`
	Spec       objectSpec `json:"spec"`
}

type metadata struct {
	Labels map[string]string `json:"labels"`
}

type objectSpec struct {
	ProviderConfigRef providerConfigRef `json:"providerConfigRef"`
	Readiness         readiness         `json:"readiness"`
	Watch             bool              `json:"watch"`
}

type providerConfigRef struct {
	Kind string `json:"kind,omitempty"`
	Name string `json:"name"`
}

type readiness struct {
	Policy   string `json:"policy"`
	CELQuery string `json:"celQuery,omitempty"`
}

// Readiness policies of Objects. StatefulSets and Services have no condition Ready
// to derive from.
const (
	policySuccessfulCreate = "SuccessfulCreate"
	policyCELQuery         = "DeriveFromCelQuery"
)

// Queries that tell whether an Object's live Kubernetes object is ready. They must
// be boolean, and do without CEL's optional types: older providers have none.
const (
	celStatefulSet = "has(object.status) && has(object.status.observedGeneration) && object.status.observedGeneration >= object.metadata.generation && " +
		"(object.spec.replicas == 0 || (has(object.status.readyReplicas) && object.status.readyReplicas == object.spec.replicas && " +
		"object.status.currentRevision == object.status.updateRevision))"

	celLoadBalancer = "has(object.status) && has(object.status.loadBalancer) && has(object.status.loadBalancer.ingress) && size(object.status.loadBalancer.ingress) > 0"
)

// newObject returns the provider-kubernetes Object that applies a manifest.
func newObject(s *composite.DittoServer, m *structpb.Struct) (*structpb.Struct, error) {
	o := object{
		APIVersion: observed.ObjectAPIVersion(s),
		Kind:       "Object",
		Spec: objectSpec{
			ProviderConfigRef: providerConfigRef{Kind: s.Input.ProviderConfigRef.Kind, Name: s.Input.ProviderConfigRef.Name},
			Readiness:         readinessOf(m),
			// Poll intervals are minutes.
			Watch: true,
		},
	}
	if protostruct.Get(m, "kind").GetStringValue() == "StatefulSet" {
		o.Metadata = &metadata{Labels: observed.StatefulSetLabels(s)}
	}

	r, err := protostruct.Encode(o)
	if err != nil {
		return nil, fmt.Errorf("cannot encode an Object: %w", err)
	}

	protostruct.Set(r, structpb.NewStructValue(m), "spec", "forProvider", "manifest")

	return r, nil
}

func readinessOf(m *structpb.Struct) readiness {
	switch {
	case protostruct.Get(m, "kind").GetStringValue() == "StatefulSet":
		return readiness{Policy: policyCELQuery, CELQuery: celStatefulSet}
	case manifest.IsLoadBalancer(m):
		return readiness{Policy: policyCELQuery, CELQuery: celLoadBalancer}
	default:
		return readiness{Policy: policySuccessfulCreate}
	}
}
