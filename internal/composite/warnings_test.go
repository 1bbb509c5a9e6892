package composite

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWarnings(t *testing.T) {
	const (
		invents    = "spec.identity.admin.passwordSecretRef: not set, so the server generates the administrator's password, which older releases log and newer ones show nowhere: name a Secret before the first start"
		overridden = "spec.database.type: sqlite is overridden by spec.database.postgres"
		privileged = "Container port %d is privileged: the pod gets the sysctl net.ipv4.ip_unprivileged_port_start"

		noSelector = "not set, so the term matches no pod and does nothing"

		// admin silences the warning that every other server gets.
		admin = "identity: {admin: {passwordSecretRef: {name: admin}}}"
	)

	tests := map[string]struct {
		reason string
		xr     string
		want   []string
	}{
		"NoAdminSecret": {
			reason: "Nobody may learn an invented password, which the user should know",
			want:   []string{invents},
		},
		"AdminName": {
			reason: "The administrator has another name than the user expects",
			xr:     "spec: {identity: {admin: {username: root, passwordSecretRef: {name: admin}}}}",
			want:   []string{"spec.identity.admin.username: no DittoFS release uses it, so the administrator is admin"},
		},
		"AdminSecret": {
			reason: "Defaults and a password need no warning",
			xr:     "spec: {" + admin + "}",
		},
		"Null": {
			reason: "Whoever writes null may mean to take a default away",
			xr:     "spec: {podSecurityContext: {runAsUser: null, fsGroup: null, runAsNonRoot: true}, " + admin + "}",
			want: []string{
				"spec.podSecurityContext.fsGroup: null is the same as leaving the field out: the default applies",
				"spec.podSecurityContext.runAsUser: null is the same as leaving the field out: the default applies",
			},
		},
		"Portmapper": {
			reason: "Port 111 answers once somebody has turned the portmapper on",
			xr:     "spec: {portmapper: {enabled: true}, nfsPort: 12049, " + admin + "}",
			want:   []string{`spec.portmapper.enabled: the server's portmapper is off until an administrator turns it on, with PATCH /api/v1/adapters/nfs/settings and {"portmapper_enabled": true}, and restarts the NFS adapter`},
		},
		"PostgresPool": {
			reason: "An older release would not hear of the bounds",
			xr:     "spec: {version: 0.16.0, database: {postgres: {maxIdleConns: 1, secretRef: {name: db}}}, " + admin + "}",
			want:   []string{"spec.database.postgres: DittoFS 0.16.0 has no settings like maxOpenConns and maxIdleConns, which take 0.17.0 or newer"},
		},
		"PostgresPoolThere": {
			reason: "Since 0.17 it does",
			xr:     "spec: {version: 0.17.0, database: {postgres: {maxOpenConns: 1, secretRef: {name: db}}}, " + admin + "}",
		},
		"CAUnchecked": {
			reason: "Who names an authority wants it to be looked at",
			xr:     "spec: {database: {postgres: {sslmode: prefer, secretRef: {name: db}, caSecretRef: {name: ca, key: ca.crt}}}, " + admin + "}",
			want:   []string{"spec.database.postgres.sslmode: " + uncheckedCA},
		},
		"CAChecked": {
			reason: "With require and an authority, the server looks who signed",
			xr:     "spec: {database: {postgres: {sslmode: require, secretRef: {name: db}, caSecretRef: {name: ca, key: ca.crt}}}, " + admin + "}",
		},
		"NoCA": {
			reason: "Without an authority nobody expects a check",
			xr:     "spec: {database: {postgres: {sslmode: disable, secretRef: {name: db}}}, " + admin + "}",
		},
		"HiddenObjects": {
			reason: "A variable of an object names the field of all that it hides",
			xr:     "spec: {database: {postgres: {secretRef: {name: db}}}, extraEnv: [{name: DITTOFS_DATABASE_POSTGRES}, {name: DITTOFS_DATABASE}, {name: DITTOFS_LOGGING}, {name: DITTOFS_CONTROLPLANE}, {name: DITTOFS_METRICS_TLS}], " + admin + "}",
			want: []string{
				"spec.extraEnv[0].name: DITTOFS_DATABASE_POSTGRES overrides spec.database.postgres, and no check covers it: use the field",
				"spec.extraEnv[1].name: DITTOFS_DATABASE overrides spec.database, and no check covers it: use the field",
				"spec.extraEnv[2].name: DITTOFS_LOGGING overrides spec.logging, and no check covers it: use the field",
				"spec.extraEnv[3].name: DITTOFS_CONTROLPLANE overrides spec.apiPort, and no check covers it: use the field",
				"spec.extraEnv[4].name: DITTOFS_METRICS_TLS overrides spec.metrics.tls, and no check covers it: use the field",
			},
		},
		"TelemetryUntil0.6": {
			reason: "0.6 sends traces",
			xr:     "spec: {version: 0.6.9, telemetry: {enabled: true}, " + admin + "}",
		},
		"TelemetryFrom0.7": {
			reason: "0.7 sends no traces",
			xr:     "spec: {version: 0.7.0, telemetry: {enabled: true}, " + admin + "}",
			want:   []string{"spec.telemetry.enabled: DittoFS 0.7.0 sends no traces"},
		},
		"NoTelemetry": {
			reason: "What is not asked for is not missed",
			xr:     `spec: {version: 0.29.0, telemetry: {enabled: false, endpoint: "collector:4317"}, ` + admin + "}",
		},
		"TelemetryWithoutVersion": {
			reason: "A release that is not known may send traces",
			xr:     "spec: {telemetry: {enabled: true}, " + admin + "}",
		},
		"MetricsWithoutVersion": {
			reason: "A release that is not known may serve metrics",
			xr:     "spec: {metrics: {enabled: true}, " + admin + "}",
		},
		"NoMetrics": {
			reason: "What is not asked for is not missed",
			xr:     "spec: {version: 0.10.0, metrics: {enabled: false}, " + admin + "}",
		},
		"PostgresAndSQLite": {
			reason: "The user said sqlite, and gets PostgreSQL",
			xr:     "spec: {database: {type: sqlite, postgres: {secretRef: {name: db}}}, " + admin + "}",
			want:   []string{overridden},
		},
		"PostgresAndNoType": {
			reason: "The user said nothing that PostgreSQL overrides",
			xr:     "spec: {database: {postgres: {secretRef: {name: db}}}, " + admin + "}",
		},
		"PostgresAndPostgres": {
			reason: "The user gets what was said",
			xr:     "spec: {database: {type: postgres, postgres: {secretRef: {name: db}}}, " + admin + "}",
		},
		"SQLite": {
			reason: "The user gets what was said",
			xr:     "spec: {database: {type: sqlite}, " + admin + "}",
		},
		"PrivilegedPorts": {
			reason: "Each privileged container port should be named",
			xr:     "spec: {adapterPorts: {nfs: 111, smb: 445}, apiPort: 80, metrics: {enabled: true, port: 90}, " + admin + "}",
			want: []string{
				fmt.Sprintf(privileged, 111),
				fmt.Sprintf(privileged, 445),
				fmt.Sprintf(privileged, 80),
				fmt.Sprintf(privileged, 90),
			},
		},
		"NodeLabels": {
			reason: "Nodes may lack labels that Kubernetes has given up",
			xr: `
spec:
  identity: {admin: {passwordSecretRef: {name: admin}}}
  nodeSelector: {kubernetes.io/arch: amd64, beta.kubernetes.io/os: linux}
  affinity:
    nodeAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}, {key: node-role.kubernetes.io/master, operator: DoesNotExist}]}]
      preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchExpressions: [{key: scheduler.alpha.kubernetes.io/preferAvoidPods, operator: DoesNotExist}]}}]
  topologySpreadConstraints: [{maxSkew: 1, whenUnsatisfiable: DoNotSchedule, topologyKey: failure-domain.beta.kubernetes.io/zone, labelSelector: {}}]
`,
			want: []string{
				"spec.nodeSelector[beta.kubernetes.io/os]: Kubernetes has deprecated the node label beta.kubernetes.io/os, which nodes may lack: use kubernetes.io/os",
				"spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[1].key: Kubernetes has deprecated the node label node-role.kubernetes.io/master, which nodes may lack: use node-role.kubernetes.io/control-plane",
				"spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].key: Kubernetes has deprecated the node label scheduler.alpha.kubernetes.io/preferAvoidPods, which nodes may lack: use a taint",
				"spec.topologySpreadConstraints[0].topologyKey: Kubernetes has deprecated the node label failure-domain.beta.kubernetes.io/zone, which nodes may lack: use topology.kubernetes.io/zone",
			},
		},
		"NoSelectors": {
			reason: "What matches no pod does nothing",
			xr: `
spec:
  identity: {admin: {passwordSecretRef: {name: admin}}}
  affinity:
    podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: a, labelSelector: {}}, {topologyKey: a}]}
    podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: a}}]}
  topologySpreadConstraints: [{maxSkew: 1, whenUnsatisfiable: DoNotSchedule, topologyKey: a}]
`,
			want: []string{
				"spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[1].labelSelector: " + noSelector,
				"spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.labelSelector: " + noSelector,
				"spec.topologySpreadConstraints[0].labelSelector: " + noSelector,
			},
		},
		"Annotations": {
			reason: "Kubernetes does not read them for ever",
			xr:     "spec: {podAnnotations: {container.apparmor.security.beta.kubernetes.io/dittofs: runtime/default, security.alpha.kubernetes.io/sysctls: a}, " + admin + "}",
			want: []string{
				"spec.podAnnotations[container.apparmor.security.beta.kubernetes.io/dittofs]: Kubernetes deprecated it in 1.30: use securityContext.appArmorProfile",
				"spec.podAnnotations[security.alpha.kubernetes.io/sysctls]: Kubernetes does not read it: use podSecurityContext.sysctls",
			},
		},
		"AppArmorTwice": {
			reason: "The field counts",
			xr:     "spec: {podAnnotations: {container.apparmor.security.beta.kubernetes.io/dittofs: runtime/default}, podSecurityContext: {appArmorProfile: {type: RuntimeDefault}}, " + admin + "}",
		},
		"Bytes": {
			reason: "Nobody means a fraction of a byte, or some bytes",
			xr:     "spec: {resources: {limits: {memory: 512m, ephemeral-storage: 10}, requests: {memory: 0, cpu: 100m}}, storage: {controlPlaneSize: 1.5Gi, metadataSize: 0.3Gi, contentSize: '10', cacheSize: 1Mi}, " + admin + "}",
			want: []string{
				"spec.resources.limits[ephemeral-storage]: 10 is less than 1Mi: a number without a unit is in bytes",
				"spec.resources.limits[memory]: 512m is not a whole number of bytes: m means a thousandth, and M or Mi a million",
				"spec.storage.metadataSize: 322122547200m is not a whole number of bytes: m means a thousandth, and M or Mi a million",
				"spec.storage.contentSize: 10 is less than 1Mi: a number without a unit is in bytes",
			},
		},
		"Services": {
			reason: "An annotation of both Services is told once",
			xr:     "spec: {service: {annotations: {service.kubernetes.io/topology-aware-hints: auto}}, " + admin + "}",
			want:   []string{"spec.service.annotations[service.kubernetes.io/topology-aware-hints]: Kubernetes has deprecated it: use service.kubernetes.io/topology-mode"},
		},
		"Everything": {
			reason: "All warnings should be told at once, in a fixed order",
			xr:     "spec: {version: 0.99.0, telemetry: {enabled: true}, database: {type: sqlite, postgres: {secretRef: {name: db}}}, apiPort: 1}",
			want: []string{
				"spec.telemetry.enabled: DittoFS 0.99.0 sends no traces",
				overridden,
				invents,
				fmt.Sprintf(privileged, 1),
			},
		},
	}

	for version, warned := range map[string]bool{"0.6.0": false, "0.7.0": true, "0.9.0": true, "0.17.9": true, "0.18.0": false, "0.29.0": false} {
		tc := tests["MetricsOf"+version]
		tc.reason = "0.7 to 0.17 serve no metrics"
		tc.xr = "spec: {version: " + version + ", metrics: {enabled: true}, " + admin + "}"

		if warned {
			tc.want = []string{"spec.metrics.enabled: DittoFS " + version + " serves no metrics"}
		}

		tests["MetricsOf"+version] = tc
	}

	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s, errs := decode(t, tc.xr, "")
			if diff := cmp.Diff([]string(nil), errs); diff != "" {
				t.Fatalf("%s\nDecode(...): -want errors, +got errors:\n%s", tc.reason, diff)
			}

			if diff := cmp.Diff(tc.want, s.Warnings(s.Release)); diff != "" {
				t.Errorf("%s\ns.Warnings(): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestPrivilegedPorts(t *testing.T) {
	tests := map[string]struct {
		reason string
		xr     string
		want   []int32
	}{
		"Defaults": {
			reason: "No container port is privileged by default, though Service ports are",
			xr:     "spec: {smb: {enabled: true}}",
		},
		"LastPrivileged": {
			reason: "1023 is the last privileged port",
			xr:     "spec: {apiPort: 1023}",
			want:   []int32{1023},
		},
		"FirstUnprivileged": {
			reason: "1024 is the first unprivileged port",
			xr:     "spec: {apiPort: 1024}",
		},
		"SMBDisabled": {
			reason: "The server listens for SMB whether a Service shows it or not",
			xr:     "spec: {smb: {enabled: false}, adapterPorts: {smb: 445}}",
			want:   []int32{445},
		},
		"MetricsDisabled": {
			reason: "A port of metrics that nobody serves is no container port",
			xr:     "spec: {metrics: {port: 90}}",
		},
		"ServicePorts": {
			reason: "A Service port is no container port",
			xr:     "spec: {nfsPort: 111, smb: {enabled: true, port: 445}}",
		},
		"All": {
			reason: "Every privileged container port should be there",
			xr:     "spec: {adapterPorts: {nfs: 1, smb: 2}, apiPort: 3, metrics: {enabled: true, port: 4}}",
			want:   []int32{1, 2, 3, 4},
		},
	}

	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s, errs := decode(t, tc.xr, "")
			if diff := cmp.Diff([]string(nil), errs); diff != "" {
				t.Fatalf("%s\nDecode(...): -want errors, +got errors:\n%s", tc.reason, diff)
			}

			if diff := cmp.Diff(tc.want, s.PrivilegedPorts()); diff != "" {
				t.Errorf("%s\ns.PrivilegedPorts(): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
