package object

import (
	"fmt"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// An object is an Object without its manifest.
type object struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   metadata `json:"metadata,omitzero"`
	Spec       spec     `json:"spec"`
}

type metadata struct {
	Annotations map[string]string `json:"annotations,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
}

type spec struct {
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

// annotationExternalName is one that each managed resource has. The provider writes the name of an Object
// there, which nothing reads, before it does anything else. A new Object has it from the start, which
// is a write and two events of Crossplane's circuit breaker less.
const annotationExternalName = "crossplane.io/external-name"

func externalName(o *structpb.Struct) string {
	return protostruct.Get(o, "metadata", "annotations", annotationExternalName).GetStringValue()
}

// Readiness policies of Objects. StatefulSets and Services have no condition Ready
// to derive from.
const (
	policySuccessfulCreate = "SuccessfulCreate"
	policyCELQuery         = "DeriveFromCelQuery"
)

// New returns the Object that applies a manifest of a server, as far as a Policy lets it. before is the
// Object as Crossplane observed it, or nil.
func New(s *composite.DittoServer, row manifest.Row, m *structpb.Struct, p Policy, before *structpb.Struct) (*structpb.Struct, error) {
	o := object{
		APIVersion: APIVersion(s),
		Kind:       Kind,
		Spec: spec{
			ProviderConfigRef: providerConfigRef{Kind: s.Input.ProviderConfigRef.Kind, Name: s.Input.ProviderConfigRef.Name},
			Readiness:         readinessOf(row, m),
			// The provider polls every few minutes only.
			Watch: true,
		},
	}
	if row.Name == manifest.StatefulSet {
		o.Metadata.Labels = Labels(s)
	}

	name := protostruct.Get(m, "metadata", "name").GetStringValue()
	if before == nil || externalName(before) == name {
		o.Metadata.Annotations = map[string]string{annotationExternalName: name}
	}

	r, err := protostruct.Encode(o)
	if err != nil {
		return nil, fmt.Errorf("cannot encode an Object: %w", err)
	}

	protostruct.Set(r, structpb.NewStructValue(m), "spec", "forProvider", "manifest")

	// Not encoded with the others, which would leave an empty list out.
	if actions, ok := managementPolicies[p]; ok {
		l := &structpb.ListValue{}
		for _, a := range actions {
			l.Values = append(l.Values, structpb.NewStringValue(a))
		}

		protostruct.Set(r, structpb.NewListValue(l), "spec", "managementPolicies")
	}

	return r, nil
}

// readinessOf returns how the provider judges the object of a manifest.
func readinessOf(row manifest.Row, m *structpb.Struct) readiness {
	if query := row.Ready.CEL(m); query != "" {
		return readiness{Policy: policyCELQuery, CELQuery: query}
	}

	return readiness{Policy: policySuccessfulCreate}
}
