package manifest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// Probes, files and config.yaml change together with api.tls.
func TestAPITLS(t *testing.T) {
	cases := map[string]struct {
		reason string
		spec   string
		// readiness is the handler of the readiness probe.
		readiness string
		// mounts are the directories of files of Secrets.
		mounts []any
	}{
		"Off": {
			reason:    "The kubelet speaks HTTP unless told otherwise",
			spec:      "{}",
			readiness: `{"httpGet":{"path":"/health/ready","port":"api"}}`,
		},
		"On": {
			reason:    "It takes any certificate",
			spec:      "{api: {tls: {secretRef: {name: files-tls}}}}",
			readiness: `{"httpGet":{"path":"/health/ready","port":"api","scheme":"HTTPS"}}`,
			mounts:    []any{"/etc/dittofs/secrets/api-tls"},
		},
		"Mutual": {
			reason:    "It has no certificate to show",
			spec:      "{api: {tls: {secretRef: {name: files-tls}, clientCASecretRef: {name: clients}}}}",
			readiness: `{"tcpSocket":{"port":"api"}}`,
			mounts:    []any{"/etc/dittofs/secrets/api-tls", "/etc/dittofs/secrets/api-client-ca"},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			statefulSet := build(t, server(t, tc.spec), PodInputs{})[StatefulSet]
			c := container(statefulSet)

			for _, probe := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
				p := protostruct.Get(c, probe)
				for _, f := range []string{"periodSeconds", "failureThreshold", "timeoutSeconds"} {
					if protostruct.Get(p.GetStructValue(), f).GetNumberValue() == 0 {
						t.Errorf("%s\n%s has no %s", tc.reason, probe, f)
					}

					delete(p.GetStructValue().GetFields(), f)
				}
			}

			if diff := cmp.Diff(tc.readiness, string(protostruct.JSON(protostruct.Get(c, "readinessProbe")))); diff != "" {
				t.Errorf("%s\nBuild(...): -want, +got:\n%s", tc.reason, diff)
			}

			var mounts []any

			for _, v := range protostruct.Get(c, "volumeMounts").GetListValue().GetValues() {
				m, _ := v.AsInterface().(map[string]any)
				if name, _ := m["name"].(string); isOfSecret(name) {
					mounts = append(mounts, m["mountPath"])

					// The server sees a certificate that is renewed only in a directory.
					if m["subPath"] != nil || m["readOnly"] != true {
						t.Errorf("%s\nBuild(...): %v", "Files are read-only, and in a directory of their own", m)
					}
				}
			}

			if diff := cmp.Diff(tc.mounts, mounts); diff != "" {
				t.Errorf("%s\nBuild(...): -want, +got:\n%s", tc.reason, diff)
			}

			if got := ServesTLS(statefulSet); got != (tc.mounts != nil) {
				t.Errorf("%s\nServesTLS(...): %t", tc.reason, got)
			}

			if got := len(SecretVolumes(statefulSet)); got != len(tc.mounts) {
				t.Errorf("%s\nSecretVolumes(...): want %d, got %d", "Each directory is a volume", len(tc.mounts), got)
			}
		})
	}
}

