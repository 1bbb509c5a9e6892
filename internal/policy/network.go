package policy

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/input/v1beta1"
)

func asksBudgets(c *composed) []ask {
	asks := make([]ask, 0, len(c.budgets))
	for range c.budgets {
		asks = append(asks, ask{path: spec("podDisruptionBudget", "enabled"), text: "PodDisruptionBudget"})
	}

	return asks
}

func asksIngressNamespaces(c *composed) []ask { return c.namespaces(c.ingress()) }
func asksIngressRanges(c *composed) []ask     { return ranges(c.ingress()) }
func asksEgressNamespaces(c *composed) []ask  { return c.namespaces(c.egress()) }
func asksEgressRanges(c *composed) []ask      { return ranges(c.egress()) }

// peers are those of a rule of a NetworkPolicy, with the field that lists them. None are everybody.
type peers struct {
	path *field.Path
	list []networkingv1.NetworkPolicyPeer
}

// ingress returns whom the server's NetworkPolicy admits, without the nodes that the input names.
func (c *composed) ingress() []peers {
	if c.network == nil {
		return nil
	}

	// The rules of the table of ports, by the name of the first one.
	fields := map[string]string{v1alpha1.PortNFS: "file", v1alpha1.PortAPI: "api", v1alpha1.PortMetrics: "metrics"}

	all := make([]peers, 0, len(c.network.Spec.Ingress))

	for _, r := range c.network.Spec.Ingress {
		p := spec("networkPolicy", "ingress")
		if len(r.Ports) > 0 && r.Ports[0].Port != nil && fields[r.Ports[0].Port.StrVal] != "" {
			p = p.Child(fields[r.Ports[0].Port.StrVal])
		}

		// A rule of nodes only must not become one of everybody. Nodes come last, so that the others
		// keep their index.
		admitted := slices.DeleteFunc(slices.Clone(r.From), c.isNode)
		if len(admitted) > 0 || len(r.From) == 0 {
			all = append(all, peers{p, admitted})
		}
	}

	return all
}

// isNode reports whether a peer is a range of nodes of the input.
func (c *composed) isNode(p networkingv1.NetworkPolicyPeer) bool {
	return p.IPBlock != nil && slices.Contains(c.server.Input.NetworkPolicy.NodeRanges, p.IPBlock.CIDR)
}

// egress returns what the server's NetworkPolicy lets it reach, without the name servers, which come
// first.
func (c *composed) egress() []peers {
	if c.network == nil || c.server.Spec.NetworkPolicy == nil {
		return nil
	}

	p := spec("networkPolicy", "egress")
	own := len(c.network.Spec.Egress) - len(c.server.Spec.NetworkPolicy.Egress)

	all := make([]peers, 0, len(c.network.Spec.Egress))
	for i, r := range c.network.Spec.Egress[max(own, 0):] {
		all = append(all, peers{p.Index(i).Child("to"), r.To})
	}

	return all
}

// namespaces asks for the namespaces that peers are of, but for the server's own.
func (c *composed) namespaces(all []peers) []ask {
	var asks []ask

	for _, of := range all {
		if len(of.list) == 0 {
			asks = append(asks, ask{path: of.path, text: v1beta1.PolicyAny})
		}

		for i, p := range of.list {
			for _, n := range namespacesOf(p.NamespaceSelector) {
				if n != c.server.Namespace {
					asks = append(asks, ask{path: of.path.Index(i).Child("namespaceSelector"), text: n})
				}
			}
		}
	}

	return asks
}

// namespacesOf returns the names of those that a selector can select: any, unless it asks for the
// label that has the name. No selector is the namespace of the policy.
func namespacesOf(s *metav1.LabelSelector) []string {
	if s == nil {
		return nil
	}

	if name, ok := s.MatchLabels[corev1.LabelMetadataName]; ok {
		return []string{name}
	}

	for _, e := range s.MatchExpressions {
		if e.Key == corev1.LabelMetadataName && e.Operator == metav1.LabelSelectorOpIn {
			return e.Values
		}
	}

	return []string{v1beta1.PolicyAny}
}

// ranges asks for the addresses of peers that are no pods.
func ranges(all []peers) []ask {
	var asks []ask

	for _, of := range all {
		if len(of.list) == 0 {
			asks = append(asks, ask{path: of.path, text: allAddresses})
		}

		for i, p := range of.list {
			if p.IPBlock != nil {
				asks = append(asks, ask{path: of.path.Index(i).Child("ipBlock", "cidr"), text: p.IPBlock.CIDR})
			}
		}
	}

	return asks
}
