package guard

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/internal/secret"
)

func TestReturning(t *testing.T) {
	const recorded = `{metadata: {annotations: {dittofs.io/ran: '{"image":"dittofs:ran","version":"0.29.0"}'}}, data: {config.yaml: ran}}`

	cases := map[string]struct {
		reason    string
		configMap string
		statefulSet,
		version, allowed string
		config v1beta1.Permission

		// want is the image that the server returns to, if it does.
		want string
	}{
		"Gone": {
			reason:    "What ran can run again.",
			configMap: recorded,
			want:      "dittofs:ran",
		},
		"Asked": {
			reason:      "A StatefulSet that is observed knows better.",
			configMap:   recorded,
			statefulSet: `{spec: {template: {}}}`,
		},
		"NothingRan": {
			reason:    "Before the first start there is nothing to return to.",
			configMap: `{data: {config.yaml: ran}}`,
		},
		"NoConfig": {
			reason:    "Without its config.yaml nobody knows the database.",
			configMap: `{metadata: {annotations: {dittofs.io/ran: '{"image":"dittofs:ran"}'}}}`,
		},
		"Forbidden": {
			reason:    "What the platform's policy forbids does not run again.",
			configMap: recorded,
			allowed:   "registry.example.org/",
		},
		"ForbiddenConfig": {
			reason:    "A record may have keys of config.yaml that the policy forbids, and natively anybody who writes ConfigMaps may have written it.",
			configMap: `{metadata: {annotations: {dittofs.io/ran: '{"image":"dittofs:ran","version":"0.29.0","config":"gc: {auto_interval: 2h}"}'}}, data: {config.yaml: ran}}`,
			config:    v1beta1.Forbid,
		},
		"NoCache": {
			reason:    "The desired release has no volume for the cache of the one that ran.",
			configMap: `{metadata: {annotations: {dittofs.io/ran: '{"image":"dittofs:ran","version":"0.8.0"}'}}, data: {config.yaml: ran}}`,
			version:   "0.29.0",
		},
		"LDAPRemoved": {
			reason:    "What the spec says no more of a directory is known to nobody.",
			configMap: `{metadata: {annotations: {dittofs.io/ran: '{"image":"dittofs:ran","version":"0.29.0"}'}}, data: {config.yaml: "ldap:\n  enabled: true\n"}}`,
		},
		"Cache": {
			reason:    "The desired release has a volume for the cache.",
			configMap: `{metadata: {annotations: {dittofs.io/ran: '{"image":"dittofs:ran","version":"0.8.0"}'}}, data: {config.yaml: ran}}`,
			version:   "0.7.0",
			want:      "dittofs:ran",
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := &composite.DittoServer{Name: "files", Input: v1beta1.Input{Policy: v1beta1.Policy{PodSecurity: v1beta1.PodSecurityPrivileged}}}
			if tc.version != "" {
				s.Release = release(t, tc.version)
			}

			s.Input.Policy.Config = tc.config
			if tc.allowed != "" {
				s.Input.Policy.Images = []string{tc.allowed}
			}

			s.Spec.Default()

			desired := &corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{}, Annotations: map[string]string{}},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: v1alpha1.Container, Image: "dittofs:desired"}}},
			}

			o := observed.Resources{manifest.ConfigMap: {Asked: protostructtest.FromYAML(t, tc.configMap)}}
			if tc.statefulSet != "" {
				o[manifest.StatefulSet] = &observed.Resource{Asked: protostructtest.FromYAML(t, tc.statefulSet)}
			}

			got, err := Returning(s, desired, manifest.PodInputs{}, o, digester{})
			if err != nil {
				t.Fatalf("%s\nReturning(...): %v", tc.reason, err)
			}

			if diff := cmp.Diff(tc.want, manifest.ContainerImage(got[manifest.StatefulSet])); diff != "" {
				t.Errorf("%s\nReturning(...): -want, +got:\n%s", tc.reason, diff)
			}

			if tc.want == "" {
				return
			}

			annotations := protostruct.Get(got[manifest.StatefulSet], "spec", "template", "metadata", "annotations").GetStructValue().GetFields()
			for k, want := range map[string]string{v1alpha1.AnnotationConfig: "ran", v1alpha1.AnnotationConfigHash: "digest of ran"} {
				if got := annotations[k].GetStringValue(); got != want {
					t.Errorf("%s\nReturning(...): want %s %q, got: %q", tc.reason, k, want, got)
				}
			}

			if !manifest.IsSealed(got[manifest.StatefulSet]) {
				t.Errorf("%s\nReturning(...): the pod template has no digest of itself", tc.reason)
			}
		})
	}
}

// An approval is of a change from what ran, and of no other. It is the same one once the server
// has come back.
func TestReadChangeOfRecord(t *testing.T) {
	parse := func(text string) *structpb.Struct { return protostructtest.FromYAML(t, text) }
	recorded := func(record string) *observed.Resource {
		return &observed.Resource{Asked: parse(`{metadata: {annotations: {dittofs.io/ran: '` + record + `'}}, data: {config.yaml: ran}}`)}
	}

	desired := manifest.Manifests{manifest.StatefulSet: parse(`{spec: {template: {spec: {containers: [{name: dittofs, image: "dittofs:desired"}]}}}}`)}
	returning := manifest.Manifests{manifest.StatefulSet: parse(`{spec: {template: {spec: {containers: [{name: dittofs, image: "dittofs:ran"}]}}}}`)}
	read := func(returning manifest.Manifests, o observed.Resources) string {
		return Read(&composite.DittoServer{}, desired, returning, o, observed.Predecessors{}, observed.Claims{}, secret.Secrets{}, digester{}).Change
	}

	change := read(returning, observed.Resources{manifest.ConfigMap: recorded(`{"image":"dittofs:ran","statefulSet":"a"}`)})

	if change == "" {
		t.Fatal("Read(...): want a Change from what ran")
	}

	back := observed.Resources{manifest.ConfigMap: recorded(`{"image":"dittofs:ran","statefulSet":"a"}`), manifest.StatefulSet: {Asked: returning[manifest.StatefulSet]}}
	if got := read(nil, back); got != change {
		t.Errorf("Read(...): want the same Change once the StatefulSet is asked for, got: %s", got)
	}

	for reason, got := range map[string]string{
		"It ran again in between.": read(returning, observed.Resources{manifest.ConfigMap: recorded(`{"image":"dittofs:ran","statefulSet":"b"}`)}),
		"It ran something else.":   read(manifest.Manifests{manifest.StatefulSet: desired[manifest.StatefulSet]}, observed.Resources{manifest.ConfigMap: recorded(`{"image":"dittofs:ran","statefulSet":"a"}`)}),
	} {
		if got == change {
			t.Errorf("%s\nRead(...): want another Change", reason)
		}
	}

	if got := read(nil, observed.Resources{}); got != "" {
		t.Errorf("Read(...): want no Change where nothing ran, got: %s", got)
	}
}
