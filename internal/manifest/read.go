package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// Seal returns a StatefulSet's manifest whose pod template carries a digest of
// itself.
func Seal(statefulSet *structpb.Struct) *structpb.Struct {
	path := []string{"spec", "template", "metadata", "annotations", v1alpha1.AnnotationTemplateHash}
	bare := protostruct.With(statefulSet, nil, path...)

	return protostruct.With(bare, structpb.NewStringValue(hashOf(protostruct.Get(bare, "spec", "template"))), path...)
}

// IsSealed reports whether a StatefulSet's pod template is the one that the digest which it
// carries is of.
func IsSealed(statefulSet *structpb.Struct) bool {
	h := TemplateHash(statefulSet)
	return h != "" && TemplateHash(Seal(statefulSet)) == h
}

// ChangeHash returns a digest of the change from a running StatefulSet's pod
// template to a desired one's. The occasion, such as the generation of the live
// StatefulSet, makes it another change when it comes a second time.
func ChangeHash(desired, running *structpb.Struct, occasion *structpb.Value) string {
	return hashOf(structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{
		protostruct.Get(desired, "spec", "template"), protostruct.Get(running, "spec", "template"), occasion,
	}}))
}

func hashOf(v *structpb.Value) string {
	h := sha256.Sum256(protostruct.JSON(v))

	return hex.EncodeToString(h[:])
}

// TemplateHash returns the digest that a StatefulSet's pod template carries of
// itself, or "" if there is none.
func TemplateHash(statefulSet *structpb.Struct) string {
	return protostruct.Get(statefulSet, "spec", "template", "metadata", "annotations", v1alpha1.AnnotationTemplateHash).GetStringValue()
}

// annotation returns the value of an annotation, or "" if there is none.
func annotation(o *structpb.Struct, name string) string {
	return protostruct.Get(o, "metadata", "annotations", name).GetStringValue()
}

// Config returns config.yaml of a ConfigMap's manifest, or "" if it has none.
func Config(configMap *structpb.Struct) string {
	return protostruct.Get(configMap, "data", dittofs.ConfigFile).GetStringValue()
}

// ConfigHash returns the rollout digest on the pod template of a StatefulSet's
// manifest, or "" if there is none.
func ConfigHash(statefulSet *structpb.Struct) string {
	return protostruct.Get(statefulSet, "spec", "template", "metadata", "annotations", v1alpha1.AnnotationConfigHash).GetStringValue()
}

// TemplateConfig returns the config.yaml that the pod template of a StatefulSet's
// manifest covers.
func TemplateConfig(statefulSet *structpb.Struct) string {
	return protostruct.Get(statefulSet, "spec", "template", "metadata", "annotations", v1alpha1.AnnotationConfig).GetStringValue()
}

// TemplateRelease returns the release that the pod template of a StatefulSet's
// manifest names. It may not be known.
func TemplateRelease(statefulSet *structpb.Struct) dittofs.Release {
	r, err := dittofs.ParseRelease(protostruct.Get(statefulSet, "spec", "template", "metadata", "labels", labelVersion).GetStringValue())
	if err != nil {
		return dittofs.Release{}
	}

	return r
}

// IsOfServer reports whether a live object is of the server that a manifest is of: an object of
// this function, for a server of this name. One that an earlier DittoServer of the same name left
// is, too.
func IsOfServer(live, manifest *structpb.Struct) bool {
	label := func(o *structpb.Struct, name string) string {
		return protostruct.Get(o, "metadata", "labels", name).GetStringValue()
	}

	return label(live, labelManagedBy) == manager && label(live, labelInstance) == label(manifest, labelInstance)
}

// IsLoadBalancer reports whether a manifest is a load balancer's.
func IsLoadBalancer(service *structpb.Struct) bool {
	return protostruct.Get(service, "spec", "type").GetStringValue() == string(corev1.ServiceTypeLoadBalancer)
}

