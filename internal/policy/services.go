package policy

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// An exposed Service is one that the spec says something of.
type exposed struct {
	*corev1.Service

	// field of spec.service, and what it says.
	field    string
	override *v1alpha1.ServiceOverride
}

// exposed returns the Services that the spec says something of, in the order of the table. The
// others are of type ClusterIP, and have nothing of a user's.
func (c *composed) exposed() []exposed {
	svc := &c.server.Spec.Service

	return slices.DeleteFunc([]exposed{
		{c.services[manifest.ServiceFile], "file", &svc.File},
		{c.services[manifest.ServiceAPI], "api", &svc.API},
	}, func(e exposed) bool { return e.Service == nil })
}

func (e *exposed) path(name string) *field.Path { return spec("service", e.field, name) }

func asksServiceTypes(c *composed) []ask {
	var asks []ask

	for _, e := range c.exposed() {
		p := e.path("type")
		if protostruct.Get(c.server.Merged, "service", e.field, "type") == nil {
			p = spec("service", "type")
		}

		// Both Services take it from there.
		if a := (ask{path: p, text: string(e.Spec.Type)}); len(asks) == 0 || asks[0].path.String() != p.String() {
			asks = append(asks, a)
		}
	}

	return asks
}

func asksServiceAnnotations(c *composed) []ask {
	var asks []ask

	// Both Services have those of service.annotations, and of annotations.
	told := sets.New[string]()

	add := func(a ask) {
		if path := a.path.String(); !told.Has(path) {
			told.Insert(path)
			asks = append(asks, a)
		}
	}

	for _, e := range c.exposed() {
		for _, a := range entries(e.path("annotations"), e.Annotations, nobodys) {
			_, isService := c.server.Spec.Service.Annotations[a.text]
			_, isOwn := e.override.Annotations[a.text]

			switch {
			case isPlatforms(c.server.Input.Annotations, a.text, *a.value):
				continue
			case isOwn:
			case isService:
				a.path = spec("service", "annotations").Key(a.text)
			default:
				a.path = spec("annotations").Key(a.text)
			}

			add(a)
		}
	}

	// The headless one has those of annotations as they are, and so has that of the metrics.
	if headless := c.services[manifest.ServiceHeadless]; headless != nil {
		for _, a := range entries(spec("annotations"), headless.Annotations, nobodys) {
			if !isPlatforms(c.server.Input.Annotations, a.text, *a.value) {
				add(a)
			}
		}
	}

	return asks
}

func asksLoadBalancerClasses(c *composed) []ask {
	var asks []ask

	for _, e := range c.exposed() {
		if class := e.Spec.LoadBalancerClass; class != nil {
			asks = append(asks, ask{path: e.path("loadBalancerClass"), text: *class})
		}
	}

	return asks
}

// asksSourceRanges asks for all addresses where a load balancer has no source ranges.
func asksSourceRanges(c *composed) []ask {
	var asks []ask

	for _, e := range c.exposed() {
		p := e.path("loadBalancerSourceRanges")

		for i, cidr := range e.Spec.LoadBalancerSourceRanges {
			asks = append(asks, ask{path: p.Index(i), text: cidr})
		}

		if e.Spec.Type == corev1.ServiceTypeLoadBalancer && len(e.Spec.LoadBalancerSourceRanges) == 0 {
			asks = append(asks, ask{path: p, text: allAddresses})
		}
	}

	return asks
}

// portFields are what of the spec chooses a port of a Service, by its name.
//
//nolint:gochecknoglobals // A table.
var portFields = map[string]*field.Path{
	v1alpha1.PortNFS:        spec("nfsPort"),
	v1alpha1.PortSMB:        spec("smb", "port"),
	v1alpha1.PortAPI:        spec("apiPort"),
	v1alpha1.PortPortmapper: spec("portmapper", "enabled"),
}

// asksPorts asks for the ports of Services that are reached from outside of the cluster.
func asksPorts(c *composed) []ask {
	var asks []ask

	for _, e := range c.exposed() {
		if e.Spec.Type == corev1.ServiceTypeClusterIP {
			continue
		}

		for _, port := range e.Spec.Ports {
			asks = append(asks, ask{path: portFields[port.Name], text: strconv.Itoa(int(port.Port)), number: int64(port.Port)})
		}
	}

	return asks
}

func asksNodePorts(c *composed) []ask {
	var asks []ask

	for _, e := range c.exposed() {
		for _, port := range e.Spec.Ports {
			if n := port.NodePort; n != 0 {
				asks = append(asks, ask{path: e.path("nodePorts").Key(port.Name), text: strconv.Itoa(int(n)), number: int64(n)})
			}
		}
	}

	return asks
}
