package simulator

import (
	"encoding/base64"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/test/cluster"
	"github.com/dittofs/function-dittoserver/test/krb5"
)

// Minimal DittoServer, with a Secret that SecretValues has.
const Minimal = `
apiVersion: dittofs.io/v1alpha1
kind: DittoServer
metadata: {name: files, namespace: storage, generation: 3}
spec: {version: ` + dittofs.Newest + `, identity: {jwt: {secretRef: {name: jwt}}, admin: {passwordSecretRef: {name: admin}}}}`

// NewServer returns a world with a minimal DittoServer and its Secrets.
func NewServer(tb testing.TB, fn Function, f Flavour) *World {
	tb.Helper()

	w := New(tb, fn, 1, f)
	w.SetSecret("jwt", SecretValues["jwt"][0])
	w.SetSecret("other", SecretValues["other"][0])
	w.SetSecret("admin", SecretValues["admin"][0])
	w.SetSecret("db", SecretValues["db"][0])
	w.Create(Minimal)

	return w
}

// Create the DittoServer.
func (w *World) Create(xr string) {
	w.XR = protostructtest.FromYAML(w.T, xr)
	protostruct.Set(w.XR, structpb.NewNumberValue(1), "metadata", "generation")
	w.changes++
}

// Edit the user's spec, as kubectl apply would: Crossplane's own fields stay.
func (w *World) Edit(spec *structpb.Struct) {
	spec = proto.CloneOf(spec)
	for _, f := range []string{"claimRef", w.Flavour.machinery} {
		protostruct.Set(spec, protostruct.Get(w.XR, "spec", f), f)
	}

	protostruct.Set(w.XR, structpb.NewStructValue(spec), "spec")
	w.Bump()
	w.changes++
}

// Patch the user's spec: set the value of a YAML text at a path.
func (w *World) Patch(value string, path ...string) {
	v := protostructtest.FromYAML(w.T, "value: "+value).GetFields()["value"]
	if value == "" {
		v = nil
	}

	protostruct.Set(w.XR, v, append([]string{"spec"}, path...)...)
	w.Bump()
	w.changes++
}

// Bump the generation, as any change of the spec does.
func (w *World) Bump() {
	cluster.Bump(w.XR)

	for _, setting := range located {
		if v := protostruct.Get(w.XR, "spec", "database", "postgres", setting); v != nil {
			w.said[v.GetStringValue()] = true
		}
	}
}

// SetSecret creates a Secret, or changes it.
func (w *World) SetSecret(name string, data map[string]string) {
	fields := map[string]any{}
	for k, v := range data {
		fields[k] = base64.StdEncoding.EncodeToString([]byte(v))
	}

	w.Secrets[name] = protostructtest.FromMap(w.T, map[string]any{
		"apiVersion": "v1", "kind": "Secret",
		"metadata": map[string]any{"name": name, "namespace": "storage", "resourceVersion": strconv.Itoa(w.rand.Int())},
		"data":     fields,
	})
	w.changes++
}

// Annotate the DittoServer.
func (w *World) Annotate(key, value string) {
	protostruct.Set(w.XR, structpb.NewStringValue(value), "metadata", "annotations", key)
	w.changes++

	if key == v1alpha1.AnnotationApprove {
		w.noteApproved(strings.TrimSpace(value))
	}
}

// approve what waits for approval, and now and then something else.
func (w *World) approve() {
	value := w.Approval()
	if value == "" || w.rand.IntN(4) == 0 {
		value = strings.Repeat("0", 64)
	}

	w.didf("approve %s", value)
	w.Annotate(v1alpha1.AnnotationApprove, value)
}

// meddle is what people do to a live StatefulSet now and then: give it another image, or
// restart it with an annotation.
func (w *World) meddle() {
	live := w.Live["statefulset"]
	if live == nil || w.leaving["statefulset"] != nil || w.foreign["statefulset"] {
		return
	}

	if w.rand.IntN(2) == 0 {
		w.didf("a person restarts the StatefulSet")
		w.UpdateStatefulSet(func(u *unstructured.Unstructured) {
			w.set(u, "2026-01-01T00:00:00Z", "spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt")
		})
	} else {
		w.didf("a person sets the StatefulSet's image")
		w.SetImage("registry.example.org/dittofs:" + dittofs.NewestVersion)
	}
}

