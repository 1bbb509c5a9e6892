// Package manifest builds the Kubernetes objects of a DittoFS server. It knows
// DittoFS and Kubernetes, not Crossplane.
package manifest

import (
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
