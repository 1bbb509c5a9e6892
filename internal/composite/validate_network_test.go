package composite

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

func TestValidateNetworkPolicy(t *testing.T) {
	const (
		in    = "input.networkPolicy"
		file  = "spec.networkPolicy.ingress.file"
		ports = "spec.networkPolicy.egress[0].ports[0]"
	)

	many := "[" + strings.Repeat("{podSelector: {}}, ", maxNetworkRules) + "{podSelector: {}}]"

	cases := map[string]struct {
		reason string
		spec   string
		input  string
		want   []string
	}{
		"None":           {"No policy is asked for.", "{}", "{}", nil},
		"Nobody":         {"An empty list is one.", "{networkPolicy: {ingress: {file: [], api: []}}}", "{}", nil},
		"Peers":          {"What Kubernetes takes.", "{networkPolicy: {ingress: {file: [{podSelector: {}}, {namespaceSelector: {}}, {ipBlock: {cidr: 'fd00::/8', except: ['fd01::/16']}}], api: []}}}", "{}", nil},
		"LeftOut":        {"Nobody can tell whether that is all or none.", "{metrics: {enabled: true}, networkPolicy: {}}", "{}", []string{file, "spec.networkPolicy.ingress.api", "spec.networkPolicy.ingress.metrics"}},
		"NoPeer":         {"Kubernetes would refuse it.", policyOf("[{}]", "[]"), "{}", []string{file + "[0]"}},
		"TwoPeers":       {"Kubernetes would refuse it.", policyOf("[{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}]", "[]"), "{}", []string{file + "[0]"}},
		"Selector":       {"Kubernetes would refuse it.", policyOf("[{podSelector: {matchLabels: {a: no label}}}, {namespaceSelector: {matchExpressions: [{key: a, operator: Is}]}}]", "[]"), "{}", []string{file + "[0].podSelector.matchLabels", file + "[1].namespaceSelector.matchExpressions[0].operator"}},
		"CIDR":           {"Kubernetes would refuse it.", policyOf("[{ipBlock: {cidr: 10.0.0.1}}, {ipBlock: {}}]", "[]"), "{}", []string{file + "[0].ipBlock.cidr", file + "[1].ipBlock.cidr"}},
		"Except":         {"Kubernetes would refuse what is no part of the block.", policyOf("[{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.0.0.0/8, 11.0.0.0/16, 'fd00::/16', '10']}}]", "[]"), "{}", []string{file + "[0].ipBlock.except[1]", file + "[0].ipBlock.except[2]", file + "[0].ipBlock.except[3]", file + "[0].ipBlock.except[4]"}},
		"Nodes":          {"There is no other part, and each is named once.", "{networkPolicy: {ingress: {file: [], api: [], nodes: [file, metrics, file]}}}", "{}", []string{"spec.networkPolicy.ingress.nodes[1]", "spec.networkPolicy.ingress.nodes[2]"}},
		"Ports":          {"Names and ranges.", policyOf("[]", "[{ports: [{port: https}, {port: 1, endPort: 2, protocol: SCTP}, {protocol: UDP}]}, {}]"), "{}", nil},
		"Protocol":       {"Kubernetes would refuse it.", policyOf("[]", "[{ports: [{protocol: ICMP}]}]"), "{}", []string{ports + ".protocol"}},
		"PortNumber":     {"Kubernetes would refuse it.", policyOf("[]", "[{ports: [{port: 65536}]}]"), "{}", []string{ports + ".port"}},
		"PortName":       {"Kubernetes would refuse it.", policyOf("[]", "[{ports: [{port: no_name}]}]"), "{}", []string{ports + ".port"}},
		"EndOfNothing":   {"Kubernetes would refuse it.", policyOf("[]", "[{ports: [{endPort: 2}]}]"), "{}", []string{ports + ".endPort"}},
		"EndOfName":      {"Kubernetes would refuse it.", policyOf("[]", "[{ports: [{port: https, endPort: 2}]}]"), "{}", []string{ports + ".endPort"}},
		"EndBefore":      {"Kubernetes would refuse it.", policyOf("[]", "[{ports: [{port: 3, endPort: 2}]}]"), "{}", []string{ports + ".endPort"}},
		"EndTooHigh":     {"Kubernetes would refuse it.", policyOf("[]", "[{ports: [{port: 3, endPort: 65536}]}]"), "{}", []string{ports + ".endPort"}},
		"TooManyPeers":   {"Each costs every node something.", policyOf(many, "[]"), "{}", []string{file}},
		"TooManyRules":   {"Each costs every node something.", policyOf("[]", "["+strings.Repeat("{}, ", maxNetworkRules)+"{}]"), "{}", []string{"spec.networkPolicy.egress"}},
		"Input":          {"It would spoil the policy of every server.", "{}", "{networkPolicy: {nodeRanges: [10.0.0.0/8, 10.0.0.1], dns: [{ports: [{endPort: 2}]}]}}", []string{in + ".nodeRanges[1]", in + ".dns[0].ports[0].endPort"}},
		"InputOfTheRest": {"Kubernetes' own.", "{}", "{networkPolicy: {nodeRanges: ['fd00::/8'], dns: [{to: [{podSelector: {}}]}]}}", nil},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			xr := protostructtest.FromYAML(t, "{metadata: {name: files, namespace: storage}, spec: "+tc.spec+"}")
			spec := xr.GetFields()["spec"].GetStructValue()
			spec.Fields["identity"] = protostructtest.FromYAML(t, "value: {jwt: {secretRef: {name: jwt}}}").GetFields()["value"]

			_, errs := Decode(xr, protostructtest.FromYAML(t, tc.input))

			var got []string
			for _, err := range errs {
				got = append(got, err.Field)
			}

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nDecode(...): -want, +got:\n%s\n%v", tc.reason, diff, errs)
			}
		})
	}
}

// policyOf returns a spec with peers of the files, and rules for what the server may reach.
func policyOf(file, egress string) string {
	return "{networkPolicy: {ingress: {file: " + file + ", api: []}, egress: " + egress + "}}"
}
