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

// newObject returns the provider-kubernetes Object that applies a manifest.
func newObject(s *composite.DittoServer, row manifest.Row, m *structpb.Struct) (*structpb.Struct, error) {
	o := object{
		APIVersion: observed.ObjectAPIVersion(s),
		Kind:       "Object",
		Spec: objectSpec{
			ProviderConfigRef: providerConfigRef{Kind: s.Input.ProviderConfigRef.Kind, Name: s.Input.ProviderConfigRef.Name},
			Readiness:         readinessOf(row, m),
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

// readinessOf returns how the provider judges a manifest's object.
func readinessOf(row manifest.Row, m *structpb.Struct) readiness {
	if query := row.Ready.CEL(m); query != "" {
		return readiness{Policy: policyCELQuery, CELQuery: query}
	}

	return readiness{Policy: policySuccessfulCreate}
}
