package manifest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

var postgresKeys = v1alpha1.PostgresKeys{Host: "host", Port: "port", Database: "dbname", User: "user", Password: "password", SSLMode: "sslmode"}

func TestRecordOf(t *testing.T) {
	cases := map[string]struct {
		reason    string
		configMap string
		want      *Record
	}{
		"None": {
			reason:    "A server may not have run yet.",
			configMap: `{metadata: {annotations: {dittofs.io/image: "dittofs:a"}}, data: {config.yaml: a}}`,
		},
		"ConfigBeside": {
			reason:    "The config.yaml beside it belongs to it.",
			configMap: `{metadata: {annotations: {dittofs.io/ran: '{"image":"dittofs:a","version":"0.29.0"}'}}, data: {config.yaml: a}}`,
			want:      &Record{Image: "dittofs:a", Version: "0.29.0", Config: "a"},
		},
		"ConfigOfItsOwn": {
			reason:    "The ConfigMap went ahead.",
			configMap: `{metadata: {annotations: {dittofs.io/ran: '{"image":"dittofs:a","config":"a"}'}}, data: {config.yaml: b}}`,
			want:      &Record{Image: "dittofs:a", Config: "a"},
		},
		"Garbage": {
			reason:    "What is no record is none.",
			configMap: `{metadata: {annotations: {dittofs.io/ran: "dittofs:a"}}, data: {config.yaml: a}}`,
		},
		"NoImage": {
			reason:    "A record has an image.",
			configMap: `{metadata: {annotations: {dittofs.io/ran: "{}"}}, data: {config.yaml: a}}`,
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, RecordOf(protostructtest.FromYAML(t, tc.configMap))); diff != "" {
				t.Errorf("%s\nRecordOf(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// A record is read as it was written.
func TestRecordAnnotation(t *testing.T) {
	cases := map[string]struct {
		reason string
		record Record
		want   string
	}{
		"SQLite": {
			reason: "Nothing is written that is not known.",
			record: Record{Image: "dittofs:a"},
			want:   `{"image":"dittofs:a"}`,
		},
		"Postgres": {
			reason: "The database is told by the spec's own words.",
			record: Record{
				StatefulSet: "uid", Image: "dittofs:a", Version: "0.29.0", Config: "a: b",
				Postgres: v1alpha1.Postgres{SecretRef: v1alpha1.SecretRef{Name: "db"}, Keys: postgresKeys},
			},
			want: `{"statefulSet":"uid","image":"dittofs:a","version":"0.29.0","postgres":{"secretRef":{"name":"db"},"keys":{"host":"host","port":"port","database":"dbname","user":"user","password":"password","sslmode":"sslmode"}},"config":"a: b"}`,
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			v := tc.record.Annotation()
			if diff := cmp.Diff(tc.want, v.GetStringValue()); diff != "" {
				t.Errorf("%s\nAnnotation(): -want, +got:\n%s", tc.reason, diff)
			}

			cm := protostructtest.FromMap(t, map[string]any{"metadata": map[string]any{"annotations": map[string]any{"dittofs.io/ran": v.GetStringValue()}}})
			if diff := cmp.Diff(&tc.record, RecordOf(cm)); diff != "" {
				t.Errorf("%s\nRecordOf(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestRecordPod(t *testing.T) {
	onPostgres := v1alpha1.Database{Postgres: &v1alpha1.Postgres{SecretRef: v1alpha1.SecretRef{Name: "desired"}, Keys: postgresKeys}}

	cases := map[string]struct {
		reason string
		record Record

		// desired database of the spec.
		desired v1alpha1.Database

		wantVersion string

		// wantSecret is the Secret of the database, if there is one.
		wantSecret string
	}{
		"SQLite": {
			reason:      "A server that ran on SQLite gets no variables of a database.",
			record:      Record{Image: "dittofs:ran", Version: "0.29.0", Config: "ran"},
			desired:     onPostgres,
			wantVersion: "0.29.0",
		},
		"Postgres": {
			reason:      "A server that ran on PostgreSQL gets its Secret and keys.",
			record:      Record{Image: "dittofs:ran", Version: "0.29.0", Config: "ran", Postgres: v1alpha1.Postgres{SecretRef: v1alpha1.SecretRef{Name: "ran"}, Keys: postgresKeys}},
			wantVersion: "0.29.0",
			wantSecret:  "ran",
		},
		"OtherSecret": {
			reason:     "The desired database is not in use. A release may not be known.",
			record:     Record{Image: "dittofs:ran", Config: "ran", Postgres: v1alpha1.Postgres{SecretRef: v1alpha1.SecretRef{Name: "ran"}, Keys: postgresKeys}},
			desired:    onPostgres,
			wantSecret: "ran",
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := &composite.DittoServer{Spec: v1alpha1.DittoServerSpec{Database: tc.desired, ExtraEnv: []v1alpha1.ExtraEnv{{Name: "EXTRA", Value: "a"}}}}
			s.Spec.Identity.JWT.SecretRef = v1alpha1.SecretKeyRef{Name: "jwt", Key: "jwt-secret"}

			desired := &corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{
					Labels:      map[string]string{labelVersion: "0.28.0", "other": "kept"},
					Annotations: map[string]string{v1alpha1.AnnotationConfig: "desired", v1alpha1.AnnotationConfigHash: "hash of desired", "other": "kept"},
				},
				Spec: corev1.PodSpec{ServiceAccountName: "kept", Containers: []corev1.Container{{Image: "dittofs:desired"}}},
			}
			before := desired.DeepCopy()

			got := tc.record.Pod(s, desired, PodInputs{ConfigHash: "hash of ran"})

			want := desired.DeepCopy()
			want.Labels[labelVersion] = tc.wantVersion
			want.Annotations[v1alpha1.AnnotationConfig], want.Annotations[v1alpha1.AnnotationConfigHash] = "ran", "hash of ran"
			want.Spec.Containers[0].Image = "dittofs:ran"
			addProbes(&want.Spec.Containers[0], nil, startupProbes(s))
			want.Spec.Containers[0].Env = []corev1.EnvVar{fromSecret(dittofs.EnvJWTSecret, "jwt", "jwt-secret", nil)}

			if tc.wantVersion == "" {
				delete(want.Labels, labelVersion)
			}

			if tc.wantSecret != "" {
				want.Spec.Containers[0].Env = append(want.Spec.Containers[0].Env,
					fromSecret(dittofs.EnvPostgresHost, tc.wantSecret, "host", nil), fromSecret(dittofs.EnvPostgresPort, tc.wantSecret, "port", new(true)),
					fromSecret(dittofs.EnvPostgresDatabase, tc.wantSecret, "dbname", nil), fromSecret(dittofs.EnvPostgresUser, tc.wantSecret, "user", nil),
					fromSecret(dittofs.EnvPostgresPassword, tc.wantSecret, "password", nil), fromSecret(dittofs.EnvPostgresSSLMode, tc.wantSecret, "sslmode", new(true)))
			}

			want.Spec.Containers[0].Env = append(want.Spec.Containers[0].Env, corev1.EnvVar{Name: "EXTRA", Value: "a"})

			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\nPod(...): -want, +got:\n%s", tc.reason, diff)
			}

			if diff := cmp.Diff(before, desired); diff != "" {
				t.Errorf("%s\nPod(...) changes the desired pod: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func fromSecret(env, secret, key string, optional *bool) corev1.EnvVar {
	return corev1.EnvVar{Name: env, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: key, Optional: optional,
	}}}
}

// A pod that comes back names the database as the one before it.
func TestPostgres(t *testing.T) {
	want := v1alpha1.Postgres{SecretRef: v1alpha1.SecretRef{Name: "ran"}, Keys: postgresKeys}

	r := Record{Image: "dittofs:ran", Postgres: want}
	pod := r.Pod(&composite.DittoServer{}, &corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{}, Annotations: map[string]string{}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: v1alpha1.Container}}},
	}, PodInputs{})

	statefulSet, err := protostruct.Encode(&appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{Template: *pod}})
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(want, Postgres(statefulSet)); diff != "" {
		t.Errorf("Postgres(...): -want, +got:\n%s", diff)
	}

	if diff := cmp.Diff(v1alpha1.Postgres{}, Postgres(nil)); diff != "" {
		t.Errorf("Postgres(nil): -want, +got:\n%s", diff)
	}
}

func TestAskedImage(t *testing.T) {
	const sealed = `{spec: {template: {spec: {containers: [{name: dittofs, image: "dittofs:asked"}]}}}}`

	cases := map[string]struct {
		reason    string
		configMap string
		refused   bool
		want      string
	}{
		"Asked": {
			reason:    "What was asked last stays.",
			configMap: `{metadata: {annotations: {dittofs.io/image: "dittofs:asked", dittofs.io/ran: '{"image":"dittofs:ran"}'}}}`,
			want:      "dittofs:asked",
		},
		"Refused": {
			reason:    "What the API server refused never ran.",
			configMap: `{metadata: {annotations: {dittofs.io/image: "dittofs:asked", dittofs.io/ran: '{"image":"dittofs:ran"}'}}}`,
			refused:   true,
			want:      "dittofs:ran",
		},
		"RefusedFirst": {
			reason:    "Before anything ran there is nothing to go back to.",
			configMap: `{metadata: {annotations: {dittofs.io/image: "dittofs:asked"}}}`,
			refused:   true,
			want:      "dittofs:asked",
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a := asked{ConfigMap: protostructtest.FromYAML(t, tc.configMap), StatefulSet: Seal(protostructtest.FromYAML(t, sealed))}

			var o Asker = a
			if tc.refused {
				o = refused{a}
			}

			if got := AskedImage(o); got != tc.want {
				t.Errorf("%s\nAskedImage(...): want %s, got: %s", tc.reason, tc.want, got)
			}
		})
	}
}
