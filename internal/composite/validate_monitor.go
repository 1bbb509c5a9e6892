package composite

import (
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/fielderr"
	"github.com/dittofs/function-dittoserver/internal/podrules"
)

// Kinds that not every cluster has.
const (
	KindServiceMonitor   = "ServiceMonitor"
	KindHTTPRoute        = "HTTPRoute"
	KindTLSRoute         = "TLSRoute"
	KindBackendTLSPolicy = "BackendTLSPolicy"
)

// maxScrape bounds the time between two scrapes.
const maxScrape = 24 * time.Hour

// validateKinds reports kinds that no DittoServer has objects of: a mistake there would go
// unnoticed.
func validateKinds(p *field.Path, kinds map[string]v1beta1.KindSource) field.ErrorList {
	var errs field.ErrorList

	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		errs = append(errs, fielderr.OneOf(p.Key(kind), kind, KindServiceMonitor, KindHTTPRoute, KindBackendTLSPolicy, KindTLSRoute)...)
		errs = append(errs, fielderr.OneOf(p.Key(kind), kinds[kind], v1beta1.KindDiscover, v1beta1.KindPresent)...)
	}

	return errs
}

// validateServiceMonitor reports what the API server or the Prometheus Operator refuses of a
// ServiceMonitor.
func validateServiceMonitor(p *field.Path, m *v1alpha1.ServiceMonitor) field.ErrorList {
	errs := validateLabels(p.Child("labels"), m.Labels)
	interval, err := validateScrape(p.Child("interval"), m.Interval)
	errs = append(errs, err...)
	timeout, err := validateScrape(p.Child("scrapeTimeout"), m.ScrapeTimeout)
	errs = append(errs, err...)

	if interval > 0 && timeout > interval {
		errs = append(errs, field.Invalid(p.Child("scrapeTimeout"), m.ScrapeTimeout, "must not be more than interval"))
	}

	if ref := m.CASecretRef; ref != nil {
		errs = append(errs, podrules.SecretName(p.Child("caSecretRef", "name"), ref.Name)...)
		errs = append(errs, fielderr.Messages(p.Child("caSecretRef", "key"), ref.Key, validation.IsConfigMapKey(ref.Key))...)
	}

	if m.ServerName != "" {
		errs = append(errs, fielderr.Messages(p.Child("serverName"), m.ServerName, validation.IsDNS1123Subdomain(m.ServerName))...)
	}

	if ref := m.ClientCertificateSecretRef; ref != nil {
		errs = append(errs, podrules.SecretName(p.Child("clientCertificateSecretRef", "name"), ref.Name)...)
	}

	return errs
}

// validateScrape returns a time of whole seconds, or zero where there is none.
func validateScrape(p *field.Path, d string) (time.Duration, field.ErrorList) {
	if d == "" {
		return 0, nil
	}

	v, err := time.ParseDuration(d)
	if err != nil || v < time.Second || v > maxScrape || v%time.Second != 0 {
		return 0, field.ErrorList{field.Invalid(p, d, "must be a Go duration of whole seconds from 1s to 24h, such as 30s")}
	}

	return v, nil
}

// MonitorLabels returns the labels that a ServiceMonitor gets besides those of every object. The
// platform's values win.
func (s *DittoServer) MonitorLabels() map[string]string {
	return merged(s.Labels(), s.Spec.Metrics.ServiceMonitor.Labels, s.Input.Labels, s.Input.ServiceMonitor.Labels)
}
