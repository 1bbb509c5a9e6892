package composite

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/fielderr"
	"github.com/dittofs/function-dittoserver/internal/quantity"
)

// Kinds of extra volumes, as the policy calls them.
const (
	VolumeSecret      = "secret"
	VolumeConfigMap   = "configMap"
	VolumeDownwardAPI = "downwardAPI"
)

// validatePolicy reports entries that would allow nothing by mistake. A pattern of names may be
// any text.
func validatePolicy(p *field.Path, policy *v1beta1.Policy) field.ErrorList {
	errs := fielderr.OneOf(p.Child("podSecurity"), policy.PodSecurity, v1beta1.PodSecurityRestricted, v1beta1.PodSecurityBaseline, v1beta1.PodSecurityPrivileged)
	errs = append(errs, fielderr.OneOf(p.Child("config"), policy.Config, v1beta1.Allow, v1beta1.Forbid)...)
	errs = append(errs, fielderr.OneOf(p.Child("podDisruptionBudget"), policy.PodDisruptionBudget, v1beta1.Allow, v1beta1.Forbid)...)

	svc, network, scheduling := &policy.Services, &policy.NetworkPolicy, &policy.Scheduling
	pods, resources, storage := &policy.Pods, &policy.Resources, &policy.Storage

	for _, list := range []struct {
		name    string
		entries []string
		check   func(p *field.Path, entry *string) field.ErrorList
	}{
		{"secrets", policy.Secrets, anyText},
		{"configMaps", policy.ConfigMaps, anyText},
		{"extraVolumes", policy.ExtraVolumes, oneOf(VolumeSecret, VolumeConfigMap, VolumeDownwardAPI)},
		{"labels", policy.Labels, anyText},
		{"annotations", policy.Annotations, anyText},
		{"services.types", svc.Types, oneOf(string(corev1.ServiceTypeClusterIP), string(corev1.ServiceTypeNodePort), string(corev1.ServiceTypeLoadBalancer))},
		{"services.annotations", svc.Annotations, anyText},
		{"services.loadBalancerClasses", svc.LoadBalancerClasses, anyText},
		{"services.sourceRanges", svc.SourceRanges, isPrefix},
		{"services.ports", svc.Ports, isRange},
		{"services.nodePorts", svc.NodePorts, isRange},
		{"networkPolicy.ingressNamespaces", network.IngressNamespaces, anyText},
		{"networkPolicy.ingressRanges", network.IngressRanges, isPrefix},
		{"networkPolicy.egressNamespaces", network.EgressNamespaces, anyText},
		{"networkPolicy.egressRanges", network.EgressRanges, isPrefix},
		{"scheduling.priorityClassNames", scheduling.PriorityClassNames, anyText},
		{"scheduling.tolerations", scheduling.Tolerations, anyText},
		{"scheduling.nodeLabels", scheduling.NodeLabels, anyText},
		{"scheduling.podNamespaces", scheduling.PodNamespaces, anyText},
		{"pods.labels", pods.Labels, anyText},
		{"pods.annotations", pods.Annotations, anyText},
		{"pods.env", pods.Env, anyText},
		{"pods.ids", pods.IDs, isRange},
		{"resources.names", resources.Names, anyText},
		{"resources.required", resources.Required, isRequirement},
		{"storage.storageClassNames", storage.StorageClassNames, anyText},
		{"storage.volumeAttributesClassNames", storage.VolumeAttributesClassNames, anyText},
		{"storage.dataSources", storage.DataSources, anyText},
		{"routes.hostnames", policy.Routes.Hostnames, isOfOne(".")},
		{"routes.gateways", policy.Routes.Gateways, isOfOne("/")},
		{"monitors.labels", policy.Monitors.Labels, anyText},
	} {
		n := len(list.entries)
		if n == 0 {
			continue
		}

		p := p.Child(list.name)
		if n > v1beta1.MaxPolicyEntries {
			errs = append(errs, fielderr.TooMany(p, n, v1beta1.MaxPolicyEntries, "entries"))
			continue
		}

		errs = append(errs, fielderr.Each(p, list.entries, list.check)...)
	}

	errs = append(errs, validateAtMost(p.Child("pods", "maxGracePeriod"), pods.MaxGracePeriod)...)
	errs = append(errs, validateAtMost(p.Child("pods", "maxStartupTime"), pods.MaxStartupTime)...)
	errs = append(errs, validateAtMost(p.Child("monitors", "minInterval"), policy.Monitors.MinInterval)...)

	for _, name := range slices.Sorted(maps.Keys(resources.Max)) {
		if _, err := quantity.Parse(resources.Max[name]); err != nil {
			errs = append(errs, field.Invalid(p.Child("resources", "max").Key(name), resources.Max[name], err.Error()))
		}
	}

	if storage.MaxSize != "" {
		if _, err := quantity.Parse(storage.MaxSize); err != nil {
			errs = append(errs, field.Invalid(p.Child("storage", "maxSize"), storage.MaxSize, err.Error()))
		}
	}

	return errs
}

