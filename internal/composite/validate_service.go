package composite

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/fielderr"
)

// validateService reports combinations that the API server refuses. Refused
// there, they would wedge the composed Service.
func validateService(p *field.Path, spec *v1alpha1.DittoServerSpec) field.ErrorList {
	svc := &spec.Service
	errs := validateServiceType(p.Child("type"), svc.Type)
	errs = append(errs, fielderr.Annotations(p.Child("annotations"), svc.Annotations)...)

	errs = append(errs, validateIPFamilies(p, svc)...)

	for _, a := range annotations(p, svc) {
		if _, ok := a.annotations[corev1.AnnotationLoadBalancerSourceRangesKey]; ok {
			errs = append(errs, field.Forbidden(a.path.Key(corev1.AnnotationLoadBalancerSourceRangesKey), "use loadBalancerSourceRanges of the Service"))
		}
	}

	// Service ports are all TCP, so that a node port can serve only one of them.
	var nodePorts []port

	for _, o := range []struct {
		path     *field.Path
		override *v1alpha1.ServiceOverride
		ports    []string
	}{
		{p.Child("file"), &svc.File, []string{v1alpha1.PortNFS, v1alpha1.PortSMB}},
		{p.Child("api"), &svc.API, []string{v1alpha1.PortAPI}},
	} {
		// A type that both Services take from service.type is reported there.
		if o.override.Type != svc.Type {
			errs = append(errs, validateServiceType(o.path.Child("type"), o.override.Type)...)
		}

		errs = append(errs, validateOverride(o.path, o.override, o.ports)...)

		for _, name := range slices.Sorted(maps.Keys(o.override.NodePorts)) {
			if name == v1alpha1.PortSMB && !spec.SMB.Enabled {
				continue
			}

			nodePorts = append(nodePorts, port{o.path.Child("nodePorts").Key(name), o.override.NodePorts[name]})
		}
	}

	return append(errs, validateUnique(nodePorts, "a node port serves one Service port", sets.New[[2]string]())...)
}

func validateIPFamilies(p *field.Path, svc *v1alpha1.Service) field.ErrorList {
	var errs field.ErrorList

	if policy := svc.IPFamilyPolicy; policy != "" {
		errs = fielderr.OneOf(p.Child("ipFamilyPolicy"), policy, corev1.IPFamilyPolicySingleStack, corev1.IPFamilyPolicyPreferDualStack, corev1.IPFamilyPolicyRequireDualStack)
	}

	seen := sets.New[corev1.IPFamily]()
	errs = append(errs, fielderr.Each(p.Child("ipFamilies"), svc.IPFamilies, func(p *field.Path, f *corev1.IPFamily) field.ErrorList {
		if seen.Has(*f) {
			return field.ErrorList{field.Duplicate(p, *f)}
		}

		seen.Insert(*f)

		return fielderr.OneOf(p, *f, corev1.IPv4Protocol, corev1.IPv6Protocol)
	})...)

	switch n := len(svc.IPFamilies); {
	case n > 1 && !svc.IsDualStack():
		errs = append(errs, field.Forbidden(p.Child("ipFamilies"), "two families need ipFamilyPolicy PreferDualStack or RequireDualStack"))
	case n == 1 && svc.IsDualStack():
		// The API server adds the other family, and takes the next apply for a wish to remove it,
		// which it refuses.
		errs = append(errs, field.Forbidden(p.Child("ipFamilies"), "a dual stack takes two families, or none, for those of the cluster"))
	}

	return errs
}

// serviceAnnotations are annotations of Services with the field that sets them.
type serviceAnnotations struct {
	path        *field.Path
	annotations map[string]string
}

func annotations(p *field.Path, svc *v1alpha1.Service) []serviceAnnotations {
	return []serviceAnnotations{
		{p.Child("annotations"), svc.Annotations},
		{p.Child("file", "annotations"), svc.File.Annotations},
		{p.Child("api", "annotations"), svc.API.Annotations},
	}
}

func validateOverride(p *field.Path, o *v1alpha1.ServiceOverride, ports []string) field.ErrorList {
	errs := fielderr.Annotations(p.Child("annotations"), o.Annotations)

	if class := o.LoadBalancerClass; class != nil {
		if o.Type != corev1.ServiceTypeLoadBalancer {
			errs = append(errs, field.Forbidden(p.Child("loadBalancerClass"), "only a Service of type LoadBalancer has one; this one is of type "+string(o.Type)))
		}

		errs = append(errs, metav1validation.ValidateLabelName(*class, p.Child("loadBalancerClass"))...)
	}

	if len(o.LoadBalancerSourceRanges) > 0 && o.Type != corev1.ServiceTypeLoadBalancer {
		errs = append(errs, field.Forbidden(p.Child("loadBalancerSourceRanges"), "only a Service of type LoadBalancer has them; this one is of type "+string(o.Type)))
	}

	errs = append(errs, fielderr.Each(p.Child("loadBalancerSourceRanges"), o.LoadBalancerSourceRanges, func(p *field.Path, cidr *string) field.ErrorList {
		return validation.IsValidCIDR(p, *cidr)
	})...)

	if policy := o.ExternalTrafficPolicy; policy != "" {
		if o.Type == corev1.ServiceTypeClusterIP {
			errs = append(errs, field.Forbidden(p.Child("externalTrafficPolicy"), "a Service of type ClusterIP has none"))
		}

		errs = append(errs, fielderr.OneOf(p.Child("externalTrafficPolicy"), policy, corev1.ServiceExternalTrafficPolicyCluster, corev1.ServiceExternalTrafficPolicyLocal)...)
	}

	if len(o.NodePorts) > 0 && o.Type == corev1.ServiceTypeClusterIP {
		errs = append(errs, field.Forbidden(p.Child("nodePorts"), "a Service of type ClusterIP has none"))
	}

	for _, name := range slices.Sorted(maps.Keys(o.NodePorts)) {
		np := p.Child("nodePorts").Key(name)
		errs = append(errs, fielderr.OneOf(np, name, ports...)...)
		errs = append(errs, fielderr.Messages(np, o.NodePorts[name], validation.IsValidPortNum(int(o.NodePorts[name])))...)
	}

	return errs
}

func validateServiceType(p *field.Path, t corev1.ServiceType) field.ErrorList {
	return fielderr.OneOf(p, t, corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer)
}
