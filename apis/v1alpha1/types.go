package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// A Rollout is how a change that restarts the server is rolled out.
type Rollout string

// Rollouts.
const (
	// RolloutAutomatic restarts the server as soon as its configuration, its
	// Secrets or its generation change.
	RolloutAutomatic Rollout = "Automatic"

	// RolloutManual holds every restart until the annotation dittofs.io/approve
	// names the digest that is waiting.
	RolloutManual Rollout = "Manual"
)

// OnChange is what a new value of a file or a variable does to the server.
type OnChange string

// What a new value does.
const (
	// OnChangeIgnore leaves it to the kubelet to replace the file, and to the server to read it. A
	// variable gets its new value at the next start.
	OnChangeIgnore OnChange = "Ignore"

	// OnChangeRestart restarts the server.
	OnChangeRestart OnChange = "Restart"
)

// A DatabaseType is a kind of control-plane database.
type DatabaseType string

// Database types.
const (
	DatabaseSQLite   DatabaseType = "sqlite"
	DatabasePostgres DatabaseType = "postgres"
)

// A Phase summarises what a DittoServer is doing.
type Phase string

// Phases.
const (
	// PhasePending means that no StatefulSet exists yet.
	PhasePending Phase = "Pending"

	// PhaseProgressing means that the live StatefulSet does not match what was asked
	// yet, or is not ready.
	PhaseProgressing Phase = "Progressing"

	// PhaseRunning means that the live StatefulSet matches what was asked, and is ready.
	PhaseRunning Phase = "Running"

	// PhaseStopped means that the server has zero replicas, as asked.
	PhaseStopped Phase = "Stopped"

	// PhaseFailed means that a composed resource cannot be applied. The condition
	// Applied tells which one, and why.
	PhaseFailed Phase = "Failed"
)

// A DittoServer is a DittoFS file server: NFS and, if enabled, SMB, managed over
// a REST API. Shares, stores, users and adapters are managed over that API, not
// here.
//
// +kubebuilder:object:root=true
// +kubebuilder:printcolumn:name="PHASE",type="string",JSONPath=".status.phase"
// +kubebuilder:printcolumn:name="ROLLOUT",type="string",JSONPath=".status.conditions[?(@.type=='ConfigRolledOut')].reason"
// +kubebuilder:printcolumn:name="NFS",type="string",JSONPath=".status.endpoints.nfs"
// +kubebuilder:printcolumn:name="API",type="string",JSONPath=".status.endpoints.api",priority=1
type DittoServer struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec DittoServerSpec `json:"spec"`

	// +optional
	Status DittoServerStatus `json:"status,omitzero"`
}

