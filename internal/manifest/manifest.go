// Package manifest builds the Kubernetes objects of a DittoFS server. It knows
// DittoFS and Kubernetes, not Crossplane.
package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// A Name of a composed resource. Names are API: one that is renamed is deleted
// and created again.
type Name string

// Names of the composed resources.
const (
	ConfigMap       Name = "configmap"
	StatefulSet     Name = "statefulset"
	ServiceHeadless Name = "service-headless"
	ServiceFile     Name = "service-file"
	ServiceAPI      Name = "service-api"
	ServiceMetrics  Name = "service-metrics"
)

// Names returns the names of all resources that may be composed, in a fixed order.
func Names() []Name {
	return []Name{ConfigMap, StatefulSet, ServiceHeadless, ServiceFile, ServiceAPI, ServiceMetrics}
}

// suffixes of the Kubernetes names. With a server's name of at most 52 characters
// the longest ends at 61, below the 63 of a DNS label.
//
//nolint:gochecknoglobals // A table.
var suffixes = map[Name]string{
	ConfigMap:       "-config",
	StatefulSet:     "",
	ServiceHeadless: "-headless",
	ServiceFile:     "-file",
	ServiceAPI:      "-api",
	ServiceMetrics:  "-metrics",
}

// ObjectName returns the Kubernetes name of a server's resource.
func ObjectName(server string, n Name) string {
	return server + suffixes[n]
}

// Labels.
const (
	labelName      = "app.kubernetes.io/name"
	labelInstance  = "app.kubernetes.io/instance"
	labelVersion   = "app.kubernetes.io/version"
	labelComponent = "app.kubernetes.io/component"
	labelManagedBy = "app.kubernetes.io/managed-by"
)

// selectorLabels returns the labels that select a server's pods. They never
// change, and hold nothing that varies by version: a selector is immutable.
func selectorLabels(server string) map[string]string {
	return map[string]string{
		labelName:     "dittofs",
		labelInstance: server,
	}
}

func labels(server string) map[string]string {
	l := selectorLabels(server)
	l[labelComponent] = "file-server"
	l[labelManagedBy] = "function-dittoserver"

	return l
}

// Inputs of Build that are not in the spec.
type Inputs struct {
	// Config is config.yaml.
	Config []byte

	// ConfigHash is the rollout digest.
	ConfigHash string

	// AdminPasswordIsHash says whether the administrator's password is a bcrypt hash.
	AdminPasswordIsHash bool

	// Image is the container image to run.
	Image string

	// Running StatefulSet's manifest, or nil. Its claims are all that a pod can
	// mount.
	Running *structpb.Struct
}

// Manifests of Kubernetes objects by the name of their composed resource. A
// manifest has only the fields that are meant: no zero values, no status.
type Manifests map[Name]*structpb.Struct

// Build returns the manifests of a server.
func Build(s *composite.DittoServer, in Inputs) (Manifests, error) {
	sts, err := statefulSet(s, in)
	if err != nil {
		return nil, err
	}

	objects := map[Name]any{
		ConfigMap:       configMap(s, in),
		StatefulSet:     sts,
		ServiceHeadless: headlessService(s),
		ServiceFile:     fileService(s),
		ServiceAPI:      apiService(s),
	}
	if s.Spec.Metrics.Enabled {
		objects[ServiceMetrics] = metricsService(s)
	}

	m := Manifests{}

	for name, o := range objects {
		e, err := protostruct.Encode(o)
		if err != nil {
			return nil, fmt.Errorf("cannot encode %s: %w", name, err)
		}

		m[name] = e
	}

	m[StatefulSet] = Seal(m[StatefulSet])

	return m, nil
}

// Seal returns a StatefulSet's manifest whose pod template carries a digest of
// itself.
func Seal(statefulSet *structpb.Struct) *structpb.Struct {
	path := []string{"spec", "template", "metadata", "annotations", v1alpha1.AnnotationTemplateHash}
	bare := protostruct.With(statefulSet, nil, path...)

	return protostruct.With(bare, structpb.NewStringValue(hashOf(protostruct.Get(bare, "spec", "template"))), path...)
}

// IsSealed says whether a StatefulSet's pod template is the one that the digest which it
// carries is of.
func IsSealed(statefulSet *structpb.Struct) bool {
	h := TemplateHash(statefulSet)
	return h != "" && TemplateHash(Seal(statefulSet)) == h
}

