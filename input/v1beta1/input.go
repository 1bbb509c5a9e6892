// Package v1beta1 contains the input of this function.
//
// +kubebuilder:object:generate=true
// +groupName=dittoserver.fn.crossplane.io
// +versionName=v1beta1
package v1beta1

import (
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
)

// APIVersion and Kind of the input.
const (
	APIVersion = "dittoserver.fn.crossplane.io/v1beta1"
	Kind       = "Input"
)

// A Compose is the way in which Kubernetes objects are composed.
type Compose string

// Ways to compose.
const (
	// ComposeObject composes provider-kubernetes Objects.
	ComposeObject Compose = "Object"

	// ComposeNative composes the Kubernetes objects themselves.
	ComposeNative Compose = "Native"
)

// A Generation is what the rollout digest takes for the generation of a DittoServer.
type Generation string

// Generations.
const (
	// GenerationSpec takes the user's own spec, without the fields that
	// Crossplane writes into it, and without those that touch no pod.
	GenerationSpec Generation = "Spec"

	// GenerationMetadata takes the number metadata.generation of the composite
	// resource. It also changes when Crossplane itself writes into spec.
	GenerationMetadata Generation = "Metadata"

	// GenerationNone leaves the generation out: only config.yaml and Secrets restart
	// a server.
	GenerationNone Generation = "None"
)

// A PodUser says who chooses the user and the groups of a pod.
type PodUser string

// Values of PodUser, which say who chooses the user and the groups of a pod.
const (
	// PodUserFixed has the function choose them: 65532.
	PodUserFixed PodUser = "Fixed"

	// PodUserAssigned leaves them to admission, as OpenShift has it.
	PodUserAssigned PodUser = "Assigned"
)

// A KindSource says how the function learns that the cluster of the servers has a kind.
//
// +kubebuilder:validation:Enum=Discover;Present
type KindSource string

// How the function learns that the cluster has a kind.
const (
	// KindDiscover has Crossplane look for its CustomResourceDefinition.
	KindDiscover KindSource = "Discover"

	// KindPresent takes the platform's word.
	KindPresent KindSource = "Present"
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
// field is optional, and so is the input.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:resource:categories=crossplane
type Input struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Compose is Object, which composes provider-kubernetes Objects, or Native, which
	// composes the Kubernetes objects themselves and needs a ClusterRole that lets
	// Crossplane manage StatefulSets. Default: Object. Any other value is an error, and
	// so is another value than a server was created with.
	// +kubebuilder:validation:Enum=Object;Native
	// +optional
	Compose Compose `json:"compose,omitempty"`

	// ProviderConfigRef names the ProviderConfig of the Objects. Default:
	// ClusterProviderConfig default for a namespaced composite resource, default
	// for a cluster-scoped one. Setting it with compose: Native is an error.
	// +optional
	ProviderConfigRef ProviderConfigRef `json:"providerConfigRef,omitzero"`

	// ConfigHash configures the rollout digest.
	// +optional
	ConfigHash ConfigHash `json:"configHash,omitzero"`

	// Namespace of the server, for a cluster-scoped composite resource without a
	// claim. Default: that of the DittoServer or the claim. For a namespaced composite
	// resource, another namespace than its own is an error.
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// TTL is how long Crossplane may wait before it calls the function again, as a
	// Go duration. Default: the function's flag --ttl. It is a minute at most while a StatefulSet that exists
	// starts or changes. Natively, it need not exist yet. The same holds while the API server refuses an object of a server that
	// starts, and while Crossplane's circuit breaker is open for the server. With zero, Crossplane otherwise calls for
	// events only, or as often as it polls if realtime compositions are off. A negative or a malformed duration is an error.
	// +optional
	TTL string `json:"ttl,omitempty"`

	// Labels of every object that a DittoServer becomes, except the pod. They win over spec.labels.
	// Volume claims get them when the StatefulSet is created. Default: none. A key or a value that
	// is an error in spec.labels is one here.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// Annotations of every object that a DittoServer becomes, except the pod. They win over
	// spec.annotations. Volume claims get them when the StatefulSet is created. Default: none.
	// A key or a value that is an error in spec.annotations is one here.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`

	// PodUser is Fixed or Assigned. With Fixed, the pod runs as user, group and fsGroup 65532.
	// With Assigned, it has only those that the DittoServer sets, and an admission plugin, such as
	// that of OpenShift, fills in the others. A change for a running server waits for approval,
	// because its files belong to its user. Default: Fixed. Any other value is an error.
	// +kubebuilder:validation:Enum=Fixed;Assigned
	// +optional
	PodUser PodUser `json:"podUser,omitempty"`

	// Defaults is a partial spec that counts where a DittoServer sets nothing. The function merges
	// objects. Any other value in a DittoServer, also a list, replaces the default. Names of
	// Secrets and ConfigMaps refer to the DittoServer's own namespace. The status of a DittoServer
	// lists the fields that come from here. Default: none. An error in a DittoServer is one here,
	// for each DittoServer that it reaches.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	// +optional
	Defaults *runtime.RawExtension `json:"defaults,omitempty"`

	// NetworkPolicy has what the NetworkPolicies of DittoServers need to know of the cluster:
	// its nodes, and its name servers.
	// +optional
	NetworkPolicy NetworkPolicy `json:"networkPolicy,omitzero"`

	// Kinds are those that not every cluster has, and that DittoServers may have objects of:
	// ServiceMonitor, HTTPRoute, BackendTLSPolicy, TLSRoute. With Discover, Crossplane looks for
	// the CustomResourceDefinition in its own cluster. Present is for another cluster, which a
	// ProviderConfig leads to. If a kind is missing, the function does not compose the object, and
	// the DittoServer gets a warning. First give the rights on the objects to Crossplane or the
	// provider. Default: none, of which no object is composed. Any other kind or value is an
	// error.
	// +optional
	Kinds map[string]KindSource `json:"kinds,omitempty"`

	// ServiceMonitor is what is the same for the ServiceMonitors of all DittoServers.
	// +optional
	ServiceMonitor ServiceMonitor `json:"serviceMonitor,omitzero"`

	// Route is what is the same for the routes of all DittoServers.
	// +optional
	Route Route `json:"route,omitzero"`

	// Policy restricts what a DittoServer may ask for. A list that is left out allows everything,
	// and so does one with the entry "*"; an empty list allows nothing. Within an entry, "*"
	// stands for any number of any characters, also slashes. Where entries are keys, key=value
	// allows the key with such a value only, and a key alone allows it with any. More than 128
	// entries are an error.
	// +optional
	Policy Policy `json:"policy,omitzero"`

	// Claims configures what the function does with PersistentVolumeClaims.
	// +optional
	Claims Claims `json:"claims,omitzero"`
}

