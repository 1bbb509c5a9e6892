package composite

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

const (
	notSelectorOperator = `supported values: "In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"`
	notTopologyKey      = "Required value: name a node label, such as topology.kubernetes.io/zone"
)

func TestValidateTolerations(t *testing.T) {
	tests := errorTable{
		"Everything": {
			reason: "Exists without a key tolerates every taint",
			xr:     "spec: {tolerations: [{operator: Exists}]}",
		},
		"DefaultOperator": {
			reason: "Without an operator it is Equal, and an empty value is one",
			xr:     "spec: {tolerations: [{key: a}, {key: b, value: c}, {key: example.org/d, operator: Equal, value: e}]}",
		},
		"ForATime": {
			reason: "NoExecute may be tolerated for a time",
			xr:     "spec: {tolerations: [{key: a, effect: NoExecute, tolerationSeconds: 0}]}",
		},
		"Operator": {
			reason: "An unknown operator should be refused",
			xr:     "spec: {tolerations: [{key: a, operator: exists}]}",
			want:   []string{`spec.tolerations[0].operator: Unsupported value: "exists": supported values: "Equal", "Exists"`},
		},
		"Effect": {
			reason: "An unknown effect should be refused",
			xr:     "spec: {tolerations: [{key: a, effect: Evict}]}",
			want:   []string{`spec.tolerations[0].effect: Unsupported value: "Evict": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"`},
		},
		"Key": {
			reason: "A taint's key is a label's",
			xr:     "spec: {tolerations: [{key: a}, {key: _}]}",
			want:   []string{`spec.tolerations[1].key: Invalid value: "_": ` + notLabelKey},
		},
		"EmptyKey": {
			reason: "Without a key nothing can be equal",
			xr:     "spec: {tolerations: [{}, {operator: Equal}]}",
			want: []string{
				`spec.tolerations[0].operator: Invalid value: "": must be Exists when key is empty, which tolerates every taint`,
				`spec.tolerations[1].operator: Invalid value: "Equal": must be Exists when key is empty, which tolerates every taint`,
			},
		},
		"ExistsWithValue": {
			reason: "What exists has no value, not even a good one",
			xr:     "spec: {tolerations: [{key: a, operator: Exists, value: b}]}",
			want:   []string{`spec.tolerations[0].value: Invalid value: "b": must be empty when operator is Exists`},
		},
		"ExistsWithBadValue": {
			reason: "A value that must not be is one error",
			xr:     "spec: {tolerations: [{key: a, operator: Exists, value: _}]}",
			want:   []string{`spec.tolerations[0].value: Invalid value: "_": must be empty when operator is Exists`},
		},
		"Value": {
			reason: "A taint's value is a label's",
			xr:     "spec: {tolerations: [{key: a, value: _}, {key: a, operator: Equal, value: _}]}",
			want: []string{
				`spec.tolerations[0].value: Invalid value: "_": ` + notLabelValue,
				`spec.tolerations[1].value: Invalid value: "_": ` + notLabelValue,
			},
		},
		"SecondsWithoutNoExecute": {
			reason: "Only NoExecute can be tolerated for a time",
			xr:     "spec: {tolerations: [{key: a, tolerationSeconds: 1}, {key: a, effect: NoSchedule, tolerationSeconds: 1}]}",
			want: []string{
				`spec.tolerations[0].effect: Invalid value: "": must be NoExecute when tolerationSeconds is set`,
				`spec.tolerations[1].effect: Invalid value: "NoSchedule": must be NoExecute when tolerationSeconds is set`,
			},
		},
	}

	for _, effect := range []corev1.TaintEffect{"", "NoSchedule", "PreferNoSchedule", "NoExecute"} {
		tests["Effect/"+string(effect)] = testCase{
			reason: "Every effect, and none, should be accepted",
			xr:     fmt.Sprintf("spec: {tolerations: [{key: a, effect: %q}]}", effect),
		}
	}

	tests.run(t)
}

