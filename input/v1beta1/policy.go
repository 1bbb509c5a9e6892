package v1beta1

import (
	"strconv"
	"strings"
)

// MaxPolicyEntries is how many entries a list of the policy may have. Each may have to be compared
// with everything that a spec asks for.
const MaxPolicyEntries = 128

// OwnNamespace and OwnName stand for the DittoServer's in entries of routes.
const (
	OwnNamespace = "$(namespace)"
	OwnName      = "$(name)"
)

// PolicyAny is the entry of a list that allows everything.
const PolicyAny = "*"

// A Policy restricts what a DittoServer may ask for. Without it, anyone who may create
// a DittoServer could run any pod with the provider's rights.
type Policy struct {
	// PodSecurity is the Pod Security Standard that the pod must meet: restricted,
	// baseline or privileged. Default: restricted. Any other value is an error.
	// +kubebuilder:validation:Enum=restricted;baseline;privileged
	// +optional
	PodSecurity PodSecurity `json:"podSecurity,omitempty"`

	// Images are the allowed images. A registry, a folder of one, or a repository such as
	// registry.example.org/files/dittofs allows every image in it. A repository with a tag allows
	// no image with a digest, since the digest decides. A repository with a digest allows it with
	// any tag. An entry that ends with ":" or "@" allows any tag or any digest. Names without a
	// registry mean Docker Hub's. Default: any image. An invalid entry is not an error: it matches
	// nothing. "*" is any image only if it stands alone.
	// +optional
	Images []string `json:"images,omitempty"`

	// ServiceAccountNames are the service accounts that a DittoServer may name. Default: any. A
	// DittoServer that names none always passes. An invalid entry is not an error: it matches
	// nothing.
	// +optional
	ServiceAccountNames []string `json:"serviceAccountNames,omitempty"`

	// Secrets are the names of the Secrets that a DittoServer may name in any way: those that the
	// function reads, and those that the kubelet reads. Default: any. An invalid entry is not an
	// error: it matches nothing. A Secret that is not allowed is not read.
	// +optional
	Secrets []string `json:"secrets,omitempty"`

	// ConfigMaps are the names of the ConfigMaps that a DittoServer may name in extraEnv and
	// extraVolumes. Default: any. An invalid entry is not an error: it matches nothing.
	// +optional
	ConfigMaps []string `json:"configMaps,omitempty"`

	// ExtraVolumes are the kinds of extraVolumes that a DittoServer may have: secret,
	// configMap and downwardAPI. Default: any. Another kind is an error.
	// +optional
	ExtraVolumes []string `json:"extraVolumes,omitempty"`

	// Labels are keys of labels of every object but the pod, or key=value. Those of the input need
	// no entry. Default: any. An invalid entry is not an error: it matches nothing.
	// +optional
	Labels []string `json:"labels,omitempty"`

	// Annotations are keys of annotations of every object but the pod, or key=value. Those of the
	// input need no entry. On a Service, services.annotations must allow them as well. Default: any.
	// An invalid entry is not an error: it matches nothing.
	// +optional
	Annotations []string `json:"annotations,omitempty"`

	// Config is Allow or Forbid: whether a DittoServer may add keys to config.yaml, by
	// spec.config. Default: Allow. Any other value is an error. Variables DITTOFS_… of extraEnv
	// set such keys too: close pods.env as well.
	// +kubebuilder:validation:Enum=Allow;Forbid
	// +optional
	Config Permission `json:"config,omitempty"`

	// PodDisruptionBudget is Allow or Forbid: whether a DittoServer may have one, which holds up
	// every drain of its node. Default: Allow. Any other value is an error.
	// +kubebuilder:validation:Enum=Allow;Forbid
	// +optional
	PodDisruptionBudget Permission `json:"podDisruptionBudget,omitempty"`

	// NetworkPolicy restricts what the NetworkPolicy of a DittoServer may admit. NetworkPolicies add
	// up: it could open what one of the platform's keeps closed.
	// +optional
	NetworkPolicy NetworkPolicyPolicy `json:"networkPolicy,omitzero"`

	// Services restricts the file Service and the API Service.
	// +optional
	Services ServicePolicy `json:"services,omitzero"`

	// Scheduling restricts which nodes run the pod, and what it displaces.
	// +optional
	Scheduling SchedulingPolicy `json:"scheduling,omitzero"`

	// Pods restricts what else the pod may have.
	// +optional
	Pods PodPolicy `json:"pods,omitzero"`

	// Resources restricts the container's compute resources.
	// +optional
	Resources ResourcePolicy `json:"resources,omitzero"`

	// Storage restricts the volume claims.
	// +optional
	Storage StoragePolicy `json:"storage,omitzero"`

	// Routes restricts how Gateways lead to the REST API.
	// +optional
	Routes RoutePolicy `json:"routes,omitzero"`

	// Monitors restricts what Prometheus is asked to do.
	// +optional
	Monitors MonitorPolicy `json:"monitors,omitzero"`
}

