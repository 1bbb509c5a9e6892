package composite

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

func TestValidateServiceMonitor(t *testing.T) {
	const monitor = "spec.metrics.serviceMonitor"

	cases := map[string]struct {
		reason string

		// metrics of the spec.
		metrics string
		input   string
		want    []string
	}{
		"None":         {"Nothing is asked for.", "{}", "{}", nil},
		"All":          {"What the operator takes.", "{enabled: true, tls: {secretRef: {name: tls}}, serviceMonitor: {enabled: true, labels: {release: a}, interval: 1m30s, scrapeTimeout: 90s, caSecretRef: {name: ca}, serverName: files.example.org, clientCertificateSecretRef: {name: prometheus}}}", "{kinds: {ServiceMonitor: Discover}, serviceMonitor: {labels: {release: b}}}", nil},
		"NoTLS":        {"It counts once there is TLS.", "{serviceMonitor: {enabled: true, caSecretRef: {name: ca}, serverName: a, clientCertificateSecretRef: {name: b}}}", "{}", nil},
		"Interval":     {"The operator would refuse it, or Prometheus could not keep up.", "{serviceMonitor: {interval: 1d, scrapeTimeout: 1.5s}}", "{}", []string{monitor + ".interval", monitor + ".scrapeTimeout"}},
		"Short":        {"Prometheus could not keep up.", "{serviceMonitor: {interval: 0s}}", "{}", []string{monitor + ".interval"}},
		"Long":         {"Nobody means it.", "{serviceMonitor: {interval: 24h1s}}", "{}", []string{monitor + ".interval"}},
		"Timeout":      {"The operator would refuse it.", "{serviceMonitor: {interval: 10s, scrapeTimeout: 11s}}", "{}", []string{monitor + ".scrapeTimeout"}},
		"TimeoutAlone": {"Prometheus's own interval is not known.", "{serviceMonitor: {scrapeTimeout: 11m}}", "{}", nil},
		"Labels":       {"As those of every object.", "{serviceMonitor: {labels: {app.kubernetes.io/name: a, crossplane.io/b: c}}}", "{}", []string{monitor + ".labels[app.kubernetes.io/name]", monitor + ".labels[crossplane.io/b]"}},
		"Names":        {"Kubernetes would refuse them.", "{tls: {secretRef: {name: tls}}, serviceMonitor: {caSecretRef: {name: A_, key: /}, serverName: A_, clientCertificateSecretRef: {name: A_}}}", "{}", []string{monitor + ".caSecretRef.name", monitor + ".caSecretRef.key", monitor + ".serverName", monitor + ".clientCertificateSecretRef.name"}},
		"Kinds":        {"A mistake would go unnoticed.", "{}", "{kinds: {ServiceMonitors: Discover, ServiceMonitor: Yes}}", []string{"input.kinds[ServiceMonitor]", "input.kinds[ServiceMonitors]"}},
		"InputLabels":  {"As those of every object.", "{}", "{serviceMonitor: {labels: {app.kubernetes.io/name: a}}}", []string{"input.serviceMonitor.labels[app.kubernetes.io/name]"}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			xr := protostructtest.FromYAML(t, "{metadata: {name: files, namespace: storage}, spec: {identity: {jwt: {secretRef: {name: jwt}}}, metrics: "+tc.metrics+"}}")

			_, errs := Decode(xr, protostructtest.FromYAML(t, tc.input))

			var got []string
			for _, err := range errs {
				got = append(got, err.Field)
			}

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nDecode(...): -want, +got:\n%s\n%v", tc.reason, diff, errs)
			}
		})
	}
}