// DittoServerSpec is the desired state of a DittoFS server.
//
// The function applies defaults, not the API server: the stored spec stays what the
// user wrote.
//
// +kubebuilder:validation:XValidation:rule="(has(self.nfsPort) ? self.nfsPort : 2049) != (has(self.apiPort) ? self.apiPort : 8080)",message="nfsPort and apiPort must differ"
// +kubebuilder:validation:XValidation:rule="!(has(self.smb) && has(self.smb.enabled) && self.smb.enabled) || !((has(self.smb.port) ? self.smb.port : 445) in [(has(self.nfsPort) ? self.nfsPort : 2049), (has(self.apiPort) ? self.apiPort : 8080)])",message="smb.port must differ from nfsPort and apiPort"
// +kubebuilder:validation:XValidation:rule="!(has(self.metrics) && has(self.metrics.enabled) && self.metrics.enabled) || !((has(self.metrics.port) ? self.metrics.port : 9090) in [(has(self.nfsPort) ? self.nfsPort : 2049), (has(self.apiPort) ? self.apiPort : 8080)])",message="metrics.port must differ from nfsPort and apiPort"
// +kubebuilder:validation:XValidation:rule="!(has(self.metrics) && has(self.metrics.enabled) && self.metrics.enabled && has(self.smb) && has(self.smb.enabled) && self.smb.enabled) || (has(self.metrics.port) ? self.metrics.port : 9090) != (has(self.smb.port) ? self.smb.port : 445)",message="metrics.port and smb.port must differ"
// +kubebuilder:validation:XValidation:rule="(has(self.adapterPorts) && has(self.adapterPorts.nfs) ? self.adapterPorts.nfs : 12049) != (has(self.adapterPorts) && has(self.adapterPorts.smb) ? self.adapterPorts.smb : 1445)",message="adapterPorts.nfs and adapterPorts.smb must differ"
// +kubebuilder:validation:XValidation:rule="!((has(self.apiPort) ? self.apiPort : 8080) in [(has(self.adapterPorts) && has(self.adapterPorts.nfs) ? self.adapterPorts.nfs : 12049), (has(self.adapterPorts) && has(self.adapterPorts.smb) ? self.adapterPorts.smb : 1445)])",message="apiPort must differ from adapterPorts.nfs and adapterPorts.smb: the server listens on all of them"
// +kubebuilder:validation:XValidation:rule="!(has(self.metrics) && has(self.metrics.enabled) && self.metrics.enabled) || !((has(self.metrics.port) ? self.metrics.port : 9090) in [(has(self.adapterPorts) && has(self.adapterPorts.nfs) ? self.adapterPorts.nfs : 12049), (has(self.adapterPorts) && has(self.adapterPorts.smb) ? self.adapterPorts.smb : 1445)])",message="metrics.port must differ from adapterPorts.nfs and adapterPorts.smb: the server listens on all of them"
type DittoServerSpec struct {
	// Version is the DittoFS release to run, such as 0.29.0 or v0.29.0. It selects
	// the image tag and the configuration keys that this release knows. Default:
	// none, which writes a configuration that every release from 0.4.0 on starts
	// with. A version that is not a semantic version or is below 0.4.0 is an error;
	// one above the newest known release gets that release's keys and a warning.
	// +optional
	Version string `json:"version,omitempty"`

	// Image is the container image. Default: marmos91c/dittofs:v<version>. Without
	// image and version, a new server gets a pinned release (never latest), and a
	// running one keeps its image. Text that is not an image reference, and an image
	// that the platform's policy does not allow, are errors.
	// +optional
	Image string `json:"image,omitempty"`

	// ImagePullPolicy is the container's pull policy: Always, IfNotPresent or
	// Never. Default: Kubernetes' own. Any other value is an error.
	// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
	// +optional
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`

	// ImagePullSecrets name Secrets in the server's namespace that hold registry
	// credentials. Default: none. An entry without a name is an error.
	// +optional
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`

	// Labels of every composed object but the pod, which has podLabels: of the StatefulSet, the
	// ConfigMap, the Services and what else there is. Volume claims get them when the StatefulSet
	// is created. Default: none. A key that the function sets (app.kubernetes.io/name, instance,
	// version, component, managed-by) is an error, and so is an invalid label. Keys of Crossplane,
	// of this function and of the controllers of volumes are errors too.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// Annotations of every composed object but the pod, which has podAnnotations. Volume claims
	// get them when the StatefulSet is created. Those of one object, such as
	// service.annotations, win. Default: none. More than 16 KiB together, a key that Kubernetes
	// refuses, and keys of Crossplane, of this function or of the controllers of volumes are
	// errors.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`

	// Rollout is Automatic, which restarts the server as soon as a change needs it, or
	// Manual, which waits for the annotation dittofs.io/approve before it restarts a
	// running server. Default: Automatic. Any other value is an error.
	// +kubebuilder:validation:Enum=Automatic;Manual
	// +optional
	Rollout Rollout `json:"rollout,omitempty"`

	// Replicas is the number of servers: 1, or 0 to stop the server and keep its
	// data. Default: 1. Any other number is an error.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`

	// NFSPort is the port of the file Service for NFS, 1 to 65535. Default: 2049.
	// A port that another enabled Service port uses is an error.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +optional
	NFSPort *int32 `json:"nfsPort,omitempty"`

	// SMB configures the file Service for SMB.
	// +optional
	SMB SMB `json:"smb,omitzero"`

	// Portmapper lets clients find NFS by the file Service's port 111.
	// +optional
	Portmapper Portmapper `json:"portmapper,omitzero"`

	// APIPort is the port of the REST API, on its Service and in the container, 1
	// to 65535. Default: 8080. A port that another enabled Service or container
	// port uses is an error; one below 1024 gets a safe sysctl and a warning.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +optional
	APIPort *int32 `json:"apiPort,omitempty"`

	// API configures how the REST API is served.
	// +optional
	API API `json:"api,omitzero"`

	// Metrics configures the Prometheus endpoint.
	// +optional
	Metrics Metrics `json:"metrics,omitzero"`

	// AdapterPorts are where the server's NFS and SMB adapters listen in the
	// container. Set them only after changing the adapters over the REST API.
	// +optional
	AdapterPorts AdapterPorts `json:"adapterPorts,omitzero"`

	// Service configures the file Service and the API Service.
	// +optional
	Service Service `json:"service,omitzero"`

	// NetworkPolicy admits those that may reach the server, and nobody else. Default: none, which
	// leaves it to the policies of the namespace.
	// +optional
	NetworkPolicy *NetworkPolicy `json:"networkPolicy,omitempty"`

	// PodDisruptionBudget decides what drains of nodes do.
	// +optional
	PodDisruptionBudget PodDisruptionBudget `json:"podDisruptionBudget,omitzero"`

	// Database is the control-plane database. It holds shares, users and adapters.
	// +optional
	Database Database `json:"database,omitzero"`

	// Identity configures the tokens of the REST API, the first administrator, and where users
	// are looked up.
	Identity Identity `json:"identity"`

	// Cache configures the cache of DittoFS 0.4 to 0.8; later releases have none.
	// +optional
	Cache Cache `json:"cache,omitzero"`

	// Logging configures the server's log.
	// +optional
	Logging Logging `json:"logging,omitzero"`

	// Telemetry configures OpenTelemetry traces of DittoFS 0.4 to 0.6; later
	// releases have none.
	// +optional
	Telemetry Telemetry `json:"telemetry,omitzero"`

	// StartupTimeout is how long a start may take before the kubelet restarts the container, as a Go
	// duration, in steps of 5 seconds. Default: 150s. Less than a second, more than 24h and a
	// malformed duration are errors.
	// +optional
	StartupTimeout string `json:"startupTimeout,omitempty"`

	// ShutdownTimeout bounds each stage of a shutdown, as a Go duration such as
	// 30s or 1m30s. Default: 30s. Zero, a negative or a malformed duration is an
	// error.
	// +optional
	ShutdownTimeout string `json:"shutdownTimeout,omitempty"`

	// Config adds keys to config.yaml that no other field has, such as gc or logging.rotation.
	// Objects are merged. It adds keys, and cannot take one away. Default: none. A key that a
	// field, a Secret or the REST API decides is an error, and so is one with other characters than
	// lowercase letters, digits and underscores. Null, a whole number of 2^53 or more, more than
	// 512 values in all, and a value that the server would refuse are errors too. A key that the
	// release does not know gets a warning.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Config *runtime.RawExtension `json:"config,omitempty"`

	// Storage sizes the volume claims. They are kept when the server is deleted. A
	// fraction of a byte and less than 1Mi get a warning.
	// +optional
	Storage Storage `json:"storage,omitzero"`

	// Resources are the container's compute resources. Default: none. A request
	// above its limit is an error. A fraction of a byte, such as a memory of 512m, and
	// less than 1Mi get a warning.
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitzero"`

	// PodSecurityContext overrides the pod's security context field by field, within the platform's
	// policy. Default: user, group and fsGroup 65532, non-root, RuntimeDefault seccomp profile. A
	// value that Kubernetes refuses or the policy does not allow is an error.
	// +optional
	PodSecurityContext *corev1.PodSecurityContext `json:"podSecurityContext,omitempty"`

	// SecurityContext overrides the container's security context field by field, within the
	// platform's policy. Default: no privilege escalation, read-only root file system, all
	// capabilities dropped. A value that Kubernetes refuses or the policy does not allow is an
	// error.
	// +optional
	SecurityContext *corev1.SecurityContext `json:"securityContext,omitempty"`

	// NodeSelector selects the nodes that may run the server. Default: none. A key
	// or value that cannot be a label's is an error.
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// Tolerations of the pod. Default: none. An operator or effect that Kubernetes
	// does not know is an error.
	// +optional
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`

	// Affinity of the pod. Default: none. A term that Kubernetes refuses is an error.
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`

	// TopologySpreadConstraints of the pod. Default: none. A constraint without
	// topologyKey, maxSkew or whenUnsatisfiable is an error.
	// +optional
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`

	// PriorityClassName of the pod. Default: none. A name that is not a DNS subdomain
	// is an error.
	// +optional
	PriorityClassName string `json:"priorityClassName,omitempty"`

	// ServiceAccountName of the pod. Default: Kubernetes' own, default. The pod mounts
	// no token. A name that the platform's policy does not allow is an error.
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// PodAnnotations are added to the pod template. Default: none. A key in the
	// domain dittofs.io is an error.
	// +optional
	PodAnnotations map[string]string `json:"podAnnotations,omitempty"`

	// PodLabels are added to the pod template. Default: none. A key that the
	// function sets (app.kubernetes.io/name, instance, version, component,
	// managed-by) is an error.
	// +optional
	PodLabels map[string]string `json:"podLabels,omitempty"`

	// ExtraEnv are environment variables of the container. Default: none. More than 10 that
	// restart the server when their value changes are an error.
	// +optional
	ExtraEnv []ExtraEnv `json:"extraEnv,omitempty"`

	// ExtraVolumes are files that the server finds besides its configuration: keys of encrypted
	// stores, certificates of NFS over TLS. They are read-only, and the pod's group may read
	// them. Default: none. More than 16 are an error.
	// +optional
	ExtraVolumes []ExtraVolume `json:"extraVolumes,omitempty"`

	// TerminationGracePeriodSeconds is the time that the pod has to stop, in
	// seconds. Default: 5 (preStop) + 3 × shutdownTimeout + 10. A number below 5 is an
	// error: the preStop hook sleeps for 5 seconds.
	// +kubebuilder:validation:Minimum=5
	// +optional
	TerminationGracePeriodSeconds *int64 `json:"terminationGracePeriodSeconds,omitempty"`
}

// An ExtraEnv is an environment variable of the container: Kubernetes' own, and what a new value of
// a Secret does.
type ExtraEnv struct {
	// Name of the variable. A name that is malformed, that another entry has or that the
	// function sets is an error. So is a variable DITTOFS_… that would win over config, or over
	// a field such as api.tls that the spec has, too. Without the field it gets a warning.
	Name string `json:"name"`

	// Value of the variable, in which Kubernetes replaces $(NAME) by the value of another one.
	// Default: none. A value beside valueFrom is an error.
	// +optional
	Value string `json:"value,omitempty"`

	// ValueFrom tells where the value is from: a key of a Secret or a ConfigMap in the server's own
	// namespace, a field of the pod, or a resource of the container. Default: none. A value that
	// Kubernetes refuses is an error.
	// +optional
	ValueFrom *corev1.EnvVarSource `json:"valueFrom,omitempty"`

	// OnChange is Ignore, which keeps a new value for the next start of the server, or Restart,
	// which restarts it. Default: Ignore. Any other value is an error, and so is Restart for
	// anything but a key of a Secret that is not optional.
	// +kubebuilder:validation:Enum=Ignore;Restart
	// +optional
	OnChange OnChange `json:"onChange,omitempty"`
}

// An ExtraVolume is a directory of files. It has exactly one source.
type ExtraVolume struct {
	// Name of the volume. In the pod, it is extra- and this name. A name that is no DNS label,
	// has more than 57 characters, or is another volume's is an error.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`

	// MountPath of the directory. A path that is not absolute and clean, or has a colon, is an
	// error. So is one that overlaps a claim, the configuration, another volume or a directory of
	// the system. It has at most 1024 bytes, and 255 between two slashes. Below /etc is a good
	// place.
	// +kubebuilder:validation:MinLength=1
	MountPath string `json:"mountPath"`

	// Secret has the files.
	// +optional
	Secret *SecretFiles `json:"secret,omitempty"`

	// ConfigMap has the files.
	// +optional
	ConfigMap *ConfigMapFiles `json:"configMap,omitempty"`

	// DownwardAPI makes files of information about the pod.
	// +optional
	DownwardAPI *PodFiles `json:"downwardAPI,omitempty"`

	// OnChange is Ignore, which leaves a new value to the server to read, or Restart, which
	// restarts it. Default: Ignore. Any other value is an error, and so is Restart for
	// anything but a Secret.
	// +kubebuilder:validation:Enum=Ignore;Restart
	// +optional
	OnChange OnChange `json:"onChange,omitempty"`
}