func TestValidateNodeAffinity(t *testing.T) {
	const (
		required  = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
		preferred = "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution"
	)

	requiredTerms := "spec: {affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [%s]}}}}"
	preferredTerms := "spec: {affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [%s]}}}"

	tests := errorTable{
		"Empty": {
			reason: "An affinity to nothing is none",
			xr:     "spec: {affinity: {nodeAffinity: {}, podAffinity: {}, podAntiAffinity: {}}}",
		},
		"Accepted": {
			reason: "Every operator with its values should be accepted",
			xr: fmt.Sprintf(requiredTerms, `{matchExpressions: [
{key: a, operator: In, values: [b, c]}, {key: a, operator: NotIn, values: [b]}, {key: a, operator: Exists},
{key: a, operator: DoesNotExist}, {key: a, operator: Gt, values: ["1"]}, {key: a, operator: Lt, values: ["2"]}, {key: a, operator: In, values: [""]}]},
{matchFields: [{key: metadata.name, operator: In, values: [node]}, {key: metadata.name, operator: NotIn, values: [node.example.org]}]}`),
		},
		"NoTerms": {
			reason: "Without a term no node would do",
			xr:     fmt.Sprintf(requiredTerms, ""),
			want:   []string{required + ": Required value: must have at least one node selector term"},
		},
		"Operators": {
			reason: "An unknown operator, or none, should be refused",
			xr:     fmt.Sprintf(requiredTerms, "{matchExpressions: [{key: a, operator: in}, {key: b}]}, {matchFields: [{key: metadata.name, operator: Is, values: [node]}, {key: metadata.name, operator: Gt, values: [one]}]}"),
			want: []string{
				required + `[0].matchExpressions[0].operator: Unsupported value: "in": ` + notSelectorOperator,
				required + `[0].matchExpressions[1].operator: Unsupported value: "": ` + notSelectorOperator,
				required + `[1].matchFields[0].operator: Unsupported value: "Is": supported values: "In", "NotIn"`,
				required + `[1].matchFields[1].operator: Unsupported value: "Gt": supported values: "In", "NotIn"`,
			},
		},
		"Values": {
			reason: "Each operator has as many values as it can use",
			xr: fmt.Sprintf(requiredTerms, `{matchExpressions: [
{key: a, operator: In}, {key: a, operator: NotIn, values: []}, {key: a, operator: Exists, values: [b]},
{key: a, operator: DoesNotExist, values: [b]}, {key: a, operator: Gt}, {key: a, operator: Lt, values: ["1", "2"]}]}`),
			want: []string{
				required + "[0].matchExpressions[0].values: Required value: must be specified when operator is In or NotIn",
				required + "[0].matchExpressions[1].values: Required value: must be specified when operator is In or NotIn",
				required + "[0].matchExpressions[2].values: Forbidden: may not be specified when operator is Exists or DoesNotExist",
				required + "[0].matchExpressions[3].values: Forbidden: may not be specified when operator is Exists or DoesNotExist",
				required + "[0].matchExpressions[4].values: Required value: must have exactly one value when operator is Gt or Lt",
				required + "[0].matchExpressions[5].values: Required value: must have exactly one value when operator is Gt or Lt",
			},
		},
		"Keys": {
			reason: "A node label's key is a label's",
			xr:     fmt.Sprintf(requiredTerms, "{matchExpressions: [{key: _, operator: Exists}]}, {matchFields: [{key: spec.unschedulable, operator: In, values: [a]}]}"),
			want: []string{
				required + `[0].matchExpressions[0].key: Invalid value: "_": ` + notLabelKey,
				required + `[1].matchFields[0].key: Unsupported value: "spec.unschedulable": supported values: "metadata.name"`,
			},
		},
		"BadValues": {
			reason: "A node label's value is a label's, and a whole number where it is compared",
			xr: fmt.Sprintf(requiredTerms, `{matchExpressions: [{key: a, operator: In, values: [b, _]}, {key: a, operator: NotIn, values: [_]},
{key: a, operator: Gt, values: [many]}, {key: a, operator: Lt, values: ["1.5"]}, {key: a, operator: Lt, values: ["-1"]}]}`),
			want: []string{
				required + `[0].matchExpressions[0].values[1]: Invalid value: "_": ` + notLabelValue,
				required + `[0].matchExpressions[1].values[0]: Invalid value: "_": ` + notLabelValue,
				required + `[0].matchExpressions[2].values[0]: Invalid value: "many": must be a whole number when operator is Gt or Lt`,
				required + `[0].matchExpressions[3].values[0]: Invalid value: "1.5": must be a whole number when operator is Gt or Lt`,
				required + `[0].matchExpressions[4].values[0]: Invalid value: "-1": ` + notLabelValue,
			},
		},
		"BadNodes": {
			reason: "A field of a node is its name, one at a time",
			xr:     fmt.Sprintf(requiredTerms, "{matchFields: [{key: metadata.name, operator: In, values: [a, b]}, {key: metadata.name, operator: NotIn}, {key: metadata.name, operator: In, values: [Node_1]}]}"),
			want: []string{
				required + "[0].matchFields[0].values: Required value: must have exactly one value",
				required + "[0].matchFields[1].values: Required value: must have exactly one value",
				required + `[0].matchFields[2].values[0]: Invalid value: "Node_1": ` + notSubdomain,
			},
		},
		"Preferred": {
			reason: "What is preferred is judged as what is required",
			xr:     fmt.Sprintf(preferredTerms, "{weight: 1, preference: {matchExpressions: [{key: a, operator: Exists}]}}, {weight: 2, preference: {matchExpressions: [{key: _, operator: In}]}}"),
			want: []string{
				preferred + "[1].preference.matchExpressions[0].values: Required value: must be specified when operator is In or NotIn",
				preferred + `[1].preference.matchExpressions[0].key: Invalid value: "_": ` + notLabelKey,
			},
		},
	}

	for _, weight := range []int{1, 100} {
		tests[fmt.Sprintf("Weight/%d", weight)] = testCase{
			reason: "The least and the most weight should be accepted",
			xr:     fmt.Sprintf(preferredTerms, fmt.Sprintf("{weight: %d, preference: {matchExpressions: [{key: a, operator: Exists}]}}", weight)),
		}
	}

	for _, weight := range []int{-1, 0, 101} {
		tests[fmt.Sprintf("Weight/%d", weight)] = testCase{
			reason: "Kubernetes takes weights from 1 to 100",
			xr:     fmt.Sprintf(preferredTerms, fmt.Sprintf("{weight: %d, preference: {matchExpressions: [{key: a, operator: Exists}]}}", weight)),
			want:   []string{fmt.Sprintf("%s[0].weight: Invalid value: %d: must be between 1 and 100, inclusive", preferred, weight)},
		}
	}

	tests.run(t)
}