func anyText(*field.Path, *string) field.ErrorList { return nil }

func oneOf(supported ...string) func(*field.Path, *string) field.ErrorList {
	return func(p *field.Path, entry *string) field.ErrorList {
		return fielderr.OneOf(p, *entry, append(supported, v1beta1.PolicyAny)...)
	}
}

// isOfOne returns a check that a pattern which has the server's namespace means the same text for no two namespaces. Names
// have dashes: with $(name)-$(namespace), a-b in c and a in b-c would have the same.
func isOfOne(separator string) func(*field.Path, *string) field.ErrorList {
	return func(p *field.Path, entry *string) field.ErrorList {
		for part := range strings.SplitSeq(*entry, separator) {
			if before, after, ok := strings.Cut(part, v1beta1.OwnNamespace); ok && strings.ContainsAny(before+after, "*$") {
				return field.ErrorList{field.Invalid(p, *entry, fmt.Sprintf("must have %q between $(namespace) and what else differs: names have dashes, so that those of two namespaces could be the same", separator))}
			}
		}

		// A star stands for separators, too: x.a.b.y would be of both a and b.
		if before, after, ok := strings.Cut(*entry, v1beta1.OwnNamespace); ok && strings.Contains(before, v1beta1.PolicyAny) && strings.Contains(after, v1beta1.PolicyAny) {
			return field.ErrorList{field.Invalid(p, *entry, `must not have "*" on both sides of $(namespace): the name of another namespace could be in its place`)}
		}

		return nil
	}
}

func isPrefix(p *field.Path, entry *string) field.ErrorList {
	if _, err := netip.ParsePrefix(*entry); err != nil && *entry != v1beta1.PolicyAny {
		return field.ErrorList{field.Invalid(p, *entry, "must be a CIDR, such as 10.0.0.0/8")}
	}

	return nil
}

func isRange(p *field.Path, entry *string) field.ErrorList {
	if _, _, ok := v1beta1.ParseRange(*entry); !ok && *entry != v1beta1.PolicyAny {
		return field.ErrorList{field.Invalid(p, *entry, "must be a number, or two with a dash between them, such as 1000-1999")}
	}

	return nil
}

func isRequirement(p *field.Path, entry *string) field.ErrorList {
	kind, name, _ := strings.Cut(*entry, ".")
	if kind != "requests" && kind != "limits" || name == "" {
		return field.ErrorList{field.Invalid(p, *entry, "must be requests. or limits. with a resource behind it, such as limits.memory")}
	}

	return nil
}

func validateAtMost(p *field.Path, d string) field.ErrorList {
	if d == "" {
		return nil
	}

	if v, err := time.ParseDuration(d); err != nil || v < 0 {
		return field.ErrorList{field.Invalid(p, d, "must be a Go duration of zero or more, such as 1m")}
	}

	return nil
}
