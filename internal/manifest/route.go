package manifest

import (
	"cmp"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// gatewayGroup is the group of the Gateway API.
// https://gateway-api.sigs.k8s.io/reference/spec/
const gatewayGroup = "gateway.networking.k8s.io"

// fieldRoute asks for the API's route.
const fieldRoute = "spec.api.route"

// A RouteSpec is what an HTTPRoute or a TLSRoute says here.
type RouteSpec struct {
	ParentRefs []RouteParent `json:"parentRefs"`
	Hostnames  []string      `json:"hostnames"`
	Rules      []RouteRule   `json:"rules"`
}

// A RouteParent names a Gateway, or a listener of one.
type RouteParent struct {
	Name        string `json:"name"`
	Namespace   string `json:"namespace,omitempty"`
	SectionName string `json:"sectionName,omitempty"`
}

// A RouteRule leads to Services.
type RouteRule struct {
	BackendRefs []RouteBackend `json:"backendRefs"`
}

// A RouteBackend is a port of a Service.
type RouteBackend struct {
	Name string `json:"name"`
	Port int32  `json:"port"`
}

// A BackendTLSSpec is what a BackendTLSPolicy says here.
type BackendTLSSpec struct {
	TargetRefs []BackendTarget   `json:"targetRefs"`
	Validation BackendValidation `json:"validation"`
}

// A BackendTarget is an object in the policy's namespace, whose group may be "".
type BackendTarget struct {
	Group *string `json:"group"`
	Kind  string  `json:"kind"`
	Name  string  `json:"name"`
}

// A BackendValidation says which certificate a Gateway takes from a server.
type BackendValidation struct {
	CACertificateRefs []BackendTarget `json:"caCertificateRefs,omitempty"`

	//nolint:tagliatelle // The Gateway API's own.
	WellKnownCACertificates string `json:"wellKnownCACertificates,omitempty"`

	Hostname string `json:"hostname"`
}

// A Route is an HTTPRoute or a TLSRoute, which say the same here.
type Route = Custom[RouteSpec]

// A BackendTLS is a BackendTLSPolicy.
type BackendTLS = Custom[BackendTLSSpec]

// passesThrough reports whether a Gateway must not look into connections to the API: only the server
// can see the certificates of clients.
func passesThrough(s *composite.DittoServer) bool {
	return s.Spec.API.TLS != nil && s.Spec.API.TLS.ClientCASecretRef != nil
}

// httpRoute leads to the API from Gateways that speak HTTP, or end TLS.
func httpRoute(s *composite.DittoServer, _ Inputs) (object, error) { return route(s), nil }

// tlsRoute leads to the API from Gateways that pass TLS through.
func tlsRoute(s *composite.DittoServer, _ Inputs) (object, error) { return route(s), nil }

func route(s *composite.DittoServer) *Route {
	r := &Route{Spec: RouteSpec{
		Hostnames: s.Spec.API.Route.Hostnames,
		Rules:     []RouteRule{{BackendRefs: []RouteBackend{{Name: s.Name + suffixAPI, Port: *s.Spec.APIPort}}}},
	}}

	for _, ref := range s.ParentRefs() {
		r.Spec.ParentRefs = append(r.Spec.ParentRefs, RouteParent{Name: ref.Name, Namespace: ref.Namespace, SectionName: ref.SectionName})
	}

	return r
}

// backendTLSPolicy has Gateways speak TLS to the API.
func backendTLSPolicy(s *composite.DittoServer, _ Inputs) (object, error) {
	r := s.Spec.API.Route

	// Gateways connect to the pod's address, which no certificate is for.
	v := BackendValidation{Hostname: cmp.Or(r.ServerName, s.Name+suffixAPI+"."+s.Namespace+".svc")}

	if r.CAConfigMapRef != nil {
		v.CACertificateRefs = []BackendTarget{{Group: new(""), Kind: "ConfigMap", Name: r.CAConfigMapRef.Name}}
	} else {
		v.WellKnownCACertificates = "System"
	}

	return &BackendTLS{Spec: BackendTLSSpec{
		TargetRefs: []BackendTarget{{Group: new(""), Kind: "Service", Name: s.Name + suffixAPI}},
		Validation: v,
	}}, nil
}

// RouteNames returns the names of what a route of the API may consist of.
func RouteNames() []Name { return []Name{HTTPRoute, BackendTLSPolicy, TLSRoute} }

// OfKind returns the manifest of a composed resource with the metadata of another one, and this spec.
func OfKind(n Name, metadata *structpb.Struct, spec *structpb.Value) *structpb.Struct {
	apiVersion, kind := RowOf(n).Kind.ToAPIVersionAndKind()
	m := protostruct.With(metadata, structpb.NewStringValue(apiVersion), "apiVersion")
	m = protostruct.With(m, structpb.NewStringValue(kind), "kind")

	return protostruct.With(m, spec, "spec")
}

// Answers of Gateways that did not give any.
const (
	answerUnknown = "Unknown"

	// Of the Gateway API, for what a controller did not look at yet.
	reasonPending = "Pending"
)

// RouteAnswers returns what each Gateway that a route names says of it, in the route's order.
func RouteAnswers(desired, live *structpb.Struct) []v1alpha1.RouteStatus {
	namespace := protostruct.Get(desired, "metadata", "namespace").GetStringValue()

	given := map[string]*structpb.Struct{}

	for _, v := range protostruct.Get(live, "status", "parents").GetListValue().GetValues() {
		// The first answer is that of the Gateway's controller.
		if gateway := gatewayOf(protostruct.Get(v.GetStructValue(), "parentRef"), namespace); given[gateway] == nil {
			given[gateway] = v.GetStructValue()
		}
	}

	var answers []v1alpha1.RouteStatus

	for _, ref := range protostruct.Get(desired, "spec", "parentRefs").GetListValue().GetValues() {
		gateway := gatewayOf(ref, namespace)
		answers = append(answers, routeAnswer(gateway, given[gateway]))
	}

	return answers
}

// gatewayOf returns the text of a reference to a Gateway.
func gatewayOf(ref *structpb.Value, namespace string) string {
	text := func(f string) string { return protostruct.Get(ref.GetStructValue(), f).GetStringValue() }

	gateway := cmp.Or(text("namespace"), namespace) + "/" + text("name")
	if section := text("sectionName"); section != "" {
		gateway += "/" + section
	}

	return gateway
}

func routeAnswer(gateway string, given *structpb.Struct) v1alpha1.RouteStatus {
	answer := v1alpha1.RouteStatus{Gateway: gateway, Accepted: answerUnknown, ResolvedRefs: answerUnknown}

	for _, v := range protostruct.Get(given, "conditions").GetListValue().GetValues() {
		c := v.GetStructValue()
		status := protostruct.Get(c, "status").GetStringValue()

		switch protostruct.Get(c, "type").GetStringValue() {
		case "Accepted":
			answer.Accepted = status
		case "ResolvedRefs":
			answer.ResolvedRefs = status
		default:
			continue
		}

		if status != "True" && answer.Reason == "" {
			answer.Reason = protostruct.Get(c, "reason").GetStringValue()
		}
	}

	if answer.Accepted == answerUnknown && answer.Reason == "" {
		answer.Reason = reasonPending
	}

	return answer
}