// SetImage of the live StatefulSet, as kubectl set image does.
func (w *World) SetImage(image string) {
	w.UpdateStatefulSet(func(u *unstructured.Unstructured) {
		containers, _, err := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers")
		if err != nil {
			w.failf("the pod has no containers: %v", err)
		}

		for _, c := range containers {
			if c := c.(map[string]any); c["name"] == v1alpha1.Container {
				c["image"] = image
			}
		}

		w.set(u, containers, "spec", "template", "spec", "containers")
	})
}

// UpdateStatefulSet as a person, who owns the change.
func (w *World) UpdateStatefulSet(change func(u *unstructured.Unstructured)) {
	if !w.meddled {
		w.unmeddled = serverOf(w.Live["statefulset"])
	}

	w.editLive("statefulset", change)

	// The provider alone puts back what a person wrote into an Object's.
	if w.Flavour.Native {
		w.meddled = true
		w.changes++
	}
}

// editLive changes what is live as a person.
func (w *World) editLive(name string, change func(u *unstructured.Unstructured)) {
	next, err := cluster.Update(personsManager, w.Live[name], change)
	if err != nil {
		w.failf("%v", err)
	}

	w.Live[name] = next
	if w.Flavour.Native && w.Composed[name] != nil {
		w.Composed[name] = next
	}
}

func (w *World) set(u *unstructured.Unstructured, v any, path ...string) {
	if err := unstructured.SetNestedField(u.Object, v, path...); err != nil {
		w.failf("cannot set %v: %v", path, err)
	}
}

// Specs that a user may write, valid and not.
var Specs = withNewest(
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, logging: {level: DEBUG}}`,
	`{version: 0.28.0, identity: {jwt: {secretRef: {name: jwt}}, admin: {passwordSecretRef: {name: admin}}}}`,
	`{version: 0.8.0, identity: {jwt: {secretRef: {name: jwt}}}}`,
	`{version: 0.99.0, identity: {jwt: {secretRef: {name: jwt}}}}`,
	`{identity: {jwt: {secretRef: {name: jwt}}}, metrics: {enabled: true}}`,
	`{identity: {jwt: {secretRef: {name: jwt}}}, rollout: Manual}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, rollout: Manual, logging: {level: WARN}}`,
	`{version: newest, replicas: 0, identity: {jwt: {secretRef: {name: jwt}}}}`,
	`{version: newest, replicas: 0, identity: {jwt: {secretRef: {name: jwt}}}, storage: {metadataSize: 20Gi, contentSize: 1Gi}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, storage: {metadataSize: 20Gi, contentSize: 1Gi}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, storage: {metadataSize: 10240Mi}}`,
	`{version: newest, replicas: 0, identity: {jwt: {secretRef: {name: jwt}}}, storage: {storageClassName: fast}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, storage: {storageClassName: standard}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, storage: {metadataSize: 20Gi, volumeAttributesClassName: gold, labels: {example.org/backup: daily}}}`,
	`{version: newest, replicas: 0, identity: {jwt: {secretRef: {name: jwt}}}, storage: {volumeAttributesClassName: silver, storageClassName: fast, metadataDataSource: {name: first}, controlPlaneDataSource: {name: first}}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, storage: {metadataSize: 30Gi, controlPlaneSize: 2Gi}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, storage: {metadataSize: 20Gi, storageClassName: fast}, logging: {level: DEBUG}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, database: {sqlite: {path: /data/metadata/other.db}}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, storage: {contentSize: 1Gi}, logging: {output: /data/content/log}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, database: {postgres: {secretRef: {name: db}}}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: other}}}, smb: {enabled: true}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, service: {file: {loadBalancerClass: example.org/a}}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, nfsPort: 70000, colour: blue}`,
	`{version: newest, identity: {}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, storage: {metadataSize: 10.00001Gi}, extraEnv: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}, {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}]}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, securityContext: {privileged: true}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, config: {gc: {auto_interval: 1h}, metadata: {badger: {block_cache_mb: 64}}}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, extraEnv: [{name: A, valueFrom: {secretKeyRef: {name: extra, key: id}}}, {name: B, valueFrom: {secretKeyRef: {name: extra, key: word}}, onChange: Restart}]}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, extraVolumes: [{name: a, mountPath: /etc/a, secret: {secretName: extra, items: [{key: id}]}, onChange: Restart}, {name: b, mountPath: /etc/b, secret: {secretName: extra, items: [{key: word}]}}]}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}, ldap: {url: "ldaps://a", baseDN: DC=a, bindDN: CN=b, bindPasswordSecretRef: {name: extra, key: word}}}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}, ldap: {url: "ldaps://b", baseDN: DC=a, bindDN: CN=b, bindPasswordSecretRef: {name: extra, key: word}}}, logging: {level: DEBUG}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}, kerberos: {realm: A, servicePrincipal: nfs/a, keytabSecretRef: {name: kerberos}}}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}, kerberos: {realm: A, servicePrincipal: nfs/a, netbiosDomain: B, keytabSecretRef: {name: kerberos}, machineAccount: {accountName: C$, passwordSecretRef: {name: kerberos}}}}}`,
)

// roughSpecs are what users of rough worlds write besides: what webhooks refuse, and what guards
// are about.
var roughSpecs = withNewest(
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, storage: {metadataSize: 900Ti}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, storage: {contentSize: 1Gi}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, database: {postgres: {secretRef: {name: db}, keys: {port: other-port}}}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, database: {postgres: {secretRef: {name: db}}}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, config: {gc: {auto_interval: 1h}, unknown: [1, "~"]}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, database: {postgres: {host: db.example.org, secretRef: {name: db}}}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, database: {postgres: {host: db2.example.org, port: 5432, database: dittofs-example, secretRef: {name: db}}}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, config: {gc: {auto_interval: 2h}}, extraEnv: [{name: A, valueFrom: {secretKeyRef: {name: extra, key: id}}, onChange: Restart}], extraVolumes: [{name: a, mountPath: /etc/a, secret: {secretName: extra, items: [{key: word}]}, onChange: Restart}]}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, config: {gc: {auto_interval: 1h}}, extraEnv: [{name: DITTOFS_GC, value: x}]}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, config: {database: {type: postgres}, logging.output: /tmp/a}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, extraEnv: [{name: DITTOFS_DATABASE, value: x}]}`,
	`{version: 0.28.0, identity: {jwt: {secretRef: {name: jwt}}}, logging: {level: DEBUG}}`,
	`{version: newest, identity: {jwt: {secretRef: {name: jwt}}}, podAnnotations: {example.org/large: "`+strings.Repeat("large ", large/6)+`"}}`,
)

