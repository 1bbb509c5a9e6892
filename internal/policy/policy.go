// Package policy judges the Kubernetes objects of a DittoServer by the platform team's policy.
package policy

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/pod-security-admission/api"
	podsecurity "k8s.io/pod-security-admission/policy"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/fielderr"
	"github.com/dittofs/function-dittoserver/internal/manifest"
)

// composed is what rules judge: the objects that would be composed, rather than the spec. So it
// does not matter which field something comes from, and a field that is added later is judged too.
type composed struct {
	server *composite.DittoServer
	policy *v1beta1.Policy

	pod       *corev1.PodTemplateSpec
	container *corev1.Container
	claims    []corev1.PersistentVolumeClaim

	// configs are what config.yaml is, and what it was when the pod started, where that may have other
	// keys than the spec.
	configs []string

	services map[manifest.Name]*corev1.Service
	monitor  *manifest.ServiceMonitor

	// routes of the API, of which there is one at most, and how Gateways connect to it.
	routes     []*manifest.RouteSpec
	backendTLS *manifest.BackendTLS

	// network is nil where there is none, as budgets are.
	network *networkingv1.NetworkPolicy
	budgets []*policyv1.PodDisruptionBudget

	// labelled are those whose labels, and annotated those whose annotations, have no rule of their
	// own. The pod and volume claims are in neither.
	labelled, annotated []metav1.Object
}

// An ask is something that an object asks for, with the field of the DittoServer that leads to it.
type ask struct {
	path *field.Path

	// text is a name or a key. value is that of the key, or nil if any is asked for.
	text  string
	value *string

	// number, where text is one.
	number int64
}

func (a ask) String() string {
	if a.value != nil {
		return a.text + "=" + *a.value
	}

	return a.text
}

// A rule judges one field of the policy.
type rule struct {
	// field below policy, as an error names it.
	field string

	// check returns what the rule forbids. A policy that does not have the field forbids nothing.
	check func(c *composed, name string) field.ErrorList
}

