package spec

import (
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
)

// ownLabels are the pod labels that the function sets.
//
//nolint:gochecknoglobals // A table.
var ownLabels = sets.New(
	"app.kubernetes.io/name",
	"app.kubernetes.io/instance",
	"app.kubernetes.io/version",
	"app.kubernetes.io/component",
	"app.kubernetes.io/managed-by",
)

// ownEnv are the environment variables that the function sets.
//
//nolint:gochecknoglobals // A table.
var ownEnv = sets.New(
	dittofs.EnvJWTSecret,
	dittofs.EnvAdminPassword,
	dittofs.EnvAdminPasswordHash,
	dittofs.EnvPostgresHost,
	dittofs.EnvPostgresPort,
	dittofs.EnvPostgresDatabase,
	dittofs.EnvPostgresUser,
	dittofs.EnvPostgresPassword,
	dittofs.EnvPostgresSSLMode,
)

// validatePod reports what the API server or the kubelet refuses of the pod's own
// settings. Refused there, they would wedge the StatefulSet or its pod. Whether
// the platform allows the pod is not judged here.
func (s *Server) validatePod(p *field.Path) field.ErrorList {
	spec := &s.Spec

	var errs field.ErrorList

	if spec.ImagePullPolicy != "" {
		errs = append(errs, oneOf(p.Child("imagePullPolicy"), spec.ImagePullPolicy, corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever)...)
	}

	for i, ref := range spec.ImagePullSecrets {
		errs = append(errs, validateSecretName(p.Child("imagePullSecrets").Index(i).Child("name"), ref.Name)...)
	}

	if spec.PriorityClassName != "" {
		errs = append(errs, messages(p.Child("priorityClassName"), spec.PriorityClassName, validation.IsDNS1123Subdomain(spec.PriorityClassName))...)
	}

	if spec.ServiceAccountName != "" {
		errs = append(errs, messages(p.Child("serviceAccountName"), spec.ServiceAccountName, validation.IsDNS1123Subdomain(spec.ServiceAccountName))...)
	}

	if g := spec.TerminationGracePeriodSeconds; g != nil && *g < 0 {
		errs = append(errs, field.Invalid(p.Child("terminationGracePeriodSeconds"), *g, "must be zero or more"))
	}

	errs = append(errs, metav1validation.ValidateLabels(spec.NodeSelector, p.Child("nodeSelector"))...)
	errs = append(errs, validatePodMetadata(p, spec)...)
	errs = append(errs, validateEnv(p.Child("extraEnv"), spec.ExtraEnv)...)
	errs = append(errs, validateResources(p.Child("resources"), &spec.Resources)...)
	errs = append(errs, validateTolerations(p.Child("tolerations"), spec.Tolerations)...)
	errs = append(errs, validateAffinity(p.Child("affinity"), spec.Affinity)...)
	errs = append(errs, validateSpread(p.Child("topologySpreadConstraints"), spec.TopologySpreadConstraints)...)

	return append(errs, validateSecurity(p, spec)...)
}

func validatePodMetadata(p *field.Path, spec *v1alpha1.DittoServerSpec) field.ErrorList {
	labels, annotations := p.Child("podLabels"), p.Child("podAnnotations")

	errs := metav1validation.ValidateLabels(spec.PodLabels, labels)
	errs = append(errs, apivalidation.ValidateAnnotations(spec.PodAnnotations, annotations)...)

	for _, key := range slices.Sorted(maps.Keys(spec.PodLabels)) {
		if ownLabels.Has(key) {
			errs = append(errs, field.Forbidden(labels.Key(key), "the function sets it"))
		}
	}

	for _, key := range slices.Sorted(maps.Keys(spec.PodAnnotations)) {
		if strings.HasPrefix(key, v1alpha1.Group+"/") {
			errs = append(errs, field.Forbidden(annotations.Key(key), "annotations of the domain "+v1alpha1.Group+" are the function's"))
		}
	}

	return errs
}

func validateEnv(p *field.Path, env []corev1.EnvVar) field.ErrorList {
	var errs field.ErrorList

	seen := sets.New[string]()

	for i, e := range env {
		name := p.Index(i).Child("name")

		switch {
		case e.Name == "":
			errs = append(errs, field.Required(name, ""))
		case ownEnv.Has(e.Name):
			errs = append(errs, field.Forbidden(name, e.Name+" is set by the function"))
		case seen.Has(e.Name):
			errs = append(errs, field.Duplicate(name, e.Name))
		default:
			errs = append(errs, messages(name, e.Name, validation.IsEnvVarName(e.Name))...)
		}

		seen.Insert(e.Name)

		if e.ValueFrom != nil {
			errs = append(errs, validateEnvSource(p.Index(i).Child("valueFrom"), e)...)
		}
	}

	return errs
}

