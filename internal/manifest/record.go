package manifest

import (
	"encoding/json"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// A Record tells what a server ran last: which image, on which database. The ConfigMap has it
// as an annotation, so that it is known after the StatefulSet is gone. It names Secrets and
// keys, and holds no value of one.
type Record struct {
	// StatefulSet is the UID of the StatefulSet that ran it.
	StatefulSet string `json:"statefulSet,omitempty"`

	// Image of the server, and the version that its pod named, or "".
	Image   string `json:"image"`
	Version string `json:"version,omitempty"`

	// Postgres tells where the PostgreSQL database is. A server without it used the SQLite
	// database that Config names.
	Postgres v1alpha1.Postgres `json:"postgres,omitzero"`

	// SecretVolumes are the volumes that have files of Secrets, which Config names.
	SecretVolumes []corev1.Volume `json:"secretVolumes,omitempty"`

	// Config is the config.yaml that ran. The annotation has it only where that of its
	// ConfigMap is another one.
	Config string `json:"config,omitempty"`

	// AssignedUser and AssignedGroup tell that the pod left its user, or the group of its files, to
	// the cluster.
	AssignedUser  bool `json:"assignedUser,omitempty"`
	AssignedGroup bool `json:"assignedGroup,omitempty"`

	// WholeHash is the rollout digest that ran, if it covers the whole spec, as those of earlier
	// versions of this function do. SameHash is the one over the same without the storage.
	WholeHash string `json:"wholeHash,omitempty"`
	SameHash  string `json:"sameHash,omitempty"`
}

// RecordOf returns the Record that a ConfigMap's manifest has, or nil.
func RecordOf(configMap *structpb.Struct) *Record {
	r := &Record{}
	if !decodeAnnotation(configMap, v1alpha1.AnnotationRan, r) || r.Image == "" {
		return nil
	}

	if r.Config == "" {
		r.Config = Config(configMap)
	}

	return r
}

// Annotation returns the value of the annotation that has the Record.
func (r *Record) Annotation() *structpb.Value { return encodeAnnotation(r) }

// decodeAnnotation decodes the JSON that an annotation of a manifest has, and reports whether there is
// some. This function wrote nothing that cannot be decoded.
func decodeAnnotation(m *structpb.Struct, name string, into any) bool {
	return json.Unmarshal([]byte(annotation(m, name)), into) == nil
}

// encodeAnnotation returns the JSON of a value, with sorted keys, for an annotation.
func encodeAnnotation(v any) *structpb.Value {
	b, _ := json.Marshal(v) //nolint:errchkjson // Texts can always be encoded.

	return structpb.NewStringValue(string(b))
}

// Pod returns the desired pod of a server, but with the image, the database and the config.yaml
// of the Record, the files that it names, and probes that fit it. configHash is the rollout digest over that config.yaml.
func (r *Record) Pod(s *composite.DittoServer, desired *corev1.PodTemplateSpec, in PodInputs) *corev1.PodTemplateSpec {
	pod := desired.DeepCopy()

	pod.Annotations[v1alpha1.AnnotationConfig] = r.Config
	pod.Annotations[v1alpha1.AnnotationConfigHash] = in.ConfigHash

	pod.Labels[labelVersion] = r.Version
	if r.Version == "" {
		delete(pod.Labels, labelVersion)
	}

	ran := *s
	ran.Spec.Database.Postgres = nil

	if r.Postgres != (v1alpha1.Postgres{}) {
		ran.Spec.Database.Postgres = &r.Postgres
	}

	// Numbers of the user's own are in the spec.
	if sc := pod.Spec.SecurityContext; sc != nil && !r.AssignedUser && !r.AssignedGroup {
		fixUser(sc)
	}

	container := &pod.Spec.Containers[0]
	container.Image = r.Image
	container.Env = slices.Concat(environment(ran.Secrets(), in.AdminPasswordIsHash), seeds(s), s.ExtraEnv())

	pod.Spec.Volumes = slices.DeleteFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return isOfSecret(v.Name) })
	container.VolumeMounts = slices.DeleteFunc(container.VolumeMounts, func(m corev1.VolumeMount) bool { return isOfSecret(m.Name) })

	for _, v := range r.SecretVolumes {
		// Natively, whoever may write ConfigMaps may write a record.
		if !isOfSecret(v.Name) || v.Secret == nil {
			continue
		}

		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: v.Name, VolumeSource: corev1.VolumeSource{Secret: v.Secret}})
		container.VolumeMounts = append(container.VolumeMounts, secretMount(composite.Role(strings.TrimPrefix(v.Name, secretVolumePrefix))))
	}

	addProbes(container, dittofs.APITLSOf(r.Config), startupProbes(s))

	return pod
}

// FileOf returns the key of a Secret that volumes have as the file of a role which has one file, or
// false.
func FileOf(volumes []corev1.Volume, role composite.Role) (composite.SecretFile, bool) {
	for _, v := range volumes {
		if v.Name == secretVolume(role) && v.Secret != nil && len(v.Secret.Items) == 1 {
			return composite.SecretFile{Role: role, Name: v.Secret.SecretName, Key: v.Secret.Items[0].Key}, true
		}
	}

	return composite.SecretFile{}, false
}

// SecretVolumes returns the volumes of a StatefulSet's manifest that have files of Secrets.
func SecretVolumes(statefulSet *structpb.Struct) []corev1.Volume {
	var volumes []corev1.Volume

	for _, v := range protostruct.Get(statefulSet, "spec", "template", "spec", "volumes").GetListValue().GetValues() {
		if !isOfSecret(protostruct.Get(v.GetStructValue(), "name").GetStringValue()) {
			continue
		}

		// This function wrote nothing that cannot be decoded.
		volume := corev1.Volume{}
		if errs := protostruct.Decode(nil, v, &volume); len(errs) == 0 && volume.Secret != nil {
			volumes = append(volumes, volume)
		}
	}

	return volumes
}

// Postgres returns the Secret and keys that tell the server of a StatefulSet's manifest where
// its PostgreSQL database is.
func Postgres(statefulSet *structpb.Struct) v1alpha1.Postgres {
	var p v1alpha1.Postgres

	keys := map[string]*string{
		dittofs.EnvPostgresHost:     &p.Keys.Host,
		dittofs.EnvPostgresPort:     &p.Keys.Port,
		dittofs.EnvPostgresDatabase: &p.Keys.Database,
		dittofs.EnvPostgresUser:     &p.Keys.User,
		dittofs.EnvPostgresPassword: &p.Keys.Password,
		dittofs.EnvPostgresSSLMode:  &p.Keys.SSLMode,
	}

	for _, e := range protostruct.Get(container(statefulSet), "env").GetListValue().GetValues() {
		key, ok := keys[protostruct.Get(e.GetStructValue(), "name").GetStringValue()]
		if !ok {
			continue
		}

		ref := protostruct.Get(e.GetStructValue(), "valueFrom", "secretKeyRef").GetStructValue()
		*key = protostruct.Get(ref, "key").GetStringValue()
		p.SecretRef.Name = protostruct.Get(ref, "name").GetStringValue()
	}

	return p
}
