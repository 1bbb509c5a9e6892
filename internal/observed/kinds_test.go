package observed

import (
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/object"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

// monitored returns a server that asks for a ServiceMonitor, and an input that names the kind.
func monitored(source v1beta1.KindSource) *composite.DittoServer {
	s := &composite.DittoServer{Name: "files", Namespace: "storage"}
	s.Spec.Metrics.Enabled, s.Spec.Metrics.ServiceMonitor.Enabled = true, true

	if source != "" {
		s.Input.Kinds = map[string]v1beta1.KindSource{composite.KindServiceMonitor: source}
	}

	return s
}

func TestReadKinds(t *testing.T) {
	const established = "conditions: [{type: NamesAccepted, status: 'True'}, {type: Established, status: 'True'}]"

	cases := map[string]struct {
		reason string
		source v1beta1.KindSource

		// crd is what was fetched; "none" says that it does not exist, "" that nobody looked.
		crd      string
		observed Resources

		// isOff says that the server asks for none.
		isOff bool

		want     Kinds
		required bool
	}{
		"NotNamed":    {reason: "The platform does not offer the kind, whatever there is.", want: Kinds{manifest.Monitor: Absent}},
		"Present":     {reason: "The platform says so.", source: v1beta1.KindPresent, want: Kinds{manifest.Monitor: Present}},
		"NotFetched":  {reason: "What nobody looked for may be there.", source: v1beta1.KindDiscover, want: Kinds{manifest.Monitor: Unknown}, required: true},
		"None":        {reason: "Crossplane looked.", source: v1beta1.KindDiscover, crd: "none", want: Kinds{manifest.Monitor: Absent}, required: true},
		"Serves":      {reason: "It takes this version.", source: v1beta1.KindDiscover, crd: "{spec: {versions: [{name: v1, served: true, schema: {a: b}}]}, status: {" + established + "}}", want: Kinds{manifest.Monitor: Present}, required: true},
		"Other":       {reason: "Another version is another schema.", source: v1beta1.KindDiscover, crd: "{spec: {versions: [{name: v1beta1, served: true}]}, status: {" + established + "}}", want: Kinds{manifest.Monitor: Absent}, required: true},
		"NotServed":   {reason: "A version may be given up.", source: v1beta1.KindDiscover, crd: "{spec: {versions: [{name: v1, served: false}]}, status: {" + established + "}}", want: Kinds{manifest.Monitor: Absent}, required: true},
		"NotYet":      {reason: "The API server does not serve it yet.", source: v1beta1.KindDiscover, crd: "{spec: {versions: [{name: v1, served: true}]}}", want: Kinds{manifest.Monitor: Absent}, required: true},
		"Leaving":     {reason: "The API server takes no more objects.", source: v1beta1.KindDiscover, crd: "{metadata: {deletionTimestamp: '2026-01-01T00:00:00Z'}, spec: {versions: [{name: v1, served: true}]}, status: {" + established + "}}", want: Kinds{manifest.Monitor: Absent}, required: true},
		"Off":         {reason: "Nobody asks for one.", source: v1beta1.KindDiscover, isOff: true, want: Kinds{}},
		"OffObserved": {reason: "Whether it can be deleted depends on the kind.", source: v1beta1.KindDiscover, isOff: true, observed: Resources{manifest.Monitor: {}}, crd: "none", want: Kinds{manifest.Monitor: Absent}, required: true},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, required := monitored(tc.source), map[string]*fnv1.Resources{}
			s.Spec.Metrics.ServiceMonitor.Enabled = !tc.isOff

			const crd = "kind/servicemonitors.monitoring.coreos.com"

			if tc.crd != "" {
				required[crd] = &fnv1.Resources{}
			}

			if tc.crd != "" && tc.crd != "none" {
				required[crd].Items = []*fnv1.Resource{{Resource: protostructtest.FromYAML(t, tc.crd)}}
			}

			got, err := ReadKinds(s, tc.observed, required)
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nReadKinds(...): -want, +got:\n%s", tc.reason, diff)
			}

			sel := Requirements(s, tc.observed, got)[crd]
			if (sel != nil) != tc.required || sel != nil && !IsKind(crd) {
				t.Errorf("%s\nRequirements(...): want required %v, got %v", tc.reason, tc.required, sel)
			}
		})
	}
}

