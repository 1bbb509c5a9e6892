package fields

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/test/change"
	"github.com/dittofs/function-dittoserver/test/krb5"
	"github.com/dittofs/function-dittoserver/test/pki"
	"github.com/dittofs/function-dittoserver/test/simulator"
)

// Effects of an edit on a running server.
const (
	stays    = "stays"
	restarts = "restarts"
	held     = "held"
	stops    = "stops"

	// more is what Metadata does where an object comes, since Crossplane writes its name into
	// the spec after the edit.
	more = restarts + " more than once"
)

// A restartRow is a row of the table in docs/concepts.md that says what restarts a server.
type restartRow struct {
	// what changes, as the page says it.
	what string

	// from are fields of the server before the edits, as those.
	from map[string]string

	// Each edit changes fields of the DittoServer, each to the value of a YAML text; an empty
	// one removes the field. Every edit does the same.
	edits []map[string]string

	// text of the DittoServer, if it is written otherwise.
	text string

	// secret, annotation and revision change something else than the spec.
	secret, annotation, revision string

	// Its effects under the generations Spec, Metadata and None.
	want [3]string
}

// restartRows is the table, in the order of the page.
var restartRows = []restartRow{
	{
		what:  "`logging`, `shutdownTimeout`, `apiPort`, the durations in `identity.jwt`, `config`: whatever is in `config.yaml`",
		edits: []map[string]string{{"logging.level": "DEBUG"}, {"logging.format": "text"}, {"shutdownTimeout": "20s"}, {"apiPort": "8443"}, {"identity.jwt.accessTokenDuration": "5m"}, {"identity.jwt.refreshTokenDuration": "24h"}, {"logging.output": "stderr"}, {"identity.admin.username": "root"}, {"config": "{gc: {auto_interval: 1h}}"}},
		want:  [3]string{restarts, restarts, restarts},
	},
	{
		what:  "`version` or `image`, to a newer release",
		edits: []map[string]string{{"version": "0.29.1"}, {"image": "registry.example.org/dittofs:v0.29.1"}},
		want:  [3]string{restarts, restarts, restarts},
	},
	{
		what:  "`version` or `image`, to an older release",
		edits: []map[string]string{{"version": "0.28.0"}, {"image": "registry.example.org/dittofs:v0.28.0"}},
		want:  [3]string{held, held, held},
	},
	{
		what:  "`version` or `image`, to a minor release that the function [does not know yet](upgrade-dittofs.md#releases-that-the-function-does-not-know)",
		edits: []map[string]string{{"version": "0.99.0"}, {"image": "registry.example.org/dittofs:v0.99.0"}},
		want:  [3]string{held, held, held},
	},
	{
		what:  "another database: `database.sqlite.path`, or SQLite to PostgreSQL",
		edits: []map[string]string{{"database.sqlite.path": "/data/controlplane/other.db"}, {"database.postgres.secretRef.name": "db"}, {"database.type": "postgres", "database.postgres.secretRef.name": "db"}},
		want:  [3]string{held, held, held},
	},
	{
		what: "`database.postgres.maxOpenConns`, `maxIdleConns`, `sslmode`; `host`, `port` or `database`, from the Secret into the spec or back, with the same value",
		from: map[string]string{"database.postgres": "{database: db, secretRef: {name: db}}"},
		edits: []map[string]string{
			{"database.postgres.host": "db"},
			{"database.postgres.port": "5432"},
			{"database.postgres.database": ""},
			{"database.postgres.sslmode": "require"},
			{"database.postgres.maxOpenConns": "50"},
			{"database.postgres.maxIdleConns": "10"},
		},
		want: [3]string{restarts, restarts, restarts},
	},
	{
		what:  "`database.postgres.host`, `port` or `database`, to another value",
		from:  map[string]string{"database.postgres": "{database: db, secretRef: {name: db}}"},
		edits: []map[string]string{{"database.postgres.host": "other"}, {"database.postgres.port": "5433"}, {"database.postgres.database": "other"}},
		want:  [3]string{held, held, held},
	},
	{
		what:   "the value of a Secret key that the spec names, except in the rows below",
		secret: "jwt",
		want:   [3]string{restarts, restarts, restarts},
	},
	{
		what:   "the certificate and the key of `api.tls.secretRef`, when they are renewed",
		secret: "tls",
		want:   [3]string{stays, stays, stays},
	},
	{
		what:  "`api`: TLS, its versions, the authorities of clients",
		edits: []map[string]string{{"api.tls.minVersion": `"1.3"`}, {"api.tls.secretRef.name": "tls-copy"}, {"api.tls.clientCASecretRef.name": "tls", "api.tls.clientCASecretRef.key": "tls.crt"}, {"api": ""}},
		want:  [3]string{restarts, restarts, restarts},
	},
	{
		what:   "another key of such a Secret",
		secret: "jwt-other-key",
		want:   [3]string{stays, stays, stays},
	},
	{
		what:   "the value of a Secret key that `extraEnv` names, with `onChange: Ignore`, or of a ConfigMap",
		secret: "environment",
		want:   [3]string{stays, stays, stays},
	},
	{
		what:   "the value of a Secret key that `extraEnv` names, with `onChange: Restart`",
		from:   map[string]string{"extraEnv": "[{name: A, valueFrom: {secretKeyRef: {name: environment, key: access-key}}, onChange: Restart}]"},
		secret: "environment",
		want:   [3]string{restarts, restarts, restarts},
	},
	{
		what:   "the value of a Secret key that a volume of `extraVolumes` names, with `onChange: Ignore`, or of a ConfigMap",
		from:   map[string]string{"extraVolumes": "[{name: a, mountPath: /etc/a, secret: {secretName: environment, items: [{key: access-key}]}}]"},
		secret: "environment",
		want:   [3]string{stays, stays, stays},
	},
	{
		what:   "the value of a Secret key that a volume of `extraVolumes` names, with `onChange: Restart`",
		from:   map[string]string{"extraVolumes": "[{name: a, mountPath: /etc/a, onChange: Restart, secret: {secretName: environment, items: [{key: access-key}]}}]"},
		secret: "environment",
		want:   [3]string{restarts, restarts, restarts},
	},
	{
		what:  "another Secret in `identity`, though with the same value",
		edits: []map[string]string{{"identity.jwt.secretRef.name": "jwt-copy"}, {"identity.jwt.secretRef.key": "other"}, {"identity.admin.passwordSecretRef.name": "jwt-copy", "identity.admin.passwordSecretRef.key": "jwt-secret"}},
		want:  [3]string{restarts, restarts, restarts},
	},
	{
		what:  "`identity.ldap`, where there was none",
		edits: []map[string]string{{"identity.ldap": directory}},
		want:  [3]string{restarts, restarts, restarts},
	},
	{
		what: "the Secrets of `identity.ldap`, by another name or key",
		from: map[string]string{"identity.ldap": directory},
		edits: []map[string]string{
			{"identity.ldap.bindPasswordSecretRef.name": "jwt", "identity.ldap.bindPasswordSecretRef.key": "other"},
			{"identity.ldap.caSecretRef.name": "tls", "identity.ldap.caSecretRef.key": "tls.crt"},
		},
		want: [3]string{restarts, restarts, restarts},
	},
	{
		what:  "the rest of `identity.ldap`: the server [has it in its database](directory.md#what-counts-once)",
		from:  map[string]string{"identity.ldap": directory},
		edits: []map[string]string{{"identity.ldap.url": "ldaps://other.example.org"}, {"identity.ldap.url": "ldap://directory.example.org", "identity.ldap.startTLS": "true"}, {"identity.ldap.url": "ldap://directory.example.org", "identity.ldap.allowPlaintext": "true"}, {"identity.ldap.baseDN": "DC=other"}, {"identity.ldap.bindDN": "CN=other"}, {"identity.ldap.userAttribute": "uid"}, {"identity.ldap.realm": "EXAMPLE.ORG"}, {"identity.ldap.idmap": "rid"}, {"identity.ldap.nestedGroups": "true"}, {"identity.ldap.timeout": "5s"}, {"identity.ldap.maxGroupResults": "500"}},
		want:  [3]string{stays, restarts, stays},
	},
	{
		what:   "the value of the directory's password; the directory's authorities, when they are renewed",
		from:   map[string]string{"identity.ldap": directory},
		secret: "directory",
		want:   [3]string{stays, stays, stays},
	},
	{
		what:  "`identity.ldap`, when it is removed",
		from:  map[string]string{"identity.ldap": directory},
		edits: []map[string]string{{"identity.ldap": ""}},
		want:  [3]string{held, held, held},
	},
	{
		what:  "`identity.kerberos`, where there was none",
		edits: []map[string]string{{"identity.kerberos": kerberos}},
		want:  [3]string{restarts, restarts, restarts},
	},
	{
		what: "the `realm` of `identity.kerberos`, its `servicePrincipal`, `krb5Conf` and `machineAccount.onlineJoin`; `machineAccount`, where there was none, or when it is removed; its Secrets, by another name or key",
		from: map[string]string{"identity.kerberos": kerberos},
		edits: []map[string]string{
			{"identity.kerberos.realm": "OTHER.ORG"},
			{"identity.kerberos.servicePrincipal": "nfs/other.example.org"},
			{"identity.kerberos.krb5Conf": "'[libdefaults]'"},
			{"identity.kerberos.keytabSecretRef.name": "join", "identity.kerberos.keytabSecretRef.key": "keytab"},
			{"identity.kerberos.machineAccount": ""},
			{"identity.kerberos.machineAccount": "{accountName: FILES$, passwordSecretRef: {name: join}}"},
			{"identity.kerberos.machineAccount.onlineJoin.ldapURL": "ldaps://other.example.org"},
			{"identity.kerberos.machineAccount.onlineJoin.ldapURL": "ldap://dc1.example.org", "identity.kerberos.machineAccount.onlineJoin.startTLS": "true"},
			{"identity.kerberos.machineAccount.onlineJoin.bindDN": "CN=other"},
			{"identity.kerberos.machineAccount.onlineJoin.bindPasswordSecretRef.name": "jwt", "identity.kerberos.machineAccount.onlineJoin.bindPasswordSecretRef.key": "other"},
			{"identity.kerberos.machineAccount.onlineJoin.baseDN": "DC=other"},
			{"identity.kerberos.machineAccount.onlineJoin.ou": "OU=Servers,DC=example,DC=org"},
			{"identity.kerberos.machineAccount.onlineJoin.dnsHostName": "files.example.org"},
			{"identity.kerberos.machineAccount.onlineJoin.servicePrincipals": "[cifs/files.example.org]"},
			{"identity.kerberos.machineAccount.onlineJoin.rotationInterval": "720h"},
			{"identity.kerberos.machineAccount.onlineJoin.caSecretRef.name": "tls", "identity.kerberos.machineAccount.onlineJoin.caSecretRef.key": "tls.crt"},
		},
		want: [3]string{restarts, restarts, restarts},
	},
	{
		what:  "the rest of `identity.kerberos`: the server [has it in its database](directory.md#what-counts-once)",
		from:  map[string]string{"identity.kerberos": kerberos},
		edits: []map[string]string{{"identity.kerberos.netbiosDomain": "OTHER"}, {"identity.kerberos.dnsDomain": "other.example.org"}, {"identity.kerberos.machineAccount.accountName": "OTHER$"}, {"identity.kerberos.machineAccount.dcAddress": "dc2.example.org"}},
		want:  [3]string{stays, restarts, stays},
	},
	{
		what:   "the keytab, when it is renewed; the value of the machine account's password",
		from:   map[string]string{"identity.kerberos": strings.Replace(kerberos, join, "passwordSecretRef: {name: kerberos}", 1)},
		secret: "kerberos",
		want:   [3]string{stays, stays, stays},
	},
	{
		what:   "the value of the password of `onlineJoin`",
		from:   map[string]string{"identity.kerberos": kerberos},
		secret: "join",
		want:   [3]string{restarts, restarts, restarts},
	},
	{
		what:  "`identity.kerberos`, when it is removed",
		from:  map[string]string{"identity.kerberos": kerberos},
		edits: []map[string]string{{"identity.kerberos": ""}},
		want:  [3]string{held, held, held},
	},
	{
		what:  "`resources`, `extraEnv`, `extraVolumes`, `podLabels`, `podAnnotations`, security contexts, scheduling, `serviceAccountName`, `terminationGracePeriodSeconds`, `startupTimeout`: whatever is in the pod template",
		edits: []map[string]string{{"resources.requests.cpu": "100m"}, {"extraEnv": "[{name: A, value: b}]"}, {"podLabels": "{a: b}"}, {"podAnnotations": "{a: b}"}, {"podSecurityContext.supplementalGroups": "[1000]"}, {"nodeSelector": "{a: b}"}, {"priorityClassName": "storage"}, {"serviceAccountName": "files"}, {"extraVolumes": "[{name: a, mountPath: /etc/a, secret: {secretName: environment, items: [{key: access-key}]}}]"}, {"terminationGracePeriodSeconds": "60"}, {"startupTimeout": "10m"}, {"imagePullPolicy": "Always"}, {"imagePullSecrets": "[{name: registry}]"}, {"securityContext.runAsUser": "1000"}, {"tolerations": "[{operator: Exists}]"}, {"affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution": "[{topologyKey: zone}]"}, {"topologySpreadConstraints": "[{topologyKey: zone, maxSkew: 1, whenUnsatisfiable: DoNotSchedule}]"}},
		want:  [3]string{restarts, restarts, restarts},
	},
	{
		what:  "`metrics.path`, `metrics.tokenSecretRef`, `metrics.tls`, where metrics are enabled",
		edits: []map[string]string{{"metrics.enabled": "true", "metrics.path": "/stats"}, {"metrics.enabled": "true", "metrics.tokenSecretRef.name": "jwt-copy", "metrics.tokenSecretRef.key": "jwt-secret"}, {"metrics.enabled": "true", "metrics.tls.secretRef.name": "tls", "metrics.tls.minVersion": `"1.3"`}, {"metrics.enabled": "true", "metrics.tls.secretRef.name": "tls", "metrics.tls.clientCASecretRef.name": "tls", "metrics.tls.clientCASecretRef.key": "tls.crt"}},
		want:  [3]string{restarts, restarts, restarts},
	},
	{
		what:  "`smb.enabled`, `metrics.enabled`, `adapterPorts` (`smb` where SMB is enabled): the container's ports",
		edits: []map[string]string{{"smb.enabled": "true"}, {"metrics.enabled": "true"}, {"metrics.enabled": "true", "metrics.port": "9100"}, {"adapterPorts.nfs": "12050"}, {"smb.enabled": "true", "adapterPorts.smb": "1446"}},
		want:  [3]string{restarts, restarts, restarts},
	},
	{
		what:  "`nfsPort`, `smb.port` and the rest of `service`: only Services",
		edits: []map[string]string{{"nfsPort": "2050"}, {"smb.port": "4450"}, {"service.type": "ClusterIP"}, {"service.annotations": "{a: b}"}, {"service.file.annotations": "{a: b}"}, {"service.file.loadBalancerSourceRanges": "[10.0.0.0/8]"}, {"service.file.loadBalancerClass": "example.org/internal"}, {"service.file.type": "NodePort"}, {"service.file.externalTrafficPolicy": "Local"}, {"service.file.nodePorts": "{nfs: 32049}"}, {"service.api.type": "NodePort"}, {"service.api.annotations": "{a: b}"}, {"service.api.externalTrafficPolicy": "Local"}, {"service.api.nodePorts": "{api: 30443}"}},
		want:  [3]string{restarts, restarts, stays},
	},
	{
		what:  "`service.ipFamilies`, `service.ipFamilyPolicy`, `portmapper`",
		from:  map[string]string{"nfsPort": "12049"},
		edits: []map[string]string{{"service.ipFamilyPolicy": "PreferDualStack"}, {"service.ipFamilies": "[IPv6]"}, {"portmapper.enabled": "true"}},
		want:  [3]string{stays, restarts, stays},
	},
	{
		what:  "`cache` or `telemetry`, for a release that has none",
		edits: []map[string]string{{"cache.size": "2Gi"}, {"cache.path": "/cache"}, {"telemetry.enabled": "true"}, {"telemetry.endpoint": "collector:4317"}, {"telemetry.insecure": "true"}, {"telemetry.sampleRate": "0.5"}},
		want:  [3]string{restarts, restarts, stays},
	},
	{
		what:  "a default that is written out (`nfsPort: 2049`)",
		edits: []map[string]string{{"nfsPort": "2049"}, {"logging.level": "INFO"}, {"shutdownTimeout": "30s"}},
		want:  [3]string{restarts, restarts, stays},
	},
	{
		what:  "the same quantity in another spelling (`cpu: 1000m` for `1`)",
		edits: []map[string]string{{"resources.requests.cpu": "1000m"}},
		want:  [3]string{restarts, restarts, stays},
	},
	{
		what:  "`storage`, to other sizes, another spelling of one, another class or another claim: the pod mounts [the claims that there are](#frozen-what-kubernetes-cannot-change)",
		edits: []map[string]string{{"storage.metadataSize": "20Gi"}, {"storage.metadataSize": "10240Mi"}, {"storage.contentSize": "10Gi"}, {"storage.controlPlaneSize": "2Gi"}, {"storage.cacheSize": "2Gi"}, {"storage.storageClassName": "fast"}, {"storage": ""}, {"storage.controlPlaneStorageClassName": "fast"}, {"storage.metadataStorageClassName": "fast"}, {"storage.contentSize": "10Gi", "storage.contentStorageClassName": "fast"}, {"storage.cacheStorageClassName": "fast"}, {"storage.volumeAttributesClassName": "gold"}, {"storage.storageClassName": "fast", "storage.controlPlaneDataSource.name": "first"}, {"storage.storageClassName": "fast", "storage.metadataDataSource.name": "first"}, {"storage.storageClassName": "fast", "storage.contentSize": "10Gi", "storage.contentDataSource.name": "first"}, {"storage.labels": "{a: b}"}, {"storage.annotations": "{a: b}"}},
		want:  [3]string{stays, restarts, stays},
	},
	{
		what:  "`networkPolicy`, `podDisruptionBudget`: objects beside the server",
		edits: []map[string]string{{"podDisruptionBudget.enabled": "true"}, {"networkPolicy.ingress.file": "[]", "networkPolicy.ingress.api": "[]", "networkPolicy.ingress.metrics": "[]", "networkPolicy.ingress.nodes": "[file]", "networkPolicy.egress": "[]"}},
		want:  [3]string{stays, more, stays},
	},
	{
		what: "`api.route`: objects beside the server, [where the platform offers them](optional-kinds.md)",
		edits: []map[string]string{{
			"api.route.hostnames": "[a]", "api.route.parentRefs": "[{name: a}]", "api.route.caConfigMapRef.name": "a", "api.route.serverName": "a",
		}},
		want: [3]string{stays, more, stays},
	},
	{
		what: "`metrics.serviceMonitor`: an object beside the server, [where the platform offers it](optional-kinds.md)",
		from: map[string]string{"metrics": "{enabled: true, tls: {secretRef: {name: tls}}}"},
		edits: []map[string]string{{
			"metrics.serviceMonitor.enabled": "true", "metrics.serviceMonitor.labels": "{a: b}", "metrics.serviceMonitor.interval": "30s", "metrics.serviceMonitor.scrapeTimeout": "10s",
			"metrics.serviceMonitor.caSecretRef.name": "tls", "metrics.serviceMonitor.caSecretRef.key": "tls.crt", "metrics.serviceMonitor.serverName": "a", "metrics.serviceMonitor.clientCertificateSecretRef.name": "tls",
		}},
		want: [3]string{stays, more, stays},
	},
	{
		what:  "`labels` and `annotations` of the objects around the pod",
		edits: []map[string]string{{"labels": "{a: b}"}, {"annotations": "{a: b}"}},
		want:  [3]string{stays, restarts, stays},
	},
	{
		what:  "`rollout`, to `Manual`",
		edits: []map[string]string{{"rollout": "Manual"}},
		want:  [3]string{stays, held, stays},
	},
	{
		what:  "`replicas`, to 0",
		edits: []map[string]string{{"replicas": "0"}},
		want:  [3]string{stops, stops, stops},
	},
	{
		what: "comments, white space, the order of keys in YAML",
		text: sameServer,
		want: [3]string{stays, stays, stays},
	},
	{
		what:       "annotations of the DittoServer",
		annotation: "example.org/note",
		want:       [3]string{stays, stays, stays},
	},
	{
		what:     "what Crossplane writes into the spec, such as the reference to a new Composition revision",
		revision: "another",
		want:     [3]string{stays, restarts, stays},
	},
}

