package composite

import (
	"path"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
)

// validateSecurity reports security contexts that the API server refuses, or that
// contradict themselves once the defaults are under them.
func validateSecurity(p *field.Path, spec *v1alpha1.DittoServerSpec) field.ErrorList {
	pod, c := ptr.Deref(spec.PodSecurityContext, corev1.PodSecurityContext{}), ptr.Deref(spec.SecurityContext, corev1.SecurityContext{})
	pp, cp := p.Child("podSecurityContext"), p.Child("securityContext")

	errs := validateIDs(pp, cp, &pod, &c)
	errs = append(errs, validateRoot(pp, cp, &pod, &c)...)

	if Escalates(&c) && c.AllowPrivilegeEscalation != nil && !*c.AllowPrivilegeEscalation {
		errs = append(errs, field.Invalid(cp.Child("allowPrivilegeEscalation"), false, "must not be false for a container that is privileged or adds CAP_SYS_ADMIN"))
	}

	errs = append(errs, validateEnum(pp.Child("fsGroupChangePolicy"), pod.FSGroupChangePolicy, corev1.FSGroupChangeOnRootMismatch, corev1.FSGroupChangeAlways)...)
	errs = append(errs, validateEnum(pp.Child("supplementalGroupsPolicy"), pod.SupplementalGroupsPolicy, corev1.SupplementalGroupsPolicyMerge, corev1.SupplementalGroupsPolicyStrict)...)
	for _, w := range []struct {
		path *field.Path
		set  bool
	}{
		{pp.Child("windowsOptions"), pod.WindowsOptions != nil},
		{cp.Child("windowsOptions"), c.WindowsOptions != nil},
	} {
		if w.set {
			errs = append(errs, field.Forbidden(w.path, "the server runs on Linux: remove them"))
		}
	}

	errs = append(errs, validateEnum(pp.Child("seLinuxChangePolicy"), pod.SELinuxChangePolicy, corev1.SELinuxChangePolicyRecursive)...)
	// Unmasked needs a pod with a user namespace of its own, which this one is not.
	errs = append(errs, validateEnum(cp.Child("procMount"), c.ProcMount, corev1.DefaultProcMount)...)

	errs = append(errs, validateSysctls(pp.Child("sysctls"), pod.Sysctls)...)
	errs = append(errs, validateSeccomp(pp.Child("seccompProfile"), pod.SeccompProfile)...)
	errs = append(errs, validateSeccomp(cp.Child("seccompProfile"), c.SeccompProfile)...)
	errs = append(errs, validateAppArmor(pp.Child("appArmorProfile"), pod.AppArmorProfile)...)

	return append(errs, validateAppArmor(cp.Child("appArmorProfile"), c.AppArmorProfile)...)
}

func validateIDs(pp, cp *field.Path, pod *corev1.PodSecurityContext, c *corev1.SecurityContext) field.ErrorList {
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

	for i, id := range pod.SupplementalGroups {
		errs = append(errs, messages(pp.Child("supplementalGroups").Index(i), id, validation.IsValidGroupID(id))...)
	}

	return errs
}

func validateRoot(pp, cp *field.Path, pod *corev1.PodSecurityContext, c *corev1.SecurityContext) field.ErrorList {
	// The kubelet does not start a container that must not be root as root.
	nonRoot := ptr.Deref(c.RunAsNonRoot, ptr.Deref(pod.RunAsNonRoot, true))
	user, userPath := pod.RunAsUser, pp.Child("runAsUser")

	if c.RunAsUser != nil {
		user, userPath = c.RunAsUser, cp.Child("runAsUser")
	}

	if nonRoot && user != nil && *user == 0 {
		return field.ErrorList{field.Invalid(userPath, 0, "must not be root while runAsNonRoot is true (its default)")}
	}

	return nil
}

// Escalates says whether a security context asks for something that the API
// server refuses together with allowPrivilegeEscalation: false.
func Escalates(c *corev1.SecurityContext) bool {
	return c != nil && (ptr.Deref(c.Privileged, false) || c.Capabilities != nil && slices.Contains(c.Capabilities.Add, "CAP_SYS_ADMIN"))
}

// validateEnum reports a value that is set but not among the supported ones.
func validateEnum[T ~string](p *field.Path, value *T, supported ...T) field.ErrorList {
	if value == nil {
		return nil
	}

	return oneOf(p, *value, supported...)
}

// maxSysctlLength is Kubernetes' own bound on the name of a sysctl.
const maxSysctlLength = 253

// sysctlName is what Kubernetes takes for the name of a sysctl.
var sysctlName = regexp.MustCompile(`^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$`)

func validateSysctls(p *field.Path, sysctls []corev1.Sysctl) field.ErrorList {
	var errs field.ErrorList

	seen := sets.New[string]()

	for i, s := range sysctls {
		name := p.Index(i).Child("name")

		switch {
		case s.Name == "":
			errs = append(errs, field.Required(name, ""))
		case len(s.Name) > maxSysctlLength:
			errs = append(errs, field.TooLong(name, s.Name, maxSysctlLength))
		case !sysctlName.MatchString(s.Name):
			errs = append(errs, field.Invalid(name, s.Name, "must be the name of a sysctl, such as net.core.somaxconn"))
		case seen.Has(s.Name):
			errs = append(errs, field.Duplicate(name, s.Name))
		}

		seen.Insert(s.Name)
	}

	return errs
}

const onlyLocalhost = "must be set for the type Localhost, and only then"

func validateSeccomp(p *field.Path, s *corev1.SeccompProfile) field.ErrorList {
	if s == nil {
		return nil
	}

	errs := oneOf(p.Child("type"), s.Type, corev1.SeccompProfileTypeRuntimeDefault, corev1.SeccompProfileTypeLocalhost, corev1.SeccompProfileTypeUnconfined)
	lp := p.Child("localhostProfile")

	switch file := ptr.Deref(s.LocalhostProfile, ""); {
	case (s.Type == corev1.SeccompProfileTypeLocalhost) != (s.LocalhostProfile != nil):
		errs = append(errs, field.Invalid(lp, file, onlyLocalhost))
	case s.LocalhostProfile == nil:
	case file == "" || path.IsAbs(file) || slices.Contains(strings.Split(file, "/"), ".."):
		// The kubelet looks for it below a directory of its own.
		errs = append(errs, field.Invalid(lp, file, "must be a relative path without '..'"))
	}

	return errs
}

// maxAppArmorLength is Kubernetes' own bound on the name of a profile.
const maxAppArmorLength = 4095

func validateAppArmor(p *field.Path, a *corev1.AppArmorProfile) field.ErrorList {
	if a == nil {
		return nil
	}

	errs := oneOf(p.Child("type"), a.Type, corev1.AppArmorProfileTypeRuntimeDefault, corev1.AppArmorProfileTypeLocalhost, corev1.AppArmorProfileTypeUnconfined)
	lp := p.Child("localhostProfile")

	switch name := ptr.Deref(a.LocalhostProfile, ""); {
	case (a.Type == corev1.AppArmorProfileTypeLocalhost) != (a.LocalhostProfile != nil):
		errs = append(errs, field.Invalid(lp, name, onlyLocalhost))
	case a.LocalhostProfile == nil:
	case name == "" || strings.TrimSpace(name) != name:
		errs = append(errs, field.Invalid(lp, name, "must be the name of a profile, without spaces around it"))
	case len(name) > maxAppArmorLength:
		errs = append(errs, field.TooLong(lp, name, maxAppArmorLength))
	}

	return errs
}
