// Package v1beta1 contains the input of this function.
//
// +kubebuilder:object:generate=true
// +groupName=dittoserver.fn.crossplane.io
// +versionName=v1beta1
package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// APIVersion and Kind of the input.
const (
	APIVersion = "dittoserver.fn.crossplane.io/v1beta1"
	Kind       = "Input"
)

// A Compose says how Kubernetes objects are composed.
type Compose string

// Ways to compose.
const (
	// ComposeObject composes provider-kubernetes Objects.
	ComposeObject Compose = "Object"

	// ComposeNative composes the Kubernetes objects themselves.
	ComposeNative Compose = "Native"
)

// A Generation says what the rollout digest takes for the generation of a
// DittoServer.
type Generation string

// Generations.
const (
	// GenerationSpec takes the user's own spec, without the fields that
	// Crossplane writes into it, and without replicas and rollout.
	GenerationSpec Generation = "Spec"

	// GenerationMetadata takes the number metadata.generation of the composite
	// resource, which Crossplane's own writes into spec move too.
	GenerationMetadata Generation = "Metadata"

	// GenerationNone takes nothing: only config.yaml and Secrets restart a
	// server.
	GenerationNone Generation = "None"
)

// A PodSecurity is a level of the Pod Security Standards.
type PodSecurity string

// Pod Security Standards.
const (
	PodSecurityRestricted PodSecurity = "restricted"
	PodSecurityBaseline   PodSecurity = "baseline"
	PodSecurityPrivileged PodSecurity = "privileged"
)

// Input configures the function for all DittoServers of a Composition. Every
// field is optional; no input at all means all defaults.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:resource:categories=crossplane
type Input struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Compose says how Kubernetes objects are composed: Object, as
	// provider-kubernetes Objects; or Native, as they are, which needs a ClusterRole
	// that lets Crossplane work with StatefulSets. Default: Object. Any other value is
	// an error, and so is one that differs from how a server runs.
	// +kubebuilder:validation:Enum=Object;Native
	// +optional
	Compose Compose `json:"compose,omitempty"`

	// ProviderConfigRef names the ProviderConfig of the Objects. Default:
	// ClusterProviderConfig default for a namespaced composite resource, default
	// for a cluster-scoped one. An error where there are no Objects.
	// +optional
	ProviderConfigRef ProviderConfigRef `json:"providerConfigRef,omitzero"`

	// ConfigHash configures the rollout digest.
	// +optional
	ConfigHash ConfigHash `json:"configHash,omitzero"`

	// Namespace of the server, for a cluster-scoped composite resource without a
	// claim. Default: that of the DittoServer or the claim. A namespace that differs
	// from the one of a namespaced composite resource is an error.
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// TTL is how long Crossplane may wait before it calls the function again, as a
	// Go duration. Default: the function's flag --ttl. A negative or a malformed
	// duration is an error.
	// +optional
	TTL string `json:"ttl,omitempty"`

	// Policy bounds what a DittoServer may ask for.
	// +optional
	Policy Policy `json:"policy,omitzero"`
}

// A ProviderConfigRef names a ProviderConfig of provider-kubernetes.
type ProviderConfigRef struct {
	// Kind is ClusterProviderConfig or ProviderConfig. Default:
	// ClusterProviderConfig. An error for a cluster-scoped composite resource,
	// whose Objects know no kind.
	// +kubebuilder:validation:Enum=ClusterProviderConfig;ProviderConfig
	// +optional
	Kind string `json:"kind,omitempty"`

	// Name of the ProviderConfig. Default: default. A name that is no DNS subdomain is
	// an error.
	// +optional
	Name string `json:"name,omitempty"`
}

// ConfigHash configures the rollout digest.
type ConfigHash struct {
	// Generation says what the digest takes for the generation: Spec, Metadata or
	// None. Default: Spec. Any other value is an error.
	// +kubebuilder:validation:Enum=Spec;Metadata;None
	// +optional
	Generation Generation `json:"generation,omitempty"`
}

// A Policy bounds what a DittoServer may ask for. Whoever may create a
// DittoServer otherwise runs any pod through the provider's rights.
type Policy struct {
	// PodSecurity is the Pod Security Standard that the pod must meet: restricted,
	// baseline or privileged. Default: restricted. Any other value is an error.
	// +kubebuilder:validation:Enum=restricted;baseline;privileged
	// +optional
	PodSecurity PodSecurity `json:"podSecurity,omitempty"`

	// Images are the allowed image prefixes, such as
	// registry.example.org/files/dittofs. A prefix ends at a "/", ":" or "@" of the
	// image. Default: any image. Any text is taken: one that no image begins with
	// allows none.
	// +optional
	Images []string `json:"images,omitempty"`

	// ServiceAccountNames are the service accounts that a DittoServer may name.
	// Default: any. A DittoServer that names none always passes. Any text is taken: a
	// name that no service account has allows none.
	// +optional
	ServiceAccountNames []string `json:"serviceAccountNames,omitempty"`
}

// Default fills in what was left out. The kind of a ProviderConfig has no default
// here: it depends on the scope of the composite resource.
func (in *Input) Default() {
	if in.Compose == "" {
		in.Compose = ComposeObject
	}
	if in.ProviderConfigRef.Name == "" && in.Compose != ComposeNative {
		in.ProviderConfigRef.Name = "default"
	}
	if in.ConfigHash.Generation == "" {
		in.ConfigHash.Generation = GenerationSpec
	}
	if in.Policy.PodSecurity == "" {
		in.Policy.PodSecurity = PodSecurityRestricted
	}
}