func validateEnvSource(p *field.Path, e corev1.EnvVar) field.ErrorList {
	var errs field.ErrorList

	if e.Value != "" {
		errs = append(errs, field.Forbidden(p, "may not be used together with value"))
	}

	n := 0
	src := e.ValueFrom

	if r := src.SecretKeyRef; r != nil {
		n++

		errs = append(errs, validateKeyRef(p.Child("secretKeyRef"), r.Name, r.Key)...)
	}

	if r := src.ConfigMapKeyRef; r != nil {
		n++

		errs = append(errs, validateKeyRef(p.Child("configMapKeyRef"), r.Name, r.Key)...)
	}

	if r := src.FieldRef; r != nil {
		n++

		if r.FieldPath == "" {
			errs = append(errs, field.Required(p.Child("fieldRef", "fieldPath"), ""))
		}
	}

	if r := src.ResourceFieldRef; r != nil {
		n++

		if r.Resource == "" {
			errs = append(errs, field.Required(p.Child("resourceFieldRef", "resource"), ""))
		}
	}

	if src.FileKeyRef != nil {
		n++

		errs = append(errs, field.Forbidden(p.Child("fileKeyRef"), "the pod has no volume for it"))
	}

	if n != 1 {
		errs = append(errs, field.Invalid(p, n, "must have exactly one source"))
	}

	return errs
}

func validateKeyRef(p *field.Path, name, key string) field.ErrorList {
	var errs field.ErrorList
	if name == "" {
		errs = append(errs, field.Required(p.Child("name"), ""))
	}

	return append(errs, messages(p.Child("key"), key, validation.IsConfigMapKey(key))...)
}

func validateResources(p *field.Path, r *corev1.ResourceRequirements) field.ErrorList {
	var errs field.ErrorList

	for _, l := range []struct {
		path *field.Path
		list corev1.ResourceList
	}{
		{p.Child("limits"), r.Limits},
		{p.Child("requests"), r.Requests},
	} {
		for _, name := range slices.Sorted(maps.Keys(l.list)) {
			q := l.list[name]
			errs = append(errs, metav1validation.ValidateLabelName(string(name), l.path.Key(string(name)))...)

			if q.Sign() < 0 {
				errs = append(errs, field.Invalid(l.path.Key(string(name)), q.String(), "must be zero or more"))
			}
		}
	}

	for _, name := range slices.Sorted(maps.Keys(r.Requests)) {
		request := r.Requests[name]
		if limit, ok := r.Limits[name]; ok && request.Cmp(limit) > 0 {
			errs = append(errs, field.Invalid(p.Child("requests").Key(string(name)), request.String(), "must not exceed its limit of "+limit.String()))
		}
	}

	if len(r.Claims) > 0 {
		errs = append(errs, field.Forbidden(p.Child("claims"), "the pod has no resource claims"))
	}

	return errs
}

func validateTolerations(p *field.Path, tolerations []corev1.Toleration) field.ErrorList {
	var errs field.ErrorList

	for i, t := range tolerations {
		tp := p.Index(i)

		if t.Operator != "" {
			errs = append(errs, oneOf(tp.Child("operator"), t.Operator, corev1.TolerationOpEqual, corev1.TolerationOpExists)...)
		}

		if t.Effect != "" {
			errs = append(errs, oneOf(tp.Child("effect"), t.Effect, corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute)...)
		}

		if t.Key != "" {
			errs = append(errs, metav1validation.ValidateLabelName(t.Key, tp.Child("key"))...)
		} else if t.Operator != corev1.TolerationOpExists {
			errs = append(errs, field.Invalid(tp.Child("operator"), t.Operator, "must be Exists when key is empty, which tolerates every taint"))
		}

		if t.Operator == corev1.TolerationOpExists && t.Value != "" {
			errs = append(errs, field.Invalid(tp.Child("value"), t.Value, "must be empty when operator is Exists"))
		}

		if t.Operator != corev1.TolerationOpExists {
			errs = append(errs, messages(tp.Child("value"), t.Value, validation.IsValidLabelValue(t.Value))...)
		}

		if t.TolerationSeconds != nil && t.Effect != corev1.TaintEffectNoExecute {
			errs = append(errs, field.Invalid(tp.Child("effect"), t.Effect, "must be NoExecute when tolerationSeconds is set"))
		}
	}

	return errs
}