// A RoutePolicy restricts how Gateways lead to the REST API.
type RoutePolicy struct {
	// Hostnames that a DittoServer may take, in which $(namespace) and $(name) stand for its own:
	// with $(name).$(namespace).files.example.org each has one, and nobody that of another.
	// Default: any. An entry that is no hostname matches nothing. $(name) or "*" in the same part
	// between dots as $(namespace) is an error, and so is "*" on both sides of $(namespace): two
	// servers could have the same.
	// +optional
	Hostnames []string `json:"hostnames,omitempty"`

	// Gateways that a DittoServer may name, as namespace/name for all of its listeners, or
	// namespace/name/listener, with $(namespace) and $(name) as in hostnames. Those of the input
	// need no entry. Default: any. An entry that is no Gateway matches nothing. $(name) or "*" in
	// the same part between slashes as $(namespace) is an error, and so is "*" on both sides of it.
	// +optional
	Gateways []string `json:"gateways,omitempty"`
}

// A MonitorPolicy restricts what Prometheus is asked to do.
type MonitorPolicy struct {
	// Labels are keys of labels by which a DittoServer may choose a Prometheus, or key=value. Those
	// of the input need no entry. The rule policy.labels judges those of all objects. Default: any.
	// An invalid entry is not an error: it matches nothing.
	// +optional
	Labels []string `json:"labels,omitempty"`

	// MinInterval is the shortest time between two scrapes that a DittoServer may ask for, as a Go
	// duration. Default: any. A DittoServer that asks for none gets that of Prometheus, and
	// passes. A negative or a malformed duration is an error.
	// +optional
	MinInterval string `json:"minInterval,omitempty"`
}

// A ServicePolicy restricts the file Service and the API Service.
type ServicePolicy struct {
	// Types are the types of Services: ClusterIP, NodePort and LoadBalancer. Default: any.
	// Another type is an error. The default of a DittoServer is LoadBalancer.
	// +optional
	Types []string `json:"types,omitempty"`

	// Annotations are keys of annotations of Services, or key=value. Default: any. An invalid entry
	// is not an error: it matches nothing.
	// +optional
	Annotations []string `json:"annotations,omitempty"`

	// LoadBalancerClasses are the classes that a DittoServer may name. Default: any. One that names
	// none gets the cluster's, and passes. An invalid entry is not an error: it matches nothing.
	// +optional
	LoadBalancerClasses []string `json:"loadBalancerClasses,omitempty"`

	// SourceRanges are CIDRs, in one of which each of loadBalancerSourceRanges must lie. A load
	// balancer without source ranges asks for all addresses, which only "*", or 0.0.0.0/0 with ::/0,
	// allow. Default: any. Text that is no CIDR is an error.
	// +optional
	SourceRanges []string `json:"sourceRanges,omitempty"`

	// Ports are those that a Service of type NodePort or LoadBalancer may have, each a number or a
	// range such as 445-2049: load balancers may share an address, and firewalls go by the port.
	// Default: any. Services of type ClusterIP pass. Anything else is an error.
	// +optional
	Ports []string `json:"ports,omitempty"`

	// NodePorts are the node ports that a DittoServer may choose, each a number or a range such as
	// 32000-32099. Default: any. Those that Kubernetes allocates pass. Anything else is an error.
	// +optional
	NodePorts []string `json:"nodePorts,omitempty"`
}

// A NetworkPolicyPolicy restricts what NetworkPolicies may admit.
type NetworkPolicyPolicy struct {
	// IngressNamespaces are other namespaces, whose pods may be admitted. The server's own always
	// passes. A namespace selector asks for the names that it gives kubernetes.io/metadata.name,
	// and any other one takes "*". Default: any. An invalid entry is not an error: it matches
	// nothing.
	// +optional
	IngressNamespaces []string `json:"ingressNamespaces,omitempty"`

	// IngressRanges are CIDRs, in one of which each admitted ipBlock must lie. The exceptions of
	// the ipBlock do not count. Those of the input's nodeRanges need no entry. Default: any. Text
	// that is no CIDR is an error.
	// +optional
	IngressRanges []string `json:"ingressRanges,omitempty"`

	// EgressNamespaces are other namespaces, whose pods the server may be let reach, as for
	// ingress. A rule that names nobody takes "*" here and in egressRanges. Default: any. An
	// invalid entry is not an error: it matches nothing.
	// +optional
	EgressNamespaces []string `json:"egressNamespaces,omitempty"`

	// EgressRanges are CIDRs, in one of which each ipBlock must lie that the server may be let reach.
	// The rules of the input's dns need no entry. Default: any. Text that is no CIDR is an error.
	// +optional
	EgressRanges []string `json:"egressRanges,omitempty"`
}

