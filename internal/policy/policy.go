// Package policy judges the pod of a DittoServer by the platform team's policy.
package policy

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/pod-security-admission/api"
	podsecurity "k8s.io/pod-security-admission/policy"

	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/composite"
)

// evaluator knows the Pod Security Standards of the version of Kubernetes that
// this function was built with.
//
//nolint:gochecknoglobals // It is immutable, and costly to make.
var evaluator = sync.OnceValues(func() (podsecurity.Evaluator, error) {
	return podsecurity.NewEvaluator(podsecurity.DefaultChecks(), nil)
})

// Check returns what the policy of the function's input forbids of a server and its pod.
func Check(s *composite.DittoServer, pod *corev1.PodTemplateSpec) field.ErrorList {
	p, root := s.Input.Policy, field.NewPath("spec")

	errs := checkImages(root.Child("image"), p.Images, pod)

	if s.Spec.Config != nil && p.Config == v1beta1.ConfigForbid {
		errs = append(errs, field.Forbidden(root.Child("config"), "the platform's policy allows no keys of config.yaml but those of fields"))
	}

	if name := s.Spec.ServiceAccountName; name != "" && len(p.ServiceAccountNames) > 0 && !slices.Contains(p.ServiceAccountNames, name) {
		errs = append(errs, field.Forbidden(root.Child("serviceAccountName"), fmt.Sprintf("the platform's policy does not allow %q, only %q", name, p.ServiceAccountNames)))
	}

	return append(errs, checkPodSecurity(root, p.PodSecurity, pod)...)
}

func checkImages(p *field.Path, allowed []string, pod *corev1.PodTemplateSpec) field.ErrorList {
	if len(allowed) == 0 {
		return nil
	}

	var errs field.ErrorList

	for _, c := range pod.Spec.Containers {
		if !slices.ContainsFunc(allowed, func(entry string) bool { return allows(entry, c.Image) }) {
			errs = append(errs, field.Forbidden(p, fmt.Sprintf("the platform's policy does not allow the image %q, only those of %q", c.Image, allowed)))
		}
	}

	return errs
}

// checkPodSecurity judges a pod by a Pod Security Standard.
// https://kubernetes.io/docs/concepts/security/pod-security-standards/
func checkPodSecurity(p *field.Path, level v1beta1.PodSecurity, pod *corev1.PodTemplateSpec) field.ErrorList {
	e, err := evaluator()
	if err != nil {
		return field.ErrorList{field.InternalError(p, err)}
	}

	var errs field.ErrorList

	lv := api.LevelVersion{Level: api.Level(level), Version: api.LatestVersion()}
	for _, r := range e.EvaluatePod(lv, &pod.ObjectMeta, &pod.Spec) {
		if !r.Allowed {
			errs = append(errs, field.Forbidden(setBy(p, r.ForbiddenDetail), fmt.Sprintf("the platform's policy asks for the Pod Security Standard %s: %s (%s)", level, r.ForbiddenReason, r.ForbiddenDetail)))
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
