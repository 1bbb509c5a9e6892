package policy

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/composite"
)

// ofRoute returns the path of a field of spec.api.route.
func ofRoute(name string) *field.Path { return spec("api", "route", name) }

func asksHostnames(c *composed) []ask {
	var asks []ask

	for _, r := range c.routes {
		for i, host := range r.Hostnames {
			asks = append(asks, ask{path: ofRoute("hostnames").Index(i), text: host})
		}
	}

	return asks
}

// asksGateways asks for the Gateways that are not the platform's.
func asksGateways(c *composed) []ask {
	var asks []ask

	for _, r := range c.routes {
		for i, ref := range r.ParentRefs {
			if slices.Contains(c.server.Input.Route.ParentRefs, v1alpha1.GatewayRef{Name: ref.Name, Namespace: ref.Namespace, SectionName: ref.SectionName}) {
				continue
			}

			text := cmp.Or(ref.Namespace, c.server.Namespace) + "/" + ref.Name
			if ref.SectionName != "" {
				text += "/" + ref.SectionName
			}

			asks = append(asks, ask{path: ofRoute("parentRefs").Index(i), text: text})
		}
	}

	return asks
}

// gateways allows a Gateway with all of its listeners, or one of those.
func gateways(entries []string) matcher {
	isAllowed := names(entries)

	return func(a ask) bool {
		// As asksGateways writes it.
		parts := strings.Split(a.text, "/")

		return isAllowed(a) || len(parts) > 2 && isAllowed(ask{text: parts[0] + "/" + parts[1]})
	}
}

// entriesFor returns entries of a list with the server's own namespace and name. Neither has a star.
func entriesFor(s *composite.DittoServer, entries []string) []string {
	own := strings.NewReplacer(v1beta1.OwnNamespace, s.Namespace, v1beta1.OwnName, s.Name)

	entries = slices.Clone(entries)
	for i := range entries {
		entries[i] = own.Replace(entries[i])
	}

	return entries
}

// backendAuthorities asks for the ConfigMaps by which Gateways judge the API's certificate.
func (c *composed) backendAuthorities() []ask {
	if c.backendTLS == nil {
		return nil
	}

	var asks []ask
	for _, ref := range c.backendTLS.Spec.Validation.CACertificateRefs {
		asks = append(asks, ask{path: ofRoute("caConfigMapRef").Child("name"), text: ref.Name})
	}

	return asks
}
