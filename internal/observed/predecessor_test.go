package observed

import (
	"maps"
	"slices"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/object"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

// An object in the StatefulSet's place decides whether there can be one.
func TestWithRequired(t *testing.T) {
	xr := protostructtest.FromYAML(t, "{metadata: {uid: own}}")
	object := func(uid, more string) *structpb.Struct {
		return protostructtest.FromYAML(t, `{apiVersion: kubernetes.m.crossplane.io/v1alpha1, kind: Object,
metadata: {name: files-abc, ownerReferences: [{uid: another}, {uid: `+uid+`, controller: true}]`+more+`},
spec: {forProvider: {manifest: {spec: {serviceName: files-headless, podManagementPolicy: Parallel, selector: {matchLabels: {a: b}}, volumeClaimTemplates: [{metadata: {name: metadata}}], template: {spec: {containers: [{name: dittofs, image: "dittofs:old"}]}}}}}}}`)
	}

	const gone = `, deletionTimestamp: "2026-01-01T00:00:00Z"`

	cases := map[string]struct {
		reason   string
		observed Resources

		// there is what was fetched; nil says that nothing was.
		there []*structpb.Struct

		want  Predecessors
		image string
	}{
		"NotFetched": {"What is not known may be there.", Resources{}, nil, Predecessors{}, ""},
		"None":       {"The place is free.", Resources{}, []*structpb.Struct{}, Predecessors{Fetched: true}, ""},
		"Leaving":    {"Its successor would be applied to the Object that is being deleted, and never come to be.", Resources{}, []*structpb.Struct{object("own", gone)}, Predecessors{Fetched: true, Names: []string{"Object files-abc"}}, ""},
		"Foreign": {
			"Two Objects would fight over one StatefulSet.",
			Resources{},
			[]*structpb.Struct{object("other", "")},
			Predecessors{Fetched: true, Names: []string{"Object files-abc (which is not this DittoServer's: remove it, or give the DittoServer another name)"}},
			"",
		},
		"Two":      {"All must be gone, named in the same order each time.", Resources{}, []*structpb.Struct{object("other", gone), object("own", gone)}, Predecessors{Fetched: true, Names: []string{"Object files-abc", "Object files-abc"}}, ""},
		"Own":      {"Crossplane may not see yet what it made. What runs is kept as if it did.", Resources{}, []*structpb.Struct{object("own", "")}, Predecessors{Fetched: true}, "dittofs:old"},
		"Observed": {"What Crossplane observes is not required.", Resources{manifest.StatefulSet: {}}, nil, Predecessors{Fetched: true}, ""},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			required := map[string]*fnv1.Resources{}
			if tc.there != nil {
				rs := &fnv1.Resources{}
				for _, o := range tc.there {
					rs.Items = append(rs.Items, &fnv1.Resource{Resource: o})
				}

				required[requirement(manifest.StatefulSet)] = rs
			}

			before := slices.Sorted(maps.Keys(tc.observed))

			got, predecessors, err := WithRequired(&composite.DittoServer{Name: "files", Namespace: "storage"}, xr, tc.observed, nil, required)
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(tc.want, predecessors); diff != "" {
				t.Errorf("%s\nWithRequired(...): predecessors: -want, +got:\n%s", tc.reason, diff)
			}

			if image := manifest.ContainerImage(got.Asked(manifest.StatefulSet)); image != tc.image {
				t.Errorf("%s\nWithRequired(...): want the image %q, got %q", tc.reason, tc.image, image)
			}

			if diff := cmp.Diff(before, slices.Sorted(maps.Keys(tc.observed))); diff != "" {
				t.Errorf("%s\nWithRequired(...) changes what is observed: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// What Crossplane does not observe is required: the Object by its labels, or what is composed
// natively by its name.
// A StatefulSet is left out only where it goes, and is looked for meanwhile.
func TestCanBeLeftOut(t *testing.T) {
	labels := "labels: {dittofs.io/namespace: storage, dittofs.io/statefulset: files}"
	live := &structpb.Struct{}

	cases := map[string]struct {
		reason string
		native bool
		raw    string
		o      Resource
		want   bool
	}{
		"Managed":    {"The provider deletes it with its Object.", false, labels, Resource{Live: live}, true},
		"Unlabelled": {"Nobody would find the Object.", false, "name: files", Resource{Live: live}, false},
		"Created":    {"It would stay, with the claim templates that it has.", false, labels, Resource{Policy: object.Create, Live: live}, false},
		"Missing":    {"There is none that could stay.", false, labels, Resource{Policy: object.Create}, true},
		"Native":     {"Crossplane deletes it itself.", true, "name: files", Resource{Policy: object.Create, Live: live}, true},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := &composite.DittoServer{Namespace: "storage", Name: "files"}
			if tc.native {
				s.Input.Compose = v1beta1.ComposeNative
			}

			tc.o.Raw = protostructtest.FromYAML(t, "{metadata: {"+tc.raw+"}}")

			if got := CanBeLeftOut(s, &tc.o); got != tc.want {
				t.Errorf("%s\nCanBeLeftOut(...): want %t, got %t", tc.reason, tc.want, got)
			}
		})
	}
}

func TestRequirements(t *testing.T) {
	labels := &fnv1.ResourceSelector_MatchLabels{MatchLabels: &fnv1.MatchLabels{Labels: map[string]string{"dittofs.io/namespace": "storage", "dittofs.io/statefulset": "files"}}}

	cases := map[string]struct {
		reason   string
		change   func(s *composite.DittoServer)
		observed Resources
		want     map[string]*fnv1.ResourceSelector
	}{
		"Namespaced": {
			reason: "A StatefulSet's Object may be anywhere in its namespace.",
			change: func(*composite.DittoServer) {},
			want: map[string]*fnv1.ResourceSelector{
				"running/statefulset": {ApiVersion: "kubernetes.m.crossplane.io/v1alpha1", Kind: "Object", Namespace: new("storage"), Match: labels},
			},
		},
		"ClusterScoped": {
			reason: "A claim's Object has no namespace.",
			change: func(s *composite.DittoServer) { s.ClusterScoped = true },
			want: map[string]*fnv1.ResourceSelector{
				"running/statefulset": {ApiVersion: "kubernetes.crossplane.io/v1alpha2", Kind: "Object", Match: labels},
			},
		},
		"Observed": {
			reason:   "What Crossplane observes is in the request.",
			change:   func(*composite.DittoServer) {},
			observed: Resources{manifest.StatefulSet: {}},
			want:     map[string]*fnv1.ResourceSelector{},
		},
		"Native": {
			reason:   "Natively, Crossplane would take over what nobody controls.",
			change:   func(s *composite.DittoServer) { s.Input.Compose = v1beta1.ComposeNative },
			observed: Resources{manifest.ServiceAPI: {}, manifest.ServiceFile: {}, manifest.ServiceHeadless: {}},
			want: map[string]*fnv1.ResourceSelector{
				"running/configmap":   {ApiVersion: "v1", Kind: "ConfigMap", Namespace: new("storage"), Match: &fnv1.ResourceSelector_MatchName{MatchName: "files-config"}},
				"running/statefulset": {ApiVersion: "apps/v1", Kind: "StatefulSet", Namespace: new("storage"), Match: &fnv1.ResourceSelector_MatchName{MatchName: "files"}},
			},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := &composite.DittoServer{Name: "files", Namespace: "storage"}
			tc.change(s)

			if diff := cmp.Diff(tc.want, Requirements(s, tc.observed, nil), protocmp.Transform()); diff != "" {
				t.Errorf("%s\nRequirements(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