// directory is one that a server looks up users in.
const directory = "{url: 'ldaps://directory.example.org', baseDN: 'DC=example,DC=org', bindDN: 'CN=dittofs,DC=example,DC=org', bindPasswordSecretRef: {name: directory}}"

// kerberos is of a server in a domain, which it joins by itself.
const (
	kerberos = "{realm: EXAMPLE.ORG, servicePrincipal: nfs/files.example.org, keytabSecretRef: {name: kerberos}, netbiosDomain: EXAMPLE, machineAccount: {accountName: FILES$, " + join + "}}"
	join     = "onlineJoin: {ldapURL: 'ldaps://dc1.example.org', bindDN: join@example.org, bindPasswordSecretRef: {name: join}, baseDN: 'DC=example,DC=org'}"
)

// restartingServer runs before each edit.
const restartingServer = `
apiVersion: dittofs.io/v1alpha1
kind: DittoServer
metadata: {name: files, namespace: storage}
spec:
  version: 0.29.0
  identity: {jwt: {secretRef: {name: jwt}}, admin: {passwordSecretRef: {name: admin}}}
  api: {tls: {secretRef: {name: tls}}}
  resources: {requests: {cpu: 1, memory: 1Gi}}
  storage: {metadataSize: 10Gi}
  extraEnv: [{name: AWS_ACCESS_KEY_ID, valueFrom: {secretKeyRef: {name: environment, key: access-key}}}]`

