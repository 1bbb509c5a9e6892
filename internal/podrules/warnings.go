package podrules

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The functions of this file return what the API server takes of a pod and warns of. Neither
// Crossplane nor the provider pass its warnings on, so that users hear of them here only.
// test/podrules holds them against the API server's own.

// nodeLabels are labels of nodes that Kubernetes has given up, each with what to do instead.
//
//nolint:gochecknoglobals // A table.
var nodeLabels = map[string]string{
	"app.kubernetes.io/created-by":                  "remove it",
	"beta.kubernetes.io/arch":                       "use " + corev1.LabelArchStable,
	"beta.kubernetes.io/instance-type":              "use " + corev1.LabelInstanceTypeStable,
	"beta.kubernetes.io/os":                         "use " + corev1.LabelOSStable,
	"failure-domain.beta.kubernetes.io/region":      "use " + corev1.LabelTopologyRegion,
	"failure-domain.beta.kubernetes.io/zone":        "use " + corev1.LabelTopologyZone,
	"node-role.kubernetes.io/master":                "use node-role.kubernetes.io/control-plane",
	"scheduler.alpha.kubernetes.io/preferAvoidPods": "use a taint",
}

// nodeLabelWarning warns of a label of nodes.
func nodeLabelWarning(p *field.Path, label string) []string {
	instead, ok := nodeLabels[label]
	if !ok {
		return nil
	}

	return []string{fmt.Sprintf("%s: Kubernetes has deprecated the node label %s, which nodes may lack: %s", p, label, instead)}
}

// NodeSelectorWarnings warns of a selector of nodes.
func NodeSelectorWarnings(p *field.Path, selector map[string]string) []string {
	var w []string
	for _, label := range slices.Sorted(maps.Keys(selector)) {
		w = append(w, nodeLabelWarning(p.Key(label), label)...)
	}

	return w
}

// AffinityWarnings warns of the affinity of a pod.
func AffinityWarnings(p *field.Path, a *corev1.Affinity) []string {
	if a == nil {
		return nil
	}

	var w []string

	if n := a.NodeAffinity; n != nil {
		np := p.Child("nodeAffinity")

		if r := n.RequiredDuringSchedulingIgnoredDuringExecution; r != nil {
			for i := range r.NodeSelectorTerms {
				w = append(w, nodeTermWarnings(np.Child("requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms").Index(i), &r.NodeSelectorTerms[i])...)
			}
		}

		for i := range n.PreferredDuringSchedulingIgnoredDuringExecution {
			w = append(w, nodeTermWarnings(np.Child("preferredDuringSchedulingIgnoredDuringExecution").Index(i).Child("preference"), &n.PreferredDuringSchedulingIgnoredDuringExecution[i].Preference)...)
		}
	}

	if a.PodAffinity != nil {
		w = append(w, podTermWarnings(p.Child("podAffinity"), a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution, a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution)...)
	}

	if a.PodAntiAffinity != nil {
		w = append(w, podTermWarnings(p.Child("podAntiAffinity"), a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution)...)
	}

	return w
}

func nodeTermWarnings(p *field.Path, t *corev1.NodeSelectorTerm) []string {
	var w []string
	for i := range t.MatchExpressions {
		w = append(w, nodeLabelWarning(p.Child("matchExpressions").Index(i).Child("key"), t.MatchExpressions[i].Key)...)
	}

	return w
}

func podTermWarnings(p *field.Path, required []corev1.PodAffinityTerm, preferred []corev1.WeightedPodAffinityTerm) []string {
	var w []string

	for i := range required {
		if required[i].LabelSelector == nil {
			w = append(w, noSelector(p.Child("requiredDuringSchedulingIgnoredDuringExecution").Index(i)))
		}
	}

	for i := range preferred {
		if preferred[i].PodAffinityTerm.LabelSelector == nil {
			w = append(w, noSelector(p.Child("preferredDuringSchedulingIgnoredDuringExecution").Index(i).Child("podAffinityTerm")))
		}
	}

	return w
}

func noSelector(p *field.Path) string {
	return fmt.Sprintf("%s: not set, so the term matches no pod and does nothing", p.Child("labelSelector"))
}

// SpreadWarnings warns of topologySpreadConstraints of a pod.
func SpreadWarnings(p *field.Path, constraints []corev1.TopologySpreadConstraint) []string {
	var w []string

	for i := range constraints {
		w = append(w, nodeLabelWarning(p.Index(i).Child("topologyKey"), constraints[i].TopologyKey)...)

		if constraints[i].LabelSelector == nil {
			w = append(w, noSelector(p.Index(i)))
		}
	}

	return w
}

// AnnotationWarnings warns of annotations of a pod with a container of this name, whose
// AppArmor profile the fields of its security contexts set, or none.
func AnnotationWarnings(p *field.Path, annotations map[string]string, container string, profile *corev1.AppArmorProfile) []string {
	var w []string

	if key := corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix + container; profile == nil {
		if _, ok := annotations[key]; ok {
			w = append(w, fmt.Sprintf("%s: Kubernetes deprecated it in 1.30: use securityContext.appArmorProfile", p.Key(key)))
		}
	}

	for _, key := range []string{"security.alpha.kubernetes.io/sysctls", "security.alpha.kubernetes.io/unsafe-sysctls"} {
		if _, ok := annotations[key]; ok {
			w = append(w, fmt.Sprintf("%s: Kubernetes does not read it: use podSecurityContext.sysctls", p.Key(key)))
		}
	}

	return w
}

// ResourceWarnings warns of the resources of a container.
func ResourceWarnings(p *field.Path, r *corev1.ResourceRequirements) []string {
	var w []string

	for _, list := range []struct {
		path *field.Path
		list corev1.ResourceList
	}{{p.Child("limits"), r.Limits}, {p.Child("requests"), r.Requests}} {
		for _, name := range []corev1.ResourceName{corev1.ResourceEphemeralStorage, corev1.ResourceMemory} {
			if q, ok := list.list[name]; ok {
				w = append(w, BytesWarning(list.path.Key(string(name)), q)...)
			}
		}
	}

	return w
}

// BytesWarning warns of a quantity of bytes that nobody means: a fraction of a byte, of which
// the API server warns too, and what is too little for anything. Zero is a word of its own.
func BytesWarning(p *field.Path, q resource.Quantity) []string {
	whole := q.DeepCopy()

	switch {
	case !whole.RoundUp(0):
		return []string{fmt.Sprintf("%s: %s is not a whole number of bytes: m means a thousandth, and M or Mi a million", p, q.String())}
	case q.Sign() > 0 && q.CmpInt64(1<<20) < 0:
		return []string{fmt.Sprintf("%s: %s is less than 1Mi: a number without a unit is in bytes", p, q.String())}
	default:
		return nil
	}
}
