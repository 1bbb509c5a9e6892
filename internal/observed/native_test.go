package observed

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

func TestOwnedByCrossplane(t *testing.T) {
	// forged is a field set of more items than any list here can have had.
	forged := &strings.Builder{}
	for i := range 200 {
		fmt.Fprintf(forged, `"k:{\"port\":%d}": {}, `, 10000+i)
	}

	const object = `
metadata: {name: files, labels: {app: dittofs, team: a}}
spec:
  replicas: 1
  ports:
  - {name: nfs, port: 2049, protocol: TCP}
  - {name: api, port: 8080, protocol: TCP}
  args: [start, --foreground]
  finalizers: [b, a]
  emptyDir: {}
  indexed: [x, y]
`

	cases := map[string]struct {
		reason string

		// managed is metadata.managedFields.
		managed string
		want    string
	}{
		"Fields": {
			"Fields that somebody else set, or nobody, are not ours.",
			`[{manager: apiextensions.crossplane.io/composed/1, operation: Apply, fieldsV1: {"f:metadata": {"f:labels": {"f:app": {}}}, "f:spec": {"f:replicas": {}, "f:args": {}, "f:emptyDir": {}}}}]`,
			`{metadata: {labels: {app: dittofs}}, spec: {replicas: 1, args: [start, --foreground], emptyDir: {}}}`,
		},
		"Keys": {
			"Items are found by their keys, numbers too, and keep only what is owned of them.",
			`[{manager: apiextensions.crossplane.io/composed/1, operation: Apply, fieldsV1: {"f:spec": {"f:ports": {"k:{\"port\":8080,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}}}}}]`,
			`{spec: {ports: [{port: 8080}]}}`,
		},
		"Values": {
			"Items of a set are their values, and keep the order of the list.",
			`[{manager: apiextensions.crossplane.io/composed/1, operation: Apply, fieldsV1: {"f:spec": {"f:finalizers": {"v:\"a\"": {}, "v:\"b\"": {}}, "f:indexed": {"i:1": {}}}}}]`,
			`{spec: {finalizers: [b, a], indexed: [y]}}`,
		},
		"Gone": {
			"What is not there any more is not owned either.",
			`[{manager: apiextensions.crossplane.io/composed/1, operation: Apply, fieldsV1: {"f:spec": {"f:replicas": {}, "f:gone": {}, "f:missing": {"f:below": {}}, "f:ports": {"k:{\"port\":1}": {"f:port": {}}}}}}]`,
			`{spec: {replicas: 1, ports: []}}`,
		},
		"Others": {
			"Other managers, updates and subresources do not count.",
			`[{manager: kubectl, operation: Apply, fieldsV1: {"f:spec": {"f:replicas": {}}}},
{manager: apiextensions.crossplane.io/composed/1, operation: Update, fieldsV1: {"f:spec": {"f:replicas": {}}}},
{manager: apiextensions.crossplane.io/composed/1, operation: Apply, subresource: status, fieldsV1: {"f:spec": {"f:replicas": {}}}}]`,
			`{}`,
		},
		"Two": {
			"Crossplane has another name for each composite resource that the object had.",
			`[{manager: apiextensions.crossplane.io/composed/1, operation: Apply, fieldsV1: {"f:metadata": {"f:name": {}}, "f:spec": {"f:ports": {"k:{\"port\":2049}": {"f:port": {}}}}}},
{manager: apiextensions.crossplane.io/composed/2, operation: Apply, fieldsV1: {"f:spec": {"f:replicas": {}, "f:ports": {"k:{\"port\":2049}": {"f:name": {}}}}}}]`,
			`{metadata: {name: files}, spec: {replicas: 1, ports: [{name: nfs, port: 2049}]}}`,
		},
		"TwoSets": {
			"Items are found by the keys that a list had before, too.",
			`[{manager: apiextensions.crossplane.io/composed/1, operation: Apply, fieldsV1: {"f:spec": {"f:ports": {"k:{\"port\":2049}": {"f:port": {}}, "k:{\"protocol\":\"TCP\",\"port\":8080}": {"f:name": {}}}}}}]`,
			`{spec: {ports: [{port: 2049}, {name: api}]}}`,
		},
		"SomeKeys": {
			"An item without one of the keys is another one.",
			`[{manager: apiextensions.crossplane.io/composed/1, operation: Apply, fieldsV1: {"f:spec": {"f:ports": {"k:{\"port\":2049,\"nodePort\":30000}": {"f:port": {}}}}}}]`,
			`{spec: {ports: []}}`,
		},
		"Forged": {
			"To read items that cannot be there costs more than all else, and the API server names none.",
			`[{manager: apiextensions.crossplane.io/composed/1, operation: Apply, fieldsV1: {"f:spec": {"f:replicas": {}, "f:ports": {` + forged.String() + `"k:{\"port\":2049}": {}}}}}]`,
			`{spec: {replicas: 1, ports: []}}`,
		},
		"None": {"An object without managers belongs to nobody.", `[]`, `{}`},
		"Unknown": {
			"What a newer API server may write is left alone.",
			`[{manager: apiextensions.crossplane.io/composed/1, operation: Apply, fieldsV1: {"f:spec": {"f:replicas": {}, "z:new": {}, "": {}}}}]`,
			`{spec: {replicas: 1}}`,
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			live := protostructtest.FromYAML(t, object)
			protostruct.Set(live, protostructtest.FromYAML(t, "fields: "+tc.managed).GetFields()["fields"], "metadata", "managedFields")

			if diff := cmp.Diff(protostructtest.FromYAML(t, tc.want), ownedByCrossplane(live), protocmp.Transform()); diff != "" {
				t.Errorf("%s\nownedByCrossplane(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestNativeStatefulSet(t *testing.T) {
	// The asked manifest, and what the API server made of it.
	asked := manifest.Seal(protostructtest.FromYAML(t, `
metadata: {name: files}
spec:
  replicas: 1
  serviceName: files-headless
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: dittofs}}
  template: {spec: {containers: [{name: dittofs, image: "example.org/dittofs:v1"}]}}
  volumeClaimTemplates: [{metadata: {name: cache}, spec: {accessModes: [ReadWriteOnce]}}]
`))
	hash := manifest.TemplateHash(asked)

	live := `
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: files
  managedFields:
  - {manager: apiextensions.crossplane.io/composed/1, operation: Apply, fieldsV1: {"f:spec": {
      "f:serviceName": {}, "f:selector": {}, "f:volumeClaimTemplates": {}, OWNED
      "f:template": {"f:metadata": {"f:annotations": {"f:dittofs.io/template-hash": {}}}, "f:spec": {"f:containers": {"k:{\"name\":\"dittofs\"}": {".": {}, IMAGE "f:name": {}}}}}}}}
spec:
  replicas: 1
  serviceName: files-headless
  podManagementPolicy: Parallel
  revisionHistoryLimit: 10
  selector: {matchLabels: {app: dittofs}}
  template:
    metadata: {annotations: {dittofs.io/template-hash: ` + hash + `}}
    spec: {dnsPolicy: ClusterFirst, containers: [{name: dittofs, image: "example.org/dittofs:v1", imagePullPolicy: IfNotPresent}]}
  volumeClaimTemplates:
  - {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: cache, creationTimestamp: null}, spec: {accessModes: [ReadWriteOnce], volumeMode: Filesystem}, status: {phase: Pending}}
`

	whole := protostruct.With(asked, protostructtest.FromYAML(t, `{value: {
metadata: {annotations: {dittofs.io/template-hash: `+hash+`}},
spec: {dnsPolicy: ClusterFirst, containers: [{name: dittofs, image: "example.org/dittofs:v1", imagePullPolicy: IfNotPresent}]}}}`).GetFields()["value"], "spec", "template")

	cases := map[string]struct {
		reason       string
		owned, image string
		want         any
	}{
		"Exact":    {"What was asked for comes back, without defaults.", `"f:replicas": {}, "f:podManagementPolicy": {},`, `"f:image": {},`, asked},
		"Scaled":   {"What somebody else has set since counts as asked for.", "", `"f:image": {},`, asked},
		"NewImage": {"A pod template that somebody else has a part of is kept whole.", `"f:replicas": {}, "f:podManagementPolicy": {},`, "", whole},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			text := strings.NewReplacer("OWNED", tc.owned, "IMAGE", tc.image).Replace(live)

			got, err := read(manifest.RowOf(manifest.StatefulSet), protostructtest.FromYAML(t, text))
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(tc.want, got.Asked, protocmp.Transform()); diff != "" {
				t.Errorf("%s\nread(...): asked: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