// rules has one for each field of the policy.
//
//nolint:gochecknoglobals // A table.
var rules = []rule{
	{"images", list(func(p *v1beta1.Policy) []string { return p.Images }, images, asksImages)},
	{"config", list(func(p *v1beta1.Policy) []string { return permission(p.Config) }, names, asksConfig)},
	{"serviceAccountNames", list(func(p *v1beta1.Policy) []string { return p.ServiceAccountNames }, names, asksServiceAccount)},
	{"podSecurity", checkPodSecurity},
	{"secrets", list(func(p *v1beta1.Policy) []string { return p.Secrets }, names, asksSecrets)},
	{"configMaps", list(func(p *v1beta1.Policy) []string { return p.ConfigMaps }, names, asksConfigMaps)},
	{"extraVolumes", list(func(p *v1beta1.Policy) []string { return p.ExtraVolumes }, names, asksExtraVolumes)},
	{"labels", list(func(p *v1beta1.Policy) []string { return p.Labels }, keys, asksLabels)},
	{"annotations", list(func(p *v1beta1.Policy) []string { return p.Annotations }, keys, asksAnnotations)},

	{"services.types", list(func(p *v1beta1.Policy) []string { return p.Services.Types }, names, asksServiceTypes)},
	{"services.annotations", list(func(p *v1beta1.Policy) []string { return p.Services.Annotations }, keys, asksServiceAnnotations)},
	{"services.loadBalancerClasses", list(func(p *v1beta1.Policy) []string { return p.Services.LoadBalancerClasses }, names, asksLoadBalancerClasses)},
	{"services.sourceRanges", list(func(p *v1beta1.Policy) []string { return p.Services.SourceRanges }, prefixes, asksSourceRanges)},
	{"services.ports", list(func(p *v1beta1.Policy) []string { return p.Services.Ports }, numbers, asksPorts)},
	{"services.nodePorts", list(func(p *v1beta1.Policy) []string { return p.Services.NodePorts }, numbers, asksNodePorts)},

	{"podDisruptionBudget", list(func(p *v1beta1.Policy) []string { return permission(p.PodDisruptionBudget) }, names, asksBudgets)},
	{"networkPolicy.ingressNamespaces", list(func(p *v1beta1.Policy) []string { return p.NetworkPolicy.IngressNamespaces }, names, asksIngressNamespaces)},
	{"networkPolicy.ingressRanges", list(func(p *v1beta1.Policy) []string { return p.NetworkPolicy.IngressRanges }, prefixes, asksIngressRanges)},
	{"networkPolicy.egressNamespaces", list(func(p *v1beta1.Policy) []string { return p.NetworkPolicy.EgressNamespaces }, names, asksEgressNamespaces)},
	{"networkPolicy.egressRanges", list(func(p *v1beta1.Policy) []string { return p.NetworkPolicy.EgressRanges }, prefixes, asksEgressRanges)},

	{"scheduling.priorityClassNames", list(func(p *v1beta1.Policy) []string { return p.Scheduling.PriorityClassNames }, names, asksPriorityClass)},
	{"scheduling.tolerations", list(func(p *v1beta1.Policy) []string { return p.Scheduling.Tolerations }, keys, asksTolerations)},
	{"scheduling.nodeLabels", list(func(p *v1beta1.Policy) []string { return p.Scheduling.NodeLabels }, keys, asksNodeLabels)},
	{"scheduling.podNamespaces", list(func(p *v1beta1.Policy) []string { return p.Scheduling.PodNamespaces }, names, asksPodNamespaces)},

	{"pods.labels", list(func(p *v1beta1.Policy) []string { return p.Pods.Labels }, keys, asksPodLabels)},
	{"pods.annotations", list(func(p *v1beta1.Policy) []string { return p.Pods.Annotations }, keys, asksPodAnnotations)},
	{"pods.env", list(func(p *v1beta1.Policy) []string { return p.Pods.Env }, names, asksEnv)},
	{"pods.ids", list(func(p *v1beta1.Policy) []string { return p.Pods.IDs }, numbers, asksIDs)},
	{"pods.maxGracePeriod", checkGracePeriod},
	{"pods.maxStartupTime", checkStartupTime},

	{"resources.names", list(func(p *v1beta1.Policy) []string { return p.Resources.Names }, names, asksResources)},
	{"resources.required", checkRequiredResources},
	{"resources.max", checkMaxResources},

	{"storage.storageClassNames", list(func(p *v1beta1.Policy) []string { return p.Storage.StorageClassNames }, names, asksStorageClasses)},
	{"storage.volumeAttributesClassNames", list(func(p *v1beta1.Policy) []string { return p.Storage.VolumeAttributesClassNames }, names, asksVolumeAttributesClasses)},
	{"storage.dataSources", list(func(p *v1beta1.Policy) []string { return p.Storage.DataSources }, names, asksDataSources)},
	{"storage.maxSize", checkMaxSize},

	{"routes.hostnames", list(func(p *v1beta1.Policy) []string { return p.Routes.Hostnames }, names, asksHostnames)},
	{"routes.gateways", list(func(p *v1beta1.Policy) []string { return p.Routes.Gateways }, gateways, asksGateways)},

	{"monitors.labels", list(func(p *v1beta1.Policy) []string { return p.Monitors.Labels }, keys, asksMonitorLabels)},
	{"monitors.minInterval", checkMonitorInterval},
}

// Check returns what the policy of the function's input forbids of a server's objects, until there
// is enough of it. The spec may be invalid, and some of the objects missing.
func Check(s *composite.DittoServer, objects []manifest.Built) field.ErrorList {
	return newComposed(s, objects).check()
}

// CheckKept returns the same of objects that are not made of the spec alone: parts of them may be from before the
// policy, or from a record that somebody wrote. config is the config.yaml of the ConfigMap.
func CheckKept(s *composite.DittoServer, objects []manifest.Built, config string) field.ErrorList {
	c := newComposed(s, objects)

	// To parse takes a tenth of a call, so that Check does not.
	c.configs = slices.Compact([]string{config, c.pod.Annotations[v1alpha1.AnnotationConfig]})

	return c.check()
}

func (c *composed) check() field.ErrorList {
	var errs field.ErrorList

	for _, r := range rules {
		if fielderr.Enough(errs) {
			break
		}

		errs = append(errs, r.check(c, r.field)...)
	}

	return errs
}