// A SchedulingPolicy restricts which nodes run the pod, and what it displaces.
type SchedulingPolicy struct {
	// PriorityClassNames are the priority classes that a DittoServer may name. Default: any. One
	// that names none gets the cluster's default, and passes. An invalid entry is not an error: it
	// matches nothing.
	// +optional
	PriorityClassNames []string `json:"priorityClassNames,omitempty"`

	// Tolerations are keys of taints that the pod may tolerate, or key=value. A toleration without
	// a key tolerates every taint, and takes "*". Default: any. An invalid entry is not an error:
	// it matches nothing.
	// +optional
	Tolerations []string `json:"tolerations,omitempty"`

	// NodeLabels are labels by which nodeSelector and node affinity may choose nodes: keys, or
	// key=value. An expression with another operator than In takes the key alone. A node's name is
	// metadata.name. The topologyKey of a topologySpreadConstraint or of podAffinity takes the key
	// alone, too, but for kubernetes.io/hostname. Default: any. An invalid entry is not an error:
	// it matches nothing.
	// +optional
	NodeLabels []string `json:"nodeLabels,omitempty"`

	// PodNamespaces are other namespaces, to whose pods affinity and anti-affinity may refer. The
	// server's own always passes, and a namespace selector takes "*". Default: any. An invalid
	// entry is not an error: it matches nothing.
	// +optional
	PodNamespaces []string `json:"podNamespaces,omitempty"`
}

// A PodPolicy restricts what else the pod may have.
type PodPolicy struct {
	// Labels are keys of podLabels, or key=value. Default: any. An invalid entry is not an error:
	// it matches nothing.
	// +optional
	Labels []string `json:"labels,omitempty"`

	// Annotations are keys of podAnnotations, or key=value. Default: any. An invalid entry is not
	// an error: it matches nothing.
	// +optional
	Annotations []string `json:"annotations,omitempty"`

	// Env are names of environment variables in extraEnv. Default: any. An invalid entry is not an
	// error: it matches nothing. DITTOFS_* allows what config: Forbid forbids.
	// +optional
	Env []string `json:"env,omitempty"`

	// IDs are the users and groups that the pod may run as, and groups of its files, each a number
	// or a range such as 1000-1999. Default: any. The function's own, 65532, always passes. Anything
	// else is an error.
	// +optional
	IDs []string `json:"ids,omitempty"`

	// MaxGracePeriod is the longest time that the pod may take to stop, as a Go duration.
	// Default: any. A negative or a malformed duration is an error.
	// +optional
	MaxGracePeriod string `json:"maxGracePeriod,omitempty"`

	// MaxStartupTime is the longest time that the pod may take to start, as a Go duration.
	// Default: any. A negative or a malformed duration is an error.
	// +optional
	MaxStartupTime string `json:"maxStartupTime,omitempty"`
}

// A ResourcePolicy restricts the container's compute resources.
type ResourcePolicy struct {
	// Names are the resources that a DittoServer may ask for, such as cpu and memory. Default: any.
	// An invalid entry is not an error: it matches nothing.
	// +optional
	Names []string `json:"names,omitempty"`

	// Required are what each DittoServer must set, such as requests.cpu and limits.memory, and not
	// to zero. Default: none. An entry that does not begin with requests. or limits. is an error.
	// +optional
	Required []string `json:"required,omitempty"`

	// Max is how much of a resource a request or a limit may be. Default: any. A malformed
	// quantity is an error. A container without a limit can use all of its node, so require
	// limits, too.
	// +optional
	Max map[string]string `json:"max,omitempty"`
}

// A StoragePolicy restricts the volume claims.
type StoragePolicy struct {
	// StorageClassNames are the classes that a DittoServer may name. Default: any. One that names
	// none gets the cluster's default, and passes; the empty name is an entry of its own, and lets
	// claims bind volumes that an administrator made. An invalid entry is not an error: it matches
	// nothing.
	// +optional
	StorageClassNames []string `json:"storageClassNames,omitempty"`

	// VolumeAttributesClassNames are the classes of volume attributes that a DittoServer may name.
	// Default: any. An invalid entry is not an error: it matches nothing.
	// +optional
	VolumeAttributesClassNames []string `json:"volumeAttributesClassNames,omitempty"`

	// DataSources are what claims may be filled from, each as Kind/name, or as Kind/namespace/name
	// in another namespace. Default: any. An invalid entry is not an error: it matches nothing.
	// +optional
	DataSources []string `json:"dataSources,omitempty"`

	// MaxSize is the largest size of a claim, as a Kubernetes quantity. Default: any. A malformed
	// quantity is an error.
	// +optional
	MaxSize string `json:"maxSize,omitempty"`
}

// ParseRange returns the first and the last number of an entry that is a number or a range, and
// whether it is one.
func ParseRange(entry string) (first, last int64, ok bool) {
	from, to, isRange := strings.Cut(entry, "-")
	if !isRange {
		to = from
	}

	// Unlike ParseInt, ParseUint takes no sign.
	a, errFirst := strconv.ParseUint(from, 10, 63)
	b, errLast := strconv.ParseUint(to, 10, 63)

	return int64(a), int64(b), errFirst == nil && errLast == nil && a <= b
}
