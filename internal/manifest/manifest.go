// Package manifest builds the Kubernetes objects of a DittoFS server. It knows
// DittoFS and Kubernetes, not Crossplane.
package manifest

import (
	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"
)

// Labels.
const (
	labelName      = "app.kubernetes.io/name"
	labelInstance  = "app.kubernetes.io/instance"
	labelVersion   = "app.kubernetes.io/version"
	labelComponent = "app.kubernetes.io/component"
	labelManagedBy = "app.kubernetes.io/managed-by"
)

// manager is the value of labelManagedBy.
const manager = "function-dittoserver"

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
	l[labelManagedBy] = manager

	return l
}

// Inputs of Build that are not in the spec.
type Inputs struct {
	// Config is config.yaml.
	Config []byte

	// Pod is the server's pod template.
	Pod *corev1.PodTemplateSpec
}

// Manifests of Kubernetes objects by the name of their composed resource. A
// manifest has only the fields that are meant: no zero values, no status.
type Manifests map[Name]*structpb.Struct