// SecretFiles are keys of a Secret in the server's own namespace, as files.
type SecretFiles struct {
	// SecretName is the name of the Secret. A name that is not a DNS subdomain is an error.
	// +kubebuilder:validation:MinLength=1
	SecretName string `json:"secretName"`

	// Items are the keys that become files. The pod does not start without one of them. None
	// and more than 64 are an error.
	// +kubebuilder:validation:MinItems=1
	Items []FileItem `json:"items"`
}

// ConfigMapFiles are keys of a ConfigMap in the server's own namespace, as files.
type ConfigMapFiles struct {
	// Name of the ConfigMap. A name that is not a DNS subdomain is an error.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`

	// Items are the keys that become files. The pod does not start without one of them. None
	// and more than 64 are an error.
	// +kubebuilder:validation:MinItems=1
	Items []FileItem `json:"items"`
}

// A FileItem is a key that becomes a file.
type FileItem struct {
	// Key of the Secret or the ConfigMap. Text that cannot be a key is an error.
	// +kubebuilder:validation:MinLength=1
	Key string `json:"key"`

	// Path of the file, below the directory. Default: that of the key's name. A path that is
	// absolute or not clean, and one that another file has or is in, is an error.
	// +optional
	Path string `json:"path,omitempty"`
}

// PodFiles are files with information about the pod.
type PodFiles struct {
	// Items are the files. None and more than 64 are an error.
	// +kubebuilder:validation:MinItems=1
	Items []PodFile `json:"items"`
}

// A PodFile is a file with information about the pod. It has exactly one source.
type PodFile struct {
	// Path of the file, below the directory. A path that is absolute or not clean, and one
	// that another file has or is in, is an error.
	// +kubebuilder:validation:MinLength=1
	Path string `json:"path"`

	// FieldRef names a field of the pod: its name, namespace, uid, labels or annotations.
	// Default: none. Any other field is an error.
	// +optional
	FieldRef *corev1.ObjectFieldSelector `json:"fieldRef,omitempty"`

	// ResourceFieldRef names a resource of the container, such as limits.memory. Default:
	// none. A value that Kubernetes refuses is an error.
	// +optional
	ResourceFieldRef *corev1.ResourceFieldSelector `json:"resourceFieldRef,omitempty"`
}

// SMB configures the file Service for SMB.
type SMB struct {
	// Enabled adds SMB to the file Service. Default: false.
	// +optional
	Enabled bool `json:"enabled,omitempty"`

	// Port is the port of the file Service for SMB, 1 to 65535. Default: 445. Used only
	// if SMB is enabled: then a port that another enabled Service port uses is an error.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +optional
	Port *int32 `json:"port,omitempty"`
}

// Portmapper lets clients find NFS by the file Service's port 111.
type Portmapper struct {
	// Enabled adds port 111, over TCP, to the file Service, which leads to port 10111 of the
	// container. The server listens there once its portmapper is turned on over the REST API. It
	// tells clients the port where the NFS adapter listens: nfsPort must be the same as
	// adapterPorts.nfs, or it is an error, and so is another port that is 111 on a Service or
	// 10111 in the container. Default: false.
	// +optional
	Enabled bool `json:"enabled,omitempty"`
}

// API configures how the REST API is served.
type API struct {
	// TLS serves the REST API over HTTPS, and over nothing else. Default: none, which
	// serves plain HTTP. A DittoFS release before 0.17 is an error.
	// +optional
	TLS *TLS `json:"tls,omitempty"`

	// Route leads clients of a Gateway to the REST API: an HTTPRoute, with a BackendTLSPolicy where
	// the API is served over TLS; or, where the API asks for certificates of clients, a TLSRoute,
	// since only the server can see those. Each is composed where the function's input names the
	// kind, and the cluster has it; a kind that is missing gets a warning. Default: none.
	// +optional
	Route *Route `json:"route,omitempty"`
}

// A Route leads clients of a Gateway to the REST API.
type Route struct {
	// Hostnames by which clients reach the API. None, more than 16, one that is not a DNS
	// subdomain, an IP address, a wildcard and one that is there twice are errors.
	// +kubebuilder:validation:MinItems=1
	Hostnames []string `json:"hostnames"`

	// ParentRefs are the Gateways. Default: those of the function's input. None in either and more
	// than 16 are errors, and so is a Gateway that is there twice without a sectionName of its own.
	// +optional
	ParentRefs []GatewayRef `json:"parentRefs,omitempty"`

	// CAConfigMapRef names the ConfigMap, in the server's namespace, that holds the authorities by
	// which a Gateway judges the certificate of api.tls: PEM, under the key ca.crt. Default: none,
	// which are those that the Gateway trusts by itself. Used with a BackendTLSPolicy only.
	// +optional
	CAConfigMapRef *ConfigMapRef `json:"caConfigMapRef,omitempty"`

	// ServerName is the DNS name that the certificate of api.tls must be for. Default:
	// <name>-api.<namespace>.svc. Used with a BackendTLSPolicy only. A name that is not a DNS
	// subdomain is an error.
	// +optional
	ServerName string `json:"serverName,omitempty"`
}

// A GatewayRef names a Gateway, or a listener of one.
type GatewayRef struct {
	// Name of the Gateway. A name that is not a DNS subdomain is an error.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`

	// Namespace of the Gateway, which has to admit routes of the server's. Default: the server's
	// own. A name that is not a DNS label is an error.
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// SectionName is the name of a listener. Default: none, which are all that fit. A name that is
	// not a DNS subdomain is an error.
	// +optional
	SectionName string `json:"sectionName,omitempty"`
}

// A ConfigMapRef names a ConfigMap in the server's own namespace.
type ConfigMapRef struct {
	// Name of the ConfigMap. A name that is not a DNS subdomain is an error.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
}

// TLS is how a listener of the server is encrypted.
type TLS struct {
	// SecretRef names the Secret that holds the certificate as tls.crt and its private
	// key as tls.key, in PEM, as cert-manager writes them.
	SecretRef SecretRef `json:"secretRef"`

	// ClientCASecretRef names the Secret key that holds the authorities, in PEM, one of
	// which must have signed the certificate of a client (mutual TLS). Default: none,
	// which asks clients for no certificate. Default key: ca.crt. A new value restarts
	// the server.
	// +optional
	ClientCASecretRef *SecretKeyRef `json:"clientCASecretRef,omitempty"`

	// MinVersion is the oldest version of TLS that a client may speak: 1.2 or 1.3.
	// Default: the server's own, 1.2. Any other version is an error.
	// +kubebuilder:validation:Enum="1.2";"1.3"
	// +optional
	MinVersion string `json:"minVersion,omitempty"`
}

