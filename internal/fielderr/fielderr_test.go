package fielderr

import (
	"testing"

	"github.com/google/go-cmp/cmp"
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
		"Sorted": {
			reason: "Errors are sorted by their texts.",
			errs:   Sorted(field.ErrorList{field.Required(p.Key("b"), ""), field.Required(p.Key("a"), "2"), field.Required(p.Key("a"), "1")}),
			want:   []string{"spec.color[a]: Required value: 1", "spec.color[a]: Required value: 2", "spec.color[b]: Required value"},
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
