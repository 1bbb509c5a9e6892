package composite

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPolicy checks entries of the policy that would allow nothing by mistake.
func TestPolicy(t *testing.T) {
	cases := map[string]struct {
		reason string
		policy string
		want   []string
	}{
		"Any": {
			reason: "The star is an entry of each list.",
			policy: `{extraVolumes: ["*"], networkPolicy: {ingressRanges: ["*"], egressRanges: ["*"]}, services: {types: ["*"], sourceRanges: ["*"], nodePorts: ["*"]}, pods: {ids: ["*"]}}`,
		},
		"Good": {
			reason: "Ranges, quantities and durations are as documented.",
			policy: `{podDisruptionBudget: Forbid, networkPolicy: {ingressNamespaces: [any text], ingressRanges: [10.0.0.0/8]}, services: {sourceRanges: [10.0.0.0/8, "fd00::/8"], nodePorts: ["30000", 30001-30002]}, pods: {ids: ["0", 1-1], maxGracePeriod: 0s}, resources: {required: [limits.example.org/gpu], max: {cpu: 500m}}, storage: {maxSize: 1Ti}}`,
		},
		"NotSupported": {
			reason: "What cannot be asked for cannot be allowed.",
			policy: "{config: allow, podDisruptionBudget: \"*\", extraVolumes: [hostPath], services: {types: [ExternalName]}}",
			want: []string{
				`input.policy.config: Unsupported value: "allow": supported values: "Allow", "Forbid"`,
				`input.policy.podDisruptionBudget: Unsupported value: "*": supported values: "Allow", "Forbid"`,
				`input.policy.extraVolumes[0]: Unsupported value: "hostPath": supported values: "secret", "configMap", "downwardAPI", "*"`,
				`input.policy.services.types[0]: Unsupported value: "ExternalName": supported values: "ClusterIP", "NodePort", "LoadBalancer", "*"`,
			},
		},
		"Malformed": {
			reason: "An entry that nothing fits is a mistake.",
			policy: `{networkPolicy: {ingressRanges: [any], egressRanges: [10.0.0.1]}, services: {sourceRanges: [10.0.0.0], nodePorts: [2-1, "-1", a]}, pods: {ids: [""], maxGracePeriod: -1s, maxStartupTime: 5}, resources: {required: [memory, limits.], max: {cpu: much}}, storage: {maxSize: 1e999}}`,
			want: []string{
				"input.policy.pods.maxStartupTime: Invalid value: 5: must be a string",
				`input.policy.services.sourceRanges[0]: Invalid value: "10.0.0.0": must be a CIDR, such as 10.0.0.0/8`,
				`input.policy.services.nodePorts[0]: Invalid value: "2-1": must be a number, or two with a dash between them, such as 1000-1999`,
				`input.policy.services.nodePorts[1]: Invalid value: "-1": must be a number, or two with a dash between them, such as 1000-1999`,
				`input.policy.services.nodePorts[2]: Invalid value: "a": must be a number, or two with a dash between them, such as 1000-1999`,
				`input.policy.networkPolicy.ingressRanges[0]: Invalid value: "any": must be a CIDR, such as 10.0.0.0/8`,
				`input.policy.networkPolicy.egressRanges[0]: Invalid value: "10.0.0.1": must be a CIDR, such as 10.0.0.0/8`,
				`input.policy.pods.ids[0]: Invalid value: "": must be a number, or two with a dash between them, such as 1000-1999`,
				`input.policy.resources.required[0]: Invalid value: "memory": must be requests. or limits. with a resource behind it, such as limits.memory`,
				`input.policy.resources.required[1]: Invalid value: "limits.": must be requests. or limits. with a resource behind it, such as limits.memory`,
				`input.policy.pods.maxGracePeriod: Invalid value: "-1s": must be a Go duration of zero or more, such as 1m`,
				`input.policy.resources.max[cpu]: Invalid value: "much": quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`,
				`input.policy.storage.maxSize: Invalid value: "1e999": must have an exponent of at most two digits`,
			},
		},
		"TooMany": {
			reason: "Each entry may have to be compared with all that is asked.",
			policy: "{secrets: [" + strings.Repeat("a,", 129) + "]}",
			want:   []string{"input.policy.secrets: Too many: 129: must have at most 128 entries"},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, got := decode(t, "", "policy: "+tc.policy)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nDecode(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