// Metrics configures the Prometheus endpoint.
type Metrics struct {
	// Enabled serves metrics, and adds the Service <name>-metrics. Default: false.
	// DittoFS 0.7 to 0.17 serve no metrics: enabling them gets a warning.
	// +optional
	Enabled bool `json:"enabled,omitempty"`

	// Port of the metrics, on their Service and in the container, 1 to 65535.
	// Default: 9090. Used only if metrics are enabled: then a port that another enabled
	// Service or container port uses is an error, and one below 1024 gets a safe sysctl
	// and a warning.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +optional
	Port *int32 `json:"port,omitempty"`

	// Path of the metrics. Default: /metrics. A path that does not begin with a slash, is not
	// clean, or has anything but letters, digits, dots, dashes, underscores and slashes is an
	// error. DittoFS releases before 0.18 have no other path: one is an error.
	// +optional
	Path string `json:"path,omitempty"`

	// TokenSecretRef names the Secret key that holds the token which a scraper must send
	// (Authorization: Bearer). Default: none, which asks for no token. Default key: token. A
	// new value restarts the server. A DittoFS release before 0.18 is an error.
	// +optional
	TokenSecretRef *SecretKeyRef `json:"tokenSecretRef,omitempty"`

	// TLS serves the metrics over HTTPS, and over nothing else. The server reads the
	// certificate when it starts, so that a new one restarts it. Default: none, which
	// serves plain HTTP. A DittoFS release before 0.18 is an error.
	// +optional
	TLS *TLS `json:"tls,omitempty"`

	// ServiceMonitor has the Prometheus Operator scrape the metrics, over TLS and with the token
	// where the server asks for them.
	// +optional
	ServiceMonitor ServiceMonitor `json:"serviceMonitor,omitzero"`
}

// A ServiceMonitor has the Prometheus Operator scrape the metrics. It is composed where the
// function's input names the kind, and the cluster has it.
type ServiceMonitor struct {
	// Enabled adds a ServiceMonitor, if metrics are enabled. Default: false. Where the kind is
	// missing it gets a warning.
	// +optional
	Enabled bool `json:"enabled,omitempty"`

	// Labels by which a Prometheus selects its ServiceMonitors, besides labels and those of the
	// function's input, which wins. Default: none. A key or a value that labels may not have is an
	// error.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// Interval is the time between two scrapes, as a Go duration. Default: Prometheus's own.
	// Anything but a number of whole seconds from 1s to 24h is an error.
	// +optional
	Interval string `json:"interval,omitempty"`

	// ScrapeTimeout is how long Prometheus waits for the metrics, as a Go duration. Default:
	// Prometheus's own. Anything but a number of whole seconds from 1s to 24h is an error, and so is
	// more than interval.
	// +optional
	ScrapeTimeout string `json:"scrapeTimeout,omitempty"`

	// CASecretRef names the Secret key that holds the authorities, in PEM, one of which signed
	// the certificate of metrics.tls. Default: none, which are those that Prometheus
	// trusts by itself. Default key: ca.crt. Used only with metrics.tls. Prometheus reads the
	// Secret, and the function does not.
	// +optional
	CASecretRef *SecretKeyRef `json:"caSecretRef,omitempty"`

	// ServerName is the DNS name that the certificate of metrics.tls must be for. Default:
	// <name>-metrics.<namespace>.svc. Used only with metrics.tls. A name that is not a DNS
	// subdomain is an error.
	// +optional
	ServerName string `json:"serverName,omitempty"`

	// ClientCertificateSecretRef names the Secret that holds Prometheus's own certificate as tls.crt
	// and its private key as tls.key, in PEM, for a server that asks for one
	// (metrics.tls.clientCASecretRef). Default: none. Used only with metrics.tls. Prometheus
	// reads the Secret, and the function does not.
	// +optional
	ClientCertificateSecretRef *SecretRef `json:"clientCertificateSecretRef,omitempty"`
}

// AdapterPorts are the container ports of the server's adapters.
type AdapterPorts struct {
	// NFS is where the NFS adapter listens, 1 to 65535. Default: 12049. A port that
	// another container port uses is an error; one below 1024 gets a safe sysctl
	// and a warning.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +optional
	NFS *int32 `json:"nfs,omitempty"`

	// SMB is where the SMB adapter listens, 1 to 65535, whether smb.enabled is set or
	// not. Default: 1445. A port that another container port uses is an error; one
	// below 1024 gets a safe sysctl and a warning.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +optional
	SMB *int32 `json:"smb,omitempty"`
}

// Service configures the file Service and the API Service.
type Service struct {
	// Type of the file Service and the API Service: ClusterIP, NodePort or
	// LoadBalancer. Default: LoadBalancer. Any other type is an error.
	// +kubebuilder:validation:Enum=ClusterIP;NodePort;LoadBalancer
	// +optional
	Type corev1.ServiceType `json:"type,omitempty"`

	// IPFamilyPolicy of all Services: SingleStack, PreferDualStack or RequireDualStack. Default:
	// Kubernetes' own, SingleStack; without it a Service that exists keeps the one that it has. Any
	// other value is an error.
	// +kubebuilder:validation:Enum=SingleStack;PreferDualStack;RequireDualStack
	// +optional
	IPFamilyPolicy corev1.IPFamilyPolicy `json:"ipFamilyPolicy,omitempty"`

	// IPFamilies of all Services, the primary one first: IPv4, IPv6 or both. Default: the
	// cluster's. A Service that exists keeps its primary family. Two families without a dual
	// stack in ipFamilyPolicy, one family with it, a repetition and any other value are errors.
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:items:Enum=IPv4;IPv6
	// +optional
	IPFamilies []corev1.IPFamily `json:"ipFamilies,omitempty"`

	// Annotations of the file Service and the API Service. Default: none. A key that
	// Kubernetes refuses is an error, and so is the annotation for source ranges: set
	// loadBalancerSourceRanges instead.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`

	// File overrides settings of the file Service.
	// +optional
	File ServiceOverride `json:"file,omitzero"`

	// API overrides settings of the API Service.
	// +optional
	API ServiceOverride `json:"api,omitzero"`
}

// A ServiceOverride overrides settings of one Service.
type ServiceOverride struct {
	// Type of this Service: ClusterIP, NodePort or LoadBalancer. Default:
	// service.type. Any other type is an error.
	// +kubebuilder:validation:Enum=ClusterIP;NodePort;LoadBalancer
	// +optional
	Type corev1.ServiceType `json:"type,omitempty"`

	// Annotations of this Service, on top of service.annotations. Default: none. A key
	// that Kubernetes refuses is an error, and so is the annotation for source ranges:
	// set loadBalancerSourceRanges instead.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`

	// LoadBalancerClass of this Service. Default: the cluster's. Setting it for another
	// type than LoadBalancer is an error. It cannot change while the Service exists.
	// +optional
	LoadBalancerClass *string `json:"loadBalancerClass,omitempty"`

	// LoadBalancerSourceRanges are the CIDRs that may reach the load balancer.
	// Default: all. Text that is not a CIDR is an error, and so is setting them for
	// another type than LoadBalancer.
	// +optional
	LoadBalancerSourceRanges []string `json:"loadBalancerSourceRanges,omitempty"`

	// ExternalTrafficPolicy of this Service: Cluster or Local. Default: Kubernetes'
	// own, Cluster. Setting it for the type ClusterIP is an error.
	// +kubebuilder:validation:Enum=Cluster;Local
	// +optional
	ExternalTrafficPolicy corev1.ServiceExternalTrafficPolicy `json:"externalTrafficPolicy,omitempty"`

	// NodePorts by port name: nfs and smb for the file Service, api for the API
	// Service. Default: Kubernetes allocates them. Setting them for the type ClusterIP,
	// another port name, and a number that is used twice are errors.
	// +optional
	NodePorts map[string]int32 `json:"nodePorts,omitempty"`
}

