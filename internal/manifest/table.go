package manifest

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"google.golang.org/protobuf/types/known/structpb"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/dittofs/function-dittoserver/internal/composite"
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

	NetworkPolicy       Name = "networkpolicy"
	PodDisruptionBudget Name = "poddisruptionbudget"
	Monitor             Name = "servicemonitor"

	HTTPRoute        Name = "httproute"
	BackendTLSPolicy Name = "backendtlspolicy"
	TLSRoute         Name = "tlsroute"
)

// Suffixes that other objects refer to.
const (
	suffixConfig   = "-config"
	suffixHeadless = "-headless"
	suffixMetrics  = "-metrics"
	suffixAPI      = "-api"
)

// A Row of the table of composed objects says what there is to know of one.
type Row struct {
	// Name of the composed resource.
	Name Name

	// Kind of the Kubernetes object.
	Kind schema.GroupVersionKind

	// Suffix of the Kubernetes object's name, which begins with the server's. It has
	// at most 11 characters: a server's name has up to 52, and a DNS label up to 63.
	Suffix string

	// When reports whether a server has this object. Every server does if it is nil.
	When func(s *composite.DittoServer) bool

	// CRD is the name of the CustomResourceDefinition of a kind that not every cluster has, or "".
	// Field is the field that asks for the object, for messages.
	CRD, Field string

	// IsWhole reports whether a manifest has everything that the guards keep of it.
	// They keep nothing if it is nil.
	IsWhole func(m *structpb.Struct) bool

	// Ready is when the object is ready.
	Ready Readiness

	// build returns the Kubernetes object. Build adds its kind, name and labels, and the
	// annotations of every object.
	build func(s *composite.DittoServer, in Inputs) (object, error)
}

// Has reports whether a server has the object of this row.
func (r *Row) Has(s *composite.DittoServer) bool { return r.When == nil || r.When(s) }

// An object is a Kubernetes object as a Go type.
type object interface {
	runtime.Object
	metav1.Object
}

// table of the composed objects, in the order in which they are composed and
// reported. What its functions call must not look into the table: Go refuses a
// variable that needs itself to begin with.
//
//nolint:gochecknoglobals // A table.
var table = []Row{
	{
		Name:    ConfigMap,
		Kind:    corev1.SchemeGroupVersion.WithKind("ConfigMap"),
		Suffix:  suffixConfig,
		IsWhole: func(m *structpb.Struct) bool { return Config(m) != "" },
		Ready:   isUpToDate,
		build:   configMap,
	},
	{
		Name: StatefulSet,
		Kind: appsv1.SchemeGroupVersion.WithKind("StatefulSet"),
		IsWhole: func(m *structpb.Struct) bool {
			return ContainerImage(m) != "" && protostruct.Get(m, "spec", "selector") != nil && protostruct.Get(m, "spec", "serviceName") != nil
		},
		Ready: isRolledOut,
		build: statefulSet,
	},
	{
		Name:   ServiceHeadless,
		Kind:   corev1.SchemeGroupVersion.WithKind("Service"),
		Suffix: suffixHeadless,
		Ready:  isThere,
		build:  headlessService,
	},
	{
		Name:   ServiceFile,
		Kind:   corev1.SchemeGroupVersion.WithKind("Service"),
		Suffix: "-file",
		Ready:  isReachable,
		build:  fileService,
	},
	{
		Name:   ServiceAPI,
		Kind:   corev1.SchemeGroupVersion.WithKind("Service"),
		Suffix: suffixAPI,
		Ready:  isReachable,
		build:  apiService,
	},
	{
		Name:   ServiceMetrics,
		Kind:   corev1.SchemeGroupVersion.WithKind("Service"),
		Suffix: suffixMetrics,
		When:   func(s *composite.DittoServer) bool { return s.Spec.Metrics.Enabled },
		Ready:  isThere,
		build:  metricsService,
	},
	{
		Name:  NetworkPolicy,
		Kind:  networkingv1.SchemeGroupVersion.WithKind("NetworkPolicy"),
		When:  func(s *composite.DittoServer) bool { return s.Spec.NetworkPolicy != nil },
		Ready: isThere,
		build: networkPolicy,
	},
	{
		Name:  PodDisruptionBudget,
		Kind:  policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"),
		When:  func(s *composite.DittoServer) bool { return s.Spec.PodDisruptionBudget.Enabled },
		Ready: isThere,
		build: podDisruptionBudget,
	},
	{
		Name:  Monitor,
		Kind:  schema.GroupVersionKind{Group: "monitoring.coreos.com", Version: "v1", Kind: composite.KindServiceMonitor},
		CRD:   "servicemonitors.monitoring.coreos.com",
		Field: "spec.metrics.serviceMonitor",
		When: func(s *composite.DittoServer) bool {
			return s.Spec.Metrics.Enabled && s.Spec.Metrics.ServiceMonitor.Enabled
		},
		Ready: isThere,
		build: serviceMonitor,
	},
	{
		Name:   HTTPRoute,
		Kind:   schema.GroupVersionKind{Group: gatewayGroup, Version: "v1", Kind: composite.KindHTTPRoute},
		Suffix: suffixAPI,
		CRD:    "httproutes.gateway.networking.k8s.io",
		Field:  fieldRoute,
		When:   func(s *composite.DittoServer) bool { return s.Spec.API.Route != nil && !passesThrough(s) },
		Ready:  isThere,
		build:  httpRoute,
	},
	{
		// Since Gateway API v1.4.
		Name:   BackendTLSPolicy,
		Kind:   schema.GroupVersionKind{Group: gatewayGroup, Version: "v1", Kind: composite.KindBackendTLSPolicy},
		Suffix: suffixAPI,
		CRD:    "backendtlspolicies.gateway.networking.k8s.io",
		Field:  fieldRoute,
		When: func(s *composite.DittoServer) bool {
			return s.Spec.API.Route != nil && s.Spec.API.TLS != nil && !passesThrough(s)
		},
		Ready: isThere,
		build: backendTLSPolicy,
	},
	{
		// Since Gateway API v1.5.
		Name:   TLSRoute,
		Kind:   schema.GroupVersionKind{Group: gatewayGroup, Version: "v1", Kind: composite.KindTLSRoute},
		Suffix: suffixAPI,
		CRD:    "tlsroutes.gateway.networking.k8s.io",
		Field:  fieldRoute,
		When:   func(s *composite.DittoServer) bool { return s.Spec.API.Route != nil && passesThrough(s) },
		Ready:  isThere,
		build:  tlsRoute,
	},
}

