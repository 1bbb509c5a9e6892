package manifest

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
)

// dnsPort of every name server, unless the platform says otherwise.
const dnsPort = 53

// networkPolicy admits those that the spec lists, and nobody else. Ports are named as the
// container's are: a number would be that of the next pod while a change of ports is held.
func networkPolicy(s *composite.DittoServer, _ Inputs) (object, error) {
	in := &s.Spec.NetworkPolicy.Ingress

	file := []networkingv1.NetworkPolicyPort{networkPort(v1alpha1.PortNFS)}
	if s.Spec.SMB.Enabled {
		file = append(file, networkPort(v1alpha1.PortSMB))
	}

	if s.Spec.Portmapper.Enabled {
		file = append(file, networkingv1.NetworkPolicyPort{Protocol: new(corev1.ProtocolTCP), Port: new(intstr.FromInt32(v1alpha1.PortmapperContainerPort))})
	}

	policy := &networkingv1.NetworkPolicy{
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: selectorLabels(s.Name)},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
		},
	}

	admit := func(peers []networkingv1.NetworkPolicyPeer, ports ...networkingv1.NetworkPolicyPort) {
		// A rule without peers admits everybody.
		if len(peers) > 0 {
			policy.Spec.Ingress = append(policy.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: peers, Ports: ports})
		}
	}

	admit(slices.Concat(in.File, nodes(s, v1alpha1.ExposedFile)), file...)
	admit(slices.Concat(in.API, nodes(s, v1alpha1.ExposedAPI)), networkPort(v1alpha1.PortAPI))

	if s.Spec.Metrics.Enabled {
		admit(in.Metrics, networkPort(v1alpha1.PortMetrics))
	}

	if s.Spec.NetworkPolicy.Egress != nil {
		policy.Spec.PolicyTypes = append(policy.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
		policy.Spec.Egress = slices.Concat(dns(s), s.Spec.NetworkPolicy.Egress)
	}

	return policy, nil
}

// nodes returns the cluster's nodes, where the spec admits them.
func nodes(s *composite.DittoServer, to v1alpha1.Exposed) []networkingv1.NetworkPolicyPeer {
	if !slices.Contains(s.Spec.NetworkPolicy.Ingress.Nodes, to) {
		return nil
	}

	var peers []networkingv1.NetworkPolicyPeer
	for _, cidr := range s.Input.NetworkPolicy.NodeRanges {
		peers = append(peers, networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: cidr}})
	}

	return peers
}

// dns returns the rules that let the server find the others: what it may reach has names.
func dns(s *composite.DittoServer) []networkingv1.NetworkPolicyEgressRule {
	if rules := s.Input.NetworkPolicy.DNS; rules != nil {
		return rules
	}

	return []networkingv1.NetworkPolicyEgressRule{{Ports: []networkingv1.NetworkPolicyPort{
		{Protocol: new(corev1.ProtocolUDP), Port: new(intstr.FromInt32(dnsPort))},
		{Protocol: new(corev1.ProtocolTCP), Port: new(intstr.FromInt32(dnsPort))},
	}}}
}

func networkPort(name string) networkingv1.NetworkPolicyPort {
	return networkingv1.NetworkPolicyPort{Protocol: new(corev1.ProtocolTCP), Port: new(intstr.FromString(name))}
}