// An Exposed names a part of the server that clients reach.
//
// +kubebuilder:validation:Enum=file;api
type Exposed string

// Parts of the server.
const (
	ExposedFile Exposed = "file"
	ExposedAPI  Exposed = "api"
)

// A NetworkPolicy admits those that may reach the server, and nobody else. Peers, rules and ports
// are those of Kubernetes' NetworkPolicy. A list has up to 128 items.
type NetworkPolicy struct {
	// Ingress lists who may connect.
	Ingress NetworkIngress `json:"ingress"`

	// Egress are what the server may reach, besides name servers: PostgreSQL, S3. An empty list
	// allows name servers only. Default: none, which bounds nothing. A value that Kubernetes
	// refuses is an error.
	// +optional
	Egress []networkingv1.NetworkPolicyEgressRule `json:"egress,omitempty"`
}

// NetworkIngress lists who may connect.
type NetworkIngress struct {
	// File lists who may reach NFS, and SMB where it is enabled. An empty list admits nobody. A
	// peer that Kubernetes refuses is an error.
	File []networkingv1.NetworkPolicyPeer `json:"file"`

	// API lists who may reach the REST API. An empty list admits nobody. A peer that Kubernetes
	// refuses is an error.
	API []networkingv1.NetworkPolicyPeer `json:"api"`

	// Metrics lists who may scrape the metrics. An empty list admits nobody. Default: none,
	// which is an error where metrics are enabled. A peer that Kubernetes refuses is an error.
	// +optional
	Metrics []networkingv1.NetworkPolicyPeer `json:"metrics,omitempty"`

	// Nodes lists what the nodes of the cluster may reach, too: file, api or both. They are the
	// ranges of the function's input. Kernel NFS clients in the cluster come from there, and so
	// does what a load balancer passes on under externalTrafficPolicy Cluster. Default: none.
	// Anything else is an error, and an input without ranges gets a warning.
	// +optional
	Nodes []Exposed `json:"nodes,omitempty"`
}

// PodDisruptionBudget decides what drains of nodes do.
type PodDisruptionBudget struct {
	// Enabled adds a PodDisruptionBudget that lets nobody evict the pod while it is ready. A
	// drain of its node waits until a person deletes the pod or stops the server. Default:
	// false, since there is no second pod that could serve meanwhile.
	// +optional
	Enabled bool `json:"enabled,omitempty"`
}

// Database is the control-plane database.
//
// +kubebuilder:validation:XValidation:rule="!has(self.type) || self.type != 'postgres' || has(self.postgres)",message="the type postgres needs postgres.secretRef"
type Database struct {
	// Type of the database: sqlite or postgres. Default: sqlite. If postgres is
	// set, PostgreSQL is used whatever the type says (a warning if they disagree).
	// The type postgres without postgres.secretRef is an error.
	// +kubebuilder:validation:Enum=sqlite;postgres
	// +optional
	Type DatabaseType `json:"type,omitempty"`

	// SQLite configures the SQLite database.
	// +optional
	SQLite SQLite `json:"sqlite,omitzero"`

	// Postgres configures the PostgreSQL database.
	// +optional
	Postgres *Postgres `json:"postgres,omitempty"`
}

// SQLite configures the SQLite database.
type SQLite struct {
	// Path of the database file. Default: /data/controlplane/controlplane.db. A
	// path outside every persistent volume is an error: the server would lose its
	// shares at each restart.
	// +optional
	Path string `json:"path,omitempty"`
}

// Postgres configures the PostgreSQL database. Host, port, database and sslmode may stand here
// or in the Secret; user and password are the Secret's. The spec's value wins: that key of the
// Secret is then neither needed nor read by the server.
type Postgres struct {
	// Host of the database: a DNS name or an IP address without a port, or several with
	// commas between them. Default: that of the Secret. Anything else is an error.
	// +optional
	Host string `json:"host,omitempty"`

	// Port of the database, 1 to 65535. Default: that of the Secret. Any other number is an error.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +optional
	Port *int32 `json:"port,omitempty"`

	// Database is the name of the database. Default: that of the Secret. A name with control
	// characters or with whitespace around it is an error, and for a release before 0.18
	// whitespace, quotes and backslashes that are not escaped are, too.
	// +optional
	Database string `json:"database,omitempty"`

	// SSLMode is disable, allow, prefer, require, verify-ca or verify-full. Default: that
	// of the Secret. Any other mode is an error.
	// +kubebuilder:validation:Enum=disable;allow;prefer;require;verify-ca;verify-full
	// +optional
	SSLMode string `json:"sslmode,omitempty"`

	// MaxOpenConns is how many connections the server opens at most. Default: the server's
	// own, 25. A number below 1 is an error; for DittoFS before 0.17, which has no such
	// setting, it gets a warning.
	// +kubebuilder:validation:Minimum=1
	// +optional
	MaxOpenConns *int32 `json:"maxOpenConns,omitempty"`

	// MaxIdleConns is how many of the connections stay open while nothing needs them.
	// Default: the server's own, 5. A number below 1 is an error; for DittoFS before 0.17,
	// which has no such setting, it gets a warning.
	// +kubebuilder:validation:Minimum=1
	// +optional
	MaxIdleConns *int32 `json:"maxIdleConns,omitempty"`

	// SecretRef names the Secret that holds user and password, and host, port, database and
	// sslmode where the spec has none, each under a key of its own. A connection string
	// (DSN) works in no DittoFS release.
	SecretRef SecretRef `json:"secretRef"`

	// Keys maps the settings to the keys of the Secret.
	// +optional
	Keys PostgresKeys `json:"keys,omitzero"`

	// CASecretRef names the Secret key that holds the authorities, in PEM, one of which must
	// have signed the certificate of PostgreSQL. It counts for the SSL modes verify-ca and
	// verify-full, and turns require into verify-ca. Default: none, which leaves those of the
	// image. Default key: ca.crt. A new value restarts the server. A DittoFS release before
	// 0.17 is an error.
	// +optional
	CASecretRef *SecretKeyRef `json:"caSecretRef,omitempty"`
}

// PostgresKeys are the keys of a PostgreSQL Secret.
type PostgresKeys struct {
	// Host is the key of the host: a DNS name or an IP address without a port, or several
	// with commas between them. Default: host. The server waits until the Secret has it.
	// Text that cannot be a key is an error.
	// +optional
	Host string `json:"host,omitempty"`

	// Port is the key of the port. Default: port. A Secret without this key means port
	// 5432. Text that cannot be a key is an error.
	// +optional
	Port string `json:"port,omitempty"`

	// Database is the key of the database name. Default: database. The server waits
	// until the Secret has it. Text that cannot be a key is an error.
	// +optional
	Database string `json:"database,omitempty"`

	// User is the key of the user name. Default: user. The server waits until the
	// Secret has it. Text that cannot be a key is an error.
	// +optional
	User string `json:"user,omitempty"`

	// Password is the key of the password. Default: password. The server waits until
	// the Secret has it. Text that cannot be a key is an error.
	// +optional
	Password string `json:"password,omitempty"`

	// SSLMode is the key of the SSL mode. Default: sslmode. A Secret without this key
	// means disable. Text that cannot be a key is an error.
	// +optional
	SSLMode string `json:"sslmode,omitempty"`
}

// A SecretRef names a Secret in the server's own namespace.
type SecretRef struct {
	// Name of the Secret. A name that is not a DNS subdomain is an error.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
}

