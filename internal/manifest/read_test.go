package manifest

import (
	"testing"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

// asked are manifests that were asked last.
type asked Manifests

func (a asked) Asked(n Name) *structpb.Struct { return a[n] }
func (asked) IsRefused(Name) bool             { return false }

// refused are manifests that were asked last, and that the API server refused.
type refused struct{ asked }

func (refused) IsRefused(Name) bool { return true }

func TestImage(t *testing.T) {
	const image = "registry.example.org/dittofs:"

	noted := protostructtest.FromYAML(t, "{metadata: {annotations: {dittofs.io/image: '"+image+"noted'}}}")
	template := protostructtest.FromYAML(t, "{spec: {template: {spec: {containers: [{name: dittofs, image: '"+image+"asked'}]}}}}")
	mirror := protostructtest.FromYAML(t, "{spec: {template: {metadata: {annotations: {dittofs.io/template-hash: other}}, spec: {containers: [{name: dittofs, image: 'mirror.example.org/dittofs:noted'}]}}}}")

	cases := map[string]struct {
		reason string
		image  string
		known  bool
		asked  asked
		want   string
	}{
		"Spec":          {"The spec's image wins.", image + "spec", true, asked{ConfigMap: noted, StatefulSet: Seal(template)}, image + "spec"},
		"Version":       {"A version names an image.", "", true, asked{ConfigMap: noted, StatefulSet: Seal(template)}, dittofs.Repository + ":v0.27.0"},
		"New":           {"A new server gets the newest release.", "", false, nil, dittofs.Repository + ":" + dittofs.NewestVersion},
		"Kept":          {"A server keeps its image, so that a new version of this function upgrades nobody.", "", false, asked{ConfigMap: noted, StatefulSet: Seal(template)}, image + "asked"},
		"NoConfigMap":   {"Also without its ConfigMap.", "", false, asked{StatefulSet: template}, image + "asked"},
		"NoStatefulSet": {"A StatefulSet that is created anew has the image that ran.", "", false, asked{ConfigMap: noted}, image + "noted"},
		"Mirror":        {"A pod template that a webhook changed names another image.", "", false, asked{ConfigMap: noted, StatefulSet: mirror}, image + "noted"},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := &composite.DittoServer{Spec: v1alpha1.DittoServerSpec{Image: tc.image}}
			if tc.known {
				var err error
				if s.Release, err = dittofs.ParseRelease("0.27.0"); err != nil {
					t.Fatal(err)
				}
			}

			if got := Image(s, tc.asked); got != tc.want {
				t.Errorf("%s\nImage(...): want %s, got %s", tc.reason, tc.want, got)
			}
		})
	}
}

// An approval is of one change, and of no other.
func TestChangeHash(t *testing.T) {
	a := protostructtest.FromYAML(t, "{spec: {replicas: 1, template: {metadata: {annotations: {dittofs.io/config-hash: same}}, spec: {image: a}}}}")
	b := protostructtest.FromYAML(t, "{spec: {replicas: 1, template: {metadata: {annotations: {dittofs.io/config-hash: same}}, spec: {image: b}}}}")
	scaled := protostruct.With(b, structpb.NewNumberValue(0), "spec", "replicas")
	second, third := structpb.NewNumberValue(2), structpb.NewNumberValue(3)

	change := ChangeHash(b, a, second)

	cases := map[string]struct {
		reason         string
		desired, asked *structpb.Struct
		occasion       *structpb.Value
		want           bool
	}{
		"Same":       {"The same again is the same.", b, a, second, true},
		"Scaled":     {"Replicas restart nothing.", scaled, a, second, true},
		"Desired":    {"Another pod template is another change, whatever digest it carries.", protostruct.With(b, structpb.NewStringValue("c"), "spec", "template", "spec", "image"), a, second, false},
		"Asked":      {"So is a change of something else.", b, b, second, false},
		"Generation": {"A change that comes again, after the server went back, is another one.", b, a, third, false},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := ChangeHash(tc.desired, tc.asked, tc.occasion) == change; got != tc.want {
				t.Errorf("%s\nChangeHash(...): want the same: %t, got: %t", tc.reason, tc.want, got)
			}
		})
	}
}
