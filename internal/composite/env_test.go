package composite

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// restartingEnv are n variables that restart the server.
func restartingEnv(n int) string {
	items := make([]string, 0, n)
	for i := range n {
		items = append(items, fmt.Sprintf("{name: A%d, valueFrom: {secretKeyRef: {name: s3, key: k%d}}, onChange: Restart}", i, i))
	}

	return "spec: {extraEnv: [" + strings.Join(items, ", ") + "]}"
}

func TestValidateExtraEnv(t *testing.T) {
	const at = "spec.extraEnv[0]"

	one := func(item string) string { return "spec: {extraEnv: [" + item + "]}" }

	errorTable{
		"Good": {
			reason: "What onChange says of a variable that is left alone changes nothing, whatever its source",
			xr:     "spec: {extraEnv: [{name: A, value: b, onChange: Ignore}, {name: B, valueFrom: {configMapKeyRef: {name: a, key: b}}, onChange: Ignore}, {name: C, valueFrom: {secretKeyRef: {name: a, key: b, optional: true}}, onChange: Ignore}]}",
		},
		"Most": {reason: "So many are enough", xr: restartingEnv(maxRestartingEnv)},
		"TooMany": {
			reason: "Each is read on every call",
			xr:     restartingEnv(maxRestartingEnv + 2),
			want:   []string{"spec.extraEnv: Too many: 12: must have at most 10 variables that restart the server"},
		},
		"Other": {
			reason: "There are two things that a new value can do",
			xr:     one("{name: A, valueFrom: {secretKeyRef: {name: a, key: b}}, onChange: restart}"),
			want:   []string{at + `.onChange: Unsupported value: "restart": supported values: "Ignore", "Restart"`},
		},
		"NoSecret": {
			reason: "The function reads Secrets only",
			xr:     "spec: {extraEnv: [{name: A, value: b, onChange: Restart}, {name: B, valueFrom: {configMapKeyRef: {name: a, key: b}}, onChange: Restart}]}",
			want: []string{
				at + `.onChange: Invalid value: "Restart": only a Secret can restart the server: the function reads nothing else`,
				`spec.extraEnv[1].onChange: Invalid value: "Restart": only a Secret can restart the server: the function reads nothing else`,
			},
		},
		"Optional": {
			reason: "The function waits for what it reads",
			xr:     one("{name: A, valueFrom: {secretKeyRef: {name: a, key: b, optional: true}}, onChange: Restart}"),
			want:   []string{at + ".valueFrom.secretKeyRef.optional: Invalid value: true: must not be optional where a new value restarts the server: the function waits for the key"},
		},
	}.run(t)
}

// The pod has the variables as Kubernetes knows them, and the table of Secrets those keys that
// restart the server.
func TestExtraEnv(t *testing.T) {
	s, errs := decode(t, "spec: {extraEnv: [{name: A, value: b}, {name: B, valueFrom: {secretKeyRef: {name: s3, key: a}}}, {name: C, valueFrom: {secretKeyRef: {name: s3, key: b}}, onChange: Restart}]}", "")
	if len(errs) > 0 {
		t.Fatal(errs)
	}

	ref := func(key string) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "s3"}, Key: key}}
	}

	if diff := cmp.Diff([]corev1.EnvVar{{Name: "A", Value: "b"}, {Name: "B", ValueFrom: ref("a")}, {Name: "C", ValueFrom: ref("b")}}, s.ExtraEnv()); diff != "" {
		t.Errorf("ExtraEnv(): -want, +got:\n%s", diff)
	}

	keys := s.Secrets()
	last := keys[len(keys)-1]

	want := &SecretKeyRef{Name: "s3", NamePath: "spec.extraEnv[2].valueFrom.secretKeyRef.name", Key: "b", KeyPath: "spec.extraEnv[2].valueFrom.secretKeyRef.key"}
	if diff := cmp.Diff(want, last.Ref); diff != "" {
		t.Errorf("Secrets(): -want, +got:\n%s", diff)
	}

	if last.Role != "env-C" || !last.InDigest || last.Env != "" || last.Optional || len(keys) != 2 {
		t.Errorf("Secrets(): got %d, the last is %+v", len(keys), last)
	}

	for reason, value := range map[string]string{
		"A line break is the user's to want": "a\n",
		"So is nothing":                      "",
		"The longest that Linux starts":      strings.Repeat("a", 128*1024-len("C=\x00")),
	} {
		if got := last.Check([]byte(value)); got != "" {
			t.Errorf("%s\nCheck(...): got %q", reason, got)
		}
	}

	for reason, value := range map[string]string{
		"Variables end with a zero":  "a\x00b",
		"Variables are UTF-8":        "\xff",
		"Longer than Linux takes it": strings.Repeat("a", 128*1024-len("C=\x00")+1),
	} {
		if got := last.Check([]byte(value)); got == "" {
			t.Errorf("%s\nCheck(...): got no problem", reason)
		}
	}
}

