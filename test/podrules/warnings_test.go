package podrules

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/structpb"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	podutil "k8s.io/kubernetes/pkg/api/pod"
	serviceutil "k8s.io/kubernetes/pkg/api/service"
	"k8s.io/kubernetes/pkg/apis/apps"
	"k8s.io/kubernetes/pkg/apis/core"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// fieldOf replaces the beginning of the path of a field of a composed object by that of the
// field of the spec that sets it.
//
//nolint:gochecknoglobals // A table.
var fieldOf = strings.NewReplacer(
	"spec.template.spec.containers[0].resources", "spec.resources",
	"spec.template.metadata.annotations", "spec.podAnnotations",
	"spec.template.spec.", "spec.",
)

// moreWarnings are ours of which the API server says nothing, each with the reason.
//
//nolint:gochecknoglobals // A table.
var moreWarnings = []struct{ text, reason string }{
	{"is less than 1Mi", "nobody means a limit or a claim of some bytes"},
}

// otherWarnings are about the server, and not about its pod.
var otherWarnings = regexp.MustCompile(`^(spec\.(database|identity|metrics|telemetry|version)\b|Container port)`)

// statefulSetWarnings returns what the API server warns of.
func statefulSetWarnings(t *testing.T, manifest []byte) []string {
	t.Helper()

	sent, sts := &appsv1.StatefulSet{}, &apps.StatefulSet{}
	if err := json.Unmarshal(manifest, sent); err != nil {
		t.Fatal(err)
	}

	legacyscheme.Scheme.Default(sent)

	if err := legacyscheme.Scheme.Convert(sent, sts, nil); err != nil {
		t.Fatal(err)
	}

	return podutil.GetWarningsForPodTemplate(t.Context(), field.NewPath("spec", "template"), &sts.Spec.Template, nil)
}

// ours returns the function's warnings that are about what the API server judges.
func ours(s *composite.DittoServer) []string {
	return slices.DeleteFunc(s.Warnings(s.Release), otherWarnings.MatchString)
}

// pathOf returns the path of the field that a warning begins with.
func pathOf(warning string) string {
	path, _, _ := strings.Cut(warning, ": ")
	return fieldOf.Replace(path)
}

// TestWarnings holds the function's warnings against those of the API server, for each mutation
// that is taken.
func TestWarnings(t *testing.T) {
	used := make([]bool, len(moreWarnings))
	warned := map[string]bool{}

	for _, m := range mutations() {
		s, errs := decode(t, m)
		if len(errs) > 0 {
			continue
		}

		var want, got []string

		for _, w := range statefulSetWarnings(t, statefulSet(t, s)) {
			// It multiplies by a thousand, and what does not fit becomes a fraction.
			if huge := m.field == "resources" && (strings.Contains(m.value, "1e30") || strings.Contains(m.value, "9223372036854775807")); !huge {
				want = append(want, pathOf(w))
			}
		}

		for _, w := range ours(s) {
			i := slices.IndexFunc(moreWarnings, func(m struct{ text, reason string }) bool { return strings.Contains(w, m.text) })
			if i >= 0 {
				used[i] = true
				continue
			}

			got = append(got, pathOf(w))
			warned[m.field] = true
		}

		slices.Sort(want)
		slices.Sort(got)

		if !slices.Equal(want, got) {
			t.Errorf("%s: the API server warns of %q, and we of %q", m, want, got)
		}
	}

	for i, m := range moreWarnings {
		if !used[i] {
			t.Errorf("no mutation shows it: %s (%s)", m.text, m.reason)
		}
	}

	for _, f := range []string{"affinity", "nodeSelector", "podAnnotations", "resources", "topologySpreadConstraints"} {
		if !warned[f] {
			t.Errorf("no mutation of %s is warned of: the test shows little", f)
		}
	}
}

// TestServiceWarnings holds the function's warnings of Services against those of the API server.
func TestServiceWarnings(t *testing.T) {
	services := []mutation{
		{"service", "{}"},
		{"service", "{type: NodePort, annotations: {a: b}}"},
		{"service", "{annotations: {service.kubernetes.io/topology-aware-hints: auto}}"},
		{"service", "{api: {annotations: {service.kubernetes.io/topology-aware-hints: auto}}}"},
		{"service", "{file: {annotations: {service.kubernetes.io/topology-mode: auto}}}"},
		{"service", "{file: {loadBalancerSourceRanges: [192.0.2.0/24, 192.0.2.1/24, 2001:db8::/32]}}"},
		{"service", "{api: {loadBalancerSourceRanges: ['2001:DB8::/32', '::ffff:192.0.2.0/120', 192.0.2.7/32]}}"},
		{"service", "{api: {loadBalancerSourceRanges: [010.0.0.0/8]}}"},
		{"service", "{api: {loadBalancerSourceRanges: [' 192.0.2.0/24']}}"},
	}

	for _, m := range services {
		s, errs := decode(t, m)
		if len(errs) > 0 {
			continue
		}

		pod, err := manifest.Pod(s, manifest.PodInputs{Image: "marmos91c/dittofs:v0.29.0"})
		if err != nil {
			t.Fatal(err)
		}

		manifests, err := manifest.Build(s, manifest.Inputs{Pod: pod})
		if err != nil {
			t.Fatal(err)
		}

		theirs := map[string]int{}

		for name, prefix := range map[manifest.Name]string{manifest.ServiceAPI: "spec.service.api", manifest.ServiceFile: "spec.service.file", manifest.ServiceHeadless: "", manifest.ServiceMetrics: ""} {
			if manifests[name] == nil {
				continue
			}

			sent, svc := &corev1.Service{}, &core.Service{}
			if err := json.Unmarshal(protostruct.JSON(structpb.NewStructValue(manifests[name])), sent); err != nil {
				t.Fatal(err)
			}

			legacyscheme.Scheme.Default(sent)

			if err := legacyscheme.Scheme.Convert(sent, svc, nil); err != nil {
				t.Fatal(err)
			}

			for _, w := range serviceutil.GetWarningsForService(svc, nil) {
				theirs[prefix+strings.TrimPrefix(pathOf(w), "spec")]++
			}
		}

		// An annotation of both Services is one of the spec, and has no path in their words.
		got := map[string]int{}
		for _, w := range ours(s) {
			got[pathOf(w)]++
		}

		for path := range theirs {
			if strings.Contains(path, "annotation") {
				if !slices.ContainsFunc(ours(s), func(w string) bool { return strings.Contains(w, "annotations[") }) {
					t.Errorf("%s: the API server warns of an annotation, and we of %q", m, ours(s))
				}
			} else if got[path] != theirs[path] {
				t.Errorf("%s: the API server warns of %v, and we of %q", m, theirs, ours(s))
			}
		}

		if len(theirs) == 0 && len(got) > 0 {
			t.Errorf("%s: the API server warns of nothing, and we of %q", m, ours(s))
		}
	}
}
