package policy

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/quantity"
)

// resources returns requests and limits of the container, in a fixed order.
func (c *composed) resources() []struct {
	name string
	list corev1.ResourceList
} {
	return []struct {
		name string
		list corev1.ResourceList
	}{
		{"limits", c.container.Resources.Limits},
		{"requests", c.container.Resources.Requests},
	}
}

func asksResources(c *composed) []ask {
	var asks []ask

	for _, r := range c.resources() {
		for _, name := range slices.Sorted(maps.Keys(r.list)) {
			asks = append(asks, ask{path: spec("resources", r.name).Key(string(name)), text: string(name)})
		}
	}

	return asks
}

// checkRequiredResources takes zero for nothing, as Kubernetes does: a limit of zero is none, and so
// is a request.
func checkRequiredResources(c *composed, rule string) field.ErrorList {
	var errs field.ErrorList

	for _, required := range c.policy.Resources.Required {
		kind, name, _ := strings.Cut(required, ".")

		for _, r := range c.resources() {
			if asked := r.list[corev1.ResourceName(name)]; r.name == kind && asked.IsZero() {
				errs = append(errs, field.Forbidden(spec("resources", kind).Key(name), "the platform's policy does not allow a server without it (policy."+rule+")"))
			}
		}
	}

	return errs
}

func checkMaxResources(c *composed, rule string) field.ErrorList {
	var errs field.ErrorList

	for _, name := range slices.Sorted(maps.Keys(c.policy.Resources.Max)) {
		// Validated to be a quantity.
		allowed, err := quantity.Parse(c.policy.Resources.Max[name])
		if err != nil {
			continue
		}

		for _, r := range c.resources() {
			if asked, ok := r.list[corev1.ResourceName(name)]; ok && asked.Cmp(allowed) > 0 {
				errs = append(errs, tooMuch(spec("resources", r.name).Key(name), asked.String(), allowed.String(), rule))
			}
		}
	}

	return errs
}

// claim returns what the spec asks of the claim of a volume.
func (c *composed) claim(volume string) composite.Claim {
	return composite.ClaimOf(&c.server.Spec.Storage, volume)
}

func checkMaxSize(c *composed, rule string) field.ErrorList {
	allowed, err := quantity.Parse(c.policy.Storage.MaxSize)
	if err != nil {
		return nil
	}

	var errs field.ErrorList

	for _, claim := range c.claims {
		if asked := claim.Spec.Resources.Requests[corev1.ResourceStorage]; asked.Cmp(allowed) > 0 {
			errs = append(errs, tooMuch(spec("storage", c.claim(claim.Name).SizeField), asked.String(), allowed.String(), rule))
		}
	}

	return errs
}

// asksStorageClasses asks for the classes that claims name. The empty one is a class of its own.
func asksStorageClasses(c *composed) []ask {
	var asks []ask

	for _, claim := range c.claims {
		class := claim.Spec.StorageClassName
		if class == nil {
			continue
		}

		// Claims may have the class of the same field.
		p := spec("storage", c.claim(claim.Name).ClassField)
		if !slices.ContainsFunc(asks, func(a ask) bool { return a.path.String() == p.String() }) {
			asks = append(asks, ask{path: p, text: *class})
		}
	}

	return asks
}

func asksVolumeAttributesClasses(c *composed) []ask {
	var asks []ask
	for _, claim := range c.claims {
		asks = append(asks, named(spec("storage", "volumeAttributesClassName"), ptr.Deref(claim.Spec.VolumeAttributesClassName, ""))...)
	}

	return slices.CompactFunc(asks, func(a, b ask) bool { return a.text == b.text })
}

// asksDataSources asks for what claims are filled from, as Kind/name, or as Kind/namespace/name.
func asksDataSources(c *composed) []ask {
	var asks []ask

	for _, claim := range c.claims {
		p := spec("storage", c.claim(claim.Name).SourceField)

		if s := claim.Spec.DataSource; s != nil {
			asks = append(asks, ask{path: p, text: s.Kind + "/" + s.Name})
		}

		s := claim.Spec.DataSourceRef

		switch {
		case s == nil:
		case s.Namespace != nil && *s.Namespace != c.server.Namespace:
			asks = append(asks, ask{path: p, text: s.Kind + "/" + *s.Namespace + "/" + s.Name})
		default:
			asks = append(asks, ask{path: p, text: s.Kind + "/" + s.Name})
		}
	}

	return asks
}