// Rows returns the rows of the table of composed objects, in a fixed order.
func Rows() iter.Seq[Row] { return slices.Values(table) }

// Names returns the names of all resources that may be composed, in the same order.
func Names() []Name {
	names := make([]Name, len(table))
	for i := range table {
		names[i] = table[i].Name
	}

	return names
}

// RowOf returns the row of a composed resource. One that is not in the table has an
// empty one.
func RowOf(n Name) Row {
	for i := range table {
		if table[i].Name == n {
			return table[i]
		}
	}

	return Row{}
}

// ObjectName returns the Kubernetes name of a server's object.
func ObjectName(server string, n Name) string { return server + RowOf(n).Suffix }

// KindOf returns the group, version and kind of a resource.
func KindOf(resource *structpb.Struct) schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(protostruct.Get(resource, "apiVersion").GetStringValue(), protostruct.Get(resource, "kind").GetStringValue())
}

// A Built is a Kubernetes object of a server, before it is a manifest.
type Built struct {
	Name   Name
	Object object
}

// Build returns the manifests of a server.
func Build(s *composite.DittoServer, in Inputs) (Manifests, error) {
	objects, err := Objects(s, in)
	if err != nil {
		return nil, err
	}

	return Encode(objects)
}

// Objects returns the Kubernetes objects of a server, in the order of the table. With an error it
// returns those that could be built: an invalid spec has objects too, which the platform's policy
// judges.
func Objects(s *composite.DittoServer, in Inputs) ([]Built, error) {
	var (
		objects []Built
		errs    []error
	)

	for r := range Rows() {
		if !r.Has(s) {
			continue
		}

		o, err := r.build(s, in)
		if err != nil {
			errs = append(errs, err)
			continue
		}

		o.GetObjectKind().SetGroupVersionKind(r.Kind)
		o.SetName(s.Name + r.Suffix)
		o.SetNamespace(s.Namespace)

		common, annotations := s.Labels(), s.Annotations()
		maps.Copy(common, o.GetLabels())
		maps.Copy(common, labels(s.Name))
		maps.Copy(annotations, o.GetAnnotations())
		o.SetLabels(common)
		o.SetAnnotations(annotations)

		objects = append(objects, Built{Name: r.Name, Object: o})
	}

	return objects, errors.Join(errs...)
}

// Encode returns objects as manifests.
func Encode(objects []Built) (Manifests, error) {
	m := Manifests{}

	for _, o := range objects {
		e, err := protostruct.Encode(o.Object)
		if err != nil {
			return nil, fmt.Errorf("cannot encode %s: %w", o.Name, err)
		}

		m[o.Name] = e
	}

	m[StatefulSet] = Seal(m[StatefulSet])

	return m, nil
}
