package podrules

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

	"github.com/dittofs/function-dittoserver/internal/fielderr"
)

// PodSecurityContext reports what cannot be the security context of a pod.
func PodSecurityContext(p *field.Path, sc *corev1.PodSecurityContext) field.ErrorList {
	if sc == nil {
		return nil
	}

	errs := validateID(p.Child("runAsUser"), sc.RunAsUser)
	errs = append(errs, validateID(p.Child("runAsGroup"), sc.RunAsGroup)...)
	errs = append(errs, validateID(p.Child("fsGroup"), sc.FSGroup)...)

	errs = append(errs, fielderr.Each(p.Child("supplementalGroups"), sc.SupplementalGroups, validateID)...)
	errs = append(errs, fielderr.OneOfIfSet(p.Child("fsGroupChangePolicy"), sc.FSGroupChangePolicy, corev1.FSGroupChangeOnRootMismatch, corev1.FSGroupChangeAlways)...)
	errs = append(errs, fielderr.OneOfIfSet(p.Child("supplementalGroupsPolicy"), sc.SupplementalGroupsPolicy, corev1.SupplementalGroupsPolicyMerge, corev1.SupplementalGroupsPolicyStrict)...)
	errs = append(errs, fielderr.OneOfIfSet(p.Child("seLinuxChangePolicy"), sc.SELinuxChangePolicy, corev1.SELinuxChangePolicyRecursive)...)
	errs = append(errs, validateWindows(p.Child("windowsOptions"), sc.WindowsOptions)...)
	errs = append(errs, validateSysctls(p.Child("sysctls"), sc.Sysctls)...)
	errs = append(errs, validateSeccomp(p.Child("seccompProfile"), sc.SeccompProfile)...)

	return append(errs, validateAppArmor(p.Child("appArmorProfile"), sc.AppArmorProfile)...)
}

// SecurityContext reports what cannot be the security context of a container.
func SecurityContext(p *field.Path, sc *corev1.SecurityContext) field.ErrorList {
	if sc == nil {
		return nil
	}

	errs := validateID(p.Child("runAsUser"), sc.RunAsUser)
	errs = append(errs, validateID(p.Child("runAsGroup"), sc.RunAsGroup)...)

	if Escalates(sc) && sc.AllowPrivilegeEscalation != nil && !*sc.AllowPrivilegeEscalation {
		errs = append(errs, field.Invalid(p.Child("allowPrivilegeEscalation"), false, "must not be false for a container that is privileged or adds CAP_SYS_ADMIN"))
	}

	// Unmasked needs a pod with a user namespace of its own, which this one is not.
	errs = append(errs, fielderr.OneOfIfSet(p.Child("procMount"), sc.ProcMount, corev1.DefaultProcMount)...)
	errs = append(errs, validateWindows(p.Child("windowsOptions"), sc.WindowsOptions)...)
	errs = append(errs, validateSeccomp(p.Child("seccompProfile"), sc.SeccompProfile)...)

	return append(errs, validateAppArmor(p.Child("appArmorProfile"), sc.AppArmorProfile)...)
}

// Escalates reports whether a security context asks for something that the API
// server refuses together with allowPrivilegeEscalation: false.
func Escalates(c *corev1.SecurityContext) bool {
	return c != nil && (ptr.Deref(c.Privileged, false) || c.Capabilities != nil && slices.Contains(c.Capabilities.Add, "CAP_SYS_ADMIN"))
}

// validateID reports what is the ID of neither a user nor a group.
func validateID(p *field.Path, id *int64) field.ErrorList {
	if id == nil {
		return nil
	}

	return fielderr.Messages(p, *id, validation.IsValidUserID(*id))
}

func validateWindows(p *field.Path, options *corev1.WindowsSecurityContextOptions) field.ErrorList {
	if options == nil {
		return nil
	}

	return field.ErrorList{field.Forbidden(p, "the server runs on Linux: remove them")}
}

// maxSysctlLength is Kubernetes' own bound on the name of a sysctl.
const maxSysctlLength = 253

// sysctlName is what Kubernetes takes for the name of a sysctl.
var sysctlName = regexp.MustCompile(`^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$`)

func validateSysctls(p *field.Path, sysctls []corev1.Sysctl) field.ErrorList {
	seen := sets.New[string]()

	return fielderr.Each(p, sysctls, func(p *field.Path, s *corev1.Sysctl) field.ErrorList {
		var errs field.ErrorList

		name := p.Child("name")

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

		return errs
	})
}

const onlyLocalhost = "must be set for the type Localhost, and only then"

func validateSeccomp(p *field.Path, s *corev1.SeccompProfile) field.ErrorList {
	if s == nil {
		return nil
	}

	errs := fielderr.OneOf(p.Child("type"), s.Type, corev1.SeccompProfileTypeRuntimeDefault, corev1.SeccompProfileTypeLocalhost, corev1.SeccompProfileTypeUnconfined)
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

	errs := fielderr.OneOf(p.Child("type"), a.Type, corev1.AppArmorProfileTypeRuntimeDefault, corev1.AppArmorProfileTypeLocalhost, corev1.AppArmorProfileTypeUnconfined)
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