// A SecretKeyRef names a key of a Secret in the server's own namespace.
type SecretKeyRef struct {
	// Name of the Secret. A name that is not a DNS subdomain is an error.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`

	// Key of the Secret. Default: jwt-secret for the tokens' secret, password for the
	// administrator's and the directory's, ca.crt for authorities, krb5.keytab for a keytab, token for metrics. The server waits until the
	// Secret has it.
	// Text that cannot be a key is an error.
	// +optional
	Key string `json:"key,omitempty"`
}

// Identity configures the tokens of the REST API, the first administrator, and where users are
// looked up.
type Identity struct {
	// JWT configures the tokens of the REST API.
	JWT JWT `json:"jwt"`

	// Admin configures the first administrator.
	// +optional
	Admin Admin `json:"admin,omitzero"`

	// LDAP configures the directory, LDAP or Active Directory, that the server looks up users and
	// groups in. The server copies these settings into its database when it first starts with
	// them, and goes by its database from then on: a later change gets a warning, with the REST
	// call that makes it, and restarts nothing. Default: none. DittoFS before 0.21 is an error.
	// Removing it waits for approval.
	// +optional
	LDAP *LDAP `json:"ldap,omitempty"`

	// Kerberos lets NFS clients log in with sec=krb5, krb5i or krb5p, and SMB clients with a ticket.
	// Default: none. DittoFS before 0.22.1 is an error. Removing it waits for approval.
	// +optional
	Kerberos *Kerberos `json:"kerberos,omitempty"`
}

// Kerberos configures tickets, and passwords of an Active Directory domain. What the server copies
// into its database when it first starts with it is said of each field: a later change gets a
// warning, with the REST call that makes it, and restarts nothing.
type Kerberos struct {
	// Realm of the server, in capitals, such as EXAMPLE.COM. Anything else is an error. The server
	// copies it into its database.
	// +kubebuilder:validation:Pattern=`^[A-Z0-9]([A-Z0-9.-]*[A-Z0-9])?$`
	Realm string `json:"realm"`

	// ServicePrincipal is the name that NFS clients ask tickets for: nfs/ and the host that they
	// mount from, such as nfs/files.example.com, with or without @ and the realm. SMB takes tickets
	// for cifs/ and the same host. Another realm or anything else is an error. A change restarts
	// the server.
	// +kubebuilder:validation:MinLength=1
	ServicePrincipal string `json:"servicePrincipal"`

	// KeytabSecretRef names the Secret key that holds the keytab, which is binary, with a key of
	// the service principal. Default key: krb5.keytab. The server waits while the value is not a
	// keytab, or has no such key. Where SMB is enabled, one without cifs/ and the same host gets a
	// warning. The server reads a new one by itself within a minute, without a restart.
	KeytabSecretRef SecretKeyRef `json:"keytabSecretRef"`

	// Krb5Conf is the text of krb5.conf, of up to 8192 bytes and 256 lines. Default: one that names the
	// realm, which is all that the server needs. Text that the server cannot read, or that includes
	// other files, is an error: NFS would run without Kerberos. A change restarts the server.
	// +optional
	Krb5Conf string `json:"krb5Conf,omitempty"`

	// NetBIOSDomain is the short name of the Active Directory domain that SMB clients get, such as
	// EXAMPLE: up to 15 letters, digits, '-' and '_'. Default: none, for which clients get WORKGROUP.
	// Anything else is an error. The server copies it into its database.
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_-]{1,15}$`
	// +optional
	NetBIOSDomain string `json:"netbiosDomain,omitempty"`

	// DNSDomain is the DNS name of the domain that SMB clients get. Default: the realm in lowercase
	// letters. Anything but a DNS name is an error. The server copies it into its database.
	// +optional
	DNSDomain string `json:"dnsDomain,omitempty"`

	// MachineAccount is the server's own account in the domain, by which it lets the domain's users
	// log in to SMB with a password (NTLM). Default: none. It needs netbiosDomain, or is an error.
	// +optional
	MachineAccount *MachineAccount `json:"machineAccount,omitempty"`
}

// MachineAccount configures the server's account in an Active Directory domain: one that is there,
// with its password, or one that the server makes.
//
// +kubebuilder:validation:XValidation:rule="has(self.passwordSecretRef) != has(self.onlineJoin)",message="set either passwordSecretRef or onlineJoin"
type MachineAccount struct {
	// AccountName of the account, of up to 15 letters, digits, '-' and '_', and a '$', such as FILES$.
	// Anything else is an error. The server copies it into its database.
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_-]{1,15}\$$`
	AccountName string `json:"accountName"`

	// PasswordSecretRef names the Secret key that holds the password of an account that is there.
	// Default: none, which needs onlineJoin. Default key: password. The server copies it as plain
	// text into its database, so snapshots and backups of the database hold it. A new value
	// restarts nothing, and does not count once the database has one: set it over the REST API. An
	// empty one is an error.
	// +optional
	PasswordSecretRef *SecretKeyRef `json:"passwordSecretRef,omitempty"`

	// DCAddress is the host of a domain controller, with or without a port. Default: the one that
	// DNS has for the realm. Of an IP address the server asks that host's own name server, on port
	// 53, for the name. Anything else is an error. The server copies it into its database.
	// +optional
	DCAddress string `json:"dcAddress,omitempty"`

	// OnlineJoin has the server make the account, and change its password. Default: none, which
	// needs passwordSecretRef. A change of it, or of its password, restarts the server. The server
	// writes the password that it chooses as plain text into its database, so snapshots and backups
	// of the database hold it.
	// +optional
	OnlineJoin *OnlineJoin `json:"onlineJoin,omitempty"`
}

// OnlineJoin configures how the server makes its account. The server keeps the password that it
// chooses as plain text in its database.
//
// +kubebuilder:validation:XValidation:rule="self.ldapURL.startsWith('ldaps://') != (has(self.startTLS) && self.startTLS)",message="ldap:// needs startTLS, and ldaps:// does not take it"
type OnlineJoin struct {
	// LDAPURL of a domain controller: ldaps://host or ldap://host, with a port unless it is 636 or
	// 389. Anything else is an error.
	// +kubebuilder:validation:Pattern=`^ldaps?://`
	LDAPURL string `json:"ldapURL"`

	// StartTLS encrypts the connection to an ldap:// URL, and must be set for one. Default: false.
	// For an ldaps:// URL it is an error.
	// +optional
	StartTLS bool `json:"startTLS,omitempty"`

	// BindDN is an account that may create computers: a distinguished name, or a user principal
	// name. Anything else is an error.
	// +kubebuilder:validation:MinLength=1
	BindDN string `json:"bindDN"`

	// BindPasswordSecretRef names the Secret key that holds that account's password. Default key:
	// password. The server does not keep it. A new value restarts the server. An empty one is an
	// error.
	BindPasswordSecretRef SecretKeyRef `json:"bindPasswordSecretRef"`

	// BaseDN is the distinguished name of the domain, such as DC=example,DC=com. Anything else is an
	// error.
	// +kubebuilder:validation:MinLength=1
	BaseDN string `json:"baseDN"`

	// OU is the distinguished name of where the account is made. Default: CN=Computers and the name
	// of the domain. Anything else is an error.
	// +optional
	OU string `json:"ou,omitempty"`

	// DNSHostName is the server's name in DNS that the account gets. Default: none. Anything but a
	// DNS name is an error.
	// +optional
	DNSHostName string `json:"dnsHostName,omitempty"`

	// ServicePrincipals that the account gets, such as cifs/files.example.com. Default: none.
	// Anything else is an error, and so are more than 32.
	// +optional
	ServicePrincipals []string `json:"servicePrincipals,omitempty"`

	// CASecretRef names the Secret key that holds the authorities, in PEM, one of which must have
	// signed the certificate of the domain controller. Default: none, which leaves those of the
	// image. Default key: ca.crt. The server reads a new value by itself, without a restart.
	// +optional
	CASecretRef *SecretKeyRef `json:"caSecretRef,omitempty"`

	// RotationInterval is how often the server changes the password of the account, as a Go
	// duration. Default: never. Less than an hour or a malformed duration is an error.
	// +optional
	RotationInterval string `json:"rotationInterval,omitempty"`
}