func validateAffinity(p *field.Path, a *corev1.Affinity) field.ErrorList {
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

			for i := range r.NodeSelectorTerms {
				errs = append(errs, validateNodeTerm(rp.Index(i), &r.NodeSelectorTerms[i])...)
			}
		}

		for i := range n.PreferredDuringSchedulingIgnoredDuringExecution {
			t := &n.PreferredDuringSchedulingIgnoredDuringExecution[i]
			tp := np.Child("preferredDuringSchedulingIgnoredDuringExecution").Index(i)
			errs = append(errs, validateWeight(tp, t.Weight)...)
			errs = append(errs, validateNodeTerm(tp.Child("preference"), &t.Preference)...)
		}
	}

	if a.PodAffinity != nil {
		errs = append(errs, validatePodTerms(p.Child("podAffinity"), a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution, a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution)...)
	}

	if a.PodAntiAffinity != nil {
		errs = append(errs, validatePodTerms(p.Child("podAntiAffinity"), a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution)...)
	}

	return errs
}

func validateNodeTerm(p *field.Path, t *corev1.NodeSelectorTerm) field.ErrorList {
	var errs field.ErrorList

	for _, l := range []struct {
		path *field.Path
		reqs []corev1.NodeSelectorRequirement
	}{
		{p.Child("matchExpressions"), t.MatchExpressions},
		{p.Child("matchFields"), t.MatchFields},
	} {
		for i, r := range l.reqs {
			rp := l.path.Index(i)

			switch r.Operator {
			case corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn:
				if len(r.Values) == 0 {
					errs = append(errs, field.Required(rp.Child("values"), "must be specified when operator is In or NotIn"))
				}
			case corev1.NodeSelectorOpExists, corev1.NodeSelectorOpDoesNotExist:
				if len(r.Values) > 0 {
					errs = append(errs, field.Forbidden(rp.Child("values"), "may not be specified when operator is Exists or DoesNotExist"))
				}
			case corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt:
				if len(r.Values) != 1 {
					errs = append(errs, field.Required(rp.Child("values"), "must have exactly one value when operator is Gt or Lt"))
				}
			default:
				errs = append(errs, field.NotSupported(rp.Child("operator"), r.Operator, []corev1.NodeSelectorOperator{
					corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn, corev1.NodeSelectorOpExists,
					corev1.NodeSelectorOpDoesNotExist, corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt,
				}))
			}

			errs = append(errs, metav1validation.ValidateLabelName(r.Key, rp.Child("key"))...)
		}
	}

	return errs
}

func validatePodTerms(p *field.Path, required []corev1.PodAffinityTerm, preferred []corev1.WeightedPodAffinityTerm) field.ErrorList {
	var errs field.ErrorList

	for i := range required {
		errs = append(errs, validatePodTerm(p.Child("requiredDuringSchedulingIgnoredDuringExecution").Index(i), &required[i])...)
	}

	for i := range preferred {
		tp := p.Child("preferredDuringSchedulingIgnoredDuringExecution").Index(i)
		errs = append(errs, validateWeight(tp, preferred[i].Weight)...)
		errs = append(errs, validatePodTerm(tp.Child("podAffinityTerm"), &preferred[i].PodAffinityTerm)...)
	}

	return errs
}

func validatePodTerm(p *field.Path, t *corev1.PodAffinityTerm) field.ErrorList {
	errs := validateSelector(p.Child("labelSelector"), t.LabelSelector)
	errs = append(errs, validateSelector(p.Child("namespaceSelector"), t.NamespaceSelector)...)

	return append(errs, validateTopologyKey(p.Child("topologyKey"), t.TopologyKey)...)
}

func validateSpread(p *field.Path, constraints []corev1.TopologySpreadConstraint) field.ErrorList {
	var errs field.ErrorList

	for i := range constraints {
		c, cp := &constraints[i], p.Index(i)

		if c.MaxSkew <= 0 {
			errs = append(errs, field.Invalid(cp.Child("maxSkew"), c.MaxSkew, "must be above zero"))
		}

		if c.MinDomains != nil && *c.MinDomains <= 0 {
			errs = append(errs, field.Invalid(cp.Child("minDomains"), *c.MinDomains, "must be above zero"))
		}

		if c.MinDomains != nil && c.WhenUnsatisfiable != corev1.DoNotSchedule {
			errs = append(errs, field.Invalid(cp.Child("minDomains"), *c.MinDomains, "needs whenUnsatisfiable DoNotSchedule"))
		}

		errs = append(errs, oneOf(cp.Child("whenUnsatisfiable"), c.WhenUnsatisfiable, corev1.DoNotSchedule, corev1.ScheduleAnyway)...)
		errs = append(errs, validateTopologyKey(cp.Child("topologyKey"), c.TopologyKey)...)
		errs = append(errs, validateSelector(cp.Child("labelSelector"), c.LabelSelector)...)
	}

	return errs
}

