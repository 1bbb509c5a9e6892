package composite

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/fielderr"
	"github.com/dittofs/function-dittoserver/internal/podrules"
)

// maxNetworkRules is how many peers, ports, rules or ranges a list of a network policy has at most.
// The network plugin works on each of them, on each node.
const maxNetworkRules = 128

// validateNetworkPolicy reports what the API server refuses of a NetworkPolicy, and a list that is
// left out: nobody can tell whether it was to admit all or none.
func (s *DittoServer) validateNetworkPolicy(p *field.Path) field.ErrorList {
	policy := s.Spec.NetworkPolicy
	if policy == nil {
		return nil
	}

	in, ip := &policy.Ingress, p.Child("ingress")
	errs := validatePeers(ip.Child("file"), in.File)
	errs = append(errs, validatePeers(ip.Child("api"), in.API)...)
	errs = append(errs, validatePeers(ip.Child("metrics"), in.Metrics)...)

	for _, list := range []struct {
		path    *field.Path
		isGiven bool
	}{
		{ip.Child("file"), in.File != nil},
		{ip.Child("api"), in.API != nil},
		{ip.Child("metrics"), in.Metrics != nil || !s.Spec.Metrics.Enabled},
	} {
		if !list.isGiven {
			errs = append(errs, field.Required(list.path, "list who may connect: [] admits nobody"))
		}
	}

	seen := sets.New[v1alpha1.Exposed]()
	errs = append(errs, fielderr.Each(ip.Child("nodes"), in.Nodes, func(p *field.Path, to *v1alpha1.Exposed) field.ErrorList {
		if seen.Has(*to) {
			return field.ErrorList{field.Duplicate(p, *to)}
		}

		seen.Insert(*to)

		return fielderr.OneOf(p, *to, v1alpha1.ExposedFile, v1alpha1.ExposedAPI)
	})...)

	return append(errs, validateEgress(p.Child("egress"), policy.Egress)...)
}

// validateNetworkInput reports what the API server would refuse of each server's NetworkPolicy.
func validateNetworkInput(p *field.Path, in *v1beta1.NetworkPolicy) field.ErrorList {
	errs := validateLength(p.Child("nodeRanges"), len(in.NodeRanges))
	errs = append(errs, fielderr.Each(p.Child("nodeRanges"), in.NodeRanges, func(p *field.Path, cidr *string) field.ErrorList {
		return validation.IsValidCIDR(p, *cidr)
	})...)

	return append(errs, validateEgress(p.Child("dns"), in.DNS)...)
}

func validateEgress(p *field.Path, rules []networkingv1.NetworkPolicyEgressRule) field.ErrorList {
	errs := validateLength(p, len(rules))

	return append(errs, fielderr.Each(p, rules, func(p *field.Path, r *networkingv1.NetworkPolicyEgressRule) field.ErrorList {
		errs := validatePeers(p.Child("to"), r.To)
		errs = append(errs, validateLength(p.Child("ports"), len(r.Ports))...)

		return append(errs, fielderr.Each(p.Child("ports"), r.Ports, validateNetworkPort)...)
	})...)
}

func validatePeers(p *field.Path, peers []networkingv1.NetworkPolicyPeer) field.ErrorList {
	errs := validateLength(p, len(peers))

	return append(errs, fielderr.Each(p, peers, func(p *field.Path, peer *networkingv1.NetworkPolicyPeer) field.ErrorList {
		selects := peer.PodSelector != nil || peer.NamespaceSelector != nil

		switch {
		case peer.IPBlock == nil && !selects:
			return field.ErrorList{field.Required(p, "must have podSelector, namespaceSelector or ipBlock")}
		case peer.IPBlock != nil && selects:
			return field.ErrorList{field.Forbidden(p, "must not have ipBlock together with a selector")}
		case peer.IPBlock != nil:
			return validateIPBlock(p.Child("ipBlock"), peer.IPBlock)
		}

		errs := podrules.Selector(p.Child("podSelector"), peer.PodSelector)

		return append(errs, podrules.Selector(p.Child("namespaceSelector"), peer.NamespaceSelector)...)
	})...)
}

func validateIPBlock(p *field.Path, b *networkingv1.IPBlock) field.ErrorList {
	if errs := validation.IsValidCIDR(p.Child("cidr"), b.CIDR); len(errs) > 0 {
		return errs
	}

	errs := validateLength(p.Child("except"), len(b.Except))
	block, _ := netip.ParsePrefix(b.CIDR) // Validated above.

	return append(errs, fielderr.Each(p.Child("except"), b.Except, func(p *field.Path, cidr *string) field.ErrorList {
		if errs := validation.IsValidCIDR(p, *cidr); len(errs) > 0 {
			return errs
		}

		if except, err := netip.ParsePrefix(*cidr); err != nil || except.Bits() <= block.Bits() || !block.Contains(except.Addr()) {
			return field.ErrorList{field.Invalid(p, *cidr, "must be a smaller range within cidr")}
		}

		return nil
	})...)
}

func validateNetworkPort(p *field.Path, port *networkingv1.NetworkPolicyPort) field.ErrorList {
	errs := fielderr.OneOfIfSet(p.Child("protocol"), port.Protocol, corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP)

	switch {
	case port.Port == nil && port.EndPort != nil:
		return append(errs, field.Forbidden(p.Child("endPort"), "needs port"))
	case port.Port == nil:
		return errs
	case port.Port.Type == intstr.String && port.EndPort != nil:
		return append(errs, field.Forbidden(p.Child("endPort"), "needs a port that is a number"))
	case port.Port.Type == intstr.String:
		return append(errs, fielderr.Messages(p.Child("port"), port.Port.StrVal, validation.IsValidPortName(port.Port.StrVal))...)
	}

	errs = append(errs, fielderr.Messages(p.Child("port"), port.Port.IntVal, validation.IsValidPortNum(int(port.Port.IntVal)))...)

	if end := port.EndPort; end != nil {
		errs = append(errs, fielderr.Messages(p.Child("endPort"), *end, validation.IsValidPortNum(int(*end)))...)

		if *end < port.Port.IntVal {
			errs = append(errs, field.Invalid(p.Child("endPort"), *end, "must not be below port"))
		}
	}

	return errs
}

func validateLength(p *field.Path, length int) field.ErrorList {
	if length <= maxNetworkRules {
		return nil
	}

	return field.ErrorList{fielderr.TooMany(p, length, maxNetworkRules, "items")}
}
