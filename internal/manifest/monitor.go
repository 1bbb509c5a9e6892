package manifest

import (
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
)

// A ServiceMonitorSpec is what a ServiceMonitor of the Prometheus Operator says here. Every Secret is
// one of the server's namespace. Fields that have Prometheus read its own files are left out: whoever
// writes them could read what Prometheus can.
// https://prometheus-operator.dev/docs/api-reference/api/
type ServiceMonitorSpec struct {
	Endpoints []MonitorEndpoint    `json:"endpoints"`
	Selector  metav1.LabelSelector `json:"selector"`
}

// A MonitorEndpoint is what Prometheus scrapes.
type MonitorEndpoint struct {
	Port          string                `json:"port"`
	Path          string                `json:"path"`
	Scheme        string                `json:"scheme,omitempty"`
	Interval      string                `json:"interval,omitempty"`
	ScrapeTimeout string                `json:"scrapeTimeout,omitempty"`
	Authorization *MonitorAuthorization `json:"authorization,omitempty"`
	TLSConfig     *MonitorTLS           `json:"tlsConfig,omitempty"`
}

// A MonitorAuthorization is what Prometheus sends as the header Authorization.
type MonitorAuthorization struct {
	Type        string                    `json:"type"`
	Credentials *corev1.SecretKeySelector `json:"credentials"`
}

// MonitorTLS is how Prometheus connects.
type MonitorTLS struct {
	CA         *MonitorSecret            `json:"ca,omitempty"`
	Cert       *MonitorSecret            `json:"cert,omitempty"`
	KeySecret  *corev1.SecretKeySelector `json:"keySecret,omitempty"`
	ServerName string                    `json:"serverName"`
}

// A MonitorSecret is a key of a Secret, where a ServiceMonitor may also name one of a ConfigMap.
type MonitorSecret struct {
	Secret *corev1.SecretKeySelector `json:"secret"`
}

// A ServiceMonitor has the Prometheus Operator scrape a Service.
type ServiceMonitor = Custom[ServiceMonitorSpec]

// serviceMonitor has the Prometheus Operator scrape the metrics' Service.
func serviceMonitor(s *composite.DittoServer, _ Inputs) (object, error) {
	m := &s.Spec.Metrics.ServiceMonitor

	endpoint := MonitorEndpoint{
		// Of a server's Services only that of the metrics has such a port.
		Port:          v1alpha1.PortMetrics,
		Path:          s.Spec.Metrics.Path,
		Interval:      seconds(m.Interval),
		ScrapeTimeout: seconds(m.ScrapeTimeout),
	}

	if ref := s.Spec.Metrics.TokenSecretRef; ref != nil {
		endpoint.Authorization = &MonitorAuthorization{Type: "Bearer", Credentials: secretKey(ref.Name, ref.Key)}
	}

	if s.Spec.Metrics.TLS != nil {
		endpoint.Scheme = "https"
		endpoint.TLSConfig = monitorTLS(s, m)
	}

	return &ServiceMonitor{
		ObjectMeta: metav1.ObjectMeta{Labels: s.MonitorLabels()},
		Spec: ServiceMonitorSpec{
			Endpoints: []MonitorEndpoint{endpoint},
			Selector:  metav1.LabelSelector{MatchLabels: selectorLabels(s.Name)},
		},
	}, nil
}

func monitorTLS(s *composite.DittoServer, m *v1alpha1.ServiceMonitor) *MonitorTLS {
	// Prometheus connects to the pod's address, which no certificate is for.
	c := &MonitorTLS{ServerName: m.ServerName}
	if c.ServerName == "" {
		c.ServerName = s.Name + suffixMetrics + "." + s.Namespace + ".svc"
	}

	if ref := m.CASecretRef; ref != nil {
		c.CA = &MonitorSecret{Secret: secretKey(ref.Name, ref.Key)}
	}

	if ref := m.ClientCertificateSecretRef; ref != nil {
		c.Cert = &MonitorSecret{Secret: secretKey(ref.Name, corev1.TLSCertKey)}
		c.KeySecret = secretKey(ref.Name, corev1.TLSPrivateKeyKey)
	}

	return c
}

func secretKey(name, key string) *corev1.SecretKeySelector {
	return &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: key}
}

// seconds returns a Go duration as Prometheus writes it, or "" for none. It is validated to be one of
// whole seconds.
func seconds(d string) string {
	v, err := time.ParseDuration(d)
	if err != nil {
		return ""
	}

	return strconv.Itoa(int(v/time.Second)) + "s"
}
