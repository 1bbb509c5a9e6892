package podrules

import (
	"encoding/json"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/networking"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	networkingvalidation "k8s.io/kubernetes/pkg/apis/networking/validation"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// peers, and ports of egress rules, each with whether the API server takes it.
//
//nolint:gochecknoglobals // Tables.
var (
	peers = map[string]bool{
		"{}":                      false,
		"{podSelector: {}}":       true,
		"{namespaceSelector: {}}": true,
		"{podSelector: {matchLabels: {a: b}}, namespaceSelector: {matchExpressions: [{key: a, operator: Exists}]}}": true,
		"{podSelector: {matchLabels: {a: no label}}}":                                                               false,
		"{podSelector: {matchLabels: {'no key': a}}}":                                                               false,
		"{podSelector: {matchExpressions: [{key: a, operator: Is, values: [b]}]}}":                                  false,
		"{podSelector: {matchExpressions: [{key: a, operator: In}]}}":                                               false,
		"{podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}":                              false,
		"{namespaceSelector: {matchExpressions: [{key: a, operator: In, values: [no label]}]}}":                     false,
		"{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}":                                                            false,
		"{ipBlock: {cidr: 10.0.0.0/8}}":                                                                             true,
		"{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 192.0.2.0/24]}}":                                          true,
		"{ipBlock: {cidr: '::/0', except: ['fd00::/8']}}":                                                           true,
		"{ipBlock: {}}":                                        false,
		"{ipBlock: {cidr: 10.0.0.1}}":                          false,
		"{ipBlock: {cidr: 10.0.0.0/33}}":                       false,
		"{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}":  false,
		"{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}": false,
		"{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/7]}}":  false,
		"{ipBlock: {cidr: 10.0.0.0/8, except: [no]}}":          false,
	}

	ports = map[string]bool{
		"{}":                              true,
		"{port: 53}":                      true,
		"{port: 53, protocol: UDP}":       true,
		"{port: 53, protocol: SCTP}":      true,
		"{port: 53, protocol: ICMP}":      false,
		"{protocol: TCP}":                 true,
		"{port: https}":                   true,
		"{port: no_name}":                 false,
		"{port: a-name-that-is-too-long}": false,
		"{port: 65536}":                   false,
		"{port: 9000, endPort: 9010}":     true,
		"{port: 9000, endPort: 9000}":     true,
		"{port: 9000, endPort: 8999}":     false,
		"{port: 9000, endPort: 65536}":    false,
		"{port: https, endPort: 9010}":    false,
		"{endPort: 9010}":                 false,
	}
)

// A DittoServer is refused for what the API server refuses of a NetworkPolicy, and for nothing
// else.
func TestNetworkPolicies(t *testing.T) {
	policies := map[string]bool{}
	for p, good := range peers {
		policies["{ingress: {file: ["+p+"], api: []}}"] = good
		policies["{ingress: {file: [], api: ["+p+"]}, egress: [{to: ["+p+"]}]}"] = good
	}

	for p, good := range ports {
		policies["{ingress: {file: [], api: []}, egress: [{ports: ["+p+"]}]}"] = good
	}

	for policy, good := range policies {
		t.Run(policy, func(t *testing.T) {
			s, errs := decode(t, mutation{field: "networkPolicy", value: policy})

			pod, err := manifest.Pod(s, manifest.PodInputs{})
			if err != nil {
				t.Fatal(err)
			}

			m, err := manifest.Build(s, manifest.Inputs{Pod: pod})
			if err != nil {
				t.Fatal(err)
			}

			refused := refusedPolicy(t, protostruct.JSON(structpb.NewStructValue(m[manifest.NetworkPolicy])))
			if isGood := len(refused) == 0; isGood != good {
				t.Errorf("want the API server to take it: %t, got %v", good, refused)
			}

			if isGood := len(errs) == 0; isGood != good {
				t.Errorf("want the function to take it: %t, got %v", good, errs)
			}
		})
	}
}

// refusedPolicy returns what the API server refuses of a new NetworkPolicy.
func refusedPolicy(t *testing.T, manifest []byte) field.ErrorList {
	t.Helper()

	sent := &networkingv1.NetworkPolicy{}
	if err := json.Unmarshal(manifest, sent); err != nil {
		t.Fatal(err)
	}

	legacyscheme.Scheme.Default(sent)

	policy := &networking.NetworkPolicy{}
	if err := legacyscheme.Scheme.Convert(sent, policy, nil); err != nil {
		t.Fatal(err)
	}

	return networkingvalidation.ValidateNetworkPolicy(policy, networkingvalidation.NetworkPolicyValidationOptions{})
}
