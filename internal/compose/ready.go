package compose

import (
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// Ready says whether the live Kubernetes object of a manifest is ready: created,
// for most; with an address, for a load balancer; rolled out, for a StatefulSet.
func Ready(m *structpb.Struct, o *observed.Resource) bool {
	if o == nil || o.Live == nil {
		return false
	}

	switch {
	case protostruct.Get(m, "kind").GetStringValue() == "StatefulSet":
		return statefulSetReady(m, o.Live)
	case protostruct.Get(m, "kind").GetStringValue() == "ConfigMap":
		return manifest.Config(o.Live) == manifest.Config(m)
	case manifest.IsLoadBalancer(m):
		return LoadBalancerAddress(o.Live) != ""
	default:
		return true
	}
}

// statefulSetReady says whether a live StatefulSet runs what a manifest asks for.
// A Ready that is of an older template is not ready.
func statefulSetReady(m, live *structpb.Struct) bool {
	number := func(path ...string) float64 { return protostruct.Get(live, path...).GetNumberValue() }
	replicas := protostruct.Get(m, "spec", "replicas").GetNumberValue()

	switch {
	case number("status", "observedGeneration") == 0, number("status", "observedGeneration") < number("metadata", "generation"):
		return false
	case number("spec", "replicas") != replicas:
		return false
	case manifest.TemplateHash(live) != manifest.TemplateHash(m):
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
