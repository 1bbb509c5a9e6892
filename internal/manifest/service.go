package manifest

import (
	"maps"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
)

// headlessService gives the server's pod its DNS name.
func headlessService(s *composite.DittoServer, _ Inputs) (object, error) {
	svc := service(s, servicePort(v1alpha1.PortNFS, *s.Spec.NFSPort))
	svc.Spec.ClusterIP = corev1.ClusterIPNone

	return svc, nil
}

// fileService is where clients mount the server.
func fileService(s *composite.DittoServer, _ Inputs) (object, error) {
	ports := []corev1.ServicePort{servicePort(v1alpha1.PortNFS, *s.Spec.NFSPort)}
	if s.Spec.SMB.Enabled {
		ports = append(ports, servicePort(v1alpha1.PortSMB, *s.Spec.SMB.Port))
	}

	if s.Spec.Portmapper.Enabled {
		// Kernels look for it at this port. Its target is a number, since another named port of
		// the container would restart the server.
		ports = append(ports, corev1.ServicePort{
			Name:       v1alpha1.PortPortmapper,
			Protocol:   corev1.ProtocolTCP,
			Port:       v1alpha1.PortmapperPort,
			TargetPort: intstr.FromInt32(v1alpha1.PortmapperContainerPort),
		})
	}

	return exposed(s, service(s, ports...), &s.Spec.Service.File), nil
}

// apiService is where the server is managed.
func apiService(s *composite.DittoServer, _ Inputs) (object, error) {
	return exposed(s, service(s, servicePort(v1alpha1.PortAPI, *s.Spec.APIPort)), &s.Spec.Service.API), nil
}

// Annotations that tell Prometheus how the metrics are served, which a pod that is held may do
// otherwise than the spec says.
const (
	annotationPath   = "prometheus.io/path"
	annotationScheme = "prometheus.io/scheme"
)

// ServingAnnotations returns the names of the annotations of the metrics' Service that follow the
// pod, and not the spec.
func ServingAnnotations() []string { return []string{annotationPath, annotationScheme} }

// metricsService is where Prometheus scrapes the server.
func metricsService(s *composite.DittoServer, _ Inputs) (object, error) {
	svc := service(s, servicePort(v1alpha1.PortMetrics, *s.Spec.Metrics.Port))
	svc.Spec.Type = corev1.ServiceTypeClusterIP
	svc.Annotations = map[string]string{
		"prometheus.io/scrape": "true",
		"prometheus.io/port":   strconv.Itoa(int(*s.Spec.Metrics.Port)),
		annotationPath:         s.Spec.Metrics.Path,
	}

	if s.Spec.Metrics.TLS != nil {
		svc.Annotations[annotationScheme] = "https"
	}

	return svc, nil
}

func service(s *composite.DittoServer, ports ...corev1.ServicePort) *corev1.Service {
	svc := &corev1.Service{
		Spec: corev1.ServiceSpec{
			Selector:   selectorLabels(s.Name),
			Ports:      ports,
			IPFamilies: s.Spec.Service.IPFamilies,
		},
	}

	policy := s.Spec.Service.IPFamilyPolicy
	if len(s.Spec.Service.IPFamilies) == 1 {
		// A Service that has had two families releases one for this policy only.
		policy = corev1.IPFamilyPolicySingleStack
	}

	if policy != "" {
		svc.Spec.IPFamilyPolicy = &policy
	}

	return svc
}

// servicePort targets the container port of the same name, so that a Service
// follows each pod through a change of ports.
func servicePort(name string, number int32) corev1.ServicePort {
	return corev1.ServicePort{
		Name:       name,
		Protocol:   corev1.ProtocolTCP,
		Port:       number,
		TargetPort: intstr.FromString(name),
	}
}

// exposed applies what the user says of a Service.
func exposed(s *composite.DittoServer, svc *corev1.Service, o *v1alpha1.ServiceOverride) *corev1.Service {
	svc.Annotations = map[string]string{}
	maps.Copy(svc.Annotations, s.Spec.Service.Annotations)
	maps.Copy(svc.Annotations, o.Annotations)
	// The platform's values win.
	maps.Copy(svc.Annotations, s.Input.Annotations)

	svc.Spec.Type = o.Type
	svc.Spec.LoadBalancerClass = o.LoadBalancerClass
	svc.Spec.LoadBalancerSourceRanges = o.LoadBalancerSourceRanges
	svc.Spec.ExternalTrafficPolicy = o.ExternalTrafficPolicy

	for i := range svc.Spec.Ports {
		svc.Spec.Ports[i].NodePort = o.NodePorts[svc.Spec.Ports[i].Name]
	}

	return svc
}