func newComposed(s *composite.DittoServer, objects []manifest.Built) *composed {
	policy := s.Input.Policy
	policy.Routes.Hostnames, policy.Routes.Gateways = entriesFor(s, policy.Routes.Hostnames), entriesFor(s, policy.Routes.Gateways)

	c := &composed{
		server: s, policy: &policy,
		pod: &corev1.PodTemplateSpec{}, container: &corev1.Container{}, services: map[manifest.Name]*corev1.Service{},
	}

	for _, o := range objects {
		switch object := o.Object.(type) {
		case *appsv1.StatefulSet:
			c.pod, c.claims = &object.Spec.Template, object.Spec.VolumeClaimTemplates
			// Of a template that somebody changed, nobody knows what it has.
			for i := range c.pod.Spec.Containers {
				if container := &c.pod.Spec.Containers[i]; container.Name == v1alpha1.Container {
					c.container = container
				}
			}
		case *corev1.Service:
			c.services[o.Name] = object
		case *networkingv1.NetworkPolicy:
			c.network = object
		case *policyv1.PodDisruptionBudget:
			c.budgets = append(c.budgets, object)
		case *manifest.ServiceMonitor:
			c.monitor = object
		case *manifest.Route:
			c.routes = append(c.routes, &object.Spec)
		case *manifest.BackendTLS:
			c.backendTLS = object
		}

		if o.Name != manifest.Monitor {
			c.labelled = append(c.labelled, o.Object)
		}

		if c.services[o.Name] == nil {
			c.annotated = append(c.annotated, o.Object)
		}
	}

	return c
}

// list returns the check of a rule that is a list: everything that is asked must be allowed by an
// entry. A list that is left out, or has the entry "*", allows everything.
func list(entries func(*v1beta1.Policy) []string, match func(entries []string) matcher, asks func(*composed) []ask) func(*composed, string) field.ErrorList {
	return func(c *composed, name string) field.ErrorList {
		allowed := entries(c.policy)
		if allowed == nil || slices.Contains(allowed, v1beta1.PolicyAny) {
			return nil
		}

		var errs field.ErrorList

		isAllowed := match(allowed)

		for _, a := range asks(c) {
			if isAllowed(a) {
				continue
			}

			if errs = append(errs, field.Forbidden(a.path, fmt.Sprintf("the platform's policy does not allow %q, only %s (policy.%s)", a, shown(allowed), name))); fielderr.Enough(errs) {
				break
			}
		}

		return errs
	}
}

// tooMuch returns the error of something that is more than the policy allows.
func tooMuch(p *field.Path, asked, allowed, name string) *field.Error {
	return field.Forbidden(p, fmt.Sprintf("the platform's policy does not allow %s, only %s or less (policy.%s)", asked, allowed, name))
}

// evaluator knows the Pod Security Standards of the version of Kubernetes that
// this function was built with.
//
//nolint:gochecknoglobals // It is immutable, and costly to make.
var evaluator = sync.OnceValues(func() (podsecurity.Evaluator, error) {
	return podsecurity.NewEvaluator(podsecurity.DefaultChecks(), nil)
})

// checkPodSecurity judges a pod by a Pod Security Standard.
// https://kubernetes.io/docs/concepts/security/pod-security-standards/
func checkPodSecurity(c *composed, _ string) field.ErrorList {
	root, level := field.NewPath("spec"), c.policy.PodSecurity

	e, err := evaluator()
	if err != nil {
		return field.ErrorList{field.InternalError(root, err)}
	}

	var errs field.ErrorList

	lv := api.LevelVersion{Level: api.Level(level), Version: api.LatestVersion()}
	for _, r := range e.EvaluatePod(lv, &c.pod.ObjectMeta, &c.pod.Spec) {
		if !r.Allowed {
			errs = append(errs, field.Forbidden(setBy(root, r.ForbiddenDetail), fmt.Sprintf("the platform's policy asks for the Pod Security Standard %s: %s (%s)", level, r.ForbiddenReason, r.ForbiddenDetail)))
		}
	}

	return errs
}

// setBy returns the field of a DittoServer that sets what a check forbids. Its
// detail names the container if it is the container's security context.
func setBy(p *field.Path, detail string) *field.Path {
	switch {
	case strings.HasPrefix(detail, "container"):
		return p.Child("securityContext")
	case strings.HasPrefix(detail, "annotation"):
		return p.Child("podAnnotations")
	default:
		return p.Child("podSecurityContext")
	}
}

// permission returns the list that a permission amounts to.
func permission(p v1beta1.Permission) []string {
	if p == v1beta1.Forbid {
		return []string{}
	}

	return nil
}

// spec returns the path of a field of the spec.
func spec(name string, more ...string) *field.Path {
	return field.NewPath("spec", append([]string{name}, more...)...)
}