// An object of a missing kind is not composed, and one that cannot be deleted is kept until it
// can be let go.
func TestKinds(t *testing.T) {
	const (
		of       = "{apiVersion: kubernetes.m.crossplane.io/v1alpha1, kind: Object, spec: {"
		manage   = of + "managementPolicies: ['*']}}"
		unnamed  = of + "}}"
		deletes  = of + "managementPolicies: [Observe, Delete]}}"
		observes = of + "managementPolicies: [Observe]}}"
		native   = "{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor}"
	)

	cases := map[string]struct {
		reason   string
		kind     Availability
		observed string

		// isOff says that no ServiceMonitor is desired.
		isOff bool

		possible bool
		kept     map[manifest.Name]object.Policy
	}{
		"Present":         {reason: "It is composed.", kind: Present, possible: true, kept: map[manifest.Name]object.Policy{}},
		"Off":             {reason: "The provider deletes what nobody wants any more.", kind: Present, observed: manage, isOff: true, kept: map[manifest.Name]object.Policy{}},
		"Absent":          {reason: "Nothing could apply it.", kind: Absent, kept: map[manifest.Name]object.Policy{}},
		"AbsentObject":    {reason: "The provider must not look at what it is to delete.", kind: Absent, observed: manage, kept: map[manifest.Name]object.Policy{manifest.Monitor: object.Observe}},
		"AbsentUnnamed":   {reason: "The provider's default deletes.", kind: Absent, observed: unnamed, kept: map[manifest.Name]object.Policy{manifest.Monitor: object.Observe}},
		"AbsentDeletes":   {reason: "So does what a person chose.", kind: Absent, observed: deletes, isOff: true, kept: map[manifest.Name]object.Policy{manifest.Monitor: object.Observe}},
		"AbsentLetGo":     {reason: "It goes at once now.", kind: Absent, observed: observes, kept: map[manifest.Name]object.Policy{}},
		"AbsentNative":    {reason: "Crossplane takes what is not found for deleted.", kind: Absent, observed: native, kept: map[manifest.Name]object.Policy{}},
		"Unknown":         {reason: "It may be missing.", kind: Unknown, kept: map[manifest.Name]object.Policy{}},
		"UnknownComposed": {reason: "What is there stays.", kind: Unknown, observed: manage, possible: true, kept: map[manifest.Name]object.Policy{}},
		"UnknownOff":      {reason: "Perhaps it cannot be deleted.", kind: Unknown, observed: manage, isOff: true, kept: map[manifest.Name]object.Policy{manifest.Monitor: object.Manage}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			desired := manifest.Manifests{manifest.ConfigMap: protostructtest.FromYAML(t, "{kind: ConfigMap}")}
			if !tc.isOff {
				desired[manifest.Monitor] = protostructtest.FromYAML(t, native)
			}

			o, k := Resources{}, Kinds{manifest.Monitor: tc.kind}
			if tc.observed != "" {
				o[manifest.Monitor] = &Resource{Raw: protostructtest.FromYAML(t, tc.observed)}
			}

			want := manifest.Manifests{manifest.ConfigMap: desired[manifest.ConfigMap]}
			if tc.possible {
				want[manifest.Monitor] = desired[manifest.Monitor]
			}

			got := k.Possible(desired, o)
			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
				t.Errorf("%s\nPossible(...): -want, +got:\n%s", tc.reason, diff)
			}

			if diff := cmp.Diff(tc.kept, k.Kept(got, o)); diff != "" {
				t.Errorf("%s\nKept(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// Natively Crossplane fails on a required resource of a kind that it does not know.
func TestRequirementsOfKinds(t *testing.T) {
	for kind, want := range map[Availability]bool{Unknown: false, Absent: false, Present: true} {
		s := monitored(v1beta1.KindPresent)
		s.Input.Compose = v1beta1.ComposeNative

		if _, got := Requirements(s, nil, Kinds{manifest.Monitor: kind})["running/servicemonitor"]; got != want {
			t.Errorf("Requirements(...) with the kind %d: want it required %v, got %v", kind, want, got)
		}
	}
}

func TestKindWarnings(t *testing.T) {
	for source, want := range map[v1beta1.KindSource]int{"": 1, v1beta1.KindDiscover: 1} {
		if got := len((Kinds{manifest.Monitor: Absent}).Warnings(monitored(source))); got != want {
			t.Errorf("Warnings(...) with %q: want %d, got %d", source, want, got)
		}
	}

	off := monitored("")
	off.Spec.Metrics.ServiceMonitor.Enabled = false

	for reason, got := range map[string][]string{
		"What is composed needs no warning":   (Kinds{manifest.Monitor: Present}).Warnings(monitored("")),
		"What is not known yet needs none":    (Kinds{manifest.Monitor: Unknown}).Warnings(monitored("")),
		"What nobody asks for needs none yet": (Kinds{manifest.Monitor: Absent}).Warnings(off),
	} {
		if len(got) > 0 {
			t.Errorf("%s: got %q", reason, got)
		}
	}
}