// A variable that the server reads wins over config.yaml, and one of an object hides all that is in it.
// Beside a field that is older than the specs there are it never was refused: it gets a warning.
func TestReachedSettings(t *testing.T) {
	const (
		tls    = "api: {tls: {secretRef: {name: tls}}}"
		db     = "database: {postgres: {secretRef: {name: db}, %s}}"
		config = "config: {gc: {auto_interval: 1h}, unknown: {key: 1, deep_er: [1], deep: {er: 1}}}"
		other  = "logging: {level: DEBUG}"
	)

	cases := map[string]struct {
		spec, variable string

		// beside is the field that the variable is refused beside, and alone the one that it is
		// warned of for.
		beside, alone string
	}{
		"Own":               {config, "DITTOFS_GC_AUTO_INTERVAL", "spec.config.gc.auto_interval", ""},
		"Object":            {config, "DITTOFS_GC", "spec.config.gc", ""},
		"OtherKey":          {config, "DITTOFS_GC_GRACE_PERIOD", "", ""},
		"Unknown":           {config, "DITTOFS_UNKNOWN_KEY", "spec.config.unknown.key", ""},
		"Twice":             {config, "DITTOFS_UNKNOWN_DEEP_ER", "spec.config.unknown.deep.er", ""},
		"NotTheServers":     {config, "GC_AUTO_INTERVAL", "", ""},
		"OtherCase":         {config, "DITTOFS_gc", "", ""},
		"BelowAKey":         {config, "DITTOFS_UNKNOWN_KEY_X", "", ""},
		"NoConfig":          {other, "DITTOFS_GC", "", ""},
		"TLS":               {tls, "DITTOFS_CONTROLPLANE_TLS_CLIENT_CA", "spec.api.tls", ""},
		"TLSObject":         {tls, "DITTOFS_CONTROLPLANE_TLS", "spec.api.tls", ""},
		"TLSFarObject":      {tls, "DITTOFS_CONTROLPLANE", "spec.api.tls", ""},
		"NoTLS":             {other, "DITTOFS_CONTROLPLANE_TLS_CERT_FILE", "", "spec.api.tls"},
		"NoTLSFarObject":    {other, "DITTOFS_CONTROLPLANE", "", "spec.apiPort"},
		"MetricsPath":       {"metrics: {enabled: true, path: /a}", "DITTOFS_METRICS_PATH", "spec.metrics.path", ""},
		"OtherMetrics":      {"metrics: {enabled: true, path: /a}", "DITTOFS_METRICS_AUTH", "", "spec.metrics.tokenSecretRef"},
		"MetricsToken":      {"metrics: {enabled: true, tokenSecretRef: {name: a}}", "DITTOFS_METRICS_TOKEN_FILE", "spec.metrics.tokenSecretRef", ""},
		"MetricsTLS":        {"metrics: {enabled: true, tls: {secretRef: {name: a}}}", "DITTOFS_METRICS_TLS_MIN_VERSION", "spec.metrics.tls", ""},
		"MetricsObject":     {"metrics: {enabled: true}", "DITTOFS_METRICS", "", "spec.metrics"},
		"PostgresCA":        {fmt.Sprintf(db, "caSecretRef: {name: a}"), "DITTOFS_DATABASE_POSTGRES_SSL_ROOT_CERT", "spec.database.postgres.caSecretRef", ""},
		"PostgresPool":      {fmt.Sprintf(db, "maxOpenConns: 3"), "DITTOFS_DATABASE_POSTGRES_MAX_OPEN_CONNS", "spec.database.postgres.maxOpenConns", ""},
		"OtherPool":         {fmt.Sprintf(db, "maxOpenConns: 3"), "DITTOFS_DATABASE_POSTGRES_MAX_IDLE_CONNS", "", "spec.database.postgres.maxIdleConns"},
		"PostgresObject":    {fmt.Sprintf(db, "port: 5433"), "DITTOFS_DATABASE_POSTGRES", "spec.database.postgres.port", ""},
		"PostgresFarObject": {fmt.Sprintf(db, "host: db"), "DITTOFS_DATABASE", "spec.database.postgres.host", ""},
		"Database":          {other, "DITTOFS_DATABASE", "", "spec.database"},
		"Logging":           {other, "DITTOFS_LOGGING", "", "spec.logging"},
		"LDAP":              {other, "DITTOFS_LDAP_URL", "", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, got := decode(t, "spec: {"+tc.spec+", extraEnv: [{name: "+tc.variable+", value: x}]}", "")

			var want, warnings []string
			if tc.beside != "" {
				want = []string{"spec.extraEnv[0].name: Forbidden: " + tc.variable + " overrides " + tc.beside + ", which is also set: remove one of them"}
			}

			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Decode(...): -want, +got:\n%s", diff)
			}

			if tc.alone != "" {
				warnings = []string{"spec.extraEnv[0].name: " + tc.variable + " overrides " + tc.alone + ", and no check covers it: use the field"}
			}

			if diff := cmp.Diff(warnings, s.envWarnings()); diff != "" && tc.beside == "" {
				t.Errorf("envWarnings(): -want, +got:\n%s", diff)
			}
		})
	}
}
