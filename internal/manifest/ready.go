package manifest

import (
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// A Readiness is one rule in two languages: when the live Kubernetes object of a desired
// manifest is ready. The function tells Crossplane what IsReady says. provider-kubernetes shows
// of its Objects what CEL says, which knows the live object only. So CEL may call ready what
// IsReady does not; never the other way round.
type Readiness struct {
	// IsReady reports whether a live object is ready.
	IsReady func(desired, live *structpb.Struct) bool

	// CEL returns the query for the policy DeriveFromCelQuery, or "" for an object that is
	// ready once it is created. It must be boolean, and do without CEL's optional types:
	// older providers have none.
	CEL func(desired *structpb.Struct) string
}

// Rules of the table's rows.
//
//nolint:gochecknoglobals // Parts of a table.
var (
	// isThere is for what has nothing to wait for.
	isThere = Readiness{
		IsReady: func(_, live *structpb.Struct) bool { return live != nil },
		CEL:     func(*structpb.Struct) string { return "" },
	}

	// isUpToDate is for a ConfigMap. A provider that created it does not tell whether it
	// applied the last change.
	isUpToDate = Readiness{
		IsReady: func(desired, live *structpb.Struct) bool { return live != nil && Config(live) == Config(desired) },
		CEL:     func(*structpb.Struct) string { return "" },
	}

	// isReachable is for a Service that may be a load balancer, which needs an address.
	// CEL does not look into the first ingress: it has an IP address or a host name on
	// every cloud.
	isReachable = Readiness{
		IsReady: func(desired, live *structpb.Struct) bool {
			return live != nil && (!IsLoadBalancer(desired) || LoadBalancerAddress(live) != "")
		},
		CEL: func(desired *structpb.Struct) string {
			if !IsLoadBalancer(desired) {
				return ""
			}

			return "has(object.status) && has(object.status.loadBalancer) && has(object.status.loadBalancer.ingress) && size(object.status.loadBalancer.ingress) > 0"
		},
	}

	// isRolledOut is for a StatefulSet. CEL knows neither the pod template nor the
	// replicas that are desired, which may not be live yet, and takes a server for stopped
	// while its pod still ends.
	isRolledOut = Readiness{
		IsReady: statefulSetReady,
		CEL: func(*structpb.Struct) string {
			return "has(object.status) && has(object.status.observedGeneration) && object.status.observedGeneration >= object.metadata.generation && " +
				"(object.spec.replicas == 0 || (has(object.status.readyReplicas) && object.status.readyReplicas == object.spec.replicas && " +
				"object.status.currentRevision == object.status.updateRevision))"
		},
	}
)

// statefulSetReady reports whether a live StatefulSet runs the desired pod template. One
// that is ready with an older template is not.
func statefulSetReady(desired, live *structpb.Struct) bool {
	number := func(path ...string) float64 { return protostruct.Get(live, path...).GetNumberValue() }
	replicas := protostruct.Get(desired, "spec", "replicas").GetNumberValue()

	switch {
	case number("status", "observedGeneration") == 0, number("status", "observedGeneration") < number("metadata", "generation"):
		return false
	case number("spec", "replicas") != replicas:
		return false
	case TemplateHash(live) != TemplateHash(desired):
		return false
	case replicas == 0:
		return number("status", "replicas") == 0
	default:
		return number("status", "readyReplicas") == replicas &&
			protostruct.Get(live, "status", "currentRevision").GetStringValue() == protostruct.Get(live, "status", "updateRevision").GetStringValue()
	}
}

// LoadBalancerAddress returns the address of a live Service's load balancer, or ""
// while it has none.
func LoadBalancerAddress(live *structpb.Struct) string {
	ingress := protostruct.Get(live, "status", "loadBalancer", "ingress").GetListValue().GetValues()
	if len(ingress) == 0 {
		return ""
	}

	first := ingress[0].GetStructValue()
	if ip := protostruct.Get(first, "ip").GetStringValue(); ip != "" {
		return ip
	}

	return protostruct.Get(first, "hostname").GetStringValue()
}