// Where the numbers of users and groups come from.
const (
	IdmapRFC2307 = "rfc2307"
	IdmapRID     = "rid"
)

// LDAP configures a directory. Users are objects of the class user with sAMAccountName and
// memberOf, groups of the class group, as Active Directory has them.
//
// +kubebuilder:validation:XValidation:rule="self.url.startsWith('ldaps://') || (has(self.startTLS) && self.startTLS) || (has(self.allowPlaintext) && self.allowPlaintext)",message="ldap:// needs startTLS, or allowPlaintext"
// +kubebuilder:validation:XValidation:rule="!self.url.startsWith('ldaps://') || !(has(self.startTLS) && self.startTLS || has(self.allowPlaintext) && self.allowPlaintext)",message="ldaps:// takes neither startTLS nor allowPlaintext"
type LDAP struct {
	// URL of the directory: ldaps://host or ldap://host, with a port unless it is 636 or 389. Its
	// certificate must name the host. Anything else is an error.
	// +kubebuilder:validation:Pattern=`^ldaps?://`
	URL string `json:"url"`

	// StartTLS encrypts the connection to an ldap:// URL before anything is sent. Default: false.
	// For an ldaps:// URL it is an error.
	// +optional
	StartTLS bool `json:"startTLS,omitempty"`

	// AllowPlaintext lets the server send its password and its queries without encryption. Default:
	// false, which makes an ldap:// URL without startTLS an error. For an encrypted connection it
	// is an error.
	// +optional
	AllowPlaintext bool `json:"allowPlaintext,omitempty"`

	// BaseDN is the distinguished name below which users and groups are looked up, such as
	// DC=example,DC=com. Anything else is an error.
	// +kubebuilder:validation:MinLength=1
	BaseDN string `json:"baseDN"`

	// BindDN is the account that the server looks up users with: a distinguished name or, for
	// Active Directory, a user principal name such as dittofs@example.com. Anything else is an
	// error. An account that can read and nothing else is enough.
	// +kubebuilder:validation:MinLength=1
	BindDN string `json:"bindDN"`

	// BindPasswordSecretRef names the Secret key that holds the account's password. Default key:
	// password. The server copies it as plain text into its database, so snapshots and backups of
	// the database hold it. A new value restarts nothing, and does not count once the database has
	// one: set it over the REST API. An empty one is an error.
	BindPasswordSecretRef SecretKeyRef `json:"bindPasswordSecretRef"`

	// CASecretRef names the Secret key that holds the authorities, in PEM, one of which must have
	// signed the certificate of the directory. Default: none, which leaves those of the image.
	// Default key: ca.crt. The server reads a new value by itself, without a restart.
	// +optional
	CASecretRef *SecretKeyRef `json:"caSecretRef,omitempty"`

	// UserAttribute is the attribute that has the name by which a user logs in. Default:
	// sAMAccountName. Text that cannot name an attribute is an error.
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9-]*$`
	// +optional
	UserAttribute string `json:"userAttribute,omitempty"`

	// Realm is the Kerberos realm of the directory's users, in capitals. Users of other realms are
	// not looked up. Default: none, which looks up all. Anything else is an error.
	// +kubebuilder:validation:Pattern=`^[A-Z0-9]([A-Z0-9.-]*[A-Z0-9])?$`
	// +optional
	Realm string `json:"realm,omitempty"`

	// Idmap is where the numbers of users and groups come from: rfc2307 takes uidNumber and
	// gidNumber, or the RID where an object has none; rid takes the last part of the SID always.
	// Default: rfc2307. Anything else is an error.
	// +kubebuilder:validation:Enum=rfc2307;rid
	// +optional
	Idmap string `json:"idmap,omitempty"`

	// NestedGroups looks up groups of groups as well, by a rule that Active Directory has.
	// Default: false.
	// +optional
	NestedGroups bool `json:"nestedGroups,omitempty"`

	// Timeout bounds each question to the directory, as a Go duration. Default: 10s. Less than a
	// second or a malformed duration is an error.
	// +optional
	Timeout string `json:"timeout,omitempty"`

	// MaxGroupResults is how many groups of a user are looked up at most. Default: 200. A number
	// below 1 is an error.
	// +kubebuilder:validation:Minimum=1
	// +optional
	MaxGroupResults *int32 `json:"maxGroupResults,omitempty"`
}

// JWT configures the tokens of the REST API.
type JWT struct {
	// SecretRef names the Secret key that holds the signing secret, of at least 32
	// bytes. Default key: jwt-secret. A new value makes old tokens invalid.
	SecretRef SecretKeyRef `json:"secretRef"`

	// AccessTokenDuration is how long an access token is valid, as a Go duration.
	// Default: 15m. Zero, a negative or a malformed duration is an error.
	// +optional
	AccessTokenDuration string `json:"accessTokenDuration,omitempty"`

	// RefreshTokenDuration is how long a refresh token is valid, as a Go duration.
	// Default: 168h. Zero, a negative or a malformed duration is an error.
	// +optional
	RefreshTokenDuration string `json:"refreshTokenDuration,omitempty"`
}

// Admin configures the first administrator.
type Admin struct {
	// Username of the administrator. Default: admin. A name with control characters,
	// with whitespace around it, or longer than 256 bytes is an error. No known
	// release uses it: any name but admin gets a warning.
	// +optional
	Username string `json:"username,omitempty"`

	// PasswordSecretRef names the Secret key that holds a bcrypt hash, or a plain password of 8 to
	// 72 bytes. Default key: password. The server uses it when it first starts; later changes
	// restart the server but leave the password. A value with more than a hash, or with another
	// kind of hash, keeps the server from its first start, and gets a warning once it has started.
	// Default: none. Without it, the server generates a password, which older releases log and
	// newer ones do not show: that gets a warning.
	// +optional
	PasswordSecretRef *SecretKeyRef `json:"passwordSecretRef,omitempty"`
}

// Cache configures the cache of DittoFS 0.4 to 0.8.
type Cache struct {
	// Path of the cache. Default: /data/cache. A path that is not absolute or
	// overlaps another volume is an error.
	// +optional
	Path string `json:"path,omitempty"`

	// Size of the cache in bytes, in Kubernetes' spelling (1Gi) or DittoFS' (1GB).
	// Default: 1GB. Anything else is an error.
	// +optional
	Size string `json:"size,omitempty"`
}

// Logging configures the server's log.
type Logging struct {
	// Level of the log: DEBUG, INFO, WARN or ERROR. Default: INFO. Any other level
	// is an error.
	// +kubebuilder:validation:Enum=DEBUG;INFO;WARN;ERROR
	// +optional
	Level string `json:"level,omitempty"`

	// Format of the log: text or json. Default: json. Any other format is an error.
	// +kubebuilder:validation:Enum=text;json
	// +optional
	Format string `json:"format,omitempty"`

	// Output of the log: stdout, stderr, or the path of a file on a volume. Default:
	// stdout. A path outside every volume is an error, and so is one that touches the
	// SQLite database.
	// +optional
	Output string `json:"output,omitempty"`
}

// Telemetry configures OpenTelemetry traces of DittoFS 0.4 to 0.6.
type Telemetry struct {
	// Enabled sends traces. Default: false. Enabling them for a release that sends none
	// gets a warning.
	// +optional
	Enabled bool `json:"enabled,omitempty"`

	// Endpoint is the host:port of an OTLP collector over gRPC. Default: the
	// server's own, localhost:4317. Anything else is an error.
	// +optional
	Endpoint string `json:"endpoint,omitempty"`

	// Insecure sends traces without TLS. Default: false.
	// +optional
	Insecure bool `json:"insecure,omitempty"`

	// SampleRate is the fraction of traces that are sent, 0 to 1. Default: the server's
	// own, 1. A number outside 0 to 1 is an error.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1
	// +optional
	SampleRate *float64 `json:"sampleRate,omitempty"`
}

// Storage describes the volume claims. No change of it restarts the server; the condition
// StorageUpToDate tells which changes need a stop, or a person.
type Storage struct {
	// ControlPlaneSize is the size of the claim controlplane, which holds the
	// SQLite database, as a Kubernetes quantity. Default: 1Gi. Zero, a negative or
	// a malformed quantity is an error.
	// +optional
	ControlPlaneSize string `json:"controlPlaneSize,omitempty"`

	// MetadataSize is the size of the claim metadata, as a Kubernetes quantity.
	// Default: 10Gi. Zero, a negative or a malformed quantity is an error.
	// +optional
	MetadataSize string `json:"metadataSize,omitempty"`

	// ContentSize is the size of the claim content, as a Kubernetes quantity.
	// Default: none, without such a claim (for content in S3). Zero, a negative or
	// a malformed quantity is an error.
	// +optional
	ContentSize string `json:"contentSize,omitempty"`

	// CacheSize is the size of the claim cache, as a Kubernetes quantity. Default:
	// 5Gi. Only DittoFS 0.4 to 0.8, or no version, has this claim. Zero, a negative
	// or a malformed quantity is an error.
	// +optional
	CacheSize string `json:"cacheSize,omitempty"`

	// StorageClassName of all claims that have none of their own below. Default: the
	// cluster's default class. The empty string is a value of its own, and means no dynamic
	// provisioning. A name that is not a DNS subdomain is an error.
	// +optional
	StorageClassName *string `json:"storageClassName,omitempty"`

	// ControlPlaneStorageClassName of the claim controlplane. Default: that of storageClassName. A name
	// that is not a DNS subdomain is an error.
	// +optional
	ControlPlaneStorageClassName *string `json:"controlPlaneStorageClassName,omitempty"`

	// MetadataStorageClassName of the claim metadata. Default: that of storageClassName. A name
	// that is not a DNS subdomain is an error.
	// +optional
	MetadataStorageClassName *string `json:"metadataStorageClassName,omitempty"`

	// ContentStorageClassName of the claim content. Default: that of storageClassName. A name
	// that is not a DNS subdomain is an error.
	// +optional
	ContentStorageClassName *string `json:"contentStorageClassName,omitempty"`

	// CacheStorageClassName of the claim cache. Default: that of storageClassName. A name
	// that is not a DNS subdomain is an error.
	// +optional
	CacheStorageClassName *string `json:"cacheStorageClassName,omitempty"`

	// VolumeAttributesClassName of all claims: what their volumes can do, such as how many
	// operations a second. It can change while the server runs, and takes Kubernetes 1.34 and a
	// driver that knows it. Default: none. A name that is not a DNS subdomain is an error.
	// +optional
	VolumeAttributesClassName *string `json:"volumeAttributesClassName,omitempty"`

	// ControlPlaneDataSource is the snapshot that the claim controlplane begins with.
	// +optional
	ControlPlaneDataSource *DataSource `json:"controlPlaneDataSource,omitempty"`

	// MetadataDataSource is the snapshot that the claim metadata begins with.
	// +optional
	MetadataDataSource *DataSource `json:"metadataDataSource,omitempty"`

	// ContentDataSource is the snapshot that the claim content begins with.
	// +optional
	ContentDataSource *DataSource `json:"contentDataSource,omitempty"`

	// Labels that claims get when they are created, and never later, such as those that backup
	// tools select by. They win over labels of the spec. Default: none. A key or a value that is an
	// error there is an error here, too.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// Annotations that claims get when they are created, and never later. They win over annotations
	// of the spec. Default: none. A key or a value that is an error there is an error here, too.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// A DataSource is what a volume claim begins with. It counts when the claim is created, and never
// later. The claim needs a storage class in the spec, of the driver that made the snapshot: some
// others make an empty volume instead. Without one that is an error.
type DataSource struct {
	// Name of a VolumeSnapshot in the server's own namespace. A name that is not a DNS
	// subdomain is an error.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
}

// DittoServerStatus is what the function observed of a DittoFS server.
type DittoServerStatus struct {
	// Phase is Pending, Progressing, Running, Stopped or Failed.
	// +optional
	Phase Phase `json:"phase,omitempty"`

	// Replicas is the number of pods that the StatefulSet has.
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`

	// ReadyReplicas is the number of pods that are ready.
	// +optional
	ReadyReplicas *int32 `json:"readyReplicas,omitempty"`

	// ConfigHash is the rollout digest on the pod template.
	// +optional
	ConfigHash string `json:"configHash,omitempty"`

	// ObservedGeneration is the metadata.generation of the DittoServer that this status
	// describes. Not set on a claim, since the function observes the generation of its
	// composite resource.
	// +optional
	ObservedGeneration *int64 `json:"observedGeneration,omitempty"`

	// Endpoints are where the server is reached, as host:port.
	// +optional
	Endpoints Endpoints `json:"endpoints,omitzero"`

	// APIURL is the API endpoint with its scheme, https. Not set while the API is
	// served without TLS.
	// +optional
	APIURL string `json:"apiURL,omitempty"`

	// Route is what each Gateway says of the API's route.
	// +optional
	Route []RouteStatus `json:"route,omitempty"`

	// Claims are the volume claims that grow, and those that have grown since the
	// StatefulSet was created.
	// +listType=map
	// +listMapKey=name
	// +optional
	Claims []ClaimStatus `json:"claims,omitempty"`

	// Defaults are the fields of the spec that the server has from the platform's defaults, at
	// most 64.
	// +optional
	Defaults []string `json:"defaults,omitempty"`
}

