// Package v1alpha1 contains the DittoServer API, group dittofs.io.
//
// The Go types are the single source of the schema: the XRDs below
// configuration/ and the API reference are generated from them.
//
// +kubebuilder:object:generate=true
// +groupName=dittofs.io
// +versionName=v1alpha1
package v1alpha1

import "k8s.io/apimachinery/pkg/util/validation"

// Group and Version of the DittoServer API.
const (
	Group   = "dittofs.io"
	Version = "v1alpha1"
)

// Annotations of the DittoServer API.
const (
	// AnnotationConfigHash is set on the pod template. It holds the rollout
	// digest: lower-case hexadecimal SHA-256 over config.yaml, the referenced
	// Secret keys and the generation. A new digest restarts the server.
	AnnotationConfigHash = Group + "/config-hash"

	// AnnotationTemplateHash is set on the pod template. It holds a digest of the
	// whole template. It tells whether a live template is the one that was asked,
	// whatever defaults the API server added.
	AnnotationTemplateHash = Group + "/template-hash"

	// AnnotationConfig is set on the pod template. It holds a copy of the
	// config.yaml that the template's rollout digest covers, from which a hold
	// restores the ConfigMap even if that has changed or is gone.
	AnnotationConfig = Group + "/config"

	// AnnotationKrb5Conf is set on the pod template of a server with Kerberos. It holds krb5.conf,
	// which a volume shows as a file: it can neither be missing nor change without a restart.
	AnnotationKrb5Conf = Group + "/krb5-conf"

	// AnnotationImage is set on the ConfigMap. It holds the image that was last
	// asked for, so that a recreated StatefulSet keeps it.
	AnnotationImage = Group + "/image"

	// AnnotationRan is set on the ConfigMap. It holds a record of what ran last, as JSON: image,
	// version, and the Secret and keys of a PostgreSQL database, by name. It has config.yaml too,
	// while the ConfigMap is ahead of another release or database. It also has a digest over the
	// whole spec, of earlier versions of the function, beside the one without storage. Where the
	// StatefulSet is gone, a dangerous change is compared with it and held.
	AnnotationRan = Group + "/ran"

	// AnnotationClaims is set on the ConfigMap once a volume claim has to grow. It holds JSON, by
	// the claim's name: the size that such a claim is known to have, where a template has another
	// one, and which claims may be older than their template.
	AnnotationClaims = Group + "/claims"

	// AnnotationCreatedAnew is set on the ConfigMap while a stopped StatefulSet is recreated. It
	// holds a digest of what it is created with and Kubernetes cannot change, so that one that a
	// webhook makes otherwise is not recreated over and over.
	AnnotationCreatedAnew = Group + "/created-anew"

	// AnnotationSeeded is set on the ConfigMap once a server starts with identity.ldap or
	// identity.kerberos. It holds digests of the settings that the server is taken to have in its
	// database, as JSON.
	AnnotationSeeded = Group + "/seeded"

	// AnnotationAcknowledge is set by a person on the DittoServer (or its XR), who made a change
	// over the REST API that does not take effect by itself. Its value is the digest of that
	// change, which the message of the condition Warnings names.
	AnnotationAcknowledge = Group + "/acknowledge"

	// AnnotationApprove is set by a person on the DittoServer (or its XR). Its
	// value is the digest of the change that may go ahead: the one that the message
	// of a ConfigRolledOut condition with reason ApprovalRequired names.
	AnnotationApprove = Group + "/approve"
)

// Labels of the provider-kubernetes Object of a DittoServer's StatefulSet. The function
// finds an Object that is being deleted by them.
const (
	// LabelNamespace holds the namespace of the StatefulSet.
	LabelNamespace = Group + "/namespace"

	// LabelStatefulSet holds the name of the StatefulSet.
	LabelStatefulSet = Group + "/statefulset"
)

// Names of the container's ports and of the Services' ports. They are part of the API:
// scrapers and ingresses refer to them.
const (
	PortNFS     = "nfs"
	PortSMB     = "smb"
	PortAPI     = "api"
	PortMetrics = "metrics"

	// PortPortmapper is a Service's only.
	PortPortmapper = "portmapper"
)

// Ports of the portmapper: where clients look for it, and where the server listens.
const (
	PortmapperPort          = 111
	PortmapperContainerPort = 10111
)

// Container is the name of the server's container. It is part of the API too: annotations
// of the pod can name it.
const Container = "dittofs"

// MaxNameLength of a DittoServer. A StatefulSet's pods carry the label
// controller-revision-hash, <name>-<hash of 10 characters>, of at most 63.
const MaxNameLength = validation.LabelValueMaxLength - len("-") - 10

// PreStopSeconds is how long the pod's preStop hook sleeps, so that kube-proxy and load
// balancers take the pod out before the server stops. It is the shortest
// terminationGracePeriodSeconds.
const PreStopSeconds = 5
