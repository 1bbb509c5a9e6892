package composite

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestValidateMetadata(t *testing.T) {
	cases := map[string]struct {
		reason              string
		labels, annotations map[string]string
		want                []string
	}{
		"Good": {
			"Keys of one's own, and well-known ones.",
			map[string]string{"cost-center": "cc-42", "app.kubernetes.io/part-of": "storage", "notcrossplane.io/a": "b"},
			map[string]string{"example.org/contact": "storage@example.org"},
			nil,
		},
		"NoLabel": {
			"The API server would refuse every object.",
			map[string]string{"a": "not a label"},
			map[string]string{"not a key": ""},
			[]string{"spec.labels", "spec.annotations"},
		},
		"Own": {
			"The function finds its objects by them.",
			map[string]string{"app.kubernetes.io/instance": "other"},
			map[string]string{"dittofs.io/ran": "{}"},
			[]string{"spec.labels[app.kubernetes.io/instance]", "spec.annotations[dittofs.io/ran]"},
		},
		"Crossplanes": {
			"Natively they would be on a composed resource.",
			map[string]string{"crossplane.io/composite": "other"},
			map[string]string{"crossplane.io/paused": "true", "kubernetes.m.crossplane.io/a": "b"},
			[]string{"spec.labels[crossplane.io/composite]", "spec.annotations[crossplane.io/paused]", "spec.annotations[kubernetes.m.crossplane.io/a]"},
		},
		"Volumes": {
			"The storage class would be another one than the field's, or the binding another one than the scheduler's.",
			nil,
			map[string]string{"volume.beta.kubernetes.io/storage-class": "fast", "pv.kubernetes.io/bind-completed": "yes", "volume.kubernetes.io/selected-node": "a"},
			[]string{"spec.annotations[pv.kubernetes.io/bind-completed]", "spec.annotations[volume.beta.kubernetes.io/storage-class]", "spec.annotations[volume.kubernetes.io/selected-node]"},
		},
		"SourceRanges": {
			"The API server would refuse it on a Service of another type, and has a field for it.",
			nil,
			map[string]string{"service.beta.kubernetes.io/load-balancer-source-ranges": "10.0.0.0/8"},
			[]string{"spec.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]"},
		},
		"TooLong": {
			"The ConfigMap needs room for the function's own.", nil,
			map[string]string{"a": strings.Repeat("a", 16*1024)},
			[]string{"spec.annotations"},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, err := range validateMetadata(field.NewPath("spec"), tc.labels, tc.annotations) {
				got = append(got, err.Field)
			}

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nvalidateMetadata(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