// sameServer is the same, written otherwise.
const sameServer = `
kind: DittoServer
apiVersion: dittofs.io/v1alpha1
spec:
    # A comment.
    storage:
        metadataSize: "10Gi"
    extraEnv:
    - valueFrom:
        secretKeyRef: {key: access-key, name: environment}
      name: AWS_ACCESS_KEY_ID
    resources: {requests: {memory: 1Gi, cpu: 1}}
    api: {tls: {secretRef: {name: tls}}}
    identity: {admin: {passwordSecretRef: {name: admin}}, jwt: {secretRef: {name: jwt}}}
    version: '0.29.0'
metadata: {namespace: storage, name: files}`

// Restarts checks that each edit does to a server that runs what its row says.
func Restarts(t *testing.T, fn simulator.Function) {
	t.Helper()

	generations := []v1beta1.Generation{v1beta1.GenerationSpec, v1beta1.GenerationMetadata, v1beta1.GenerationNone}

	for i, generation := range generations {
		for _, r := range restartRows {
			edits := r.edits
			if edits == nil {
				edits = []map[string]string{{}}
			}

			// Spec and Metadata tell none of the edits that restart from another.
			if generation != v1beta1.GenerationNone && r.want[i] != stays {
				edits = edits[:1]
			}

			for _, edit := range edits {
				checkRestart(t, fn, &r, v1beta1.ComposeObject, generation, edit, r.want[i])
			}

			// The template is the same, and server-side apply is slow.
			if generation == v1beta1.GenerationNone {
				checkRestart(t, fn, &r, v1beta1.ComposeNative, generation, edits[0], r.want[i])
			}
		}
	}
}

