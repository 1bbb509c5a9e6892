package podrules

import (
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/internal/fielderr"
)

// Tolerations reports what cannot be tolerations of a pod.
func Tolerations(p *field.Path, tolerations []corev1.Toleration) field.ErrorList {
	return fielderr.Each(p, tolerations, validateToleration)
}

func validateToleration(p *field.Path, t *corev1.Toleration) field.ErrorList {
	var errs field.ErrorList

	if t.Operator != "" {
		errs = append(errs, fielderr.OneOf(p.Child("operator"), t.Operator, corev1.TolerationOpEqual, corev1.TolerationOpExists)...)
	}

	if t.Effect != "" {
		errs = append(errs, fielderr.OneOf(p.Child("effect"), t.Effect, corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute)...)
	}

	if t.Key != "" {
		errs = append(errs, metav1validation.ValidateLabelName(t.Key, p.Child("key"))...)
	} else if t.Operator != corev1.TolerationOpExists {
		errs = append(errs, field.Invalid(p.Child("operator"), t.Operator, "must be Exists when key is empty, which tolerates every taint"))
	}

	if t.Operator == corev1.TolerationOpExists && t.Value != "" {
		errs = append(errs, field.Invalid(p.Child("value"), t.Value, "must be empty when operator is Exists"))
	}

	if t.Operator != corev1.TolerationOpExists {
		errs = append(errs, fielderr.Messages(p.Child("value"), t.Value, validation.IsValidLabelValue(t.Value))...)
	}

	if t.TolerationSeconds != nil && t.Effect != corev1.TaintEffectNoExecute {
		errs = append(errs, field.Invalid(p.Child("effect"), t.Effect, "must be NoExecute when tolerationSeconds is set"))
	}

	return errs
}

