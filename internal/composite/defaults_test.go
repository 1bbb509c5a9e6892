package composite

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDefaults checks what a server has of the input's defaults, and where errors of them are.
func TestDefaults(t *testing.T) {
	cases := map[string]struct {
		reason string

		// spec is the user's, without identity.
		spec, defaults string

		// want are parts of the spec that counts, and from its fields that are the defaults'.
		want map[string]string
		from []string
		errs []string
	}{
		"None": {
			reason: "Without defaults the spec is the user's.",
			spec:   "{service: {type: NodePort}}",
			want:   map[string]string{"service.type": "NodePort"},
		},
		"Merged": {
			reason:   "Objects are merged, and the user's value wins, also at a depth and in maps.",
			spec:     "{service: {type: NodePort, annotations: {example.org/a: user}}, resources: {requests: {cpu: 1}}}",
			defaults: "{service: {type: ClusterIP, annotations: {example.org/a: default, example.org/b: default}}, resources: {requests: {cpu: 2, memory: 1Gi}}, logging: {level: DEBUG}}",
			want:     map[string]string{"service.type": "NodePort", "service.annotations": "map[example.org/a:user example.org/b:default]", "logging.level": "DEBUG"},
			from:     []string{"spec.logging.level", "spec.resources.requests.memory", "spec.service.annotations[example.org/b]"},
		},
		"Lists": {
			reason:   "A list takes the place of a list, and an empty one is a list.",
			spec:     "{tolerations: [], extraEnv: [{name: A, value: user}]}",
			defaults: "{tolerations: [{operator: Exists}], extraEnv: [{name: B, value: default}], imagePullSecrets: [{name: registry}]}",
			want:     map[string]string{"tolerations": "[]", "imagePullSecrets": "[{registry}]"},
			from:     []string{"spec.imagePullSecrets"},
		},
		"Null": {
			reason:   "The API server removes a null, so that it takes no default away.",
			spec:     "{logging: null, service: {type: null}}",
			defaults: "{logging: {level: DEBUG, format: null}, service: {type: ClusterIP}}",
			want:     map[string]string{"logging.level": "DEBUG", "logging.format": "json", "service.type": "ClusterIP"},
			from:     []string{"spec.logging.level", "spec.service.type"},
		},
		"Wrong": {
			reason:   "What is wrong is told where it is from.",
			spec:     "{apiPort: 70000, service: {file: {type: None}}}",
			defaults: "{nfsPort: 70001, apiPort: 80, service: {file: {type: Other}}, nodeSelector: {-a: b}, tolerations: [{operator: Exists}, {operator: Exist}]}",
			errs:     []string{"input.defaults.nfsPort", "spec.apiPort", "spec.service.file.type", "input.defaults.nodeSelector", "input.defaults.tolerations[1].operator", "input.defaults.tolerations[1].operator"},
		},
		"Unknown": {
			reason:   "Crossplane's own fields are the user's only.",
			spec:     "{crossplane: {compositionRef: {name: a}}}",
			defaults: "{crossplane: {}, metadata: {}, service: {typ: a}}",
			errs:     []string{"input.defaults.service.typ", "input.defaults.crossplane", "input.defaults.metadata"},
		},
		"Missing": {
			reason:   "What the user must say in any case, the user has to add.",
			defaults: "{database: {postgres: {host: db}}}",
			errs:     []string{"spec.database.postgres.secretRef.name"},
		},
		"OtherKind": {
			reason:   "A value of the user's of another kind is no object to merge with.",
			spec:     "{logging: DEBUG}",
			defaults: "{logging: {level: 1}}",
			errs:     []string{"spec.logging"},
		},
		"NoObject": {
			reason:   "The defaults are an object.",
			defaults: "[a]",
			errs:     []string{"input.defaults"},
		},
		"TooLong": {
			reason:   "The bounds are those of a spec.",
			defaults: "{storage: {metadataSize: '" + strings.Repeat("1", 65) + "'}}",
			errs:     []string{"input.defaults.storage.metadataSize"},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			xr := toStruct(t, object(t, "{metadata: {name: files, namespace: storage}, spec: "+orEmpty(tc.spec)+"}"))
			identity := toStruct(t, object(t, "{identity: {jwt: {secretRef: {name: jwt}}}}"))
			xr.GetFields()["spec"].GetStructValue().Fields["identity"] = identity.GetFields()["identity"]

			input := toStruct(t, object(t, "{defaults: "+orEmpty(tc.defaults)+"}"))
			user := fmt.Sprint(xr)

			errs := CheckBounds(xr, input)

			s := &DittoServer{}
			if len(errs) == 0 {
				s, errs = Decode(xr, input)
				errs = s.AtOrigin(errs)
			}

			var got []string
			for _, err := range errs {
				got = append(got, err.Field)
			}

			if diff := cmp.Diff(tc.errs, got); diff != "" {
				t.Errorf("%s\nfields with errors: -want, +got:\n%s", tc.reason, diff)
			}

			if user != fmt.Sprint(xr) {
				t.Error("the request changed")
			}

			if len(tc.errs) > 0 {
				return
			}

			if diff := cmp.Diff(tc.from, s.FromDefaults()); diff != "" {
				t.Errorf("%s\ns.FromDefaults(): -want, +got:\n%s", tc.reason, diff)
			}

			has := map[string]string{
				"service.type":        string(s.Spec.Service.Type),
				"service.annotations": fmt.Sprint(s.Spec.Service.Annotations),
				"logging.level":       s.Spec.Logging.Level,
				"logging.format":      s.Spec.Logging.Format,
				"tolerations":         fmt.Sprint(s.Spec.Tolerations),
				"imagePullSecrets":    fmt.Sprint(s.Spec.ImagePullSecrets),
			}
			for field, want := range tc.want {
				if has[field] != want {
					t.Errorf("%s\n%s: want %s, got %s", tc.reason, field, want, has[field])
				}
			}
		})
	}
}

func orEmpty(text string) string {
	if text == "" {
		return "{}"
	}

	return text
}

// TestDefaultsAreListedUpTo checks the bound of the status.
func TestDefaultsAreListedUpTo(t *testing.T) {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "k%02d: a, ", i)
	}

	input := toStruct(t, object(t, "{defaults: {podLabels: {"+b.String()+"}}}"))
	s, _ := Decode(toStruct(t, object(t, "{metadata: {name: files, namespace: storage}, spec: {identity: {jwt: {secretRef: {name: jwt}}}}}")), input)

	got := s.FromDefaults()
	if len(got) != maxDefaults+1 || got[0] != "spec.podLabels.k00" || got[maxDefaults] != "and 36 more" {
		t.Errorf("s.FromDefaults(): got %d, from %q to %q", len(got), got[0], got[len(got)-1])
	}
}