// Claims configures what the function does with PersistentVolumeClaims.
type Claims struct {
	// Read has Crossplane fetch the PersistentVolumeClaims of a server from its own cluster. It
	// needs the right to: without it, no DittoServer of the Composition can be reconciled. Do not
	// set it where a ProviderConfig leads to another cluster. The function then reports what
	// exists before a server first starts, and natively sees whether claims have grown.
	// Default: false.
	// +optional
	Read bool `json:"read,omitempty"`

	// Labels that claims get when they are created, and never later. They win over all others.
	// Default: none. A key or a value that is an error in spec.labels is one here.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// Annotations that claims get when they are created, and never later. They win over all
	// others. Default: none. A key or a value that is an error in spec.annotations is one here.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// A ProviderConfigRef names a ProviderConfig of provider-kubernetes.
type ProviderConfigRef struct {
	// Kind is ClusterProviderConfig or ProviderConfig. Default:
	// ClusterProviderConfig. Setting it for a cluster-scoped composite resource is an
	// error: the reference of its Objects has no kind.
	// +kubebuilder:validation:Enum=ClusterProviderConfig;ProviderConfig
	// +optional
	Kind string `json:"kind,omitempty"`

	// Name of the ProviderConfig. Default: default. A name that is not a DNS subdomain
	// is an error.
	// +optional
	Name string `json:"name,omitempty"`
}

// ConfigHash configures the rollout digest.
type ConfigHash struct {
	// Generation is what the digest takes for the generation: Spec (the user's own
	// spec), Metadata (metadata.generation) or None. Default: Spec. Any other value is
	// an error.
	// +kubebuilder:validation:Enum=Spec;Metadata;None
	// +optional
	Generation Generation `json:"generation,omitempty"`
}

// A NetworkPolicy is what is the same for the NetworkPolicies of all DittoServers. A list has up to
// 128 items.
type NetworkPolicy struct {
	// NodeRanges are the CIDRs of the cluster's nodes, for servers that admit them by
	// networkPolicy.ingress.nodes. Default: none. Text that is not a CIDR is an error.
	// +optional
	NodeRanges []string `json:"nodeRanges,omitempty"`

	// DNS are the rules that let servers with egress reach name servers. Default: port 53 of
	// all, over UDP and TCP. A value that Kubernetes refuses is an error.
	// +optional
	DNS []networkingv1.NetworkPolicyEgressRule `json:"dns,omitempty"`
}

// A ServiceMonitor is what is the same for the ServiceMonitors of all DittoServers.
type ServiceMonitor struct {
	// Labels by which a Prometheus selects its ServiceMonitors. They win over all others. Default:
	// none. A key or a value that is an error in spec.labels is one here.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
}

// A Route is what is the same for the routes of all DittoServers.
type Route struct {
	// ParentRefs are the Gateways of DittoServers that name none. Default: none. An error in
	// spec.api.route.parentRefs is one here.
	// +optional
	ParentRefs []v1alpha1.GatewayRef `json:"parentRefs,omitempty"`
}

// A Permission says whether a DittoServer may have something at all.
type Permission string

// Permissions.
const (
	Allow  Permission = "Allow"
	Forbid Permission = "Forbid"
)

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
	if in.PodUser == "" {
		in.PodUser = PodUserFixed
	}
	if in.Policy.PodSecurity == "" {
		in.Policy.PodSecurity = PodSecurityRestricted
	}
	if in.Policy.Config == "" {
		in.Policy.Config = Allow
	}
	if in.Policy.PodDisruptionBudget == "" {
		in.Policy.PodDisruptionBudget = Allow
	}
}
