package fielderr

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestEach(t *testing.T) {
	p := field.NewPath("spec", "colors")

	noRed := func(p *field.Path, color *string) field.ErrorList {
		if *color != "red" {
			return nil
		}

		return field.ErrorList{field.Forbidden(p, ""), field.Forbidden(p.Child("tone"), "")}
	}

	red := make([]string, 1000)
	for i := range red {
		red[i] = "red"
	}

	var enough []string
	for i := range (Max + 2) / 2 {
		enough = append(enough, fmt.Sprintf("spec.colors[%d]: Forbidden", i), fmt.Sprintf("spec.colors[%d].tone: Forbidden", i))
	}

	cases := map[string]struct {
		reason string
		errs   field.ErrorList
		want   []string
	}{
		"All": {
			reason: "The errors of all items come in their order.",
			errs:   Each(p, []string{"red", "green", "red"}, noRed),
			want:   []string{"spec.colors[0]: Forbidden", "spec.colors[0].tone: Forbidden", "spec.colors[2]: Forbidden", "spec.colors[2].tone: Forbidden"},
		},
		"Enough": {
			reason: "Nothing is looked at any more once there are more errors than are told.",
			errs:   Each(p, red, noRed),
			want:   enough,
		},
		"Among": {
			reason: "A text that is among others is reported where it is in its list.",
			errs:   Among(p, []string{"red", "green"}, sets.New("green", "blue"), "must not be in others"),
			want:   []string{`spec.colors[1]: Invalid value: "green": must not be in others`},
		},
		"TooMany": {
			reason: "What was found and what may be is told.",
			errs:   field.ErrorList{TooMany(p, 3, 2, "items"), TooLong(p.Index(0), 9, 8)},
			want:   []string{"spec.colors: Too many: 3: must have at most 2 items", "spec.colors[0]: Too long: has 9 characters, and must have at most 8"},
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

func TestUnless(t *testing.T) {
	cases := map[string]struct {
		reason      string
		other, path string
		want        int
	}{
		"Same":      {reason: "A field has one kind of errors.", other: "spec.image", path: "spec.image"},
		"Child":     {reason: "So have its fields.", other: "spec.smb", path: "spec.smb.port"},
		"Index":     {reason: "So have the items of a list.", other: "spec.tolerations", path: "spec.tolerations[0].key"},
		"Neighbour": {reason: "A field whose name begins with that of another is a field of its own.", other: "spec.image", path: "spec.imagePullPolicy", want: 1},
		"Parent":    {reason: "A field keeps its errors beside those of its fields.", other: "spec.smb.port", path: "spec.smb", want: 1},
		"Other":     {reason: "Fields have nothing to do with each other.", other: "spec.smb", path: "input.ttl", want: 1},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			others := field.ErrorList{field.Required(field.NewPath(tc.other), "")}

			if got := Unless(others, field.ErrorList{field.Required(field.NewPath(tc.path), "")}); len(got) != tc.want {
				t.Errorf("%s\nUnless(...): want %d errors, got: %v", tc.reason, tc.want, got)
			}
		})
	}
}