// MountsContent reports whether the server's container in a StatefulSet's manifest mounts
// the content.
func MountsContent(statefulSet *structpb.Struct) bool {
	return mounts(statefulSet, dittofs.VolumeContent)
}

// ServesTLS reports whether the server of a StatefulSet's manifest serves its API over TLS.
func ServesTLS(statefulSet *structpb.Struct) bool {
	return mounts(statefulSet, secretVolume(composite.RoleAPITLS))
}

// mounts reports whether the server's container in a StatefulSet's manifest mounts a volume.
func mounts(statefulSet *structpb.Struct, volume string) bool {
	mounts := protostruct.Get(container(statefulSet), "volumeMounts").GetListValue().GetValues()

	return slices.ContainsFunc(mounts, func(m *structpb.Value) bool {
		return protostruct.Get(m.GetStructValue(), "name").GetStringValue() == volume
	})
}

// ClaimNames returns the names of the volume claims of a StatefulSet's manifest. It returns
// nil if there is no StatefulSet, and only then.
func ClaimNames(statefulSet *structpb.Struct) []string {
	if statefulSet == nil {
		return nil
	}

	names := []string{}
	for _, c := range protostruct.Get(statefulSet, "spec", "volumeClaimTemplates").GetListValue().GetValues() {
		names = append(names, protostruct.Get(c.GetStructValue(), "metadata", "name").GetStringValue())
	}

	return names
}

// EnvSecret returns the Secret and key, as secret/key, that an environment variable
// of the server comes from in a StatefulSet's manifest, or "".
func EnvSecret(statefulSet *structpb.Struct, env string) string {
	for _, e := range protostruct.Get(container(statefulSet), "env").GetListValue().GetValues() {
		if protostruct.Get(e.GetStructValue(), "name").GetStringValue() == env {
			ref := protostruct.Get(e.GetStructValue(), "valueFrom", "secretKeyRef").GetStructValue()
			return protostruct.Get(ref, "name").GetStringValue() + "/" + protostruct.Get(ref, "key").GetStringValue()
		}
	}

	return ""
}

// ContainerImage returns the server's image in a StatefulSet's manifest, or "".
func ContainerImage(statefulSet *structpb.Struct) string {
	return protostruct.Get(container(statefulSet), "image").GetStringValue()
}

// container returns the server's container in a StatefulSet's manifest, or nil.
func container(statefulSet *structpb.Struct) *structpb.Struct {
	for _, c := range protostruct.Get(statefulSet, "spec", "template", "spec", "containers").GetListValue().GetValues() {
		if protostruct.Get(c.GetStructValue(), "name").GetStringValue() == v1alpha1.Container {
			return c.GetStructValue()
		}
	}

	return nil
}

// An Asker knows what was asked last.
type Asker interface {
	// Asked returns the manifest of a resource that was asked last, or nil.
	Asked(n Name) *structpb.Struct

	// IsRefused reports whether the API server refused it.
	IsRefused(n Name) bool
}

// Image returns the image of a server: the one that the spec names; else the one that was
// asked last, so that a new version of this function upgrades no server; else the newest
// known release.
func Image(s *composite.DittoServer, o Asker) string {
	switch {
	case s.Spec.Image != "":
		return s.Spec.Image
	case s.Release.IsKnown():
		return s.Release.Image()
	}

	if image := AskedImage(o); image != "" {
		return image
	}

	return dittofs.Repository + ":" + dittofs.NewestVersion
}

// AskedImage returns the image of a server that was asked last, or "" if there was
// none. A pod template that somebody changed, such as a webhook that names a mirror,
// names another one, and one that the API server refused never ran.
func AskedImage(o Asker) string {
	sts := o.Asked(StatefulSet)
	if o.IsRefused(StatefulSet) {
		if r := RecordOf(o.Asked(ConfigMap)); r != nil {
			return r.Image
		}
	}

	noted := annotation(o.Asked(ConfigMap), v1alpha1.AnnotationImage)

	if image := ContainerImage(sts); image != "" && (noted == "" || noted == image || IsSealed(sts)) {
		return image
	}

	return noted
}