// withNewest returns specs with the newest known release for the word newest.
func withNewest(specs ...string) []string {
	for i, s := range specs {
		specs[i] = strings.Replace(s, "version: newest", "version: "+dittofs.Newest, 1)
	}

	return specs
}

// SecretValues that a Secret may have, those of another application too. The first is a good
// one.
var SecretValues = map[string][]map[string]string{
	"jwt": {
		{"jwt-secret": "example-a-example-a-example-a-example-a"},
		{"jwt-secret": "example-b-example-b-example-b-example-b"},
		{"jwt-secret": "example-a-example-a-example-a-example-a", "other": "example-of-an-unreferenced-key"},
		{"jwt-secret": "too-short-example"},
		{"wrong-key": "example-a-example-a-example-a-example-a"},
	},
	"other": {
		{"jwt-secret": "example-c-example-c-example-c-example-c"},
	},
	"admin": {
		{"password": "example-password"},
		{"password": "$2a$10$exampleexampleexampleexampleexampleexampleexampleexamp"},
		{"password": "$2a$10$cut-short"},
		{"password": ":$2a$10$exampleexampleexampleexampleexampleexampleexampleexamp"},
	},
	"db": {
		{"host": "db.example.org", "database": "dittofs-example", "user": "dittofs-example", "password": "example-database-password"},
		{"host": "db.example.org", "database": "dittofs-example", "user": "dittofs-example", "password": "example-database-password", "port": "5433", "other-port": "5434"},
		{"host": "db.example.org"},
		{"database": "dittofs-example", "user": "dittofs-example", "password": "example-database-password"},
		{"host": "db.example.org:5432", "database": "dittofs-example", "user": "dittofs-example", "password": "example-database-password"},
	},
	// Variables and files of the user's, of which only some restart the server.
	"extra": {
		{"id": "example-extra-id", "word": "example-extra-word"},
		{"id": "example-extra-id-2", "word": "example-extra-word"},
		{"id": "example-extra-id", "word": " example-extra-word-2\n"},
		{"id": "example-extra-id"},
		{"id": "\xffexample-extra-id", "word": "\xffexample-extra-word"},
	},
	"kerberos": {
		{"krb5.keytab": string(krb5.Keytab("nfs/a@A")), "password": "example-kerberos-password"},
		{"krb5.keytab": string(krb5.Keytab("nfs/a@A", "cifs/a@A")), "password": "example-kerberos-password-2"},
		{"krb5.keytab": "example-of-no-keytab", "password": "example-kerberos-password"},
	},
}
