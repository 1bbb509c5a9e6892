package manifest

import (
	"encoding/json"
	"net/netip"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	selection "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// An end of a connection.
type end struct {
	// namespace and pod are labels. A node, and what is outside of the cluster, has none.
	namespace, pod map[string]string

	ip string
}

// containerPortNumbers of a pod whose next template has another port for the API: names follow the pod.
var containerPortNumbers = map[string]int32{"nfs": 12049, "smb": 1445, "api": 8080, "metrics": 9090}

// Kubernetes' rules for NetworkPolicies are played over a table, since the local stack has nothing
// that enforces them.
func TestNetworkPolicy(t *testing.T) {
	var (
		client     = end{map[string]string{"team": "a"}, map[string]string{"tier": "web"}, "10.0.0.1"}
		other      = end{map[string]string{"team": "a"}, map[string]string{"tier": "db"}, "10.0.0.2"}
		elsewhere  = end{map[string]string{"team": "b"}, map[string]string{"tier": "web"}, "10.0.0.3"}
		prometheus = end{map[string]string{"team": "monitoring"}, map[string]string{"tier": "monitoring"}, "10.0.0.4"}
		node       = end{ip: "172.16.0.1"}
		outside    = end{ip: "192.0.2.1"}
		excepted   = end{ip: "192.0.2.129"}
		dns        = end{map[string]string{"team": "system"}, map[string]string{"tier": "dns"}, "10.0.0.53"}
	)

	const peers = "{namespaceSelector: {matchLabels: {team: a}}, podSelector: {matchLabels: {tier: web}}}"

	type connection struct {
		peer     end
		port     int32
		protocol corev1.Protocol
		want     bool
	}

	cases := map[string]struct {
		reason  string
		spec    string
		ranges  []string
		dns     []networkingv1.NetworkPolicyEgressRule
		ingress []connection
		egress  []connection
	}{
		"Nobody": {
			reason:  "An empty list admits nobody, and without egress the server may reach everything.",
			spec:    "{networkPolicy: {ingress: {file: [], api: []}}}",
			ingress: []connection{{client, 12049, "TCP", false}, {node, 12049, "TCP", false}, {client, 8080, "TCP", false}},
			egress:  []connection{{outside, 443, "TCP", true}, {dns, 53, "UDP", true}},
		},
		"File": {
			reason: "A peer reaches what it is listed for, and nothing else.",
			spec:   "{networkPolicy: {ingress: {file: [" + peers + ", {ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.128/25]}}], api: []}}}",
			ingress: []connection{
				{client, 12049, "TCP", true},
				{outside, 12049, "TCP", true},
				{excepted, 12049, "TCP", false},
				{other, 12049, "TCP", false},
				{elsewhere, 12049, "TCP", false},
				{client, 8080, "TCP", false},
				{client, 1445, "TCP", false},
				{client, 12049, "UDP", false},
				{client, 22, "TCP", false},
			},
		},
		"SMB": {
			reason:  "Who may reach files may do so over SMB, where it is enabled.",
			spec:    "{smb: {enabled: true}, networkPolicy: {ingress: {file: [" + peers + "], api: []}}}",
			ingress: []connection{{client, 1445, "TCP", true}, {client, 12049, "TCP", true}, {other, 1445, "TCP", false}},
		},
		"Portmapper": {
			reason:  "Who may reach files may ask where they are.",
			spec:    "{nfsPort: 12049, portmapper: {enabled: true}, networkPolicy: {ingress: {file: [" + peers + "], api: []}}}",
			ingress: []connection{{client, 10111, "TCP", true}, {client, 12049, "TCP", true}, {other, 10111, "TCP", false}},
		},
		"API": {
			reason:  "The same for the API, by the name of its port: a pod that is held has the old number.",
			spec:    "{apiPort: 8443, networkPolicy: {ingress: {file: [], api: [" + peers + "]}}}",
			ingress: []connection{{client, 8080, "TCP", true}, {client, 8443, "TCP", false}, {client, 12049, "TCP", false}, {other, 8080, "TCP", false}},
		},
		"Metrics": {
			reason:  "Whoever scrapes reaches nothing else.",
			spec:    "{metrics: {enabled: true}, networkPolicy: {ingress: {file: [], api: [], metrics: [{namespaceSelector: {matchLabels: {team: monitoring}}}]}}}",
			ingress: []connection{{prometheus, 9090, "TCP", true}, {prometheus, 8080, "TCP", false}, {client, 9090, "TCP", false}},
		},
		"MetricsOff": {
			reason:  "A list without metrics admits nobody.",
			spec:    "{networkPolicy: {ingress: {file: [], api: [], metrics: [{namespaceSelector: {}}]}}}",
			ingress: []connection{{prometheus, 9090, "TCP", false}},
		},
		"Nodes": {
			reason:  "A kernel's NFS client comes from its node. Nodes reach what is named, also where nobody else does.",
			spec:    "{networkPolicy: {ingress: {file: [], api: [], nodes: [file]}}}",
			ranges:  []string{"172.16.0.0/16"},
			ingress: []connection{{node, 12049, "TCP", true}, {node, 8080, "TCP", false}, {client, 12049, "TCP", false}},
		},
		"NodesWithoutRanges": {
			reason:  "Without ranges no node is admitted, and not everybody.",
			spec:    "{networkPolicy: {ingress: {file: [], api: [], nodes: [file, api]}}}",
			ingress: []connection{{node, 12049, "TCP", false}, {client, 12049, "TCP", false}, {client, 8080, "TCP", false}},
		},
		"NodesNotAsked": {
			reason:  "The platform's ranges alone admit nobody.",
			spec:    "{networkPolicy: {ingress: {file: [], api: []}}}",
			ranges:  []string{"172.16.0.0/16"},
			ingress: []connection{{node, 12049, "TCP", false}},
		},
		"NoEgress": {
			reason: "An empty list allows name servers only.",
			spec:   "{networkPolicy: {ingress: {file: [], api: []}, egress: []}}",
			egress: []connection{{dns, 53, "UDP", true}, {dns, 53, "TCP", true}, {outside, 53, "UDP", true}, {outside, 443, "TCP", false}, {client, 5432, "TCP", false}},
		},
		"Egress": {
			reason: "Rules are Kubernetes' own, beside the one for name servers.",
			spec:   "{networkPolicy: {ingress: {file: [], api: []}, egress: [{to: [" + peers + "], ports: [{port: 5432}]}, {to: [{ipBlock: {cidr: 192.0.2.0/24}}], ports: [{port: 9000, endPort: 9010}]}]}}",
			egress: []connection{{client, 5432, "TCP", true}, {other, 5432, "TCP", false}, {client, 5433, "TCP", false}, {outside, 9005, "TCP", true}, {outside, 9011, "TCP", false}, {dns, 53, "UDP", true}},
		},
		"DNS": {
			reason: "The platform knows where name servers are.",
			spec:   "{networkPolicy: {ingress: {file: [], api: []}, egress: []}}",
			dns: []networkingv1.NetworkPolicyEgressRule{{
				To:    []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "system"}}}},
				Ports: []networkingv1.NetworkPolicyPort{{Protocol: new(corev1.ProtocolUDP), Port: new(intstr.FromInt32(5353))}},
			}},
			egress: []connection{{dns, 5353, "UDP", true}, {dns, 53, "UDP", false}, {outside, 53, "UDP", false}, {outside, 5353, "UDP", false}},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := server(t, tc.spec)
			s.Input.NetworkPolicy.NodeRanges, s.Input.NetworkPolicy.DNS = tc.ranges, tc.dns

			b, err := protojson.Marshal(build(t, s, PodInputs{})[NetworkPolicy])
			if err != nil {
				t.Fatal(err)
			}

			policy := &networkingv1.NetworkPolicy{}
			if err := json.Unmarshal(b, policy); err != nil {
				t.Fatal(err)
			}

			if !selects(t, &policy.Spec.PodSelector, map[string]string{"app.kubernetes.io/name": "dittofs", "app.kubernetes.io/instance": "files"}) {
				t.Error("the policy is not the server's pod's")
			}

			for _, c := range tc.ingress {
				if got := admits(t, policy, c.peer, c.port, c.protocol); got != c.want {
					t.Errorf("%s\nfrom %+v to %s %d: want %t, got %t", tc.reason, c.peer, c.protocol, c.port, c.want, got)
				}
			}

			for _, c := range tc.egress {
				if got := lets(t, policy, c.peer, c.port, c.protocol); got != c.want {
					t.Errorf("%s\nto %s %d of %+v: want %t, got %t", tc.reason, c.protocol, c.port, c.peer, c.want, got)
				}
			}
		})
	}
}