// A pod that comes back has the files and the probes of the config.yaml that it ran, whatever is
// desired now.
func TestRecordPodTLS(t *testing.T) {
	const (
		plain = "{}"
		tls   = "{api: {tls: {secretRef: {name: files-tls}, clientCASecretRef: {name: clients}}}}"
	)

	for name, tc := range map[string]struct{ reason, ran, desired string }{
		"On":    {"TLS was to be switched on", plain, tls},
		"Off":   {"TLS was to be switched off", tls, plain},
		"Stays": {"TLS stays as it is", tls, tls},
	} {
		t.Run(name, func(t *testing.T) {
			ran, desired := server(t, tc.ran), server(t, tc.desired)

			want, in := pod(t, ran)
			r := &Record{Image: in.Image, Config: string(in.Config), SecretVolumes: SecretVolumes(build(t, ran, in)[StatefulSet])}

			wanted, _ := pod(t, desired)

			if diff := cmp.Diff(want, r.Pod(desired, wanted, in)); diff != "" {
				t.Errorf("%s\nPod(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// Natively, whoever may write ConfigMaps may write a record.
func TestRecordPodForged(t *testing.T) {
	s := server(t, "{}")
	want, in := pod(t, s)

	for name, v := range map[string]corev1.Volume{
		"host":      {Name: "host", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}},
		"secret-a":  {Name: "secret-a", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}},
		"container": {Name: "other", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "other"}}},
	} {
		r := &Record{Image: in.Image, Config: string(in.Config), SecretVolumes: []corev1.Volume{v}}

		if diff := cmp.Diff(want, r.Pod(s, want, in)); diff != "" {
			t.Errorf("%s\nPod(...): -want, +got:\n%s", "Nothing but files of Secrets comes back: not "+name, diff)
		}
	}
}

// pod returns the pod of a server with its own config.yaml, and what it is made of.
func pod(t *testing.T, s *composite.DittoServer) (*corev1.PodTemplateSpec, PodInputs) {
	t.Helper()

	text, err := dittofs.Config(s.Settings(), s.Release)
	if err != nil {
		t.Fatal(err)
	}

	in := PodInputs{Config: text, Image: "dittofs:a"}

	pod, err := Pod(s, in)
	if err != nil {
		t.Fatal(err)
	}

	return pod, in
}

// Prometheus is told how the metrics are served.
func TestMetricsService(t *testing.T) {
	cases := map[string]struct {
		reason string
		spec   string
		want   string
	}{
		"Plain":  {"Without TLS there is no scheme: it would be one write more for every server", "{metrics: {enabled: true}}", `{"prometheus.io/path":"/metrics","prometheus.io/port":"9090","prometheus.io/scrape":"true"}`},
		"Secure": {"With TLS there is", "{metrics: {enabled: true, path: /stats, tls: {secretRef: {name: a}}}}", `{"prometheus.io/path":"/stats","prometheus.io/port":"9090","prometheus.io/scheme":"https","prometheus.io/scrape":"true"}`},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			svc := build(t, server(t, tc.spec), PodInputs{})[ServiceMetrics]

			if diff := cmp.Diff(tc.want, string(protostruct.JSON(protostruct.Get(svc, "metadata", "annotations")))); diff != "" {
				t.Errorf("%s\nBuild(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// Extra volumes are read-only, for the pod's group, and have the files that are named and no
// others.
func TestExtraVolumes(t *testing.T) {
	pod, _ := pod(t, server(t, `{extraVolumes: [
		{name: a, mountPath: /etc/a, secret: {secretName: keys, items: [{key: k}, {key: l, path: b/m}]}, onChange: Restart},
		{name: config, mountPath: /etc/b, configMap: {name: bundle, items: [{key: k}]}},
		{name: c, mountPath: /etc/c, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}, {path: cpu, resourceFieldRef: {resource: limits.cpu}}]}}]}`))

	mode := new(int32(0o440))
	want := []corev1.Volume{
		{Name: "extra-a", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "keys", DefaultMode: mode, Items: []corev1.KeyToPath{{Key: "k", Path: "k"}, {Key: "l", Path: "b/m"}}}}},
		{Name: "extra-config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "bundle"}, DefaultMode: mode, Items: []corev1.KeyToPath{{Key: "k", Path: "k"}}}}},
		{Name: "extra-c", VolumeSource: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{DefaultMode: mode, Items: []corev1.DownwardAPIVolumeFile{
			{Path: "labels", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.labels"}},
			{Path: "cpu", ResourceFieldRef: &corev1.ResourceFieldSelector{ContainerName: "dittofs", Resource: "limits.cpu"}},
		}}}},
	}

	if diff := cmp.Diff(want, pod.Spec.Volumes[len(pod.Spec.Volumes)-len(want):]); diff != "" {
		t.Errorf("Pod(...): volumes: -want, +got:\n%s", diff)
	}

	mounts := pod.Spec.Containers[0].VolumeMounts
	wantMounts := []corev1.VolumeMount{{Name: "extra-a", MountPath: "/etc/a", ReadOnly: true}, {Name: "extra-config", MountPath: "/etc/b", ReadOnly: true}, {Name: "extra-c", MountPath: "/etc/c", ReadOnly: true}}

	if diff := cmp.Diff(wantMounts, mounts[len(mounts)-len(wantMounts):]); diff != "" {
		t.Errorf("Pod(...): mounts: -want, +got:\n%s", diff)
	}
}
