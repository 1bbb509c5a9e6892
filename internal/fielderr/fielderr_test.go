package fielderr

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func texts(errs field.ErrorList) []string {
	var all []string
	for _, err := range errs {
		all = append(all, err.Error())
	}

	return all
}

func TestErrors(t *testing.T) {
	notValue, notName := validation.IsValidLabelValue("_")[0], validation.IsQualifiedName("_")[0]
	p := field.NewPath("spec", "color")

	cases := map[string]struct {
		reason string
		errs   field.ErrorList
		want   []string
	}{
		"Supported": {
			reason: "A supported value has no error.",
			errs:   OneOf(p, "red", "red", "green"),
		},
		"Unsupported": {
			reason: "Another value has one, which names what there is.",
			errs:   OneOf(p, "blue", "red", "green"),
			want:   []string{`spec.color: Unsupported value: "blue": supported values: "red", "green"`},
		},
		"Unset": {
			reason: "What is not set is not judged.",
			errs:   OneOfIfSet(p, nil, "red"),
		},
		"Empty": {
			reason: "The empty text is a value.",
			errs:   OneOfIfSet(p, new(""), "red"),
			want:   []string{`spec.color: Unsupported value: "": supported values: "red"`},
		},
		"Messages": {
			reason: "Each message is an error, in the same order.",
			errs:   Messages(p, 7, []string{"must not be odd", "must be a color"}),
			want:   []string{"spec.color: Invalid value: 7: must not be odd", "spec.color: Invalid value: 7: must be a color"},
		},
		"Labels": {
			reason: "Labels are reported in the order of their keys.",
			errs:   Labels(p, map[string]string{"c": "", "b": "_", "a": "_"}),
			want:   []string{`spec.color: Invalid value: "_": ` + notValue, `spec.color: Invalid value: "_": ` + notValue},
		},
		"Annotations": {
			reason: "So are annotations. Their values may be anything.",
			errs:   Annotations(p, map[string]string{"c": "_", "_b": "", "_a": ""}),
			want:   []string{`spec.color: Invalid value: "_a": ` + notName, `spec.color: Invalid value: "_b": ` + notName},
		},
		"LongAnnotations": {
			reason: "All annotations together are bounded.",
			errs:   Annotations(p, map[string]string{"a": strings.Repeat("x", 128*1024), "b": strings.Repeat("x", 128*1024)}),
			want:   []string{"spec.color: Too long: may not be more than 262144 bytes"},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, texts(tc.errs)); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