func validateSelector(p *field.Path, s *metav1.LabelSelector) field.ErrorList {
	return metav1validation.ValidateLabelSelector(s, metav1validation.LabelSelectorValidationOptions{}, p)
}

func validateTopologyKey(p *field.Path, key string) field.ErrorList {
	if key == "" {
		return field.ErrorList{field.Required(p, "name a node label, such as topology.kubernetes.io/zone")}
	}

	return metav1validation.ValidateLabelName(key, p)
}

func validateWeight(p *field.Path, w int32) field.ErrorList {
	return messages(p.Child("weight"), w, validation.IsInRange(int(w), 1, 100))
}

// validateSecurity reports security contexts that contradict themselves once the
// defaults are under them.
func validateSecurity(p *field.Path, spec *v1alpha1.DittoServerSpec) field.ErrorList {
	pod, c := ptr.Deref(spec.PodSecurityContext, corev1.PodSecurityContext{}), ptr.Deref(spec.SecurityContext, corev1.SecurityContext{})
	pp, cp := p.Child("podSecurityContext"), p.Child("securityContext")

	var errs field.ErrorList

	for _, id := range []struct {
		path  *field.Path
		value *int64
	}{
		{pp.Child("runAsUser"), pod.RunAsUser},
		{pp.Child("runAsGroup"), pod.RunAsGroup},
		{pp.Child("fsGroup"), pod.FSGroup},
		{cp.Child("runAsUser"), c.RunAsUser},
		{cp.Child("runAsGroup"), c.RunAsGroup},
	} {
		if id.value != nil {
			errs = append(errs, messages(id.path, *id.value, validation.IsValidUserID(*id.value))...)
		}
	}

	// The kubelet does not start a container that must not be root as root.
	nonRoot := ptr.Deref(c.RunAsNonRoot, ptr.Deref(pod.RunAsNonRoot, true))
	user, userPath := pod.RunAsUser, pp.Child("runAsUser")

	if c.RunAsUser != nil {
		user, userPath = c.RunAsUser, cp.Child("runAsUser")
	}

	if nonRoot && user != nil && *user == 0 {
		errs = append(errs, field.Invalid(userPath, 0, "must not be root while runAsNonRoot is true (its default)"))
	}

	if Escalates(&c) && c.AllowPrivilegeEscalation != nil && !*c.AllowPrivilegeEscalation {
		errs = append(errs, field.Invalid(cp.Child("allowPrivilegeEscalation"), false, "must not be false for a container that is privileged or adds CAP_SYS_ADMIN"))
	}

	errs = append(errs, validateSeccomp(pp.Child("seccompProfile"), pod.SeccompProfile)...)

	return append(errs, validateSeccomp(cp.Child("seccompProfile"), c.SeccompProfile)...)
}

// Escalates says whether a security context asks for something that the API
// server refuses together with allowPrivilegeEscalation: false.
func Escalates(c *corev1.SecurityContext) bool {
	return c != nil && (ptr.Deref(c.Privileged, false) || c.Capabilities != nil && slices.Contains(c.Capabilities.Add, "CAP_SYS_ADMIN"))
}

func validateSeccomp(p *field.Path, s *corev1.SeccompProfile) field.ErrorList {
	if s == nil {
		return nil
	}

	errs := oneOf(p.Child("type"), s.Type, corev1.SeccompProfileTypeRuntimeDefault, corev1.SeccompProfileTypeLocalhost, corev1.SeccompProfileTypeUnconfined)
	if (s.Type == corev1.SeccompProfileTypeLocalhost) != (s.LocalhostProfile != nil) {
		errs = append(errs, field.Invalid(p.Child("localhostProfile"), ptr.Deref(s.LocalhostProfile, ""), "must be set for the type Localhost, and only then"))
	}

	return errs
}

func validateHostPort(p *field.Path, hostPort string) field.ErrorList {
	host, number, err := net.SplitHostPort(hostPort)
	if err != nil || host == "" {
		return field.ErrorList{field.Invalid(p, hostPort, "must be host:port")}
	}

	n, err := strconv.Atoi(number)
	if err != nil {
		return field.ErrorList{field.Invalid(p, hostPort, "must be host:port with a port number")}
	}

	return messages(p, hostPort, validation.IsValidPortNum(n))
}
