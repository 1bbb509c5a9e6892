package policy

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/internal/composite"
)

// ofMonitor returns the path of a field of spec.metrics.serviceMonitor.
func ofMonitor(name string, more ...string) *field.Path {
	return spec("metrics", append([]string{"serviceMonitor", name}, more...)...)
}

// asksMonitorLabels asks for the labels of a ServiceMonitor, by which a Prometheus selects it. They
// are those of every object, too.
func asksMonitorLabels(c *composed) []ask {
	if c.monitor == nil {
		return nil
	}

	var asks []ask

	for _, a := range entries(ofMonitor("labels"), c.monitor.Labels, composite.IsOwnLabel) {
		if isPlatforms(c.server.Input.Labels, a.text, *a.value) || isPlatforms(c.server.Input.ServiceMonitor.Labels, a.text, *a.value) {
			continue
		}

		if _, ok := c.server.Spec.Metrics.ServiceMonitor.Labels[a.text]; !ok {
			a.path = spec("labels").Key(a.text)
		}

		asks = append(asks, a)
	}

	return asks
}

func checkMonitorInterval(c *composed, name string) field.ErrorList {
	// Validated to be a duration, or nothing.
	atLeast, err := time.ParseDuration(c.policy.Monitors.MinInterval)
	if err != nil || c.monitor == nil {
		return nil
	}

	for i := range c.monitor.Spec.Endpoints {
		asked, err := time.ParseDuration(c.monitor.Spec.Endpoints[i].Interval)
		if err == nil && asked < atLeast {
			return field.ErrorList{field.Forbidden(ofMonitor("interval"), fmt.Sprintf("the platform's policy does not allow %s, only %s or more (policy.%s)", asked, atLeast, name))}
		}
	}

	return nil
}

// monitorSecrets asks for the Secrets that Prometheus reads.
func (c *composed) monitorSecrets() []ask {
	if c.monitor == nil {
		return nil
	}

	var asks []ask

	add := func(p *field.Path, ref *corev1.SecretKeySelector) {
		if ref != nil {
			asks = append(asks, ask{path: p, text: ref.Name})
		}
	}

	for i := range c.monitor.Spec.Endpoints {
		e := &c.monitor.Spec.Endpoints[i]
		if e.Authorization != nil {
			add(spec("metrics", "tokenSecretRef", "name"), e.Authorization.Credentials)
		}

		if e.TLSConfig == nil {
			continue
		}

		if e.TLSConfig.CA != nil {
			add(ofMonitor("caSecretRef", "name"), e.TLSConfig.CA.Secret)
		}

		if e.TLSConfig.Cert != nil {
			add(ofMonitor("clientCertificateSecretRef", "name"), e.TLSConfig.Cert.Secret)
		}

		add(ofMonitor("clientCertificateSecretRef", "name"), e.TLSConfig.KeySecret)
	}

	return asks
}