// admits reports whether a peer may connect to a port of the server.
func admits(t *testing.T, p *networkingv1.NetworkPolicy, from end, port int32, protocol corev1.Protocol) bool {
	t.Helper()

	return !slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeIngress) ||
		slices.ContainsFunc(p.Spec.Ingress, func(r networkingv1.NetworkPolicyIngressRule) bool {
			return matches(t, r.From, r.Ports, from, port, protocol)
		})
}

// lets reports whether the server may connect to a port of a peer.
func lets(t *testing.T, p *networkingv1.NetworkPolicy, to end, port int32, protocol corev1.Protocol) bool {
	t.Helper()

	return !slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress) ||
		slices.ContainsFunc(p.Spec.Egress, func(r networkingv1.NetworkPolicyEgressRule) bool {
			return matches(t, r.To, r.Ports, to, port, protocol)
		})
}

// matches reports whether a rule does. One without peers or ports is for all of them.
func matches(t *testing.T, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort, peer end, port int32, protocol corev1.Protocol) bool {
	t.Helper()

	isPeer := func(p networkingv1.NetworkPolicyPeer) bool {
		if p.IPBlock != nil {
			in := func(cidr string) bool { return netip.MustParsePrefix(cidr).Contains(netip.MustParseAddr(peer.ip)) }
			return in(p.IPBlock.CIDR) && !slices.ContainsFunc(p.IPBlock.Except, in)
		}

		return peer.pod != nil && p.NamespaceSelector != nil && selects(t, p.NamespaceSelector, peer.namespace) &&
			(p.PodSelector == nil || selects(t, p.PodSelector, peer.pod))
	}

	isPort := func(p networkingv1.NetworkPolicyPort) bool {
		from := p.Port.IntVal
		if p.Port.Type == intstr.String {
			from = containerPortNumbers[p.Port.StrVal]
		}

		to := from
		if p.EndPort != nil {
			to = *p.EndPort
		}

		return from <= port && port <= to && (p.Protocol == nil && protocol == corev1.ProtocolTCP || p.Protocol != nil && *p.Protocol == protocol)
	}

	return (len(peers) == 0 || slices.ContainsFunc(peers, isPeer)) && (len(ports) == 0 || slices.ContainsFunc(ports, isPort))
}

func selects(t *testing.T, s *metav1.LabelSelector, set map[string]string) bool {
	t.Helper()

	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}

	return selector.Matches(selection.Set(set))
}
