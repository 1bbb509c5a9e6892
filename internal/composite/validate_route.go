package composite

import (
	"cmp"
	"net/netip"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/fielderr"
	"github.com/dittofs/function-dittoserver/internal/podrules"
)

// Bounds of a route. The Gateway API takes 16 hostnames, and 32 Gateways.
const (
	maxHostnames = 16
	maxGateways  = 16
)

// ParentRefs returns the Gateways of a server's route.
func (s *DittoServer) ParentRefs() []v1alpha1.GatewayRef {
	if refs := s.Spec.API.Route.ParentRefs; len(refs) > 0 {
		return refs
	}

	return s.Input.Route.ParentRefs
}

// validateRoute reports what the API server refuses of a route, and what would take the clients of
// others: a route without hostnames, or with a wildcard.
func (s *DittoServer) validateRoute(p *field.Path) field.ErrorList {
	route := s.Spec.API.Route
	if route == nil {
		return nil
	}

	var errs field.ErrorList

	switch n := len(route.Hostnames); {
	case n == 0:
		errs = append(errs, field.Required(p.Child("hostnames"), "name the API's host: without one the route would take all of the Gateway's"))
	case n > maxHostnames:
		errs = append(errs, fielderr.TooMany(p.Child("hostnames"), n, maxHostnames, "items"))
	}

	seen := sets.New[string]()
	errs = append(errs, fielderr.Each(p.Child("hostnames"), route.Hostnames, func(p *field.Path, host *string) field.ErrorList {
		if seen.Has(*host) {
			return field.ErrorList{field.Duplicate(p, *host)}
		}

		seen.Insert(*host)

		if _, err := netip.ParseAddr(*host); err == nil {
			return field.ErrorList{field.Invalid(p, *host, "must be a DNS name, not an address")}
		}

		return fielderr.Messages(p, *host, validation.IsDNS1123Subdomain(*host))
	})...)

	if len(s.ParentRefs()) == 0 {
		errs = append(errs, field.Required(p.Child("parentRefs"), "name a Gateway: the function's input names none"))
	}

	errs = append(errs, validateParentRefs(p.Child("parentRefs"), route.ParentRefs, s.Namespace)...)

	if ref := route.CAConfigMapRef; ref != nil {
		errs = append(errs, validateConfigMapName(p.Child("caConfigMapRef", "name"), ref.Name)...)
	}

	if route.ServerName != "" {
		errs = append(errs, fielderr.Messages(p.Child("serverName"), route.ServerName, validation.IsDNS1123Subdomain(route.ServerName))...)
	}

	return errs
}

func validateConfigMapName(p *field.Path, name string) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(p, "name a ConfigMap in the server's namespace")}
	}

	return podrules.ObjectName(p, name)
}

// validateParentRefs reports what the API server refuses of the Gateways of a route. One without a
// namespace is in the server's.
func validateParentRefs(p *field.Path, refs []v1alpha1.GatewayRef, namespace string) field.ErrorList {
	var errs field.ErrorList

	if n := len(refs); n > maxGateways {
		errs = append(errs, fielderr.TooMany(p, n, maxGateways, "items"))
	}

	// Listeners by Gateway. All of a Gateway's listeners are "".
	seen := map[[2]string]sets.Set[string]{}

	return append(errs, fielderr.Each(p, refs, func(p *field.Path, ref *v1alpha1.GatewayRef) field.ErrorList {
		var errs field.ErrorList

		if ref.Name == "" {
			errs = append(errs, field.Required(p.Child("name"), "name the Gateway"))
		}

		errs = append(errs, podrules.ObjectName(p.Child("name"), ref.Name)...)
		errs = append(errs, podrules.ObjectName(p.Child("sectionName"), ref.SectionName)...)

		if ref.Namespace != "" {
			errs = append(errs, fielderr.Messages(p.Child("namespace"), ref.Namespace, validation.IsDNS1123Label(ref.Namespace))...)
		}

		gateway := [2]string{cmp.Or(ref.Namespace, namespace), ref.Name}
		before := seen[gateway]

		switch {
		case before == nil:
			seen[gateway] = sets.New(ref.SectionName)
		case before.Has(ref.SectionName):
			errs = append(errs, field.Duplicate(p, ref.Name))
		case before.Has("") || ref.SectionName == "":
			errs = append(errs, field.Invalid(p, ref.Name, "a Gateway that is named twice needs a sectionName each time"))
		default:
			before.Insert(ref.SectionName)
		}

		return errs
	})...)
}