func checkRestart(t *testing.T, fn simulator.Function, r *restartRow, compose v1beta1.Compose, generation v1beta1.Generation, edit map[string]string, want string) {
	t.Helper()

	input := protostructtest.FromYAML(t, "{compose: "+string(compose)+", configHash: {generation: "+string(generation)+"}, kinds: {ServiceMonitor: Present, HTTPRoute: Present, BackendTLSPolicy: Present, TLSRoute: Present}}")

	t.Run(strings.Join(append([]string{string(compose), string(generation), r.what}, slices.Sorted(maps.Keys(edit))...), "/"), func(t *testing.T) {
		if got := r.does(t, fn, input, edit); got != want {
			t.Errorf("%s: want %q, got %q", r.what, want, got)
		}
	})
}

// does returns what one of the edits of a row does.
func (r *restartRow) does(t *testing.T, fn simulator.Function, input *structpb.Struct, edit map[string]string) string {
	t.Helper()

	ca := pki.Authority(t)
	served, renewed := ca.Issue(t), ca.Issue(t)

	before := change.Side{XR: protostructtest.FromYAML(t, restartingServer), Input: input, Run: fn.RunFunction, Secrets: restartSecrets(t, "", served)}
	after := change.Side{XR: protostructtest.FromYAML(t, restartingServer), Input: input, Run: fn.RunFunction, Secrets: restartSecrets(t, r.secret, served), Revision: r.revision}

	if r.secret == "tls" {
		after.Secrets = restartSecrets(t, r.secret, renewed)
	}

	if r.text != "" {
		after.XR = protostructtest.FromYAML(t, r.text)
	}

	set := func(xr *structpb.Struct, fields map[string]string) {
		for path, text := range fields {
			value := protostructtest.FromYAML(t, "value: "+text).GetFields()["value"]
			if text == "" {
				value = nil
			}

			protostruct.Set(xr, value, append([]string{"spec"}, strings.Split(path, ".")...)...)
		}
	}

	set(before.XR, r.from)
	set(after.XR, r.from)
	set(after.XR, edit)

	if r.annotation != "" {
		protostruct.Set(after.XR, structpb.NewStringValue("changed"), "metadata", "annotations", r.annotation)
	}

	c, err := change.Of(t.Context(), before, after)
	if err != nil {
		t.Fatal(err)
	}

	return does(c)
}

