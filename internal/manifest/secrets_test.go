package manifest

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
)

// How the pod gets what a table of Secrets says, also rows that no spec has yet.
func TestSecretsInPod(t *testing.T) {
	var (
		variable = composite.SecretKey{Role: "a", Ref: &composite.SecretKeyRef{Name: "files-a", Key: "b"}, Env: "DITTOFS_A", Optional: true}
		password = composite.SecretKey{Role: "b", Ref: &composite.SecretKeyRef{Name: "files-b", Key: "c"}, Env: "DITTOFS_B", HashEnv: "DITTOFS_B_HASH"}
		cert     = composite.SecretKey{Role: "tls", Ref: &composite.SecretKeyRef{Name: "files-tls", Key: "tls.crt"}, File: "cert.pem"}
		key      = composite.SecretKey{Role: "tls", Ref: &composite.SecretKeyRef{Name: "files-tls", Key: "tls.key"}, File: "key.pem"}
		keytab   = composite.SecretKey{Role: "keytab", Ref: &composite.SecretKeyRef{Name: "files-tls", Key: "k"}, File: "krb5.keytab"}
	)

	env := func(name, secret, key string, optional *bool) corev1.EnvVar {
		return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: key, Optional: optional,
		}}}
	}
	volume := func(name, secret string, items ...corev1.KeyToPath) corev1.Volume {
		return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: secret, Items: items, DefaultMode: new(int32(0o440)),
		}}}
	}

	type want struct {
		Env     []corev1.EnvVar
		Volumes []corev1.Volume
		Mounts  []corev1.VolumeMount
	}

	cases := map[string]struct {
		reason string
		keys   []composite.SecretKey
		isHash bool
		want   want
	}{
		"Variables": {
			reason: "What the server reads from variables needs no volume",
			keys:   []composite.SecretKey{variable, password},
			want:   want{Env: []corev1.EnvVar{env("DITTOFS_A", "files-a", "b", new(true)), env("DITTOFS_B", "files-b", "c", nil)}},
		},
		"Hash": {
			reason: "A bcrypt hash has a variable of its own",
			keys:   []composite.SecretKey{variable, password},
			isHash: true,
			want:   want{Env: []corev1.EnvVar{env("DITTOFS_A", "files-a", "b", new(true)), env("DITTOFS_B_HASH", "files-b", "c", nil)}},
		},
		"Files": {
			reason: "The files of a role are one read-only volume, which has no other key of the Secret; of another role, another one",
			keys:   []composite.SecretKey{cert, keytab, key},
			want: want{
				Volumes: []corev1.Volume{
					volume("secret-tls", "files-tls", corev1.KeyToPath{Key: "tls.crt", Path: "cert.pem"}, corev1.KeyToPath{Key: "tls.key", Path: "key.pem"}),
					volume("secret-keytab", "files-tls", corev1.KeyToPath{Key: "k", Path: "krb5.keytab"}),
				},
				Mounts: []corev1.VolumeMount{
					{Name: "secret-tls", MountPath: "/etc/dittofs/secrets/tls", ReadOnly: true},
					{Name: "secret-keytab", MountPath: "/etc/dittofs/secrets/keytab", ReadOnly: true},
				},
			},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := want{Env: environment(tc.keys, tc.isHash)}
			got.Volumes, got.Mounts = secretFiles(tc.keys)

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nenvironment(...), secretFiles(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// A file of a Secret hides neither config.yaml nor data: no claim can be where files are.
func TestSecretsDirIsApart(t *testing.T) {
	if !slices.ContainsFunc(dittofs.SystemDirs(), func(dir string) bool { return dittofs.IsBelow(dittofs.SecretsDir, dir) }) {
		t.Errorf("%s is in none of the directories that are closed to claims: %q", dittofs.SecretsDir, dittofs.SystemDirs())
	}
}