func TestValidatePodAffinity(t *testing.T) {
	tests := errorTable{}

	for _, kind := range []string{"podAffinity", "podAntiAffinity"} {
		required := "spec.affinity." + kind + ".requiredDuringSchedulingIgnoredDuringExecution"
		preferred := "spec.affinity." + kind + ".preferredDuringSchedulingIgnoredDuringExecution"

		tests[kind+"/Accepted"] = testCase{
			reason: "A term with a topology key should be accepted, with selectors and without",
			xr: fmt.Sprintf(`
spec:
  affinity:
    %s:
      requiredDuringSchedulingIgnoredDuringExecution:
      - {topologyKey: zone}
      - topologyKey: topology.kubernetes.io/zone
        labelSelector: {matchLabels: {a: b}, matchExpressions: [{key: c, operator: In, values: [d]}]}
        namespaceSelector: {}
        namespaces: [storage, team-a]
        matchLabelKeys: [pod-template-hash]
        mismatchLabelKeys: [a, example.org/tenant]
      preferredDuringSchedulingIgnoredDuringExecution:
      - {weight: 1, podAffinityTerm: {topologyKey: zone}}
      - {weight: 100, podAffinityTerm: {topologyKey: zone}}
`, kind),
		}
		tests[kind+"/Required"] = testCase{
			reason: "Each required term should be judged",
			xr: fmt.Sprintf(`
spec:
  affinity:
    %s:
      requiredDuringSchedulingIgnoredDuringExecution:
      - {topologyKey: zone}
      - {}
      - {topologyKey: _, labelSelector: {matchLabels: {_: a}}, namespaceSelector: {matchLabels: {b: _}}}
`, kind),
			want: []string{
				required + "[1].topologyKey: " + notTopologyKey,
				required + `[2].labelSelector.matchLabels: Invalid value: "_": ` + notLabelKey,
				required + `[2].namespaceSelector.matchLabels: Invalid value: "_": ` + notLabelValue,
				required + `[2].topologyKey: Invalid value: "_": ` + notLabelKey,
			},
		}
		tests[kind+"/NamespacesAndKeys"] = testCase{
			reason: "Namespaces are labels of DNS, and keys are those of labels, which the selector does not have yet",
			xr: fmt.Sprintf(`
spec:
  affinity:
    %s:
      requiredDuringSchedulingIgnoredDuringExecution:
      - {topologyKey: zone, namespaces: [a, B_C, d.e]}
      - {topologyKey: zone, matchLabelKeys: [a], mismatchLabelKeys: [b]}
      - topologyKey: zone
        labelSelector: {matchLabels: {a: b}, matchExpressions: [{key: c, operator: Exists}]}
        matchLabelKeys: [d, _, a, c, d]
        mismatchLabelKeys: [_, d]
`, kind),
			want: []string{
				required + `[0].namespaces[1]: Invalid value: "B_C": ` + notDNS1123Label,
				required + `[0].namespaces[2]: Invalid value: "d.e": must not contain dots`,
				required + "[1].matchLabelKeys: Forbidden: needs labelSelector",
				required + "[1].mismatchLabelKeys: Forbidden: needs labelSelector",
				required + `[2].matchLabelKeys[1]: Invalid value: "_": ` + notLabelKey,
				required + `[2].matchLabelKeys[2]: Invalid value: "a": must not be in labelSelector as well`,
				required + `[2].matchLabelKeys[3]: Invalid value: "c": must not be in labelSelector as well`,
				required + `[2].matchLabelKeys[4]: Duplicate value: "d"`,
				required + `[2].mismatchLabelKeys[0]: Invalid value: "_": ` + notLabelKey,
				required + `[2].matchLabelKeys[0]: Invalid value: "d": must not be in mismatchLabelKeys as well`,
				required + `[2].matchLabelKeys[1]: Invalid value: "_": must not be in mismatchLabelKeys as well`,
				required + `[2].matchLabelKeys[4]: Invalid value: "d": must not be in mismatchLabelKeys as well`,
			},
		}
		tests[kind+"/Preferred"] = testCase{
			reason: "Each preferred term should be judged, with its weight",
			xr: fmt.Sprintf(`
spec:
  affinity:
    %s:
      preferredDuringSchedulingIgnoredDuringExecution:
      - {weight: 1, podAffinityTerm: {}}
      - {podAffinityTerm: {topologyKey: zone}}
      - {weight: 101, podAffinityTerm: {topologyKey: zone, labelSelector: {matchExpressions: [{key: a, operator: Is}]}}}
`, kind),
			want: []string{
				preferred + "[0].podAffinityTerm.topologyKey: " + notTopologyKey,
				preferred + "[1].weight: Invalid value: 0: must be between 1 and 100, inclusive",
				preferred + "[2].weight: Invalid value: 101: must be between 1 and 100, inclusive",
				preferred + `[2].podAffinityTerm.labelSelector.matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator`,
			},
		}
	}

	tests.run(t)
}

