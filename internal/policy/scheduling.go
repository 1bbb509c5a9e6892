package policy

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/dittofs/function-dittoserver/input/v1beta1"
)

func asksPriorityClass(c *composed) []ask {
	return named(spec("priorityClassName"), c.pod.Spec.PriorityClassName)
}

// asksTolerations asks for a key with any value where a toleration does not name the value. One
// without a key tolerates every taint.
func asksTolerations(c *composed) []ask {
	var asks []ask

	for i, t := range c.pod.Spec.Tolerations {
		a := ask{path: spec("tolerations").Index(i).Child("key"), text: t.Key}

		switch {
		case t.Key == "":
			a.text = v1beta1.PolicyAny
		case t.Operator == corev1.TolerationOpEqual || t.Operator == "":
			a.value = new(t.Value)
		}

		asks = append(asks, a)
	}

	return asks
}

func asksNodeLabels(c *composed) []ask {
	asks := entries(spec("nodeSelector"), c.pod.Spec.NodeSelector, nobodys)
	affinity := ptr.Deref(ptr.Deref(c.pod.Spec.Affinity, corev1.Affinity{}).NodeAffinity, corev1.NodeAffinity{})
	p := spec("affinity", "nodeAffinity")

	if required := affinity.RequiredDuringSchedulingIgnoredDuringExecution; required != nil {
		for i := range required.NodeSelectorTerms {
			asks = append(asks, asksOfTerm(p.Child("requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms").Index(i), &required.NodeSelectorTerms[i])...)
		}
	}

	for i := range affinity.PreferredDuringSchedulingIgnoredDuringExecution {
		asks = append(asks, asksOfTerm(p.Child("preferredDuringSchedulingIgnoredDuringExecution").Index(i).Child("preference"), &affinity.PreferredDuringSchedulingIgnoredDuringExecution[i].Preference)...)
	}

	return append(asks, asksOfTopologies(c)...)
}

// asksOfTopologies asks for the labels that constraints and affinity to pods tell nodes apart by:
// only a node that has the label is in a topology at all. Every node has its own hostname.
func asksOfTopologies(c *composed) []ask {
	var asks []ask

	add := func(p *field.Path, key string) {
		if key != corev1.LabelHostname {
			asks = append(asks, ask{path: p.Child("topologyKey"), text: key})
		}
	}

	for i, constraint := range c.pod.Spec.TopologySpreadConstraints {
		add(spec("topologySpreadConstraints").Index(i), constraint.TopologyKey)
	}

	near := ptr.Deref(ptr.Deref(c.pod.Spec.Affinity, corev1.Affinity{}).PodAffinity, corev1.PodAffinity{})
	p := spec("affinity", "podAffinity")

	for i, term := range near.RequiredDuringSchedulingIgnoredDuringExecution {
		add(p.Child("requiredDuringSchedulingIgnoredDuringExecution").Index(i), term.TopologyKey)
	}

	for i, term := range near.PreferredDuringSchedulingIgnoredDuringExecution {
		add(p.Child("preferredDuringSchedulingIgnoredDuringExecution").Index(i).Child("podAffinityTerm"), term.PodAffinityTerm.TopologyKey)
	}

	return asks
}

func asksOfTerm(p *field.Path, term *corev1.NodeSelectorTerm) []ask {
	return append(asksOfNodes(p.Child("matchExpressions"), term.MatchExpressions), asksOfNodes(p.Child("matchFields"), term.MatchFields)...)
}

// asksOfNodes asks for the labels of nodes that expressions choose by: each with its values where
// the operator is In. The others choose nodes with values that they do not name.
func asksOfNodes(p *field.Path, expressions []corev1.NodeSelectorRequirement) []ask {
	var asks []ask

	for i, e := range expressions {
		p := p.Index(i)

		if e.Operator != corev1.NodeSelectorOpIn || len(e.Values) == 0 {
			asks = append(asks, ask{path: p.Child("key"), text: e.Key})
			continue
		}

		for j, value := range e.Values {
			asks = append(asks, ask{path: p.Child("values").Index(j), text: e.Key, value: new(value)})
		}
	}

	return asks
}

// asksPodNamespaces asks for the namespaces, except the server's own, to whose pods the pod wants
// to be near, or far from. A selector of namespaces asks for any.
func asksPodNamespaces(c *composed) []ask {
	var asks []ask

	affinity := ptr.Deref(c.pod.Spec.Affinity, corev1.Affinity{})
	near, far := ptr.Deref(affinity.PodAffinity, corev1.PodAffinity{}), ptr.Deref(affinity.PodAntiAffinity, corev1.PodAntiAffinity{})

	for _, terms := range []struct {
		path      *field.Path
		required  []corev1.PodAffinityTerm
		preferred []corev1.WeightedPodAffinityTerm
	}{
		{spec("affinity", "podAffinity"), near.RequiredDuringSchedulingIgnoredDuringExecution, near.PreferredDuringSchedulingIgnoredDuringExecution},
		{spec("affinity", "podAntiAffinity"), far.RequiredDuringSchedulingIgnoredDuringExecution, far.PreferredDuringSchedulingIgnoredDuringExecution},
	} {
		for i := range terms.required {
			asks = append(asks, c.asksOfPods(terms.path.Child("requiredDuringSchedulingIgnoredDuringExecution").Index(i), &terms.required[i])...)
		}

		for i := range terms.preferred {
			asks = append(asks, c.asksOfPods(terms.path.Child("preferredDuringSchedulingIgnoredDuringExecution").Index(i).Child("podAffinityTerm"), &terms.preferred[i].PodAffinityTerm)...)
		}
	}

	return asks
}

func (c *composed) asksOfPods(p *field.Path, term *corev1.PodAffinityTerm) []ask {
	var asks []ask

	for i, namespace := range term.Namespaces {
		if namespace != c.server.Namespace {
			asks = append(asks, ask{path: p.Child("namespaces").Index(i), text: namespace})
		}
	}

	if term.NamespaceSelector != nil {
		asks = append(asks, ask{path: p.Child("namespaceSelector"), text: v1beta1.PolicyAny})
	}

	return asks
}
