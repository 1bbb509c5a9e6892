package manifest

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// seeds hands settings of identity providers to the server by reference to the ConfigMap: the pod
// template stays the same whatever they are, and the next pod gets those of the spec.
func seeds(s *composite.DittoServer) []corev1.EnvVar {
	var env []corev1.EnvVar

	for _, seed := range s.Identity().Seeds() {
		env = append(env, corev1.EnvVar{Name: seed.Variable, ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: s.Name + suffixConfig}, Key: seed.Variable,
		}}})
	}

	return env
}

// KeptSeeds returns the settings of identity providers that an asked ConfigMap's manifest has and a
// desired one's does not. A pod template that is kept refers to them.
func KeptSeeds(asked, desired *structpb.Struct) map[string]string {
	kept := map[string]string{}
	has := protostruct.Get(desired, "data").GetStructValue().GetFields()

	for key, v := range protostruct.Get(asked, "data").GetStructValue().GetFields() {
		if strings.HasPrefix(key, dittofs.EnvPrefix) && has[key] == nil {
			kept[key] = v.GetStringValue()
		}
	}

	return kept
}

// Seeded returns digests of the settings that a server is taken to have in its database, by
// identity provider, which a ConfigMap's manifest notes. What cannot be decoded is not this
// function's.
func Seeded(configMap *structpb.Struct) map[dittofs.IdentityProvider]string {
	seeded := map[dittofs.IdentityProvider]string{}
	text := annotation(configMap, v1alpha1.AnnotationSeeded)

	if err := json.Unmarshal([]byte(text), &seeded); err != nil {
		return nil
	}

	maps.DeleteFunc(seeded, func(p dittofs.IdentityProvider, _ string) bool {
		return !slices.Contains(dittofs.IdentityProviders(), p)
	})

	return seeded
}

// SeededAnnotation returns the value of the annotation that notes them.
func SeededAnnotation(seeded map[dittofs.IdentityProvider]string) *structpb.Value {
	// Keys are sorted.
	b, _ := json.Marshal(seeded) //nolint:errchkjson // Texts can always be encoded.

	return structpb.NewStringValue(string(b))
}

// Digest returns a digest of a list of texts.
func Digest(texts ...string) string {
	values := make([]*structpb.Value, len(texts))
	for i, text := range texts {
		values[i] = structpb.NewStringValue(text)
	}

	return hashOf(structpb.NewListValue(&structpb.ListValue{Values: values}))
}
