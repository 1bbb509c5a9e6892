package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

func server(t *testing.T, fields, input string) *composite.DittoServer {
	t.Helper()

	parse := func(y string) *structpb.Struct {
		m := map[string]any{}
		if err := yaml.Unmarshal([]byte(y), &m); err != nil {
			t.Fatal(err)
		}

		s, err := structpb.NewStruct(m)
		if err != nil {
			t.Fatal(err)
		}

		return s
	}

	xr := parse("{metadata: {name: files, namespace: storage}}")
	protostruct.Set(xr, structpb.NewStructValue(parse(fields)), "spec")
	protostruct.Set(xr, structpb.NewStringValue("jwt"), "spec", "identity", "jwt", "secretRef", "name")

	s, errs := composite.Decode(xr, parse(input))
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}

	return s
}

func TestCheck(t *testing.T) {
	const (
		restricted = "the platform's policy asks for the Pod Security Standard restricted: "
		baseline   = "the platform's policy asks for the Pod Security Standard baseline: "
	)

	cases := map[string]struct {
		reason string
		spec   string
		input  string
		want   []string
	}{
		"Default": {
			reason: "The pod that this function makes meets the restricted standard.",
			spec:   "{}",
			input:  "{}",
		},
		"Config": {
			reason: "Keys of config.yaml are allowed unless the platform says otherwise.",
			spec:   "{config: {gc: {auto_interval: 1h}}}",
			input:  "{}",
		},
		"ConfigForbidden": {
			reason: "The platform may want fields only.",
			spec:   "{config: {gc: {auto_interval: 1h}}}",
			input:  "{policy: {config: Forbid}}",
			want:   []string{"spec.config.gc: Forbidden: the platform's policy does not allow \"gc\", only [] (policy.config)"},
		},
		"ConfigNotThere": {
			reason: "What is not there is not forbidden.",
			spec:   "{}",
			input:  "{policy: {config: Forbid}}",
		},
		"Everything": {
			reason: "Privileged ports get a safe sysctl, which the restricted standard allows.",
			spec:   "{adapterPorts: {nfs: 2049, smb: 445}, smb: {enabled: true}, storage: {contentSize: 1Gi}}",
			input:  "{}",
		},
		"NetBindService": {
			reason: "The restricted standard allows this capability.",
			spec:   "{securityContext: {capabilities: {add: [NET_BIND_SERVICE]}}}",
			input:  "{}",
		},
		"Root": {
			reason: "The restricted standard wants no root.",
			spec:   "{podSecurityContext: {runAsNonRoot: false, runAsUser: 0}}",
			input:  "{}",
			want: []string{
				"spec.podSecurityContext: Forbidden: " + restricted + "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)",
				"spec.podSecurityContext: Forbidden: " + restricted + "runAsUser=0 (pod must not set runAsUser=0)",
			},
		},
		"RootContainer": {
			reason: "The container's own settings are named.",
			spec:   "{securityContext: {runAsNonRoot: false}}",
			input:  "{}",
			want:   []string{`spec.securityContext: Forbidden: ` + restricted + `runAsNonRoot != true (container "dittofs" must not set securityContext.runAsNonRoot=false)`},
		},
		"RootUnderBaseline": {
			reason: "The baseline standard lets root be.",
			spec:   "{podSecurityContext: {runAsNonRoot: false, runAsUser: 0}}",
			input:  "{policy: {podSecurity: baseline}}",
		},
		"PrivilegedUnderBaseline": {
			reason: "The baseline standard wants no privileged containers.",
			spec:   "{securityContext: {privileged: true}}",
			input:  "{policy: {podSecurity: baseline}}",
			want:   []string{`spec.securityContext: Forbidden: ` + baseline + `privileged (container "dittofs" must not set securityContext.privileged=true)`},
		},
		"UnsafeSysctl": {
			reason: "Sysctls are the pod's.",
			spec:   "{podSecurityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}}",
			input:  "{}",
			want:   []string{"spec.podSecurityContext: Forbidden: " + restricted + "forbidden sysctls (kernel.msgmax)"},
		},
		"AppArmor": {
			reason: "An old way to set an AppArmor profile is an annotation.",
			spec:   "{podAnnotations: {container.apparmor.security.beta.kubernetes.io/dittofs: unconfined}}",
			input:  "{}",
			want:   []string{`spec.podAnnotations: Forbidden: ` + restricted + `forbidden AppArmor profile (annotation must not set AppArmor profile type to "container.apparmor.security.beta.kubernetes.io/dittofs="unconfined"")`},
		},
		"Privileged": {
			reason: "A platform team may allow everything.",
			spec:   "{securityContext: {privileged: true}, podSecurityContext: {runAsNonRoot: false, runAsUser: 0}}",
			input:  "{policy: {podSecurity: privileged}}",
		},
		"ImageAllowed": {
			reason: "A prefix ends where a part of the name does.",
			spec:   "{image: 'registry.example.org/files/dittofs:v1'}",
			input:  "{policy: {images: [registry.example.org/other, registry.example.org/files]}}",
		},
		"ImageAllowedWhole": {
			reason: "A prefix may be a whole image.",
			spec:   "{image: 'registry.example.org/files/dittofs:v1'}",
			input:  "{policy: {images: ['registry.example.org/files/dittofs:v1']}}",
		},
		"ImageAllowedSlash": {
			reason: "A prefix may end with a slash.",
			spec:   "{image: 'registry.example.org/files/dittofs:v1'}",
			input:  "{policy: {images: [registry.example.org/]}}",
		},
		"ImageOfOthers": {
			reason: "A prefix does not end in the middle of a name.",
			spec:   "{image: 'registry.example.org/files-of-others/dittofs:v1'}",
			input:  "{policy: {images: [registry.example.org/files]}}",
			want:   []string{`spec.image: Forbidden: the platform's policy does not allow "registry.example.org/files-of-others/dittofs:v1", only ["registry.example.org/files"] (policy.images)`},
		},
		"ImageOfAnotherPort": {
			reason: "A registry at another port is another registry.",
			spec:   "{image: 'registry.example.org:5000/dittofs:v1'}",
			input:  "{policy: {images: [registry.example.org]}}",
			want:   []string{`spec.image: Forbidden: the platform's policy does not allow "registry.example.org:5000/dittofs:v1", only ["registry.example.org"] (policy.images)`},
		},
		"ImageWithTag": {
			reason: "A prefix may end before the tag.",
			spec:   "{image: 'registry.example.org/dittofs:v1'}",
			input:  "{policy: {images: [registry.example.org/dittofs]}}",
		},
		"EmptyPrefix": {
			reason: "An empty prefix allows nothing.",
			spec:   "{image: 'registry.example.org/dittofs:v1'}",
			input:  "{policy: {images: ['']}}",
			want:   []string{`spec.image: Forbidden: the platform's policy does not allow "registry.example.org/dittofs:v1", only [""] (policy.images)`},
		},
		"DefaultImage": {
			reason: "The default image is judged too.",
			spec:   "{version: 0.29.0}",
			input:  "{policy: {images: [registry.example.org]}}",
			want:   []string{`spec.image: Forbidden: the platform's policy does not allow "marmos91c/dittofs:v0.29.0", only ["registry.example.org"] (policy.images)`},
		},
		"ServiceAccountAllowed": {
			reason: "A DittoServer may name an allowed service account.",
			spec:   "{serviceAccountName: files}",
			input:  "{policy: {serviceAccountNames: [files]}}",
		},
		"ServiceAccountUnset": {
			reason: "A DittoServer that names none passes.",
			spec:   "{}",
			input:  "{policy: {serviceAccountNames: [files]}}",
		},
		"ServiceAccountForbidden": {
			reason: "A DittoServer may not name another service account.",
			spec:   "{serviceAccountName: admin}",
			input:  "{policy: {serviceAccountNames: [files]}}",
			want:   []string{`spec.serviceAccountName: Forbidden: the platform's policy does not allow "admin", only ["files"] (policy.serviceAccountNames)`},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := server(t, tc.spec, tc.input)

			var got []string
			for _, err := range Check(s, objects(t, s)) {
				got = append(got, err.Error())
			}

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nCheck(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// A config.yaml that is kept, or that comes back, may have keys that the spec does not have.
func TestCheckKept(t *testing.T) {
	const gc = "gc: {auto_interval: 2h}\n"

	cases := map[string]struct {
		reason, input, config, covered string
		want                           []string
	}{
		"Allowed":     {"Keys are allowed unless the platform says otherwise.", "{}", gc, gc, nil},
		"Own":         {"What the function writes needs no permission.", "{policy: {config: Forbid}}", "logging: {level: INFO}\n", "", nil},
		"ConfigMap":   {"The next pod gets what the ConfigMap has.", "{policy: {config: Forbid}}", gc, "", []string{"spec.config.gc"}},
		"PodTemplate": {"This one started with what it covers.", "{policy: {config: Forbid}}", "", gc, []string{"spec.config.gc"}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := server(t, "{}", tc.input)

			built := objects(t, s)
			for _, o := range built {
				if set, ok := o.Object.(*appsv1.StatefulSet); ok {
					set.Spec.Template.Annotations[v1alpha1.AnnotationConfig] = tc.covered
				}
			}

			var got []string
			for _, err := range CheckKept(s, built, tc.config) {
				got = append(got, err.Field)
			}

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nCheckKept(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// A pod template that somebody changed may have no container of the server.
func TestCheckKeptWithoutContainer(t *testing.T) {
	s := server(t, "{}", "{policy: {podSecurity: baseline}}")

	built := objects(t, s)
	for _, o := range built {
		if set, ok := o.Object.(*appsv1.StatefulSet); ok {
			set.Spec.Template.Spec.Containers = nil
		}
	}

	if errs := CheckKept(s, built, ""); len(errs) > 0 {
		t.Errorf("CheckKept(...): want no error, got: %v", errs)
	}
}

// objects returns those of a server.
func objects(t *testing.T, s *composite.DittoServer) []manifest.Built {
	t.Helper()

	image := s.Spec.Image
	if image == "" {
		image = s.Release.Image()
	}

	pod, err := manifest.Pod(s, manifest.PodInputs{Image: image})
	if err != nil {
		t.Fatal(err)
	}

	built, err := manifest.Objects(s, manifest.Inputs{Pod: pod})
	if err != nil {
		t.Fatal(err)
	}

	return built
}
