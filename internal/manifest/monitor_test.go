package manifest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

func TestServiceMonitor(t *testing.T) {
	const selector = "selector: {matchLabels: {app.kubernetes.io/name: dittofs, app.kubernetes.io/instance: files}}"

	cases := map[string]struct {
		reason  string
		spec    string
		want    string
		release string
	}{
		"Plain": {
			reason:  "The Service has the port by name. Prometheus's own intervals count.",
			spec:    "metrics: {enabled: true, path: /stats, serviceMonitor: {enabled: true}}",
			want:    "{endpoints: [{port: metrics, path: /stats}], " + selector + "}",
			release: "platform",
		},
		"Token": {
			reason:  "The server asks for the token that it has.",
			spec:    "metrics: {enabled: true, tokenSecretRef: {name: token}, serviceMonitor: {enabled: true, labels: {release: users, team: a}, interval: 1m30s, scrapeTimeout: 10s}}",
			want:    "{endpoints: [{port: metrics, path: /metrics, interval: 90s, scrapeTimeout: 10s, authorization: {type: Bearer, credentials: {name: token, key: token}}}], " + selector + "}",
			release: "platform",
		},
		"TLS": {
			reason:  "No certificate is for the address of a pod.",
			spec:    "metrics: {enabled: true, tls: {secretRef: {name: tls}}, serviceMonitor: {enabled: true}}",
			want:    "{endpoints: [{port: metrics, path: /metrics, scheme: https, tlsConfig: {serverName: files-metrics.storage.svc}}], " + selector + "}",
			release: "platform",
		},
		"MutualTLS": {
			reason:  "Prometheus has a certificate of its own, and its own authorities for that of the server.",
			spec:    "metrics: {enabled: true, tls: {secretRef: {name: tls}, clientCASecretRef: {name: ca}}, serviceMonitor: {enabled: true, serverName: files.example.org, caSecretRef: {name: tls}, clientCertificateSecretRef: {name: prometheus}}}",
			want:    "{endpoints: [{port: metrics, path: /metrics, scheme: https, tlsConfig: {serverName: files.example.org, ca: {secret: {name: tls, key: ca.crt}}, cert: {secret: {name: prometheus, key: tls.crt}}, keySecret: {name: prometheus, key: tls.key}}}], " + selector + "}",
			release: "platform",
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, errs := composite.Decode(
				protostructtest.FromYAML(t, "{metadata: {name: files, namespace: storage}, spec: {version: 0.29.2, labels: {release: users}, identity: {jwt: {secretRef: {name: jwt}}}, "+tc.spec+"}}"),
				protostructtest.FromYAML(t, "{serviceMonitor: {labels: {release: platform}}}"))
			if len(errs) > 0 {
				t.Fatal(errs)
			}

			row := RowOf(Monitor)
			if !row.Has(s) {
				t.Fatal("the server has no ServiceMonitor")
			}

			o, err := row.build(s, Inputs{})
			if err != nil {
				t.Fatal(err)
			}

			got, err := protostruct.Encode(o)
			if err != nil {
				t.Fatal(err)
			}

			want := protostructtest.FromYAML(t, tc.want)
			if diff := cmp.Diff(want, protostruct.Get(got, "spec").GetStructValue(), protocmp.Transform()); diff != "" {
				t.Errorf("%s\nserviceMonitor(...): -want, +got:\n%s", tc.reason, diff)
			}

			if release := o.GetLabels()["release"]; release != tc.release {
				t.Errorf("The platform's label wins: want %q, got %q", tc.release, release)
			}
		})
	}
}
