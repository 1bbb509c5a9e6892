package manifest

import (
	"encoding/json"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// seeds hands settings of identity providers to the server by reference to the ConfigMap: the pod
// template stays the same whatever they are, and the next pod gets those of the spec. The service
// principal is no such setting: the variable counts at each start.
func seeds(s *composite.DittoServer) []corev1.EnvVar {
	var env []corev1.EnvVar

	identity := s.Identity()
	for _, seed := range identity.Seeds() {
		env = append(env, corev1.EnvVar{Name: seed.Variable, ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: s.Name + suffixConfig}, Key: seed.Variable,
		}}})
	}

	if identity.Kerberos != nil {
		env = append(env, corev1.EnvVar{Name: dittofs.EnvServicePrincipal, Value: identity.Kerberos.ServicePrincipal})
	}

	return env
}

// volumeKrb5Conf has krb5.conf, which is an annotation of the pod.
const volumeKrb5Conf = "krb5-conf"

// krb5Conf returns the volume of krb5.conf and its mount, if a server has Kerberos. The text is in
// the pod template: it is there whenever the pod is, and another one is another template.
func krb5Conf(s *composite.DittoServer) ([]corev1.Volume, []corev1.VolumeMount) {
	if s.Krb5Conf() == "" {
		return nil, nil
	}

	file := corev1.DownwardAPIVolumeFile{Path: dittofs.Krb5ConfFile, FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.annotations['" + v1alpha1.AnnotationKrb5Conf + "']"}}
	volume := corev1.Volume{Name: volumeKrb5Conf, VolumeSource: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{
		Items: []corev1.DownwardAPIVolumeFile{file}, DefaultMode: ptr.To[int32](secretFileMode),
	}}}

	return []corev1.Volume{volume}, []corev1.VolumeMount{{Name: volumeKrb5Conf, MountPath: dittofs.Krb5ConfDir, ReadOnly: true}}
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

// StartPath leads to the setting in a ConfigMap's manifest that each container with Kerberos refers to.
// Without it the kubelet starts none, and lets those run that do.
func StartPath() []string { return []string{"data", dittofs.EnvKerberosRealm} }

// LetsStart reports whether containers with Kerberos start beside a ConfigMap.
func LetsStart(configMap *structpb.Struct) bool {
	return protostruct.Get(configMap, StartPath()...) != nil
}

// A SeedNote is what a ConfigMap notes of identity providers.
type SeedNote struct {
	// Of are digests of the settings that the server is taken to have in its database, by identity
	// provider.
	Of map[dittofs.IdentityProvider]string

	// Acknowledged is the last value of dittofs.io/acknowledge that counted, or "". The next one
	// is derived from it, so that none counts twice.
	Acknowledged string
}

// keyAcknowledged is the key of Acknowledged, beside those of identity providers.
const keyAcknowledged = "acknowledged"

// Seeded returns what a ConfigMap's manifest notes of identity providers. This function wrote nothing that
// cannot be decoded.
func Seeded(configMap *structpb.Struct) SeedNote {
	note, texts := SeedNote{Of: map[dittofs.IdentityProvider]string{}}, map[string]string{}

	if err := json.Unmarshal([]byte(annotation(configMap, v1alpha1.AnnotationSeeded)), &texts); err != nil {
		return note
	}

	for _, p := range dittofs.IdentityProviders() {
		if text := texts[string(p)]; text != "" {
			note.Of[p] = text
		}
	}

	note.Acknowledged = texts[keyAcknowledged]

	return note
}

// Annotation returns the value of the annotation that has the note, or nil without one.
func (n SeedNote) Annotation() *structpb.Value {
	if len(n.Of) == 0 {
		return nil
	}

	texts := map[string]string{}
	for p, text := range n.Of {
		texts[string(p)] = text
	}

	if n.Acknowledged != "" {
		texts[keyAcknowledged] = n.Acknowledged
	}

	// Keys are sorted.
	b, _ := json.Marshal(texts) //nolint:errchkjson // Texts can always be encoded.

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