// Affinity reports what cannot be the affinity of a pod, or keeps it from being scheduled.
func Affinity(p *field.Path, a *corev1.Affinity) field.ErrorList {
	if a == nil {
		return nil
	}

	var errs field.ErrorList

	if n := a.NodeAffinity; n != nil {
		np := p.Child("nodeAffinity")

		if r := n.RequiredDuringSchedulingIgnoredDuringExecution; r != nil {
			rp := np.Child("requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
			if len(r.NodeSelectorTerms) == 0 {
				errs = append(errs, field.Required(rp, "must have at least one node selector term"))
			}

			errs = append(errs, fielderr.Each(rp, r.NodeSelectorTerms, validateNodeTerm)...)
		}

		errs = append(errs, fielderr.Each(np.Child("preferredDuringSchedulingIgnoredDuringExecution"), n.PreferredDuringSchedulingIgnoredDuringExecution, validatePreferredNodeTerm)...)
	}

	if a.PodAffinity != nil {
		errs = append(errs, validatePodTerms(p.Child("podAffinity"), a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution, a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution)...)
	}

	if a.PodAntiAffinity != nil {
		errs = append(errs, validatePodTerms(p.Child("podAntiAffinity"), a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution)...)
	}

	return errs
}

func validatePreferredNodeTerm(p *field.Path, t *corev1.PreferredSchedulingTerm) field.ErrorList {
	return append(validateWeight(p, t.Weight), validateNodeTerm(p.Child("preference"), &t.Preference)...)
}

func validateNodeTerm(p *field.Path, t *corev1.NodeSelectorTerm) field.ErrorList {
	errs := fielderr.Each(p.Child("matchExpressions"), t.MatchExpressions, validateNodeLabel)

	return append(errs, fielderr.Each(p.Child("matchFields"), t.MatchFields, validateNodeField)...)
}

func validateNodeLabel(p *field.Path, r *corev1.NodeSelectorRequirement) field.ErrorList {
	var errs field.ErrorList

	values := p.Child("values")

	switch r.Operator {
	case corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn:
		if len(r.Values) == 0 {
			errs = append(errs, field.Required(values, "must be specified when operator is In or NotIn"))
		}
	case corev1.NodeSelectorOpExists, corev1.NodeSelectorOpDoesNotExist:
		if len(r.Values) > 0 {
			errs = append(errs, field.Forbidden(values, "may not be specified when operator is Exists or DoesNotExist"))
		}
	case corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt:
		if len(r.Values) != 1 {
			errs = append(errs, field.Required(values, "must have exactly one value when operator is Gt or Lt"))
		}
	default:
		errs = append(errs, field.NotSupported(p.Child("operator"), r.Operator, []corev1.NodeSelectorOperator{
			corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn, corev1.NodeSelectorOpExists,
			corev1.NodeSelectorOpDoesNotExist, corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt,
		}))
	}

	errs = append(errs, metav1validation.ValidateLabelName(r.Key, p.Child("key"))...)

	return append(errs, fielderr.Each(values, r.Values, func(p *field.Path, value *string) field.ErrorList {
		return validateNodeValue(p, r.Operator, *value)
	})...)
}

// validateNodeValue also reports what the API server takes but the scheduler does
// not: it would leave the pod pending.
func validateNodeValue(p *field.Path, op corev1.NodeSelectorOperator, value string) field.ErrorList {
	if op == corev1.NodeSelectorOpGt || op == corev1.NodeSelectorOpLt {
		if _, err := strconv.ParseInt(value, 10, 64); err != nil {
			return field.ErrorList{field.Invalid(p, value, "must be a whole number when operator is Gt or Lt")}
		}
	}

	return fielderr.Messages(p, value, validation.IsValidLabelValue(value))
}

// validateNodeField checks a requirement on a field of nodes, of which Kubernetes
// knows one.
func validateNodeField(p *field.Path, r *corev1.NodeSelectorRequirement) field.ErrorList {
	errs := fielderr.OneOf(p.Child("operator"), r.Operator, corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn)
	errs = append(errs, fielderr.OneOf(p.Child("key"), r.Key, metav1.ObjectNameField)...)

	if len(r.Values) != 1 {
		return append(errs, field.Required(p.Child("values"), "must have exactly one value"))
	}

	return append(errs, fielderr.Messages(p.Child("values").Index(0), r.Values[0], validation.IsDNS1123Subdomain(r.Values[0]))...)
}

func validatePodTerms(p *field.Path, required []corev1.PodAffinityTerm, preferred []corev1.WeightedPodAffinityTerm) field.ErrorList {
	errs := fielderr.Each(p.Child("requiredDuringSchedulingIgnoredDuringExecution"), required, validatePodTerm)

	return append(errs, fielderr.Each(p.Child("preferredDuringSchedulingIgnoredDuringExecution"), preferred, validatePreferredPodTerm)...)
}

func validatePreferredPodTerm(p *field.Path, t *corev1.WeightedPodAffinityTerm) field.ErrorList {
	return append(validateWeight(p, t.Weight), validatePodTerm(p.Child("podAffinityTerm"), &t.PodAffinityTerm)...)
}

func validatePodTerm(p *field.Path, t *corev1.PodAffinityTerm) field.ErrorList {
	errs := Selector(p.Child("labelSelector"), t.LabelSelector)
	errs = append(errs, Selector(p.Child("namespaceSelector"), t.NamespaceSelector)...)

	errs = append(errs, fielderr.Each(p.Child("namespaces"), t.Namespaces, func(p *field.Path, namespace *string) field.ErrorList {
		return fielderr.Messages(p, *namespace, validation.IsDNS1123Label(*namespace))
	})...)
	errs = append(errs, validateMatchKeys(p.Child("matchLabelKeys"), t.MatchLabelKeys, t.LabelSelector)...)
	errs = append(errs, validateLabelKeys(p.Child("mismatchLabelKeys"), t.MismatchLabelKeys, t.LabelSelector)...)

	errs = append(errs, fielderr.Among(p.Child("matchLabelKeys"), t.MatchLabelKeys, sets.New(t.MismatchLabelKeys...), "must not be in mismatchLabelKeys as well")...)

	return append(errs, validateTopologyKey(p.Child("topologyKey"), t.TopologyKey)...)
}

// Spread reports what cannot be topologySpreadConstraints of a pod.
func Spread(p *field.Path, constraints []corev1.TopologySpreadConstraint) field.ErrorList {
	// Kubernetes takes one constraint of each kind.
	seen := sets.New[[2]string]()

	return fielderr.Each(p, constraints, func(p *field.Path, c *corev1.TopologySpreadConstraint) field.ErrorList {
		var errs field.ErrorList

		kind := [2]string{c.TopologyKey, string(c.WhenUnsatisfiable)}
		if seen.Has(kind) {
			errs = append(errs, field.Duplicate(p, fmt.Sprintf("topologyKey %s, whenUnsatisfiable %s", c.TopologyKey, c.WhenUnsatisfiable)))
		}

		seen.Insert(kind)

		return append(errs, validateConstraint(p, c)...)
	})
}

func validateConstraint(p *field.Path, c *corev1.TopologySpreadConstraint) field.ErrorList {
	var errs field.ErrorList

	if c.MaxSkew <= 0 {
		errs = append(errs, field.Invalid(p.Child("maxSkew"), c.MaxSkew, "must be above zero"))
	}

	if c.MinDomains != nil && *c.MinDomains <= 0 {
		errs = append(errs, field.Invalid(p.Child("minDomains"), *c.MinDomains, "must be above zero"))
	}

	if c.MinDomains != nil && c.WhenUnsatisfiable != corev1.DoNotSchedule {
		errs = append(errs, field.Invalid(p.Child("minDomains"), *c.MinDomains, "needs whenUnsatisfiable DoNotSchedule"))
	}

	errs = append(errs, fielderr.OneOf(p.Child("whenUnsatisfiable"), c.WhenUnsatisfiable, corev1.DoNotSchedule, corev1.ScheduleAnyway)...)
	errs = append(errs, validateTopologyKey(p.Child("topologyKey"), c.TopologyKey)...)
	errs = append(errs, Selector(p.Child("labelSelector"), c.LabelSelector)...)
	errs = append(errs, validateMatchKeys(p.Child("matchLabelKeys"), c.MatchLabelKeys, c.LabelSelector)...)
	errs = append(errs, fielderr.OneOfIfSet(p.Child("nodeAffinityPolicy"), c.NodeAffinityPolicy, corev1.NodeInclusionPolicyHonor, corev1.NodeInclusionPolicyIgnore)...)

	return append(errs, fielderr.OneOfIfSet(p.Child("nodeTaintsPolicy"), c.NodeTaintsPolicy, corev1.NodeInclusionPolicyHonor, corev1.NodeInclusionPolicyIgnore)...)
}

// Selector reports what Kubernetes refuses of a label selector, or nothing if there is none.
func Selector(p *field.Path, s *metav1.LabelSelector) field.ErrorList {
	if s == nil {
		return nil
	}

	errs := fielderr.Each(p.Child("matchExpressions"), s.MatchExpressions, func(p *field.Path, r *metav1.LabelSelectorRequirement) field.ErrorList {
		return metav1validation.ValidateLabelSelectorRequirement(*r, metav1validation.LabelSelectorValidationOptions{}, p)
	})

	return append(errs, fielderr.Labels(p.Child("matchLabels"), s.MatchLabels)...)
}

// validateMatchKeys checks labels that Kubernetes adds to a selector with the
// pod's values: the selector must not have them already.
func validateMatchKeys(p *field.Path, keys []string, s *metav1.LabelSelector) field.ErrorList {
	errs := validateLabelKeys(p, keys, s)
	if s == nil {
		return errs
	}

	selected := sets.KeySet(s.MatchLabels)
	for _, r := range s.MatchExpressions {
		selected.Insert(r.Key)
	}

	seen := sets.New[string]()

	return append(errs, fielderr.Each(p, keys, func(p *field.Path, key *string) field.ErrorList {
		repeated := seen.Has(*key)
		seen.Insert(*key)

		switch {
		case selected.Has(*key):
			return field.ErrorList{field.Invalid(p, *key, "must not be in labelSelector as well")}
		case repeated:
			return field.ErrorList{field.Duplicate(p, *key)}
		default:
			return nil
		}
	})...)
}

func validateLabelKeys(p *field.Path, keys []string, s *metav1.LabelSelector) field.ErrorList {
	if len(keys) > 0 && s == nil {
		return field.ErrorList{field.Forbidden(p, "needs labelSelector")}
	}

	return fielderr.Each(p, keys, func(p *field.Path, key *string) field.ErrorList {
		return metav1validation.ValidateLabelName(*key, p)
	})
}

func validateTopologyKey(p *field.Path, key string) field.ErrorList {
	if key == "" {
		return field.ErrorList{field.Required(p, "name a node label, such as topology.kubernetes.io/zone")}
	}

	return metav1validation.ValidateLabelName(key, p)
}

func validateWeight(p *field.Path, w int32) field.ErrorList {
	return fielderr.Messages(p.Child("weight"), w, validation.IsInRange(int(w), 1, 100))
}