// ChangeHash returns a digest of the change from a running StatefulSet's pod
// template to a desired one's. The generation of the live StatefulSet makes it
// another change when it comes a second time.
func ChangeHash(desired, running, live *structpb.Struct) string {
	return hashOf(structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{
		protostruct.Get(desired, "spec", "template"), protostruct.Get(running, "spec", "template"), protostruct.Get(live, "metadata", "generation"),
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

// Config returns config.yaml of a ConfigMap's manifest, or "" if it has none.
func Config(configMap *structpb.Struct) string {
	return protostruct.Get(configMap, "data", dittofs.ConfigFile).GetStringValue()
}

// ConfigHash returns the rollout digest on the pod template of a StatefulSet's
// manifest, or "" if there is none.
func ConfigHash(statefulSet *structpb.Struct) string {
	return protostruct.Get(statefulSet, "spec", "template", "metadata", "annotations", v1alpha1.AnnotationConfigHash).GetStringValue()
}

// RunningConfig returns the config.yaml that the pod template of a StatefulSet's
// manifest covers.
func RunningConfig(statefulSet *structpb.Struct) string {
	return protostruct.Get(statefulSet, "spec", "template", "metadata", "annotations", v1alpha1.AnnotationConfig).GetStringValue()
}

// RunningRelease returns the release that the pod template of a StatefulSet's
// manifest names. It may not be known.
func RunningRelease(statefulSet *structpb.Struct) dittofs.Release {
	r, err := dittofs.ParseRelease(protostruct.Get(statefulSet, "spec", "template", "metadata", "labels", labelVersion).GetStringValue())
	if err != nil {
		return dittofs.Release{}
	}

	return r
}

// IsLoadBalancer says whether a manifest is a load balancer's.
func IsLoadBalancer(service *structpb.Struct) bool {
	return protostruct.Get(service, "spec", "type").GetStringValue() == string(corev1.ServiceTypeLoadBalancer)
}

// Claims returns the volume claims of a StatefulSet's manifest.
func Claims(statefulSet *structpb.Struct) []corev1.PersistentVolumeClaim {
	var claims []corev1.PersistentVolumeClaim
	if v := protostruct.Get(statefulSet, "spec", "volumeClaimTemplates"); v != nil {
		// What cannot be decoded is not this function's.
		_ = protostruct.Decode(nil, v, &claims)
	}

	return claims
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

// RunningImage returns the server's image in a StatefulSet's manifest, or "".
func RunningImage(statefulSet *structpb.Struct) string {
	return protostruct.Get(container(statefulSet), "image").GetStringValue()
}

// container returns the server's container in a StatefulSet's manifest, or nil.
func container(statefulSet *structpb.Struct) *structpb.Struct {
	for _, c := range protostruct.Get(statefulSet, "spec", "template", "spec", "containers").GetListValue().GetValues() {
		if protostruct.Get(c.GetStructValue(), "name").GetStringValue() == Container {
			return c.GetStructValue()
		}
	}

	return nil
}

// Running is what runs of a server: the manifests that were last asked for.
type Running interface {
	Asked(n Name) *structpb.Struct
}

// Image returns the image of a server: what the spec asks for, else what runs or
// last ran, so that a new version of this function upgrades nobody, else the
// newest known release.
func Image(s *composite.DittoServer, running Running) string {
	switch {
	case s.Spec.Image != "":
		return s.Spec.Image
	case s.Release.IsKnown():
		return s.Release.Image()
	}

	if image := AskedImage(running); image != "" {
		return image
	}

	return dittofs.Repository + ":" + dittofs.NewestVersion
}

// AskedImage returns the image that was last asked for of a server, or "" if there was
// none. A pod template that somebody changed, such as a webhook that names a mirror,
// tells of another one.
func AskedImage(running Running) string {
	sts := running.Asked(StatefulSet)
	noted := protostruct.Get(running.Asked(ConfigMap), "metadata", "annotations", v1alpha1.AnnotationImage).GetStringValue()

	if image := RunningImage(sts); image != "" && (noted == "" || noted == image || IsSealed(sts)) {
		return image
	}

	return noted
}

func configMap(s *composite.DittoServer, in Inputs) *corev1.ConfigMap {
	meta := objectMeta(s, ConfigMap)
	meta.Annotations = map[string]string{v1alpha1.AnnotationImage: in.Image}

	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: meta,
		Data:       map[string]string{dittofs.ConfigFile: string(in.Config)},
	}
}

func objectMeta(s *composite.DittoServer, n Name) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name:      ObjectName(s.Name, n),
		Namespace: s.Namespace,
		Labels:    labels(s.Name),
	}
}