func TestValidateSpread(t *testing.T) {
	errorTable{
		"Accepted": {
			reason: "Both ways to deal with what cannot be spread should be accepted",
			xr: `
spec:
  topologySpreadConstraints:
  - {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule, minDomains: 1, labelSelector: {matchLabels: {a: b}}}
  - {maxSkew: 2, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, nodeAffinityPolicy: Honor, nodeTaintsPolicy: Ignore}
  - {maxSkew: 2, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, nodeAffinityPolicy: Ignore, nodeTaintsPolicy: Honor, labelSelector: {}, matchLabelKeys: [pod-template-hash]}
`,
		},
		"Twice": {
			reason: "Kubernetes takes one constraint of a topology and what to do without it",
			xr: `
spec:
  topologySpreadConstraints:
  - {maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}
  - {maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}
  - {maxSkew: 2, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {a: b}}}
`,
			want: []string{`spec.topologySpreadConstraints[2]: Duplicate value: "topologyKey zone, whenUnsatisfiable DoNotSchedule"`},
		},
		"Policies": {
			reason: "An unknown policy, or an empty one, should be refused",
			xr:     `spec: {topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, nodeAffinityPolicy: honor, nodeTaintsPolicy: ""}]}`,
			want: []string{
				`spec.topologySpreadConstraints[0].nodeAffinityPolicy: Unsupported value: "honor": supported values: "Honor", "Ignore"`,
				`spec.topologySpreadConstraints[0].nodeTaintsPolicy: Unsupported value: "": supported values: "Honor", "Ignore"`,
			},
		},
		"Keys": {
			reason: "Keys are those of labels, which the selector does not have yet",
			xr: `
spec:
  topologySpreadConstraints:
  - {maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, matchLabelKeys: [b]}
  - {maxSkew: 1, topologyKey: c, whenUnsatisfiable: DoNotSchedule, matchLabelKeys: [_, d, e], labelSelector: {matchLabels: {d: e}}}
`,
			want: []string{
				"spec.topologySpreadConstraints[0].matchLabelKeys: Forbidden: needs labelSelector",
				`spec.topologySpreadConstraints[1].matchLabelKeys[0]: Invalid value: "_": ` + notLabelKey,
				`spec.topologySpreadConstraints[1].matchLabelKeys[1]: Invalid value: "d": must not be in labelSelector as well`,
			},
		},
		"Empty": {
			reason: "What is missing should be told at once",
			xr:     "spec: {topologySpreadConstraints: [{}]}",
			want: []string{
				"spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be above zero",
				`spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "": supported values: "DoNotSchedule", "ScheduleAnyway"`,
				"spec.topologySpreadConstraints[0].topologyKey: " + notTopologyKey,
			},
		},
		"Second": {
			reason: "Each constraint should be judged",
			xr: `
spec:
  topologySpreadConstraints:
  - {maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule}
  - {maxSkew: -1, topologyKey: _, whenUnsatisfiable: Never, labelSelector: {matchLabels: {b: _}}}
`,
			want: []string{
				"spec.topologySpreadConstraints[1].maxSkew: Invalid value: -1: must be above zero",
				`spec.topologySpreadConstraints[1].whenUnsatisfiable: Unsupported value: "Never": supported values: "DoNotSchedule", "ScheduleAnyway"`,
				`spec.topologySpreadConstraints[1].topologyKey: Invalid value: "_": ` + notLabelKey,
				`spec.topologySpreadConstraints[1].labelSelector.matchLabels: Invalid value: "_": ` + notLabelValue,
			},
		},
		"NoDomains": {
			reason: "Pods cannot be spread over no domain",
			xr:     "spec: {topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, minDomains: 0}]}",
			want:   []string{"spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: must be above zero"},
		},
		"DomainsBelowZero": {
			reason: "Pods cannot be spread over less than no domain",
			xr:     "spec: {topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, minDomains: -1}]}",
			want:   []string{"spec.topologySpreadConstraints[0].minDomains: Invalid value: -1: must be above zero"},
		},
		"DomainsOfAPreference": {
			reason: "Only a pod that may not be scheduled can wait for domains",
			xr:     "spec: {topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: ScheduleAnyway, minDomains: 2}]}",
			want:   []string{"spec.topologySpreadConstraints[0].minDomains: Invalid value: 2: needs whenUnsatisfiable DoNotSchedule"},
		},
	}.run(t)
}