// A RouteStatus is what a Gateway says of the API's route.
type RouteStatus struct {
	// Gateway that was asked, as <namespace>/<name>, with /<listener> if the route names one.
	Gateway string `json:"gateway"`

	// Accepted is True, False or Unknown: whether the Gateway takes the route.
	Accepted string `json:"accepted"`

	// ResolvedRefs is True, False or Unknown: whether the Gateway finds the API's Service.
	ResolvedRefs string `json:"resolvedRefs"`

	// Reason of the first of them that is not True, in the Gateway API's words, such as
	// NotAllowedByListeners. Pending, while the Gateway's controller says nothing.
	// +optional
	Reason string `json:"reason,omitempty"`
}

// A ClaimStatus is the size of a volume claim.
type ClaimStatus struct {
	// Name of the claim: controlplane, metadata, content or cache.
	Name string `json:"name"`

	// Size that the spec asks for, as a Kubernetes quantity.
	// +optional
	Size string `json:"size,omitempty"`

	// Capacity that the claim is known to have, as a Kubernetes quantity.
	// +optional
	Capacity string `json:"capacity,omitempty"`
}

// Endpoints are where the server is reached, as host:port: the load balancer's
// address once it has one, else the Service's name in the cluster.
type Endpoints struct {
	// NFS endpoint.
	// +optional
	NFS string `json:"nfs,omitempty"`

	// SMB endpoint, if SMB is enabled.
	// +optional
	SMB string `json:"smb,omitempty"`

	// API endpoint.
	// +optional
	API string `json:"api,omitempty"`

	// Metrics endpoint, if metrics are enabled.
	// +optional
	Metrics string `json:"metrics,omitempty"`
}