// does returns what a change does to a server.
func does(c *change.Change) string {
	switch {
	case c.Verdict == change.Unchanged, c.Verdict == change.NoRestart, c.Verdict == change.Held && c.InPart:
		return stays
	case c.Restarts > 1:
		return string(c.Verdict) + " more than once"
	default:
		return string(c.Verdict)
	}
}

// restartSecrets that the server names, one of them with another value.
func restartSecrets(t *testing.T, changed string, served *pki.Pair) []*structpb.Struct {
	t.Helper()

	certificate := base64.StdEncoding.EncodeToString(served.Certificate)
	key := base64.StdEncoding.EncodeToString(served.Key)

	value := func(secret string) string {
		if secret == changed {
			return "ZXhhbXBsZS1leGFtcGxlLWV4YW1wbGUtZXhhbXBsZS1jaGFuZ2Vk"
		}

		return "ZXhhbXBsZS1leGFtcGxlLWV4YW1wbGUtZXhhbXBsZS1leGFtcGxl"
	}

	principals := []string{"nfs/files.example.org@EXAMPLE.ORG", "nfs/other.example.org@EXAMPLE.ORG", "nfs/files.example.org@OTHER.ORG"}
	if changed == "kerberos" {
		principals = append(principals, "cifs/files.example.org@EXAMPLE.ORG")
	}

	keytab := base64.StdEncoding.EncodeToString(krb5.Keytab(principals...))

	var secrets []*structpb.Struct
	for _, s := range []string{
		"{metadata: {name: jwt, namespace: storage}, data: {jwt-secret: " + value("jwt") + ", other: " + value("jwt-other-key") + "}}",
		"{metadata: {name: jwt-copy, namespace: storage}, data: {jwt-secret: " + value("jwt-copy") + "}}",
		"{metadata: {name: admin, namespace: storage}, data: {password: " + value("admin") + "}}",
		"{metadata: {name: environment, namespace: storage}, data: {access-key: " + value("environment") + "}}",
		"{metadata: {name: tls, namespace: storage}, data: {tls.crt: " + certificate + ", tls.key: " + key + "}}",
		"{metadata: {name: tls-copy, namespace: storage}, data: {tls.crt: " + certificate + ", tls.key: " + key + "}}",
		"{metadata: {name: directory, namespace: storage}, data: {password: " + value("directory") + "}}",
		"{metadata: {name: kerberos, namespace: storage}, data: {krb5.keytab: " + keytab + ", password: " + value("kerberos") + "}}",
		"{metadata: {name: join, namespace: storage}, data: {keytab: " + keytab + ", password: " + value("join") + "}}",
		"{metadata: {name: db, namespace: storage}, data: {host: ZGI=, database: ZGI=, user: ZGI=, password: ZGI=}}",
	} {
		secret := protostructtest.FromYAML(t, s)
		protostruct.Set(secret, structpb.NewStringValue("v1"), "apiVersion")
		protostruct.Set(secret, structpb.NewStringValue("Secret"), "kind")
		// Any change makes another one, of whatever Secret, and so does one of its labels.
		protostruct.Set(secret, structpb.NewStringValue("version-"+changed), "metadata", "resourceVersion")
		protostruct.Set(secret, structpb.NewStringValue("label-"+changed), "metadata", "labels", "any")
		secrets = append(secrets, secret)
	}

	return secrets
}
