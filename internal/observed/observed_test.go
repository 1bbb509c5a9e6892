package observed

import (
	"strings"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/condition"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/object"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

func TestRead(t *testing.T) {
	const (
		configMap = "{apiVersion: v1, kind: ConfigMap, metadata: {name: files-config}, data: {config.yaml: new}}"
		applied   = `{apiVersion: kubernetes.m.crossplane.io/v1alpha1, kind: Object, metadata: {name: a, generation: 2},
spec: {forProvider: {manifest: {data: {config.yaml: new}}}},
status: {atProvider: {manifest: {data: {config.yaml: old}}}, conditions: [{type: Synced, status: "False", reason: ReconcileError, observedGeneration: 1}]}}`
	)

	const (
		labels   = "metadata: {labels: {app.kubernetes.io/managed-by: function-dittoserver, app.kubernetes.io/instance: files}}"
		labelled = "{" + labels + ", data: {config.yaml: new}}"
		older    = "{kind: ConfigMap, " + labels + ", data: {config.yaml: old}}"
		begin    = "{apiVersion: kubernetes.m.crossplane.io/v1alpha1, kind: Object, spec: {forProvider: {manifest: " + labelled + "}, managementPolicies: "
		others   = begin + "[Observe, Create]}, status: {atProvider: {manifest: {kind: ConfigMap, metadata: {name: files-config, labels: {app.kubernetes.io/managed-by: Helm, app.kubernetes.io/instance: files}}}}}}"
		leftover = begin + "[Observe, Create]}, status: {atProvider: {manifest: " + older + "}}}"
		managed  = begin + `["*"]}, status: {atProvider: {manifest: {kind: ConfigMap, metadata: {name: files-config}}}}}`
		paused   = begin + "[]}}"
	)

	raw := protostructtest.FromYAML

	cases := map[string]struct {
		reason   string
		resource string
		want     *Resource
		err      string
	}{
		"Object": {
			reason:   "It tells what was asked for apart from what is live.",
			resource: applied,
			want: &Resource{
				Raw: raw(t, applied), Asked: raw(t, "{data: {config.yaml: new}}"), Live: raw(t, "{data: {config.yaml: old}}"),
				Synced: &condition.Condition{Status: "False", Reason: "ReconcileError", ObservedGeneration: 1},
			},
		},
		"Foreign": {
			reason:   "Nothing of somebody else's is read.",
			resource: others,
			want: &Resource{
				Raw: raw(t, others), Asked: raw(t, labelled), Current: true, Policy: object.Create,
				Foreign: "ConfigMap files-config (which is not this DittoServer's: remove it, or give the DittoServer another name)",
			},
		},
		"Leftover": {
			reason:   "An earlier server of this name left it.",
			resource: leftover,
			want:     &Resource{Raw: raw(t, leftover), Asked: raw(t, labelled), Live: raw(t, older), Current: true, Policy: object.Create},
		},
		"Relabelled": {
			reason:   "The provider may write what it manages, whatever its labels.",
			resource: managed,
			want:     &Resource{Raw: raw(t, managed), Asked: raw(t, labelled), Live: raw(t, "{kind: ConfigMap, metadata: {name: files-config}}"), Current: true},
		},
		"Paused": {
			reason:   "Nothing was asked for yet.",
			resource: paused,
			want:     &Resource{Raw: raw(t, paused), Current: true, Policy: object.Pause},
		},
		"Native": {
			reason:   "Nobody owns the live object's data. Crossplane applies it itself, so that it is always of what was asked for.",
			resource: configMap,
			want:     &Resource{Raw: raw(t, configMap), Asked: raw(t, "{metadata: {name: files-config}}"), Live: raw(t, configMap), Current: true},
		},
		"Half": {
			reason:   "A hold would keep nothing.",
			resource: "{apiVersion: kubernetes.m.crossplane.io/v1alpha1, kind: Object, metadata: {name: a}, spec: {forProvider: {manifest: {kind: ConfigMap}}}}",
			err:      "the manifest of Object a lacks what this function writes",
		},
		"OtherKind": {
			reason:   "What it was asked for cannot be guessed.",
			resource: "{apiVersion: v1, kind: Secret, metadata: {name: a}}",
			err:      "it is v1 Secret a, neither v1 ConfigMap nor an Object",
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Read(map[string]*fnv1.Resource{
				"configmap": {Resource: raw(t, tc.resource)},
				"other":     {Resource: raw(t, "{apiVersion: example.org/v1, kind: Other}")},
			})
			if (err != nil) != (tc.err != "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Fatalf("%s\nRead(...): want error %q, got: %v", tc.reason, tc.err, err)
			}

			var want Resources
			if tc.want != nil {
				want = Resources{manifest.ConfigMap: tc.want}
			}

			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
				t.Errorf("%s\nRead(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// A resource that is not decoded cannot be read.
func TestReads(t *testing.T) {
	for row := range manifest.Rows() {
		if !Reads(string(row.Name)) || !ReadsManagers(row.Kind.Kind) {
			t.Errorf("Reads(%s), ReadsManagers(%s): want both", row.Name, row.Kind.Kind)
		}
	}

	if Reads("other") || ReadsManagers("Object") {
		t.Error("Reads(other), ReadsManagers(Object): want neither")
	}
}

func TestHasStarted(t *testing.T) {
	parse := func(text string) *structpb.Struct { return protostructtest.FromYAML(t, text) }

	cases := map[string]struct {
		reason string
		o      Resources
		want   bool
	}{
		"First": {
			reason: "A ConfigMap comes before the first start.",
			o:      Resources{manifest.ConfigMap: {Asked: parse(`{data: {config.yaml: a}}`)}},
		},
		"Paused": {
			reason: "Nothing is asked of a StatefulSet whose Object is paused.",
			o:      Resources{manifest.StatefulSet: {}},
		},
		"Asked": {
			reason: "What was asked may be live by now.",
			o:      Resources{manifest.StatefulSet: {Asked: parse(`{kind: StatefulSet}`)}},
			want:   true,
		},
		"Live": {
			reason: "What is live runs.",
			o:      Resources{manifest.StatefulSet: {Live: parse(`{kind: StatefulSet}`)}},
			want:   true,
		},
		"Gone": {
			reason: "A stopped server that is created anew has started before.",
			o:      Resources{manifest.ConfigMap: {Asked: parse(`{metadata: {annotations: {dittofs.io/ran: '{"image":"dittofs:a"}'}}}`)}},
			want:   true,
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := tc.o.HasStarted(); got != tc.want {
				t.Errorf("%s\nHasStarted(): want %t, got: %t", tc.reason, tc.want, got)
			}
		})
	}
}
